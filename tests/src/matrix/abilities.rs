//! The abilities that the matrix has a row for, each with the trial that shows it. A trial returns what was seen, also where an
//! agent lacks the ability; an error is what must not happen with any agent.

use std::fs;
use std::process;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_protocol::host::clock;

use super::stage::{Stage, StageTurn};
use crate::trial::Outcome;

/// One row of the matrix.
#[derive(Debug)]
pub struct Ability {
    /// Its name, as the matrix has it.
    pub title: &'static str,
    pub(super) see: fn(&mut Stage) -> Outcome<String>,
}

/// All abilities, in the order in which they are tried: each trial leaves the member idle.
pub const ABILITIES: &[Ability] = &[
    Ability { title: "a turn writes a file", see: write_file },
    Ability { title: "usage", see: usage },
    Ability { title: "steer in a stream", see: steer_in_stream },
    Ability { title: "steer in a tool", see: steer_in_tool },
    Ability { title: "`steer --now` in a stream", see: steer_now_in_stream },
    Ability { title: "`steer --now` in a tool", see: steer_now_in_tool },
    Ability { title: "abort in a stream", see: abort_in_stream },
    Ability { title: "abort in a tool", see: abort_in_tool },
    Ability { title: "529 twice, then success", see: overloaded },
    Ability { title: "usage limit with a reset", see: usage_limit },
    Ability { title: "resume after `kill -9` of the worker", see: resume },
    Ability { title: "fork", see: fork },
    Ability { title: "20 turns, memory", see: twenty_turns },
    Ability { title: "permission asked", see: permission_asked },
    Ability { title: "permission allowed", see: permission_allowed },
    Ability { title: "permission denied", see: permission_denied },
];

/// How many turns the memory is looked at for.
const TURNS: u32 = 20;

/// After so many seconds the provider that refuses says that it takes requests again.
const RESET_SECONDS: u64 = 20;

/// How far the end of a wait may be from that.
const RESET_TOLERANCE_MS: u64 = 15_000;

/// What is said in a turn that a later conversation is to know of.
const REMEMBERED: &str = "remember-this";

/// The reason that a denial gives.
const DENIAL: &str = "not-on-my-watch";

fn write_file(stage: &mut Stage) -> Outcome<String> {
    let turn = stage.begin("[[write path=written.txt text=hello]][[say text=written]]")?;
    stage.complete(turn)?;
    match fs::read_to_string(stage.file("written.txt")) {
        Ok(text) if text.trim() == "hello" => Ok("yes".to_owned()),
        Ok(text) => Err(format!("the file has {text:?}").into()),
        Err(error) => Err(format!("the turn was completed without its file: {error}").into()),
    }
}

fn usage(stage: &mut Stage) -> Outcome<String> {
    let turn = stage.begin("[[say text=measured]]")?;
    stage.complete(turn)?;
    let last = stage.since(turn.mark).iter().rev().find(|entry| entry["kind"] == "usage");
    let Some(usage) = last.map(|entry| &entry["data"]["usage"]) else { return Ok("no".to_owned()) };
    let parts = [("input", "tokens"), ("cost_micro_usd", "cost"), ("context", "context")];
    let told = parts.iter().filter(|(key, _)| usage[*key].as_u64().is_some_and(|number| number > 0));
    Ok(told.map(|(_, word)| *word).collect::<Vec<_>>().join(", "))
}

fn steer_in_stream(stage: &mut Stage) -> Outcome<String> {
    let turn = stage.begin("[[stream n=80 ms=100 word=tick]]")?;
    stage.until("the answer streams", |stage| stage.text_since(turn.mark).contains("tick3"))?;
    let steer = match steer(stage, turn, "steered-in-stream")? {
        Ok(id) => id,
        Err(refusal) => return Ok(refusal),
    };
    let text = stage.text_since(turn.mark);
    let before = text.split("steered-in-stream").next().unwrap_or_default();
    let is_own_turn = turns_before(stage, turn, "steered-in-stream") > 0;
    let how = match (before.contains("tick79"), is_own_turn) {
        (_, true) => "next turn",
        (true, false) => "after the answer",
        (false, false) => "cuts the answer",
    };
    Ok(format!("{how}: {}", receipts(stage, turn, &steer)))
}

