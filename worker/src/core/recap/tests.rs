//! The summary of a conversation, made of the entries of transcripts.

use teamster_protocol::model::agent::{AgentSession, SessionId};
use teamster_protocol::model::id::Address;
use teamster_protocol::model::receipt::TextId;

use super::*;

fn entries(said: Vec<TranscriptText>) -> Vec<TranscriptEntry> {
    (1..).zip(said).map(|(seq, what)| TranscriptEntry { seq, at_ms: seq, what }).collect()
}

fn started(turn: u64, task: Option<u32>, prompt: &str) -> TranscriptText {
    let work = TaskWork::Prompt(prompt.to_owned());
    TranscriptText::TurnStarted {
        turn,
        task: task.map(TaskId),
        work,
        texts: Vec::new(),
        used_before: Default::default(),
    }
}

fn said(text: &str) -> TranscriptText {
    TranscriptText::Text { text: text.to_owned() }
}

fn ended(turn: u64, end: TurnEnd) -> TranscriptText {
    TranscriptText::TurnEnded { turn, task: None, end, used: Default::default() }
}

fn session(begun: SessionBegin) -> TranscriptText {
    TranscriptText::Session { session: AgentSession { id: SessionId("s1".to_owned()), begun } }
}

/// The summary of these transcripts, oldest first.
fn recap(subject: RecapSubject, transcripts: Vec<Vec<TranscriptText>>) -> Option<String> {
    let mut recap = ConversationRecap::new(subject);
    for transcript in transcripts.into_iter().rev() {
        if recap.take(&entries(transcript)) == RecapRoom::Full {
            break;
        }
    }
    recap.finish()
}

#[test]
fn a_summary_tells_what_was_asked_and_answered_and_left_unfinished() {
    let steer = TranscriptText::Steered {
        id: TextId::InTurn { turn: 2, number: 1 },
        from: Address::Lead,
        text: "with tests".to_owned(),
    };
    let told = recap(
        RecapSubject::Own,
        vec![
            vec![
                started(1, None, "say hello\nthen go"),
                session(SessionBegin::Fresh),
                said("hel"),
                said("lo\n"),
                ended(1, TurnEnd::Completed),
            ],
            vec![started(2, Some(7), "write the parser"), steer, ended(2, TurnEnd::Aborted)],
            vec![started(3, Some(7), "write the parser"), said("half of it")],
        ],
    );
    let expected = "\
Your earlier conversation is lost. This is a summary of it, oldest first; do not answer it.

Asked:
> say hello
> then go
You answered:
> hello

Asked (task 7):
> write the parser
Said by lead meanwhile:
> with tests
This was stopped before it was done.

Asked (task 7):
> write the parser
You answered:
> half of it
This was not finished.

The summary ends here.";
    assert_eq!(told.unwrap(), expected);
}

#[test]
fn commands_are_left_out_and_nothing_said_is_no_summary() {
    let run = TranscriptText::TurnStarted {
        turn: 1,
        task: None,
        work: TaskWork::run("make"),
        texts: Vec::new(),
        used_before: Default::default(),
    };
    let transcripts = vec![vec![run, said("made"), ended(1, TurnEnd::Completed)], vec![TranscriptText::Ready]];
    assert_eq!(recap(RecapSubject::Own, transcripts), None);
}

#[test]
fn a_summary_goes_back_to_the_begin_of_the_conversation_and_no_further() {
    let turn = |turn, session: Option<SessionBegin>, after: Option<SessionBegin>| {
        let mut all = vec![started(turn, None, &format!("prompt {turn}"))];
        all.extend(session.map(self::session));
        all.push(ended(turn, TurnEnd::Completed));
        all.extend(after.map(self::session));
        all
    };
    let fresh = Some(SessionBegin::Fresh);
    let told = |transcripts| recap(RecapSubject::Own, transcripts).unwrap_or_default();
    // Its name is told in its first turn.
    let text = told(vec![turn(1, None, None), turn(2, fresh, None), turn(3, None, None)]);
    assert!(!text.contains("prompt 1") && text.contains("prompt 2") && text.contains("prompt 3"), "{text}");
    // Its name is told before its first turn, after one of the conversation before it.
    let text = told(vec![turn(1, None, fresh), turn(2, None, None)]);
    assert!(!text.contains("prompt 1") && text.contains("prompt 2"), "{text}");
    // One that began with a summary goes on with what that told of.
    for begun in [SessionBegin::Summarized, SessionBegin::Resumed, SessionBegin::Loaded] {
        let text = told(vec![turn(1, None, None), turn(2, Some(begun), None)]);
        assert!(text.contains("prompt 1") && text.contains("prompt 2"), "{text}");
    }
}

#[test]
fn a_summary_is_bounded_and_keeps_the_newest() {
    let long = "ä".repeat(RECAP_TEXT_BYTES_MAX);
    let turn = |turn: u64| {
        let prompt = format!("number {turn} {long}");
        vec![started(turn, None, &prompt), said(&long), said(&format!("done {turn}")), ended(turn, TurnEnd::Completed)]
    };
    let name: MemberName = "bob".parse().unwrap();
    let text = recap(RecapSubject::Other(name), (1..=30).map(turn).collect()).unwrap();
    assert!(text.len() < RECAP_BYTES_MAX + 400, "{}", text.len());
    assert!(text.contains("number 30 ") && text.contains("done 30") && !text.contains("number 1 "), "{text}");
    assert!(text.contains("bob answered:") && text.contains("(What was said before this is left out.)"), "{text}");
}
