//! What is lost of a turn, by what its transcript says.

use super::*;
use crate::model::id::Address;

const BEGAN_MS: u64 = 1_000;

fn ada() -> MemberName {
    "ada".parse().unwrap()
}

fn message(number: u128) -> MessageId {
    MessageId::from_parts(1, number)
}

fn sent(turn: u64) -> TranscriptText {
    started(turn, None, TaskWork::run("make test"), vec![TextId::prompt_of(turn)])
}

fn started(turn: u64, task: Option<TaskId>, work: TaskWork, texts: Vec<TextId>) -> TranscriptText {
    TranscriptText::TurnStarted { turn, task, work, texts, used_before: Default::default() }
}

fn receipt(text: TextId, state: ReceiptState) -> TranscriptText {
    TranscriptText::Receipt { text, state }
}

fn lost(text: TextId, reason: &str) -> TranscriptText {
    receipt(text, ReceiptState::Lost { reason: reason.to_owned() })
}

fn steered(turn: u64, number: u32) -> TranscriptText {
    TranscriptText::Steered { id: TextId::InTurn { turn, number }, from: Address::Lead, text: "left".to_owned() }
}

fn mail(number: u128) -> TranscriptText {
    TranscriptText::Mail { id: message(number), from: Address::Lead, text: "words".to_owned() }
}

fn ended(turn: u64, task: Option<TaskId>, end: TurnEnd) -> TranscriptText {
    TranscriptText::TurnEnded { turn, task, end, used: UsageSum::of_turn(None, 0) }
}

fn parked(turn: Option<u64>) -> TranscriptText {
    TranscriptText::Parked { task: None, turn, until_ms: 9, reason: "used up".to_owned() }
}

fn died(turn: u64, task: Option<TaskId>) -> TranscriptText {
    let reason = "its worker died: killed by SIGKILL".to_owned();
    ended(turn, task, TurnEnd::Failed { reason, fault: AgentFault::Place })
}

fn last(said: &[TranscriptText]) -> Option<LastTurn> {
    let entry = |(what, seq): (&TranscriptText, u64)| TranscriptEntry { seq, at_ms: BEGAN_MS, what: what.clone() };
    let entries: Vec<TranscriptEntry> = said.iter().zip(1..).map(entry).collect();
    LastTurn::find(&entries)
}

/// The loss when the worker is killed after this, with the message of that number still unread.
fn loss_after(said: &[TranscriptText], unread: u128) -> TurnLoss {
    last(said).unwrap().loss(&ada(), Some("killed by SIGKILL"), |id| id == message(unread))
}

const WHY: &str = "its worker died: killed by SIGKILL";

#[test]
fn a_prompt_that_was_sent_is_lost_with_its_steers_and_the_turn_has_ended() {
    let steer = TextId::InTurn { turn: 3, number: 1 };
    let said = [sent(3), receipt(TextId::prompt_of(3), ReceiptState::Delivered), steered(3, 1)];
    let TurnLoss { entries, letter } = loss_after(&said, 0);
    assert_eq!(entries, [lost(TextId::prompt_of(3), WHY), lost(steer, WHY), died(3, None)]);
    let text = letter.unwrap().text;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "The prompt of turn 3 is lost: its worker died: killed by SIGKILL",
            "> make test",
            "So is one text that was said in that turn.",
            "To send it again: teamster send ada --run 'make test'",
            "What was done: teamster logs ada",
        ]
    );
}

#[test]
fn the_turn_of_a_task_ends_too_and_only_its_steers_are_lost_and_nobody_is_written_to() {
    let task = Some(TaskId(7));
    let said = [started(3, task, TaskWork::run("make"), Vec::new()), steered(3, 1), steered(3, 2)];
    let answered = receipt(TextId::InTurn { turn: 3, number: 1 }, ReceiptState::Answered);
    let said = [&said[..], &[answered]].concat();
    let TurnLoss { entries, letter } = loss_after(&said, 0);
    assert_eq!(entries, [lost(TextId::InTurn { turn: 3, number: 2 }, WHY), died(3, task)]);
    assert_eq!(letter, None);
}

