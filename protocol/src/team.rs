//! A team on disk: its board, roster and mailboxes, and the steps that touch more than one of them. The leader,
//! every worker and every command work through this, so the rules hold whoever acts and whether or not a
//! leader runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::api::{Changed, Delivered, MailRequest, Mailed, MemberView, Reader as MailReader, TaskCommand, Undelivered};
use crate::board::{Board, BoardFact, Claimant, Death, ReadFact, ViewError};
use crate::clock;
use crate::crash::point;
use crate::id::{Address, MemberName, MessageId, TaskId};
use crate::limits::LAST_WORDS_BYTES_MAX;
use crate::lock::{self, Lock, LockError};
use crate::log::{Durability, Log, LogError, Record, Transact};
use crate::mail::{Body, MailFact, MailRefusal, Mailbox, Message, Urgency};
use crate::roster::{MemberSpec, Roster, RosterRefusal, TeamFact};
use crate::task::view::TaskView;
use crate::task::{Claim, NewTask, Refusal};
use crate::team_dir::{TeamDir, TeamDirError};
use crate::transcript::TranscriptError;
use crate::{transcript, watch};

mod view;

pub use view::{TeamView, read_mail};

/// Why a step on the team was not made.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// The board refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The roster refuses it.
    #[error(transparent)]
    Roster(#[from] RosterRefusal),
    /// The message is refused.
    #[error(transparent)]
    Mail(#[from] MailRefusal),
    /// A log could not be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It is written, but may not survive a loss of power.
    #[error("{0}")]
    NotDurable(String),
    /// A directory of the team could not be made.
    #[error(transparent)]
    Dir(#[from] TeamDirError),
    /// A lock could not be looked at.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A transcript could not be read.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
}

impl<E: Into<TeamError> + std::fmt::Debug + std::fmt::Display> From<Transact<E>> for TeamError {
    fn from(error: Transact<E>) -> TeamError {
        match error {
            Transact::Refused(refusal) => refusal.into(),
            Transact::Log(error) => TeamError::Log(error),
            Transact::NotDurable { .. } => TeamError::NotDurable(error.to_string()),
        }
    }
}

impl From<ViewError> for TeamError {
    fn from(error: ViewError) -> TeamError {
        match error {
            ViewError::Refused(refusal) => refusal.into(),
            ViewError::Log(error) => error.into(),
        }
    }
}

/// An open team. One handle serves one thread; any number may be open, in any number of processes.
#[derive(Debug)]
pub struct Team {
    dir: TeamDir,
    me: Address,
    durability: Durability,
    board: Log<Board>,
    roster: Log<Roster>,
    /// The mailboxes posted to so far: opening one reads all of it.
    mailboxes: BTreeMap<Address, Log<Mailbox>>,
}

impl Team {
    /// Opens the team as `me`, making its directory and logs if they are not there. Blocks for the reading of
    /// the logs.
    pub fn open(dir: TeamDir, me: Address, durability: Durability) -> Result<Team, TeamError> {
        dir.create()?;
        must_be_whole(&dir)?;
        let board = Log::open(dir.board(), clock::now_ms())?;
        let roster = Log::open(dir.roster(), clock::now_ms())?;
        Ok(Team { dir, me, durability, board, roster, mailboxes: BTreeMap::new() })
    }

    /// Where it is.
    pub fn dir(&self) -> &TeamDir {
        &self.dir
    }

    /// The board as of the last step or refresh.
    pub fn board(&self) -> &Board {
        self.board.state()
    }

    /// The roster as of the last step or refresh.
    pub fn roster(&self) -> &Roster {
        self.roster.state()
    }

    /// Takes in what others wrote; calls `seen` with each of their records on the board.
    pub fn refresh(&mut self, seen: impl FnMut(&Record<BoardFact>)) -> Result<(), TeamError> {
        self.roster.refresh(|_| ())?;
        self.board.refresh(seen)?;
        Ok(())
    }

    /// One decision about the board. Rings the workers that wait, if it can make work for them.
    pub fn decide<T>(
        &mut self,
        durability: Durability,
        decide: impl FnOnce(&Board) -> Result<(Vec<BoardFact>, T), Refusal>,
    ) -> Result<T, TeamError> {
        self.decide_telling(durability, |_| (), decide)
    }

    /// As [`Team::decide`], and calls `seen` with each record of others that was read on the way.
    pub fn decide_telling<T>(
        &mut self,
        durability: Durability,
        seen: impl FnMut(&Record<BoardFact>),
        decide: impl FnOnce(&Board) -> Result<(Vec<BoardFact>, T), Refusal>,
    ) -> Result<T, TeamError> {
        let mut makes_work = false;
        let noted = |board: &Board| {
            let (facts, value) = decide(board)?;
            makes_work = facts.iter().any(BoardFact::makes_work);
            Ok::<_, Refusal>((facts, value))
        };
        let by = self.me.as_str();
        let outcome = self.board.transact_telling(by, clock::now_ms(), durability, seen, noted);
        point("board decided, nobody rung");
        if makes_work && !matches!(outcome, Err(Transact::Refused(_) | Transact::Log(_))) {
            self.ring_waiting();
        }
        Ok(outcome?)
    }

    /// Wakes about as many waiting workers as there is work for. A worker that is not there is passed over:
    /// whoever finds it dead makes its share known again.
    fn ring_waiting(&self) {
        for name in self.board.state().to_wake() {
            let mailbox = self.dir.mailbox(&Address::Member(name));
            if let Err(error) = watch::ring(&mailbox) {
                tracing::warn!("cannot ring {}: {error}", mailbox.display());
            }
        }
    }

    /// Claims the next task for a worker, or tells the board that it waits.
    pub fn claim_next(&mut self, who: &Claimant) -> Result<Option<Claim>, TeamError> {
        // A claim need not survive a loss of power: neither does the worker.
        let mut rung_in_vain = false;
        let claim = self.decide(Durability::Process, |board| {
            let (facts, claim) = board.claim_next(who);
            rung_in_vain = facts.is_empty();
            Ok((facts, claim))
        })?;
        // Somebody took what this ring was for, and perhaps left what was meant for that one: pass the ring on.
        if rung_in_vain {
            self.ring_waiting();
        }
        Ok(claim)
    }

    /// Carries out a command on the board; the answer names the tasks and what the asker might not have meant.
    pub fn command(&mut self, command: TaskCommand) -> Result<Changed, TeamError> {
        let mut warnings = Vec::new();
        self.roster.refresh(|_| ())?;
        let mut members = BTreeSet::new();
        match &command {
            TaskCommand::Assign { to, .. } => {
                members.insert(to.clone());
            }
            TaskCommand::Add { tasks } => members.extend(tasks.iter().filter_map(|task| task.to.clone())),
            TaskCommand::Unassign { .. }
            | TaskCommand::AddDependency { .. }
            | TaskCommand::RemoveDependency { .. }
            | TaskCommand::Retry { .. }
            | TaskCommand::Cancel { .. }
            | TaskCommand::Clear { .. } => {}
        }
        for name in members {
            self.roster().member(&name)?;
            if !lock::is_held(&self.dir.member_lock(&name))? {
                warnings.push(format!("{name} is not running; the task waits until it is spawned"));
            }
        }
        let tasks = self.decide(self.durability, |board| {
            let facts = match command {
                TaskCommand::Add { tasks } => board.add(tasks)?,
                TaskCommand::Assign { id, to } => vec![board.assign(id, to)?],
                TaskCommand::Unassign { id } => vec![board.unassign(id)?],
                TaskCommand::AddDependency { id, on } => vec![board.add_dependency(id, on)?],
                TaskCommand::RemoveDependency { id, on } => vec![board.remove_dependency(id, on)?],
                TaskCommand::Retry { id } => vec![board.retry(id)?],
                TaskCommand::Cancel { id } => vec![board.cancel(id)?],
                TaskCommand::Clear { scope } => board.clear(scope)?,
            };
            let mut tasks: Vec<TaskId> = facts.iter().flat_map(BoardFact::tasks).collect();
            tasks.sort_unstable();
            Ok((facts, tasks))
        })?;
        Ok(Changed { tasks, warnings })
    }

    /// Adds tasks built on the numbers they will get: `build` is told the first.
    pub fn add_tasks(&mut self, build: impl FnOnce(TaskId) -> Vec<NewTask>) -> Result<Vec<TaskId>, TeamError> {
        self.decide(self.durability, |board| {
            let first = board.next_id();
            let tasks = build(first);
            let count = tasks.len();
            let facts = board.add(tasks)?;
            Ok((facts, (first.0..).take(count).map(TaskId).collect()))
        })
    }

    /// One task whole.
    pub fn task_view(&self, id: TaskId) -> Result<TaskView, TeamError> {
        let mut read = |offset| self.board.read_at(offset);
        Ok(self.board().view(id, &mut read)?)
    }

    /// What was asked for with a task; cheaper than the whole.
    pub fn new_task(&self, id: TaskId) -> Result<NewTask, TeamError> {
        let mut read = |offset| self.board.read_at(offset);
        let read: ReadFact<'_> = &mut read;
        Ok(self.board().new_task(id, read)?)
    }

    /// Sets how long a step on board and roster waits for others who hold their locks and write nothing.
    pub fn set_lock_within(&mut self, limit: Duration) {
        self.board.set_lock_within(limit);
        self.roster.set_lock_within(limit);
    }

    /// Writes one fact about the roster.
    pub fn enroll(&mut self, fact: TeamFact) -> Result<(), TeamError> {
        self.enroll_if(|_| Some(fact))
    }

    /// Writes what is to be said about the roster as it is, if anything is: nobody else writes meanwhile.
    pub fn enroll_if(&mut self, fact: impl FnOnce(&Roster) -> Option<TeamFact>) -> Result<(), TeamError> {
        let by = self.me.as_str();
        let write = |roster: &Roster| Ok::<_, RosterRefusal>((fact(roster).into_iter().collect(), ()));
        Ok(self.roster.transact(by, clock::now_ms(), self.durability, write)?)
    }

    /// Puts a member on the roster, or sets it up anew. Its mailbox is made if it has none.
    pub fn add_member(&mut self, name: MemberName, spec: MemberSpec) -> Result<(), TeamError> {
        Log::<Mailbox>::open(self.dir.mailbox(&Address::Member(name.clone())), clock::now_ms())?;
        point("mailbox made");
        self.enroll(TeamFact::Added { name, spec })
    }

    /// Puts a message into a mailbox, stamped with the sender this handle was opened as. Refused if the
    /// reader is not on the roster.
    pub fn post(&mut self, to: &Address, urgency: Urgency, body: Body) -> Result<MessageId, TeamError> {
        if let Address::Member(name) = to {
            self.roster.refresh(|_| ())?;
            self.roster().member(name)?;
        }
        self.deliver(to, urgency, body)
    }

    /// As [`Team::post`], to an address that is known to be on the roster as it is now.
    fn deliver(&mut self, to: &Address, urgency: Urgency, body: Body) -> Result<MessageId, TeamError> {
        let id = clock::new_message_id();
        let now_ms = clock::now_ms();
        let message = Message { id, from: self.me.clone(), sent_ms: now_ms, urgency, body };
        let facts = |mailbox: &Mailbox| Ok::<_, MailRefusal>((mailbox.deliver(message.clone())?, ()));
        let by = self.me.as_str();
        if let Some(open) = self.mailboxes.get_mut(to) {
            match deliver_into(open, by, now_ms, self.durability, facts) {
                // It was removed, with its member or by hand: there may be a new one.
                Err(Transact::Log(LogError::Removed { .. })) => drop(self.mailboxes.remove(to)),
                outcome => return Ok(outcome.map(|()| id)?),
            }
        }
        let mut mailbox: Log<Mailbox> = Log::open(self.dir.mailbox(to), now_ms)?;
        let outcome = deliver_into(&mut mailbox, by, now_ms, self.durability, facts);
        self.mailboxes.insert(to.clone(), mailbox);
        outcome?;
        Ok(id)
    }

    /// Sends a text to one member or to all that are on the roster. To one, it fails if that fails; to all, it tells
    /// of each what came of it.
    pub fn mail(&mut self, request: MailRequest) -> Result<Mailed, TeamError> {
        let body = Body::Text { text: request.text };
        body.check()?;
        self.roster.refresh(|_| ())?;
        let to_one = request.to.is_some();
        let to: Vec<Address> = match request.to {
            Some(address) => {
                if let Address::Member(name) = &address {
                    self.roster().member(name)?;
                }
                vec![address]
            }
            None => {
                let others = self.roster().members().map(|(name, _)| Address::Member(name.clone()));
                others.filter(|address| *address != self.me).collect()
            }
        };
        let mut mailed = Mailed { delivered: Vec::new(), failed: Vec::new() };
        for to in to {
            match self.mail_one(&to, request.urgency, body.clone()) {
                Ok(delivered) => mailed.delivered.push(delivered),
                Err(error) if to_one => return Err(error),
                Err(error) => {
                    let why = error.to_string().lines().next().unwrap_or_default().to_owned();
                    mailed.failed.push(Undelivered { to, why });
                }
            }
        }
        Ok(mailed)
    }

    fn mail_one(&mut self, to: &Address, urgency: Urgency, body: Body) -> Result<Delivered, TeamError> {
        let id = self.deliver(to, urgency, body)?;
        // Not before: whoever waits for the message need not wait for that.
        Ok(Delivered { to: to.clone(), id, reader: self.reader_of(to) })
    }

    /// For a message that is delivered by now: what fails here must not say that it is not.
    fn reader_of(&self, whose: &Address) -> MailReader {
        let lock = match whose {
            Address::Lead => self.dir.leader_lock(),
            Address::Member(name) => self.dir.member_lock(name),
        };
        match lock::is_held(&lock) {
            Ok(true) => MailReader::Running,
            Ok(false) => MailReader::Absent,
            Err(error) => {
                tracing::warn!("cannot tell whether {whose} runs: {error}");
                MailReader::Unknown
            }
        }
    }

    /// Gives back the tasks of a member whose worker is dead; `lock` is the member's, so that no successor can
    /// begin meanwhile. `cause` is how it died, if that is known. Returns the tasks.
    pub fn bury(&mut self, name: &MemberName, cause: Option<&str>, _lock: &Lock) -> Result<Vec<TaskId>, TeamError> {
        let turns = self.dir.turns(name);
        self.decide(self.durability, |board| {
            let last_words = if board.owned_by(name).next().is_some() { last_words(&turns) } else { String::new() };
            let facts = board.bury(name, Death { cause, last_words: &last_words });
            let tasks = facts.iter().flat_map(BoardFact::tasks).collect();
            Ok((facts, tasks))
        })
    }

    /// Looks for members that hold tasks, or wait for some, and whose worker is dead, and buries each. Returns
    /// their names. Those to spare are not looked at: nobody can take its own lock, and who will hear of a death knows
    /// more of it than that it happened.
    pub fn sweep(&mut self, spare: impl Fn(&MemberName) -> bool) -> Result<Vec<MemberName>, TeamError> {
        self.refresh(|_| ())?;
        let waiting = self.board().waiting().map(|who| &who.name);
        let names: BTreeSet<MemberName> = self.board().owners().chain(waiting).cloned().collect();
        let mut buried = Vec::new();
        for name in names.into_iter().filter(|name| !spare(name)) {
            match Lock::take(&self.dir.member_lock(&name), clock::now_ms()) {
                Ok(lock) => {
                    point("lock of the dead taken");
                    self.bury(&name, None, &lock)?;
                    buried.push(name);
                }
                Err(LockError::Held { .. }) => {}
                Err(error @ LockError::Io { .. }) => return Err(error.into()),
            }
        }
        Ok(buried)
    }

    /// All members as people see them. What one is at comes from its lock, the board and its transcript.
    pub fn members(&mut self) -> Result<Vec<MemberView>, TeamError> {
        self.refresh(|_| ())?;
        view::member_views(&self.dir, self.board(), self.roster())
    }
}

/// What a dead worker's agent had said last. To know it is less than to give its tasks back.
fn last_words(turns: &Path) -> String {
    transcript::last_words(turns, LAST_WORDS_BYTES_MAX).unwrap_or_else(|error| {
        tracing::warn!("what was said last is not known: {error}");
        String::new()
    })
}

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
        // What is news is not read a second time.
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
        let tell = |record: &Record<MailFact>| passed_by.extend(delivered(record));
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
) -> Result<(), Transact<MailRefusal>> {
    mailbox.transact(by, now_ms, Durability::Process, facts)?;
    thread::yield_now();
    mailbox.make_durable(durability)
}

fn delivered(record: &Record<MailFact>) -> impl Iterator<Item = Message> + '_ {
    record.facts.iter().filter_map(|fact| match fact {
        MailFact::Delivered(message) => Some(message.clone()),
        MailFact::Acknowledged { .. } => None,
    })
}

