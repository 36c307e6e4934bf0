//! The leader's decisions, told as what was asked and what came of it.

use std::collections::BTreeSet;

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{MessageId, TaskId};
use teamster_protocol::model::limits::{
    ANSWER_WITHIN, KILL_GRACE, RESTART_DELAY_MAX, SHUTDOWN_WITHIN, START_WITHIN, TERM_GRACE,
};
use teamster_protocol::model::roster::{Presence, Process, StartedBy, TeamFact, Then, Workspace};
use teamster_protocol::model::shutdown::{ShutdownReply, Verdict, WhenBusy};
use teamster_protocol::wire::api::{Ended, SpawnRequest, WorkspaceRequest};

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
        role: None,
        auto: AutoClaim::On,
        workspace: WorkspaceRequest::Shared { dir: "/".into() },
        stall: Default::default(),
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
    core: Core,
    /// Of whom it was written down that they end for good.
    dismissed: BTreeSet<MemberName>,
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
            core: Core::new(ANSWER_WITHIN, dead_before),
            dismissed: BTreeSet::new(),
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
    fn see(&mut self, member: MemberSeen) -> Vec<Action> {
        self.feed(Event::RosterSeen { look: RosterLook::Later, members: vec![member] })
    }

    /// Feeds one event; requests for a shutdown are delivered at once, links are there at once, and dismissals are kept.
    fn feed(&mut self, event: Event) -> Vec<Action> {
        let mut actions = self.core.step(self.now_ms, event);
        let mut answers = Vec::new();
        actions.retain(|action| match action {
            Action::WriteFact { fact: TeamFact::Dismissed { name } } => {
                self.dismissed.insert(name.clone());
                false
            }
            Action::Adopt { name, process } => {
                answers.push(Event::Linked { name: name.clone(), process: process.clone(), turn: None });
                false
            }
            Action::Bury { name, .. } => {
                answers.push(Event::Buried { name: name.clone() });
                true
            }
            // To terminate is to end for good, and whoever leads next is to know that first.
            Action::Signal { name, signal: Signal::Terminate } => {
                assert!(self.dismissed.contains(name), "{name} gets a signal of which the next leader does not know");
                true
            }
            _ => true,
        });
        for event in answers {
            let shown = self.core.step(self.now_ms, event);
            assert!(shown.iter().all(|action| matches!(action, Action::WriteFact { .. })), "{shown:?}");
        }
        let asked: Vec<MemberName> = actions
            .iter()
            .filter_map(|action| match action {
                Action::RequestShutdown { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect();
        for name in asked {
            self.requests += 1;
            let request = id(self.requests);
            actions.extend(self.core.step(self.now_ms, Event::ShutdownRequested { name, request }));
        }
        actions
    }

    fn ask(&mut self, what: Ask) -> Vec<Action> {
        self.asks += 1;
        self.feed(Event::Asked { ask: AskId(self.asks), what })
    }

    fn shutdown(&mut self, member: &str, when_busy: WhenBusy) -> Vec<Action> {
        self.ask(Ask::Shutdown { name: Some(name(member)), reason: "bye".to_owned(), when_busy })
    }

    fn reply(&mut self, member: &str, request: u128, verdict: Verdict) -> Vec<Action> {
        let reply = ShutdownReply { request: id(request), verdict };
        self.feed(Event::Replied { from: name(member), reply })
    }

    fn exit(&mut self, member: &str, how: LeftHow) -> Vec<Action> {
        self.feed(Event::Exited { name: name(member), how })
    }

    fn later(&mut self, after: Duration) -> Vec<Action> {
        self.now_ms += ms(after);
        self.feed(Event::Tick)
    }
}

/// The first process that serves a member, or the next one.
fn process(member: &str, started_by: StartedBy, pid: u32) -> Process {
    let identity = Identity { pid, start_ticks: member.len() as u64, boot_id: "boot".to_owned() };
    Process { identity, started_by, isolation: None, outer_half: None }
}

fn seen(member: &str, presence: Presence, lock: LockSeen) -> MemberSeen {
    MemberSeen { name: name(member), presence, is_dismissed: false, deaths_ms: Vec::new(), lock }
}

fn joined(member: &str, started_by: StartedBy, pid: u32) -> Presence {
    Presence::Joined { at_ms: 1, process: process(member, started_by, pid) }
}

fn runs(member: &str, started_by: StartedBy) -> MemberSeen {
    seen(member, joined(member, started_by, 7), LockSeen::Held)
}

fn signal(member: &str, signal: Signal) -> Action {
    Action::Signal { name: name(member), signal }
}

/// The number of a call, and how each member ended.
type Answered = (u64, Result<Vec<(String, EndOutcome)>, String>);

/// Which calls were answered, and how.
fn answers(actions: &[Action]) -> Vec<Answered> {
    let ended = |ended: &Ended| (ended.name.to_string(), ended.outcome.clone());
    let answers = actions.iter().filter_map(|action| match action {
        Action::Answer { ask, answer: Ok(Answer::Ended(all)) } => Some((ask.0, Ok(all.iter().map(ended).collect()))),
        Action::Answer { ask, answer: Err(why) } => Some((ask.0, Err(why.clone()))),
        Action::Answer { ask, answer: Ok(Answer::Spawned(_) | Answer::TurnEnded(_)) } => Some((ask.0, Ok(Vec::new()))),
        _ => None,
    });
    answers.collect()
}

fn left(member: &str, how: LeftHow) -> (String, EndOutcome) {
    (member.to_owned(), EndOutcome::Left { how })
}

#[test]
fn a_refused_shutdown_leaves_the_worker_alone_for_good() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    let task = Some(TaskId(7));
    let told = scene.reply("ada", 1, Verdict::Refused { task });
    assert_eq!(answers(&told), [(1, Ok(vec![("ada".to_owned(), EndOutcome::Refused { task })]))]);
    assert_eq!(scene.core.next_tick_ms(), None);
    assert_eq!(scene.later(SHUTDOWN_WITHIN * 10), []);
}

#[test]
fn an_answer_that_is_read_after_the_leaving_that_it_announced_is_no_surprise() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    scene.exit("ada", LeftHow::Shutdown);
    assert_eq!(scene.reply("ada", 1, Verdict::Approved), []);
}

