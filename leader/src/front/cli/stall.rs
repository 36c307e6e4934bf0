//! The options about an agent that says nothing.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use teamster_protocol::model::roster::OnStall;

use crate::ops::duration::parse_duration;
use crate::ops::spawn::WantedStall;

/// What is done about an agent that says nothing.
#[derive(Debug, clap::Args)]
pub struct StallArgs {
    /// How long an agent may say nothing in a turn before it counts as stalled [default: 10m]
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub stall_after: Option<Duration>,
    /// What is done then: only show it, steer it (ask it to go on), abort the turn (its task fails), or restart
    /// agent and worker (its task is open again) [default: show]
    #[arg(long, value_name = "WHAT",
        value_parser = PossibleValuesParser::new(OnStall::WORDS).try_map(|word| word.parse::<OnStall>()))]
    pub on_stall: Option<OnStall>,
}

impl StallArgs {
    /// The wish that the options express.
    pub(super) fn wanted(&self) -> WantedStall {
        WantedStall { after: self.stall_after, then: self.on_stall }
    }
}
