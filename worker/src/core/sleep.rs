//! An agent that is one process for all of its turns is heavy: 0.1 to 0.5 GB each. It is started for its first turn, and
//! after a while without one it is ended, and started again with its conversation for the next, so that a team whose
//! members wait costs no more than its workers. Meanwhile the member is idle as before: it claims tasks, reads its mail and
//! takes prompts.
//!
//! Only an agent whose conversation can be gone on with is put to sleep, and only while it keeps no text of ours.

use teamster_protocol::model::agent::preset::AgentAbility;
use teamster_protocol::model::agent::{AgentSession, TurnEnd};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::task::TaskWork;

use super::{BeforeClaim, LeaveReason, WorkPhase, WorkerAction, WorkerCore, ms};

/// Whether the agent's process is there. A turn of words that runs while it is not is *held*: it is written down, and its
/// prompt is given once the agent is awake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum AgentSleep {
    /// The agent is there, or starts with its worker.
    #[default]
    Awake,
    /// The agent was told to end, to be started again later.
    FallingAsleep,
    /// No process is there.
    Asleep,
    /// The agent starts again.
    Waking,
}

impl WorkerCore {
    /// When the agent is to be put to sleep, if nothing comes before.
    pub(super) fn sleep_due_ms(&self) -> Option<u64> {
        let can_sleep = self.agent == AgentSleep::Awake
            && self.settings.abilities.resume == AgentAbility::Yes
            && self.handed.is_empty();
        let (after, since_ms) = (self.settings.idle_after?, self.idle_since_ms?);
        can_sleep.then(|| since_ms.saturating_add(ms(after)))
    }

    /// Ends the agent until the next turn.
    pub(super) fn put_agent_to_sleep(&mut self) {
        self.agent = AgentSleep::FallingAsleep;
        self.act(WorkerAction::Say(TranscriptText::Asleep));
        self.act(WorkerAction::PutAgentToSleep);
    }

    /// No process of the agent is there: it has ended, as it was told to, or is not started before there is a turn for it.
    pub(super) fn agent_asleep(&mut self, now_ms: u64) {
        if let WorkPhase::Starting = self.phase {
            self.agent = AgentSleep::Asleep;
            self.act(WorkerAction::Say(TranscriptText::Ready));
            return self.settle(now_ms, BeforeClaim::Working);
        }
        match self.agent {
            AgentSleep::FallingAsleep => {
                match &self.phase {
                    // The command of a shell, at whose end everything is ended that nobody keeps.
                    WorkPhase::Turn(turn) if !turn.reads_text() => {}
                    WorkPhase::Turn(_)
                    | WorkPhase::Starting
                    | WorkPhase::Idle
                    | WorkPhase::Claiming(_)
                    | WorkPhase::Recording { .. }
                    | WorkPhase::Parked(_)
                    | WorkPhase::Left(_) => self.act(WorkerAction::EndLeftovers),
                }
                match self.is_held() {
                    true => self.wake_agent(),
                    false => self.agent = AgentSleep::Asleep,
                }
            }
            AgentSleep::Awake | AgentSleep::Asleep | AgentSleep::Waking => {}
        }
    }

    /// Tells that the agent sleeps, to whoever reads of the turns since it fell asleep.
    pub(super) fn say_if_asleep(&mut self) {
        if self.agent == AgentSleep::Asleep {
            self.act(WorkerAction::Say(TranscriptText::Asleep));
        }
    }

    /// Holds the turn that has just begun until the agent is awake.
    pub(super) fn hold_turn(&mut self, number: u64, task: Option<TaskId>, work: TaskWork, texts: Vec<TextId>) {
        // Written down at once: should the worker die before the agent is awake, a prompt that was taken is told as lost.
        let kept = self.kept_texts(&texts);
        let used_before = self.used;
        self.act(WorkerAction::Say(TranscriptText::TurnStarted { turn: number, task, work, texts, used_before }));
        self.say_kept(kept);
        self.prompt_taken();
        match self.agent {
            AgentSleep::FallingAsleep | AgentSleep::Waking => {}
            AgentSleep::Asleep => self.wake_agent(),
            AgentSleep::Awake => unreachable!("a turn is not held from an agent that is awake"),
        }
    }

    /// Whether a turn has to wait until the agent is awake.
    pub(super) fn is_asleep(&self) -> bool {
        self.agent != AgentSleep::Awake
    }

    fn wake_agent(&mut self) {
        self.agent = AgentSleep::Waking;
        self.act(WorkerAction::WakeAgent);
    }

    /// The agent is there again.
    pub(super) fn agent_awake(&mut self, now_ms: u64, session: Option<AgentSession>) {
        let is_held = self.is_held();
        self.agent = AgentSleep::Awake;
        if let Some(session) = session {
            self.briefing.goes_on(session.begun);
            self.keep_session(session);
        }
        if let WorkPhase::Turn(turn) = &self.phase
            && is_held
        {
            let (number, task, work) = (turn.number, turn.task(), turn.work.clone());
            // It was not silent: it was not asked before.
            self.agent_heard(now_ms);
            let before = self.words_before(TextId::prompt_of(number), work.kind());
            self.act(WorkerAction::PromptAgent { turn: number, task, before, work });
        } else {
            self.idle_since_ms = Some(now_ms);
        }
    }

    /// The agent is gone: it has fallen asleep, or could not be woken, or ended by itself. The worker ends so, unless the agent
    /// was to end.
    pub(super) fn agent_gone(&mut self, now_ms: u64, reason: String, how: WorkerEnd) {
        if self.agent == AgentSleep::FallingAsleep {
            // It was to end, and has, as far as it could.
            self.trouble(reason);
            return self.agent_asleep(now_ms);
        }
        let is_held = self.is_held();
        self.agent = AgentSleep::Awake;
        self.leave.get_or_insert(LeaveReason { how, approve: None });
        if is_held {
            // The agent never heard of it.
            self.turn_ended(now_ms, TurnEnd::NotBegun { reason }, String::new());
        } else {
            self.settle_if_free(now_ms);
        }
    }

    /// Whether the turn that runs waits for its agent to be awake.
    pub(super) fn is_held(&self) -> bool {
        self.is_asleep() && matches!(&self.phase, WorkPhase::Turn(turn) if turn.reads_text())
    }

    /// Ends the turn that runs: its agent is told to, and if that has not even heard of it, it is over at once.
    pub(super) fn abort_turn(&mut self, now_ms: u64) {
        if self.is_held() {
            self.turn_ended(now_ms, TurnEnd::Aborted, String::new());
        } else {
            self.act(WorkerAction::AbortTurn);
        }
    }
}
