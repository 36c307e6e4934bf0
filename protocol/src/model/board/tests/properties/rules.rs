//! The rules of a board and of its steps, written down a second time, as slowly and plainly as can be.

use std::collections::VecDeque;

use super::*;

fn is_free(task: &Task) -> bool {
    matches!(task.status, TaskStatus::Pending { hold: TaskHold::Free, .. })
}

fn assignee(task: &Task) -> Option<&MemberName> {
    match &task.status {
        TaskStatus::Pending { assignee, .. } => assignee.as_ref(),
        TaskStatus::InProgress { .. }
        | TaskStatus::Completed { .. }
        | TaskStatus::Failed { .. }
        | TaskStatus::Cancelled => None,
    }
}

/// The dependencies of a task that are not completed, looked up one by one.
fn waits_for(board: &Board, task: &Task) -> Vec<TaskId> {
    let open = |on: &&TaskId| board.task(**on).unwrap().status.word().typed() != "completed";
    task.blocked_by.iter().filter(open).copied().collect()
}

/// The task that is due for a worker, by looking at every one.
fn due_for(board: &Board, who: &WaitingClaimant) -> Option<TaskId> {
    let may = |task: &Task| {
        let is_for_it = match assignee(task) {
            Some(name) => *name == who.name,
            None => who.auto == AutoClaim::On && (task.role.is_none() || task.role == who.role),
        };
        let has_agent = task.agent.is_none() || task.agent == who.agent;
        is_for_it && has_agent && (who.prompts == PromptKind::Conversation || task.kind == WorkKind::Command)
    };
    let free = board.tasks().filter(|(_, task)| is_free(task) && waits_for(board, task).is_empty() && may(task));
    free.min_by_key(|(id, task)| (assignee(task).is_none(), Reverse(task.priority), *id)).map(|(id, _)| id)
}

/// Whether a task waits for another, directly or through others.
fn reaches(board: &Board, from: TaskId, to: TaskId) -> bool {
    let mut met = BTreeSet::from([from]);
    let after = |id: &TaskId| board.task(*id).unwrap().into_owned().blocked_by;
    while let Some(next) = met.iter().flat_map(after).find(|on| !met.contains(on)) {
        met.insert(next);
    }
    from != to && met.contains(&to)
}

/// All that decides, in a form that can be compared.
pub(super) fn standing(board: &Board) -> impl PartialEq + std::fmt::Debug {
    let tasks: Vec<_> = board
        .tasks()
        .map(|(id, task)| {
            let Task { status, blocked_by, blocks, open_dependencies, meant_for, role, agent, kind, .. } =
                task.clone().into_owned();
            let counts = (task.priority, task.attempt, task.deaths, task.max_attempts, open_dependencies);
            (id, status, blocked_by, blocks, meant_for, role, agent, kind, counts)
        })
        .collect();
    (tasks, board.waiting().cloned().collect::<Vec<_>>(), board.next_id(), board.to_wake())
}

/// What holds of every board, whatever happened to it.
pub(super) fn check_board(board: &Board) {
    for (id, task) in board.tasks() {
        let open = waits_for(board, &task);
        assert_eq!(board.open_dependencies(&task), open, "task {id}");
        assert_eq!(task.open_dependencies as usize, open.len(), "task {id}");
        assert_eq!(task.is_ready(), is_free(&task) && open.is_empty(), "task {id}");
        assert!(!task.blocked_by.iter().any(|on| *on == id || reaches(board, *on, id)), "task {id} waits for itself");
        let blocks: BTreeSet<TaskId> =
            board.tasks().filter(|(_, other)| other.blocked_by.contains(&id)).map(|(other, _)| other).collect();
        assert_eq!(task.blocks, blocks, "task {id}");
    }
    for who in 0..3 {
        let who = claimant(who);
        assert_eq!(board.next_for(&who), due_for(board, &who), "{}", who.name);
        let could = board.tasks().any(|(_, task)| task.is_ready() && who.may_take(&task));
        assert_eq!(could, board.next_for(&who).is_some(), "{}", who.name);
        let on = |task: &Task| matches!(&task.status, TaskStatus::InProgress { owner, .. } if *owner == who.name);
        let owned: Vec<TaskId> = board.tasks().filter(|(_, task)| on(task)).map(|(id, _)| id).collect();
        assert_eq!(board.owned_by(&who.name).collect::<Vec<_>>(), owned, "{}", who.name);
    }
    // Whoever waits beside work is woken, and nobody is for nothing.
    let could: Vec<&WaitingClaimant> = board.waiting().filter(|who| due_for(board, who).is_some()).collect();
    let woken = board.to_wake();
    assert_eq!(woken.is_empty(), could.is_empty(), "woken {woken:?}, and {could:?} could work");
    assert!(woken.iter().all(|name| could.iter().any(|who| who.name == *name)), "{woken:?} of {could:?}");
    assert!(woken.len() <= board.tasks().filter(|(_, task)| task.is_ready()).count());
}

