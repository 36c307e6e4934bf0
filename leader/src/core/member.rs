//! One member as the leader's core knows it: how far its worker has come, which process that is, and what it is at.

use std::collections::BTreeSet;

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::{MemberName, MessageId, TaskId};
use teamster_protocol::model::roster::{StartedBy, WorkerEnd, WorkerProcess};
use teamster_protocol::model::shutdown::{ShutdownLadder, WhenBusy};
use teamster_protocol::wire::api::EndedMember;

use super::{AskId, PreparedPlace};

/// Where one member's worker stands.
#[derive(Debug)]
pub(super) enum MemberPhase {
    /// The place of the worker is being made. An end that is asked meanwhile waits for that.
    Preparing { ask: AskId, abandoned: Option<AbandonedStart> },
    /// The process of the worker is starting, and may have begun to work before it is known to be ready.
    Starting { start: StartReason, until_ms: u64, abandoned: Option<AbandonedStart> },
    /// The worker runs.
    Running(MemberWorker),
    /// The worker died, and another is started at a time.
    Restarting { at_ms: u64, how: WorkerEnd, shortage: ShortageKnown },
    /// The worker runs and is being ended. `when_busy` is what it was last asked to do, and `asked` are the requests that
    /// it may still answer. Its pulse is felt while nothing else hurries it.
    Ending { ladder: ShutdownLadder, when_busy: WhenBusy, asked: BTreeSet<MessageId>, worker: MemberWorker },
}

impl MemberPhase {
    /// The worker, if one is known to run.
    pub(super) fn worker(&self) -> Option<&MemberWorker> {
        match self {
            MemberPhase::Running(worker) | MemberPhase::Ending { worker, .. } => Some(worker),
            MemberPhase::Preparing { .. } | MemberPhase::Starting { .. } | MemberPhase::Restarting { .. } => None,
        }
    }

    /// As [`MemberPhase::worker`], to change it.
    pub(super) fn worker_mut(&mut self) -> Option<&mut MemberWorker> {
        match self {
            MemberPhase::Running(worker) | MemberPhase::Ending { worker, .. } => Some(worker),
            MemberPhase::Preparing { .. } | MemberPhase::Starting { .. } | MemberPhase::Restarting { .. } => None,
        }
    }

    /// The requests to end that the worker may still answer.
    pub(super) fn asked(&self) -> BTreeSet<MessageId> {
        match self {
            MemberPhase::Ending { asked, .. } => asked.clone(),
            MemberPhase::Preparing { .. }
            | MemberPhase::Starting { .. }
            | MemberPhase::Running(_)
            | MemberPhase::Restarting { .. } => BTreeSet::new(),
        }
    }

    /// Whether not even SIGKILL ended the worker.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(self, MemberPhase::Ending { ladder, .. } if ladder.is_stuck())
    }
}

/// A worker that runs.
#[derive(Debug, Clone)]
pub(super) struct MemberWorker {
    pub(super) process: WorkerOrigin,
    pub(super) pulse: WorkerPulse,
    /// The turn that its agent is in.
    pub(super) turn: Option<TurnOpen>,
    /// The last turn that ended, for askers who come after its end.
    pub(super) last_turn: Option<(u64, TurnEnd)>,
}

/// A turn that began and did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnOpen {
    /// Its number, counted by the worker.
    pub turn: u64,
    /// The task that it is for, if any.
    pub task: Option<TaskId>,
}

/// The origin of a worker's process, seen from this leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WorkerOrigin {
    /// A child of this leader: the kernel tells of its end.
    Child,
    /// A worker that this leader did not launch: its lock tells of its end.
    Found {
        /// The process as it wrote itself down when it was found.
        process: WorkerProcess,
        link: FoundLink,
    },
}

/// The way to a worker that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundLink {
    /// A call to the worker's socket is being tried.
    Trying,
    /// The worker is called over its socket.
    Linked,
    /// The worker did not answer over its socket, or no longer: it is reached by mail until it does.
    Lost,
}

