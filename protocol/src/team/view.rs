//! A team to look at: for whoever must not write, or may not because the disk is read-only. Nothing is created,
//! locked or changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{LocksSeen, MemberState, MemberView, TeamError};
use crate::host::team_dir::TeamDir;
use crate::model::approval::QuestionName;
use crate::model::board::{Board, BoardFact};
use crate::model::id::{Address, MemberName, TaskId};
use crate::model::mail::{LetterState, MailFact, Mailbox, Message};
use crate::model::roster::{AfterLeaving, Member, MemberPresence, Roster, WorkerEnd};
use crate::model::task::view::TaskView;
use crate::model::task::{NewTask, TaskStatus};
use crate::store::file::{FactOffset, LogReader};
use crate::store::presence::{self, LockError, WorkerLife};
use crate::store::transcript::{self, MemberUsage, TranscriptStanding};

/// A team that is only looked at. A team that was never made is an empty one.
#[derive(Debug)]
pub struct TeamView {
    dir: TeamDir,
    board: LogReader<Board>,
    roster: LogReader<Roster>,
}

impl TeamView {
    /// Reads the board and the roster. Blocks for the reading.
    pub fn open(dir: TeamDir) -> Result<TeamView, TeamError> {
        super::must_be_whole(&dir)?;
        let board: LogReader<Board> = LogReader::open(dir.board())?;
        super::must_have_roster(&dir, board.next_seq())?;
        let roster = LogReader::open(dir.roster())?;
        Ok(TeamView { dir, board, roster })
    }

    /// The team's directory.
    pub fn dir(&self) -> &TeamDir {
        &self.dir
    }

    /// The board as it was when it was read last.
    pub fn board(&self) -> &Board {
        self.board.state()
    }

    /// The roster as it was when it was read last.
    pub fn roster(&self) -> &Roster {
        self.roster.state()
    }

    /// Takes in what was written since.
    pub fn refresh(&mut self) -> Result<(), TeamError> {
        self.board.refresh(|_| ())?;
        self.roster.refresh(|_| ())?;
        Ok(())
    }

    /// The whole view of one task.
    pub fn task_view(&self, id: TaskId) -> Result<TaskView, TeamError> {
        Ok(self.board().view(id, &mut |offset| self.board.read_at(offset))?)
    }

    /// The task as it was asked for, read from the log.
    pub fn new_task(&self, id: TaskId) -> Result<NewTask, TeamError> {
        Ok(self.board().new_task(id, &mut |offset| self.board.read_at(offset))?)
    }

    /// Every task as it was asked for. Reads each record once, however many tasks it added.
    pub fn new_tasks(&self) -> Result<BTreeMap<TaskId, NewTask>, TeamError> {
        let records: BTreeSet<FactOffset> = self.board().tasks().map(|(_, task)| task.added_at).collect();
        let mut asked = BTreeMap::new();
        for offset in records {
            for fact in self.board.read_at(offset)?.facts {
                match fact {
                    BoardFact::Added { id, task } => asked.insert(id, task),
                    BoardFact::Kept(kept) => asked.insert(kept.id, kept.task),
                    _ => None,
                };
            }
        }
        asked.retain(|id, _| self.board().task(*id).is_ok());
        for (id, _) in self.board().tasks().filter(|(_, task)| !task.edits.is_empty()) {
            asked.insert(id, self.new_task(id)?);
        }
        Ok(asked)
    }

    /// All members as people see them.
    pub fn members(&self) -> Result<Vec<MemberView>, TeamError> {
        member_views(&self.dir, self.board(), self.roster())
    }
}

/// The messages that a mailbox keeps, in the order of their delivery. A box that is not there is empty. Needs
/// neither board nor roster, so that mail can be read whatever is wrong with those.
pub fn read_mail(dir: &TeamDir, whose: &Address) -> Result<Vec<(LetterState, Message)>, TeamError> {
    let mailbox: LogReader<Mailbox> = LogReader::open(dir.mailbox(whose))?;
    let mut messages = Vec::new();
    for letter in mailbox.state().letters() {
        let facts = mailbox.read_at(letter.at)?.facts;
        messages.extend(facts.into_iter().filter_map(|fact| match fact {
            MailFact::Delivered(message) if message.id == letter.id => Some((letter.state, message)),
            MailFact::Delivered(_) | MailFact::Acknowledged { .. } => None,
        }));
    }
    Ok(messages)
}

