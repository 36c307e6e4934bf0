//! An agent that is silent in a turn: hung, or only slow. A stall is always shown; a setting says what is done besides.

use teamster_protocol::model::agent::preset::SteerAbility;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::model::roster::{OnStall, StallPolicy, WorkerEnd};

use super::text::{TextShown, WaitingText};
use super::turn::{RunningTurn, TurnStop};
use super::{SteerOf, WorkPhase, WorkerAction, WorkerCore};

impl RunningTurn {
    /// Something was heard of the agent.
    pub(super) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.stalled_ms = None;
    }

    /// When it is to be said that the agent stalls; never for a turn that is ending, which has its own ladder.
    pub(super) fn stall_due_ms(&self, stall: &StallPolicy, ability: SteerAbility) -> Option<u64> {
        let since_ms = match (self.stalled_ms, stall.then) {
            (None, OnStall::Show | OnStall::Steer | OnStall::Abort | OnStall::Restart) => self.heard_ms,
            (Some(told_ms), OnStall::Steer) if self.takes_mail(ability) => told_ms,
            (Some(_), OnStall::Show | OnStall::Steer | OnStall::Abort | OnStall::Restart) => return None,
        };
        // An agent that waits for an answer does not stall.
        (self.ending.is_none() && self.questions.is_empty()).then(|| since_ms.saturating_add(stall.after_ms))
    }
}

