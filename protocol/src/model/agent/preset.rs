//! The catalogue of agents: the one table of what `--agent NAME` may name. It is plain data, so that the leader can
//! refuse an agent that nobody knows; the worker's `driver/catalog.rs` makes a driver of a row.

use serde::{Deserialize, Serialize};

use crate::model::id::AgentName;
pub use crate::model::task::PromptKind;

/// One agent that a member may drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentPreset {
    /// The name that `--agent` takes.
    pub name: &'static str,
    /// The driver that speaks with the agent.
    pub driver: DriverKind,
    /// The origin of the agent's command line.
    pub command: AgentCommand,
    /// Variables set in the agent's environment, over those of the worker.
    pub env: &'static [(&'static str, &'static str)],
    /// The shell command that installs the agent; nothing for an agent that needs no installation.
    pub install: Option<&'static str>,
    /// The agent's abilities, which decide what a worker asks of it.
    pub abilities: AgentAbilities,
    /// Whether lists, help and errors name the agent.
    pub shown: PresetShown,
}

/// The origin of an agent's command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentCommand {
    /// The driver brings its own command line.
    BuiltIn,
    /// A program that is looked for in `PATH`, followed by its arguments.
    Program(&'static [&'static str]),
    /// The command line is the value of this variable in the worker's environment, its words parted by spaces.
    Variable(&'static str),
}

/// Whether lists, help and errors name an agent to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetShown {
    /// The agent is in lists, help and errors.
    Listed,
    /// The agent can be used but is named nowhere: it is there for tests.
    Hidden,
}

/// The driver of the worker that speaks with an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// The `shell` driver: a new shell for each turn.
    Shell,
    /// The `script` driver: one process for all turns, which speaks JSON lines of our own.
    Script,
    /// The `pi` driver: pi in its RPC mode.
    Pi,
    /// The `claude` driver: Claude Code, JSON lines both ways.
    Claude,
    /// The `codex` driver: the app server of codex, JSON-RPC in lines.
    Codex,
    /// The `acp` driver: any agent that speaks the Agent Client Protocol.
    Acp,
    /// The `cmd` driver: any program that takes one prompt and ends, run once for each.
    Cmd,
    /// The `llm` driver: the small agent of our own, by the lines of the `script` driver.
    Llm,
}

impl DriverKind {
    /// Every driver that people may name, by the word for it.
    pub const WORDS: [(&str, DriverKind); 7] = [
        ("shell", DriverKind::Shell),
        ("pi", DriverKind::Pi),
        ("claude", DriverKind::Claude),
        ("codex", DriverKind::Codex),
        ("acp", DriverKind::Acp),
        ("cmd", DriverKind::Cmd),
        ("llm", DriverKind::Llm),
    ];

    /// Whether an agent of this driver is one process for all of its turns, and not one for each.
    pub fn keeps_a_process(self) -> bool {
        match self {
            DriverKind::Shell | DriverKind::Cmd => false,
            DriverKind::Script
            | DriverKind::Pi
            | DriverKind::Claude
            | DriverKind::Codex
            | DriverKind::Acp
            | DriverKind::Llm => true,
        }
    }

    /// The driver of that word; nothing if people can name none so.
    pub fn of_word(word: &str) -> Option<DriverKind> {
        DriverKind::WORDS.iter().find(|(known, _)| *known == word).map(|(_, driver)| *driver)
    }
}

/// The abilities of a kind of agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentAbilities {
    /// Whether the agent reads text, or runs commands and nothing else.
    pub prompts: PromptKind,
    /// The fate of a text that is said to it in the middle of a turn.
    pub steering: SteerAbility,
    /// Whether a later life can go on with the conversation of an earlier one.
    pub resume: AgentAbility,
    /// Whether a conversation can be begun with a copy of another.
    pub fork: AgentAbility,
    /// Whether the agent asks before it uses a tool.
    pub permissions: AgentAbility,
    /// Whether the agent tells the cost of a turn.
    pub usage: AgentAbility,
    /// Whether `teamster`, which it may run as a command, reaches the team.
    pub reaches_team: AgentAbility,
}

/// Whether an agent has one of the abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentAbility {
    /// The agent has it.
    Yes,
    /// The agent lacks it.
    No,
}

/// The fate of a text that is said to an agent in the middle of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SteerAbility {
    /// The text reaches the turn that runs, or the agent keeps it for the next one and says so.
    Native,
    /// The agent takes no text during a turn: the worker keeps it for the next prompt.
    NextPrompt,
}

/// The abilities of agents that speak the Agent Client Protocol. Those that take a text in a turn say so when they start.
const ACP_ABILITIES: AgentAbilities = AgentAbilities {
    prompts: PromptKind::Conversation,
    steering: SteerAbility::NextPrompt,
    resume: AgentAbility::Yes,
    fork: AgentAbility::No,
    permissions: AgentAbility::Yes,
    usage: AgentAbility::Yes,
    reaches_team: AgentAbility::Yes,
};

/// The same, of those that also copy a conversation.
const ACP_FORKING: AgentAbilities = AgentAbilities { fork: AgentAbility::Yes, ..ACP_ABILITIES };

