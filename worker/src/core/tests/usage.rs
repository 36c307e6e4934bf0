//! What turns use is told and added up: for the turn, for the attempt, and for the member over all its lives. And budgets:
//! what stops, and what is told before.

use std::num::NonZeroU64;

use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::agent::preset::AgentAbility;
use teamster_protocol::model::budget::UsageBudget;
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
    // It is begun again, and is one turn with that.
    let limited = UsageSum { turns: 0, ..turn(5, 2, 10) };
    assert_eq!(before(&core.step(until_ms, WorkerEvent::Tick)), limited);
    core.step(until_ms, WorkerEvent::PromptTaken);
    core.step(until_ms, WorkerEvent::Used(told(8, 4)));
    let actions = ends(&mut core, until_ms + 20, TurnEnd::Completed);
    assert_eq!(of_record(&actions), limited.plus(turn(8, 4, 20)), "and none of the time in which it was parked");
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

#[test]
fn a_providers_limit_uses_up_no_budget_of_turns() {
    let budget = UsageBudget { max_turns: NonZeroU64::new(1), ..UsageBudget::default() };
    let mut core = member(budget, UsageSum::default());
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let until_ms = NOW_MS + 50_000;
    core.step(NOW_MS, WorkerEvent::Limited(ProviderLimit { until_ms: Some(until_ms), reason: "full".to_owned() }));
    let fault = AgentFault::Provider;
    ends(&mut core, NOW_MS + 10, TurnEnd::Failed { reason: "full".to_owned(), fault });
    let actions = core.step(until_ms, WorkerEvent::Tick);
    assert!(matches!(&actions[..], [WorkerAction::StartTurn { turn: 2, .. }]), "{actions:?}");
    core.step(until_ms, WorkerEvent::PromptTaken);
    assert!(!core.step(until_ms, WorkerEvent::Used(told(8, 4))).contains(&WorkerAction::AbortTurn));
}

fn limited_to(tokens: u64, turns: u64) -> UsageBudget {
    UsageBudget { max_tokens: NonZeroU64::new(tokens), max_turns: NonZeroU64::new(turns), ..UsageBudget::default() }
}

/// At task 1, which has this budget and has used so much in earlier attempts.
fn allowed(budget: UsageBudget, used: UsageSum) -> (WorkerCore, Vec<WorkerAction>) {
    let mut core = worker(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    let WorkerEvent::Claimed(Some(task)) = claimed_for(PromptKind::Conversation, 1) else { panic!("it is a claim") };
    let allowance = TaskAllowance { budget, used };
    let actions = core.step(NOW_MS, WorkerEvent::Claimed(Some(ClaimedTask { allowance, ..task })));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    (core, actions)
}

fn trouble(text: &str) -> WorkerAction {
    WorkerAction::Say(TranscriptText::Trouble { text: text.to_owned() })
}

fn reason_of_failure(actions: &[WorkerAction]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        WorkerAction::Record { attempt: AttemptEnd::Fail { reason, .. }, .. } => Some(reason.as_str()),
        _ => None,
    })
}

#[test]
fn a_task_that_uses_up_its_budget_is_warned_of_once_then_stopped_and_fails() {
    let (mut core, _) = allowed(limited_to(100, 0), turn(20, 0, 0));
    assert_eq!(core.step(NOW_MS, WorkerEvent::Used(told(57, 0))).len(), 1, "79 of 100");
    let warned = core.step(NOW_MS, WorkerEvent::Used(told(58, 0)));
    assert_eq!(warned[1], trouble("task 1 has used 80 of 100 tokens of its budget"));
    let used = "80 of 100 tokens".to_owned();
    assert_eq!(warned[2..], [WorkerAction::TellBudget { task: Some(TaskId(1)), used }]);
    assert_eq!(core.step(NOW_MS, WorkerEvent::Used(told(70, 0))).len(), 1, "once");
    assert_eq!(core.step(NOW_MS, WorkerEvent::Used(told(80, 0))).last(), Some(&WorkerAction::AbortTurn));
    assert_eq!(core.step(NOW_MS, WorkerEvent::Used(told(90, 0))).len(), 1, "it is stopped once");
    let actions = ends(&mut core, NOW_MS, TurnEnd::Aborted);
    assert_eq!(reason_of_failure(&actions), Some("its budget is used up: 102 of 100 tokens"));
    assert_eq!(core.step(NOW_MS, WorkerEvent::Recorded).last(), Some(&WorkerAction::ClaimNext), "the member goes on");
}

#[test]
fn a_turn_that_is_done_in_the_moment_of_its_end_counts_as_done() {
    let (mut core, _) = allowed(limited_to(100, 0), UsageSum::default());
    core.step(NOW_MS, WorkerEvent::Used(told(200, 0)));
    let actions = ends(&mut core, NOW_MS, TurnEnd::Completed);
    assert!(matches!(actions[..], [WorkerAction::Record { attempt: AttemptEnd::Complete { .. }, .. }]), "{actions:?}");
}

