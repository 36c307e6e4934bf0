//! A team on disk: its board, roster and mailboxes, and the steps that touch more than one of them. The leader,
//! every worker and every command work through this, so the rules hold whoever acts and whether or not a
//! leader runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::host::clock;
use crate::host::crash::point;
use crate::host::process::life::{self, MemberLife};
use crate::host::process::marked;
use crate::host::team_dir::TeamDir;
use crate::model::board::{Board, BoardFact, ReadFact, WaitingClaimant, WorkerDeath};
use crate::model::id::{Address, MemberName, TaskId};
use crate::model::limits::{LAST_WORDS_BYTES_MAX, LOCK_RETRY};
use crate::model::mail::Mailbox;
use crate::model::roster::{AfterLeaving, CellIsolation, MemberPresence, MemberSpec, Roster, RosterRefusal, TeamFact};
use crate::model::sweep::ring_after;
use crate::model::task::view::TaskView;
use crate::model::task::{BoardRefusal, NewTask, TaskClaim, TaskStatus};
use crate::model::usage::UsageSum;
use crate::store::file::{self, Durability, Log, LogError, LogReader, LogRecord, TransactError};
use crate::store::presence::{LockError, PresenceLock};
use crate::store::{transcript, watch};

mod command;
mod error;
mod exclusion;
mod inbox;
mod lost_turn;
mod mail;
mod member_process;
mod member_view;
mod view;
mod worker_lives;

pub use command::{BoardChange, TaskCommand};
pub use error::TeamError;
pub use inbox::Inbox;
pub use mail::{DeliveredMail, MailOutcome, MailRequest, MailboxReader, UndeliveredMail};
pub use member_process::{member_of_process, member_of_this_process};
pub use member_view::{MemberState, MemberView};
pub use view::{TeamView, is_worker_alive, read_mail, worker_life};
pub use worker_lives::LocksSeen;

/// Tries `take` until `limit` is over while another process holds the lock, such as one that gives back what a dead worker
/// held, and while that worker is still ending. Blocks.
#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
pub fn wait_for_lock(
    limit: Duration,
    mut take: impl FnMut() -> Result<PresenceLock, TeamError>,
) -> Result<PresenceLock, TeamError> {
    let until = Instant::now() + limit;
    loop {
        match take() {
            Err(TeamError::Lock(LockError::Held { .. } | LockError::Dying { .. })) if Instant::now() < until => {
                sleep(LOCK_RETRY);
            }
            taken => return taken,
        }
    }
}

/// The logs of a team, read for somebody who is not known yet. Nothing of the team is made, held or changed.
#[derive(Debug)]
pub struct TeamLogs {
    dir: TeamDir,
    board: LogReader<Board>,
    roster: LogReader<Roster>,
}

impl TeamLogs {
    /// Reads them. Blocks for that time.
    pub fn read(dir: TeamDir) -> Result<TeamLogs, TeamError> {
        must_be_whole(&dir)?;
        let (board, roster) = (LogReader::open_to_append(dir.board())?, LogReader::open_to_append(dir.roster())?);
        Ok(TeamLogs { dir, board, roster })
    }

    /// Opens the team as `me`, as [`Team::open`] does, without reading again what was read.
    pub fn into_team(self, me: Address, durability: Durability) -> Result<Team, TeamError> {
        let TeamLogs { dir, board, roster } = self;
        dir.create()?;
        must_be_whole(&dir)?;
        let board = Log::open_read(board, clock::now_ms())?;
        must_have_roster(&dir, board.next_seq())?;
        Ok(Team::of(dir, me, durability, (board, Log::open_read(roster, clock::now_ms())?)))
    }

    /// The team's directory.
    pub fn dir(&self) -> &TeamDir {
        &self.dir
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
        must_have_roster(&dir, board.next_seq())?;
        let roster = Log::open(dir.roster(), clock::now_ms())?;
        Ok(Team::of(dir, me, durability, (board, roster)))
    }

    fn of(dir: TeamDir, me: Address, durability: Durability, (board, roster): (Log<Board>, Log<Roster>)) -> Team {
        Team { dir, me, durability, board, roster, mailboxes: BTreeMap::new() }
    }

    /// The team's directory.
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
    pub fn refresh(&mut self, seen: impl FnMut(&LogRecord<BoardFact>)) -> Result<(), TeamError> {
        self.roster.refresh(|_| ())?;
        self.board.refresh(seen)?;
        Ok(())
    }

