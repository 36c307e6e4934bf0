//! What was seen, and what must never be seen. It judges by what a user could observe (which agent ran what,
//! which text was shown to whom), never by the state of the cores.

use std::collections::{BTreeMap, BTreeSet};

use teamster_protocol::model::board::BoardFact;
use teamster_protocol::model::id::{Address, MemberName, MessageId, TaskId};
use teamster_protocol::model::mail::{Message, Urgency};
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::shutdown::{ShutdownAnswer, ShutdownReply};
use teamster_protocol::model::task::ReleaseWhy;
use teamster_worker::core::{AttemptEnd, CallId};

/// One life of a member: its name, and the how-manieth worker under it.
pub(super) type Life = (MemberName, u32);

/// See the module. The first broken rule stays in `broken`.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) broken: Option<String>,
    running: BTreeMap<TaskId, Life>,
    attempts: BTreeSet<(TaskId, u32)>,
    succeeded: BTreeSet<(TaskId, u32)>,
    completed: BTreeSet<TaskId>,
    held: BTreeSet<TaskId>,
    shown: BTreeMap<(Life, MessageId), u32>,
    ever_shown: BTreeSet<MessageId>,
    last_shown: BTreeMap<(Life, Address, bool), u64>,
    acknowledged: BTreeSet<MessageId>,
    /// Mail that an agent has had.
    pub(super) agent_had: BTreeSet<MessageId>,
    /// Mail whose turn the agent refused to begin: it waits for the next life.
    pub(super) left_over: BTreeSet<(Life, MessageId)>,
    asks: BTreeMap<CallId, Life>,
    requests: BTreeMap<MessageId, (Life, Option<ShutdownAnswer>)>,
    /// The message that each request came in.
    request_mail: BTreeMap<MessageId, MessageId>,
    stopping: BTreeSet<(Life, TaskId)>,
    pub(super) rings: u64,
    /// How often an agent was woken for a turn.
    pub(super) wakes: u64,
    /// How often a turn was interrupted and gone on with.
    pub(super) interruptions: u64,
    /// How many workers were killed because they hung and the time for a task of them was over.
    pub(super) killed_late: u64,
    /// How often a conversation was renewed because it was full.
    pub(super) renewals: u64,
    /// How often a text started a member again that had left.
    pub(super) woken: u64,
    /// How many runs were ended because their budget was used up.
    pub(super) runs_ended: u64,
    pub(super) work_made: u64,
    pub(super) completions: u64,
}

impl Oracle {
    pub(super) fn broke(&mut self, rule: impl Into<String>) {
        self.broken.get_or_insert(rule.into());
    }

    /// An agent began a turn on a task.
    pub(super) fn turn_began(&mut self, life: &Life, task: TaskId, attempt: u32) {
        if let Some(other) = self.running.insert(task, life.clone()) {
            self.broke(format!("task {task} is run by {other:?} and {life:?} at once"));
        }
        if !self.attempts.insert((task, attempt)) {
            self.broke(format!("attempt {attempt} of task {task} is run twice"));
        }
    }

    /// The turn on an attempt ended by the provider's limit: there is another one.
    pub(super) fn attempt_goes_on(&mut self, task: TaskId, attempt: u32) {
        self.attempts.remove(&(task, attempt));
    }

    /// The agent is no longer at a task.
    pub(super) fn turn_over(&mut self, task: TaskId, attempt: u32, success: bool) {
        self.running.remove(&task);
        if success {
            self.succeeded.insert((task, attempt));
        }
    }

    /// A worker wants an outcome written.
    pub(super) fn recording(&mut self, life: &Life, attempt: &AttemptEnd) {
        let (AttemptEnd::Complete { claim, .. }
        | AttemptEnd::Fail { claim, .. }
        | AttemptEnd::Release { claim, .. }
        | AttemptEnd::Die { claim, .. }) = attempt;
        let stopped = self.stopping.remove(&(life.clone(), claim.id));
        match attempt {
            AttemptEnd::Complete { claim, .. } if !self.succeeded.contains(&(claim.id, claim.attempt)) => {
                self.broke(format!("task {} is called completed, and its agent did not complete it", claim.id));
            }
            AttemptEnd::Release { claim, why: ReleaseWhy::WorkerLeft, .. } if stopped => {
                self.broke(format!("task {} was stopped and is given to anybody", claim.id));
            }
            AttemptEnd::Complete { .. }
            | AttemptEnd::Fail { .. }
            | AttemptEnd::Release { .. }
            | AttemptEnd::Die { .. } => {}
        }
    }

    /// Somebody was told that the turn on a task is being aborted.
    pub(super) fn abort_accepted(&mut self, life: &Life, task: TaskId) {
        self.stopping.insert((life.clone(), task));
    }

