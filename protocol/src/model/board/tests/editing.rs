//! A task is changed as long as nobody is on it.

use super::*;
use crate::model::task::FieldChange;

fn edit(board: &mut Board, id: u32, changes: TaskChanges) -> Result<(), BoardRefusal> {
    let fact = board.edit_task(TaskId(id), changes)?;
    put(board, vec![fact]);
    Ok(())
}

fn refusal(board: &mut Board, id: u32, changes: TaskChanges) -> String {
    edit(board, id, changes).unwrap_err().to_string()
}

#[test]
fn what_changes_is_who_takes_it_when_and_after_what() {
    let mut board = board(vec![task(&[]), task(&[]), task(&[1])]);
    let urgent = TaskChanges { priority: Some(5), ..TaskChanges::default() };
    edit(&mut board, 2, urgent).unwrap();
    assert_eq!(board.next_for(&who("alice")), Some(TaskId(2)));
    let tester = TaskChanges { role: Some(FieldChange::Set("tester".parse().unwrap())), ..TaskChanges::default() };
    edit(&mut board, 2, tester).unwrap();
    assert_eq!(board.next_for(&who("alice")), Some(TaskId(1)));
    let anybody = TaskChanges { role: Some(FieldChange::Removed), ..TaskChanges::default() };
    edit(&mut board, 2, anybody).unwrap();
    assert_eq!(board.next_for(&who("alice")), Some(TaskId(2)));
    let after =
        |ids: &[u32]| TaskChanges { after: Some(ids.iter().copied().map(TaskId).collect()), ..Default::default() };
    edit(&mut board, 3, after(&[2])).unwrap();
    assert_eq!(board.open_dependencies(&board.task(TaskId(3)).unwrap()), [TaskId(2)]);
    assert_eq!(refusal(&mut board, 2, after(&[3])), "task 2 cannot wait for itself: 2 → 3 → 2");
    assert_eq!(refusal(&mut board, 2, after(&[9])), "task 2 cannot wait for task 9: there is no task 9");
    edit(&mut board, 3, after(&[])).unwrap();
    assert!(board.task(TaskId(3)).unwrap().is_ready());
}

#[test]
fn who_is_on_a_task_is_not_told_something_else_and_what_is_done_is_done() {
    let mut board = board(vec![task(&[]), task(&[])]);
    let title = || TaskChanges { title: Some("new".to_owned()), ..TaskChanges::default() };
    let held = claim(&mut board, "alice").unwrap();
    assert_eq!(refusal(&mut board, 1, title()), "cannot edit task 1: it is in progress by alice");
    complete(&mut board, &held);
    assert_eq!(refusal(&mut board, 1, title()), "cannot edit task 1: it is completed");
    assert_eq!(refusal(&mut board, 2, TaskChanges::default()), "nothing of the task is to be changed");
    let empty = TaskChanges { work: Some(TaskWork::run(" ")), ..TaskChanges::default() };
    assert_eq!(refusal(&mut board, 2, empty), "a task needs a text");
    let fact = board.cancel(TaskId(2)).unwrap();
    put(&mut board, vec![fact]);
    edit(&mut board, 2, title()).unwrap();
    assert_eq!(board.task(TaskId(2)).unwrap().edits.len(), 1, "before it is opened again, it may become another");
}