/// All members as people see them. The state of each comes from its lock and the board, and for a turn without a task
/// from its transcript.
pub(super) fn member_views(dir: &TeamDir, board: &Board, roster: &Roster) -> Result<Vec<MemberView>, TeamError> {
    // Once for all: there may be many of both.
    let mut ended: BTreeMap<MemberName, EndedTasks> = BTreeMap::new();
    for (_, task) in board.tasks() {
        match &task.status {
            TaskStatus::Completed { owner, .. } => ended.entry(owner.clone()).or_default().completed += 1,
            TaskStatus::Failed { owner, .. } => ended.entry(owner.clone()).or_default().failed += 1,
            TaskStatus::Pending { .. } | TaskStatus::InProgress { .. } | TaskStatus::Cancelled => {}
        }
    }
    let locks = LocksSeen::look(dir, roster, |_| true);
    // Only a death needs to be confirmed, and most often there is none.
    let after: Option<LogReader<Roster>> =
        if locks.show_a_death() { Some(LogReader::open(dir.roster())?) } else { None };
    let roster = after.as_ref().map_or(roster, LogReader::state);
    let mut lives = locks.confirm(roster);
    let view = |(name, member): (&MemberName, &Member)| {
        // A member that joined or left since the first look is looked at again.
        let life = lives.remove(name).unwrap_or_else(|| worker_life(dir, name, &member.presence))?;
        member_view(dir, board, name, member, life, ended.get(name).copied().unwrap_or_default())
    };
    roster.members().map(view).collect()
}

/// How many tasks ended on a member's hands.
#[derive(Debug, Clone, Copy, Default)]
struct EndedTasks {
    completed: usize,
    failed: usize,
}

