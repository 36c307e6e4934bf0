//! Locks that say who is alive. The kernel drops one when its holder dies, so nothing goes stale, and anyone can
//! look whether it is held without taking it.
//!
//! These are open-file-description locks (`F_OFD_SETLK`), not `flock`: with `flock` the only way to look is to
//! take the lock for a moment, and a worker that starts in that moment would be refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::host::clock::now_ms;
use crate::host::crash::point;
use crate::host::process::{Identity, own_identity};

/// How often a lock is tried that somebody else holds.
const RETRY: Duration = Duration::from_millis(20);

/// A lock that this process holds until it is dropped or the process ends. Child processes do not inherit it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Who holds a lock, as the holder wrote it down after taking it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    #[serde(flatten)]
    pub process: Identity,
    /// Since when.
    pub since_ms: u64,
    /// When it was done with what it held the lock for. Nothing while it holds it, and if it died holding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error("{} is held{}", path.display(), holder.as_ref().map(|h| format!(" by process {}", h.process.pid)).unwrap_or_default())]
    Held {
        /// The lock.
        path: PathBuf,
        /// Who, if that could be read.
        holder: Option<Holder>,
    },
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock, creating its file, or says who holds it. Does not wait.
    pub fn take(path: &Path, now_ms: u64) -> Result<Lock, LockError> {
        // Before the lock is taken: until the new holder has written itself down, the one before it can be read.
        own_identity().map_err(|source| LockError::Io {
            doing: "identify ourselves for",
            path: path.to_owned(),
            source,
        })?;
        let lock = Lock::borrow(path)?;
        lock.sign(path, now_ms);
        Ok(lock)
    }

    /// As [`Lock::take`], but waits until `limit` is over while somebody else holds it, such as one who gives back what a
    /// dead worker held. Blocks.
    #[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a lock whose wait has a limit")]
    pub fn take_within(path: &Path, limit: Duration) -> Result<Lock, LockError> {
        let until = Instant::now() + limit;
        loop {
            match Lock::take(path, now_ms()) {
                Err(LockError::Held { .. }) if Instant::now() < until => sleep(RETRY),
                taken => return taken,
            }
        }
    }

    /// As [`Lock::take`], but does not write down who holds it: for who keeps others out for a while, and is none of those
    /// whose lives the lock tells of. The last of these can still be read.
    pub fn borrow(path: &Path) -> Result<Lock, LockError> {
        let io = |doing: &'static str| move |source| LockError::Io { doing, path: path.to_owned(), source };
        let file = loop {
            let mut open = OpenOptions::new();
            open.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = open.open(path).map_err(io("open"))?;
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))) {
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => {
                    return Err(LockError::Held { path: path.to_owned(), holder: read_holder(&mut &file) });
                }
                Err(errno) => return Err(io("lock")(errno.into())),
            }
            // Its team was removed between the opening and the locking: a lock on that file would keep nobody out.
            if is_at(&file, path).map_err(io("look at"))? {
                break file;
            }
        };
        point("lock taken");
        Ok(Lock { file })
    }

    /// Writes down that this process holds the lock since `now_ms`. The content is for people; the lock is the kernel's: a
    /// full disk keeps nobody from running.
    pub fn sign(&self, path: &Path, now_ms: u64) {
        let holder = own_identity().map(|process| Holder { process, since_ms: now_ms, ended_ms: None });
        self.write(path, holder);
        point("lock signed");
    }

    /// Who is written down: this process once it has signed, else whoever did before it.
    pub fn written(&self) -> Option<Holder> {
        read_holder(&mut &self.file)
    }

    /// Writes down that what the lock was held for has ended in order, and gives it back.
    pub fn sign_off(self, path: &Path, now_ms: u64) {
        if let Some(holder) = self.written() {
            self.write(path, Ok(Holder { ended_ms: Some(now_ms), ..holder }));
        }
        point("lock signed off");
        self.release();
    }

    fn write(&self, path: &Path, holder: io::Result<Holder>) {
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

    /// Whether the file that is locked is still the one at `path`. Where it is not, the lock keeps nobody out.
    pub fn is_at(&self, path: &Path) -> Result<bool, LockError> {
        is_at(&self.file, path).map_err(|source| LockError::Io { doing: "look at", path: path.to_owned(), source })
    }

    /// Gives the lock back.
    pub fn release(self) {
        drop(self);
        point("lock released");
    }
}

