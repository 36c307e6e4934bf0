//! One turn of codex: its texts, what it did, what it cost, and how it ended.

use std::collections::BTreeMap;

use serde_json::Value;
use teamster_protocol::model::agent::{AgentFault, TurnEnd};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;

use super::fault::{end_of, is_final, waits_for_network, words_of};
use super::wire::{AccountLimits, FileChanged, ThreadItem, ThreadUsage, TokenCounts, TurnError, TurnShown};
use crate::driver::lines::{DialectStep, receipt, tell};
use crate::driver::narration::TurnNarration;
use crate::driver::provider::{NOTHING_DONE, ProviderWait};
use crate::driver::title::{one_line, tool_title};
use crate::driver::{AgentNews, AgentSteer, TextTail};

/// The times that codex may say in one turn that it waits for the network. The waits grow: with these, it has waited for
/// about a minute.
const NETWORK_WAITS_MAX: u32 = 4;

/// The longest that is shown of the changes of a patch, in bytes.
const PATCH_BYTES_MAX: usize = 8 * 1024;

/// The turn that runs.
#[derive(Debug)]
pub(super) struct CodexTurn {
    pub(super) prompt: TextId,
    /// codex's name for the turn, once it has told that.
    id: Option<String>,
    progress: TurnProgress,
    /// Whether it was told to end.
    pub(super) is_stopping: bool,
    /// The texts that were written and that its model has not, by our names for them.
    texts: BTreeMap<String, TextId>,
    /// Steers that came before the turn could take them.
    early: Vec<AgentSteer>,
    pub(super) narration: TurnNarration,
    /// The changes of the patches that run, by their ids.
    patches: BTreeMap<String, Vec<FileChanged>>,
    /// The tokens of the thread when the turn began.
    before: TokenCounts,
    cost: TokenUsage,
    pub(super) limits: AccountLimits,
    network_waits: u32,
    /// Why it was stopped here.
    failed: Option<(TurnEnd, Option<ProviderWait>)>,
}

/// How far a turn has come.
#[derive(Debug)]
enum TurnProgress {
    /// codex has not begun it: until then it refuses to interrupt it.
    Asked,
    /// codex has begun it, and can be told to interrupt it.
    Begun,
    /// It is over, and what it started is being ended.
    Over(TurnOver),
}

/// The end of a turn, as it is told.
#[derive(Debug)]
struct TurnOver {
    end: TurnEnd,
    result: String,
    wait: Option<ProviderWait>,
}

/// What follows from an error that codex is about to try again after.
pub(super) enum AfterError {
    /// It may go on.
    GoOn(Option<AgentNews>),
    /// It is to be stopped.
    Stop,
}

impl CodexTurn {
    /// The turn of a prompt that is written with this name, in a thread that has cost so much.
    pub(super) fn begin(name: String, prompt: TextId, before: TokenCounts) -> CodexTurn {
        CodexTurn {
            prompt,
            id: None,
            progress: TurnProgress::Asked,
            is_stopping: false,
            texts: BTreeMap::from([(name, prompt)]),
            early: Vec::new(),
            narration: TurnNarration::default(),
            patches: BTreeMap::new(),
            before,
            cost: TokenUsage::default(),
            limits: AccountLimits::default(),
            network_waits: 0,
            failed: None,
        }
    }

    /// codex names the turn.
    pub(super) fn name(&mut self, id: &str) {
        self.id.get_or_insert_with(|| id.to_owned());
    }

    /// Whether codex speaks of this turn.
    pub(super) fn is(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    /// codex has begun the turn. Returns the steers that waited for it.
    pub(super) fn start(&mut self, id: &str) -> Vec<AgentSteer> {
        self.name(id);
        if matches!(self.progress, TurnProgress::Asked) {
            self.progress = TurnProgress::Begun;
        }
        std::mem::take(&mut self.early)
    }

    /// codex's name for the turn while it runs.
    pub(super) fn running_id(&self) -> Option<&str> {
        match self.progress {
            TurnProgress::Begun => self.id.as_deref(),
            TurnProgress::Asked | TurnProgress::Over(_) => None,
        }
    }

    /// Why no text can be said in the turn, if none can.
    pub(super) fn refuses_texts(&self) -> Option<&'static str> {
        match (&self.progress, self.is_stopping) {
            (TurnProgress::Over(_), _) => Some("the turn had ended"),
            (TurnProgress::Asked | TurnProgress::Begun, true) => Some("the turn is being stopped"),
            (TurnProgress::Asked | TurnProgress::Begun, false) => None,
        }
    }

