//! Looking at a log without folding it: what is wrong with it, line by line, and not only the first that is.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{
    LineDamage, LogError, LogFold,
    mark::{self, LogMark},
    mend::{self, ExaminedLog},
    paths, tail,
};
use crate::host::plain_file::{self, read_full};
use crate::model::limits::sizes::LOG_BYTES_MAX;

/// How often a file is read again that seems damaged: a writer may just be at it.
const LOOKS_MAX: usize = 3;

/// The findings of a look at one file of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedFile {
    /// Its size.
    pub bytes: u64,
    /// The generation of the file; 0 if it has no header, because it was never begun or because the header is damaged.
    pub generation: u32,
    /// Whole records after the snapshot that begins it.
    pub records: u64,
    /// Every bad line by its number, from 1, and what is wrong with it. What a reader would stop at is the first.
    pub damage: Vec<(u64, LineDamage)>,
    /// The first line that a newer program wrote, and its version: this one can neither read nor mend it.
    pub newer: Option<(u64, u32)>,
    /// The bytes of an unfinished last record. The next writer cuts them; they are no damage.
    pub torn_bytes: u64,
    /// Facts of a newer version, which are passed over.
    pub unknown_facts: u64,
    /// Whether the log goes on in the next generation.
    pub sealed: bool,
}

impl CheckedFile {
    /// Whether a reader takes all of it.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.newer.is_none()
    }
}

/// Looks at every line of the log at `path`; `None` if there is no file. Takes no lock and changes nothing.
///
/// Blocks for the reading. Fails if the file can not be read or is the log of another kind.
pub fn check<F: LogFold>(path: &Path) -> Result<Option<CheckedFile>, LogError> {
    check_against::<F>(path, || mark::read_mark(path))
}

/// Looks at a file, and whether it is as long as it is `known` to have been.
fn check_against<F: LogFold>(
    path: &Path,
    known: impl Fn() -> Result<Option<LogMark>, LogError>,
) -> Result<Option<CheckedFile>, LogError> {
    let mut before: Option<Vec<u8>> = None;
    let mut known_before = None;
    for _ in 0..LOOKS_MAX {
        // Looked up first, so that what is written between the two is no loss.
        known_before = known()?;
        let Some(bytes) = read(path)? else { return Ok(None) };
        let found = examine::<F>(path, &bytes, known_before)?;
        // A line that is just being written, or a torn one that is just being replaced, is another one the next time.
        if (found.is_sound() && found.torn_bytes == 0) || before.as_ref() == Some(&bytes) {
            return Ok(Some(summed_up(&found, bytes.len() as u64)));
        }
        before = Some(bytes);
    }
    // Written to all the time: then whoever writes has read it, and it is as the last look shows it.
    let bytes = before.unwrap_or_default();
    Ok(Some(summed_up(&examine::<F>(path, &bytes, known_before)?, bytes.len() as u64)))
}

/// As [`check`], of the generation before the present one, which is kept for readers that lag.
pub fn check_old<F: LogFold>(path: &Path) -> Result<Option<CheckedFile>, LogError> {
    check_against::<F>(&old_of(path), || Ok(None))
}

/// Where the generation before the present one is.
pub fn old_of(path: &Path) -> PathBuf {
    paths::old_path(path)
}

/// The file whole; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    let (file, there) = match plain_file::open_to_read(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("open", path)(error)),
    };
    if there.len() > LOG_BYTES_MAX {
        return Err(LogError::io("read", path)(plain_file::too_long(there.len(), LOG_BYTES_MAX)));
    }
    let mut bytes = vec![0; usize::try_from(there.len()).unwrap_or(usize::MAX)];
    let got = read_full(&file, &mut bytes, 0).map_err(LogError::read(path))?;
    bytes.truncate(got);
    Ok(Some(bytes))
}

/// The lines of a file, told apart. Refuses the log of another kind: nothing in it would be right.
pub(super) fn examine<'a, F: LogFold>(
    path: &Path,
    bytes: &'a [u8],
    known: Option<LogMark>,
) -> Result<ExaminedLog<'a>, LogError> {
    let mut found = examine_facts::<F::Fact>(bytes, F::FACTS);
    if let (Some(header), Some(known)) = (&found.header, known)
        && known.proves_loss(header.log_began_ms(), found.next_seq)
    {
        let lines = bytes[..found.end].iter().filter(|byte| **byte == b'\n').count() as u64;
        let damage = LineDamage::CutShort { last: found.next_seq.saturating_sub(1), known: known.next_seq - 1 };
        found.damage.push((lines + 1, damage));
    }
    match &found.header {
        Some(header) if header.log != F::KIND => {
            Err(LogError::OtherKind { path: path.to_owned(), found: header.log.clone(), expected: F::KIND })
        }
        Some(_) | None => Ok(found),
    }
}

fn examine_facts<'a, Fact: DeserializeOwned>(bytes: &'a [u8], known: &[&str]) -> ExaminedLog<'a> {
    let mut found = mend::examine::<Fact>(bytes, known);
    // A log has its name only once its header is written, so no crash leaves one without.
    if found.end == 0 {
        found.damage.push((1, LineDamage::Header { why: tail::unfinished_header(bytes) }));
    }
    found
}

fn summed_up(found: &ExaminedLog<'_>, bytes: u64) -> CheckedFile {
    CheckedFile {
        bytes,
        generation: found.header.as_ref().map_or(0, |header| header.generation),
        records: found.records(),
        damage: found.damage.clone(),
        newer: found.newer,
        torn_bytes: found.torn_bytes as u64,
        unknown_facts: found.unknown_facts,
        sealed: found.sealed,
    }
}