#[test]
fn of_messages_only_those_are_lost_that_are_not_handed_on_again() {
    let texts = vec![TextId::Message(message(1)), TextId::Message(message(2))];
    let words = "Message from ben:\nfirst\n\nMessage from ben:\nsecond";
    let said = [mail(1), mail(2), started(4, None, TaskWork::Prompt(words.to_owned()), texts), mail(3)];
    let TurnLoss { entries, letter } = loss_after(&said, 2);
    let (first, third) = (TextId::Message(message(1)), TextId::Message(message(3)));
    assert_eq!(entries, [lost(first, WHY), lost(third, WHY), died(4, None)]);
    let text = letter.unwrap().text;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "The messages that began turn 4 are lost: its worker died: killed by SIGKILL",
            "> Message from ben:",
            "> first",
            "> ",
            "> Message from ben:",
            "> …",
            "So is one text that was said in that turn.",
            "To write them again: teamster dm ada TEXT",
            "What was done: teamster logs ada",
        ]
    );
    let unread = last(&said[..3]).unwrap().loss(&ada(), None, |_| true);
    let reason = "its worker died".to_owned();
    assert_eq!(unread.entries, [ended(4, None, TurnEnd::Failed { reason, fault: AgentFault::Place })]);
    assert_eq!(unread.letter, None, "all of them are handed on again");
}

#[test]
fn a_prompt_is_lost_while_it_waits_for_the_provider_and_its_turn_has_ended_before() {
    let limited = TurnEnd::Failed { reason: "used up".to_owned(), fault: AgentFault::Provider };
    let said = [sent(3), ended(3, None, limited), parked(Some(3))];
    let TurnLoss { entries, letter } = loss_after(&said, 0);
    assert_eq!(entries, [lost(TextId::prompt_of(3), WHY)]);
    assert!(letter.is_some());
    // The turn after the wait has the same text.
    let again = started(4, None, TaskWork::run("make test"), vec![TextId::prompt_of(3)]);
    let TurnLoss { entries, letter } = loss_after(&[&said[..], &[again]].concat(), 0);
    assert_eq!(entries, [lost(TextId::prompt_of(3), WHY), died(4, None)]);
    assert!(letter.is_some());
}

#[test]
fn a_prompt_that_the_worker_itself_said_to_be_lost_before_it_ended_is_told_to_the_lead() {
    let failed = TurnEnd::Failed { reason: "the agent died".to_owned(), fault: AgentFault::Agent };
    let leaving = TranscriptText::Leaving { reason: "its agent is gone".to_owned() };
    let said = [sent(3), lost(TextId::prompt_of(3), "the agent died"), ended(3, None, failed), leaving];
    let TurnLoss { entries, letter } = loss_after(&said, 0);
    assert_eq!(entries, []);
    let text = letter.unwrap().text;
    assert!(text.starts_with("The prompt of turn 3 is lost: the agent died\n"), "{text}");
}

#[test]
fn a_steer_that_was_kept_over_turns_is_lost_with_its_keeper() {
    let steer = TextId::InTurn { turn: 1, number: 1 };
    let kept = || receipt(steer, ReceiptState::Queued);
    let task = Some(TaskId(7));
    let later = [started(2, task, TaskWork::run("make"), Vec::new()), kept()];
    assert_eq!(loss_after(&later, 0).entries, [lost(steer, WHY), died(2, task)]);
    // Between turns too, but not once it is told, or by a later life.
    let ended = [&later[..], &[ended(2, task, TurnEnd::Completed)]].concat();
    let parked = [&ended[..], &[parked(None)]].concat();
    for said in [&ended, &parked] {
        let TurnLoss { entries, letter } = loss_after(said, 0);
        assert_eq!((entries, letter), (vec![lost(steer, WHY)], None));
    }
    for told in [lost(steer, WHY), receipt(steer, ReceiptState::InContext), TranscriptText::Ready] {
        assert_eq!(loss_after(&[&ended[..], &[told]].concat(), 0), TurnLoss::default());
    }
}