    /// Whether a question of codex would be answered.
    pub(super) fn may_ask(&self) -> bool {
        self.refuses_texts().is_none()
    }

    /// Keeps a steer until the turn has begun.
    pub(super) fn keep_early(&mut self, steer: AgentSteer) {
        self.early.push(steer);
    }

    /// A steer is written with this name.
    pub(super) fn write(&mut self, name: String, id: TextId) {
        self.texts.insert(name, id);
    }

    /// codex refused a text.
    pub(super) fn forget(&mut self, id: TextId) {
        self.texts.retain(|_, text| *text != id);
    }

    /// A part of the turn begins.
    pub(super) fn part_began(&mut self, item: ThreadItem) -> Vec<DialectStep> {
        self.network_waits = 0;
        match item {
            ThreadItem::UserMessage { client_id } => {
                let text = client_id.and_then(|name| self.texts.remove(&name));
                let reached = text.map(|id| receipt(id, ReceiptState::InContext));
                // A steer cuts off the answer that is being written.
                self.narration.end_answer().map(tell).into_iter().chain(reached).collect()
            }
            ThreadItem::AgentMessage {} => self.narration.end_answer().map(tell).into_iter().collect(),
            ThreadItem::FileChange { id, changes, .. } => {
                let title = patch_title(&changes);
                self.patches.insert(id.clone(), changes);
                vec![tell(self.narration.begin_call(id, title))]
            }
            item => {
                let call = call_of(item);
                call.map(|call| tell(self.narration.begin_call(call.id, call.title))).into_iter().collect()
            }
        }
    }

    /// A part of the turn is over.
    pub(super) fn part_ended(&mut self, item: ThreadItem) -> Vec<DialectStep> {
        let told = match item {
            ThreadItem::AgentMessage {} => self.narration.end_answer(),
            ThreadItem::FileChange { id, changes, status } => {
                self.patches.remove(&id);
                self.narration.end_call(id, status != "completed", Some(patch_title(&changes)))
            }
            item => {
                let call = call_of(item);
                call.and_then(|call| self.narration.end_call(call.id, call.has_failed, Some(call.title)))
            }
        };
        told.map(tell).into_iter().collect()
    }

    /// The changes of a patch that runs.
    pub(super) fn changes(&self, item: &str) -> &[FileChanged] {
        self.patches.get(item).map_or(&[], Vec::as_slice)
    }

    /// The thread has cost so much by now. Returns the cost of the turn if that has grown.
    pub(super) fn count(&mut self, usage: &ThreadUsage) -> Option<AgentNews> {
        let cost = usage.since(self.before);
        let has_grown = (cost.input, cost.output) != (self.cost.input, self.cost.output);
        self.cost = cost;
        has_grown.then_some(AgentNews::Usage(cost))
    }

    /// The thread had cost so much before the turn.
    pub(super) fn count_from(&mut self, before: TokenCounts) {
        self.before = before;
    }

    /// An error after which codex tries again.
    pub(super) fn retried(&mut self, error: &TurnError) -> AfterError {
        let why = if is_final(error) {
            self.failed = Some(end_of(error, self.limits));
            return AfterError::Stop;
        } else if waits_for_network(error) {
            self.network_waits += 1;
            error.additional_details.as_deref().map_or_else(|| "no network".to_owned(), one_line)
        } else {
            words_of(error)
        };
        if self.network_waits >= NETWORK_WAITS_MAX {
            let reason = format!("codex can not reach its provider: {why}");
            let wait = ProviderWait::Unavailable { reason: reason.clone() };
            self.failed = Some((TurnEnd::Failed { reason, fault: AgentFault::Provider }, Some(wait)));
            return AfterError::Stop;
        }
        AfterError::GoOn(self.narration.retry(|| format!("codex tries again: {why}")))
    }

    /// codex has ended the turn.
    pub(super) fn complete(&mut self, told: &TurnShown) {
        let mut result = TextTail::default();
        let (end, wait) = match (told.status.as_str(), &told.error) {
            (_, Some(error)) => end_of(error, self.limits),
            ("completed", None) => {
                let answer = told.answer();
                result.push(answer);
                let has_acted = self.narration.has_acted() || !answer.is_empty();
                (if has_acted { TurnEnd::Completed } else { TurnEnd::failed(NOTHING_DONE) }, None)
            }
            ("interrupted", None) => (TurnEnd::Aborted, None),
            (other, None) => {
                let reason = format!("codex ended the turn as {other}, and did not say why");
                (TurnEnd::Failed { reason, fault: AgentFault::Agent }, None)
            }
        };
        let (end, wait) = match (end, self.failed.take()) {
            (TurnEnd::Aborted, Some(failed)) => failed,
            (end, _) => (end, wait),
        };
        self.progress = TurnProgress::Over(TurnOver { end, result: result.into_result(), wait });
    }

