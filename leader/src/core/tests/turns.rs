//! Who is in a turn, and who waits for its end.

use teamster_protocol::model::agent::TurnEnd;

use super::*;

fn turn_started(turn: u64) -> LeaderEvent {
    LeaderEvent::TurnStarted { name: name("ada"), turn: TurnOpen { turn, task: Some(TaskId(3)) } }
}

fn turn_ended(turn: u64) -> LeaderEvent {
    LeaderEvent::TurnEnded { name: name("ada"), turn, stop: TurnEnd::Aborted }
}

fn await_end(turn: u64) -> LeaderAsk {
    LeaderAsk::AwaitTurnEnd { name: name("ada"), turn }
}

fn told(ask: u64, stop: Option<TurnEnd>) -> LeaderAction {
    LeaderAction::Answer { ask: AskId(ask), answer: Ok(LeaderAnswer::TurnEnded(stop)) }
}

#[test]
fn a_turn_is_open_from_its_start_to_its_end_and_who_waits_for_the_end_is_told_how() {
    let mut scene = Scene::with(&["ada"]);
    // The worker's answer to a call may come before its notice.
    assert_eq!(scene.ask(await_end(4)), []);
    assert_eq!(scene.feed(turn_started(4)), []);
    assert_eq!(scene.core.open_turn(&name("ada")).map(|open| open.turn), Some(4));
    assert_eq!(scene.feed(turn_ended(4)), [told(1, Some(TurnEnd::Aborted))]);
    assert_eq!(scene.core.open_turn(&name("ada")), None);
    assert_eq!(scene.ask(await_end(4)), [told(2, Some(TurnEnd::Aborted))], "it has just ended");
    scene.feed(turn_ended(5));
    assert_eq!(scene.ask(await_end(4)), [told(3, None)], "how it ended is not kept for ever");
}

#[test]
fn nobody_waits_for_the_turn_of_a_worker_that_is_gone_or_not_heard() {
    let mut scene = Scene::with(&["ada"]);
    scene.ask(await_end(4));
    assert!(scene.exit("ada", killed()).contains(&told(1, None)));
    assert_eq!(scene.ask(await_end(4)), [told(2, None)]);
    let mut scene = Scene::with(&["ada"]);
    scene.ask(await_end(4));
    let process = process("ada", StartedBy::Hand, 7).identity;
    assert_eq!(scene.feed(LeaderEvent::LinkLost { name: name("ada"), process }), [told(1, None)]);
}

#[test]
fn a_turn_ends_with_its_worker() {
    let mut scene = Scene::with(&["ada"]);
    scene.feed(turn_started(4));
    scene.exit("ada", killed());
    scene.see(runs("ada", StartedBy::Hand));
    assert_eq!(scene.core.open_turn(&name("ada")), None);
}

#[test]
fn a_worker_in_a_turn_is_asked_whether_it_is_well_although_it_has_no_task() {
    let mut scene = started("ada");
    let work = || WorkSeen { has_task: false, timed: Vec::new(), then: Default::default() };
    let seen = || LeaderEvent::WorkSeen { name: name("ada"), work: work() };
    assert_eq!(scene.feed(seen()), [], "it sleeps on");
    scene.feed(turn_started(1));
    assert_eq!(scene.feed(seen()), [LeaderAction::Ping { name: name("ada") }]);
}