#[test]
fn an_answer_of_a_worker_that_nobody_asked_is_reported() {
    let mut scene = Scene::with(&["ada"]);
    let reported = scene.reply("ada", 1, Verdict::Approved);
    assert!(matches!(&reported[..], [Action::Report { text }] if text.contains("none is open")), "{reported:?}");
}

#[test]
fn down_asks_again_who_may_still_refuse_and_the_old_refusal_counts_no_more() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    let asked = scene.ask(Ask::Down { how: Down::Gently });
    assert!(matches!(&asked[..], [Action::RequestShutdown { when_busy: WhenBusy::Finish, .. }]), "{asked:?}");
    assert!(answers(&scene.reply("ada", 1, Verdict::Refused { task: None })).is_empty());
    assert_eq!(scene.reply("ada", 2, Verdict::Finishing { task: None }), []);
    assert_eq!(scene.core.next_tick_ms(), None, "nobody hurries it");
    let gone = scene.exit("ada", LeftHow::Shutdown);
    let ended = || Ok(vec![left("ada", LeftHow::Shutdown)]);
    assert_eq!(answers(&gone), [(1, ended()), (2, ended())]);
    assert_eq!(gone.last(), Some(&Action::Exit));
}

#[test]
fn force_goes_past_a_turn_that_is_being_finished_and_a_gentler_ask_never_lowers_it() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Finish);
    scene.reply("ada", 1, Verdict::Finishing { task: None });
    assert_eq!(scene.ask(Ask::Kill { name: name("ada") }), [signal("ada", Signal::Terminate)]);
    assert_eq!(scene.shutdown("ada", WhenBusy::Refuse), []);
    assert_eq!(scene.ask(Ask::Kill { name: name("ada") }), [], "a second one would start the time anew");
    let killed = scene.later(TERM_GRACE);
    assert!(killed.contains(&signal("ada", Signal::Kill)), "{killed:?}");
    let gone = scene.exit("ada", died("killed by SIGKILL".to_owned()));
    assert_eq!(answers(&gone).iter().map(|(ask, _)| *ask).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn silence_goes_up_the_ladder_and_what_nothing_ends_keeps_nobody_waiting() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Refuse);
    assert!(scene.later(SHUTDOWN_WITHIN).contains(&signal("ada", Signal::Terminate)));
    assert!(scene.later(TERM_GRACE).contains(&signal("ada", Signal::Kill)));
    let stuck = || Ok(vec![("ada".to_owned(), EndOutcome::Stuck)]);
    assert_eq!(answers(&scene.later(KILL_GRACE)), [(1, stuck())]);
    assert_eq!(answers(&scene.ask(Ask::Kill { name: name("ada") })), [(2, stuck())]);
    let down = scene.ask(Ask::Down { how: Down::ByForce });
    assert_eq!((answers(&down), down.last()), (vec![(3, stuck())], Some(&Action::Exit)));
}

