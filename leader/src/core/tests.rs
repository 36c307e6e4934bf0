//! The leader's decisions, told as what was asked and what came of it.

use std::collections::BTreeSet;

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{MessageId, TaskId};
use teamster_protocol::model::limits::{
    ANSWER_WITHIN, KILL_GRACE, RESTART_DELAY_MAX, SHUTDOWN_WITHIN, START_WITHIN, TERM_GRACE,
};
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, StartedBy, TeamFact, WorkerProcess, Workspace};
use teamster_protocol::model::shutdown::{ShutdownAnswer, ShutdownReply, WhenBusy};
use teamster_protocol::wire::api::{EndedMember, SessionKept, SpawnRequest, WorkspaceRequest};

use super::*;

mod pulse;
mod random;
mod restart;
mod roster;
mod turns;

fn name(name: &str) -> MemberName {
    name.parse().unwrap()
}

fn request(member: &str) -> SpawnRequest {
    SpawnRequest {
        name: name(member),
        agent: "shell".parse().unwrap(),
        options: Default::default(),
        session: SessionKept::Kept,
        role: None,
        auto: AutoClaim::On,
        workspace: WorkspaceRequest::Shared { dir: "/".into() },
        stall: Default::default(),
        rules: Vec::new(),
        budget: UsageBudget::default(),
    }
}

fn workspace() -> Workspace {
    Workspace::Shared { dir: "/".into() }
}

fn id(number: u128) -> MessageId {
    MessageId::from_parts(1, number)
}

