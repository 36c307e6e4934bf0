//! `teamster why`.

use super::print::{Tone, harmless, paint};
use super::{CliError, Context, Exit};
use crate::ops::hanging::note_of_hanging;
use crate::ops::why::{self, Because, WhyAnswer, WhySubject};

/// Causes that are told to people; a task may wait for hundreds.
const CAUSES_TOLD_MAX: usize = 8;

/// `teamster why`.
#[derive(Debug, clap::Args)]
pub struct WhyArgs {
    /// The number of a task, or the name of a member
    #[arg(value_name = "ID|NAME")]
    pub what: WhySubject,
}

pub(super) async fn why(context: &Context, args: WhyArgs) -> Result<Exit, CliError> {
    let answer = why::why(&context.session, args.what)?;
    let note = note_of_hanging(&context.session).await?;
    context.show(&answer, |answer| format!("{}{note}", text(answer)))?;
    Ok(Exit::Done)
}

fn text(answer: &WhyAnswer) -> String {
    match answer {
        WhyAnswer::Task(why) => {
            let title = paint(Tone::Name, &why.title);
            format!("task {} {title} is {}\n{}", why.task, why.status, told(&why.because))
        }
        WhyAnswer::Member(why) => format!("{}\n{}", paint(Tone::Name, why.member.as_str()), told(&why.because)),
    }
}

fn told(causes: &[Because]) -> String {
    let mut text = String::new();
    for because in causes.iter().take(CAUSES_TOLD_MAX) {
        text.push_str(&format!("  {}\n", harmless(&because.says)));
        if let Some(hint) = &because.hint {
            text.push_str(&format!("    {} {}\n", paint(Tone::Faint, "→"), paint(Tone::Plain, hint)));
        }
    }
    if causes.len() > CAUSES_TOLD_MAX {
        text.push_str(&format!("  and {} more; --json tells all\n", causes.len() - CAUSES_TOLD_MAX));
    }
    text
}
