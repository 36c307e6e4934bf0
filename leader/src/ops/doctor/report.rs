//! The report of `doctor`, as `doctor --json` prints it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use teamster_protocol::model::id::TeamName;

use super::DoctorSubject;
use crate::ops::text::lossy_path;

/// The way out that most findings have.
pub(super) const REPAIR: &str = "teamster doctor --repair";

/// Everything that was looked at, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// The team.
    pub team: TeamName,
    /// The root directory that the team is under.
    pub root: PathBuf,
    /// The worst of the checks.
    pub state: TeamHealth,
    /// The checks that were made, group by group.
    pub checks: Vec<DoctorCheck>,
    /// With `--repair`: what was done before this look, in order.
    pub repairs: Vec<RepairAct>,
}

/// The health of a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeamHealth {
    /// Nothing is wrong.
    Sound,
    /// Something needs to be mended.
    Wrong,
    /// A log can not be read as it is.
    Corrupt,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorCheck {
    /// The part of the team's ground that was checked.
    pub group: CheckGroup,
    /// The result of the check.
    pub level: CheckLevel,
    /// The observation, in one line.
    pub what: String,
    /// The file or directory that the check is about.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none", serialize_with = "lossy_path")]
    pub place: Option<PathBuf>,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The part of the team's ground that a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckGroup {
    /// The directory in which teams are kept.
    Root,
    /// The limits of the system.
    Limits,
    /// The programs that are started.
    Programs,
    /// The isolation of a worker's processes.
    Isolation,
    /// Every line of every log.
    Logs,
    /// The locks, and the processes that hold them.
    Locks,
    /// The roster, and who is alive.
    Members,
    /// Tasks that can not be done.
    Board,
    /// Git worktrees.
    Worktrees,
    /// Stray and unfinished files in the team's directory.
    Files,
    /// Processes that workers left running.
    Processes,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckLevel {
    /// The thing is as it should be.
    Ok,
    /// Worth to know; nothing is wrong.
    Note,
    /// Something that needs to be mended.
    Wrong,
    /// A log can not be read as it is.
    Corrupt,
}

/// One thing that a repair did, or did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairAct {
    /// Whether the repair was done.
    pub outcome: RepairOutcome,
    /// The repair, or the reason why it was refused, in one line.
    pub what: String,
    /// The way out, where it was refused and there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The copy of the file as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "lossy_path")]
    pub backup: Option<PathBuf>,
}

/// Whether a repair was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// The repair was done.
    Done,
    /// The repair was refused, and nothing was changed.
    Refused,
}

impl CheckGroup {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            CheckGroup::Root => "root",
            CheckGroup::Limits => "limits",
            CheckGroup::Programs => "programs",
            CheckGroup::Isolation => "isolation",
            CheckGroup::Logs => "logs",
            CheckGroup::Locks => "locks",
            CheckGroup::Members => "members",
            CheckGroup::Board => "board",
            CheckGroup::Worktrees => "worktrees",
            CheckGroup::Files => "files",
            CheckGroup::Processes => "processes",
        }
    }
}

/// `1 task`, `2 tasks`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// An error of ours as its first line and its way out, which is on the lines below.
pub(super) fn in_two_lines(error: String) -> (String, Option<String>) {
    match error.split_once('\n') {
        Some((what, hint)) => (what.to_owned(), Some(hint.to_owned())),
        None => (error, None),
    }
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct DoctorFindings {
    checks: Vec<DoctorCheck>,
}

impl DoctorFindings {
    pub(super) fn ok(&mut self, group: CheckGroup, what: impl Into<String>) -> &mut DoctorCheck {
        self.add(group, CheckLevel::Ok, what.into())
    }

    pub(super) fn note(&mut self, group: CheckGroup, what: impl Into<String>) -> &mut DoctorCheck {
        self.add(group, CheckLevel::Note, what.into())
    }

    pub(super) fn wrong(&mut self, group: CheckGroup, what: impl Into<String>) -> &mut DoctorCheck {
        self.add(group, CheckLevel::Wrong, what.into())
    }

    pub(super) fn corrupt(&mut self, group: CheckGroup, what: impl Into<String>) -> &mut DoctorCheck {
        self.add(group, CheckLevel::Corrupt, what.into())
    }

    /// How much was found that is not as it should be.
    pub(super) fn troubles(&self) -> usize {
        self.checks.iter().filter(|check| check.level != CheckLevel::Ok).count()
    }

    pub(super) fn report(self, subject: &DoctorSubject) -> DoctorReport {
        let state = match self.checks.iter().map(|check| check.level).max() {
            None | Some(CheckLevel::Ok | CheckLevel::Note) => TeamHealth::Sound,
            Some(CheckLevel::Wrong) => TeamHealth::Wrong,
            Some(CheckLevel::Corrupt) => TeamHealth::Corrupt,
        };
        let (team, root) = (subject.dir.team().clone(), subject.dir.root().to_owned());
        DoctorReport { team, root, state, checks: self.checks, repairs: Vec::new() }
    }

    fn add(&mut self, group: CheckGroup, level: CheckLevel, what: String) -> &mut DoctorCheck {
        let (what, hint) = in_two_lines(what);
        self.checks.push(DoctorCheck { group, level, what, place: None, hint });
        self.checks.last_mut().expect("one was pushed just now")
    }
}

impl DoctorCheck {
    pub(super) fn at(&mut self, place: &Path) -> &mut DoctorCheck {
        self.place = Some(place.to_owned());
        self
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut DoctorCheck {
        self.hint = Some(hint.into());
        self
    }
}
