//! The arguments of the program, which the worker takes from the member's options.

use std::path::PathBuf;

use clap::Parser;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{MemberName, TeamName};

/// A small agent for people who have a key or a model server, and nothing else. A worker of teamster starts it.
#[derive(Debug, Clone, Parser)]
#[command(name = "teamster-llm", version)]
pub(crate) struct LlmArgs {
    /// Which model of which provider, such as anthropic/claude-sonnet-4-6, openai/gpt-5.2 or ollama/qwen3
    #[arg(long, value_name = "PROVIDER/MODEL")]
    pub(crate) model: String,
    /// Where the provider's interface is, such as http://127.0.0.1:8080/v1
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// How much the model is to think: none, low, medium, high or max
    #[arg(long, value_name = "EFFORT")]
    pub(crate) effort: Option<String>,
    /// How many tokens the model can keep in view
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(2_000..))]
    pub(crate) context_tokens: Option<u64>,
    /// The root of all teams
    #[arg(long, value_name = "DIR", env = "TEAMSTER_ROOT", hide_env_values = true)]
    pub(crate) root: PathBuf,
    /// The team of the member that this is the agent of
    #[arg(long, value_name = "TEAM", env = "TEAMSTER_TEAM", hide_env_values = true)]
    pub(crate) team: TeamName,
    /// The member that this is the agent of
    #[arg(long, value_name = "NAME", env = "TEAMSTER_MEMBER", hide_env_values = true)]
    pub(crate) member: MemberName,
}

impl LlmArgs {
    /// The files of the team.
    pub(crate) fn team_dir(&self) -> TeamDir {
        TeamDir::new(&self.root, self.team.clone())
    }
}