impl Drop for Lock {
    /// A child that another thread is just starting has the descriptor too, until it becomes another program: to close
    /// this one alone would leave the lock to it for as long.
    fn drop(&mut self) {
        // What can not be unlocked is closed in a moment.
        let _ = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_UNLCK)));
    }
}

/// Whether anyone holds the lock. A file that is not there is held by nobody.
pub fn is_held(path: &Path) -> Result<bool, LockError> {
    let io = |doing: &'static str| move |source| LockError::Io { doing, path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io("open")(error)),
    };
    let mut lock = whole_file(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(|errno| io("look at")(errno.into()))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// Who holds the lock now, with what is written of it; nothing if nobody does.
pub fn holder(path: &Path) -> Result<Option<Holder>, LockError> {
    if !is_held(path)? {
        return Ok(None);
    }
    last_holder(path)
}

/// Who signed the lock last, whether it holds it or not; nothing if that can not be read.
pub fn last_holder(path: &Path) -> Result<Option<Holder>, LockError> {
    match File::open(path) {
        Ok(file) => Ok(read_holder(&mut &file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LockError::Io { doing: "open", path: path.to_owned(), source }),
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match path.metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
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

fn read_holder(file: &mut &File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_next_is_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.lock");
        assert!(!is_held(&path).unwrap());
        let lock = Lock::take(&path, 7).unwrap();
        assert!(is_held(&path).unwrap());
        let told = match Lock::take(&path, 8) {
            Err(LockError::Held { holder: Some(holder), .. }) => holder,
            other => panic!("{other:?}"),
        };
        assert_eq!((told.process.pid, told.since_ms), (std::process::id(), 7));
        assert_eq!(holder(&path).unwrap(), Some(told));
        lock.release();
        assert!(!is_held(&path).unwrap());
        Lock::take(&path, 9).unwrap();
    }

    #[test]
    fn who_only_borrows_it_is_not_written_down_and_who_is_done_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leader.lock");
        assert_eq!(last_holder(&path).unwrap(), None);
        Lock::take(&path, 7).unwrap().release();
        let borrowed = Lock::borrow(&path).unwrap();
        assert!(is_held(&path).unwrap() && matches!(Lock::take(&path, 8), Err(LockError::Held { .. })));
        assert_eq!(borrowed.written().map(|holder| (holder.since_ms, holder.ended_ms)), Some((7, None)));
        borrowed.sign(&path, 9);
        borrowed.sign_off(&path, 11);
        assert!(!is_held(&path).unwrap());
        let last = last_holder(&path).unwrap().map(|holder| (holder.since_ms, holder.ended_ms));
        assert_eq!(last, Some((9, Some(11))));
    }

    #[test]
    fn it_is_given_back_although_a_child_that_is_just_being_started_has_its_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.lock");
        let lock = Lock::take(&path, 7).unwrap();
        let _of_the_child = lock.file.try_clone().unwrap();
        lock.release();
        assert!(!is_held(&path).unwrap());
        let lock = Lock::take(&path, 8).unwrap();
        let _of_the_child = lock.file.try_clone().unwrap();
        drop(lock);
        assert!(!is_held(&path).unwrap());
    }

    #[test]
    fn a_lock_on_a_file_that_is_gone_keeps_nobody_out_and_is_known_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.lock");
        let lock = Lock::take(&path, 7).unwrap();
        assert!(is_at(&lock.file, &path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(!is_at(&lock.file, &path).unwrap());
        File::create(&path).unwrap();
        assert!(!is_at(&lock.file, &path).unwrap(), "another file of that name is not it");
    }
}
