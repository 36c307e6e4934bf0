//! The rules of the board, as whoever uses it meets them.

use super::*;
use crate::model::task::ReleaseWhy;
use crate::model::task::{FieldChange, PromptKind, TaskChanges, TaskWork};
use crate::store::file::{Durability, Log};
use crate::store::file::{FactStamp, LogFold};

mod clearing;
mod editing;
mod properties;
mod tasks;

fn name(text: &str) -> MemberName {
    text.parse().unwrap()
}

fn who(text: &str) -> WaitingClaimant {
    WaitingClaimant::new(name(text))
}

fn task(after: &[u32]) -> NewTask {
    NewTask { after: after.iter().copied().map(TaskId).collect(), ..NewTask::new(TaskWork::run("true")) }
}

fn put(board: &mut Board, facts: Vec<BoardFact>) {
    let stamp = FactStamp { seq: 1, at_ms: 1, by: "lead", offset: FactOffset::NONE };
    facts.into_iter().for_each(|fact| board.apply(fact, &stamp));
}

fn board(tasks: Vec<NewTask>) -> Board {
    let mut board = Board::default();
    let facts = board.add(tasks).unwrap();
    put(&mut board, facts);
    board
}

fn claim(board: &mut Board, by: &str) -> Option<TaskClaim> {
    let (facts, claim) = board.claim_next(&who(by));
    put(board, facts);
    claim
}

fn claim_of(board: &mut Board, by: &str) -> Option<TaskId> {
    claim(board, by).map(|claim| claim.id)
}

fn complete(board: &mut Board, claim: &TaskClaim) {
    let fact = board.complete(claim, String::new()).unwrap();
    put(board, vec![fact]);
}

