//! Whether the worker of a member lives: by its lock, and where the lock's file was tidied away, by its process.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{LockError, is_locked, read_signature};
use crate::host::plain_file;
use crate::host::process::{ProcessFate, ProcessIdentity, own_identity};

/// The life of a worker, as told by its member's lock and by the process that joined as the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerLife {
    /// Somebody holds the lock: the worker, the next one that starts, or a process that gives back what it held.
    Locked,
    /// The lock is free, and that proves nothing: its file is not the one that the worker has signed, and the worker's
    /// process runs, or can not be seen from here.
    LockLost,
    /// The lock is free, for the worker has let go of it, and its process is not gone: the first process of a PID namespace
    /// goes last, once nobody is left in it. What the worker had started may still hold locks and ports of its own.
    Dying,
    /// The lock is free, and no worker lives.
    Dead,
}

/// Whether the worker of a member lives. `lock` is the member's, and `joined` the process that joined last, if none has
/// left since.
///
/// A free lock proves a death only if the worker has signed the very file at `lock` ([`LockHolder::inode`](super::LockHolder)
/// and its process): a worker that lives holds that one, and a file that is open keeps its number for itself. Of any
/// other file nothing follows, and the process is looked for.
pub fn look_at_worker(lock: &Path, joined: Option<&ProcessIdentity>) -> Result<WorkerLife, LockError> {
    match is_signed(lock, joined) {
        Ok(SignedLock::Locked) => Ok(WorkerLife::Locked),
        Ok(SignedLock::FreeByWorker) => Ok(life_by_process(true, joined)),
        Ok(SignedLock::FreeByAnother) => Ok(life_by_process(false, joined)),
        // Something else stands in the lock's place, or it could not be looked at.
        Err(error) => match life_by_process(false, joined) {
            WorkerLife::LockLost => Ok(WorkerLife::LockLost),
            WorkerLife::Locked | WorkerLife::Dying | WorkerLife::Dead => Err(error),
        },
    }
}

/// The state of the file at the place of a lock, and its last signature.
enum SignedLock {
    Locked,
    FreeByWorker,
    FreeByAnother,
}

fn is_signed(lock: &Path, joined: Option<&ProcessIdentity>) -> Result<SignedLock, LockError> {
    let (file, there) = match plain_file::open_to_read(lock) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SignedLock::FreeByAnother),
        Err(error) => return Err(LockError::io("open", lock)(error)),
    };
    // Before the lock is looked at: what is read of a file that is free stays so for as long as nobody takes it.
    let holder = read_signature(&file);
    if is_locked(&file, lock)? {
        return Ok(SignedLock::Locked);
    }
    let by_worker = holder.is_some_and(|holder| holder.is_of(there.ino(), joined));
    Ok(if by_worker { SignedLock::FreeByWorker } else { SignedLock::FreeByAnother })
}

/// The life of a worker whose lock is free, by its process. `is_signed` says that the worker has signed the very file that is
/// free, so that it must have let go of the lock.
pub(super) fn life_by_process(is_signed: bool, joined: Option<&ProcessIdentity>) -> WorkerLife {
    match (joined.map(ProcessIdentity::fate), is_signed) {
        // A process that looks at its own lock has given it back, and goes on.
        (Some(ProcessFate::Runs), true) if own_identity().is_ok_and(|own| Some(&own) == joined) => WorkerLife::Dead,
        (Some(ProcessFate::Runs), true) => WorkerLife::Dying,
        (Some(ProcessFate::Runs), false) | (Some(ProcessFate::OutOfSight), false) => WorkerLife::LockLost,
        (Some(ProcessFate::OutOfSight), true) | (Some(ProcessFate::Ended) | None, _) => WorkerLife::Dead,
    }
}
