//! What a worker does about what its agent tells: receipts, limits, and whose fault a failure is.

use teamster_protocol::model::agent::{AgentSession, ProviderLimit, SessionBegin, SessionId};
use teamster_protocol::model::limits::{PARK_DEFAULT, PARK_MIN};
use teamster_protocol::model::roster::{OnStall, StallPolicy};

use super::*;

fn receipt(text: TextId, state: ReceiptState) -> WorkerEvent {
    WorkerEvent::Receipt { text, state }
}

fn said_receipt(text: TextId, state: ReceiptState) -> WorkerAction {
    WorkerAction::Say(TranscriptText::Receipt { text, state })
}

fn mail_text(number: u128) -> TextId {
    TextId::Message(id(number))
}

/// Lets the mail steer the turn that runs; the driver tells this of it at once.
fn steers(core: &mut WorkerCore, number: u128, outcome: Result<ReceiptState, String>) -> Vec<WorkerAction> {
    let actions = core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(number, Urgency::Now)]));
    let [WorkerAction::Steer { of: SteerOf::Mail, text }] = &actions[..] else { panic!("{actions:?}") };
    let text = text.clone();
    core.step(NOW_MS, WorkerEvent::Steered { of: SteerOf::Mail, text, outcome })
}

fn ends(core: &mut WorkerCore, end: TurnEnd) -> Vec<WorkerAction> {
    core.step(NOW_MS, WorkerEvent::TurnEnded { end, result: String::new() })
}

fn failed(fault: AgentFault) -> TurnEnd {
    TurnEnd::Failed { reason: "why".to_owned(), fault }
}

#[test]
fn a_message_is_acknowledged_when_the_agent_has_it_and_once() {
    let mut core = working(PromptKind::Conversation);
    let shown = WorkerAction::Say(TranscriptText::Mail { id: id(1), from: Address::Lead, text: "words 1".to_owned() });
    assert_eq!(steers(&mut core, 1, Ok(ReceiptState::Accepted)), [shown]);
    let queued = said_receipt(mail_text(1), ReceiptState::Queued);
    assert_eq!(core.step(NOW_MS, receipt(mail_text(1), ReceiptState::Queued)), [queued]);
    assert_eq!(core.status(0).unread, 1);
    let delivered = said_receipt(mail_text(1), ReceiptState::Delivered);
    assert_eq!(core.step(NOW_MS, receipt(mail_text(1), ReceiptState::Delivered)), [delivered, acknowledge(1)]);
    assert_eq!(core.step(NOW_MS, receipt(mail_text(1), ReceiptState::Queued)), [], "it only grows");
    let in_context = said_receipt(mail_text(1), ReceiptState::InContext);
    assert_eq!(core.step(NOW_MS, receipt(mail_text(1), ReceiptState::InContext)), [in_context]);
    let answered = said_receipt(mail_text(1), ReceiptState::Answered);
    assert_eq!(ends(&mut core, TurnEnd::Completed)[0], answered);
}

#[test]
fn a_steer_that_the_turn_did_not_take_is_handed_on_after_it_and_shown_once() {
    for told in [Some(ReceiptState::Lost { reason: "unread".to_owned() }), None] {
        let mut core = working(PromptKind::Conversation);
        steers(&mut core, 1, Ok(ReceiptState::Accepted));
        if let Some(lost) = told {
            assert_eq!(core.step(NOW_MS, receipt(mail_text(1), lost)), [], "it is not lost: it waits");
        }
        let actions = ends_turn(&mut core);
        assert_eq!(shown(&actions), [], "it was shown before");
        let Some(WorkerAction::StartTurn { turn: 2, work, .. }) = actions.last() else { panic!("{actions:?}") };
        assert_eq!(work.text(), "Message from lead:\nwords 1");
        core.step(NOW_MS, WorkerEvent::PromptTaken);
        assert!(core.step(NOW_MS, delivered(2)).contains(&acknowledge(1)));
    }
}

#[test]
fn an_agent_that_does_not_confirm_has_what_its_completed_turn_was_told() {
    let mut core = working(PromptKind::Conversation);
    steers(&mut core, 1, Ok(ReceiptState::Unconfirmed));
    assert!(ends(&mut core, TurnEnd::Completed).contains(&acknowledge(1)));
    // Not if the turn came to nothing.
    for end in [TurnEnd::Aborted, failed(AgentFault::Agent), TurnEnd::NotBegun { reason: "why".to_owned() }] {
        let mut core = working(PromptKind::Conversation);
        steers(&mut core, 1, Ok(ReceiptState::Unconfirmed));
        assert!(!ends(&mut core, end.clone()).contains(&acknowledge(1)), "{end:?}");
    }
}

