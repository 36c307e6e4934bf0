//! Lines that codex 0.171.0 wrote, and what they mean. Fields that nothing here reads are left out.

use std::path::{Path, PathBuf};

use teamster_protocol::model::agent::options::{AgentLaunch, AgentOptions};
use teamster_protocol::model::agent::{
    ApprovalPolicy, PermissionQuestion, PlanState, PlanStep, ProviderLimit, SessionBegin, SessionId, ToolState,
};
use teamster_protocol::model::usage::TokenUsage;

use super::*;
use crate::driver::SessionOrigin;
use crate::driver::lines::steps::{self, news};
use crate::driver::provider::NOTHING_DONE;

const THREAD: &str = "01a22245-760f-7972-8f69-e24922d49f1a";
const TURN: &str = "01a22245-7630-79d0-93a2-600cf79f02eb";

fn launch(approval: ApprovalPolicy) -> AgentLaunch {
    let options = AgentOptions {
        model: Some("gpt-5-codex".to_owned()),
        effort: Some("high".to_owned()),
        approval: Some(approval),
        ..AgentOptions::default()
    };
    options.launch(&"codex".parse().unwrap()).unwrap()
}

fn new(approval: ApprovalPolicy, session: Option<&str>) -> CodexDialect {
    let origin = session.map_or(SessionOrigin::New, |id| SessionOrigin::Earlier(SessionId(id.to_owned())));
    CodexDialect::new(wish(approval, origin))
}

fn wish(approval: ApprovalPolicy, origin: SessionOrigin) -> ThreadWish {
    ThreadWish::new(&launch(approval), Path::new("/ws"), origin).with_writable(&[PathBuf::from("/ws/.git")])
}

/// The messages that are written, without their numbers.
fn written(steps: &[DialectStep]) -> Vec<Value> {
    steps::written(steps)
        .into_iter()
        .map(|mut line| {
            assert!(line.get("jsonrpc").is_none(), "codex's messages have no version: {line}");
            if line.get("method").is_some() {
                line.as_object_mut().unwrap().remove("id");
            }
            line
        })
        .collect()
}

fn methods(steps: &[DialectStep]) -> Vec<String> {
    written(steps).iter().map(|line| line["method"].as_str().unwrap().to_owned()).collect()
}

/// The next answer of codex, to the request of ours that was made last.
fn answer(codex: &mut CodexDialect, result: Value) -> Vec<DialectStep> {
    let line = json!({"id": codex.talk.requests_made(), "result": result});
    codex.take_line(&line.to_string()).unwrap()
}

fn refusal(codex: &mut CodexDialect, message: &str) -> Result<Vec<DialectStep>, NonsenseSaid> {
    let line = json!({"id": codex.talk.requests_made(), "error": {"code": -32600, "message": message}});
    codex.take_line(&line.to_string())
}

fn introduced(codex: &mut CodexDialect) -> Vec<DialectStep> {
    assert_eq!(methods(&codex.begin()), ["initialize"]);
    let introduced = json!({"userAgent": "teamster/0.171.0 (Debian 12.0.0; x86_64) dumb (teamster; 0.1.0)",
        "codexHome": "/h/.codex", "platformFamily": "unix", "platformOs": "linux"});
    let steps = answer(codex, introduced);
    assert_eq!(methods(&steps), ["initialized", "account/read"]);
    steps
}

/// Up to the request for a thread.
fn thread_wanted(codex: &mut CodexDialect) -> Vec<DialectStep> {
    introduced(codex);
    let account = json!({"account": null, "userId": null, "requiresOpenaiAuth": false});
    assert_eq!(methods(&answer(codex, account)), ["config/read"]);
    answer(codex, json!({"config": {"model": "gpt-5-codex", "sandbox_mode": null}, "origins": {}}))
}

fn opened(approval: &str) -> Value {
    json!({"thread": {"id": THREAD, "sessionId": THREAD, "status": {"type": "idle"}, "turns": []},
        "model": "gpt-5-codex", "approvalPolicy": approval,
        "sandbox": {"type": "workspaceWrite", "writableRoots": [], "networkAccess": false}})
}

/// A dialect that is ready, in a new thread.
fn ready() -> CodexDialect {
    let mut codex = new(ApprovalPolicy::Ask, None);
    thread_wanted(&mut codex);
    answer(&mut codex, opened("untrusted"));
    let steps = answer(&mut codex, json!({"exitCode": 0, "stdout": "", "stderr": ""}));
    assert_eq!(steps, [tell(AgentNews::Ready { session: None })]);
    codex
}

fn id(number: u32) -> TextId {
    TextId::InTurn { turn: 1, number }
}

fn is(number: u32, state: ReceiptState) -> AgentNews {
    AgentNews::Receipt { text: id(number), state }
}

fn text(text: &str) -> AgentNews {
    AgentNews::Text(text.to_owned())
}

fn notice(method: &str, mut params: Value) -> String {
    params["threadId"] = json!(THREAD);
    json!({"method": method, "params": params, "emittedAtMs": 1}).to_string()
}

