//! The way to a thread of codex: codex introduces itself, the login is looked at, a thread is begun or gone on with, and
//! its sandbox is tried. What can not be had ends the agent with the reason and the way out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use teamster_protocol::model::agent::options::AgentLaunch;
use teamster_protocol::model::agent::{AgentSession, ApprovalPolicy, SessionBegin, SessionId};

use super::fault::LOGIN;
use super::wire::{AccountRead, CodexIntroduced, CommandTried, ThreadOpened};
use super::{CodexDialect, CodexRequest};
use crate::driver::lines::rpc::RpcRefusal;
use crate::driver::lines::{DialectStep, NonsenseSaid, tell};
use crate::driver::title::one_line;
use crate::driver::{AgentNews, SessionOrigin};

/// How long the first command in the sandbox may take. A sandbox that can not be made does not always say so: in a PID
/// namespace whose `/proc` is another's, it waits for ever.
const SANDBOX_TRIAL_MS: u64 = 10_000;

/// The exit status of a command that took longer.
const TIMED_OUT: i64 = 124;

/// The sandbox of users who have not chosen one. Without this word codex would only let the workspace be read.
const OWN_SANDBOX: &str = "workspace-write";

/// The setting of the directories that commands may write to besides the workspace. Without those of git, which codex
/// protects of its own accord, no member could commit.
const WRITABLE: &str = "sandbox_workspace_write.writable_roots";

/// When codex asks before it runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskingPolicy {
    /// Before each that is not known to be harmless.
    Always,
    /// Where its model decides to: the nearest in versions that do not take the first.
    WhereModelWants,
    /// codex asks nobody: a tool is used, or refused by its sandbox.
    Never,
}

impl AskingPolicy {
    fn word(self) -> &'static str {
        match self {
            AskingPolicy::Always => "untrusted",
            AskingPolicy::WhereModelWants => "on-request",
            AskingPolicy::Never => "never",
        }
    }
}

/// What a thread is to be like.
#[derive(Debug)]
pub(in crate::driver) struct ThreadWish {
    workspace: String,
    model: Option<String>,
    effort: Option<String>,
    asking: AskingPolicy,
    /// Nothing where the user's own configuration names one.
    sandbox: Option<&'static str>,
    /// Directories outside of the workspace that commands may write to.
    writable: Vec<String>,
    /// The thread to begin with, until one is open.
    origin: SessionOrigin,
    /// The words that tell codex who it is. codex keeps them in mind when it puts the conversation in few words.
    identity: Option<String>,
}

impl ThreadWish {
    /// A thread in `workspace` that begins with this conversation.
    pub(in crate::driver) fn new(launch: &AgentLaunch, workspace: &Path, origin: SessionOrigin) -> ThreadWish {
        let asking = match launch.approval {
            // Every question is refused by the worker: it has to be asked for that.
            ApprovalPolicy::Ask | ApprovalPolicy::Deny => AskingPolicy::Always,
            ApprovalPolicy::Auto => AskingPolicy::Never,
        };
        let (model, effort) = (launch.model.clone(), launch.effort.clone());
        let workspace = workspace.to_string_lossy().into_owned();
        ThreadWish { workspace, model, effort, asking, sandbox: None, writable: Vec::new(), origin, identity: None }
    }

    /// The same, whose commands may also write to these directories.
    pub(in crate::driver) fn with_writable(self, writable: &[PathBuf]) -> ThreadWish {
        let writable = writable.iter().map(|dir| dir.to_string_lossy().into_owned()).collect();
        ThreadWish { writable, ..self }
    }

    /// The same, in which codex is told by these words who it is.
    pub(in crate::driver) fn with_identity(self, identity: Option<String>) -> ThreadWish {
        ThreadWish { identity, ..self }
    }

    fn params(&self) -> Value {
        let mut params = json!({"cwd": self.workspace, "approvalPolicy": self.asking.word()});
        if let Some(model) = &self.model {
            params["model"] = json!(model);
        }
        if let Some(effort) = &self.effort {
            params["config"]["model_reasoning_effort"] = json!(effort);
        }
        if !self.writable.is_empty() {
            params["config"][WRITABLE] = json!(self.writable);
        }
        if let Some(identity) = &self.identity {
            params["developerInstructions"] = json!(identity);
        }
        if let Some(sandbox) = self.sandbox {
            params["sandbox"] = json!(sandbox);
        }
        params
    }
}

impl CodexDialect {
    pub(super) fn introduce(&mut self) -> Vec<DialectStep> {
        let params = json!({
            "clientInfo": {"name": "teamster", "title": "Teamster", "version": env!("CARGO_PKG_VERSION")},
            // For `thread/backgroundTerminals/clean`.
            "capabilities": {"experimentalApi": true},
        });
        vec![self.request(CodexRequest::Introduce, "initialize", params)]
    }

    pub(super) fn introduced(&mut self, answer: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let codex: CodexIntroduced = understood(answer, "initialize")?;
        self.version = codex.version().to_owned();
        let greeting = DialectStep::Write(self.talk.notice("initialized", json!({})));
        Ok(vec![greeting, self.request(CodexRequest::ReadAccount, "account/read", json!({}))])
    }

    pub(super) fn account_read(&mut self, answer: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let account: AccountRead = understood(answer, "account/read")?;
        if account.lacks_login() {
            return Err(NonsenseSaid::login_wanted(format!("codex wants a login first: {LOGIN}")));
        }
        let params = json!({"cwd": self.wish.workspace});
        Ok(vec![self.request(CodexRequest::ReadConfig, "config/read", params)])
    }

