//! The agent `llm` with the model that follows a script: turns with tools, conversations that outlive kills, permissions,
//! steers, compaction, and what providers refuse.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_tests::granted::{Need, granted};
use teamster_tests::hermetic::Program;
use teamster_tests::model_server::ModelServer;
use teamster_tests::team::Team;

/// A team with a leader, and a model.
struct ModelTeam {
    team: Team,
    server: ModelServer,
}

impl ModelTeam {
    /// `None` where there is no Python, which is said.
    fn new() -> Option<ModelTeam> {
        if !granted(Need::Python) {
            return None;
        }
        let team = Team::new();
        assert!(Program::Llm.path().is_file());
        let server = ModelServer::start(&team.sandbox().home().join("model")).unwrap();
        team.ok("up --detach");
        Some(ModelTeam { team, server })
    }

    /// The words that make a member of that name whose agent speaks as that provider's clients do.
    fn spawn(&self, name: &str, provider: &str, more: &str) -> String {
        let port = self.server.port();
        format!("spawn {name} --agent llm --model {provider}/rig --base-url http://127.0.0.1:{port}/v1 {more}")
    }

    /// Gives alice a prompt, and waits until it is answered.
    fn send(&self, text: &str) {
        let mut send = self.team.command("send alice --wait");
        send.arg(text);
        let said = self.team.start_command(send).ends();
        assert_eq!(said.code, Some(0), "{text}: {}{}", said.out, said.err);
    }

    /// What the model was asked last.
    fn last_request(&self) -> Value {
        self.server.requests(0).unwrap().pop().unwrap()
    }

    fn alice(&self) -> Value {
        let members = self.team.json("list")["members"].as_array().unwrap().clone();
        members.into_iter().find(|row| row["name"] == "alice").unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.team.repository().join(name)).unwrap_or_default()
    }
}

#[test]
fn a_turn_uses_tools_and_the_conversation_goes_on_after_a_kill() {
    works_and_goes_on("anthropic");
}

#[test]
fn the_same_with_a_server_that_speaks_as_that_of_openai_does() {
    works_and_goes_on("openai");
}