#[test]
fn nothing_is_lost_that_has_ended_or_that_the_worker_outlived() {
    let completed = [sent(3), ended(3, None, TurnEnd::Completed)];
    let stopped = [sent(3), ended(3, None, TurnEnd::Aborted), TranscriptText::Waiting];
    let refused =
        [sent(3), lost(TextId::prompt_of(3), "no"), ended(3, None, TurnEnd::Aborted), TranscriptText::Waiting];
    let limited_later = [sent(3), ended(3, None, TurnEnd::Aborted), parked(None)];
    let other_life = [sent(3), TranscriptText::Ready];
    for said in [&completed[..], &stopped, &refused, &limited_later, &other_life] {
        assert_eq!(loss_after(said, 0), TurnLoss::default(), "{said:?}");
    }
    assert_eq!(last(&[TranscriptText::Ready, mail(1)]), None);
}

#[test]
fn whoever_tells_of_a_loss_again_writes_nothing_new() {
    let said = vec![sent(3)];
    let first = loss_after(&said, 0);
    // It died after a part of it.
    let again = loss_after(&[said.clone(), first.entries[..1].to_vec()].concat(), 0);
    assert_eq!(again.entries, [died(3, None)]);
    assert_eq!(again.letter, first.letter, "the mailbox knows it by its id");
    let third = loss_after(&[said, first.entries].concat(), 0);
    assert_eq!(third.entries, []);
    let id = |name: &str, turn| last(&[sent(turn)]).unwrap().letter_id(&name.parse().unwrap());
    assert_ne!(id("ada", 3), id("ada", 4));
    assert_ne!(id("ada", 3), id("ben", 3));
}

#[test]
fn why_a_prompt_is_lost_is_known_before_anybody_has_written_it_down() {
    let why = |said: &[TranscriptText], worker| last(said).unwrap().why_lost(worker);
    assert_eq!(why(&[sent(3)], WorkerVital::Dead).as_deref(), Some("its worker died"));
    assert_eq!(why(&[sent(3)], WorkerVital::Alive), None);
    let said = [&[sent(3)], &loss_after(&[sent(3)], 0).entries[..], &[TranscriptText::Ready]].concat();
    for worker in [WorkerVital::Alive, WorkerVital::Dead] {
        assert_eq!(why(&said, worker).as_deref(), Some(WHY));
    }
    let task = started(4, Some(TaskId(7)), TaskWork::run("make"), Vec::new());
    assert_eq!(why(&[task], WorkerVital::Dead), None, "the board tells of tasks");
    assert_eq!(why(&[sent(3), ended(3, None, TurnEnd::Aborted)], WorkerVital::Dead), None);
}

#[test]
fn the_command_to_send_it_again_can_be_typed() {
    let again = |work| send_again(&ada(), &work);
    assert_eq!(again(TaskWork::run("make")), "teamster send ada --run make");
    assert_eq!(again(TaskWork::run("echo it's")), r"teamster send ada --run 'echo it'\''s'");
    let open = TaskWork::Run { command: "cat".to_owned(), input: CommandInput::Open };
    assert_eq!(again(open), "teamster send ada --run -i cat");
    assert_eq!(again(TaskWork::Prompt("review it".to_owned())), "teamster send ada 'review it'");
    for long in ["two\nlines".to_owned(), "x".repeat(LOST_LINE_CHARS_MAX + 1), "--json".to_owned()] {
        assert_eq!(again(TaskWork::run(long.clone())), "teamster send ada --run COMMAND", "{long}");
        assert_eq!(again(TaskWork::Prompt(long)), "teamster send ada WORDS");
    }
}

#[test]
fn a_long_text_is_told_by_its_beginning() {
    let long = "ä".repeat(LOST_LINE_CHARS_MAX + 5);
    assert_eq!(first_lines(&long), [format!("{}…", "ä".repeat(LOST_LINE_CHARS_MAX))]);
    assert_eq!(first_lines("a\nb\nc\nd\ne\n"), ["a", "b", "c", "d", "…"]);
    assert_eq!(first_lines("a\n"), ["a"]);
}
