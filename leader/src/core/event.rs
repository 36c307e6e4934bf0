//! What the leader's core takes in and gives out.

use teamster_protocol::model::id::{MemberName, MessageId, TaskId};
use teamster_protocol::model::roster::{LeftHow, OnStall, StartedBy, Workspace};
use teamster_protocol::model::shutdown::{ShutdownReply, WhenBusy};
use teamster_protocol::wire::api::{Ended, SpawnRequest, Spawned};

/// Names a call in the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What the core decides on when a front asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Start a member.
    Spawn(SpawnRequest),
    /// Ask members to end.
    Shutdown {
        /// One; all that run if not given.
        name: Option<MemberName>,
        /// Why, for people.
        reason: String,
        /// What a busy one is to do.
        when_busy: WhenBusy,
    },
    /// End a member's worker without asking.
    Kill {
        /// Which.
        name: MemberName,
    },
    /// End the leader and no worker: another leader takes over.
    HandOver,
    /// End all workers, then the leader.
    Down {
        /// Whether they are asked.
        how: Down,
    },
}

/// How the whole team is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Down {
    /// Each finishes its turn.
    Gently,
    /// Each is told to end at once.
    ByForce,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Event {
    /// A front asked.
    Asked { ask: AskId, what: Ask },
    /// Answers [`Action::Prepare`]: the member has its place and is on the roster.
    Prepared { name: MemberName, workspace: Workspace },
    /// Answers [`Action::Prepare`]: it can not have one.
    NotPrepared { name: MemberName, why: String },
    /// The worker that was launched is ready.
    Ready { name: MemberName, pid: u32 },
    /// The worker that was launched will not be ready; its process, if there was one, has ended.
    NotReady { name: MemberName, why: String, fault: Fault },
    /// A worker that this leader did not launch runs: started by hand, or by a leader before this one.
    Found { name: MemberName, started_by: StartedBy },
    /// A leader before this one counted these deaths of a member that it had started. Comes before what was found of it.
    Recalled { name: MemberName, deaths_ms: Vec<u64> },
    /// A worker that a leader before this one started died, and nobody has said what follows.
    FoundDead { name: MemberName, how: LeftHow },
    /// A worker died that a leader before this one was to start again at a time.
    FoundRestarting { name: MemberName, how: LeftHow, at_ms: u64 },
    /// A leader before this one had told a worker that was found to end for good, and did not come to the end of that.
    FoundDismissed { name: MemberName },
    /// A worker's process has ended.
    Exited { name: MemberName, how: LeftHow },
    /// Answers [`Action::RequestShutdown`]: it is in the member's mailbox.
    ShutdownRequested { name: MemberName, request: MessageId },
    /// Answers [`Action::RequestShutdown`]: it could not be put there.
    ShutdownNotRequested { name: MemberName, why: String },
    /// A member answered a shutdown request.
    Replied { from: MemberName, reply: ShutdownReply },
    /// The slow poll: it is time to ask workers whether they are well.
    Polled,
    /// Answers [`Action::Ping`]: it was asked, or still owes the answer to an earlier one. `then` is what is to be done
    /// about one that stalls; `overdue` is a task of it whose time has been over for long enough.
    Pinged { name: MemberName, then: OnStall, overdue: Option<TaskId> },
    /// It answered a ping.
    Answered { name: MemberName },
    /// There is no link to it any more by which it could answer.
    NotAsked { name: MemberName },
    /// Somebody told the leader's process to end.
    Interrupted,
    /// The clock was set by so much: the times of all events to come are by the new one.
    ClockSet { by_ms: i64 },
    /// The time of [`super::Core::next_tick_ms`] is reached.
    Tick,
}

/// Whose fault it is that a worker did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its own, or that of how it is set up.
    Worker,
    /// The machine has no room, no descriptors or no processes left, for now.
    Machine,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Action {
    /// Make the member's place and put it on the roster; answered by [`Event::Prepared`] or
    /// [`Event::NotPrepared`], later.
    Prepare { request: SpawnRequest },
    /// Start its worker, in the place it has on the roster; [`Event::Ready`] or [`Event::NotReady`] follows.
    Launch { name: MemberName },
    /// Mail it a shutdown request; answered by [`Event::ShutdownRequested`] or [`Event::ShutdownNotRequested`].
    RequestShutdown { name: MemberName, reason: String, deadline_ms: u64, when_busy: WhenBusy },
    /// Write down that its worker is to end for good. A signal follows.
    Dismiss { name: MemberName },
    /// Send its worker a signal, if it is there.
    Signal { name: MemberName, signal: Signal },
    /// Give back what it held and write its leaving down, unless it did that itself, with the time at which it is
    /// started again, if it is.
    Bury { name: MemberName, how: LeftHow, again_ms: Option<u64> },
    /// Ask its worker whether it is well, if it has something to do and there is a link to it: [`Event::Pinged`] if so, then
    /// [`Event::Answered`] or [`Event::NotAsked`], later.
    Ping { name: MemberName },
    /// Write down that its worker hangs.
    ShowHung { name: MemberName },
    /// Write down that its worker answers, if it is said to hang.
    ShowAnswering { name: MemberName },
    /// Answer a call.
    Answer { ask: AskId, answer: Result<Answer, String> },
    /// Write it into the leader's log.
    Report { text: String },
    /// End the leader: no worker is left.
    Exit,
    /// End the leader, whoever works.
    HandOver,
}

/// A signal of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// What a call is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a spawn.
    Spawned(Spawned),
    /// To a shutdown, a kill, a down: what came of each member.
    Ended(Vec<Ended>),
}