fn steer_in_tool(stage: &mut Stage) -> Outcome<String> {
    // Without a substitution, which some agents run for nobody.
    let tool = "touch in-tool; timeout 60 sh -c 'until [ -e go-on ]; do sleep 0.1; done'";
    let turn = stage.begin(&format!("[[bash cmd=\"{tool}\"]][[say text=tool-over]]"))?;
    stage.until("the tool runs", |stage| stage.file("in-tool").exists())?;
    let steer = match steer_with(stage, turn, "steered-in-tool", |stage| fs::write(stage.file("go-on"), "")) {
        Ok(Ok(id)) => id,
        Ok(Err(refusal)) => return Ok(refusal),
        Err(error) => return Err(error),
    };
    let text = stage.text_since(turn.mark);
    let before = text.split("steered-in-tool").next().unwrap_or_default();
    let is_own_turn = turns_before(stage, turn, "steered-in-tool") > 0;
    let how = match (before.contains("tool-over"), is_own_turn) {
        (_, true) => "next turn",
        (true, false) => "after the answer",
        (false, false) => "after the tool",
    };
    Ok(format!("{how}: {}", receipts(stage, turn, &steer)))
}

fn steer(stage: &mut Stage, turn: StageTurn, word: &str) -> Outcome<Result<String, String>> {
    steer_with(stage, turn, word, |_| Ok(()))
}

/// Steers the turn that runs, does something once the steer was taken, and waits until the model has answered the steer and the
/// member is idle. Returns the name of the text, or what the member said to refuse it.
fn steer_with(
    stage: &mut Stage,
    turn: StageTurn,
    word: &str,
    then: impl Fn(&Stage) -> std::io::Result<()>,
) -> Outcome<Result<String, String>> {
    let (code, said) = stage.run(&["steer", &stage.name(), &format!("[[say text={word}]]")])?;
    then(stage)?;
    if code != 0 {
        stage.end(turn)?;
        let why = said["error"]["message"].as_str().unwrap_or("it was refused");
        return Ok(Err(format!("no: {why}")));
    }
    stage.until("the model answers the steer", |stage| stage.text_since(turn.mark).contains(word))?;
    stage.end(turn)?;
    idle(stage, turn.mark)?;
    let steered = stage.since(turn.mark).iter().find(|entry| entry["kind"] == "steered");
    let id = steered.and_then(|entry| entry["data"]["id"].as_str());
    Ok(Ok(id.ok_or("no line of the transcript is about the steer")?.to_owned()))
}

fn steer_now_in_stream(stage: &mut Stage) -> Outcome<String> {
    let turn = stage.begin("[[stream n=40 ms=100 word=tuck]]")?;
    stage.until("the answer streams", |stage| stage.text_since(turn.mark).contains("tuck3"))?;
    steer_now(stage, turn, "now-in-stream")
}

fn steer_now_in_tool(stage: &mut Stage) -> Outcome<String> {
    let file = format!("interrupted-tool-{}-{}", stage.row.name, process::id());
    // The model follows the script of the prompt once more, as the agent is told again what it was asked.
    let tool = format!("test -e {file} || {{ touch {file}; exec tail -f {file}; }}");
    let turn = stage.begin(&format!("[[bash cmd=\"{tool}\"]][[say text=tool-over]]"))?;
    stage.until("the tool runs", |_| is_followed(&file))?;
    let seen = steer_now(stage, turn, "now-in-tool")?;
    stage.until("the tool's command ends", |_| !is_followed(&file))?;
    Ok(seen)
}

/// Interrupts the turn that runs with a text, which must be answered in that turn and in the one attempt at its task.
fn steer_now(stage: &mut Stage, turn: StageTurn, word: &str) -> Outcome<String> {
    let said = stage.say(&["steer", &stage.name(), "--now", &format!("[[say text={word}]]")])?;
    if said["haste"] != "interrupted" {
        return Err(format!("it is not interrupted: {said}").into());
    }
    stage.until("the model answers the steer", |stage| stage.text_since(turn.mark).contains(word))?;
    let turns_before = turns_before(stage, turn, word);
    stage.complete(turn)?;
    idle(stage, turn.mark)?;
    let shown = stage.say(&["task", "show", &turn.task.to_string()])?;
    let attempts = shown["attempts"].as_array().map_or(0, Vec::len);
    if (turns_before, attempts) != (0, 1) {
        return Err(format!("it took {attempts} attempts, and {turns_before} turns ended before the answer").into());
    }
    let id = said["text"].as_str().ok_or("the steer has no id")?;
    Ok(format!("goes on with it: {}", receipts(stage, turn, id)))
}

