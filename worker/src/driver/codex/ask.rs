//! The questions of codex: what it asks of people becomes a question for permission, and all else is answered at once, for
//! a turn waits for every answer.

use serde_json::{Value, json};
use teamster_protocol::model::agent::{Permission, PermissionQuestion, QuestionId};
use teamster_protocol::model::limits::sizes::QUESTIONS_OPEN_MAX;

use super::CodexDialect;
use super::turn::{command_of, patch_detail, patch_title, whole_command};
use super::wire::FileChanged;
use crate::driver::AgentNews;
use crate::driver::lines::rpc::RpcId;
use crate::driver::lines::{DialectStep, tell};
use crate::driver::title::{one_line, readable_args, subject_of, tool_title};

/// The answer to whoever wants people to choose.
const NOBODY_CHOOSES: &str = "nobody is there to choose: decide yourself, and say what you decided";

/// A question that waits for its answer.
#[derive(Debug)]
pub(super) struct OpenQuestion {
    pub(super) id: RpcId,
    kind: QuestionKind,
}

/// What is asked, which says how it is answered.
#[derive(Debug)]
enum QuestionKind {
    /// Whether a command may be run or files may be changed.
    Deed,
    /// Whether these rights are given.
    Rights(Value),
    /// Whether a tool of an MCP server may be used.
    ServerTool,
}

impl QuestionKind {
    fn answer(&self, permission: &Permission) -> Value {
        match (self, permission) {
            (QuestionKind::Deed, Permission::Once) => json!({"decision": "accept"}),
            (QuestionKind::Deed, Permission::Always) => json!({"decision": "acceptForSession"}),
            // `cancel` would end the turn.
            (QuestionKind::Deed, Permission::Never { .. }) => json!({"decision": "decline"}),
            (QuestionKind::Rights(rights), Permission::Once) => json!({"permissions": rights, "scope": "turn"}),
            (QuestionKind::Rights(rights), Permission::Always) => json!({"permissions": rights, "scope": "session"}),
            (QuestionKind::Rights(_), Permission::Never { .. }) => json!({"permissions": {}, "scope": "turn"}),
            (QuestionKind::ServerTool, Permission::Once | Permission::Always) => {
                json!({"action": "accept", "content": {}})
            }
            (QuestionKind::ServerTool, Permission::Never { .. }) => json!({"action": "decline", "content": null}),
        }
    }
}

impl CodexDialect {
    /// codex asks for something.
    pub(super) fn asked(&mut self, id: RpcId, method: &str, params: &Value) -> Vec<DialectStep> {
        let (kind, tool, title, detail, subject) = match method {
            "item/commandExecution/requestApproval" => {
                let command = params["command"].as_str().unwrap_or_default();
                let actions = params["commandActions"].as_array().map_or(&[][..], Vec::as_slice);
                let subject = match params["networkApprovalContext"]["host"].as_str() {
                    // It is the host that is asked about.
                    Some(_) => String::new(),
                    None => whole_command(command, actions),
                };
                let command = command_of(command, actions);
                let title = one_line(&format!("shell {command}"));
                let detail = lines_of(&[
                    ("command", &command),
                    ("directory", params["cwd"].as_str().unwrap_or_default()),
                    ("reason", params["reason"].as_str().unwrap_or_default()),
                    ("host", params["networkApprovalContext"]["host"].as_str().unwrap_or_default()),
                ]);
                (QuestionKind::Deed, "shell".to_owned(), title, detail, subject)
            }
            "item/fileChange/requestApproval" => {
                let item = params["itemId"].as_str().unwrap_or_default();
                let changes: &[FileChanged] = self.turn.as_ref().map_or(&[], |turn| turn.changes(item));
                let outside = lines_of(&[
                    ("reason", params["reason"].as_str().unwrap_or_default()),
                    ("writes below", params["grantRoot"].as_str().unwrap_or_default()),
                ]);
                let detail = [outside, patch_detail(changes)];
                let detail = detail.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
                let subject = match changes {
                    [one] => one.path.clone(),
                    _ => String::new(),
                };
                (QuestionKind::Deed, "apply_patch".to_owned(), patch_title(changes), detail, subject)
            }
            "item/permissions/requestApproval" => {
                let rights = params["permissions"].clone();
                let reason = params["reason"].as_str().unwrap_or("codex wants to do more than its sandbox lets it");
                let title = one_line(&format!("more rights: {reason}"));
                let detail = readable_args(&rights);
                (QuestionKind::Rights(rights), "permissions".to_owned(), title, detail, String::new())
            }
            "mcpServer/elicitation/request" if params["_meta"]["codex_approval_kind"] == "mcp_tool_call" => {
                let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let tool = format!("{}.{}", word(&params["serverName"]), word(&params["_meta"]["tool_name"]));
                let args = &params["_meta"]["tool_params"];
                let (title, detail) = (tool_title(&tool, args), readable_args(args));
                (QuestionKind::ServerTool, tool, title, detail, subject_of(args))
            }
            "mcpServer/elicitation/request" => {
                return vec![self.answer(&id, json!({"action": "decline", "content": null}))];
            }
            "item/tool/requestUserInput" => return vec![self.answer(&id, chosen_by_nobody(params))],
            _ => return vec![DialectStep::Write(self.talk.refuse_method(&id, method))],
        };
        let is_answerable = self.turn.as_ref().is_some_and(|turn| turn.may_ask());
        if !is_answerable || self.questions.len() >= QUESTIONS_OPEN_MAX {
            let reason = "nobody asked for anything".to_owned();
            return vec![self.answer(&id, kind.answer(&Permission::Never { reason }))];
        }
        self.asked += 1;
        let question = QuestionId(format!("q{}", self.asked));
        self.questions.insert(question.clone(), OpenQuestion { id, kind });
        vec![tell(AgentNews::PermissionAsked(PermissionQuestion { question, tool, title, detail, subject }))]
    }

    /// Answers a question. codex takes no reason with a refusal, so its model is told it before, as a text of the turn.
    pub(super) fn answer_question(&mut self, question: &QuestionId, permission: &Permission) -> Vec<DialectStep> {
        // codex has taken back a question that is not found.
        let Some(OpenQuestion { id, kind }) = self.questions.remove(question) else { return Vec::new() };
        let mut steps = Vec::new();
        if let Permission::Never { reason } = permission {
            let text = format!("This was refused: {reason}");
            steps.extend(self.turn_id().map(|turn| self.write_steer(&turn, &text, None)));
        }
        steps.push(self.answer(&id, kind.answer(permission)));
        steps
    }

    fn answer(&self, id: &RpcId, result: Value) -> DialectStep {
        DialectStep::Write(self.talk.answer(id, result))
    }
}

/// The parts that are there, each with its name.
fn lines_of(parts: &[(&str, &str)]) -> String {
    let there = parts.iter().filter(|(_, text)| !text.is_empty());
    there.map(|(name, text)| format!("{name}: {text}")).collect::<Vec<_>>().join("\n")
}

fn chosen_by_nobody(params: &Value) -> Value {
    let questions = params["questions"].as_array().map_or(&[][..], Vec::as_slice);
    let answers = questions.iter().filter_map(|question| question["id"].as_str());
    let answers = answers.map(|id| (id.to_owned(), json!({"answers": [NOBODY_CHOOSES]})));
    json!({"answers": answers.collect::<serde_json::Map<String, Value>>()})
}