    /// One decision about the board. Rings the workers that wait, if it can make work for them.
    pub fn decide<T>(
        &mut self,
        durability: Durability,
        decide: impl FnOnce(&Board) -> Result<(Vec<BoardFact>, T), BoardRefusal>,
    ) -> Result<T, TeamError> {
        self.decide_telling(durability, |_| (), decide)
    }

    /// As [`Team::decide`], and calls `seen` with each record of others that was read on the way.
    pub fn decide_telling<T>(
        &mut self,
        durability: Durability,
        seen: impl FnMut(&LogRecord<BoardFact>),
        decide: impl FnOnce(&Board) -> Result<(Vec<BoardFact>, T), BoardRefusal>,
    ) -> Result<T, TeamError> {
        self.decide_with_roster(durability, seen, |board, _| decide(board))
    }

    /// As [`Team::decide_telling`], with the roster at hand. Read in the decision, it says of the members what is so until the
    /// facts are written: nobody takes a member off the roster without the lock of the board.
    fn decide_with_roster<T, E>(
        &mut self,
        durability: Durability,
        seen: impl FnMut(&LogRecord<BoardFact>),
        decide: impl FnOnce(&Board, &mut Log<Roster>) -> Result<(Vec<BoardFact>, T), E>,
    ) -> Result<T, TeamError>
    where
        E: Into<TeamError> + std::fmt::Debug + std::fmt::Display,
    {
        let mut makes_work = false;
        let Team { me, board, roster, .. } = self;
        let noted = |board: &Board| {
            let (facts, value) = decide(board, roster)?;
            makes_work = facts.iter().any(BoardFact::makes_work);
            Ok::<_, E>((facts, value))
        };
        let outcome = board.transact_telling(me.as_str(), clock::now_ms(), durability, seen, noted);
        point("board decided, nobody rung");
        if makes_work && !matches!(outcome, Err(TransactError::Refused(_) | TransactError::Log(_))) {
            self.ring_waiting();
        }
        Ok(outcome?)
    }

    /// Wakes about as many waiting workers as there is work for. A worker that is not there is passed over:
    /// whoever finds it dead makes its share known again.
    fn ring_waiting(&self) {
        self.board.state().to_wake().iter().for_each(|name| self.ring(name));
    }

    fn ring(&self, name: &MemberName) {
        let mailbox = self.dir.mailbox(&Address::Member(name.clone()));
        if let Err(error) = watch::ring(&mailbox) {
            tracing::warn!("cannot ring {}: {error}", mailbox.display());
        }
    }

    /// Takes in what others wrote on the roster.
    pub fn refresh_roster(&mut self) -> Result<(), TeamError> {
        self.roster.refresh(|_| ())?;
        Ok(())
    }

    /// Lifts the limit of the account that this member uses. Returns the members that this lets go on: those with that account
    /// that have not left.
    pub fn lift_limit(&mut self, name: &MemberName) -> Result<Vec<MemberName>, TeamError> {
        self.enroll(TeamFact::Unlimited { name: name.clone() })?;
        point("limit lifted, nobody rung");
        self.ring_account(name);
        let is_there = |member: &&MemberName| match self.roster().member(member).map(|member| &member.presence) {
            Ok(MemberPresence::Left { then: AfterLeaving::Stays, .. }) | Err(_) => false,
            Ok(MemberPresence::Left { .. } | MemberPresence::Joined { .. } | MemberPresence::Expected { .. }) => true,
        };
        Ok(self.roster().account_of(name).filter(is_there).cloned().collect())
    }

    /// Wakes the members that use the same account of a provider as this one, so that they look whether it is limited.
    pub fn ring_account(&self, name: &MemberName) {
        self.roster().account_of(name).for_each(|member| self.ring(member));
    }

