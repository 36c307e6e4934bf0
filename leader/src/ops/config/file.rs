//! One file of settings, read and checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use teamster_protocol::model::id::{AgentName, TeamName};
use teamster_protocol::model::limits::sizes::{ATTEMPTS_MAX, CONFIG_BYTES_MAX, RUN_WORKERS_MAX, TEAM_STEM_CHARS_MAX};
use teamster_protocol::model::roster::OnStall;

use super::agent::AgentSettings;
use super::budget::BudgetSettings;
use super::error::{ConfigError, ConfigFault, ConfigProblems, ConfigReport};
use super::value::{named, number, table, unknown_key, word};
use super::{ConfigScope, ConfiguredPrompts, ConfiguredRule, Durability, PlacedValue, agent, approval, budget, prompt};
use crate::ops::document::value::{flag, length, line};
use crate::ops::document::{DocumentEntry, DocumentFault, DocumentFormat, DocumentNode, DocumentValue, place, read};
use crate::ops::text::did_you_mean;

const SECTIONS: [&str; 6] = ["run", "team", "limits", "agent", "approval", "prompt"];
/// The keys of a run besides those of its budget.
const RUN_KEYS: [&str; 3] = ["workers", "worktree", "agent"];
const TEAM_KEYS: [&str; 6] = ["name", "root", "durability", "poll", "on-stall", "stall-after"];
const LIMITS_KEYS: [&str; 6] =
    ["run-time", "task-time", "attempts", "answer-within", "leader-grace", "approval-within"];

/// The beginning of a team's name, as a repository chooses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamStem(TeamName);

impl TeamStem {
    /// The beginning as text: at most [`TEAM_STEM_CHARS_MAX`] characters of what a name may have.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The settings in one file. A field that the file does not name is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is told of at the field of its name in Config")]
pub struct FileSettings {
    pub root: Option<PlacedValue<PathBuf>>,
    pub name: Option<PlacedValue<TeamStem>>,
    pub durability: Option<PlacedValue<Durability>>,
    pub poll: Option<PlacedValue<Duration>>,
    pub on_stall: Option<PlacedValue<OnStall>>,
    pub stall_after: Option<PlacedValue<Duration>>,
    pub workers: Option<PlacedValue<u16>>,
    pub worktree: Option<PlacedValue<bool>>,
    pub agent: Option<PlacedValue<AgentName>>,
    pub run_budget: BudgetSettings,
    pub run_time: Option<PlacedValue<Duration>>,
    pub task_time: Option<PlacedValue<Duration>>,
    pub attempts: Option<PlacedValue<u32>>,
    pub answer_within: Option<PlacedValue<Duration>>,
    pub leader_grace: Option<PlacedValue<Duration>>,
    pub approval_within: Option<PlacedValue<Duration>>,
    pub approvals: Vec<PlacedValue<ConfiguredRule>>,
    pub prompts: ConfiguredPrompts<Option<PlacedValue<String>>>,
    pub agents: Vec<(AgentName, AgentSettings)>,
}

impl FileSettings {
    /// Reads the bytes of a file. `source` is what messages call it, usually its path; `home` is what `~/` stands for.
    ///
    /// Refuses every key that is not known, and every value that nothing could be done with.
    pub fn parse(
        bytes: &[u8],
        scope: ConfigScope,
        source: &str,
        home: Option<&Path>,
    ) -> Result<FileSettings, ConfigError> {
        let SettingsRead { settings, problem, root: _ } = FileSettings::parse_what_is_right(bytes, scope, source, home);
        problem.map_or(Ok(settings), Err)
    }

    /// As [`FileSettings::parse`], but of a file with problems it gives what is right too: every setting that has none.
    pub fn parse_what_is_right(bytes: &[u8], scope: ConfigScope, source: &str, home: Option<&Path>) -> SettingsRead {
        if bytes.len() > CONFIG_BYTES_MAX {
            return SettingsRead::nothing(ConfigError::of_one(source, ConfigFault::TooLarge));
        }
        let mut problems = ConfigProblems::default();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to here");
                problems.add(Some(good.len()..good.len()), || ConfigReport::of(DocumentFault::NotText));
                return SettingsRead::nothing(problems.into_error(source, good));
            }
        };
        let reader = ConfigReader { text, scope, home };
        let Some(document) = read(text, DocumentFormat::Toml, &mut problems) else {
            return SettingsRead::nothing(problems.into_error(source, text));
        };
        let may_name_root = may_name_root(&document);
        let settings = reader.sections(document, &mut problems);
        let root = match settings.root {
            None if may_name_root => RootReading::InDoubt,
            None | Some(_) => RootReading::Known,
        };
        let problem = (!problems.is_empty()).then(|| problems.into_error(source, text));
        SettingsRead { settings, problem, root }
    }
}

/// A file of settings, as far as it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsRead {
    /// Every setting that is right.
    pub settings: FileSettings,
    /// What is wrong in the file.
    pub problem: Option<ConfigError>,
    /// Whether `settings` says of the root what the file was meant to say.
    pub root: RootReading,
}

