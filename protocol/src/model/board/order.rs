//! The order of tasks that are added together, and the cycle that keeps them from having one.

use std::collections::BTreeSet;

use crate::model::id::TaskId;
use crate::model::task::{BoardRefusal, NewTask};

/// Puts new tasks, numbered from `first`, into an order in which each comes after those it waits for, or gives
/// a cycle among them.
pub(super) fn dependency_order(first: u32, new: Vec<NewTask>) -> Result<Vec<(TaskId, NewTask)>, BoardRefusal> {
    let index = |id: TaskId| id.0.checked_sub(first).map(|i| i as usize).filter(|i| *i < new.len());
    let mut open: Vec<usize> = vec![0; new.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); new.len()];
    for (i, task) in new.iter().enumerate() {
        for on in task.after.iter().filter_map(|on| index(*on)) {
            open[i] += 1;
            dependents[on].push(i);
        }
    }
    let mut free: BTreeSet<usize> = (0..new.len()).filter(|i| open[*i] == 0).collect();
    let mut order = Vec::with_capacity(new.len());
    while let Some(i) = free.pop_first() {
        order.push(i);
        for &dependent in &dependents[i] {
            open[dependent] -= 1;
            if open[dependent] == 0 {
                free.insert(dependent);
            }
        }
    }
    if order.len() < new.len() {
        let start = (0..new.len()).find(|i| open[*i] > 0).expect("a task is left, or the order would be whole");
        return Err(cycle_from(start, first, &open, |i| new[i].after.iter().filter_map(|on| index(*on)).collect()));
    }
    let mut new: Vec<Option<NewTask>> = new.into_iter().map(Some).collect();
    let numbered = |i: usize| (TaskId(first + i as u32), new[i].take().expect("each index is in the order once"));
    Ok(order.into_iter().map(numbered).collect())
}

/// Follows dependencies that are still open until a task is met again: that is a cycle.
fn cycle_from(start: usize, first: u32, open: &[usize], after: impl Fn(usize) -> Vec<usize>) -> BoardRefusal {
    let mut walked = vec![start];
    let mut step_of = vec![None; open.len()];
    step_of[start] = Some(0);
    loop {
        let at = *walked.last().expect("it began with one");
        let next = after(at).into_iter().find(|on| open[*on] > 0).expect("what is not free waits for what is not free");
        if let Some(met) = step_of[next] {
            walked.push(next);
            let path: Vec<TaskId> = walked[met..].iter().map(|i| TaskId(first + *i as u32)).collect();
            return BoardRefusal::Cycle { id: path[0], path };
        }
        step_of[next] = Some(walked.len());
        walked.push(next);
    }
}
