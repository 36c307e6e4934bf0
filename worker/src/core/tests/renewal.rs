//! A conversation that fills the context is renewed, and the work goes on in the new one.

use super::*;

/// The turn on task 1 is failed by a full context.
fn full(core: &mut WorkerCore) -> Vec<WorkerAction> {
    core.step(NOW_MS, WorkerEvent::ContextFull);
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::failed("prompt is too long"), result: String::new() })
}

fn attempt(actions: &[WorkerAction]) -> &AttemptEnd {
    let record = |action: &WorkerAction| matches!(action, WorkerAction::Record { .. });
    let Some(WorkerAction::Record { attempt, .. }) = actions.iter().find(|action| record(action)) else {
        panic!("nothing is recorded: {actions:?}")
    };
    attempt
}

#[test]
fn the_task_goes_back_and_is_begun_again_in_a_new_conversation_with_a_summary() {
    let mut core = working(PromptKind::Conversation);
    let actions = full(&mut core);
    assert!(matches!(attempt(&actions), AttemptEnd::Release { why: ReleaseWhy::WorkerLeft, .. }), "{actions:?}");
    assert_eq!(actions[..2], [WorkerAction::RenewConversation, WorkerAction::PutAgentToSleep]);
    let (why, recap) = ("its context is full".to_owned(), Some("This was said.".to_owned()));
    core.step(NOW_MS, WorkerEvent::SessionLost { why, recap });
    assert_eq!(core.step(NOW_MS, WorkerEvent::Recorded).last(), Some(&WorkerAction::ClaimNext), "it stays");
    core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    assert_eq!(core.step(NOW_MS, WorkerEvent::AgentAsleep).last(), Some(&WorkerAction::WakeAgent));
    let actions = core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    let Some(WorkerAction::PromptAgent { before, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(before.as_deref(), Some("This was said."));
}

#[test]
fn work_that_no_context_holds_fails_the_second_time() {
    let mut core = working(PromptKind::Conversation);
    full(&mut core);
    core.step(NOW_MS, WorkerEvent::SessionLost { why: "full".to_owned(), recap: None });
    core.step(NOW_MS, WorkerEvent::Recorded);
    core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    core.step(NOW_MS, WorkerEvent::AgentAsleep);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let actions = full(&mut core);
    assert!(matches!(attempt(&actions), AttemptEnd::Fail { .. }), "{actions:?}");
    assert!(actions.contains(&WorkerAction::RenewConversation), "the next task is not to meet it: {actions:?}");
}

#[test]
fn in_a_worker_that_ends_the_task_goes_back_too_and_nothing_is_renewed() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![shutdown(1, WhenBusy::Finish)]));
    let actions = full(&mut core);
    assert!(matches!(attempt(&actions), AttemptEnd::Release { why: ReleaseWhy::WorkerLeft, .. }), "{actions:?}");
    assert!(!actions.contains(&WorkerAction::RenewConversation), "{actions:?}");
}

fn receipts(actions: &[WorkerAction]) -> Vec<(TextId, ReceiptState)> {
    let receipts = actions.iter().filter_map(|action| match action {
        WorkerAction::Say(TranscriptText::Receipt { text, state }) => Some((*text, state.clone())),
        _ => None,
    });
    receipts.collect()
}

#[test]
fn texts_that_met_a_full_context_are_not_told_as_answered() {
    let mut core = idle(PromptKind::Conversation);
    let what = WorkerAsk::Prompt { work: TaskWork::Prompt("do it".to_owned()) };
    core.step(NOW_MS, WorkerEvent::Called { call: CallId(7), what });
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, delivered(1));
    let reason = "the context was full: prompt is too long".to_owned();
    assert_eq!(receipts(&full(&mut core)), [(TextId::prompt_of(1), ReceiptState::Lost { reason })]);
}

#[test]
fn a_message_that_the_agent_did_not_take_before_its_context_was_full_begins_the_new_conversation() {
    let mut core = idle(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Next)]));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let actions = full(&mut core);
    let is_again = |action: &WorkerAction| {
        let WorkerAction::Say(TranscriptText::TurnStarted { turn: 2, texts, .. }) = action else { return false };
        texts[..] == [TextId::Message(id(1))]
    };
    assert!(actions.iter().any(is_again), "{actions:?}");
    // Once: it may be the message that no context holds.
    core.step(NOW_MS, WorkerEvent::SessionLost { why: "full".to_owned(), recap: None });
    core.step(NOW_MS, WorkerEvent::AgentAsleep);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    assert_eq!(full(&mut core).last(), Some(&WorkerAction::ClaimNext));
    assert_eq!(core.status(0).unread, 0, "it stays in the mailbox, for the next life");
}
