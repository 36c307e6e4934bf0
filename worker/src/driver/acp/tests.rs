//! Lines that opencode 1.18.33, claude-agent-acp 0.101, codex-acp 2.6, Gemini CLI 0.61 and Kimi 2.1 wrote, shortened, and
//! what they mean.

use teamster_protocol::model::agent::options::AgentOptions;
use teamster_protocol::model::agent::{ApprovalPolicy, PlanState, PlanStep, SessionBegin, SessionId, ToolState};
use teamster_protocol::model::limits::sizes::{ODD_LINES_MAX, QUESTIONS_OPEN_MAX};

use super::*;

/// An agent that offers to resume and to load, as opencode does.
const OPENCODE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true,"mcpCapabilities":{"http":true,"sse":true},"promptCapabilities":{"embeddedContext":true,"image":true},"sessionCapabilities":{"close":{},"fork":{},"list":{},"resume":{}}},"authMethods":[{"id":"opencode-login","name":"Login with opencode","description":"Run `opencode auth login` in the terminal"}],"agentInfo":{"name":"OpenCode","version":"1.18.33"}}}"#;

/// An agent that takes texts in a turn, as claude-agent-acp does.
const STEERED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true,"sessionCapabilities":{"resume":{}}},"agentInfo":{"name":"@agentclientprotocol/claude-agent-acp","version":"0.101.0"},"authMethods":[],"_meta":{"steering":{"supported":true}}}}"#;

const NEW: &str = r#"{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s1","configOptions":[{"id":"model","name":"Model","category":"model","type":"select","currentValue":"rig/one","options":[{"value":"rig/one","name":"Rig/One"},{"value":"rig/two","name":"Rig/Two"}]},{"id":"mode","category":"mode","type":"select","currentValue":"build","options":[{"value":"build","name":"build"},{"value":"plan","name":"plan"}]}]}}"#;

fn launch(options: AgentOptions) -> AgentLaunch {
    options.launch(&"opencode".parse().unwrap()).unwrap()
}

fn dialect(options: AgentOptions, earlier: Option<&str>) -> AcpDialect {
    let origin = earlier.map_or(SessionOrigin::New, |id| SessionOrigin::Earlier(SessionId(id.to_owned())));
    AcpDialect::new(&launch(options), Path::new("/ws"), origin)
}

/// The lines of these steps as JSON, and the news.
fn parted(steps: Vec<DialectStep>) -> (Vec<Value>, Vec<AgentNews>) {
    let (mut lines, mut news) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            DialectStep::Write(line) => lines.push(serde_json::from_str(&line).unwrap()),
            DialectStep::Tell(told) => news.push(told),
            DialectStep::BeginAfresh => panic!("the session is begun anew in the same process"),
        }
    }
    (lines, news)
}

fn took(acp: &mut AcpDialect, line: &str) -> (Vec<Value>, Vec<AgentNews>) {
    parted(acp.take_line(line).unwrap())
}

/// The news of these lines, of which none is answered.
fn told_all(acp: &mut AcpDialect, lines: &str) -> Vec<AgentNews> {
    let mut all = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (written, news) = took(acp, line);
        assert_eq!(written, [] as [Value; 0], "{line}");
        all.extend(news);
    }
    all
}

/// An agent that is ready, in session `s1`.
fn ready() -> AcpDialect {
    ready_as(OPENCODE)
}

fn ready_as(introduction: &str) -> AcpDialect {
    let mut acp = dialect(AgentOptions::default(), None);
    acp.begin();
    took(&mut acp, introduction);
    let (lines, news) = took(&mut acp, NEW);
    assert_eq!((lines, news), (vec![], vec![AgentNews::Ready { session: None }]));
    acp
}

fn id(number: u32) -> TextId {
    TextId::InTurn { turn: 1, number }
}

fn is(number: u32, state: ReceiptState) -> AgentNews {
    AgentNews::Receipt { text: id(number), state }
}

/// Prompts it; the request is its third.
fn prompted(acp: &mut AcpDialect, text: &str) -> Value {
    let (lines, news) = parted(acp.prompt(id(0), text.to_owned()));
    assert_eq!(news, [is(0, ReceiptState::Unconfirmed)]);
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    assert_eq!(line["method"], "session/prompt");
    line.clone()
}

fn update(update: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s1","update":{update}}}}}"#)
}

