//! Waiting for files to change: inotify above a slow poll, because network file systems send no events.
//!
//! A file is watched for writes, its directory for the names that appear in it: that is how a file that
//! does not exist yet, or that another is renamed over, is noticed, at the cost of no wake-up for what
//! happens to its neighbours.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    os::unix::ffi::OsStrExt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat},
    io::Errno,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::Instant,
};

use crate::model::limits::pace::FALLBACK_POLL;

/// The size of the buffer for one read of events: three events with the longest of names, or sixty of a watched file,
/// which carry no name.
const EVENTS_BYTES: usize = 1024;

/// Files that somebody waits for.
#[derive(Debug)]
pub struct FileWatch {
    inotify: Option<AsyncFd<InotifyEvents>>,
    files: Vec<WatchedFile>,
    poll: Duration,
    /// The next look without a cause. While not all can be watched, only that at `look_at_all` is a poll; the others
    /// tell what they saw change.
    next_poll: Instant,
    look_at_all: Instant,
    /// Wakes at `next_poll`. The runtime's own timers come near a far time in several steps, each a wake-up of a
    /// process that has nothing to do; they serve where the system grants no timer.
    timer: Option<AsyncFd<PollTimer>>,
    warned: WatchWarning,
}

/// One of the files of a [`FileWatch`], as [`FileWatch::add`] named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(usize);

/// The change that [`FileWatch::changed`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// These files were written, created, replaced or rung, each named once.
    Files(Vec<FileId>),
    /// The time of the slow poll has come: all files are to be looked at.
    Poll,
}

/// The outcome of [`ring`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingOutcome {
    /// The ring reached the file, so every process that watches it wakes.
    Heard,
    /// There is no such file, so nobody was woken.
    NoSuchFile,
}

#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    directory: PathBuf,
    name: OsString,
    file_watch: Option<WatchId>,
    directory_watch: Option<WatchId>,
    changed: bool,
    mark: FileMark,
}