fn member_view(
    dir: &TeamDir,
    board: &Board,
    name: &MemberName,
    member: &Member,
    life: WorkerLife,
    ended: EndedTasks,
) -> Result<MemberView, TeamError> {
    let mailbox: LogReader<Mailbox> = LogReader::open(dir.mailbox(&Address::Member(name.clone())))?;
    let unread = mailbox.state().unread_len();
    let running = life != WorkerLife::Dead && !is_being_buried(dir, name, &member.presence)?;
    let tasks: Vec<TaskId> = board.owned_by(name).collect();
    let since = |id: &TaskId| match board.status(*id) {
        Ok(TaskStatus::InProgress { since_ms, .. }) => Some(since_ms),
        Ok(_) | Err(_) => None,
    };
    let at_work = running && matches!(member.presence, MemberPresence::Joined { .. });
    // What stands in the place of one member's transcript must not hide the others.
    let (standing, transcript_unread) = match at_work.then(|| transcript::standing(&dir.turns(name))).transpose() {
        Ok(standing) => (standing.flatten(), None),
        Err(error) => (None, Some(error.to_string())),
    };
    // A member without work is idle, or its agent sleeps as well.
    let mut free = MemberState::Idle;
    let (open, free_ms, parked) = match standing {
        Some(TranscriptStanding::Turn(open)) => (Some(open), None, None),
        Some(TranscriptStanding::Parked { since_ms, until_ms, .. }) => (None, None, Some((since_ms, until_ms))),
        Some(TranscriptStanding::Free { since_ms }) => (None, Some(since_ms), None),
        Some(TranscriptStanding::Asleep { since_ms }) => {
            free = MemberState::Asleep;
            (None, Some(since_ms), None)
        }
        None => (None, None, None),
    };
    // A turn for a task is told by the task: it is on the board that it ended, a moment before it is in the transcript.
    let turn = open.as_ref().filter(|open| tasks.is_empty() && open.task.is_none());
    let at = match &open {
        Some(open) if !open.waiting.is_empty() => MemberState::Asking,
        Some(open) if open.quiet => MemberState::Stalled,
        Some(_) | None => MemberState::Busy,
    };
    let waiting = open.iter().flat_map(|open| &open.waiting);
    let questions = waiting.map(|number| QuestionName { member: name.clone(), number: *number }).collect();
    let (state, since_ms) = match (running, &member.presence) {
        (true, MemberPresence::Joined { .. }) if let Some(hung_ms) = member.hung_ms => (MemberState::Hung, hung_ms),
        (true, MemberPresence::Joined { .. }) if let Some(since_ms) = member.ending_since_ms() => {
            (MemberState::Ending, since_ms)
        }
        (true, MemberPresence::Joined { .. }) if let Some((since_ms, _)) = parked => (MemberState::Parked, since_ms),
        (true, MemberPresence::Joined { at_ms, .. }) if tasks.is_empty() => match turn {
            Some(turn) => (at, turn.since_ms),
            None => (free, free_ms.unwrap_or(0).max(*at_ms)),
        },
        (true, MemberPresence::Joined { at_ms, .. }) => (at, tasks.iter().filter_map(since).min().unwrap_or(*at_ms)),
        (true, MemberPresence::Expected { since_ms }) => (MemberState::Starting, *since_ms),
        // A given-up member stays so even while the process that buries it holds its lock: every new start is written
        // down first.
        (_, MemberPresence::Left { at_ms, how: WorkerEnd::GivenUp { .. }, .. }) => (MemberState::GivenUp, *at_ms),
        // The worker is between taking its lock and joining again.
        (true, MemberPresence::Left { at_ms, .. }) => (MemberState::Starting, *at_ms),
        (false, MemberPresence::Left { at_ms, then: AfterLeaving::Again { .. }, .. }) => {
            (MemberState::Restarting, *at_ms)
        }
        (false, MemberPresence::Left { at_ms, .. }) => (MemberState::Left, *at_ms),
        (false, MemberPresence::Expected { since_ms }) => (MemberState::Starting, *since_ms),
        (false, MemberPresence::Joined { at_ms, .. }) => (MemberState::Dead, *at_ms),
    };
    let process = match &member.presence {
        MemberPresence::Joined { process, .. } if running => Some(process),
        MemberPresence::Joined { .. } | MemberPresence::Expected { .. } | MemberPresence::Left { .. } => None,
    };
    let left = match &member.presence {
        MemberPresence::Left { how, .. } if !running || state == MemberState::GivenUp => Some(how.clone()),
        MemberPresence::Left { .. } | MemberPresence::Expected { .. } | MemberPresence::Joined { .. } => None,
    };
    let again_ms = match &member.presence {
        MemberPresence::Left { then: AfterLeaving::Again { at_ms }, .. } if !running => Some(*at_ms),
        MemberPresence::Left { .. } | MemberPresence::Expected { .. } | MemberPresence::Joined { .. } => None,
    };
    let usage = transcript::member_usage(&dir.turns(name));
    let transcript_unread = transcript_unread.or(usage.as_ref().err().map(ToString::to_string));
    let MemberUsage { used, context } = usage.unwrap_or_default();
    Ok(MemberView {
        name: name.clone(),
        state,
        tasks,
        turn: turn.map(|open| open.turn),
        since_ms,
        agent: member.spec.agent.clone(),
        options: member.spec.options.without_secrets(),
        role: member.spec.role.clone(),
        auto: member.spec.auto,
        workspace: member.spec.workspace.clone(),
        pid: process.map(|process| process.identity.pid),
        started_by: process.map(|process| process.started_by),
        isolation: process.and_then(|process| process.isolation),
        unread,
        completed: ended.completed,
        failed: ended.failed,
        used,
        context,
        budget: member.spec.budget,
        session: member.session.clone(),
        left,
        again_ms,
        parked_until_ms: parked.map(|(_, until_ms)| until_ms).filter(|_| state == MemberState::Parked),
        questions,
        transcript_unread,
    })
}

/// Whether a worker of a member lives, by its lock and by the process that joined last.
pub fn worker_life(dir: &TeamDir, name: &MemberName, presence: &MemberPresence) -> Result<WorkerLife, LockError> {
    presence::look_at_worker(&dir.member_lock(name), presence.joined())
}

/// Whether a worker of a member lives that is not the one which is being buried.
pub fn is_worker_alive(dir: &TeamDir, name: &MemberName, presence: &MemberPresence) -> Result<bool, TeamError> {
    Ok(worker_life(dir, name, presence)? != WorkerLife::Dead && !is_being_buried(dir, name, presence)?)
}

