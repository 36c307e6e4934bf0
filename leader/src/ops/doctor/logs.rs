//! Every line of every log and of every transcript.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::Board;
use teamster_protocol::model::mail::Mailbox;
use teamster_protocol::model::notice::TranscriptEntry;
use teamster_protocol::model::roster::Roster;
use teamster_protocol::store::file::{
    CheckedFile, LineDamage, LogError, LogFold, LogReader, check as check_log, check_old, is_marked, old_of,
};
use teamster_protocol::store::transcript;

use super::report::{DoctorFindings, REPAIR, counted};
use super::{CheckGroup, DoctorSubject, numbers};

/// Bad lines that are named one by one.
const LINES_NAMED_MAX: usize = 3;

pub(super) fn check(subject: &DoctorSubject, found: &mut DoctorFindings) {
    let dir = &subject.dir;
    // Before the board, from which the views are written.
    let known_task = numbers::highest(dir);
    one::<Roster>("the roster", &dir.roster(), found);
    one::<Board>("the board", &dir.board(), found);
    missing(dir, found);
    if let Ok(board) = LogReader::<Board>::open(dir.board())
        && let last = board.state().next_id().0 - 1
        && known_task > last
        && !is_missing(&dir.board())
    {
        let what = format!(
            "the last task of the board is {last}, but task {known_task} was added: the end of the board was cut off, or an \
             older copy was put in its place"
        );
        found.wrong(CheckGroup::Logs, what).at(&dir.board()).hint(REPAIR);
    }
    let (mut sound, mut records, mut bytes) = (0, 0, 0);
    match mailboxes(dir) {
        Ok(paths) => {
            for path in paths {
                if let Some(checked) = look::<Mailbox>(&path, found) {
                    sound += 1;
                    records += checked.records;
                    bytes += checked.bytes;
                }
            }
            if sound > 0 {
                let them = if sound == 1 { "1 mailbox is".to_owned() } else { format!("{sound} mailboxes are") };
                let size = crate::ops::text::bytes(bytes);
                found.ok(CheckGroup::Logs, format!("{them} sound: {}, {size}", counted(records as usize, "record")));
            }
        }
        Err(error) => {
            found.wrong(CheckGroup::Logs, format!("the mailboxes cannot be listed: {error}")).at(&dir.mail_dir());
        }
    }
    transcripts(dir, found);
}

/// Logs that are not there and must have been: the board is made before the roster, and the roster before anything is
/// written on the board.
fn missing(dir: &TeamDir, found: &mut DoctorFindings) {
    let (board, roster) = (dir.board(), dir.roster());
    let has_tasks = || LogReader::<Board>::open(&board).map_or(true, |board| board.next_seq() > 1);
    let was_there = |log: &Path, proof: bool| proof || is_marked(log).unwrap_or(false);
    for (name, log, proof) in [("board", &board, !is_missing(&roster)), ("roster", &roster, has_tasks())] {
        if is_missing(log) && was_there(log, proof) {
            found
                .corrupt(CheckGroup::Logs, format!("the {name} is missing, although the team is there"))
                .at(log)
                .hint(REPAIR);
        }
    }
    for mailbox in lost_mailboxes(dir) {
        found
            .corrupt(CheckGroup::Logs, "the mailbox is missing, although there was mail in it")
            .at(&mailbox)
            .hint(REPAIR);
    }
}

