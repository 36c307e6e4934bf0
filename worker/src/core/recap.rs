//! The summary of an earlier conversation, for an agent that can not go on with it: what was asked, what was answered, and
//! what was left unfinished, taken from transcripts. Pure: it is given entries and returns a text.
//!
//! What an agent is told here was said by people and by models. It stands behind `>` at the beginning of each line, so that
//! no line of it is taken for one of ours.

use teamster_protocol::model::agent::{SessionBegin, TurnEnd};
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::limits::sizes::{RECAP_BYTES_MAX, RECAP_TEXT_BYTES_MAX, RECAP_TURNS_MAX};
use teamster_protocol::model::notice::{TranscriptEntry, TranscriptText};
use teamster_protocol::model::task::{TaskWork, WorkKind};

/// The member whose conversation is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecapSubject {
    /// The one that is told it.
    Own,
    /// Another member.
    Other(MemberName),
}

/// Whether a recap has room for what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecapRoom {
    /// The file before is wanted.
    Left,
    /// The recap is complete: it has reached the conversation's beginning, or its limit.
    Full,
}

/// A summary that is being made, from the newest transcript back.
#[derive(Debug)]
pub struct ConversationRecap {
    subject: RecapSubject,
    /// The turns, newest first.
    turns: Vec<String>,
    bytes: usize,
    /// Whether something older is left out.
    is_cut: bool,
}

/// One turn, as far as it matters.
#[derive(Debug, Default)]
struct RecapTurn {
    asked: String,
    task: Option<TaskId>,
    /// The words that were said into the turn, each with its sender.
    steers: Vec<(Address, String)>,
    said: String,
    end: Option<TurnEnd>,
}

impl ConversationRecap {
    /// A recap without turns, for this subject.
    pub fn new(subject: RecapSubject) -> ConversationRecap {
        ConversationRecap { subject, turns: Vec::new(), bytes: 0, is_cut: false }
    }

    /// Takes the entries of one transcript: of the newest first, then of the one before it, and so on.
    pub fn take(&mut self, entries: &[TranscriptEntry]) -> RecapRoom {
        let began = entries.iter().rposition(|entry| begins_conversation(&entry.what));
        let ended = entries.iter().position(|entry| matches!(entry.what, TranscriptText::TurnEnded { .. }));
        // A conversation whose name is told after the turn begins with the next one.
        if began.is_some_and(|began| ended.is_some_and(|ended| began > ended)) {
            return RecapRoom::Full;
        }
        if let Some(turn) = RecapTurn::of(entries) {
            let text = turn.text(&self.subject);
            if self.bytes + text.len() > RECAP_BYTES_MAX || self.turns.len() == RECAP_TURNS_MAX {
                self.is_cut = true;
                return RecapRoom::Full;
            }
            self.bytes += text.len();
            self.turns.push(text);
        }
        if began.is_some() { RecapRoom::Full } else { RecapRoom::Left }
    }

    /// The summary; nothing if nothing was said.
    pub fn finish(self) -> Option<String> {
        if self.turns.is_empty() {
            return None;
        }
        let head = match &self.subject {
            RecapSubject::Own => {
                "Your earlier conversation is lost. This is a summary of it, oldest first; do not answer it.".to_owned()
            }
            RecapSubject::Other(name) => {
                format!(
                    "This is a summary of the conversation of {name}, oldest first, so that you know what {name} knows."
                )
            }
        };
        let cut = if self.is_cut { "\n\n(What was said before this is left out.)" } else { "" };
        let turns: Vec<String> = self.turns.into_iter().rev().collect();
        Some(format!("{head}{cut}\n\n{}\n\nThe summary ends here.", turns.join("\n\n")))
    }
}

/// Whether a conversation of which nothing is left out begins here.
fn begins_conversation(said: &TranscriptText) -> bool {
    let TranscriptText::Session { session } = said else { return false };
    match session.begun {
        SessionBegin::Fresh | SessionBegin::Forked => true,
        SessionBegin::Summarized | SessionBegin::Resumed | SessionBegin::Loaded => false,
    }
}

