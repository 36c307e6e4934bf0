//! A worker in a PID namespace of its own: what is in there ends with it, and who is outside notices nothing of it.
//! Where the system grants no namespace, these tests say so and end; where it does, a worker without one is an error.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use crate::bench::{Bench, LIMIT, Seen, ended, processes_in, signal};
use crate::granted::{Need, granted};
use nix::sys::signal::Signal;
use teamster_protocol::model::roster::CellIsolation;
use tokio::process::Child;
use tokio::time::timeout;

/// Starts three processes that leave their group and their session, fork twice and ignore all that can be ignored.
const STUBBORN: &str = "trap '' TERM INT HUP; for i in 1 2 3; do (setsid sh -c '(sleep 1000; :) & sleep 1000; :' &); done; \
                        echo begun; read line; read line";

/// A worker in its cell; `None` where the system grants none, which is said.
async fn isolated(bench: &mut Bench) -> Option<Child> {
    if !granted(Need::Cell) {
        return None;
    }
    let alice = bench.by_hand("alice").await;
    assert_eq!(bench.team.members().unwrap()[0].isolation, Some(CellIsolation::Namespace));
    Some(alice)
}

#[tokio::test]
async fn whatever_a_killed_worker_started_dies_with_it() {
    let mut bench = Bench::new();
    let Some(alice) = isolated(&mut bench).await else { return };
    bench.add(STUBBORN);
    bench.heard("alice", "begun").await;
    assert!(processes_in(bench.root.path()).len() >= 3);
    bench.kill("alice", alice).await;
    assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn nothing_of_a_worker_that_was_killed_in_no_cell_is_left_when_its_task_is_given_back() {
    let mut bench = Bench::new();
    let mut alice = bench.command("alice").env("TEAMSTER_ISOLATION", "subreaper").spawn().unwrap();
    bench.ready("alice", 1).await;
    let task = bench.add(STUBBORN);
    bench.heard("alice", "begun").await;
    signal(&alice, Signal::SIGKILL);
    alice.wait().await.unwrap();
    assert!(processes_in(bench.root.path()).len() >= 3, "they outlive a worker that is killed");
    assert_eq!(bench.team.sweep(|_| false).unwrap().len(), 1);
    assert_eq!(processes_in(bench.root.path()), Vec::<PathBuf>::new());
    assert_eq!(bench.team.task_view(task).unwrap().status.typed(), "pending");
}

#[tokio::test]
async fn a_worker_whose_outer_half_was_killed_is_killed_with_it() {
    let mut bench = Bench::new();
    let Some(mut alice) = isolated(&mut bench).await else { return };
    let task = bench.add(STUBBORN);
    bench.heard("alice", "begun").await;
    signal(&alice, Signal::SIGKILL);
    assert_eq!(timeout(LIMIT, alice.wait()).await.unwrap().unwrap().signal(), Some(9));
    // The next one can take its name at once, and finds the task as a dead worker leaves it.
    let _again = bench.by_hand("alice").await;
    let twice = move |seen: Seen<'_>| (seen.team.task_view(task).ok()?.attempts.len() == 2).then_some(());
    bench.until("the task was taken again", twice).await;
    let roster = fs::read_to_string(bench.dir().roster()).unwrap();
    assert!(!roster.contains("left"), "it did not leave, it died: {roster}");
}

#[tokio::test]
async fn inside_all_is_as_it_should_be() {
    let mut bench = Bench::new();
    let Some(alice) = isolated(&mut bench).await else { return };
    // The shell is seen under its own number, and its worker is the first process of all.
    let inside =
        bench.add("[ \"$(cut -d' ' -f1 /proc/self/stat)\" -lt 100 ]; cat /proc/1/comm; cat /proc/$$/comm; id -u");
    let uid = nix::unistd::geteuid();
    let view = bench.task(inside, "completed").await;
    assert_eq!(view.result(), Some(&*format!("teamster-worker\nsh\n{uid}")));
    // A long script is read from a file of the worker's by way of /proc.
    let long = bench.add(&format!("# {}\necho read", "x".repeat(200_000)));
    assert_eq!(bench.task(long, "completed").await.result(), Some("read"));
    signal(&alice, Signal::SIGINT);
    assert_eq!(ended(alice).await.0, Some(130));
}

#[tokio::test]
async fn the_level_can_be_chosen_and_a_wrong_word_is_refused() {
    let mut bench = Bench::new();
    let mut alice = bench.command("alice");
    let mut alice = alice.env("TEAMSTER_ISOLATION", "subreaper").spawn().unwrap();
    bench.ready("alice", 1).await;
    assert_eq!(bench.team.members().unwrap()[0].isolation, Some(CellIsolation::Subreaper));
    assert_eq!(bench.pid("alice"), alice.id());
    signal(&alice, Signal::SIGTERM);
    assert_eq!(alice.wait().await.unwrap().code(), Some(143));
    let (code, said) = ended(bench.command("bob").env("TEAMSTER_ISOLATION", "jail").spawn().unwrap()).await;
    assert_eq!(code, Some(2));
    assert_eq!(said, "error: TEAMSTER_ISOLATION is \"jail\", which is not auto, namespace or subreaper\n");
    assert!(fs::read_dir(bench.dir().turns_dir()).unwrap().all(|entry| entry.unwrap().file_name() != "bob"));
}
