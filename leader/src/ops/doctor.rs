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
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::LeaderInfo;

pub use mend::mend;
pub use report::{Act, Acted, Check, Group, Level, Report, State};

use report::Findings;

/// What is looked at, and by whom.
#[derive(Debug)]
pub struct Subject {
    /// Where the team is.
    pub dir: TeamDir,
    /// The program that would be started for a member.
    pub worker_program: PathBuf,
    /// The leader that answers; why it does not, if one runs; nothing if none does.
    pub leader: Option<Result<LeaderInfo, String>>,
    /// The present, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Looks at everything. Blocks for as long as the reading of all logs and a `git status` of each worktree take.
pub fn examine(subject: &Subject) -> Report {
    let mut found = Findings::default();
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
            }
            Err(error) => {
                let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                found.wrong(Group::Members, format!("cannot be looked at: {first}")).hint(mend::HOW);
            }
        }
        files::check(subject, &mut found);
        processes::check(subject, &mut found);
    }
    found.report(subject)
}