impl RecapTurn {
    /// The turn of a transcript; nothing if there is none, and for a command, which the agent did not see.
    fn of(entries: &[TranscriptEntry]) -> Option<RecapTurn> {
        let (first, rest) = entries.split_first()?;
        let TranscriptText::TurnStarted { task, work, .. } = &first.what else { return None };
        if work.kind() == WorkKind::Command {
            return None;
        }
        let mut turn = RecapTurn { asked: asked(work), task: *task, ..RecapTurn::default() };
        for entry in rest {
            match &entry.what {
                TranscriptText::Text { text } => turn.say(text),
                TranscriptText::Steered { from, text, .. } | TranscriptText::Mail { from, text, .. } => {
                    turn.steers.push((from.clone(), text.clone()));
                }
                TranscriptText::TurnEnded { end, .. } => {
                    turn.end = Some(end.clone());
                    break;
                }
                TranscriptText::Ready
                | TranscriptText::Session { .. }
                | TranscriptText::TurnStarted { .. }
                | TranscriptText::Briefed { .. }
                | TranscriptText::Compacted
                | TranscriptText::Thought { .. }
                | TranscriptText::ToolCall { .. }
                | TranscriptText::Plan { .. }
                | TranscriptText::PermissionAsked { .. }
                | TranscriptText::PermissionAnswered { .. }
                | TranscriptText::Usage { .. }
                | TranscriptText::Receipt { .. }
                | TranscriptText::Stalled { .. }
                | TranscriptText::Interrupted { .. }
                | TranscriptText::AskedToStop { .. }
                | TranscriptText::AskedToEnd { .. }
                | TranscriptText::Parked { .. }
                | TranscriptText::Waiting
                | TranscriptText::Asleep
                | TranscriptText::Trouble { .. }
                | TranscriptText::Cut { .. }
                | TranscriptText::Leaving { .. } => {}
            }
        }
        Some(turn)
    }

    /// Keeps the end of what was said, of a little more than is told.
    fn say(&mut self, piece: &str) {
        self.said.push_str(piece);
        if self.said.len() > 4 * RECAP_TEXT_BYTES_MAX {
            let from = self.said.ceil_char_boundary(self.said.len() - 2 * RECAP_TEXT_BYTES_MAX);
            self.said.drain(..from);
        }
    }

    fn text(&self, subject: &RecapSubject) -> String {
        let task = self.task.map(|TaskId(number)| format!(" (task {number})")).unwrap_or_default();
        let who = match subject {
            RecapSubject::Own => "You".to_owned(),
            RecapSubject::Other(name) => name.to_string(),
        };
        let mut parts = vec![format!("Asked{task}:\n{}", quoted(&beginning(&self.asked)))];
        let steers = self.steers.iter();
        parts.extend(steers.map(|(from, text)| format!("Said by {from} meanwhile:\n{}", quoted(&beginning(text)))));
        let said = self.said.trim();
        if !said.is_empty() {
            parts.push(format!("{who} answered:\n{}", quoted(&ending(said))));
        }
        match &self.end {
            Some(TurnEnd::Completed) => {}
            Some(TurnEnd::Aborted) => parts.push("This was stopped before it was done.".to_owned()),
            Some(TurnEnd::Failed { reason, .. } | TurnEnd::NotBegun { reason }) => {
                parts.push(format!("This was not done: {reason}"));
            }
            None => parts.push("This was not finished.".to_owned()),
        }
        parts.join("\n")
    }
}

fn asked(work: &TaskWork) -> String {
    work.text().trim().to_owned()
}

pub(super) fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn beginning(text: &str) -> String {
    if text.len() <= RECAP_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{} …", &text[..text.floor_char_boundary(RECAP_TEXT_BYTES_MAX)])
}

pub(super) fn ending(text: &str) -> String {
    if text.len() <= RECAP_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("… {}", &text[text.ceil_char_boundary(text.len() - RECAP_TEXT_BYTES_MAX)..])
}

#[cfg(test)]
mod tests;
