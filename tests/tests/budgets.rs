//! What agents use is told and added up by a real worker, whatever becomes of it. The agent is `scripted-agent`, which tells
//! what its prompts say.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../worker/tests/worker/bench.rs"]
#[expect(dead_code, reason = "shared with the tests of a worker")]
mod bench;

use bench::{Bench, Seen};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::model::usage::{KnownCost, UsageSum};
use teamster_protocol::store::transcript::{self, MemberUsage};
use teamster_protocol::team::{MemberView, TaskCommand, TeamView};
use tokio::process::Child;

async fn by_hand(bench: &mut Bench) -> Child {
    let lives = bench.lives("alice");
    let mut command = bench.command("alice");
    command.args(["--agent", "script"]);
    command.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    let child = command.spawn().unwrap();
    bench.ready("alice", lives + 1).await;
    child
}

fn add(bench: &mut Bench, text: &str) -> TaskId {
    let tasks = vec![NewTask::new(TaskWork::Prompt(text.to_owned()))];
    bench.team.command(TaskCommand::Add { tasks }).unwrap().tasks[0]
}

fn alice(bench: &Bench) -> MemberView {
    TeamView::open(bench.dir()).unwrap().members().unwrap().remove(0)
}

/// What was used, without the time that it took.
fn counts(used: UsageSum) -> UsageSum {
    UsageSum { time_ms: 0, ..used }
}

fn sum(turns: u64, input: u64, output: u64, cost_micro_usd: u64) -> UsageSum {
    UsageSum { turns, input, output, cost_micro_usd, ..UsageSum::default() }
}

#[tokio::test]
async fn what_an_agent_uses_is_told_of_its_turn_its_task_and_its_member() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench).await;
    let task = add(&mut bench, "usage 100 5 40\nusage 120 7 50");
    let view = bench.task(task, "completed").await;
    assert_eq!(counts(view.used()), sum(1, 120, 7, 50), "the last that it tells is the turn's");
    let free = add(&mut bench, "usage 30 1");
    let view = bench.task(free, "completed").await;
    assert_eq!(counts(view.used()), UsageSum { unpriced: 1, ..sum(1, 30, 1, 0) });
    let command = bench.add("true");
    assert_eq!(counts(bench.task(command, "completed").await.used()), sum(1, 0, 0, 0), "a command uses no tokens");
    let used = alice(&bench).used;
    assert_eq!(counts(used), UsageSum { unpriced: 1, ..sum(3, 150, 8, 50) });
    assert_eq!(used.cost(), KnownCost::AtLeast(50));
}

#[tokio::test]
async fn what_was_used_before_a_death_counts_for_the_attempt_and_the_member() {
    let mut bench = Bench::new();
    let first = by_hand(&mut bench).await;
    let done = add(&mut bench, "usage 120 7 50");
    bench.task(done, "completed").await;
    let task = add(&mut bench, "usage 30 1 20\nsay half\nwait");
    bench.heard("alice", "half").await;
    bench.kill("alice", first).await;
    let _second = by_hand(&mut bench).await;
    let dir = bench.dir().turns(&bench::name("alice"));
    let all = sum(3, 180, 9, 90);
    let told = bench
        .until("the second attempt tells what it used", move |_: Seen<'_>| {
            Some(transcript::member_usage(&dir).unwrap()).filter(|told| counts(told.used) == all)
        })
        .await;
    let MemberUsage { used, .. } = told;
    assert_eq!(counts(used), all, "of both lives");
    let view = bench.team.task_view(task).unwrap();
    assert_eq!(counts(view.used()), sum(1, 30, 1, 20), "of the attempt that its worker died in");
    let since_ms = view.attempts[1].since_ms;
    let running = transcript::used_since(&bench.dir().turns(&bench::name("alice")), since_ms).unwrap();
    assert_eq!(counts(running), sum(1, 30, 1, 20), "of the attempt that runs");
}
