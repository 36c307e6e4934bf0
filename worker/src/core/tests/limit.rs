//! What a worker does about the limit of an account that it shares with others.

use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::agent::options::OnLimit;
use teamster_protocol::model::limits::{PROVIDER_TRIES_MAX, PROVIDER_WAIT_MIN};

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
fn a_limit_that_its_own_agent_is_told_does_not_shorten_that_of_the_account() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, account_limited(NOW_MS + 50_000));
    core.step(NOW_MS, WorkerEvent::Limited(limit(NOW_MS + 5_000)));
    let actions = ends(&mut core, TurnEnd::failed("used up"));
    assert_eq!(parked_until(&actions), Some(NOW_MS + 50_000), "{actions:?}");
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

/// The provider has no room, and the agent has given up. Returns what is done about that.
fn no_room(core: &mut WorkerCore, now_ms: u64) -> Vec<WorkerAction> {
    assert_eq!(core.step(now_ms, WorkerEvent::ProviderUnavailable { reason: "529".to_owned() }), [], "nobody is told");
    let end = TurnEnd::Failed { reason: "529".to_owned(), fault: AgentFault::Provider };
    core.step(now_ms, WorkerEvent::TurnEnded { end, result: String::new() })
}

#[test]
fn a_provider_without_room_is_tried_again_later_and_later_and_in_the_end_given_up() {
    let mut core = working(PromptKind::Conversation);
    let (mut now_ms, mut waits) = (NOW_MS, Vec::new());
    for _ in 1..PROVIDER_TRIES_MAX {
        let until_ms = parked_until(&no_room(&mut core, now_ms)).expect("it waits");
        waits.push((until_ms - now_ms) / 1000);
        now_ms = until_ms;
        let again = core.step(now_ms, WorkerEvent::Tick);
        assert!(matches!(&again[..], [WorkerAction::StartTurn { task: Some(TaskId(1)), .. }]), "{again:?}");
        core.step(now_ms, WorkerEvent::PromptTaken);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    let actions = no_room(&mut core, now_ms);
    let released =
        |action: &WorkerAction| matches!(action, WorkerAction::Record { attempt: AttemptEnd::Release { .. }, .. });
    assert!(actions.iter().any(released), "the task is not lost: {actions:?}");
    let how = WorkerEnd::ProviderRefused { reason: "529 (tried 10 times)".to_owned() };
    assert_eq!(core.step(now_ms, WorkerEvent::Recorded).last(), Some(&WorkerAction::Leave { how }));
}

#[test]
fn the_tries_are_counted_anew_once_the_provider_has_answered() {
    let mut core = working(PromptKind::Conversation);
    let until_ms = parked_until(&no_room(&mut core, NOW_MS)).unwrap();
    core.step(until_ms, WorkerEvent::Tick);
    core.step(until_ms, WorkerEvent::PromptTaken);
    core.step(until_ms, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    core.step(until_ms, WorkerEvent::Recorded);
    let claim = TaskClaim { id: TaskId(2), owner: "alice".parse().unwrap(), attempt: 1 };
    let work = TaskWork::Prompt("go".to_owned());
    let task = ClaimedTask { claim, work, timeout_ms: None, allowance: Default::default() };
    core.step(until_ms, WorkerEvent::Claimed(Some(task)));
    core.step(until_ms, WorkerEvent::PromptTaken);
    let parked = no_room(&mut core, until_ms).into_iter().find_map(|action| match action {
        WorkerAction::Say(TranscriptText::Parked { until_ms, reason, .. }) => Some((until_ms, reason)),
        _ => None,
    });
    assert_eq!(parked, Some((until_ms + ms(PROVIDER_WAIT_MIN), "529 (try 1 of 10)".to_owned())));
}

#[test]
fn a_limit_of_use_that_holds_longer_is_waited_for_instead() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, account_limited(NOW_MS + 50_000));
    assert_eq!(parked_until(&no_room(&mut core, NOW_MS)), Some(NOW_MS + 50_000));
}

/// Does not wait for its provider.
fn impatient(mut core: WorkerCore) -> WorkerCore {
    core.settings.on_limit = OnLimit::End;
    core
}

fn left_for_provider(actions: &[WorkerAction]) -> Option<&str> {
    match actions.last() {
        Some(WorkerAction::Leave { how: WorkerEnd::ProviderRefused { reason } }) => Some(reason),
        _ => None,
    }
}

fn is_release(action: &WorkerAction) -> bool {
    matches!(action, WorkerAction::Record { attempt: AttemptEnd::Release { .. }, .. })
}

#[test]
fn a_worker_that_does_not_park_gives_its_task_back_and_ends_with_the_reason() {
    let mut core = impatient(working(PromptKind::Conversation));
    core.step(NOW_MS, WorkerEvent::Limited(limit(NOW_MS + 50_000)));
    // Whatever fault its agent tells.
    let actions = ends(&mut core, TurnEnd::failed("exit status 1"));
    assert!(actions.iter().any(is_release), "{actions:?}");
    assert_eq!(left_for_provider(&core.step(NOW_MS, WorkerEvent::Recorded)), Some("used up"));

    let mut core = impatient(working(PromptKind::Conversation));
    let actions = no_room(&mut core, NOW_MS);
    assert!(actions.iter().any(is_release), "{actions:?}");
    assert_eq!(left_for_provider(&core.step(NOW_MS, WorkerEvent::Recorded)), Some("529"));
}

#[test]
fn a_worker_that_does_not_park_ends_by_what_another_member_was_told_too() {
    let mut core = impatient(idle(PromptKind::Conversation));
    assert_eq!(left_for_provider(&core.step(NOW_MS, account_limited(NOW_MS + 50_000))), Some("used up"));
    // Also if it has claimed a task by then.
    let mut core = impatient(idle(PromptKind::Conversation));
    core.step(NOW_MS, WorkerEvent::Rang);
    core.limit = Some(StandingLimit { until_ms: NOW_MS + 50_000, reason: "used up".to_owned() });
    let actions = core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    assert!(actions.iter().any(is_release), "{actions:?}");
    assert_eq!(left_for_provider(&core.step(NOW_MS, WorkerEvent::Recorded)), Some("used up"));
}
