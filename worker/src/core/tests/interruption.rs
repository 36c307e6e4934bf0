//! A turn that is interrupted goes on with a text, and is one turn to all others.

use std::num::NonZeroU64;

use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::agent::preset::SteerAbility;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::usage::TokenUsage;
use teamster_protocol::wire::api::{SteerAnswer, SteerHasteMade};

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
    let answer = SteerAnswer { text: TEXT, state: ReceiptState::Queued, haste: Some(SteerHasteMade::Interrupted) };
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

/// The prompt with which the turn goes on.
fn prompted(actions: &[WorkerAction]) -> &str {
    let Some(WorkerAction::PromptAgent { work, .. }) = actions.last() else { panic!("{actions:?}") };
    work.text()
}

#[test]
fn it_takes_along_what_is_urgent_and_what_the_agent_did_not_take_and_no_mail_that_can_wait() {
    let mut core = working(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Next)]));
    let actions = core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(2, Urgency::Now)]));
    let [WorkerAction::Steer { of, text: steer }] = &actions[..] else { panic!("{actions:?}") };
    let steered = WorkerEvent::Steered { of: of.clone(), text: steer.clone(), outcome: Ok(ReceiptState::Accepted) };
    core.step(NOW_MS, steered);
    interrupt(&mut core);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(3, Urgency::Now)]));
    let actions = aborted(&mut core, "");
    let prompt = prompted(&actions);
    let at = |words: &str| prompt.find(words).unwrap_or_else(|| panic!("{prompt}"));
    assert!(at("words 2") < at("not that") && at("not that") < at("words 3"), "{prompt}");
    assert!(!prompt.contains("words 1"), "{prompt}");
    assert_eq!(shown(&actions), [id(3)], "the other was shown as it was said");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let actions = core.step(NOW_MS, delivered(1));
    assert!(actions.contains(&WorkerAction::Acknowledge { ids: vec![id(2), id(3)] }), "{actions:?}");
    let actions = ends_turn(&mut core);
    let Some(WorkerAction::StartTurn { turn: 2, work, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(work.text(), "Message from lead:\nwords 1");
}

#[test]
fn each_interruption_makes_the_prompt_of_its_parts_anew() {
    let mut core = working(PromptKind::Conversation);
    for said in ["so far", "", "and more"] {
        interrupt(&mut core);
        aborted(&mut core, said);
        core.step(NOW_MS, WorkerEvent::PromptTaken);
    }
    let text = "Message from lead:\nnot that";
    let prompt = format!(
        "do it\n\nYou had begun with this, and were interrupted. You had said:\n> so far\n> and more\n> at last\n\n\
         {text}\n\n{text}\n\n{text}\n\n{text}\n\nGo on with what you were asked, and heed this."
    );
    interrupt(&mut core);
    assert_eq!(prompted(&aborted(&mut core, "at last")), prompt);
}

/// At task 1, with an agent that takes prompts of so many bytes.
fn working_with_room(prompt_bytes_max: usize) -> WorkerCore {
    let me = WaitingClaimant::new("alice".parse().unwrap());
    let abilities = AgentAbilities { steering: SteerAbility::NextPrompt, ..abilities(PromptKind::Conversation) };
    let settings = WorkerSettings { prompt_bytes_max, ..WorkerSettings::new(me, abilities, StartedBy::Hand) };
    let mut core = WorkerCore::new(settings, 0);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core
}

#[test]
fn a_text_for_which_the_prompt_has_no_room_is_refused_and_the_turn_goes_on_as_it_was() {
    let mut core = working_with_room(AGAIN.len());
    let what = WorkerAsk::Steer { text: "x".repeat(300), haste: SteerHaste::Now };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(7), what });
    let [WorkerAction::Answer { answer: Err(refused), .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(
        refused.why,
        format!(
            "with this its turn would go on with a prompt of 424 bytes, and its agent takes {} at most",
            AGAIN.len()
        )
    );
    assert_eq!(ends_turn(&mut core).last(), Some(&WorkerAction::ClaimNext), "nothing waits");
}

#[test]
fn what_was_said_and_mail_give_way_where_the_prompt_has_no_room_for_them() {
    let bare = AGAIN.len() - " You had said:\n> so far".len();
    let mut core = working_with_room(bare + 10);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Now)]));
    interrupt(&mut core);
    let actions = aborted(&mut core, "so far");
    assert_eq!(
        prompted(&actions),
        "do it\n\nYou had begun with this, and were interrupted.\n\nMessage from lead:\nnot that\n\n\
         Go on with what you were asked, and heed this."
    );
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let actions = ends_turn(&mut core);
    let Some(WorkerAction::StartTurn { turn: 2, work, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(work.text(), "Message from lead:\nwords 1");
}

#[test]
fn mail_that_no_prompt_has_room_for_at_once_comes_in_several_turns() {
    let mut core = working_with_room(2 * ("Message from lead:\nwords 1".len() + 2));
    let mail = [text(1, Urgency::Next), text(2, Urgency::Now), text(3, Urgency::Next), text(4, Urgency::Idle)];
    core.step(NOW_MS, WorkerEvent::MailArrived(mail.into()));
    let mut prompts = Vec::new();
    for _ in 1..=3 {
        let mut actions = core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
        actions.extend(core.step(NOW_MS, WorkerEvent::Recorded));
        prompts.extend(actions.into_iter().filter_map(|action| match action {
            WorkerAction::StartTurn { work, .. } => Some(work.text().to_owned()),
            _ => None,
        }));
        core.step(NOW_MS, WorkerEvent::PromptTaken);
    }
    core.step(NOW_MS, WorkerEvent::Claimed(None));
    let words = |number: u32| format!("Message from lead:\nwords {number}");
    assert_eq!(prompts, [format!("{}\n\n{}", words(1), words(2)), words(3)]);
    assert_eq!(
        core.status(0).phase,
        WorkerPhase::Turn { turn: 4, task: None, since_ms: NOW_MS },
        "what can wait is last"
    );
}

fn recorded_end(actions: &[WorkerAction]) -> &AttemptEnd {
    let ends = actions.iter().find_map(|action| match action {
        WorkerAction::Record { attempt, .. } => Some(attempt),
        _ => None,
    });
    ends.unwrap_or_else(|| panic!("nothing is recorded: {actions:?}"))
}

#[test]
fn an_agent_that_does_not_obey_ends_the_attempt_with_the_reason_and_all_that_it_said() {
    let mut core = working(PromptKind::Conversation);
    interrupt(&mut core);
    aborted(&mut core, "so far");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    interrupt(&mut core);
    let reason = "the agent did not end its turn within 3 s of being told to stop".to_owned();
    let end = TurnEnd::Failed { reason: reason.clone(), fault: AgentFault::Agent };
    let actions = core.step(NOW_MS, WorkerEvent::TurnEnded { end, result: "and on".to_owned() });
    let AttemptEnd::Die { cause, partial, .. } = recorded_end(&actions) else { panic!("{actions:?}") };
    assert_eq!((cause, partial.as_str()), (&reason, "so far\nand on"));
    let actions = core.step(NOW_MS, WorkerEvent::Recorded);
    assert!(actions.contains(&WorkerAction::Leave { how: WorkerEnd::AgentGone { reason } }), "{actions:?}");
    let second = TextId::InTurn { turn: 1, number: 2 };
    let is_lost = |action: &WorkerAction| matches!(action, WorkerAction::Say(TranscriptText::Receipt { text, state: ReceiptState::Lost { .. } }) if *text == second);
    assert!(actions.iter().any(is_lost), "{actions:?}");
}

#[test]
fn a_prompt_that_is_not_taken_again_ends_a_turn_that_had_begun_with_what_was_said() {
    let mut core = working(PromptKind::Conversation);
    interrupt(&mut core);
    aborted(&mut core, "so far");
    let refused = WorkerEvent::PromptRefused { reason: "it is closed".to_owned(), fault: AgentFault::Place };
    let actions = core.step(NOW_MS, refused);
    let AttemptEnd::Release { partial, .. } = recorded_end(&actions) else { panic!("{actions:?}") };
    assert_eq!(partial, "so far");
    let actions = core.step(NOW_MS, WorkerEvent::Recorded);
    let is_failed = |action: &WorkerAction| {
        let WorkerAction::Say(TranscriptText::TurnEnded { end, .. }) = action else { return false };
        *end == TurnEnd::Failed { reason: "it is closed".to_owned(), fault: AgentFault::Place }
    };
    assert!(actions.iter().any(is_failed), "{actions:?}");
}

/// At task 1, which may use so much.
fn working_within(budget: UsageBudget) -> WorkerCore {
    let mut core = worker(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    let WorkerEvent::Claimed(Some(task)) = claimed_for(PromptKind::Conversation, 1) else { unreachable!() };
    let allowance = TaskAllowance { budget, ..TaskAllowance::default() };
    core.step(NOW_MS, WorkerEvent::Claimed(Some(ClaimedTask { allowance, ..task })));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core
}

fn used(input: u64) -> WorkerEvent {
    WorkerEvent::Used(TokenUsage { input, output: 1, ..TokenUsage::default() })
}

#[test]
fn a_turn_that_has_used_its_budget_does_not_go_on() {
    let mut core = working_within(UsageBudget { max_tokens: NonZeroU64::new(10), ..UsageBudget::default() });
    interrupt(&mut core);
    core.step(NOW_MS, used(20));
    let actions = aborted(&mut core, "so far");
    let AttemptEnd::Fail { reason, result, .. } = recorded_end(&actions) else { panic!("{actions:?}") };
    assert_eq!((reason.as_str(), result.as_str()), ("its budget is used up: 21 of 10 tokens", "so far"));
    let actions = core.step(NOW_MS, WorkerEvent::Recorded);
    let Some(WorkerAction::StartTurn { turn: 2, task: None, texts, .. }) = actions.last() else {
        panic!("{actions:?}")
    };
    assert_eq!(texts, &[TEXT], "the text is not lost");
}

#[test]
fn what_was_carried_over_a_wait_after_which_the_budget_is_spent_is_told_as_lost_or_waits_again() {
    let mut core = working_within(UsageBudget { max_time_ms: NonZeroU64::new(10), ..UsageBudget::default() });
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Next)]));
    interrupt(&mut core);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(2, Urgency::Now)]));
    aborted(&mut core, "so far");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    let limit = ProviderLimit { until_ms: Some(NOW_MS + 100_000), reason: "used up".to_owned() };
    core.step(NOW_MS, WorkerEvent::Limited(limit));
    core.step(NOW_MS + 10, WorkerEvent::TurnEnded { end: TurnEnd::failed("used up"), result: String::new() });
    let actions = core.step(NOW_MS + 100_000, WorkerEvent::Tick);
    let reason = "its budget is used up: 0.0 s of 0.0 s".to_owned();
    assert!(actions.contains(&said(TEXT, ReceiptState::Lost { reason })), "{actions:?}");
    assert!(matches!(recorded_end(&actions), AttemptEnd::Fail { .. }), "{actions:?}");
    let actions = core.step(NOW_MS + 100_000, WorkerEvent::Recorded);
    let Some(WorkerAction::StartTurn { texts, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(texts, &[TextId::Message(id(2)), TextId::Message(id(1))]);
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
