//! `agents`: which agents members may drive, and what `--agent NAME` comes to: a row of the catalogue or the user's own
//! table, with the options that were given.

mod context;
mod identity;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures_util::future::join_all;
use nix::unistd::{AccessFlags, access};
use serde::Serialize;
use teamster_protocol::host::own_program::beside_this_program;
use teamster_protocol::model::agent::ApprovalPolicy;
use teamster_protocol::model::agent::options::{AgentOptions, LaunchCommand};
use teamster_protocol::model::agent::preset::{
    AgentAbilities, AgentAbility, DriverKind, LLM_PROGRAM, PRESETS, PresetShown, PromptKind, SteerAbility, preset,
};
use teamster_protocol::model::agent_form::split_words;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::AgentName;
use teamster_protocol::model::identity::IdentityKind;
use teamster_protocol::model::limits::pace::PROGRAM_ANSWER_WITHIN;
use teamster_protocol::model::roster::MemberSpec;
use teamster_protocol::model::task::WorkKind;
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::SessionKept;
use tokio::process::Command;
use tokio::time::timeout;

use super::budget::WantedBudget;
use super::config::{AgentSettings, Config, ConfigScope, ConfiguredCommand, SettingOrigin};
use super::error::OpsError;
use super::session::Session;
use super::text::lossy_path;
use crate::verb::Verb;

pub use identity::{IdentityTextRow, IdentityTexts, identity_texts};

/// The command that puts work on the board for the agent that members drive unless another is said.
pub fn add_task_command(config: &Config) -> &'static str {
    let agent = WantedAgent::default().choose(config).ok();
    match agent.and_then(|agent| agent.options.abilities(&agent.name)) {
        Some(abilities) if abilities.prompts.takes(WorkKind::Text) => "teamster task add TEXT",
        // A command is taken by every member, whatever it drives.
        Some(_) | None => "teamster task add --run COMMAND",
    }
}

/// The wish for the agent that members drive. What is not given is as configured, or as the catalogue has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedAgent {
    /// The agent's name.
    pub name: Option<AgentName>,
    /// The settings of the agent beyond its name.
    pub options: AgentOptions,
    /// The address of the provider's interface, for an agent that can be told one.
    pub base_url: Option<String>,
}

/// Refuses a task for an agent that nobody describes, unless a member drives it: nobody could ever take it.
pub(super) fn must_be_agent(config: &Config, team: Option<&TeamView>, name: &AgentName) -> Result<(), OpsError> {
    let is_driven = |view: &TeamView| view.roster().members().any(|(_, member)| member.spec.agent == *name);
    if team.is_some_and(is_driven) {
        return Ok(());
    }
    must_be_known(name, &configured(config, name)?)
}

/// Refuses an agent of which nobody says what program it is.
fn must_be_known(name: &AgentName, options: &AgentOptions) -> Result<(), OpsError> {
    let Err(unknown) = options.launch(name) else { return Ok(()) };
    let (what, known) = split(&unknown.to_string());
    let hint = format!(
        "{known} (teamster agents tells more)\nor describe your own in ~/.config/teamster/config.toml: [agent.{name}] with driver and command"
    );
    Err(OpsError::refused(what, hint))
}

/// An agent that somebody may drive, as the roster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChosenAgent {
    pub(super) name: AgentName,
    pub(super) options: AgentOptions,
    /// Whether a member goes on with the conversation that it had.
    pub(super) session: SessionKept,
    /// How much a new member that drives it may use, where nobody says otherwise.
    pub(super) budget: UsageBudget,
}

impl WantedAgent {
    /// Puts the wish together with the files of settings. Refused for an agent that nobody describes.
    pub(super) fn choose(self, config: &Config) -> Result<ChosenAgent, OpsError> {
        let name = self.name.clone().unwrap_or_else(|| config.agent.value.clone());
        let configured = configured(config, &name)?;
        Ok(self.over(name, configured)?.told_by(config))
    }

    /// The same for a member that is started again: it keeps its agent, and what that was told, as far as nothing else is
    /// wanted.
    pub(super) fn choose_for(self, config: &Config, before: &MemberSpec) -> Result<ChosenAgent, OpsError> {
        match &self.name {
            Some(name) if *name != before.agent => self.choose(config),
            Some(_) | None => Ok(self.over(before.agent.clone(), before.options.clone())?.told_by(config)),
        }
    }

