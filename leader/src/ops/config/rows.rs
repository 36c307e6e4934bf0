//! Settings as `teamster config` shows them: each key with its value, who gave it, and whether it is used.

use std::path::Path;

use crate::ops::duration::format_idle_limit;
use serde::Serialize;
use serde_json::{Value, json};
use teamster_protocol::model::agent::options::HIDDEN_VALUE;
use teamster_protocol::model::approval::ApprovalRule;
use teamster_protocol::model::id::{AgentName, TeamName};
use teamster_protocol::model::identity::IdentityKind;

use super::budget::dollars;
use super::merge::length_text;
use super::{
    AgentSettings, Config, ConfigScope, ConfiguredCommand, ConfiguredRule, PlacedValue, SettingOrigin, SourcedValue,
    TeamChoice,
};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigRow {
    /// The section and the key of the setting: `run.workers`, `agent.pi.model`.
    pub key: String,
    /// The value; nothing where nobody set it and something else decides. Values of environment variables of agents are
    /// hidden.
    pub value: Option<Value>,
    /// The giver of the value.
    #[serde(flatten)]
    pub origin: OriginRow,
    /// A remark for people, such as why the value is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// The origin of the name of the team in some directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeamNameOrigin {
    /// Somebody gave the name, or it is derived as the settings say.
    Rule,
    /// A team is here already, and keeps the name that it has.
    ExistingTeam,
}