fn told(codex: &mut CodexDialect, method: &str, params: Value) -> Vec<AgentNews> {
    steps::told(codex, &notice(method, params))
}

/// The text of that name is an item of the history.
fn taken(codex: &mut CodexDialect, name: &str) -> Vec<AgentNews> {
    told(codex, "item/started", json!({"turnId": TURN, "item": {"type": "userMessage", "id": "u", "clientId": name}}))
}

/// A dialect whose turn has begun.
fn at_work() -> CodexDialect {
    let mut codex = ready();
    codex.prompt(id(0), "go".to_owned());
    answer(&mut codex, json!({"turn": {"id": TURN, "items": [], "status": "inProgress"}}));
    assert_eq!(told(&mut codex, "turn/started", json!({"turn": {"id": TURN, "status": "inProgress"}})), []);
    codex
}

fn steered(codex: &mut CodexDialect, number: u32) -> Vec<DialectStep> {
    codex.steer(AgentSteer { id: id(number), text: "STEER".to_owned() })
}

/// codex ends the turn. Returns what is told once nothing of it runs.
fn completed(codex: &mut CodexDialect, turn: Value) -> Vec<AgentNews> {
    let mut turn = turn;
    turn["id"] = json!(TURN);
    let steps = codex.take_line(&notice("turn/completed", json!({"turn": turn}))).unwrap();
    assert_eq!(methods(&steps), ["thread/backgroundTerminals/clean"]);
    news(answer(codex, json!({})))
}

fn ended(end: TurnEnd, result: &str) -> AgentNews {
    AgentNews::TurnEnded { end, result: result.to_owned() }
}

fn done() -> Value {
    json!({"status": "completed", "error": null, "items": [{"type": "agentMessage", "id": "m", "text": "bye"}]})
}

#[test]
fn a_new_thread_has_the_members_settings_and_is_no_session_before_its_first_text() {
    let mut codex = new(ApprovalPolicy::Ask, None);
    let params = json!({"cwd": "/ws", "approvalPolicy": "untrusted", "sandbox": "workspace-write", "model": "gpt-5-codex",
        "config": {"model_reasoning_effort": "high", "sandbox_workspace_write.writable_roots": ["/ws/.git"]}});
    assert_eq!(written(&thread_wanted(&mut codex)), [json!({"method": "thread/start", "params": params})]);
    let trial = answer(&mut codex, opened("untrusted"));
    assert_eq!(written(&trial)[0]["params"]["sandboxPolicy"]["type"], "workspaceWrite");
    let steps = answer(&mut codex, json!({"exitCode": 0, "stdout": "", "stderr": ""}));
    assert_eq!(steps, [tell(AgentNews::Ready { session: None })]);

    let mut codex = new(ApprovalPolicy::Auto, None);
    assert_eq!(written(&thread_wanted(&mut codex))[0]["params"]["approvalPolicy"], "never");
}

#[test]
fn a_sandbox_that_the_user_has_chosen_stays() {
    let mut codex = new(ApprovalPolicy::Auto, None);
    introduced(&mut codex);
    answer(&mut codex, json!({"account": {"type": "apiKey"}, "requiresOpenaiAuth": true}));
    let mode = json!({"sandbox_mode": "danger-full-access", "sandbox_workspace_write": {"writable_roots": ["/more"]}});
    let steps = answer(&mut codex, json!({ "config": mode }));
    let params = &written(&steps)[0]["params"];
    assert_eq!(params.get("sandbox"), None);
    assert_eq!(params["config"]["sandbox_workspace_write.writable_roots"], json!(["/ws/.git", "/more"]));
    let mut full = opened("never");
    full["sandbox"] = json!({"type": "dangerFullAccess"});
    assert_eq!(answer(&mut codex, full), [tell(AgentNews::Ready { session: None })], "nothing is there to be tried");
}

#[test]
fn a_missing_login_says_how_to_log_in() {
    let mut codex = new(ApprovalPolicy::Ask, None);
    introduced(&mut codex);
    let account = json!({"account": null, "userId": null, "requiresOpenaiAuth": true});
    let line = json!({"id": 2, "result": account}).to_string();
    let why = codex.take_line(&line).unwrap_err().reason;
    assert!(why.starts_with("codex wants a login first: run `codex login`"), "{why}");
}

