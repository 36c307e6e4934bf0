//! What the leader makes of the roster: workers that it did not launch, those that died, and those of a leader before it.

use teamster_protocol::model::limits::pace::{END_WITHOUT_TEAM_WITHIN, GOODBYE_LOOK};
use teamster_protocol::model::limits::{RESTART_DELAY_MAX, RESTARTS_MAX};

use super::*;

/// What a new leader finds.
fn first(member: MemberSeen) -> LeaderEvent {
    LeaderEvent::RosterSeen { look: RosterLook::First, members: vec![member] }
}

/// A worker of a leader before this one died, and nobody said what follows.
fn dead() -> MemberSeen {
    seen("ada", joined("ada", StartedBy::Leader, 7), LockSeen::Free)
}

fn left_so(how: WorkerEnd, then: AfterLeaving, lock: LockSeen) -> MemberSeen {
    seen("ada", MemberPresence::Left { at_ms: 2, how, then }, lock)
}

fn vanished() -> WorkerEnd {
    death_by("its worker is gone".to_owned())
}

fn is_given_up(actions: &[LeaderAction]) -> bool {
    let given_up = |action: &LeaderAction| {
        matches!(action, LeaderAction::Bury { leaving: MemberLeaving { how: WorkerEnd::GivenUp { .. }, .. }, .. })
    };
    actions.iter().any(given_up)
}

#[test]
fn a_new_leader_starts_who_died_while_nobody_led() {
    let mut scene = Scene::new();
    let actions = scene.feed(first(dead()));
    assert!(
        matches!(&actions[0], LeaderAction::Bury { leaving: MemberLeaving { again_ms: Some(_), .. }, .. }),
        "{actions:?}"
    );
    assert_eq!(scene.later(RESTART_DELAY_MAX), [LeaderAction::Launch { name: name("ada") }]);
}

/// A worker in a cell whose outer half has that number.
fn in_cell(pid: u32) -> (WorkerProcess, ProcessIdentity) {
    let worker = process("ada", StartedBy::Hand, pid);
    let outer_half = ProcessIdentity { pid: pid + 100, ..worker.identity.clone() };
    (WorkerProcess { outer_half: Some(outer_half.clone()), ..worker }, outer_half)
}

#[test]
fn the_outer_half_of_a_dead_worker_is_seen_off_once_and_that_of_a_living_one_never() {
    let (worker, outer_half) = in_cell(7);
    let (next, _) = in_cell(8);
    let joined = |process: &WorkerProcess| MemberPresence::Joined { at_ms: 1, process: process.clone() };
    let left = MemberPresence::Left { at_ms: 2, how: WorkerEnd::Terminated, then: AfterLeaving::Stays };
    let seen_off = |actions: &[LeaderAction]| {
        let seen_off = |action: &&LeaderAction| matches!(action, LeaderAction::SeeOff { .. });
        actions.iter().filter(seen_off).cloned().collect::<Vec<_>>()
    };
    let wanted = [LeaderAction::SeeOff { outer_half }];
    let ends = [
        ("died", seen("ada", joined(&worker), LockSeen::Free), true),
        ("left", seen("ada", left.clone(), LockSeen::Free), true),
        ("was followed by another", seen("ada", joined(&next), LockSeen::Held), true),
        ("is leaving", seen("ada", left.clone(), LockSeen::Held), false),
        ("lives", seen("ada", joined(&worker), LockSeen::Held), false),
    ];
    for (what, end, is_over) in ends {
        let mut scene = Scene::new();
        scene.see(seen("ada", joined(&worker), LockSeen::Held));
        let actions = scene.see(end);
        assert_eq!(seen_off(&actions), if is_over { &wanted[..] } else { &[] }, "{what}");
        if is_over {
            let buried = scene.see(seen("ada", left.clone(), LockSeen::Free));
            let former = buried.contains(&wanted[0]);
            assert!(!former, "{what}, and is seen off once: {buried:?}");
        }
    }
    let found_dead = Scene::new().feed(first(seen("ada", joined(&worker), LockSeen::Free)));
    assert_eq!(seen_off(&found_dead), wanted);
}

