//! The options about the agent that members drive.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use teamster_protocol::model::agent::options::{AgentOptions, AgentStart, IdleLimit, OnLimit, is_variable_name};
use teamster_protocol::model::agent::{ApprovalPolicy, SessionContext};
use teamster_protocol::model::id::AgentName;

use crate::ops::agents::WantedAgent;
use crate::ops::duration::parse_idle_limit;

/// The agent that members drive, and what it is told.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    /// The agent to drive: one of teamster agents, 'acp:COMMAND ARGS' for a program that speaks the Agent Client Protocol, or
    /// 'cmd:COMMAND {}' for one that takes one prompt and ends [default: shell, unless configured otherwise]
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<AgentName>,
    /// The model, in the agent's own words
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Where the model's provider is reached, for the agent llm, such as http://127.0.0.1:8080/v1
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// How much the model is to think, in the agent's own words, such as high
    #[arg(long, value_name = "EFFORT")]
    pub effort: Option<String>,
    /// What becomes of the agent's questions for permission: ask the lead, allow (auto), or deny [default: ask]
    #[arg(long, value_name = "WHAT",
        value_parser = PossibleValuesParser::new(ApprovalPolicy::WORDS).try_map(|word| word.parse::<ApprovalPolicy>()))]
    pub approval: Option<ApprovalPolicy>,
    /// The conversation it begins with: a new one (fresh), or a copy of a member's (branch:MEMBER), which is told to it in
    /// short where its agent can not copy it [default: its own, and a new one at first]
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<SessionContext>,
    /// How long the agent may have nothing to do before it is ended until its next turn, where it can go on with its
    /// conversation, or never [default: 10m]
    #[arg(long, value_name = "D|never", value_parser = parse_idle_limit)]
    pub idle_after: Option<IdleLimit>,
    /// When the agent's program is started: with the first prompt, mail or task (for-work), or with the member (at-once), so
    /// that a missing login is told by spawn [default: for-work]
    #[arg(long, value_name = "WHEN",
        value_parser = PossibleValuesParser::new(AgentStart::WORDS).try_map(|word| word.parse::<AgentStart>()))]
    pub start: Option<AgentStart>,
    /// Once its provider takes no more for now: wait with the task and go on by itself (park), or give the task back and end
    /// with the reason (end) [default: park]
    #[arg(long, value_name = "WHAT", conflicts_with = "no_park",
        value_parser = PossibleValuesParser::new(OnLimit::WORDS).try_map(|word| word.parse::<OnLimit>()))]
    pub on_limit: Option<OnLimit>,
    /// The same as --on-limit end
    #[arg(long)]
    pub no_park: bool,
    /// A variable for the agent's environment; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub env: Vec<(String, String)>,
    /// An argument for the agent's program, after all others; may be given several times
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub agent_arg: Vec<String>,
}

impl AgentArgs {
    /// Whether any of the options was typed.
    pub(super) fn is_given(&self) -> bool {
        let AgentArgs {
            agent,
            model,
            base_url,
            effort,
            approval,
            context,
            idle_after,
            start,
            on_limit,
            no_park,
            env,
            agent_arg,
        } = self;
        let words = [agent.is_some(), model.is_some(), effort.is_some(), approval.is_some(), context.is_some()];
        words.contains(&true)
            || base_url.is_some()
            || idle_after.is_some()
            || start.is_some()
            || *no_park
            || on_limit.is_some()
            || !env.is_empty()
            || !agent_arg.is_empty()
    }

    /// The wish that the options express.
    pub(super) fn wanted(self) -> WantedAgent {
        let options = AgentOptions {
            args: self.agent_arg,
            env: self.env.into_iter().collect(),
            model: self.model,
            effort: self.effort,
            approval: self.approval,
            context: self.context,
            idle_after: self.idle_after,
            start: self.start,
            on_limit: if self.no_park { Some(OnLimit::End) } else { self.on_limit },
            ..AgentOptions::default()
        };
        WantedAgent { name: self.agent, options, base_url: self.base_url }
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if is_variable_name(name) => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write NAME=VALUE, with a NAME of letters, digits and _".to_owned()),
    }
}
