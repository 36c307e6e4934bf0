//! Sending: a message is put into the mailbox of its reader, whether or not that runs.

use std::thread;

use serde::{Deserialize, Serialize};

use super::{Team, TeamError};
use crate::host::clock;
use crate::model::id::{Address, MemberName, MessageId};
use crate::model::mail::{MailFact, MailRefusal, Mailbox, Message, MessageBody, Urgency};
use crate::model::roster::{AfterLeaving, Member, MemberPresence};
use crate::model::task::PromptKind;
use crate::store::file::{Durability, Log, LogError, TransactError};
use crate::store::presence;

/// A text to one member or to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRequest {
    /// The mailbox the text is for; every other member's if not given.
    pub to: Option<Address>,
    /// The text.
    pub text: String,
    /// When it is to be handed on.
    #[serde(default)]
    pub urgency: Urgency,
}

/// The fate of a message, by the mailboxes it was meant for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailOutcome {
    /// The mailboxes that the message is in.
    pub delivered: Vec<DeliveredMail>,
    /// The others. To send it to all again would double it for those above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<UndeliveredMail>,
    /// The members that left, and were not written to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<MemberName>,
}

/// A message could not be put into a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndeliveredMail {
    /// The owner of the mailbox.
    pub to: Address,
    /// Why not, or why it may not stay there.
    pub why: String,
}

/// A message is in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredMail {
    /// The owner of the mailbox.
    pub to: Address,
    /// The id of the message.
    pub id: MessageId,
    /// Whether somebody runs who can read it now.
    pub reader: MailboxReader,
    /// Whether that reads at all: where a member runs commands only, its worker writes the message into the transcript, and
    /// no agent gets it.
    #[serde(default, skip_serializing_if = "PromptKind::is_default")]
    pub prompts: PromptKind,
}

/// Whether a mailbox has a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxReader {
    /// The member's worker runs.
    Running,
    /// The member's worker does not run; the message waits for the next one with that name.
    Absent,
    /// Whether a worker reads the mailbox could not be found out.
    Unknown,
}

impl Team {
    /// Puts a message into a mailbox, stamped with the sender this handle was opened as. Refused if the
    /// reader is not on the roster.
    pub fn post(&mut self, to: &Address, urgency: Urgency, body: MessageBody) -> Result<MessageId, TeamError> {
        let id = clock::new_message_id();
        let message = Message { id, from: self.me.clone(), sent_ms: clock::now_ms(), urgency, body };
        self.deliver(to, message, self.durability)?;
        Ok(id)
    }

    /// Puts a message into a mailbox that it is not in yet. Refused if the reader is not on the roster.
    pub(super) fn deliver(&mut self, to: &Address, message: Message, durability: Durability) -> Result<(), TeamError> {
        let now_ms = message.sent_ms;
        let facts = |mailbox: &Mailbox| Ok::<_, MailRefusal>((mailbox.deliver(message.clone())?, ()));
        let by = self.me.as_str();
        if let Some(open) = self.mailboxes.get_mut(to) {
            match deliver_into(open, by, now_ms, durability, facts) {
                // The mailbox was removed, with its team or by hand, and a new one may exist. The mailbox of a member that
                // was taken off the roster stays, and nobody reads it.
                Err(TransactError::Log(LogError::Removed { .. })) => drop(self.mailboxes.remove(to)),
                outcome => return Ok(outcome?),
            }
        }
        if let Address::Member(name) = to {
            self.roster.refresh(|_| ())?;
            self.roster().member(name)?;
        }
        let mut mailbox: Log<Mailbox> = Log::open(self.dir.mailbox(to), now_ms)?;
        let outcome = deliver_into(&mut mailbox, by, now_ms, durability, facts);
        self.mailboxes.insert(to.clone(), mailbox);
        Ok(outcome?)
    }

