//! What a worker does about mail, by its urgency and by what it is at, and in which order it ends.

use teamster_protocol::model::agent::AgentFault;
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, PromptKind, abilities_of};
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::{Message, MessageBody, Urgency};
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::model::roster::StartedBy;
use teamster_protocol::model::shutdown::{ShutdownRequest, WhenBusy};
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::task::{CommandInput, TaskClaim};

use super::*;

mod agent;
mod briefing;
mod interruption;
mod limit;
mod permission;
mod renewal;
mod sleep;
mod usage;

const NOW_MS: u64 = 1_000;

fn abilities(prompts: PromptKind) -> AgentAbilities {
    AgentAbilities { prompts, ..abilities_of(DriverKind::Script) }
}

fn worker(prompts: PromptKind) -> WorkerCore {
    let me = WaitingClaimant::new("alice".parse().unwrap());
    WorkerCore::new(WorkerSettings::new(me, abilities(prompts), StartedBy::Hand), 0)
}

fn idle(prompts: PromptKind) -> WorkerCore {
    let mut core = worker(prompts);
    assert_eq!(core.step(NOW_MS, WorkerEvent::AgentReady { session: None }).last(), Some(&WorkerAction::ClaimNext));
    core.step(NOW_MS, WorkerEvent::Claimed(None));
    core
}

/// At task 1.
fn working(prompts: PromptKind) -> WorkerCore {
    let mut core = worker(prompts);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, claimed_for(prompts, 1));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core
}

/// At task 1, which is a command, whatever its agent is.
fn running(prompts: PromptKind, input: CommandInput) -> WorkerCore {
    let mut core = worker(prompts);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, claimed_work(1, TaskWork::Run { command: "cat".to_owned(), input }));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core
}

/// The use of a turn of which nothing was told and that took no time.
fn one_turn() -> UsageSum {
    UsageSum::of_turn(None, 0)
}

/// The record of an attempt that took one such turn.
fn recorded(attempt: AttemptEnd) -> WorkerAction {
    WorkerAction::Record { attempt, used: one_turn() }
}

/// The agent has the prompt of a turn.
fn delivered(turn: u64) -> WorkerEvent {
    WorkerEvent::Receipt { text: TextId::prompt_of(turn), state: ReceiptState::Delivered }
}

/// A task of the kind that such an agent takes.
fn claimed_for(prompts: PromptKind, task: u32) -> WorkerEvent {
    match prompts {
        PromptKind::Program => claimed_work(task, TaskWork::run("true")),
        PromptKind::Conversation => claimed_work(task, TaskWork::Prompt("do it".to_owned())),
    }
}

fn claimed(task: u32) -> WorkerEvent {
    claimed_work(task, TaskWork::run("true"))
}

fn claimed_work(task: u32, work: TaskWork) -> WorkerEvent {
    let claim = TaskClaim { id: TaskId(task), owner: "alice".parse().unwrap(), attempt: 1 };
    WorkerEvent::Claimed(Some(ClaimedTask { claim, work, timeout_ms: None, allowance: Default::default() }))
}

fn id(number: u128) -> MessageId {
    MessageId::from_parts(NOW_MS, number)
}

fn letter(number: u128, urgency: Urgency, body: MessageBody) -> Message {
    Message { id: id(number), from: Address::Lead, sent_ms: NOW_MS, urgency, body }
}

fn text(number: u128, urgency: Urgency) -> Message {
    letter(number, urgency, MessageBody::Text { text: format!("words {number}") })
}

fn shutdown(number: u128, when_busy: WhenBusy) -> Message {
    let (request, reason) = (id(1000 + number), String::new());
    let request = ShutdownRequest { request, reason, deadline_ms: NOW_MS + 1, when_busy };
    letter(number, Urgency::Now, MessageBody::ShutdownRequest(request))
}

fn reply(number: u128, verdict: ShutdownAnswer) -> WorkerAction {
    WorkerAction::Reply(ShutdownReply { request: id(1000 + number), verdict })
}

/// The line in the transcript about a request without a reason.
fn asked_to_end() -> WorkerAction {
    WorkerAction::Say(TranscriptText::AskedToEnd { reason: String::new() })
}

fn acknowledge(number: u128) -> WorkerAction {
    WorkerAction::Acknowledge { ids: vec![id(number)] }
}

/// What was shown of mail, by number.
fn shown(actions: &[WorkerAction]) -> Vec<MessageId> {
    let shown = |action: &WorkerAction| match action {
        WorkerAction::Say(TranscriptText::Mail { id, .. }) => Some(*id),
        _ => None,
    };
    actions.iter().filter_map(shown).collect()
}

