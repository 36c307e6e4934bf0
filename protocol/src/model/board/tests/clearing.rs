//! What leaves the board comes back as it was, once.

use super::*;
use crate::store::file::LogReader;

fn fail(board: &mut Board, claim: &TaskClaim) {
    let fact = board.fail(claim, "exit status 1".to_owned(), String::new()).unwrap();
    put(board, vec![fact]);
}

fn numbers(board: &Board) -> Vec<u32> {
    board.tasks().map(|(id, _)| id.0).collect()
}

#[test]
fn what_was_cleared_comes_back_with_its_number_and_only_once() {
    let mut board = board(vec![task(&[]), task(&[1]), task(&[])]);
    let first = claim(&mut board, "alice").unwrap();
    complete(&mut board, &first);
    let facts = board.clear(ClearedTasks::All).unwrap();
    put(&mut board, facts);
    assert!(board.is_empty());
    assert_eq!(claim(&mut board, "alice"), None, "what is cleared is claimed by nobody");
    let facts = board.add(vec![task(&[])]).unwrap();
    put(&mut board, facts);
    let back = board.restore().unwrap();
    assert!(back.makes_work(), "who waits is rung");
    put(&mut board, vec![back]);
    assert_eq!(numbers(&board), [1, 2, 3, 4]);
    assert_eq!(claim(&mut board, "alice").unwrap().id, TaskId(2), "task 1 is still completed");
    assert_eq!(board.restore().unwrap_err().to_string(), "nothing was cleared since the last restore");
    assert!(board.clear(ClearedTasks::Completed).unwrap().len() == 1);
}

#[test]
fn only_the_last_clear_can_be_taken_back() {
    let mut board = board(vec![task(&[]), task(&[])]);
    for _ in 0..2 {
        let held = claim(&mut board, "alice").unwrap();
        complete(&mut board, &held);
        let facts = board.clear(ClearedTasks::Completed).unwrap();
        put(&mut board, facts);
    }
    assert!(board.clear(ClearedTasks::Completed).unwrap().is_empty(), "nothing to clear is no clear");
    let back = board.restore().unwrap();
    assert_eq!(back, BoardFact::Restored { ids: vec![TaskId(2)] });
}

#[test]
fn a_failed_task_stays_while_somebody_waits_for_it() {
    let mut board = board(vec![task(&[]), task(&[1]), task(&[]), task(&[3])]);
    for _ in 0..2 {
        let held = claim(&mut board, "alice").unwrap();
        fail(&mut board, &held);
    }
    let fact = board.cancel(TaskId(4)).unwrap();
    put(&mut board, vec![fact]);
    assert_eq!(board.failed_and_waited_for(), [(TaskId(1), TaskId(2))]);
    let facts = board.clear(ClearedTasks::Failed).unwrap();
    put(&mut board, facts);
    assert_eq!(numbers(&board), [1, 2, 4]);
    assert_eq!(claim(&mut board, "alice"), None, "a clear starts nothing");
    // Task 4 waited for it, and waits again.
    let back = board.restore().unwrap();
    put(&mut board, vec![back]);
    let fact = board.retry(TaskId(4)).unwrap();
    put(&mut board, vec![fact]);
    assert_eq!(claim(&mut board, "alice"), None);
}

#[test]
fn what_came_after_a_completed_task_does_so_again() {
    let mut board = board(vec![task(&[]), task(&[1]), task(&[1, 2])]);
    for _ in 0..2 {
        let held = claim(&mut board, "alice").unwrap();
        complete(&mut board, &held);
    }
    let facts = board.clear(ClearedTasks::Completed).unwrap();
    put(&mut board, facts);
    assert!(board.task(TaskId(3)).unwrap().blocked_by.is_empty());
    let back = board.restore().unwrap();
    put(&mut board, vec![back]);
    assert_eq!(board.task(TaskId(2)).unwrap().blocked_by, BTreeSet::from([TaskId(1)]), "both were cleared");
    assert_eq!(board.task(TaskId(3)).unwrap().blocked_by, BTreeSet::from([TaskId(1), TaskId(2)]));
    assert_eq!(claim(&mut board, "alice").unwrap().id, TaskId(3), "and waits for nobody");
}

#[test]
fn what_came_back_closes_no_circle() {
    let mut board = board(vec![task(&[]), task(&[1]), task(&[]), task(&[2])]);
    let held = claim(&mut board, "alice").unwrap();
    complete(&mut board, &held);
    let held = claim(&mut board, "alice").unwrap();
    assert_eq!(held.id, TaskId(2));
    fail(&mut board, &held);
    let fact = board.cancel(TaskId(4)).unwrap();
    put(&mut board, vec![fact]);
    let facts = board.clear(ClearedTasks::Failed).unwrap();
    put(&mut board, facts);
    let fact = board.retry(TaskId(4)).unwrap();
    put(&mut board, vec![fact]);
    let back = board.restore().unwrap();
    put(&mut board, vec![back]);
    assert_eq!(board.open_dependencies(&board.task(TaskId(4)).unwrap()), [TaskId(2)]);
    assert!(board.add_dependency(TaskId(2), TaskId(4)).is_err(), "task 2 failed, and would wait for itself");
}

#[test]
fn a_new_generation_keeps_what_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.jsonl");
    let mut log: Log<Board> = Log::open(&path, 0).unwrap();
    let write = |log: &mut Log<Board>, decide: &dyn Fn(&Board) -> Vec<BoardFact>| {
        let decide = |board: &Board| Ok::<_, BoardRefusal>((decide(board), ()));
        log.transact("lead", 7, Durability::Process, decide).unwrap();
    };
    let titled = |title: &str| NewTask { title: title.to_owned(), ..task(&[]) };
    write(&mut log, &|board| board.add(vec![titled("a"), titled("b")]).unwrap());
    let changes = TaskChanges { title: Some("c".to_owned()), ..TaskChanges::default() };
    write(&mut log, &|board| vec![board.edit_task(TaskId(2), changes.clone()).unwrap()]);
    write(&mut log, &|board| board.clear(ClearedTasks::All).unwrap());
    log.set_generation_bytes_max(0);
    for _ in 0..3 {
        write(&mut log, &|board| {
            board.away(&name("nobody")).into_iter().chain(board.claim_next(&who("bob")).0).collect()
        });
        write(&mut log, &|board| board.away(&name("bob")));
    }
    let mut told = Vec::new();
    let reader: LogReader<Board> = LogReader::open_telling(&path, |record| told.extend(record.facts.clone())).unwrap();
    assert!(reader.state().is_empty());
    write(&mut log, &|board| vec![board.restore().unwrap()]);
    let titles: Vec<String> = log
        .state()
        .tasks()
        .map(|(id, _)| log.state().new_task(id, &mut |offset| log.read_at(offset)).unwrap().title)
        .collect();
    assert_eq!(titles, ["a", "c"]);
    assert_eq!(log.state().restore().unwrap_err(), BoardRefusal::NothingCleared);
}
