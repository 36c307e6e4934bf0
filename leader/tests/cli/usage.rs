//! What holds for every command: usage, JSON, the name of the team.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::place::{Place, said};

#[test]
fn bad_usage_is_code_2_also_in_json() {
    let place = Place::new();
    for line in ["spawn ../x", "spawn lead", "task show x", "frobnicate", "task add --timeout 5 x", "list --team A"] {
        let error = place.fails(2, line);
        assert!(error.starts_with("error: "), "`{line}`: {error}");
        let error: Value = serde_json::from_str(&place.fails(2, &format!("--json {line}"))).expect("JSON");
        assert_eq!(error["error"]["code"], 2, "{line}");
        assert_eq!(error["error"]["kind"], "usage", "{line}");
        assert!(!error["error"]["message"].as_str().expect("a text").is_empty());
    }
    assert!(!place.root().exists());
}

#[test]
fn every_result_is_json_where_that_is_asked_for() {
    let place = Place::new();
    place.enroll("alice");
    for line in [
        "id",
        "env alice",
        "task add --run one",
        "task assign 1 alice",
        "task unassign 1",
        "task show 1",
        "task dep ls 1",
        "task list",
        "task cancel 1",
        "task retry 1",
        "task clear completed",
        "list",
        "status",
        "status alice",
        "dm alice hi",
        "broadcast hi",
        "inbox",
        "inbox alice",
    ] {
        assert!(place.json(line).is_object(), "`{line} --json` is no object");
    }
    let error: Value = serde_json::from_str(&place.fails(1, "task show 9 --json")).expect("JSON");
    insta::assert_snapshot!(error, @r#"{"error":{"code":1,"hint":"see teamster task list","kind":"refused","message":"there is no task 9"}}"#);
}

#[test]
fn the_default_team_is_that_of_the_repository() {
    let place = Place::new();
    let repository = place.work().join("Tool Box");
    git2::Repository::init(&repository).expect("a repository");
    fs::create_dir(repository.join("sub")).expect("a directory");
    let id = |dir: &Path| {
        let output = place.command(&["id"]).env_remove("TEAMSTER_TEAM").current_dir(dir).output().expect("it runs");
        said(output).out.trim().to_owned()
    };
    assert_eq!(id(&repository), id(&repository.join("sub")));
    assert!(id(&repository).starts_with("tool-box-"), "{}", id(&repository));
    assert_ne!(id(&repository), id(&place.work()));
    assert!(!place.root().exists(), "a name is no team");
}

#[test]
fn completions_need_no_team_and_no_home() {
    let output = Command::new(env!("CARGO_BIN_EXE_teamster")).args(["completions", "bash"]).env_clear().output();
    let said = said(output.expect("it runs"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("TEAMSTER_COMPLETE"), "the shell asks the program itself: {}", said.out);
    let output = Command::new(env!("CARGO_BIN_EXE_teamster")).arg("list").env_clear().output();
    assert_eq!(output.expect("it runs").status.code(), Some(2), "neither a root nor a home");
}