impl WorkerCore {
    /// The agent has said nothing for as long as it may.
    pub(super) fn stalled(&mut self, now_ms: u64) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let quiet_ms = now_ms.saturating_sub(turn.heard_ms);
        turn.stalled_ms = Some(now_ms);
        let number = turn.number;
        match self.settings.stall.then {
            OnStall::Show => self.act(WorkerAction::Say(TranscriptText::Stalled { turn: number, quiet_ms })),
            // A command can not be asked to go on; and one that reads might run the question. Nor can an agent that hears
            // nothing in a turn.
            OnStall::Steer if !turn.takes_mail(self.settings.abilities.steering) => {
                self.act(WorkerAction::Say(TranscriptText::Stalled { turn: number, quiet_ms }));
            }
            OnStall::Steer => {
                let text =
                    format!("nothing was heard of you for {} s: go on, or say what you wait for", quiet_ms / 1000);
                let (id, from, state) = (turn.name_text(), Address::Lead, ReceiptState::Accepted);
                let text = WaitingText { id, from, text, urgency: Urgency::Now, state, shown: TextShown::No };
                self.act(WorkerAction::Say(TranscriptText::Stalled { turn: number, quiet_ms }));
                self.act(WorkerAction::Steer { of: SteerOf::Stall, text });
            }
            OnStall::Abort => {
                turn.ending = Some(TurnStop::Stalled { quiet_ms });
                self.act(WorkerAction::Say(TranscriptText::Stalled { turn: number, quiet_ms }));
                self.abort_turn(now_ms);
            }
            OnStall::Restart => {
                turn.ending = Some(TurnStop::Hung { quiet_ms });
                self.act(WorkerAction::Say(TranscriptText::Stalled { turn: number, quiet_ms }));
                let reason = format!("it said nothing for {:.1} s", quiet_ms as f64 / 1000.0);
                self.leave_for(WorkerEnd::AgentGone { reason }, None);
                self.abort_turn(now_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::agent::TurnEnd;
    use teamster_protocol::model::agent::preset::{DriverKind, abilities_of};
    use teamster_protocol::model::board::WaitingClaimant;
    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::model::roster::StartedBy;
    use teamster_protocol::model::task::{CommandInput, TaskClaim, TaskWork};

    use super::*;
    use crate::core::{AttemptEnd, ClaimedTask, WorkerEvent, WorkerSettings};

    const AFTER_MS: u64 = 1_000;

    /// At a task since 0.
    fn working(then: OnStall) -> WorkerCore {
        working_on(TaskWork::Prompt("x".to_owned()), then)
    }

    fn working_on(work: TaskWork, then: OnStall) -> WorkerCore {
        let me = WaitingClaimant::new("alice".parse().unwrap());
        let claim = TaskClaim { id: TaskId(1), owner: me.name.clone(), attempt: 1 };
        let stall = StallPolicy { after_ms: AFTER_MS, then };
        let settings =
            WorkerSettings { stall, ..WorkerSettings::new(me, abilities_of(DriverKind::Script), StartedBy::Leader) };
        let mut core = WorkerCore::new(settings, 0);
        core.step(0, WorkerEvent::AgentReady { session: None });
        core.step(
            0,
            WorkerEvent::Claimed(Some(ClaimedTask { claim, work, timeout_ms: None, allowance: Default::default() })),
        );
        core.step(0, WorkerEvent::PromptTaken);
        core
    }

    fn said(quiet_ms: u64) -> WorkerAction {
        WorkerAction::Say(TranscriptText::Stalled { turn: 1, quiet_ms })
    }

    /// The agent ends its turn because it was told to.
    fn aborted(core: &mut WorkerCore, now_ms: u64) -> Vec<WorkerAction> {
        core.step(now_ms, WorkerEvent::TurnEnded { end: TurnEnd::Aborted, result: "half".to_owned() })
    }

    #[test]
    fn silence_is_shown_once_and_again_only_after_a_word() {
        let mut core = working(OnStall::Show);
        assert_eq!(core.next_tick_ms(), Some(AFTER_MS));
        core.agent_heard(600);
        assert_eq!(core.step(AFTER_MS, WorkerEvent::Tick), [], "it was heard meanwhile");
        assert_eq!(core.step(600 + AFTER_MS, WorkerEvent::Tick), [said(AFTER_MS)]);
        assert_eq!(core.next_tick_ms(), None);
        core.agent_heard(5_000);
        assert_eq!(core.next_tick_ms(), Some(5_000 + AFTER_MS));
    }

    #[test]
    fn an_agent_that_is_steered_is_asked_again_and_again() {
        let mut core = working(OnStall::Steer);
        for round in 1..4 {
            let actions = core.step(round * AFTER_MS, WorkerEvent::Tick);
            assert_eq!(actions[0], said(round * AFTER_MS));
            assert!(matches!(&actions[1..], [WorkerAction::Steer { of: SteerOf::Stall, .. }]), "{actions:?}");
        }
    }

    #[test]
    fn an_agent_that_takes_no_text_in_a_turn_is_not_asked_to_go_on() {
        let mut core = working(OnStall::Steer);
        core.step(0, WorkerEvent::SteeringTold(SteerAbility::NextPrompt));
        assert_eq!(core.step(AFTER_MS, WorkerEvent::Tick), [said(AFTER_MS)]);
        assert_eq!(core.next_tick_ms(), None);
    }

    #[test]
    fn a_command_is_never_asked_to_go_on() {
        let open = TaskWork::Run { command: "sh".to_owned(), input: CommandInput::Open };
        for work in [TaskWork::run("sleep 1000"), open] {
            let mut core = working_on(work, OnStall::Steer);
            assert_eq!(core.step(AFTER_MS, WorkerEvent::Tick), [said(AFTER_MS)], "what it reads, it may run");
            assert_eq!(core.next_tick_ms(), None);
        }
    }

    #[test]
    fn an_aborted_turn_fails_its_task_and_the_worker_goes_on() {
        let mut core = working(OnStall::Abort);
        assert_eq!(core.step(AFTER_MS, WorkerEvent::Tick), [said(AFTER_MS), WorkerAction::AbortTurn]);
        assert_eq!(core.next_tick_ms(), None, "a turn that ends has its own ladder");
        let actions = aborted(&mut core, AFTER_MS + 5);
        let [WorkerAction::Record { attempt: AttemptEnd::Fail { reason, result, .. }, .. }] = &actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!((reason.as_str(), result.as_str()), ("its agent said nothing for 1.0 s", "half"));
        assert_eq!(core.step(AFTER_MS + 5, WorkerEvent::Recorded).last(), Some(&WorkerAction::ClaimNext));
    }

    #[test]
    fn a_restart_gives_the_task_back_as_that_of_a_dead_worker_with_what_was_done() {
        let mut core = working(OnStall::Restart);
        assert_eq!(core.step(AFTER_MS, WorkerEvent::Tick), [said(AFTER_MS), WorkerAction::AbortTurn]);
        let actions = aborted(&mut core, AFTER_MS + 5);
        let how = WorkerEnd::AgentGone { reason: "it said nothing for 1.0 s".to_owned() };
        let [WorkerAction::Record { attempt: AttemptEnd::Die { cause, partial, .. }, .. }] = &actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!((cause.as_str(), partial.as_str()), ("its agent said nothing for 1.0 s", "half"));
        assert_eq!(core.step(AFTER_MS + 5, WorkerEvent::Recorded).last(), Some(&WorkerAction::Leave { how }));
    }

    #[test]
    fn what_was_finished_in_the_same_moment_is_completed() {
        for then in [OnStall::Abort, OnStall::Restart] {
            let mut core = working(then);
            core.step(AFTER_MS, WorkerEvent::Tick);
            let actions =
                core.step(AFTER_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
            assert!(
                matches!(actions[..], [WorkerAction::Record { attempt: AttemptEnd::Complete { .. }, .. }]),
                "{actions:?}"
            );
        }
    }
}