/// A core, its clock, and the number of the last request it made.
struct Scene {
    core: LeaderCore,
    /// Of whom it was written down that they end for good.
    dismissed: BTreeSet<MemberName>,
    /// Of whom it was last written down that they were asked to end, and not that they go on.
    asked_to_end: BTreeSet<MemberName>,
    now_ms: u64,
    requests: u128,
    asks: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene::that(DeadBefore::StartAgain)
    }

    fn that(dead_before: DeadBefore) -> Scene {
        Scene {
            core: LeaderCore::new(ANSWER_WITHIN, dead_before),
            dismissed: BTreeSet::new(),
            asked_to_end: BTreeSet::new(),
            now_ms: 1_000,
            requests: 0,
            asks: 0,
        }
    }

    /// With members that run.
    fn with(members: &[&str]) -> Scene {
        let mut scene = Scene::new();
        for member in members {
            assert_eq!(scene.see(runs(member, StartedBy::Hand)), []);
        }
        scene
    }

    /// What the roster and the lock say of one member, while it leads.
    fn see(&mut self, member: MemberSeen) -> Vec<LeaderAction> {
        self.feed(LeaderEvent::RosterSeen { look: RosterLook::Later, members: vec![member] })
    }

    /// Feeds one event; requests for a shutdown are delivered at once, links are there at once, and what is written
    /// down about ends is kept.
    fn feed(&mut self, event: LeaderEvent) -> Vec<LeaderAction> {
        let mut actions = self.core.step(self.now_ms, event);
        let mut answers = Vec::new();
        actions.retain(|action| match action {
            LeaderAction::WriteFact { fact: TeamFact::Dismissed { name } } => {
                self.dismissed.insert(name.clone());
                false
            }
            LeaderAction::WriteFact { fact: TeamFact::Ending { name } } => {
                self.asked_to_end.insert(name.clone());
                false
            }
            LeaderAction::WriteFact { fact: TeamFact::Staying { name } } => {
                self.asked_to_end.remove(name);
                false
            }
            LeaderAction::Adopt { name, process } => {
                answers.push(LeaderEvent::Linked { name: name.clone(), process: process.clone(), turn: None });
                false
            }
            LeaderAction::Bury { name, .. } => {
                answers.push(LeaderEvent::Buried { name: name.clone() });
                true
            }
            // To terminate is to end for good, and whoever leads next is to know that first.
            LeaderAction::Signal { name, signal: Signal::Terminate } => {
                assert!(self.dismissed.contains(name), "{name} gets a signal of which the next leader does not know");
                true
            }
            _ => true,
        });
        for event in answers {
            let shown = self.core.step(self.now_ms, event);
            assert!(shown.iter().all(|action| matches!(action, LeaderAction::WriteFact { .. })), "{shown:?}");
        }
        let asked: Vec<MemberName> = actions
            .iter()
            .filter_map(|action| match action {
                LeaderAction::RequestShutdown { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect();
        for name in asked {
            self.requests += 1;
            let request = id(self.requests);
            actions.extend(self.core.step(self.now_ms, LeaderEvent::ShutdownRequested { name, request }));
        }
        actions
    }

    fn ask(&mut self, what: LeaderAsk) -> Vec<LeaderAction> {
        self.asks += 1;
        self.feed(LeaderEvent::Asked { ask: AskId(self.asks), what })
    }

    fn shutdown(&mut self, member: &str, when_busy: WhenBusy) -> Vec<LeaderAction> {
        self.ask(LeaderAsk::Shutdown { name: Some(name(member)), reason: "bye".to_owned(), when_busy })
    }

    fn reply(&mut self, member: &str, request: u128, verdict: ShutdownAnswer) -> Vec<LeaderAction> {
        let reply = ShutdownReply { request: id(request), verdict };
        self.feed(LeaderEvent::Replied { from: name(member), reply })
    }

    fn exit(&mut self, member: &str, how: WorkerEnd) -> Vec<LeaderAction> {
        self.feed(LeaderEvent::Exited { name: name(member), how })
    }

    fn later(&mut self, after: Duration) -> Vec<LeaderAction> {
        self.now_ms += ms(after);
        self.feed(LeaderEvent::Tick)
    }
}

/// The first process that serves a member, or the next one.
fn process(member: &str, started_by: StartedBy, pid: u32) -> WorkerProcess {
    let identity = ProcessIdentity { pid, start_ticks: member.len() as u64, boot_id: "boot".to_owned() };
    WorkerProcess { identity, started_by, isolation: None, outer_half: None }
}

fn seen(member: &str, presence: MemberPresence, lock: LockSeen) -> MemberSeen {
    MemberSeen { name: name(member), presence, is_dismissed: false, deaths_ms: Vec::new(), lock }
}

fn joined(member: &str, started_by: StartedBy, pid: u32) -> MemberPresence {
    MemberPresence::Joined { at_ms: 1, process: process(member, started_by, pid) }
}

fn runs(member: &str, started_by: StartedBy) -> MemberSeen {
    seen(member, joined(member, started_by, 7), LockSeen::Held)
}

fn signal(member: &str, signal: Signal) -> LeaderAction {
    LeaderAction::Signal { name: name(member), signal }
}

/// The number of a call, and how each member ended.
type Answered = (u64, Result<Vec<(String, EndOutcome)>, String>);

/// Which calls were answered, and how.
fn answers(actions: &[LeaderAction]) -> Vec<Answered> {
    let ended = |ended: &EndedMember| (ended.name.to_string(), ended.outcome.clone());
    let answers = actions.iter().filter_map(|action| match action {
        LeaderAction::Answer { ask, answer: Ok(LeaderAnswer::Ended(all)) } => {
            Some((ask.0, Ok(all.iter().map(ended).collect())))
        }
        LeaderAction::Answer { ask, answer: Err(why) } => Some((ask.0, Err(why.clone()))),
        LeaderAction::Answer { ask, answer: Ok(LeaderAnswer::Spawned(_) | LeaderAnswer::TurnEnded(_)) } => {
            Some((ask.0, Ok(Vec::new())))
        }
        _ => None,
    });
    answers.collect()
}

fn left(member: &str, how: WorkerEnd) -> (String, EndOutcome) {
    (member.to_owned(), EndOutcome::Left { how })
}

#[test]
fn a_refused_shutdown_leaves_the_worker_alone_for_good() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    let task = Some(TaskId(7));
    assert!(scene.asked_to_end.contains(&name("ada")), "everybody may know");
    let told = scene.reply("ada", 1, ShutdownAnswer::Refused { task });
    assert!(scene.asked_to_end.is_empty(), "it goes on");
    assert_eq!(answers(&told), [(1, Ok(vec![("ada".to_owned(), EndOutcome::Refused { task })]))]);
    assert_eq!(scene.core.next_tick_ms(), None);
    assert_eq!(scene.later(SHUTDOWN_WITHIN * 10), []);
}

#[test]
fn an_answer_that_is_read_after_the_leaving_that_it_announced_is_no_surprise() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    scene.exit("ada", WorkerEnd::Shutdown);
    assert_eq!(scene.reply("ada", 1, ShutdownAnswer::Approved), []);
}

