//! An agent that says nothing: hung, or only slow. That is shown, and what else is done about it is a setting.

use teamster_protocol::model::id::Address;
use teamster_protocol::model::notice::Said;
use teamster_protocol::model::roster::{LeftHow, OnStall, Stall};

use super::turn::{Ending, Turn};
use super::{Action, Core, Phase, SteerOf};

impl Turn {
    /// Something was heard of the agent.
    pub(super) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.stalled_ms = None;
    }

    /// When it is to be said that the agent stalls; never for a turn that is ending, which has its own ladder.
    pub(super) fn stall_due_ms(&self, stall: &Stall) -> Option<u64> {
        let since_ms = match (self.stalled_ms, stall.then) {
            (None, OnStall::Show | OnStall::Steer | OnStall::Abort | OnStall::Restart) => self.heard_ms,
            (Some(told_ms), OnStall::Steer) => told_ms,
            (Some(_), OnStall::Show | OnStall::Abort | OnStall::Restart) => return None,
        };
        self.ending.is_none().then(|| since_ms.saturating_add(stall.after_ms))
    }
}

impl Core {
    /// The agent has said nothing for as long as it may.
    pub(super) fn stalled(&mut self, now_ms: u64) {
        let Phase::Turn(turn) = &mut self.phase else { return };
        let quiet_ms = now_ms.saturating_sub(turn.heard_ms);
        turn.stalled_ms = Some(now_ms);
        let number = turn.number;
        match self.settings.stall.then {
            OnStall::Show => self.act(Action::Say(Said::Stalled { turn: number, quiet_ms })),
            OnStall::Steer => {
                self.act(Action::Say(Said::Stalled { turn: number, quiet_ms }));
                let text =
                    format!("nothing was heard of you for {} s: go on, or say what you wait for", quiet_ms / 1000);
                self.act(Action::Steer { of: SteerOf::Stall, from: Address::Lead, text });
            }
            OnStall::Abort => {
                turn.ending = Some(Ending::Stalled { quiet_ms });
                self.act(Action::Say(Said::Stalled { turn: number, quiet_ms }));
                self.act(Action::AbortTurn);
            }
            OnStall::Restart => {
                turn.ending = Some(Ending::Hung { quiet_ms });
                self.act(Action::Say(Said::Stalled { turn: number, quiet_ms }));
                let reason = format!("it said nothing for {:.1} s", quiet_ms as f64 / 1000.0);
                self.leave_for(LeftHow::AgentGone { reason }, None);
                self.act(Action::AbortTurn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::board::{AutoClaim, Claimant};
    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::model::notice::Stop;
    use teamster_protocol::model::roster::StartedBy;
    use teamster_protocol::model::task::{Claim, Work};

    use super::*;
    use crate::core::{ClaimedTask, Conversation, Event, Outcome, Settings};

    const AFTER_MS: u64 = 1_000;

    /// At a task since 0.
    fn working(then: OnStall) -> Core {
        let me = Claimant { name: "alice".parse().unwrap(), role: None, auto: AutoClaim::On };
        let claim = Claim { id: TaskId(1), owner: me.name.clone(), attempt: 1 };
        let stall = Stall { after_ms: AFTER_MS, then };
        let settings = Settings { stall, ..Settings::new(me, Conversation::No, StartedBy::Leader) };
        let mut core = Core::new(settings, 0);
        core.step(0, Event::AgentReady);
        core.step(0, Event::Claimed(Some(ClaimedTask { claim, work: Work::Run("x".to_owned()), timeout_ms: None })));
        core.step(0, Event::PromptTaken);
        core
    }

    fn said(quiet_ms: u64) -> Action {
        Action::Say(Said::Stalled { turn: 1, quiet_ms })
    }

    /// The agent ends its turn because it was told to.
    fn aborted(core: &mut Core, now_ms: u64) -> Vec<Action> {
        core.step(now_ms, Event::TurnEnded { stop: Stop::Aborted, result: "half".to_owned() })
    }

    #[test]
    fn silence_is_shown_once_and_again_only_after_a_word() {
        let mut core = working(OnStall::Show);
        assert_eq!(core.next_tick_ms(), Some(AFTER_MS));
        core.agent_heard(600);
        assert_eq!(core.step(AFTER_MS, Event::Tick), [], "it was heard meanwhile");
        assert_eq!(core.step(600 + AFTER_MS, Event::Tick), [said(AFTER_MS)]);
        assert_eq!(core.next_tick_ms(), None);
        core.agent_heard(5_000);
        assert_eq!(core.next_tick_ms(), Some(5_000 + AFTER_MS));
    }

    #[test]
    fn an_agent_that_is_steered_is_asked_again_and_again() {
        let mut core = working(OnStall::Steer);
        for round in 1..4 {
            let actions = core.step(round * AFTER_MS, Event::Tick);
            assert_eq!(actions[0], said(round * AFTER_MS));
            assert!(matches!(&actions[1..], [Action::Steer { of: SteerOf::Stall, .. }]), "{actions:?}");
        }
    }

    #[test]
    fn an_aborted_turn_fails_its_task_and_the_worker_goes_on() {
        let mut core = working(OnStall::Abort);
        assert_eq!(core.step(AFTER_MS, Event::Tick), [said(AFTER_MS), Action::AbortTurn]);
        assert_eq!(core.next_tick_ms(), None, "a turn that ends has its own ladder");
        let actions = aborted(&mut core, AFTER_MS + 5);
        let [Action::Record(Outcome::Fail { reason, result, .. })] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((reason.as_str(), result.as_str()), ("its agent said nothing for 1.0 s", "half"));
        assert_eq!(core.step(AFTER_MS + 5, Event::Recorded).last(), Some(&Action::ClaimNext));
    }

    #[test]
    fn a_restart_gives_the_task_back_as_that_of_a_dead_worker_with_what_was_done() {
        let mut core = working(OnStall::Restart);
        assert_eq!(core.step(AFTER_MS, Event::Tick), [said(AFTER_MS), Action::AbortTurn]);
        let actions = aborted(&mut core, AFTER_MS + 5);
        let how = LeftHow::AgentGone { reason: "it said nothing for 1.0 s".to_owned() };
        let [Action::Record(Outcome::Die { cause, partial, .. })] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((cause.as_str(), partial.as_str()), ("its agent said nothing for 1.0 s", "half"));
        assert_eq!(core.step(AFTER_MS + 5, Event::Recorded).last(), Some(&Action::Leave { how }));
    }

    #[test]
    fn what_was_finished_in_the_same_moment_is_completed() {
        for then in [OnStall::Abort, OnStall::Restart] {
            let mut core = working(then);
            core.step(AFTER_MS, Event::Tick);
            let actions = core.step(AFTER_MS, Event::TurnEnded { stop: Stop::Completed, result: String::new() });
            assert!(matches!(actions[..], [Action::Record(Outcome::Complete { .. })]), "{actions:?}");
        }
    }
}
