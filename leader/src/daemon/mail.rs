//! The lead's mailbox: control mail is acted on here, texts and questions stay for the people behind the lead.

use teamster_protocol::host::crash::point;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::{Message, MessageBody};
use teamster_protocol::team::TeamError;

use super::LeaderDaemon;
use crate::core::LeaderEvent;

impl LeaderDaemon<'_> {
    pub(super) fn read_mail(&mut self) -> Result<(), TeamError> {
        let arrived = self.inbox.arrived()?;
        self.act_on_mail(arrived);
        Ok(())
    }

    /// Acts on control mail. Texts and questions stay unread, for the people behind the lead.
    pub(super) fn act_on_mail(&mut self, messages: Vec<Message>) {
        let mut done = Vec::new();
        for message in messages {
            match (message.body, message.from) {
                (MessageBody::Text { .. } | MessageBody::PermissionAsked(_), _) => continue,
                (MessageBody::ShutdownReply(reply), Address::Member(from)) => {
                    self.feed(LeaderEvent::Replied { from, reply })
                }
                (
                    MessageBody::ShutdownReply(_)
                    | MessageBody::TaskAssigned { .. }
                    | MessageBody::ShutdownRequest(_)
                    | MessageBody::AbortRequest { .. }
                    | MessageBody::PermissionReply { .. }
                    | MessageBody::Unknown,
                    from,
                ) => tracing::warn!(%from, "mail of a kind that the lead does not act on"),
            }
            done.push(message.id);
        }
        if !done.is_empty() {
            point("mail acted on, not acknowledged");
        }
        if !done.is_empty()
            && let Err(error) = self.inbox.acknowledge(&done)
        {
            tracing::error!("cannot acknowledge mail: {error}");
        }
    }
}