/// The mailboxes that are not there, and had mail by the marks beside them. What can not be looked at is told where the
/// mailboxes are listed.
pub(super) fn lost_mailboxes(dir: &TeamDir) -> Vec<PathBuf> {
    let locks = fs::read_dir(dir.mail_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs =
        locks.filter(|lock| lock.extension().is_some_and(|end| end == "lock")).map(|lock| lock.with_extension("jsonl"));
    let mut lost: Vec<PathBuf> = logs.filter(|log| is_missing(log) && is_marked(log).unwrap_or(false)).collect();
    lost.sort();
    lost
}

/// Whether there was a team here: one of its logs is there, or is known to have had records.
pub(super) fn was_made(dir: &TeamDir) -> bool {
    dir.exists() || [dir.board(), dir.roster()].iter().any(|log| is_marked(log).unwrap_or(false))
}

fn is_missing(log: &Path) -> bool {
    log.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn one<F: LogFold>(name: &str, path: &Path, found: &mut DoctorFindings) {
    if let Some(checked) = look::<F>(path, found) {
        let CheckedFile { generation, records, .. } = checked;
        let size = crate::ops::text::bytes(checked.bytes);
        let what = format!("{name} is sound: {}, generation {generation}, {size}", counted(records as usize, "record"));
        found.ok(CheckGroup::Logs, what);
    }
}

/// Looks at a log and at the generation before it; returns what was seen if all of it is sound and there.
fn look<F: LogFold>(path: &Path, found: &mut DoctorFindings) -> Option<CheckedFile> {
    match check_old::<F>(path) {
        Ok(Some(old)) if !old.is_sound() => {
            let what = format!("the generation before, for readers that lag: {}", damage(&old));
            found.wrong(CheckGroup::Logs, what).at(&old_of(path)).hint(REPAIR);
        }
        Err(error @ LogError::NotAFile { .. }) => {
            found.wrong(CheckGroup::Logs, first_line(&error)).hint(REPAIR);
        }
        // What else keeps it from being read keeps the log itself from that too, or nobody needs it.
        Ok(_) | Err(_) => {}
    }
    let checked = match check_log::<F>(path) {
        Ok(checked) => checked?,
        Err(error @ LogError::OtherKind { .. }) => {
            found
                .corrupt(CheckGroup::Logs, first_line(&error))
                .hint("it was put there by hand: put the right file back");
            return None;
        }
        Err(error @ LogError::NotAFile { .. }) => {
            found.corrupt(CheckGroup::Logs, first_line(&error)).hint(REPAIR);
            return None;
        }
        Err(error @ LogError::Unreadable { .. }) => {
            let hint = "the disk may be failing: copy the team's directory while it can be read";
            found.corrupt(CheckGroup::Logs, first_line(&error)).hint(hint);
            return None;
        }
        Err(error) => {
            found.wrong(CheckGroup::Logs, first_line(&error));
            return None;
        }
    };
    if checked.torn_bytes > 0 && checked.is_sound() {
        let what = format!("{} bytes of an unfinished last record; the next writer cuts them", checked.torn_bytes);
        found.note(CheckGroup::Logs, what).at(path);
    }
    if let Some((line, version)) = checked.newer {
        let what = format!("line {line} is of format version {version}");
        found.corrupt(CheckGroup::Logs, what).at(path).hint("use the newer teamster that wrote it");
    }
    if !checked.damage.is_empty() {
        found.corrupt(CheckGroup::Logs, damage(&checked)).at(path).hint(REPAIR);
    }
    if checked.unknown_facts > 0 {
        let what = format!("{} facts of a newer version are passed over", checked.unknown_facts);
        found.note(CheckGroup::Logs, what).at(path);
    }
    if !checked.is_sound() {
        return None;
    }
    // Every line is whole, but a reader may still not be able to take them all.
    match LogReader::<F>::open(path) {
        Ok(_) => Some(checked),
        Err(error) => {
            found.corrupt(CheckGroup::Logs, first_line(&error)).hint(REPAIR);
            None
        }
    }
}

fn damage(checked: &CheckedFile) -> String {
    let named = |(line, damage): &(u64, LineDamage)| format!("line {line}: {damage}");
    let mut words: Vec<String> = checked.damage.iter().take(LINES_NAMED_MAX).map(named).collect();
    if checked.damage.len() > LINES_NAMED_MAX {
        words.push(format!("and {} more", checked.damage.len() - LINES_NAMED_MAX));
    }
    words.join("; ")
}

/// An error without its way out, which is given on a line of its own here.
fn first_line(error: &LogError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The mailboxes there are, whoever's they are.
pub(super) fn mailboxes(dir: &TeamDir) -> io::Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(dir.mail_dir()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut paths = Vec::new();
    for entry in listing {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// One transcript with lines that are no entries.
pub(super) struct BadTranscript {
    pub(super) path: PathBuf,
    pub(super) bad_lines: Vec<u64>,
}

fn transcripts(dir: &TeamDir, found: &mut DoctorFindings) {
    let mut files = 0;
    for (member, turns) in transcript_dirs(dir, found) {
        let mut last = None;
        for turn in turns {
            let path = transcript::path_of(&member, turn);
            let bytes = match transcript::read_file(&path) {
                Ok(bytes) => bytes,
                // Its worker removes the oldest at its start.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    found.wrong(CheckGroup::Logs, format!("cannot be read: {error}")).at(&path);
                    continue;
                }
            };
            let read = read_transcript(&bytes);
            files += 1;
            if !read.bad_lines.is_empty() {
                let lines: Vec<String> = read.bad_lines.iter().map(u64::to_string).collect();
                let what = format!("a transcript with lines that are no entries: {}", lines.join(", "));
                found.wrong(CheckGroup::Logs, what).at(&path).hint(REPAIR);
            }
            for seq in read.entries {
                if last.is_some_and(|last| seq != last + 1) && read.bad_lines.is_empty() {
                    let what = format!("a transcript goes on with entry {seq} after {}", last.unwrap_or_default());
                    found.note(CheckGroup::Logs, what).at(&path);
                }
                last = Some(seq);
            }
        }
    }
    if files > 0 {
        found.ok(CheckGroup::Logs, format!("{}, each line an entry", counted(files, "transcript")));
    }
}

struct ReadTranscript {
    entries: Vec<u64>,
    bad_lines: Vec<u64>,
}

fn read_transcript(bytes: &[u8]) -> ReadTranscript {
    let mut read = ReadTranscript { entries: Vec::new(), bad_lines: Vec::new() };
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        // A line without its end belongs to whoever writes it, or is cut by the next life.
        let Some(line) = line.strip_suffix(b"\n") else { continue };
        match serde_json::from_slice::<TranscriptEntry>(line) {
            Ok(entry) => read.entries.push(entry.seq),
            // A newer version may say what this one does not know.
            Err(_) if serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|value| value["seq"].is_u64()) => {}
            Err(_) => read.bad_lines.push(number),
        }
    }
    read
}

/// The transcripts of a member that hold lines which are no entries.
pub(super) fn bad_transcripts(turns: &Path) -> Vec<BadTranscript> {
    let mut bad = Vec::new();
    for turn in transcript::turns(turns).unwrap_or_default() {
        let path = transcript::path_of(turns, turn);
        let bad_lines = transcript::read_file(&path).map(|bytes| read_transcript(&bytes).bad_lines).unwrap_or_default();
        if !bad_lines.is_empty() {
            bad.push(BadTranscript { path, bad_lines });
        }
    }
    bad
}

fn transcript_dirs(dir: &TeamDir, found: &mut DoctorFindings) -> Vec<(PathBuf, Vec<u64>)> {
    let listing = match fs::read_dir(dir.turns_dir()) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            found.wrong(CheckGroup::Logs, format!("the transcripts cannot be listed: {error}")).at(&dir.turns_dir());
            return Vec::new();
        }
    };
    let mut members: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    members.sort();
    let mut dirs = Vec::new();
    for member in members {
        match transcript::turns(&member) {
            Ok(turns) => dirs.push((member, turns)),
            Err(error) => {
                found.wrong(CheckGroup::Logs, error.to_string());
            }
        }
    }
    dirs
}
