//! The calls of a leader to a worker. Every call is answered at once: taken, or refused with the reason. What comes of it
//! later comes as notices.

use jsonrpsee::core::{RpcResult, SubscriptionResult};
use jsonrpsee::proc_macros::rpc;
use serde::{Deserialize, Serialize};

use crate::model::agent::Permission;
use crate::model::id::{MemberName, TaskId};
use crate::model::notice::Notice;
use crate::model::receipt::{ReceiptState, TextId};
use crate::model::task::TaskWork;

/// The first words of a caller: the leader says them to a worker, a front to the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolHello {
    /// [`PROTOCOL_VERSION`](crate::model::limits::PROTOCOL_VERSION) of the caller.
    pub protocol: u32,
}

/// The answer of a worker to `initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerWelcome {
    /// The protocol version of the worker.
    pub protocol: u32,
    /// The version of the worker's program.
    pub version: String,
    /// The member that the worker serves.
    pub name: MemberName,
    /// The worker's process id.
    pub pid: u32,
}

/// The phase of a worker's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum WorkerPhase {
    Starting,
    Idle,
    Turn { turn: u64, task: Option<TaskId>, since_ms: u64 },
    Parked { task: Option<TaskId>, until_ms: u64, reason: String },
    Leaving { reason: String },
}

/// The state of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// The phase, with the turn or the reason where it has one.
    #[serde(flatten)]
    pub phase: WorkerPhase,
    /// The number of messages that the worker has not handed on.
    pub unread: usize,
    /// The number of the worker's last transcript entry.
    pub seq: u64,
}

/// A prompt was taken: this turn runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptAnswer {
    /// The turn.
    pub turn: u64,
    /// Names the text in the receipts that follow as notices.
    pub text: TextId,
}

/// How soon a steer is to reach the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SteerHaste {
    /// As soon as the agent reads it; after its turn, if that is how it reads.
    #[default]
    Patient,
    /// At once: the agent is interrupted, and prompted again in the same turn.
    Now,
}

/// What came of the haste of a steer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SteerHasteMade {
    /// The agent is interrupted, and prompted again with the text.
    Interrupted,
    /// The agent has not begun with its prompt, and gets the text together with that.
    Joined,
}

/// A steer was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteerAnswer {
    /// Names the text in the receipts that follow as notices.
    pub text: TextId,
    /// How far it has come by now.
    pub state: ReceiptState,
    /// What came of its haste; nothing of a patient one, and nothing from a worker that knows of no haste.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub haste: Option<SteerHasteMade>,
}

/// The turn that is being aborted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortAnswer {
    /// The turn.
    pub turn: u64,
    /// Its task, which will be pending again.
    pub task: Option<TaskId>,
}

/// The calls of the leader to a worker.
#[rpc(client, server)]
pub trait WorkerApi {
    /// The first call: refused with [`OTHER_VERSION`](super::code::OTHER_VERSION) if the versions differ. Answered when the
    /// worker is ready.
    #[method(name = "initialize")]
    async fn initialize(&self, hello: ProtocolHello) -> RpcResult<WorkerWelcome>;

    /// Starts a turn. Refused while another runs.
    #[method(name = "prompt")]
    async fn prompt(&self, work: TaskWork) -> RpcResult<PromptAnswer>;

    /// Says something to the running turn; without `haste`, patiently. Refused while none runs.
    #[method(name = "steer")]
    async fn steer(&self, text: String, haste: Option<SteerHaste>) -> RpcResult<SteerAnswer>;

    /// Aborts the running turn; its task is pending again. Refused while none runs.
    #[method(name = "abort")]
    async fn abort(&self, reason: String) -> RpcResult<AbortAnswer>;

    /// Answers a question for permission, named by the number of the entry in which it was asked. Refused if it is not asked
    /// (any more).
    #[method(name = "permit")]
    async fn permit(&self, question: u64, answer: Permission) -> RpcResult<()>;

    /// Returns the worker's phase, the number of unread messages and the number of its last transcript entry.
    #[method(name = "status")]
    async fn status(&self) -> RpcResult<WorkerStatus>;

    /// Returns `nonce`, which shows that the worker answers.
    #[method(name = "ping")]
    fn ping(&self, nonce: u64) -> RpcResult<u64>;

    /// Notices with a number above `since`, the past ones from disk, then each as it happens.
    #[subscription(name = "subscribe" => "notice", unsubscribe = "unsubscribe", item = Notice)]
    async fn notices(&self, since: u64) -> SubscriptionResult;
}
