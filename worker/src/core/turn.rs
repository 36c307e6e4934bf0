//! One turn of the agent, from its begin to what the board knows of it: what it is for, how it is being ended, and
//! what that means for its task.

use teamster_protocol::model::agent::options::OnLimit;
use teamster_protocol::model::agent::preset::SteerAbility;
use teamster_protocol::model::agent::{AgentFault, TurnEnd};
use teamster_protocol::model::budget::BudgetLimit;
use teamster_protocol::model::id::{Address, TaskId};
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId, TextRole};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::task::{CommandInput, ReleaseWhy, TaskClaim, TaskWork, WorkKind, stopped_partial};
use teamster_protocol::model::usage::{TokenUsage, UsageSum};
use teamster_protocol::wire::api::PromptAnswer;

use super::allowance::{BudgetOwner, used_up};
use super::event::{AttemptEnd, CallId, ClaimedTask};
use super::limit::StandingLimit;
use super::permission::OpenQuestion;
use super::prompt_parts::PromptParts;
use super::text::{TextShown, TurnLimited, WaitingText};
use super::{AskRefused, BeforeClaim, LeaveReason, WorkPhase, WorkerAction, WorkerAnswer, WorkerCore, ms};

/// A running turn.
#[derive(Debug)]
pub(super) struct RunningTurn {
    pub(super) number: u64,
    pub(super) since_ms: u64,
    pub(super) what_for: TurnFor,
    /// How long it may take.
    pub(super) timeout_ms: Option<u64>,
    /// The time at which that is over.
    pub(super) deadline_ms: Option<u64>,
    /// When the agent was last heard.
    pub(super) heard_ms: u64,
    /// When it was last told that it stalls; nothing once it is heard again.
    pub(super) stalled_ms: Option<u64>,
    /// The reason why the turn was told to end; nothing while it is not.
    pub(super) ending: Option<TurnStop>,
    /// The newest that its agent told of what it used.
    pub(super) usage: Option<TokenUsage>,
    /// Whether the agent told that its context is full.
    pub(super) is_context_full: bool,
    /// Whether the task goes back although the turn failed, since another conversation may have room for it.
    pub(super) goes_back: bool,
    /// The parts of its prompt, if it was put together anew for a text.
    pub(super) parts: Option<PromptParts>,
    /// The use of the turn before its agent was interrupted in it and prompted again.
    pub(super) used_by_then: Option<TokenUsage>,
    /// The texts of the turn's prompt besides its own, while the turn waits for the provider.
    pub(super) carried: Vec<WaitingText>,
    /// The use of the turn; nothing before it is over.
    pub(super) used: UsageSum,
    /// The limit of its provider that the agent told in this turn: the turn is begun again after it.
    pub(super) limit: Option<StandingLimit>,
    /// The agent's questions that nobody has answered.
    pub(super) questions: Vec<OpenQuestion>,
    /// The work as it was put to the agent or, if it is a command, to the shell; for a second try too.
    pub(super) work: TaskWork,
    /// How many texts were named after this turn.
    texts: u32,
}

/// The purpose of a turn.
#[derive(Debug)]
pub(super) enum TurnFor {
    /// A task of the board.
    Task(TaskClaim),
    /// A prompt of the leader; the call is answered once the driver has it. The text keeps its name in a turn that is begun
    /// again.
    Call { call: Option<CallId>, text: TextId },
    /// Texts that waited: mail, and steers that no running turn could take.
    Texts,
    /// Texts that the agent keeps in a queue of its own.
    Queued,
}

/// How a turn that was interrupted goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InterruptedTurn {
    /// The agent is prompted again.
    GoesOn,
    /// The turn is over, as it was not interrupted or did not end by that.
    Over,
}

/// The way of a text that is said to a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SteerWay {
    /// The text is said at once.
    Now,
    /// The text waits for the next prompt.
    NextPrompt,
    /// Nobody reads the text.
    Nowhere,
}

