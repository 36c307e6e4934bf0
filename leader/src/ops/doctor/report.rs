//! What was found, as `doctor --json` prints it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use teamster_protocol::model::id::TeamName;

use super::DoctorSubject;

/// The way out that most findings have.
pub(super) const REPAIR: &str = "teamster doctor --repair";

/// Everything that was looked at, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// The team.
    pub team: TeamName,
    /// The root it is under.
    pub root: PathBuf,
    /// The worst of the checks.
    pub state: TeamHealth,
    /// What was looked at, group by group.
    pub checks: Vec<DoctorCheck>,
    /// With `--repair`: what was done before this look, in order.
    pub repairs: Vec<RepairAct>,
}

/// How a team is.
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
    /// What it belongs to.
    pub group: CheckGroup,
    /// How it is.
    pub level: CheckLevel,
    /// What was seen.
    pub what: String,
    /// The file or directory it is about.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<PathBuf>,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a check belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckGroup {
    /// Where teams are kept.
    Root,
    /// What the system allows.
    Limits,
    /// The programs that are started.
    Programs,
    /// What keeps a worker's processes together.
    Isolation,
    /// Every line of every log.
    Logs,
    /// Who holds what.
    Locks,
    /// The roster, and who is alive.
    Members,
    /// Tasks that can not be done.
    Board,
    /// Git worktrees.
    Worktrees,
    /// What lies in the team's directory.
    Files,
    /// What workers left running.
    Processes,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckLevel {
    /// As it should be.
    Ok,
    /// Worth to know; nothing is wrong.
    Note,
    /// It needs to be mended.
    Wrong,
    /// A log can not be read as it is.
    Corrupt,
}

/// One thing that a repair did, or did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairAct {
    /// Whether it was done.
    pub outcome: RepairOutcome,
    /// What, or why not.
    pub what: String,
    /// Where the file is as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<PathBuf>,
}

/// Whether a repair was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// It was.
    Done,
    /// It was not, and nothing was changed.
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

/// What has been found so far.
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
        self.checks.push(DoctorCheck { group, level, what, place: None, hint: None });
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
