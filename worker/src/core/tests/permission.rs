//! Questions for permission: who answers each, when, and what becomes of the answer that comes too late.

use teamster_protocol::model::agent::{ApprovalPolicy, Permission, PermissionBy, PermissionQuestion, QuestionId};
use teamster_protocol::model::approval::{ApprovalRule, RuleAnswer, RulePattern};
use teamster_protocol::model::limits::{PERMISSION_WITHIN, QUESTION_DETAIL_BYTES_MAX, QUESTIONS_WAITING_MAX};
use teamster_protocol::model::roster::{OnStall, StallPolicy};

use super::*;

fn asks(id: &str, subject: &str) -> WorkerEvent {
    WorkerEvent::PermissionAsked(PermissionQuestion {
        question: QuestionId(id.to_owned()),
        tool: "sh".to_owned(),
        title: format!("sh {subject}"),
        detail: String::new(),
        subject: subject.to_owned(),
    })
}

/// A worker in a turn, with these settings.
fn begun(change: impl FnOnce(&mut WorkerSettings)) -> WorkerCore {
    let me = WaitingClaimant::new("alice".parse().unwrap());
    let mut settings = WorkerSettings::new(me, abilities(PromptKind::Conversation), StartedBy::Hand);
    change(&mut settings);
    let mut core = WorkerCore::new(settings, 0);
    core.step(NOW_MS, WorkerEvent::AgentReady { session: None });
    core.step(NOW_MS, claimed_for(PromptKind::Conversation, 1));
    core.step(NOW_MS, WorkerEvent::PromptTaken);
    core
}

/// Lets the agent ask, and the hands put the question to the lead as entry `number`.
fn put(core: &mut WorkerCore, id: &str, number: u64) {
    let actions = core.step(NOW_MS, asks(id, "rm -r x"));
    assert!(matches!(&actions[..], [WorkerAction::AskLead { task: Some(TaskId(1)), .. }]), "{actions:?}");
    let question = QuestionId(id.to_owned());
    assert!(core.step(NOW_MS, WorkerEvent::LeadAsked { question, number }).is_empty());
}

/// How a question was answered, and by whom.
fn answered(actions: &[WorkerAction]) -> Option<(Permission, PermissionBy)> {
    actions.iter().find_map(|action| match action {
        WorkerAction::Say(TranscriptText::PermissionAnswered { answer, by, .. }) => Some((answer.clone(), *by)),
        _ => None,
    })
}

/// What the agent is told.
fn permitted(actions: &[WorkerAction]) -> Vec<(&str, &Permission)> {
    let mut told = Vec::new();
    for action in actions {
        if let WorkerAction::Permit { question, answer } = action {
            told.push((question.0.as_str(), answer));
        }
    }
    told
}

fn permit(core: &mut WorkerCore, call: u64, question: u64, answer: Permission) -> Vec<WorkerAction> {
    let what = WorkerAsk::Permit { question, answer };
    core.step(NOW_MS, WorkerEvent::Called { call: CallId(call), what })
}

fn mailed(core: &mut WorkerCore, id: u128, from: Address, question: u64, answer: Permission) -> Vec<WorkerAction> {
    let body = MessageBody::PermissionReply { question, answer };
    let id = MessageId::from_parts(0, id);
    let message = Message { id, from, sent_ms: NOW_MS, urgency: Urgency::Now, body };
    core.step(NOW_MS, WorkerEvent::MailArrived(vec![message]))
}

fn no(reason: &str) -> Permission {
    Permission::Never { reason: reason.to_owned() }
}

#[test]
fn a_question_is_answered_by_the_lead_once() {
    let mut core = begun(|_| ());
    put(&mut core, "q1", 7);
    put(&mut core, "q2", 8);
    let actions = permit(&mut core, 1, 8, Permission::Always);
    assert_eq!(permitted(&actions), [("q2", &Permission::Always)]);
    assert_eq!(answered(&actions), Some((Permission::Always, PermissionBy::Lead)));
    for (call, number) in [(2, 8), (3, 9), (4, 0)] {
        let again = permit(&mut core, call, number, no("late"));
        assert!(matches!(&again[..], [WorkerAction::Answer { answer: Err(_), .. }]), "{again:?}");
    }
    assert_eq!(permitted(&permit(&mut core, 5, 7, no("not here"))), [("q1", &no("not here"))]);
}

#[test]
fn an_answer_by_mail_is_obeyed_if_it_is_the_leads_and_the_first() {
    let mut core = begun(|_| ());
    put(&mut core, "q1", 7);
    let refused = mailed(&mut core, 1, Address::Member("bob".parse().unwrap()), 7, Permission::Once);
    assert!(permitted(&refused).is_empty(), "no member answers: {refused:?}");
    assert!(matches!(&refused[0], WorkerAction::Say(TranscriptText::Trouble { .. })), "{refused:?}");
    let actions = mailed(&mut core, 2, Address::Lead, 7, no("not on this branch"));
    assert_eq!(permitted(&actions), [("q1", &no("not on this branch"))]);
    assert_eq!(answered(&actions), Some((no("not on this branch"), PermissionBy::Lead)));
    let second = mailed(&mut core, 3, Address::Lead, 7, Permission::Once);
    assert!(permitted(&second).is_empty(), "{second:?}");
    assert!(matches!(&second[0], WorkerAction::Say(TranscriptText::Trouble { .. })), "{second:?}");
    for actions in [refused, actions, second] {
        assert!(matches!(actions.last(), Some(WorkerAction::Acknowledge { .. })), "{actions:?}");
    }
}

