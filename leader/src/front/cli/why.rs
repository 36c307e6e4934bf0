//! `teamster why`.

use super::leader_line::leader_note;
use super::print::{TextTone, harmless, paint};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::why::{self, CauseText, WhyAnswer, WhySubject};

/// Causes that are told to people; a task may wait for hundreds.
const CAUSES_TOLD_MAX: usize = 8;

/// `teamster why`.
#[derive(Debug, clap::Args)]
pub struct WhyArgs {
    /// The number of a task, or the name of a member
    #[arg(value_name = "ID|NAME")]
    pub what: WhySubject,
}

pub(super) async fn why(context: &CliContext, args: WhyArgs) -> Result<ExitStatus, CliError> {
    let answer = why::why(&context.session, args.what).await?;
    context.show_page(&answer, |answer| {
        let unread: String = answer.unread().iter().map(|why| format!("\n{}\n", harmless(why))).collect();
        format!("{}{unread}{}", text(answer), leader_note(answer.leader()))
    })?;
    Ok(ExitStatus::Done)
}

fn text(answer: &WhyAnswer) -> String {
    match answer {
        WhyAnswer::Task(why) => {
            let title = paint(TextTone::Name, &why.title);
            format!("task {} {title} is {}\n{}", why.task, why.status, told(&why.because))
        }
        WhyAnswer::Member(why) => format!("{}\n{}", paint(TextTone::Name, why.member.as_str()), told(&why.because)),
    }
}

fn told(causes: &[CauseText]) -> String {
    let mut text = String::new();
    for because in causes.iter().take(CAUSES_TOLD_MAX) {
        text.push_str(&format!("  {}\n", harmless(&because.says)));
        if let Some(hint) = &because.hint {
            text.push_str(&format!("    {} {}\n", paint(TextTone::Faint, "→"), paint(TextTone::Plain, hint)));
        }
    }
    if causes.len() > CAUSES_TOLD_MAX {
        text.push_str(&format!("  and {} more; --json tells all\n", causes.len() - CAUSES_TOLD_MAX));
    }
    text
}
