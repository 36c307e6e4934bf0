//! Whether the worker of a member lives: by its lock, and where the lock's file was tidied away, by its process.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{LockError, is_locked, read_holder};
use crate::host::plain_file;
use crate::host::process::{Identity, ProcessFate};

/// What a member's lock and the process that joined as its worker say about the worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerLife {
    /// Somebody holds the lock: the worker, the next one that starts, or a process that gives back what it held.
    Locked,
    /// The lock is free, and that proves nothing: its file is not the one that the worker has signed, and the worker's
    /// process runs, or can not be seen from here.
    LockLost,
    /// The lock is free, and no worker lives.
    Dead,
}

/// Whether the worker of a member lives. `lock` is the member's, and `joined` the process that joined last, if none has
/// left since.
///
/// A free lock proves a death only if the worker has signed the very file at `lock` ([`Holder::inode`](super::Holder)
/// and its process): a worker that lives holds that one, and a file that is open keeps its number for itself. Of any
/// other file nothing follows, and the process is looked for.
pub fn look_at_worker(lock: &Path, joined: Option<&Identity>) -> Result<WorkerLife, LockError> {
    match is_signed(lock, joined) {
        Ok(Signed::Locked) => Ok(WorkerLife::Locked),
        Ok(Signed::FreeByWorker) => Ok(WorkerLife::Dead),
        Ok(Signed::FreeByAnother) => Ok(life_of_process(joined)),
        // Something else stands in the lock's place, or it could not be looked at.
        Err(error) => match life_of_process(joined) {
            WorkerLife::LockLost => Ok(WorkerLife::LockLost),
            WorkerLife::Locked | WorkerLife::Dead => Err(error),
        },
    }
}

/// What is at the place of a lock's file.
enum Signed {
    Locked,
    FreeByWorker,
    FreeByAnother,
}

fn is_signed(lock: &Path, joined: Option<&Identity>) -> Result<Signed, LockError> {
    let (file, there) = match plain_file::open_to_read(lock) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Signed::FreeByAnother),
        Err(error) => return Err(LockError::io("open", lock)(error)),
    };
    // Before the lock is looked at: what is read of a file that is free stays so for as long as nobody takes it.
    let holder = read_holder(&file);
    if is_locked(&file, lock)? {
        return Ok(Signed::Locked);
    }
    let by_worker = holder.is_some_and(|holder| holder.is_of(there.ino(), joined));
    Ok(if by_worker { Signed::FreeByWorker } else { Signed::FreeByAnother })
}

pub(super) fn life_of_process(joined: Option<&Identity>) -> WorkerLife {
    match joined.map(Identity::fate) {
        Some(ProcessFate::Runs | ProcessFate::OutOfSight) => WorkerLife::LockLost,
        Some(ProcessFate::Ended) | None => WorkerLife::Dead,
    }
}
