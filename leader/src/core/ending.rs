//! How a worker comes to end: asked, told by a signal, or killed; and who waits for that.

use std::collections::BTreeSet;

use teamster_protocol::model::id::{MemberName, MessageId};
use teamster_protocol::model::limits::SHUTDOWN_WITHIN;
use teamster_protocol::model::roster::{TeamFact, WorkerEnd};
use teamster_protocol::model::shutdown::{ReplyRefusal, ShutdownAnswer, ShutdownLadder, ShutdownReply, WhenBusy};
use teamster_protocol::wire::api::{EndOutcome, EndedMember, TeamEnding};

use super::leaving::MemberLeaving;
use super::member::WorkerPulse;
use super::member::{AbandonedStart, AbandonedThen, EndWaiter, MemberPhase, MemberWorker};
use super::{AskId, LeaderAction, LeaderAnswer, LeaderCore, Signal, ms};

impl LeaderCore {
    pub(super) fn replied(&mut self, now_ms: u64, from: MemberName, reply: ShutdownReply) {
        let (ladder, asked, worker) = match self.members.get_mut(&from) {
            Some(MemberPhase::Ending { ladder, asked, worker, .. }) => (ladder, asked, worker),
            // A worker that agrees leaves at once. Its mail may be read after the roster, which has closed the request.
            None => return,
            Some(_) => {
                // A leader before this one asked.
                if let ShutdownAnswer::Refused { .. } = reply.verdict {
                    self.write_staying(&from);
                }
                return self.report(format!("{from} answered a shutdown request, but none is open"));
            }
        };
        let was_asked = match reply.verdict {
            // A worker that finishes its turn answers a second time when the turn is over.
            ShutdownAnswer::Finishing { .. } => asked.contains(&reply.request),
            ShutdownAnswer::Approved | ShutdownAnswer::Refused { .. } => asked.remove(&reply.request),
        };
        match ladder.reply(&from, &reply, now_ms) {
            Ok(Some(next)) => (*ladder, worker.pulse) = (next, WorkerPulse::Answers),
            Ok(None) => {
                let task = match reply.verdict {
                    ShutdownAnswer::Refused { task } => task,
                    ShutdownAnswer::Approved | ShutdownAnswer::Finishing { .. } => None,
                };
                if self.down.is_some() {
                    // The worker was asked to finish, which can not be refused. It is waited for; people who have no
                    // patience use force.
                    *ladder = ShutdownLadder::Agreed { request: reply.request, until_ms: None };
                    return self.report(format!("{from} refused to end; the leader waits for it"));
                }
                let worker = answering(worker);
                self.members.insert(from.clone(), MemberPhase::Running(worker));
                self.write_staying(&from);
                self.tell_waiters(&from, Ok(EndOutcome::Refused { task }));
            }
            // Another request or a signal has taken the place of this one meanwhile.
            Err(ReplyRefusal::NotOpen { .. }) if was_asked => {}
            Err(refusal) => self.report(refusal.to_string()),
        }
    }

    /// Nobody is killed because a disk is full: the askers are told. Only a leader that ends can not leave it at that.
    pub(super) fn not_requested(&mut self, now_ms: u64, name: &MemberName, why: &str) {
        let Some(MemberPhase::Ending { ladder: ShutdownLadder::Asked { .. }, worker, .. }) = self.members.get(name)
        else {
            return;
        };
        let worker = answering(worker);
        if self.down.is_some() {
            self.report(format!("cannot ask {name} to end, so it is told by a signal: {why}"));
            return self.terminate(now_ms, name);
        }
        self.members.insert(name.clone(), MemberPhase::Running(worker));
        self.write_staying(name);
        self.tell_waiters(name, Err(format!("cannot ask {name} to end: {why}")));
    }

    pub(super) fn go_down(&mut self, now_ms: u64, how: TeamEnding) {
        self.down = self.down.max(Some(how));
        let names: Vec<MemberName> = self.members.keys().cloned().collect();
        for name in names {
            match how {
                TeamEnding::Gently => self.ask_to_end(now_ms, &name, "the leader is ending", WhenBusy::Finish),
                TeamEnding::ByForce => self.end_by_force(now_ms, &name),
            }
        }
    }

    pub(super) fn ask_to_end(&mut self, now_ms: u64, name: &MemberName, reason: &str, when_busy: WhenBusy) {
        match self.members.get_mut(name) {
            Some(MemberPhase::Preparing { abandoned, .. } | MemberPhase::Starting { abandoned, .. }) => {
                // The worker may have work in hand by the time it is ready, so it is asked as soon as it can be.
                abandoned.get_or_insert_with(|| AbandonedStart {
                    why: format!("it was asked to end before it was ready: {reason}"),
                    then: AbandonedThen::Ask(when_busy),
                });
            }
            Some(MemberPhase::Restarting { how, .. }) => {
                let how = how.clone();
                self.end_member(name, how);
            }
            Some(MemberPhase::Running(_)) => self.request_shutdown(now_ms, name, reason, when_busy),
            Some(MemberPhase::Ending { ladder: ShutdownLadder::Asked { .. }, when_busy: asked, .. }) => {
                match (asked, when_busy) {
                    // The worker may still refuse the first request; its answer to that one no longer counts.
                    (WhenBusy::Refuse, WhenBusy::Finish) => self.request_shutdown(now_ms, name, reason, when_busy),
                    (WhenBusy::Refuse, WhenBusy::Refuse) | (WhenBusy::Finish, _) => {}
                }
            }
            // The worker is ending already: this asker waits for that too.
            Some(MemberPhase::Ending { .. }) | None => {}
        }
    }

