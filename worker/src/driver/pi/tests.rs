//! Lines that pi 1.6.0 and 0.73.1 wrote, and what they mean.

use teamster_protocol::model::agent::ToolState;

use super::*;
use crate::driver::lines::steps::{news, told, told_all};

/// A dialect that has greeted, with a conversation of so many messages.
fn ready(messages: u64) -> PiDialect {
    let mut pi = PiDialect::default();
    let [DialectStep::Write(_), DialectStep::Write(greeting)] = &pi.begin()[..] else { panic!("two commands") };
    assert_eq!(greeting, r#"{"id":"t2","type":"get_state"}"#);
    let state = format!(
        r#"{{"id":"t2","type":"response","command":"get_state","success":true,"data":{{"model":{{"id":"m"}},"sessionId":"01a2","messageCount":{messages}}}}}"#
    );
    let told = told(&mut pi, &state);
    let session =
        (messages > 0).then(|| AgentSession { id: SessionId("01a2".to_owned()), begun: SessionBegin::Resumed });
    assert_eq!(told, [AgentNews::Ready { session }]);
    pi
}

#[test]
fn a_conversation_of_which_pi_has_nothing_is_lost() {
    let state = |messages: u64| {
        let mut pi = PiDialect::new(SessionOrigin::Earlier(SessionId("old".to_owned())));
        pi.begin();
        told(
            &mut pi,
            &format!(
                r#"{{"id":"t2","type":"response","command":"get_state","success":true,"data":{{"sessionId":"01a2","messageCount":{messages}}}}}"#
            ),
        )
    };
    let why = "session old can not be gone on with: pi has nothing of it".to_owned();
    assert_eq!(state(0), [AgentNews::SessionLost { why }, AgentNews::Ready { session: None }]);
    assert!(matches!(&state(2)[..], [AgentNews::Ready { session: Some(_) }]));
}

#[test]
fn a_copy_is_told_as_one_and_a_conversation_that_is_put_in_few_words_too() {
    let mut pi = PiDialect::new(SessionOrigin::CopyOf(SessionId("old".to_owned())));
    pi.begin();
    let state = r#"{"id":"t2","type":"response","command":"get_state","success":true,"data":{"sessionId":"01a2","messageCount":4}}"#;
    let session = AgentSession { id: SessionId("01a2".to_owned()), begun: SessionBegin::Forked };
    assert_eq!(told(&mut pi, state), [AgentNews::Ready { session: Some(session) }]);
    let compacted = r#"{"type":"compaction_end","reason":"threshold","result":{"summary":"short"},"aborted":false}"#;
    assert_eq!(told(&mut pi, compacted), [AgentNews::Compacted]);
    assert_eq!(told(&mut pi, r#"{"type":"compaction_end","reason":"manual","aborted":true}"#), []);
}

#[test]
fn the_arguments_say_who_pi_is_and_what_it_begins_with() {
    let launch = teamster_protocol::model::agent::options::AgentOptions::default().launch(&"pi".parse().unwrap());
    let launch = launch.unwrap();
    let session = || SessionId("old".to_owned());
    let words = |origin, identity| arguments(&launch, &origin, identity).join(" ");
    assert_eq!(words(SessionOrigin::New, Some("You are alice")), "--append-system-prompt You are alice");
    assert_eq!(words(SessionOrigin::Earlier(session()), None), "--session old");
    assert_eq!(words(SessionOrigin::CopyOf(session()), None), "--fork old");
}

fn id(number: u32) -> TextId {
    TextId::InTurn { turn: 1, number }
}

fn is(number: u32, state: ReceiptState) -> AgentNews {
    AgentNews::Receipt { text: id(number), state }
}

fn prompted(pi: &mut PiDialect, text: &str) {
    let steps = pi.prompt(id(0), text.to_owned());
    let [DialectStep::Write(line)] = &steps[..] else { panic!("one command: {steps:?}") };
    assert!(line.contains(r#""type":"prompt""#), "{line}");
}

#[test]
fn a_turn_tells_what_was_said_and_used_and_what_it_cost() {
    let mut pi = ready(0);
    prompted(&mut pi, "write a file");
    let lines = r#"
        {"id":"t3","type":"response","command":"prompt","success":true,"data":{"disposition":"started"}}
        {"type":"agent_start"}
        {"type":"turn_start"}
        {"type":"message_start","message":{"role":"system","content":"rules"}}
        {"type":"message_start","message":{"role":"user","content":[{"type":"text","text":"write a file"}],"timestamp":1}}
        {"type":"message_end","message":{"role":"user","content":[{"type":"text","text":"write a file"}]}}
        {"type":"message_start","message":{"role":"assistant","content":[],"stopReason":"pending"}}
        {"type":"message_update","usage":{"input":0},"assistantMessageEvent":{"type":"text_start","contentIndex":1}}
        {"type":"message_update","usage":{"input":0},"assistantMessageEvent":{"type":"text_delta","contentIndex":1,"delta":"hello"}}
        {"type":"message_update","assistantMessageEvent":{"type":"text_end","contentIndex":1}}
        {"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"hello"},{"type":"toolCall","id":"c1","name":"write","arguments":{}}],"usage":{"input":1300,"output":18,"cacheRead":70,"cacheWrite":7,"totalTokens":1395,"cost":{"input":0.004,"output":0.0002,"total":0.004401}},"stopReason":"toolUse"}}
        {"type":"tool_execution_start","toolCallId":"c1","toolName":"write","args":{"path":"/w/a.txt","content":"x\ny"}}
        {"type":"tool_execution_update","toolCallId":"c1","partialResult":{}}
        {"type":"tool_execution_end","toolCallId":"c1","toolName":"write","result":{"content":[]},"isError":false,"durationMs":7}
        {"type":"turn_end","message":{},"toolResults":[]}
        {"type":"message_start","message":{"role":"assistant","content":[]}}
        {"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"done"}],"usage":{"input":1400,"output":2,"cost":{"total":0.004}},"stopReason":"stop"}}
        {"type":"agent_end","messages":[],"willRetry":false}
        {"type":"agent_settled","aborted":false}
    "#;
    let fresh = AgentSession { id: SessionId("01a2".to_owned()), begun: SessionBegin::Fresh };
    let call = |state| AgentNews::ToolCall { id: "c1".to_owned(), title: "write /w/a.txt".to_owned(), state };
    let usage = |input, output, cached, cost, context| {
        AgentNews::Usage(TokenUsage { input, output, cached, cost_micro_usd: Some(cost), context: Some(context) })
    };
    let expected = [
        is(0, ReceiptState::Delivered),
        AgentNews::Session(fresh),
        is(0, ReceiptState::InContext),
        AgentNews::Text("hello".to_owned()),
        AgentNews::Text("\n".to_owned()),
        usage(1377, 18, 70, 4401, 1395),
        call(ToolState::Running),
        call(ToolState::Done),
        usage(2777, 20, 70, 8401, 1402),
        AgentNews::TurnEnded { end: TurnEnd::Completed, result: "done".to_owned() },
    ];
    assert_eq!(told_all(&mut pi, lines), expected);
}

#[test]
fn a_steer_is_queued_until_the_model_has_it() {
    let mut pi = ready(2);
    prompted(&mut pi, "go");
    let steps = pi.steer(AgentSteer { id: id(1), text: "STEER".to_owned() });
    assert_eq!(news(steps), [is(1, ReceiptState::Queued)]);
    let lines = r#"
        {"type":"message_start","message":{"role":"user","content":[{"type":"text","text":"go"}]}}
        {"type":"queue_update","steering":["STEER"],"followUp":[]}
        {"id":"t4","type":"response","command":"steer","success":true,"data":{"disposition":"queued"}}
        {"type":"message_start","message":{"role":"user","content":[{"type":"text","text":"STEER"}]}}
        {"type":"message_end","message":{"role":"assistant","content":"done","stopReason":"stop"}}
        {"type":"agent_end","willRetry":false}
        {"type":"agent_settled","aborted":false}
    "#;
    let end = AgentNews::TurnEnded { end: TurnEnd::Completed, result: "done".to_owned() };
    let expected = [is(0, ReceiptState::InContext), is(1, ReceiptState::InContext), end];
    assert_eq!(told_all(&mut pi, lines), expected);
}

#[test]
fn a_steer_that_pi_still_keeps_at_the_end_is_taken_back_before_the_turn_ends() {
    let mut pi = ready(2);
    prompted(&mut pi, "go");
    pi.steer(AgentSteer { id: id(1), text: "late".to_owned() });
    told(&mut pi, r#"{"type":"message_end","message":{"role":"assistant","content":"done","stopReason":"stop"}}"#);
    let steps = pi.take_line(r#"{"type":"agent_settled","aborted":false}"#).unwrap();
    let lines: Vec<&str> = steps
        .iter()
        .map(|step| match step {
            DialectStep::Write(line) => line.as_str(),
            other @ (DialectStep::Tell(_) | DialectStep::BeginAfresh) => panic!("only commands are written: {other:?}"),
        })
        .collect();
    assert_eq!(lines, [r#"{"id":"t5","type":"clear_queue"}"#, r#"{"id":"t6","type":"get_state"}"#]);
    let cleared = told(&mut pi, r#"{"id":"t5","type":"response","command":"clear_queue","success":true,"data":{}}"#);
    assert!(matches!(&cleared[..], [AgentNews::Receipt { state: ReceiptState::Lost { .. }, .. }]), "{cleared:?}");
    let ended =
        told(&mut pi, r#"{"id":"t6","type":"response","command":"get_state","success":true,"data":{"sessionId":"x"}}"#);
    assert!(matches!(&ended[..], [AgentNews::TurnEnded { end: TurnEnd::Completed, .. }]), "{ended:?}");
}

#[test]
fn a_steer_after_the_end_of_the_turn_is_lost_and_never_written() {
    let mut pi = ready(0);
    let steps = pi.steer(AgentSteer { id: id(1), text: "late".to_owned() });
    assert!(matches!(&steps[..], [DialectStep::Tell(AgentNews::Receipt { state: ReceiptState::Lost { .. }, .. })]));
}

#[test]
fn an_error_of_the_provider_fails_the_turn_although_pi_settles_as_ever() {
    let failed = |error: &str| {
        let mut pi = ready(0);
        prompted(&mut pi, "go");
        let line = json!({"type": "message_end", "message": {"role": "assistant", "content": [], "stopReason": "error", "errorMessage": error}});
        told(&mut pi, &line.to_string());
        told(&mut pi, r#"{"type":"agent_end","willRetry":false}"#);
        told(&mut pi, r#"{"type":"agent_settled","aborted":false}"#)
    };
    let bad_key = failed("401: {\"error\":\"bad key\"}");
    assert_eq!(
        bad_key,
        [AgentNews::TurnEnded {
            end: TurnEnd::Failed { reason: "401: {\"error\":\"bad key\"}".to_owned(), fault: AgentFault::Provider },
            result: String::new()
        }]
    );
    let overload = failed("529: overloaded");
    assert!(matches!(&overload[..], [AgentNews::Unavailable { .. }, AgentNews::TurnEnded { .. }]), "{overload:?}");
    for words in ["502: bad gateway", "Connection error.", "429: {\"type\":\"rate_limit_error\"}", "529 scripted error"]
    {
        assert!(matches!(failed(words)[0], AgentNews::Unavailable { .. }), "{words}");
    }
    let fault = |words: &str| match &failed(words)[..] {
        [AgentNews::TurnEnded { end: TurnEnd::Failed { fault, .. }, .. }] => *fault,
        other => panic!("{words}: {other:?}"),
    };
    for words in ["429: {\"type\":\"insufficient_quota\"}", "400: Your credit balance is too low", "404: no such model"]
    {
        assert_eq!(fault(words), AgentFault::Provider, "{words}");
    }
    for words in [
        "Provider finish_reason: refusal",
        "400: {\"message\":\"prompt is too long: 210000 tokens > 200000\"}",
        "This model's maximum context length is 8192 tokens",
        "400: bad request",
    ] {
        assert_eq!(fault(words), AgentFault::Prompt, "{words}");
    }
}

#[test]
fn a_turn_in_which_nothing_was_said_or_done_is_not_completed() {
    let mut pi = ready(0);
    prompted(&mut pi, "go");
    told(&mut pi, r#"{"type":"message_end","message":{"role":"assistant","content":[],"stopReason":"stop"}}"#);
    let end = AgentNews::TurnEnded { end: TurnEnd::failed(NOTHING_DONE), result: String::new() };
    assert_eq!(told(&mut pi, r#"{"type":"agent_settled","aborted":false}"#), [end]);
}

#[test]
fn a_version_that_does_not_settle_ends_its_turn_unless_it_tries_again() {
    let mut pi = ready(0);
    prompted(&mut pi, "go");
    told(
        &mut pi,
        r#"{"type":"message_end","message":{"role":"assistant","content":[],"stopReason":"error","errorMessage":"overloaded"}}"#,
    );
    assert_eq!(pi.take_line(r#"{"type":"agent_end","messages":[]}"#).unwrap().len(), 1);
    let again = told(&mut pi, r#"{"type":"auto_retry_start","attempt":1,"delayMs":2000,"errorMessage":"529: busy"}"#);
    assert_eq!(again, [AgentNews::Trouble("pi tries again: 529: busy".to_owned())]);
    assert_eq!(told(&mut pi, r#"{"type":"auto_retry_start","attempt":2,"delayMs":4000}"#), [], "it is told once");
    let looked = r#"{"id":"t4","type":"response","command":"get_state","success":true,"data":{"sessionId":"x"}}"#;
    assert_eq!(told(&mut pi, looked), []);

    told(&mut pi, r#"{"type":"agent_start"}"#);
    told(&mut pi, r#"{"type":"message_end","message":{"role":"assistant","content":"fine","stopReason":"stop"}}"#);
    assert_eq!(pi.take_line(r#"{"type":"agent_end","messages":[]}"#).unwrap().len(), 1);
    let looked = r#"{"id":"t5","type":"response","command":"get_state","success":true,"data":{"sessionId":"x"}}"#;
    let end = AgentNews::TurnEnded { end: TurnEnd::Completed, result: "fine".to_owned() };
    assert_eq!(told(&mut pi, looked), [end]);
}

#[test]
fn questions_that_nobody_can_see_are_cancelled_and_those_of_the_gate_are_asked() {
    let mut pi = ready(0);
    prompted(&mut pi, "go");
    let asked = told(
        &mut pi,
        r#"{"type":"extension_ui_request","id":"q1","method":"confirm","title":"teamster:bash","message":"{\"command\":\"ls\"}"}"#,
    );
    let question = PermissionQuestion {
        question: QuestionId("q1".to_owned()),
        tool: "bash".to_owned(),
        title: "bash: {\"command\":\"ls\"}".to_owned(),
        detail: "{\"command\":\"ls\"}".to_owned(),
        subject: String::new(),
    };
    assert_eq!(asked, [AgentNews::PermissionAsked(question)]);
    let answer = pi.permit(QuestionId("q1".to_owned()), Permission::Once);
    let written = r#"{"confirmed":true,"id":"q1","type":"extension_ui_response"}"#;
    assert_eq!(answer, [DialectStep::Write(written.to_owned())]);

    let steps = pi.take_line(r#"{"type":"extension_ui_request","id":"q2","method":"select","options":["a"]}"#).unwrap();
    let cancelled = r#"{"cancelled":true,"id":"q2","type":"extension_ui_response"}"#;
    assert_eq!(steps, [DialectStep::Write(cancelled.to_owned())]);
    assert_eq!(
        pi.take_line(r#"{"type":"extension_ui_request","id":"q3","method":"notify","message":"hi"}"#),
        Ok(Vec::new())
    );
}

#[test]
fn what_is_not_known_is_passed_over_and_what_is_no_line_of_pi_is_refused() {
    let mut pi = ready(0);
    for line in [
        r#"{"type":"compaction_start","reason":"threshold"}"#,
        r#"{"type":"message_update","assistantMessageEvent":{"type":"image_delta"}}"#,
        r#"{"id":"nobody","type":"response","command":"x","success":false,"error":"no"}"#,
        r#"{"type":"agent_settled"}"#,
    ] {
        assert_eq!(pi.take_line(line), Ok(Vec::new()), "{line}");
    }
    for line in ["npm warn deprecated", "[1]", r#"{"kind":"response"}"#] {
        assert!(pi.take_line(line).is_err(), "{line}");
    }
}

#[test]
fn a_text_is_never_a_command_of_pi() {
    let mut pi = ready(0);
    let message = |steps: &[DialectStep]| match &steps[0] {
        DialectStep::Write(line) => serde_json::from_str::<Value>(line).unwrap()["message"].clone(),
        DialectStep::Tell(_) | DialectStep::BeginAfresh => panic!("it is written"),
    };
    assert_eq!(message(&pi.prompt(id(0), "/compact".to_owned())), "Message:\n/compact");
    told(&mut pi, r#"{"type":"message_start","message":{"role":"user","content":"Message:\n/compact"}}"#);
    let steer = AgentSteer { id: id(1), text: "/tmp/x is broken".to_owned() };
    assert_eq!(message(&pi.steer(steer)), "Message:\n/tmp/x is broken");
    let taken = r#"{"type":"message_start","message":{"role":"user","content":"Message:\n/tmp/x is broken"}}"#;
    assert_eq!(told(&mut pi, taken), [is(1, ReceiptState::InContext)]);
}

#[test]
fn a_key_that_is_missing_is_the_providers_fault_and_the_way_to_give_it_is_told() {
    let mut pi = ready(0);
    prompted(&mut pi, "go");
    let why = r"No API key found for the selected model.\n\nUse /login to log into a provider via OAuth or API key. See:\n  /opt/pi/docs/providers.md";
    let told = told(
        &mut pi,
        &format!(r#"{{"id":"t3","type":"response","command":"prompt","success":false,"error":"{why}"}}"#),
    );
    let Some(AgentNews::TurnEnded { end: TurnEnd::Failed { reason, fault: AgentFault::Provider }, .. }) = told.last()
    else {
        panic!("{told:?}")
    };
    assert_eq!(
        reason,
        "No API key found for the selected model. Use /login to log into a provider via OAuth or API key. \
         Start pi once and say /login, or set the variable of its provider, such as ANTHROPIC_API_KEY"
    );
}
