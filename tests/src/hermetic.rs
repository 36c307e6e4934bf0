//! A machine of its own for a test: programs started here see no home, no git settings and no team of the user.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// A folder with a home, and the programs that live in it. It goes with the value.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
}

/// A program of this workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The leader and its command line.
    Teamster,
    /// The worker.
    Worker,
    /// The agent `llm`, which is in a workspace of its own.
    Llm,
}

impl Program {
    /// Where it was built.
    ///
    /// # Panics
    ///
    /// If it was not: `cargo test` alone does not build the programs of other packages.
    pub fn path(self) -> PathBuf {
        let (name, build) = match self {
            Program::Teamster => ("teamster", "cargo build --workspace"),
            Program::Worker => ("teamster-worker", "cargo build --workspace"),
            Program::Llm => ("teamster-llm", "scripts/check.sh build"),
        };
        let own = std::env::current_exe().expect("a test has a path");
        // target/<profile>/deps/<test>, or target/<profile>/<program>
        let beside = own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.exists());
        beside.unwrap_or_else(|| panic!("there is no {name} near {}: run `{build}` first", own.display()))
    }
}

/// Lets the programs that are started from now on end of SIGHUP, as they do at a terminal: the tests may have been started
/// under `nohup`, which ignores the signal, and what is ignored stays so. A signal that is caught does not.
fn heed_hangup() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // In a thread of its own: a test may run in a runtime, where no other one can be ended.
        let caught = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let _within = runtime.enter();
            // The handler stays when its stream goes.
            signal(SignalKind::hangup()).map(drop)
        });
        caught.join().expect("it does not panic").expect("SIGHUP can be caught");
    });
}

impl Sandbox {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// If the system grants no temporary folder.
    pub fn new() -> Sandbox {
        heed_hangup();
        let dir = tempfile::Builder::new().prefix("teamster-test-").tempdir().expect("a temporary folder");
        for name in ["home", "root", "work"] {
            std::fs::create_dir(dir.path().join(name)).expect("a folder in a new folder");
        }
        Sandbox { dir }
    }

    /// The home of whoever runs the programs.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The root that holds the teams.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Where programs are started.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// A program of this workspace, to be started in [`Sandbox::work`].
    pub fn program(&self, program: Program) -> Command {
        let mut command = self.command(program.path());
        command.env("TEAMSTER_WORKER", Program::Worker.path());
        command
    }

    /// Any program, with an environment that was made here from nothing: the `PATH` is all that is passed on.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let home = self.home();
        let mut command = Command::new(program);
        command.current_dir(self.work()).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.env("HOME", &home).env("TEAMSTER_ROOT", self.root()).env("TMPDIR", self.dir.path());
        for (name, dir) in [("XDG_STATE_HOME", ".local/state"), ("XDG_CONFIG_HOME", ".config")] {
            command.env(name, home.join(dir));
        }
        // Git looks in the home by itself; this keeps it from the machine's settings and from any prompt.
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_CEILING_DIRECTORIES", self.dir.path());
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@localhost");
        }
        command.env("LC_ALL", "C").env("TZ", "UTC").env("NO_COLOR", "1");
        command
    }

    /// Runs git and returns what it printed.
    ///
    /// # Panics
    ///
    /// If git fails; its words are the message.
    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.command("git").current_dir(dir).args(args).output().expect("git can be started");
        words(&output, args)
    }

    /// A repository with one commit on `main`.
    pub fn repository(&self, name: &str) -> PathBuf {
        let dir = self.work().join(name);
        self.git(&self.work(), &["init", "--quiet", "--initial-branch=main", name]);
        std::fs::write(dir.join("README"), "one\n").expect("a file in a new folder");
        self.git(&dir, &["add", "."]);
        self.git(&dir, &["commit", "--quiet", "--message=first"]);
        dir
    }
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox::new()
    }
}

fn words(output: &Output, args: &[&str]) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "git {args:?}: {err}");
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_user_is_seen() {
        let sandbox = Sandbox::new();
        let seen = sandbox.command("env").output().unwrap();
        let seen = String::from_utf8(seen.stdout).unwrap();
        let own = sandbox.dir.path().display().to_string();
        for line in seen.lines() {
            let (name, value) = line.split_once('=').unwrap();
            let harmless = ["PATH", "LC_ALL", "TZ", "NO_COLOR"].contains(&name) || name.starts_with("GIT_");
            assert!(harmless || value.starts_with(&own), "{line} is not of the sandbox");
        }
        let repository = sandbox.repository("app");
        assert_eq!(sandbox.git(&repository, &["log", "--format=%an %s"]), "Test first");
        let settings = sandbox.git(&repository, &["config", "--list", "--show-origin"]);
        assert!(settings.lines().all(|line| line.starts_with("file:.git/config")), "{settings}");
    }
}
