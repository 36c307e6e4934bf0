//! `events`: what happened on the board, on the roster and in the mailboxes, in one order of time.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::{MailFact, Mailbox, MessageBody};
use teamster_protocol::model::roster::{Roster, TeamFact};
use teamster_protocol::store::file::{LogFold, LogReader, LogRecord};
use teamster_protocol::store::watch::FileWatch;

use super::error::OpsError;
use super::follow::{FollowMode, Listening};
use super::log_line::LogPlace;
use super::session::Session;
use crate::verb::Verb;

/// One fact. In JSON its kind and its fields are apart, as in every line about a log.
#[derive(Debug, Clone)]
pub struct TeamEvent {
    /// The time at which it was written.
    pub at_ms: u64,
    /// The log that it is of: `board`, `team` or `mail`.
    pub log: &'static str,
    /// The number of the event's record in that log; facts of one record happened together.
    pub seq: u64,
    /// The member, or the lead, that wrote the record.
    pub by: String,
    /// The owner of the mailbox, for mail.
    pub mailbox: Option<Address>,
    /// The fact.
    pub fact: EventFact,
}

impl Serialize for TeamEvent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let TeamEvent { at_ms, log, seq, by, mailbox, fact } = self;
        let place = LogPlace { at_ms: *at_ms, log, whose: mailbox.clone(), seq: *seq, by, attempt: None };
        place.line_of_fact(fact, to)
    }
}

/// A fact of any log.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum EventFact {
    /// A fact about the board.
    Board(BoardFact),
    /// A fact about the roster.
    Team(TeamFact),
    /// A fact about the mailbox of this address.
    Mail(MailFact),
}

/// The choice of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedEvents {
    /// How many of the newest of what happened before; all if not given.
    pub last: Option<usize>,
    /// Whether to go on as it happens.
    pub mode: FollowMode,
}

/// Tells `listener` of the events, some at a time and in order; at first of what happened before, even if that is nothing.
/// Ends with the listener's error, if it has one.
pub async fn events<E: From<OpsError>>(
    session: &Session,
    wanted: WantedEvents,
    mut listener: impl FnMut(Vec<TeamEvent>) -> Result<Listening, E>,
) -> Result<(), E> {
    session.authorize(Verb::Events)?;
    // The logs are read by handles of their own, which tell of each record; here it is only asked whether they can be.
    session.look()?;
    let mut watch = FileWatch::new(session.settings.poll);
    if wanted.mode == FollowMode::Follow {
        // Before the first look: what happens in between is told by one or the other.
        watch.add(session.dir.board());
        watch.add(session.dir.roster());
    }
    let (mut logs, mut past) = TeamLogs::open(session.dir.clone())?;
    if let Some(last) = wanted.last {
        past.drain(..past.len().saturating_sub(last));
    }
    if wanted.mode == FollowMode::Past {
        listener(past)?;
        return Ok(());
    }
    let mut news = past;
    loop {
        for path in logs.take_unwatched() {
            watch.add(path);
            // The log may have changed after it was read and before it was watched.
            news.extend(logs.refresh()?);
        }
        if listener(std::mem::take(&mut news))? == Listening::Over {
            return Ok(());
        }
        watch.changed().await;
        news = logs.refresh()?;
    }
}

/// All logs of a team, each read up to some record.
#[derive(Debug)]
pub(super) struct TeamLogs {
    dir: TeamDir,
    board: LogReader<Board>,
    roster: LogReader<Roster>,
    mail: BTreeMap<Address, LogReader<Mailbox>>,
    /// Mailboxes that nobody watches yet.
    unwatched: Vec<PathBuf>,
}

impl TeamLogs {
    /// Opens all logs, and gives what they hold, in order.
    pub(super) fn open(dir: TeamDir) -> Result<(TeamLogs, Vec<TeamEvent>), OpsError> {
        let mut found = Vec::new();
        // The roster first: who joined in the same millisecond as it claimed, joined before.
        let roster = LogReader::open_telling(dir.roster(), |record| on_roster(&mut found, record))?;
        let board = LogReader::open_telling(dir.board(), |record| on_board(&mut found, record))?;
        let mut logs = TeamLogs { dir, board, roster, mail: BTreeMap::new(), unwatched: Vec::new() };
        logs.open_mail(&mut found)?;
        Ok((logs, in_order(found)))
    }

