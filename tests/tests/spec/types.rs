//! Which type each tag of SPEC.md stands for, and which examples a type must have.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use teamster_leader::git::TeamMarkFile;
use teamster_leader::ops::approvals::ApprovalRow;
use teamster_leader::ops::doctor::{CheckGroup, CheckLevel, RepairAct, TeamHealth};
use teamster_leader::ops::ending_news::{AwaitedWork, EndingNews};
use teamster_leader::ops::hanging::LeaderStatus;
use teamster_leader::ops::receipt::{FollowedText, TextFate, TextNews};
use teamster_leader::ops::run::{RunEvent, StopCause};
use teamster_leader::ops::wait::WaitNews;
use teamster_leader::ops::why::{MemberAbsence, MemberHindrance, WaitCause};
use teamster_protocol::model::agent::{
    AgentFault, Permission, PermissionBy, PlanState, SessionBegin, ToolState, TurnEnd,
};
use teamster_protocol::model::approval::{ApprovalRule, QuestionLetter, RuleAnswer};
use teamster_protocol::model::board::{AutoClaim, BoardFact, KeptStatus};
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::mail::{MailFact, MessageBody, Urgency};
use teamster_protocol::model::notice::{Notice, NoticeKind, TranscriptEntry, TranscriptText};
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::model::roster::{CellIsolation, StartedBy, TeamFact, WorkerEnd, Workspace};
use teamster_protocol::model::shutdown::{ShutdownAnswer, WhenBusy};
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::task::view::{AttemptEndKind, TaskView};
use teamster_protocol::model::task::{NewTask, TaskChanges, TaskWork};
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::store::presence::LockHolder;
use teamster_protocol::team::{MailboxReader, MemberState, MemberView, UndeliveredMail};
use teamster_protocol::wire::api::{
    BaseStanding, EndOutcome, PassedVia, SteerHaste, SteerHasteMade, TeamEnding, WorkerPhase, WorkspaceRequest,
};

/// One tag.
pub(crate) struct Kind {
    pub(crate) tag: &'static str,
    /// Reads a value as the type and writes it again.
    pub(crate) again: fn(&Value) -> serde_json::Result<Value>,
    /// The variants that must be among the examples, as they are written.
    pub(crate) variants: Vec<String>,
    /// The key of the field that names the variant; without one it is the value's own key.
    field: Option<&'static str>,
}

impl Kind {
    /// The variant that a value is.
    pub(crate) fn variant(&self, value: &Value) -> String {
        let named = match self.field {
            Some(field) => value[field].as_str(),
            None => value.as_str().or_else(|| Some(value.as_object()?.keys().next()?.as_str())),
        };
        named.unwrap_or_default().to_owned()
    }
}

/// All tags of blocks that hold plain values.
pub(crate) fn kinds() -> Vec<Kind> {
    vec![
        keyed::<BoardFact>("board-fact"),
        keyed::<TeamFact>("team-fact"),
        keyed::<MailFact>("mail-fact"),
        plain::<TeamMarkFile>("team-mark"),
        plain::<NewTask>("new-task"),
        plain::<UsageSum>("usage-sum"),
        plain::<UsageBudget>("usage-budget"),
        plain::<TaskChanges>("task-changes"),
        Kind { variants: work_keys(), ..plain::<TaskWork>("work") },
        keyed::<ReleaseWhy>("release-why"),
        keyed::<AutoClaim>("auto-claim"),
        keyed::<KeptStatus>("kept-status"),
        keyed::<AttemptEndKind>("attempt-how"),
        keyed::<Workspace>("workspace"),
        keyed::<StartedBy>("started-by"),
        keyed::<CellIsolation>("isolation"),
        keyed::<WorkerEnd>("left-how"),
        plain::<LockHolder>("lock-holder"),
        keyed::<Urgency>("urgency"),
        Kind { variants: body_kinds(), field: Some("kind"), ..plain::<MessageBody>("mail-body") },
        keyed::<ShutdownAnswer>("verdict"),
        keyed::<WhenBusy>("when-busy"),
        Kind { again: again::<TranscriptEntry>, ..named::<TranscriptText>("transcript-entry", "kind") },
        keyed::<TurnEnd>("turn-end"),
        keyed::<AgentFault>("agent-fault"),
        keyed::<ToolState>("tool-state"),
        keyed::<PlanState>("plan-state"),
        keyed::<SessionBegin>("session-begin"),
        keyed::<Permission>("permission"),
        keyed::<PermissionBy>("permission-by"),
        plain::<ApprovalRule>("approval-rule"),
        keyed::<RuleAnswer>("rule-answer"),
        plain::<ApprovalRow>("approval"),
        Kind { again: again::<Notice>, ..named::<NoticeKind>("notice", "kind") },
        keyed::<ReceiptState>("receipt-state"),
        named::<WorkerPhase>("worker-phase", "phase"),
        keyed::<WorkspaceRequest>("workspace-request"),
        keyed::<BaseStanding>("base-standing"),
        plain::<MemberView>("member-view"),
        keyed::<MemberState>("member-state"),
        keyed::<PassedVia>("via"),
        keyed::<SteerHaste>("haste"),
        keyed::<SteerHasteMade>("haste-made"),
        keyed::<EndOutcome>("end-outcome"),
        keyed::<MailboxReader>("mail-reader"),
        plain::<TaskView>("task-view"),
        named::<WaitCause>("why-cause", "kind"),
        named::<RunEvent>("run-event", "kind"),
        keyed::<StopCause>("stop-cause"),
        keyed::<MemberAbsence>("why-absence"),
        keyed::<MemberHindrance>("why-hindrance"),
        named::<EndingNews>("ending-news", "news"),
        keyed::<AwaitedWork>("awaited-work"),
        named::<WaitNews>("wait-news", "news"),
        keyed::<TeamEnding>("team-ending"),
        plain::<LeaderStatus>("leader-status"),
        plain::<TextNews>("text-news"),
        Kind {
            variants: variants::<TextFate>(json!({"fate": "nobody"})),
            field: Some("fate"),
            ..plain::<FollowedText>("text-fate")
        },
        keyed::<CheckLevel>("doctor-level"),
        keyed::<CheckGroup>("doctor-group"),
        keyed::<TeamHealth>("doctor-state"),
        plain::<RepairAct>("doctor-act"),
        plain::<UndeliveredMail>("undelivered"),
    ]
}

