//! The calls of both links, as traits from which client and server are made. Every call is answered at once:
//! taken, or refused with the reason. What comes of it later comes as notices and on the board. The calls
//! that wait (`shutdown`, `stop`, `kill`, `down`, `spawn`) say so.

use std::path::PathBuf;

use jsonrpsee::core::RpcResult;
use jsonrpsee::proc_macros::rpc;
use serde::{Deserialize, Serialize};

use crate::model::agent::options::AgentOptions;
use crate::model::agent::{Permission, TurnEnd};
use crate::model::approval::ApprovalRule;
use crate::model::board::AutoClaim;
use crate::model::budget::UsageBudget;
use crate::model::id::{AgentName, MemberName, Role, TaskId, TeamName};
use crate::model::object_id::ObjectId;
use crate::model::receipt::{ReceiptState, TextId};
use crate::model::roster::{MemberSpec, StallPolicy, WorkerEnd, Workspace};
use crate::model::shutdown::WhenBusy;
use crate::model::task::TaskWork;

mod worker;

pub use worker::{
    AbortAnswer, PromptAnswer, ProtocolHello, SteerAnswer, SteerHaste, SteerHasteMade, WorkerApiClient,
    WorkerApiServer, WorkerPhase, WorkerStatus, WorkerWelcome,
};

/// JSON-RPC error codes of our own; the standard ones keep their meaning.
pub mod code {
    /// The call was understood and is refused; the message says why.
    pub const REFUSED: i32 = 1;
    /// The call named a member, task or other thing that does not exist.
    pub const NOT_FOUND: i32 = 2;
    /// The two sides speak different versions of the protocol.
    pub const OTHER_VERSION: i32 = 3;
    /// A log can not be read as it is.
    pub const CORRUPT: i32 = 4;
    /// The system refused: disk, processes, descriptors.
    pub const SYSTEM: i32 = 5;
    /// The leader ends or hands over to the next, and can not tell what came of the request: as a lost connection.
    pub const ENDED: i32 = 6;
}

/// The request for a new member's place of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceRequest {
    /// In this directory, which others may use too.
    Shared {
        /// The directory.
        dir: PathBuf,
    },
    /// In a git worktree that the leader makes for the member.
    Worktree {
        /// A directory in the repository that the worktree is made from.
        repository: PathBuf,
        /// The commit that the worktree's branch begins at; `HEAD` if not given.
        base: Option<String>,
        /// What becomes of a worktree that the member has already.
        #[serde(default, skip_serializing_if = "WorktreeFound::goes_to_base")]
        found: WorktreeFound,
    },
}

/// What becomes of a worktree that the member has already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorktreeFound {
    /// Without work of its own it begins at the base, as a new one would. With some it stays where it is, and is refused if a
    /// base is given that it does not have.
    #[default]
    GoesToBase,
    /// The member goes on where it was, whatever the base is.
    Stays,
}

impl WorktreeFound {
    /// Whether it begins at the base, where it can.
    pub fn goes_to_base(&self) -> bool {
        match self {
            WorktreeFound::GoesToBase => true,
            WorktreeFound::Stays => false,
        }
    }
}

/// The request to spawn a member: its name, its agent and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnRequest {
    /// The new member's name.
    pub name: MemberName,
    /// The agent that the member drives.
    pub agent: AgentName,
    /// The settings of the agent beyond its name.
    #[serde(default, skip_serializing_if = "AgentOptions::is_empty")]
    pub options: AgentOptions,
    /// What becomes of the conversation that a member of that name had before.
    #[serde(default, skip_serializing_if = "SessionKept::is_kept")]
    pub session: SessionKept,
    /// The role that the member serves, for tasks that need one.
    #[serde(default)]
    pub role: Option<Role>,
    /// Whether it takes tasks that are not assigned to it.
    #[serde(default)]
    pub auto: AutoClaim,
    /// The place the member works in.
    pub workspace: WorkspaceRequest,
    /// The answer to an agent that is silent in a turn.
    #[serde(default)]
    pub stall: StallPolicy,
    /// The rules that answer its agent's questions for permission before anybody is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ApprovalRule>,
    /// How much all its turns together may use before it takes no more.
    #[serde(default, skip_serializing_if = "UsageBudget::is_empty")]
    pub budget: UsageBudget,
}

impl SpawnRequest {
    /// The request for a member that is on the roster, to go on as it was.
    pub fn again(name: MemberName, spec: MemberSpec) -> SpawnRequest {
        let MemberSpec { agent, options, role, auto, workspace, stall, rules, budget } = spec;
        let workspace = match workspace {
            Workspace::Shared { dir } => WorkspaceRequest::Shared { dir },
            Workspace::Worktree { repository, .. } => {
                WorkspaceRequest::Worktree { repository, base: None, found: WorktreeFound::Stays }
            }
        };
        let session = SessionKept::Kept;
        SpawnRequest { name, agent, options, session, role, auto, workspace, stall, rules, budget }
    }
}

/// The future of the conversation that a member had before it is spawned again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKept {
    /// The member goes on with it, if its agent is the same.
    #[default]
    Kept,
    /// The member begins another one, since somebody has chosen with which one it begins.
    GivenUp,
}

