//! The numbers of tasks that were given, as they are known from elsewhere than the board: a board that was lost goes on
//! above them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use teamster_protocol::host::plain_file;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::limits::TASK_TEXT_BYTES_MAX;
use teamster_protocol::model::notice::{TranscriptEntry, TranscriptText};
use teamster_protocol::store::file::highest_marked_id;
use teamster_protocol::store::transcript;

/// A board of which the newest part is gone goes on at the next multiple, past what only the lost records knew.
const LEAP: u32 = 1_000;

/// How much of a board is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LostNumbers {
    /// Single lines are lost at most.
    Lines,
    /// The newest file, or all.
    Newest,
}

/// The facts to write so that the board gives no number a second time. `known` is the answer of [`highest`].
pub(super) fn go_on_above(known: u32, gone: LostNumbers, board: &Board) -> Vec<BoardFact> {
    let last = board.next_id().0.saturating_sub(1);
    let given = last.max(known);
    let last_id = match gone {
        LostNumbers::Lines => given,
        LostNumbers::Newest => (given / LEAP).saturating_add(1).saturating_mul(LEAP),
    };
    if last_id > last { vec![BoardFact::Numbered { last_id }] } else { Vec::new() }
}

/// The highest number that the mark of the board, a view or a transcript names; 0 if none does. A file that cannot be
/// read names none.
pub(super) fn highest(dir: &TeamDir) -> u32 {
    let views = names(&dir.tasks_dir()).filter_map(|name| name.strip_suffix(".json")?.parse().ok());
    let members = names(&dir.turns_dir()).map(|name| dir.turns_dir().join(name));
    let turns = members.flat_map(|member| {
        let turns = transcript::turns(&member).unwrap_or_default();
        turns.into_iter().filter_map(move |turn| task_of(&transcript::path_of(&member, turn)))
    });
    let marked = highest_marked_id(&dir.board()).ok().and_then(|id| u32::try_from(id).ok());
    views.chain(turns).chain(marked).max().unwrap_or(0)
}

fn names(dir: &Path) -> impl Iterator<Item = String> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

/// The task of a turn, which is in the first line of its transcript.
fn task_of(path: &Path) -> Option<u32> {
    // Every byte of a text may be escaped.
    let line_bytes_max = 8 * TASK_TEXT_BYTES_MAX as u64;
    let mut line = Vec::new();
    BufReader::new(plain_file::open_to_read(path).ok()?.0).take(line_bytes_max).read_until(b'\n', &mut line).ok()?;
    let TranscriptText::TurnStarted { task, .. } = serde_json::from_slice::<TranscriptEntry>(&line).ok()?.what else {
        return None;
    };
    task.map(|task| task.0)
}