/// Only who holds the running attempt can end it: not an earlier owner, not a later attempt, not another member.
pub(super) fn check_fence(board: &Board, claims: &[TaskClaim]) {
    let forged = claims.iter().flat_map(|claim| {
        let next = TaskClaim { attempt: claim.attempt + 1, ..claim.clone() };
        let other = NAMES.map(name).into_iter().find(|name| *name != claim.owner).unwrap();
        [next, TaskClaim { owner: other, ..claim.clone() }]
    });
    for claim in claims.iter().cloned().chain(forged) {
        let runs = board.task(claim.id).is_ok_and(|task| {
            matches!(&task.status, TaskStatus::InProgress { owner, .. } if *owner == claim.owner)
                && task.attempt == claim.attempt
        });
        for how in [End::Complete, End::Fail, End::Release(ReleaseWhy::Stopped), End::Release(ReleaseWhy::WorkerLeft)] {
            assert_eq!(end(board, &claim, how).is_ok(), runs, "{how:?} with {claim:?}");
        }
    }
}

/// The steps from one standing to another that the protocol knows, and no more.
pub(super) fn check_change(step: &Step, before: &Board, after: &Board) {
    let ids: BTreeSet<TaskId> = before.tasks().chain(after.tasks()).map(|(id, _)| id).collect();
    for id in ids {
        let (old, new) = (before.task(id).ok(), after.task(id).ok());
        let was = old.map(|task| task.status.clone());
        let is = new.map(|task| task.status.clone());
        if was == is {
            continue;
        }
        let word = |status: &Option<TaskStatus>| status.as_ref().map_or("absent", |status| status.word().typed());
        let known = match (word(&was), word(&is)) {
            ("absent", "pending") => matches!(step, Step::Add(_) | Step::Restore),
            ("absent", _) => matches!(step, Step::Restore),
            ("pending", "in_progress") => matches!(step, Step::Claim { .. }),
            ("in_progress", "completed") => matches!(step, Step::End { how: End::Complete, .. }),
            ("in_progress", "failed") => matches!(step, Step::End { how: End::Fail, .. } | Step::Bury { .. }),
            ("in_progress", "stopped") => {
                matches!(step, Step::End { how: End::Release(ReleaseWhy::Stopped), .. })
            }
            ("in_progress", "pending") => {
                matches!(step, Step::End { how: End::Release(ReleaseWhy::WorkerLeft), .. } | Step::Bury { .. })
            }
            ("pending", "stopped") => matches!(step, Step::Hold { .. }),
            ("pending" | "stopped", "pending") => {
                matches!(step, Step::Assign { .. } | Step::Unassign { .. } | Step::Retry { .. })
            }
            ("failed" | "cancelled", "pending") => matches!(step, Step::Retry { .. }),
            ("pending" | "stopped" | "failed", "cancelled") => matches!(step, Step::Cancel { .. }),
            ("completed", "absent") => matches!(step, Step::Clear(_)),
            ("failed", "absent") => matches!(step, Step::Clear(ClearedTasks::All | ClearedTasks::Failed)),
            ("pending" | "stopped" | "cancelled", "absent") => matches!(step, Step::Clear(ClearedTasks::All)),
            _ => false,
        };
        assert!(known, "{step:?} took task {id} from {was:?} to {is:?}");
    }
}

