//! The mailbox: reading it, acknowledging what was handed on, answering the lead.

use teamster_protocol::host::crash::point;
use teamster_protocol::model::agent::PermissionQuestion;
use teamster_protocol::model::approval::{QuestionLetter, QuestionName};
use teamster_protocol::model::id::{Address, MessageId, TaskId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::notice::TranscriptText;
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

    /// Puts a question of the agent to the lead: into the transcript, which is the truth, and then into the lead's mailbox.
    pub(super) fn ask_lead(&mut self, asked: PermissionQuestion, task: Option<TaskId>, until_ms: u64) -> WorkerEvent {
        let question = asked.question.clone();
        let before = self.journal.seq();
        self.say(TranscriptText::PermissionAsked { asked: asked.clone(), until_ms: Some(until_ms) });
        let number = self.journal.seq();
        if number == before {
            let why = "its transcript is full, or can not be written".to_owned();
            return WorkerEvent::LeadNotAsked { question, why };
        }
        let PermissionQuestion { tool, title, detail, .. } = asked;
        let member = self.me.name.clone();
        let workspace = self.agent.workspace().to_owned();
        let question_name = QuestionName { member, number };
        let letter = QuestionLetter { question: question_name, tool, title, detail, workspace, task, until_ms };
        match self.team.post(&Address::Lead, Urgency::Now, MessageBody::PermissionAsked(letter)) {
            Ok(_) => {}
            Err(error) if is_written(&error) => {}
            // It is seen in the transcript all the same, and so by every command that shows questions.
            Err(error) => self.trouble(format!("cannot write to the lead of question {number}: {error}")),
        }
        WorkerEvent::LeadAsked { question, number }
    }

    /// Writes to the lead what it can read elsewhere too.
    pub(super) fn write_lead(&mut self, text: String) {
        match self.team.post(&Address::Lead, Urgency::Next, MessageBody::Text { text }) {
            Ok(_) => {}
            Err(error) if is_written(&error) => {}
            Err(error) => self.trouble(format!("cannot write to the lead: {error}")),
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
