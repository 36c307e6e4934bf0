//! Locks that say who is alive. The kernel drops a lock when its holder dies, so nothing goes stale, and anyone can
//! look whether it is held without taking it.
//!
//! These are open-file-description locks (`F_OFD_SETLK`), not `flock`: with `flock` the only way to look is to
//! take the lock for a moment, and a worker that starts in that moment would be refused.
//!
//! A lock's file may be removed, replaced or moved by somebody who tidies up. So a free lock alone is no proof that its
//! worker is dead ([`look_at_worker`] asks for one), and a holder takes its lock anew where the file lost its place
//! ([`LifeLock`]).

mod life_lock;
mod worker_life;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::host::crash::point;
use crate::host::plain_file;
use crate::host::process::{ProcessFate, ProcessIdentity, own_cell, own_identity};

pub use life_lock::{LifeLock, LockKept};
pub use worker_life::{WorkerLife, look_at_worker};

/// How much of a lock's file is read: some twenty times what a holder writes.
const HOLDER_BYTES_MAX: usize = 4096;

/// A lock that this process holds until it is dropped or the process ends. Child processes do not inherit it.
#[derive(Debug)]
pub struct PresenceLock {
    file: File,
    /// The inode number of the locked file, by which it is told from a copy that took its place.
    inode: u64,
}

/// The holder of a lock, as it wrote itself down after taking the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// The process that holds the lock.
    #[serde(flatten)]
    pub process: ProcessIdentity,
    /// The time at which it took the lock.
    pub since_ms: u64,
    /// When the holder was done with what it held the lock for. Nothing while it holds it, and if it died holding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// The number of the file that this was written into. In a copy of the file it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// The number of the PID namespace that the holder is the first process of, if it is a worker in a cell: whoever is in
    /// that namespace was started by that worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<u64>,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{} is held{}", path.display(), holder.as_ref().map(|h| format!(" by process {}", h.process.pid)).unwrap_or_default())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// The holder, if its signature could be read.
        holder: Option<Box<LockHolder>>,
    },
    /// Nobody holds the lock, and yet the worker that it tells about may live: its file was removed or replaced.
    #[error(
        "{} was removed or replaced: nobody holds it, but the worker that it is for, process {}, may live
wait a moment: the worker takes it anew; if it hangs, end that process",
        path.display(), worker.pid
    )]
    Astray {
        /// The lock.
        path: PathBuf,
        /// The worker.
        worker: ProcessIdentity,
    },
    /// Nobody holds it, and what its worker had started is not all gone yet.
    #[error(
        "{} is free, but its worker, process {}, is still ending\nwait a moment and try again",
        path.display(), worker.pid
    )]
    Dying {
        /// The lock.
        path: PathBuf,
        /// The worker.
        worker: ProcessIdentity,
    },
    /// The system refused.
    #[error("cannot {doing} {}: {source}{}", path.display(), way_out(source))]
    Io {
        /// The verb.
        doing: &'static str,
        /// The lock.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
}

impl LockError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LockError {
        move |source| LockError::Io { doing, path: path.to_owned(), source }
    }
}

/// The advice for an error that comes of something other than a plain file in the place of a lock's file.
fn way_out(error: &io::Error) -> &'static str {
    match plain_file::not_plain(error) {
        Some(_) => "\nmove it away: the file is made when it is needed",
        None => "",
    }
}

impl LockHolder {
    /// Whether this was written into the file of that number by that process.
    fn is_of(&self, inode: u64, process: Option<&ProcessIdentity>) -> bool {
        self.inode == Some(inode) && Some(&self.process) == process
    }
}

impl PresenceLock {
    /// Takes the lock, creating its file, or says who holds it. Does not wait.
    pub fn take(path: &Path, now_ms: u64) -> Result<PresenceLock, LockError> {
        // Before the lock is taken: until the new holder has written itself down, the one before it can be read.
        own_identity().map_err(LockError::io("identify ourselves for", path))?;
        let lock = PresenceLock::take_unsigned(path)?;
        lock.sign(path, now_ms);
        Ok(lock)
    }

