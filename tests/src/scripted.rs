//! An agent that does what its prompts say, one instruction a line, and speaks the JSON lines of the worker's `script`
//! driver. One process serves many prompts. It keeps how many it had in `session-<name>` in its directory, so that a later
//! life shows whether it goes on with the conversation.
//!
//! | instruction | what it does |
//! |---|---|
//! | `say WORDS` | says the words |
//! | `think WORDS`, `tool TITLE`, `plan WORDS` | the same as a thought, a tool call, a plan of one step |
//! | `who` | says the words that told it who it is |
//! | `run COMMAND` | runs it by a shell, and says its output |
//! | `compact` | tells that it has put its conversation in few words |
//! | `count` | says the number of this prompt in the conversation |
//! | `wait` | waits for a steer that it does not queue, and says it |
//! | `queue` | from now on it keeps steers for the next prompt |
//! | `read` | waits for a steer and keeps it, without a word |
//! | `stream COUNT MS` | says so many pieces of text, so many milliseconds apart, each with its number and the microsecond of the clock |
//! | `confirm` | tells that its model has the prompt, and says the microsecond of the clock at which it told that |
//! | `ask TITLE` | asks for permission to use `sh`, waits for the answer, says it |
//! | `ask-for TOOL TITLE` | the same for another tool |
//! | `usage IN OUT [MICRO_USD]` | tells what the turn has used so far, in all |
//! | `limit MS` | tells that the provider takes no more for so long, once in a conversation, and ends the turn |
//! | `limit-said WORDS` | the same with these words, and no time besides |
//! | `busy N` | tells the first N times in a conversation that the provider has no room, and ends the turn |
//! | `refuse WORDS` | ends the turn as failed by its provider |
//! | `fail WORDS` | ends the turn as failed |
//! | `die` | exits with status 9 in the turn |
//! | `die-after` | exits with status 9 when the turn has ended |
//! | `child` | starts a process in its group, and one that leaves it |
//! | `hang` | reads nothing and says nothing any more |
//! | `silent` | does not confirm texts from now on |
//! | `garbage` | says what is no JSON |

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio, exit};
use std::time::{Duration, Instant};

use teamster_protocol::host::clock;
use teamster_protocol::model::agent::{
    AgentFault, AgentSession, Permission, PermissionQuestion, PlanState, PlanStep, ProviderLimit, QuestionId,
    SessionBegin, SessionId, ToolState, TurnEnd,
};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::TokenUsage;
use teamster_worker::driver::script::{ScriptNews, ScriptOrder};

/// The exit status of an agent that was told to die.
const DIED: i32 = 9;

struct ScriptedAgent {
    session: SessionId,
    /// The words that told it who it is.
    identity: String,
    prompts: u64,
    /// Steers for the next prompt.
    queue: Vec<(TextId, String)>,
    keeps_steers: bool,
    is_silent: bool,
}

/// How an instruction leaves the turn.
enum Step {
    GoOn,
    End(TurnEnd),
}

/// Serves the worker until the end of its standard input.
///
/// # Panics
///
/// If the worker does not keep to the protocol: a test sees that the agent died.
pub fn main() {
    let Some(ScriptOrder::Start { session, copy_of, identity }) = order() else { panic!("the first line is a start") };
    // Its process id is that of others too: each is in a namespace of its own.
    let own = SessionId(format!("s{}", clock::now_us()));
    let wanted = session.as_ref().or(copy_of.as_ref()).cloned();
    let kept_prompts = |id: &SessionId| fs::read_to_string(kept(id)).ok()?.parse::<u64>().ok();
    let (id, begun, prompts) = match (wanted.as_ref().and_then(kept_prompts), session) {
        (Some(prompts), Some(session)) => (session, SessionBegin::Resumed, prompts),
        (Some(prompts), None) => (own, SessionBegin::Forked, prompts),
        (None, _) => (own, SessionBegin::Fresh, 0),
    };
    if let (Some(wanted), SessionBegin::Fresh) = (&wanted, begun) {
        tell(&ScriptNews::SessionLost { why: format!("session {wanted} can not be gone on with: its file is gone") });
    }
    fs::write(kept(&id), prompts.to_string()).expect("its directory can be written to");
    let session = Some(AgentSession { id: id.clone(), begun });
    let identity = identity.unwrap_or_default();
    let (queue, keeps_steers, is_silent) = (Vec::new(), false, false);
    let mut agent = ScriptedAgent { session: id, identity, prompts, queue, keeps_steers, is_silent };
    tell(&ScriptNews::Ready { session });
    while let Some(order) = order() {
        match order {
            ScriptOrder::Prompt { id, text } => agent.turn(id, &text),
            // It came when the turn had just ended.
            ScriptOrder::Steer { id, text } => agent.queue.push((id, text)),
            ScriptOrder::Permit { .. } | ScriptOrder::Abort {} => {}
            ScriptOrder::Start { .. } => panic!("it was started already"),
        }
    }
}

