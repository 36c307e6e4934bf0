//! Mail: bytes are a message, or else the text of one. A text is never control, whoever sends it and whatever it says;
//! control is obeyed only from the lead; and what is handed on is what was sent.

use teamster_leader::ops::text::harmless_lines;
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::id::{Address, MessageId, TaskId};
use teamster_protocol::model::mail::{MailFact, Mailbox, Message, MessageBody, Urgency};
use teamster_protocol::model::roster::StartedBy;
use teamster_protocol::model::task::{TaskClaim, TaskWork};
use teamster_protocol::store::file::{FactOffset, FactStamp, LogFold};
use teamster_worker::core::{ClaimedTask, WorkerAction, WorkerCore, WorkerEvent, WorkerSettings};

const NOW_MS: u64 = 1_000;

pub(super) fn run(bytes: &[u8]) {
    let message = serde_json::from_slice(bytes).unwrap_or_else(|_| text_of(bytes));
    let mailbox = Mailbox::default();
    let Ok(facts) = mailbox.deliver(message.clone()) else {
        return assert!(matches!(message.body, MessageBody::Text { .. }), "only texts are refused");
    };
    for fact in facts {
        let line = serde_json::to_string(&fact).expect("a message can be written");
        assert!(!line.contains('\n'), "a record is one line");
        let again: MailFact = serde_json::from_str(&line).expect("what was written can be read");
        assert!(again == fact, "{line} is read as something else");
        let mut mailbox = Mailbox::default();
        let stamp = FactStamp { seq: 1, at_ms: NOW_MS, by: message.from.as_str(), offset: FactOffset::NONE };
        mailbox.apply(fact, &stamp);
        assert_eq!(mailbox.unread_len(), 1);
    }
    for abilities in [DriverKind::Shell, DriverKind::Script].map(abilities_of) {
        for at in [At::Start, At::Rest, At::Work] {
            reads(&message, abilities, at);
        }
    }
}

fn text_of(bytes: &[u8]) -> Message {
    let text = String::from_utf8_lossy(bytes).into_owned();
    harmless_lines(&text);
    let (id, body) = (MessageId::from_parts(NOW_MS, 1), MessageBody::Text { text });
    Message { id, from: Address::Lead, sent_ms: NOW_MS, urgency: Urgency::Now, body }
}

/// What a worker is at when the mail comes.
#[derive(Debug, Clone, Copy)]
enum At {
    Start,
    Rest,
    Work,
}

fn reads(message: &Message, abilities: AgentAbilities, at: At) {
    let me = WaitingClaimant::new("alice".parse().expect("it is a name"));
    let claim = TaskClaim { id: TaskId(1), owner: me.name.clone(), attempt: 1 };
    let mut core = WorkerCore::new(WorkerSettings::new(me, abilities, StartedBy::Hand), 0);
    let task = ClaimedTask { claim, work: TaskWork::run("true"), timeout_ms: None, allowance: Default::default() };
    let before = match at {
        At::Start => vec![],
        At::Rest => vec![WorkerEvent::AgentReady { session: None }, WorkerEvent::Claimed(None)],
        At::Work => {
            vec![WorkerEvent::AgentReady { session: None }, WorkerEvent::Claimed(Some(task)), WorkerEvent::PromptTaken]
        }
    };
    for event in before {
        core.step(NOW_MS, event);
    }
    // Twice: a repeat is known by its id.
    let mut actions = core.step(NOW_MS, WorkerEvent::MailArrived(vec![message.clone(), message.clone()]));
    let controls = |action: &WorkerAction| {
        matches!(
            action,
            WorkerAction::Reply(_)
                | WorkerAction::Leave { .. }
                | WorkerAction::AbortTurn
                | WorkerAction::Record { .. }
                | WorkerAction::Permit { .. }
        )
    };
    let may_control = message.from == Address::Lead
        && matches!(message.body, MessageBody::ShutdownRequest(_) | MessageBody::AbortRequest { .. });
    assert!(may_control || !actions.iter().any(controls), "{message:?} at {at:?} made it do {actions:?}");
    let replies = actions.iter().filter(|action| matches!(action, WorkerAction::Reply(_))).count();
    assert!(replies <= 1, "a repeat was answered again");
    for event in [
        WorkerEvent::TurnEnded { end: TurnEnd::Completed, result: String::new() },
        WorkerEvent::Recorded,
        WorkerEvent::AgentReady { session: None },
        WorkerEvent::Claimed(None),
        WorkerEvent::PromptTaken,
    ] {
        actions.extend(core.step(NOW_MS, event));
    }
    let acknowledged = actions.iter().flat_map(|action| match action {
        WorkerAction::Acknowledge { ids } => ids.clone(),
        _ => Vec::new(),
    });
    assert!(acknowledged.filter(|id| *id == message.id).count() <= 1, "acknowledged again: {actions:?}");
}