#[test]
fn mine_comes_before_all_then_priority_then_the_lower_number() {
    let mut tasks = vec![task(&[]); 12];
    tasks[10].priority = 1;
    tasks[11].to = Some(name("alice"));
    let mut board = board(tasks);
    let order: Vec<u32> = std::iter::from_fn(|| claim(&mut board, "alice")).map(|claim| claim.id.0).collect();
    assert_eq!(order, [12, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn a_task_that_asks_for_an_agent_is_taken_by_its_members_only() {
    let agent = |name: &str| Some(name.parse().unwrap());
    let with = |who: WaitingClaimant, name: &str| WaitingClaimant { agent: agent(name), ..who };
    let mut board = board(vec![
        NewTask { agent: agent("pi"), priority: 9, ..task(&[]) },
        NewTask { agent: agent("pi"), to: Some(name("alice")), ..task(&[]) },
        NewTask { agent: agent("shell"), ..task(&[]) },
        task(&[]),
    ]);
    let (alice, bob) = (with(who("alice"), "shell"), with(who("bob"), "pi"));
    assert_eq!((board.next_for(&alice), board.next_for(&bob)), (Some(TaskId(3)), Some(TaskId(1))));
    assert_eq!(board.next_for(&with(who("alice"), "pi")), Some(TaskId(2)), "with that agent it is hers");
    assert_eq!(board.next_for(&who("carol")), Some(TaskId(4)), "an agent that nobody knows is not the one");
    for waits in [alice, bob, with(who("dee"), "llm")] {
        put(&mut board, vec![BoardFact::Waiting(waits)]);
    }
    assert_eq!(board.to_wake(), [name("alice"), name("bob"), name("dee")]);
    let changes = TaskChanges { agent: Some(FieldChange::Removed), ..TaskChanges::default() };
    let fact = board.edit_task(TaskId(2), changes).unwrap();
    put(&mut board, vec![fact]);
    assert_eq!(board.next_for(&with(who("alice"), "shell")), Some(TaskId(2)));
}

#[test]
fn a_text_is_never_taken_by_a_member_that_only_runs_commands() {
    let text = || NewTask::new(TaskWork::Prompt("late work".to_owned()));
    let runner = WaitingClaimant { prompts: PromptKind::Program, ..who("alice") };
    let mut board = board(vec![
        NewTask { priority: 9, ..text() },
        NewTask { to: Some(name("alice")), ..text() },
        NewTask { role: Some("tester".parse().unwrap()), ..text() },
        task(&[]),
    ]);
    let with_role = WaitingClaimant { role: Some("tester".parse().unwrap()), ..runner.clone() };
    assert_eq!((board.next_for(&runner), board.next_for(&with_role)), (Some(TaskId(4)), Some(TaskId(4))));
    let (facts, claim) = board.claim_next(&runner);
    put(&mut board, facts);
    complete(&mut board, &claim.unwrap());
    // Three texts are ready, and nobody is rung for them but whoever reads.
    for waits in [runner, who("bob")] {
        put(&mut board, vec![BoardFact::Waiting(waits)]);
    }
    assert_eq!(board.to_wake(), [name("bob")]);
    assert_eq!(claim_of(&mut board, "bob"), Some(TaskId(1)));
}

#[test]
fn an_assignment_outlives_death_leaving_and_retry() {
    let mut board = board(vec![NewTask { to: Some(name("alice")), max_attempts: 2, ..task(&[]) }]);
    for _ in 0..2 {
        assert_eq!(claim(&mut board, "bob"), None);
        claim(&mut board, "alice").unwrap();
        let facts = board.bury(&name("alice"), WorkerDeath::default());
        put(&mut board, facts);
    }
    assert_eq!(board.task(TaskId(1)).unwrap().status.word().typed(), "failed");
    let fact = board.retry(TaskId(1)).unwrap();
    put(&mut board, vec![fact]);
    assert_eq!(claim(&mut board, "bob"), None);
    assert_eq!(claim(&mut board, "alice").unwrap().attempt, 3);
}

#[test]
fn a_stopped_task_is_taken_by_nobody_until_somebody_says_so() {
    let mut board = board(vec![task(&[])]);
    let held = claim(&mut board, "alice").unwrap();
    let fact = board.release(&held, ReleaseWhy::Stopped, String::new()).unwrap();
    put(&mut board, vec![fact]);
    assert_eq!((claim(&mut board, "alice"), claim(&mut board, "bob")), (None, None));
    let fact = board.retry(TaskId(1)).unwrap();
    put(&mut board, vec![fact]);
    assert_eq!(board.to_wake(), [name("alice")]);
    assert_eq!(claim(&mut board, "bob"), None);
    assert_eq!(claim(&mut board, "alice").unwrap().attempt, 2);
}

#[test]
fn a_worker_taken_for_dead_can_not_end_what_is_another_ones_now() {
    let mut board = board(vec![task(&[])]);
    let old = claim(&mut board, "alice").unwrap();
    let facts = board.bury(&name("alice"), WorkerDeath::default());
    put(&mut board, facts);
    claim(&mut board, "bob").unwrap();
    let refusal = board.complete(&old, String::new()).unwrap_err();
    assert_eq!(refusal.to_string(), "cannot complete task 1: alice holds attempt 1, and it is now attempt 2 of bob");
}

#[test]
fn how_workers_died_on_a_task_stays_with_it() {
    let mut board = board(vec![task(&[])]);
    let death = WorkerDeath { cause: Some("killed by SIGKILL"), last_words: "half of it", used: Default::default() };
    for attempt in 1..=3 {
        let held = claim(&mut board, "alice").unwrap();
        let facts = match attempt {
            2 => vec![board.die(&held, death).unwrap()],
            _ => board.bury(&name("alice"), death),
        };
        let fact = facts.last().unwrap().clone();
        put(&mut board, facts);
        match fact {
            BoardFact::Released { why, partial, .. } if attempt < 3 => {
                assert_eq!((why, &*partial), (ReleaseWhy::WorkerDied, "(killed by SIGKILL)\nhalf of it"));
            }
            BoardFact::Failed { reason, result, .. } if attempt == 3 => {
                assert_eq!(reason, "3 workers died on it, the last was alice (killed by SIGKILL)");
                assert_eq!(result, "half of it");
            }
            other => panic!("{other:?}"),
        }
        assert!(board.die(&held, death).is_err(), "only whoever is on it");
    }
}

#[test]
fn clearing_what_is_completed_blocks_nobody() {
    let mut board = board(vec![task(&[]), task(&[1]), task(&[1, 2])]);
    let first = claim(&mut board, "alice").unwrap();
    complete(&mut board, &first);
    let facts = board.clear(ClearedTasks::Completed).unwrap();
    put(&mut board, facts);
    let second = claim(&mut board, "alice").unwrap();
    assert_eq!(second.id, TaskId(2));
    assert_eq!(claim(&mut board, "bob"), None);
    complete(&mut board, &second);
    assert_eq!(claim(&mut board, "bob").unwrap().id, TaskId(3));
    assert_eq!(board.next_id(), TaskId(4));
}

#[test]
fn a_cycle_is_named_whole_and_nothing_is_added() {
    let mut board = board(vec![task(&[]), task(&[1])]);
    assert_eq!(
        board.add_dependency(TaskId(1), TaskId(2)).unwrap_err().to_string(),
        "task 1 cannot wait for itself: 1 → 2 → 1"
    );
    let refusal = board.add(vec![task(&[5]), task(&[3]), task(&[4])]).unwrap_err();
    assert_eq!(refusal.to_string(), "task 3 cannot wait for itself: 3 → 5 → 4 → 3");
    assert!(board.add(vec![task(&[]), task(&[99])]).is_err());
    assert_eq!(board.len(), 2);
    let facts = board.add(vec![task(&[4]), task(&[])]).unwrap();
    put(&mut board, facts);
    assert_eq!(board.open_dependencies(&board.task(TaskId(3)).unwrap()), [TaskId(4)]);
}

#[test]
fn as_many_are_woken_as_there_is_work() {
    let mut board = Board::default();
    for by in ["a", "b", "c"] {
        claim(&mut board, by);
    }
    let facts = board.add(vec![task(&[]), task(&[]), task(&[1])]).unwrap();
    put(&mut board, facts);
    assert_eq!(board.to_wake(), [name("a"), name("b")]);
}

#[test]
fn a_chain_and_a_hub_of_100_000_tasks_are_cleared() {
    for hub in [false, true] {
        let after = |n: u32| {
            if n == 0 {
                vec![]
            } else if hub {
                vec![1]
            } else {
                vec![n]
            }
        };
        let mut board = board((0..100_000).map(|n| task(&after(n))).collect());
        let facts = board.clear(ClearedTasks::All).unwrap();
        put(&mut board, facts);
        assert!(board.is_empty());
    }
}

#[test]
fn a_new_generation_of_the_log_decides_and_shows_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.jsonl");
    let mut log: Log<Board> = Log::open(&path, 0).unwrap();
    log.set_generation_bytes_max(600);
    let mut live = Board::default();
    for step in 0..60 {
        let by = ["alice", "bob"][step % 2];
        let facts = log
            .transact(by, step as u64, Durability::Process, |board| {
                let owned: Vec<TaskId> = board.owned_by(&name(by)).collect();
                let facts = match (owned.first(), step % 7) {
                    (_, 0) => {
                        board.add(vec![task(&[]), NewTask { to: Some(name("bob")), ..task(&[board.next_id().0]) }])?
                    }
                    (Some(_), 5) => board.bury(&name(by), WorkerDeath::default()),
                    (Some(id), _) => {
                        let claim = TaskClaim { id: *id, owner: name(by), attempt: board.task(*id)?.attempt };
                        vec![board.complete(&claim, "done".to_owned())?]
                    }
                    (None, _) => board.claim_next(&who(by)).0,
                };
                Ok::<_, BoardRefusal>((facts.clone(), facts))
            })
            .unwrap();
        let stamp = FactStamp { seq: 1, at_ms: step as u64, by, offset: FactOffset::NONE };
        facts.into_iter().for_each(|fact| live.apply(fact, &stamp));
        let kept = log.state();
        assert_eq!((kept.next_id(), kept.to_wake()), (live.next_id(), live.to_wake()), "step {step}");
        for by in ["alice", "bob", "carol"] {
            assert_eq!(kept.next_for(&who(by)), live.next_for(&who(by)), "step {step}");
        }
        for ((id, kept), (_, live)) in kept.tasks().zip(live.tasks()) {
            let parts = |task: &Task| (task.status.clone(), task.blocks.clone(), task.meant_for.clone(), task.deaths);
            assert_eq!(parts(&kept), parts(&live), "step {step}, task {id}");
            log.state().view(id, &mut |offset| log.read_at(offset)).unwrap();
        }
    }
    assert!(path.with_extension("jsonl.old").exists(), "no new generation was ever begun");
}

#[test]
fn what_is_held_keeps_its_assignee_and_is_taken_by_nobody_until_it_is_opened_again() {
    let mut board = board(vec![task(&[]), NewTask { to: Some(name("alice")), ..task(&[]) }, task(&[])]);
    let running = claim(&mut board, "bob").unwrap();
    let all = [1, 2, 3, 9].map(TaskId);
    let held = board.hold(&all);
    assert_eq!(held, [BoardFact::Held { ids: [2, 3].map(TaskId).into() }], "a task that runs is not held");
    put(&mut board, held);
    assert_eq!((claim(&mut board, "alice"), claim(&mut board, "carol")), (None, None));
    assert_eq!(board.hold(&all), [], "once is enough");
    complete(&mut board, &running);
    put(&mut board, vec![BoardFact::Retried { id: TaskId(2) }, BoardFact::Retried { id: TaskId(3) }]);
    assert_eq!(claim(&mut board, "alice").unwrap().id, TaskId(2));
    assert_eq!(claim(&mut board, "carol").unwrap().id, TaskId(3));
}

#[test]
fn facts_that_no_board_decides_leave_it_true_to_its_tasks() {
    let mut board = board(vec![task(&[]), task(&[])]);
    let wait = |id, on| BoardFact::DependencyAdded { id: TaskId(id), on: TaskId(on) };
    // Said twice, said of nobody, and of itself.
    put(&mut board, vec![wait(2, 1), wait(2, 1), wait(2, 99), wait(99, 1), wait(1, 1)]);
    assert_eq!(board.open_dependencies(&board.task(TaskId(2)).unwrap()), [TaskId(1)]);
    // A number that was given before.
    let other = NewTask { priority: 9, to: Some(name("bob")), ..task(&[]) };
    put(&mut board, vec![BoardFact::Added { id: TaskId(1), task: other }]);
    assert_eq!((board.task(TaskId(1)).unwrap().priority, board.next_for(&who("bob"))), (0, Some(TaskId(1))));

    let first = claim(&mut board, "alice").unwrap();
    complete(&mut board, &first);
    assert_eq!(board.next_for(&who("bob")), Some(TaskId(2)));
    // Completed work that is open again: who waits for it waits again.
    put(&mut board, vec![BoardFact::Retried { id: TaskId(1) }]);
    assert_eq!(board.next_for(&who("bob")), Some(TaskId(1)));
    let again = claim(&mut board, "alice").unwrap();
    assert_eq!(claim(&mut board, "bob"), None);
    complete(&mut board, &again);
    assert_eq!(claim(&mut board, "bob").unwrap().id, TaskId(2));
}

#[test]
fn a_circle_in_a_strange_log_does_not_keep_it_from_a_new_generation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.jsonl");
    let mut log: Log<Board> = Log::open(&path, 0).unwrap();
    log.set_generation_bytes_max(1);
    let circle = |board: &Board| {
        let mut facts = board.add(vec![task(&[]), task(&[1]), task(&[2])])?;
        facts.push(BoardFact::DependencyAdded { id: TaskId(1), on: TaskId(3) });
        Ok::<_, BoardRefusal>((facts, ()))
    };
    log.transact("lead", 1, Durability::Process, circle).unwrap();
    assert!(path.with_extension("jsonl.old").exists(), "no new generation was ever begun");
    assert_eq!(log.state().len(), 3);
    let again: Log<Board> = Log::open(&path, 0).unwrap();
    let waits = |board: &Board| board.tasks().map(|(_, task)| task.blocked_by.clone()).collect::<Vec<_>>();
    assert_eq!(waits(log.state()), waits(again.state()));
}

#[test]
fn numbers_end_with_a_refusal() {
    let mut board = board(vec![task(&[])]);
    put(&mut board, vec![BoardFact::Numbered { last_id: u32::MAX - 2 }]);
    assert_eq!(board.add(vec![task(&[]), task(&[])]).unwrap_err(), BoardRefusal::NoNumbersLeft);
    let facts = board.add(vec![task(&[])]).unwrap();
    put(&mut board, facts);
    assert_eq!(board.add(vec![task(&[])]).unwrap_err().to_string(), "the board has no task numbers left");
    let last = BoardFact::Claimed(TaskClaim { id: TaskId(1), owner: name("alice"), attempt: u32::MAX });
    put(&mut board, vec![last, BoardFact::Retried { id: TaskId(1) }]);
    assert_eq!(claim(&mut board, "alice").unwrap().attempt, u32::MAX);
}
