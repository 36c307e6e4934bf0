//! A mailbox, as its one reader has it.

use std::collections::BTreeMap;

use super::TeamError;
use crate::host::clock;
use crate::host::team_dir::TeamDir;
use crate::model::id::{Address, MessageId};
use crate::model::mail::{MailFact, MailRefusal, Mailbox, Message};
use crate::store::file::{Durability, Log, LogRecord};

/// A mailbox in the hands of its one reader.
#[derive(Debug)]
pub struct Inbox {
    me: Address,
    durability: Durability,
    log: Log<Mailbox>,
    /// Delivered and read on the way of an acknowledgement, not given by [`Inbox::arrived`] yet.
    passed_by: Vec<Message>,
}

impl Inbox {
    /// Opens the mailbox of `me`, making it if it is not there.
    pub fn open(dir: &TeamDir, me: Address, durability: Durability) -> Result<Inbox, TeamError> {
        let log = Log::open(dir.mailbox(&me), clock::now_ms())?;
        Ok(Inbox { me, durability, log, passed_by: Vec::new() })
    }

    /// The messages not yet acknowledged, in the order of their delivery.
    pub fn unread(&mut self) -> Result<Vec<Message>, TeamError> {
        // Messages that arrive with this refresh are taken from it and not read a second time.
        let mut fresh = BTreeMap::new();
        self.log.refresh(|record| fresh.extend(delivered(record).map(|message| (message.id, message))))?;
        let mailbox = self.log.state();
        let mut messages = Vec::with_capacity(mailbox.unread_len());
        for letter in mailbox.unread() {
            if let Some(message) = fresh.remove(&letter.id) {
                messages.push(message);
                continue;
            }
            let record = self.log.read_at(letter.at)?;
            messages.extend(record.facts.into_iter().filter_map(|fact| match fact {
                MailFact::Delivered(message) if message.id == letter.id => Some(message),
                MailFact::Delivered(_) | MailFact::Acknowledged { .. } => None,
            }));
        }
        Ok(messages)
    }

    /// The messages delivered since this handle was opened, each given once, in the order of their delivery.
    /// Cheap however many are unread.
    pub fn arrived(&mut self) -> Result<Vec<Message>, TeamError> {
        let mut arrived = std::mem::take(&mut self.passed_by);
        self.log.refresh(|record| arrived.extend(delivered(record)))?;
        Ok(arrived)
    }

    /// Writes down that messages were handed on. Once it returns they are never given again.
    pub fn acknowledge(&mut self, ids: &[MessageId]) -> Result<(), TeamError> {
        let passed_by = &mut self.passed_by;
        let tell = |record: &LogRecord<MailFact>| passed_by.extend(delivered(record));
        self.log.transact_telling(self.me.as_str(), clock::now_ms(), self.durability, tell, |mailbox| {
            let mut facts = Vec::with_capacity(ids.len());
            for id in ids {
                facts.extend(mailbox.acknowledge(*id)?);
            }
            Ok::<_, MailRefusal>((facts, ()))
        })?;
        Ok(())
    }
}

fn delivered(record: &LogRecord<MailFact>) -> impl Iterator<Item = Message> + '_ {
    record.facts.iter().filter_map(|fact| match fact {
        MailFact::Delivered(message) => Some(message.clone()),
        MailFact::Acknowledged { .. } => None,
    })
}
