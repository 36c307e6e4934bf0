//! What turns use is told and added up: for the turn, for the attempt, and for the member over all its lives.

use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::usage::TokenUsage;

use super::*;

fn told(input: u64, cost: u64) -> TokenUsage {
    TokenUsage { input, output: 1, cost_micro_usd: Some(cost), ..TokenUsage::default() }
}

fn turn(input: u64, cost: u64, time_ms: u64) -> UsageSum {
    UsageSum::of_turn(Some(told(input, cost)), time_ms)
}

fn ends(core: &mut WorkerCore, now_ms: u64, end: TurnEnd) -> Vec<WorkerAction> {
    core.step(now_ms, WorkerEvent::TurnEnded { end, result: String::new() })
}

fn of_record(actions: &[WorkerAction]) -> UsageSum {
    let record = |action: &WorkerAction| match action {
        WorkerAction::Record { used, .. } => Some(*used),
        _ => None,
    };
    actions.iter().find_map(record).unwrap_or_else(|| panic!("nothing is recorded: {actions:?}"))
}

fn before(actions: &[WorkerAction]) -> UsageSum {
    let started = |action: &WorkerAction| match action {
        WorkerAction::StartTurn { used, .. } => Some(*used),
        _ => None,
    };
    actions.iter().find_map(started).unwrap_or_else(|| panic!("no turn begins: {actions:?}"))
}

#[test]
fn the_last_that_is_told_of_a_turn_is_its_use_and_the_next_turn_begins_with_it() {
    let mut core = working(PromptKind::Conversation).with_usage(turn(1000, 50, 9));
    let said = WorkerAction::Say(TranscriptText::Usage { turn: 1, usage: told(5, 2) });
    assert_eq!(core.step(NOW_MS, WorkerEvent::Used(told(5, 2))), [said]);
    core.step(NOW_MS, WorkerEvent::Used(told(7, 3)));
    let actions = ends(&mut core, NOW_MS + 40, TurnEnd::Completed);
    assert_eq!(of_record(&actions), turn(7, 3, 40));
    let ended =
        TranscriptText::TurnEnded { turn: 1, task: Some(TaskId(1)), end: TurnEnd::Completed, used: turn(7, 3, 40) };
    assert_eq!(core.step(NOW_MS + 90, WorkerEvent::Recorded)[0], WorkerAction::Say(ended));
    let next = core.step(NOW_MS + 90, claimed_for(PromptKind::Conversation, 2));
    assert_eq!(before(&next), turn(1000, 50, 9).plus(turn(7, 3, 40)));
}

#[test]
fn an_attempt_has_used_what_its_turns_did_before_its_provider_parked_it_too() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::Used(told(5, 2)));
    let until_ms = NOW_MS + 50_000;
    core.step(NOW_MS, WorkerEvent::Limited(ProviderLimit { until_ms: Some(until_ms), reason: "full".to_owned() }));
    let fault = AgentFault::Provider;
    ends(&mut core, NOW_MS + 10, TurnEnd::Failed { reason: "full".to_owned(), fault });
    assert_eq!(before(&core.step(until_ms, WorkerEvent::Tick)), turn(5, 2, 10));
    core.step(until_ms, WorkerEvent::PromptTaken);
    core.step(until_ms, WorkerEvent::Used(told(8, 4)));
    let actions = ends(&mut core, until_ms + 20, TurnEnd::Completed);
    assert_eq!(of_record(&actions), turn(5, 2, 10).plus(turn(8, 4, 20)), "and none of the time in which it was parked");
    core.step(until_ms + 20, WorkerEvent::Recorded);
    core.step(until_ms + 20, claimed_for(PromptKind::Conversation, 2));
    core.step(until_ms + 20, WorkerEvent::PromptTaken);
    let actions = ends(&mut core, until_ms + 20, TurnEnd::Completed);
    assert_eq!(of_record(&actions), one_turn(), "the next attempt begins with nothing");
}

#[test]
fn what_is_told_of_no_turn_is_of_none() {
    let mut core = idle(PromptKind::Conversation);
    assert_eq!(core.step(NOW_MS, WorkerEvent::Used(told(5, 2))), []);
}