/// Why a turn was told to end.
#[derive(Debug)]
pub(super) enum TurnStop {
    /// The agent is to be told something at once; the turn goes on.
    Interrupted,
    /// Somebody stopped the turn.
    Stopped { reason: String },
    /// The turn took longer than its task may.
    TimedOut,
    /// The turn's agent said nothing for this long.
    Stalled { quiet_ms: u64 },
    /// Its agent said nothing for so long, and is ended with this worker. The task is given back as that of a dead
    /// worker is, so that an agent that hangs on it again and again fails it.
    Hung { quiet_ms: u64 },
    /// The turn has used up a budget.
    OverBudget { owner: BudgetOwner, limit: BudgetLimit },
    /// The worker ends.
    Leaving,
}

impl RunningTurn {
    pub(super) fn begin(
        number: u64,
        now_ms: u64,
        what_for: TurnFor,
        timeout_ms: Option<u64>,
        work: TaskWork,
    ) -> RunningTurn {
        RunningTurn {
            number,
            since_ms: now_ms,
            what_for,
            timeout_ms,
            deadline_ms: timeout_ms.map(|timeout| now_ms.saturating_add(timeout)),
            heard_ms: now_ms,
            stalled_ms: None,
            ending: None,
            usage: None,
            is_context_full: false,
            goes_back: false,
            parts: None,
            used_by_then: None,
            carried: Vec::new(),
            used: UsageSum::default(),
            limit: None,
            questions: Vec::new(),
            work,
            texts: 0,
        }
    }

    /// Somebody stops it, even if it is ending because its worker leaves; one that timed out has failed.
    pub(super) fn stop(&mut self, reason: String) {
        match self.ending {
            None | Some(TurnStop::Interrupted | TurnStop::Leaving) => self.ending = Some(TurnStop::Stopped { reason }),
            Some(
                TurnStop::Stopped { .. }
                | TurnStop::TimedOut
                | TurnStop::Stalled { .. }
                | TurnStop::Hung { .. }
                | TurnStop::OverBudget { .. },
            ) => {}
        }
    }

    /// The way of a steer that is said now, to an agent with that ability.
    pub(super) fn steer_way(&self, ability: SteerAbility) -> SteerWay {
        match (&self.work, ability) {
            (TaskWork::Run { input: CommandInput::Closed, .. }, _) => SteerWay::Nowhere,
            (TaskWork::Run { input: CommandInput::Open, .. }, _) => SteerWay::Now,
            (TaskWork::Prompt(_), SteerAbility::Native) => SteerWay::Now,
            (TaskWork::Prompt(_), SteerAbility::NextPrompt) => SteerWay::NextPrompt,
        }
    }

    /// Whether mail can be said to the agent in this turn. A command is not given any: it reads what steers it, and what
    /// nobody wrote for it could be taken for a command.
    pub(super) fn takes_mail(&self, ability: SteerAbility) -> bool {
        self.ending.is_none() && self.reads_text() && self.steer_way(ability) == SteerWay::Now
    }