/// Whether it is known what a file says about the root, the directory where teams are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RootReading {
    /// The file sets the root, or certainly does not.
    #[default]
    Known,
    /// The file may have been meant to set the root, and can not be understood there.
    InDoubt,
}

impl SettingsRead {
    /// For a file of which nothing can be understood.
    fn nothing(problem: ConfigError) -> SettingsRead {
        SettingsRead { settings: FileSettings::default(), problem: Some(problem), root: RootReading::InDoubt }
    }
}

/// Whether somebody who wrote this may have meant to set the root: by its key, also where that does not belong, or by one that
/// looks like it, or by whatever stands in place of the section of that key.
fn may_name_root(document: &DocumentNode<'_>) -> bool {
    let DocumentValue::Table(sections) = &document.value else { return false };
    let is_like_root = |key: &str| did_you_mean(key, TEAM_KEYS) == Some("root");
    sections.iter().any(|DocumentEntry { key, node, .. }| match (&**key, &node.value) {
        // Their tables have names of the user's choice, and their keys nothing to do with a root.
        ("agent" | "approval", _) => false,
        ("root", _) => true,
        ("team", DocumentValue::Table(entries)) => entries.iter().any(|entry| is_like_root(&entry.key)),
        ("team", _) => true,
        (_, DocumentValue::Table(entries)) => entries.iter().any(|entry| entry.key == "root"),
        (_, _) => false,
    })
}

/// The reader of the keys of a file, with all that it needs to know.
pub(super) struct ConfigReader<'a> {
    text: &'a str,
    scope: ConfigScope,
    home: Option<&'a Path>,
}