fn ends_turn(core: &mut WorkerCore) -> Vec<WorkerAction> {
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    core.step(NOW_MS, WorkerEvent::Recorded)
}

#[test]
fn mail_that_can_wait_is_not_shown_while_there_is_work() {
    for prompts in [PromptKind::Conversation, PromptKind::Program] {
        let mut core = working(prompts);
        let mail = vec![text(1, Urgency::Idle), text(2, Urgency::Next), text(3, Urgency::Idle)];
        assert_eq!(core.step(NOW_MS, WorkerEvent::MailArrived(mail)), []);
        assert_eq!(core.status(0).unread, 3);

        let mut actions = ends_turn(&mut core);
        assert_eq!(shown(&actions), [id(2)], "what comes before the next turn is not held up by what can wait");
        if prompts == PromptKind::Conversation {
            core.step(NOW_MS, WorkerEvent::PromptTaken);
            actions = core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
        }
        assert_eq!(actions.last(), Some(&WorkerAction::ClaimNext));
        core.step(NOW_MS, claimed(2));
        assert_eq!(core.status(0).unread, 2, "there was another task");

        core.step(NOW_MS, WorkerEvent::PromptTaken);
        assert_eq!(shown(&ends_turn(&mut core)), []);
        assert_eq!(shown(&core.step(NOW_MS, WorkerEvent::Claimed(None))), [id(1), id(3)], "{prompts:?}");
        assert_eq!(core.status(0).unread, 0);
    }
}

#[test]
fn mail_that_can_wait_makes_an_idle_worker_look_for_work_first() {
    let mut core = idle(PromptKind::Program);
    assert_eq!(core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Idle)])), [WorkerAction::ClaimNext]);
    let actions = core.step(NOW_MS, WorkerEvent::Claimed(None));
    assert_eq!((shown(&actions), actions.last()), (vec![id(1)], Some(&acknowledge(1))));

    // Another one that finds a task does that.
    let mut core = idle(PromptKind::Program);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Idle)]));
    assert_eq!(shown(&core.step(NOW_MS, claimed(1))), []);
}

#[test]
fn an_agent_that_takes_prompts_is_taken_off_the_waiting_list_for_mail_that_could_wait() {
    let mut core = idle(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Idle)]));
    let actions = core.step(NOW_MS, WorkerEvent::Claimed(None));
    assert_eq!(actions.first(), Some(&WorkerAction::Away));
    assert!(matches!(actions.last(), Some(WorkerAction::StartTurn { task: None, .. })), "{actions:?}");
    assert_eq!(core.step(NOW_MS, WorkerEvent::PromptTaken), [], "the driver has it, which is not the agent");
    assert!(core.step(NOW_MS, delivered(1)).contains(&acknowledge(1)));
}

#[test]
fn urgent_mail_steers_a_running_turn_and_other_mail_does_not() {
    let mut core = working(PromptKind::Conversation);
    for urgency in [Urgency::Next, Urgency::Idle] {
        assert_eq!(core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(urgency as u128, urgency)])), []);
    }
    let actions = core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(9, Urgency::Now)]));
    assert!(matches!(&actions[..], [WorkerAction::Steer { .. }]), "{actions:?}");
}

fn called(core: &mut WorkerCore, what: WorkerAsk) -> Result<WorkerAnswer, AskRefused> {
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(7), what });
    let answer = actions.into_iter().find_map(|action| match action {
        WorkerAction::Answer { answer, .. } => Some(answer),
        _ => None,
    });
    answer.expect("a call that is refused is answered at once")
}

#[test]
fn words_are_never_given_to_an_agent_that_only_runs_commands() {
    let mut core = idle(PromptKind::Program);
    let words = WorkerAsk::Prompt { work: TaskWork::Prompt("late work".to_owned()) };
    let refused = called(&mut core, words).unwrap_err();
    assert_eq!(refused.why, "its agent runs commands only, and words are never run as one");
    assert_eq!(refused.hint.as_deref(), Some("if it is a command: teamster send alice --run COMMAND"));

    let what = WorkerAsk::Prompt { work: TaskWork::run("true") };
    let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(8), what });
    assert!(matches!(actions[..], [WorkerAction::Away, WorkerAction::StartTurn { .. }]), "{actions:?}");
}

