//! The input and the output of the leader's core.

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::{MemberName, MessageId, TaskId};
pub use teamster_protocol::model::kill_ladder::KillSignal as Signal;
use teamster_protocol::model::roster::{OnStall, TeamFact, WorkerEnd, Workspace};
use teamster_protocol::model::shutdown::{ShutdownReply, WhenBusy};
use teamster_protocol::wire::api::{BaseStanding, EndedMember, SpawnRequest, SpawnedMember, TeamEnding};

use super::leaving::MemberLeaving;
use super::member::TurnOpen;
use super::roster::{MemberSeen, RosterLook};

/// Names a call in the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// A demand of a front that the core decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaderAsk {
    /// Start a member.
    Spawn(Box<SpawnRequest>),
    /// Ask members to end.
    Shutdown {
        /// One; all that run if not given.
        name: Option<MemberName>,
        /// The reason, for people.
        reason: String,
        /// The conduct asked of a worker that is busy.
        when_busy: WhenBusy,
    },
    /// End a member's worker without asking.
    Kill {
        /// The member.
        name: MemberName,
    },
    /// Wait until the worker of a member that has said goodbye is gone. Answered at once if there is none.
    AwaitEnd {
        /// The member.
        name: MemberName,
    },
    /// Wait until a turn of a member ends.
    AwaitTurnEnd {
        /// The member.
        name: MemberName,
        /// The number of the turn.
        turn: u64,
    },
    /// End the leader and no worker: another leader takes over.
    HandOver,
    /// End all workers, then the leader.
    Down {
        /// Whether they are asked.
        how: TeamEnding,
    },
}

/// The place that a member has, and what there is to say about the base of a worktree that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedPlace {
    /// The place.
    pub workspace: Workspace,
    /// Where a worktree stands that was there, if there is something to say about it.
    pub base: Option<BaseStanding>,
}

impl From<Workspace> for PreparedPlace {
    fn from(workspace: Workspace) -> PreparedPlace {
        PreparedPlace { workspace, base: None }
    }
}

/// News from the world, which the core decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum LeaderEvent {
    /// A front asked.
    Asked { ask: AskId, what: LeaderAsk },
    /// Answers [`LeaderAction::Prepare`]: the member has its place and is on the roster.
    Prepared { name: MemberName, place: PreparedPlace },
    /// Answers [`LeaderAction::Prepare`]: the member can not have a place.
    NotPrepared { name: MemberName, why: String },
    /// The worker that was launched is ready.
    Ready { name: MemberName, pid: u32 },
    /// The worker that was launched will not be ready; its process, if there was one, has ended.
    NotReady { name: MemberName, why: String, fault: StartFault },
    /// The roster was read and the members' locks looked at. Members whose workers this leader launched are left out, and
    /// such as could not be looked at. Answers [`LeaderAction::LookAtRoster`], and comes whenever the roster changed.
    RosterSeen { look: RosterLook, members: Vec<MemberSeen> },
    /// Answers [`LeaderAction::Bury`]: how the member left is written down, and what it held is given back.
    Buried { name: MemberName },
    /// Answers [`LeaderAction::Adopt`]: there is a link to the worker, which is in this turn.
    Linked { name: MemberName, process: ProcessIdentity, turn: Option<TurnOpen> },
    /// Answers [`LeaderAction::Adopt`], at once or after [`LeaderEvent::Linked`]: there is no link to the worker, or no longer.
    LinkLost { name: MemberName, process: ProcessIdentity },
    /// The agent of a member began a turn.
    TurnStarted { name: MemberName, turn: TurnOpen },
    /// A turn of a member ended.
    TurnEnded { name: MemberName, turn: u64, stop: TurnEnd },
    /// A worker's process has ended.
    Exited { name: MemberName, how: WorkerEnd },
    /// Answers [`LeaderAction::RequestShutdown`]: the request is in the member's mailbox.
    ShutdownRequested { name: MemberName, request: MessageId },
    /// Answers [`LeaderAction::RequestShutdown`]: the request could not be put there.
    ShutdownNotRequested { name: MemberName, why: String },
    /// A member answered a shutdown request.
    Replied { from: MemberName, reply: ShutdownReply },
    /// The slow poll: it is time to ask workers whether they are well, and to try again what could not be written.
    Polled,
    /// The slow poll, and the team's files are not in their place.
    TeamMissing,
    /// Answers [`LeaderAction::LookAtWork`] with the work of the member.
    WorkSeen { name: MemberName, work: WorkSeen },
    /// The worker answered a ping.
    Answered { name: MemberName },
    /// No link is left by which the worker could answer a ping.
    NotAsked { name: MemberName },
    /// Somebody told the leader's process to end.
    Interrupted,
    /// The clock was set by so much: the times of all events to come are by the new one.
    ClockSet { by_ms: i64 },
    /// The time of [`super::LeaderCore::next_tick_ms`] is reached.
    Tick,
}

