//! Where a worktree begins that its member had already: at the base, as a new one would, if it holds no work.

use std::fmt;
use std::path::PathBuf;

use teamster_protocol::git::{GitRunner, RepositoryLock, RestingPlace, TravelOutcome};
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

/// What is to be done with a worktree that is not at its base.
#[derive(Clone, Debug, PartialEq, Eq)]
enum BaseStep {
    /// It has the base, and nothing is to be said.
    HasBase,
    /// It is to be moved.
    Move,
    /// It stays for this and lacks the base, which is to be said.
    Lacks(HeldPlace),
    /// It would have to be moved and can not be, for this.
    Refuse(HeldPlace),
}

/// Decides, by whether a base was given, whether the worktree has all of it, and what holds it where it is.
fn base_step(is_given: bool, has_base: bool, held: Option<HeldPlace>) -> BaseStep {
    match (held, has_base, is_given) {
        (None, _, _) => BaseStep::Move,
        (Some(_), true, _) => BaseStep::HasBase,
        (Some(held), false, false) => BaseStep::Lacks(held),
        (Some(held), false, true) => BaseStep::Refuse(held),
    }
}

impl Repository {
    /// Moves the worktree, whose branch is at `tip`, to its base, or says why it stays. Nobody may work in it meanwhile.
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
        let base = match self.resolve(&*engine, spec.base.as_deref()) {
            // It is there already, and nobody asked for another base.
            Err(GitError::NoCommit { .. }) => return Ok(None),
            base => base?,
        };
        let head = engine.head(&registration.admin)?;
        let is_home = head == WorktreeHead::Branch(spec.branch.clone());
        if is_home && base == *tip {
            return Ok(None);
        }
        let at = match &head {
            WorktreeHead::Detached(commit) => Some(commit.clone()),
            WorktreeHead::Branch(branch) => engine.branch_tip(branch)?,
        };
        let lacking = engine.ahead(at.as_ref().unwrap_or(tip), &base)?;
        let (is_given, has_base) = (spec.base.is_some(), lacking == 0);
        let stays = |why: String| match has_base {
            true => Ok(None),
            false => Ok(Some(BaseStanding::Behind { commits: lacking as u64, why })),
        };
        let runner = match GitRunner::find(&self.program, &self.top_level) {
            Err(error) if !is_given => return stays(error.to_string()),
            found => found?,
        };
        // From the look on: two that hold the same commit would each find it held by the other, and both be moved.
        let _lock = RepositoryLock::acquire(&self.common_dir)?;
        let held = match is_home {
            true => self.held(&runner, spec, tip, &base)?,
            false => Some(HeldPlace::Elsewhere(head.to_string())),
        };
        match base_step(is_given, has_base, held) {
            BaseStep::HasBase => Ok(None),
            BaseStep::Move => match self.move_to(&runner, spec, registration, tip, &base)? {
                TravelOutcome::Arrived => Ok(Some(BaseStanding::Moved { from: tip.clone(), to: base })),
                TravelOutcome::InTheWay(files) if is_given && !has_base => {
                    Err(self.cannot_move(spec, HeldPlace::InTheWay(files)))
                }
                TravelOutcome::InTheWay(files) => stays(HeldPlace::InTheWay(files).to_string()),
            },
            BaseStep::Refuse(held) => Err(self.cannot_move(spec, held)),
            BaseStep::Lacks(held) => stays(held.to_string()),
        }
    }

    /// What keeps the worktree, whose `HEAD` is on its branch, from being moved. Its commits are its own unless the base has
    /// them, or a ref that no member's branch is, here or at a remote.
    fn held(
        &self,
        runner: &GitRunner,
        spec: &WorktreeSpec,
        tip: &ObjectId,
        base: &ObjectId,
    ) -> Result<Option<HeldPlace>, GitError> {
        let mut holdings = self.look(&spec.place, &spec.branch)?.holdings;
        let mut asking = runner.command_of(&self.common_dir);
        asking.args(["rev-list", tip.as_str(), "--not", base.as_str()]);
        asking.args(["--exclude=refs/heads/teamster/*", "--glob=refs/heads/*"]);
        asking.args(["--exclude=refs/remotes/*/teamster/*", "--glob=refs/remotes/*", "--tags", "--"]);
        let own = runner.checked(&mut asking)?;
        let own = String::from_utf8_lossy(&own);
        holdings.unmerged = own.lines().filter_map(|line| line.parse().ok()).collect();
        Ok(if holdings.is_empty() { None } else { Some(HeldPlace::Work(Box::new(holdings))) })
    }

    fn move_to(
        &self,
        runner: &GitRunner,
        spec: &WorktreeSpec,
        registration: &WorktreeRegistration,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<TravelOutcome, GitError> {
        let place = RestingPlace { runner, worktree: spec.place.path(), admin: &registration.admin };
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
        let held = || HeldPlace::Elsewhere("on branch `side`".to_owned());
        for is_given in [false, true] {
            assert_eq!(base_step(is_given, false, None), BaseStep::Move);
            assert_eq!(base_step(is_given, true, None), BaseStep::Move, "commits of others are no work of its own");
            assert_eq!(base_step(is_given, true, Some(held())), BaseStep::HasBase);
        }
        assert_eq!(base_step(false, false, Some(held())), BaseStep::Lacks(held()));
        assert_eq!(base_step(true, false, Some(held())), BaseStep::Refuse(held()));
    }
}
