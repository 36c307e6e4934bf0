//! The one order of precedence: the command line, the environment, the repository's file, the user's file, and what is
//! built in.

use std::path::PathBuf;
use std::time::Duration;

use teamster_protocol::host::settings::{CommonSettings, EnvironmentSettings};
use teamster_protocol::model::id::{AgentName, TeamName};
use teamster_protocol::model::limits::{
    ANSWER_WITHIN, ATTEMPTS_DEFAULT_MAX, LEADER_GRACE, PERMISSION_WITHIN, SLOW_POLL, STALL_AFTER,
};
use teamster_protocol::model::roster::OnStall;

use super::{
    AgentSettings, Config, ConfigScope, ConfiguredPrompts, ConfiguredRule, Durability, FileSettings, PlacedValue,
    SettingOrigin, SourcedBudget, SourcedValue, TeamChoice,
};

/// A file of settings that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Whether the file is the repository's or the user's.
    pub scope: ConfigScope,
    /// The path of the file.
    pub path: PathBuf,
    /// The settings in the file.
    pub settings: FileSettings,
}

/// The settings that every command takes as options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLineSettings {
    /// The value of `--team`.
    pub team: Option<TeamName>,
    /// The value of `--root`.
    pub root: Option<PathBuf>,
}

/// All that may have a say, the strongest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigLayers {
    /// The options of the command.
    pub command_line: CommandLineSettings,
    /// The value of `TEAMSTER_TEAM`.
    pub environment_team: Option<TeamName>,
    /// The value of `TEAMSTER_ROOT`.
    pub environment_root: Option<PathBuf>,
    /// The other variables.
    pub environment: EnvironmentSettings,
    /// The file of the repository.
    pub repository: Option<ConfigFile>,
    /// The file of the user.
    pub user: Option<ConfigFile>,
}

/// The agent that members drive where nobody says otherwise.
const AGENT_DEFAULT: &str = "shell";

impl ConfigLayers {
    /// The settings that hold. `~/` and the like were resolved by then.
    pub fn merge(&self) -> Config {
        let team = self.given("--team", &self.command_line.team, "TEAMSTER_TEAM", &self.environment_team);
        let team = team
            .map(|team| team.map(TeamChoice::Named))
            .or_else(|| self.in_files(|settings| settings.name.as_ref()).map(|stem| stem.map(TeamChoice::Stem)));
        let root = self.given("--root", &self.command_line.root, "TEAMSTER_ROOT", &self.environment_root);
        let root = root.or_else(|| self.in_files(|settings| settings.root.as_ref()));
        let environment = &self.environment;
        let agent_default: AgentName = AGENT_DEFAULT.parse().expect("it is made of what a name may have");
        Config {
            root: optional(root),
            team: or_built_in(team, TeamChoice::Derived),
            durability: self.variable_or_file(
                "TEAMSTER_DURABILITY",
                environment.durability,
                |settings| settings.durability.as_ref(),
                Durability::Power,
            ),
            poll: self.variable_or_file(
                "TEAMSTER_POLL_MS",
                environment.poll,
                |settings| settings.poll.as_ref(),
                SLOW_POLL,
            ),
            answer_within: self.variable_or_file(
                "TEAMSTER_ANSWER_WITHIN_MS",
                environment.answer_within,
                |settings| settings.answer_within.as_ref(),
                ANSWER_WITHIN,
            ),
            leader_grace: self.variable_or_file(
                "TEAMSTER_LEADER_GRACE_MS",
                environment.leader_grace,
                |settings| settings.leader_grace.as_ref(),
                LEADER_GRACE,
            ),
            approval_within: self.variable_or_file(
                "TEAMSTER_APPROVAL_WITHIN_MS",
                environment.approval_within,
                |settings| settings.approval_within.as_ref(),
                PERMISSION_WITHIN,
            ),
            approvals: self.approvals(),
            on_stall: or_built_in(self.in_files(|settings| settings.on_stall.as_ref()), OnStall::default()),
            stall_after: or_built_in(self.in_files(|settings| settings.stall_after.as_ref()), STALL_AFTER),
            workers: optional(self.in_files(|settings| settings.workers.as_ref())),
            worktree: or_built_in(self.in_files(|settings| settings.worktree.as_ref()), false),
            agent: or_built_in(self.in_files(|settings| settings.agent.as_ref()), agent_default),
            run_budget: SourcedBudget {
                max_tokens: optional(self.lowest_in_files(|settings| settings.run_budget.max_tokens.as_ref())),
                max_cost: optional(self.lowest_in_files(|settings| settings.run_budget.max_cost.as_ref())),
                max_turns: optional(self.lowest_in_files(|settings| settings.run_budget.max_turns.as_ref())),
                max_time: optional(self.lowest_in_files(|settings| settings.run_budget.max_time.as_ref())),
            },
            run_time: optional(self.in_files(|settings| settings.run_time.as_ref())),
            task_time: optional(self.in_files(|settings| settings.task_time.as_ref())),
            attempts: or_built_in(self.in_files(|settings| settings.attempts.as_ref()), ATTEMPTS_DEFAULT_MAX),
            prompts: ConfiguredPrompts {
                with_shell: optional(self.in_files(|settings| settings.prompts.with_shell.as_ref())),
                without_shell: optional(self.in_files(|settings| settings.prompts.without_shell.as_ref())),
            },
            agents: self.agents(),
        }
    }

