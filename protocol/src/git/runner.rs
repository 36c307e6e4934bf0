//! Runs the `git` program, cut off from the terminal and from what surrounds this process.
//!
//! Hooks of the repository are not run, as libgit2 would not run them either.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{GitStepError, patiently};
use crate::model::object_id::{BadObjectId, ObjectId};

/// Variables of the environment that would lead git to another repository, index or object store.
const SURROUNDINGS: [&str; 18] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];
/// Settings for every call, each as an argument after `-c`.
const SETTINGS: [&str; 6] = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"];
const SAID_BYTES_MAX: usize = 2_000;

/// The oldest git with all that is asked of it: `merge-tree` with `--merge-base` (2.40) and `--attr-source` (2.41).
const OLDEST: GitVersion = GitVersion { major: 2, minor: 41 };

/// A version of git, as far as it decides what git can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitVersion {
    major: u32,
    minor: u32,
}

impl GitVersion {
    /// Reads the line of `git --version`, such as `git version 2.47.3` or `git version 2.39.5 (Apple Git-154)`. `None` if it
    /// is none.
    pub fn of_line(line: &str) -> Option<GitVersion> {
        let mut numbers = line.strip_prefix("git version ")?.split(['.', ' ', '-']);
        let major = numbers.next()?.parse().ok()?;
        Some(GitVersion { major, minor: numbers.next()?.parse().ok()? })
    }
}

impl fmt::Display for GitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The `git` program, found once.
#[derive(Clone, Debug)]
pub struct GitRunner {
    program: PathBuf,
}

impl GitRunner {
    /// Refuses if there is no program to run. Runs it once, in `dir`.
    pub fn find(program: &Path, dir: &Path) -> Result<GitRunner, GitStepError> {
        let runner = GitRunner { program: program.to_owned() };
        runner.version_line(dir)?;
        Ok(runner)
    }

    /// As [`GitRunner::find`]; refuses, too, a git that can not merge without a worktree, which is one before 2.41.
    pub fn find_for_merges(program: &Path, dir: &Path) -> Result<GitRunner, GitStepError> {
        let runner = GitRunner { program: program.to_owned() };
        let line = runner.version_line(dir)?;
        match GitVersion::of_line(&line) {
            Some(version) if version >= OLDEST => Ok(runner),
            Some(_) | None => Err(GitStepError::TooOld { program: runner.program, found: line, needed: OLDEST }),
        }
    }

    fn version_line(&self, dir: &Path) -> Result<String, GitStepError> {
        self.checked_once(self.command(dir).arg("--version")).map(|output| first_line(&output))
    }

    /// A command without a verb yet, to run in `dir`. Standard input is empty, no hook is run and nobody is asked a
    /// password.
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(dir).stdin(Stdio::null());
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
        for name in SURROUNDINGS {
            command.env_remove(name);
        }
        command.args(SETTINGS);
        command
    }

    /// A command as above, for the repository whose git directory this is.
    pub fn command_of(&self, git_dir: &Path) -> Command {
        let mut command = self.command(git_dir);
        command.arg("--git-dir").arg(git_dir);
        command
    }

    /// Its output; refuses unless it succeeds. Tried again for ten seconds while another git process is in the way.
    pub fn checked(&self, command: &mut Command) -> Result<Vec<u8>, GitStepError> {
        patiently(GitStepError::is_passing, || self.checked_once(command))
    }

    /// Its output; refuses unless it succeeds. For a command whose standard input can be read once only.
    pub fn checked_once(&self, command: &mut Command) -> Result<Vec<u8>, GitStepError> {
        let output = self.output(command)?;
        if output.status.success() { Ok(output.stdout) } else { Err(refused(command, &output)) }
    }

    /// The first line of its output; `None` if git answers no, by exit code 1 and without a word.
    pub fn asked_once(&self, command: &mut Command) -> Result<Option<String>, GitStepError> {
        let output = self.output(command)?;
        match output.status.code() {
            Some(0) => Ok(Some(first_line(&output.stdout))),
            Some(1) if output.stderr.is_empty() => Ok(None),
            Some(_) | None => Err(refused(command, &output)),
        }
    }

    /// All that it answers, whatever its status.
    pub(super) fn output(&self, command: &mut Command) -> Result<Output, GitStepError> {
        command.output().map_err(|source| GitStepError::NoProgram { program: self.program.clone(), source })
    }
}

/// The first line of what git wrote.
pub fn first_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or_default().to_owned()
}

/// The records of an output whose lines end in a NUL.
pub fn records(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|byte| *byte == 0).filter(|record| !record.is_empty())
}

/// Bytes of git's as a path.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// The id in the first line of what `command` wrote.
pub(super) fn id_of(command: &Command, output: &[u8]) -> Result<ObjectId, GitStepError> {
    let line = first_line(output);
    line.parse().map_err(|error: BadObjectId| said_of(command, error.to_string()))
}

pub(super) fn refused(command: &Command, output: &Output) -> GitStepError {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim_end();
    let from = said.floor_char_boundary(said.len().saturating_sub(SAID_BYTES_MAX));
    said_of(command, if said.is_empty() { output.status.to_string() } else { said[from..].to_owned() })
}

fn said_of(command: &Command, said: String) -> GitStepError {
    let words: Vec<_> = command.get_args().skip(SETTINGS.len()).map(OsStr::to_string_lossy).collect();
    GitStepError::Refused {
        command: words.join(" "),
        dir: command.get_current_dir().map(Path::to_owned).unwrap_or_default(),
        said,
    }
}