#[test]
fn what_the_agent_keeps_over_the_end_of_a_turn_gets_a_turn_of_its_own_and_only_one() {
    let mut core = working(PromptKind::Conversation);
    steers(&mut core, 1, Ok(ReceiptState::Queued));
    assert_eq!(ends_turn(&mut core).last(), Some(&WorkerAction::ClaimNext), "a task would carry it along");
    let actions = core.step(NOW_MS, WorkerEvent::Claimed(None));
    assert!(matches!(actions.last(), Some(WorkerAction::StartTurn { turn: 2, task: None, .. })), "{actions:?}");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    // It keeps it still: it is put to it as a prompt.
    let actions = ends(&mut core, TurnEnd::Completed);
    let Some(WorkerAction::StartTurn { turn: 3, work, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(work.text(), "Message from lead:\nwords 1");
}

#[test]
fn the_prompt_of_a_call_is_lost_with_its_agent_and_that_of_a_task_is_told_by_the_board() {
    let mut core = idle(PromptKind::Conversation);
    let ask = WorkerAsk::Prompt { work: TaskWork::Prompt("go".to_owned()) };
    core.step(NOW_MS, WorkerEvent::Called { call: CallId(1), what: ask });
    let answers = core.step(NOW_MS, WorkerEvent::PromptTaken);
    assert!(
        matches!(&answers[..], [WorkerAction::Answer { answer: Ok(WorkerAnswer::Prompted(_)), .. }]),
        "{answers:?}"
    );
    core.step(NOW_MS, delivered(1));
    let lost = said_receipt(TextId::prompt_of(1), ReceiptState::Lost { reason: "why".to_owned() });
    assert!(ends(&mut core, failed(AgentFault::Agent)).contains(&lost));

    let mut core = working(PromptKind::Conversation);
    assert_eq!(core.step(NOW_MS, delivered(1)), []);
}

#[test]
fn a_task_fails_by_its_own_fault_only_and_any_other_ends_the_worker() {
    let claim = TaskClaim { id: TaskId(1), owner: "alice".parse().unwrap(), attempt: 1 };
    let release = |claim| AttemptEnd::Release { claim, why: ReleaseWhy::WorkerLeft, partial: String::new() };
    let fail = AttemptEnd::Fail { claim: claim.clone(), reason: "why".to_owned(), result: String::new() };
    let die = AttemptEnd::Die { claim: claim.clone(), cause: "why".to_owned(), partial: String::new() };
    for (fault, attempt) in [
        (AgentFault::Prompt, fail),
        (AgentFault::Place, release(claim.clone())),
        (AgentFault::Provider, release(claim)),
        (AgentFault::Agent, die),
    ] {
        let mut core = working(PromptKind::Conversation);
        assert!(ends(&mut core, failed(fault)).contains(&recorded(attempt)), "{fault:?}");
        let actions = core.step(NOW_MS, WorkerEvent::Recorded);
        let reason = "why".to_owned();
        let how = match fault {
            AgentFault::Provider => WorkerEnd::ProviderRefused { reason },
            AgentFault::Prompt | AgentFault::Place | AgentFault::Agent => WorkerEnd::AgentGone { reason },
        };
        let last = if fault == AgentFault::Prompt { WorkerAction::ClaimNext } else { WorkerAction::Leave { how } };
        assert_eq!(actions.last(), Some(&last), "{fault:?}");
    }
}

fn limited(until_ms: Option<u64>) -> WorkerEvent {
    WorkerEvent::Limited(ProviderLimit { until_ms, reason: "used up".to_owned() })
}

#[test]
fn a_limit_keeps_the_task_and_begins_it_again_in_time() {
    let mut core = working(PromptKind::Conversation);
    let until_ms = NOW_MS + 50_000;
    let told = WorkerAction::TellLimit { until_ms, reason: "used up".to_owned() };
    assert_eq!(core.step(NOW_MS, limited(Some(until_ms))), [told]);
    let actions = ends(&mut core, failed(AgentFault::Provider));
    let parked =
        TranscriptText::Parked { task: Some(TaskId(1)), turn: Some(1), until_ms, reason: "used up".to_owned() };
    assert_eq!(actions.last(), Some(&WorkerAction::Say(parked)));
    assert!(!actions.iter().any(|action| matches!(action, WorkerAction::Record { .. } | WorkerAction::Leave { .. })));
    assert_eq!(core.next_tick_ms(), Some(until_ms));
    let doing = core.step(
        NOW_MS,
        WorkerEvent::Called { call: CallId(1), what: WorkerAsk::Prompt { work: TaskWork::Prompt("x".into()) } },
    );
    assert!(
        matches!(&doing[..], [WorkerAction::Answer { answer: Err(refused), .. }] if refused.why.contains("parked"))
    );
    assert_eq!(core.step(NOW_MS, WorkerEvent::Rang), []);
    let actions = core.step(until_ms, WorkerEvent::Tick);
    assert!(matches!(&actions[..], [WorkerAction::StartTurn { turn: 2, task: Some(TaskId(1)), .. }]), "{actions:?}");
}

#[test]
fn a_limit_without_a_reset_or_with_one_that_is_past_still_waits() {
    for (until_ms, wait) in [(None, PARK_DEFAULT), (Some(1), PARK_MIN)] {
        let mut core = working(PromptKind::Conversation);
        core.step(NOW_MS, limited(until_ms));
        ends(&mut core, failed(AgentFault::Provider));
        assert_eq!(core.next_tick_ms(), Some(NOW_MS + ms(wait)));
    }
}

#[test]
fn a_limit_while_nothing_is_in_hand_takes_no_task_until_it_is_over() {
    let mut core = idle(PromptKind::Conversation);
    let actions = core.step(NOW_MS, limited(Some(NOW_MS + 5_000)));
    assert!(
        matches!(
            &actions[..],
            [
                WorkerAction::TellLimit { .. },
                WorkerAction::Away,
                WorkerAction::Say(TranscriptText::Parked { task: None, .. })
            ]
        ),
        "{actions:?}"
    );
    assert_eq!(core.step(NOW_MS + 5_000, WorkerEvent::Tick).last(), Some(&WorkerAction::ClaimNext));
}

#[test]
fn a_parked_worker_that_is_asked_to_end_gives_its_task_back_and_ends() {
    let parked = || {
        let mut core = working(PromptKind::Conversation);
        core.step(NOW_MS, limited(Some(NOW_MS + 50_000)));
        ends(&mut core, failed(AgentFault::Provider));
        core
    };
    let claim = || TaskClaim { id: TaskId(1), owner: "alice".parse().unwrap(), attempt: 1 };
    let release = |why| {
        let attempt = AttemptEnd::Release { claim: claim(), why, partial: String::new() };
        WorkerAction::Record { attempt, used: UsageSum::default() }
    };
    for event in [WorkerEvent::MailArrived(vec![shutdown(1, WhenBusy::Refuse)]), WorkerEvent::Terminated] {
        let mut core = parked();
        assert_eq!(core.step(NOW_MS, event).last(), Some(&release(ReleaseWhy::WorkerLeft)));
        let actions = core.step(NOW_MS, WorkerEvent::Recorded);
        assert!(matches!(actions.last(), Some(WorkerAction::Leave { .. })), "{actions:?}");
    }
    let mut core = parked();
    let abort = WorkerAsk::Abort { reason: String::new() };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(1), what: abort });
    let asked = WorkerAction::Say(TranscriptText::AskedToStop { turn: 1, reason: String::new() });
    assert_eq!(actions[0], asked);
    assert!(matches!(&actions[1..], [WorkerAction::Answer { .. }, record] if *record == release(ReleaseWhy::Stopped)));
    let actions = core.step(NOW_MS, WorkerEvent::Recorded);
    assert!(
        matches!(actions.last(), Some(WorkerAction::Say(TranscriptText::Parked { task: None, .. }))),
        "{actions:?}"
    );
}