#[test]
fn a_steer_to_a_command_whose_input_is_closed_is_refused_with_the_way_out() {
    for prompts in [PromptKind::Program, PromptKind::Conversation] {
        let steer = || WorkerAsk::Steer { text: "left".to_owned(), haste: SteerHaste::Patient };
        let refused = called(&mut running(prompts, CommandInput::Closed), steer()).unwrap_err();
        assert_eq!(refused.why, "it runs a command whose standard input is closed, so nothing reads it");
        assert!(refused.hint.is_some_and(|hint| hint.contains("--run -i")), "it has a way out");

        let mut core = running(prompts, CommandInput::Open);
        let actions = core.step(NOW_MS, WorkerEvent::Called { call: CallId(7), what: steer() });
        assert!(matches!(actions[..], [WorkerAction::Steer { of: SteerOf::Call(_), .. }]), "{actions:?}");
    }
}

#[test]
fn mail_is_never_put_into_the_input_of_a_command() {
    for prompts in [PromptKind::Program, PromptKind::Conversation] {
        let mut core = running(prompts, CommandInput::Open);
        assert_eq!(core.step(NOW_MS, WorkerEvent::MailArrived(vec![text(1, Urgency::Now)])), [], "it could be a shell");
        assert_eq!(shown(&ends_turn(&mut core)), [id(1)], "it is handed on after the command");
    }
}

#[test]
fn a_shutdown_request_is_answered_before_it_is_acknowledged() {
    let mut core = idle(PromptKind::Program);
    assert_eq!(
        core.step(NOW_MS, WorkerEvent::MailArrived(vec![shutdown(1, WhenBusy::Refuse)])),
        [
            asked_to_end(),
            reply(1, ShutdownAnswer::Approved),
            acknowledge(1),
            WorkerAction::Leave { how: WorkerEnd::Shutdown }
        ]
    );

    let task = Some(TaskId(1));
    let mut core = working(PromptKind::Program);
    assert_eq!(
        core.step(NOW_MS, WorkerEvent::MailArrived(vec![shutdown(1, WhenBusy::Refuse)])),
        [asked_to_end(), reply(1, ShutdownAnswer::Refused { task }), acknowledge(1)]
    );
    assert_eq!(
        core.step(NOW_MS, WorkerEvent::MailArrived(vec![shutdown(2, WhenBusy::Finish)])),
        [asked_to_end(), reply(2, ShutdownAnswer::Finishing { task }), acknowledge(2)]
    );
    let actions = ends_turn(&mut core);
    assert_eq!(
        actions[actions.len() - 2..],
        [reply(2, ShutdownAnswer::Approved), WorkerAction::Leave { how: WorkerEnd::Shutdown }]
    );
}

#[test]
fn a_shutdown_request_that_is_overtaken_is_acknowledged_once_and_not_answered() {
    let mut core = idle(PromptKind::Program);
    let both = vec![shutdown(1, WhenBusy::Refuse), shutdown(2, WhenBusy::Refuse)];
    assert_eq!(
        core.step(NOW_MS, WorkerEvent::MailArrived(both)),
        [
            asked_to_end(),
            asked_to_end(),
            acknowledge(1),
            reply(2, ShutdownAnswer::Approved),
            acknowledge(2),
            WorkerAction::Leave { how: WorkerEnd::Shutdown }
        ]
    );

    let mut core = working(PromptKind::Program);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![shutdown(1, WhenBusy::Finish)]));
    assert_eq!(
        core.step(NOW_MS, WorkerEvent::Terminated),
        [WorkerAction::AbortTurn],
        "it was acknowledged with its answer"
    );
}