    /// Whether the turn is not told to end, or only so that it goes on with a text.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.ending, None | Some(TurnStop::Interrupted))
    }

    /// Whether an agent is at it, and no command.
    pub(super) fn reads_text(&self) -> bool {
        self.work.kind() == WorkKind::Text
    }

    pub(super) fn task(&self) -> Option<TaskId> {
        match &self.what_for {
            TurnFor::Task(claim) => Some(claim.id),
            TurnFor::Call { .. } | TurnFor::Texts | TurnFor::Queued => None,
        }
    }

    /// A name for the next text that is said in this turn.
    pub(super) fn name_text(&mut self) -> TextId {
        self.texts += 1;
        TextId::InTurn { turn: self.number, number: self.texts }
    }

    /// Whether its agent was interrupted in it and prompted again.
    pub(super) fn was_interrupted(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.are_put_again())
    }

    /// All that its agent has said, for the board: of a turn that was interrupted and is not completed, what it said before as
    /// well.
    pub(super) fn result(&self, end: &TurnEnd, said: String) -> String {
        match (&self.parts, end) {
            (Some(parts), TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. } | TurnEnd::Aborted) => {
                parts.all_said(&said)
            }
            (None, _) | (Some(_), TurnEnd::Completed) => said,
        }
    }

    /// The bytes of its prompt if it were put again as it is, without what the agent had said.
    pub(super) fn bytes_again(&self) -> usize {
        self.parts.as_ref().map_or_else(|| PromptParts::of(&self.work).bytes(), PromptParts::bytes)
    }

    /// The open question that was asked in the entry of that number, which is open no more.
    pub(super) fn take_question(&mut self, number: u64) -> Option<OpenQuestion> {
        let at = self.questions.iter().position(|open| open.number == Some(number))?;
        Some(self.questions.remove(at))
    }

    /// The end of the turn by why it was told to end. An agent that is ended with the worker because it said nothing has failed;
    /// that one which was told to stop had to be ended for it is no failure of a turn that was over anyway.
    fn end_as_told(&self, end: TurnEnd) -> TurnEnd {
        match (&end, &self.ending) {
            (TurnEnd::Aborted, Some(TurnStop::Hung { quiet_ms })) => {
                TurnEnd::Failed { reason: said_nothing(*quiet_ms), fault: AgentFault::Agent }
            }
            (
                TurnEnd::Failed { fault: AgentFault::Agent, .. },
                Some(
                    TurnStop::Stopped { .. }
                    | TurnStop::TimedOut
                    | TurnStop::Stalled { .. }
                    | TurnStop::OverBudget { .. }
                    | TurnStop::Leaving,
                ),
            ) => TurnEnd::Aborted,
            (TurnEnd::Aborted | TurnEnd::Completed | TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. }, _) => end,
        }
    }

    /// Whether the turn was told to end because the worker ends.
    pub(super) fn ends_with_worker(&self) -> bool {
        matches!(self.ending, Some(TurnStop::Leaving))
    }

    /// Returns the end of the attempt for the board; nothing for a turn without a task. A turn that was completed in
    /// the same moment in which it was told to end counts as completed, for the work is done.
    pub(super) fn attempt_end(&self, now_ms: u64, end: &TurnEnd, result: String) -> Option<AttemptEnd> {
        let TurnFor::Task(claim) = &self.what_for else { return None };
        let claim = claim.clone();
        if *end == TurnEnd::Completed {
            return Some(AttemptEnd::Complete { claim, result });
        }
        let left = |partial| (ReleaseWhy::WorkerLeft, partial);
        Some(match (&self.ending, end) {
            (_, TurnEnd::Completed) => unreachable!("this was looked at above"),
            (Some(TurnStop::Stopped { reason }), _) => {
                let partial = stopped_partial(reason, result);
                AttemptEnd::Release { claim, why: ReleaseWhy::Stopped, partial }
            }
            (Some(TurnStop::Hung { quiet_ms }), _) => {
                AttemptEnd::Die { claim, cause: said_nothing(*quiet_ms), partial: result }
            }
            (Some(TurnStop::Stalled { quiet_ms }), _) => {
                AttemptEnd::Fail { claim, reason: said_nothing(*quiet_ms), result }
            }
            (Some(TurnStop::TimedOut), _) => {
                let seconds = now_ms.saturating_sub(self.since_ms) as f64 / 1000.0;
                AttemptEnd::Fail { claim, reason: format!("timed out after {seconds:.1} s"), result }
            }
            (Some(TurnStop::OverBudget { owner: BudgetOwner::Task(_), limit }), _) => {
                AttemptEnd::Fail { claim, reason: used_up(*limit), result }
            }
            (Some(TurnStop::Interrupted), _) => unreachable!("a turn that is over is not interrupted any more"),
            (Some(TurnStop::Leaving | TurnStop::OverBudget { owner: BudgetOwner::Member, .. }), _)
            | (None, TurnEnd::NotBegun { .. })
            | (None, TurnEnd::Failed { fault: AgentFault::Place | AgentFault::Provider, .. }) => {
                let (why, partial) = left(result);
                AttemptEnd::Release { claim, why, partial }
            }
            (None, TurnEnd::Failed { .. }) if self.goes_back => {
                let (why, partial) = left(result);
                AttemptEnd::Release { claim, why, partial }
            }
            // As if the worker had died: the next attempt may fare better, and some day the task fails.
            (None, TurnEnd::Failed { fault: AgentFault::Agent, reason }) => {
                AttemptEnd::Die { claim, cause: reason.clone(), partial: result }
            }
            (None, TurnEnd::Failed { fault: AgentFault::Prompt, reason }) => {
                AttemptEnd::Fail { claim, reason: reason.clone(), result }
            }
            (None, TurnEnd::Aborted) => {
                AttemptEnd::Fail { claim, reason: "the agent broke the turn off".to_owned(), result }
            }
        })
    }
}

