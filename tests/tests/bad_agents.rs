//! The same bad programs in the place of each agent, whatever it speaks: its member ends with the reason, and nothing is left.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use teamster_protocol::model::roster::WorkerEnd;
use tokio::process::Command;

use crate::bench::{Bench, ended, processes_in};

/// An agent of each protocol that is not our own: the name and the program of both.
const AGENTS: [&str; 4] = ["pi", "claude", "codex", "gemini"];

/// A worker's command line whose agent is this script, which is started with its worker.
fn worker(bench: &Bench, agent: &str, script: Option<(&str, u32)>) -> Command {
    let bin = bench.root.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    if let Some((script, mode)) = script {
        fs::write(bin.join(agent), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(agent), Permissions::from_mode(mode)).unwrap();
    }
    let mut command = bench.command("alice");
    command.args(["--agent", agent, "--start", "at-once"]).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    command
}

#[tokio::test]
async fn a_program_that_is_no_agent_ends_its_member_with_the_reason_whatever_it_is_to_speak() {
    for agent in AGENTS {
        for (script, why) in [
            ("echo sorry >&2; exit 9", "the agent ended: exit status 9; it said: sorry"),
            ("while :; do echo this is no message; done", "the agent said what is not understood"),
            ("cat /dev/zero | tr '\\0' x", "cannot read what the agent says: a line is longer than 16777216 bytes"),
        ] {
            let mut bench = Bench::new();
            let alice = worker(&bench, agent, Some((script, 0o755))).spawn().unwrap();
            assert_eq!(ended(alice).await.0, Some(1), "{agent}: {script}");
            bench.team.refresh(|_| ()).unwrap();
            let left = bench.team.members().unwrap().remove(0).left;
            let is_told = matches!(&left, Some(WorkerEnd::AgentGone { reason }) if reason.starts_with(why));
            assert!(is_told, "{agent}: {script}: {left:?}");
            assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new(), "{agent}: {script}");
        }
    }
}

#[tokio::test]
async fn a_program_that_is_missing_or_can_not_be_run_is_a_refusal_that_names_it() {
    for agent in AGENTS {
        for (script, why) in [(None, "No such file"), (Some(("exit 0", 0o644)), "Permission denied")] {
            let bench = Bench::new();
            let (code, said) = ended(worker(&bench, agent, script).spawn().unwrap()).await;
            assert_eq!(code, Some(1), "{said}");
            let refused = format!("error: cannot start the agent: cannot start {agent}: {why}");
            assert!(said.starts_with(&refused), "{said}");
            assert_eq!(bench.lives("alice"), 0);
        }
    }
}
