//! An agent that speaks the Agent Client Protocol, as well or as badly as it is told. The words of its command line say
//! how it starts, and the lines of its prompts what it does.
//!
//! | word | what is wrong with the start |
//! |---|---|
//! | `die` | it exits with status 9 instead of an introduction |
//! | `version-2` | it speaks the next version |
//! | `login` | it opens no session before somebody has logged in, and complains of something else |
//! | `banner` | it begins with words that are no message |
//! | `garbage` | such words are all that it ever says |
//! | `steered` | nothing: it also takes texts in a turn |
//! | `moded` | nothing: it has a mode in which it asks, and is in another |
//! | `forgetful` | it offers to go on with a session, and can not |
//!
//! | instruction | what it does |
//! |---|---|
//! | `say WORDS` | says the words |
//! | `compact` | tells that it has put its conversation in few words |
//! | `count` | says the number of this prompt in the session, which it keeps in a file |
//! | `mode` | says the mode that it is in |
//! | `ask TITLE` | asks for permission, waits for the answer as long as it takes, says it |
//! | `storm COUNT` | asks that often before it reads an answer, and says how many were answered |
//! | `leave` | starts a command in a session of its own, and never ends it |
//! | `wait` | waits until the turn is cancelled, or for a text |
//! | `unknown` | tells and asks what nobody knows, and says how it was answered |
//! | `flood COUNT` | says that many pieces of text and as many unknown things |
//! | `twice` | answers the prompt twice |
//! | `nothing` | ends the turn without a word |
//! | `limit` | tells once in a session that the provider takes no more |
//! | `die` | exits with status 9 |
//! | `garbage` | says words that are no message, for ever |
//! | `hang` | reads nothing and says nothing any more |

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio, exit};

use serde_json::{Value, json};

/// The exit status of an agent that was told to die.
const DIED: i32 = 9;

struct AcpAgent {
    words: Vec<String>,
    session: String,
    prompts: u64,
    mode: String,
    /// The number of requests that it made.
    requests: u64,
    /// Messages that came while it waited for another.
    kept: VecDeque<Value>,
}

/// The end of a turn.
enum TurnStop {
    Reason(&'static str),
    Error(Value),
}

/// Serves the worker until the end of its standard input.
///
/// # Panics
///
/// If the worker does not keep to the protocol: a test sees that the agent died.
pub fn main() {
    let words = env::args().skip(1).collect();
    let (session, mode) = (String::new(), "auto".to_owned());
    let mut agent = AcpAgent { words, session, prompts: 0, mode, requests: 0, kept: VecDeque::new() };
    if agent.is("banner") {
        line("Welcome to the agent!\nIt has a new version.");
    }
    while let Some(message) = agent.next() {
        let (id, params) = (message["id"].clone(), &message["params"]);
        match message["method"].as_str() {
            Some("initialize") => agent.introduce(&id),
            Some("session/new") if agent.is("login") => {
                eprintln!("WARNING: it could not be made faster");
                refuse(&id, &json!({"code": -32000, "message": "Authentication required"}));
            }
            Some("session/new") => {
                let session = format!("s{}", std::process::id());
                agent.open(&session);
                let mut opened = json!({"sessionId": session});
                if agent.is("moded") {
                    let modes = [json!({"id": "default", "name": "Ask"}), json!({"id": "auto", "name": "Auto"})];
                    opened["modes"] = json!({"currentModeId": agent.mode, "availableModes": modes});
                }
                answer(&id, &opened);
            }
            Some("session/set_mode") => {
                agent.mode = params["modeId"].as_str().expect("it is named").to_owned();
                answer(&id, &json!({}));
            }
            Some("session/resume" | "session/load") if agent.is("forgetful") => {
                refuse(&id, &json!({"code": -32603, "message": "Internal error", "data": {"details": "no such file"}}));
            }
            Some("session/resume") => {
                agent.open(params["sessionId"].as_str().expect("it is named"));
                answer(&id, &json!({}));
            }
            Some("session/prompt") => agent.turn(&id, params["prompt"][0]["text"].as_str().expect("a text")),
            Some("session/cancel") => {}
            Some("_session/steering") => answer(&id, &json!({"outcome": "promptRequired"})),
            other => panic!("{other:?} between turns"),
        }
    }
}

impl AcpAgent {
    fn is(&self, word: &str) -> bool {
        self.words.iter().any(|given| given == word)
    }