#[test]
fn who_can_not_be_asked_is_not_killed_for_it_unless_the_leader_ends() {
    let mut scene = Scene::with(&["ada"]);
    let full = || Event::ShutdownNotRequested { name: name("ada"), why: "the disk is full".to_owned() };
    scene.shutdown("ada", WhenBusy::Refuse);
    assert_eq!(answers(&scene.feed(full())), [(1, Err("cannot ask ada to end: the disk is full".to_owned()))]);
    assert_eq!(scene.core.next_tick_ms(), None);
    scene.ask(Ask::Down { how: Down::Gently });
    assert!(scene.feed(full()).contains(&signal("ada", Signal::Terminate)));
}

#[test]
fn a_spawn_that_is_given_up_ends_in_whatever_phase_it_is() {
    type GiveUp = fn(&mut Scene) -> Vec<Action>;
    let gives_up: [(GiveUp, bool); 4] = [
        (|scene| scene.shutdown("ada", WhenBusy::Finish), false),
        (|scene| scene.ask(Ask::Down { how: Down::Gently }), false),
        (|scene| scene.ask(Ask::Kill { name: name("ada") }), true),
        (|scene| scene.ask(Ask::Down { how: Down::ByForce }), true),
    ];
    for (give_up, by_force) in gives_up {
        let mut preparing = Scene::new();
        preparing.ask(Ask::Spawn(request("ada")));
        assert_eq!(answers(&give_up(&mut preparing)), []);
        let gone = preparing.feed(Event::Prepared { name: name("ada"), workspace: workspace() });
        assert!(!gone.iter().any(|action| matches!(action, Action::Launch { .. })), "{gone:?}");
        assert_eq!(answers(&gone).len(), 2, "{gone:?}");

        let mut starting = Scene::new();
        starting.ask(Ask::Spawn(request("ada")));
        starting.feed(Event::Prepared { name: name("ada"), workspace: workspace() });
        let killed: &[Action] = if by_force { &[signal("ada", Signal::Kill)] } else { &[] };
        assert_eq!(give_up(&mut starting), killed);
        // It was ready in that very moment.
        let ready = starting.feed(Event::Ready { name: name("ada"), pid: 9 });
        assert!(matches!(&answers(&ready)[..], [(1, Err(_))]), "{ready:?}");
        if by_force {
            assert!(ready.contains(&signal("ada", Signal::Terminate)));
        } else {
            assert!(asked_to(WhenBusy::Finish, &ready), "{ready:?}");
        }
        assert_eq!(answers(&starting.exit("ada", LeftHow::Terminated)).len(), 1);
        assert!(!starting.core.is_running(&name("ada")));
    }
}

