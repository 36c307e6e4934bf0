//! Random histories of a board, each step judged by the rules of `properties/rules.rs`.

use proptest::prelude::*;

use super::*;
use crate::model::id::Role;
use crate::model::task::{FieldChange, PromptKind};
use crate::store::file::LogReader;

mod rules;

use rules::{check_board, check_change, check_drains, check_fence, check_rings, check_step, standing};

const NAMES: [&str; 3] = ["alice", "bob", "cy"];
const ROLES: [&str; 2] = ["reviewer", "tester"];
const AGENTS: [&str; 2] = ["shell", "pi"];

/// One thing that somebody does. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Add(Vec<Wish>),
    Claim {
        who: usize,
    },
    /// Ends a claim that was given at some time, perhaps long ago.
    End {
        claim: usize,
        how: End,
    },
    Bury {
        who: usize,
    },
    Assign {
        id: u32,
        to: usize,
    },
    Unassign {
        id: u32,
    },
    AddDependency {
        id: u32,
        on: u32,
    },
    RemoveDependency {
        id: u32,
        on: u32,
    },
    Retry {
        id: u32,
    },
    Hold {
        ids: Vec<u32>,
    },
    Cancel {
        id: u32,
    },
    Edit {
        id: u32,
        after: Option<Vec<u32>>,
        role: Option<Option<usize>>,
        agent: Option<Option<usize>>,
        kind: Option<WorkKind>,
        priority: Option<i32>,
    },
    Clear(ClearedTasks),
    Restore,
    Away {
        who: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum End {
    Complete,
    Fail,
    Release(ReleaseWhy),
}

/// A task that is asked for; `after` counts from the first task ever, some past the last one.
#[derive(Debug, Clone)]
struct Wish {
    after: Vec<u32>,
    to: Option<usize>,
    role: Option<usize>,
    agent: Option<usize>,
    kind: WorkKind,
    priority: i32,
    max_attempts: u32,
}

fn wish() -> impl Strategy<Value = Wish> {
    let after = prop::collection::vec(1..14_u32, 0..3);
    let (to, role) = (prop::option::weighted(0.2, 0..3_usize), prop::option::weighted(0.3, 0..2_usize));
    let kind = prop::sample::select(vec![WorkKind::Command, WorkKind::Text]);
    let agent = prop::option::weighted(0.2, 0..2_usize);
    let parts = (after, to, role, agent, kind, -1..2, 1..4_u32);
    parts.prop_map(|(after, to, role, agent, kind, priority, max_attempts)| Wish {
        after,
        to,
        role,
        agent,
        kind,
        priority,
        max_attempts,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1..14_u32;
    let end = prop_oneof![
        4 => Just(End::Complete),
        2 => Just(End::Fail),
        2 => prop::sample::select(vec![ReleaseWhy::Stopped, ReleaseWhy::WorkerLeft]).prop_map(End::Release),
    ];
    prop_oneof![
        4 => prop::collection::vec(wish(), 1..4).prop_map(Step::Add),
        8 => (0..3_usize).prop_map(|who| Step::Claim { who }),
        8 => (0..64_usize, end).prop_map(|(claim, how)| Step::End { claim, how }),
        2 => (0..3_usize).prop_map(|who| Step::Bury { who }),
        2 => (id(), 0..3_usize).prop_map(|(id, to)| Step::Assign { id, to }),
        2 => id().prop_map(|id| Step::Unassign { id }),
        3 => (id(), id()).prop_map(|(id, on)| Step::AddDependency { id, on }),
        2 => (id(), id()).prop_map(|(id, on)| Step::RemoveDependency { id, on }),
        2 => id().prop_map(|id| Step::Retry { id }),
        1 => prop::collection::vec(id(), 0..4).prop_map(|ids| Step::Hold { ids }),
        1 => id().prop_map(|id| Step::Cancel { id }),
        2 => edit(),
        1 => prop::sample::select(vec![ClearedTasks::Completed, ClearedTasks::Completed, ClearedTasks::Failed, ClearedTasks::All])
            .prop_map(Step::Clear),
        1 => Just(Step::Restore),
        1 => (0..3_usize).prop_map(|who| Step::Away { who }),
    ]
}

fn edit() -> impl Strategy<Value = Step> {
    let after = prop::option::of(prop::collection::vec(1..14_u32, 0..3));
    let (role, priority) = (prop::option::of(prop::option::of(0..2_usize)), prop::option::of(-1..2));
    let kind = prop::option::of(prop::sample::select(vec![WorkKind::Command, WorkKind::Text]));
    let agent = prop::option::of(prop::option::of(0..2_usize));
    let parts = (1..14_u32, after, role, agent, kind, priority);
    parts.prop_map(|(id, after, role, agent, kind, priority)| Step::Edit { id, after, role, agent, kind, priority })
}

/// Alice tests and reads no text, bob has no role, cy reviews and takes only what is assigned to it. The agent of the two
/// latter is another one.
fn claimant(who: usize) -> WaitingClaimant {
    let role: [Option<Role>; 3] = [Some(ROLES[1].parse().unwrap()), None, Some(ROLES[0].parse().unwrap())];
    let auto = if who == 2 { AutoClaim::Off } else { AutoClaim::On };
    let prompts = if who == 0 { PromptKind::Program } else { PromptKind::Conversation };
    let agent = Some(AGENTS[usize::from(who > 0)].parse().unwrap());
    WaitingClaimant { name: name(NAMES[who]), role: role[who].clone(), agent, auto, prompts }
}

fn work_of(kind: WorkKind) -> TaskWork {
    match kind {
        WorkKind::Command => TaskWork::run("true"),
        WorkKind::Text => TaskWork::Prompt("do it".to_owned()),
    }
}

fn new_task(wish: &Wish) -> NewTask {
    NewTask {
        work: work_of(wish.kind),
        to: wish.to.map(|who| name(NAMES[who])),
        role: wish.role.map(|role| ROLES[role].parse().unwrap()),
        agent: wish.agent.map(|agent| AGENTS[agent].parse().unwrap()),
        priority: wish.priority,
        max_attempts: wish.max_attempts,
        ..task(&wish.after)
    }
}

/// What the board decides on a step, and the claim it gives.
fn decide(
    board: &Board,
    step: &Step,
    claims: &[TaskClaim],
) -> Result<(Vec<BoardFact>, Option<TaskClaim>), BoardRefusal> {
    Ok(match step {
        Step::Add(wishes) => (board.add(wishes.iter().map(new_task).collect())?, None),
        Step::Claim { who } => board.claim_next(&claimant(*who)),
        Step::End { claim, how } => match claims.get(claim % claims.len().max(1)) {
            None => (Vec::new(), None),
            Some(claim) => (vec![end(board, claim, *how)?], None),
        },
        Step::Bury { who } => (board.bury(&name(NAMES[*who]), WorkerDeath::default()), None),
        Step::Assign { id, to } => (vec![board.assign(TaskId(*id), name(NAMES[*to]))?], None),
        Step::Unassign { id } => (vec![board.unassign(TaskId(*id))?], None),
        Step::AddDependency { id, on } => (vec![board.add_dependency(TaskId(*id), TaskId(*on))?], None),
        Step::RemoveDependency { id, on } => (vec![board.remove_dependency(TaskId(*id), TaskId(*on))?], None),
        Step::Retry { id } => (vec![board.retry(TaskId(*id))?], None),
        Step::Hold { ids } => (board.hold(&ids.iter().copied().map(TaskId).collect::<Vec<_>>()), None),
        Step::Cancel { id } => (vec![board.cancel(TaskId(*id))?], None),
        Step::Edit { id, after, role, agent, kind, priority } => {
            let agent = agent.map(|agent| match agent {
                Some(agent) => FieldChange::Set(AGENTS[agent].parse().unwrap()),
                None => FieldChange::Removed,
            });
            let role = role.map(|role| match role {
                Some(role) => FieldChange::Set(ROLES[role].parse().unwrap()),
                None => FieldChange::Removed,
            });
            let after = after.as_ref().map(|after| after.iter().copied().map(TaskId).collect());
            let work = kind.map(work_of);
            let changes = TaskChanges { work, after, role, agent, priority: *priority, ..TaskChanges::default() };
            (vec![board.edit_task(TaskId(*id), changes)?], None)
        }
        Step::Clear(scope) => (board.clear(*scope)?, None),
        Step::Restore => (vec![board.restore()?], None),
        Step::Away { who } => (board.away(&name(NAMES[*who])), None),
    })
}

fn end(board: &Board, claim: &TaskClaim, how: End) -> Result<BoardFact, BoardRefusal> {
    match how {
        End::Complete => board.complete(claim, String::new()),
        End::Fail => board.fail(claim, "why".to_owned(), String::new()),
        End::Release(why) => board.release(claim, why, String::new()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_history_of_decisions_keeps_the_rules(
        steps in prop::collection::vec(step(), 1..80),
        generation_bytes_max in 400..20_000_u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("board.jsonl");
        let mut log: Log<Board> = Log::open(&path, 0).unwrap();
        log.set_generation_bytes_max(generation_bytes_max);
        // Never rotated: a fold of all facts that were ever written, and of nothing else.
        let mut first: Log<Board> = Log::open(dir.path().join("first.jsonl"), 0).unwrap();
        first.set_generation_bytes_max(u64::MAX);
        let mut whole = Board::default();
        let (mut claims, mut given) = (Vec::new(), BTreeSet::new());
        for (at_ms, step) in (1..).zip(&steps) {
            let before = whole.clone();
            let mut wrote = Vec::new();
            let outcome = log.transact("lead", at_ms, Durability::Process, |board| {
                let (facts, claim) = decide(board, step, &claims)?;
                wrote.clone_from(&facts);
                Ok::<_, BoardRefusal>((facts, claim))
            });
            let outcome = outcome.map_err(|error| match error {
                crate::store::file::TransactError::Refused(refusal) => refusal,
                other => panic!("{other}"),
            });
            first.transact("lead", at_ms, Durability::Process, |_| Ok::<_, BoardRefusal>((wrote, ()))).unwrap();
            whole.clone_from(first.state());

            prop_assert_eq!(standing(log.state()), standing(&whole), "after {:?}", step);
            if let Ok(Some(claim)) = &outcome {
                prop_assert!(given.insert((claim.id, claim.attempt)), "{:?} was given twice", claim);
                claims.push(claim.clone());
            }
            check_board(&whole);
            check_fence(&whole, &claims);
            check_rings(whole.clone());
            check_change(step, &before, &whole);
            check_step(step, &before, &whole, &outcome);
        }
        let read = LogReader::<Board>::open(&path).unwrap();
        prop_assert_eq!(standing(read.state()), standing(&whole), "read back by somebody else");
        for id in whole.tasks().map(|(id, _)| id) {
            let shown = log.state().view(id, &mut |offset| log.read_at(offset)).unwrap();
            prop_assert_eq!(shown, first.state().view(id, &mut |offset| first.read_at(offset)).unwrap());
        }
        check_drains(whole);
    }
}