    /// The agent of that name, with the wanted options over these.
    fn over(self, name: AgentName, configured: AgentOptions) -> Result<ChosenAgent, OpsError> {
        let mut given = self.options;
        given.driver = given.driver.or(configured.driver);
        if let Some(url) = self.base_url {
            if given.driver_of(&name) != Some(DriverKind::Llm) {
                let what = format!("{name} can not be told a --base-url: only the agent llm can");
                return Err(OpsError::refused(
                    what,
                    "see how its own program is told one, and use --env or --agent-arg",
                ));
            }
            given.args.splice(0..0, [BASE_URL.to_owned(), url]);
        }
        let mut env = configured.env;
        env.extend(given.env);
        let options = AgentOptions {
            driver: given.driver,
            command: if given.command.is_empty() { configured.command } else { given.command },
            args: if given.args.is_empty() { configured.args } else { given.args },
            env,
            model: given.model.or(configured.model),
            effort: given.effort.or(configured.effort),
            approval: given.approval.or(configured.approval),
            context: given.context.clone().or(configured.context),
            identity: None,
            idle_after: given.idle_after.or(configured.idle_after),
            start: given.start.or(configured.start),
            on_limit: given.on_limit.or(configured.on_limit),
        };
        if options.driver == Some(DriverKind::Cmd) && (options.model.is_some() || options.effort.is_some()) {
            let what = format!("{name} can not be told a model or an effort: nothing is known of its program");
            return Err(OpsError::refused(what, "write them into its command, as arguments of its program"));
        }
        must_suit_llm(&name, &options)?;
        must_be_known(&name, &options)?;
        let session = if given.context.is_some() { SessionKept::GivenUp } else { SessionKept::Kept };
        Ok(ChosenAgent { name, options, session, budget: UsageBudget::default() })
    }
}

impl ChosenAgent {
    /// The same, told who it is and with the budget of its members as the files of settings say by now.
    fn told_by(mut self, config: &Config) -> ChosenAgent {
        let described = config.agents.iter().filter(|(name, _)| *name == self.name).flat_map(|(_, all)| all);
        let budgets = described.map(|(_, settings)| settings.budget.wanted());
        self.budget = budgets.fold(WantedBudget::default(), WantedBudget::lowest).budget();
        let abilities = self.options.abilities(&self.name);
        self.options.identity =
            abilities.and_then(|abilities| config.prompt(IdentityKind::of(abilities)).value.clone());
        self
    }

    /// Refuses an agent whose program is not there, before anything is made for it.
    pub(super) fn must_be_installed(&self) -> Result<(), OpsError> {
        let Some(program) = program_of(&self.name, &self.options) else { return Ok(()) };
        if find_program(&program).is_some() {
            return Ok(());
        }
        let what = format!("the program of {} is not there: {program}", self.name);
        let install = preset(&self.name).ok().and_then(|row| row.install);
        Err(OpsError::refused(
            what,
            match install {
                Some(install) => format!("install it: {install}"),
                None if self.name.form().is_some() => {
                    "install it, or write the path of the program that is meant".to_owned()
                }
                None => "install it, or name the program that is meant in [agent.NAME] of your settings".to_owned(),
            },
        ))
    }
}

/// The option with which the program of `llm` is told an address.
const BASE_URL: &str = "--base-url";

/// Refuses the agent `llm` without a model: there is none that everybody has.
fn must_suit_llm(name: &AgentName, options: &AgentOptions) -> Result<(), OpsError> {
    let is_told = || options.command.iter().chain(&options.args).any(|word| word.starts_with("--model"));
    if options.driver_of(name) != Some(DriverKind::Llm) || is_told() {
        return Ok(());
    }
    let example = "--model anthropic/claude-sonnet-4-6, openai/gpt-5.2 or ollama/qwen3";
    match options.model.as_deref().map(|model| model.split_once('/')) {
        Some(Some((provider, model))) if !provider.is_empty() && !model.is_empty() => Ok(()),
        Some(_) => {
            Err(OpsError::refused(format!("the model of {name} is to be PROVIDER/MODEL"), format!("such as {example}")))
        }
        None => Err(OpsError::refused(
            format!("{name} needs a model"),
            format!("say which: {example}\nor name it in your settings: [agent.{name}] with model"),
        )),
    }
}