fn works_and_goes_on(provider: &str) {
    let Some(model) = ModelTeam::new() else { return };
    model.team.ok(&model.spawn("alice", provider, "--approval auto"));
    model.send("[[write path=out/a.txt text=one]][[edit path=out/a.txt old=one new=two]][[bash cmd=\"cat out/a.txt; exit 3\"]][[usage in=120 out=7]][[say text=finished]]");
    assert_eq!(model.read("out/a.txt"), "two");
    let said = model.team.ok("logs alice");
    for words in ["write_file out/a.txt", "edit_file out/a.txt", "bash cat out/a.txt; exit 3", "finished"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let last = model.last_request();
    assert!(last["last_tool"].as_str().unwrap().contains("two\n[exit status 3]"), "{last}");
    let told = model.team.ok("logs alice --json");
    assert!(told.contains("\"context\":127"), "what the last call used is in view: {told}");

    let (session, events_before) = (model.alice()["session"].clone(), last["nevents"].as_u64().unwrap());
    assert!(session.is_string());
    let mut logs = model.team.start("logs alice -f --json");
    let prompt = "[[write path=b.txt text=x]][[bash cmd=\"echo begun > begun; exec sleep 600\"]]";
    model.team.ok_words(&["send", "alice", prompt]);
    logs.until("bash echo begun");
    let worker = model.team.json("status alice")["pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(worker).unwrap()), Signal::SIGKILL).unwrap();
    // Her next life.
    logs.until("\"kind\":\"ready\"");
    logs.until("\"kind\":\"waiting\"");
    model.send("[[say text=back]]");
    assert!(model.team.ok("logs alice").contains("back"));
    assert_eq!(model.alice()["session"], session);
    let last = model.last_request();
    assert!(last["nevents"].as_u64().unwrap() > events_before + 3, "it knows what was said before: {last}");
}

#[test]
fn no_path_and_no_link_of_a_tool_leads_out_of_the_workspace() {
    let Some(model) = ModelTeam::new() else { return };
    let outside = model.team.sandbox().work().join("secret.txt");
    fs::write(&outside, "secret").unwrap();
    symlink(&outside, model.team.repository().join("link")).unwrap();
    model.team.ok(&model.spawn("alice", "openai", "--approval auto"));
    for path in ["../secret.txt", "link", outside.to_str().unwrap()] {
        model.send(&format!(
            "[[tool name=read_file path={path}]][[tool name=write_file path={path} content=mine]][[say text=over]]"
        ));
        let told = model.last_request()["last_tool"].as_str().unwrap().to_owned();
        assert!(told.contains("leads out of the workspace"), "{path}: {told}");
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "secret");
}

#[test]
fn what_changes_something_is_asked_for_and_a_no_reaches_the_model() {
    let Some(model) = ModelTeam::new() else { return };
    model.team.ok(&model.spawn("alice", "anthropic", ""));
    let mut logs = model.team.start("logs alice -f --json");
    model.team.ok_words(&[
        "send",
        "alice",
        "[[write path=no.txt text=x]][[bash cmd=\"echo yes > yes.txt\"]][[say text=over]]",
    ]);
    logs.until("\"kind\":\"permission_asked\"");
    let asked = model.team.ok("approvals");
    assert!(asked.contains("write_file") && asked.contains("no.txt"), "{asked}");
    let id = model.team.json("approvals")["approvals"][0]["id"].as_str().unwrap().to_owned();
    model.team.ok_words(&["deny", &id, "not this file"]);
    logs.until("\"kind\":\"permission_asked\"");
    let told = model.last_request()["last_tool"].as_str().unwrap().to_owned();
    assert!(told.contains("not allowed") && told.contains("not this file"), "{told}");
    model.team.ok("approve --all");
    logs.until("\"kind\":\"turn_ended\"");
    assert_eq!((model.read("no.txt"), model.read("yes.txt")), (String::new(), "yes\n".to_owned()));
}

#[test]
fn a_steer_is_heard_before_the_next_call_of_the_model_and_an_abort_ends_the_command() {
    let Some(model) = ModelTeam::new() else { return };
    let team = &model.team;
    team.sh("mkfifo go");
    team.ok(&model.spawn("alice", "openai", "--approval auto"));
    let mut logs = team.start("logs alice -f --json");
    team.ok_words(&["send", "alice", "[[bash cmd=\"cat go\"]][[say text=\"the old way\"]]"]);
    logs.until("bash cat go");
    team.ok_words(&["steer", "alice", "[[say text=\"the new way\"]]"]);
    logs.until("\"queued\"");
    team.feed("go", "on");
    logs.until("the new way");
    logs.until("\"kind\":\"turn_ended\"");
    assert!(team.ok("logs alice").lines().all(|line| line != "the old way"));

    team.ok_words(&["send", "alice", "[[bash cmd=\"cat go\"]]"]);
    logs.until("bash cat go");
    team.ok("stop alice");
    logs.until("\"kind\":\"turn_ended\"");
    team.ok_words(&["send", "alice", "[[say text=\"as before\"]]"]);
    logs.until("as before");
}

#[test]
fn a_conversation_that_fills_the_context_is_put_in_few_words() {
    let Some(model) = ModelTeam::new() else { return };
    model.team.ok(&model.spawn("alice", "anthropic", "--approval auto --agent-arg --context-tokens=20000"));
    model.send("[[usage in=19000 out=10]][[say text=first]]");
    model.send("[[say text=second]]");
    let said = model.team.ok("logs alice --json");
    assert!(said.contains("\"kind\":\"compacted\"") && said.contains("second"), "{said}");
    let calls = model.server.requests(0).unwrap().len();
    let used = model.alice()["used"]["input"].as_u64().unwrap();
    assert_eq!(calls, 3, "two answers and a summary");
    assert!(used > 19_000, "what the summary took is counted: {used}");
    assert_eq!(model.last_request()["nevents"], 1, "the summary and the prompt are one text");
}

#[test]
fn a_context_that_is_smaller_than_it_was_said_to_be_ends_no_turn() {
    let Some(model) = ModelTeam::new() else { return };
    model.team.ok(&model.spawn("alice", "openai", "--approval auto"));
    model.send("hello");
    // The first error is for the turn, the second for its summary, which is asked for again with less.
    model.send("[[error status=413 times=2 count=full bare=yes]][[say text=third]]");
    let said = model.team.ok("logs alice --json");
    assert!(said.contains("\"kind\":\"compacted\"") && said.contains("third"), "{said}");
}

#[test]
fn a_provider_without_room_is_waited_for_and_a_limit_parks() {
    let Some(model) = ModelTeam::new() else { return };
    model.team.ok(&model.spawn("alice", "anthropic", ""));
    model.send("[[error status=529 times=2]][[say text=recovered]]");
    let said = model.team.ok("logs alice");
    assert!(said.contains("recovered") && said.contains("another try follows in 1 s"), "{said}");
    model.send("[[cut]][[say text=whole]]");
    assert!(model.team.ok("logs alice").contains("whole"));

    let mut logs = model.team.start("logs alice -f --json");
    model.team.ok_words(&["send", "alice", "[[error status=429 limit=claude in=3600]]"]);
    logs.until("\"kind\":\"parked\"");
    assert!(model.team.ok("list").contains("parked until"));
}

#[test]
fn what_a_provider_refuses_is_told_with_the_way_out() {
    let Some(model) = ModelTeam::new() else { return };
    for (name, script, why) in [
        ("a", "[[error status=401]]", "the provider refuses the key in ANTHROPIC_API_KEY (HTTP 401): scripted error"),
        ("b", "[[error status=404]]", "the provider has no model rig, or --base-url is not its address (HTTP 404)"),
        ("c", "[[error status=400 limit=credit]]", "the provider's account has no credit left"),
    ] {
        model.team.ok(&model.spawn(name, "anthropic", "--env ANTHROPIC_API_KEY=rig"));
        tells(&model.team, name, script, why);
    }
}

/// The member can not do it, and says why.
fn tells(team: &Team, name: &str, text: &str, why: &str) {
    let mut send = team.command("send --wait");
    send.args([name, text]);
    assert_eq!(team.start_command(send).ends().code, Some(1));
    let told = team.ok(&format!("why {name}"));
    assert!(told.contains(why), "{name}: {told}");
}

#[test]
fn a_model_that_can_not_be_asked_is_refused_and_leaves_nobody_on_the_roster() {
    let team = Team::new();
    for (line, why) in [
        ("spawn alice --agent llm", "llm needs a model"),
        ("spawn alice --agent llm --model gpt", "the model of llm is to be PROVIDER/MODEL"),
        ("spawn alice --base-url http://127.0.0.1/", "shell can not be told a --base-url"),
    ] {
        let said = team.fails(1, line);
        assert!(said.contains(why), "{line}: {said}");
    }
    assert_eq!(team.json("list")["members"], Value::Array(Vec::new()));
    for (name, line, why) in [
        ("a", "--model parrot/one", "there is no provider parrot"),
        ("b", "--model openai/gpt --env OPENAI_API_KEY=", "there is no key for openai: set OPENAI_API_KEY"),
        ("c", "--model ollama/qwen3 --base-url localhost", "localhost is no address of a server"),
    ] {
        team.ok(&format!("spawn {name} --agent llm {line}"));
        tells(&team, name, "hello", why);
    }
}

/// A worker lives by the dozen, and a client of model servers is large.
#[test]
fn nothing_that_speaks_with_model_servers_is_in_the_other_programs() {
    for program in [Program::Teamster, Program::Worker] {
        let mut bytes = Vec::new();
        fs::File::open(program.path()).unwrap().read_to_end(&mut bytes).unwrap();
        for word in ["rustls-0.", "reqwest-0.", "genai-0."] {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{word} is in {program:?}");
        }
    }
}
