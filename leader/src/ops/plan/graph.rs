//! Tasks among each other: ids, dependencies, cycles.

use std::collections::HashMap;

use teamster_protocol::model::limits::sizes::PROBLEMS_SHOWN_MAX;

use super::PlannedTask;
use super::fields::TaskDraft;
use super::problem::{PlanFault, PlanProblems, PlanReport};
use crate::ops::document::TextSpan;
use crate::ops::text::did_you_mean;

/// The tasks with their dependencies as positions. Adds duplicate ids, unknown ones, and cycles.
pub(super) fn connect(mut drafts: Vec<TaskDraft>, problems: &mut PlanProblems) -> Vec<PlannedTask> {
    let waits: Vec<Vec<(usize, TextSpan)>> = {
        let at_by_id = index(&drafts, problems);
        // A task may name another twice; the mark of the last one who did tells without a set for each.
        let mut named_by = vec![usize::MAX; drafts.len()];
        drafts
            .iter()
            .enumerate()
            .map(|(at, draft)| {
                let known = draft.after.iter().filter_map(|(id, span)| {
                    let found = at_by_id.get(id.as_str()).copied();
                    if found.is_none() {
                        problems.add(Some(span.clone()), || unknown(&drafts, draft, id));
                    }
                    found.map(|after| (after, span.clone()))
                });
                known.filter(|(after, _)| std::mem::replace(&mut named_by[*after], at) != at).collect()
            })
            .collect()
    };
    for cycle in cycles(&waits) {
        let first = cycle[0];
        let second = cycle[1 % cycle.len()];
        let span = waits[first].iter().find(|(after, _)| *after == second).map(|(_, span)| span.clone());
        problems.add(span, || {
            let ids = cycle.iter().chain(cycle.first()).map(|at| drafts[*at].id.clone()).collect();
            PlanReport::of(PlanFault::Cycle { ids }).hint("take one of them out of an `after`")
        });
    }
    drafts.drain(..).zip(waits).map(|(draft, waits)| planned(draft, &waits)).collect()
}

fn index<'d>(drafts: &'d [TaskDraft], problems: &mut PlanProblems) -> HashMap<&'d str, usize> {
    let mut at_by_id: HashMap<&str, usize> = HashMap::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        let first = *at_by_id.entry(&draft.id).or_insert(at);
        if first != at {
            problems.add(Some(draft.id_span.clone()), || {
                let has_own = |draft: &TaskDraft| draft.id_span != draft.span;
                let words = match (has_own(&drafts[first]), has_own(draft)) {
                    (true, true) => "the first is at",
                    (true, false) => "a task without `id` is called by its position; the other is at",
                    (false, _) => "a task without `id` is called by its position, as the one at",
                };
                PlanReport::of(PlanFault::DuplicateId { id: draft.id.clone() })
                    .elsewhere(words, drafts[first].id_span.start)
            });
        }
    }
    at_by_id
}

fn unknown(drafts: &[TaskDraft], draft: &TaskDraft, missing: &str) -> PlanReport {
    let others = drafts.iter().filter(|other| !std::ptr::eq(*other, draft)).map(|other| other.id.as_str());
    PlanReport::of(PlanFault::UnknownTask { id: draft.id.clone(), missing: missing.to_owned() })
        .suggest(did_you_mean(missing, others))
}

/// Some of the cycles, each begun with its first task in the file, at least one for each knot; at most as many as
/// are shown, because a dense graph has more than anybody could list.
fn cycles(waits: &[Vec<(usize, TextSpan)>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum VisitMark {
        New,
        OnPath(usize),
        Done,
    }
    let mut marks = vec![VisitMark::New; waits.len()];
    let mut is_told = vec![false; waits.len()];
    let mut found = Vec::new();
    // An own stack: a chain of 100,000 tasks would overflow the thread's.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in 0..waits.len() {
        if found.len() == PROBLEMS_SHOWN_MAX {
            break;
        }
        if marks[start] != VisitMark::New {
            continue;
        }
        marks[start] = VisitMark::OnPath(0);
        path.push((start, 0));
        while let Some((at, next)) = path.last_mut() {
            let Some((after, _)) = waits[*at].get(*next) else {
                marks[*at] = VisitMark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match marks[*after] {
                VisitMark::New => {
                    marks[*after] = VisitMark::OnPath(path.len());
                    path.push((*after, 0));
                }
                VisitMark::OnPath(depth) if !is_told[*after] && !is_told[*at] && found.len() < PROBLEMS_SHOWN_MAX => {
                    let mut cycle: Vec<usize> = path[depth..].iter().map(|(at, _)| *at).collect();
                    let first = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
                    cycle.rotate_left(first);
                    cycle.iter().for_each(|at| is_told[*at] = true);
                    found.push(cycle);
                }
                VisitMark::OnPath(_) | VisitMark::Done => {}
            }
        }
    }
    found
}

fn planned(draft: TaskDraft, waits: &[(usize, TextSpan)]) -> PlannedTask {
    PlannedTask {
        id: draft.id,
        work: draft.work,
        title: draft.title,
        after: waits.iter().map(|(after, _)| *after).collect(),
        to: draft.to,
        role: draft.role,
        agent: draft.agent,
        priority: draft.priority,
        timeout: draft.timeout,
        budget: draft.budget,
    }
}