    /// Reads the events since the last reading, in order.
    pub(super) fn refresh(&mut self) -> Result<Vec<TeamEvent>, OpsError> {
        let mut found = Vec::new();
        self.roster.refresh(|record| on_roster(&mut found, record))?;
        self.board.refresh(|record| on_board(&mut found, record))?;
        for (whose, mailbox) in &mut self.mail {
            mailbox.refresh(|record| in_mail(&mut found, whose, record))?;
        }
        self.open_mail(&mut found)?;
        Ok(in_order(found))
    }

    /// The mailboxes that were opened since the last time, and that nobody watches yet.
    pub(super) fn take_unwatched(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.unwatched)
    }

    /// Opens the mailboxes that were not opened yet.
    fn open_mail(&mut self, found: &mut Vec<TeamEvent>) -> Result<(), OpsError> {
        let members = self.roster.state().members().map(|(name, _)| Address::Member(name.clone()));
        let boxes: Vec<Address> = [Address::Lead].into_iter().chain(members).collect();
        for whose in boxes.into_iter().filter(|whose| !self.mail.contains_key(whose)).collect::<Vec<_>>() {
            let path = self.dir.mailbox(&whose);
            let mailbox = LogReader::open_telling(&path, |record| in_mail(found, &whose, record))?;
            self.mail.insert(whose, mailbox);
            self.unwatched.push(path);
        }
        Ok(())
    }
}

/// By the clock in each record. What was written in one millisecond is put with causes before their effects; the events of
/// one log stay in its order.
fn in_order(mut events: Vec<TeamEvent>) -> Vec<TeamEvent> {
    events.sort_by_key(|event| event.at_ms);
    let mut ordered = Vec::with_capacity(events.len());
    for at_once in events.chunk_by(|one, other| one.at_ms == other.at_ms) {
        let mut logs: Vec<VecDeque<&TeamEvent>> = Vec::new();
        for event in at_once {
            let is_its = |log: &&mut VecDeque<&TeamEvent>| log.iter().all(|other| event.is_of_log_of(other));
            match logs.iter_mut().find(is_its) {
                Some(log) => log.push_back(event),
                None => logs.push(VecDeque::from([event])),
            }
        }
        let head = |log: &VecDeque<&TeamEvent>| log.front().map(|event| event.fact.rank_at_once());
        while let Some(log) = logs.iter_mut().filter(|log| !log.is_empty()).min_by_key(|log| head(log)) {
            ordered.extend(log.pop_front().cloned());
        }
    }
    ordered
}

impl TeamEvent {
    fn is_of_log_of(&self, other: &TeamEvent) -> bool {
        (self.log, &self.mailbox) == (other.log, &other.mailbox)
    }
}

impl EventFact {
    /// The place of a fact among those of other logs that were written in the same millisecond: a member joins before it does
    /// anything, is asked before it answers, ends its tasks before it leaves, and reads what was written to it.
    fn rank_at_once(&self) -> u8 {
        match self {
            EventFact::Team(fact) => match fact {
                TeamFact::Founded { .. }
                | TeamFact::Moved { .. }
                | TeamFact::Added { .. }
                | TeamFact::Joined { .. }
                | TeamFact::Session { .. }
                | TeamFact::Limited { .. }
                | TeamFact::Unlimited { .. } => 0,
                TeamFact::BudgetNearly { .. }
                | TeamFact::Ending { .. }
                | TeamFact::Dismissed { .. }
                | TeamFact::TurnStopped { .. } => 2,
                TeamFact::Staying { .. } | TeamFact::Hung { .. } | TeamFact::Answering { .. } => 5,
                TeamFact::Left { .. } | TeamFact::Restarting { .. } | TeamFact::Removed { .. } => 6,
            },
            EventFact::Mail(MailFact::Delivered(message)) => match &message.body {
                MessageBody::ShutdownReply(_) => 4,
                MessageBody::PermissionReply { .. } => 2,
                MessageBody::Text { .. }
                | MessageBody::PermissionAsked(_)
                | MessageBody::TaskAssigned { .. }
                | MessageBody::ShutdownRequest(_)
                | MessageBody::AbortRequest { .. }
                | MessageBody::Unknown => 1,
            },
            EventFact::Board(_) => 3,
            EventFact::Mail(MailFact::Acknowledged { .. }) => 5,
        }
    }
}

fn on_board(found: &mut Vec<TeamEvent>, record: &LogRecord<BoardFact>) {
    let news = record.facts.iter().filter(|fact| is_news(fact));
    found.extend(news.map(|fact| event_of::<Board>(record, EventFact::Board(fact.clone()))));
}

fn on_roster(found: &mut Vec<TeamEvent>, record: &LogRecord<TeamFact>) {
    found.extend(record.facts.iter().map(|fact| event_of::<Roster>(record, EventFact::Team(fact.clone()))));
}

