//! Questions for permission that wait for the lead: the name by which people answer one, the mail that tells of one, and
//! what a transcript says about each. The member's own transcript is the truth: a question waits while its turn runs and no
//! answer is written there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::agent::{Permission, PermissionBy, PermissionQuestion};
use crate::model::id::{MemberName, TaskId};
use crate::model::notice::{TranscriptEntry, TranscriptText};

mod rule;

pub use rule::{ApprovalRule, RuleAnswer, RulePattern};

/// The name of one question in a team, such as `alice.37`: the member, and the number of the transcript entry in which it
/// was asked. No other question of the team ever has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct QuestionName {
    /// The member whose agent asks.
    pub member: MemberName,
    /// The number of the entry of its transcript.
    pub number: u64,
}

/// A text that names no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no question: it is MEMBER.NUMBER, as teamster approvals shows it")]
pub struct BadQuestionName(String);

impl fmt::Display for QuestionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.member, self.number))
    }
}

impl FromStr for QuestionName {
    type Err = BadQuestionName;

    fn from_str(text: &str) -> Result<QuestionName, BadQuestionName> {
        let bad = || BadQuestionName(text.chars().take(60).collect());
        let (member, number) = text.rsplit_once('.').ok_or_else(bad)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| is_number && *number > 0).ok_or_else(bad)?;
        Ok(QuestionName { member: member.parse().map_err(|_| bad())?, number })
    }
}

impl TryFrom<String> for QuestionName {
    type Error = BadQuestionName;

    fn try_from(text: String) -> Result<QuestionName, BadQuestionName> {
        text.parse()
    }
}

impl From<QuestionName> for String {
    fn from(name: QuestionName) -> String {
        name.to_string()
    }
}

/// A question as the lead's mailbox tells of it. It is news and no state: whether the question still waits is in the
/// member's transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionLetter {
    /// The name by which it is answered.
    pub question: QuestionName,
    /// The tool that the agent wants to use.
    pub tool: String,
    /// The planned use, in one line.
    pub title: String,
    /// The tool's arguments in readable form; empty if the agent does not show them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The directory that the member works in.
    pub workspace: PathBuf,
    /// The task of the turn, if it has one.
    pub task: Option<TaskId>,
    /// When it is answered with no, if nobody answers.
    pub until_ms: u64,
}

/// A question that waits for the lead, as its transcript tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingQuestion {
    /// The number of its entry.
    pub number: u64,
    /// The time at which it was asked.
    pub asked_ms: u64,
    /// When it is answered with no, if nobody answers.
    pub until_ms: u64,
    /// The turn in which it was asked.
    pub turn: u64,
    /// The task of the turn, if it has one.
    pub task: Option<TaskId>,
    /// The question itself.
    pub asked: PermissionQuestion,
}

/// The questions that wait after these entries of one member, which begin with the last turn or before it, oldest first.
pub fn waiting_questions<'a>(entries: impl IntoIterator<Item = &'a TranscriptEntry>) -> Vec<WaitingQuestion> {
    let (mut waiting, mut at): (Vec<WaitingQuestion>, _) = (Vec::new(), (0, None));
    for entry in entries {
        match &entry.what {
            TranscriptText::TurnStarted { turn, task, .. } => {
                waiting.clear();
                at = (*turn, *task);
            }
            TranscriptText::PermissionAsked { asked, until_ms: Some(until_ms) } => waiting.push(WaitingQuestion {
                number: entry.seq,
                asked_ms: entry.at_ms,
                until_ms: *until_ms,
                turn: at.0,
                task: at.1,
                asked: asked.clone(),
            }),
            TranscriptText::PermissionAnswered { question, .. } => {
                if let Some(answered) = waiting.iter().position(|waits| waits.asked.question == *question) {
                    waiting.remove(answered);
                }
            }
            said if said.ends_turn() => waiting.clear(),
            _ => {}
        }
    }
    waiting
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionFate {
    /// The question waits for an answer.
    Waits,
    /// The question was answered, or taken back.
    Answered {
        /// The answer.
        answer: Permission,
        /// The lead, a rule, a setting or a limit: whatever gave the answer.
        by: PermissionBy,
        /// The time of the answer.
        at_ms: u64,
    },
    /// The turn ended, and nobody wrote down an answer: its worker died.
    Lost,
}

/// The fate of the question that was asked in the entry of that number; nothing if no question was asked there. The entries
/// are those of one member from that number on, or from before it.
pub fn question_fate(entries: &[TranscriptEntry], number: u64) -> Option<QuestionFate> {
    let mut after = entries.iter().skip_while(|entry| entry.seq < number);
    let first = after.next().filter(|entry| entry.seq == number)?;
    let TranscriptText::PermissionAsked { asked, .. } = &first.what else { return None };
    for entry in after {
        match &entry.what {
            TranscriptText::PermissionAnswered { question, answer, by } if *question == asked.question => {
                let (answer, by, at_ms) = (answer.clone(), *by, entry.at_ms);
                return Some(QuestionFate::Answered { answer, by, at_ms });
            }
            TranscriptText::TurnStarted { .. } => return Some(QuestionFate::Lost),
            said if said.ends_turn() => return Some(QuestionFate::Lost),
            _ => {}
        }
    }
    Some(QuestionFate::Waits)
}

#[cfg(test)]
mod tests;