#[test]
fn an_answer_of_a_worker_that_nobody_asked_is_reported() {
    let mut scene = Scene::with(&["ada"]);
    let reported = scene.reply("ada", 1, ShutdownAnswer::Approved);
    assert!(matches!(&reported[..], [LeaderAction::Report { text }] if text.contains("none is open")), "{reported:?}");
}

#[test]
fn down_asks_again_who_may_still_refuse_and_the_old_refusal_counts_no_more() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    let asked = scene.ask(LeaderAsk::Down { how: TeamEnding::Gently });
    assert!(matches!(&asked[..], [LeaderAction::RequestShutdown { when_busy: WhenBusy::Finish, .. }]), "{asked:?}");
    assert_eq!(scene.reply("ada", 1, ShutdownAnswer::Refused { task: None }), [], "an answer in order, which is late");
    assert_eq!(scene.reply("ada", 2, ShutdownAnswer::Finishing { task: None }), []);
    assert_eq!(scene.core.next_tick_ms(), None, "nobody hurries it");
    let gone = scene.exit("ada", WorkerEnd::Shutdown);
    let ended = || Ok(vec![left("ada", WorkerEnd::Shutdown)]);
    assert_eq!(answers(&gone), [(1, ended()), (2, ended())]);
    assert_eq!(gone.last(), Some(&LeaderAction::Exit));
}

#[test]
fn force_goes_past_a_turn_that_is_being_finished_and_a_gentler_ask_never_lowers_it() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Finish);
    scene.reply("ada", 1, ShutdownAnswer::Finishing { task: None });
    assert_eq!(scene.ask(LeaderAsk::Kill { name: name("ada") }), [signal("ada", Signal::Terminate)]);
    assert_eq!(scene.shutdown("ada", WhenBusy::Refuse), []);
    assert_eq!(scene.ask(LeaderAsk::Kill { name: name("ada") }), [], "a second one would start the time anew");
    let killed = scene.later(TERM_GRACE);
    assert!(killed.contains(&signal("ada", Signal::Kill)), "{killed:?}");
    let gone = scene.exit("ada", death_by("killed by SIGKILL".to_owned()));
    assert_eq!(answers(&gone).iter().map(|(ask, _)| *ask).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn an_answer_to_a_request_that_force_has_overtaken_is_no_surprise_and_a_second_one_is() {
    let mut scene = Scene::with(&["ada", "ben"]);
    scene.feed(LeaderEvent::Interrupted);
    scene.reply("ada", 1, ShutdownAnswer::Finishing { task: None });
    scene.feed(LeaderEvent::Interrupted);
    assert_eq!(scene.reply("ada", 1, ShutdownAnswer::Approved), [], "its turn ended by the signal");
    assert_eq!(scene.reply("ben", 2, ShutdownAnswer::Approved), [], "the first answer comes after the signal");
    for (member, request) in [("ada", 1), ("ada", 2), ("ben", 3)] {
        let told = scene.reply(member, request, ShutdownAnswer::Approved);
        assert!(matches!(&told[..], [LeaderAction::Report { .. }]), "{member} may not answer {request}: {told:?}");
    }
}

#[test]
fn silence_goes_up_the_ladder_and_what_nothing_ends_keeps_nobody_waiting() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    assert!(scene.later(SHUTDOWN_WITHIN).contains(&signal("ada", Signal::Terminate)));
    assert!(scene.later(TERM_GRACE).contains(&signal("ada", Signal::Kill)));
    let stuck = || Ok(vec![("ada".to_owned(), EndOutcome::Stuck)]);
    assert_eq!(answers(&scene.later(KILL_GRACE)), [(1, stuck())]);
    assert_eq!(answers(&scene.ask(LeaderAsk::Kill { name: name("ada") })), [(2, stuck())]);
    let down = scene.ask(LeaderAsk::Down { how: TeamEnding::ByForce });
    assert_eq!((answers(&down), down.last()), (vec![(3, stuck())], Some(&LeaderAction::Exit)));
}