impl ScriptedAgent {
    fn turn(&mut self, id: TextId, text: &str) {
        self.prompts += 1;
        fs::write(kept(&self.session), self.prompts.to_string()).expect("its directory can be written to");
        self.confirm(id, ReceiptState::Delivered);
        for (id, text) in std::mem::take(&mut self.queue) {
            self.confirm(id, ReceiptState::InContext);
            say(&format!("from the queue: {text}\n"));
        }
        let mut end = TurnEnd::Completed;
        let mut dies_after = false;
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            dies_after |= word == "die-after";
            if let Step::End(ends) = self.step(word, rest, id) {
                end = ends;
                break;
            }
        }
        tell(&ScriptNews::TurnEnded { end, result: String::new() });
        if dies_after {
            exit(DIED);
        }
    }

    fn step(&mut self, word: &str, rest: &str, prompt: TextId) -> Step {
        match word {
            "say" => say(&format!("{rest}\n")),
            "think" => tell(&ScriptNews::Thought(rest.to_owned())),
            "tool" => {
                for state in [ToolState::Running, ToolState::Done] {
                    tell(&ScriptNews::ToolCall { id: "t1".to_owned(), title: rest.to_owned(), state });
                }
            }
            "plan" => tell(&ScriptNews::Plan(vec![PlanStep { text: rest.to_owned(), state: PlanState::Active }])),
            "who" => say(&format!("{}\n", self.identity)),
            "compact" => tell(&ScriptNews::Compacted {}),
            "run" => {
                let run = Command::new("sh").args(["-c", rest]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
                say(&String::from_utf8_lossy(&run.expect("a shell can be started").stdout));
            }
            "count" => say(&format!("prompt {}\n", self.prompts)),
            "wait" => return self.wait_for_steer(),
            "wait-at-first" if self.prompts == 1 => return self.wait_for_steer(),
            "queue" => self.keeps_steers = true,
            "read" => return self.keep_steer(),
            "stream" => stream(rest),
            "confirm" => {
                let at_us = clock::now_us();
                self.confirm(prompt, ReceiptState::InContext);
                say(&format!("{at_us}\n"));
            }
            "ask" => return ask("sh", rest),
            "ask-for" => {
                let (tool, title) = rest.split_once(' ').expect("TOOL TITLE");
                return ask(tool, title);
            }
            "usage" => {
                let mut words = rest.split(' ').map(|word| word.parse().expect("a number"));
                let (input, output) = (words.next().expect("IN"), words.next().expect("OUT"));
                let cost_micro_usd = words.next();
                tell(&ScriptNews::Usage(TokenUsage { input, output, cost_micro_usd, ..TokenUsage::default() }));
            }
            "limit" => {
                let told = kept(&SessionId(format!("{}-limit", self.session)));
                if !told.exists() {
                    fs::write(told, "").expect("its directory can be written to");
                    let until_ms = Some(clock::now_ms() + rest.parse::<u64>().expect("a number"));
                    let reason = "all is used up".to_owned();
                    tell(&ScriptNews::Limited(ProviderLimit { until_ms, reason: reason.clone() }));
                    return Step::End(TurnEnd::failed(reason));
                }
            }
            // The same in words only.
            "limit-said" => {
                let told = kept(&SessionId(format!("{}-limit", self.session)));
                if !told.exists() {
                    fs::write(told, "").expect("its directory can be written to");
                    let reason = rest.to_owned();
                    tell(&ScriptNews::Limited(ProviderLimit { until_ms: None, reason: reason.clone() }));
                    return Step::End(TurnEnd::failed(reason));
                }
            }
            "busy" => {
                let told = kept(&SessionId(format!("{}-busy", self.session)));
                let before = fs::read(&told).map_or(0, |before| before.len());
                if before < rest.parse().expect("a number") {
                    fs::write(told, vec![b'.'; before + 1]).expect("its directory can be written to");
                    let reason = "529 overloaded".to_owned();
                    tell(&ScriptNews::Unavailable { reason: reason.clone() });
                    return Step::End(TurnEnd::Failed { reason, fault: AgentFault::Provider });
                }
            }
            // A conversation of more prompts than that is too long for it.
            "full-after" if self.prompts > rest.parse().expect("a number") => {
                return Step::End(TurnEnd::failed("prompt is too long: 200001 tokens > 200000 maximum"));
            }
            "refuse" => {
                return Step::End(TurnEnd::Failed { reason: rest.to_owned(), fault: AgentFault::Provider });
            }
            "fail" => return Step::End(TurnEnd::failed(rest)),
            "die" => exit(DIED),
            "child" => start_children(),
            "hang" => loop {
                std::thread::park();
            },
            "silent" => self.is_silent = true,
            "garbage" => {
                println!("this is no JSON");
                return Step::GoOn;
            }
            // What else is said to it is a conversation.
            _ => {}
        }
        Step::GoOn
    }

    fn wait_for_steer(&mut self) -> Step {
        loop {
            match order() {
                Some(ScriptOrder::Steer { id, text }) if self.keeps_steers => self.keep(id, text),
                Some(ScriptOrder::Steer { id, text }) => {
                    self.confirm(id, ReceiptState::Delivered);
                    say(&format!("steered: {text}\n"));
                    return Step::GoOn;
                }
                Some(ScriptOrder::Abort {}) => return Step::End(TurnEnd::Aborted),
                None => exit(0),
                Some(other) => panic!("{other:?} in a turn"),
            }
        }
    }

    fn keep_steer(&mut self) -> Step {
        match order() {
            Some(ScriptOrder::Steer { id, text }) => self.keep(id, text),
            Some(ScriptOrder::Abort {}) => return Step::End(TurnEnd::Aborted),
            None => exit(0),
            Some(other) => panic!("{other:?} in a turn"),
        }
        Step::GoOn
    }

    fn keep(&mut self, id: TextId, text: String) {
        self.confirm(id, ReceiptState::Queued);
        self.queue.push((id, text));
    }

    fn confirm(&self, text: TextId, state: ReceiptState) {
        if !self.is_silent {
            tell(&ScriptNews::Receipt { text, state });
        }
    }
}