    fn introduce(&self, id: &Value) {
        if self.is("die") {
            exit(DIED);
        }
        if self.is("garbage") {
            garbage();
        }
        let version = if self.is("version-2") { 2 } else { 1 };
        let login = json!({"id": "login", "name": "Log in", "description": "run `agent login`"});
        answer(
            id,
            &json!({
                "protocolVersion": version,
                "agentCapabilities": {"sessionCapabilities": {"resume": {}}},
                "authMethods": [login],
                "_meta": {"steering": {"supported": self.is("steered")}},
            }),
        );
    }

    fn open(&mut self, session: &str) {
        self.session = session.to_owned();
        self.prompts = fs::read_to_string(self.file()).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    }

    fn file(&self) -> PathBuf {
        PathBuf::from(format!("session-{}", self.session))
    }

    fn turn(&mut self, id: &Value, text: &str) {
        self.prompts += 1;
        fs::write(self.file(), self.prompts.to_string()).expect("its directory can be written to");
        let mut end = TurnStop::Reason("end_turn");
        for instruction in text.lines() {
            let (word, rest) = instruction.split_once(' ').unwrap_or((instruction, ""));
            if let Some(stop) = self.step(word, rest, id) {
                end = stop;
                break;
            }
        }
        match end {
            TurnStop::Reason(reason) => answer(id, &json!({"stopReason": reason})),
            TurnStop::Error(error) => refuse(id, &error),
        }
    }

    fn step(&mut self, word: &str, rest: &str, prompt: &Value) -> Option<TurnStop> {
        match word {
            "say" => self.say(&format!("{rest}\n")),
            "mode" => self.say(&format!("{}\n", self.mode)),
            "compact" => {
                self.update(
                    &json!({"sessionUpdate": "compaction_update", "compactionId": "k1", "status": "completed"}),
                );
            }
            "count" => self.say(&format!("prompt {}\n", self.prompts)),
            "ask" => {
                let asked = self.ask(rest);
                return self.answer_of(asked);
            }
            "storm" => {
                let count: u64 = rest.parse().expect("a number");
                let asked: Vec<u64> = (0..count).map(|number| self.ask(&format!("use {number}"))).collect();
                for asked in asked {
                    self.wait_for(asked);
                }
                self.say(&format!("{count} answered\n"));
            }
            "leave" => {
                let mut command = Command::new("setsid");
                command.args(["sh", "-c", "tail -f /dev/null >/dev/null & echo; wait"]).stdin(Stdio::null());
                #[expect(clippy::zombie_processes, reason = "what an agent leaves behind is what this is for")]
                let mut command = command.stdout(Stdio::piped()).spawn().expect("a process can be started");
                let out = command.stdout.take().expect("it is piped");
                BufReader::new(out).read_line(&mut String::new()).expect("it says that both run");
            }
            "wait" => return self.wait(),
            "wait-at-first" if self.prompts == 1 => return self.wait(),
            "unknown" => {
                self.update(&json!({"sessionUpdate": "weather_update", "rain": true}));
                self.update(&json!({"sessionUpdate": "plan", "entries": "none"}));
                tell(&json!({"method": "_odd/notice", "params": {}}));
                let asked = self.request("fs/write_text_file", &json!({"path": "a.txt", "content": "x"}));
                let answer = self.wait_for(asked);
                self.say(&format!("refused with {}\n", answer["error"]["code"]));
            }
            "flood" => {
                for number in 0..rest.parse::<u64>().expect("a number") {
                    self.say(&format!("{number}\n"));
                    self.update(&json!({"sessionUpdate": "weather_update", "rain": true}));
                }
            }
            "twice" => answer(prompt, &json!({"stopReason": "end_turn"})),
            "limit" => {
                let told = PathBuf::from(format!("limit-{}", self.session));
                if !told.exists() {
                    fs::write(told, "").expect("its directory can be written to");
                    let data = json!({"errorKind": "rate_limit", "details": "all is used up"});
                    return Some(TurnStop::Error(json!({"code": -32603, "message": "Internal error", "data": data})));
                }
            }
            "die" => exit(DIED),
            "garbage" => garbage(),
            "hang" => loop {
                std::thread::park();
            },
            // What else is said to it is a conversation.
            _ => {}
        }
        None
    }