/// What single steps promise beyond that.
pub(super) fn check_step(
    step: &Step,
    before: &Board,
    after: &Board,
    outcome: &Result<Option<TaskClaim>, BoardRefusal>,
) {
    if let (Step::Clear(scope), Ok(_)) = (step, outcome) {
        let mut back = after.clone();
        if let (true, Ok(restored)) = (after.len() < before.len(), after.restore()) {
            put(&mut back, vec![restored]);
        }
        assert_eq!(standing(&back), standing(before), "{scope:?}: a clear that was taken back changed something");
    }
    match (step, outcome) {
        (Step::Clear(ClearedTasks::Failed), Ok(_)) => {
            let to_be_done =
                |task: &Task| matches!(task.status, TaskStatus::Pending { .. } | TaskStatus::InProgress { .. });
            for (id, task) in after.tasks().filter(|(_, task)| to_be_done(task)) {
                let old = before.task(id).unwrap();
                assert_eq!(waits_for(after, &task), waits_for(before, &old), "task {id} waits for less");
            }
        }
        (Step::Edit { id, after: on, .. }, Ok(_)) => {
            let was = before.status(TaskId(*id)).unwrap();
            assert!(!was.is_completed() && !matches!(was, TaskStatus::InProgress { .. }), "task {id} was {was:?}");
            if let Some(on) = on {
                let on: BTreeSet<TaskId> = on.iter().copied().map(TaskId).collect();
                assert_eq!(after.task(TaskId(*id)).unwrap().blocked_by, on);
            }
        }
        (Step::Restore, Ok(_)) => {
            assert!(after.len() > before.len(), "nothing came back");
            assert!(before.tasks().all(|(id, _)| after.task(id).is_ok()), "something went");
        }
        (Step::Claim { who }, Ok(claim)) => {
            assert_eq!(claim.as_ref().map(|claim| claim.id), due_for(before, &claimant(*who)));
            if let Some(claim) = claim {
                assert_eq!(claim.attempt, before.task(claim.id).unwrap().attempt + 1);
                assert_eq!(claim.owner, claimant(*who).name);
            }
        }
        (Step::Bury { who }, Ok(_)) => {
            let dead = name(NAMES[*who]);
            assert_eq!(after.owned_by(&dead).count(), 0);
            assert!(after.waiting().all(|who| who.name != dead));
            for id in before.owned_by(&dead) {
                let (old, new) = (before.task(id).unwrap(), after.task(id).unwrap());
                assert_eq!(new.attempt, old.attempt, "the next claim has the next attempt");
                let last = old.deaths + 1 >= old.max_attempts;
                assert_eq!(
                    new.status.word().typed(),
                    if last { "failed" } else { "pending" },
                    "death {}",
                    old.deaths + 1
                );
                assert!(last || new.deaths == old.deaths + 1);
                assert_eq!(new.meant_for, old.meant_for);
            }
        }
        (Step::Clear(ClearedTasks::Completed), Ok(_)) => {
            assert!(after.tasks().all(|(_, task)| task.status.word().typed() != "completed"));
            for (id, task) in after.tasks() {
                assert_eq!(waits_for(after, &task), waits_for(before, &before.task(id).unwrap()), "task {id}");
            }
        }
        (Step::AddDependency { id, on }, outcome) => {
            let (id, on) = (TaskId(*id), TaskId(*on));
            if let (Ok(task), Ok(other)) = (before.task(id), before.task(on)) {
                let editable = matches!(task.status, TaskStatus::Pending { .. });
                let new = !task.blocked_by.contains(&on) && other.status != TaskStatus::Cancelled;
                let cycle = id == on || reaches(before, on, id);
                assert_eq!(outcome.is_ok(), editable && new && !cycle, "{outcome:?}");
                assert_eq!(matches!(outcome, Err(BoardRefusal::Cycle { .. })), editable && new && cycle, "{outcome:?}");
            }
        }
        (Step::Clear(ClearedTasks::All), Ok(_)) => assert!(after.is_empty()),
        (Step::Clear(ClearedTasks::All), Err(_)) => assert!(before.owners().next().is_some()),
        _ => {}
    }
    if outcome.is_err() {
        assert_eq!(standing(before), standing(after), "a refusal changes nothing");
    }
    assert!(after.next_id() >= before.next_id(), "no number is ever given twice");
}

/// Whoever is rung looks once, in the order of the rings, and rings others if it looked in vain: then nobody who still
/// waits could take anything.
pub(super) fn check_rings(mut board: Board) {
    let mut rung: VecDeque<MemberName> = board.to_wake().into();
    let mut looks = 0;
    while let Some(name) = rung.pop_front() {
        let who = (0..3).map(claimant).find(|who| who.name == name).unwrap();
        let (facts, _) = board.claim_next(&who);
        if facts.is_empty() {
            rung.extend(board.to_wake());
        }
        put(&mut board, facts);
        looks += 1;
        assert!(looks < 100, "they ring each other without end");
    }
    for who in board.waiting() {
        assert_eq!(board.next_for(who), None, "{} was not rung, and could work", who.name);
    }
}

/// Whoever could work, works: then nothing is left that any of them might have done.
pub(super) fn check_drains(mut board: Board) {
    let ids: Vec<TaskId> = board.tasks().map(|(id, _)| id).collect();
    for round in 0.. {
        let mut moved = false;
        for who in 0..3 {
            if let (facts, Some(claim)) = board.claim_next(&claimant(who)) {
                moved = true;
                put(&mut board, facts);
                complete(&mut board, &claim);
            }
        }
        if !moved {
            break;
        }
        assert!(round <= ids.len(), "a task is claimed again and again");
    }
    for (id, task) in board.tasks().filter(|(_, task)| task.is_ready()) {
        let role = |nth: usize| task.role == Some(ROLES[nth].parse().unwrap());
        let for_all = task.meant_for.is_none();
        // Nobody with that role takes what is for all; and of texts, nobody reads what is for alice or needs her role.
        let reviewers = for_all && role(0);
        let for_alice = task.meant_for == Some(name(NAMES[0])) || (for_all && role(1));
        let agent = |nth: usize| task.agent == Some(AGENTS[nth].parse().unwrap());
        let for_bob_or_cy = [NAMES[1], NAMES[2]].map(|other| Some(name(other))).contains(&task.meant_for);
        let other_agent = (for_alice && agent(1)) || (for_bob_or_cy && agent(0));
        // Only alice has that agent, and she reads nothing.
        let unread = task.kind == WorkKind::Text && (for_alice || agent(0));
        assert!(reviewers || unread || other_agent, "task {id} is left, and somebody could have done it");
    }
}