#[test]
fn a_session_is_gone_on_with_or_a_new_one_begins_and_says_so() {
    let mut codex = new(ApprovalPolicy::Auto, Some("old"));
    let steps = thread_wanted(&mut codex);
    let wanted = &written(&steps)[0];
    assert_eq!((&wanted["method"], &wanted["params"]["threadId"]), (&json!("thread/resume"), &json!("old")));
    answer(&mut codex, opened("never"));
    let session = AgentSession { id: SessionId(THREAD.to_owned()), begun: SessionBegin::Resumed };
    let steps = answer(&mut codex, json!({"exitCode": 0}));
    assert_eq!(steps, [tell(AgentNews::Ready { session: Some(session) })]);

    let mut codex = new(ApprovalPolicy::Auto, Some("old"));
    thread_wanted(&mut codex);
    let steps = refusal(&mut codex, "no rollout found for thread id old").unwrap();
    assert_eq!(methods(&steps), ["thread/start"]);
    let why = "session old can not be gone on with: no rollout found for thread id old";
    assert_eq!(news(steps), [AgentNews::SessionLost { why: why.to_owned() }]);
    answer(&mut codex, opened("never"));
    let steps = answer(&mut codex, json!({"exitCode": 0}));
    assert_eq!(steps, [tell(AgentNews::Ready { session: None })]);

    let copy = SessionOrigin::CopyOf(SessionId("other".to_owned()));
    let told = Some("You are alice".to_owned());
    let mut codex = CodexDialect::new(wish(ApprovalPolicy::Auto, copy).with_identity(told));
    let steps = thread_wanted(&mut codex);
    let wanted = &written(&steps)[0];
    assert_eq!((&wanted["method"], &wanted["params"]["threadId"]), (&json!("thread/fork"), &json!("other")));
    assert_eq!(
        (&wanted["params"]["cwd"], &wanted["params"]["developerInstructions"]),
        (&json!("/ws"), &json!("You are alice"))
    );
    answer(&mut codex, opened("never"));
    let steps = answer(&mut codex, json!({"exitCode": 0}));
    assert_eq!(steps, [tell(AgentNews::Ready { session: None })], "a copy without a turn may be on no disk");
    codex.prompt(TextId::prompt_of(1), "go".to_owned());
    answer(&mut codex, json!({"turn": {"id": TURN}}));
    let counts = |input: u64, output: u64| json!({"totalTokens": input + output, "inputTokens": input, "cachedInputTokens": 0, "outputTokens": output});
    let mut tells = |total, last| {
        let usage = json!({"total": total, "last": last});
        let params = json!({"threadId": THREAD, "turnId": TURN, "tokenUsage": usage});
        let line = json!({"method": "thread/tokenUsage/updated", "params": params});
        match &news(codex.take_line(&line.to_string()).unwrap())[..] {
            [AgentNews::Usage(usage)] => (usage.input, usage.output),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tells(counts(21_000, 9), counts(11_000, 5)), (11_000, 5), "the rest was used by the other thread");
    assert_eq!(tells(counts(33_000, 12), counts(12_000, 3)), (23_000, 8));

    let why = refusal(&mut new_thread(), "no such model").unwrap_err().reason;
    assert_eq!(why, "codex 0.171.0 refused thread/start: no such model");
}

fn new_thread() -> CodexDialect {
    let mut codex = new(ApprovalPolicy::Ask, None);
    thread_wanted(&mut codex);
    codex
}

#[test]
fn a_codex_that_can_not_ask_always_says_so_and_one_that_would_never_ask_is_refused() {
    let mut codex = new_thread();
    let steps = refusal(&mut codex, "approval_policy = \"untrusted\" is no longer supported").unwrap();
    assert_eq!(written(&steps)[0]["params"]["approvalPolicy"], "on-request");
    assert!(matches!(&news(steps)[..], [AgentNews::Trouble(text)] if text.contains("where its model decides")));
    assert_eq!(news(answer(&mut codex, opened("on-request"))), [], "that was said before");

    let mut codex = new_thread();
    let steps = answer(&mut codex, opened("on-request"));
    assert!(matches!(&news(steps)[..], [AgentNews::Trouble(_)]));

    let mut codex = new_thread();
    let line = json!({"id": 4, "result": opened("never")}).to_string();
    assert!(codex.take_line(&line).unwrap_err().reason.contains("says that it never does"));
}

#[test]
fn a_sandbox_that_can_not_be_made_ends_codex_with_the_ways_out() {
    let tried = |outcome: Value| {
        let mut codex = new_thread();
        answer(&mut codex, opened("untrusted"));
        codex.take_line(&json!({"id": 5, "result": outcome}).to_string())
    };
    let bwrap = "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded\n";
    let refused = tried(json!({"exitCode": 1, "stdout": "", "stderr": bwrap})).unwrap_err().reason;
    assert!(refused.contains("max_*_namespaces") && refused.contains("TEAMSTER_ISOLATION=subreaper"), "{refused}");
    assert!(refused.contains("--agent-arg -c --agent-arg sandbox_mode=danger-full-access"), "{refused}");
    let hung = tried(json!({"exitCode": 124, "stdout": "", "stderr": ""})).unwrap_err().reason;
    assert!(hung.contains("a command in it does not start"), "{hung}");

    let mut codex = new_thread();
    answer(&mut codex, opened("untrusted"));
    let steps = refusal(&mut codex, "unknown variant `command/exec`").unwrap();
    assert!(
        matches!(&news(steps)[..], [AgentNews::Trouble(_), AgentNews::Ready { session: None }]),
        "a version without"
    );
}

#[test]
fn a_turn_tells_what_was_said_and_used_and_what_it_cost() {
    let mut codex = ready();
    let prompt = json!({"threadId": THREAD, "clientUserMessageId": "1.0#1", "input": [{"type": "text", "text": "go"}]});
    let steps = codex.prompt(id(0), "go".to_owned());
    assert_eq!(written(&steps), [json!({"method": "turn/start", "params": prompt})]);
    let lines = [
        r#"{"id":6,"result":{"turn":{"id":"TURN","rootTurnId":"TURN","items":[],"itemsView":"notLoaded","status":"inProgress","error":null}}}"#,
        r#"{"method":"warning","params":{"threadId":"THREAD","message":"Model metadata for `gpt-5-codex` not found."},"emittedAtMs":1}"#,
        r#"{"method":"thread/status/changed","params":{"threadId":"THREAD","status":{"type":"active","activeFlags":[]}},"emittedAtMs":1}"#,
        r#"{"method":"turn/started","params":{"threadId":"THREAD","turn":{"id":"TURN","items":[],"status":"inProgress","error":null}},"emittedAtMs":1}"#,
        r#"{"method":"item/started","params":{"item":{"type":"userMessage","id":"01a2","clientId":"1.0#1","content":[{"type":"text","text":"go","text_elements":[]}]},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"item/completed","params":{"item":{"type":"userMessage","id":"01a2","clientId":"1.0#1","content":[]},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"item/started","params":{"item":{"type":"reasoning","id":"rs_1","summary":[],"content":[]},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"item/reasoning/summaryTextDelta","params":{"threadId":"THREAD","turnId":"TURN","itemId":"rs_1","delta":"planning","summaryIndex":0},"emittedAtMs":1}"#,
        r#"{"method":"item/completed","params":{"item":{"type":"reasoning","id":"rs_1","summary":["planning"],"content":[]},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"item/started","params":{"item":{"type":"agentMessage","id":"msg_1","text":"","phase":null},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"item/agentMessage/delta","params":{"threadId":"THREAD","turnId":"TURN","itemId":"msg_1","delta":"hello"},"emittedAtMs":1}"#,
        r#"{"method":"item/agentMessage/delta","params":{"threadId":"another","turnId":"other","itemId":"msg_9","delta":"of a helper"},"emittedAtMs":1}"#,
        r#"{"method":"item/completed","params":{"item":{"type":"agentMessage","id":"msg_1","text":"hello","phase":null},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"item/started","params":{"item":{"type":"commandExecution","id":"call_1","command":"/bin/bash -lc 'echo hi'","cwd":"/ws","processId":"79367","source":"unifiedExecStartup","status":"inProgress","commandActions":[{"type":"unknown","command":"echo hi"}],"aggregatedOutput":null,"exitCode":null},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"item/completed","params":{"item":{"type":"commandExecution","id":"call_1","command":"/bin/bash -lc 'echo hi'","cwd":"/ws","status":"completed","commandActions":[{"type":"unknown","command":"echo hi"}],"aggregatedOutput":"hi\n","exitCode":0},"threadId":"THREAD","turnId":"TURN"},"emittedAtMs":1}"#,
        r#"{"method":"thread/tokenUsage/updated","params":{"threadId":"THREAD","turnId":"TURN","tokenUsage":{"total":{"totalTokens":22587,"inputTokens":22568,"cachedInputTokens":50,"cacheWriteInputTokens":0,"outputTokens":19,"reasoningOutputTokens":0},"last":{"totalTokens":11377,"inputTokens":11373,"cachedInputTokens":0,"outputTokens":4},"modelContextWindow":258400}},"emittedAtMs":1}"#,
        r#"{"method":"account/rateLimits/updated","params":{"rateLimits":{"limitId":"codex","primary":null,"secondary":null,"credits":null}},"emittedAtMs":1}"#,
        r#"{"method":"thread/tokenUsage/updated","params":{"threadId":"THREAD","turnId":"TURN","tokenUsage":{"total":{"totalTokens":22587,"inputTokens":22568,"cachedInputTokens":50,"outputTokens":19},"last":{"totalTokens":11377,"inputTokens":11373,"outputTokens":4},"modelContextWindow":258400}},"emittedAtMs":1}"#,
        r#"{"method":"turn/plan/updated","params":{"threadId":"THREAD","turnId":"TURN","explanation":null,"plan":[{"step":"look","status":"completed"},{"step":"do","status":"inProgress"},{"step":"rest","status":"pending"}]}}"#,
        r#"{"method":"item/somethingNew","params":{"threadId":"THREAD"}}"#,
        r#"{"method":"item/started","params":{"item":{"type":"somethingNew","id":"x"},"threadId":"THREAD","turnId":"TURN"}}"#,
    ];
    let told: Vec<AgentNews> = lines
        .into_iter()
        .flat_map(|line| news(codex.take_line(&line.replace("THREAD", THREAD).replace("TURN", TURN)).unwrap()))
        .collect();
    let call = |state| AgentNews::ToolCall { id: "call_1".to_owned(), title: "shell echo hi".to_owned(), state };
    let step = |text: &str, state| PlanStep { text: text.to_owned(), state };
    let usage = TokenUsage { input: 22568, output: 19, cached: 50, cost_micro_usd: None, context: Some(11377) };
    let expected = [
        is(0, ReceiptState::Delivered),
        AgentNews::Session(AgentSession { id: SessionId(THREAD.to_owned()), begun: SessionBegin::Fresh }),
        is(0, ReceiptState::InContext),
        AgentNews::Thought("planning".to_owned()),
        text("hello"),
        text("\n"),
        call(ToolState::Running),
        call(ToolState::Done),
        AgentNews::Usage(usage),
        AgentNews::Plan(vec![
            step("look", PlanState::Done),
            step("do", PlanState::Active),
            step("rest", PlanState::Pending),
        ]),
    ];
    assert_eq!(told, expected);
    assert_eq!(completed(&mut codex, done()), [ended(TurnEnd::Completed, "bye")]);
}

#[test]
fn the_cost_of_a_turn_is_without_those_before_it() {
    let mut codex = at_work();
    let usage = |turn: &str, input: u64| json!({"turnId": turn, "tokenUsage": {"total": {"inputTokens": input, "outputTokens": 1}, "last": {"totalTokens": 9}}});
    assert_eq!(told(&mut codex, "thread/tokenUsage/updated", usage("earlier", 1000)), [], "of an earlier life");
    let cost = |input, output| TokenUsage { input, output, cached: 0, cost_micro_usd: None, context: Some(9) };
    let now = told(&mut codex, "thread/tokenUsage/updated", usage(TURN, 1200));
    assert_eq!(now, [AgentNews::Usage(cost(200, 0))]);
    completed(&mut codex, done());
    codex.prompt(id(0), "again".to_owned());
    answer(&mut codex, json!({"turn": {"id": TURN}}));
    let now = told(&mut codex, "thread/tokenUsage/updated", usage(TURN, 1250));
    assert_eq!(now, [AgentNews::Usage(cost(50, 0))]);
}

#[test]
fn a_steer_is_queued_until_it_is_an_item_and_cuts_off_the_answer_before_it() {
    let mut codex = at_work();
    told(&mut codex, "item/agentMessage/delta", json!({"delta": "tick0"}));
    let steer = json!({"threadId": THREAD, "expectedTurnId": TURN, "clientUserMessageId": "1.1#2",
        "input": [{"type": "text", "text": "STEER"}]});
    assert_eq!(written(&steered(&mut codex, 1)), [json!({"method": "turn/steer", "params": steer})]);
    assert_eq!(news(answer(&mut codex, json!({"turnId": TURN}))), [is(1, ReceiptState::Queued)]);
    let taken = taken(&mut codex, "1.1#2");
    assert!(taken.ends_with(&[text("\n"), is(1, ReceiptState::InContext)]), "{taken:?}");
    assert_eq!(completed(&mut codex, done()), [ended(TurnEnd::Completed, "bye")]);
}

#[test]
fn a_steer_before_the_turn_has_begun_waits_for_it() {
    let mut codex = ready();
    codex.prompt(id(0), "go".to_owned());
    assert_eq!(steered(&mut codex, 1), []);
    answer(&mut codex, json!({"turn": {"id": TURN}}));
    let steps = codex.take_line(&notice("turn/started", json!({"turn": {"id": TURN}}))).unwrap();
    assert_eq!(methods(&steps), ["turn/steer"]);
}

#[test]
fn a_steer_that_codex_refuses_or_forgets_is_lost() {
    let lost = |told: &[AgentNews], why: &str| matches!(told, [AgentNews::Receipt { state: ReceiptState::Lost { reason }, .. }, ..] if reason.contains(why));
    let mut codex = at_work();
    steered(&mut codex, 1);
    let told = news(refusal(&mut codex, "no active turn to steer").unwrap());
    assert!(lost(&told, "the turn had ended"), "{told:?}");
    assert_eq!(completed(&mut codex, done()), [ended(TurnEnd::Completed, "bye")], "and it is told once");
    let told = news(steered(&mut codex, 2));
    assert!(lost(&told, "the turn had ended"), "{told:?}");

    let mut codex = at_work();
    steered(&mut codex, 1);
    answer(&mut codex, json!({"turnId": TURN}));
    codex.abort();
    let told = news(steered(&mut codex, 2));
    assert!(lost(&told, "is being stopped"), "{told:?}");
    let told = completed(&mut codex, json!({"status": "interrupted", "error": null, "items": []}));
    assert!(lost(&told, "before codex gave it to its model"), "{told:?}");
    assert_eq!(told[1..], [ended(TurnEnd::Aborted, "")]);
}

#[test]
fn an_abort_interrupts_the_turn_and_ends_what_it_started() {
    let mut codex = at_work();
    let item = json!({"type": "commandExecution", "id": "c", "command": "sleep 33", "status": "inProgress"});
    let call = |state| AgentNews::ToolCall { id: "c".to_owned(), title: "shell sleep 33".to_owned(), state };
    assert_eq!(told(&mut codex, "item/started", json!({"item": item})), [call(ToolState::Running)]);
    let interrupt = json!({"method": "turn/interrupt", "params": {"threadId": THREAD, "turnId": TURN}});
    assert_eq!(written(&codex.abort()), [interrupt]);
    assert_eq!(codex.abort(), [], "said once");
    assert_eq!(answer(&mut codex, json!({})), []);
    let told = completed(&mut codex, json!({"status": "interrupted", "error": null, "items": []}));
    assert_eq!(told, [call(ToolState::Failed), ended(TurnEnd::Aborted, "")]);
}

#[test]
fn an_abort_before_the_turn_has_begun_waits_for_it() {
    let mut codex = ready();
    codex.prompt(id(0), "go".to_owned());
    assert_eq!(codex.abort(), [], "codex would refuse it");
    assert_eq!(news(answer(&mut codex, json!({"turn": {"id": TURN}}))), [is(0, ReceiptState::Delivered)]);
    let steps = codex.take_line(&notice("turn/started", json!({"turn": {"id": TURN}}))).unwrap();
    assert_eq!(methods(&steps), ["turn/interrupt"]);
}

#[test]
fn a_prompt_that_codex_refuses_ends_the_turn() {
    let mut codex = ready();
    codex.prompt(id(0), "go".to_owned());
    let told = news(refusal(&mut codex, "Input exceeds the maximum length of 1048576 characters.").unwrap());
    let reason = "codex refused the prompt: Input exceeds the maximum length of 1048576 characters.".to_owned();
    assert_eq!(told, [ended(TurnEnd::Failed { reason, fault: AgentFault::Prompt }, "")]);
}

/// The question whether a command may be run, and what is written for that answer.
fn answered(permission: Permission) -> Vec<Value> {
    let mut codex = at_work();
    let line = json!({"method": "item/commandExecution/requestApproval", "id": 0, "params": {"kind": "command",
        "threadId": THREAD, "turnId": TURN, "itemId": "call_1", "environmentId": "local",
        "command": "/bin/bash -lc 'touch ap1'", "cwd": "/ws", "commandActions": [{"type": "unknown", "command": "touch ap1"}],
        "proposedExecpolicyAmendment": ["touch", "ap1"], "availableDecisions": ["accept", "cancel"]}});
    let asked = PermissionQuestion {
        question: QuestionId("q1".to_owned()),
        tool: "shell".to_owned(),
        title: "shell touch ap1".to_owned(),
        detail: "command: touch ap1\ndirectory: /ws".to_owned(),
        subject: "touch ap1".to_owned(),
    };
    assert_eq!(codex.take_line(&line.to_string()).unwrap(), [tell(AgentNews::PermissionAsked(asked))]);
    written(&codex.permit(QuestionId("q1".to_owned()), permission))
}

#[test]
fn a_question_is_answered_once_or_for_the_thread_or_refused_with_a_reason_before_it() {
    let decided = |decision: &str| json!({"id": 0, "result": {"decision": decision}});
    assert_eq!(answered(Permission::Once), [decided("accept")]);
    assert_eq!(answered(Permission::Always), [decided("acceptForSession")]);
    let refused = answered(Permission::Never { reason: "the lead says no".to_owned() });
    assert_eq!(refused[0]["params"]["input"][0]["text"], "This was refused: the lead says no");
    assert_eq!((&refused[0]["method"], &refused[1]), (&json!("turn/steer"), &decided("decline")));
}

#[test]
fn the_reason_of_a_refusal_is_no_text_of_the_worker() {
    let mut codex = at_work();
    let line = json!({"method": "item/commandExecution/requestApproval", "id": 0, "params": {"command": "x"}});
    codex.take_line(&line.to_string()).unwrap();
    codex.permit(QuestionId("q1".to_owned()), Permission::Never { reason: "no".to_owned() });
    assert_eq!(answer(&mut codex, json!({"turnId": TURN})), []);
    assert_eq!(completed(&mut codex, done()), [ended(TurnEnd::Completed, "bye")]);
}

#[test]
fn a_patch_is_asked_for_with_its_changes() {
    let mut codex = at_work();
    let changes = json!([{"path": "/ws/a.txt", "kind": {"type": "add"}, "diff": "+one\n"}]);
    let item = json!({"type": "fileChange", "id": "p", "changes": changes, "status": "inProgress"});
    let call = |state| AgentNews::ToolCall { id: "p".to_owned(), title: "apply_patch /ws/a.txt".to_owned(), state };
    assert_eq!(told(&mut codex, "item/started", json!({"item": item})), [call(ToolState::Running)]);
    let line = json!({"method": "item/fileChange/requestApproval", "id": "x", "params": {"threadId": THREAD,
        "turnId": TURN, "itemId": "p", "reason": "outside of the workspace", "grantRoot": null}});
    let told_news = news(codex.take_line(&line.to_string()).unwrap());
    let [AgentNews::PermissionAsked(asked)] = &told_news[..] else { panic!("{told_news:?}") };
    assert_eq!((asked.tool.as_str(), asked.title.as_str()), ("apply_patch", "apply_patch /ws/a.txt"));
    assert_eq!(asked.detail, "reason: outside of the workspace\n/ws/a.txt\n+one");
    let declined = json!({"item": {"type": "fileChange", "id": "p", "changes": changes, "status": "declined"}});
    assert_eq!(told(&mut codex, "item/completed", declined), [call(ToolState::Failed)]);
}

#[test]
fn rights_and_tools_of_servers_are_asked_for_in_their_own_way() {
    let mut codex = at_work();
    let rights = json!({"network": {"enabled": true}});
    let line = json!({"method": "item/permissions/requestApproval", "id": 1, "params": {"threadId": THREAD, "turnId": TURN,
        "itemId": "i", "cwd": "/ws", "reason": "to fetch a crate", "permissions": rights}});
    let told = news(codex.take_line(&line.to_string()).unwrap());
    assert!(matches!(&told[..], [AgentNews::PermissionAsked(asked)] if asked.title == "more rights: to fetch a crate"));
    let given = written(&codex.permit(QuestionId("q1".to_owned()), Permission::Once));
    assert_eq!(given, [json!({"id": 1, "result": {"permissions": rights, "scope": "turn"}})]);

    let line = json!({"method": "mcpServer/elicitation/request", "id": 2, "params": {"threadId": THREAD, "turnId": TURN,
        "serverName": "toy", "mode": "form", "message": "Allow?", "requestedSchema": {},
        "_meta": {"codex_approval_kind": "mcp_tool_call", "tool_name": "say", "tool_params": {"path": "/a"}}}});
    let told = news(codex.take_line(&line.to_string()).unwrap());
    assert!(matches!(&told[..], [AgentNews::PermissionAsked(asked)] if asked.title == "toy.say /a"), "{told:?}");
    let given = written(&codex.permit(QuestionId("q2".to_owned()), Permission::Always));
    assert_eq!(given, [json!({"id": 2, "result": {"action": "accept", "content": {}}})]);
}

#[test]
fn what_nobody_can_answer_is_answered_at_once() {
    let mut codex = at_work();
    let mut ask = |method: &str, params: Value| {
        let steps = codex.take_line(&json!({"method": method, "id": 7, "params": params}).to_string()).unwrap();
        assert!(matches!(&steps[..], [DialectStep::Write(_)]), "{steps:?}");
        written(&steps).remove(0)
    };
    let chosen = ask("item/tool/requestUserInput", json!({"questions": [{"id": "a", "question": "Which?"}]}));
    assert_eq!(chosen["result"]["answers"]["a"]["answers"].as_array().unwrap().len(), 1);
    let elicited = ask("mcpServer/elicitation/request", json!({"_meta": null, "message": "your name?"}));
    assert_eq!(elicited["result"]["action"], "decline");
    assert_eq!(ask("attestation/generate", json!({}))["error"]["code"], -32601);

    let mut codex = ready();
    let line = json!({"method": "item/commandExecution/requestApproval", "id": 0, "params": {"command": "x"}});
    let steps = codex.take_line(&line.to_string()).unwrap();
    assert_eq!(written(&steps), [json!({"id": 0, "result": {"decision": "decline"}})], "outside a turn");
}

#[test]
fn an_answer_to_a_question_that_codex_took_back_is_not_written() {
    let mut codex = at_work();
    let line = json!({"method": "item/commandExecution/requestApproval", "id": 0, "params": {"command": "x"}});
    codex.take_line(&line.to_string()).unwrap();
    assert_eq!(told(&mut codex, "serverRequest/resolved", json!({"requestId": 0})), []);
    assert_eq!(codex.permit(QuestionId("q1".to_owned()), Permission::Once), []);
}

fn error(message: &str, info: Value, will_retry: bool) -> Value {
    json!({"error": {"message": message, "codexErrorInfo": info, "additionalDetails": "why"}, "willRetry": will_retry,
        "turnId": TURN})
}

#[test]
fn a_usage_limit_is_told_with_the_time_of_its_end() {
    let mut codex = at_work();
    let window = |percent: u64, at: u64| json!({"usedPercent": percent, "windowDurationMins": 300, "resetsAt": at});
    let limits = json!({"limitId": "codex", "primary": window(100, 1795878587), "secondary": window(40, 1795901985)});
    let line = json!({"method": "account/rateLimits/updated", "params": {"rateLimits": limits}}).to_string();
    assert_eq!(codex.take_line(&line).unwrap(), []);
    let words = "You’ve hit your usage limit. Try again at 3:09 PM.";
    assert_eq!(told(&mut codex, "error", error(words, json!("usageLimitExceeded"), false)), []);
    let failed = json!({"status": "failed", "items": [], "error": {"message": words, "codexErrorInfo": "usageLimitExceeded",
        "additionalDetails": null}});
    let reason = words.to_owned();
    let expected = [
        AgentNews::Limited(ProviderLimit { until_ms: Some(1_795_878_587_000), reason: reason.clone() }),
        ended(TurnEnd::Failed { reason, fault: AgentFault::Provider }, ""),
    ];
    assert_eq!(completed(&mut codex, failed), expected);
}

#[test]
fn a_turn_in_which_nothing_was_said_or_done_is_not_completed() {
    let mut codex = at_work();
    let end = completed(&mut codex, json!({"status": "completed", "items": [], "error": null}));
    assert_eq!(end, [ended(TurnEnd::failed(NOTHING_DONE), "")]);
}

#[test]
fn a_first_retry_is_told_and_a_key_that_is_not_accepted_is_not_tried_again() {
    let mut codex = at_work();
    let busy = |n: u32| {
        error(&format!("Reconnecting... {n}/5"), json!({"responseStreamDisconnected": {"httpStatusCode": 429}}), true)
    };
    assert_eq!(told(&mut codex, "error", busy(1)), [AgentNews::Trouble("codex tries again: why".to_owned())]);
    assert_eq!(told(&mut codex, "error", busy(2)), []);

    let bad = error("Reconnecting... 1/5", json!({"responseStreamDisconnected": {"httpStatusCode": 401}}), true);
    let steps = codex.take_line(&notice("error", bad)).unwrap();
    assert_eq!(methods(&steps), ["turn/interrupt"]);
    let told = completed(&mut codex, json!({"status": "interrupted", "error": null}));
    let [AgentNews::TurnEnded { end: TurnEnd::Failed { reason, fault: AgentFault::Provider }, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(reason.contains("codex login"), "{reason}");
}

#[test]
fn codex_does_not_wait_for_the_network_for_ever() {
    let mut codex = at_work();
    let waits = || {
        let info = json!({"responseStreamDisconnected": {"httpStatusCode": null}});
        notice("error", error("Reconnecting... waiting for network", info, true))
    };
    for _ in 0..3 {
        assert_eq!(written(&codex.take_line(&waits()).unwrap()), Vec::<Value>::new());
    }
    assert_eq!(methods(&codex.take_line(&waits()).unwrap()), ["turn/interrupt"]);
    let told = completed(&mut codex, json!({"status": "interrupted", "error": null}));
    let reason = "codex can not reach its provider: why".to_owned();
    assert_eq!(told[0], AgentNews::Unavailable { reason: reason.clone() });
    assert_eq!(told[1..], [ended(TurnEnd::Failed { reason, fault: AgentFault::Provider }, "")]);
}

#[test]
fn a_server_of_tools_that_does_not_start_is_told() {
    let mut codex = ready();
    let failed = json!({"name": "toy", "status": "failed", "error": "no such file"});
    let text = "codex goes on without the tools of its MCP server toy: no such file".to_owned();
    assert_eq!(told(&mut codex, "mcpServer/startupStatus/updated", failed), [AgentNews::Trouble(text)]);
}

#[test]
fn a_setting_that_codex_does_not_understand_is_told() {
    let mut codex = new(ApprovalPolicy::Ask, None);
    codex.begin();
    let mut warned = |summary: &str, details: Value| {
        let params = json!({"summary": summary, "details": details, "path": "/h/config.toml"});
        news(codex.take_line(&json!({"method": "configWarning", "params": params}).to_string()).unwrap())
    };
    let told = warned("Invalid configuration; using defaults.", json!("config.toml:4:16: unknown variant `nonsense`"));
    let text = "codex: Invalid configuration; using defaults. config.toml:4:16: unknown variant `nonsense`".to_owned();
    assert_eq!(told, [AgentNews::Trouble(text)]);
    assert_eq!(warned("Codex could not find bubblewrap on PATH.", Value::Null), []);
}

#[test]
fn what_is_no_message_of_codex_ends_it() {
    assert!(ready().take_line("npm warn: no").is_err());
    assert!(at_work().take_line(&notice("turn/completed", json!({"turn": 7}))).is_err());
}

#[test]
fn a_rule_sees_a_command_only_if_codex_tells_all_of_it() {
    let whole = |command: &str, actions: &[&str]| {
        let actions: Vec<Value> = actions.iter().map(|command| json!({"command": command})).collect();
        super::turn::whole_command(command, &actions)
    };
    assert_eq!(whole("/bin/bash -lc 'touch ap1'", &["touch ap1"]), "touch ap1");
    assert_eq!(whole("/bin/bash -lc ls", &["ls"]), "ls");
    assert_eq!(whole("touch ap1", &[]), "touch ap1");
    assert_eq!(whole("/bin/bash -lc 'cat a | sh'", &["cat a"]), "", "codex leaves out what it takes for formatting");
    assert_eq!(whole("/bin/bash -lc 'ls; rm x'", &["ls", "rm x"]), "");
}
