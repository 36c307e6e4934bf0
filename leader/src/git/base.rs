//! Where a worktree begins that its member had already: at the base, as a new one would, if it holds no work.

use std::fmt;
use std::path::PathBuf;

use teamster_protocol::git::{GitRunner, RestingPlace, TravelOutcome};
use teamster_protocol::wire::api::{BaseStanding, WorktreeFound};

use super::branch::branch_ref;
use super::engine::WorktreeHead;
use super::holdings::count;
use super::registry::WorktreeRegistration;
use super::{GitError, ObjectId, Repository, WorktreeHoldings, WorktreeSpec};

/// What keeps a worktree from being moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldPlace {
    /// It holds work.
    Work(Box<WorktreeHoldings>),
    /// Its `HEAD` was put elsewhere.
    Elsewhere(String),
    /// Files that git does not track lie where the base has some of its own.
    InTheWay(Vec<PathBuf>),
}

impl fmt::Display for HeldPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeldPlace::Work(holdings) => write!(f, "it holds {holdings}"),
            HeldPlace::Elsewhere(head) => write!(f, "it is {head}"),
            HeldPlace::InTheWay(files) => {
                let names = files.iter().map(|file| file.display().to_string());
                write!(f, "git does not track what lies there: {}", count(files.len(), "file", names))
            }
        }
    }
}

/// What is to be done with a worktree that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BaseStep {
    /// It has the base already, and nothing is to be said.
    HasBase,
    /// It is to be moved.
    Move,
    /// It stays and lacks the base, which is to be said.
    Lacks,
    /// It would have to be moved and can not be.
    Refuse,
}

/// Decides, by whether a base was given, whether the worktree is at it or has it, and whether it holds any work.
fn base_step(is_given: bool, is_at_base: bool, has_base: bool, is_held: bool) -> BaseStep {
    match (is_at_base, is_held, has_base, is_given) {
        (true, _, _, _) | (false, true, true, _) => BaseStep::HasBase,
        (false, false, _, _) => BaseStep::Move,
        (false, true, false, false) => BaseStep::Lacks,
        (false, true, false, true) => BaseStep::Refuse,
    }
}

impl Repository {
    /// Moves the worktree at `tip` to its base, or says why it stays.
    pub(super) fn base_step(
        &self,
        spec: &WorktreeSpec,
        registration: &WorktreeRegistration,
        tip: &ObjectId,
    ) -> Result<Option<BaseStanding>, GitError> {
        match spec.found {
            WorktreeFound::GoesToBase => {}
            WorktreeFound::Stays => return Ok(None),
        }
        let engine = self.engine()?;
        let base = self.resolve(&*engine, spec.base.as_deref())?;
        let lacking = engine.ahead(tip, &base)?;
        let is_given = spec.base.is_some();
        let held = match base == *tip {
            true => None,
            false => self.held(spec, registration)?,
        };
        match base_step(is_given, base == *tip, lacking == 0, held.is_some()) {
            BaseStep::HasBase => Ok(None),
            BaseStep::Lacks => Ok(Some(BaseStanding::Behind { commits: lacking as u64 })),
            BaseStep::Refuse => Err(self.cannot_move(spec, held.expect("a worktree that is free is moved"))),
            BaseStep::Move => match self.move_to(spec, registration, tip, &base)? {
                TravelOutcome::Arrived => Ok(Some(BaseStanding::Moved { from: tip.clone(), to: base })),
                TravelOutcome::InTheWay(files) if is_given || lacking == 0 => {
                    Err(self.cannot_move(spec, HeldPlace::InTheWay(files)))
                }
                TravelOutcome::InTheWay(_) => Ok(Some(BaseStanding::Behind { commits: lacking as u64 })),
            },
        }
    }

    fn held(&self, spec: &WorktreeSpec, registration: &WorktreeRegistration) -> Result<Option<HeldPlace>, GitError> {
        let look = self.look(&spec.place, &spec.branch)?;
        if !look.holdings.is_empty() {
            return Ok(Some(HeldPlace::Work(Box::new(look.holdings))));
        }
        let head = look.engine.head(&registration.admin)?;
        let is_home = head == WorktreeHead::Branch(spec.branch.clone());
        Ok(if is_home { None } else { Some(HeldPlace::Elsewhere(head.to_string())) })
    }

    fn move_to(
        &self,
        spec: &WorktreeSpec,
        registration: &WorktreeRegistration,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<TravelOutcome, GitError> {
        let runner = GitRunner::find(&self.program, &self.top_level)?;
        let place = RestingPlace { runner: &runner, worktree: spec.place.path(), admin: &registration.admin };
        tracing::info!(branch = spec.branch, %from, %to, "a worktree without work goes to its base");
        Ok(place.travel(&branch_ref(&spec.branch), from, to)?)
    }

    fn cannot_move(&self, spec: &WorktreeSpec, held: HeldPlace) -> GitError {
        GitError::CannotMove {
            path: spec.place.path().to_owned(),
            base: spec.base.clone().unwrap_or_else(|| "HEAD".to_owned()),
            held,
        }
    }

    /// Finishes what a crash left of such a move.
    pub(super) fn finish_move(&self, spec: &WorktreeSpec, registration: &WorktreeRegistration) -> Result<(), GitError> {
        if !RestingPlace::is_travelling(&registration.admin) {
            return Ok(());
        }
        let runner = GitRunner::find(&self.program, &self.top_level)?;
        let place = RestingPlace { runner: &runner, worktree: spec.place.path(), admin: &registration.admin };
        if let Some(at) = place.finish_travel()? {
            tracing::info!(branch = spec.branch, %at, "a move that a crash cut short is finished");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_without_work_goes_to_the_base_and_one_with_work_stays_unless_that_would_ignore_what_was_given() {
        for is_given in [false, true] {
            assert_eq!(base_step(is_given, true, true, false), BaseStep::HasBase);
            assert_eq!(base_step(is_given, false, false, false), BaseStep::Move);
            assert_eq!(
                base_step(is_given, false, true, false),
                BaseStep::Move,
                "commits of others are no work of its own"
            );
            assert_eq!(base_step(is_given, false, true, true), BaseStep::HasBase);
        }
        assert_eq!(base_step(false, false, false, true), BaseStep::Lacks);
        assert_eq!(base_step(true, false, false, true), BaseStep::Refuse);
    }
}