impl MemberWorker {
    /// A worker that this leader launched and that is ready.
    pub(super) fn child() -> MemberWorker {
        MemberWorker { process: WorkerOrigin::Child, pulse: WorkerPulse::Answers, turn: None, last_turn: None }
    }

    /// A worker that this leader did not launch.
    pub(super) fn found(process: WorkerProcess) -> MemberWorker {
        let process = WorkerOrigin::Found { process, link: FoundLink::Trying };
        MemberWorker { process, ..MemberWorker::child() }
    }

    pub(super) fn started_by(&self) -> StartedBy {
        match &self.process {
            WorkerOrigin::Child => StartedBy::Leader,
            WorkerOrigin::Found { process, .. } => process.started_by,
        }
    }

    /// The link to a worker that was found as this process; nothing for any other.
    pub(super) fn link_to(&mut self, wanted: &ProcessIdentity) -> Option<&mut FoundLink> {
        match &mut self.process {
            WorkerOrigin::Found { process, link } if process.identity == *wanted => Some(link),
            WorkerOrigin::Found { .. } | WorkerOrigin::Child => None,
        }
    }

    /// The way to it, if there is one or one is being tried. A child is linked from its start to its end.
    pub(super) fn link(&self) -> FoundLink {
        match &self.process {
            WorkerOrigin::Child => FoundLink::Linked,
            WorkerOrigin::Found { link, .. } => *link,
        }
    }
}

/// The reason why a worker starts.
#[derive(Debug, Clone)]
pub(super) enum StartReason {
    /// Somebody asked for the worker, and waits for the answer.
    Asked { ask: AskId, place: PreparedPlace },
    /// The worker before it died.
    Again { how: WorkerEnd, shortage: ShortageKnown },
}

/// Whether it was reported that the machine lacks what a start needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShortageKnown {
    NotYet,
    /// The shortage was reported, once for however many starts.
    Reported,
}

/// A start that nobody wants any more.
#[derive(Debug, Clone)]
pub(super) struct AbandonedStart {
    pub(super) why: String,
    /// The step to take once the worker runs after all.
    pub(super) then: AbandonedThen,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum AbandonedThen {
    /// The worker is asked to end, as any other.
    Ask(WhenBusy),
    /// The worker gets SIGTERM.
    Terminate,
}

/// A call that waits for members to end.
#[derive(Debug)]
pub(super) struct EndWaiter {
    pub(super) ask: AskId,
    pub(super) left: BTreeSet<MemberName>,
    pub(super) ended: Vec<EndedMember>,
    /// Why some could not even be asked.
    pub(super) unasked: Vec<String>,
}

/// A call that waits for a member's turn to end.
#[derive(Debug)]
pub(super) struct TurnWaiter {
    pub(super) ask: AskId,
    pub(super) name: MemberName,
    pub(super) turn: u64,
}

/// The last sign of life of a worker that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum WorkerPulse {
    /// The worker answered, or was not asked.
    #[default]
    Answers,
    /// The worker was asked, and has until this time to answer.
    Asked { until_ms: u64, wait: PulseWait },
    /// The worker has not answered.
    Hung { since_ms: u64 },
    /// The worker has not answered, and was killed for that.
    Killed { why: String },
}

/// The time that a silent worker has: the first, or the second, after which it is said to hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PulseWait {
    First,
    Second,
}

impl WorkerPulse {
    pub(super) fn until_ms(&self) -> Option<u64> {
        match self {
            WorkerPulse::Asked { until_ms, .. } => Some(*until_ms),
            WorkerPulse::Answers | WorkerPulse::Hung { .. } | WorkerPulse::Killed { .. } => None,
        }
    }

    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.until_ms().is_some_and(|until_ms| now_ms >= until_ms)
    }

    pub(super) fn clock_was_set(&mut self, by_ms: i64) {
        match self {
            WorkerPulse::Asked { until_ms: at_ms, .. } | WorkerPulse::Hung { since_ms: at_ms } => {
                *at_ms = at_ms.saturating_add_signed(by_ms);
            }
            WorkerPulse::Answers | WorkerPulse::Killed { .. } => {}
        }
    }
}
