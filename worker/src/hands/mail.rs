//! The mailbox: reading it, acknowledging what was handed on, answering the lead.

use teamster_protocol::host::crash::point;
use teamster_protocol::model::id::{Address, MessageId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::shutdown::ShutdownReply;
use teamster_protocol::team::TeamError;

use super::journal::KeptEntry;
use super::{ActionResult, WorkerHands, is_written};
use crate::core::WorkerEvent;

impl WorkerHands {
    /// The unread messages as an event; nothing if there are none.
    pub(crate) fn mail(&mut self) -> Option<WorkerEvent> {
        match self.inbox.unread() {
            Ok(messages) => {
                self.complaints.over("mailbox");
                (!messages.is_empty()).then_some(WorkerEvent::MailArrived(messages))
            }
            Err(error) => {
                self.complain("mailbox", format!("cannot read the mailbox, trying again: {error}"));
                None
            }
        }
    }

    /// Acknowledges what is in the transcript; the rest is for the next try.
    pub(super) fn acknowledge(&mut self, ids: Vec<MessageId>) -> ActionResult {
        for id in &ids {
            if let Some(said) = self.unsaid.remove(id)
                && let KeptEntry::No(said) = self.journal.say(said)
            {
                self.unsaid.insert(*id, said);
                return ActionResult::Event(WorkerEvent::NotAcknowledged { ids });
            }
        }
        point("handed on, not acknowledged");
        match self.inbox.acknowledge(&ids) {
            Ok(()) => {
                self.complaints.over("acknowledging");
                ActionResult::Acknowledged(ids)
            }
            Err(error) if is_written(&error) => {
                tracing::warn!("an acknowledgement may not survive a loss of power: {error}");
                ActionResult::Acknowledged(ids)
            }
            // The message is not in the mailbox any more: somebody made a new one. Nothing is left to acknowledge.
            Err(error @ TeamError::Mail(_)) => {
                self.trouble(format!("cannot acknowledge a message: {error}"));
                ActionResult::Acknowledged(ids)
            }
            Err(error) => {
                self.complain("acknowledging", format!("cannot acknowledge mail, trying again: {error}"));
                ActionResult::Event(WorkerEvent::NotAcknowledged { ids })
            }
        }
    }

    /// Answers the lead. A lost answer is silence to it, and its ladder knows what to do about that.
    pub(super) fn reply(&mut self, reply: ShutdownReply) {
        point("about to reply");
        match self.team.post(&Address::Lead, Urgency::Now, MessageBody::ShutdownReply(reply)) {
            Ok(_) => {}
            Err(error) if is_written(&error) => {
                tracing::warn!("the answer to the lead may not survive a loss of power: {error}");
            }
            Err(error) => self.trouble(format!("cannot answer the shutdown request: {error}")),
        }
    }
}
