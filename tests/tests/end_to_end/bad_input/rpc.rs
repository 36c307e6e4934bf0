//! Lines that are no call, or none that can be answered as it was meant: to a worker's standard input and to the
//! leader's socket. Each is answered with an error of JSON-RPC, and costs nothing else.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use teamster_protocol::model::limits::sizes::MESSAGE_LINE_BYTES_MAX;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

/// A worker whose standard streams are the test's; it is killed when this is dropped.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The other side of a link: lines go in, lines come out.
struct Link {
    to: Box<dyn Write>,
    from: Receiver<String>,
}

impl Link {
    fn new(to: impl Write + 'static, from: impl Read + Send + 'static) -> Link {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Link { to: Box::new(to), from: lines }
    }

    fn say(&mut self, line: &[u8]) {
        self.to.write_all(line).and_then(|()| self.to.write_all(b"\n")).unwrap();
        self.to.flush().unwrap();
    }

    /// The answer with this id.
    fn answer(&mut self, id: &Value) -> Value {
        loop {
            let line = self.from.recv_timeout(Duration::from_secs(20)).expect("an answer");
            let answer: Value = serde_json::from_str(&line).expect("answers are JSON");
            if answer.get("id") == Some(id) {
                return answer;
            }
            assert!(answer.get("method").is_some(), "{answer} is no answer to {id}");
        }
    }

    fn error(&mut self, line: &[u8], id: &Value) -> (i64, String) {
        self.say(line);
        let answer = self.answer(id);
        let code = answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{answer} is no error"));
        (code, answer["error"]["message"].as_str().unwrap().to_owned())
    }

    /// Says all that may go wrong, and after each whether the other side goes on: `alive` is a call that must succeed.
    fn trial(&mut self, method: &str, alive: &Value) {
        let oversized = |head: &str| {
            let mut line = head.as_bytes().to_vec();
            line.resize(MESSAGE_LINE_BYTES_MAX + 2, b'x');
            line.extend_from_slice(b"\"]}");
            line
        };
        let call = |method: &str, params: Value| {
            json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string().into_bytes()
        };
        let lines: Vec<(&str, Vec<u8>, Value, i64, &str)> = vec![
            ("no JSON", b"hello".to_vec(), Value::Null, -32700, ""),
            ("half an object", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":".to_vec(), Value::Null, -32700, ""),
            ("no UTF-8", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\xff\xfe\"}".to_vec(), Value::Null, -32700, ""),
            ("no message", b"{\"id\":7}".to_vec(), json!(7), -32600, "not a JSON-RPC 2.0 message"),
            ("a number", b"42".to_vec(), Value::Null, -32600, "not a JSON-RPC 2.0 message"),
            ("a batch", b"[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\"}]".to_vec(), Value::Null, -32600, "batches"),
            ("an older version", b"{\"id\":7,\"method\":\"x\",\"params\":[]}".to_vec(), json!(7), -32600, ""),
            ("an unknown method", call("no_such", json!([])), json!(7), -32601, "no_such"),
            ("no parameters", call(method, json!([])), json!(7), -32602, ""),
            ("wrong parameters", call(method, json!([{"a": 1}, 2, 3])), json!(7), -32602, ""),
            ("parameters that are none", call(method, json!("x")), json!(7), -32602, ""),
            (
                "an oversized call",
                oversized("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"send\",\"params\":[\""),
                json!(7),
                -32007,
                "",
            ),
            ("an oversized nothing", oversized("x"), Value::Null, -32007, ""),
        ];
        for (what, line, id, code, words) in lines {
            let (found, message) = self.error(&line, &id);
            assert_eq!(found, code, "{what}: {message}");
            assert!(message.contains(words), "{what}: {message}");
            let mut alive = alive.clone();
            alive["id"] = what.into();
            self.say(alive.to_string().as_bytes());
            let answer = self.answer(&what.into());
            assert!(answer.get("result").is_some(), "after {what}: {answer}");
        }
        // What is no message and no call asks for no answer.
        self.say(b"");
        self.say(b"{\"jsonrpc\":\"2.0\",\"method\":\"no_such\"}");
        self.say(b"{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":1}");
        self.say(alive.to_string().as_bytes());
        assert!(self.answer(&alive["id"]).get("result").is_some());
    }
}

#[test]
fn a_worker_answers_and_goes_on() {
    let team = Team::new();
    let dir = team.dir();
    let mut worker = team.sandbox().program(Program::Worker);
    worker.args(["--stdio", "--agent", "shell", "--name", "alice", "--team", dir.team().as_str(), "--root"]);
    worker.arg(dir.root()).arg("--cwd").arg(team.repository());
    worker.env("TEAMSTER_LEADER_GRACE_MS", "100").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = Child(worker.spawn().unwrap());
    let mut link = Link::new(worker.0.stdin.take().unwrap(), worker.0.stdout.take().unwrap());

    // The wrong version first: it is refused, and the right one taken all the same.
    let hello = |id: u64, version: u64| {
        json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": [{"protocol": version}]}).to_string()
    };
    let (code, message) = link.error(hello(1, 2).as_bytes(), &json!(1));
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("install teamster and teamster-worker of the same release"), "{message}");
    link.say(hello(2, 1).as_bytes());
    assert_eq!(link.answer(&json!(2))["result"]["name"], "alice");

    link.trial("prompt", &json!({"jsonrpc": "2.0", "id": "alive", "method": "ping", "params": [1]}));
    // It still works: what it is given to do is done.
    team.ok("task add --run echo done");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
}

#[test]
fn a_leader_answers_and_leads_on() {
    let team = Team::new();
    team.ok("up --detach");
    let connect = || {
        let socket = UnixStream::connect(team.dir().leader_socket()).unwrap();
        Link::new(socket.try_clone().unwrap(), socket)
    };
    let mut link = connect();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": [{"protocol": 2}]}).to_string();
    let (code, message) = link.error(hello.as_bytes(), &json!(1));
    assert_eq!((code, message.as_str()), (3, "the leader speaks protocol 1, this program 2"));
    link.trial("steer", &json!({"jsonrpc": "2.0", "id": "alive", "method": "hello", "params": [{"protocol": 1}]}));

    // Bad names and unknown ones, past the command line's own checks.
    let (code, message) = link.error(br#"{"jsonrpc":"2.0","id":3,"method":"kill","params":["../x"]}"#, &json!(3));
    assert_eq!(code, -32602, "{message}");
    let (code, message) = link.error(br#"{"jsonrpc":"2.0","id":4,"method":"kill","params":["bob"]}"#, &json!(4));
    assert_eq!((code, message.as_str()), (2, "there is no member bob"));
    // What is on disk is read there, and is no call.
    let (code, message) = link.error(br#"{"jsonrpc":"2.0","id":5,"method":"task_view","params":[9]}"#, &json!(5));
    assert_eq!(code, -32601, "{message}");

    // One who goes in the middle of a line harms nobody.
    let mut rude = connect();
    rude.to.write_all(b"{\"jsonrpc\":").unwrap();
    drop(rude);
    team.ok("spawn alice");
    assert_eq!(team.json("list")["members"][0]["state"], "idle");
}