    /// The turn never began.
    pub(super) fn fail(&mut self, end: TurnEnd) {
        self.progress = TurnProgress::Over(TurnOver { end, result: String::new(), wait: None });
    }

    /// All that is to be told of the end; nothing of a turn that is not over.
    pub(super) fn tell_end(mut self) -> Vec<DialectStep> {
        let TurnProgress::Over(TurnOver { end, result, wait }) = self.progress else { return Vec::new() };
        // codex tells nothing of a command that was interrupted.
        let mut steps: Vec<DialectStep> = self.narration.break_calls_off().into_iter().map(tell).collect();
        let (prompt, early) = (self.prompt, self.early.into_iter().map(|steer| steer.id));
        // What became of the prompt is told by the end itself.
        for id in self.texts.into_values().chain(early).filter(|id| *id != prompt) {
            let reason = "the turn ended before codex gave it to its model".to_owned();
            steps.push(receipt(id, ReceiptState::Lost { reason }));
        }
        steps.extend(wait.map(|wait| tell(wait.into())));
        steps.push(tell(AgentNews::TurnEnded { end, result }));
        steps
    }
}

/// A tool call as codex tells of it.
struct CodexCall {
    id: String,
    title: String,
    has_failed: bool,
}

fn call_of(item: ThreadItem) -> Option<CodexCall> {
    let call = |id, title: String, has_failed| Some(CodexCall { id, title: one_line(&title), has_failed });
    match item {
        ThreadItem::CommandExecution { id, command, command_actions, status } => {
            call(id, format!("shell {}", command_of(&command, &command_actions)), status != "completed")
        }
        ThreadItem::FileChange { id, changes, status } => call(id, patch_title(&changes), status != "completed"),
        ThreadItem::McpToolCall { id, server, tool, arguments, status } => {
            call(id, tool_title(&format!("{server}.{tool}"), &arguments), status != "completed")
        }
        ThreadItem::WebSearch { id, query } => call(id, format!("web_search {query}"), false),
        ThreadItem::CollabAgentToolCall { id, tool, prompt, status } => {
            let tool = tool.as_str().unwrap_or("agent");
            call(id, format!("{tool} {prompt}"), status == "failed")
        }
        ThreadItem::ContextCompaction { id } => call(id, "compact the conversation".to_owned(), false),
        ThreadItem::UserMessage { .. } | ThreadItem::AgentMessage {} | ThreadItem::Other => None,
    }
}

/// The command as its model wrote it: codex wraps it into a call of the shell, and tells what is in there beside it.
pub(super) fn command_of(command: &str, actions: &[Value]) -> String {
    let inner: Vec<&str> = actions.iter().filter_map(|action| action["command"].as_str()).collect();
    if inner.is_empty() { command.to_owned() } else { inner.join("; ") }
}

/// The same where nothing of the command is left out in it; else nothing, for codex tells of a command what it makes of it,
/// and a rule must not allow more than it sees.
pub(super) fn whole_command(command: &str, actions: &[Value]) -> String {
    let inner = match actions {
        [] => return command.to_owned(),
        [only] => only["command"].as_str().unwrap_or_default(),
        _ => return String::new(),
    };
    let script = command.split_once(" -lc ").map_or(command, |(_, script)| script);
    let is_plain = !inner.contains(['\'', '"', '\\']);
    let is_whole =
        script == inner || (is_plain && [format!("'{inner}'"), format!("\"{inner}\"")].iter().any(|it| script == it));
    if is_whole { inner.to_owned() } else { String::new() }
}

/// A patch in one line.
pub(super) fn patch_title(changes: &[FileChanged]) -> String {
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    one_line(&format!("apply_patch {}", paths.join(" ")))
}

/// The changes of a patch as a person reads them.
pub(super) fn patch_detail(changes: &[FileChanged]) -> String {
    let changes = changes.iter().map(|change| format!("{}\n{}", change.path, change.diff.trim_end()));
    let mut detail = changes.collect::<Vec<_>>().join("\n");
    let cut = detail.floor_char_boundary(PATCH_BYTES_MAX);
    if cut < detail.len() {
        let missing_bytes = detail.len() - cut;
        detail.truncate(cut);
        detail.push_str(&format!("\n[cut: {missing_bytes} bytes after this]"));
    }
    detail
}
