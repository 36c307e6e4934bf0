//! The witness: follows the board and every mailbox of a team as they are written, and knows what may never be there,
//! whoever died. It keeps its own account and asks none of the code that it watches.

use std::collections::BTreeMap;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::id::{Address, MemberName, MessageId, TaskId};
use teamster_protocol::model::mail::{MailFact, Mailbox, MessageBody};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::file::{LogReader, LogRecord};

use super::Outcome;

/// Follows one team.
#[derive(Debug)]
pub struct Witness {
    dir: TeamDir,
    board: LogReader<Board>,
    mailboxes: BTreeMap<Address, LogReader<Mailbox>>,
    account: Account,
}

/// What was written so far, and what of it is wrong.
#[derive(Debug, Default)]
struct Account {
    tasks: BTreeMap<TaskId, Life>,
    mail: BTreeMap<MessageId, Letter>,
    wrong: Vec<String>,
}

/// What happened to a task.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// The title it was added with.
    pub title: String,
    /// How often it was claimed.
    pub claims: u32,
    /// How often it was completed.
    pub completions: u32,
    /// Who is on it, in which attempt.
    running: Option<(MemberName, u32)>,
}

/// What happened to a message.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Whose mailbox it is in.
    pub to: Address,
    /// The words, if it is no control.
    pub text: Option<String>,
    /// How often its reader acknowledged it.
    pub acknowledged: u32,
}

impl Witness {
    /// From the team's first day on. To be opened before a log can have begun its second generation.
    pub fn new(dir: TeamDir) -> Outcome<Witness> {
        let mut account = Account::default();
        let board = LogReader::open_telling(dir.board(), |record| account.board(record))?;
        Ok(Witness { dir, board, mailboxes: BTreeMap::new(), account })
    }

    /// Reads on. To be called more often than a log begins two generations.
    pub fn look(&mut self) -> Outcome<()> {
        let account = &mut self.account;
        let met = self.board.refresh(|record| account.board(record))?;
        let mut missed = met.missed;
        if let Ok(files) = std::fs::read_dir(self.dir.mail_dir()) {
            for file in files.flatten() {
                let whose = file.file_name().to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
                let Some(whose) = whose else { continue };
                if !self.mailboxes.contains_key(&whose) {
                    let path = self.dir.mailbox(&whose);
                    let reader = LogReader::open_telling(path, |record| account.mailbox(&whose, record))?;
                    self.mailboxes.insert(whose, reader);
                }
            }
        }
        for (whose, mailbox) in &mut self.mailboxes {
            missed += mailbox.refresh(|record| account.mailbox(whose, record))?.missed;
        }
        if missed > 0 {
            self.account.wrong.push(format!("the witness slept through {missed} records"));
        }
        Ok(())
    }

    /// The board as it was when it was last looked at.
    pub fn board(&self) -> &Board {
        self.board.state()
    }

    /// Each task that was ever added.
    pub fn tasks(&self) -> &BTreeMap<TaskId, Life> {
        &self.account.tasks
    }

    /// Each message that was ever delivered.
    pub fn mail(&self) -> &BTreeMap<MessageId, Letter> {
        &self.account.mail
    }

    /// The members' unread texts.
    pub fn unread_texts(&self) -> usize {
        let letters = self.account.mail.values();
        letters.filter(|letter| letter.text.is_some() && letter.to != Address::Lead && letter.acknowledged == 0).count()
    }

    /// Everything that is wrong, once all work is done and every member had the time to read its mail.
    pub fn verdict(&self) -> Vec<String> {
        let mut wrong = self.account.wrong.clone();
        for (id, life) in &self.account.tasks {
            if life.completions != 1 {
                wrong.push(format!("task {id} was completed {} times in {} claims", life.completions, life.claims));
            }
            let status = self.board().task(*id).map(|task| task.status.clone());
            if !matches!(status, Ok(TaskStatus::Completed { .. })) {
                wrong.push(format!("task {id} is {status:?} on the board"));
            }
        }
        for (id, letter) in &self.account.mail {
            let unread_is_wrong = letter.text.is_some() && letter.to != Address::Lead;
            if letter.acknowledged == 0 && unread_is_wrong {
                wrong.push(format!("message {id} to {} was never acknowledged", letter.to));
            }
        }
        wrong
    }
}

