//! A team in a sandbox, driven by its command line as people do it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::store::presence;
use teamster_protocol::store::watch::FileWatch;
use tokio::process::Command;
use tokio::time::timeout;

use super::Outcome;
use super::census;
use crate::hermetic::{Program, Sandbox};

/// The longest that one command may take: all of them answer, or say that nobody does.
const COMMAND_WITHIN: Duration = Duration::from_secs(45);

/// The name of every team on trial.
const NAME: &str = "trial";

/// A team, and the settings of its processes.
#[derive(Debug)]
pub struct Team {
    sandbox: Sandbox,
    repository: PathBuf,
    dir: TeamDir,
    env: Vec<(&'static str, String)>,
}

impl Team {
    /// One that was never up, in a repository of its own; all its processes get `env`.
    pub fn new(env: &[(&'static str, String)]) -> Outcome<Team> {
        let sandbox = Sandbox::new();
        let repository = sandbox.repository("app");
        let dir = TeamDir::new(sandbox.root(), NAME.parse()?);
        Ok(Team { sandbox, repository, dir, env: env.to_vec() })
    }

    /// Where its files are.
    pub fn dir(&self) -> &TeamDir {
        &self.dir
    }

    /// The repository it works on.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// A file beside the repository.
    pub fn file(&self, name: &str) -> PathBuf {
        self.sandbox.work().join(name)
    }

    /// Runs git in the repository.
    pub fn git(&self, args: &[&str]) -> Outcome<String> {
        self.git_in(&self.repository, args)
    }

    /// Runs git in that directory.
    pub fn git_in(&self, dir: &Path, args: &[&str]) -> Outcome<String> {
        let output = self.sandbox.command("git").current_dir(dir).args(args).output()?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?),
            false => Err(format!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// Runs a command to its end, whatever that is.
    pub async fn run(&self, args: &[&str]) -> Outcome<Output> {
        self.run_with(args, &[]).await
    }

    /// The same with more in its environment.
    pub async fn run_with(&self, args: &[&str], env: &[(&str, String)]) -> Outcome<Output> {
        let mut command = self.sandbox.program(Program::Teamster);
        command.current_dir(&self.repository).args(["--team", NAME]).args(args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = Command::from(command).kill_on_drop(true).spawn()?.wait_with_output();
        let Ok(output) = timeout(COMMAND_WITHIN, output).await else {
            return Err(format!("teamster {args:?} has not ended after {COMMAND_WITHIN:?}").into());
        };
        Ok(output?)
    }

    /// The leader's process, if one lives.
    pub fn leader(&self) -> Outcome<Option<ProcessIdentity>> {
        Ok(presence::read_holder(&self.dir.leader_lock())?.map(|holder| holder.process))
    }

    /// Whether a worker serves the member.
    pub fn serves(&self, name: &MemberName) -> Outcome<bool> {
        Ok(presence::is_held(&self.dir.member_lock(name))?)
    }

    /// Whether a leader is there, or a warden that may start one again.
    pub fn may_be_led(&self) -> Outcome<bool> {
        let leads = |found: &census::Found| match found.what {
            census::What::Teamster | census::What::Warden => true,
            census::What::Worker(_) | census::What::SpareWorker | census::What::Agent => false,
        };
        Ok(self.census()?.iter().any(leads))
    }

    /// Wakes when something is written by anybody, and after `poll` in any case. Within a runtime.
    pub fn watch(&self, poll: Duration, members: &[MemberName]) -> FileWatch {
        let mut watch = FileWatch::new(poll);
        watch.add(self.dir.board());
        watch.add(self.dir.roster());
        watch.add(self.dir.mailbox(&Address::Lead));
        for name in members {
            watch.add(self.dir.mailbox(&Address::Member(name.clone())));
        }
        watch
    }

    /// The processes of the team that are still there after `within`; each is told with its command line.
    pub async fn left_after(&self, within: Duration) -> Outcome<Vec<String>> {
        let until = Instant::now() + within;
        let mut watch = FileWatch::new(Duration::from_millis(20));
        loop {
            let left = census::take(&self.sandbox.root())?;
            if left.is_empty() || Instant::now() >= until {
                return Ok(left.into_iter().map(|it| format!("process {}: {}", it.identity.pid, it.line)).collect());
            }
            watch.changed().await;
        }
    }

    /// The team's processes now.
    pub fn census(&self) -> Outcome<Vec<census::Found>> {
        census::take(&self.sandbox.root())
    }

    /// What a process wrote on its standard error, for a report.
    pub fn said(&self, whose: &Address) -> String {
        std::fs::read_to_string(self.dir.log_of(whose)).unwrap_or_default()
    }
}

impl Drop for Team {
    /// Whatever a broken trial left is ended: nothing may outlive it.
    fn drop(&mut self) {
        for _ in 0..20 {
            let Ok(left) = self.census() else { return };
            if left.is_empty() {
                return;
            }
            for process in left {
                // What cannot be signalled is gone, or not ours to end.
                let _ = process.identity.signal(nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}