#[test]
fn an_answer_to_the_question_of_an_earlier_life_answers_no_later_one() {
    let mut core = begun(|_| ());
    put(&mut core, "q1", 70);
    assert!(permitted(&mailed(&mut core, 1, Address::Lead, 7, Permission::Once)).is_empty());
    assert_eq!(permitted(&mailed(&mut core, 2, Address::Lead, 70, Permission::Once)).len(), 1);
}

#[test]
fn a_question_ends_by_time_or_with_its_turn() {
    let mut core = begun(|settings| settings.permission_within = Duration::from_secs(90));
    put(&mut core, "q1", 7);
    assert_eq!(core.next_tick_ms(), Some(NOW_MS + 90_000));
    let late = core.step(NOW_MS + 90_000, WorkerEvent::Tick);
    assert_eq!(answered(&late), Some((no("nobody answered within 90 s"), PermissionBy::Timeout)));
    assert_eq!(permitted(&late).len(), 1, "the agent is told");
    assert!(permitted(&permit(&mut core, 1, 7, Permission::Once)).is_empty());

    let mut core = begun(|_| ());
    put(&mut core, "q1", 7);
    let ended = core.step(NOW_MS, WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() });
    assert_eq!(answered(&ended).map(|(_, by)| by), Some(PermissionBy::TurnEnd));
}

#[test]
fn a_rule_answers_before_the_setting_and_a_setting_before_the_lead() {
    let rule = |pattern: &str, answer| ApprovalRule {
        tool: RulePattern("sh".to_owned()),
        pattern: Some(RulePattern(pattern.to_owned())),
        answer,
        reason: None,
    };
    let rules = vec![rule("rm -r y", RuleAnswer::Deny), rule("make*", RuleAnswer::Allow)];
    for approval in [ApprovalPolicy::Ask, ApprovalPolicy::Auto, ApprovalPolicy::Deny] {
        let rules = rules.clone();
        let mut core = begun(|settings| (settings.rules, settings.approval) = (rules, approval));
        let by = |actions: &[WorkerAction]| answered(actions).map(|(answer, by)| (answer == Permission::Once, by));
        assert_eq!(by(&core.step(NOW_MS, asks("q1", "rm -r y"))), Some((false, PermissionBy::Rule)), "{approval:?}");
        assert_eq!(by(&core.step(NOW_MS, asks("q2", "make it"))), Some((true, PermissionBy::Rule)), "{approval:?}");
        let other = core.step(NOW_MS, asks("q3", "ls"));
        let expected = match approval {
            ApprovalPolicy::Ask => None,
            ApprovalPolicy::Auto => Some((true, PermissionBy::Policy)),
            ApprovalPolicy::Deny => Some((false, PermissionBy::Policy)),
        };
        assert_eq!(by(&other), expected, "{other:?}");
        let asked = |action: &WorkerAction| match action {
            WorkerAction::Say(TranscriptText::PermissionAsked { until_ms, .. }) => until_ms.is_none(),
            WorkerAction::AskLead { .. } => true,
            _ => false,
        };
        assert!(asked(&other[0]), "each question is written down: {other:?}");
    }
}

#[test]
fn a_question_that_nobody_can_see_is_answered_with_no() {
    let mut core = begun(|_| ());
    core.step(NOW_MS, asks("q1", "make"));
    let why = "its transcript is full".to_owned();
    let actions = core.step(NOW_MS, WorkerEvent::LeadNotAsked { question: QuestionId("q1".to_owned()), why });
    assert_eq!(
        answered(&actions),
        Some((no("the lead can not be asked: its transcript is full"), PermissionBy::Unasked))
    );
    for number in 1..=QUESTIONS_WAITING_MAX as u64 {
        put(&mut core, &format!("s{number}"), number);
    }
    let one_more = core.step(NOW_MS, asks("more", "make"));
    assert_eq!(answered(&one_more).map(|(_, by)| by), Some(PermissionBy::Unasked), "{one_more:?}");
    let long = core.step(NOW_MS, asks("long", &"x".repeat(QUESTION_DETAIL_BYTES_MAX + 1)));
    let TranscriptText::PermissionAsked { asked, .. } = said(&long[0]) else { panic!("{long:?}") };
    assert!(asked.subject.is_empty() && asked.title.len() < 2_000, "{} {}", asked.subject.len(), asked.title.len());
}

fn said(action: &WorkerAction) -> &TranscriptText {
    match action {
        WorkerAction::Say(said) => said,
        other => panic!("nothing is said: {other:?}"),
    }
}

#[test]
fn an_agent_that_waits_for_an_answer_does_not_stall() {
    let stall = StallPolicy { after_ms: 1_000, then: OnStall::Abort };
    let mut core = begun(|settings| settings.stall = stall);
    assert_eq!(core.next_tick_ms(), Some(NOW_MS + 1_000));
    put(&mut core, "q1", 7);
    assert_eq!(core.next_tick_ms(), Some(NOW_MS + ms(PERMISSION_WITHIN)));
    let at_ms = NOW_MS + 500_000;
    let what = WorkerAsk::Permit { question: 7, answer: Permission::Once };
    core.step(at_ms, WorkerEvent::Called { call: CallId(1), what });
    assert_eq!(core.next_tick_ms(), Some(at_ms + 1_000), "the silence counts from the answer");
}