impl Account {
    fn board(&mut self, record: &LogRecord<BoardFact>) {
        for fact in &record.facts {
            let at = record.seq;
            match fact {
                BoardFact::Added { id, task } => {
                    let life = Life { title: task.title.clone(), ..Life::default() };
                    if self.tasks.insert(*id, life).is_some() {
                        self.wrong.push(format!("record {at}: task {id} was added twice"));
                    }
                }
                BoardFact::Claimed(claim) => {
                    let life = self.tasks.entry(claim.id).or_default();
                    life.claims += 1;
                    let before = life.running.replace((claim.owner.clone(), claim.attempt));
                    if before.is_some() || life.completions > 0 || claim.attempt != life.claims {
                        let wrong =
                            format!("record {at}: {claim:?} after {} claims, while {before:?} is on it", life.claims);
                        self.wrong.push(wrong);
                    }
                    if record.by != claim.owner.as_str() {
                        self.wrong.push(format!("record {at}: {} claimed for {}", record.by, claim.owner));
                    }
                }
                BoardFact::Completed { id, attempt, .. } => {
                    if let Some(owner) = self.ended(at, *id, *attempt)
                        && owner.as_str() != record.by
                    {
                        self.wrong.push(format!("record {at}: {} completed task {id} of {owner}", record.by));
                    }
                    self.tasks.entry(*id).or_default().completions += 1;
                }
                BoardFact::Failed { id, attempt, .. } | BoardFact::Released { id, attempt, .. } => {
                    self.ended(at, *id, *attempt);
                }
                BoardFact::Assigned { .. }
                | BoardFact::Unassigned { .. }
                | BoardFact::DependencyAdded { .. }
                | BoardFact::DependencyRemoved { .. }
                | BoardFact::Retried { .. }
                | BoardFact::Held { .. }
                | BoardFact::Cancelled { .. }
                | BoardFact::Edited { .. }
                | BoardFact::Cleared { .. }
                | BoardFact::Restored { .. }
                | BoardFact::ClearedBefore { .. }
                | BoardFact::Waiting(_)
                | BoardFact::Away { .. }
                | BoardFact::Kept(_)
                | BoardFact::Numbered { .. } => {}
            }
        }
    }

    fn ended(&mut self, at: u64, id: TaskId, attempt: u32) -> Option<MemberName> {
        match self.tasks.entry(id).or_default().running.take() {
            Some((owner, running)) if running == attempt => Some(owner),
            other => {
                self.wrong.push(format!("record {at}: attempt {attempt} of task {id} ended while {other:?} was on it"));
                None
            }
        }
    }

    fn mailbox(&mut self, whose: &Address, record: &LogRecord<MailFact>) {
        for fact in &record.facts {
            match fact {
                MailFact::Delivered(message) => {
                    let text = match &message.body {
                        MessageBody::Text { text } => Some(text.clone()),
                        MessageBody::TaskAssigned { .. }
                        | MessageBody::ShutdownRequest(_)
                        | MessageBody::ShutdownReply(_)
                        | MessageBody::AbortRequest { .. }
                        | MessageBody::PermissionAsked(_)
                        | MessageBody::PermissionReply { .. }
                        | MessageBody::Unknown => None,
                    };
                    // A snapshot tells again what the witness knows.
                    let letter = Letter { to: whose.clone(), text, acknowledged: 0 };
                    if record.seq > 0 && self.mail.insert(message.id, letter).is_some() {
                        self.wrong.push(format!("message {} was delivered twice", message.id));
                    }
                }
                MailFact::Acknowledged { id } if record.seq > 0 => {
                    let reader = whose.as_str() == record.by;
                    match self.mail.get_mut(id) {
                        Some(letter) if letter.to == *whose && letter.acknowledged == 0 && reader => {
                            letter.acknowledged = 1;
                        }
                        other => {
                            let known = other.map(|letter| (letter.to.clone(), letter.acknowledged));
                            let by = &record.by;
                            self.wrong.push(format!("{by} acknowledged {id} in the mailbox of {whose}: {known:?}"));
                        }
                    }
                }
                MailFact::Acknowledged { .. } => {}
            }
        }
    }
}