fn split(text: &str) -> (String, String) {
    let (what, rest) = text.split_once('\n').unwrap_or((text, ""));
    (what.to_owned(), rest.to_owned())
}

/// What the files of settings say of an agent. A repository's file starts nothing by itself: of it only the model and the
/// effort are taken.
fn configured(config: &Config, name: &AgentName) -> Result<AgentOptions, OpsError> {
    let mut options = AgentOptions::of_name(name);
    options.command = resolved(options.command);
    let found = config.agents.iter().find(|(described, _)| described == name);
    for (origin, settings) in found.into_iter().flat_map(|(_, all)| all) {
        let AgentSettings { driver, command, env, model, effort, approval, idle_after, start, on_limit, budget: _ } =
            settings;
        let word =
            |value: &Option<super::config::PlacedValue<String>>| value.as_ref().map(|placed| placed.value.clone());
        options.model = options.model.or_else(|| word(model));
        options.effort = options.effort.or_else(|| word(effort));
        options.idle_after = options.idle_after.or(idle_after.as_ref().map(|placed| placed.value));
        options.start = options.start.or(start.as_ref().map(|placed| placed.value));
        options.on_limit = options.on_limit.or(on_limit.as_ref().map(|placed| placed.value));
        let SettingOrigin::File { scope: ConfigScope::User, .. } = origin else { continue };
        options.driver = driver.as_ref().map(|placed| placed.value).or(options.driver);
        if let Some(command) = command {
            options.command = match &command.value {
                // Its words hold a text of somebody else, which no shell may see.
                ConfiguredCommand::Line(line) if options.driver == Some(DriverKind::Cmd) => {
                    split_words(line).map_err(|fault| {
                        let what = format!("the command of agent {name} can not be read: {fault}");
                        OpsError::refused(what, "write it as a list of words: command = [\"PROGRAM\", \"{}\"]")
                    })?
                }
                ConfiguredCommand::Line(line) => vec!["sh".to_owned(), "-c".to_owned(), format!("exec {line}")],
                ConfiguredCommand::Words(words) => words.clone(),
            };
        }
        if let Some(env) = env {
            options.env.extend(env.value.clone());
        }
        if let Some(word) = word(approval) {
            options.approval = word.parse::<ApprovalPolicy>().ok();
        }
    }
    Ok(options)
}

/// A command whose program is where the caller means it, who may stand elsewhere than the member will.
fn resolved(mut command: Vec<String>) -> Vec<String> {
    if let Some(program) = command.first_mut()
        && program.contains('/')
        && let Ok(path) = std::path::absolute(&*program)
        && let Some(path) = path.to_str()
    {
        *program = path.to_owned();
    }
    command
}