/// How a turn ended, for the transcript. To its agent it makes no difference why it was aborted; to a reader a turn that
/// took too long, or whose agent was silent for too long, has failed, for the reason that its task fails.
fn told_end(end: TurnEnd, attempt: &AttemptEnd) -> TurnEnd {
    match (&end, attempt) {
        (TurnEnd::Aborted, AttemptEnd::Fail { reason, .. } | AttemptEnd::Die { cause: reason, .. }) => {
            TurnEnd::failed(reason.clone())
        }
        (TurnEnd::Aborted, AttemptEnd::Complete { .. } | AttemptEnd::Release { .. })
        | (TurnEnd::Completed | TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. }, _) => end,
    }
}

fn said_nothing(quiet_ms: u64) -> String {
    format!("its agent said nothing for {:.1} s", quiet_ms as f64 / 1000.0)
}

/// How the worker ends after such a turn, if it does: what is wrong with its place, its provider or its agent is wrong for the
/// next task too, and would fail one after another. A new life helps against all but what is wrong with the provider.
fn ends_worker(end: &TurnEnd) -> Option<WorkerEnd> {
    match end {
        TurnEnd::NotBegun { reason } | TurnEnd::Failed { reason, fault: AgentFault::Place | AgentFault::Agent } => {
            Some(WorkerEnd::AgentGone { reason: reason.clone() })
        }
        TurnEnd::Failed { reason, fault: AgentFault::Provider } => {
            Some(WorkerEnd::ProviderRefused { reason: reason.clone() })
        }
        TurnEnd::Failed { fault: AgentFault::Prompt, .. } | TurnEnd::Completed | TurnEnd::Aborted => None,
    }
}

impl WorkerCore {
    pub(super) fn start_task(&mut self, now_ms: u64, task: ClaimedTask) {
        self.start_turn(now_ms, TurnFor::Task(task.claim), task.timeout_ms, task.work);
    }

    pub(super) fn start_turn(&mut self, now_ms: u64, what_for: TurnFor, timeout_ms: Option<u64>, work: TaskWork) {
        self.start_turn_with(now_ms, what_for, timeout_ms, work, Vec::new());
    }

