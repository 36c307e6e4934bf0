//! A turn that is interrupted goes on with a text, and is one turn to all others.

use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::usage::TokenUsage;
use teamster_protocol::wire::api::SteerAnswer;

use super::*;

/// The name of the text of an interruption of the first turn.
const TEXT: TextId = TextId::InTurn { turn: 1, number: 1 };

fn interrupt(core: &mut WorkerCore) -> Vec<WorkerAction> {
    let what = WorkerAsk::Steer { text: "not that".to_owned(), haste: SteerHaste::Now };
    core.step(NOW_MS, WorkerEvent::Called { call: CallId(7), what })
}

fn aborted(core: &mut WorkerCore, said: &str) -> Vec<WorkerAction> {
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Aborted, result: said.to_owned() })
}

fn said(text: TextId, state: ReceiptState) -> WorkerAction {
    WorkerAction::Say(TranscriptText::Receipt { text, state })
}

const AGAIN: &str = "do it\n\nYou had begun with this, and were interrupted. You had said:\n> so far\n\n\
                     Message from lead:\nnot that\n\nGo on with what you were asked, and heed this.";

#[test]
fn the_same_turn_goes_on_with_what_was_said_and_the_text_and_then_completes_its_task() {
    let mut core = working(PromptKind::Conversation);
    let actions = interrupt(&mut core);
    let answer = SteerAnswer { text: TEXT, state: ReceiptState::Queued };
    let answer = WorkerAction::Answer { call: CallId(7), answer: Ok(WorkerAnswer::Steered(answer)) };
    assert_eq!(actions[1..], [said(TEXT, ReceiptState::Queued), answer, WorkerAction::AbortTurn]);
    let work = TaskWork::Prompt(AGAIN.to_owned());
    let again = WorkerAction::PromptAgent { turn: 1, task: Some(TaskId(1)), before: None, work };
    let shown = WorkerAction::Say(TranscriptText::Interrupted { turn: 1, prompt: AGAIN.to_owned() });
    assert_eq!(aborted(&mut core, "so far\n"), [shown, again]);
    assert_eq!(core.step(NOW_MS, WorkerEvent::PromptTaken), []);
    assert_eq!(core.step(NOW_MS, delivered(1)), [said(TEXT, ReceiptState::Delivered)]);
    let end = WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: "done".to_owned() };
    let claim = TaskClaim { id: TaskId(1), owner: "alice".parse().unwrap(), attempt: 1 };
    let complete = recorded(AttemptEnd::Complete { claim, result: "done".to_owned() });
    assert_eq!(core.step(NOW_MS, end), [said(TEXT, ReceiptState::Answered), complete], "one turn, and one attempt");
}

#[test]
fn it_takes_along_what_waited_and_what_the_agent_did_not_take() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Next)]));
    let actions = core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(2, Urgency::Now)]));
    let [WorkerAction::Steer { of, text }] = &actions[..] else { panic!("{actions:?}") };
    let steered = WorkerEvent::Steered { of: of.clone(), text: text.clone(), outcome: Ok(ReceiptState::Accepted) };
    core.step(NOW_MS, steered);
    interrupt(&mut core);
    let actions = aborted(&mut core, "");
    let Some(WorkerAction::PromptAgent { work, .. }) = actions.last() else { panic!("{actions:?}") };
    let at = |words: &str| work.text().find(words).unwrap_or_else(|| panic!("{}", work.text()));
    assert!(at("words 2") < at("words 1") && at("words 1") < at("not that"), "{}", work.text());
    assert_eq!(shown(&actions), [id(1)], "the other was shown as it was said");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let actions = core.step(NOW_MS, delivered(1));
    assert!(actions.contains(&WorkerAction::Acknowledge { ids: vec![id(2), id(1)] }), "{actions:?}");
}

#[test]
fn a_turn_that_is_done_in_the_same_moment_is_done_and_the_text_begins_the_next() {
    let mut core = working(PromptKind::Conversation);
    interrupt(&mut core);
    let actions = ends_turn(&mut core);
    let Some(WorkerAction::StartTurn { turn: 2, work, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(work.text(), "Message from lead:\nnot that");
}

#[test]
fn who_stops_an_interrupted_turn_or_ends_its_worker_ends_it() {
    let mut core = working(PromptKind::Conversation);
    interrupt(&mut core);
    let what = WorkerAsk::Abort { reason: "enough".to_owned() };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(8), what });
    assert!(!actions.contains(&WorkerAction::AbortTurn), "its agent was told already");
    let actions = aborted(&mut core, "");
    let is_stopped = |action: &WorkerAction| {
        let why = ReleaseWhy::Stopped;
        matches!(action, WorkerAction::Record { attempt: AttemptEnd::Release { why: told, .. }, .. } if *told == why)
    };
    assert!(actions.iter().any(is_stopped), "{actions:?}");

    let mut core = working(PromptKind::Conversation);
    interrupt(&mut core);
    assert_eq!(core.step(NOW_MS, WorkerEvent::Terminated), []);
    let actions = aborted(&mut core, "");
    assert!(matches!(actions.last(), Some(WorkerAction::Record { .. })), "{actions:?}");
}