/// The keys of work, which is no enum for serde. Who adds a variant is led here by the compiler.
fn work_keys() -> Vec<String> {
    let key = |work: &TaskWork| match work {
        TaskWork::Run { .. } => "run",
        TaskWork::Prompt(_) => "prompt",
    };
    [TaskWork::run("make"), TaskWork::Prompt("review it".to_owned())].iter().map(|work| key(work).to_owned()).collect()
}

/// Reads a value as a type and writes it again.
pub(crate) fn again<T: Serialize + DeserializeOwned>(value: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(serde_json::from_value::<T>(value.clone())?)
}

/// The names of an enum's variants as serde knows them.
pub(crate) fn variants<T: DeserializeOwned>(of_nobody: Value) -> Vec<String> {
    let error = serde_json::from_value::<T>(of_nobody).err().expect("no variant has this name").to_string();
    let (unknown, expected) = error.split_once(", expected ").unwrap_or_else(|| panic!("no list: {error}"));
    assert!(unknown.contains("unknown variant `nobody`"), "{error}");
    let names: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!names.is_empty(), "{error}");
    names
}

fn plain<T: Serialize + DeserializeOwned>(tag: &'static str) -> Kind {
    Kind { tag, again: again::<T>, variants: Vec::new(), field: None }
}

fn keyed<T: Serialize + DeserializeOwned>(tag: &'static str) -> Kind {
    Kind { variants: variants::<T>(json!({"nobody": null})), ..plain::<T>(tag) }
}

fn named<T: Serialize + DeserializeOwned>(tag: &'static str, field: &'static str) -> Kind {
    Kind { variants: variants::<T>(json!({field: "nobody"})), field: Some(field), ..plain::<T>(tag) }
}

/// A body of an unknown kind is no error, so serde names no list. Who adds a variant is led here by the compiler.
fn body_kinds() -> Vec<String> {
    let kind = |body: &MessageBody| match body {
        MessageBody::Text { .. } => "text",
        MessageBody::TaskAssigned { .. } => "task_assigned",
        MessageBody::ShutdownRequest(_) => "shutdown_request",
        MessageBody::ShutdownReply(_) => "shutdown_reply",
        MessageBody::AbortRequest { .. } => "abort_request",
        MessageBody::PermissionAsked(_) => "permission_asked",
        MessageBody::PermissionReply { .. } => "permission_reply",
        MessageBody::Unknown => "what a newer version sends",
    };
    let request = "01K9ZC8N2Q4R6S8T0V2W4X6Y8Z".parse().expect("it is a ULID");
    let reply = teamster_protocol::model::shutdown::ShutdownReply { request, verdict: ShutdownAnswer::Approved };
    let ask = teamster_protocol::model::shutdown::ShutdownRequest {
        request,
        reason: String::new(),
        deadline_ms: 0,
        when_busy: WhenBusy::Refuse,
    };
    let letter = QuestionLetter {
        question: "alice.1".parse().expect("it names a question"),
        tool: String::new(),
        title: String::new(),
        detail: String::new(),
        workspace: "/".into(),
        task: None,
        until_ms: 0,
    };
    let each = [
        MessageBody::Text { text: String::new() },
        MessageBody::TaskAssigned { task: teamster_protocol::model::id::TaskId(1) },
        MessageBody::ShutdownRequest(ask),
        MessageBody::ShutdownReply(reply),
        MessageBody::AbortRequest { reason: String::new() },
        MessageBody::PermissionAsked(letter),
        MessageBody::PermissionReply { question: 1, answer: Permission::Once },
    ];
    each.iter().map(|body| kind(body).to_owned()).collect()
}