impl SessionKept {
    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        match self {
            SessionKept::Kept => true,
            SessionKept::GivenUp => false,
        }
    }
}

/// A member was spawned and is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnedMember {
    /// The name of the member.
    pub name: MemberName,
    /// Its worker's process id.
    pub pid: u32,
    /// The place the member works in.
    pub workspace: Workspace,
    /// Where a worktree stands that the member had already, if there is something to say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseStanding>,
}

/// Where a member's worktree stands that was there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseStanding {
    /// It had no work of its own and was moved, with its branch.
    Moved {
        /// The commit it was at.
        from: ObjectId,
        /// The commit of the base.
        to: ObjectId,
    },
    /// It stays where it is.
    Behind {
        /// The commits of the base that it has not.
        commits: u64,
        /// What keeps it there, in a sentence.
        why: String,
    },
}

/// How an ask was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedVia {
    /// By a call; the worker has it.
    Rpc,
    /// By mail; the worker reads it next.
    Mail,
}

/// A steer was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteerPassed {
    /// The way in which the text was passed on.
    pub via: PassedVia,
    /// Names the text in the receipts of the member's transcript.
    pub text: TextId,
    /// How far it has come by now; not known by mail.
    pub state: Option<ReceiptState>,
    /// What came of its haste, as the worker says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub haste: Option<SteerHasteMade>,
}

/// A turn was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedTurn {
    /// How the worker was told.
    pub via: PassedVia,
    /// The task of the turn.
    pub task: Option<TaskId>,
    /// How the turn ended: it may have been completed in the same moment. Not known by mail.
    pub stop: Option<TurnEnd>,
}

/// The outcome of asking one member to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedMember {
    /// The member.
    pub name: MemberName,
    /// The outcome.
    pub outcome: EndOutcome,
}

/// The outcome of asking a member to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndOutcome {
    /// The member's worker ended.
    Left {
        /// The way in which it ended.
        how: WorkerEnd,
    },
    /// The member is busy and goes on.
    Refused {
        /// The task that the member is busy with, if its turn has one.
        task: Option<TaskId>,
    },
    /// Not even SIGKILL ended the member's worker.
    Stuck,
}

/// The leader that answers, as it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderInfo {
    /// The team that is led.
    pub team: TeamName,
    /// The leader's process id.
    pub pid: u32,
    /// The time since which it leads.
    pub since_ms: u64,
    /// Its protocol version.
    pub protocol: u32,
    /// The version of its program.
    pub version: String,
    /// How it ends the team, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<TeamEnding>,
}

/// How a leader ends its team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeamEnding {
    /// Each member finishes its turn first.
    Gently,
    /// Each member is told to end at once.
    ByForce,
}

/// The calls of the fronts (command line, MCP server, …) to the leader.
#[rpc(client, server)]
pub trait LeaderApi {
    /// Greets the leader, which introduces itself; refused with [`code::OTHER_VERSION`] if the versions differ.
    #[method(name = "hello")]
    async fn hello(&self, hello: ProtocolHello) -> RpcResult<LeaderInfo>;

    /// Spawns a member. Waits until it is ready or can not be.
    #[method(name = "spawn")]
    async fn spawn(&self, request: SpawnRequest) -> RpcResult<SpawnedMember>;

    /// Starts a member again that left in order, as it is set up on the roster. Waits until it is ready or can not be; returns
    /// nothing if it runs or is being started.
    #[method(name = "wake")]
    async fn wake(&self, name: MemberName) -> RpcResult<Option<SpawnedMember>>;

    /// Starts a turn of a member that is idle.
    #[method(name = "send")]
    async fn send(&self, name: MemberName, work: TaskWork) -> RpcResult<PromptAnswer>;

    /// Says something to a member's running turn.
    #[method(name = "steer")]
    async fn steer(&self, name: MemberName, text: String, haste: Option<SteerHaste>) -> RpcResult<SteerPassed>;

    /// Aborts a member's turn. Waits until it has ended, if the member is linked.
    #[method(name = "stop")]
    async fn stop(&self, name: MemberName, reason: String) -> RpcResult<StoppedTurn>;

    /// Answers a member's question for permission, named by the number of the entry of its transcript in which it was asked.
    /// Refused if it does not wait (any more); not known by mail.
    #[method(name = "permit")]
    async fn permit(&self, name: MemberName, question: u64, answer: Permission) -> RpcResult<PassedVia>;

    /// Asks a member, or all, to end. Waits for what comes of it: nothing of those that do not run.
    #[method(name = "shutdown")]
    async fn shutdown(
        &self,
        name: Option<MemberName>,
        reason: String,
        when_busy: WhenBusy,
    ) -> RpcResult<Vec<EndedMember>>;

    /// Ends a member's worker without asking. Waits until it is gone.
    #[method(name = "kill")]
    async fn kill(&self, name: MemberName) -> RpcResult<EndedMember>;

    /// Ends all workers, by asking (they finish their turn) or by force, then the leader. Waits for the workers.
    #[method(name = "down")]
    async fn down(&self, force: bool) -> RpcResult<Vec<EndedMember>>;

    /// Ends the leader and no worker, for its warden to start the next one. Refused by a leader that has none.
    #[method(name = "hand_over")]
    async fn hand_over(&self) -> RpcResult<()>;
}