    /// Takes the lock without writing down who holds it: for a process that keeps others out for a while, and whose life
    /// the lock does not tell about. The last holder that signed can still be read.
    pub fn take_unsigned(path: &Path) -> Result<PresenceLock, LockError> {
        let (file, inode) = loop {
            let mut open = OpenOptions::new();
            open.read(true).write(true).create(true).truncate(false).mode(0o600);
            let (file, there) = plain_file::open(&mut open, path).map_err(LockError::io("open", path))?;
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))) {
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => {
                    // A process that only keeps others out does not sign, and then the last one that did is dead.
                    let holder = read_signature(&file).filter(|holder| holder.process.fate() != ProcessFate::Ended);
                    return Err(LockError::Held { path: path.to_owned(), holder: holder.map(Box::new) });
                }
                Err(errno) => return Err(LockError::io("lock", path)(errno.into())),
            }
            // The file may have been removed between the opening and the locking: a lock on it would keep nobody out.
            if is_in_place(&file, path).map_err(LockError::io("look at", path))? {
                break (file, there.ino());
            }
        };
        point("lock taken");
        Ok(PresenceLock { file, inode })
    }

    /// Writes down that this process holds the lock since `now_ms`. The lock is the kernel's, whatever is written: a full
    /// disk keeps nobody from running.
    pub fn sign(&self, path: &Path, now_ms: u64) {
        let inode = Some(self.inode);
        let holder = own_identity().map(|process| LockHolder {
            process,
            since_ms: now_ms,
            ended_ms: None,
            inode,
            cell: own_cell(),
        });
        self.write(path, holder);
        point("lock signed");
    }

    /// The process that signed the lock last: this one once it has signed, else an earlier holder.
    pub fn last_signer(&self) -> Option<LockHolder> {
        read_signature(&self.file)
    }

    /// Writes down that what the lock was held for has ended in order, and gives it back.
    pub fn sign_off(self, path: &Path, now_ms: u64) {
        if let Some(holder) = self.last_signer() {
            self.write(path, Ok(LockHolder { ended_ms: Some(now_ms), ..holder }));
        }
        point("lock signed off");
        self.release();
    }

    fn write(&self, path: &Path, holder: io::Result<LockHolder>) {
        let written = holder.and_then(|holder| {
            let mut line = serde_json::to_vec(&holder).expect("a holder is plain data");
            line.push(b'\n');
            self.file.write_all_at(&line, 0)?;
            // Most holders are as long as the one before them, and to cut a file is the dearest step of all this.
            let length = line.len() as u64;
            if self.file.metadata()?.len() == length { Ok(()) } else { self.file.set_len(length) }
        });
        if let Err(error) = written {
            tracing::warn!("cannot write the holder into {}: {error}", path.display());
        }
    }

    /// Lets this lock pass only if no worker of its member lives. `joined` is the process that joined last as that worker,
    /// if none has left since, as the roster says after the lock was taken.
    pub fn of_dead_worker(self, path: &Path, joined: Option<&ProcessIdentity>) -> Result<PresenceLock, LockError> {
        let is_signed = self.last_signer().is_some_and(|holder| holder.is_of(self.inode, joined));
        match (worker_life::life_by_process(is_signed, joined), joined) {
            (WorkerLife::Dead | WorkerLife::Locked, _) | (_, None) => Ok(self),
            (WorkerLife::Dying, Some(worker)) => {
                Err(LockError::Dying { path: path.to_owned(), worker: worker.clone() })
            }
            (WorkerLife::LockLost, Some(worker)) => {
                Err(LockError::Astray { path: path.to_owned(), worker: worker.clone() })
            }
        }
    }

    /// Whether the file that is locked is still the one at `path`. Where it is not, the lock keeps nobody out.
    pub fn is_in_place(&self, path: &Path) -> Result<bool, LockError> {
        is_in_place(&self.file, path).map_err(LockError::io("look at", path))
    }

    /// Gives the lock back.
    pub fn release(self) {
        drop(self);
        point("lock released");
    }
}

impl Drop for PresenceLock {
    /// Unlocks before the descriptor is closed. A child that another thread is just starting has the descriptor too
    /// until it becomes another program, and would keep the lock for as long if this one were merely closed.
    fn drop(&mut self) {
        // An error here needs no answer: the descriptor is closed in a moment, which gives the lock back too.
        let _ = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_UNLCK)));
    }
}

/// Whether anyone holds the lock. A file that is not there is held by nobody.
pub fn is_held(path: &Path) -> Result<bool, LockError> {
    match open_to_look(path)? {
        Some(file) => is_locked(&file, path),
        None => Ok(false),
    }
}

/// The holder of the lock as it signed; nothing if nobody holds the lock or the signature can not be read.
pub fn read_holder(path: &Path) -> Result<Option<LockHolder>, LockError> {
    match open_to_look(path)? {
        Some(file) if is_locked(&file, path)? => Ok(read_signature(&file)),
        Some(_) | None => Ok(None),
    }
}

/// The last process that signed the lock, whether it still holds it or not; nothing if no signature can be read.
pub fn read_last_holder(path: &Path) -> Result<Option<LockHolder>, LockError> {
    Ok(open_to_look(path)?.and_then(|file| read_signature(&file)))
}

fn open_to_look(path: &Path) -> Result<Option<File>, LockError> {
    match plain_file::open_to_read(path) {
        Ok((file, _)) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LockError::io("open", path)(error)),
    }
}

fn is_locked(file: &File, path: &Path) -> Result<bool, LockError> {
    let mut lock = whole_file(libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(|errno| LockError::io("look at", path)(errno.into()))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

fn is_in_place(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if leads_nowhere(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error says that a path names nothing: no such name, a file on the way to it, or links in a circle.
fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}

fn whole_file(kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn read_signature(file: &File) -> Option<LockHolder> {
    let mut text = vec![0; HOLDER_BYTES_MAX];
    let got = plain_file::read_full(file, &mut text, 0).ok()?;
    serde_json::from_slice(&text[..got]).ok()
}

#[cfg(test)]
mod tests;
