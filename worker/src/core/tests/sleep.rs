//! An agent that has nothing to do is put to sleep and woken for its next turn, and nothing is lost meanwhile.

use std::time::Duration;

use teamster_protocol::model::agent::{AgentSession, SessionBegin, SessionId};

use super::*;

const AFTER_MS: u64 = 5_000;
/// When the agent is put to sleep.
const SLEEP_MS: u64 = NOW_MS + AFTER_MS;

fn with_limit(idle_after: Option<Duration>, kind: DriverKind) -> WorkerCore {
    let me = WaitingClaimant::new("alice".parse().unwrap());
    let settings = WorkerSettings { idle_after, ..WorkerSettings::new(me, abilities_of(kind), StartedBy::Hand) };
    let mut core = WorkerCore::new(settings, 0);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, WorkerEvent::Claimed(None));
    core
}

fn waiting() -> WorkerCore {
    with_limit(Some(Duration::from_millis(AFTER_MS)), DriverKind::Script)
}

fn sleeping() -> WorkerCore {
    let mut core = waiting();
    assert_eq!(
        core.step(SLEEP_MS, WorkerEvent::Tick),
        [WorkerAction::Say(TranscriptText::Asleep), WorkerAction::PutAgentToSleep]
    );
    assert_eq!(core.step(SLEEP_MS, WorkerEvent::AgentAsleep), [WorkerAction::EndLeftovers]);
    core
}

fn call(core: &mut WorkerCore, what: WorkerAsk) -> Vec<WorkerAction> {
    core.step(SLEEP_MS, WorkerEvent::Called { call: CallId(1), what })
}

fn prompt(core: &mut WorkerCore) -> Vec<WorkerAction> {
    call(core, WorkerAsk::Prompt { work: TaskWork::Prompt("go".to_owned()) })
}

fn awake(core: &mut WorkerCore) -> Vec<WorkerAction> {
    let session = AgentSession { id: SessionId("s1".to_owned()), begun: SessionBegin::Resumed };
    core.step(SLEEP_MS + 50, WorkerEvent::AgentReady { session: Some(session) })
}

fn prompted(actions: &[WorkerAction]) -> Option<&TaskWork> {
    actions.iter().find_map(|action| match action {
        WorkerAction::PromptAgent { work, .. } => Some(work),
        _ => None,
    })
}

#[test]
fn only_an_agent_that_can_go_on_with_its_conversation_is_put_to_sleep_and_only_if_it_may() {
    assert_eq!(waiting().next_tick_ms(), Some(SLEEP_MS));
    assert_eq!(with_limit(None, DriverKind::Script).next_tick_ms(), None);
    assert_eq!(with_limit(Some(Duration::from_secs(1)), DriverKind::Shell).next_tick_ms(), None);
    let mut core = waiting();
    core.step(NOW_MS, WorkerEvent::NoResumeTold);
    assert_eq!(core.next_tick_ms(), None);
}

#[test]
fn looks_at_the_board_do_not_keep_it_awake_and_a_turn_does() {
    let mut core = waiting();
    core.step(NOW_MS + 10, WorkerEvent::Polled);
    core.step(NOW_MS + 10, WorkerEvent::Claimed(None));
    assert_eq!(core.next_tick_ms(), Some(SLEEP_MS));
    core.step(NOW_MS + 20, WorkerEvent::Rang);
    core.step(NOW_MS + 20, claimed_for(PromptKind::Conversation, 1));
    core.step(NOW_MS + 20, WorkerEvent::PromptTaken);
    assert!(!core.step(SLEEP_MS, WorkerEvent::Tick).contains(&WorkerAction::PutAgentToSleep), "it is at work");
    let completed = WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() };
    core.step(NOW_MS + 900, completed);
    core.step(NOW_MS + 900, WorkerEvent::Recorded);
    core.step(NOW_MS + 900, WorkerEvent::Claimed(None));
    assert_eq!(core.next_tick_ms(), Some(SLEEP_MS + 900));
}