/// The giver of a setting, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum OriginRow {
    /// An option of the command.
    CommandLine {
        /// The option, such as `--team`.
        option: &'static str,
    },
    /// A variable of the environment.
    Environment {
        /// The name of the variable.
        variable: &'static str,
    },
    /// The repository's file.
    Repository {
        /// The path of the file.
        file: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// The user's file.
    User {
        /// The path of the file.
        file: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// The place that the call comes from: the name of a team is derived from it.
    Place,
    /// The team that is here already, which keeps its name.
    ExistingTeam,
    /// The program itself.
    BuiltIn,
}

/// The remark on a command that a repository's file would have started.
const NOT_TRUSTED: &str = "not trusted, since a repository's file starts nothing by itself";

impl Config {
    /// Every setting, in the order of the sections. `root` and `team` are what came of the choices.
    pub fn rows(&self, root: &Path, team: &TeamName, name: TeamNameOrigin) -> Vec<ConfigRow> {
        let mut rows = vec![
            optional_row("run.workers", &self.workers, |workers| json!(workers), "4, or one a task"),
            row("run.worktree", &self.worktree, |worktree| json!(worktree)),
            row("run.agent", &self.agent, |agent| json!(agent.as_str())),
            optional_row("run.max-tokens", &self.run_budget.max_tokens, |tokens| json!(tokens), "no limit"),
            optional_row("run.max-cost", &self.run_budget.max_cost, |cost| dollars(*cost), "no limit"),
            optional_row("run.max-turns", &self.run_budget.max_turns, |turns| json!(turns), "no limit"),
            optional_row("run.max-time", &self.run_budget.max_time, |time| json!(length_text(*time)), "no limit"),
            self.team_row(team, name),
            row("team.root", &self.root, |_| json!(root.to_string_lossy())),
            row("team.durability", &self.durability, |durability| json!(durability.word())),
            row("team.poll", &self.poll, |poll| json!(length_text(*poll))),
            row("team.on-stall", &self.on_stall, |on_stall| json!(on_stall)),
            row("team.stall-after", &self.stall_after, |after| json!(length_text(*after))),
            optional_row("limits.run-time", &self.run_time, |time| json!(length_text(*time)), "no limit"),
            optional_row("limits.task-time", &self.task_time, |time| json!(length_text(*time)), "no limit"),
            row("limits.attempts", &self.attempts, |attempts| json!(attempts)),
            row("limits.answer-within", &self.answer_within, |within| json!(length_text(*within))),
            row("limits.leader-grace", &self.leader_grace, |grace| json!(length_text(*grace))),
            row("limits.approval-within", &self.approval_within, |within| json!(length_text(*within))),
        ];
        rows.extend(IdentityKind::ALL.map(|kind| {
            let key = format!("prompt.{}", kind.key());
            optional_row(&key, self.prompt(kind), |text| json!(text), "see teamster agents --prompt")
        }));
        let rules = (1..).zip(&self.approvals);
        rows.extend(rules.map(|(number, rule)| row(&format!("approval.{number}"), rule, rule_value)));
        for (name, all) in &self.agents {
            for (origin, settings) in all {
                rows.extend(agent_rows(name, origin, settings));
            }
        }
        rows
    }
}

impl Config {
    fn team_row(&self, team: &TeamName, name: TeamNameOrigin) -> ConfigRow {
        let row = row("team.name", &self.team, |_| json!(team.as_str()));
        let (origin, note) = match (&self.team.value, name) {
            (TeamChoice::Named(_), _) => (row.origin, None),
            (TeamChoice::Stem(_), TeamNameOrigin::ExistingTeam) => (
                OriginRow::ExistingTeam,
                Some("a name in a file has no effect while a team is here: see teamster cleanup"),
            ),
            (TeamChoice::Derived, TeamNameOrigin::ExistingTeam) => (OriginRow::ExistingTeam, None),
            (TeamChoice::Stem(_), TeamNameOrigin::Rule) => {
                (row.origin, Some("ends with what is derived from the repository's place"))
            }
            (TeamChoice::Derived, TeamNameOrigin::Rule) => {
                (OriginRow::Place, Some("derived from the repository, or the directory"))
            }
        };
        ConfigRow { origin, note, ..row }
    }
}

fn row<T>(key: &str, setting: &SourcedValue<T>, value: impl FnOnce(&T) -> Value) -> ConfigRow {
    let value = Some(value(&setting.value));
    ConfigRow { key: key.to_owned(), value, origin: OriginRow::of(&setting.origin), note: None }
}

/// A rule with the keys of its file.
fn rule_value(given: &ConfiguredRule) -> Value {
    let ConfiguredRule { member, rule: ApprovalRule { tool, pattern, answer, reason } } = given;
    let mut value = json!({"answer": answer, "tool": tool});
    let others = [("pattern", json!(pattern)), ("member", json!(member)), ("reason", json!(reason))];
    for (key, other) in others.into_iter().filter(|(_, other)| !other.is_null()) {
        value[key] = other;
    }
    value
}

fn optional_row<T>(
    key: &str,
    setting: &SourcedValue<Option<T>>,
    value: impl FnOnce(&T) -> Value,
    without: &'static str,
) -> ConfigRow {
    let note = setting.value.is_none().then_some(without);
    ConfigRow {
        key: key.to_owned(),
        value: setting.value.as_ref().map(value),
        origin: OriginRow::of(&setting.origin),
        note,
    }
}

fn agent_rows(name: &AgentName, origin: &SettingOrigin, settings: &AgentSettings) -> Vec<ConfigRow> {
    let AgentSettings { driver, command, env, model, effort, approval, idle_after, start, on_limit, budget } = settings;
    let text = |placed: &PlacedValue<String>| PlacedValue { value: json!(placed.value), line: placed.line };
    let command = command.as_ref().map(|placed| {
        let value = match &placed.value {
            ConfiguredCommand::Line(line) => json!(line),
            ConfiguredCommand::Words(words) => json!(words),
        };
        PlacedValue { value, line: placed.line }
    });
    let env = env.as_ref().map(|placed| {
        let names = placed.value.keys().map(|name| (name.clone(), json!(HIDDEN_VALUE)));
        PlacedValue { value: Value::Object(names.collect()), line: placed.line }
    });
    let idle_after = idle_after
        .as_ref()
        .map(|placed| PlacedValue { value: json!(format_idle_limit(placed.value)), line: placed.line });
    let driver = driver.as_ref().map(|placed| PlacedValue { value: json!(placed.value), line: placed.line });
    let on_limit = on_limit.as_ref().map(|placed| PlacedValue { value: json!(placed.value.word()), line: placed.line });
    let keys = [
        ("driver", driver),
        ("command", command),
        ("env", env),
        ("model", model.as_ref().map(text)),
        ("effort", effort.as_ref().map(text)),
        ("approval", approval.as_ref().map(text)),
        ("idle-after", idle_after),
        ("start", start.as_ref().map(|placed| PlacedValue { value: json!(placed.value.word()), line: placed.line })),
        ("on-limit", on_limit),
    ];
    let given = keys.into_iter().filter_map(|(key, placed)| placed.map(|placed| (key, placed))).chain(budget.shown());
    let rows = given.map(|(key, placed)| {
        let origin = OriginRow::of(&origin.at_line(placed.line));
        let starts_something = matches!(key, "driver" | "command" | "env" | "approval");
        let note = match origin {
            OriginRow::Repository { .. } if starts_something => Some(NOT_TRUSTED),
            OriginRow::Repository { .. }
            | OriginRow::User { .. }
            | OriginRow::CommandLine { .. }
            | OriginRow::Environment { .. }
            | OriginRow::Place
            | OriginRow::ExistingTeam
            | OriginRow::BuiltIn => None,
        };
        ConfigRow { key: format!("agent.{name}.{key}"), value: Some(placed.value), origin, note }
    });
    rows.collect()
}

impl SettingOrigin {
    /// The same origin with another line, where it is a file.
    fn at_line(&self, line: usize) -> SettingOrigin {
        match self {
            SettingOrigin::File { scope, path, .. } => SettingOrigin::File { scope: *scope, path: path.clone(), line },
            other
            @ (SettingOrigin::CommandLine { .. } | SettingOrigin::Environment { .. } | SettingOrigin::BuiltIn) => {
                other.clone()
            }
        }
    }
}

impl OriginRow {
    /// The origin as it is shown.
    pub(in crate::ops) fn of(origin: &SettingOrigin) -> OriginRow {
        match origin {
            SettingOrigin::CommandLine { option } => OriginRow::CommandLine { option },
            SettingOrigin::Environment { variable } => OriginRow::Environment { variable },
            SettingOrigin::File { scope, path, line } => {
                let (file, line) = (path.to_string_lossy().into_owned(), *line);
                match scope {
                    ConfigScope::Repository => OriginRow::Repository { file, line },
                    ConfigScope::User => OriginRow::User { file, line },
                }
            }
            SettingOrigin::BuiltIn => OriginRow::BuiltIn,
        }
    }
}