fn in_mail(found: &mut Vec<TeamEvent>, whose: &Address, record: &LogRecord<MailFact>) {
    let event = |fact: &MailFact| TeamEvent {
        mailbox: Some(whose.clone()),
        ..event_of::<Mailbox>(record, EventFact::Mail(fact.clone()))
    };
    found.extend(record.facts.iter().map(event));
}

fn event_of<F: LogFold>(record: &LogRecord<F::Fact>, fact: EventFact) -> TeamEvent {
    TeamEvent { at_ms: record.at_ms, log: F::KIND, seq: record.seq, by: record.by.clone(), mailbox: None, fact }
}

/// Whether a fact tells of something that happened; the others only keep the board's books.
fn is_news(fact: &BoardFact) -> bool {
    match fact {
        BoardFact::Waiting(_)
        | BoardFact::Away { .. }
        | BoardFact::Kept(_)
        | BoardFact::ClearedBefore { .. }
        | BoardFact::Numbered { .. } => false,
        BoardFact::Added { .. }
        | BoardFact::Claimed(_)
        | BoardFact::Completed { .. }
        | BoardFact::Failed { .. }
        | BoardFact::Released { .. }
        | BoardFact::Assigned { .. }
        | BoardFact::Unassigned { .. }
        | BoardFact::DependencyAdded { .. }
        | BoardFact::DependencyRemoved { .. }
        | BoardFact::Retried { .. }
        | BoardFact::Held { .. }
        | BoardFact::Cancelled { .. }
        | BoardFact::Edited { .. }
        | BoardFact::Cleared { .. }
        | BoardFact::Restored { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::id::{MemberName, MessageId, TaskId};
    use teamster_protocol::model::mail::{Message, Urgency};
    use teamster_protocol::model::roster::WorkerEnd;
    use teamster_protocol::model::shutdown::{ShutdownAnswer, ShutdownReply, ShutdownRequest, WhenBusy};

    use super::*;

    fn ann() -> MemberName {
        "ann".parse().expect("a name")
    }

    fn event(at_ms: u64, seq: u64, fact: EventFact) -> TeamEvent {
        TeamEvent { at_ms, log: "team", seq, by: "lead".to_owned(), mailbox: None, fact }
    }

    fn mail(at_ms: u64, whose: Address, from: Address, body: MessageBody) -> TeamEvent {
        let message = Message { id: MessageId::from_parts(1, 1), from, sent_ms: at_ms, urgency: Urgency::Now, body };
        TeamEvent {
            log: "mail",
            mailbox: Some(whose),
            ..event(at_ms, 1, EventFact::Mail(MailFact::Delivered(message)))
        }
    }

    #[test]
    fn what_happened_at_once_is_told_with_causes_before_their_effects() {
        let request = MessageId::from_parts(1, 2);
        let asked = ShutdownRequest { request, reason: String::new(), deadline_ms: 9, when_busy: WhenBusy::Finish };
        let finishing = ShutdownAnswer::Finishing { task: Some(TaskId(7)) };
        let completed =
            BoardFact::Completed { id: TaskId(7), attempt: 1, result: String::new(), used: Default::default() };
        let left = TeamFact::Left { name: ann(), how: WorkerEnd::Shutdown };
        // As the logs are read: the roster, the board, the lead's mail, that of members.
        let found = vec![
            event(5, 8, EventFact::Team(TeamFact::Ending { name: ann() })),
            event(5, 9, EventFact::Team(left)),
            TeamEvent { log: "board", ..event(5, 3, EventFact::Board(completed)) },
            mail(
                5,
                Address::Lead,
                ann().into(),
                MessageBody::ShutdownReply(ShutdownReply { request, verdict: finishing }),
            ),
            mail(5, ann().into(), Address::Lead, MessageBody::ShutdownRequest(asked)),
            event(4, 7, EventFact::Team(TeamFact::Hung { name: ann() })),
        ];
        let told = |event: &TeamEvent| match &event.fact {
            EventFact::Mail(_) if event.mailbox == Some(Address::Lead) => "answered".to_owned(),
            EventFact::Mail(_) => "asked".to_owned(),
            fact => {
                format!("{fact:?}").split_once('(').expect("a fact").1.split(' ').next().expect("a word").to_owned()
            }
        };
        let order: Vec<String> = in_order(found).iter().map(told).collect();
        assert_eq!(order, ["Hung", "asked", "Ending", "Completed", "answered", "Left"]);
    }
}
