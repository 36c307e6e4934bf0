//! The model server and the MCP server that stand in for real ones do what their headers say.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use teamster_tests::granted::{Need, granted};
use teamster_tests::model_server::{ModelServer, rig_file};

const CHAT: &str = "/v1/chat/completions";

/// A request whose user says this, with one tool that runs commands.
fn chat(text: &str) -> Value {
    json!({
        "model": "rig-model",
        "messages": [{"role": "user", "content": text}],
        "tools": [{"type": "function", "function": {
            "name": "bash",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
        }}],
    })
}

#[test]
fn the_model_does_what_the_prompt_says() {
    if !granted(Need::Python) {
        return;
    }
    let logs = tempfile::tempdir().unwrap();
    let server = ModelServer::start(logs.path()).unwrap();
    let (status, said) = server.ask(CHAT, Some(&chat("please [[say text=hello]]"))).unwrap();
    assert_eq!((status, &said["choices"][0]["message"]["content"]), (200, &json!("hello")));

    let (_, said) = server.ask(CHAT, Some(&chat("[[bash cmd=\"ls -la\"]][[say text=over]]"))).unwrap();
    let call = &said["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "bash");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["command"], "ls -la");

    let overloaded = chat("[[error status=529 times=2]][[say text=recovered]]");
    let statuses: Vec<u16> = (0..3).map(|_| server.ask(CHAT, Some(&overloaded)).unwrap().0).collect();
    assert_eq!(statuses, [529, 529, 200]);

    let limited = chat("[[error status=429 limit=codex in=60]]");
    let (status, said) = server.ask(CHAT, Some(&limited)).unwrap();
    assert_eq!((status, &said["error"]["resets_in_seconds"]), (429, &json!(60)));
    let mut twice = chat("[[error status=429 count=once]][[say text=after]]");
    assert_eq!(server.ask(CHAT, Some(&twice)).unwrap().0, 429);
    let again = twice["messages"][0].clone();
    twice["messages"].as_array_mut().unwrap().push(again);
    assert_eq!(server.ask(CHAT, Some(&twice)).unwrap().0, 200, "a name counts wherever in the history it is");
    assert!(server.last_request().unwrap() >= 7);
}

#[test]
fn the_mcp_server_has_its_tools_and_keeps_what_was_asked() {
    if !granted(Need::Python) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("mcp.jsonl");
    let mut python = Command::new("python3");
    python.arg(rig_file("toy_mcp.py")).arg("--log").arg(&log).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut ask = |request: Value| -> Value {
        writeln!(input, "{request}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let tools = ask(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(tools["result"]["tools"][0]["name"], "send_message");
    let arguments = json!({"to": "lead", "text": "hi"});
    let call = json!({"name": "send_message", "arguments": arguments});
    let said = ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}));
    assert_eq!(said["result"]["content"][0]["text"], "delivered to lead");
    drop(input);
    assert!(child.wait().unwrap().success());
    assert!(std::fs::read_to_string(log).unwrap().contains("tools/call"));
}
