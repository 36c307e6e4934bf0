//! The turn that a member is at, as its newest transcript tells it.

use std::fs;
use std::io;
use std::path::Path;

use super::{TranscriptError, failed, lines, path_of, read, read_bytes, since, turns};
use crate::model::approval::{QuestionFate, WaitingQuestion, question_fate, waiting_questions};
use crate::model::id::TaskId;
use crate::model::last_turn::LastTurn;
use crate::model::notice::{TranscriptEntry, TranscriptText};

/// How much of a transcript's end is read to tell whether its turn runs.
pub(super) const TAIL_BYTES: u64 = 64 * 1024;

/// A turn that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTurn {
    /// Its number.
    pub turn: u64,
    /// The task it is for, if any. Once that is not the member's any more, all that is left of the turn is to say that it
    /// ended: the board is written first.
    pub task: Option<TaskId>,
    /// The time at which it began.
    pub since_ms: u64,
    /// Whether the last that is known of its agent is that it says nothing.
    pub quiet: bool,
    /// The numbers of its questions that wait for the lead.
    pub waiting: Vec<u64>,
}

/// The work that a member was at when its transcript was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TranscriptStanding {
    /// The member is in a turn.
    Turn(OpenTurn),
    /// The member waits for its provider, which takes no more for now.
    Parked {
        /// The time since which it is parked.
        since_ms: u64,
        /// The time at which it goes on by itself.
        until_ms: u64,
        /// The provider's words.
        reason: String,
    },
    /// The member has no work.
    Free {
        /// The time since which it is free.
        since_ms: u64,
    },
    /// The member has no work, and its agent's process is not there until it has some.
    Asleep {
        /// The time since which the agent sleeps.
        since_ms: u64,
    },
}

/// The turn that the member's worker is at, as [`standing`] tells it.
pub fn open_turn(dir: &Path) -> Result<Option<OpenTurn>, TranscriptError> {
    Ok(match standing(dir)? {
        Some(TranscriptStanding::Turn(open)) => Some(open),
        Some(
            TranscriptStanding::Parked { .. } | TranscriptStanding::Free { .. } | TranscriptStanding::Asleep { .. },
        )
        | None => None,
    })
}

/// The work that the member's worker is at, by its newest transcript; nothing if that does not tell. Says nothing about
/// whether the worker lives. Reads from the end, and more than `TAIL_BYTES` only of a turn that says much.
pub fn standing(dir: &Path) -> Result<Option<TranscriptStanding>, TranscriptError> {
    Ok(newest_standing(dir)?.map(|(standing, _)| standing))
}

/// The same, and the number of the file that tells it.
fn newest_standing(dir: &Path) -> Result<Option<(TranscriptStanding, u64)>, TranscriptError> {
    let Some(number) = turns(dir)?.pop() else { return Ok(None) };
    let length = length_of(dir, number)?;
    let tail = read(dir, number, length.saturating_sub(TAIL_BYTES))?;
    if let Some(standing) = standing_of(&tail.entries) {
        return Ok(Some((standing, number)));
    }
    let head = read_bytes(dir, number, 0, TAIL_BYTES)?;
    let first: Option<TranscriptEntry> = lines(&head).next().and_then(|line| serde_json::from_slice(line).ok());
    let told = match first.filter(|first| is_said_between_turns(&first.what)) {
        // A turn begins its file, so in this one none runs, however much else was said.
        Some(first) => Some(TranscriptStanding::Free { since_ms: first.at_ms }),
        None => standing_of(&read(dir, number, 0)?.entries),
    };
    Ok(told.map(|standing| (standing, number)))
}

