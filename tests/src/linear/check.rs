//! The checker. The log gives an order of all that was written. That order must be one that the processes could
//! have seen with their own clocks, the pure board must decide the same in it, and every answer that wrote nothing
//! must be that of some board between its question and its answer.

use std::collections::BTreeMap;

use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::store::file::{FactOffset, FactStamp, LogFold};

use super::{Answer, Entry};
use crate::edits::EditRules;

/// What somebody else read in the log.
#[derive(Debug, Default)]
pub struct Seen {
    /// The facts of records, by their number. A reader that slept may lack some.
    pub records: BTreeMap<u64, Vec<BoardFact>>,
    /// The board at the end.
    pub end: Board,
}

/// What a history without a fault held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Answers that wrote.
    pub written: usize,
    /// Answers that refused.
    pub refused: usize,
    /// Answers that had nothing to write.
    pub nothing: usize,
    /// Answers that only a board within the time of the call explains, not the one at its beginning.
    pub overtaken: usize,
}

/// A call that wrote nothing, and the boards that may explain it: those after so many records.
struct Pending<'a> {
    entry: &'a Entry,
    first: u64,
    last: u64,
}

/// Checks the histories of all processes, each in the order of its calls. An error is the first fault, for people.
pub fn check(histories: &[Vec<Entry>], seen: &Seen) -> Result<Verdict, String> {
    for (number, history) in histories.iter().enumerate() {
        let in_turn = history.iter().all(|entry| entry.invoked_ns <= entry.responded_ns)
            && history.windows(2).all(|pair| pair[0].responded_ns <= pair[1].invoked_ns);
        if !in_turn {
            return Err(format!("the clock of process {number} runs backwards"));
        }
    }
    let written = in_log_order(histories)?;
    check_real_time(&written)?;
    let mut pending = pending(histories, &written);
    let mut verdict = Verdict { written: written.len(), ..Verdict::default() };
    let (mut board, mut rules) = (Board::default(), EditRules::default());
    let mut open: Vec<Pending> = Vec::new();
    for after in 0..=written.len() as u64 {
        while pending.last().is_some_and(|next| next.first <= after) {
            open.extend(pending.pop());
        }
        explain(&mut open, &board, after, &mut verdict)?;
        if let Some((entry, facts)) = written.get(after as usize) {
            rules.before(&board, facts)?;
            apply(&mut board, after + 1, entry, facts, seen)?;
            rules.after(&board, facts)?;
        }
    }
    same_end(&board, &seen.end)?;
    Ok(verdict)
}

/// The calls that wrote, by the number of their record: each number once, none left out.
fn in_log_order(histories: &[Vec<Entry>]) -> Result<Vec<(&Entry, &[BoardFact])>, String> {
    let mut order = BTreeMap::new();
    for entry in histories.iter().flatten() {
        if let Answer::Wrote { seq, facts } = &entry.answer
            && let Some((other, _)) = order.insert(*seq, (entry, facts.as_slice()))
        {
            let other: &Entry = other;
            return Err(format!("record {seq} is the answer to {:?} and to {:?}", other.op, entry.op));
        }
    }
    match order.keys().zip(1..).find(|(seq, due)| **seq != *due) {
        Some((_, due)) => Err(format!("record {due} is in no process's history")),
        None => Ok(order.into_values().collect()),
    }
}

/// What was answered before another thing was asked comes before it in the log.
fn check_real_time(written: &[(&Entry, &[BoardFact])]) -> Result<(), String> {
    let mut latest: Option<&Entry> = None;
    for (entry, _) in written {
        if let Some(before) = latest.filter(|before| before.invoked_ns > entry.responded_ns) {
            return Err(format!("{:?} was answered before {:?} was asked, and is behind it", entry.op, before.op));
        }
        if latest.is_none_or(|latest| latest.invoked_ns < entry.invoked_ns) {
            latest = Some(entry);
        }
    }
    Ok(())
}