#[test]
fn a_prompt_is_accepted_at_once_and_given_when_the_agent_is_awake() {
    let mut core = sleeping();
    let actions = prompt(&mut core);
    let started =
        actions.iter().position(|action| matches!(action, WorkerAction::Say(TranscriptText::TurnStarted { .. })));
    let answered = actions.iter().position(|action| matches!(action, WorkerAction::Answer { answer: Ok(_), .. }));
    assert!(started.is_some() && started < answered, "written down before it is accepted: {actions:?}");
    assert_eq!(actions.last(), Some(&WorkerAction::WakeAgent));
    let actions = awake(&mut core);
    assert!(matches!(actions[0], WorkerAction::KeepSession { .. }), "{actions:?}");
    assert_eq!(prompted(&actions), Some(&TaskWork::Prompt("go".to_owned())));
}

#[test]
fn a_turn_that_comes_while_it_falls_asleep_waits_for_both() {
    let mut core = waiting();
    core.step(SLEEP_MS, WorkerEvent::Tick);
    let actions = prompt(&mut core);
    assert!(!actions.contains(&WorkerAction::WakeAgent), "it has not ended yet: {actions:?}");
    // However it ended: it was to, and what could not be ended is told.
    let still_there = || "cannot end process 7 (sudo)".to_owned();
    let trouble = WorkerAction::Say(TranscriptText::Trouble { text: still_there() });
    for (ended, told) in
        [(WorkerEvent::AgentAsleep, vec![]), (WorkerEvent::AgentGone { reason: still_there() }, vec![trouble])]
    {
        let mut core = waiting();
        core.step(SLEEP_MS, WorkerEvent::Tick);
        prompt(&mut core);
        let wanted = [told, vec![WorkerAction::EndLeftovers, WorkerAction::WakeAgent]].concat();
        assert_eq!(core.step(SLEEP_MS, ended), wanted);
        assert!(prompted(&awake(&mut core)).is_some());
    }
}

#[test]
fn an_agent_that_can_not_be_woken_ends_its_worker_and_gives_the_task_back() {
    let mut core = sleeping();
    core.step(SLEEP_MS, WorkerEvent::Rang);
    core.step(SLEEP_MS, claimed_for(PromptKind::Conversation, 1));
    let actions = core.step(SLEEP_MS, WorkerEvent::AgentGone { reason: "no such program".to_owned() });
    assert!(matches!(&actions[..], [WorkerAction::Record { attempt: AttemptEnd::Release { .. }, .. }]), "{actions:?}");
    let how = WorkerEnd::AgentGone { reason: "no such program".to_owned() };
    assert_eq!(core.step(SLEEP_MS, WorkerEvent::Recorded).last(), Some(&WorkerAction::Leave { how }));
}

#[test]
fn a_turn_that_is_stopped_before_the_agent_is_awake_is_over_at_once() {
    let mut core = sleeping();
    prompt(&mut core);
    let actions = call(&mut core, WorkerAsk::Abort { reason: "no".to_owned() });
    assert!(!actions.contains(&WorkerAction::AbortTurn), "the agent never heard of it: {actions:?}");
    let ended = |action: &WorkerAction| {
        matches!(action, WorkerAction::Say(TranscriptText::TurnEnded { end: TurnEnd::Aborted, .. }))
    };
    assert!(actions.iter().any(ended), "{actions:?}");
    assert_eq!(prompted(&awake(&mut core)), None);
    core.step(SLEEP_MS + 50, WorkerEvent::Claimed(None));
    assert_eq!(core.next_tick_ms(), Some(SLEEP_MS + 50 + AFTER_MS), "it falls asleep again");
}

#[test]
fn a_command_needs_no_agent_that_is_awake() {
    let mut core = sleeping();
    core.step(SLEEP_MS, WorkerEvent::Rang);
    let actions =
        core.step(SLEEP_MS, claimed_work(1, TaskWork::Run { command: "true".to_owned(), input: CommandInput::Closed }));
    assert!(matches!(&actions[..], [WorkerAction::StartTurn { .. }]), "{actions:?}");
}

