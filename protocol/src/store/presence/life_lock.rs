//! The lock that a leader or a worker holds for as long as it lives, kept in its place although others tidy up.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{LockError, LockHolder, PresenceLock, leads_nowhere};
use crate::host::team_dir::TeamDir;

/// A lock with all that is needed to take it anew where its file was removed or replaced.
#[derive(Debug)]
pub struct LifeLock {
    lock: PresenceLock,
    path: PathBuf,
    team: PathBuf,
    /// The device and the inode of the team's directory, by which another team in its place is noticed.
    team_identity: (u64, u64),
}

/// The state of the lock that [`LifeLock::keep`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockKept {
    /// The locked file is in its place.
    InPlace,
    /// The locked file was removed or replaced. The lock is held again, on the file that is in its place now.
    TakenAnew,
    /// Another process holds the file that is in its place now.
    ByAnother(Option<Box<LockHolder>>),
    /// The team's directory was removed, or another is in its place.
    TeamGone,
}

impl LifeLock {
    /// Keeps `lock`, which was taken at `path` in the directory of a team.
    pub fn new(lock: PresenceLock, path: PathBuf, dir: &TeamDir) -> Result<LifeLock, LockError> {
        let team = dir.path().to_owned();
        let found = identity(&team).map_err(LockError::io("look at", &team))?;
        let gone = || LockError::io("look at", &team)(io::ErrorKind::NotFound.into());
        let team_identity = found.ok_or_else(gone)?;
        Ok(LifeLock { lock, path, team, team_identity })
    }

    /// Looks whether the locked file is in its place, and takes the lock anew if it is not: nobody else is served by
    /// that file, or this process is not the one that the lock tells about any more. Does not wait.
    pub fn keep(&mut self, now_ms: u64) -> Result<LockKept, LockError> {
        if self.lock.is_in_place(&self.path)? {
            return Ok(LockKept::InPlace);
        }
        if !self.is_team_there()? {
            return Ok(LockKept::TeamGone);
        }
        let lock = match self.take_anew() {
            Ok(lock) => lock,
            Err(LockError::Held { holder, .. }) => return Ok(LockKept::ByAnother(holder)),
            Err(error @ (LockError::Io { .. } | LockError::Astray { .. } | LockError::Dying { .. })) => {
                return if self.is_team_there()? { Err(error) } else { Ok(LockKept::TeamGone) };
            }
        };
        // The team may have been replaced between the look at it and the taking.
        if !self.is_team_there()? {
            return Ok(LockKept::TeamGone);
        }
        lock.sign(&self.path, now_ms);
        self.lock = lock;
        Ok(LockKept::TakenAnew)
    }

    fn take_anew(&self) -> Result<PresenceLock, LockError> {
        // The whole room may have been removed.
        if let Some(room) = self.path.parent().filter(|room| *room != self.team) {
            match DirBuilder::new().mode(0o700).create(room) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(LockError::io("create", room)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        PresenceLock::take_unsigned(&self.path)
    }

    fn is_team_there(&self) -> Result<bool, LockError> {
        let there = identity(&self.team).map_err(LockError::io("look at", &self.team))?;
        Ok(there == Some(self.team_identity))
    }

    /// The lock as it is now.
    pub fn lock(&self) -> &PresenceLock {
        &self.lock
    }

    /// As [`PresenceLock::release`].
    pub fn release(self) {
        self.lock.release();
    }

    /// As [`PresenceLock::sign_off`].
    pub fn sign_off(self, now_ms: u64) {
        self.lock.sign_off(&self.path, now_ms);
    }
}

fn identity(dir: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::metadata(dir) {
        Ok(there) => Ok(Some((there.dev(), there.ino()))),
        Err(error) if leads_nowhere(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
