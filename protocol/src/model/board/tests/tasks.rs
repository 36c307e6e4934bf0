//! That a task is packed is seen by nothing but the memory: the map of tasks beside a plain one.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::model::board::tasks::TaskMap;
use crate::model::id::Role;

#[derive(Debug, Clone)]
enum Step {
    Insert(TaskId, Task),
    /// Makes another of it.
    Edit(TaskId, Task),
    Remove(TaskId),
}

fn id() -> impl Strategy<Value = TaskId> {
    // So few that they meet, on more than one page; and those at the end of all numbers.
    prop_oneof![8 => 1..40_u32, 1 => u32::MAX - 17..=u32::MAX].prop_map(TaskId)
}

fn ids() -> impl Strategy<Value = BTreeSet<TaskId>> {
    prop_oneof![4 => btree_set(id(), 0..3), 1 => btree_set(any::<u32>().prop_map(TaskId), 0..60)]
}

fn offset() -> impl Strategy<Value = FactOffset> {
    (any::<u32>(), any::<u32>(), any::<u64>())
        .prop_map(|(generation, fact, at)| FactOffset::of_parts([generation.into(), fact.into(), at]))
}

fn member() -> impl Strategy<Value = MemberName> {
    "[a-k][a-c]".prop_map(|text| name(&text))
}

fn status() -> impl Strategy<Value = TaskStatus> {
    let hold = prop::sample::select(vec![TaskHold::Free, TaskHold::Stopped]);
    prop_oneof![
        1 => (option::of(member()), hold).prop_map(|(assignee, hold)| TaskStatus::Pending { assignee, hold }),
        1 => (member(), any::<u64>()).prop_map(|(owner, since_ms)| TaskStatus::InProgress { owner, since_ms }),
        3 => (member(), any::<u64>()).prop_map(|(owner, at_ms)| TaskStatus::Completed { owner, at_ms }),
        2 => (member(), any::<u64>()).prop_map(|(owner, at_ms)| TaskStatus::Failed { owner, at_ms }),
        1 => Just(TaskStatus::Cancelled),
    ]
}

fn any_task() -> impl Strategy<Value = Task> {
    let role = "[a-c]".prop_map(|text| text.parse::<Role>().unwrap());
    let links = (ids(), ids(), any::<u32>());
    let kind = prop::sample::select(vec![WorkKind::Command, WorkKind::Text]);
    let agent = "[a-c]".prop_map(|text| text.parse::<AgentName>().unwrap());
    let terms = (option::of(member()), option::of(role), option::of(agent), kind, any::<i32>());
    let counts = (any::<u32>(), 0..4_u32, any::<u32>());
    let written = (offset(), vec(offset(), 0..3), vec(offset(), 0..6));
    (status(), links, terms, counts, written).prop_map(
        |(
            status,
            (blocked_by, blocks, open_dependencies),
            (meant_for, role, agent, kind, priority),
            counts,
            written,
        )| {
            let (added_at, edits, history) = written;
            let (attempt, deaths, max_attempts) = counts;
            Task {
                status,
                blocked_by,
                blocks,
                open_dependencies,
                meant_for,
                role,
                agent,
                kind,
                priority,
                attempt,
                deaths,
                max_attempts,
                added_at,
                edits,
                history,
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (id(), any_task()).prop_map(|(id, task)| Step::Insert(id, task)),
        2 => (id(), any_task()).prop_map(|(id, task)| Step::Edit(id, task)),
        2 => id().prop_map(Step::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_map_that_packs_what_has_ended_is_a_map(steps in vec(step(), 1..60)) {
        let (mut tasks, mut plain) = (TaskMap::default(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Insert(id, task) => {
                    tasks.insert(id, task.clone());
                    plain.insert(id, task);
                }
                Step::Edit(id, task) => {
                    let was = tasks.edit(id, |was| std::mem::replace(was, task.clone()));
                    prop_assert_eq!(was.as_ref(), plain.get(&id));
                    plain.entry(id).and_modify(|was| *was = task);
                }
                Step::Remove(id) => {
                    tasks.remove(id);
                    plain.remove(&id);
                }
            }
            let all: Vec<(TaskId, Task)> = tasks.iter().map(|(id, task)| (id, task.into_owned())).collect();
            prop_assert!(all.iter().map(|(id, task)| (id, task)).eq(&plain), "{:?} is not {:?}", all, plain);
            prop_assert!(tasks.ids().eq(plain.keys().copied()));
            prop_assert_eq!((tasks.len(), tasks.is_empty()), (plain.len(), plain.is_empty()));
        }
        for id in (1..60).chain(u32::MAX - 20..=u32::MAX).map(TaskId) {
            let task = plain.get(&id);
            prop_assert_eq!(tasks.contains(id), task.is_some());
            prop_assert_eq!(tasks.get(id).map(Cow::into_owned), task.cloned());
            prop_assert_eq!(tasks.status(id), task.map(|task| task.status.clone()));
            let open = task.filter(|task| matches!(task.status.word().typed(), "pending" | "stopped" | "in_progress"));
            prop_assert!(open.is_none() || tasks.get_open(id) == open);
        }
    }
}

#[test]
fn what_has_ended_takes_few_bytes_and_is_whole_again_when_it_is_opened() {
    let mut board = board(vec![task(&[]); 1000]);
    while let Some(held) = claim(&mut board, "alice") {
        let fact = match held.id.0 % 2 {
            0 => board.complete(&held, String::new()),
            _ => board.fail(&held, String::new(), String::new()),
        };
        put(&mut board, vec![fact.unwrap()]);
    }
    assert!(board.tasks.ids().all(|id| board.tasks.get_open(id).is_none()), "all have ended, and not all are packed");
    let bytes = board.tasks.packed_bytes();
    assert!(bytes < 50 * board.len(), "{bytes} bytes for {} ended tasks", board.len());
    let fact = board.retry(TaskId(501)).unwrap();
    put(&mut board, vec![fact]);
    assert_eq!(claim(&mut board, "bob").unwrap(), TaskClaim { id: TaskId(501), owner: name("bob"), attempt: 2 });
}

#[test]
fn a_task_that_very_many_wait_for_is_not_packed_and_not_slow() {
    let mut board = board(vec![task(&[])]);
    let hub = claim(&mut board, "alice").unwrap();
    complete(&mut board, &hub);
    assert!(board.tasks.get_open(hub.id).is_none());
    let facts = board.add(vec![task(&[1]); 1000]).unwrap();
    put(&mut board, facts);
    assert!(board.tasks.get_open(hub.id).is_some(), "each of them would have cost as much as all");
    assert_eq!(board.task(hub.id).unwrap().blocks.len(), 1000);
    let facts = board.clear(ClearedTasks::Completed).unwrap();
    put(&mut board, facts);
    assert!(board.tasks().all(|(_, task)| task.blocked_by.is_empty() && task.is_ready()));
}
