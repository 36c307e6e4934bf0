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
        let help = team.ok(&format!("{words} --help"));
        let (_, examples) = help.split_once("Example").unwrap_or_else(|| panic!("`{words} --help` has no example"));
        assert!(examples.contains(&format!("teamster {words}")), "`{words} --help` shows another command:\n{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 120), "`{words} --help` is wider than the terminal");
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
        "shutdown",
        "kill",
        "run",
        "cleanup",
        "demo",
        "completions",
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