/// Refuses a team whose board was removed: a new one in its place would number its tasks from 1 again. The board is
/// made before the roster, so that no crash leaves the one without the other.
fn must_be_whole(dir: &TeamDir) -> Result<(), LogError> {
    let is_there = |path: &Path| {
        let failed = |source| LogError::Io { doing: "look at", path: path.to_owned(), source };
        path.try_exists().map_err(failed)
    };
    match is_there(&dir.roster())? && !is_there(&dir.board())? {
        true => Err(LogError::Lost { path: dir.board() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::MemberState;
    use crate::board::AutoClaim;
    use crate::roster::{LeftHow, Workspace};
    use crate::task::TaskStatus;
    use crate::task::{Hold, Work};

    fn open(root: &tempfile::TempDir, me: &str) -> Team {
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        Team::open(dir, me.parse().unwrap(), Durability::Process).unwrap()
    }

    fn name(name: &str) -> MemberName {
        name.parse().unwrap()
    }

    fn enroll(team: &mut Team, member: &str) {
        let workspace = Workspace::Shared { dir: "/".into() };
        let spec = MemberSpec {
            agent: "shell".parse().unwrap(),
            role: None,
            auto: AutoClaim::On,
            workspace,
            stall: Default::default(),
        };
        team.add_member(name(member), spec).unwrap();
    }

    fn claimant(member: &str) -> Claimant {
        Claimant { name: name(member), role: None, auto: AutoClaim::On }
    }

    fn tasks(count: usize) -> Vec<NewTask> {
        (0..count).map(|_| NewTask::new(Work::Run("true".to_owned()))).collect()
    }

    #[test]
    fn who_was_given_up_is_failed_also_while_it_is_buried() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        enroll(&mut lead, "ada");
        let _burying = Lock::take(&lead.dir().member_lock(&name("ada")), 1).unwrap();
        let how = LeftHow::GivenUp { reason: "killed by SIGKILL".to_owned() };
        lead.enroll(TeamFact::Left { name: name("ada"), how: how.clone() }).unwrap();
        let ada = lead.members().unwrap().remove(0);
        assert_eq!((ada.state, ada.left), (MemberState::Failed, Some(how)));
    }

    #[test]
    fn who_is_to_be_started_again_says_when_until_the_next_worker_has_its_lock() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        enroll(&mut lead, "ada");
        let how = LeftHow::Died { reason: "killed by SIGKILL".to_owned() };
        lead.enroll(TeamFact::Restarting { name: name("ada"), how: how.clone(), at_ms: 700 }).unwrap();
        let ada = lead.members().unwrap().remove(0);
        assert_eq!((ada.state, ada.left, ada.again_ms), (MemberState::Restarting, Some(how.clone()), Some(700)));
        let starting = Lock::take(&lead.dir().member_lock(&name("ada")), 1).unwrap();
        let ada = lead.members().unwrap().remove(0);
        assert_eq!((ada.state, ada.left, ada.again_ms), (MemberState::Starting, None, None));
        starting.release();
        lead.enroll(TeamFact::Left { name: name("ada"), how: how.clone() }).unwrap();
        let ada = lead.members().unwrap().remove(0);
        assert_eq!((ada.state, ada.left, ada.again_ms), (MemberState::Left, Some(how), None), "no more");
    }

    #[test]
    fn two_that_claim_from_one_board_never_get_the_same_task() {
        let root = tempfile::tempdir().unwrap();
        let (mut ada, mut ben) = (open(&root, "ada"), open(&root, "ben"));
        open(&root, "lead").add_tasks(|_| tasks(5)).unwrap();
        let mut claimed = Vec::new();
        while let Some(claim) = ada.claim_next(&claimant("ada")).unwrap() {
            claimed.push(claim.id.0);
            claimed.extend(ben.claim_next(&claimant("ben")).unwrap().map(|claim| claim.id.0));
        }
        assert_eq!(claimed, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_sweep_gives_back_what_the_dead_held_and_spares_the_living() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        lead.add_tasks(|_| tasks(2)).unwrap();
        open(&root, "ada").claim_next(&claimant("ada")).unwrap().unwrap();
        open(&root, "ben").claim_next(&claimant("ben")).unwrap().unwrap();
        let _lives = Lock::take(&lead.dir().member_lock(&name("ben")), 1).unwrap();
        assert_eq!(lead.sweep(|_| false).unwrap(), [name("ada")]);
        let free = TaskStatus::Pending { assignee: None, hold: Hold::Free };
        assert_eq!(lead.board().task(TaskId(1)).unwrap().status, free);
        assert_eq!(lead.board().owned_by(&name("ben")).count(), 1);
        assert_eq!(lead.sweep(|_| false).unwrap(), [], "the dead are buried once");
    }

    #[test]
    fn a_board_that_was_removed_is_not_made_anew_in_silence() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        lead.add_tasks(|_| tasks(2)).unwrap();
        let (dir, board) = (lead.dir().clone(), lead.dir().board());
        let kept = std::fs::read(&board).unwrap();
        std::fs::remove_file(&board).unwrap();
        let missing = |error: TeamError| assert!(error.to_string().contains("is missing, although"), "{error}");
        missing(Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap_err());
        missing(TeamView::open(dir.clone()).unwrap_err());
        assert!(lead.add_tasks(|_| tasks(1)).is_err());
        assert!(!board.exists());
        std::fs::write(&board, kept).unwrap();
        assert_eq!(lead.add_tasks(|_| tasks(1)).unwrap(), [TaskId(3)], "whoever had it open goes on");
        assert_eq!(TeamView::open(dir).unwrap().board().len(), 3);
    }

    #[test]
    fn a_message_to_nobody_is_an_error_to_the_sender_and_makes_no_mailbox() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        let to = Address::Member(name("nobody"));
        let error = lead.post(&to, Urgency::Next, Body::Text { text: "hi".to_owned() }).unwrap_err();
        assert_eq!(error.to_string(), "there is no member nobody");
        assert!(!lead.dir().mailbox(&to).exists());
    }

    #[test]
    fn a_message_is_delivered_also_where_its_readers_lock_can_not_be_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        enroll(&mut lead, "ada");
        let to = Address::Member(name("ada"));
        let mut readers = Vec::new();
        let mut mail = |lead: &mut Team| {
            let request = MailRequest { to: Some(to.clone()), text: "hi".to_owned(), urgency: Urgency::Next };
            readers.extend(lead.mail(request).unwrap().delivered.into_iter().map(|one| one.reader));
        };
        mail(&mut lead);
        let path = lead.dir().member_lock(&name("ada"));
        Lock::take(&path, 1).map(|_lives| mail(&mut lead)).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
        mail(&mut lead);
        assert_eq!(readers, [MailReader::Absent, MailReader::Running, MailReader::Unknown]);
        let mut inbox = Inbox::open(lead.dir(), to, Durability::Process).unwrap();
        assert_eq!(inbox.unread().unwrap().len(), 3);
    }

    #[test]
    fn a_message_to_all_tells_of_each_what_came_of_it() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        for member in ["ada", "ben", "cy"] {
            enroll(&mut lead, member);
        }
        let mailbox = lead.dir().mailbox(&Address::Member(name("ben")));
        std::fs::write(&mailbox, "damaged\n").unwrap();
        let text = || "hi".to_owned();
        let mailed = lead.mail(MailRequest { to: None, text: text(), urgency: Urgency::Next }).unwrap();
        let to: Vec<&str> = mailed.delivered.iter().map(|one| one.to.as_str()).collect();
        assert_eq!(to, ["ada", "cy"]);
        let [failed] = &mailed.failed[..] else { panic!("{:?}", mailed.failed) };
        assert!(failed.to.as_str() == "ben" && failed.why.contains("ben.jsonl:1: "), "{failed:?}");
        let to_ben = MailRequest { to: Some(Address::Member(name("ben"))), text: text(), urgency: Urgency::Next };
        assert!(matches!(lead.mail(to_ben), Err(TeamError::Log(LogError::Corrupt { .. }))));
        let empty = lead.mail(MailRequest { to: None, text: " ".to_owned(), urgency: Urgency::Next });
        assert!(matches!(empty, Err(TeamError::Mail(MailRefusal::Empty))), "nobody gets it, for one reason");
    }

    #[test]
    fn unread_mail_is_given_in_order_and_whole_whether_it_is_news_or_was_seen_before() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        enroll(&mut lead, "ada");
        let to = Address::Member(name("ada"));
        let mut send = |text: &str| lead.post(&to, Urgency::Next, Body::Text { text: text.to_owned() }).unwrap();
        let texts = |inbox: &mut Inbox| -> Vec<String> {
            let unread = inbox.unread().unwrap().into_iter();
            unread.map(|message| if let Body::Text { text } = message.body { text } else { String::new() }).collect()
        };
        let (first, _) = (send("one"), send("two"));
        let mut inbox =
            Inbox::open(&TeamDir::new(root.path(), "t".parse().unwrap()), to.clone(), Durability::Process).unwrap();
        assert_eq!(texts(&mut inbox), ["one", "two"]);
        let third = send("three");
        assert_eq!(texts(&mut inbox), ["one", "two", "three"]);
        inbox.acknowledge(&[first, third]).unwrap();
        send("four");
        assert_eq!(texts(&mut inbox), ["two", "four"]);
        assert_eq!(texts(&mut inbox), ["two", "four"], "it stays unread until it is acknowledged");
    }

    #[test]
    fn to_assign_to_a_member_that_does_not_run_is_said_and_to_an_unknown_one_refused() {
        let root = tempfile::tempdir().unwrap();
        let mut lead = open(&root, "lead");
        enroll(&mut lead, "ada");
        lead.add_tasks(|_| tasks(1)).unwrap();
        let mut assign = |to: &str| lead.command(TaskCommand::Assign { id: TaskId(1), to: name(to) });
        assert_eq!(assign("bob").unwrap_err().to_string(), "there is no member bob");
        assert_eq!(assign("ada").unwrap().warnings, ["ada is not running; the task waits until it is spawned"]);
        let _lives = Lock::take(&lead.dir().member_lock(&name("ada")), 1).unwrap();
        let again = lead.command(TaskCommand::Assign { id: TaskId(1), to: name("ada") }).unwrap();
        assert_eq!(again.warnings, Vec::<String>::new());
    }
}