    pub(super) fn request_shutdown(&mut self, now_ms: u64, name: &MemberName, reason: &str, when_busy: WhenBusy) {
        let deadline_ms = now_ms + ms(SHUTDOWN_WITHIN);
        // The true id comes with the answer to the action.
        let ladder = ShutdownLadder::ask(MessageId::from_parts(0, 0), deadline_ms);
        let Some(phase) = self.members.get(name) else { return };
        let Some(worker) = phase.worker().map(answering) else { return };
        let ending = MemberPhase::Ending { ladder, when_busy, asked: phase.asked(), worker };
        self.members.insert(name.clone(), ending);
        let reason = reason.to_owned();
        self.act(LeaderAction::RequestShutdown { name: name.clone(), reason, deadline_ms, when_busy });
        // After it: a leader that dies in between has asked nobody.
        self.act(LeaderAction::WriteFact { fact: TeamFact::Ending { name: name.clone() } });
    }

    fn write_staying(&mut self, name: &MemberName) {
        self.act(LeaderAction::WriteFact { fact: TeamFact::Staying { name: name.clone() } });
    }

    pub(super) fn end_by_force(&mut self, now_ms: u64, name: &MemberName) {
        match self.members.get_mut(name) {
            Some(MemberPhase::Preparing { abandoned, .. } | MemberPhase::Starting { abandoned, .. }) => {
                let why = "it was killed before it was ready".to_owned();
                *abandoned = Some(AbandonedStart { why, then: AbandonedThen::Terminate });
                self.kill_if_starting(name);
            }
            Some(MemberPhase::Restarting { how, .. }) => {
                let how = how.clone();
                self.end_member(name, how);
            }
            Some(
                MemberPhase::Running(_)
                | MemberPhase::Ending { ladder: ShutdownLadder::Asked { .. } | ShutdownLadder::Agreed { .. }, .. },
            ) => {
                self.terminate(now_ms, name);
            }
            // The worker has got a signal already; a second one would only start its grace anew.
            Some(MemberPhase::Ending { ladder: ShutdownLadder::Forced(_), .. }) | None => {}
        }
    }

    pub(super) fn kill_if_starting(&mut self, name: &MemberName) {
        if let Some(MemberPhase::Starting { .. }) = self.members.get(name) {
            self.dismiss(name);
            self.act(LeaderAction::Signal { name: name.clone(), signal: Signal::Kill });
        }
    }

    pub(super) fn terminate(&mut self, now_ms: u64, name: &MemberName) {
        let Some(phase) = self.members.get(name) else { return };
        let Some(worker) = phase.worker().map(answering) else { return };
        let (ladder, when_busy) = (ShutdownLadder::terminate(now_ms), WhenBusy::Finish);
        let ending = MemberPhase::Ending { ladder, when_busy, asked: phase.asked(), worker };
        self.members.insert(name.clone(), ending);
        self.dismiss(name);
        self.act(LeaderAction::Signal { name: name.clone(), signal: Signal::Terminate });
    }

    /// Before the signal, so that no leader after this one starts the member again.
    pub(super) fn dismiss(&mut self, name: &MemberName) {
        self.act(LeaderAction::WriteFact { fact: TeamFact::Dismissed { name: name.clone() } });
    }

    /// Keeps a call until each of these members is gone or refuses. It does not wait for members that do not run, nor
    /// for those that nothing ends.
    pub(super) fn wait(&mut self, ask: AskId, names: Vec<MemberName>) {
        let mut waiter = EndWaiter { ask, left: BTreeSet::new(), ended: Vec::new(), unasked: Vec::new() };
        for name in names {
            match self.members.get(&name) {
                Some(phase) if phase.is_stuck() => waiter.ended.push(EndedMember { name, outcome: EndOutcome::Stuck }),
                Some(_) => {
                    waiter.left.insert(name);
                }
                None => {}
            }
        }
        self.waiters.push(waiter);
        self.answer_waiters();
    }

    /// The worker is gone, and no other follows by itself.
    pub(super) fn end_member(&mut self, name: &MemberName, how: WorkerEnd) {
        self.bury(name, MemberLeaving::for_good(how.clone()));
        self.forget_member(name, how);
    }

    /// Until that is done, it is tried again with each slow poll.
    pub(super) fn bury(&mut self, name: &MemberName, leaving: MemberLeaving) {
        self.unburied.insert(name.clone(), leaving.clone());
        self.act(LeaderAction::Bury { name: name.clone(), leaving });
    }

    pub(super) fn forget_member(&mut self, name: &MemberName, how: WorkerEnd) {
        self.members.remove(name);
        self.tell_waiters(name, Ok(EndOutcome::Left { how }));
    }

    pub(super) fn tell_waiters(&mut self, name: &MemberName, outcome: Result<EndOutcome, String>) {
        for waiter in &mut self.waiters {
            if waiter.left.remove(name) {
                match &outcome {
                    Ok(outcome) => waiter.ended.push(EndedMember { name: name.clone(), outcome: outcome.clone() }),
                    Err(why) => waiter.unasked.push(why.clone()),
                }
            }
        }
        self.answer_waiters();
    }

    pub(super) fn answer_waiters(&mut self) {
        for waiter in self.waiters.extract_if(.., |waiter| waiter.left.is_empty()) {
            let EndWaiter { ask, ended, unasked, .. } = waiter;
            let answer = if unasked.is_empty() { Ok(LeaderAnswer::Ended(ended)) } else { Err(unasked.join("; ")) };
            self.actions.push(LeaderAction::Answer { ask, answer });
        }
    }
}

/// A copy of the worker of which no answer to a ping is awaited any more.
fn answering(worker: &MemberWorker) -> MemberWorker {
    MemberWorker { pulse: WorkerPulse::Answers, ..worker.clone() }
}
