//! Histories that no single board can have told must not pass.

use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::task::{BoardRefusal, NewTask, TaskChanges, TaskClaim, TaskWork};

use super::*;
use crate::linear::Op;

fn entry(invoked_ns: u64, responded_ns: u64, op: Op, answer: Answer) -> Entry {
    Entry { invoked_ns, responded_ns, op, answer }
}

fn task() -> NewTask {
    NewTask::new(TaskWork::run("true"))
}

fn added(id: u32) -> BoardFact {
    BoardFact::Added { id: TaskId(id), task: task() }
}

fn add() -> Op {
    Op::Add { tasks: vec![task()] }
}

fn claim(id: u32, by: &str) -> TaskClaim {
    TaskClaim { id: TaskId(id), owner: by.parse().unwrap(), attempt: 1 }
}

fn claim_next(by: &str) -> Op {
    Op::ClaimNext { who: WaitingClaimant::new(by.parse().unwrap()) }
}

fn wrote(seq: u64, fact: BoardFact) -> Answer {
    Answer::Wrote { seq, facts: vec![fact] }
}

/// The board that a right history ends with, whatever order it is given in.
fn seen(facts: Vec<BoardFact>) -> Seen {
    let mut seen = Seen::default();
    for (seq, fact) in (1..).zip(facts) {
        let stamp = FactStamp { seq, at_ms: 9, by: "x", offset: FactOffset::NONE };
        seen.end.apply(fact.clone(), &stamp);
        seen.records.insert(seq, vec![fact]);
    }
    seen
}

fn two_tasks() -> Vec<BoardFact> {
    vec![added(1), added(2)]
}

#[test]
fn calls_at_the_same_time_may_come_in_either_order() {
    let histories = [vec![entry(0, 10, add(), wrote(2, added(2)))], vec![entry(5, 9, add(), wrote(1, added(1)))]];
    let verdict = check(&histories, &seen(two_tasks())).unwrap();
    assert_eq!(verdict, Verdict { written: 2, ..Verdict::default() });
}

#[test]
fn what_was_answered_first_can_not_come_later() {
    let histories = [vec![entry(0, 4, add(), wrote(2, added(2)))], vec![entry(5, 9, add(), wrote(1, added(1)))]];
    let fault = check(&histories, &seen(two_tasks())).unwrap_err();
    assert!(fault.contains("was answered before"), "{fault}");
}

#[test]
fn a_task_given_twice_is_found() {
    let facts = vec![added(1), BoardFact::Claimed(claim(1, "a")), BoardFact::Claimed(claim(1, "b"))];
    let histories = [
        vec![entry(0, 1, add(), wrote(1, added(1))), entry(2, 9, claim_next("a"), wrote(2, facts[1].clone()))],
        vec![entry(2, 9, claim_next("b"), wrote(3, facts[2].clone()))],
    ];
    let fault = check(&histories, &seen(facts.clone())).unwrap_err();
    assert!(fault.starts_with("record 3: ClaimNext"), "{fault}");
}

#[test]
fn a_record_that_is_lost_doubled_or_changed_is_found() {
    let history = |seqs: [u64; 2]| {
        let [one, two] = seqs;
        [vec![entry(0, 1, add(), wrote(one, added(1))), entry(2, 3, add(), wrote(two, added(2)))]]
    };
    assert!(check(&history([1, 2]), &seen(two_tasks())).is_ok());
    assert_eq!(check(&history([1, 3]), &seen(two_tasks())).unwrap_err(), "record 2 is in no process's history");
    assert!(check(&history([1, 1]), &seen(two_tasks())).unwrap_err().starts_with("record 1 is the answer to"));
    let mut changed = seen(two_tasks());
    changed.records.insert(2, vec![added(7)]);
    assert!(check(&history([1, 2]), &changed).unwrap_err().starts_with("record 2 was written as"));
    let fault = check(&history([1, 2]), &seen(vec![added(1)])).unwrap_err();
    assert_eq!(fault, "at the end there should be 2 tasks and are 1");
}

/// Task 1 is added at 10 to 20. Whoever asks for it is refused before, may be refused meanwhile, and not afterwards.
#[test]
fn a_refusal_must_be_that_of_a_board_within_its_time() {
    let cancel = Op::Cancel { id: TaskId(1) };
    let refused = || Answer::Refused(BoardRefusal::NoTask(TaskId(1)).to_string());
    let outcome = |from, to| {
        let histories =
            [vec![entry(10, 20, add(), wrote(1, added(1)))], vec![entry(from, to, cancel.clone(), refused())]];
        check(&histories, &seen(vec![added(1)]))
    };
    assert_eq!(outcome(1, 5).unwrap().refused, 1);
    assert_eq!(outcome(12, 15).unwrap().refused, 1);
    assert_eq!(outcome(1, 30).unwrap().refused, 1);
    assert!(outcome(21, 25).unwrap_err().starts_with("no board after 1 to 1 records explains Cancel"));
}

/// Two that only look: once one was answered by the newer board, the other can not be by the older.
#[test]
fn nobody_sees_an_older_board_than_somebody_saw_before() {
    let gone = Answer::Refused(BoardRefusal::NoTask(TaskId(1)).to_string());
    let late = Op::Complete { claim: claim(1, "a"), result: String::new() };
    let there = Answer::Refused("cannot complete task 1: it is pending".to_owned());
    let adding = vec![entry(10, 50, add(), wrote(1, added(1)))];
    let histories = |first: &Answer, second: &Answer| {
        let look = |from, answer: &Answer| vec![entry(from, from + 5, late.clone(), answer.clone())];
        [adding.clone(), look(20, first), look(30, second)]
    };
    let verdict = check(&histories(&gone, &there), &seen(vec![added(1)])).unwrap();
    assert_eq!((verdict.refused, verdict.overtaken), (2, 1));
    assert!(check(&histories(&there, &gone), &seen(vec![added(1)])).is_err());
}

/// The facts of one process, one after another, judged as if a board had decided them.
fn judged(facts: &[BoardFact]) -> Result<(), String> {
    let (mut board, mut rules) = (Board::default(), EditRules::default());
    for (seq, fact) in (1..).zip(facts) {
        rules.before(&board, std::slice::from_ref(fact))?;
        board.apply(fact.clone(), &FactStamp { seq, at_ms: 9, by: "x", offset: FactOffset::NONE });
        rules.after(&board, std::slice::from_ref(fact))?;
    }
    Ok(())
}

#[test]
fn an_edit_of_what_somebody_is_on_is_found() {
    let edited = BoardFact::Edited { id: TaskId(1), changes: TaskChanges { priority: Some(1), ..Default::default() } };
    assert_eq!(judged(&[added(1), edited.clone()]), Ok(()));
    let fault = judged(&[added(1), BoardFact::Claimed(claim(1, "a")), edited]).unwrap_err();
    assert_eq!(fault, "task 1 was edited while a was on it");
}

#[test]
fn a_restore_that_brings_back_less_or_more_than_was_cleared_is_found() {
    let ids = |numbers: &[u32]| numbers.iter().copied().map(TaskId).collect::<Vec<TaskId>>();
    let restored = |back: &[u32]| {
        let (cleared, restored) = (BoardFact::Cleared { ids: ids(&[1, 2]) }, BoardFact::Restored { ids: ids(back) });
        judged(&[added(1), added(2), added(3), cleared, restored])
    };
    assert_eq!(restored(&[1, 2]), Ok(()));
    assert!(restored(&[1]).unwrap_err().contains("were cleared last"));
    assert!(restored(&[1, 2, 3]).unwrap_err().contains("were cleared last"));
}