    /// Sends a text to one member, or to all on the roster that have not left. To one, it fails if that fails; to all, it
    /// tells of each what came of it.
    pub fn mail(&mut self, request: MailRequest) -> Result<MailOutcome, TeamError> {
        let body = MessageBody::Text { text: request.text };
        body.check()?;
        let to_one = request.to.is_some();
        let mut mailed = MailOutcome { delivered: Vec::new(), failed: Vec::new(), left_out: Vec::new() };
        let to: Vec<Address> = match request.to {
            Some(address) => vec![address],
            None => {
                self.roster.refresh(|_| ())?;
                let others =
                    self.roster.state().members().filter(|(name, _)| self.me != Address::Member((*name).clone()));
                let (there, left): (Vec<_>, Vec<_>) = others.partition(|(name, member)| !self.has_left(name, member));
                mailed.left_out = left.into_iter().map(|(name, _)| name.clone()).collect();
                there.into_iter().map(|(name, _)| Address::Member(name.clone())).collect()
            }
        };
        for to in to {
            match self.mail_one(&to, request.urgency, body.clone()) {
                Ok(delivered) => mailed.delivered.push(delivered),
                Err(error) if to_one => return Err(error),
                Err(error) => {
                    let why = error.to_string().lines().next().unwrap_or_default().to_owned();
                    mailed.failed.push(UndeliveredMail { to, why });
                }
            }
        }
        Ok(mailed)
    }

    /// Whether a member left and is not started again by itself. One of which that can not be told is there.
    fn has_left(&self, name: &MemberName, member: &Member) -> bool {
        match &member.presence {
            MemberPresence::Left { then: AfterLeaving::Stays | AfterLeaving::Undecided { .. }, .. } => {
                // The next worker may hold the lock already, and be about to join.
                matches!(presence::is_held(&self.dir.member_lock(name)), Ok(false))
            }
            MemberPresence::Left { then: AfterLeaving::Again { .. }, .. }
            | MemberPresence::Expected { .. }
            | MemberPresence::Joined { .. } => false,
        }
    }

    fn mail_one(&mut self, to: &Address, urgency: Urgency, body: MessageBody) -> Result<DeliveredMail, TeamError> {
        let id = self.post(to, urgency, body)?;
        // Not before: whoever waits for the message need not wait for that.
        Ok(DeliveredMail { to: to.clone(), id, reader: self.reader_of(to), prompts: self.prompts_of(to) })
    }

    /// Of somebody who is not on the roster any more, nothing is ruled out.
    fn prompts_of(&self, whose: &Address) -> PromptKind {
        match whose {
            Address::Lead => PromptKind::default(),
            Address::Member(name) => {
                self.roster().member(name).map_or(PromptKind::default(), |member| member.spec.prompts())
            }
        }
    }

    /// For a message that is delivered by now: what fails here must not say that it is not.
    fn reader_of(&self, whose: &Address) -> MailboxReader {
        let lock = match whose {
            Address::Lead => self.dir.leader_lock(),
            Address::Member(name) => self.dir.member_lock(name),
        };
        match presence::is_held(&lock) {
            Ok(true) => MailboxReader::Running,
            Ok(false) => MailboxReader::Absent,
            Err(error) => {
                tracing::warn!("cannot tell whether {whose} runs: {error}");
                MailboxReader::Unknown
            }
        }
    }
}

/// Puts a message into a mailbox and, before it is synced, lets the reader go first that this wakes: more often than
/// not the kernel puts it on the processor of whoever wakes it, where it would wait until the sync has begun to wait
/// for the disk. It may so be handed on before it is safe from a loss of power, and be handed on although the sync
/// then fails, of which the sender is told.
fn deliver_into(
    mailbox: &mut Log<Mailbox>,
    by: &str,
    now_ms: u64,
    durability: Durability,
    facts: impl FnOnce(&Mailbox) -> Result<(Vec<MailFact>, ()), MailRefusal>,
) -> Result<(), TransactError<MailRefusal>> {
    mailbox.transact(by, now_ms, Durability::Process, facts)?;
    thread::yield_now();
    mailbox.make_durable(durability)
}