/// Waits until the last thing that the transcript tells is that the member waits.
fn idle(stage: &mut Stage, mark: usize) -> Outcome<()> {
    stage.until("the member is idle", |stage| {
        let mut kinds = stage.since(mark).iter().rev().map(|entry| entry["kind"].as_str().unwrap_or_default());
        kinds.find(|kind| ["waiting", "turn_started"].contains(kind)) == Some("waiting")
    })
}

/// How many turns had ended when the agent said the word.
fn turns_before(stage: &Stage, turn: StageTurn, word: &str) -> usize {
    let mut said = String::new();
    let before = stage.since(turn.mark).iter().take_while(|entry| {
        if entry["kind"] == "text" {
            said.push_str(entry["data"]["text"].as_str().unwrap_or_default());
        }
        !said.contains(word)
    });
    before.filter(|entry| entry["kind"] == "turn_ended").count()
}

/// The states that a text went through.
fn receipts(stage: &Stage, turn: StageTurn, id: &str) -> String {
    let of_it = |entry: &&Value| entry["kind"] == "receipt" && entry["data"]["text"] == id;
    let states = stage.since(turn.mark).iter().filter(of_it).map(|entry| match &entry["data"]["state"] {
        Value::String(word) => word.replace('_', " "),
        other => format!("lost, {}", other["lost"]["reason"].as_str().unwrap_or_default()),
    });
    let mut states: Vec<String> = states.collect();
    states.dedup();
    states.join(" → ")
}

fn abort_in_stream(stage: &mut Stage) -> Outcome<String> {
    let turn = stage.begin("[[stream n=1200 ms=100 word=tock]]")?;
    stage.until("the answer streams", |stage| stage.text_since(turn.mark).contains("tock3"))?;
    abort(stage, turn)?;
    Ok("yes".to_owned())
}

fn abort_in_tool(stage: &mut Stage) -> Outcome<String> {
    // A name that no other process of the machine has among its arguments.
    let file = format!("aborted-tool-{}-{}", stage.row.name, process::id());
    let turn = stage.begin(&format!("[[bash cmd=\"touch {file}; exec tail -f {file}\"]][[say text=tool-over]]"))?;
    stage.until("the tool runs", |_| is_followed(&file))?;
    abort(stage, turn)?;
    stage.until("the tool's command ends", |_| !is_followed(&file))?;
    Ok("yes, with its command".to_owned())
}

fn abort(stage: &mut Stage, turn: StageTurn) -> Outcome<()> {
    stage.say(&["stop", &stage.name()])?;
    let end = stage.end(turn)?;
    if end != "aborted" {
        return Err(format!("the turn ended so: {end}").into());
    }
    stage.say(&["task", "cancel", &turn.task.to_string()])?;
    idle(stage, turn.mark)
}

/// Whether tail(1) follows this file.
fn is_followed(file: &str) -> bool {
    let wanted = format!("tail\0-f\0{file}\0").into_bytes();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok()).any(|line| line == wanted)
}

fn overloaded(stage: &mut Stage) -> Outcome<String> {
    let turn = stage.begin("[[error status=529 times=2]][[say text=recovered]]")?;
    stage.complete(turn)?;
    Ok(if parked(stage, turn).is_some() { "yes, parked" } else { "yes, by itself" }.to_owned())
}

fn usage_limit(stage: &mut Stage) -> Outcome<String> {
    let (kind, asked_ms) = (stage.row.limit, clock::now_ms());
    let limit = format!("[[error status=429 times=1 count=limit limit={kind} in={RESET_SECONDS}]]");
    let turn = stage.begin(&format!("{limit}[[say text=after-the-limit]]"))?;
    stage.until("it is parked, or completed", |stage| parked(stage, turn).is_some() || stage.is_completed(turn))?;
    let Some(entry) = parked(stage, turn) else { return Ok("not told: it tries again".to_owned()) };
    let until_ms = entry["data"]["until_ms"].as_u64().ok_or("it is parked until nobody knows when")?;
    let reset_ms = asked_ms + RESET_SECONDS * 1000;
    if until_ms.abs_diff(reset_ms) > RESET_TOLERANCE_MS {
        // Too long to be waited for, also by the members after this one, which have the same account.
        stage.say(&["unpark", &stage.name()])?;
        stage.complete(turn)?;
        return Ok("parked, for a time of the worker's".to_owned());
    }
    stage.complete(turn)?;
    Ok("parked until then".to_owned())
}

