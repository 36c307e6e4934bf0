//! `inbox`: the mail of a mailbox. Reading marks nothing; the lead's mail is marked as read once a front has shown it.

use serde::Serialize;
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::{Address, MessageId};
use teamster_protocol::model::mail::{LetterState, Message, MessageBody};
use teamster_protocol::team::{Inbox, TeamError, read_mail};

use super::approvals::waiting_of;
use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// How many messages that were read are shown beside the unread ones.
const READ_SHOWN_MAX: usize = 20;

/// The choice of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedMail {
    /// All that is kept.
    All,
    /// The unread ones, and the newest of those that were read.
    Recent {
        /// Whether the steps of handshakes and the commands to workers are wanted too.
        control: ControlMail,
    },
}

/// Whether messages are wanted that programs act on, such as the answers to a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlMail {
    /// Control messages are shown.
    Shown,
    /// Only what says something to people is.
    Hidden,
}

/// Messages in the order of their delivery.
#[derive(Debug, Serialize)]
pub struct ShownMail {
    /// The owner of the mailbox.
    pub name: Address,
    /// The messages.
    pub messages: Vec<ShownMessage>,
    /// The questions of agents that wait for an answer, if one of the messages is such a question and if that is known.
    #[serde(skip)]
    pub waiting: Option<Vec<QuestionName>>,
}

/// One message, as it is stored, and whether it was read before.
#[derive(Debug, Serialize)]
pub struct ShownMessage {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Whether it was read.
    pub read: bool,
}

/// Reads a mailbox: the caller's own if no other is named.
pub fn inbox(session: &Session, whose: Option<Address>, wanted: WantedMail) -> Result<ShownMail, OpsError> {
    session.authorize(Verb::Inbox)?;
    // Neither board nor roster is read for the lead's own mail: what is wrong with those must not hide it.
    if whose.is_some() || !session.has_no_team_yet()? {
        session.must_exist()?;
    }
    let name = whose.unwrap_or_else(|| session.caller.clone());
    if let Address::Member(member) = &name {
        session.must_be_known(&session.view()?, member, &session.dir.mailbox(&name))?;
    }
    let mut kept = read_mail(&session.dir, &name)?;
    if wanted == (WantedMail::Recent { control: ControlMail::Hidden }) {
        kept.retain(|(_, message)| !message.body.is_control());
    }
    let read = kept.iter().filter(|(state, _)| *state == LetterState::Acknowledged).count();
    let mut hidden = match wanted {
        WantedMail::All => 0,
        WantedMail::Recent { .. } => read.saturating_sub(READ_SHOWN_MAX),
    };
    let mut messages = Vec::new();
    for (state, message) in kept {
        let read = state == LetterState::Acknowledged;
        if read && hidden > 0 {
            hidden -= 1;
            continue;
        }
        messages.push(ShownMessage { message, read });
    }
    let asks = messages.iter().any(|shown| matches!(shown.message.body, MessageBody::PermissionAsked(_)));
    // What is wrong with the roster or a transcript must not hide the mail.
    let waiting = if asks { open_questions(session).ok() } else { None };
    Ok(ShownMail { name, messages, waiting })
}

fn open_questions(session: &Session) -> Result<Vec<QuestionName>, OpsError> {
    let view = session.view()?;
    Ok(waiting_of(&view, &view.members()?)?.into_iter().map(|row| row.id).collect())
}

/// Marks the texts and the questions among shown messages as read, if they are the lead's and the lead is the caller: a member's mail is
/// acknowledged by its worker, which hands it on, and control messages by the leader, which acts on them.
pub fn mark_read(session: &Session, shown: &ShownMail) -> Result<(), OpsError> {
    session.authorize(Verb::Inbox)?;
    if (&shown.name, &session.caller) != (&Address::Lead, &Address::Lead) {
        return Ok(());
    }
    let is_for_people = |body: &MessageBody| matches!(body, MessageBody::Text { .. } | MessageBody::PermissionAsked(_));
    let is_unread_text = |shown: &&ShownMessage| !shown.read && is_for_people(&shown.message.body);
    let unread: Vec<MessageId> = shown.messages.iter().filter(is_unread_text).map(|it| it.message.id).collect();
    if unread.is_empty() {
        return Ok(());
    }
    Inbox::open(&session.dir, Address::Lead, session.settings.durability)?.acknowledge(&unread).map_err(TeamError::into)
}