impl ConfigReader<'_> {
    /// The line that a value begins on.
    pub(super) fn line(&self, node: &DocumentNode<'_>) -> usize {
        place(self.text, node.span.start).line
    }

    fn sections(&self, root: DocumentNode<'_>, problems: &mut ConfigProblems) -> FileSettings {
        let mut settings = FileSettings::default();
        let entries = match root.value {
            DocumentValue::Table(entries) => entries,
            // An empty file is a list of nothing.
            DocumentValue::List(_)
            | DocumentValue::Text(_)
            | DocumentValue::Number(_)
            | DocumentValue::Flag(_)
            | DocumentValue::Other(_) => return settings,
        };
        for DocumentEntry { key, key_span, node } in entries {
            match &*key {
                "run" => self.run(node, &mut settings, problems),
                "team" => self.team(node, &mut settings, problems),
                "limits" => self.limits(node, &mut settings, problems),
                "agent" => self.agents(node, &mut settings, problems),
                "prompt" => settings.prompts = prompt::read(node, |node| self.line(node), problems),
                "approval" => {
                    settings.approvals = approval::read(node, self.scope, |node| self.line(node), problems);
                }
                unknown => {
                    let homes = [
                        ("run", &RUN_KEYS[..]),
                        ("team", &TEAM_KEYS),
                        ("limits", &LIMITS_KEYS),
                        ("prompt", &prompt::KEYS),
                    ];
                    match homes.iter().find(|(_, keys)| keys.contains(&unknown)) {
                        Some((section, _)) => problems.add(Some(key_span), || {
                            let hint = format!("this key belongs under a [{section}] line");
                            ConfigReport::of(DocumentFault::UnknownKey { key: unknown.to_owned() }).hint(hint)
                        }),
                        None => unknown_key(unknown, key_span, "a file of settings", &SECTIONS, problems),
                    }
                }
            }
        }
        settings
    }

    fn run(&self, node: DocumentNode<'_>, settings: &mut FileSettings, problems: &mut ConfigProblems) {
        let Some(entries) = table("`run`", node, problems) else { return };
        for DocumentEntry { key, key_span, node } in entries {
            let at = self.line(&node);
            match &*key {
                "workers" => {
                    let workers = number("`workers`", node, RUN_WORKERS_MAX.into(), problems);
                    let workers = workers.and_then(|workers| u16::try_from(workers).ok());
                    settings.workers = workers.map(|value| PlacedValue { value, line: at });
                }
                "worktree" => {
                    settings.worktree = flag("`worktree`", node, problems).map(|value| PlacedValue { value, line: at });
                }
                "agent" => {
                    let agent = self.run_agent(node, problems);
                    settings.agent = agent.map(|value| PlacedValue { value, line: at });
                }
                key if budget::KEYS.contains(&key) => settings.run_budget.read(key, node, at, problems),
                unknown => unknown_key(unknown, key_span, "[run]", &budget::with_keys(&RUN_KEYS), problems),
            }
        }
    }

    fn team(&self, node: DocumentNode<'_>, settings: &mut FileSettings, problems: &mut ConfigProblems) {
        let Some(entries) = table("`team`", node, problems) else { return };
        for DocumentEntry { key, key_span, node } in entries {
            let at = self.line(&node);
            match &*key {
                "name" => settings.name = self.name(node, problems).map(|value| PlacedValue { value, line: at }),
                "root" => settings.root = self.root(node, problems).map(|value| PlacedValue { value, line: at }),
                "durability" => {
                    let word = word("`durability`", node, &Durability::WORDS, problems);
                    let durability = word.and_then(|word| Durability::of_word(&word));
                    settings.durability = durability.map(|value| PlacedValue { value, line: at });
                }
                "poll" => {
                    settings.poll = length("`poll`", node, problems).map(|value| PlacedValue { value, line: at });
                }
                "on-stall" => {
                    let word = word("`on-stall`", node, &OnStall::WORDS, problems);
                    let on_stall = word.and_then(|word| word.parse().ok());
                    settings.on_stall = on_stall.map(|value| PlacedValue { value, line: at });
                }
                "stall-after" => {
                    let after = length("`stall-after`", node, problems);
                    settings.stall_after = after.map(|value| PlacedValue { value, line: at });
                }
                unknown => unknown_key(unknown, key_span, "[team]", &TEAM_KEYS, problems),
            }
        }
    }

    fn limits(&self, node: DocumentNode<'_>, settings: &mut FileSettings, problems: &mut ConfigProblems) {
        let Some(entries) = table("`limits`", node, problems) else { return };
        for DocumentEntry { key, key_span, node } in entries {
            let at = self.line(&node);
            let placed = |value| PlacedValue { value, line: at };
            match &*key {
                "run-time" => settings.run_time = length("`run-time`", node, problems).map(placed),
                "task-time" => settings.task_time = length("`task-time`", node, problems).map(placed),
                "attempts" => {
                    let attempts = number("`attempts`", node, ATTEMPTS_MAX, problems);
                    settings.attempts = attempts.map(|value| PlacedValue { value, line: at });
                }
                "answer-within" => settings.answer_within = length("`answer-within`", node, problems).map(placed),
                "leader-grace" => settings.leader_grace = length("`leader-grace`", node, problems).map(placed),
                "approval-within" => settings.approval_within = length("`approval-within`", node, problems).map(placed),
                unknown => unknown_key(unknown, key_span, "[limits]", &LIMITS_KEYS, problems),
            }
        }
    }

    fn agents(&self, node: DocumentNode<'_>, settings: &mut FileSettings, problems: &mut ConfigProblems) {
        let Some(entries) = table("`agent`", node, problems) else { return };
        for DocumentEntry { key, key_span, node } in entries {
            match key.parse::<AgentName>() {
                Ok(name) if name.form().is_some() => problems.add(Some(key_span), || {
                    ConfigReport::of(ConfigFault::CommandAsTable).hint(
                        "give the agent a name, [agent.NAME], and write its driver and command on the lines below",
                    )
                }),
                Ok(name) => settings.agents.push((name, agent::read(node, |node| self.line(node), problems))),
                Err(why) => problems.add(Some(key_span), || {
                    ConfigReport::of(ConfigFault::BadName { field: "an agent", why })
                        .hint("an agent is written as [agent.NAME], and its keys on the lines below")
                }),
            }
        }
    }

    /// The agent of members: of a repository's file none that is a command, for that would start by itself.
    fn run_agent(&self, node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<AgentName> {
        let span = node.span.clone();
        let agent: AgentName = named("`agent`", node, problems)?;
        match self.scope {
            ConfigScope::Repository if agent.form().is_some() => {
                problems.add(Some(span), || {
                    ConfigReport::of(ConfigFault::CommandOfRepository)
                        .hint("set it in your own config.toml, or use --agent")
                });
                None
            }
            ConfigScope::Repository | ConfigScope::User => Some(agent),
        }
    }

    fn name(&self, node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<TeamStem> {
        let span = node.span.clone();
        match self.scope {
            ConfigScope::User => {
                problems.add(Some(span), || {
                    ConfigReport::of(ConfigFault::NameOfUser)
                        .hint("set it in the teamster.toml of one repository, or use --team")
                });
                None
            }
            ConfigScope::Repository => {
                let name: TeamName = named("`name`", node, problems)?;
                let chars = name.as_str().len();
                if chars > TEAM_STEM_CHARS_MAX {
                    let max = TEAM_STEM_CHARS_MAX;
                    problems.add(Some(span), || ConfigReport::of(ConfigFault::LongName { chars, max }));
                    return None;
                }
                Some(TeamStem(name))
            }
        }
    }

    fn root(&self, node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<PathBuf> {
        let span = node.span.clone();
        match self.scope {
            ConfigScope::Repository => {
                problems.add(Some(span), || {
                    ConfigReport::of(ConfigFault::RootOfRepository)
                        .hint("set it in your own config.toml, or use --root or TEAMSTER_ROOT")
                });
                None
            }
            ConfigScope::User => {
                let text = line("`root`", node, problems)?;
                match (text.strip_prefix("~/"), self.home) {
                    (Some(rest), Some(home)) => Some(home.join(rest)),
                    (Some(_), None) => {
                        problems.add(Some(span), || ConfigReport::of(ConfigFault::NoHome));
                        None
                    }
                    (None, _) if Path::new(&text).is_absolute() => Some(PathBuf::from(text)),
                    (None, _) => {
                        problems.add(Some(span), || ConfigReport::of(ConfigFault::RelativeRoot));
                        None
                    }
                }
            }
        }
    }
}