#[test]
fn who_buries_goes_by_the_lock_and_by_who_joined_last() {
    let leaving = MemberLeaving { how: killed(), again_ms: None };
    let (joined, other) = (process("ada", StartedBy::Hand, 7), process("ada", StartedBy::Hand, 8));
    let presence = MemberPresence::Joined { at_ms: 1, process: joined.clone() };
    for (lock, step) in [
        (BurialLock::Taken, BurialStep::Bury),
        (BurialLock::Held { by: Some(&joined.identity) }, BurialStep::Leave),
        (BurialLock::Held { by: Some(&other.identity) }, BurialStep::WriteLeaving),
        (BurialLock::Held { by: None }, BurialStep::WriteLeaving),
        (BurialLock::Dying, BurialStep::Wait),
    ] {
        assert_eq!(leaving.burial_step(&lock, Some(&presence)), step, "{lock:?}");
    }
    let left = MemberPresence::Left { at_ms: 2, how: killed(), then: AfterLeaving::Stays };
    let by_next = BurialLock::Held { by: Some(&joined.identity) };
    assert_eq!(leaving.burial_step(&by_next, Some(&left)), BurialStep::WriteLeaving, "the next one has not joined yet");
}

#[test]
fn a_leader_for_one_command_only_gives_back_what_the_dead_held() {
    let agent_gone = || WorkerEnd::AgentGone { reason: "it broke".to_owned() };
    let undecided = || AfterLeaving::Undecided { process: process("ada", StartedBy::Leader, 7) };
    for (member, how) in [
        (dead(), vanished()),
        (left_so(killed(), AfterLeaving::Again { at_ms: 5 }, LockSeen::Free), killed()),
        (left_so(agent_gone(), undecided(), LockSeen::Free), agent_gone()),
    ] {
        let mut scene = Scene::that(DeadBefore::Bury);
        assert_eq!(scene.feed(first(member)), [buried("ada", how)]);
        assert_eq!(scene.later(RESTART_DELAY_MAX), []);
    }
}

#[test]
fn nobody_starts_again_who_was_started_by_hand_or_dismissed_or_left_in_order() {
    let by_hand = seen("ada", joined("ada", StartedBy::Hand, 7), LockSeen::Free);
    let dismissed = MemberSeen { is_dismissed: true, ..dead() };
    for member in [by_hand, dismissed] {
        let mut scene = Scene::new();
        assert_eq!(scene.feed(first(member)), [buried("ada", vanished())]);
        assert_eq!(scene.later(RESTART_DELAY_MAX), []);
    }
    assert_eq!(Scene::new().feed(first(left_so(WorkerEnd::Shutdown, AfterLeaving::Stays, LockSeen::Free))), []);
}

#[test]
fn a_new_leader_withdraws_who_was_half_started_and_no_later_look_does() {
    let expected = || seen("ada", MemberPresence::Expected { since_ms: 1 }, LockSeen::Free);
    let why = death_by("its leader died while it was being started".to_owned());
    assert_eq!(Scene::new().feed(first(expected())), [buried("ada", why)]);
    assert_eq!(Scene::new().see(expected()), [], "another command may be about to start it by hand");
}

#[test]
fn a_new_leader_goes_on_with_the_end_of_who_was_dismissed() {
    let mut scene = Scene::new();
    let told = scene.feed(first(MemberSeen { is_dismissed: true, ..runs("ada", StartedBy::Leader) }));
    assert_eq!(told, [signal("ada", Signal::Terminate)]);
    assert_eq!(scene.exit("ada", killed()), [buried("ada", killed())]);
}

#[test]
fn a_new_leader_starts_again_who_was_to_be_started_again() {
    let restarting = |at_ms| first(left_so(killed(), AfterLeaving::Again { at_ms }, LockSeen::Free));
    let mut scene = Scene::new();
    assert_eq!(scene.feed(restarting(scene.now_ms + 700)), [], "it is buried, and its death is counted");
    assert_eq!(scene.core.next_tick_ms(), Some(scene.now_ms + 700));
    assert_eq!(scene.later(RESTART_DELAY_MAX), [LeaderAction::Launch { name: name("ada") }]);
    let mut scene = Scene::new();
    scene.feed(restarting(u64::MAX));
    assert_eq!(scene.core.next_tick_ms(), Some(scene.now_ms + ms(RESTART_DELAY_MAX)), "the clock was set back");
}

#[test]
fn deaths_count_whoever_led_then() {
    let recalled = |at_ms| first(MemberSeen { deaths_ms: vec![at_ms; RESTARTS_MAX], ..dead() });
    let mut scene = Scene::new();
    let actions = scene.feed(recalled(scene.now_ms));
    assert!(is_given_up(&actions), "{actions:?}");
    let mut scene = Scene::new();
    let actions = scene.feed(recalled(scene.now_ms + 1));
    assert!(!is_given_up(&actions), "what is to come has not happened: {actions:?}");
}

