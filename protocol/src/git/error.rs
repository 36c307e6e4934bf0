//! Why a step on a repository failed.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::GitVersion;

/// Why a step on a repository failed: what, where, and in whose words.
#[derive(Debug, thiserror::Error)]
pub enum GitStepError {
    /// There is no `git` program to run.
    #[error("`{}` does not run: {source}", program.display())]
    NoProgram {
        /// The program that was to be run.
        program: PathBuf,
        /// Why it does not run.
        source: io::Error,
    },
    /// The program is older than what is asked of it.
    #[error("git {needed} or later is needed, and `{}` is {found}", program.display())]
    TooOld {
        /// The program.
        program: PathBuf,
        /// What it says it is.
        found: String,
        /// The version that is needed.
        needed: GitVersion,
    },
    /// The program refused.
    #[error("`git {command}` failed in {}: {said}", dir.display())]
    Refused {
        /// The arguments that git was given.
        command: String,
        /// The directory in which it ran.
        dir: PathBuf,
        /// The end of what it wrote to standard error.
        said: String,
    },
    /// Another process holds the repository's lock.
    #[error("cannot lock {}: another process held it for {} s", lock.display(), waited.as_secs())]
    LockTimeout {
        /// The lock file.
        lock: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// The step that failed.
        what: &'static str,
        /// The path that it was done to.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
}

impl GitStepError {
    /// The way out, where there is one: a line for under the error.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            GitStepError::NoProgram { .. } => Some("install git, or name it in PATH"),
            GitStepError::TooOld { .. } => Some("install a newer git, or put it first in PATH"),
            GitStepError::Refused { .. } | GitStepError::LockTimeout { .. } | GitStepError::Io { .. } => None,
        }
    }

    /// Whether the step failed only because another git process was at work, so that it may succeed when that has ended.
    pub fn is_passing(&self) -> bool {
        match self {
            GitStepError::Refused { said, .. } => {
                // A registration half made by another process, or pruned before git had locked it; git then
                // cleans up behind itself.
                let registering = said.contains("/worktrees/")
                    && (said.contains("No such file or directory") || said.contains("failed to read"));
                registering
                    || said.contains(".lock': File exists")
                    // A branch that was deleted between git's look at its name and its look at its commit. One that is
                    // broken for good is waited for in vain, and then said to be.
                    || said.contains("bad object refs/")
                    || (said.contains("cannot lock ref") && said.contains("No such file or directory"))
            }
            GitStepError::NoProgram { .. }
            | GitStepError::TooOld { .. }
            | GitStepError::LockTimeout { .. }
            | GitStepError::Io { .. } => false,
        }
    }

    /// The answer of the system to a step on this path.
    pub fn io(what: &'static str, path: &Path, source: io::Error) -> GitStepError {
        GitStepError::Io { what, path: path.to_owned(), source }
    }
}

/// Says what was being done to which path.
pub trait IoContext<T> {
    /// The same, with the step that failed and the path that it was done to.
    fn about(self, what: &'static str, path: &Path) -> Result<T, GitStepError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn about(self, what: &'static str, path: &Path) -> Result<T, GitStepError> {
        self.map_err(|source| GitStepError::io(what, path, source))
    }
}

/// Removes a file that may be there.
pub fn remove_if_there(path: &Path) -> Result<(), GitStepError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(GitStepError::io("cannot remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
