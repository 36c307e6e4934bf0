//! Runs the `git` program, cut off from the terminal and from what surrounds this process.
//!
//! Hooks of the repository are not run, as libgit2 would not run them either.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::lock::patiently;
use super::{GitError, WhyProgram};

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

/// The program, and for which repository and reason it is run.
pub(super) struct GitRunner {
    program: PathBuf,
    repository: PathBuf,
    why: WhyProgram,
}

impl GitRunner {
    /// Refuses if there is no program to run.
    pub(super) fn find(program: &Path, repository: &Path, why: WhyProgram) -> Result<GitRunner, GitError> {
        let runner = GitRunner { program: program.to_owned(), repository: repository.to_owned(), why };
        runner.run(runner.command(repository).arg("--version"))?;
        Ok(runner)
    }

    pub(super) fn why(&self) -> &WhyProgram {
        &self.why
    }

    /// A command without a verb yet, to run in `dir`.
    pub(super) fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(dir).stdin(Stdio::null());
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
        for name in SURROUNDINGS {
            command.env_remove(name);
        }
        command.args(SETTINGS);
        command
    }

    /// Its output; refuses unless it succeeds. Tried again while another git process is in the way.
    pub(super) fn checked(&self, command: &mut Command) -> Result<Vec<u8>, GitError> {
        patiently(|| self.checked_once(command))
    }

    /// Its output; refuses unless it succeeds. For a command whose standard input can be read once only.
    pub(super) fn checked_once(&self, command: &mut Command) -> Result<Vec<u8>, GitError> {
        let output = self.run(command)?;
        if output.status.success() { Ok(output.stdout) } else { Err(refused(command, &output)) }
    }

    /// The first line of its output; `None` if git answers no, by exit code 1 and without a word.
    pub(super) fn asked(&self, command: &mut Command) -> Result<Option<String>, GitError> {
        patiently(|| {
            let output = self.run(command)?;
            match output.status.code() {
                Some(0) => Ok(Some(first_line(&output.stdout))),
                Some(1) if output.stderr.is_empty() => Ok(None),
                Some(_) | None => Err(refused(command, &output)),
            }
        })
    }

    fn run(&self, command: &mut Command) -> Result<Output, GitError> {
        command.output().map_err(|source| GitError::NoProgram {
            repository: self.repository.clone(),
            why: self.why.clone(),
            program: self.program.clone(),
            source,
        })
    }
}

/// The first line of what git wrote.
pub(super) fn first_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or_default().to_owned()
}

fn refused(command: &Command, output: &Output) -> GitError {
    let words: Vec<_> = command.get_args().skip(SETTINGS.len()).map(OsStr::to_string_lossy).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim_end();
    let from = said.floor_char_boundary(said.len().saturating_sub(SAID_BYTES_MAX));
    let said = if said.is_empty() { output.status.to_string() } else { said[from..].to_owned() };
    GitError::Program {
        command: words.join(" "),
        dir: command.get_current_dir().map(Path::to_owned).unwrap_or_default(),
        said,
    }
}
