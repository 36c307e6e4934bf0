//! What can be known without a team: the help of every command, and completions.

use std::collections::BTreeSet;

use teamster_leader::front::cli::program;
use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

/// The words of every command, those with commands of their own included.
fn commands() -> Vec<String> {
    fn below(command: &clap::Command, words: &str, all: &mut Vec<String>) {
        for command in command.get_subcommands() {
            let words = format!("{words} {}", command.get_name()).trim().to_owned();
            all.push(words.clone());
            below(command, &words, all);
        }
    }
    let mut all = Vec::new();
    below(&program(), "", &mut all);
    all
}

#[test]
fn the_help_of_every_command_shows_an_example_of_it() {
    let team = Team::new();
    let commands = commands();
    for words in &commands {
        let mut command = team.command(&format!("{words} --help"));
        command.env("COLUMNS", "80");
        let help = team.start_command(command).ends().out;
        let (_, examples) = help.split_once("Example").unwrap_or_else(|| panic!("`{words} --help` has no example"));
        assert!(examples.contains(&format!("teamster {words}")), "`{words} --help` shows another command:\n{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "`{words} --help` is wider than the terminal:\n{help}"
        );
    }
    // All that the README promises, and nothing is there only by another name.
    let verbs: BTreeSet<&str> = commands.iter().map(String::as_str).collect();
    for verb in [
        "up",
        "down",
        "restart-leader",
        "id",
        "config",
        "env",
        "spawn",
        "list",
        "status",
        "why",
        "doctor",
        "send",
        "steer",
        "dm",
        "broadcast",
        "inbox",
        "logs",
        "events",
        "stop",
        "unpark",
        "shutdown",
        "kill",
        "forget",
        "teams",
        "agents",
        "run",
        "cleanup",
        "demo",
        "completions",
        "help",
        "task add",
        "task list",
        "task show",
        "task assign",
        "task unassign",
        "task dep add",
        "task dep rm",
        "task dep ls",
        "task retry",
        "task cancel",
        "task clear",
        "task edit",
        "task restore",
    ] {
        assert!(verbs.contains(verb), "there is no {verb}");
    }
    assert!(!team.sandbox().root().join(team.dir().team().as_str()).exists(), "help has made a team");
}

#[test]
fn each_shell_gets_completions_it_can_read() {
    let team = Team::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = team.ok(&format!("completions {shell}"));
        assert!(script.contains("TEAMSTER_COMPLETE"), "{shell}");
    }
    let script = team.file("completions.bash", &team.ok("completions bash"));
    let mut bash = team.sandbox().command("bash");
    bash.arg("-n").arg(script);
    assert_eq!(team.start_command(bash).ends().code, Some(0));
    let said = team.run("completions cmd");
    assert_eq!((said.code, said.err.contains("bash, elvish, fish")), (Some(2), true), "{}", said.err);
}

#[test]
fn the_version_is_that_of_both_programs() {
    let team = Team::new();
    let version = team.ok("--version");
    let plain = format!("teamster {}", env!("CARGO_PKG_VERSION"));
    // Which commit: `a_build_is_named_after_the_commit_that_is_checked_out`.
    assert!(version == plain || version.starts_with(&format!("{plain} (")), "{version}");
    let mut worker = team.sandbox().program(Program::Worker);
    worker.arg("--version");
    let told = team.start_command(worker).ends().out;
    let begins = version.replace("teamster", "teamster-worker");
    assert!(told.starts_with(begins.trim_end_matches(')')) && told.contains("protocol "), "{told}");
}

#[test]
fn help_is_asked_for_in_either_way() {
    let team = Team::new();
    let overview = team.ok("help");
    assert_eq!(overview, team.ok("--help"));
    let heading = |text: &str| overview.find(text).unwrap_or_else(|| panic!("{text} is not in {overview}"));
    assert!(heading("Lead a team:") < heading("  up ") && heading("  down ") < heading("Start and end members:"));
    for words in ["spawn", "task", "task add", "task dep add"] {
        assert_eq!(team.ok(&format!("help {words}")), team.ok(&format!("{words} --help")), "{words}");
    }
    assert!(team.fails(2, "help tsk add").contains("hint: did you mean task?"));
}