#[test]
fn the_name_of_a_conversation_is_kept_for_the_next_life() {
    let session = AgentSession { id: SessionId("s1".to_owned()), begun: SessionBegin::Fresh };
    let mut core = worker(PromptKind::Conversation);
    let actions = core.step(NOW_MS, WorkerEvent::AgentReady { session: Some(session.clone()) });
    let keep = WorkerAction::KeepSession { session: session.id.clone() };
    assert_eq!(
        actions[..3],
        [WorkerAction::Say(TranscriptText::Ready), keep, WorkerAction::Say(TranscriptText::Session { session })]
    );
}

/// At a prompt of the lead.
fn at_prompt() -> WorkerCore {
    let mut core = idle(PromptKind::Conversation);
    let ask = WorkerAsk::Prompt { work: TaskWork::Prompt("go".to_owned()) };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(1), what: ask });
    assert_eq!(texts_of_turn(&actions), [TextId::prompt_of(1)]);
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, delivered(1));
    core
}

/// The texts that the turn is begun with.
fn texts_of_turn(actions: &[WorkerAction]) -> Vec<TextId> {
    let texts = |action: &WorkerAction| match action {
        WorkerAction::StartTurn { texts, .. } => Some(texts.clone()),
        _ => None,
    };
    actions.iter().find_map(texts).expect("a turn begins")
}

