//! Lines that Claude Code 2.1.332 wrote, and what they mean.

use teamster_protocol::model::agent::options::{AgentOptions, LaunchCommand};
use teamster_protocol::model::agent::{AgentFault, ProviderLimit, ToolState, TurnEnd};
use teamster_protocol::model::usage::TokenUsage;

use super::*;
use crate::driver::lines::steps::{news, told, told_all, written};
use crate::driver::provider::NOTHING_DONE;

const LIFE: &str = "0d9f7c1e-59f2-4a3b-9a51-6a98cb7b0605";

/// The name of the message of that number.
fn uuid(number: u32) -> String {
    format!("0d9f7c1e-59f2-4a3b-9a51-{number:012}")
}

fn life(resumed: Option<&str>) -> ClaudeLife {
    let origin = resumed.map_or(SessionOrigin::New, |id| SessionOrigin::Earlier(SessionId(id.to_owned())));
    ClaudeLife { id: LIFE.to_owned(), origin }
}

fn greeted(claude: &mut ClaudeDialect) -> Vec<AgentNews> {
    let greeting = r#"{"request":{"subtype":"initialize"},"request_id":"t1","type":"control_request"}"#;
    assert_eq!(claude.begin(), [DialectStep::Write(greeting.to_owned())]);
    told(
        claude,
        r#"{"type":"control_response","response":{"subtype":"success","request_id":"t1","response":{"commands":[],"claude_code_version":"2.1.332"}}}"#,
    )
}

/// A dialect that has greeted, in a new conversation.
fn ready() -> ClaudeDialect {
    let mut claude = ClaudeDialect::new(life(None));
    assert_eq!(greeted(&mut claude), [AgentNews::Ready { session: None }]);
    claude
}