/// The calls that wrote nothing, the one with the latest first board first.
fn pending<'a>(histories: &'a [Vec<Entry>], written: &[(&Entry, &[BoardFact])]) -> Vec<Pending<'a>> {
    // Of the records 1..=n, the latest answer; and of the records n.., the earliest question.
    let mut responded: Vec<(u64, u64)> =
        written.iter().zip(1..).map(|((entry, _), seq)| (entry.responded_ns, seq)).collect();
    let mut invoked: Vec<(u64, u64)> =
        written.iter().zip(1..).map(|((entry, _), seq)| (entry.invoked_ns, seq)).collect();
    responded.sort_unstable();
    invoked.sort_unstable();
    let mut newest_by = 0;
    for (_, seq) in &mut responded {
        newest_by = newest_by.max(*seq);
        *seq = newest_by;
    }
    let mut oldest_from = written.len() as u64 + 1;
    for (_, seq) in invoked.iter_mut().rev() {
        oldest_from = oldest_from.min(*seq);
        *seq = oldest_from;
    }
    let mut pending = Vec::new();
    for entry in histories.iter().flatten().filter(|entry| !matches!(entry.answer, Answer::Wrote { .. })) {
        let before = responded.partition_point(|(at_ns, _)| *at_ns < entry.invoked_ns);
        let after = invoked.partition_point(|(at_ns, _)| *at_ns <= entry.responded_ns);
        let first = before.checked_sub(1).map_or(0, |at| responded[at].1);
        let last = invoked.get(after).map_or(written.len() as u64, |(_, seq)| seq - 1);
        pending.push(Pending { entry, first, last });
    }
    pending.sort_by_key(|it| (std::cmp::Reverse(it.first), std::cmp::Reverse(it.entry.invoked_ns)));
    pending
}

/// Strikes off the calls that this board explains: the earliest that can is the best for those that come after.
fn explain(open: &mut Vec<Pending<'_>>, board: &Board, after: u64, verdict: &mut Verdict) -> Result<(), String> {
    open.sort_by_key(|it| it.entry.invoked_ns);
    let mut at = 0;
    while at < open.len() {
        let it = &open[at];
        // One that was answered before this one was asked needs its board first.
        let waits = open[..at].iter().any(|before| before.entry.responded_ns < it.entry.invoked_ns);
        let decided = it.entry.op.decide(board);
        let explained = !waits
            && match (&it.entry.answer, &decided) {
                (Answer::Nothing, Ok(facts)) => facts.is_empty(),
                (Answer::Refused(why), Err(refusal)) => *why == refusal.to_string(),
                (Answer::Nothing | Answer::Refused(_) | Answer::Wrote { .. }, _) => false,
            };
        if explained {
            match it.entry.answer {
                Answer::Refused(_) => verdict.refused += 1,
                Answer::Nothing | Answer::Wrote { .. } => verdict.nothing += 1,
            }
            verdict.overtaken += usize::from(after > it.first);
            open.remove(at);
        } else if after >= it.last {
            let Pending { entry, first, last } = it;
            return Err(format!(
                "no board after {first} to {last} records explains {:?}, answered with {:?}; the last decides {decided:?}",
                entry.op, entry.answer
            ));
        } else {
            at += 1;
        }
    }
    Ok(())
}

/// Lets the pure board decide again, and takes its facts.
fn apply(board: &mut Board, seq: u64, entry: &Entry, facts: &[BoardFact], seen: &Seen) -> Result<(), String> {
    let decided = entry.op.decide(board);
    if decided.as_deref().ok() != Some(facts) {
        return Err(format!("record {seq}: {:?} wrote {facts:?}, and the board decides {decided:?}", entry.op));
    }
    if let Some(other) = seen.records.get(&seq).filter(|other| other.as_slice() != facts) {
        return Err(format!("record {seq} was written as {facts:?} and read as {other:?}"));
    }
    let stamp = FactStamp { seq, at_ms: 0, by: "checker", offset: FactOffset::NONE };
    facts.iter().for_each(|fact| board.apply(fact.clone(), &stamp));
    Ok(())
}

fn same_end(board: &Board, end: &Board) -> Result<(), String> {
    let rows = |board: &Board| -> Vec<(TaskId, String)> {
        let row = |task: &teamster_protocol::model::board::Task| {
            let parts = (task.status.word(), &task.blocked_by, &task.meant_for, task.attempt, task.deaths);
            format!("{parts:?}, {:?}", (&task.role, &task.agent, task.kind, task.priority))
        };
        board.tasks().map(|(id, task)| (id, row(&task))).collect()
    };
    let (due, found) = (rows(board), rows(end));
    match due.iter().zip(&found).find(|(due, found)| due != found) {
        Some((due, found)) => Err(format!("at the end task {} should be {} and is {}", due.0, due.1, found.1)),
        None if due.len() != found.len() || board.next_id() != end.next_id() => {
            Err(format!("at the end there should be {} tasks and are {}", due.len(), found.len()))
        }
        None if board.restore() != end.restore() => {
            Err(format!("at the end {:?} should be to restore, and {:?} is", board.restore(), end.restore()))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
