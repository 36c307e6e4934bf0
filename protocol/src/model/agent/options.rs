//! What a member's agent is told beyond its name: the user's own command for it, its model, its variables. It stands on
//! the roster, so that every life of the member gets the same, whatever the files of settings say by then.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::preset::{AgentAbilities, AgentCommand, DriverKind, UnknownAgent, abilities_of, preset};
use super::{ApprovalPolicy, SessionContext};
use crate::model::agent_form::{AgentForm, FormKind};
use crate::model::id::AgentName;

/// The text in place of a value that is hidden.
pub const HIDDEN_VALUE: &str = "(hidden)";

/// The options of one member's agent. What is not given is as the catalogue has it for the agent's name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AgentOptions {
    /// The driver that speaks with the agent: for agents that are not in the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<DriverKind>,
    /// The program and its arguments. Empty: as the catalogue has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments after all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables for the agent's environment, over those of the worker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The model, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much the model is to think, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// The answer to the agent's questions for permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalPolicy>,
    /// The conversation that the agent began with, if somebody chose it. Once it has one of its own, every life goes on with
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<SessionContext>,
    /// The text that tells the agent who it is, in place of the built-in one; an empty text tells it nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// How long the agent may have nothing to do before it is ended until the next turn, if it is one process for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<IdleLimit>,
    /// When the agent is started, if it is one process for all of its turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<AgentStart>,
    /// What the member does once its provider takes no more for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_limit: Option<OnLimit>,
}

/// What a member does once its provider takes no more for now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// The member waits with its task, and goes on by itself.
    #[default]
    Park,
    /// The member ends with the reason, and its task is given back: nobody is kept waiting by a member that waits.
    End,
}

impl OnLimit {
    /// Every word that can be read as an `OnLimit`, as people write it.
    pub const WORDS: [&str; 2] = ["park", "end"];

    /// The setting as people write it.
    pub fn word(self) -> &'static str {
        match self {
            OnLimit::Park => "park",
            OnLimit::End => "end",
        }
    }
}

/// A word that names nothing to do about a limit: the error of reading an [`OnLimit`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of park, end")]
pub struct BadOnLimit(String);

impl FromStr for OnLimit {
    type Err = BadOnLimit;

    fn from_str(text: &str) -> Result<OnLimit, BadOnLimit> {
        let all = [OnLimit::Park, OnLimit::End];
        all.into_iter().find(|on_limit| on_limit.word() == text).ok_or_else(|| BadOnLimit(text.to_owned()))
    }
}

/// When an agent that is one process for all of its turns is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStart {
    /// With its worker, so that it is known to work before there is anything to do.
    AtOnce,
    /// With the first turn, so that a member without work costs no more than its worker.
    #[default]
    ForWork,
}

impl AgentStart {
    /// Every word that can be read as an `AgentStart`, as people write it.
    pub const WORDS: [&str; 2] = ["at-once", "for-work"];

    /// The setting as people write it.
    pub fn word(self) -> &'static str {
        match self {
            AgentStart::AtOnce => "at-once",
            AgentStart::ForWork => "for-work",
        }
    }
}

/// A word that names no time to start an agent at: the error of reading an [`AgentStart`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of at-once, for-work")]
pub struct BadAgentStart(String);

impl FromStr for AgentStart {
    type Err = BadAgentStart;

    fn from_str(text: &str) -> Result<AgentStart, BadAgentStart> {
        let all = [AgentStart::AtOnce, AgentStart::ForWork];
        all.into_iter().find(|start| start.word() == text).ok_or_else(|| BadAgentStart(text.to_owned()))
    }
}

/// How long an agent may have nothing to do before it is put to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdleLimit {
    /// It is never put to sleep.
    Never,
    /// As many milliseconds.
    Ms(u64),
}

impl IdleLimit {
    /// As long as this.
    pub fn after(length: Duration) -> IdleLimit {
        IdleLimit::Ms(length.as_millis() as u64)
    }

    /// The length, if there is one.
    pub fn length(self) -> Option<Duration> {
        match self {
            IdleLimit::Never => None,
            IdleLimit::Ms(ms) => Some(Duration::from_millis(ms)),
        }
    }
}

/// An agent as it is started: its name and its options put together with the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentLaunch {
    /// The driver that speaks with the agent.
    pub driver: DriverKind,
    /// The origin of its command line.
    pub command: LaunchCommand,
    /// Arguments after all that the command and the driver give.
    pub args: Vec<String>,
    /// Variables, over those of the worker.
    pub env: BTreeMap<String, String>,
    /// The model, in the agent's words.
    pub model: Option<String>,
    /// How much the model is to think, in the agent's words.
    pub effort: Option<String>,
    /// The answer to the agent's questions, for agents that have to be told to ask.
    pub approval: ApprovalPolicy,
}

/// The origin of the command line of an agent that is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchCommand {
    /// The driver brings its own command line.
    BuiltIn,
    /// The program and its arguments; never empty.
    Words(Vec<String>),
    /// The command line is the value of this variable in the worker's environment, its words parted by spaces.
    Variable(&'static str),
}