    /// Returns the value of an option, or else of a variable, with its origin; nothing if neither was given.
    fn given<T: Clone>(
        &self,
        option: &'static str,
        typed: &Option<T>,
        variable: &'static str,
        set: &Option<T>,
    ) -> Option<SourcedValue<T>> {
        let typed = typed.clone().map(|value| SourcedValue { value, origin: SettingOrigin::CommandLine { option } });
        typed.or_else(|| {
            set.clone().map(|value| SourcedValue { value, origin: SettingOrigin::Environment { variable } })
        })
    }

    /// Returns the value of the first file that sets the field, with its origin; the repository's file goes first.
    fn in_files<T: Clone>(&self, field: impl Fn(&FileSettings) -> Option<&PlacedValue<T>>) -> Option<SourcedValue<T>> {
        let files = [&self.repository, &self.user];
        files.into_iter().flatten().find_map(|file| {
            let placed = field(&file.settings)?;
            Some(SourcedValue { value: placed.value.clone(), origin: file.at(placed.line) })
        })
    }

    /// Returns the lowest value of the field that a file sets, with its origin: a repository does not raise what its user may
    /// lose.
    fn lowest_in_files<T: Copy + Ord>(
        &self,
        field: impl Fn(&FileSettings) -> Option<&PlacedValue<T>>,
    ) -> Option<SourcedValue<T>> {
        let files = [&self.repository, &self.user];
        let given = files.into_iter().flatten().filter_map(|file| Some((file, field(&file.settings)?)));
        let lowest = given.min_by_key(|(_, placed)| placed.value);
        lowest.map(|(file, placed)| SourcedValue { value: placed.value, origin: file.at(placed.line) })
    }

    fn variable_or_file<T: Clone>(
        &self,
        variable: &'static str,
        set: Option<T>,
        field: impl Fn(&FileSettings) -> Option<&PlacedValue<T>>,
        built_in: T,
    ) -> SourcedValue<T> {
        let set = set.map(|value| SourcedValue { value, origin: SettingOrigin::Environment { variable } });
        or_built_in(set.or_else(|| self.in_files(field)), built_in)
    }

    /// All rules, in the order in which they are tried.
    fn approvals(&self) -> Vec<SourcedValue<ConfiguredRule>> {
        let files = [&self.repository, &self.user].into_iter().flatten();
        let of_file = |file: &ConfigFile| -> Vec<SourcedValue<ConfiguredRule>> {
            let sourced = |placed: &PlacedValue<ConfiguredRule>| SourcedValue {
                value: placed.value.clone(),
                origin: file.at(placed.line),
            };
            file.settings.approvals.iter().map(sourced).collect()
        };
        files.flat_map(of_file).collect()
    }

    fn agents(&self) -> Vec<(AgentName, Vec<(SettingOrigin, AgentSettings)>)> {
        let mut agents: Vec<(AgentName, Vec<(SettingOrigin, AgentSettings)>)> = Vec::new();
        for file in [&self.repository, &self.user].into_iter().flatten() {
            for (name, settings) in &file.settings.agents {
                let said = (file.at(0), settings.clone());
                match agents.iter_mut().find(|(known, _)| known == name) {
                    Some((_, all)) => all.push(said),
                    None => agents.push((name.clone(), vec![said])),
                }
            }
        }
        agents.sort_by(|(one, _), (other, _)| one.cmp(other));
        agents
    }
}

impl Config {
    /// The settings that every process of the team has to hold to.
    pub fn common(&self) -> CommonSettings {
        CommonSettings {
            durability: self.durability.value,
            poll: self.poll.value,
            answer_within: self.answer_within.value,
            leader_grace: self.leader_grace.value,
            approval_within: self.approval_within.value,
        }
    }
}

impl ConfigFile {
    /// A line of it as the origin of a value.
    pub(super) fn at(&self, line: usize) -> SettingOrigin {
        SettingOrigin::File { scope: self.scope, path: self.path.clone(), line }
    }
}

impl<T> SourcedValue<T> {
    /// Another value of the same origin.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> SourcedValue<U> {
        SourcedValue { value: change(self.value), origin: self.origin }
    }
}

fn or_built_in<T>(given: Option<SourcedValue<T>>, built_in: T) -> SourcedValue<T> {
    given.unwrap_or(SourcedValue { value: built_in, origin: SettingOrigin::BuiltIn })
}

fn optional<T>(given: Option<SourcedValue<T>>) -> SourcedValue<Option<T>> {
    or_built_in(given.map(|given| given.map(Some)), None)
}

/// A length of time in a file, as `teamster config` writes it.
pub(super) fn length_text(length: Duration) -> String {
    crate::ops::duration::format_duration(length)
}