/// The agents that there are.
#[derive(Debug, Serialize)]
pub struct AgentList {
    /// The catalogue, and after it what the user's file describes.
    pub agents: Vec<AgentRow>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentRow {
    /// The name that `--agent` takes.
    pub name: AgentName,
    /// The driver that speaks with it.
    pub driver: DriverKind,
    /// Its program as it was found; nothing for an agent that needs none, and for one that is missing.
    #[serde(serialize_with = "lossy_path")]
    pub program: Option<PathBuf>,
    /// The version that the program tells.
    pub version: Option<String>,
    /// Whether a member could drive it now.
    pub installed: bool,
    /// The command that installs what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<&'static str>,
    /// Whether it is given words; else it runs commands only.
    pub prompts: bool,
    /// Whether it takes words in the middle of a turn.
    pub steer: bool,
    /// Whether it goes on with its conversation after a restart.
    pub resume: bool,
    /// Whether it can begin with a copy of another's conversation.
    pub fork: bool,
    /// Whether it asks before it uses a tool.
    pub permissions: bool,
    /// Whether it tells what a turn has cost.
    pub usage: bool,
}

/// Lists the agents, and asks each program for its version.
pub async fn list_agents(session: &Session) -> Result<AgentList, OpsError> {
    session.authorize(Verb::Agents)?;
    let mut names: Vec<AgentName> = Vec::new();
    let listed = PRESETS.iter().filter(|row| row.shown == PresetShown::Listed);
    let listed = listed.map(|row| row.name.parse().expect("names of the catalogue are good"));
    let described = session.config.agents.iter().map(|(name, _)| name.clone());
    for name in listed.chain(described) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let looks = names.into_iter().map(async |name| -> Result<Option<AgentRow>, OpsError> {
        let options = configured(&session.config, &name)?;
        // One of the repository alone, which nothing can start.
        let Some(abilities) = options.abilities(&name) else { return Ok(None) };
        Ok(Some(look_at(name, &options, abilities).await))
    });
    let rows: Result<Vec<Option<AgentRow>>, OpsError> = join_all(looks).await.into_iter().collect();
    Ok(AgentList { agents: rows?.into_iter().flatten().collect() })
}

async fn look_at(name: AgentName, options: &AgentOptions, abilities: AgentAbilities) -> AgentRow {
    let row = preset(&name).ok();
    let wanted = program_of(&name, options);
    let program = wanted.as_deref().and_then(find_program);
    let version = match (&program, &options.command[..]) {
        (Some(program), []) => version_of(program).await,
        // The program of a command of the user's own may be a shell, or anything.
        (Some(_), [_, ..]) | (None, _) => None,
    };
    let installed = wanted.is_none() || program.is_some();
    let can = |ability| ability == AgentAbility::Yes;
    AgentRow {
        driver: options.driver_of(&name).expect("an agent with abilities has a driver"),
        install: row.and_then(|row| row.install).filter(|_| !installed),
        name,
        program,
        version,
        installed,
        prompts: abilities.prompts == PromptKind::Conversation,
        steer: abilities.steering == SteerAbility::Native,
        resume: can(abilities.resume),
        fork: can(abilities.fork),
        permissions: can(abilities.permissions),
        usage: can(abilities.usage),
    }
}

/// The program of an agent; nothing for one whose driver brings its own.
fn program_of(name: &AgentName, options: &AgentOptions) -> Option<String> {
    match options.launch(name).ok()?.command {
        LaunchCommand::Words(words) => words.into_iter().next(),
        LaunchCommand::BuiltIn | LaunchCommand::Variable(_) => None,
    }
}

/// The file that would be run: at that path, or else the first of that name on the `PATH`. Ours is beside this program.
fn find_program(program: &str) -> Option<PathBuf> {
    let runs = |path: &Path| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| runs(path));
    }
    if program == LLM_PROGRAM
        && let Some(beside) = beside_this_program(program).filter(|path| runs(path))
    {
        return Some(beside);
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|path| runs(path))
}

/// The version in what a program says to `--version`, on whichever stream. Waits [`PROGRAM_ANSWER_WITHIN`] at most.
async fn version_of(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let said = timeout(PROGRAM_ANSWER_WITHIN, command.output()).await.ok()?.ok()?;
    version_in(&String::from_utf8_lossy(&said.stdout)).or_else(|| version_in(&String::from_utf8_lossy(&said.stderr)))
}

/// The first word that begins as a version does.
fn version_in(text: &str) -> Option<String> {
    let words = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    words.into_iter().find(is_version).map(|word| word.trim_end_matches([',', ';', ')']).chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        for (said, version) in [
            ("1.6.0\n", Some("1.6.0")),
            ("2.1.332 (Claude Code)", Some("2.1.332")),
            ("codex-cli 0.171.0", Some("0.171.0")),
            ("tool v3.2.1, built today", Some("3.2.1")),
            ("no number", None),
            ("", None),
        ] {
            assert_eq!(version_in(said).as_deref(), version, "{said}");
        }
    }

    #[test]
    fn a_program_is_looked_for_where_the_system_would() {
        assert_eq!(find_program("/bin/sh"), Some(PathBuf::from("/bin/sh")));
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("/no/such/program"), None);
        assert_eq!(find_program("/bin"), None, "a directory is no program");
    }
}
