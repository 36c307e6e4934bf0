//! The news of a run as it goes: each event typed, with its time, as `run --json` prints it. The facts of the board become
//! events here, without a look at anything else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use teamster_protocol::model::agent::{Permission, PermissionBy};
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::board::BoardFact;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::usage::UsageSum;
use teamster_protocol::store::file::LogRecord;
use teamster_protocol::wire::api::BaseStanding;

use super::places::NewPlaceCause;
use super::tally::TaskTally;

/// News from a run while it goes.
#[derive(Debug, Clone, Copy)]
pub enum RunNews<'n> {
    /// An event of the run, told once.
    Happened(&'n RunReport),
    /// How far the run is.
    Standing(&'n TaskTally),
    /// The run is over, and its summary follows.
    Over,
}

/// An event of a run, and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// The time of the event.
    pub at_ms: u64,
    /// The event.
    #[serde(flatten)]
    pub event: RunEvent,
}

/// The events of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "SPEC.md says what each field is")]
pub enum RunEvent {
    /// The run begins with so many tasks: these members are spawned for it, and those were there before.
    Begun {
        tasks: usize,
        spawns: Vec<MemberName>,
        there: Vec<MemberName>,
        #[serde(default, skip_serializing_if = "NewPlaceCause::is_wanted")]
        new_place: NewPlaceCause,
    },
    /// A member works in a worktree that it had before, which was moved to the base of the run or lacks a part of it.
    WorktreeFound { member: MemberName, base: BaseStanding },
    /// The tasks of the run are on the board.
    Listed { tasks: Vec<ListedTask> },
    /// A member took a task.
    Claimed { task: TaskId, member: MemberName, attempt: u32 },
    /// A task is completed.
    Completed {
        task: TaskId,
        member: MemberName,
        attempt: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        result: String,
        #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
        used: UsageSum,
    },
    /// A task failed.
    Failed {
        task: TaskId,
        member: MemberName,
        attempt: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        reason: String,
        result: String,
        #[serde(default, skip_serializing_if = "UsageSum::is_empty")]
        used: UsageSum,
    },
    /// A task went back unfinished.
    Released { task: TaskId, member: MemberName, attempt: u32, why: ReleaseWhy },
    /// Nobody takes these tasks before somebody opens them again: the run ends without them.
    Held { tasks: Vec<TaskId> },
    /// A member of the run died, and is started again.
    MemberDied { member: MemberName, reason: String },
    /// A member of the run died so often that it is not started again.
    MemberGivenUp { member: MemberName, reason: String },
    /// A member's agent asks for permission, and waits until then.
    Asked { question: QuestionName, tool: String, title: String, until_ms: u64 },
    /// A question for permission was answered, or taken back.
    Answered { question: QuestionName, answer: Permission, by: PermissionBy },
    /// A question for permission died with its worker.
    QuestionLost { question: QuestionName },
    /// The run has used most of its budget, such as `812 of 1000 tokens`.
    BudgetNearlySpent { used: String },
    /// The run has used up its budget.
    BudgetSpent { used: String },
    /// The run was interrupted: what runs is finished, and stopped if it is interrupted again.
    Interrupted,
    /// Running tasks are being stopped, after a second interrupt or because the time is over.
    Stopping { why: StopCause },
    /// A member did not stop a task, and goes on with it.
    NotStopped { task: TaskId, member: MemberName },
}

/// Why what runs is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// The run was interrupted twice.
    Interrupted,
    /// The time of the run is over.
    TimedOut,
    /// The budget of the run is used up.
    OverBudget,
}

/// A task of a run, as it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTask {
    /// Its number on the board.
    pub id: TaskId,
    /// Its name in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its title.
    pub title: String,
}

/// Whose attempt at a task runs, and since when.
#[derive(Debug, Clone)]
struct OpenAttempt {
    member: MemberName,
    since_ms: u64,
}

/// Makes events of the facts about the tasks of a run.
#[derive(Debug, Default)]
pub(super) struct EventMaker {
    tasks: BTreeSet<TaskId>,
    open: BTreeMap<TaskId, OpenAttempt>,
    /// The use of the attempts that have ended.
    used: UsageSum,
}

impl EventMaker {
    /// These tasks are of the run. Of those that somebody is on, it is said who and since when.
    pub(super) fn add(&mut self, id: TaskId, at_work: Option<(MemberName, u64)>) {
        self.tasks.insert(id);
        if let Some((member, since_ms)) = at_work {
            self.open.insert(id, OpenAttempt { member, since_ms });
        }
    }

    /// So much was used before what is told here.
    pub(super) fn count(&mut self, used: UsageSum) {
        self.used = self.used.plus(used);
    }

    /// The use of all attempts at the tasks that have ended.
    pub(super) fn used(&self) -> UsageSum {
        self.used
    }

