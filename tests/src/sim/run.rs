//! A run with a budget: once its tasks have used that up, those that somebody is on are stopped, and the others are held.

use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::model::usage::UsageSum;
use teamster_worker::core::{CallId, WorkerAsk};

use super::Sim;

/// A run of all tasks that are there when its budget is used up.
#[derive(Debug)]
pub(super) struct SimRun {
    pub(super) budget: UsageBudget,
    /// The tasks to end; nothing while there is budget left.
    ending: Option<Vec<TaskId>>,
}

impl SimRun {
    pub(super) fn new(budget: UsageBudget) -> SimRun {
        SimRun { budget, ending: None }
    }
}

impl Sim {
    /// Whoever runs it looks at its tasks. A member that does not stop, between its claim and its turn, is asked again at the
    /// next look.
    pub(super) fn looks_at_run(&mut self) {
        let Some(run) = &self.run else { return };
        let ids = match &run.ending {
            Some(ids) => ids.clone(),
            None if run.budget.exceeded(&self.used_by_all()).is_some() => {
                self.world.oracle.runs_ended += 1;
                self.world.say(|| "the budget of the run is used up".to_owned());
                self.world.board.tasks().map(|(id, _)| id).collect()
            }
            None => return,
        };
        let _ = self.world.decide("lead", |board| Ok((board.hold(&ids), ())));
        let mut is_running = false;
        for id in &ids {
            let status = self.world.board.status(*id);
            let Ok(TaskStatus::InProgress { owner, .. }) = status else { continue };
            is_running = true;
            self.calls += 1;
            let what = WorkerAsk::Abort { reason: "the run was ended".to_owned() };
            if let Some(member) = self.members.iter_mut().find(|member| member.who.name == owner) {
                member.ask(&mut self.world, CallId(self.calls), what);
            }
        }
        match (is_running, &mut self.run) {
            (true, Some(run)) => run.ending = Some(ids),
            (false, run) => *run = None,
            (true, None) => {}
        }
    }

    /// What all tasks have used, those that somebody is on as far as is known.
    fn used_by_all(&self) -> UsageSum {
        let ended = self.world.used.values().fold(UsageSum::default(), |sum, used| sum.plus(*used));
        let owners = self.world.board.owners();
        owners.fold(ended, |sum, owner| sum.plus(self.world.transcripts.used_in_last_turn(owner)))
    }
}