fn ask(tool: &str, title: &str) -> Step {
    let question = QuestionId(format!("q{}", clock::now_us()));
    let (tool, detail) = (tool.to_owned(), String::new());
    tell(&ScriptNews::PermissionAsked(PermissionQuestion {
        question: question.clone(),
        tool,
        title: title.to_owned(),
        detail,
        subject: title.to_owned(),
    }));
    loop {
        match order() {
            Some(ScriptOrder::Permit { question: answered, answer }) if answered == question => {
                let how = match answer {
                    Permission::Once | Permission::Always => "allowed".to_owned(),
                    Permission::Never { reason } => format!("denied: {reason}"),
                };
                say(&format!("{how}\n"));
                return Step::GoOn;
            }
            Some(ScriptOrder::Abort {}) => return Step::End(TurnEnd::Aborted),
            None => exit(0),
            Some(_) => {}
        }
    }
}

/// Says `COUNT` pieces, `MS` apart by the clock and not by how long it takes to say one.
fn stream(words: &str) {
    let (count, ms) = words.split_once(' ').expect("COUNT MS");
    let (count, every): (u32, u64) = (count.parse().expect("a number"), ms.parse().expect("a number"));
    let begun = Instant::now();
    for number in 0..count {
        let due = begun + Duration::from_millis(every) * (number + 1);
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(left);
        }
        say(&format!("{number} {}\n", clock::now_us()));
    }
}

/// Processes that outlive this one if nobody ends them.
fn start_children() {
    for (program, args) in [("sh", vec!["-c", "exec tail -f /dev/null"]), ("setsid", vec!["tail", "-f", "/dev/null"])] {
        let mut child = Command::new(program);
        child.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        drop(child.spawn().expect("a process can be started"));
    }
}

fn say(text: &str) {
    tell(&ScriptNews::Text(text.to_owned()));
}

fn tell(news: &ScriptNews) {
    let line = serde_json::to_string(news).expect("news are plain data");
    let mut out = io::stdout().lock();
    // Without a worker there is nobody to tell.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        exit(0);
    }
}

fn order() -> Option<ScriptOrder> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("standard input can be read");
    (!line.is_empty()).then(|| serde_json::from_str(&line).expect("the worker keeps to the protocol"))
}

fn kept(session: &SessionId) -> PathBuf {
    PathBuf::from(format!("session-{session}"))
}