    pub(super) fn config_read(&mut self, answer: &Value) -> Vec<DialectStep> {
        if answer["config"]["sandbox_mode"].is_null() {
            self.wish.sandbox = Some(OWN_SANDBOX);
        }
        // What the user lets it write to stays.
        let more = answer["config"]["sandbox_workspace_write"]["writable_roots"].as_array();
        let more = more.into_iter().flatten().filter_map(Value::as_str);
        self.wish.writable.extend(more.map(str::to_owned));
        vec![self.open_thread()]
    }

    fn open_thread(&mut self) -> DialectStep {
        let mut params = self.wish.params();
        let (method, thread) = match &self.wish.origin {
            SessionOrigin::New => return self.request(CodexRequest::OpenThread, "thread/start", params),
            SessionOrigin::Earlier(thread) => ("thread/resume", thread),
            SessionOrigin::CopyOf(thread) => ("thread/fork", thread),
        };
        params["threadId"] = json!(thread);
        params["excludeTurns"] = json!(true);
        self.request(CodexRequest::OpenThread, method, params)
    }

    pub(super) fn thread_not_opened(&mut self, why: &RpcRefusal) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let words = one_line(&why.message);
        if self.wish.asking == AskingPolicy::Always && words.contains(AskingPolicy::Always.word()) {
            self.wish.asking = AskingPolicy::WhereModelWants;
            return Ok(vec![self.tell_weaker_asking(), self.open_thread()]);
        }
        match std::mem::take(&mut self.wish.origin).lost(&words) {
            Some(lost) => Ok(vec![tell(lost), self.open_thread()]),
            None => Err(self.refused("thread/start", why)),
        }
    }

    fn tell_weaker_asking(&self) -> DialectStep {
        let text = format!(
            "codex {} asks only where its model decides to: it can not be told to ask before every command",
            self.version
        );
        tell(AgentNews::Trouble(text))
    }

    pub(super) fn thread_opened(&mut self, answer: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let opened: ThreadOpened = understood(answer, "the thread")?;
        let mut steps = Vec::new();
        match (self.wish.asking, opened.approval_policy.as_str()) {
            (AskingPolicy::Always | AskingPolicy::WhereModelWants, Some("never")) => {
                let reason = "codex was told to ask before it runs commands, and says that it never does";
                return Err(NonsenseSaid::new(reason));
            }
            (AskingPolicy::Always, policy) if policy != Some(AskingPolicy::Always.word()) => {
                steps.push(self.tell_weaker_asking());
            }
            (AskingPolicy::Always | AskingPolicy::WhereModelWants | AskingPolicy::Never, _) => {}
        }
        let begun = match std::mem::take(&mut self.wish.origin) {
            SessionOrigin::New => SessionBegin::Fresh,
            SessionOrigin::Earlier(_) => SessionBegin::Resumed,
            SessionOrigin::CopyOf(_) => SessionBegin::Forked,
        };
        self.is_copied = begun == SessionBegin::Forked;
        let has_sandbox = opened.has_sandbox();
        let ThreadOpened { thread, sandbox, .. } = opened;
        self.thread = thread.id.clone();
        self.untold_session = Some(AgentSession { id: SessionId(thread.id), begun });
        if !has_sandbox {
            steps.push(self.be_ready());
            return Ok(steps);
        }
        let params = json!({"command": ["true"], "cwd": self.wish.workspace, "timeoutMs": SANDBOX_TRIAL_MS,
            "sandboxPolicy": sandbox});
        steps.push(self.request(CodexRequest::TrySandbox, "command/exec", params));
        Ok(steps)
    }

    /// A member none of whose commands would run is of no use, and finds out in the middle of its first task.
    pub(super) fn sandbox_tried(
        &mut self,
        outcome: Result<Value, RpcRefusal>,
    ) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let why = match outcome {
            Err(why) => {
                let text = format!("codex did not try its sandbox: {}", one_line(&why.message));
                return Ok(vec![tell(AgentNews::Trouble(text)), self.be_ready()]);
            }
            Ok(answer) => {
                let tried: CommandTried = understood(answer, "command/exec")?;
                match tried.exit_code {
                    0 => return Ok(vec![self.be_ready()]),
                    TIMED_OUT if tried.stderr.is_empty() => "a command in it does not start".to_owned(),
                    _ => one_line(&tried.stderr),
                }
            }
        };
        Err(NonsenseSaid::new(format!(
            "codex can not make its own sandbox here, so none of its commands would run ({why}): start the leader with \
             TEAMSTER_ISOLATION=subreaper, or the member without that sandbox by --agent-arg -c --agent-arg \
             sandbox_mode=danger-full-access"
        )))
    }

    /// A later life can go on with a thread of which something is on disk: not before the first prompt.
    fn be_ready(&mut self) -> DialectStep {
        let is_resumed = self.untold_session.as_ref().is_some_and(|session| session.begun == SessionBegin::Resumed);
        let session = if is_resumed { self.untold_session.take() } else { None };
        tell(AgentNews::Ready { session })
    }

    /// codex does not do what it has to do before it is ready.
    pub(super) fn refused(&self, method: &str, why: &RpcRefusal) -> NonsenseSaid {
        let version = if self.version.is_empty() { "of an unknown version" } else { &self.version };
        NonsenseSaid::new(format!("codex {version} refused {method}: {}", one_line(&why.message)))
    }
}

/// The answer as its type.
fn understood<T: serde::de::DeserializeOwned>(answer: Value, what: &str) -> Result<T, NonsenseSaid> {
    serde_json::from_value(answer)
        .map_err(|error| NonsenseSaid::new(format!("what codex answers about {what} is not understood: {error}")))
}