fn asked_to(wanted: WhenBusy, actions: &[Action]) -> bool {
    let asked = |action: &Action| matches!(action, Action::RequestShutdown { when_busy, .. } if *when_busy == wanted);
    actions.iter().any(asked)
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_killed_and_the_reason_told_once() {
    let mut scene = Scene::new();
    scene.ask(Ask::Spawn(request("ada")));
    scene.feed(Event::Prepared { name: name("ada"), workspace: workspace() });
    assert_eq!(scene.later(START_WITHIN), [signal("ada", Signal::Kill)]);
    assert_eq!(scene.later(START_WITHIN), []);
    let gone = scene.feed(not_ready("killed by SIGKILL", Fault::Worker));
    assert_eq!(answers(&gone), [(1, Err("cannot spawn ada: it was not ready within 20 s".to_owned()))]);
}

#[test]
fn a_name_is_spawned_once_and_again_when_it_is_gone() {
    let mut scene = Scene::with(&["ada"]);
    let refused = |actions: Vec<Action>| match &answers(&actions)[..] {
        [(_, Err(why))] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(scene.ask(Ask::Spawn(request("ada")))), "cannot spawn ada: it runs already");
    scene.ask(Ask::Kill { name: name("ada") });
    assert_eq!(refused(scene.ask(Ask::Spawn(request("ada")))), "cannot spawn ada: the one before it is still ending");
    scene.exit("ada", LeftHow::Terminated);
    assert_eq!(scene.ask(Ask::Spawn(request("ada"))), [Action::Prepare { request: request("ada") }]);
    scene.ask(Ask::Down { how: Down::Gently });
    assert_eq!(refused(scene.ask(Ask::Spawn(request("ben")))), "cannot spawn ben: the leader is ending");
}

#[test]
fn the_first_interrupt_asks_and_the_second_forces() {
    let mut scene = Scene::with(&["ada"]);
    let asked = scene.feed(Event::Interrupted);
    assert!(matches!(&asked[..], [Action::RequestShutdown { when_busy: WhenBusy::Finish, .. }]), "{asked:?}");
    assert_eq!(scene.feed(Event::Interrupted), [signal("ada", Signal::Terminate)]);
    assert_eq!(scene.feed(Event::Interrupted), []);
    assert_eq!(scene.exit("ada", LeftHow::Terminated).last(), Some(&Action::Exit));
}

#[test]
fn a_leader_without_workers_ends_at_once() {
    let down = Scene::new().ask(Ask::Down { how: Down::Gently });
    assert_eq!((answers(&down), down.last()), (vec![(1, Ok(Vec::new()))], Some(&Action::Exit)));
}

/// A member that this leader started and that is ready.
fn started(member: &str) -> Scene {
    let mut scene = Scene::new();
    scene.ask(Ask::Spawn(request(member)));
    scene.feed(Event::Prepared { name: name(member), workspace: workspace() });
    scene.feed(Event::Ready { name: name(member), pid: 7 });
    scene
}

fn not_ready(why: &str, fault: Fault) -> Event {
    Event::NotReady { name: name("ada"), why: why.to_owned(), fault }
}

/// For good.
fn buried(member: &str, how: LeftHow) -> Action {
    Action::Bury { name: name(member), leaving: Leaving { how, again_ms: None } }
}

fn killed() -> LeftHow {
    LeftHow::Died { reason: "killed by SIGKILL".to_owned() }
}

#[test]
fn a_leader_hands_over_whoever_works_unless_it_ends() {
    let mut scene = started("ada");
    let actions = scene.ask(Ask::HandOver);
    assert_eq!((answers(&actions), actions.last()), (vec![(2, Ok(Vec::new()))], Some(&Action::HandOver)));
    let mut scene = started("ada");
    scene.ask(Ask::Down { how: Down::Gently });
    assert_eq!(answers(&scene.ask(Ask::HandOver)), [(3, Err("the leader is ending".to_owned()))]);
}

#[test]
fn a_clock_that_is_set_hurries_nobody_and_keeps_nobody_waiting() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    for by_ms in [DAY_MS, -DAY_MS] {
        let mut scene = Scene::with(&["alice"]);
        scene.now_ms += DAY_MS as u64;
        let kill = Ask::Kill { name: name("alice") };
        scene.feed(Event::Asked { ask: AskId(1), what: kill });
        scene.now_ms += 1;
        scene.now_ms = scene.now_ms.saturating_add_signed(by_ms);
        assert_eq!(scene.feed(Event::ClockSet { by_ms }), []);
        assert_eq!(scene.core.next_tick_ms(), Some(scene.now_ms + ms(TERM_GRACE) - 1));
        assert_eq!(scene.feed(Event::Tick), [], "it has its time to heed SIGTERM");
        scene.now_ms += ms(TERM_GRACE);
        let actions = scene.feed(Event::Tick);
        assert!(actions.contains(&Action::Signal { name: name("alice"), signal: Signal::Kill }), "{actions:?}");
    }
}