/// Whether the lock of a member that left is held by its leader, which gives back what it held, or by nobody any more; and
/// not by the next worker, which is about to join.
fn is_being_buried(dir: &TeamDir, name: &MemberName, presence: &MemberPresence) -> Result<bool, TeamError> {
    match presence {
        MemberPresence::Left { .. } => {}
        MemberPresence::Joined { .. } | MemberPresence::Expected { .. } => return Ok(false),
    }
    let Some(holder) = presence::read_holder(&dir.member_lock(name))? else { return Ok(true) };
    let leader = presence::read_holder(&dir.leader_lock())?;
    // A process that has just taken the lock has not signed it yet: the signature there is still the dead worker's.
    Ok(leader.is_some_and(|leader| leader.process == holder.process) || !holder.process.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::own_identity;
    use crate::model::agent::TurnEnd;
    use crate::model::board::WaitingClaimant;
    use crate::model::notice::TranscriptText;
    use crate::model::roster::{MemberSpec, StartedBy, TeamFact, WorkerProcess, Workspace};
    use crate::model::task::TaskWork;
    use crate::store::file::Durability;
    use crate::store::presence::PresenceLock;
    use crate::store::transcript::Transcript;
    use crate::team::Team;

    const NOW_MS: u64 = 7;

    /// What the team sees of ada, whose worker is this process.
    struct Ada {
        root: tempfile::TempDir,
        team: Team,
        transcript: Transcript,
        _lives: PresenceLock,
    }

    impl Ada {
        fn joined() -> Ada {
            let root = tempfile::tempdir().unwrap();
            let dir = TeamDir::new(root.path(), "t".parse().unwrap());
            let mut team = Team::open(dir.clone(), Ada::address(), Durability::Process).unwrap();
            let spec = MemberSpec::new("shell".parse().unwrap(), Workspace::Shared { dir: "/".into() });
            team.add_member(Ada::name(), spec).unwrap();
            let lives = PresenceLock::take(&dir.member_lock(&Ada::name()), NOW_MS).unwrap();
            let identity = own_identity().unwrap();
            let process = WorkerProcess { identity, started_by: StartedBy::Leader, isolation: None, outer_half: None };
            team.enroll(TeamFact::Joined { name: Ada::name(), process }).unwrap();
            let transcript = Transcript::open(dir.turns(&Ada::name())).unwrap();
            Ada { root, team, transcript, _lives: lives }
        }

        fn name() -> MemberName {
            "ada".parse().unwrap()
        }

        fn address() -> Address {
            Address::Member(Ada::name())
        }

        fn say(&mut self, what: TranscriptText) {
            self.transcript.say(NOW_MS, what).unwrap();
        }

        fn seen(&self) -> MemberView {
            let dir = TeamDir::new(self.root.path(), "t".parse().unwrap());
            TeamView::open(dir).unwrap().members().unwrap().remove(0)
        }
    }

    #[test]
    fn who_has_ended_its_task_is_idle_before_its_transcript_says_so() {
        let mut ada = Ada::joined();
        ada.team.add_tasks(|_| vec![NewTask::new(TaskWork::run("true"))]).unwrap();
        let me = WaitingClaimant::new(Ada::name());
        let claim = ada.team.claim_next(&me).unwrap().unwrap();
        let task = Some(claim.id);
        ada.say(TranscriptText::TurnStarted {
            turn: 1,
            task,
            work: TaskWork::run("true"),
            texts: Vec::new(),
            used_before: Default::default(),
        });
        assert_eq!((ada.seen().state, ada.seen().turn), (MemberState::Busy, None));
        let complete = |board: &Board| Ok((vec![board.complete(&claim, String::new())?], ()));
        ada.team.decide(Durability::Process, complete).unwrap();
        assert_eq!((ada.seen().state, ada.seen().turn), (MemberState::Idle, None));
        ada.say(TranscriptText::TurnEnded { turn: 1, task, end: TurnEnd::Completed, used: Default::default() });
        assert_eq!((ada.seen().state, ada.seen().turn), (MemberState::Idle, None));
    }

    #[test]
    fn a_turn_for_no_task_is_seen_until_its_transcript_says_that_it_ended() {
        let mut ada = Ada::joined();
        ada.say(TranscriptText::TurnStarted {
            turn: 1,
            task: None,
            work: TaskWork::run("true"),
            texts: Vec::new(),
            used_before: Default::default(),
        });
        assert_eq!((ada.seen().state, ada.seen().turn), (MemberState::Busy, Some(1)));
        ada.say(TranscriptText::TurnEnded { turn: 1, task: None, end: TurnEnd::Completed, used: Default::default() });
        assert_eq!((ada.seen().state, ada.seen().turn), (MemberState::Idle, None));
    }

    #[test]
    fn who_has_left_has_left_also_while_its_leader_buries_it() {
        let mut ada = Ada::joined();
        ada.team.enroll(TeamFact::Left { name: Ada::name(), how: WorkerEnd::Shutdown }).unwrap();
        assert_eq!((ada.seen().state, ada.seen().left), (MemberState::Starting, None), "the next one is about to join");
        let _leads = PresenceLock::take(&ada.team.dir().leader_lock(), NOW_MS).unwrap();
        assert_eq!((ada.seen().state, ada.seen().left), (MemberState::Left, Some(WorkerEnd::Shutdown)));
    }
}
