//! `completions`: what a shell offers at its prompt, as it is at that moment. Nothing can be said there, so of what can not be
//! looked at nothing is offered; and who presses Tab has not asked for anything to be changed.

use std::collections::BTreeSet;

use teamster_protocol::model::agent::preset::{PRESETS, PresetShown};
use teamster_protocol::model::id::LEAD;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::TeamView;

use super::approvals::approvals;
use super::session::Session;
use super::teams::team_names;
use super::text::{harmless, shorten};
use crate::verb::{Verb, VerbListing};

/// Tasks that are offered at once: more would fill the terminal. Unfinished ones come first.
const TASKS_OFFERED_MAX: usize = 100;
/// The width of a title that is shown beside a number.
const TITLE_COLUMNS_MAX: usize = 50;

/// A kind of words that can be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferedKind {
    /// The members on the roster.
    Members,
    /// The mailboxes: those of the members, and the lead's.
    Mailboxes,
    /// The tasks on the board.
    Tasks,
    /// The questions for permission that wait, oldest first.
    Questions,
    /// The teams below the root.
    Teams,
    /// The agents that members may drive: those of the catalogue, and those that files describe.
    Agents,
}

/// A word that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedWord {
    /// The word.
    pub word: String,
    /// What it is the word for, where the word alone does not tell.
    pub about: Option<String>,
}

/// The words of that kind, in the order in which they are to be shown.
pub fn completions(session: &Session, kind: OfferedKind) -> Vec<OfferedWord> {
    if session.authorize(Verb::Completions).is_err() {
        return Vec::new();
    }
    match kind {
        OfferedKind::Members => session.view().map(|view| members(&view)).unwrap_or_default(),
        OfferedKind::Mailboxes => {
            let members = session.view().map(|view| members(&view)).unwrap_or_default();
            members.into_iter().chain([plain(LEAD)]).collect()
        }
        OfferedKind::Tasks => session.view().map(|view| tasks(&view)).unwrap_or_default(),
        OfferedKind::Questions => {
            let open = approvals(session).map(|open| open.approvals).unwrap_or_default();
            open.into_iter().map(|row| titled(row.id.to_string(), Some(&row.title))).collect()
        }
        OfferedKind::Teams => team_names(session).unwrap_or_default().into_iter().map(plain).collect(),
        OfferedKind::Agents => {
            let listed = PRESETS.iter().filter(|preset| preset.shown == PresetShown::Listed);
            let described = session.config.agents.iter().map(|(name, _)| name.to_string());
            let names: BTreeSet<String> = listed.map(|preset| preset.name.to_owned()).chain(described).collect();
            names.into_iter().map(plain).collect()
        }
    }
}

/// The words that may follow these in a command: `add` and others behind `task`.
pub fn command_words(before: &[&str]) -> Vec<OfferedWord> {
    let shown = Verb::ALL.iter().map(|verb| verb.row()).filter(|row| row.listing == VerbListing::Shown);
    let follows = |path: &'static str| {
        let words: Vec<&'static str> = path.split(' ').collect();
        words.strip_prefix(before)?.first().copied()
    };
    let words: BTreeSet<&str> = shown.filter_map(|row| follows(row.path)).collect();
    words.into_iter().map(plain).collect()
}

fn members(view: &TeamView) -> Vec<OfferedWord> {
    view.roster().members().map(|(name, _)| plain(name)).collect()
}

fn tasks(view: &TeamView) -> Vec<OfferedWord> {
    let is_open = |status: &TaskStatus| match status {
        TaskStatus::Pending { .. } | TaskStatus::InProgress { .. } => true,
        TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled => false,
    };
    let (open, over): (Vec<_>, Vec<_>) = view.board().tasks().partition(|(_, task)| is_open(&task.status));
    let offered = open.into_iter().chain(over.into_iter().rev()).take(TASKS_OFFERED_MAX);
    // Without a title it can be completed as well.
    let title = |id| view.new_task(id).ok().map(|task| task.title);
    offered.map(|(id, _)| titled(id.to_string(), title(id).as_deref())).collect()
}

fn plain(word: impl ToString) -> OfferedWord {
    OfferedWord { word: word.to_string(), about: None }
}

fn titled(word: String, title: Option<&str>) -> OfferedWord {
    OfferedWord { word, about: title.map(|title| shorten(&harmless(title), TITLE_COLUMNS_MAX).into_owned()) }
}
