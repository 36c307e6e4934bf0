//! What readers and later lives find, also after a crash, a failed write and a member that says very much.

use super::standing::TAIL_BYTES;
use super::*;
use crate::model::agent::ToolState;
use crate::model::receipt::TextId;
use crate::model::task::TaskWork;

fn text(entry: &TranscriptEntry) -> Option<&str> {
    if let TranscriptText::Text { text } = &entry.what { Some(text) } else { None }
}

fn texts(entries: &[TranscriptEntry]) -> Vec<&str> {
    entries.iter().filter_map(text).collect()
}

#[test]
fn a_later_life_goes_on_with_the_numbers_and_cuts_a_torn_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    let mut first = Transcript::open(dir.clone()).unwrap();
    first.say(1, TranscriptText::Ready).unwrap();
    first
        .say(
            2,
            TranscriptText::TurnStarted {
                turn: 1,
                task: None,
                work: TaskWork::run("x"),
                texts: Vec::new(),
                used_before: Default::default(),
            },
        )
        .unwrap();
    first.say(3, TranscriptText::Text { text: "one".into() }).unwrap();
    let mut torn = OpenOptions::new().append(true).open(path_of(&dir, 1)).unwrap();
    torn.write_all(b"{\"seq\":4,\"at_").unwrap();
    let mut second = Transcript::open(dir.clone()).unwrap();
    assert_eq!((second.turn(), second.seq()), (1, 3));
    assert_eq!(second.say(5, TranscriptText::Text { text: "two".into() }).unwrap().seq, 4);
    assert_eq!(texts(&read(&dir, 1, 0).unwrap().entries), ["one", "two"]);
    assert_eq!(since(&dir, 2).unwrap().iter().map(|e| e.seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(since(&dir, 0).unwrap().len(), 4);
}

#[test]
fn a_turn_is_open_from_its_start_to_its_end_or_to_the_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    assert_eq!(open_turn(&dir).unwrap(), None);
    let mut transcript = Transcript::open(dir.clone()).unwrap();
    transcript.say(1, TranscriptText::Ready).unwrap();
    assert_eq!(open_turn(&dir).unwrap(), None);
    transcript
        .say(
            2,
            TranscriptText::TurnStarted {
                turn: 1,
                task: None,
                work: TaskWork::run("x"),
                texts: Vec::new(),
                used_before: Default::default(),
            },
        )
        .unwrap();
    assert_eq!(
        open_turn(&dir).unwrap(),
        Some(OpenTurn { turn: 1, task: None, since_ms: 2, quiet: false, waiting: Vec::new() })
    );
    for _ in 0..3 {
        transcript.say(3, TranscriptText::Text { text: "y".repeat(TAIL_BYTES as usize / 2) }).unwrap();
    }
    assert_eq!(
        open_turn(&dir).unwrap(),
        Some(OpenTurn { turn: 1, task: None, since_ms: 2, quiet: false, waiting: Vec::new() }),
        "it may say much"
    );
    transcript
        .say(
            4,
            TranscriptText::TurnEnded {
                turn: 1,
                task: None,
                end: crate::model::agent::TurnEnd::Completed,
                used: Default::default(),
            },
        )
        .unwrap();
    assert_eq!(standing(&dir).unwrap(), Some(TranscriptStanding::Free { since_ms: 4 }));
    transcript
        .say(
            5,
            TranscriptText::TurnStarted {
                turn: 2,
                task: None,
                work: TaskWork::run("x"),
                texts: Vec::new(),
                used_before: Default::default(),
            },
        )
        .unwrap();
    Transcript::open(dir.clone()).unwrap().say(6, TranscriptText::Ready).unwrap();
    assert_eq!(open_turn(&dir).unwrap(), None, "its worker died in it");
}