#[test]
fn who_can_not_be_asked_is_not_killed_for_it_unless_the_leader_ends() {
    let mut scene = Scene::with(&["ada"]);
    let full = || LeaderEvent::ShutdownNotRequested { name: name("ada"), why: "the disk is full".to_owned() };
    scene.shutdown("ada", WhenBusy::Refuse);
    assert_eq!(answers(&scene.feed(full())), [(1, Err("cannot ask ada to end: the disk is full".to_owned()))]);
    assert_eq!(scene.core.next_tick_ms(), None);
    scene.ask(LeaderAsk::Down { how: TeamEnding::Gently });
    assert!(scene.feed(full()).contains(&signal("ada", Signal::Terminate)));
}

#[test]
fn a_spawn_that_is_given_up_ends_in_whatever_phase_it_is() {
    type GiveUp = fn(&mut Scene) -> Vec<LeaderAction>;
    let gives_up: [(GiveUp, bool); 4] = [
        (|scene| scene.shutdown("ada", WhenBusy::Finish), false),
        (|scene| scene.ask(LeaderAsk::Down { how: TeamEnding::Gently }), false),
        (|scene| scene.ask(LeaderAsk::Kill { name: name("ada") }), true),
        (|scene| scene.ask(LeaderAsk::Down { how: TeamEnding::ByForce }), true),
    ];
    for (give_up, by_force) in gives_up {
        let mut preparing = Scene::new();
        preparing.ask(LeaderAsk::Spawn(Box::new(request("ada"))));
        assert_eq!(answers(&give_up(&mut preparing)), []);
        let gone = preparing.feed(LeaderEvent::Prepared { name: name("ada"), place: workspace().into() });
        assert!(!gone.iter().any(|action| matches!(action, LeaderAction::Launch { .. })), "{gone:?}");
        assert_eq!(answers(&gone).len(), 2, "{gone:?}");

        let mut starting = Scene::new();
        starting.ask(LeaderAsk::Spawn(Box::new(request("ada"))));
        starting.feed(LeaderEvent::Prepared { name: name("ada"), place: workspace().into() });
        let killed: &[LeaderAction] = if by_force { &[signal("ada", Signal::Kill)] } else { &[] };
        assert_eq!(give_up(&mut starting), killed);
        // It was ready in that very moment.
        let ready = starting.feed(LeaderEvent::Ready { name: name("ada"), pid: 9 });
        assert!(matches!(&answers(&ready)[..], [(1, Err(_))]), "{ready:?}");
        if by_force {
            assert!(ready.contains(&signal("ada", Signal::Terminate)));
        } else {
            assert!(asked_to(WhenBusy::Finish, &ready), "{ready:?}");
        }
        assert_eq!(answers(&starting.exit("ada", WorkerEnd::Terminated)).len(), 1);
        assert!(!starting.core.is_running(&name("ada")));
    }
}