/// Abilities of programs that take one prompt and end: nothing is known of them but how they exit.
const CMD_ABILITIES: AgentAbilities = AgentAbilities {
    prompts: PromptKind::Conversation,
    steering: SteerAbility::NextPrompt,
    resume: AgentAbility::No,
    fork: AgentAbility::No,
    permissions: AgentAbility::No,
    usage: AgentAbility::No,
    reaches_team: AgentAbility::Yes,
};

/// All that an agent can have.
const ALL_ABILITIES: AgentAbilities = AgentAbilities {
    prompts: PromptKind::Conversation,
    steering: SteerAbility::Native,
    resume: AgentAbility::Yes,
    fork: AgentAbility::Yes,
    permissions: AgentAbility::Yes,
    usage: AgentAbility::Yes,
    reaches_team: AgentAbility::Yes,
};

/// The program of the agent `llm`. It is looked for beside the other programs of ours before it is in `PATH`.
pub const LLM_PROGRAM: &str = "teamster-llm";

/// Lets opencode ask before it changes a file or runs a command: by itself it asks for next to nothing. Put over the
/// user's own configuration.
const OPENCODE_ASKS: (&str, &str) =
    ("OPENCODE_CONFIG_CONTENT", r#"{"permission":{"edit":"ask","bash":"ask","webfetch":"ask"}}"#);

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
            reaches_team: AgentAbility::Yes,
        },
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "pi",
        driver: DriverKind::Pi,
        command: AgentCommand::Program(&["pi", "--mode", "rpc"]),
        env: &[],
        install: Some("npm install -g @earendil-works/pi-coding-agent"),
        abilities: AgentAbilities { permissions: AgentAbility::No, ..ALL_ABILITIES },
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "claude",
        driver: DriverKind::Claude,
        command: AgentCommand::Program(&["claude"]),
        env: &[],
        install: Some("npm install -g @anthropic-ai/claude-code"),
        abilities: ALL_ABILITIES,
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "codex",
        driver: DriverKind::Codex,
        command: AgentCommand::Program(&["codex", "app-server"]),
        env: &[],
        install: Some("npm install -g @openai/codex"),
        // Its commands are in a sandbox without the leader and without the team's files.
        abilities: AgentAbilities { reaches_team: AgentAbility::No, ..ALL_ABILITIES },
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "opencode",
        driver: DriverKind::Acp,
        command: AgentCommand::Program(&["opencode", "acp"]),
        env: &[OPENCODE_ASKS],
        install: Some("npm install -g opencode-ai"),
        abilities: ACP_FORKING,
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "gemini",
        driver: DriverKind::Acp,
        command: AgentCommand::Program(&["gemini", "--acp"]),
        env: &[],
        install: Some("npm install -g @google/gemini-cli"),
        abilities: ACP_ABILITIES,
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "qwen",
        driver: DriverKind::Acp,
        command: AgentCommand::Program(&["qwen", "--acp"]),
        env: &[],
        install: Some("npm install -g @qwen-code/qwen-code"),
        abilities: ACP_ABILITIES,
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "kimi",
        driver: DriverKind::Acp,
        command: AgentCommand::Program(&["kimi", "acp"]),
        env: &[],
        install: Some("npm install -g @moonshot-ai/kimi-code"),
        abilities: ACP_FORKING,
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "llm",
        driver: DriverKind::Llm,
        command: AgentCommand::Program(&[LLM_PROGRAM]),
        env: &[],
        install: Some("cargo install --locked --path worker/llm"),
        abilities: ALL_ABILITIES,
        shown: PresetShown::Listed,
    },
    AgentPreset {
        name: "acp",
        driver: DriverKind::Acp,
        command: AgentCommand::Variable("TEAMSTER_ACP_AGENT"),
        env: &[],
        install: None,
        abilities: ACP_FORKING,
        shown: PresetShown::Hidden,
    },
    AgentPreset {
        name: "script",
        driver: DriverKind::Script,
        command: AgentCommand::Variable("TEAMSTER_SCRIPT_AGENT"),
        env: &[],
        install: None,
        abilities: ALL_ABILITIES,
        shown: PresetShown::Hidden,
    },
];

/// An agent name that is in no row of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no agent {name}\nknown agents: {}, acp:COMMAND, cmd:COMMAND", listed())]
pub struct UnknownAgent {
    name: AgentName,
}

/// The preset of that name, or the refusal that names those there are.
pub fn preset(name: &AgentName) -> Result<&'static AgentPreset, UnknownAgent> {
    let found = PRESETS.iter().find(|preset| preset.name == name.as_str());
    found.ok_or_else(|| UnknownAgent { name: name.clone() })
}

/// The abilities of the agents that a driver speaks with.
///
/// # Panics
///
/// If no preset has that driver: each has one but `cmd`, whose command is always the user's own.
pub fn abilities_of(driver: DriverKind) -> AgentAbilities {
    if driver == DriverKind::Cmd {
        return CMD_ABILITIES;
    }
    let row = PRESETS.iter().find(|preset| preset.driver == driver);
    row.expect("every driver but cmd has a row in the table").abilities
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
        assert_eq!(
            said,
            "there is no agent parrot\nknown agents: shell, pi, claude, codex, opencode, gemini, qwen, kimi, llm, acp:COMMAND, cmd:COMMAND"
        );
    }
}