#[test]
fn a_worker_that_was_found_is_over_when_its_lock_is_free_and_the_roster_may_say_how() {
    for (member, how) in [
        (left_so(WorkerEnd::Shutdown, AfterLeaving::Stays, LockSeen::Free), WorkerEnd::Shutdown),
        (seen("ada", joined("ada", StartedBy::Hand, 7), LockSeen::Free), vanished()),
    ] {
        let mut scene = Scene::with(&["ada"]);
        let goodbye = left_so(WorkerEnd::Shutdown, AfterLeaving::Stays, LockSeen::Held);
        assert_eq!(scene.see(goodbye), [], "it is about to end");
        assert_eq!(scene.later(GOODBYE_LOOK), [LeaderAction::LookAtRoster]);
        assert_eq!(scene.see(member), [buried("ada", how)]);
        assert!(!scene.core.is_running(&name("ada")));
    }
}

#[test]
fn one_worker_after_another_between_two_looks_is_another_worker() {
    let mut scene = Scene::with(&["ada"]);
    scene.shutdown("ada", WhenBusy::Finish);
    let next = seen("ada", joined("ada", StartedBy::Hand, 8), LockSeen::Held);
    let actions = scene.see(next.clone());
    assert_eq!(answers(&actions), [(1, Ok(vec![left("ada", vanished())]))], "what was asked of the first is over");
    assert_eq!(scene.core.found_process(&name("ada")).map(|process| process.pid), Some(8));
    assert_eq!(scene.see(next), [], "it is known now");
}

#[test]
fn a_link_that_is_lost_is_tried_again_later_each_time_and_that_of_another_process_is_no_loss() {
    let lost =
        |pid| LeaderEvent::LinkLost { name: name("ada"), process: process("ada", StartedBy::Hand, pid).identity };
    let mut scene = Scene::with(&["ada"]);
    assert_eq!(scene.feed(lost(8)), []);
    assert_eq!(scene.core.next_tick_ms(), None);
    for times in [1, 2, 4] {
        scene.feed(lost(7));
        assert_eq!(scene.core.next_tick_ms(), Some(scene.now_ms + ms(GOODBYE_LOOK * times)));
        assert_eq!(scene.later(GOODBYE_LOOK * times), [LeaderAction::LookAtRoster]);
        assert_eq!(scene.core.next_tick_ms(), None, "a look that can not be made is not tried without end");
        let looked = scene.core.step(
            scene.now_ms,
            LeaderEvent::RosterSeen { look: RosterLook::Later, members: vec![runs("ada", StartedBy::Hand)] },
        );
        assert!(matches!(&looked[..], [LeaderAction::Adopt { .. }]), "{looked:?}");
        scene.core.look_at_ms = None;
    }
}

#[test]
fn a_leaving_that_could_not_be_written_is_written_with_a_later_poll_unless_the_member_runs_again() {
    let unwritten = || {
        let mut scene = Scene::with(&["ada"]);
        let actions = scene.core.step(scene.now_ms, LeaderEvent::Exited { name: name("ada"), how: killed() });
        assert_eq!(actions, [buried("ada", killed())]);
        scene
    };
    let mut scene = unwritten();
    assert_eq!(scene.see(dead()), [], "it is known to be dead");
    assert_eq!(scene.feed(LeaderEvent::Polled), [buried("ada", killed())]);
    assert_eq!(scene.feed(LeaderEvent::Polled), [], "that was done");
    let mut scene = unwritten();
    scene.see(runs("ada", StartedBy::Hand));
    assert!(!scene.feed(LeaderEvent::Polled).contains(&buried("ada", killed())), "it gave back itself what was held");
}

#[test]
fn a_leader_whose_team_is_gone_for_two_polls_ends_whatever_does_not() {
    let mut scene = Scene::with(&["ada"]);
    assert_eq!(scene.feed(LeaderEvent::TeamMissing), [], "somebody may only have put it aside");
    scene.feed(LeaderEvent::Polled);
    assert_eq!(scene.feed(LeaderEvent::TeamMissing), [], "it was there in between");
    let actions = scene.feed(LeaderEvent::TeamMissing);
    assert!(actions.contains(&signal("ada", Signal::Terminate)), "{actions:?}");
    assert_eq!(scene.exit("ada", WorkerEnd::Terminated).last(), Some(&LeaderAction::Exit));
    // A start whose process does not end, not even on SIGKILL.
    let mut scene = Scene::new();
    scene.ask(LeaderAsk::Spawn(Box::new(request("ada"))));
    scene.feed(LeaderEvent::Prepared { name: name("ada"), place: workspace().into() });
    scene.feed(LeaderEvent::TeamMissing);
    scene.feed(LeaderEvent::TeamMissing);
    let actions = scene.later(END_WITHOUT_TEAM_WITHIN);
    assert!(actions.contains(&LeaderAction::Exit), "{actions:?}");
}
