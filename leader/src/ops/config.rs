//! The settings of a team that come from files: `teamster.toml` of the repository, and the user's own `config.toml`.
//! Files are read into [`FileSettings`], and these are merged with the command line and the environment into one
//! [`Config`], in which each value says who gave it.
//!
//! Text and values in, values out: files are found and opened by the caller. A repository's file is the work of a
//! stranger. Nothing in it may start a command by itself or move the root where teams are kept, so such keys are refused
//! there, or only shown.

mod agent;
mod approval;
mod budget;
mod error;
mod file;
mod merge;
mod prompt;
mod rows;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use teamster_protocol::model::id::{AgentName, TeamName};
use teamster_protocol::model::roster::{OnStall, StallPolicy};
use teamster_protocol::model::task::NewTask;

pub use agent::{AgentSettings, ConfiguredCommand};
pub use approval::ConfiguredRule;
pub use budget::{BudgetSettings, SourcedBudget};
pub use error::{ConfigError, ConfigFault, ConfigProblem};
pub use file::{FileSettings, RootReading, SettingsRead, TeamStem};
pub use merge::{CommandLineSettings, ConfigFile, ConfigLayers};
pub use rows::{ConfigRow, OriginRow, TeamNameOrigin};
pub use teamster_protocol::host::settings::EnvironmentSettings;
pub use teamster_protocol::store::file::Durability;

/// The name of the file of a repository.
pub const REPOSITORY_FILE: &str = "teamster.toml";
/// Where the user's file is, below the directory for configuration.
pub const USER_FILE: &str = "teamster/config.toml";

/// The owner of a file of settings: the repository or the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigScope {
    /// The repository's: whoever can commit to it writes it.
    Repository,
    /// The user's own.
    User,
}

/// A value in a file, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedValue<T> {
    /// The value.
    pub value: T,
    /// The line, counted from 1.
    pub line: usize,
}

/// The giver of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// An option of the command.
    CommandLine {
        /// The option, such as `--team`.
        option: &'static str,
    },
    /// A variable of the environment.
    Environment {
        /// The variable, such as `TEAMSTER_TEAM`.
        variable: &'static str,
    },
    /// A file of settings.
    File {
        /// The owner of the file.
        scope: ConfigScope,
        /// The path of the file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// Nobody: it is what the program does by itself.
    BuiltIn,
}

/// A value, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcedValue<T> {
    /// The value.
    pub value: T,
    /// The giver of the value.
    pub origin: SettingOrigin,
}

/// How the name of the team is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TeamChoice {
    /// The name is given.
    Named(TeamName),
    /// The name begins so and ends with what is derived from the repository's place, so that no repository can name the
    /// team of another.
    Stem(TeamStem),
    /// The name is derived from the repository alone.
    Derived,
}

/// Everything that is set up, each value with who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where teams are kept; nothing where the state directory decides.
    pub root: SourcedValue<Option<PathBuf>>,
    /// The name of the team.
    pub team: SourcedValue<TeamChoice>,
    /// The kind of crash that a reported write survives.
    pub durability: SourcedValue<Durability>,
    /// How often a process looks at its files although no event came.
    pub poll: SourcedValue<Duration>,
    /// The answer to an agent that is silent in a turn.
    pub on_stall: SourcedValue<OnStall>,
    /// The silence after which a turn counts as stalled.
    pub stall_after: SourcedValue<Duration>,
    /// The number of workers of a run; nothing where the plan decides.
    pub workers: SourcedValue<Option<u16>>,
    /// Whether members get a worktree each.
    pub worktree: SourcedValue<bool>,
    /// The agent that members drive.
    pub agent: SourcedValue<AgentName>,
    /// How much all tasks of a run together may use.
    pub run_budget: SourcedBudget,
    /// How long a whole run may take.
    pub run_time: SourcedValue<Option<Duration>>,
    /// How long one attempt at a task may take that does not say so itself.
    pub task_time: SourcedValue<Option<Duration>>,
    /// How many deaths of workers a task survives.
    pub attempts: SourcedValue<u32>,
    /// How long a worker may take to answer its leader.
    pub answer_within: SourcedValue<Duration>,
    /// How long a worker goes on without its leader.
    pub leader_grace: SourcedValue<Duration>,
    /// How long an agent's question for permission waits for the lead.
    pub approval_within: SourcedValue<Duration>,
    /// The rules that answer such questions before anybody is asked, those of the repository first.
    pub approvals: Vec<SourcedValue<ConfiguredRule>>,
    /// The texts that tell agents who they are; nothing where the built-in one does.
    pub prompts: ConfiguredPrompts<SourcedValue<Option<String>>>,
    /// The agents that files describe, those of the repository first in each list.
    pub agents: Vec<(AgentName, Vec<(SettingOrigin, AgentSettings)>)>,
}

/// A text for each kind of agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfiguredPrompts<T> {
    /// For agents whose commands reach the team.
    pub with_shell: T,
    /// For the others.
    pub without_shell: T,
}

/// The limits of a task that does not set its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskLimits {
    /// How long one attempt may take.
    pub time: Option<Duration>,
    /// How many deaths of workers it survives.
    pub attempts: u32,
}

impl TaskLimits {
    /// Gives a new task the limits that it does not name.
    pub fn apply(self, task: &mut NewTask) {
        task.timeout_ms = task.timeout_ms.or(self.time.map(|time| time.as_millis() as u64));
        task.max_attempts = self.attempts;
    }
}

impl Config {
    /// The limits of tasks that do not set their own.
    pub fn task_limits(&self) -> TaskLimits {
        TaskLimits { time: self.task_time.value, attempts: self.attempts.value }
    }

    /// The variables that tell a process that is started by hand what the files say: name and value each.
    pub fn variables_of_files(&self) -> Vec<(&'static str, String)> {
        let of_file = |origin: &SettingOrigin| matches!(origin, SettingOrigin::File { .. });
        let given = [
            of_file(&self.durability.origin),
            of_file(&self.poll.origin),
            of_file(&self.answer_within.origin),
            of_file(&self.leader_grace.origin),
            of_file(&self.approval_within.origin),
        ];
        let variables = self.common().variables().into_iter().zip(given);
        variables.filter(|(_, is_of_file)| *is_of_file).map(|(variable, _)| variable).collect()
    }

    /// The answer to a silent agent, as the roster has it; `after` and `then` are from the command line and go before.
    pub fn stall(&self, after: Option<Duration>, then: Option<OnStall>) -> StallPolicy {
        let after = after.unwrap_or(self.stall_after.value);
        StallPolicy { after_ms: after.as_millis() as u64, then: then.unwrap_or(self.on_stall.value) }
    }
}

#[cfg(test)]
mod tests;