/// The look of a file when it was last compared, where inotify can not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileMark {
    NeverSeen,
    Missing,
    /// The file's inode, its size, and its time in seconds and nanoseconds, which a ring sets.
    There(u64, u64, i64, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchWarning {
    NotYet,
    Already,
}

/// The number by which the kernel names one watch.
type WatchId = i32;

/// One event that the kernel told of a watch.
#[derive(Debug)]
struct WatchEvent {
    watch: WatchId,
    what: ReadFlags,
    name: Option<OsString>,
}

/// An inotify instance.
type InotifyEvents = OwnedFd;

/// `AsyncFd` asks for a trait that the descriptor's owner does not have.
#[derive(Debug)]
struct PollTimer(TimerFd);

impl AsRawFd for PollTimer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl FileWatch {
    /// A watch over nothing yet, that calls for a look every `poll` in any case.
    ///
    /// Must be called inside a tokio runtime with I/O and time. Never fails: where inotify is not to be had
    /// it says so once in the log, looks every [`FALLBACK_POLL`] for what changed, and tries inotify again at each poll.
    pub fn new(poll: Duration) -> Self {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)
            .map_err(io::Error::from)
            .and_then(|timer| registered(PollTimer(timer)))
            .ok();
        let (files, next_poll) = (Vec::new(), Instant::now() + poll);
        let (look_at_all, warned) = (next_poll, WatchWarning::NotYet);
        let mut watch = Self { inotify: None, files, poll, next_poll, look_at_all, timer, warned };
        watch.poll_at(next_poll);
        watch.begin();
        watch
    }

    fn begin(&mut self) {
        let events =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(io::Error::from).and_then(registered);
        match events {
            Ok(events) => self.inotify = Some(events),
            Err(error) => self.fall_back(&error),
        }
    }

    /// Watches a file from now on, whether or not it exists. Look at the file after this call, not before:
    /// what happens in between is then either seen or told.
    pub fn add(&mut self, path: impl Into<PathBuf>) -> FileId {
        let path = path.into();
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        let name = path.file_name().unwrap_or_default().to_owned();
        self.files.push(WatchedFile {
            path,
            directory,
            name,
            file_watch: None,
            directory_watch: None,
            changed: false,
            mark: FileMark::NeverSeen,
        });
        let id = FileId(self.files.len() - 1);
        self.attach(id.0);
        id
    }

    /// The path of a watched file.
    pub fn path(&self, id: FileId) -> &Path {
        &self.files[id.0].path
    }

    /// Waits until files change or the poll is due; a burst of changes is one return.
    ///
    /// Cancel-safe: what was read from the system and not returned is returned by the next call.
    pub async fn changed(&mut self) -> FileChange {
        loop {
            // Before the events: a file that is written without a pause must not keep the poll from coming.
            if Instant::now() >= self.look_at_all {
                return self.polled();
            }
            let told = match &self.inotify {
                None => {
                    due(self.timer.as_ref(), self.next_poll).await;
                    None
                }
                Some(events) => tokio::select! {
                    biased;
                    ready = events.readable() => Some(ready.and_then(|mut ready| {
                        // The descriptor stays ready until a read finds nothing: the rest of a burst of events is read
                        // by the next call, and this one need not wait for it.
                        let told = read_events(ready.get_inner())?;
                        if told.is_empty() {
                            ready.clear_ready();
                        }
                        Ok(told)
                    })),
                    () = due(self.timer.as_ref(), self.next_poll) => None,
                },
            };
            let Some(told) = told else {
                if Instant::now() >= self.look_at_all {
                    continue;
                }
                self.poll_at((Instant::now() + FALLBACK_POLL).min(self.look_at_all));
                let changed = self.compare();
                if changed.is_empty() {
                    continue;
                }
                return FileChange::Files(changed);
            };
            match told {
                Ok(told) => told.iter().for_each(|told| self.note(told)),
                Err(error) => {
                    self.inotify = None;
                    self.fall_back(&error);
                }
            }
            let changed: Vec<_> =
                (0..self.files.len()).filter(|at| std::mem::take(&mut self.files[*at].changed)).map(FileId).collect();
            if !changed.is_empty() {
                return FileChange::Files(changed);
            }
        }
    }

    /// Handles a poll, which is also the time to try again to watch files that could not be watched, such as one in a
    /// directory that was not there.
    fn polled(&mut self) -> FileChange {
        self.look_at_all = Instant::now() + self.poll;
        self.poll_at(self.look_at_all);
        if self.inotify.is_none() {
            // A program that held all inotify instances of the user may have ended meanwhile.
            self.begin();
            self.compare();
        }
        for at in 0..self.files.len() {
            self.files[at].changed = false;
            if self.files[at].file_watch.is_none() || self.files[at].directory_watch.is_none() {
                self.attach(at);
            }
        }
        FileChange::Poll
    }

    /// The files that look otherwise than at the last look, or were never looked at.
    fn compare(&mut self) -> Vec<FileId> {
        let mut changed = Vec::new();
        for (at, file) in self.files.iter_mut().enumerate() {
            let mark = match fs::metadata(&file.path) {
                Ok(found) => FileMark::There(found.ino(), found.size(), found.mtime(), found.mtime_nsec()),
                Err(_) => FileMark::Missing,
            };
            if std::mem::replace(&mut file.mark, mark) != mark {
                changed.push(FileId(at));
            }
        }
        changed
    }

    fn poll_at(&mut self, at: Instant) {
        self.next_poll = at;
        let Some(timer) = &self.timer else { return };
        // A time of zero would stop it.
        let left = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let set = timer.get_ref().0.set(Expiration::OneShot(left.into()), TimerSetTimeFlags::empty());
        if set.is_err() {
            self.timer = None;
        }
    }

    fn note(&mut self, told: &WatchEvent) {
        if told.what.contains(ReadFlags::QUEUE_OVERFLOW) {
            for at in 0..self.files.len() {
                self.files[at].changed = true;
                self.attach(at);
            }
            return;
        }
        for at in 0..self.files.len() {
            let file = &mut self.files[at];
            let gone = told.what.contains(ReadFlags::IGNORED);
            if file.file_watch == Some(told.watch) {
                if gone {
                    file.file_watch = None;
                }
                file.changed = true;
            }
            if file.directory_watch == Some(told.watch) {
                if gone {
                    file.directory_watch = None;
                } else if told.name.as_deref() == Some(file.name.as_os_str()) {
                    file.changed = true;
                    self.attach(at);
                }
            }
        }
    }

    /// Watches the file that is at the path now, and its directory. The directory is watched first, because it tells of
    /// a file that comes later.
    fn attach(&mut self, at: usize) {
        let Some(inotify) = &self.inotify else { return };
        let inotify = inotify.get_ref();
        let file = &self.files[at];
        let names = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let directory = add_watch(inotify, &file.directory, names);
        let watched = add_watch(inotify, &file.path, WatchFlags::MODIFY | WatchFlags::ATTRIB);
        let before = file.file_watch;
        let mut failure = None;
        let mut taken = |outcome: Result<Option<WatchId>, Errno>| {
            outcome.unwrap_or_else(|e| {
                failure = Some(e);
                None
            })
        };
        let (directory, watched) = (taken(directory), taken(watched));
        self.files[at].directory_watch = directory;
        self.files[at].file_watch = watched;
        if let Some(before) = before
            && self.files.iter().all(|file| file.file_watch != Some(before))
            && let Some(inotify) = &self.inotify
        {
            // Refused if the file is gone, and the watch with it.
            let _ = inotify::remove_watch(inotify.get_ref(), before);
        }
        if let Some(errno) = failure {
            self.fall_back(&errno.into());
        }
    }

    fn fall_back(&mut self, error: &io::Error) {
        self.look_at_all = self.next_poll;
        self.poll_at(self.next_poll.min(Instant::now() + FALLBACK_POLL));
        if self.warned == WatchWarning::NotYet {
            self.warned = WatchWarning::Already;
            tracing::warn!(%error, poll = ?FALLBACK_POLL, "cannot watch files, looking at them instead");
        }
    }
}

