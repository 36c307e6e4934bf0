//! Where the benchmark keeps its files, and the teams that it makes there.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::agent::options::AgentOptions;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::roster::{MemberSpec, Workspace};
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::Team;
use tempfile::TempDir;

use super::Outcome;

const TEAMSTER: &str = "teamster";
const WORKER: &str = "teamster-worker";
const SCRIPTED: &str = "scripted-agent";

/// A directory that goes when the benchmark ends, with copies of the two programs.
pub(super) struct Place {
    dir: TempDir,
    /// The program of the worker that is measured, as it was built.
    built: PathBuf,
}

impl Place {
    /// Makes the directory in `parent`, where the worker program is too unless `TEAMSTER_WORKER` names it.
    ///
    /// The programs are measured as they are installed: copied. A file that was copied lies in larger pieces in the page
    /// cache than one that a linker wrote, and starts up to a quarter sooner.
    pub(super) fn new(parent: PathBuf) -> Outcome<Place> {
        let named = std::env::var_os("TEAMSTER_WORKER").filter(|name| *name != OsString::new());
        let built = named.map_or_else(|| parent.join(WORKER), PathBuf::from);
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(parent)?;
        let place = Place { dir, built };
        let installed = place.installed("");
        fs::create_dir(&installed)?;
        let beside = |name| (place.built.with_file_name(name), name);
        for (built, name) in [(place.built.clone(), WORKER), beside(TEAMSTER), beside(SCRIPTED)] {
            if built.is_file() {
                fs::copy(built, installed.join(name))?;
            }
        }
        Ok(place)
    }

    /// The worker program; refuses if it was not there.
    pub(super) fn worker(&self) -> Outcome<PathBuf> {
        match self.installed(WORKER) {
            worker if worker.is_file() => Ok(worker),
            _ => Err(format!("{} is not there: build teamster-worker too", self.built.display()).into()),
        }
    }

    /// The program with the command line, which was beside the worker's.
    pub(super) fn teamster(&self) -> Outcome<PathBuf> {
        match self.installed(TEAMSTER) {
            teamster if teamster.is_file() => Ok(teamster),
            _ => {
                let built = self.built.with_file_name(TEAMSTER);
                Err(format!("{} is not there: build teamster-leader too", built.display()).into())
            }
        }
    }

    /// The agent that does what its prompts say, which was beside the worker program.
    pub(super) fn scripted_agent(&self) -> Outcome<PathBuf> {
        match self.installed(SCRIPTED) {
            agent if agent.is_file() => Ok(agent),
            _ => {
                let built = self.built.with_file_name(SCRIPTED);
                Err(format!("{} is not there: build teamster-tests with --bin {SCRIPTED} too", built.display()).into())
            }
        }
    }

    fn installed(&self, name: &str) -> PathBuf {
        self.dir.path().join("bin").join(name)
    }

    /// A file of its own.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An empty team, as the leader has it open.
    pub(super) fn team(&self, name: &str) -> Outcome<Team> {
        self.team_of(name, Durability::Power)
    }

    /// The same with another durability than the usual one.
    pub(super) fn team_of(&self, name: &str, durability: Durability) -> Outcome<Team> {
        let dir = TeamDir::new(self.dir.path().join("root"), name.parse()?);
        Ok(Team::open(dir, Address::Lead, durability)?)
    }

    /// Puts a member on the roster, as the leader does before it spawns the worker.
    pub(super) fn enroll(&self, team: &mut Team, name: &str, auto: AutoClaim) -> Outcome<MemberName> {
        self.enroll_with(team, name, auto, "shell", AgentOptions::default())
    }

    /// The same for one that drives another agent.
    pub(super) fn enroll_with(
        &self,
        team: &mut Team,
        name: &str,
        auto: AutoClaim,
        agent: &str,
        options: AgentOptions,
    ) -> Outcome<MemberName> {
        let dir = self.dir.path().join("work");
        fs::create_dir_all(&dir)?;
        let name: MemberName = name.parse()?;
        let workspace = Workspace::Shared { dir };
        team.add_member(
            name.clone(),
            MemberSpec {
                agent: agent.parse()?,
                options,
                role: None,
                auto,
                workspace,
                stall: Default::default(),
                rules: Vec::new(),
                budget: Default::default(),
            },
        )?;
        Ok(name)
    }
}

/// Tasks as people give them: texts of 50 to 600 bytes, every third waits for one or two before it, and some have a
/// priority.
pub(super) fn tasks(first: TaskId, count: u32) -> Vec<NewTask> {
    let words = "look at the module, find why it is slow, write a test that shows it, mend it, and say what you did; ";
    let task = |nth: u32| {
        let text = format!("Task {nth}: {}", words.repeat(1 + nth as usize % 6));
        let mut task = NewTask::new(TaskWork::Prompt(text));
        if nth % 3 == 2 {
            task.after.push(TaskId(first.0 + nth - 1));
        }
        if nth % 6 == 5 {
            task.after.push(TaskId(first.0 + nth / 2));
        }
        task.priority = i32::from(nth.is_multiple_of(50));
        task
    };
    (0..count).map(task).collect()
}

/// Tasks that anybody may take at once.
pub(super) fn free_tasks(count: u32, command: &str) -> Vec<NewTask> {
    (0..count).map(|_| NewTask::new(TaskWork::run(command))).collect()
}