fn said_lost(text: TextId, reason: &str) -> WorkerAction {
    said_receipt(text, ReceiptState::Lost { reason: reason.to_owned() })
}

#[test]
fn a_steer_that_is_kept_is_named_in_each_turn_and_lost_with_the_worker() {
    let mut core = at_prompt();
    let steer = TextId::InTurn { turn: 1, number: 1 };
    let ask = WorkerAsk::Steer { text: "left".to_owned(), haste: SteerHaste::Patient };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(2), what: ask });
    let [WorkerAction::Steer { of, text }] = &actions[..] else { panic!("{actions:?}") };
    let (of, text) = (of.clone(), text.clone());
    core.step(NOW_MS, WorkerEvent::Steered { of, text, outcome: Ok(ReceiptState::Queued) });
    ends(&mut core, TurnEnd::Completed);
    let actions = core.step(NOW_MS, claimed(1));
    assert!(actions.contains(&said_receipt(steer, ReceiptState::Queued)), "{actions:?}");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::Terminated);
    ends(&mut core, TurnEnd::Aborted);
    let actions = core.step(NOW_MS, WorkerEvent::Recorded);
    assert!(actions.contains(&said_lost(steer, "its worker ended before a turn took it")), "{actions:?}");
}

#[test]
fn a_turn_says_which_texts_its_prompt_is_made_of() {
    let mut core = worker(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    assert_eq!(texts_of_turn(&core.step(NOW_MS, claimed(1))), [], "the board tells of tasks");
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Next), text(2, Urgency::Next)]));
    assert_eq!(texts_of_turn(&ends_turn(&mut core)), [mail_text(1), mail_text(2)]);
    let mut core = working(PromptKind::Conversation);
    steers(&mut core, 1, Ok(ReceiptState::Queued));
    ends_turn(&mut core);
    assert_eq!(texts_of_turn(&core.step(NOW_MS, WorkerEvent::Claimed(None))), [mail_text(1)]);
}

#[test]
fn a_prompt_that_waits_for_the_provider_is_not_lost_and_is_begun_again_by_its_name() {
    let mut core = at_prompt();
    core.step(NOW_MS, limited(Some(NOW_MS + 50_000)));
    let actions = ends(&mut core, failed(AgentFault::Provider));
    let ended =
        TranscriptText::TurnEnded { turn: 1, task: None, end: failed(AgentFault::Provider), used: UsageSum::default() };
    let (until_ms, reason) = (NOW_MS + 50_000, "used up".to_owned());
    let parked = TranscriptText::Parked { task: None, turn: Some(1), until_ms, reason };
    assert_eq!(actions, [WorkerAction::Say(ended), WorkerAction::Say(parked)]);
    let actions = core.step(NOW_MS + 50_000, WorkerEvent::Tick);
    assert!(matches!(&actions[..], [WorkerAction::StartTurn { turn: 2, .. }]), "{actions:?}");
    assert_eq!(texts_of_turn(&actions), [TextId::prompt_of(1)]);
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, delivered(2));
    let answered = said_receipt(TextId::prompt_of(1), ReceiptState::Answered);
    assert!(ends(&mut core, TurnEnd::Completed).contains(&answered));
}

