//! The sum of what a member has used. The start of a turn tells the sum of all turns before it, so that the newest turn is
//! enough, and the older files may be gone.

use std::path::Path;

use super::standing::{TAIL_BYTES, length_of};
use super::{TranscriptError, lines, read, read_bytes, turns};
use crate::model::last_turn::LastTurn;
use crate::model::notice::{TranscriptEntry, TranscriptText};
use crate::model::usage::UsageSum;

/// What a member has used, as its transcripts tell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberUsage {
    /// All turns together, with the one that runs as far as it is.
    pub used: UsageSum,
    /// Tokens of the context window that were in use when the newest turn told of it.
    pub context: Option<u64>,
}

/// The use of a member so far. Reads the begin and the end of the newest turn's file, and more of it only if its agent said
/// much after it told what it used.
pub fn member_usage(dir: &Path) -> Result<MemberUsage, TranscriptError> {
    for number in turns(dir)?.into_iter().rev() {
        let Some(first) = first_of_turn(dir, number)? else { continue };
        if let Some(turn) = turn_in(dir, number, first)? {
            let context = turn.usage().and_then(|usage| usage.context);
            return Ok(MemberUsage { used: turn.used_before().plus(turn.used()), context });
        }
    }
    Ok(MemberUsage::default())
}

/// The use of all turns of the member that began at that time or later, such as those of the attempt that was claimed then.
pub fn used_since(dir: &Path, since_ms: u64) -> Result<UsageSum, TranscriptError> {
    let mut before = None;
    for number in turns(dir)?.into_iter().rev() {
        let Some(first) = first_of_turn(dir, number)? else { continue };
        let at_ms = first.at_ms;
        let Some(turn) = LastTurn::find([&first]) else { continue };
        if at_ms < since_ms {
            break;
        }
        before = Some(turn.used_before());
    }
    match before {
        Some(before) => Ok(member_usage(dir)?.used.since(before)),
        None => Ok(UsageSum::default()),
    }
}

/// The first entry of a file, if a turn begins there: no turn begins further down in a file.
fn first_of_turn(dir: &Path, number: u64) -> Result<Option<TranscriptEntry>, TranscriptError> {
    let mut bytes_max = TAIL_BYTES;
    loop {
        let head = read_bytes(dir, number, 0, bytes_max)?;
        if let Some(line) = lines(&head).next() {
            let first: Option<TranscriptEntry> = serde_json::from_slice(line).ok();
            return Ok(first.filter(|first| matches!(first.what, TranscriptText::TurnStarted { .. })));
        }
        // The work of a turn may be longer than what was read.
        if bytes_max >= length_of(dir, number)? {
            return Ok(None);
        }
        bytes_max *= 16;
    }
}

/// The turn of that file.
fn turn_in(dir: &Path, number: u64, first: TranscriptEntry) -> Result<Option<LastTurn>, TranscriptError> {
    let from = length_of(dir, number)?.saturating_sub(TAIL_BYTES);
    let tail = read(dir, number, from)?.entries;
    let turn = LastTurn::find(std::iter::once(&first).chain(&tail));
    match turn {
        Some(turn) if from > 0 && turn.used_at_end().is_none() && turn.usage().is_none() => {
            Ok(LastTurn::find(&read(dir, number, 0)?.entries))
        }
        turn => Ok(turn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::agent::TurnEnd;
    use crate::model::task::TaskWork;
    use crate::model::usage::TokenUsage;
    use crate::store::transcript::Transcript;

    fn started(turn: u64, before: UsageSum) -> TranscriptText {
        TranscriptText::TurnStarted {
            turn,
            task: None,
            work: TaskWork::run("x"),
            texts: Vec::new(),
            used_before: before,
        }
    }

    fn told(input: u64) -> TokenUsage {
        TokenUsage { input, context: Some(input), ..TokenUsage::default() }
    }

    fn of(input: u64, turns: u64, time_ms: u64) -> UsageSum {
        UsageSum { turns, time_ms, input, unpriced: u64::from(input > 0), ..UsageSum::default() }
    }

    #[test]
    fn the_newest_turn_tells_the_sum_of_all_however_little_of_the_others_is_left() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(member_usage(dir.path()).unwrap(), MemberUsage::default());
        let mut transcript = Transcript::open(dir.path().to_owned()).unwrap();
        let before = of(1000, 40, 7);
        transcript.say(100, started(41, before)).unwrap();
        assert_eq!(member_usage(dir.path()).unwrap().used, before.plus(of(0, 1, 0)));
        transcript.say(110, TranscriptText::Usage { turn: 41, usage: told(50) }).unwrap();
        transcript.say(120, TranscriptText::Text { text: "x".repeat(3 * TAIL_BYTES as usize) }).unwrap();
        let running = member_usage(dir.path()).unwrap();
        assert_eq!(running.used, UsageSum { unpriced: 2, ..of(1050, 41, 27) });
        assert_eq!(running.context, Some(50));
        let (end, used) = (TurnEnd::Completed, of(70, 1, 30));
        transcript.say(130, TranscriptText::TurnEnded { turn: 41, task: None, end, used }).unwrap();
        transcript.say(900, TranscriptText::Waiting).unwrap();
        let ended = UsageSum { unpriced: 2, ..of(1070, 41, 37) };
        assert_eq!(member_usage(dir.path()).unwrap().used, ended);
    }

    #[test]
    fn an_attempt_has_used_what_all_its_turns_have_and_nothing_of_those_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut transcript = Transcript::open(dir.path().to_owned()).unwrap();
        let ended =
            |turn, usage| TranscriptText::TurnEnded { turn, task: None, end: TurnEnd::Aborted, used: of(usage, 1, 10) };
        let mut before = UsageSum::default();
        for turn in 1..=3 {
            transcript.say(turn * 100, started(turn, before)).unwrap();
            transcript.say(turn * 100 + 10, ended(turn, turn)).unwrap();
            before = before.plus(of(turn, 1, 10));
        }
        assert_eq!(used_since(dir.path(), 301).unwrap(), UsageSum::default());
        assert_eq!(used_since(dir.path(), 200).unwrap(), of(2, 1, 10).plus(of(3, 1, 10)));
        assert_eq!(used_since(dir.path(), 0).unwrap(), before);
    }

    #[test]
    fn a_turn_whose_work_is_long_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut transcript = Transcript::open(dir.path().to_owned()).unwrap();
        let work = TaskWork::run("x".repeat(5 * TAIL_BYTES as usize));
        let before = of(5, 1, 1);
        transcript
            .say(1, TranscriptText::TurnStarted { turn: 2, task: None, work, texts: Vec::new(), used_before: before })
            .unwrap();
        assert_eq!(member_usage(dir.path()).unwrap().used.input, 5);
    }
}
