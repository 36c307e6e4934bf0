//! What a worker does about the limit of an account that it shares with others.

use teamster_protocol::model::agent::ProviderLimit;

use super::*;

fn limit(until_ms: u64) -> ProviderLimit {
    ProviderLimit { until_ms: Some(until_ms), reason: "used up".to_owned() }
}

fn account_limited(until_ms: u64) -> WorkerEvent {
    WorkerEvent::AccountLimited(limit(until_ms))
}

fn ends(core: &mut WorkerCore, end: TurnEnd) -> Vec<WorkerAction> {
    core.step(NOW_MS, WorkerEvent::TurnEnded { end, result: String::new() })
}

fn parked_until(actions: &[WorkerAction]) -> Option<u64> {
    actions.iter().rev().find_map(|action| match action {
        WorkerAction::Say(TranscriptText::Parked { until_ms, .. }) => Some(*until_ms),
        _ => None,
    })
}

#[test]
fn what_another_member_was_told_parks_this_one_until_it_is_lifted() {
    let mut core = idle(PromptKind::Conversation);
    assert_eq!(parked_until(&core.step(NOW_MS, account_limited(NOW_MS + 50_000))), Some(NOW_MS + 50_000));
    assert_eq!(core.next_tick_ms(), Some(NOW_MS + 50_000));
    assert_eq!(core.step(NOW_MS, account_limited(NOW_MS + 40_000)), [], "the longer one holds");
    assert_eq!(parked_until(&core.step(NOW_MS, account_limited(NOW_MS + 60_000))), Some(NOW_MS + 60_000));
    assert_eq!(core.step(NOW_MS, WorkerEvent::LimitLifted).last(), Some(&WorkerAction::ClaimNext));
}

#[test]
fn a_limit_that_is_found_before_a_claim_parks_the_worker_instead() {
    let mut core = idle(PromptKind::Conversation);
    assert_eq!(core.step(NOW_MS, WorkerEvent::Rang), [WorkerAction::ClaimNext]);
    assert_eq!(parked_until(&core.step(NOW_MS, account_limited(NOW_MS + 50_000))), Some(NOW_MS + 50_000));
}

#[test]
fn a_turn_that_runs_is_not_parked_by_what_another_member_was_told() {
    let mut core = working(PromptKind::Conversation);
    assert_eq!(core.step(NOW_MS, account_limited(NOW_MS + 50_000)), []);
    let actions = ends(&mut core, TurnEnd::failed("exit status 1"));
    assert!(matches!(&actions[..], [WorkerAction::Record { attempt: AttemptEnd::Fail { .. }, .. }]), "{actions:?}");
    assert_eq!(parked_until(&core.step(NOW_MS, WorkerEvent::Recorded)), Some(NOW_MS + 50_000));
}

#[test]
fn a_limit_that_is_lifted_before_its_turn_has_ended_loses_no_task() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::Limited(limit(NOW_MS + 50_000)));
    core.step(NOW_MS, WorkerEvent::LimitLifted);
    let fault = AgentFault::Provider;
    let actions = ends(&mut core, TurnEnd::Failed { reason: "used up".to_owned(), fault });
    assert_eq!(parked_until(&actions), Some(NOW_MS), "{actions:?}");
    let actions = core.step(NOW_MS, WorkerEvent::Tick);
    assert!(matches!(&actions[..], [WorkerAction::StartTurn { turn: 2, task: Some(TaskId(1)), .. }]), "{actions:?}");
}