#[test]
fn a_message_that_the_agent_had_when_the_limit_came_is_given_to_it_again() {
    let mut core = idle(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Next)]));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    assert!(core.step(NOW_MS, delivered(1)).contains(&acknowledge(1)));
    core.step(NOW_MS, limited(Some(NOW_MS + 50_000)));
    let actions = ends(&mut core, failed(AgentFault::Provider));
    assert!(!actions.contains(&said_lost(mail_text(1), "why")), "{actions:?}");
    assert_eq!(core.status(0).unread, 0);
    assert_eq!(texts_of_turn(&core.step(NOW_MS + 50_000, WorkerEvent::Tick)), [mail_text(1)]);
    core.step(NOW_MS + 50_000, WorkerEvent::PromptTaken);
    assert_eq!(core.step(NOW_MS + 50_000, delivered(2)), [], "it is acknowledged");
    let answered = said_receipt(mail_text(1), ReceiptState::Answered);
    assert!(ends(&mut core, TurnEnd::Completed).contains(&answered));
}

#[test]
fn a_message_that_the_agent_had_when_the_limit_came_is_said_to_be_lost_with_its_worker() {
    let mut core = idle(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Next)]));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    assert!(core.step(NOW_MS, delivered(1)).contains(&acknowledge(1)));
    core.step(NOW_MS, limited(Some(NOW_MS + 50_000)));
    ends(&mut core, failed(AgentFault::Provider));
    let actions = core.step(NOW_MS, WorkerEvent::Terminated);
    let lost: Vec<_> = core.step(NOW_MS, WorkerEvent::Recorded).into_iter().chain(actions).collect();
    assert!(lost.contains(&said_lost(mail_text(1), "its worker ended before a turn took it")), "{lost:?}");
}

#[test]
fn a_prompt_that_ends_with_its_worker_or_while_it_is_parked_is_said_to_be_lost() {
    let prompt = TextId::prompt_of(1);
    let mut core = at_prompt();
    core.step(NOW_MS, WorkerEvent::Terminated);
    assert!(ends(&mut core, TurnEnd::Aborted).contains(&said_lost(prompt, "its worker was told to end")));

    let parked = || {
        let mut core = at_prompt();
        core.step(NOW_MS, limited(Some(NOW_MS + 50_000)));
        ends(&mut core, failed(AgentFault::Provider));
        core
    };
    let actions = parked().step(NOW_MS, WorkerEvent::Terminated);
    assert!(actions.contains(&said_lost(prompt, "its worker was told to end")), "{actions:?}");
    let abort = WorkerAsk::Abort { reason: String::new() };
    let actions = parked().step(NOW_MS, WorkerEvent::Called { call: CallId(2), what: abort });
    assert!(actions.contains(&said_lost(prompt, "the turn was aborted")), "{actions:?}");

    // A turn that is stopped is none of that: the agent has the prompt.
    let mut core = at_prompt();
    let abort = WorkerAsk::Abort { reason: String::new() };
    core.step(NOW_MS, WorkerEvent::Called { call: CallId(2), what: abort });
    let actions = ends(&mut core, TurnEnd::Aborted);
    assert!(!actions.contains(&said_lost(prompt, "the turn was aborted")), "{actions:?}");
}

#[test]
fn a_prompt_on_which_the_agent_hangs_is_lost_with_the_agent() {
    let me = WaitingClaimant::new("alice".parse().unwrap());
    let settings = WorkerSettings::new(me, abilities(PromptKind::Conversation), StartedBy::Hand);
    let stall = StallPolicy { after_ms: 1_000, then: OnStall::Restart };
    let mut core = WorkerCore::new(WorkerSettings { stall, ..settings }, 0);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, WorkerEvent::Claimed(None));
    let ask = WorkerAsk::Prompt { work: TaskWork::Prompt("go".to_owned()) };
    core.step(NOW_MS, WorkerEvent::Called { call: CallId(1), what: ask });
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core.step(NOW_MS, delivered(1));
    core.step(NOW_MS + 1_000, WorkerEvent::Tick);
    let reason = "its agent said nothing for 1.0 s";
    let end = TurnEnd::Failed { reason: reason.to_owned(), fault: AgentFault::Agent };
    let ended = WorkerAction::Say(TranscriptText::TurnEnded { turn: 1, task: None, end, used: one_turn() });
    assert_eq!(ends(&mut core, TurnEnd::Aborted)[..2], [said_lost(TextId::prompt_of(1), reason), ended]);
}
