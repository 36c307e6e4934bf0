//! How a worker comes to run: asked for, found, or started again after it died.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::{RESTART_DELAY_MAX, RESTARTS_WITHIN, START_WITHIN};
use teamster_protocol::model::restart::RestartVerdict;
use teamster_protocol::model::roster::{StartedBy, WorkerEnd};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::wire::api::{SpawnRequest, SpawnedMember};

use super::leaving::MemberLeaving;
use super::member::WorkerPulse;
use super::member::{AbandonedStart, AbandonedThen, MemberPhase, MemberWorker, ShortageKnown, StartReason};
use super::{AskId, LeaderAction, LeaderAnswer, LeaderCore, PreparedPlace, StartFault, death_by, is_death, ms, reason};

impl LeaderCore {
    pub(super) fn spawn(&mut self, ask: AskId, request: SpawnRequest) {
        let name = &request.name;
        if self.down.is_some() {
            return self.answer(ask, Err(format!("cannot spawn {name}: the leader is ending")));
        }
        // Before anything is made: a member whose agent nobody knows is of no use to anyone.
        if let Err(unknown) = request.options.launch(&request.agent) {
            return self.answer(ask, Err(format!("cannot spawn {name}: {unknown}")));
        }
        let refused = match self.members.get(name) {
            None => None,
            Some(MemberPhase::Restarting { how, .. }) => {
                // The new request has the better word on what is to be started. If that can not be started, nothing is.
                let (name, how) = (name.clone(), how.clone());
                self.bury(&name, MemberLeaving::for_good(how));
                None
            }
            Some(MemberPhase::Preparing { .. } | MemberPhase::Starting { .. }) => Some("it is being started"),
            Some(MemberPhase::Running(_)) => Some("it runs already"),
            Some(MemberPhase::Ending { .. }) => Some("the one before it is still ending"),
        };
        if let Some(why) = refused {
            return self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
        }
        self.deaths.remove(name);
        self.members.insert(name.clone(), MemberPhase::Preparing { ask, abandoned: None });
        self.act(LeaderAction::Prepare { request: Box::new(request) });
    }

    pub(super) fn prepared(&mut self, now_ms: u64, name: MemberName, place: PreparedPlace) {
        let Some(MemberPhase::Preparing { ask, abandoned }) = self.members.get_mut(&name) else { return };
        let ask = *ask;
        if let Some(AbandonedStart { why, .. }) = abandoned.take() {
            self.end_member(&name, death_by(why.clone()));
            return self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
        }
        self.launch(now_ms, name, StartReason::Asked { ask, place });
    }

    pub(super) fn launch(&mut self, now_ms: u64, name: MemberName, start: StartReason) {
        let until_ms = now_ms + ms(START_WITHIN);
        self.members.insert(name.clone(), MemberPhase::Starting { start, until_ms, abandoned: None });
        self.act(LeaderAction::Launch { name });
    }

    pub(super) fn ready(&mut self, now_ms: u64, name: MemberName, pid: u32) {
        let Some(MemberPhase::Starting { start, abandoned, .. }) = self.members.get(&name) else { return };
        let (start, abandoned) = (start.clone(), abandoned.clone());
        self.members.insert(name.clone(), MemberPhase::Running(MemberWorker::child()));
        match (start, abandoned) {
            (start, Some(AbandonedStart { why, then })) => {
                let then = match (start, then) {
                    (StartReason::Asked { ask, .. }, then) => {
                        self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
                        match then {
                            // Having been told that, nobody reckons with a refusal.
                            AbandonedThen::Ask(_) => AbandonedThen::Ask(WhenBusy::Finish),
                            AbandonedThen::Terminate => AbandonedThen::Terminate,
                        }
                    }
                    (StartReason::Again { .. }, then) => then,
                };
                match then {
                    AbandonedThen::Ask(when_busy) => self.request_shutdown(now_ms, &name, &why, when_busy),
                    AbandonedThen::Terminate => self.terminate(now_ms, &name),
                }
            }
            (StartReason::Asked { ask, place: PreparedPlace { workspace, base } }, None) => {
                self.answer(ask, Ok(LeaderAnswer::Spawned(SpawnedMember { name, pid, workspace, base })));
            }
            (StartReason::Again { .. }, None) => self.report(format!("{name} was started again, as process {pid}")),
        }
    }