fn parked(stage: &Stage, turn: StageTurn) -> Option<&Value> {
    stage.since(turn.mark).iter().find(|entry| entry["kind"] == "parked")
}

fn resume(stage: &mut Stage) -> Outcome<String> {
    let known = known_history(stage)?;
    let turn = stage.begin("[[stream n=50 ms=100 word=killed]][[say text=survived]]")?;
    stage.until("the answer streams", |stage| stage.text_since(turn.mark).contains("killed3"))?;
    let (requests, mark) = (stage.model.last_request()?, stage.mark());
    let pid = worker_pid(stage)?;
    kill(Pid::from_raw(pid), Signal::SIGKILL)?;
    stage.until("the agent has a conversation again", |stage| session(stage, mark).is_some())?;
    stage.complete(StageTurn { mark, ..turn })?;
    let begun = session(stage, mark).unwrap_or_default();
    // Not always longer: an agent may ask its model for other things too, with the whole history.
    let remembers = history(stage, requests)? >= known;
    match (begun.as_str(), remembers) {
        ("resumed", true) => Ok("yes".to_owned()),
        ("loaded", true) => Ok("yes, by telling all of it again".to_owned()),
        ("resumed" | "loaded", false) => {
            Err("it says that it goes on, and the model sees nothing of the earlier turns".into())
        }
        ("summarized", _) => Ok("begins with a summary".to_owned()),
        _ => Ok(format!("no: {begun}")),
    }
}

/// How the conversation began that the agent has since a mark.
fn session(stage: &Stage, mark: usize) -> Option<String> {
    let entry = stage.since(mark).iter().find(|entry| entry["kind"] == "session")?;
    Some(entry["data"]["session"]["begun"].as_str().unwrap_or_default().to_owned())
}

/// How long a history the member has by now: that of one more turn.
fn known_history(stage: &mut Stage) -> Outcome<u64> {
    let requests = stage.model.last_request()?;
    let turn = stage.begin(&format!("[[say text={REMEMBERED}]]"))?;
    stage.complete(turn)?;
    history(stage, requests)
}

/// The longest history that the model was sent after this request.
fn history(stage: &Stage, after: u64) -> Outcome<u64> {
    let requests = stage.model.requests(after)?;
    Ok(requests.iter().filter_map(|request| request["nevents"].as_u64()).max().unwrap_or(0))
}

fn worker_pid(stage: &Stage) -> Outcome<i32> {
    let status = stage.say(&["status", &stage.name()])?;
    let pid = status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    pid.ok_or_else(|| "the member has no process".into())
}

/// Begins a member with the conversation of another, which has nothing but one short turn: an agent that can not copy a
/// conversation begins with a summary of it, and the model would follow every script in there once more.
fn fork(stage: &mut Stage) -> Outcome<String> {
    stage.dismiss_member();
    stage.spawn("auto", &[])?;
    let known = known_history(stage)?;
    let (from, requests) = (stage.name(), stage.model.last_request()?);
    stage.spawn("auto", &["--context", &format!("branch:{from}")])?;
    let turn = stage.begin("[[say text=forked]]")?;
    stage.complete(turn)?;
    let seen = stage.model.requests(requests)?;
    let is_told = seen.iter().any(|request| request["last_user"].to_string().contains(REMEMBERED));
    match session(stage, 0).unwrap_or_default().as_str() {
        "forked" if history(stage, requests)? > known => Ok("yes".to_owned()),
        "summarized" if is_told => Ok("begins with a summary".to_owned()),
        begun => Err(format!("{begun:?}, and the model sees nothing of the other's turn").into()),
    }
}

fn twenty_turns(stage: &mut Stage) -> Outcome<String> {
    let turn = stage.begin("[[say text=turn-0]]")?;
    stage.complete(turn)?;
    let before = memory(stage)?;
    for number in 1..=TURNS {
        let turn = stage.begin(&format!("[[say text=turn-{number}]]"))?;
        stage.complete(turn)?;
    }
    let after = memory(stage)?;
    let grown = |name: &str, before: u64, after: u64| format!("{name} {} → {} MB", shown(before), shown(after));
    Ok(format!("{}, {}", grown("worker", before.worker, after.worker), grown("agent", before.agent, after.agent)))
}