    /// The events of a record, in order.
    pub(super) fn reports(&mut self, record: &LogRecord<BoardFact>) -> Vec<RunReport> {
        let at_ms = record.at_ms;
        let events = record.facts.iter().filter_map(|fact| self.event(fact, &record.by, at_ms));
        events.map(|event| RunReport { at_ms, event }).collect()
    }

    fn event(&mut self, fact: &BoardFact, by: &str, at_ms: u64) -> Option<RunEvent> {
        match fact {
            BoardFact::Claimed(claim) if self.tasks.contains(&claim.id) => {
                let member = claim.owner.clone();
                self.open.insert(claim.id, OpenAttempt { member: member.clone(), since_ms: at_ms });
                Some(RunEvent::Claimed { task: claim.id, member, attempt: claim.attempt })
            }
            BoardFact::Completed { id, attempt, result, used } => {
                let (member, duration_ms) = self.close(*id, by, at_ms)?;
                self.count(*used);
                let (result, used) = (result.clone(), *used);
                Some(RunEvent::Completed { task: *id, member, attempt: *attempt, duration_ms, result, used })
            }
            BoardFact::Failed { id, attempt, reason, result, used } => {
                let (member, duration_ms) = self.close(*id, by, at_ms)?;
                self.count(*used);
                let (reason, result, used) = (reason.clone(), result.clone(), *used);
                Some(RunEvent::Failed { task: *id, member, attempt: *attempt, duration_ms, reason, result, used })
            }
            BoardFact::Released { id, attempt, why, used, .. } => {
                let (member, _) = self.close(*id, by, at_ms)?;
                self.count(*used);
                Some(RunEvent::Released { task: *id, member, attempt: *attempt, why: *why })
            }
            BoardFact::Held { ids } => {
                let tasks: Vec<TaskId> = ids.iter().copied().filter(|id| self.tasks.contains(id)).collect();
                (!tasks.is_empty()).then_some(RunEvent::Held { tasks })
            }
            BoardFact::Claimed(_)
            | BoardFact::Added { .. }
            | BoardFact::Assigned { .. }
            | BoardFact::Unassigned { .. }
            | BoardFact::DependencyAdded { .. }
            | BoardFact::DependencyRemoved { .. }
            | BoardFact::Retried { .. }
            | BoardFact::Cancelled { .. }
            | BoardFact::Cleared { .. }
            | BoardFact::Restored { .. }
            | BoardFact::ClearedBefore { .. }
            | BoardFact::Edited { .. }
            | BoardFact::Waiting(_)
            | BoardFact::Away { .. }
            | BoardFact::Kept(_)
            | BoardFact::Numbered { .. } => None,
        }
    }

    /// Whose attempt ended, and how long it took if its begin was seen; nothing for a task of others.
    fn close(&mut self, id: TaskId, by: &str, at_ms: u64) -> Option<(MemberName, Option<u64>)> {
        match self.open.remove(&id) {
            Some(open) => Some((open.member, Some(at_ms.saturating_sub(open.since_ms)))),
            None if self.tasks.contains(&id) => by.parse().ok().map(|member| (member, None)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::task::TaskClaim;
    use teamster_protocol::store::file::FactOffset;

    use super::*;

    #[test]
    fn only_what_happens_to_the_tasks_of_the_run_is_told_with_who_and_how_long() {
        let ada = || "ada".parse::<MemberName>().unwrap();
        let mut maker = EventMaker::default();
        maker.add(TaskId(1), None);
        maker.add(TaskId(2), Some((ada(), 400)));
        let claim = |id| BoardFact::Claimed(TaskClaim { id: TaskId(id), owner: ada(), attempt: 1 });
        let failed = |id| BoardFact::Failed {
            id: TaskId(id),
            attempt: 1,
            reason: "exit status 2".to_owned(),
            result: "oops".to_owned(),
            used: Default::default(),
        };
        let held = BoardFact::Held { ids: vec![TaskId(1), TaskId(9)] };
        // A dead member's task fails by the hand of the leader.
        let facts = vec![claim(1), failed(9), failed(2), held, BoardFact::Retried { id: TaskId(1) }];
        let offset = FactOffset::NONE;
        let record = LogRecord { seq: 1, at_ms: 1_000, by: "lead".to_owned(), facts, offset };
        let told: Vec<String> =
            maker.reports(&record).iter().map(|report| serde_json::to_string(report).unwrap()).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        {"at_ms":1000,"kind":"claimed","task":1,"member":"ada","attempt":1}
        {"at_ms":1000,"kind":"failed","task":2,"member":"ada","attempt":1,"duration_ms":600,"reason":"exit status 2","result":"oops"}
        {"at_ms":1000,"kind":"held","tasks":[1]}
        "#);
    }
}