    /// Claims the next task for a worker, or tells the board that it waits.
    pub fn claim_next(&mut self, who: &WaitingClaimant) -> Result<Option<TaskClaim>, TeamError> {
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

    /// The whole view of one task.
    pub fn task_view(&self, id: TaskId) -> Result<TaskView, TeamError> {
        let mut read = |offset| self.board.read_at(offset);
        Ok(self.board().view(id, &mut read)?)
    }

    /// The task as it was asked for; cheaper to read than the whole view with its history.
    pub fn new_task(&self, id: TaskId) -> Result<NewTask, TeamError> {
        let mut read = |offset| self.board.read_at(offset);
        let read: ReadFact<'_, LogError> = &mut read;
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
        self.enroll(TeamFact::Added { name, spec: Box::new(spec) })
    }

    /// Takes the lock of a member without a worker, and signs nothing: as [`Team::must_be_of_dead`]. Does not wait.
    pub fn take_lock_of_dead(&mut self, name: &MemberName) -> Result<PresenceLock, TeamError> {
        // Somebody may have put a link there since this team was opened.
        self.dir.check_rooms()?;
        let lock = PresenceLock::take_unsigned(&self.dir.member_lock(name))?;
        self.must_be_of_dead(name, lock)
    }

    /// Lets the lock of a member pass if none of its workers lives, and nothing that the last one started does. Refuses with
    /// [`LockError::Astray`] where the lock was free only because its file was tidied away, and with [`LockError::Dying`]
    /// while the worker's cell is not empty.
    ///
    /// A worker in no cell leaves behind what it started if it is killed; that is killed here, so that the next attempt at
    /// its task finds no locks and ports of this one.
    pub fn must_be_of_dead(&mut self, name: &MemberName, lock: PresenceLock) -> Result<PresenceLock, TeamError> {
        let path = self.dir.member_lock(name);
        // Read while the lock is held: a worker that joins looks at its lock afterwards.
        self.roster.refresh(|_| ())?;
        let Ok(MemberPresence::Joined { process, .. }) = self.roster().member(name).map(|member| &member.presence)
        else {
            return Ok(lock.of_dead_worker(&path, None)?);
        };
        let lock = lock.of_dead_worker(&path, Some(&process.identity))?;
        match process.isolation {
            Some(CellIsolation::Namespace) => Ok(lock),
            Some(CellIsolation::Subreaper) | None => {
                let life = MemberLife {
                    team: life::team_of(self.dir.path())
                        .map_err(|source| LockError::io("look at", self.dir.path())(source))?,
                    member: name.clone(),
                    worker: process.identity.clone(),
                };
                marked::end_all_of(&life)
                    .map_err(|source| LockError::io("end what was started under", &path)(source))?;
                Ok(lock)
            }
        }
    }

    /// Gives back the tasks of a member whose worker is dead, and then writes down and tells what is lost of its last turn;
    /// `lock` is the member's, so that no successor can begin meanwhile. `cause` is how it died, if that is known. Returns the
    /// tasks. On an error it is to be called again: what was done is not done twice.
    pub fn bury(
        &mut self,
        name: &MemberName,
        cause: Option<&str>,
        lock: &PresenceLock,
    ) -> Result<Vec<TaskId>, TeamError> {
        let turns = self.dir.turns(name);
        let tasks = self.decide(self.durability, |board| {
            let last_words = if board.owned_by(name).next().is_some() { last_words(&turns) } else { String::new() };
            let facts =
                board.bury(name, WorkerDeath { cause, last_words: &last_words, used: used(&turns, board, name) });
            let tasks = facts.iter().flat_map(BoardFact::tasks).collect();
            Ok((facts, tasks))
        })?;
        point("tasks given back, turn not ended");
        self.end_turn_of_dead(name, cause, lock)?;
        Ok(tasks)
    }

    /// Looks for members that hold tasks, or wait for some, and whose worker is dead, and buries each. Returns their
    /// names. Members for which `spare` is true are not looked at: no process can take its own lock, and a leader that
    /// will hear of a death knows its cause, too.
    pub fn sweep(&mut self, spare: impl Fn(&MemberName) -> bool) -> Result<Vec<MemberName>, TeamError> {
        let members = self.members_on_the_board()?;
        let mut swept = SweptMembers::default();
        for name in members.iter().filter(|name| !spare(name)) {
            self.bury_if_dead(name, &mut swept);
        }
        swept.into_result()
    }

    /// As [`Team::sweep`], but only from the place of `own` in the ring of members ([`crate::model::sweep`]) to the first one
    /// that lives.
    pub fn sweep_ring(&mut self, own: &MemberName) -> Result<Vec<MemberName>, TeamError> {
        let members = self.members_on_the_board()?;
        let mut swept = SweptMembers::default();
        for name in ring_after(&members, own) {
            match self.bury_if_dead(name, &mut swept) {
                SweepFound::Living => break,
                SweepFound::NotLiving => {}
            }
        }
        swept.into_result()
    }

    /// The members that hold tasks or wait for some.
    fn members_on_the_board(&mut self) -> Result<BTreeSet<MemberName>, TeamError> {
        self.refresh(|_| ())?;
        let waiting = self.board().waiting().map(|who| &who.name);
        Ok(self.board().owners().chain(waiting).cloned().collect())
    }

    fn bury_if_dead(&mut self, name: &MemberName, swept: &mut SweptMembers) -> SweepFound {
        match self.take_lock_of_dead(name) {
            Ok(lock) => {
                point("lock of the dead taken");
                match self.bury(name, None, &lock) {
                    Ok(_) => swept.buried.push(name.clone()),
                    Err(error) => swept.failed = Some(error),
                }
                SweepFound::NotLiving
            }
            Err(TeamError::Lock(LockError::Held { .. })) => SweepFound::Living,
            Err(TeamError::Lock(LockError::Astray { .. } | LockError::Dying { .. })) => SweepFound::NotLiving,
            // A failure to bury one member keeps none of the others waiting.
            Err(error) => {
                swept.failed = Some(error);
                SweepFound::NotLiving
            }
        }
    }

    /// All members as people see them. The state of each comes from its lock, the board and its transcript.
    pub fn members(&mut self) -> Result<Vec<MemberView>, TeamError> {
        self.refresh(|_| ())?;
        view::member_views(&self.dir, self.board(), self.roster())
    }
}

/// What a sweep found at one member.
enum SweepFound {
    /// Its worker lives, and looks at those after it.
    Living,
    /// Its worker is dead, or it can not be told: nobody may be looking at those after it.
    NotLiving,
}

/// What a sweep did so far.
#[derive(Default)]
struct SweptMembers {
    buried: Vec<MemberName>,
    failed: Option<TeamError>,
}

impl SweptMembers {
    fn into_result(self) -> Result<Vec<MemberName>, TeamError> {
        match self.failed {
            // The members that were buried are told first; the next sweep meets the same error again.
            Some(error) if self.buried.is_empty() => Err(error),
            Some(_) | None => Ok(self.buried),
        }
    }
}

/// The use of the attempt that a worker died in, from its transcripts; nothing if they can not be read, because giving its
/// tasks back matters more.
fn used(turns: &Path, board: &Board, name: &MemberName) -> UsageSum {
    let since = board.owned_by(name).filter_map(|id| match board.status(id) {
        Ok(TaskStatus::InProgress { since_ms, .. }) => Some(since_ms),
        Ok(_) | Err(_) => None,
    });
    let Some(since_ms) = since.min() else { return UsageSum::default() };
    transcript::used_since(turns, since_ms).unwrap_or_else(|error| {
        tracing::warn!("what the dead worker of {name} has used is not known: {error}");
        UsageSum::default()
    })
}

/// The last words of a dead worker's agent, from its transcripts; empty if they can not be read, because giving its
/// tasks back matters more.
fn last_words(turns: &Path) -> String {
    transcript::last_words(turns, LAST_WORDS_BYTES_MAX).unwrap_or_else(|error| {
        tracing::warn!("what was said last is not known: {error}");
        String::new()
    })
}

/// Whether anything has this name. Where that can not be told it is an error, never "nothing there".
fn is_there(path: &Path) -> Result<bool, LogError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(LogError::Io { doing: "look at", path: path.to_owned(), source }),
    }
}

