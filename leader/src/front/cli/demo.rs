//! `teamster demo`: told to people line by line, to programs as one object at its end.

use std::cell::RefCell;

use super::interrupt::interrupts;
use super::print::{Tone, harmless, paint, say};
use super::{CliError, Context, Exit, Shape};
use crate::ops::demo::{self, DemoEnd, DemoStep, Folder};

/// `teamster demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Leave the demo's folder for you to look at
    #[arg(long)]
    pub keep: bool,
}

pub(super) async fn demo(context: &Context, args: DemoArgs) -> Result<Exit, CliError> {
    let folder = if args.keep { Folder::Kept } else { Folder::Removed };
    let mut interrupts = interrupts()?;
    let interrupted = async move {
        interrupts.recv().await;
    };
    let unsaid = RefCell::new(None);
    let tell = |step: &DemoStep| match context.shape {
        Shape::Text => {
            if let Err(error) = say_step(step) {
                unsaid.borrow_mut().get_or_insert(error);
            }
        }
        Shape::Json => {}
    };
    let shown = match demo::demo(&context.session, folder, interrupted, &tell).await? {
        DemoEnd::Shown(shown) => shown,
        DemoEnd::Interrupted => return Err(CliError::Interrupted),
    };
    match (context.shape, unsaid.into_inner()) {
        (_, Some(error)) => Err(error),
        // It was told while it went.
        (Shape::Text, None) => Ok(Exit::Done),
        (Shape::Json, None) => {
            context.show(&shown, |_| String::new())?;
            Ok(Exit::Done)
        }
    }
}

fn say_step(step: &DemoStep) -> Result<(), CliError> {
    let shows = format!("– {}", step.shows);
    let line = format!("{} {} {}", paint(Tone::Ok, "✓"), paint(Tone::Name, &step.step), harmless(&shows));
    say(line).map_err(CliError::Stdout)?;
    Ok(())
}
