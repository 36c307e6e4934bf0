//! What agents use is told and added up by a real worker, whatever becomes of it, and budgets stop what goes beyond them. The agent is `scripted-agent`, which tells
//! what its prompts say.

use std::num::NonZeroU64;

use crate::bench::{self, Bench, Seen};
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::{MemberSpec, WorkerEnd, Workspace};
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::model::usage::{KnownCost, UsageSum};
use teamster_protocol::store::transcript::{self, MemberUsage};
use teamster_protocol::team::{MemberState, MemberView, TaskCommand, TeamView};
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
    add_with(bench, text, UsageBudget::default())
}

fn add_with(bench: &mut Bench, text: &str, budget: UsageBudget) -> TaskId {
    let tasks = vec![NewTask { budget, ..NewTask::new(TaskWork::Prompt(text.to_owned())) }];
    bench.team.command(TaskCommand::Add { tasks }).unwrap().tasks[0]
}

fn of_tokens(max: u64) -> UsageBudget {
    UsageBudget { max_tokens: NonZeroU64::new(max), ..UsageBudget::default() }
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

#[tokio::test]
async fn a_task_that_uses_up_its_budget_is_stopped_and_fails_and_the_member_goes_on() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench).await;
    let task = add_with(&mut bench, "usage 80 1\nsay most of it\nusage 110 1\nwait", of_tokens(100));
    let view = bench.task(task, "failed").await;
    assert_eq!(view.reason(), Some("its budget is used up: 111 of 100 tokens"));
    assert_eq!(view.result(), Some("most of it"));
    let warned = "task 1 has used 81 of 100 tokens of its budget".to_owned();
    assert!(bench.transcript("alice").contains(&TranscriptText::Trouble { text: warned }));
    let next = add_with(&mut bench, "usage 80 1\nsay done", of_tokens(100));
    assert_eq!(bench.task(next, "completed").await.result(), Some("done"));
}

#[tokio::test]
async fn what_a_task_used_in_an_attempt_whose_worker_died_counts_against_its_budget() {
    let mut bench = Bench::new();
    let first = by_hand(&mut bench).await;
    let task = add_with(&mut bench, "usage 60 1\nsay half\nwait", of_tokens(100));
    bench.heard("alice", "half").await;
    bench.kill("alice", first).await;
    let _second = by_hand(&mut bench).await;
    let view = bench.task(task, "failed").await;
    assert_eq!(view.reason(), Some("its budget is used up: 122 of 100 tokens"));
    assert_eq!(counts(view.used()), UsageSum { unpriced: 2, ..sum(2, 120, 2, 0) });
}

#[tokio::test]
async fn a_member_that_uses_up_its_budget_gives_its_task_back_and_takes_no_more() {
    let mut bench = Bench::new();
    let place = Workspace::Shared { dir: bench.dir().root().to_owned() };
    let spec = MemberSpec { budget: of_tokens(100), ..MemberSpec::new("script".parse().unwrap(), place) };
    bench.team.add_member(bench::name("alice"), spec).unwrap();
    let first = by_hand(&mut bench).await;
    let done = add(&mut bench, "usage 60 1");
    bench.task(done, "completed").await;
    let task = add(&mut bench, "usage 60 1\nwait");
    let (status, _) = bench::ended(first).await;
    assert_eq!(status, Some(0));
    let view = bench.task(task, "pending").await;
    assert_eq!(counts(view.used()), UsageSum { unpriced: 1, ..sum(1, 60, 1, 0) });
    let how = WorkerEnd::BudgetSpent { reason: "122 of 100 tokens".to_owned() };
    let left = |bench: &Bench| {
        let seen = alice(bench);
        (seen.state, seen.left)
    };
    assert_eq!(left(&bench), (MemberState::Left, Some(how.clone())));
    // The next life knows what this one has used.
    let second = by_hand(&mut bench).await;
    assert_eq!(bench::ended(second).await.0, Some(0));
    assert_eq!(left(&bench), (MemberState::Left, Some(how)));
    assert_eq!(bench.team.task_view(task).unwrap().attempts.len(), 1, "it took nothing");
}