fn asked_to(wanted: WhenBusy, actions: &[LeaderAction]) -> bool {
    let asked = |action: &LeaderAction| matches!(action, LeaderAction::RequestShutdown { when_busy, .. } if *when_busy == wanted);
    actions.iter().any(asked)
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_killed_and_the_reason_told_once() {
    let mut scene = Scene::new();
    scene.ask(LeaderAsk::Spawn(Box::new(request("ada"))));
    scene.feed(LeaderEvent::Prepared { name: name("ada"), place: workspace().into() });
    assert_eq!(scene.later(START_WITHIN), [signal("ada", Signal::Kill)]);
    assert_eq!(scene.later(START_WITHIN), []);
    let gone = scene.feed(not_ready("killed by SIGKILL", StartFault::Worker));
    assert_eq!(answers(&gone), [(1, Err("cannot spawn ada: it was not ready within 60 s".to_owned()))]);
}

#[test]
fn a_spare_worker_that_died_of_its_order_fails_nothing_and_a_want_of_the_machine_is_no_death() {
    let starting = || {
        let mut scene = Scene::new();
        scene.ask(LeaderAsk::Spawn(Box::new(request("ada"))));
        scene.feed(LeaderEvent::Prepared { name: name("ada"), place: workspace().into() });
        scene
    };
    let mut scene = starting();
    let again = scene.feed(not_ready("killed by SIGKILL", StartFault::Spare));
    assert_eq!(again, [LeaderAction::Launch { name: name("ada") }]);
    let ready = scene.feed(LeaderEvent::Ready { name: name("ada"), pid: 7 });
    assert!(matches!(&answers(&ready)[..], [(1, Ok(_))]), "{ready:?}");

    let mut scene = starting();
    let full = scene.feed(not_ready("no memory", StartFault::Machine));
    let how = WorkerEnd::NotStarted { reason: "no memory".to_owned() };
    assert_eq!(full[0], buried("ada", how));
    assert_eq!(answers(&full), [(1, Err("cannot spawn ada: no memory".to_owned()))]);

    // Nobody wants that start any more.
    let mut scene = starting();
    scene.ask(LeaderAsk::Kill { name: name("ada") });
    let over = scene.feed(not_ready("killed by SIGKILL", StartFault::Spare));
    assert!(!over.contains(&LeaderAction::Launch { name: name("ada") }), "{over:?}");
    assert!(!scene.core.is_running(&name("ada")));
}

#[test]
fn the_end_of_a_worker_that_said_goodbye_is_waited_for_and_no_start_is() {
    let mut scene = started("ada");
    let wait = |scene: &mut Scene| scene.ask(LeaderAsk::AwaitEnd { name: name("ada") });
    assert_eq!(answers(&wait(&mut scene)), []);
    assert_eq!(answers(&scene.exit("ada", WorkerEnd::Shutdown)).len(), 1);
    assert_eq!(answers(&wait(&mut scene)).len(), 1, "nobody is there");
    scene.ask(LeaderAsk::Spawn(Box::new(request("ada"))));
    assert_eq!(answers(&wait(&mut scene)).len(), 1, "it is about to begin");
}

#[test]
fn a_name_is_spawned_once_and_again_when_it_is_gone() {
    let mut scene = Scene::with(&["ada"]);
    let refused = |actions: Vec<LeaderAction>| match &answers(&actions)[..] {
        [(_, Err(why))] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(scene.ask(LeaderAsk::Spawn(Box::new(request("ada"))))), "cannot spawn ada: it runs already");
    scene.ask(LeaderAsk::Kill { name: name("ada") });
    assert_eq!(
        refused(scene.ask(LeaderAsk::Spawn(Box::new(request("ada"))))),
        "cannot spawn ada: the one before it is still ending"
    );
    scene.exit("ada", WorkerEnd::Terminated);
    assert_eq!(
        scene.ask(LeaderAsk::Spawn(Box::new(request("ada")))),
        [LeaderAction::Prepare { request: Box::new(request("ada")) }]
    );
    scene.ask(LeaderAsk::Down { how: TeamEnding::Gently });
    assert_eq!(
        refused(scene.ask(LeaderAsk::Spawn(Box::new(request("ben"))))),
        "cannot spawn ben: the leader is ending"
    );
}

#[test]
fn the_first_interrupt_asks_and_the_second_forces() {
    let mut scene = Scene::with(&["ada"]);
    let asked = scene.feed(LeaderEvent::Interrupted);
    assert!(matches!(&asked[..], [LeaderAction::RequestShutdown { when_busy: WhenBusy::Finish, .. }]), "{asked:?}");
    assert_eq!(scene.feed(LeaderEvent::Interrupted), [signal("ada", Signal::Terminate)]);
    assert_eq!(scene.feed(LeaderEvent::Interrupted), []);
    assert_eq!(scene.exit("ada", WorkerEnd::Terminated).last(), Some(&LeaderAction::Exit));
}

#[test]
fn a_leader_without_workers_ends_at_once() {
    let down = Scene::new().ask(LeaderAsk::Down { how: TeamEnding::Gently });
    assert_eq!((answers(&down), down.last()), (vec![(1, Ok(Vec::new()))], Some(&LeaderAction::Exit)));
}

/// A member that this leader started and that is ready.
fn started(member: &str) -> Scene {
    let mut scene = Scene::new();
    scene.ask(LeaderAsk::Spawn(Box::new(request(member))));
    scene.feed(LeaderEvent::Prepared { name: name(member), place: workspace().into() });
    scene.feed(LeaderEvent::Ready { name: name(member), pid: 7 });
    scene
}

fn not_ready(why: &str, fault: StartFault) -> LeaderEvent {
    LeaderEvent::NotReady { name: name("ada"), why: why.to_owned(), fault }
}

/// For good.
fn buried(member: &str, how: WorkerEnd) -> LeaderAction {
    LeaderAction::Bury { name: name(member), leaving: MemberLeaving { how, again_ms: None } }
}

fn killed() -> WorkerEnd {
    WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() }
}

