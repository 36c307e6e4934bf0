//! Limits of a provider: who is parked by one, and how it goes on.

use super::*;

#[tokio::test]
async fn a_limit_parks_the_member_which_keeps_its_task_and_goes_on() {
    let bench = Bench::new();
    let (_alice, peer) = linked(&bench, &[]).await;
    let mut bench = bench;
    let task = add(&mut bench, prompt("limit 2500\nsay done"));
    let parked = bench.said("alice", |said| matches!(said, TranscriptText::Parked { .. })).await;
    assert!(
        matches!(&parked, TranscriptText::Parked { task: Some(id), reason, .. } if *id == task && reason == "all is used up")
    );
    assert!(matches!(peer.status().await.unwrap().phase, WorkerPhase::Parked { task: Some(id), .. } if id == task));
    let member = bench.team.members().unwrap().remove(0);
    assert_eq!((member.state, member.tasks), (MemberState::Parked, vec![task]));
    assert!(member.parked_until_ms.is_some());
    let view = bench.task(task, "completed").await;
    assert_eq!((view.result(), view.attempts.len()), (Some("done"), 1), "the same attempt goes on");
    let limited = |said: &TranscriptText| match said {
        TranscriptText::TurnEnded { end: TurnEnd::Failed { .. }, task: Some(id), .. } => *id == task,
        _ => false,
    };
    assert_eq!(count(&bench.transcript("alice"), limited), 1);
}

#[tokio::test]
async fn a_limit_whose_end_is_told_in_words_only_is_waited_for_until_then() {
    let mut bench = Bench::new();
    let _alice = by_hand(&mut bench, &[]).await;
    let task = add(&mut bench, prompt("limit-said all is used up, try again in 1.5s\nsay done"));
    let view = bench.task(task, "completed").await;
    assert_eq!((view.result(), view.attempts.len()), (Some("done"), 1));
    let parked = |said: &TranscriptText| matches!(said, TranscriptText::Parked { .. });
    assert_eq!(count(&bench.transcript("alice"), parked), 1);
}

#[tokio::test]
async fn members_of_one_account_are_parked_together_also_after_a_death_and_go_on_together() {
    let mut bench = Bench::new();
    let (alice, bob) = (name("alice"), name("bob"));
    fs::create_dir(bench.dir().turns(&bob)).unwrap();
    let _alice = by_hand(&mut bench, &[]).await;
    let first_bob = scripted_of(&bench, "bob", &[]).spawn().unwrap();
    bench.ready("bob", 1).await;
    let limited = NewTask { to: Some(alice.clone()), ..NewTask::new(prompt("limit 3600000\nsay done")) };
    let task = bench.team.command(TaskCommand::Add { tasks: vec![limited] }).unwrap().tasks[0];
    let parked = |times: usize| {
        let turns = bench.dir().turns(&bob);
        move |_: Seen<'_>| {
            let said = transcript::since(&turns, 0).unwrap();
            let said: Vec<TranscriptText> = said.into_iter().map(|entry| entry.what).collect();
            (count(&said, |said| matches!(said, TranscriptText::Parked { task: None, .. })) == times).then_some(())
        }
    };
    let (once, twice) = (parked(1), parked(2));
    bench.until("bob is parked", once).await;
    // Who is started again meanwhile asks nobody either.
    bench.kill("bob", first_bob).await;
    let _bob = scripted_of(&bench, "bob", &[]).spawn().unwrap();
    bench.until("bob is parked again", twice).await;
    let second = add(&mut bench, prompt("say second"));
    let owner = |bench: &mut Bench| bench.team.members().unwrap().into_iter().find(|it| it.tasks == [second]);
    assert!(owner(&mut bench).is_none(), "nobody takes it");
    assert_eq!(bench.team.lift_limit(&bob).unwrap(), [alice, bob.clone()]);
    let view = bench.task(task, "completed").await;
    assert_eq!((view.result(), view.attempts.len()), (Some("done"), 1), "it stayed alice's");
    bench.task(second, "completed").await;
}

#[tokio::test]
async fn a_limit_that_could_not_be_written_down_is_written_later_and_can_be_lifted_before() {
    for is_lifted_first in [false, true] {
        let mut bench = Bench::new();
        let alice = name("alice");
        let _alice = by_hand(&mut bench, &[]).await;
        let roster = bench.dir().roster();
        let aside = roster.with_extension("aside");
        let away = format!("run mv {} {}", roster.display(), aside.display());
        let task = add(&mut bench, prompt(&format!("{away}\nlimit 3600000\nsay done")));
        let turns = bench.dir().turns(&alice);
        until_said(&turns, |said| matches!(said, TranscriptText::Parked { .. })).await;
        let untold = "cannot tell others of the limit of the provider, trying again: ";
        let is_untold =
            |said: &TranscriptText| matches!(said, TranscriptText::Trouble { text } if text.starts_with(untold));
        assert!(bench.transcript("alice").iter().any(is_untold));
        let worker = Pid::from_raw(bench.pid("alice").unwrap().try_into().unwrap());
        // Whoever lifts it is faster than her next look.
        kill(worker, Signal::SIGSTOP).unwrap();
        fs::rename(&aside, &roster).unwrap();
        if !is_lifted_first {
            kill(worker, Signal::SIGCONT).unwrap();
            // She looks at the roster when her mailbox rings.
            bench.mail("alice", Urgency::Idle, "look");
            let standing = |seen: Seen<'_>| {
                seen.team.refresh_roster().unwrap();
                let standing = seen.team.roster().limit_standing(&name("alice"))?;
                matches!(standing, LimitStanding::Told { .. }).then_some(())
            };
            bench.until("others are told", standing).await;
        }
        assert_eq!(bench.team.lift_limit(&alice).unwrap(), [alice]);
        kill(worker, Signal::SIGCONT).unwrap();
        assert_eq!(bench.task(task, "completed").await.result(), Some("done"));
    }
}

/// Waits until something is said in the transcripts there, whatever is wrong with the rest of the team.
async fn until_said(turns: &Path, wanted: impl Fn(&TranscriptText) -> bool) {
    let mut watch = FileWatch::new(LIMIT);
    watch.add(turns);
    watch.add(transcript::path_of(turns, 1));
    let said = async {
        while !transcript::since(turns, 0).unwrap().iter().any(|entry| wanted(&entry.what)) {
            watch.changed().await;
        }
    };
    timeout(LIMIT, said).await.expect("it is said in time");
}

#[tokio::test]
async fn a_parked_task_can_be_stopped_and_a_parked_member_ends() {
    let bench = Bench::new();
    let (alice, peer) = linked(&bench, &[]).await;
    let mut bench = bench;
    let task = add(&mut bench, prompt("limit 3600000"));
    bench.said("alice", |said| matches!(said, TranscriptText::Parked { .. })).await;
    assert_eq!(peer.abort("enough".to_owned()).await.unwrap().task, Some(task));
    bench.task(task, "stopped").await;
    bench.ask_to_end("alice", WhenBusy::Refuse);
    assert_eq!(ended(alice).await.0, Some(0));
}