#[test]
fn a_turn_is_quiet_from_the_stall_to_the_next_word_and_keeps_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    assert_eq!(last_words(&dir, 10).unwrap(), "");
    let mut transcript = Transcript::open(dir.clone()).unwrap();
    transcript
        .say(
            1,
            TranscriptText::TurnStarted {
                turn: 1,
                task: None,
                work: TaskWork::run("x"),
                texts: Vec::new(),
                used_before: Default::default(),
            },
        )
        .unwrap();
    transcript.say(2, TranscriptText::Text { text: "né ".into() }).unwrap();
    transcript.say(3, TranscriptText::Stalled { turn: 1, quiet_ms: 9 }).unwrap();
    assert!(open_turn(&dir).unwrap().unwrap().quiet);
    transcript.say(4, TranscriptText::Text { text: "later".into() }).unwrap();
    assert!(!open_turn(&dir).unwrap().unwrap().quiet);
    assert_eq!(last_words(&dir, 100).unwrap(), "né later");
    assert_eq!(last_words(&dir, 7).unwrap(), " later", "never half a character");
    transcript
        .say(
            5,
            TranscriptText::TurnEnded {
                turn: 1,
                task: None,
                end: crate::model::agent::TurnEnd::Completed,
                used: Default::default(),
            },
        )
        .unwrap();
    assert_eq!(last_words(&dir, 100).unwrap(), "");
}

fn start(turn: u64) -> TranscriptText {
    TranscriptText::TurnStarted {
        turn,
        task: None,
        work: TaskWork::run("x"),
        texts: Vec::new(),
        used_before: Default::default(),
    }
}

fn end(turn: u64) -> TranscriptText {
    TranscriptText::TurnEnded {
        turn,
        task: None,
        end: crate::model::agent::TurnEnd::Completed,
        used: Default::default(),
    }
}

#[test]
fn a_life_of_many_turns_keeps_no_more_files_than_many_lives() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    let mut transcript = Transcript::open(dir.clone()).unwrap();
    let last = TRANSCRIPTS_KEPT_MAX + 3;
    for turn in 1..=last {
        transcript.say(turn, start(turn)).unwrap();
    }
    let kept = turns(&dir).unwrap();
    assert_eq!((kept.first(), kept.last(), kept.len() as u64), (Some(&4), Some(&last), TRANSCRIPTS_KEPT_MAX));
    // What a crash has left amid that, the next life removes.
    fs::write(path_of(&dir, 2), "").unwrap();
    Transcript::open(dir.clone()).unwrap();
    assert_eq!(turns(&dir).unwrap().first(), Some(&4));
}

#[test]
fn mail_without_turns_goes_on_in_the_next_file_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    let mut transcript = Transcript::open(dir.clone()).unwrap();
    transcript.say(1, TranscriptText::Ready).unwrap();
    let id = crate::model::id::MessageId::from_parts(1, 1);
    let mail = || TranscriptText::Mail { id, from: crate::model::id::Address::Lead, text: "x".repeat(1 << 20) };
    let count = 2 * TRANSCRIPT_BYTES_MAX / (1 << 20) + 4;
    for _ in 0..count {
        transcript.say(2, mail()).unwrap();
    }
    assert_eq!(turns(&dir).unwrap(), [0, 1, 2]);
    for number in turns(&dir).unwrap() {
        let bytes = fs::metadata(path_of(&dir, number)).unwrap().len();
        assert!(bytes < TRANSCRIPT_BYTES_MAX + (2 << 20), "{bytes} in file {number}");
    }
    assert_eq!(since(&dir, 1).unwrap().len() as u64, count);
    transcript.say(3, TranscriptText::Trouble { text: "y".into() }).unwrap();
    // The first turn comes after that, in a file of its own.
    transcript.say(4, start(1)).unwrap();
    transcript.say(5, TranscriptText::Text { text: "words".into() }).unwrap();
    assert_eq!(
        open_turn(&dir).unwrap(),
        Some(OpenTurn { turn: 1, task: None, since_ms: 4, quiet: false, waiting: Vec::new() })
    );
    assert_eq!((turns(&dir).unwrap().last(), last_words(&dir, 9).unwrap().as_str()), (Some(&3), "words"));
    assert_eq!(Transcript::open(dir).unwrap().turn(), 3, "the next life numbers its turns on from there");
}