#[test]
fn no_turn_begins_of_a_task_whose_earlier_attempts_have_used_its_budget() {
    let (mut core, actions) = allowed(limited_to(0, 2), turn(5, 0, 0).plus(turn(5, 0, 0)));
    assert_eq!(reason_of_failure(&actions), Some("its budget is used up: 2 of 2 turns"));
    assert!(!actions.iter().any(|action| matches!(action, WorkerAction::StartTurn { .. })), "{actions:?}");
    let actions = core.step(NOW_MS, WorkerEvent::Recorded);
    assert_eq!(actions, [trouble("task 1 is not begun: its budget is used up: 2 of 2 turns"), WorkerAction::ClaimNext]);
    let (_, actions) = allowed(limited_to(0, 2), turn(5, 0, 0));
    assert!(matches!(actions.last(), Some(WorkerAction::StartTurn { .. })), "the second of two turns may run");
}

#[test]
fn the_time_of_a_budget_is_looked_at_for_the_warning_and_for_the_end() {
    let budget = UsageBudget { max_time_ms: NonZeroU64::new(10_000), ..UsageBudget::default() };
    let (mut core, _) = allowed(budget, UsageSum { time_ms: 4_000, ..UsageSum::default() });
    assert_eq!(core.next_tick_ms(), Some(NOW_MS + 4_000));
    let warned = core.step(NOW_MS + 4_000, WorkerEvent::Tick);
    assert_eq!(warned[0], trouble("task 1 has used 8.0 s of 10.0 s of its budget"));
    assert_eq!(core.next_tick_ms(), Some(NOW_MS + 6_000));
    assert_eq!(core.step(NOW_MS + 6_000, WorkerEvent::Tick), [WorkerAction::AbortTurn]);
    let actions = ends(&mut core, NOW_MS + 6_001, TurnEnd::Aborted);
    assert_eq!(reason_of_failure(&actions), Some("its budget is used up: 10.0 s of 10.0 s"));
}

/// A member with this budget, which has used so much in earlier lives.
fn member(budget: UsageBudget, used: UsageSum) -> WorkerCore {
    let mut core = worker(PromptKind::Conversation).with_usage(used);
    core.settings.budget = budget;
    core
}

#[test]
fn a_member_that_uses_up_its_budget_gives_its_task_back_and_leaves_for_good() {
    let mut core = member(limited_to(100, 0), turn(50, 0, 0));
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let actions = core.step(NOW_MS, WorkerEvent::Used(told(49, 0)));
    let said = trouble("this member has used 101 of 100 tokens of its budget");
    assert_eq!(actions[1], said);
    assert!(
        matches!(&actions[2..], [WorkerAction::WriteLead { text }, WorkerAction::AbortTurn] if text.contains("101 of 100 tokens"))
    );
    let actions = ends(&mut core, NOW_MS, TurnEnd::Aborted);
    let is_release = |action: &WorkerAction| {
        matches!(action, WorkerAction::Record { attempt: AttemptEnd::Release { why: ReleaseWhy::WorkerLeft, .. }, .. })
    };
    assert!(actions.iter().any(is_release), "{actions:?}");
    let how = WorkerEnd::BudgetSpent { reason: "101 of 100 tokens".to_owned() };
    assert_eq!(core.step(NOW_MS, WorkerEvent::Recorded).last(), Some(&WorkerAction::Leave { how }));
}

#[test]
fn a_member_that_has_used_its_budget_takes_no_more_in_a_later_life() {
    let mut core = member(limited_to(0, 3), UsageSum { turns: 3, ..UsageSum::default() });
    let how = WorkerEnd::BudgetSpent { reason: "3 of 3 turns".to_owned() };
    let actions = core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    assert_eq!(actions.last(), Some(&WorkerAction::Leave { how: how.clone() }));
    let writes =
        |actions: &[WorkerAction]| actions.iter().any(|action| matches!(action, WorkerAction::WriteLead { .. }));
    assert!(!writes(&actions), "the life before it has written");
    // The one that takes the last turn writes.
    let mut core = member(limited_to(0, 3), UsageSum { turns: 2, ..UsageSum::default() });
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    ends(&mut core, NOW_MS, TurnEnd::Completed);
    let actions = core.step(NOW_MS, WorkerEvent::Recorded);
    assert_eq!(actions.last(), Some(&WorkerAction::Leave { how }));
    assert!(writes(&actions), "{actions:?}");
}

#[test]
fn a_budget_that_can_not_be_kept_is_said_to_be_none_once() {
    let budget = UsageBudget { max_cost_micro_usd: NonZeroU64::new(5), ..UsageBudget::default() };
    let said = trouble("its agent tells no price, so a budget of money can not be kept");
    let (mut core, _) = allowed(budget, UsageSum::default());
    let unpriced = TokenUsage { input: 9, ..TokenUsage::default() };
    core.step(NOW_MS, WorkerEvent::Used(unpriced));
    assert!(ends(&mut core, NOW_MS, TurnEnd::Completed).contains(&said));
    let mut core = member(limited_to(100, 0), UsageSum::default());
    core.settings.abilities.usage = AgentAbility::No;
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    let said = trouble("its agent does not tell what it uses, so a budget of tokens or money can not be kept");
    assert!(core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1)).contains(&said));
}
