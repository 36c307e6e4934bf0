//! A look at everything that a team stands on: the place, the limits, the programs, every line of every log, who is
//! alive, and what was left behind. It changes nothing; [`mend`] does, and only what a person would do by hand.
//!
//! "Could not look" is a finding of its own, never "nothing there".

mod board;
mod files;
mod isolation;
mod limits;
mod locks;
mod logs;
mod mark;
mod members;
mod mend;
mod numbers;
mod place;
mod processes;
mod programs;
mod report;
mod worktrees;

use std::path::PathBuf;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::limits::pace::LEADER_ANSWER_WITHIN;
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::LeaderInfo;
use tokio::time::timeout;

pub use mend::mend;
pub use report::{CheckGroup, CheckLevel, DoctorCheck, DoctorReport, RepairAct, RepairOutcome, TeamHealth};

use super::connect::connect;
use super::error::OpsError;
use super::session::Session;
use crate::daemon::launch::worker_program;
use crate::verb::Verb;
use report::{DoctorFindings, REPAIR};

/// The permission to mend the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoctorMode {
    /// Nothing is changed.
    Look,
    /// Damage that can be mended without losing anything is mended before the look.
    Repair,
}

/// Looks at everything that the team stands on. Blocks as [`examine`] does.
pub async fn doctor(session: &Session, mode: DoctorMode) -> Result<DoctorReport, OpsError> {
    session.authorize(match mode {
        DoctorMode::Look => Verb::Doctor,
        DoctorMode::Repair => Verb::Repair,
    })?;
    let leader = match timeout(LEADER_ANSWER_WITHIN, connect(session)).await {
        Ok(Ok((_, leader))) => Some(Ok(leader)),
        Ok(Err(OpsError::NoLeader { .. })) => None,
        Ok(Err(error)) => Some(Err(error.to_string())),
        Err(_) => Some(Err(format!("not within {}s", LEADER_ANSWER_WITHIN.as_secs()))),
    };
    let (dir, now_ms) = (session.dir.clone(), session.now_ms());
    let subject = DoctorSubject { dir, worker_program: worker_program(), leader, now_ms };
    let repairs = match mode {
        DoctorMode::Look => Vec::new(),
        DoctorMode::Repair => mend(&subject),
    };
    Ok(DoctorReport { repairs, ..examine(&subject) })
}

/// The team to look at, and the environment of the one who looks.
#[derive(Debug)]
pub struct DoctorSubject {
    /// The team's directory.
    pub dir: TeamDir,
    /// The program that would be started for a member.
    pub worker_program: PathBuf,
    /// The leader that answers; why it does not, if one runs; nothing if none does.
    pub leader: Option<Result<LeaderInfo, String>>,
    /// The present, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Looks at everything. Blocks for as long as the reading of all logs and a `git status` of each worktree take.
pub fn examine(subject: &DoctorSubject) -> DoctorReport {
    let mut found = DoctorFindings::default();
    place::check(subject, &mut found);
    limits::check(subject, &mut found);
    programs::check(subject, &mut found);
    let level = isolation::check(subject, &mut found);
    if subject.dir.path().exists() {
        logs::check(subject, &mut found);
        let view = TeamView::open(subject.dir.clone());
        locks::check(subject, view.as_ref().ok(), &mut found);
        match view {
            Ok(view) => {
                members::check(subject, &view, &mut found);
                isolation::check_members(&view, level, &mut found);
                board::check(&view, &mut found);
                worktrees::check(&view, &mut found);
                mark::check(&view, &mut found);
            }
            Err(error) => {
                let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                found.wrong(CheckGroup::Members, format!("cannot be looked at: {first}")).hint(REPAIR);
            }
        }
        files::check(subject, &mut found);
        processes::check(subject, &mut found);
    }
    found.report(subject)
}