#[test]
fn a_worker_can_leave_in_every_one_of_these_states() {
    let mut falling = waiting();
    falling.step(SLEEP_MS, WorkerEvent::Tick);
    for mut core in [falling, sleeping()] {
        let actions = core.step(SLEEP_MS, WorkerEvent::Terminated);
        assert_eq!(actions.last(), Some(&WorkerAction::Leave { how: WorkerEnd::Terminated }));
    }
    let mut waking = sleeping();
    prompt(&mut waking);
    let actions = waking.step(SLEEP_MS, WorkerEvent::Terminated);
    assert_eq!(actions.last(), Some(&WorkerAction::Leave { how: WorkerEnd::Terminated }));
}

/// A worker whose agent is started for its first turn.
fn unstarted() -> WorkerCore {
    let me = WaitingClaimant::new("alice".parse().unwrap());
    let identity = Some("You are alice.".to_owned());
    let settings = WorkerSettings {
        briefing: AgentBriefing { identity, recap: None },
        ..WorkerSettings::new(me, abilities_of(DriverKind::Acp), StartedBy::Hand)
    };
    let mut core = WorkerCore::new(settings, 0);
    assert_eq!(
        core.step(NOW_MS, WorkerEvent::AgentAsleep),
        [WorkerAction::Say(TranscriptText::Ready), WorkerAction::ClaimNext]
    );
    let actions = core.step(NOW_MS, WorkerEvent::Claimed(None));
    let said = [TranscriptText::Waiting, TranscriptText::Asleep].map(WorkerAction::Say);
    assert_eq!(actions[actions.len() - 2..], said);
    core
}

fn awake_as(core: &mut WorkerCore, begun: SessionBegin) -> Vec<WorkerAction> {
    let session = AgentSession { id: SessionId("s1".to_owned()), begun };
    core.step(NOW_MS, WorkerEvent::AgentReady { session: Some(session) })
}

fn words_told(actions: &[WorkerAction]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        WorkerAction::PromptAgent { before, .. } => before.as_deref(),
        _ => None,
    })
}

#[test]
fn a_worker_is_ready_without_its_agent_which_is_started_for_the_first_turn() {
    let mut core = unstarted();
    assert_eq!(core.status(0).phase, WorkerPhase::Idle);
    assert_eq!(core.next_tick_ms(), None);
    assert_eq!(prompt(&mut core).last(), Some(&WorkerAction::WakeAgent));
    let actions = awake_as(&mut core, SessionBegin::Fresh);
    assert_eq!((prompted(&actions).is_some(), words_told(&actions)), (true, Some("You are alice.")));
}

#[test]
fn an_agent_that_goes_on_when_it_is_started_for_its_first_turn_knows_who_it_is() {
    for begun in [SessionBegin::Resumed, SessionBegin::Loaded] {
        let mut core = unstarted();
        prompt(&mut core);
        assert_eq!(words_told(&awake_as(&mut core, begun)), None);
    }
}

#[test]
fn a_compaction_before_it_fell_asleep_has_it_told_again_who_it_is() {
    let mut core = unstarted();
    prompt(&mut core);
    awake_as(&mut core, SessionBegin::Resumed);
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::Compacted);
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    core.step(NOW_MS, WorkerEvent::Claimed(None));
    let asleep_ms = core.next_tick_ms().expect("it is put to sleep");
    core.step(asleep_ms, WorkerEvent::Tick);
    core.step(asleep_ms, WorkerEvent::AgentAsleep);
    prompt(&mut core);
    assert_eq!(words_told(&awake_as(&mut core, SessionBegin::Resumed)), Some("You are alice."));
}

#[test]
fn a_command_leaves_it_asleep_and_the_transcript_says_so() {
    let mut core = unstarted();
    core.step(NOW_MS, WorkerEvent::Rang);
    let command = TaskWork::Run { command: "true".to_owned(), input: CommandInput::Closed };
    core.step(NOW_MS, claimed_work(1, command));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    core.step(NOW_MS, WorkerEvent::Recorded);
    let actions = core.step(NOW_MS, WorkerEvent::Claimed(None));
    assert!(
        actions.ends_with(&[TranscriptText::Waiting, TranscriptText::Asleep].map(WorkerAction::Say)),
        "{actions:?}"
    );
}