#[test]
fn a_file_that_holds_nothing_but_mail_tells_that_no_turn_runs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    let mut transcript = Transcript::open(dir.clone()).unwrap();
    let id = crate::model::id::MessageId::from_parts(1, 1);
    for at_ms in 5..8 {
        let text = "x".repeat(TAIL_BYTES as usize / 2);
        transcript.say(at_ms, TranscriptText::Mail { id, from: crate::model::id::Address::Lead, text }).unwrap();
    }
    assert_eq!(standing(&dir).unwrap(), Some(TranscriptStanding::Free { since_ms: 5 }));
}

#[test]
fn in_a_turn_everything_has_a_limit_and_what_is_not_kept_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    let mut transcript = Transcript::open(dir.clone()).unwrap();
    transcript.say(1, start(1)).unwrap();
    let detail = || "x".repeat(1 << 20);
    for _ in 0..TRANSCRIPT_BYTES_MAX / (1 << 20) + 2 {
        transcript
            .say(2, TranscriptText::ToolCall { id: String::new(), title: detail(), state: ToolState::Done })
            .unwrap();
    }
    for _ in 0..TRANSCRIPT_BYTES_MAX / (1 << 20) + 2 {
        transcript
            .say(
                3,
                TranscriptText::Steered {
                    id: TextId::prompt_of(1),
                    from: crate::model::id::Address::Lead,
                    text: detail(),
                },
            )
            .unwrap();
    }
    transcript.say(4, end(1)).unwrap();
    assert!(fs::metadata(path_of(&dir, 1)).unwrap().len() < 2 * TRANSCRIPT_BYTES_MAX + (2 << 20));
    let entries = read(&dir, 1, 0).unwrap().entries;
    let kept = entries
        .iter()
        .filter(|entry| matches!(entry.what, TranscriptText::ToolCall { .. } | TranscriptText::Steered { .. }));
    let all = 2 * (TRANSCRIPT_BYTES_MAX / (1 << 20) + 2);
    let cut = (all - kept.count() as u64) << 20;
    assert_eq!(entries[entries.len() - 2].what, TranscriptText::Cut { bytes: cut });
}

#[test]
fn half_a_line_that_could_not_be_cut_is_cut_before_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    let mut transcript = Transcript::open(dir.clone()).unwrap();
    transcript.say(1, start(1)).unwrap();
    transcript.say(2, TranscriptText::Text { text: "one".into() }).unwrap();
    // As a disk that fails: nothing is written, and nothing can be cut.
    transcript.file = Some(File::open(path_of(&dir, 1)).unwrap());
    transcript.say(3, TranscriptText::Text { text: "lost".into() }).unwrap_err();
    OpenOptions::new().append(true).open(path_of(&dir, 1)).unwrap().write_all(b"{\"seq\":3,\"at").unwrap();
    assert_eq!(transcript.say(4, TranscriptText::Text { text: "two".into() }).unwrap().seq, 3);
    assert_eq!(texts(&read(&dir, 1, 0).unwrap().entries), ["one", "two"]);
}

#[test]
fn a_number_that_a_newer_version_gave_is_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("alice");
    Transcript::open(dir.clone()).unwrap().say(1, TranscriptText::Ready).unwrap();
    let mut newer = OpenOptions::new().append(true).open(path_of(&dir, 0)).unwrap();
    newer.write_all(b"{\"seq\":2,\"at_ms\":1,\"kind\":\"danced\"}\n").unwrap();
    assert_eq!(Transcript::open(dir).unwrap().say(1, TranscriptText::Ready).unwrap().seq, 3);
}