fn chunk(text: &str) -> String {
    update(&format!(r#"{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"{text}"}}}}"#))
}

fn ended(news: &[AgentNews]) -> &TurnEnd {
    let Some(AgentNews::TurnEnded { end, .. }) = news.last() else { panic!("no end: {news:?}") };
    end
}

fn fresh() -> AgentNews {
    AgentNews::Session(AgentSession { id: SessionId("s1".to_owned()), begun: SessionBegin::Fresh })
}

#[test]
fn a_session_is_opened_and_what_the_member_was_given_is_chosen_in_it() {
    let options = AgentOptions { model: Some("Rig/Two".to_owned()), ..AgentOptions::default() };
    let mut acp = dialect(options, None);
    let (lines, _) = parted(acp.begin());
    assert_eq!(lines[0]["params"]["protocolVersion"], 1);
    assert_eq!(lines[0]["params"]["clientCapabilities"]["terminal"], false);
    let (lines, news) = took(&mut acp, OPENCODE);
    assert_eq!(news, []);
    let params = json!({"cwd": "/ws", "mcpServers": []});
    assert_eq!(lines, [json!({"jsonrpc": "2.0", "id": 2, "method": "session/new", "params": params})]);
    let (lines, news) = took(&mut acp, NEW);
    let params = json!({"sessionId": "s1", "configId": "model", "value": "rig/two"});
    assert_eq!(lines, [json!({"jsonrpc": "2.0", "id": 3, "method": "session/set_config_option", "params": params})]);
    assert_eq!(news, []);
    let (_, news) = took(&mut acp, r#"{"jsonrpc":"2.0","id":3,"result":{"configOptions":[]}}"#);
    assert_eq!(news, [AgentNews::Ready { session: None }], "of a new session nothing is kept before the first turn");
}

#[test]
fn what_can_not_be_chosen_ends_the_agent_with_what_is_offered() {
    let mut acp = dialect(AgentOptions { model: Some("gpt".to_owned()), ..AgentOptions::default() }, None);
    acp.begin();
    took(&mut acp, OPENCODE);
    let said = acp.take_line(NEW).unwrap_err().reason;
    assert_eq!(said, "the agent does not offer the model gpt: it offers rig/one, rig/two");

    let mut acp = dialect(AgentOptions { effort: Some("high".to_owned()), ..AgentOptions::default() }, None);
    acp.begin();
    took(&mut acp, OPENCODE);
    let said = acp.take_line(NEW).unwrap_err().reason;
    assert_eq!(said, "the agent can not be given the effort high: it offers no such choice");
}

#[test]
fn an_agent_that_decides_by_itself_is_set_to_ask_also_where_all_is_allowed() {
    let new = r#"{"id":2,"result":{"sessionId":"s1","modes":{"currentModeId":"auto","availableModes":[{"id":"default","name":"Manual"},{"id":"auto","name":"Auto"}]}}}"#;
    for approval in [ApprovalPolicy::Ask, ApprovalPolicy::Auto, ApprovalPolicy::Deny] {
        let mut acp = dialect(AgentOptions { approval: Some(approval), ..AgentOptions::default() }, None);
        acp.begin();
        took(&mut acp, STEERED);
        let (lines, _) = took(&mut acp, new);
        let chosen = (&lines[0]["method"], &lines[0]["params"]["modeId"]);
        assert_eq!(chosen, (&json!("session/set_mode"), &json!("default")), "{approval:?}");
        let (_, news) = took(&mut acp, r#"{"id":3,"result":{}}"#);
        assert_eq!(news, [AgentNews::Ready { session: None }]);
    }
}

#[test]
fn an_earlier_session_is_resumed_else_loaded_else_a_new_one_begins_and_that_is_said() {
    let mut acp = dialect(AgentOptions::default(), Some("old"));
    acp.begin();
    let (lines, _) = took(&mut acp, OPENCODE);
    let params = json!({"sessionId": "old", "cwd": "/ws", "mcpServers": []});
    assert_eq!((&lines[0]["method"], &lines[0]["params"]), (&json!("session/resume"), &params));
    let refused = |id: u32| {
        format!(
            r#"{{"id":{id},"error":{{"code":-32603,"message":"Internal error","data":{{"details":"not there"}}}}}}"#
        )
    };
    let (lines, news) = took(&mut acp, &refused(2));
    assert_eq!((&lines[0]["method"], news), (&json!("session/load"), vec![]));
    let (lines, news) = took(&mut acp, &refused(3));
    assert_eq!(lines[0]["method"], "session/new");
    let why = "session old can not be gone on with: Internal error: not there".to_owned();
    assert_eq!(news, [AgentNews::SessionLost { why }]);
}

#[test]
fn a_copy_of_a_session_is_begun_where_the_agent_offers_it_and_else_a_new_one() {
    let copying = |introduction: &str| {
        let origin = SessionOrigin::CopyOf(SessionId("other".to_owned()));
        let mut acp = AcpDialect::new(&launch(AgentOptions::default()), Path::new("/ws"), origin);
        acp.begin();
        let (lines, news) = took(&mut acp, introduction);
        (acp, lines, news)
    };
    let (mut acp, lines, _) = copying(OPENCODE);
    let params = json!({"sessionId": "other", "cwd": "/ws", "mcpServers": []});
    assert_eq!((&lines[0]["method"], &lines[0]["params"]), (&json!("session/fork"), &params));
    assert_eq!(told_all(&mut acp, NEW), [AgentNews::Ready { session: None }]);
    prompted(&mut acp, "go");
    let session = AgentSession { id: SessionId("s1".to_owned()), begun: SessionBegin::Forked };
    assert_eq!(told_all(&mut acp, &chunk("hello"))[0], AgentNews::Session(session));

    let (_, lines, news) = copying(STEERED);
    let why = "session other can not be copied: its agent offers no way to".to_owned();
    assert_eq!(lines[0]["method"], "session/new");
    assert!(news.contains(&AgentNews::SessionLost { why }), "{news:?}");
}

#[test]
fn an_agent_that_has_compacted_its_session_says_so_in_a_turn_and_after_it() {
    let mut acp = ready();
    let compaction =
        |status: &str| update(&json!({"sessionUpdate": "compaction_update", "status": status}).to_string());
    assert_eq!(told_all(&mut acp, &compaction("completed")), [AgentNews::Compacted]);
    prompted(&mut acp, "go");
    assert_eq!(told_all(&mut acp, &compaction("in_progress")), []);
    assert_eq!(told_all(&mut acp, &compaction("completed")), [AgentNews::Compacted]);
}

#[test]
fn the_history_of_a_session_that_is_loaded_is_not_told_again() {
    let mut acp = dialect(AgentOptions::default(), Some("s1"));
    acp.begin();
    let load_only = r#"{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}}"#;
    assert_eq!(took(&mut acp, load_only).0[0]["method"], "session/load");
    let history = [
        update(r#"{"sessionUpdate":"user_message_chunk","content":{"type":"text","text":"hi"}}"#),
        chunk("hello"),
        update(r#"{"sessionUpdate":"tool_call","toolCallId":"c1","title":"ls -l","status":"completed"}"#),
    ];
    assert_eq!(told_all(&mut acp, &history.join("\n")), []);
    let session = AgentSession { id: SessionId("s1".to_owned()), begun: SessionBegin::Loaded };
    let opened = told_all(&mut acp, r#"{"id":2,"result":null}"#);
    assert_eq!(opened, [AgentNews::Ready { session: Some(session) }]);
}

#[test]
fn a_turn_tells_what_was_said_and_used_and_what_it_cost() {
    let mut acp = ready();
    prompted(&mut acp, "write a file");
    let lines = r#"
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"available_commands_update","availableCommands":[]}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"agent_thought_chunk","messageId":"p1","content":{"type":"text","text":"planning"}}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"agent_message_chunk","messageId":"m1","content":{"type":"text","text":"hello"}}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call","toolCallId":"c1","title":"write","kind":"edit","status":"pending","locations":[],"rawInput":{}}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call_update","toolCallId":"c1","status":"in_progress","kind":"edit","title":"write","rawInput":{"filePath":"/ws/a.txt","content":"x\ny"}}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call_update","toolCallId":"c1","status":"completed","title":"ws/a.txt","content":[{"type":"content","content":{"type":"text","text":"Wrote file successfully."}}]}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"plan","entries":[{"content":"write","priority":"high","status":"completed"},{"content":"look","status":"in_progress"}]}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"agent_message_chunk","messageId":"m2","content":{"type":"text","text":"by"}}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"agent_message_chunk","messageId":"m2","content":{"type":"text","text":"e"}}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"usage_update","used":7846,"size":200000,"cost":{"amount":0.070398,"currency":"USD"}}}}
        {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"other","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"of a helper"}}}}
        {"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn","usage":{"inputTokens":7846,"outputTokens":1,"totalTokens":7847},"_meta":{}}}
        {"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn"}}
    "#;
    let text = |text: &str| AgentNews::Text(text.to_owned());
    let call = |state| AgentNews::ToolCall { id: "c1".to_owned(), title: "write /ws/a.txt".to_owned(), state };
    let step = |text: &str, state| PlanStep { text: text.to_owned(), state };
    let (cost_micro_usd, context) = (Some(70_398), Some(7846));
    let expected = [
        fresh(),
        is(0, ReceiptState::InContext),
        AgentNews::Thought("planning".to_owned()),
        text("hello"),
        call(ToolState::Running),
        call(ToolState::Done),
        AgentNews::Plan(vec![step("write", PlanState::Done), step("look", PlanState::Active)]),
        text("\n"),
        text("by"),
        text("e"),
        AgentNews::Usage(TokenUsage { input: 7846, output: 1, cached: 0, cost_micro_usd, context }),
        AgentNews::TurnEnded { end: TurnEnd::Completed, result: "bye".to_owned() },
    ];
    assert_eq!(told_all(&mut acp, lines), expected);
}

#[test]
fn the_cost_of_a_turn_is_what_the_session_grew_by_and_unknown_after_a_resume() {
    let turn = |acp: &mut AcpDialect, number: u32, cost: f64| {
        acp.prompt(id(0), "go".to_owned());
        let usage = json!({"sessionUpdate": "usage_update", "used": 9, "cost": {"amount": cost, "currency": "USD"}});
        let answer = json!({"id": number, "result": {"stopReason": "end_turn", "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 12, "cachedReadTokens": 5}}});
        let news = told_all(acp, &format!("{}\n{answer}", update(&usage.to_string())));
        let usage = news.iter().find_map(|news| match news {
            AgentNews::Usage(usage) => Some(*usage),
            _ => None,
        });
        usage.unwrap()
    };
    let mut acp = ready();
    assert_eq!(turn(&mut acp, 3, 0.5).cost_micro_usd, Some(500_000));
    let second = turn(&mut acp, 4, 0.75);
    assert_eq!((second.cost_micro_usd, second.input, second.cached), (Some(250_000), 10, 5));

    let mut acp = dialect(AgentOptions::default(), Some("s1"));
    acp.begin();
    took(&mut acp, OPENCODE);
    took(&mut acp, r#"{"id":2,"result":{"sessionId":"s1"}}"#);
    assert_eq!(turn(&mut acp, 3, 0.75).cost_micro_usd, None, "earlier lives are in it");
    assert_eq!(turn(&mut acp, 4, 0.8).cost_micro_usd, Some(50_000));
}

#[test]
fn an_agent_that_tells_the_tokens_of_each_call_of_its_model_has_used_their_sum() {
    let call = |meta: Value| {
        let message =
            json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": ""}, "_meta": meta});
        update(&message.to_string())
    };
    let usage = |input: u64, output: u64, cached: u64| json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output, "thoughtTokens": 0, "cachedReadTokens": cached});
    let mut acp = ready();
    // Of a session that is loaded: it was counted when it was used.
    assert_eq!(told_all(&mut acp, &call(json!({"usage": usage(900, 9, 0)}))), []);
    prompted(&mut acp, "go");
    let lines = [
        call(json!({"usage": usage(100, 20, 0), "durationMs": 5})),
        call(json!({"usage": usage(70, 3, 0), "durationMs": 5, "parentToolCallId": "c1", "subagentType": "explore"})),
        call(json!({"usage": usage(150, 10, 90), "durationMs": 5})),
        call(json!({"usage": {"inputTokens": "many"}})),
        call(Value::Null),
        r#"{"id":3,"result":{"stopReason":"end_turn"}}"#.to_owned(),
    ];
    let used = |input, output, cached, context| {
        AgentNews::Usage(TokenUsage { input, output, cached, cost_micro_usd: None, context: Some(context) })
    };
    let expected = [
        fresh(),
        is(0, ReceiptState::InContext),
        used(100, 20, 0, 120),
        used(170, 23, 0, 120),
        used(320, 33, 90, 160),
        AgentNews::TurnEnded { end: TurnEnd::Completed, result: String::new() },
    ];
    assert_eq!(told_all(&mut acp, &lines.join("\n")), expected);
}

#[test]
fn the_calls_of_other_agents_have_titles_that_say_something() {
    let titles = |lines: &str| -> Vec<(String, ToolState)> {
        let mut acp = ready();
        prompted(&mut acp, "go");
        let news = told_all(&mut acp, lines);
        let told = news.into_iter().filter_map(|news| match news {
            AgentNews::ToolCall { title, state, .. } => Some((title, state)),
            _ => None,
        });
        told.collect()
    };
    let both = |title: &str| vec![(title.to_owned(), ToolState::Running), (title.to_owned(), ToolState::Done)];
    let claude = r#"
        {"method":"session/update","params":{"sessionId":"s1","update":{"_meta":{"claudeCode":{"toolName":"Write"}},"toolCallId":"t0","sessionUpdate":"tool_call","name":"Write","rawInput":{},"status":"pending","title":"Preparing file…","kind":"edit","content":[]}}}
        {"method":"session/update","params":{"sessionId":"s1","update":{"toolCallId":"t0","sessionUpdate":"tool_call_update","rawInput":{"file_path":"/ws/a.txt","content":"x"},"title":"Write a.txt"}}}
        {"method":"session/update","params":{"sessionId":"s1","update":{"toolCallId":"t0","sessionUpdate":"tool_call_update"}}}
        {"method":"session/update","params":{"sessionId":"s1","update":{"toolCallId":"t0","sessionUpdate":"tool_call_update","status":"completed","rawOutput":"File created"}}}
    "#;
    assert_eq!(titles(claude), both("Write /ws/a.txt"));
    let codex = r#"
        {"method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call","toolCallId":"c0","name":"exec_command","kind":"execute","title":"echo hi","status":"in_progress","content":[{"type":"terminal","terminalId":"c0"}],"rawInput":{"command":"echo hi","cwd":"/ws"}}}}
        {"method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call_update","toolCallId":"c0","status":"completed"}}}
    "#;
    assert_eq!(titles(codex), both("exec_command echo hi"));
    let gemini = r#"
        {"method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call_update","toolCallId":"g0","status":"completed","title":"Writing to a.txt","content":[],"kind":"edit"}}}
    "#;
    assert_eq!(titles(gemini), [("Writing to a.txt".to_owned(), ToolState::Done)]);
    let kimi = r#"
        {"method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call","toolCallId":"k0","title":"Write","kind":"edit","status":"pending","content":[{"type":"content","content":{"type":"text","text":""}}]}}}
        {"method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call_update","toolCallId":"k0","status":"in_progress","content":[{"type":"content","content":{"type":"text","text":"{\"path\": \"/w"}}]}}}
        {"method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call_update","toolCallId":"k0","title":"Writing /ws/a.txt","status":"in_progress","rawInput":{"path":"/ws/a.txt","content":"x"}}}}
        {"method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"tool_call_update","toolCallId":"k0","status":"completed"}}}
    "#;
    assert_eq!(titles(kimi), both("Write /ws/a.txt"));
}