/// Whether a variable of an environment can have this name. The system takes more, and no shell could name those.
pub fn is_variable_name(name: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_of_name)
}

impl AgentOptions {
    /// The options that a name brings by itself: the driver and the command of one that is a command.
    pub fn of_name(name: &AgentName) -> AgentOptions {
        match name.form() {
            Some(AgentForm { kind, command }) => {
                let driver = match kind {
                    FormKind::Acp => DriverKind::Acp,
                    FormKind::Cmd => DriverKind::Cmd,
                };
                AgentOptions { driver: Some(driver), command, ..AgentOptions::default() }
            }
            None => AgentOptions::default(),
        }
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == AgentOptions::default()
    }

    /// The same for people to see: the values of variables may be secrets, and are hidden.
    pub fn without_secrets(&self) -> AgentOptions {
        let hidden = self.env.keys().map(|name| (name.clone(), HIDDEN_VALUE.to_owned()));
        AgentOptions { env: hidden.collect(), ..self.clone() }
    }

    /// The driver of the agent of that name with these options; nothing for a name that neither the catalogue nor the options
    /// know.
    pub fn driver_of(&self, name: &AgentName) -> Option<DriverKind> {
        self.driver.or_else(|| Some(preset(name).ok()?.driver))
    }

    /// The agent of that name with these options, as it is to be started. Refused for a name that neither the catalogue
    /// nor the options know.
    pub fn launch(&self, name: &AgentName) -> Result<AgentLaunch, UnknownAgent> {
        let row = match self.driver {
            Some(_) => preset(name).ok(),
            None => Some(preset(name)?),
        };
        let driver = self.driver.or(row.map(|row| row.driver)).expect("a row was found where no driver is given");
        let command = match (&self.command[..], row.map(|row| row.command)) {
            (words @ [_, ..], _) => LaunchCommand::Words(words.to_vec()),
            ([], Some(AgentCommand::Program(words))) => {
                LaunchCommand::Words(words.iter().map(|word| (*word).to_owned()).collect())
            }
            ([], Some(AgentCommand::Variable(variable))) => LaunchCommand::Variable(variable),
            ([], Some(AgentCommand::BuiltIn) | None) => LaunchCommand::BuiltIn,
        };
        let of_row = row.into_iter().flat_map(|row| row.env);
        let mut env: BTreeMap<String, String> =
            of_row.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        env.extend(self.env.clone());
        let AgentOptions { args, model, effort, approval, .. } = self.clone();
        Ok(AgentLaunch { driver, command, args, env, model, effort, approval: approval.unwrap_or_default() })
    }

    /// The abilities of the agent of that name with these options; nothing if neither knows it.
    pub fn abilities(&self, name: &AgentName) -> Option<AgentAbilities> {
        match self.driver {
            Some(driver) => Some(abilities_of(driver)),
            None => preset(name).ok().map(|row| row.abilities),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AgentName {
        text.parse().unwrap()
    }

    #[test]
    fn the_catalogue_says_what_the_options_leave_open() {
        let launch = AgentOptions::default().launch(&name("script")).unwrap();
        assert_eq!(launch.driver, DriverKind::Script);
        assert_eq!(launch.command, LaunchCommand::Variable("TEAMSTER_SCRIPT_AGENT"));

        let command = vec!["/bin/mine".to_owned(), "--loud".to_owned()];
        let options = AgentOptions { command: command.clone(), ..AgentOptions::default() };
        assert_eq!(options.launch(&name("script")).unwrap().command, LaunchCommand::Words(command));
    }

    #[test]
    fn an_agent_that_the_catalogue_does_not_know_needs_a_driver() {
        assert!(AgentOptions::default().launch(&name("parrot")).is_err());
        let options = AgentOptions { driver: Some(DriverKind::Script), ..AgentOptions::default() };
        assert_eq!(options.launch(&name("parrot")).unwrap().driver, DriverKind::Script);
        assert_eq!(options.abilities(&name("parrot")), Some(abilities_of(DriverKind::Script)));
        assert_eq!(AgentOptions::default().abilities(&name("parrot")), None);
    }

    #[test]
    fn a_name_that_is_a_command_brings_its_driver_and_its_words() {
        let agent = name("cmd:mine -p '{}'");
        let options = AgentOptions::of_name(&agent);
        let launch = options.launch(&agent).unwrap();
        let command = ["mine", "-p", "{}"].map(str::to_owned).to_vec();
        assert_eq!((launch.driver, launch.command), (DriverKind::Cmd, LaunchCommand::Words(command)));
        assert!(AgentOptions::of_name(&name("pi")).is_empty());
    }

    #[test]
    fn what_is_not_given_is_not_written() {
        assert_eq!(serde_json::to_string(&AgentOptions::default()).unwrap(), "{}");
        assert!(serde_json::from_str::<AgentOptions>("{}").unwrap().is_empty());
    }
}