/// The work of a member and the settings that apply when its worker is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkSeen {
    /// Whether the member holds a task, or there is one that it should have taken.
    pub has_task: bool,
    /// The tasks that the member is on and that have a time. Only looked for where the worker is silent.
    pub timed: Vec<TimedTask>,
    /// The answer that is set for a worker that stalls.
    pub then: OnStall,
}

/// A task that somebody is on, and the time it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub struct TimedTask {
    pub id: TaskId,
    pub since_ms: u64,
    pub timeout_ms: u64,
}

/// The part of the system that is to blame for a worker that did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFault {
    /// Its own, or that of how it is set up.
    Worker,
    /// The machine has no room, no descriptors or no processes left, for now.
    Machine,
    /// That of the spare worker: it ended after it was told whose it is, and the member has not had a start of its own yet.
    Spare,
}

/// A deed that the core has decided on, for the daemon to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum LeaderAction {
    /// Make the member's place and put it on the roster; answered by [`LeaderEvent::Prepared`] or
    /// [`LeaderEvent::NotPrepared`], later.
    Prepare { request: Box<SpawnRequest> },
    /// Start its worker, in the place it has on the roster; [`LeaderEvent::Ready`] or [`LeaderEvent::NotReady`] follows.
    Launch { name: MemberName },
    /// Mail it a shutdown request; answered by [`LeaderEvent::ShutdownRequested`] or [`LeaderEvent::ShutdownNotRequested`].
    RequestShutdown { name: MemberName, reason: String, deadline_ms: u64, when_busy: WhenBusy },
    /// Send its worker a signal, if it is there.
    Signal { name: MemberName, signal: Signal },
    /// Give back what it held and write its leaving down, unless it did that itself. Answered by [`LeaderEvent::Buried`] if that
    /// was done.
    Bury { name: MemberName, leaving: MemberLeaving },
    /// See to the outer half of a dead worker's cell that this leader did not launch: it may be stopped, and then does not
    /// end by itself.
    SeeOff { outer_half: ProcessIdentity },
    /// Link to a worker that this leader did not launch; [`LeaderEvent::Linked`] or [`LeaderEvent::LinkLost`] follows.
    Adopt { name: MemberName, process: ProcessIdentity },
    /// Read the roster and look at the locks; answered by [`LeaderEvent::RosterSeen`], unless they can not be read.
    LookAtRoster,
    /// Look what a member has to do; answered by [`LeaderEvent::WorkSeen`]. A silent member may hold a task whose
    /// time is over.
    LookAtWork { name: MemberName, is_silent: bool },
    /// Ask its worker whether it is well; [`LeaderEvent::Answered`] or [`LeaderEvent::NotAsked`] follows, later.
    Ping { name: MemberName },
    /// Write onto the roster, if it is news there, that a worker hangs, answers again, was asked to end, goes on all the
    /// same, or is to end for good. A signal follows the last.
    WriteFact { fact: TeamFact },
    /// Answer a call.
    Answer { ask: AskId, answer: Result<LeaderAnswer, String> },
    /// Write it into the leader's log.
    Report { text: String },
    /// End the leader: no worker is left.
    Exit,
    /// End the leader, whoever works.
    HandOver,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaderAnswer {
    /// The answer to a spawn.
    Spawned(SpawnedMember),
    /// To a shutdown, a kill, a down: what came of each member.
    Ended(Vec<EndedMember>),
    /// To a wait for a turn: how it ended, if that was heard.
    TurnEnded(Option<TurnEnd>),
}
