//! `teamster demo`: told to people line by line, to programs as one object at its end.

use std::cell::RefCell;

use super::agent::AgentArgs;
use super::interrupt::interrupts;
use super::print::{TextTone, harmless, paint, say};
use super::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::demo::{self, DemoEnd, DemoFolder, DemoStep, WantedDemo};
use crate::ops::error::OpsError;

/// `teamster demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// The agent that the members drive, and what it is told; without one the tasks are commands, and nothing is needed
    #[command(flatten)]
    pub agent: AgentArgs,
    /// Leave the demo's folder for you to look at
    #[arg(long)]
    pub keep: bool,
}

pub(super) async fn demo(context: &CliContext, args: DemoArgs) -> Result<ExitStatus, CliError> {
    let folder = if args.keep { DemoFolder::Kept } else { DemoFolder::Removed };
    let is_told_something = args.agent.is_given();
    let agent = args.agent.wanted();
    if is_told_something && agent.name.is_none() {
        return Err(OpsError::misused("no agent is named that could be told that", "name it with --agent").into());
    }
    let wanted = WantedDemo { agent: agent.name.is_some().then_some(agent), folder };
    let mut interrupts = interrupts()?;
    let interrupted = async move {
        interrupts.recv().await;
    };
    let unsaid = RefCell::new(None);
    let tell = |step: &DemoStep| match context.shape {
        OutputShape::Text => {
            if let Err(error) = say_step(step) {
                unsaid.borrow_mut().get_or_insert(error);
            }
        }
        OutputShape::Json => {}
    };
    let shown = match demo::demo(&context.session, wanted, interrupted, &tell).await? {
        DemoEnd::Shown(shown) => shown,
        DemoEnd::Interrupted => return Err(CliError::Interrupted),
    };
    match (context.shape, unsaid.into_inner()) {
        (_, Some(error)) => Err(error),
        // The story was printed step by step, as it went.
        (OutputShape::Text, None) => Ok(ExitStatus::Done),
        (OutputShape::Json, None) => {
            context.show(&shown, |_| String::new())?;
            Ok(ExitStatus::Done)
        }
    }
}

fn say_step(step: &DemoStep) -> Result<(), CliError> {
    let shows = format!("– {}", step.shows);
    let line = format!("{} {} {}", paint(TextTone::Ok, "✓"), paint(TextTone::Name, &step.step), harmless(&shows));
    say(line).map_err(CliError::Stdout)?;
    Ok(())
}
