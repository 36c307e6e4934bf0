//! The last turn of a member whose worker ends or is dead: what is lost with it is told to the lead and written into the
//! transcript. In this order, and the end of the turn last: whoever dies in between leaves all that the next one needs, and
//! the lead is told once, because the message has the same id whoever writes it.

use std::collections::BTreeSet;

use super::{Team, TeamError};
use crate::host::clock;
use crate::host::crash::point;
use crate::model::id::{Address, MemberName, MessageId};
use crate::model::last_turn::{LastTurn, LossLetter, TurnLoss};
use crate::model::mail::{Mailbox, Message, MessageBody, Urgency};
use crate::model::roster::MemberPresence;
use crate::store::file::{Durability, LogReader};
use crate::store::presence::PresenceLock;
use crate::store::transcript::{self, Transcript};

impl Team {
    /// Tells the lead of a prompt or of messages that are lost with a worker that is about to leave: for that worker, which
    /// has written its own transcript and not that it left. The lead is told nothing if it ended the worker for good itself.
    pub fn tell_of_loss(&mut self, name: &MemberName) -> Result<(), TeamError> {
        self.roster.refresh(|_| ())?;
        match self.look_at_loss(name, None)? {
            Some((_, TurnLoss { letter: Some(letter), .. })) => self.tell_lead(name, letter),
            Some((_, TurnLoss { letter: None, .. })) | None => Ok(()),
        }
    }

    /// Ends the turn that a dead worker was at, and tells the lead as above, unless the worker did so itself.
    pub(super) fn end_turn_of_dead(
        &mut self,
        name: &MemberName,
        cause: Option<&str>,
        _lock: &PresenceLock,
    ) -> Result<(), TeamError> {
        let Some((last, TurnLoss { entries, letter })) = self.look_at_loss(name, cause)? else { return Ok(()) };
        let presence = self.roster().member(name).map(|member| &member.presence);
        let has_left = matches!(presence, Ok(MemberPresence::Left { .. }));
        if let Some(letter) = letter.filter(|_| last.is_unsettled() || !has_left) {
            self.tell_lead(name, letter)?;
            point("loss told, turn not ended");
        }
        if entries.is_empty() {
            return Ok(());
        }
        let mut transcript = Transcript::open(self.dir.turns(name))?;
        if last.is_open() {
            transcript.go_on_with_turn();
        }
        for entry in entries {
            transcript.say(clock::now_ms(), entry)?;
        }
        Ok(())
    }

    /// The last turn and what is lost of it; nothing if there was no turn, or if it can not be read.
    fn look_at_loss(&self, name: &MemberName, cause: Option<&str>) -> Result<Option<(LastTurn, TurnLoss)>, TeamError> {
        let last = match transcript::last_turn(&self.dir.turns(name)) {
            Ok(Some(last)) => last,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::warn!("whether a turn of {name} is lost is not known: {error}");
                return Ok(None);
            }
        };
        let unread = if last.has_messages() { self.unread_of(name)? } else { BTreeSet::new() };
        let loss = last.loss(name, cause, |id| unread.contains(&id));
        Ok(Some((last, loss)))
    }

    fn unread_of(&self, name: &MemberName) -> Result<BTreeSet<MessageId>, TeamError> {
        let mailbox: LogReader<Mailbox> = LogReader::open(self.dir.mailbox(&Address::Member(name.clone())))?;
        Ok(mailbox.state().unread().map(|letter| letter.id).collect())
    }

    /// Writes to the lead in the name of the member, for which the holder of its lock speaks.
    fn tell_lead(&mut self, name: &MemberName, letter: LossLetter) -> Result<(), TeamError> {
        if self.roster().member(name).is_ok_and(|member| member.dismissed_ms.is_some()) {
            return Ok(());
        }
        let (id, from) = (letter.id, Address::Member(name.clone()));
        let body = MessageBody::Text { text: letter.text };
        let message = Message { id, from, sent_ms: clock::now_ms(), urgency: Urgency::Next, body };
        // It must not be the transcript alone that survives a loss of power.
        self.deliver(&Address::Lead, message, Durability::Power)
    }
}