#[test]
fn a_leader_hands_over_whoever_works_unless_it_ends() {
    let mut scene = started("ada");
    let actions = scene.ask(LeaderAsk::HandOver);
    assert_eq!((answers(&actions), actions.last()), (vec![(2, Ok(Vec::new()))], Some(&LeaderAction::HandOver)));
    let mut scene = started("ada");
    scene.ask(LeaderAsk::Down { how: TeamEnding::Gently });
    assert_eq!(answers(&scene.ask(LeaderAsk::HandOver)), [(3, Err("the leader is ending".to_owned()))]);
}

#[test]
fn a_clock_that_is_set_hurries_nobody_and_keeps_nobody_waiting() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    for by_ms in [DAY_MS, -DAY_MS] {
        let mut scene = Scene::with(&["alice"]);
        scene.now_ms += DAY_MS as u64;
        let kill = LeaderAsk::Kill { name: name("alice") };
        scene.feed(LeaderEvent::Asked { ask: AskId(1), what: kill });
        scene.now_ms += 1;
        scene.now_ms = scene.now_ms.saturating_add_signed(by_ms);
        assert_eq!(scene.feed(LeaderEvent::ClockSet { by_ms }), []);
        assert_eq!(scene.core.next_tick_ms(), Some(scene.now_ms + ms(TERM_GRACE) - 1));
        assert_eq!(scene.feed(LeaderEvent::Tick), [], "it has its time to heed SIGTERM");
        scene.now_ms += ms(TERM_GRACE);
        let actions = scene.feed(LeaderEvent::Tick);
        assert!(actions.contains(&LeaderAction::Signal { name: name("alice"), signal: Signal::Kill }), "{actions:?}");
    }
}