#[test]
fn a_command_is_not_interrupted_and_a_second_text_goes_along_with_the_first() {
    let mut core = running(PromptKind::Conversation, CommandInput::Open);
    let actions = interrupt(&mut core);
    assert!(matches!(&actions[..], [WorkerAction::Answer { answer: Err(_), .. }]), "{actions:?}");
    let mut core = working(PromptKind::Conversation);
    interrupt(&mut core);
    let patient = WorkerAsk::Steer { text: "but this".to_owned(), haste: SteerHaste::Patient };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(8), what: patient });
    assert!(!actions.contains(&WorkerAction::AbortTurn), "{actions:?}");
    let actions = aborted(&mut core, "");
    let Some(WorkerAction::PromptAgent { work, .. }) = actions.last() else { panic!("{actions:?}") };
    assert!(work.text().contains("Message from lead:\nnot that\n\nMessage from lead:\nbut this\n"), "{}", work.text());
}

#[test]
fn its_time_goes_on_and_its_use_is_added() {
    let mut core = worker(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    let WorkerEvent::Claimed(Some(task)) = claimed_for(PromptKind::Conversation, 1) else { unreachable!() };
    core.step(NOW_MS, WorkerEvent::Claimed(Some(ClaimedTask { timeout_ms: Some(500), ..task })));
    let used = |input| TokenUsage { input, output: 1, ..TokenUsage::default() };
    core.step(NOW_MS, WorkerEvent::Used(used(10)));
    interrupt(&mut core);
    aborted(&mut core, "");
    let usage = TokenUsage { input: 15, output: 2, ..TokenUsage::default() };
    let sum = WorkerAction::Say(TranscriptText::Usage { turn: 1, usage });
    assert_eq!(core.step(NOW_MS, WorkerEvent::Used(used(5))), [sum]);
    assert_eq!(core.next_tick_ms(), Some(NOW_MS + 500));
}

#[test]
fn one_that_runs_into_its_providers_limit_is_begun_again_with_all_of_it() {
    let mut core = working(PromptKind::Conversation);
    interrupt(&mut core);
    aborted(&mut core, "so far");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let limit = ProviderLimit { until_ms: Some(NOW_MS + 100_000), reason: "used up".to_owned() };
    core.step(NOW_MS, WorkerEvent::Limited(limit));
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::failed("used up"), result: String::new() });
    let actions = core.step(NOW_MS + 100_000, WorkerEvent::Tick);
    let [WorkerAction::StartTurn { work, texts, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((work.text(), &texts[..]), (AGAIN, &[TEXT][..]));
}

#[test]
fn what_an_interrupted_agent_throws_away_is_in_its_next_prompt() {
    let mut core = working(PromptKind::Conversation);
    let what = WorkerAsk::Steer { text: "mind the tests".to_owned(), haste: SteerHaste::Patient };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(6), what });
    let Some(WorkerAction::Steer { of, text }) = actions.last() else { panic!("{actions:?}") };
    let (of, text) = (of.clone(), text.clone());
    let id = text.id;
    core.step(NOW_MS, WorkerEvent::Steered { of, text, outcome: Ok(ReceiptState::Accepted) });
    interrupt(&mut core);
    let lost = ReceiptState::Lost { reason: "taken out of its queue".to_owned() };
    assert_eq!(core.step(NOW_MS, WorkerEvent::Receipt { text: id, state: lost }), []);
    let actions = aborted(&mut core, "");
    let Some(WorkerAction::PromptAgent { work, .. }) = actions.last() else { panic!("{actions:?}") };
    let at = |words: &str| work.text().find(words).unwrap_or_else(|| panic!("{}", work.text()));
    assert!(at("mind the tests") < at("not that"), "{}", work.text());
}

#[test]
fn one_that_meets_a_limit_in_a_worker_that_ends_gives_its_task_back() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![shutdown(1, WhenBusy::Finish)]));
    interrupt(&mut core);
    let limit = ProviderLimit { until_ms: Some(NOW_MS + 100_000), reason: "used up".to_owned() };
    core.step(NOW_MS, WorkerEvent::Limited(limit));
    let actions = aborted(&mut core, "so far");
    let goes_back = |action: &WorkerAction| {
        matches!(action, WorkerAction::Record { attempt: AttemptEnd::Release { why: ReleaseWhy::WorkerLeft, .. }, .. })
    };
    assert!(actions.iter().any(goes_back), "{actions:?}");
}