    /// Starts a turn whose prompt is made of these texts.
    pub(super) fn start_turn_with(
        &mut self,
        now_ms: u64,
        what_for: TurnFor,
        timeout_ms: Option<u64>,
        work: TaskWork,
        mut texts: Vec<WaitingText>,
    ) {
        if let TurnFor::Task(_) = what_for
            && let Some(limit) = self.spent_of_task()
        {
            let mut turn = RunningTurn::begin(self.turns, now_ms, what_for, timeout_ms, work);
            if let Some(id) = turn.task() {
                turn.ending = Some(TurnStop::OverBudget { owner: BudgetOwner::Task(id), limit });
            }
            self.give_back(texts, &used_up(limit));
            return self.end_turn_of(now_ms, turn, TurnEnd::Aborted, String::new());
        }
        self.tell_if_not_kept(&what_for, work.kind());
        self.turns += 1;
        let turn = RunningTurn::begin(self.turns, now_ms, what_for, timeout_ms, work.clone());
        let (number, task) = (turn.number, turn.task());
        let id = TextId::prompt_of(number);
        if let TurnFor::Call { text: id, .. } = turn.what_for {
            let (from, text, state) = (Address::Lead, work.text().to_owned(), ReceiptState::Accepted);
            texts.push(WaitingText { id, from, text, urgency: Urgency::Next, state, shown: TextShown::Yes });
        }
        let told = match turn.what_for {
            TurnFor::Task(_) | TurnFor::Call { .. } | TurnFor::Texts => texts.iter().map(|text| text.id).collect(),
            TurnFor::Queued => self.nudged_texts(),
        };
        self.hand(id, TextRole::Prompt, texts);
        self.phase = WorkPhase::Turn(turn);
        self.idle_since_ms = None;
        if self.is_asleep() && work.kind() == WorkKind::Text {
            return self.hold_turn(number, task, work, told);
        }
        let (before, used) = (self.words_before(id, work.kind()), self.used);
        let kept = self.kept_texts(&told);
        self.act(WorkerAction::StartTurn { turn: number, task, before, work, texts: told, used });
        self.say_kept(kept);
    }

    /// Names the texts in the transcript of a turn that has begun that die with its worker.
    pub(super) fn say_kept(&mut self, kept: Vec<TextId>) {
        for text in kept {
            self.act(WorkerAction::Say(TranscriptText::Receipt { text, state: ReceiptState::Queued }));
        }
    }

