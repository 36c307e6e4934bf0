//! Workers that die, and are started again or not.

use teamster_protocol::model::limits::{RESTART_DELAY_MAX, RESTART_DELAY_MIN, RESTARTS_MAX};

use super::*;

#[test]
fn who_dies_is_buried_and_started_again() {
    let mut scene = started("ada");
    let actions = scene.exit("ada", killed());
    let again_ms = scene.core.next_tick_ms();
    assert_eq!(
        actions[0],
        LeaderAction::Bury { name: name("ada"), leaving: MemberLeaving { how: killed(), again_ms } }
    );
    assert!(scene.core.is_running(&name("ada")), "it is on its way");
    assert_eq!(scene.later(RESTART_DELAY_MAX), [LeaderAction::Launch { name: name("ada") }]);
    let actions = scene.feed(LeaderEvent::Ready { name: name("ada"), pid: 8 });
    assert!(matches!(&actions[..], [LeaderAction::Report { .. }]), "nobody waits for an answer: {actions:?}");
}

#[test]
fn who_dies_again_and_again_is_given_up_and_says_so() {
    let mut scene = started("ada");
    for death in 0..RESTARTS_MAX {
        scene.exit("ada", killed());
        assert_eq!(scene.later(RESTART_DELAY_MAX), [LeaderAction::Launch { name: name("ada") }], "after death {death}");
        scene.feed(LeaderEvent::Ready { name: name("ada"), pid: 8 });
    }
    let actions = scene.exit("ada", killed());
    let given_up = actions.iter().any(|action| match action {
        LeaderAction::Bury { leaving: MemberLeaving { how: WorkerEnd::GivenUp { reason }, .. }, .. } => {
            reason.contains("killed by SIGKILL")
        }
        _ => false,
    });
    assert!(given_up, "{actions:?}");
    assert!(!scene.core.is_running(&name("ada")));
    assert_eq!(scene.later(RESTART_DELAY_MAX), []);
}

#[test]
fn who_can_not_be_started_for_want_of_the_machine_is_tried_until_it_can_and_that_is_said_once() {
    let full = || not_ready("No space left on device", StartFault::Machine);
    let mut scene = started("ada");
    scene.exit("ada", killed());
    scene.later(RESTART_DELAY_MAX);
    let said = scene.feed(full());
    assert!(matches!(&said[..], [LeaderAction::Report { text }] if text.contains("No space left")), "{said:?}");
    for _ in 0..3 * RESTARTS_MAX {
        assert_eq!(scene.core.next_tick_ms(), Some(scene.now_ms + ms(RESTART_DELAY_MAX)));
        assert_eq!(scene.later(RESTART_DELAY_MAX), [LeaderAction::Launch { name: name("ada") }]);
        assert_eq!(scene.feed(full()), []);
    }
    scene.later(RESTART_DELAY_MAX);
    scene.feed(LeaderEvent::Ready { name: name("ada"), pid: 8 });
    scene.exit("ada", killed());
    let delay_ms = scene.core.next_tick_ms().map(|at_ms| at_ms - scene.now_ms);
    assert_eq!(delay_ms, Some(ms(RESTART_DELAY_MIN)), "no start that failed was counted");
    // Its own failures are.
    scene.later(RESTART_DELAY_MAX);
    let actions = scene.feed(not_ready("exit status 1", StartFault::Worker));
    assert!(
        matches!(&actions[0], LeaderAction::Bury { leaving: MemberLeaving { again_ms: Some(_), .. }, .. }),
        "{actions:?}"
    );
}

#[test]
fn who_was_started_by_hand_is_not_started_again() {
    let mut scene = Scene::with(&["ada"]);
    assert_eq!(scene.exit("ada", killed()), [buried("ada", killed())]);
    assert_eq!(scene.later(RESTART_DELAY_MAX), []);
}

#[test]
fn who_was_told_to_end_is_not_started_again() {
    let mut scene = started("ada");
    scene.ask(LeaderAsk::Kill { name: name("ada") });
    scene.exit("ada", killed());
    assert_eq!(scene.later(RESTART_DELAY_MAX), []);
}

#[test]
fn a_spawn_takes_the_place_of_a_restart() {
    let mut scene = started("ada");
    scene.exit("ada", killed());
    let prepare = LeaderAction::Prepare { request: Box::new(request("ada")) };
    assert_eq!(scene.ask(LeaderAsk::Spawn(Box::new(request("ada")))), [buried("ada", killed()), prepare]);
    assert_eq!(scene.later(RESTART_DELAY_MAX), [], "there is one start");
}

#[test]
fn a_leader_that_ends_starts_nobody_again() {
    let mut scene = started("ada");
    scene.exit("ada", killed());
    let actions = scene.ask(LeaderAsk::Down { how: TeamEnding::Gently });
    assert!(actions.contains(&LeaderAction::Exit), "{actions:?}");
    assert!(actions.contains(&buried("ada", killed())), "nor does the next one: {actions:?}");
}

#[test]
fn who_is_killed_for_hanging_or_while_it_starts_again_is_dismissed_only_by_a_person() {
    let mut scene = started("ada");
    scene.exit("ada", killed());
    scene.later(RESTART_DELAY_MAX);
    assert!(scene.dismissed.is_empty());
    assert_eq!(scene.ask(LeaderAsk::Kill { name: name("ada") }), [signal("ada", Signal::Kill)]);
    assert!(scene.dismissed.contains(&name("ada")));
}

/// It claims as soon as its agent is ready, which may be before the leader knows.
#[test]
fn one_that_is_started_again_may_be_at_work_before_it_is_known_to_be_ready_and_refuse_to_end() {
    let mut scene = Scene::new();
    scene.see(runs("ada", StartedBy::Leader));
    scene.exit("ada", death_by("it broke".to_owned()));
    assert!(scene.later(Duration::from_secs(1)).contains(&LeaderAction::Launch { name: name("ada") }));
    assert_eq!(scene.shutdown("ada", WhenBusy::Refuse), []);
    assert!(asked_to(WhenBusy::Refuse, &scene.feed(LeaderEvent::Ready { name: name("ada"), pid: 9 })));
}
