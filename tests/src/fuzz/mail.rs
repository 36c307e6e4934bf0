//! Mail: bytes are a message, or else the text of one. A text is never control, whoever sends it and whatever it says;
//! control is obeyed only from the lead; and what is handed on is what was sent.

use teamster_leader::ops::text::harmless_lines;
use teamster_protocol::model::board::{AutoClaim, Claimant};
use teamster_protocol::model::id::{Address, MessageId, TaskId};
use teamster_protocol::model::mail::{Body, MailFact, Mailbox, Message, Urgency};
use teamster_protocol::model::notice::Stop;
use teamster_protocol::model::roster::StartedBy;
use teamster_protocol::model::task::{Claim, Work};
use teamster_protocol::store::file::{Fold, Offset, Stamp};
use teamster_worker::core::{Action, ClaimedTask, Conversation, Core, Event, Settings};

const NOW_MS: u64 = 1_000;

pub(super) fn run(bytes: &[u8]) {
    let message = serde_json::from_slice(bytes).unwrap_or_else(|_| text_of(bytes));
    let mailbox = Mailbox::default();
    let Ok(facts) = mailbox.deliver(message.clone()) else {
        return assert!(matches!(message.body, Body::Text { .. }), "only texts are refused");
    };
    for fact in facts {
        let line = serde_json::to_string(&fact).expect("a message can be written");
        assert!(!line.contains('\n'), "a record is one line");
        let again: MailFact = serde_json::from_str(&line).expect("what was written can be read");
        assert!(again == fact, "{line} is read as something else");
        let mut mailbox = Mailbox::default();
        let stamp = Stamp { seq: 1, at_ms: NOW_MS, by: message.from.as_str(), offset: Offset::NONE };
        mailbox.apply(fact, &stamp);
        assert_eq!(mailbox.unread_len(), 1);
    }
    for conversation in [Conversation::Yes, Conversation::No] {
        for at in [At::Start, At::Rest, At::Work] {
            reads(&message, conversation, at);
        }
    }
}

fn text_of(bytes: &[u8]) -> Message {
    let text = String::from_utf8_lossy(bytes).into_owned();
    harmless_lines(&text);
    let (id, body) = (MessageId::from_parts(NOW_MS, 1), Body::Text { text });
    Message { id, from: Address::Lead, sent_ms: NOW_MS, urgency: Urgency::Now, body }
}

/// What a worker is at when the mail comes.
#[derive(Debug, Clone, Copy)]
enum At {
    Start,
    Rest,
    Work,
}

fn reads(message: &Message, conversation: Conversation, at: At) {
    let me = Claimant { name: "alice".parse().expect("it is a name"), role: None, auto: AutoClaim::On };
    let claim = Claim { id: TaskId(1), owner: me.name.clone(), attempt: 1 };
    let mut core = Core::new(Settings::new(me, conversation, StartedBy::Hand), 0);
    let task = ClaimedTask { claim, work: Work::Run("true".to_owned()), timeout_ms: None };
    let before = match at {
        At::Start => vec![],
        At::Rest => vec![Event::AgentReady, Event::Claimed(None)],
        At::Work => vec![Event::AgentReady, Event::Claimed(Some(task)), Event::PromptTaken],
    };
    for event in before {
        core.step(NOW_MS, event);
    }
    // Twice: a repeat is known by its id.
    let mut actions = core.step(NOW_MS, Event::MailArrived(vec![message.clone(), message.clone()]));
    let controls = |action: &Action| {
        matches!(action, Action::Reply(_) | Action::Leave { .. } | Action::AbortTurn | Action::Record(_))
    };
    let may_control =
        message.from == Address::Lead && matches!(message.body, Body::ShutdownRequest(_) | Body::AbortRequest { .. });
    assert!(may_control || !actions.iter().any(controls), "{message:?} at {at:?} made it do {actions:?}");
    let replies = actions.iter().filter(|action| matches!(action, Action::Reply(_))).count();
    assert!(replies <= 1, "a repeat was answered again");
    for event in [
        Event::TurnEnded { stop: Stop::Completed, result: String::new() },
        Event::Recorded,
        Event::AgentReady,
        Event::Claimed(None),
        Event::PromptTaken,
    ] {
        actions.extend(core.step(NOW_MS, event));
    }
    let acknowledged = actions.iter().flat_map(|action| match action {
        Action::Acknowledge { ids } => ids.clone(),
        _ => Vec::new(),
    });
    assert!(acknowledged.filter(|id| *id == message.id).count() <= 1, "acknowledged again: {actions:?}");
}
