//! Workers that hang, by what they answer.

use teamster_protocol::model::limits::ANSWER_WITHIN;
use teamster_protocol::model::roster::{OnStall, TeamFact};

use super::*;

/// What a member has to do that is at work.
fn at_work(then: OnStall) -> LeaderEvent {
    at_timed_work(then, Vec::new())
}

fn at_timed_work(then: OnStall, timed: Vec<TimedTask>) -> LeaderEvent {
    LeaderEvent::WorkSeen { name: name("ada"), work: WorkSeen { has_task: true, timed, then } }
}

fn look_at_work(is_silent: bool) -> LeaderAction {
    LeaderAction::LookAtWork { name: name("ada"), is_silent }
}

fn ping() -> LeaderAction {
    LeaderAction::Ping { name: name("ada") }
}

fn shown_answering() -> LeaderAction {
    LeaderAction::WriteFact { fact: TeamFact::Answering { name: name("ada") } }
}

fn answered() -> LeaderEvent {
    LeaderEvent::Answered { name: name("ada") }
}

fn shows(actions: &[LeaderAction], what: &LeaderAction) -> bool {
    actions.contains(what)
}

fn hung() -> LeaderAction {
    LeaderAction::WriteFact { fact: TeamFact::Hung { name: name("ada") } }
}

/// At work, and silent since it was asked; it was told so now.
fn silent(mut scene: Scene) -> Scene {
    assert!(matches!(&scene.feed(LeaderEvent::Polled)[..], [LeaderAction::LookAtWork { .. }]));
    scene.feed(at_work(OnStall::Show));
    assert_eq!(scene.later(ANSWER_WITHIN), [], "once may be because the machine slept");
    let actions = scene.later(ANSWER_WITHIN);
    assert!(shows(&actions, &hung()), "{actions:?}");
    assert_eq!(actions.last(), Some(&look_at_work(true)), "what is to be done is asked for at once");
    assert_eq!(scene.core.next_tick_ms(), None);
    scene
}

#[test]
fn who_answers_is_left_alone() {
    let mut scene = started("ada");
    for _ in 0..3 {
        scene.feed(LeaderEvent::Polled);
        assert_eq!(scene.feed(at_work(OnStall::Restart)), [ping()]);
        scene.now_ms += ms(ANSWER_WITHIN) - 1;
        assert_eq!(scene.feed(answered()), [shown_answering()]);
        assert_eq!(scene.core.next_tick_ms(), None);
    }
}

#[test]
fn who_hangs_is_shown_and_shown_to_be_well_again() {
    let mut scene = silent(started("ada"));
    for then in [OnStall::Show, OnStall::Steer, OnStall::Abort] {
        assert_eq!(scene.feed(at_work(then)), [], "{then:?} is for its worker to do");
    }
    assert_eq!(scene.feed(answered()), [shown_answering()]);
    silent(scene);
}

#[test]
fn who_hangs_is_killed_and_started_again_if_that_is_set() {
    let mut scene = silent(started("ada"));
    let actions = scene.feed(at_work(OnStall::Restart));
    assert!(shows(&actions, &signal("ada", Signal::Kill)), "{actions:?}");
    assert_eq!(scene.feed(at_work(OnStall::Restart)), [], "once");
    assert!(scene.dismissed.is_empty(), "it is to come back, whoever leads then");
    let actions = scene.exit("ada", killed());
    let told = |action: &LeaderAction| match action {
        LeaderAction::Bury {
            leaving: MemberLeaving { how: WorkerEnd::Died { reason }, again_ms: Some(_) }, ..
        } => reason.contains("does not answer"),
        _ => false,
    };
    assert!(actions.iter().any(told), "{actions:?}");
    assert_eq!(scene.later(RESTART_DELAY_MAX), [LeaderAction::Launch { name: name("ada") }]);
}

#[test]
fn the_time_of_a_task_counts_though_its_worker_hangs() {
    let mut scene = silent(started("ada"));
    let task = |id, timeout_ms| TimedTask { id: TaskId(id), since_ms: scene.now_ms, timeout_ms };
    let tasks = vec![task(7, 60_000), task(8, 5_000)];
    scene.now_ms += 5_000 + ms(TERM_GRACE) - 1;
    let seen = || at_timed_work(OnStall::Show, tasks.clone());
    assert_eq!(scene.feed(seen()), [], "a worker that is well may be ending it");
    scene.now_ms += 1;
    let actions = scene.feed(seen());
    assert!(shows(&actions, &signal("ada", Signal::Kill)), "{actions:?}");
    let told = |action: &LeaderAction| match action {
        LeaderAction::Report { text } => text.contains("the time for task 8 is over"),
        _ => false,
    };
    assert!(actions.iter().any(told), "{actions:?}");
}

#[test]
fn who_was_started_by_hand_is_shown_and_no_more() {
    let mut scene = silent(Scene::with(&["ada"]));
    let task = TimedTask { id: TaskId(7), since_ms: 0, timeout_ms: 1 };
    assert_eq!(scene.feed(at_timed_work(OnStall::Restart, vec![task])), []);
}

#[test]
fn who_can_not_be_asked_any_more_is_not_said_to_hang() {
    let mut scene = started("ada");
    scene.feed(LeaderEvent::Polled);
    scene.feed(at_work(OnStall::Show));
    scene.feed(LeaderEvent::NotAsked { name: name("ada") });
    assert_eq!(scene.core.next_tick_ms(), None);
    // Nor does it become well by that.
    let mut scene = silent(scene);
    assert_eq!(scene.feed(LeaderEvent::NotAsked { name: name("ada") }), []);
}

#[test]
fn who_hangs_while_it_finishes_its_turn_is_shown_and_ended() {
    let mut scene = started("ada");
    scene.shutdown("ada", WhenBusy::Finish);
    assert_eq!(scene.feed(LeaderEvent::Polled), [], "it has its time to answer the request");
    scene.reply("ada", 1, ShutdownAnswer::Finishing { task: None });
    for _ in 0..3 {
        assert_eq!(scene.feed(LeaderEvent::Polled), [look_at_work(false)]);
        assert_eq!(scene.feed(at_work(OnStall::Restart)), [ping()]);
        assert_eq!(scene.feed(answered()), [shown_answering()]);
        assert_eq!(scene.core.next_tick_ms(), None, "nobody hurries it");
    }
    scene.feed(LeaderEvent::Polled);
    scene.feed(at_work(OnStall::Show));
    assert_eq!(scene.later(ANSWER_WITHIN), []);
    let actions = scene.later(ANSWER_WITHIN);
    assert!(shows(&actions, &hung()) && shows(&actions, &signal("ada", Signal::Terminate)), "{actions:?}");
    assert!(shows(&scene.later(TERM_GRACE), &signal("ada", Signal::Kill)), "one that is stopped heeds no other");
    let gone = scene.exit("ada", killed());
    assert!(shows(&gone, &buried("ada", killed())), "it is not started again: {gone:?}");
    assert_eq!(answers(&gone), [(2, Ok(vec![left("ada", killed())]))]);
}
