//! Receipts: how far a text has come on its way into an agent. Each text has an id, and its state only grows, so that
//! its sender can be told the truth: a text that merely waits in a queue is not called delivered.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::id::MessageId;

/// The name of one text to an agent, unique among all texts to its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TextId {
    /// A message, by its own id.
    Message(MessageId),
    /// A text of a turn that came by no message, written `TURN.NUMBER`: 0 is the turn's prompt, and the steers follow.
    InTurn {
        /// The turn's number.
        turn: u64,
        /// The text's number in the turn, counted from 0.
        number: u32,
    },
}

impl TextId {
    /// The prompt of a turn.
    pub fn prompt_of(turn: u64) -> TextId {
        TextId::InTurn { turn, number: 0 }
    }
}

/// The part that a text has in its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRole {
    /// The turn begins with the text.
    Prompt,
    /// The text is said in the middle of the turn.
    Steer,
}

/// A text that is no [`TextId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no text: it is neither TURN.NUMBER, such as 3.0, nor the id of a message")]
pub struct BadTextId(String);

impl FromStr for TextId {
    type Err = BadTextId;

    fn from_str(text: &str) -> Result<TextId, BadTextId> {
        let bad = || BadTextId(text.to_owned());
        match text.split_once('.') {
            Some((turn, number)) => {
                let (turn, number) = (turn.parse().map_err(|_| bad())?, number.parse().map_err(|_| bad())?);
                Ok(TextId::InTurn { turn, number })
            }
            None => text.parse().map(TextId::Message).map_err(|_| bad()),
        }
    }
}

impl TryFrom<String> for TextId {
    type Error = BadTextId;

    fn try_from(text: String) -> Result<TextId, BadTextId> {
        text.parse()
    }
}

impl From<TextId> for String {
    fn from(id: TextId) -> String {
        id.to_string()
    }
}

impl fmt::Display for TextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextId::Message(id) => id.fmt(f),
            TextId::InTurn { turn, number } => write!(f, "{turn}.{number}"),
        }
    }
}

/// The progress of a text on its way into an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// The worker has the text.
    Accepted,
    /// The worker or the agent keeps the text for later. If the keeper dies now, the text is lost.
    Queued,
    /// The text was handed to an agent that does not tell whether it took it.
    Unconfirmed,
    /// The agent acknowledged the text.
    Delivered,
    /// Something that the agent did shows that its model has the text.
    InContext,
    /// The turn that had the text ended after it.
    Answered,
    /// The text will not reach the agent any more.
    Lost {
        /// The reason, in one line.
        reason: String,
    },
}

impl ReceiptState {
    /// Whether the agent has the text for sure: a message is acknowledged from here on, and never earlier.
    pub fn is_delivered(&self) -> bool {
        match self {
            ReceiptState::Delivered | ReceiptState::InContext | ReceiptState::Answered => true,
            ReceiptState::Accepted | ReceiptState::Queued | ReceiptState::Unconfirmed | ReceiptState::Lost { .. } => {
                false
            }
        }
    }

    /// Whether no other state can follow.
    pub fn is_last(&self) -> bool {
        matches!(self, ReceiptState::Answered | ReceiptState::Lost { .. })
    }

    /// Takes on a later state. Returns whether it was later: an earlier state changes nothing, nor does any after the
    /// last.
    pub fn advance(&mut self, to: ReceiptState) -> bool {
        let grows = !self.is_last() && to.rank() > self.rank();
        if grows {
            *self = to;
        }
        grows
    }

    fn rank(&self) -> u8 {
        match self {
            ReceiptState::Accepted => 0,
            ReceiptState::Queued => 1,
            ReceiptState::Unconfirmed => 2,
            ReceiptState::Delivered => 3,
            ReceiptState::InContext => 4,
            ReceiptState::Answered => 5,
            ReceiptState::Lost { .. } => 6,
        }
    }
}

impl fmt::Display for ReceiptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiptState::Accepted => f.write_str("accepted"),
            ReceiptState::Queued => f.write_str("queued"),
            ReceiptState::Unconfirmed => f.write_str("unconfirmed"),
            ReceiptState::Delivered => f.write_str("delivered"),
            ReceiptState::InContext => f.write_str("in context"),
            ReceiptState::Answered => f.write_str("answered"),
            ReceiptState::Lost { reason } => write!(f, "lost: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_only_grows() {
        let lost = || ReceiptState::Lost { reason: "it died".to_owned() };
        let mut state = ReceiptState::Accepted;
        assert!(state.advance(ReceiptState::Queued));
        assert!(!state.advance(ReceiptState::Accepted));
        assert!(state.advance(ReceiptState::InContext));
        assert!(!state.advance(ReceiptState::Delivered));
        assert!(state.advance(ReceiptState::Answered));
        assert!(!state.advance(lost()), "what was answered is not lost");
        let mut state = ReceiptState::Delivered;
        assert!(state.advance(lost()));
        assert!(!state.advance(ReceiptState::Answered));
    }

    #[test]
    fn the_name_of_a_text_is_read_as_it_is_written() {
        let message = MessageId::from_parts(1, 2);
        for id in [TextId::prompt_of(3), TextId::InTurn { turn: 12, number: 7 }, TextId::Message(message)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(TextId::prompt_of(3).to_string(), "3.0");
        for bad in ["", "3", "3.", "3.x", "-1.0"] {
            assert!(bad.parse::<TextId>().is_err(), "{bad}");
        }
    }
}