/// The error about a log that is missing: the whole team may have been removed, by a cleanup, between two looks.
fn lost_or_removed(dir: &TeamDir, path: PathBuf) -> Result<LogError, LogError> {
    let (roster, board) = (dir.roster(), dir.board());
    // The marks are in the same directory, and go with it.
    let is_marked = file::is_marked(&roster)? || file::is_marked(&board)?;
    let is_removed = !is_marked && !is_there(&roster)? && !is_there(&board)?;
    Ok(if is_removed { LogError::Removed { path } } else { LogError::Lost { path } })
}

/// Refuses a team whose roster was removed: its members would be forgotten. The roster is made before anything is written
/// on the board, so a board with records proves that there was one, and so does its mark. To be asked after the board was
/// read.
fn must_have_roster(dir: &TeamDir, board_next_seq: u64) -> Result<(), LogError> {
    let roster = dir.roster();
    match !is_there(&roster)? && (board_next_seq > 1 || file::is_marked(&roster)?) {
        true => Err(lost_or_removed(dir, roster)?),
        false => Ok(()),
    }
}

/// Refuses a team whose board was removed: a new one in its place would number its tasks from 1 again. The board is
/// made before the roster, so that no crash leaves the one without the other.
fn must_be_whole(dir: &TeamDir) -> Result<(), LogError> {
    match (is_there(&dir.roster())? || file::is_marked(&dir.board())?) && !is_there(&dir.board())? {
        true => Err(lost_or_removed(dir, dir.board())?),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
