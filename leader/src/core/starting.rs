//! How a worker comes to run: asked for, found, or started again after it died.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::{RESTART_DELAY_MAX, RESTARTS_WITHIN, START_WITHIN};
use teamster_protocol::model::roster::{LeftHow, StartedBy, Workspace};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::wire::api::{SpawnRequest, Spawned};

use super::{
    Abandoned, Action, Answer, AskId, Core, Fault, Phase, Pulse, Shortage, Start, Then, died, is_death, ms, reason,
};
use teamster_protocol::model::restart::Verdict;

impl Core {
    pub(super) fn spawn(&mut self, ask: AskId, request: SpawnRequest) {
        let name = &request.name;
        if self.down.is_some() {
            return self.answer(ask, Err(format!("cannot spawn {name}: the leader is ending")));
        }
        let refused = match self.members.get(name) {
            None => None,
            Some(Phase::Restarting { how, .. }) => {
                // Whoever asks has the better word on what is to be started. If that can not be, nothing is.
                let (name, how) = (name.clone(), how.clone());
                self.act(Action::Bury { name, how, again_ms: None });
                None
            }
            Some(Phase::Preparing { .. } | Phase::Starting { .. }) => Some("it is being started"),
            Some(Phase::Running { .. }) => Some("it runs already"),
            Some(Phase::Ending { .. }) => Some("the one before it is still ending"),
        };
        if let Some(why) = refused {
            return self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
        }
        self.deaths.remove(name);
        self.members.insert(name.clone(), Phase::Preparing { ask, abandoned: None });
        self.act(Action::Prepare { request });
    }

    pub(super) fn prepared(&mut self, now_ms: u64, name: MemberName, workspace: Workspace) {
        let Some(Phase::Preparing { ask, abandoned }) = self.members.get_mut(&name) else { return };
        let ask = *ask;
        if let Some(Abandoned { why, .. }) = abandoned.take() {
            self.buried(&name, died(why.clone()));
            return self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
        }
        self.launch(now_ms, name, Start::Asked { ask, workspace });
    }

    pub(super) fn launch(&mut self, now_ms: u64, name: MemberName, start: Start) {
        let until_ms = now_ms + ms(START_WITHIN);
        self.members.insert(name.clone(), Phase::Starting { start, until_ms, abandoned: None });
        self.act(Action::Launch { name });
    }

    pub(super) fn ready(&mut self, now_ms: u64, name: MemberName, pid: u32) {
        let Some(Phase::Starting { start, abandoned, .. }) = self.members.get(&name) else { return };
        let (start, abandoned) = (start.clone(), abandoned.clone());
        self.members.insert(name.clone(), Phase::Running { started_by: StartedBy::Leader, pulse: Pulse::Answers });
        match (start, abandoned) {
            (start, Some(Abandoned { why, then })) => {
                let then = match (start, then) {
                    (Start::Asked { ask, .. }, then) => {
                        self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
                        match then {
                            // Having been told that, nobody reckons with a refusal.
                            Then::Ask(_) => Then::Ask(WhenBusy::Finish),
                            Then::Terminate => Then::Terminate,
                        }
                    }
                    (Start::Again { .. }, then) => then,
                };
                match then {
                    Then::Ask(when_busy) => self.request_shutdown(now_ms, &name, &why, when_busy),
                    Then::Terminate => self.terminate(now_ms, &name),
                }
            }
            (Start::Asked { ask, workspace }, None) => {
                self.answer(ask, Ok(Answer::Spawned(Spawned { name, pid, workspace })));
            }
            (Start::Again { .. }, None) => self.report(format!("{name} was started again, as process {pid}")),
        }
    }

    pub(super) fn not_ready(&mut self, now_ms: u64, name: MemberName, why: String, fault: Fault) {
        let Some(Phase::Starting { start, abandoned, .. }) = self.members.get(&name) else { return };
        match (start.clone(), abandoned.clone(), fault) {
            (Start::Asked { ask, .. }, abandoned, _) => {
                let why = abandoned.map_or(why, |abandoned| abandoned.why);
                self.buried(&name, died(why.clone()));
                self.answer(ask, Err(format!("cannot spawn {name}: {why}")));
            }
            (Start::Again { .. }, Some(Abandoned { why, .. }), _) => self.buried(&name, died(why)),
            (Start::Again { .. }, None, Fault::Worker) => self.died(now_ms, name, died(why)),
            // It is no death, and how it died last is written already.
            (Start::Again { how, shortage }, None, Fault::Machine) => {
                if shortage == Shortage::NotKnown {
                    let every = RESTART_DELAY_MAX.as_secs();
                    self.report(format!(
                        "{name} can not be started for now, and is tried again every {every} s: {why}"
                    ));
                }
                let at_ms = now_ms + ms(RESTART_DELAY_MAX);
                self.members.insert(name, Phase::Restarting { at_ms, how, shortage: Shortage::Told });
            }
        }
    }

    pub(super) fn found(&mut self, name: MemberName, started_by: StartedBy) {
        if self.down.is_some() {
            return;
        }
        match self.members.get(&name) {
            // Somebody started it by hand meanwhile.
            None | Some(Phase::Restarting { .. }) => {
                self.members.insert(name, Phase::Running { started_by, pulse: Pulse::Answers });
            }
            Some(Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Running { .. } | Phase::Ending { .. }) => {}
        }
    }

    pub(super) fn exited(&mut self, now_ms: u64, name: MemberName, how: LeftHow) {
        match self.members.get(&name) {
            Some(Phase::Running { started_by: StartedBy::Leader, pulse }) if self.down.is_none() && is_death(&how) => {
                let how = match pulse {
                    Pulse::Killed { why } => died(why.clone()),
                    Pulse::Answers | Pulse::Asked { .. } | Pulse::Hung { .. } => how,
                };
                self.died(now_ms, name, how);
            }
            Some(Phase::Running { .. } | Phase::Ending { .. }) => self.buried(&name, how),
            // Its start is still being waited for: `NotReady` says the rest.
            Some(Phase::Preparing { .. } | Phase::Starting { .. } | Phase::Restarting { .. }) | None => {}
        }
    }

    /// A worker of ours is dead that nobody had asked to end.
    pub(super) fn died(&mut self, now_ms: u64, name: MemberName, how: LeftHow) {
        match self.deaths.entry(name.clone()).or_default().died(now_ms) {
            Verdict::Again(delay) => {
                let at_ms = now_ms + ms(delay);
                self.act(Action::Bury { name: name.clone(), how: how.clone(), again_ms: Some(at_ms) });
                self.report(format!("{name} died ({}): it is started again", reason(&how)));
                self.members.insert(name, Phase::Restarting { at_ms, how, shortage: Shortage::NotKnown });
            }
            Verdict::GivenUp { deaths } => {
                let within = RESTARTS_WITHIN.as_secs();
                let reason = format!("{}; it died {deaths} times within {within} s", reason(&how));
                self.report(format!("{name} is not started again: {reason}"));
                self.deaths.remove(&name);
                self.buried(&name, LeftHow::GivenUp { reason });
            }
        }
    }
}
