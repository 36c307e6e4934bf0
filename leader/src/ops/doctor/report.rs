//! What was found, as `doctor --json` prints it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use teamster_protocol::model::id::TeamName;

use super::Subject;

/// The way out that most findings have.
pub(super) const REPAIR: &str = "teamster doctor --repair";

/// Everything that was looked at, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The team.
    pub team: TeamName,
    /// The root it is under.
    pub root: PathBuf,
    /// The worst of the checks.
    pub state: State,
    /// What was looked at, group by group.
    pub checks: Vec<Check>,
    /// With `--repair`: what was done before this look, in order.
    pub repairs: Vec<Act>,
}

/// How a team is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is wrong.
    Sound,
    /// Something needs to be mended.
    Wrong,
    /// A log can not be read as it is.
    Corrupt,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it belongs to.
    pub group: Group,
    /// How it is.
    pub level: Level,
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
pub enum Group {
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
pub enum Level {
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
pub struct Act {
    /// Whether it was done.
    pub outcome: Acted,
    /// What, or why not.
    pub what: String,
    /// Where the file is as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<PathBuf>,
}

/// Whether a repair was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acted {
    /// It was.
    Done,
    /// It was not, and nothing was changed.
    Refused,
}

impl Group {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Group::Root => "root",
            Group::Limits => "limits",
            Group::Programs => "programs",
            Group::Isolation => "isolation",
            Group::Logs => "logs",
            Group::Locks => "locks",
            Group::Members => "members",
            Group::Board => "board",
            Group::Worktrees => "worktrees",
            Group::Files => "files",
            Group::Processes => "processes",
        }
    }
}

/// `1 task`, `2 tasks`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    checks: Vec<Check>,
}

impl Findings {
    pub(super) fn ok(&mut self, group: Group, what: impl Into<String>) -> &mut Check {
        self.add(group, Level::Ok, what.into())
    }

    pub(super) fn note(&mut self, group: Group, what: impl Into<String>) -> &mut Check {
        self.add(group, Level::Note, what.into())
    }

    pub(super) fn wrong(&mut self, group: Group, what: impl Into<String>) -> &mut Check {
        self.add(group, Level::Wrong, what.into())
    }

    pub(super) fn corrupt(&mut self, group: Group, what: impl Into<String>) -> &mut Check {
        self.add(group, Level::Corrupt, what.into())
    }

    /// How much was found that is not as it should be.
    pub(super) fn troubles(&self) -> usize {
        self.checks.iter().filter(|check| check.level != Level::Ok).count()
    }

    pub(super) fn report(self, subject: &Subject) -> Report {
        let state = match self.checks.iter().map(|check| check.level).max() {
            None | Some(Level::Ok | Level::Note) => State::Sound,
            Some(Level::Wrong) => State::Wrong,
            Some(Level::Corrupt) => State::Corrupt,
        };
        let (team, root) = (subject.dir.team().clone(), subject.dir.root().to_owned());
        Report { team, root, state, checks: self.checks, repairs: Vec::new() }
    }

    fn add(&mut self, group: Group, level: Level, what: String) -> &mut Check {
        self.checks.push(Check { group, level, what, place: None, hint: None });
        self.checks.last_mut().expect("one was pushed just now")
    }
}

impl Check {
    pub(super) fn at(&mut self, place: &Path) -> &mut Check {
        self.place = Some(place.to_owned());
        self
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut Check {
        self.hint = Some(hint.into());
        self
    }
}