/// One in the turn of a prompt, which the model answers.
fn at_work() -> ClaudeDialect {
    let mut claude = ready();
    prompted(&mut claude, "go");
    told_all(&mut claude, &called(&[1]));
    claude
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

fn prompted(claude: &mut ClaudeDialect, text: &str) {
    let steps = claude.prompt(id(0), text.to_owned());
    let [line] = &written(&steps)[..] else { panic!("one message: {steps:?}") };
    assert_eq!(line["uuid"], json!(uuid(1)));
    assert_eq!(line["message"]["content"][0]["text"], json!(text));
}

fn steered(claude: &mut ClaudeDialect, number: u32) -> Vec<AgentNews> {
    news(claude.steer(AgentSteer { id: id(number), text: "STEER".to_owned() }))
}

fn lifecycle(number: u32, state: &str) -> String {
    format!(
        r#"{{"type":"command_lifecycle","command_uuid":"{}","state":"{state}","uuid":"u","session_id":"s"}}"#,
        uuid(number)
    )
}

/// The model is called with these messages, and answers.
fn called(numbers: &[u32]) -> String {
    let uuids: Vec<String> = numbers.iter().copied().map(uuid).collect();
    let status = json!({"type": "system", "subtype": "status", "status": "requesting", "user_message_uuids": uuids});
    let start = json!({"type": "stream_event", "parent_tool_use_id": null, "event": {"type": "message_start",
        "message": {"id": "m", "content": [], "usage": {"input_tokens": 100, "output_tokens": 1}}}});
    format!("{status}\n{start}")
}

fn delta(text: &str) -> String {
    let delta = json!({"type": "text_delta", "text": text});
    json!({"type": "stream_event", "parent_tool_use_id": null,
        "event": {"type": "content_block_delta", "index": 0, "delta": delta}})
    .to_string()
}

/// The end of a turn of Claude's, with more fields.
fn result(numbers: &[u32], more: Value) -> String {
    let uuids: Vec<String> = numbers.iter().copied().map(uuid).collect();
    let mut line = json!({"type": "result", "subtype": "success", "is_error": false, "result": "done",
        "stop_reason": "end_turn", "terminal_reason": "completed", "api_error_status": null, "user_message_uuids": uuids});
    for (name, value) in more.as_object().unwrap() {
        line[name] = value.clone();
    }
    line.to_string()
}

fn completed(result: &str) -> AgentNews {
    AgentNews::TurnEnded { end: TurnEnd::Completed, result: result.to_owned() }
}

fn failed(reason: &str, fault: AgentFault) -> AgentNews {
    let end = TurnEnd::Failed { reason: reason.to_owned(), fault };
    AgentNews::TurnEnded { end, result: String::new() }
}

#[test]
fn the_arguments_are_those_of_a_program_that_asks_and_streams() {
    let name = "claude".parse().unwrap();
    let options =
        AgentOptions { model: Some("opus".to_owned()), effort: Some("high".to_owned()), ..AgentOptions::default() };
    let launch = options.launch(&name).unwrap();
    assert_eq!(launch.command, LaunchCommand::Words(vec!["claude".to_owned()]));
    let fixed = "-p --input-format stream-json --output-format stream-json --verbose --include-partial-messages \
                 --replay-user-messages --permission-prompt-tool stdio --permission-mode default \
                 --disallowed-tools ScheduleWakeup,CronCreate,Monitor";
    let fresh = arguments(&launch, &life(None), None).join(" ");
    assert_eq!(fresh, format!("{fixed} --session-id {LIFE} --model opus --effort high"));
    let plain = AgentOptions::default().launch(&name).unwrap();
    assert_eq!(arguments(&plain, &life(Some("c1")), None).join(" "), format!("{fixed} --resume c1"));
    let copy = ClaudeLife { origin: SessionOrigin::CopyOf(SessionId("c1".to_owned())), ..life(None) };
    let words = arguments(&plain, &copy, Some("You are alice"));
    let expected = "--session-id LIFE --resume c1 --append-system-prompt You are alice --fork-session";
    assert_eq!(words.join(" "), format!("{fixed} {}", expected.replace("LIFE", LIFE)));
    assert!(words.contains(&"You are alice".to_owned()), "it is one word: {words:?}");
}

#[test]
fn a_turn_tells_what_was_said_and_used_and_what_it_cost() {
    let mut claude = ready();
    prompted(&mut claude, "write a file");
    let lines = r#"
        {"type":"command_lifecycle","command_uuid":"0d9f7c1e-59f2-4a3b-9a51-000000000001","state":"queued","uuid":"fd751696","session_id":"0d9f7c1e"}
        {"type":"command_lifecycle","command_uuid":"0d9f7c1e-59f2-4a3b-9a51-000000000001","state":"started","uuid":"e38a8e63","session_id":"0d9f7c1e"}
        {"type":"system","subtype":"init","cwd":"/ws","session_id":"0d9f7c1e","tools":["Task","Bash"],"model":"claude-opus-5-5","permissionMode":"default"}
        {"type":"system","subtype":"status","status":"requesting","session_id":"0d9f7c1e","uuid":"7512a39a","user_message_uuids":["0d9f7c1e-59f2-4a3b-9a51-000000000001"]}
        {"type":"user","message":{"role":"user","content":[{"type":"text","text":"write a file"}]},"session_id":"0d9f7c1e","parent_tool_use_id":null,"uuid":"0d9f7c1e-59f2-4a3b-9a51-000000000001","timestamp":"2026-11-28T12:59:37.562Z","isReplay":true}
        {"type":"stream_event","event":{"type":"message_start","message":{"id":"msg_45","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,"usage":{"input_tokens":13400,"output_tokens":1,"cache_creation_input_tokens":9,"cache_read_input_tokens":50}}},"session_id":"0d9f7c1e","parent_tool_use_id":null,"uuid":"389372e2","user_message_uuids":["0d9f7c1e-59f2-4a3b-9a51-000000000001"]}
        {"type":"stream_event","event":{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}},"parent_tool_use_id":null}
        {"type":"system","subtype":"thinking_tokens","estimated_tokens":2,"estimated_tokens_delta":2}
        {"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"planning"}},"parent_tool_use_id":null}
        {"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"cmln"}},"parent_tool_use_id":null}
        {"type":"assistant","message":{"id":"msg_45","role":"assistant","content":[{"type":"thinking","thinking":"planning","signature":"cmln"}],"stop_reason":null},"parent_tool_use_id":null}
        {"type":"stream_event","event":{"type":"content_block_stop","index":0},"parent_tool_use_id":null}
        {"type":"stream_event","event":{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"hello"}},"parent_tool_use_id":null}
        {"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"of a helper"}},"parent_tool_use_id":"toolu_9"}
        {"type":"assistant","message":{"id":"msg_45","role":"assistant","content":[{"type":"text","text":"hello"}],"stop_reason":null},"parent_tool_use_id":null}
        {"type":"stream_event","event":{"type":"content_block_stop","index":1},"parent_tool_use_id":null}
        {"type":"assistant","message":{"id":"msg_45","role":"assistant","content":[{"type":"tool_use","id":"toolu_45","name":"Write","input":{"file_path":"/ws/a.txt","content":"x\ny"}}],"stop_reason":null},"parent_tool_use_id":null}
        {"type":"stream_event","event":{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":13459,"output_tokens":19}},"parent_tool_use_id":null}
        {"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_45","type":"tool_result","content":"File created"}]},"parent_tool_use_id":null,"uuid":"a3d07926","tool_use_result":{}}
        {"type":"result","subtype":"success","is_error":false,"result":"bye","stop_reason":"end_turn","terminal_reason":"completed","num_turns":2,"total_cost_usd":0.208528,"usage":{"input_tokens":27032},"modelUsage":{},"model_usage_since_last_result":{"claude-opus-5-5":{"inputTokens":26973,"outputTokens":20,"cacheReadInputTokens":50,"cacheCreationInputTokens":9,"costUSD":0.108528,"contextWindow":1000000}},"permission_denials":[],"user_message_uuid":"0d9f7c1e-59f2-4a3b-9a51-000000000001","user_message_uuids":["0d9f7c1e-59f2-4a3b-9a51-000000000001"],"queued_turn_count":0,"api_error_status":null}
        {"type":"command_lifecycle","command_uuid":"0d9f7c1e-59f2-4a3b-9a51-000000000001","state":"completed","uuid":"88f6a9b1"}
    "#;
    let session = AgentSession { id: SessionId(LIFE.to_owned()), begun: SessionBegin::Fresh };
    let call = |state| AgentNews::ToolCall { id: "toolu_45".to_owned(), title: "Write /ws/a.txt".to_owned(), state };
    let usage = |input, output, cost_micro_usd| {
        AgentNews::Usage(TokenUsage { input, output, cached: 50, cost_micro_usd, context: Some(13478) })
    };
    let expected = [
        is(0, ReceiptState::Delivered),
        AgentNews::Session(session),
        is(0, ReceiptState::InContext),
        AgentNews::Thought("planning".to_owned()),
        text("hello"),
        text("\n"),
        call(ToolState::Running),
        usage(13459, 19, None),
        call(ToolState::Done),
        usage(27032, 20, Some(108528)),
        completed("bye"),
    ];
    assert_eq!(told_all(&mut claude, lines), expected);
}

#[test]
fn a_steer_in_a_tool_is_a_part_of_the_same_turn_of_claude() {
    let mut claude = at_work();
    assert_eq!(steered(&mut claude, 1), [is(1, ReceiptState::Queued)]);
    assert_eq!(told(&mut claude, &lifecycle(2, "queued")), []);
    let replay = format!(
        r#"{{"type":"user","message":{{"role":"user","content":[{{"type":"text","text":"STEER"}}]}},"uuid":"{}","isReplay":true}}"#,
        uuid(2)
    );
    assert_eq!(told(&mut claude, &replay), [is(1, ReceiptState::Delivered)]);
    assert_eq!(told_all(&mut claude, &called(&[1, 2])), [is(1, ReceiptState::InContext)]);
    told(&mut claude, &lifecycle(2, "completed"));
    assert_eq!(told(&mut claude, &result(&[1, 2], json!({}))), [completed("done")]);
}

#[test]
fn a_steer_that_claude_answers_in_a_turn_of_its_own_is_a_part_of_ours() {
    let mut claude = at_work();
    steered(&mut claude, 1);
    let cost = json!({"claude-opus-5-5": {"inputTokens": 10, "outputTokens": 2, "costUSD": 0.5}});
    let more = json!({"result": "first", "model_usage_since_last_result": cost});
    let usage = |input, output, cost| {
        let usage = TokenUsage { input, output, cached: 0, cost_micro_usd: Some(cost), context: None };
        AgentNews::Usage(usage)
    };
    assert_eq!(told(&mut claude, &result(&[1], more)), [usage(10, 2, 500_000)]);
    told(&mut claude, &lifecycle(1, "completed"));
    assert_eq!(told(&mut claude, &lifecycle(2, "started")), [is(1, ReceiptState::Delivered)]);
    assert_eq!(told_all(&mut claude, &called(&[2])), [is(1, ReceiptState::InContext)]);
    let more = json!({"result": "second", "model_usage_since_last_result": cost});
    assert_eq!(told(&mut claude, &result(&[2], more)), [usage(20, 4, 1_000_000), completed("second")]);
}

#[test]
fn a_turn_that_failed_is_not_made_good_by_the_answer_to_a_steer() {
    let mut claude = at_work();
    steered(&mut claude, 1);
    let more = json!({"is_error": true, "result": "no", "terminal_reason": "api_error", "api_error_status": 404});
    assert_eq!(told(&mut claude, &result(&[1], more)), []);
    told(&mut claude, &lifecycle(2, "started"));
    assert_eq!(told(&mut claude, &result(&[2], json!({}))), [failed("no", AgentFault::Provider)]);
}

#[test]
fn a_steer_that_claude_gives_back_after_the_prompts_answer_ends_the_turn() {
    let mut claude = at_work();
    steered(&mut claude, 1);
    assert_eq!(told(&mut claude, &result(&[1], json!({}))), []);
    let given_back = told(&mut claude, &lifecycle(2, "cancelled"));
    assert!(
        matches!(&given_back[..], [AgentNews::Receipt { state: ReceiptState::Lost { .. }, .. }, over] if *over == completed("done")),
        "{given_back:?}"
    );
}

#[test]
fn a_steer_outside_a_turn_or_after_its_abort_is_lost_and_never_written() {
    let mut claude = ready();
    let late = claude.steer(AgentSteer { id: id(1), text: "late".to_owned() });
    assert!(matches!(&late[..], [DialectStep::Tell(AgentNews::Receipt { state: ReceiptState::Lost { .. }, .. })]));
    let mut claude = at_work();
    claude.abort();
    let late = claude.steer(AgentSteer { id: id(1), text: "late".to_owned() });
    assert!(matches!(&late[..], [DialectStep::Tell(AgentNews::Receipt { state: ReceiptState::Lost { .. }, .. })]));
}

#[test]
fn an_abort_takes_back_what_waits_and_ends_with_the_result() {
    let mut claude = at_work();
    steered(&mut claude, 1);
    let interrupt = json!({"type": "control_request", "request_id": "t2",
        "request": {"subtype": "interrupt", "cancel_queued": true}});
    assert_eq!(written(&claude.abort()), [interrupt]);
    let lost = told(&mut claude, &lifecycle(2, "cancelled"));
    assert!(matches!(&lost[..], [AgentNews::Receipt { state: ReceiptState::Lost { .. }, .. }]), "{lost:?}");
    let lines = r#"
        {"type":"control_response","response":{"subtype":"success","request_id":"t2","response":{"still_queued":[],"cancelled":["0d9f7c1e-59f2-4a3b-9a51-000000000002"]}}}
        {"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"tick0 "}]},"parent_tool_use_id":null,"aborted":true}
        {"type":"user","message":{"role":"user","content":[{"type":"text","text":"[Request interrupted by user]"}]},"parent_tool_use_id":null,"uuid":"19ddc759"}
    "#;
    assert_eq!(told_all(&mut claude, lines), []);
    let more = json!({"subtype": "error_during_execution", "is_error": true, "result": null, "terminal_reason": "aborted_streaming",
        "stop_reason": null, "errors": ["[ede_diagnostic] x"]});
    let aborted = AgentNews::TurnEnded { end: TurnEnd::Aborted, result: String::new() };
    assert_eq!(told(&mut claude, &result(&[1], more)), [aborted]);
    assert_eq!(told(&mut claude, &lifecycle(1, "cancelled")), []);
}

#[test]
fn a_prompt_that_claude_never_began_is_over_once_it_is_taken_back() {
    let mut claude = ready();
    prompted(&mut claude, "go");
    claude.abort();
    told(&mut claude, &lifecycle(1, "queued"));
    let aborted = AgentNews::TurnEnded { end: TurnEnd::Aborted, result: String::new() };
    assert_eq!(told(&mut claude, &lifecycle(1, "cancelled")), [aborted]);
}

#[test]
fn a_turn_that_claude_began_by_itself_is_nobodys() {
    let mut claude = ready();
    assert_eq!(told(&mut claude, &delta("woke up")), []);
    assert_eq!(told(&mut claude, &result(&[], json!({}))), []);
    prompted(&mut claude, "go");
    assert_eq!(told(&mut claude, &lifecycle(1, "queued")), [is(0, ReceiptState::Delivered)]);
    assert_eq!(told(&mut claude, &result(&[], json!({}))), [], "of the turn before");
    assert_eq!(told(&mut claude, &result(&[99], json!({}))), [], "of messages that are not this turn's");
    told_all(&mut claude, &called(&[1]));
    assert_eq!(told(&mut claude, &result(&[1], json!({}))), [completed("done")]);
}

/// A question whether a command may be run.
const ASKED: &str = r#"{"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Bash","display_name":"Bash","input":{"command":"touch z1"},"description":"touch z1","permission_suggestions":[{"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch z1 *"}],"behavior":"allow","destination":"localSettings"},{"type":"addDirectories","directories":["/ws"],"destination":"session"},{"type":"setMode","mode":"acceptEdits","destination":"session"}],"blocked_path":"/ws/z1","tool_use_id":"toolu_68"}}"#;

fn answer(permission: Permission) -> Vec<Value> {
    let mut claude = at_work();
    let asked = PermissionQuestion {
        question: QuestionId("q1".to_owned()),
        tool: "Bash".to_owned(),
        title: "Bash touch z1".to_owned(),
        detail: "command: touch z1".to_owned(),
        subject: "touch z1".to_owned(),
    };
    assert_eq!(told(&mut claude, ASKED), [AgentNews::PermissionAsked(asked)]);
    let steps = claude.permit(QuestionId("q1".to_owned()), permission);
    written(&steps).into_iter().map(|line| line["response"].clone()).collect()
}

#[test]
fn a_question_is_answered_once_or_for_the_conversation_or_with_a_reason() {
    let with = |response| [json!({"subtype": "success", "request_id": "q1", "response": response})];
    let input = json!({"command": "touch z1"});
    assert_eq!(answer(Permission::Once), with(json!({"behavior": "allow", "updatedInput": input})));
    let rule = json!({"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "touch z1 *"}], "behavior": "allow",
        "destination": "session"});
    let always = json!({"behavior": "allow", "updatedInput": input, "updatedPermissions": [rule]});
    assert_eq!(answer(Permission::Always), with(always));
    let reason = "the lead says no".to_owned();
    assert_eq!(answer(Permission::Never { reason }), with(json!({"behavior": "deny", "message": "the lead says no"})));
}

#[test]
fn an_answer_to_a_question_that_claude_took_back_is_not_written() {
    let mut claude = at_work();
    told(&mut claude, ASKED);
    assert_eq!(told(&mut claude, r#"{"type":"control_cancel_request","request_id":"q1"}"#), []);
    assert_eq!(claude.permit(QuestionId("q1".to_owned()), Permission::Once), []);
}

#[test]
fn what_nobody_can_answer_is_answered_at_once() {
    let mut claude = ready();
    let steps = claude.take_line(ASKED).unwrap();
    assert_eq!(written(&steps)[0]["response"]["response"]["behavior"], json!("deny"), "outside a turn");

    let mut claude = at_work();
    let choice = r#"{"type":"control_request","request_id":"q2","request":{"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{"questions":[{"question":"Which?","header":"H","options":[{"label":"A"}]}]},"tool_use_id":"toolu_8","requires_user_interaction":true}}"#;
    let steps = claude.take_line(choice).unwrap();
    assert_eq!(news(steps.clone()), []);
    let response = json!({"behavior": "deny", "message": NOBODY_CHOOSES});
    assert_eq!(written(&steps)[0]["response"]["response"], response);
    let used = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"c","name":"AskUserQuestion","input":{"questions":[{"question":"Which?"}]}}]},"parent_tool_use_id":null}"#;
    let call = AgentNews::ToolCall {
        id: "c".to_owned(),
        title: "AskUserQuestion Which?".to_owned(),
        state: ToolState::Running,
    };
    assert_eq!(told(&mut claude, used), [call]);

    let other = r#"{"type":"control_request","request_id":"q3","request":{"subtype":"elicitation","message":"?"}}"#;
    let steps = claude.take_line(other).unwrap();
    assert_eq!(written(&steps)[0]["response"]["subtype"], json!("error"));
}

/// A message that Claude wrote in the place of the model, with this error.
fn synthetic(error: &str) -> String {
    json!({"type": "assistant", "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "no"}]},
        "parent_tool_use_id": null, "error": error, "is_api_error_message": true})
    .to_string()
}

/// The end of a turn after that error of the provider.
fn failed_by(error: &str, status: Option<u16>, words: &str) -> Vec<AgentNews> {
    let mut claude = at_work();
    told(&mut claude, &synthetic(error));
    let more = json!({"is_error": true, "result": words, "terminal_reason": "api_error", "api_error_status": status});
    told(&mut claude, &result(&[1], more))
}

#[test]
fn an_error_of_the_provider_fails_the_turn_although_its_subtype_is_success() {
    use AgentFault::{Prompt, Provider};
    let no_room = |reason: &str| AgentNews::Unavailable { reason: reason.to_owned() };
    assert_eq!(
        failed_by("billing_error", Some(400), "Credit balance is too low"),
        [failed("Credit balance is too low", Provider)]
    );
    assert_eq!(failed_by("authentication_failed", Some(401), "no key"), [failed("no key", Provider)]);
    assert_eq!(failed_by("model_not_found", Some(404), "no model"), [failed("no model", Provider)]);
    assert_eq!(failed_by("rate_limit", Some(429), "slow"), [no_room("slow"), failed("slow", Provider)]);
    assert_eq!(failed_by("server_error", Some(529), "busy"), [no_room("busy"), failed("busy", Provider)]);
    assert_eq!(failed_by("server_error", Some(500), "broken"), [no_room("broken"), failed("broken", Provider)]);
    let offline = "API Error: Connection error.";
    assert_eq!(failed_by("unknown", None, offline), [no_room(offline), failed(offline, Provider)]);
    // Not a limit of use, though it has the status of one.
    let quota = "You exceeded your current quota";
    assert_eq!(failed_by("rate_limit", Some(429), quota), [failed(quota, Provider)]);
    assert_eq!(failed_by("a_new_error", Some(400), "new"), [failed("new", Provider)]);
    assert_eq!(failed_by("max_output_tokens", None, "long"), [failed("long", Prompt)]);
    assert_eq!(failed_by("invalid_request", Some(400), "bad"), [failed("bad", Prompt)]);
    let not_logged_in = failed_by("authentication_failed", None, "Not logged in · Please run /login");
    let reason = "Not logged in · Please run /login: start claude once and say /login, or set ANTHROPIC_API_KEY";
    assert_eq!(not_logged_in, [failed(reason, Provider)]);
}

#[test]
fn a_turn_in_which_nothing_was_said_or_done_is_not_completed() {
    let end = told(&mut at_work(), &result(&[1], json!({"result": ""})));
    assert_eq!(end, [failed(NOTHING_DONE, AgentFault::Prompt)]);
}

#[test]
fn other_ends_that_are_errors() {
    let ended = |more: Value| told(&mut at_work(), &result(&[1], more));
    let refusal = json!({"is_error": true, "result": "it refuses", "stop_reason": "refusal"});
    assert_eq!(ended(refusal), [failed("it refuses", AgentFault::Prompt)]);
    let turns = json!({"is_error": true, "subtype": "error_max_turns", "result": null});
    assert_eq!(ended(turns), [failed("claude ended the turn with error_max_turns", AgentFault::Prompt)]);
    let crash = json!({"is_error": true, "subtype": "error_during_execution", "result": null, "errors": ["a", "b"]});
    assert_eq!(ended(crash), [failed("a; b", AgentFault::Agent)]);
}

#[test]
fn the_limit_of_a_subscription_is_told_with_its_end() {
    let mut claude = ready();
    prompted(&mut claude, "go");
    let lines = r#"
        {"type":"system","subtype":"status","status":"requesting","user_message_uuids":["0d9f7c1e-59f2-4a3b-9a51-000000000001"]}
        {"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795878317,"rateLimitType":"five_hour","overageStatus":"rejected","isUsingOverage":false}}
        {"type":"assistant","message":{"id":"7805a641","model":"<synthetic>","role":"assistant","content":[{"type":"text","text":"You've hit your 5-hour limit"}]},"parent_tool_use_id":null,"error":"rate_limit","is_api_error_message":true,"api_error_status":429,"api_error":"usage_limit_reached"}
    "#;
    assert_eq!(told_all(&mut claude, lines), [is(0, ReceiptState::Delivered)]);
    let words = "You've hit your 5-hour limit · resets 3:05pm (UTC)";
    let more = json!({"is_error": true, "result": words, "terminal_reason": "api_error", "api_error_status": 429});
    let limit = ProviderLimit { until_ms: Some(1_795_878_317_000), reason: words.to_owned() };
    assert_eq!(
        told(&mut claude, &result(&[1], more)),
        [AgentNews::Limited(limit), failed(words, AgentFault::Provider)]
    );

    let mut claude = at_work();
    let warned = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":1795878317}}"#;
    told(&mut claude, warned);
    assert_eq!(told(&mut claude, &result(&[1], json!({}))), [completed("done")]);
}

#[test]
fn tries_that_can_not_succeed_are_broken_off_and_those_that_can_are_not() {
    let retry = |status: u16, error: &str| {
        json!({"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10, "retry_delay_ms": 619,
            "error_status": status, "error": error})
        .to_string()
    };
    let mut claude = ready();
    prompted(&mut claude, "go");
    told(&mut claude, &lifecycle(1, "started"));
    let again = "claude tries again: it is overloaded, status 529".to_owned();
    assert_eq!(told(&mut claude, &retry(529, "overloaded")), [AgentNews::Trouble(again)]);
    assert_eq!(claude.take_line(&retry(529, "overloaded")).unwrap(), [], "it is told once");
    let steps = claude.take_line(&retry(401, "authentication_failed")).unwrap();
    assert_eq!(written(&steps)[0]["request"], json!({"subtype": "interrupt", "cancel_queued": true}));
    assert_eq!(claude.take_line(&retry(401, "authentication_failed")).unwrap(), [], "it is told once");
    let more = json!({"subtype": "error_during_execution", "is_error": true, "terminal_reason": "aborted_streaming"});
    let reason = "the provider refuses: the key or login is not accepted, status 401";
    assert_eq!(told(&mut claude, &result(&[1], more)), [failed(reason, AgentFault::Provider)]);
}

#[test]
fn a_conversation_of_an_earlier_life_goes_on_or_a_new_one_begins() {
    let mut claude = ClaudeDialect::new(life(Some("c1")));
    let session = AgentSession { id: SessionId("c1".to_owned()), begun: SessionBegin::Resumed };
    assert_eq!(greeted(&mut claude), [AgentNews::Ready { session: Some(session) }]);
    prompted(&mut claude, "go");
    assert_eq!(told_all(&mut claude, &called(&[1])), [is(0, ReceiptState::Delivered), is(0, ReceiptState::InContext)]);

    let gone = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":0,"stop_reason":null,"total_cost_usd":0,"modelUsage":{},"permission_denials":[],"errors":["No conversation found with session ID: c1"],"result_index":0}"#;
    let mut claude = ClaudeDialect::new(life(Some("c1")));
    claude.begin();
    let steps = claude.take_line(gone).unwrap();
    let [DialectStep::Tell(lost), DialectStep::BeginAfresh, DialectStep::Write(greeting)] = &steps[..] else {
        panic!("it begins afresh: {steps:?}")
    };
    let why = "session c1 can not be gone on with: No conversation found with session ID: c1".to_owned();
    assert_eq!(*lost, AgentNews::SessionLost { why });
    assert!(greeting.contains("initialize"), "{greeting}");
    let refused = claude.take_line(gone).unwrap_err();
    assert_eq!(refused.reason, "claude does not start: No conversation found with session ID: c1");
}

#[test]
fn a_text_is_never_a_command_of_claude() {
    let mut claude = ready();
    let line = &written(&claude.prompt(id(0), "/tmp/x is broken".to_owned()))[0];
    assert_eq!(line["message"]["content"][0]["text"], json!("Message:\n/tmp/x is broken"));
}

#[test]
fn what_is_not_known_is_passed_over_and_what_is_no_line_of_claude_is_refused() {
    let mut claude = at_work();
    let compacted = r#"{"type":"system","subtype":"compact_boundary","compact_metadata":{"trigger":"auto"}}"#;
    assert_eq!(told(&mut claude, compacted), [AgentNews::Compacted]);
    for line in [
        r#"{"type":"system","subtype":"status","permissionMode":"plan"}"#,
        r#"{"type":"control_response","response":{"subtype":"success","request_id":"q9","response":{"behavior":"allow"}}}"#,
        r#"{"type":"control_response","response":{"subtype":"error","request_id":"t9","error":"no"}}"#,
        r#"{"type":"stream_event","event":{"type":"ping"},"parent_tool_use_id":null}"#,
        r#"{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"citations_delta"}}}"#,
        r#"{"type":"assistant","message":{"content":[{"type":"server_tool_use"}]}}"#,
        r#"{"type":"user","message":{"role":"user","content":"a summary"}}"#,
        r#"{"type":"hologram"}"#,
    ] {
        assert_eq!(claude.take_line(line), Ok(Vec::new()), "{line}");
    }
    for line in ["Error parsing streaming input line", "[1]", r#"{"kind":"result"}"#] {
        assert!(claude.take_line(line).is_err(), "{line}");
    }
}

#[test]
fn a_start_that_is_refused_is_told_with_its_reason() {
    let mut claude = ClaudeDialect::new(life(None));
    claude.begin();
    let line = r#"{"type":"control_response","response":{"subtype":"error","request_id":"t1","error":"Unsupported control request"}}"#;
    assert_eq!(claude.take_line(line).unwrap_err().reason, "claude does not start: Unsupported control request");
}