/// At task 1, which may take a second.
fn working_in_time() -> WorkerCore {
    let mut core = worker(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    let claim = TaskClaim { id: TaskId(1), owner: "alice".parse().unwrap(), attempt: 1 };
    let task =
        ClaimedTask { claim, work: TaskWork::run("true"), timeout_ms: Some(1_000), allowance: Default::default() };
    core.step(NOW_MS, WorkerEvent::Claimed(Some(task)));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core
}

#[test]
fn a_clock_that_is_set_neither_ends_a_turn_nor_keeps_it() {
    const HOUR_MS: i64 = 3_600_000;
    for by_ms in [HOUR_MS, -HOUR_MS] {
        let start_ms = NOW_MS + 2 * HOUR_MS as u64;
        let mut core = working_in_time();
        core.step(NOW_MS, WorkerEvent::ClockSet { by_ms: 2 * HOUR_MS });
        let set_ms = start_ms.saturating_add_signed(by_ms);
        assert_eq!(core.step(set_ms, WorkerEvent::ClockSet { by_ms }), []);
        assert_eq!(core.step(set_ms + 999, WorkerEvent::Tick), [], "not earlier than it was to be");
        assert_eq!(core.step(set_ms + 1_000, WorkerEvent::Tick), [WorkerAction::AbortTurn], "nor later");
    }
}

#[test]
fn mail_is_not_taken_for_old_because_the_clock_was_set_back() {
    let mut core = idle(PromptKind::Conversation);
    core.step(NOW_MS, WorkerEvent::ClockSet { by_ms: -900 });
    let mut asked = shutdown(1, WhenBusy::Refuse);
    asked.sent_ms = NOW_MS - 800;
    assert!(
        core.step(NOW_MS - 800, WorkerEvent::MailArrived(vec![asked])).contains(&reply(1, ShutdownAnswer::Approved))
    );
}

#[test]
fn who_must_end_does_not_wait_for_ever_until_its_books_can_be_kept() {
    let not_recorded = || WorkerEvent::NotRecorded { error: "no space".to_owned() };
    let left =
        |actions: &[WorkerAction], how: WorkerEnd| assert_eq!(actions.last(), Some(&WorkerAction::Leave { how }));
    for (event, how) in
        [(WorkerEvent::Terminated, WorkerEnd::Terminated), (WorkerEvent::LeaderAbsent, WorkerEnd::LeaderGone)]
    {
        // It is told while it tries again and again …
        let mut core = working(PromptKind::Program);
        core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
        core.step(NOW_MS, not_recorded());
        core.step(NOW_MS + 1, event.clone());
        assert_eq!(core.next_tick_ms(), Some(NOW_MS + 1), "it tries once more, and at once");
        assert!(matches!(core.step(NOW_MS + 1, WorkerEvent::Tick)[..], [WorkerAction::Record { .. }]));
        left(&core.step(NOW_MS + 1, not_recorded()), how.clone());
        // … or before the first time.
        let mut core = working(PromptKind::Program);
        core.step(NOW_MS, event);
        core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Aborted, result: String::new() });
        left(&core.step(NOW_MS, not_recorded()), how);
    }
    // Who was asked to end has somebody who can make room.
    let mut core = working(PromptKind::Program);
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![shutdown(1, WhenBusy::Finish)]));
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    core.step(NOW_MS, not_recorded());
    assert!(core.next_tick_ms().is_some_and(|at_ms| at_ms > NOW_MS));
}

#[test]
fn what_is_wrong_with_its_place_fails_no_task_and_ends_the_worker() {
    let gone = WorkerEnd::AgentGone { reason: "no descriptor is left".to_owned() };
    let reason = || "no descriptor is left".to_owned();
    for taken in [true, false] {
        let mut core = working(PromptKind::Program);
        let event = match taken {
            true => WorkerEvent::TurnEnded { end: TurnEnd::NotBegun { reason: reason() }, result: String::new() },
            false => WorkerEvent::PromptRefused { reason: reason(), fault: AgentFault::Place },
        };
        let claim = TaskClaim { id: TaskId(1), owner: "alice".parse().unwrap(), attempt: 1 };
        let released = AttemptEnd::Release { claim, why: ReleaseWhy::WorkerLeft, partial: String::new() };
        assert_eq!(core.step(NOW_MS, event), [recorded(released)]);
        let actions = core.step(NOW_MS, WorkerEvent::Recorded);
        assert_eq!(actions.last(), Some(&WorkerAction::Leave { how: gone.clone() }));
        assert!(!actions.contains(&WorkerAction::ClaimNext), "{actions:?}");
    }
    // A prompt that no agent can take fails alone.
    let mut core = working(PromptKind::Program);
    let refused = core.step(NOW_MS, WorkerEvent::PromptRefused { reason: reason(), fault: AgentFault::Prompt });
    assert!(matches!(refused[..], [WorkerAction::Record { attempt: AttemptEnd::Fail { .. }, .. }]), "{refused:?}");
    assert_eq!(core.step(NOW_MS, WorkerEvent::Recorded).last(), Some(&WorkerAction::ClaimNext));
}

#[test]
fn what_can_not_be_ended_has_no_other_turn_begun_beside_it() {
    let mut core = working(PromptKind::Program);
    assert!(core.step(NOW_MS, WorkerEvent::AgentGone { reason: "still there".to_owned() }).is_empty());
    core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Aborted, result: String::new() });
    let how = WorkerEnd::AgentGone { reason: "still there".to_owned() };
    assert_eq!(core.step(NOW_MS, WorkerEvent::Recorded).last(), Some(&WorkerAction::Leave { how }));
}
