//! Mail: messages between the lead and the members, and the mailbox that keeps each until its reader has
//! handed it on. Control is a kind of its own: no text, whatever it says, is ever taken for control.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::model::agent::Permission;
use crate::model::approval::QuestionLetter;
use crate::model::id::{Address, MessageId, TaskId};
use crate::model::limits::{MAIL_READ_KEPT_MAX, MAIL_TEXT_BYTES_MAX};
use crate::model::log::{FactOffset, FactStamp, LogFold, SnapshotSink};
use crate::model::shutdown::{ShutdownReply, ShutdownRequest};

/// The moment at which a message is handed on to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// At once: it steers the running turn.
    Now,
    /// Before the reader's next turn.
    #[default]
    Next,
    /// When the reader has nothing to do: no turn, no other mail, and no task it could claim.
    Idle,
}

/// The content of a message. All but `Text` and `PermissionAsked` is control: worker and leader act on it, and no agent is
/// shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MessageBody {
    /// Words for the agent, or for the people behind the lead.
    Text {
        /// The words, at most [`MAIL_TEXT_BYTES_MAX`] bytes.
        text: String,
    },
    /// A call to look at the board, because this task was assigned to the reader. The board, not the message, is the
    /// truth.
    TaskAssigned {
        /// The task that was assigned.
        task: TaskId,
    },
    /// The reader is asked to end.
    ShutdownRequest(ShutdownRequest),
    /// The answer to a shutdown request.
    ShutdownReply(ShutdownReply),
    /// The running turn is to be aborted.
    AbortRequest {
        /// The reason, for the transcript.
        reason: String,
    },
    /// An agent asks the lead for permission.
    PermissionAsked(QuestionLetter),
    /// The lead answers such a question.
    PermissionReply {
        /// The number of the reader's transcript entry in which it was asked.
        question: u64,
        /// The answer.
        answer: Permission,
    },
    /// A kind that this version does not know: acknowledged and reported as unknown, never acted on.
    #[serde(other)]
    Unknown,
}

impl MessageBody {
    /// Whether it is a step of a handshake or a command to a worker, which programs act on, and says nothing to people.
    pub fn is_control(&self) -> bool {
        match self {
            MessageBody::Text { .. } | MessageBody::PermissionAsked(_) | MessageBody::Unknown => false,
            MessageBody::TaskAssigned { .. }
            | MessageBody::ShutdownRequest(_)
            | MessageBody::ShutdownReply(_)
            | MessageBody::AbortRequest { .. }
            | MessageBody::PermissionReply { .. } => true,
        }
    }

    /// Refuses a text that is empty or longer than [`MAIL_TEXT_BYTES_MAX`].
    pub fn check(&self) -> Result<(), MailRefusal> {
        match self {
            MessageBody::Text { text } if text.trim().is_empty() => Err(MailRefusal::Empty),
            MessageBody::Text { text } if text.len() > MAIL_TEXT_BYTES_MAX => {
                Err(MailRefusal::TooLong { bytes: text.len() })
            }
            MessageBody::Text { .. }
            | MessageBody::TaskAssigned { .. }
            | MessageBody::ShutdownRequest(_)
            | MessageBody::ShutdownReply(_)
            | MessageBody::AbortRequest { .. }
            | MessageBody::PermissionAsked(_)
            | MessageBody::PermissionReply { .. }
            | MessageBody::Unknown => Ok(()),
        }
    }
}

/// One message. The sender is stamped by the process that writes it, from its own identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message's id, by which a repeated delivery is recognised.
    pub id: MessageId,
    /// The sender.
    pub from: Address,
    /// The time of writing.
    pub sent_ms: u64,
    /// The moment at which the reader is to get it.
    #[serde(default)]
    pub urgency: Urgency,
    /// The content.
    pub body: MessageBody,
}

/// One fact about a mailbox: the records of `mail/<name>.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailFact {
    /// A message is in the box.
    Delivered(Message),
    /// The reader has handed the message on to its agent, or acted on it.
    Acknowledged {
        /// The id of the message.
        id: MessageId,
    },
}

