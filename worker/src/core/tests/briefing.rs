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

/// A worker whose agent is told who it is by its prompts, and begins with this conversation.
fn told_by_prompt(session: Option<SessionBegin>) -> WorkerCore {
    let me = WaitingClaimant::new("alice".parse().unwrap());
    let briefing = AgentBriefing { identity: Some("You are alice.".to_owned()), recap: None };
    let settings = WorkerSettings::new(me, abilities(PromptKind::Conversation), StartedBy::Hand);
    let mut core = WorkerCore::new(WorkerSettings { briefing, ..settings }, 0);
    let session = session.map(|begun| AgentSession { id: SessionId("s1".to_owned()), begun });
    core.step(NOW_MS, WorkerEvent::AgentReady { session });
    core
}

/// Does task after task, each to its end; returns the words before the work of each.
fn words_of(core: &mut WorkerCore, tasks: std::ops::Range<u32>) -> Vec<Option<String>> {
    let does = |task| {
        let words = words_before(&core.step(NOW_MS, prompt_task(task)));
        core.step(NOW_MS, WorkerEvent::PromptTaken);
        core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
        core.step(NOW_MS, WorkerEvent::Recorded);
        words
    };
    tasks.map(does).collect()
}

#[test]
fn an_agent_is_told_who_it_is_once_and_again_when_it_may_have_forgotten() {
    let identity = Some("You are alice.".to_owned());
    for begun in [None, Some(SessionBegin::Fresh), Some(SessionBegin::Forked)] {
        let mut core = told_by_prompt(begun);
        assert_eq!(words_of(&mut core, 1..4), [identity.clone(), None, None], "{begun:?}");
        core.step(NOW_MS, WorkerEvent::Compacted);
        assert_eq!(words_of(&mut core, 4..6), [identity.clone(), None], "{begun:?}");
    }
    for begun in [SessionBegin::Resumed, SessionBegin::Loaded] {
        let mut core = told_by_prompt(Some(begun));
        assert_eq!(words_of(&mut core, 1..2), [None], "{begun:?}");
        core.step(NOW_MS, WorkerEvent::Compacted);
        assert_eq!(words_of(&mut core, 2..4), [identity.clone(), None], "{begun:?}");
    }
}

#[test]
fn a_conversation_that_is_compacted_while_the_words_are_on_their_way_is_told_them_again() {
    let mut core = told_by_prompt(None);
    core.step(NOW_MS, prompt_task(1));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::Compacted);
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    core.step(NOW_MS, WorkerEvent::Recorded);
    assert_eq!(words_of(&mut core, 2..4), [Some("You are alice.".to_owned()), None]);
}

#[test]
fn who_an_agent_is_stands_before_what_was_said_before() {
    let mut core = told_by_prompt(None);
    core.step(NOW_MS, lost(Some("a summary")));
    assert_eq!(words_of(&mut core, 1..3), [Some("You are alice.\n\na summary".to_owned()), None]);
}