    pub(super) fn not_ready(&mut self, now_ms: u64, name: MemberName, why: String, fault: StartFault) {
        let Some(MemberPhase::Starting { start, abandoned, .. }) = self.members.get(&name) else { return };
        match (start.clone(), abandoned.clone(), fault) {
            // That one is spent, and there is another only after a worker was ready.
            (start, None, StartFault::Spare) => self.launch(now_ms, name, start),
            (StartReason::Asked { ask, .. }, abandoned, fault) => {
                let (why, fault) = abandoned.map_or((why, fault), |abandoned| (abandoned.why, StartFault::Worker));
                let how = match fault {
                    StartFault::Worker | StartFault::Spare => death_by(why.clone()),
                    StartFault::Machine => WorkerEnd::NotStarted { reason: why.clone() },
                };
                self.end_member(&name, how);
                self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
            }
            (StartReason::Again { .. }, Some(AbandonedStart { why, .. }), _) => self.end_member(&name, death_by(why)),
            (StartReason::Again { .. }, None, StartFault::Worker) => self.member_died(now_ms, name, death_by(why)),
            // A want of the machine is no death, and the cause of the last death is written already.
            (StartReason::Again { how, shortage }, None, StartFault::Machine) => {
                if shortage == ShortageKnown::NotYet {
                    let every = RESTART_DELAY_MAX.as_secs();
                    self.report(format!(
                        "{name} can not be started for now, and is tried again every {every} s: {why}"
                    ));
                }
                let at_ms = now_ms + ms(RESTART_DELAY_MAX);
                self.members.insert(name, MemberPhase::Restarting { at_ms, how, shortage: ShortageKnown::Reported });
            }
        }
    }

    pub(super) fn exited(&mut self, now_ms: u64, name: MemberName, how: WorkerEnd) {
        match self.members.get(&name) {
            Some(MemberPhase::Running(worker))
                if worker.started_by() == StartedBy::Leader && self.down.is_none() && is_death(&how) =>
            {
                let how = match &worker.pulse {
                    WorkerPulse::Killed { why } => death_by(why.clone()),
                    WorkerPulse::Answers | WorkerPulse::Asked { .. } | WorkerPulse::Hung { .. } => how,
                };
                self.member_died(now_ms, name, how);
            }
            Some(MemberPhase::Running(_) | MemberPhase::Ending { .. }) => self.end_member(&name, how),
            // Its start is still being waited for: `NotReady` says the rest.
            Some(MemberPhase::Preparing { .. } | MemberPhase::Starting { .. } | MemberPhase::Restarting { .. })
            | None => {}
        }
    }

    /// A worker of ours is dead that nobody had asked to end.
    pub(super) fn member_died(&mut self, now_ms: u64, name: MemberName, how: WorkerEnd) {
        match self.deaths.entry(name.clone()).or_default().died(now_ms) {
            RestartVerdict::Again(delay) => {
                let at_ms = now_ms + ms(delay);
                self.bury(&name, MemberLeaving { how: how.clone(), again_ms: Some(at_ms) });
                self.report(format!("{name} died ({}): it is started again", reason(&how)));
                self.members.insert(name, MemberPhase::Restarting { at_ms, how, shortage: ShortageKnown::NotYet });
            }
            RestartVerdict::GivenUp { deaths } => {
                let within = RESTARTS_WITHIN.as_secs();
                let reason = format!("{}; it died {deaths} times within {within} s", reason(&how));
                self.report(format!("{name} was given up: {reason}"));
                self.deaths.remove(&name);
                self.end_member(&name, WorkerEnd::GivenUp { reason });
            }
        }
    }
}
