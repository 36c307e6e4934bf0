//! The catalogue of agents: the one table of what `--agent NAME` may name. It is plain data, so that the leader can
//! refuse an agent that nobody knows; the worker's `driver/catalog.rs` makes a driver of a row.

use crate::model::id::AgentName;

/// One agent that a member may drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentPreset {
    /// What it is called.
    pub name: &'static str,
    /// How it is spoken to.
    pub driver: DriverKind,
    /// Where its command line is from.
    pub command: AgentCommand,
    /// Variables it is given, over those of the worker.
    pub env: &'static [(&'static str, &'static str)],
    /// The command that installs it; nothing for what needs no installation.
    pub install: Option<&'static str>,
    /// What it can do.
    pub abilities: AgentAbilities,
    /// Whether people are told of it.
    pub shown: PresetShown,
}

/// Where an agent's command line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentCommand {
    /// The driver knows.
    BuiltIn,
    /// This program, looked for in `PATH`, with these arguments.
    Program(&'static [&'static str]),
    /// The variable of that name in the worker's environment holds it, its words parted by spaces.
    Variable(&'static str),
}

/// Whether people are told of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetShown {
    /// It is in lists, help and errors.
    Listed,
    /// It is there for tests.
    Hidden,
}

/// How an agent is spoken to: one driver of the worker each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    /// A shell for each turn.
    Shell,
    /// One process for all turns, which speaks JSON lines of our own.
    Script,
}

/// What a kind of agent can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentAbilities {
    /// What a prompt is to it.
    pub prompts: PromptKind,
    /// What becomes of a text in the middle of a turn.
    pub steering: SteerAbility,
    /// Whether a later life can go on with an earlier conversation.
    pub resume: AgentAbility,
    /// Whether a conversation can be begun with a copy of another.
    pub fork: AgentAbility,
    /// Whether it asks before it uses a tool.
    pub permissions: AgentAbility,
    /// Whether it tells what a turn has cost.
    pub usage: AgentAbility,
}

/// Whether an agent can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentAbility {
    /// It can.
    Yes,
    /// It can not.
    No,
}

/// What a prompt is to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// A program to run, with no memory of earlier ones: plain mail makes no sense as a prompt.
    Program,
    /// The next thing said in a conversation: mail may be put to it as a prompt.
    Conversation,
}

/// What becomes of a text that is said to an agent in the middle of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SteerAbility {
    /// It reaches the turn that runs, or the agent keeps it for the next one and says so.
    Native,
    /// The agent takes none: the worker keeps it for the next prompt.
    NextPrompt,
}

/// All presets, in the order in which people see them.
pub const PRESETS: &[AgentPreset] = &[
    AgentPreset {
        name: "shell",
        driver: DriverKind::Shell,
        command: AgentCommand::BuiltIn,
        env: &[],
        install: None,
        abilities: AgentAbilities {
            prompts: PromptKind::Program,
            steering: SteerAbility::Native,
            resume: AgentAbility::No,
            fork: AgentAbility::No,
            permissions: AgentAbility::No,
            usage: AgentAbility::No,
        },
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "script",
        driver: DriverKind::Script,
        command: AgentCommand::Variable("TEAMSTER_SCRIPT_AGENT"),
        env: &[],
        install: None,
        abilities: AgentAbilities {
            prompts: PromptKind::Conversation,
            steering: SteerAbility::Native,
            resume: AgentAbility::Yes,
            fork: AgentAbility::No,
            permissions: AgentAbility::Yes,
            usage: AgentAbility::Yes,
        },
        shown: PresetShown::Hidden,
    },
];

/// There is no agent of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no agent {name}\nknown agents: {}", listed())]
pub struct UnknownAgent {
    name: AgentName,
}

/// The preset of that name, or the refusal that names those there are.
pub fn preset(name: &AgentName) -> Result<&'static AgentPreset, UnknownAgent> {
    let found = PRESETS.iter().find(|preset| preset.name == name.as_str());
    found.ok_or_else(|| UnknownAgent { name: name.clone() })
}

/// What agents of a driver can do.
///
/// # Panics
///
/// If no preset has that driver: each has one.
pub fn abilities_of(driver: DriverKind) -> AgentAbilities {
    let row = PRESETS.iter().find(|preset| preset.driver == driver);
    row.expect("every driver has a row in the table").abilities
}

fn listed() -> String {
    let listed = PRESETS.iter().filter(|preset| preset.shown == PresetShown::Listed);
    listed.map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_good_name_of_its_own() {
        for (index, row) in PRESETS.iter().enumerate() {
            let name: AgentName = row.name.parse().unwrap();
            assert_eq!(preset(&name), Ok(row), "row {index}");
        }
    }

    #[test]
    fn an_unknown_agent_is_refused_with_those_that_people_may_choose() {
        let said = preset(&"parrot".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(said, "there is no agent parrot\nknown agents: shell");
    }
}