    /// Facts were written to the board.
    pub(super) fn wrote(&mut self, facts: &[BoardFact]) {
        for fact in facts {
            match fact {
                BoardFact::Completed { id, .. } => {
                    self.completions += 1;
                    if !self.completed.insert(*id) {
                        self.broke(format!("task {id} was completed twice"));
                    }
                }
                BoardFact::Claimed(claim) if self.held.contains(&claim.id) => {
                    self.broke(format!("task {} was stopped, and {} took it again by itself", claim.id, claim.owner));
                }
                BoardFact::Released { id, why: ReleaseWhy::Stopped, .. } => {
                    self.held.insert(*id);
                }
                BoardFact::Held { ids } => self.held.extend(ids),
                BoardFact::Assigned { id, .. } | BoardFact::Unassigned { id } | BoardFact::Retried { id } => {
                    self.held.remove(id);
                }
                BoardFact::Added { .. }
                | BoardFact::Claimed(_)
                | BoardFact::Failed { .. }
                | BoardFact::Released { .. }
                | BoardFact::DependencyAdded { .. }
                | BoardFact::DependencyRemoved { .. }
                | BoardFact::Cancelled { .. }
                | BoardFact::Edited { .. }
                | BoardFact::Restored { .. }
                | BoardFact::ClearedBefore { .. }
                | BoardFact::Cleared { .. }
                | BoardFact::Waiting(_)
                | BoardFact::Away { .. }
                | BoardFact::Kept(_)
                | BoardFact::Numbered { .. } => {}
            }
        }
    }

    /// A text was put where the agent or who watches it sees it.
    pub(super) fn shown(&mut self, life: &Life, message: &Message, order: u64) {
        let times = self.shown.entry((life.clone(), message.id)).or_default();
        *times += 1;
        if *times > 1 {
            self.broke(format!("{life:?} showed message {} twice", message.id));
        }
        self.ever_shown.insert(message.id);
        if message.urgency != Urgency::Now {
            let key = (life.clone(), message.from.clone(), message.urgency == Urgency::Idle);
            if self.last_shown.insert(key, order).is_some_and(|last| last > order) {
                self.broke(format!("{life:?} showed the mail of {} out of order", message.from));
            }
        }
    }

    /// A reader acknowledges a message; `is_text` if it had to be shown before, and `talks` if its agent had to have it.
    pub(super) fn acknowledging(&mut self, life: &Life, id: MessageId, is_text: bool, talks: bool) {
        if is_text && talks && !self.agent_had.contains(&id) {
            self.broke(format!("{life:?} acknowledged message {id}, which no agent has had"));
        }
        if is_text && !self.ever_shown.contains(&id) {
            self.broke(format!("{life:?} acknowledged message {id}, which nobody was shown"));
        }
        if self.acknowledged.contains(&id) {
            self.broke(format!("{life:?} acknowledged message {id} again"));
        }
    }

    /// The acknowledgement is in the mailbox.
    pub(super) fn acknowledged(&mut self, id: MessageId) {
        self.acknowledged.insert(id);
    }

    pub(super) fn asked(&mut self, call: CallId, life: &Life) {
        self.asks.insert(call, life.clone());
    }

    pub(super) fn answered(&mut self, call: CallId) {
        if self.asks.remove(&call).is_none() {
            self.broke(format!("call {} was answered twice", call.0));
        }
    }

    pub(super) fn shutdown_asked(&mut self, request: MessageId, message: MessageId, life: &Life) {
        self.request_mail.insert(request, message);
        self.requests.insert(request, (life.clone(), None));
    }

    /// A worker answers a shutdown request.
    pub(super) fn replied(&mut self, life: &Life, reply: &ShutdownReply) {
        let promised = self.agreed(life);
        let Some((asked, before)) = self.requests.get_mut(&reply.request) else {
            return self.broke("an answer to a shutdown request that nobody made");
        };
        let late = before.is_none() && self.acknowledged.contains(&self.request_mail[&reply.request]);
        let fits = match (&*before, &reply.verdict) {
            (None, _) | (Some(ShutdownAnswer::Finishing { .. }), ShutdownAnswer::Approved) => asked == life,
            (Some(_), _) => false,
        };
        *before = Some(reply.verdict.clone());
        if !fits {
            self.broke(format!("{life:?} answered a shutdown request of another life, or answered it again"));
        }
        if late {
            self.broke(format!("{life:?} acknowledged a shutdown request before its answer was posted"));
        }
        if promised && matches!(reply.verdict, ShutdownAnswer::Refused { .. }) {
            self.broke(format!("{life:?} agreed to end, and then refused to"));
        }
    }

    fn agreed(&self, life: &Life) -> bool {
        self.requests
            .values()
            .any(|(of, verdict)| of == life && matches!(verdict, Some(ShutdownAnswer::Finishing { .. })))
    }

    /// A worker left by itself.
    pub(super) fn left(&mut self, life: &Life, how: &WorkerEnd) {
        let approved =
            |(of, verdict): &(Life, Option<ShutdownAnswer>)| of == life && *verdict == Some(ShutdownAnswer::Approved);
        if *how == WorkerEnd::Shutdown && !self.requests.values().any(approved) {
            self.broke(format!("{life:?} shut down, and no request of its life was approved"));
        }
    }

    /// A worker is gone, with all that its agent did.
    pub(super) fn gone(&mut self, life: &Life) {
        self.running.retain(|_, runner| runner != life);
        self.asks.retain(|_, asked| asked != life);
        self.stopping.retain(|(of, _)| of != life);
    }

    pub(super) fn unanswered(&self) -> impl Iterator<Item = (&CallId, &Life)> {
        self.asks.iter()
    }
}