    fn ask(&mut self, title: &str) -> u64 {
        let call = json!({"toolCallId": format!("c{}", self.requests), "title": title, "kind": "execute"});
        let options = json!([
            {"optionId": "yes", "kind": "allow_once", "name": "Allow"},
            {"optionId": "no", "kind": "reject_once", "name": "Reject"},
        ]);
        self.request("session/request_permission", &json!({"toolCall": call, "options": options}))
    }

    /// Waits for the answer to a question, even if the turn is cancelled meanwhile, as some agents do.
    fn answer_of(&mut self, asked: u64) -> Option<TurnStop> {
        let answered = self.wait_for(asked);
        match answered["result"]["outcome"]["optionId"].as_str() {
            Some("yes") => self.say("allowed\n"),
            Some("no") => self.say("denied\n"),
            Some(_) | None => return Some(TurnStop::Reason("cancelled")),
        }
        None
    }

    fn wait(&mut self) -> Option<TurnStop> {
        loop {
            let message = self.next()?;
            match message["method"].as_str() {
                Some("session/cancel") => return Some(TurnStop::Reason("cancelled")),
                Some("_session/steering") => {
                    answer(&message["id"], &json!({"outcome": "injected"}));
                    let text = message["params"]["prompt"][0]["text"].as_str().expect("a text");
                    self.say(&format!("steered: {text}\n"));
                    return None;
                }
                // A second prompt in a turn ends it, as with some agents.
                Some("session/prompt") => panic!("a prompt in a turn"),
                _ => {}
            }
        }
    }

    fn say(&self, text: &str) {
        self.update(&json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}));
    }

    fn update(&self, update: &Value) {
        tell(&json!({"method": "session/update", "params": {"sessionId": self.session, "update": update}}));
    }

    /// Asks the worker for something. Its requests are numbered from 0, as those of the real agents are.
    fn request(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.requests;
        self.requests += 1;
        let mut params = params.clone();
        params["sessionId"] = json!(self.session);
        tell(&json!({"id": id, "method": method, "params": params}));
        id
    }

    /// Waits for the answer to a request, and keeps what comes before it.
    fn wait_for(&mut self, id: u64) -> Value {
        let is_answer = |message: &Value| message["id"] == id && message["method"].is_null();
        if let Some(at) = self.kept.iter().position(is_answer) {
            return self.kept.remove(at).expect("it is there");
        }
        loop {
            let message = read().unwrap_or_else(|| exit(0));
            if is_answer(&message) {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    fn next(&mut self) -> Option<Value> {
        self.kept.pop_front().or_else(read)
    }
}

fn garbage() -> ! {
    loop {
        line("this is no message");
    }
}

fn answer(id: &Value, result: &Value) {
    tell(&json!({"id": id, "result": result}));
}

fn refuse(id: &Value, error: &Value) {
    tell(&json!({"id": id, "error": error}));
}

fn tell(message: &Value) {
    let mut message = message.clone();
    message["jsonrpc"] = json!("2.0");
    line(&message.to_string());
}

fn line(text: &str) {
    let mut out = io::stdout().lock();
    // Without a worker there is nobody to tell.
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        exit(0);
    }
}

fn read() -> Option<Value> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("standard input can be read");
    (!line.is_empty()).then(|| serde_json::from_str(&line).expect("the worker writes JSON"))
}