/// The member's last turn, with the texts that were said in it. Reads its file whole, and what was said after it in one file
/// more: after that nothing of the turn is on its way any more.
pub fn last_turn(dir: &Path) -> Result<Option<LastTurn>, TranscriptError> {
    let mut entries = Vec::new();
    for number in turns(dir)?.into_iter().rev().take(2) {
        entries.splice(0..0, read(dir, number, 0)?.entries);
        if let Some(last) = LastTurn::find(&entries) {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

/// The questions that the member's agent waits with for the lead, oldest first. Says nothing about whether the worker lives.
pub fn questions(dir: &Path) -> Result<Vec<WaitingQuestion>, TranscriptError> {
    let Some((TranscriptStanding::Turn(open), number)) = newest_standing(dir)? else { return Ok(Vec::new()) };
    if open.waiting.is_empty() {
        return Ok(Vec::new());
    }
    Ok(waiting_questions(&read(dir, number, 0)?.entries))
}

/// The fate of the question that was asked in the entry of that number; nothing if no question was asked there.
pub fn fate_of_question(dir: &Path, number: u64) -> Result<Option<QuestionFate>, TranscriptError> {
    Ok(question_fate(&since(dir, number.saturating_sub(1))?, number))
}

/// How long a file is; 0 if its worker has just removed it.
pub(super) fn length_of(dir: &Path, number: u64) -> Result<u64, TranscriptError> {
    let path = path_of(dir, number);
    match fs::symlink_metadata(&path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(failed("look at", &path)(error)),
    }
}

/// Whether a file that begins with this is that of no turn.
fn is_said_between_turns(first: &TranscriptText) -> bool {
    match first {
        TranscriptText::Ready
        | TranscriptText::Session { .. }
        | TranscriptText::Compacted
        | TranscriptText::Mail { .. }
        | TranscriptText::Receipt { .. }
        | TranscriptText::Parked { .. }
        | TranscriptText::Waiting
        | TranscriptText::Asleep
        | TranscriptText::Trouble { .. }
        | TranscriptText::AskedToEnd { .. }
        | TranscriptText::Leaving { .. } => true,
        TranscriptText::TurnStarted { .. }
        | TranscriptText::Briefed { .. }
        | TranscriptText::Text { .. }
        | TranscriptText::Thought { .. }
        | TranscriptText::ToolCall { .. }
        | TranscriptText::Plan { .. }
        | TranscriptText::PermissionAsked { .. }
        | TranscriptText::PermissionAnswered { .. }
        | TranscriptText::Usage { .. }
        | TranscriptText::Steered { .. }
        | TranscriptText::Stalled { .. }
        | TranscriptText::Interrupted { .. }
        | TranscriptText::AskedToStop { .. }
        | TranscriptText::TurnEnded { .. }
        | TranscriptText::Cut { .. } => false,
    }
}

fn standing_of(entries: &[TranscriptEntry]) -> Option<TranscriptStanding> {
    let quiet = || entries.iter().rev().find_map(agent_said).is_some_and(|said| said == AgentVoice::Quiet);
    Some(match entries.iter().rev().find_map(standing_after)? {
        // The entries reach back to the turn's begin.
        TranscriptStanding::Turn(open) => {
            let waiting = waiting_questions(entries).into_iter().map(|question| question.number).collect();
            TranscriptStanding::Turn(OpenTurn { quiet: quiet(), waiting, ..open })
        }
        other @ (TranscriptStanding::Parked { .. }
        | TranscriptStanding::Free { .. }
        | TranscriptStanding::Asleep { .. }) => other,
    })
}

/// The end of what the agent said in the turn that its worker is at, or was at when it died: at most `bytes_max`.
/// Empty if it ended that turn.
pub fn last_words(dir: &Path, bytes_max: usize) -> Result<String, TranscriptError> {
    let Some((TranscriptStanding::Turn(_), number)) = newest_standing(dir)? else { return Ok(String::new()) };
    let length = length_of(dir, number)?;
    let page = read(dir, number, length.saturating_sub(TAIL_BYTES))?;
    let texts = page
        .entries
        .iter()
        .filter_map(|entry| if let TranscriptText::Text { text } = &entry.what { Some(text.as_str()) } else { None });
    let text: String = texts.collect();
    let mut from = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    Ok(text[from..].to_owned())
}

/// The state of the agent that an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgentVoice {
    Heard,
    Quiet,
}

fn agent_said(entry: &TranscriptEntry) -> Option<AgentVoice> {
    match entry.what {
        TranscriptText::Stalled { .. } => Some(AgentVoice::Quiet),
        TranscriptText::Text { .. }
        | TranscriptText::Thought { .. }
        | TranscriptText::ToolCall { .. }
        | TranscriptText::Plan { .. }
        | TranscriptText::PermissionAsked { .. }
        | TranscriptText::Usage { .. }
        | TranscriptText::TurnStarted { .. }
        | TranscriptText::Cut { .. } => Some(AgentVoice::Heard),
        TranscriptText::Ready
        | TranscriptText::Session { .. }
        | TranscriptText::Briefed { .. }
        | TranscriptText::Compacted
        | TranscriptText::PermissionAnswered { .. }
        | TranscriptText::Steered { .. }
        | TranscriptText::Mail { .. }
        | TranscriptText::Receipt { .. }
        | TranscriptText::TurnEnded { .. }
        | TranscriptText::Parked { .. }
        | TranscriptText::Waiting
        | TranscriptText::Asleep
        | TranscriptText::Trouble { .. }
        | TranscriptText::Interrupted { .. }
        | TranscriptText::AskedToStop { .. }
        | TranscriptText::AskedToEnd { .. }
        | TranscriptText::Leaving { .. } => None,
    }
}

/// The work that the member is at after this entry, if the entry tells. Other entries tell whether its agent is quiet.
fn standing_after(entry: &TranscriptEntry) -> Option<TranscriptStanding> {
    let since_ms = entry.at_ms;
    match &entry.what {
        TranscriptText::TurnStarted { turn, task, .. } => {
            let (turn, task) = (*turn, *task);
            Some(TranscriptStanding::Turn(OpenTurn { turn, task, since_ms, quiet: false, waiting: Vec::new() }))
        }
        TranscriptText::Parked { until_ms, reason, .. } => {
            Some(TranscriptStanding::Parked { since_ms, until_ms: *until_ms, reason: reason.clone() })
        }
        TranscriptText::Asleep => Some(TranscriptStanding::Asleep { since_ms }),
        // A worker that gets ready is a new life: the turn of the one before ended with it.
        said => said.ends_turn().then_some(TranscriptStanding::Free { since_ms }),
    }
}