    /// Ends the running turn because the lead asked for it. One that is ending already is not aborted a second time.
    pub(super) fn stop_turn(&mut self, now_ms: u64, reason: String) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let (number, is_ending) = (turn.number, turn.ending.is_some());
        turn.stop(reason.clone());
        self.act(WorkerAction::Say(TranscriptText::AskedToStop { turn: number, reason }));
        if !is_ending {
            self.abort_turn(now_ms);
        }
    }

    /// Ends the turn that runs for this reason, unless it is ending for another.
    pub(super) fn end_turn_by(&mut self, now_ms: u64, stop: TurnStop) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        match turn.ending {
            None => {
                turn.ending = Some(stop);
                self.abort_turn(now_ms);
            }
            // Its agent is told to end already.
            Some(TurnStop::Interrupted) => turn.ending = Some(stop),
            Some(
                TurnStop::Stopped { .. }
                | TurnStop::TimedOut
                | TurnStop::Stalled { .. }
                | TurnStop::Hung { .. }
                | TurnStop::OverBudget { .. }
                | TurnStop::Leaving,
            ) => {}
        }
    }

    pub(super) fn prompt_taken(&mut self) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let number = turn.number;
        match &mut turn.what_for {
            TurnFor::Call { call, text } => {
                if let Some(call) = call.take() {
                    let prompted = PromptAnswer { turn: number, text: *text };
                    self.answer(call, Ok(WorkerAnswer::Prompted(prompted)));
                }
            }
            TurnFor::Task(_) | TurnFor::Texts | TurnFor::Queued => {}
        }
    }

    pub(super) fn prompt_refused(&mut self, now_ms: u64, reason: String, fault: AgentFault) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let was_interrupted = turn.was_interrupted();
        match &mut turn.what_for {
            TurnFor::Call { call, .. } => {
                if let Some(call) = call.take() {
                    self.answer(call, Err(AskRefused::new(reason.clone())));
                }
            }
            TurnFor::Task(_) | TurnFor::Texts | TurnFor::Queued => {}
        }
        let end = match fault {
            AgentFault::Prompt | AgentFault::Agent => TurnEnd::Failed { reason, fault },
            // It had begun, and could not go on.
            AgentFault::Place | AgentFault::Provider if was_interrupted => TurnEnd::Failed { reason, fault },
            AgentFault::Place | AgentFault::Provider => TurnEnd::NotBegun { reason },
        };
        self.turn_ended(now_ms, end, String::new());
    }

    pub(super) fn turn_ended(&mut self, now_ms: u64, end: TurnEnd, result: String) {
        if self.go_on_if_interrupted(now_ms, &end, &result) == InterruptedTurn::GoesOn {
            return;
        }
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let told = turn.limit.take();
        // One that is over or was lifted meanwhile keeps nobody waiting.
        let limit = told
            .map(|told| self.holding_limit(now_ms).unwrap_or(StandingLimit { until_ms: now_ms, reason: told.reason }));
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let questions = std::mem::take(&mut turn.questions);
        let is_told_to_end = turn.ending.is_some() || self.leave.is_some();
        let parked = limit.filter(|_| end != TurnEnd::Completed && !is_told_to_end);
        let (gone, end) = (ends_worker(&end), turn.end_as_told(end));
        let (parked, end) = match (parked, self.settings.on_limit) {
            (Some(limit), OnLimit::End) => (None, self.end_by_limit(end, &limit)),
            (parked, OnLimit::Park | OnLimit::End) => (parked, end),
        };
        let end = self.count_try(end);
        self.take_questions_back(questions);
        let limited = if parked.is_some() { TurnLimited::Yes } else { TurnLimited::No };
        if limited == TurnLimited::Yes {
            self.carry_texts();
        }
        self.settle_texts(&end, limited);
        let WorkPhase::Turn(mut turn) = std::mem::replace(&mut self.phase, WorkPhase::Claiming(BeforeClaim::Working))
        else {
            unreachable!("it was a turn a moment ago")
        };
        self.count_turn(now_ms, &mut turn, limited);
        if let Some(limit) = parked {
            self.say_turn_end(&turn, end);
            return self.park_turn(limit, turn);
        }
        self.renew_if_full(&mut turn, &end);
        let result = turn.result(&end, result);
        if let Some(how) = ends_worker(&end).or(gone) {
            self.leave.get_or_insert(LeaveReason { how, approve: None });
        }
        self.end_turn_of(now_ms, turn, end, result);
    }

    /// Orders the records of a turn that is over: its end in the transcript and, for a task, on the board.
    pub(super) fn end_turn_of(&mut self, now_ms: u64, turn: RunningTurn, end: TurnEnd, result: String) {
        match turn.attempt_end(now_ms, &end, result) {
            Some(attempt) => {
                let end = told_end(end, &attempt);
                self.record(attempt.clone());
                self.phase = WorkPhase::Recording { turn, end, attempt, retry_at_ms: None };
            }
            None => self.close_turn(now_ms, &turn, end),
        }
    }

    pub(super) fn recorded(&mut self, now_ms: u64) {
        if !matches!(self.phase, WorkPhase::Recording { .. }) {
            return;
        }
        let before = std::mem::replace(&mut self.phase, WorkPhase::Claiming(BeforeClaim::Working));
        let WorkPhase::Recording { turn, end, .. } = before else { unreachable!("it was recording a moment ago") };
        self.close_turn(now_ms, &turn, end);
    }

    pub(super) fn not_recorded(&mut self, now_ms: u64, error: String) {
        let retry = ms(self.settings.record_retry);
        if matches!(self.phase, WorkPhase::Recording { .. }) && self.leaves_whatever_happens() {
            // Nobody may ever make room, or put back what was removed.
            self.trouble(format!("how the turn ended was not written down, and its task will be done again: {error}"));
            self.settle(now_ms, BeforeClaim::Working);
        } else if let WorkPhase::Recording { retry_at_ms, .. } = &mut self.phase {
            let first = retry_at_ms.is_none();
            *retry_at_ms = Some(now_ms + retry);
            if first {
                self.trouble(format!("cannot write down how the turn ended, trying again: {error}"));
            }
        } else if let WorkPhase::Claiming(_) = self.phase {
            self.phase = WorkPhase::Idle;
            self.trouble(format!("cannot look for a task, trying again: {error}"));
        }
    }

    fn close_turn(&mut self, now_ms: u64, turn: &RunningTurn, end: TurnEnd) {
        self.say_turn_end(turn, end);
        self.settle(now_ms, BeforeClaim::Working);
    }
}