#[test]
fn an_agents_own_warning_is_not_the_models_answer() {
    let mut acp = ready();
    prompted(&mut acp, "go");
    let warning = "Warning: Model metadata for x not found.";
    assert_eq!(told_all(&mut acp, &chunk(warning)), [AgentNews::Thought(warning.to_owned())]);
    let end = told_all(&mut acp, r#"{"id":3,"result":{"stopReason":"end_turn"}}"#);
    let reason = "the agent ended the turn without doing anything for it".to_owned();
    assert_eq!(ended(&end), &TurnEnd::Failed { reason, fault: AgentFault::Prompt });
}

const ASKS: &str = r#"{"jsonrpc":"2.0","id":0,"method":"session/request_permission","params":{"sessionId":"s1","toolCall":{"toolCallId":"c1","title":"touch z1","kind":"execute","status":"pending","locations":[],"rawInput":{"command":"touch z1"}},"options":[{"optionId":"once","kind":"allow_once","name":"Allow once"},{"optionId":"always","kind":"allow_always","name":"Always allow"},{"optionId":"reject","kind":"reject_once","name":"Reject"}]}}"#;

/// An agent that asks whether it may use a tool, as question `q1`.
fn asking() -> AcpDialect {
    let mut acp = ready();
    prompted(&mut acp, "go");
    let call = update(
        r#"{"sessionUpdate":"tool_call","toolCallId":"c1","title":"bash","kind":"execute","status":"pending","rawInput":{"cwd":"/ws"}}"#,
    );
    told_all(&mut acp, &call);
    let news = told_all(&mut acp, ASKS);
    let question = PermissionQuestion {
        question: QuestionId("q1".to_owned()),
        tool: "bash".to_owned(),
        title: "bash touch z1".to_owned(),
        detail: "command: touch z1".to_owned(),
        subject: "touch z1".to_owned(),
    };
    let call = AgentNews::ToolCall { id: "c1".to_owned(), title: question.title.clone(), state: ToolState::Running };
    assert_eq!(news, [call, AgentNews::PermissionAsked(question)]);
    acp
}

fn answer_to(acp: &mut AcpDialect, answer: Permission) -> Value {
    let (lines, news) = parted(acp.permit(QuestionId("q1".to_owned()), answer));
    assert_eq!(news, []);
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    assert_eq!(line["id"], 0);
    line["result"]["outcome"].clone()
}

#[test]
fn a_question_is_answered_by_the_kinds_that_are_offered() {
    let selected = |option: &str| json!({"outcome": "selected", "optionId": option});
    assert_eq!(answer_to(&mut asking(), Permission::Once), selected("once"));
    assert_eq!(answer_to(&mut asking(), Permission::Always), selected("always"));
    let mut acp = asking();
    assert_eq!(answer_to(&mut acp, Permission::Never { reason: "no".to_owned() }), selected("reject"));
    assert_eq!(acp.permit(QuestionId("q1".to_owned()), Permission::Once), [], "it is answered once");

    // A yes for once is not made one for ever.
    let mut acp = ready();
    prompted(&mut acp, "go");
    took(&mut acp, &ASKS.replace("allow_once", "allow_always"));
    assert_eq!(answer_to(&mut acp, Permission::Once), json!({"outcome": "cancelled"}));
}

#[test]
fn a_question_that_names_its_tool_alone_is_told_with_what_stands_beside_it() {
    let mut acp = ready();
    prompted(&mut acp, "go");
    let kimi = r#"{"jsonrpc":"2.0","id":0,"method":"session/request_permission","params":{"sessionId":"s1","options":[],"toolCall":{"toolCallId":"k0","title":"Write","content":[{"type":"content","content":{"type":"text","text":"Requesting approval to Writing /ws/a.txt"}}]}}}"#;
    let (_, news) = took(&mut acp, kimi);
    let Some(AgentNews::PermissionAsked(asked)) = news.last() else { panic!("no question: {news:?}") };
    assert_eq!(
        (asked.tool.as_str(), asked.title.as_str()),
        ("Write", "Write: Requesting approval to Writing /ws/a.txt")
    );

    let gemini = r#"{"id":1,"method":"session/request_permission","params":{"sessionId":"s1","options":[],"toolCall":{"toolCallId":"g0","title":"Writing to a.txt","kind":"edit","content":[{"type":"diff","path":"/ws/a.txt","oldText":"old","newText":"x\ny"}]}}}"#;
    let (_, news) = took(&mut acp, gemini);
    let Some(AgentNews::PermissionAsked(asked)) = news.last() else { panic!("no question: {news:?}") };
    assert_eq!((asked.tool.as_str(), asked.detail.as_str()), ("edit", "/ws/a.txt\n-old\n+x\n+y"));
}

#[test]
fn a_turn_that_ends_where_a_tool_was_refused_has_failed() {
    let mut acp = asking();
    answer_to(&mut acp, Permission::Never { reason: "not now".to_owned() });
    let failed = update(r#"{"sessionUpdate":"tool_call_update","toolCallId":"c1","status":"failed"}"#);
    told_all(&mut acp, &failed);
    let end = told_all(&mut acp, r#"{"id":3,"result":{"stopReason":"end_turn"}}"#);
    let reason = "the agent ended the turn when it was not allowed to use a tool (bash touch z1): not now".to_owned();
    assert_eq!(ended(&end), &TurnEnd::Failed { reason, fault: AgentFault::Prompt });

    let mut acp = asking();
    answer_to(&mut acp, Permission::Never { reason: "not now".to_owned() });
    told_all(&mut acp, &chunk("then without it"));
    let end = told_all(&mut acp, r#"{"id":3,"result":{"stopReason":"end_turn"}}"#);
    assert_eq!(ended(&end), &TurnEnd::Completed, "the model went on");
}

#[test]
fn an_abort_takes_the_questions_back_before_it_cancels() {
    let mut acp = asking();
    let (lines, _) = parted(acp.abort());
    assert_eq!(lines[0]["result"]["outcome"]["outcome"], "cancelled");
    let cancel = json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": "s1"}});
    assert_eq!(lines[1..], [cancel]);
    let (lines, news) = took(&mut acp, ASKS);
    assert_eq!((lines.len(), news.len()), (1, 0), "what is asked now is answered as cancelled");
    let news = told_all(&mut acp, r#"{"id":3,"result":{"stopReason":"cancelled","usage":null}}"#);
    assert!(matches!(news[0], AgentNews::ToolCall { state: ToolState::Failed, .. }), "{news:?}");
    assert_eq!(ended(&news), &TurnEnd::Aborted);
    assert_eq!(acp.abort(), [], "nothing runs");
    let (lines, _) = took(&mut acp, ASKS);
    assert_eq!(lines.len(), 1, "a question outside of a turn has an answer too");
}

#[test]
fn a_question_that_the_agent_takes_back_has_no_answer() {
    let mut acp = asking();
    told_all(&mut acp, r#"{"jsonrpc":"2.0","method":"$/cancel_request","params":{"requestId":0}}"#);
    assert_eq!(acp.permit(QuestionId("q1".to_owned()), Permission::Once), []);
}

#[test]
fn a_storm_of_questions_leaves_some_open_and_none_without_an_answer() {
    let mut acp = ready();
    prompted(&mut acp, "go");
    let mut asked = 0;
    let mut cancelled = 0;
    for number in 0..500 {
        let (lines, news) = took(&mut acp, &ASKS.replace(r#""id":0"#, &format!(r#""id":{number}"#)));
        asked += news.iter().filter(|news| matches!(news, AgentNews::PermissionAsked(_))).count();
        cancelled += lines.len();
    }
    assert_eq!((asked, cancelled), (QUESTIONS_OPEN_MAX, 500 - QUESTIONS_OPEN_MAX));
    let (lines, _) = took(&mut acp, r#"{"id":3,"result":{"stopReason":"end_turn"}}"#);
    assert_eq!(lines.len(), QUESTIONS_OPEN_MAX);
}

#[test]
fn what_an_agent_asks_of_us_is_refused_and_it_goes_on() {
    let mut acp = ready();
    prompted(&mut acp, "go");
    for method in ["fs/write_text_file", "terminal/create", "elicitation/create"] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"sessionId":"s1"}}}}"#);
        let (lines, news) = took(&mut acp, &line);
        assert_eq!((&lines[0]["id"], &lines[0]["error"]["code"], news), (&json!(1), &json!(-32601), vec![]));
    }
}

#[test]
fn an_agent_that_takes_texts_in_a_turn_says_so_and_acknowledges_them() {
    let mut acp = dialect(AgentOptions::default(), None);
    acp.begin();
    assert_eq!(took(&mut acp, STEERED).1, [AgentNews::Steering(SteerAbility::Native)]);
    took(&mut acp, NEW);
    prompted(&mut acp, "go");
    let steer =
        |acp: &mut AcpDialect, number| parted(acp.steer(AgentSteer { id: id(number), text: "STEER".to_owned() }));
    let (lines, news) = steer(&mut acp, 1);
    assert_eq!((&lines[0]["method"], news), (&json!("_session/steering"), vec![]));
    assert_eq!(lines[0]["params"]["_meta"]["steering"]["idleBehavior"], "promptRequired");
    let news = told_all(&mut acp, r#"{"jsonrpc":"2.0","id":4,"result":{"outcome":"injected"}}"#);
    assert_eq!(news, [is(1, ReceiptState::Delivered)]);
    steer(&mut acp, 2);
    let news = told_all(&mut acp, r#"{"id":5,"result":{"outcome":"promptRequired","reason":"noRunningTurn"}}"#);
    assert_eq!(news, [is(2, ReceiptState::Lost { reason: "the turn had ended".to_owned() })]);
    steer(&mut acp, 3);
    let news = told_all(&mut acp, r#"{"id":6,"error":{"code":-32601,"message":"Method not found"}}"#);
    assert_eq!(news[0], AgentNews::Steering(SteerAbility::NextPrompt));
}

#[test]
fn a_text_is_never_taken_for_a_command_of_the_agent() {
    let mut acp = ready();
    let line = prompted(&mut acp, "/tmp/x is broken");
    assert_eq!(line["params"]["prompt"][0]["text"], "Message:\n/tmp/x is broken");
}

#[test]
fn a_turn_ends_as_the_agent_says() {
    let end = |stop: &str| {
        let mut acp = ready();
        prompted(&mut acp, "go");
        told_all(&mut acp, &chunk("so far"));
        ended(&told_all(&mut acp, &format!(r#"{{"id":3,"result":{{"stopReason":"{stop}"}}}}"#))).clone()
    };
    assert_eq!(end("end_turn"), TurnEnd::Completed);
    assert_eq!(end("cancelled"), TurnEnd::Aborted);
    for stop in ["max_tokens", "max_turn_requests", "refusal"] {
        let end = end(stop);
        assert!(matches!(end, TurnEnd::Failed { fault: AgentFault::Prompt, .. }), "{stop}: {end:?}");
    }
    assert!(matches!(end("tired"), TurnEnd::Failed { fault: AgentFault::Agent, .. }));
}

#[test]
fn an_error_instead_of_an_answer_fails_the_turn_and_a_limit_is_told() {
    let mut acp = ready();
    prompted(&mut acp, "go");
    let line = r#"{"id":3,"error":{"code":-32603,"message":"Internal error","data":{"errorKind":"rate_limit"}}}"#;
    let news = told_all(&mut acp, line);
    let reason = "Internal error".to_owned();
    assert_eq!(news[0], AgentNews::Unavailable { reason: reason.clone() });
    assert_eq!(ended(&news), &TurnEnd::Failed { reason, fault: AgentFault::Provider });
}

#[test]
fn a_login_that_is_missing_is_said_with_the_way_to_it() {
    let mut acp = dialect(AgentOptions::default(), None);
    acp.begin();
    let kimi = r#"{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{},"authMethods":[{"id":"login","type":"terminal","name":"Login with Kimi account","description":"Open the device-code login flow in a terminal.","args":["--login"],"_meta":{"terminal-auth":{"type":"terminal","command":"kimi","args":["login"]}}}]}}"#;
    took(&mut acp, kimi);
    let said = acp.take_line(r#"{"id":2,"error":{"code":-32000,"message":"Authentication required"}}"#).unwrap_err();
    let reason = "the agent wants a login first (Authentication required): Login with Kimi account: run kimi login";
    assert_eq!(said.reason, reason);
}

#[test]
fn an_agent_of_another_version_is_refused() {
    let mut acp = dialect(AgentOptions::default(), None);
    acp.begin();
    let said = acp.take_line(r#"{"id":1,"result":{"protocolVersion":2}}"#).unwrap_err().reason;
    assert_eq!(said, "the agent speaks version 2 of the Agent Client Protocol, and not 1");
}

#[test]
fn banners_and_unknown_news_are_passed_over_but_not_without_end() {
    let mut acp = ready();
    prompted(&mut acp, "go");
    let unknown = update(r#"{"sessionUpdate":"weather_update","rain":true}"#);
    assert_eq!(told_all(&mut acp, &unknown), []);
    assert_eq!(told_all(&mut acp, r#"{"jsonrpc":"2.0","method":"_auth/status_update","params":{}}"#), []);
    let news = told_all(&mut acp, "npm warn deprecated");
    assert!(matches!(&news[..], [AgentNews::Trouble(_)]), "the first is told: {news:?}");
    let malformed = update(r#"{"sessionUpdate":"plan","entries":7}"#);
    for _ in 1..ODD_LINES_MAX {
        assert_eq!(told_all(&mut acp, &malformed), []);
    }
    assert!(acp.take_line("and again").is_err());
}
