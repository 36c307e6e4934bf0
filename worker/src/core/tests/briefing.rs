//! What the agent is told before its work.

use teamster_protocol::model::agent::{AgentSession, SessionBegin, SessionId};

use super::*;

const LOST: &str = "session s1 can not be gone on with: it is gone";

/// The words before the work of the turn that begins.
fn words_before(actions: &[WorkerAction]) -> Option<String> {
    let before = |action: &WorkerAction| match action {
        WorkerAction::StartTurn { before, .. } => Some(before.clone()),
        _ => None,
    };
    actions.iter().find_map(before).expect("a turn begins")
}

fn lost(recap: Option<&str>) -> WorkerEvent {
    WorkerEvent::SessionLost { why: LOST.to_owned(), recap: recap.map(str::to_owned) }
}

fn prompt_task(number: u32) -> WorkerEvent {
    claimed_for(PromptKind::Conversation, number)
}

fn trouble(text: &str) -> WorkerAction {
    WorkerAction::Say(TranscriptText::Trouble { text: text.to_owned() })
}

#[test]
fn a_conversation_that_is_lost_begins_with_a_summary_until_the_agent_has_it() {
    let mut core = worker(PromptKind::Conversation);
    let actions = core.step(NOW_MS, lost(Some("a summary")));
    assert_eq!(actions, [trouble(&format!("{LOST}; a new one begins with a summary of it"))]);
    let session = AgentSession { id: SessionId("s2".to_owned()), begun: SessionBegin::Fresh };
    let actions = core.step(NOW_MS, WorkerEvent::AgentReady { session: Some(session.clone()) });
    let told = AgentSession { begun: SessionBegin::Summarized, ..session };
    assert!(actions.contains(&WorkerAction::Say(TranscriptText::Session { session: told })), "{actions:?}");

    // A command is the shell's, and a prompt that the agent did not take has told it nothing.
    assert_eq!(words_before(&core.step(NOW_MS, claimed(1))), None);
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    core.step(NOW_MS, WorkerEvent::Recorded);
    let summary = Some("a summary".to_owned());
    assert_eq!(words_before(&core.step(NOW_MS, prompt_task(2))), summary);
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::failed("no"), result: String::new() });
    core.step(NOW_MS, WorkerEvent::Recorded);
    assert_eq!(words_before(&core.step(NOW_MS, prompt_task(3))), summary);
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::Receipt { text: TextId::prompt_of(3), state: ReceiptState::Delivered });
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::failed("no"), result: String::new() });
    core.step(NOW_MS, WorkerEvent::Recorded);
    assert_eq!(words_before(&core.step(NOW_MS, prompt_task(4))), None, "it has been told");
}

#[test]
fn a_conversation_of_which_nothing_is_known_begins_without_words() {
    let mut core = worker(PromptKind::Conversation);
    let actions = core.step(NOW_MS, lost(None));
    assert_eq!(actions, [trouble(&format!("{LOST}; a new one begins, without any memory of it"))]);
    let session = AgentSession { id: SessionId("s2".to_owned()), begun: SessionBegin::Fresh };
    let actions = core.step(NOW_MS, WorkerEvent::AgentReady { session: Some(session.clone()) });
    assert!(actions.contains(&WorkerAction::Say(TranscriptText::Session { session })), "{actions:?}");
    assert_eq!(words_before(&core.step(NOW_MS, prompt_task(1))), None);
}