/// The reason why a message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailRefusal {
    /// The message has no text.
    #[error("a message needs a text")]
    Empty,
    /// The text is too long.
    #[error("the message is {bytes} bytes long, and {max} are allowed", max = MAIL_TEXT_BYTES_MAX)]
    TooLong {
        /// The length of the text.
        bytes: usize,
    },
    /// A message that was never delivered can not be acknowledged.
    #[error("there is no message {0}")]
    NoMessage(MessageId),
}

/// A message as the mailbox keeps it in memory. Its text stays in the log and is read from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The message's id.
    pub id: MessageId,
    /// The place in the log of its [`MailFact::Delivered`].
    pub at: FactOffset,
    /// Whether the reader has handed it on.
    pub state: LetterState,
}

/// Whether a message was handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterState {
    /// The reader has not handed it on yet.
    Unread,
    /// The reader has handed it on, or acted on it.
    Acknowledged,
}

/// One mailbox, oldest message first.
#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    letters: BTreeMap<u64, StoredMessage>,
    unread: BTreeMap<MessageId, u64>,
    /// The ids of all letters, of which a snapshot keeps only the newest of those that were acknowledged.
    seen: HashSet<MessageId>,
    count: u64,
}

impl Mailbox {
    /// Returns the facts to write for a message: none if it is here already. A message that was acknowledged is
    /// recognised until a new generation of the log keeps [`MAIL_READ_KEPT_MAX`] later ones.
    pub fn deliver(&self, message: Message) -> Result<Vec<MailFact>, MailRefusal> {
        message.body.check()?;
        Ok(if self.seen.contains(&message.id) { Vec::new() } else { vec![MailFact::Delivered(message)] })
    }

    /// Returns the facts to write when the reader has handed a message on: none if that is written already. Refuses a
    /// message that was never delivered.
    pub fn acknowledge(&self, id: MessageId) -> Result<Vec<MailFact>, MailRefusal> {
        if self.unread.contains_key(&id) {
            Ok(vec![MailFact::Acknowledged { id }])
        } else if self.seen.contains(&id) {
            Ok(Vec::new())
        } else {
            Err(MailRefusal::NoMessage(id))
        }
    }

    /// The messages not yet handed on, in the order of their delivery.
    pub fn unread(&self) -> impl Iterator<Item = &StoredMessage> {
        let mut order: Vec<&u64> = self.unread.values().collect();
        order.sort_unstable();
        order.into_iter().map(|number| &self.letters[number])
    }

    /// The number of messages not yet handed on.
    pub fn unread_len(&self) -> usize {
        self.unread.len()
    }

    /// All messages that are kept, in the order of their delivery.
    pub fn letters(&self) -> impl DoubleEndedIterator<Item = &StoredMessage> {
        self.letters.values()
    }
}

impl LogFold for Mailbox {
    type Fact = MailFact;
    const KIND: &'static str = "mail";
    const FACTS: &'static [&'static str] = &["delivered", "acknowledged"];

    fn apply(&mut self, fact: MailFact, at: &FactStamp<'_>) {
        match fact {
            MailFact::Delivered(message) => {
                if self.seen.insert(message.id) {
                    let letter = StoredMessage { id: message.id, at: at.offset, state: LetterState::Unread };
                    self.letters.insert(self.count, letter);
                    self.unread.insert(message.id, self.count);
                    self.count += 1;
                }
            }
            MailFact::Acknowledged { id } => {
                if let Some(number) = self.unread.remove(&id)
                    && let Some(letter) = self.letters.get_mut(&number)
                {
                    letter.state = LetterState::Acknowledged;
                }
            }
        }
    }

    fn snapshot<S: SnapshotSink<MailFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        let read = self.letters.len() - self.unread.len();
        let mut drop = read.saturating_sub(MAIL_READ_KEPT_MAX);
        for letter in self.letters.values() {
            if letter.state == LetterState::Acknowledged && drop > 0 {
                drop -= 1;
                continue;
            }
            let record = next.read(letter.at)?;
            let its = |fact: &MailFact| matches!(fact, MailFact::Delivered(message) if message.id == letter.id);
            let mut facts: Vec<MailFact> = record.facts.into_iter().filter(its).collect();
            if letter.state == LetterState::Acknowledged {
                facts.push(MailFact::Acknowledged { id: letter.id });
            }
            next.write(record.at_ms, &record.by, &facts)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