/// Wakes whoever watches a file, without changing what is in it.
///
/// Sets its times to now, which needs the right to write it. Does not block.
pub fn ring(path: &Path) -> io::Result<RingOutcome> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    match utimensat(CWD, path, &Timestamps { last_access: now, last_modification: now }, AtFlags::empty()) {
        Ok(()) => Ok(RingOutcome::Heard),
        Err(Errno::NOENT) => Ok(RingOutcome::NoSuchFile),
        Err(errno) => Err(errno.into()),
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe and asks that the descriptor stays the same: an inotify and a `Timer` each own one for good"
)]
fn registered<T: AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(source, Interest::READABLE)
}

/// Waits for a time that the timer is set to. Setting it anew takes back what it has told, so nothing reads it.
async fn due(timer: Option<&AsyncFd<PollTimer>>, at: Instant) {
    if let Some(timer) = timer {
        while let Ok(mut ready) = timer.readable().await {
            ready.clear_ready();
            if Instant::now() >= at {
                return;
            }
        }
    }
    tokio::time::sleep_until(at).await;
}

/// `None` if there is nothing to watch yet.
fn add_watch(inotify: &InotifyEvents, path: &Path, what: WatchFlags) -> Result<Option<WatchId>, Errno> {
    match inotify::add_watch(inotify, path, what) {
        Ok(watch) => Ok(Some(watch)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Reads the events that are there, with one read and without waiting; none if there are none.
fn read_events(inotify: &InotifyEvents) -> Result<Vec<WatchEvent>, Errno> {
    let mut room = [MaybeUninit::uninit(); EVENTS_BYTES];
    let mut events = inotify::Reader::new(inotify, &mut room);
    let mut told = Vec::new();
    loop {
        match events.next() {
            Ok(event) => {
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
                told.push(WatchEvent { watch: event.wd(), what: event.events(), name });
            }
            Err(Errno::WOULDBLOCK) => return Ok(told),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if events.is_buffer_empty() && !told.is_empty() {
            return Ok(told);
        }
    }
}

#[cfg(test)]
mod tests;