/// Memory in kB, as the kernel shares it out among processes (PSS).
struct MemberMemory {
    worker: u64,
    agent: u64,
}

fn memory(stage: &Stage) -> Outcome<MemberMemory> {
    let mut memory = MemberMemory { worker: 0, agent: 0 };
    let mut left = vec![worker_pid(stage)?];
    while let Some(pid) = left.pop() {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let rollup = read("smaps_rollup");
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.split_whitespace().next()).and_then(|kb| kb.parse::<u64>().ok());
        let of = if read("comm").trim() == "teamster-worker" { &mut memory.worker } else { &mut memory.agent };
        *of += pss.unwrap_or(0);
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            left.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    Ok(memory)
}

fn shown(kb: u64) -> String {
    match kb {
        0..10_000 => format!("{:.1}", kb as f64 / 1024.0),
        _ => format!("{}", kb / 1024),
    }
}

/// Lets a member that asks use a tool. The question stays open.
fn permission_asked(stage: &mut Stage) -> Outcome<String> {
    stage.dismiss_member();
    stage.spawn("ask", &[])?;
    let turn = stage.begin("[[bash cmd=\"touch allowed.txt\"]][[say text=after-the-question]]")?;
    Ok(if asked(stage, turn)? { "yes" } else { "never asks" }.to_owned())
}

/// Whether the agent asks before the turn ends.
fn asked(stage: &mut Stage, turn: StageTurn) -> Outcome<bool> {
    let is_asked = |stage: &Stage| stage.since(turn.mark).iter().any(|entry| entry["kind"] == "permission_asked");
    stage.until("a question, or the end", |stage| is_asked(stage) || stage.find(turn, "turn_ended").is_some())?;
    Ok(is_asked(stage))
}

/// Answers the question that [`permission_asked`] left open.
fn permission_allowed(stage: &mut Stage) -> Outcome<String> {
    let open = stage.since(0).iter().rev().find(|entry| entry["kind"] == "turn_started");
    let task = open.and_then(|entry| entry["data"]["task"].as_u64());
    let mark = stage.since(0).iter().position(|entry| entry["kind"] == "permission_asked");
    let (Some(task), Some(mark)) = (task, mark) else { return Ok("–".to_owned()) };
    let Some(question) = open_question(stage)? else { return Ok("not yet".to_owned()) };
    stage.say(&["approve", &question])?;
    stage.complete(StageTurn { task, mark })?;
    if stage.file("allowed.txt").exists() { Ok("yes".to_owned()) } else { Err("allowed, and not done".into()) }
}

/// The name of the oldest question; nothing where no command answers questions.
fn open_question(stage: &mut Stage) -> Outcome<Option<String>> {
    let (code, open) = stage.run(&["approvals"])?;
    if code != 0 {
        return Ok(None);
    }
    Ok(Some(open["approvals"][0]["id"].as_str().ok_or("the question is not among the open ones")?.to_owned()))
}

fn permission_denied(stage: &mut Stage) -> Outcome<String> {
    if stage.since(0).iter().all(|entry| entry["kind"] != "permission_asked") {
        return Ok("–".to_owned());
    }
    if stage.run(&["approvals"])?.0 != 0 {
        return Ok("not yet".to_owned());
    }
    let requests = stage.model.last_request()?;
    let turn = stage.begin("[[bash cmd=\"touch denied.txt\"]][[say text=after-the-denial]]")?;
    if !asked(stage, turn)? {
        return Err("it did not ask a second time".into());
    }
    let question = open_question(stage)?.ok_or("no command answers questions")?;
    stage.say(&["deny", &question, DENIAL])?;
    stage.end(turn)?;
    if stage.file("denied.txt").exists() {
        return Err("denied, and done".into());
    }
    let has_reason =
        |request: &Value| ["last_tool", "last_user"].iter().any(|key| request[key].to_string().contains(DENIAL));
    let is_told = stage.model.requests(requests)?.iter().any(has_reason);
    Ok(if is_told { "yes, with the reason" } else { "yes, without the reason" }.to_owned())
}