#[test]
fn a_word_that_is_no_command_is_never_taken_for_another_one() {
    let team = Team::new();
    let hint = |line: &str| {
        let said = team.fails(2, line);
        said.split_once("hint: ").unwrap_or_else(|| panic!("`{line}` has no hint: {said}")).1.to_owned()
    };
    assert_eq!(hint("sapwn alice"), "did you mean spawn?");
    assert_eq!(hint("task shwo 3"), "did you mean show?");
    assert!(hint("task done 3").contains("teamster task cancel ID"));
    assert!(hint("attach alice").contains("teamster logs NAME -f"));
    // None of these is a slip for a command of theirs.
    for word in ["zm", "tm", "go", "create"] {
        assert_eq!(hint(word), "see teamster --help", "{word}");
    }
    for (synonym, verb) in [("ps", "list"), ("start", "spawn"), ("rm", "forget"), ("complete", "completions")] {
        assert_eq!(team.ok(&format!("{synonym} --help")), team.ok(&format!("{verb} --help")));
    }
}

#[test]
fn who_only_looks_in_a_new_repository_is_told_how_to_begin() {
    let team = Team::new();
    for line in ["list", "status", "task list", "events", "inbox", "wait --idle"] {
        let said = team.ok(line);
        assert_eq!(
            said, "no team here yet; begin with teamster spawn NAME or teamster task add --run COMMAND",
            "{line}"
        );
    }
    assert_eq!(team.json("list")["members"], serde_json::json!([]));
    assert_eq!(team.json("task list")["counts"]["total"], 0);
    assert_eq!(team.json("status")["leader"], serde_json::Value::Null);
    assert_eq!(team.json("inbox")["messages"], serde_json::json!([]));
    assert_eq!(team.ok("events --json"), "");
    let idle = team.json("wait --idle");
    assert_eq!((&idle["ok"], &idle["counts"]["total"]), (&true.into(), &0.into()));
    for line in ["task show 1", "wait 1", "--team typo wait --idle", "logs alice", "dm alice hello", "--team typo list"]
    {
        assert!(team.fails(1, line).contains("no team"), "{line}");
    }
    assert!(!team.dir().path().exists(), "to look makes no team");
}

#[test]
fn what_a_shell_offers_is_what_may_follow() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add rename the parser");
    let offered = |line: &str| {
        let mut tab = team.command(&format!("-- teamster {line}"));
        tab.arg("").env("TEAMSTER_COMPLETE", "fish");
        let said = team.start_command(tab).ends();
        assert_eq!(said.code, Some(0), "{line}: {}", said.err);
        let words = said.out.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned());
        words.filter(|word| !word.starts_with('-')).collect::<Vec<_>>()
    };
    assert_eq!(offered("stop"), ["alice"]);
    assert_eq!(offered("task show"), ["1"]);
    assert_eq!(offered("task assign 1"), ["1", "alice"], "one more number, or the member");
    assert!(offered("dm").contains(&"lead".to_owned()));
    let agents = offered("spawn bob --agent");
    assert!(["claude", "pi", "shell"].iter().all(|agent| agents.iter().any(|word| word == agent)), "{agents:?}");
    let verbs = offered("help");
    assert!(verbs.contains(&"spawn".to_owned()) && verbs.contains(&"task".to_owned()), "{verbs:?}");
    assert!(!verbs.contains(&"add".to_owned()), "what follows task does not follow help: {verbs:?}");
    let below = offered("help task");
    assert!(below.contains(&"add".to_owned()) && !below.contains(&"spawn".to_owned()), "{below:?}");
    assert_eq!(offered("help task dep"), ["add", "ls", "rm"]);
}
