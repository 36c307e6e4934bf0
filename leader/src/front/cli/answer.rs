//! The `--wait` of `send`, `steer` and `dm`: how far a text has come is told as it goes, and its end decides the exit code.

use serde::Serialize;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::receipt::TextId;

use super::interrupt::unless_interrupted;
use super::print::{self, TextTone, paint};
use super::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::approvals::ways_to_answer;
use crate::ops::receipt::{FollowedText, TextFate, TextHeard, TextKind, TextPlace};

/// Whether a command ends once its text is given away, or waits for the answer.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct AnswerWait {
    /// Wait until it is answered; the exit code is 1 if it is not
    #[arg(long)]
    pub wait: bool,
}

impl AnswerWait {
    /// The place after which the text is looked for; nothing if nobody waits for it. To be asked for before it is sent.
    pub(super) fn place(
        self,
        context: &CliContext,
        to: &Address,
        kind: TextKind,
    ) -> Result<Option<TextPlace>, CliError> {
        let place = self.wait.then(|| TextPlace::before(&context.session, to, kind)).transpose()?;
        Ok(place)
    }
}

/// Shows that a text was given away. With a place it then waits for the end of the text, and tells of what happens on the way.
pub(super) async fn show_sent<T: Serialize>(
    context: &CliContext,
    place: Option<TextPlace>,
    id: TextId,
    sent: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<ExitStatus, CliError> {
    let Some(place) = place else {
        context.show(sent, text)?;
        return Ok(ExitStatus::Done);
    };
    let mut unsaid = None;
    let mut line = |shown: String| {
        if let Err(error) = print::say(shown) {
            unsaid.get_or_insert(error);
        }
    };
    match context.shape {
        OutputShape::Text => print::note(&text(sent)),
        OutputShape::Json => line(serde_json::to_string(sent).expect("what was sent is plain data")),
    }
    let tell = |heard: TextHeard| match (heard, context.shape) {
        (TextHeard::Further(news), OutputShape::Text) => {
            print::note(&format!("{}: {}", paint(TextTone::Name, news.name.as_str()), news.state));
        }
        (TextHeard::Further(news), OutputShape::Json) => {
            line(serde_json::to_string(&news).expect("news are plain data"));
        }
        // In words also beside JSON: it is for a person, who else waits for nothing.
        (TextHeard::Asks { question, title }, OutputShape::Text | OutputShape::Json) => {
            let name = paint(TextTone::Name, question.member.as_str());
            let asks = paint(TextTone::Warn, "asks for permission:");
            print::note(&format!("{name} {asks} {title}; {}", ways_to_answer(&question)));
        }
    };
    let followed = unless_interrupted(place.follow(&context.session, id, tell)).await?;
    if let Some(error) = unsaid {
        return Err(CliError::Stdout(error));
    }
    context.show(&followed, fate_text)?;
    Ok(match followed.fate {
        TextFate::Answered => ExitStatus::Done,
        TextFate::Failed { .. } | TextFate::Unanswered | TextFate::Lost { .. } | TextFate::InMailbox => {
            ExitStatus::Refused
        }
    })
}

fn fate_text(followed: &FollowedText) -> String {
    let FollowedText { name, text: _, fate } = followed;
    let shown = paint(TextTone::Name, name.as_str());
    match fate {
        TextFate::Answered => format!("{shown} has answered; see teamster logs {name}"),
        TextFate::Failed { reason } => format!("{shown} has failed: {}", paint(TextTone::Error, reason)),
        TextFate::Unanswered => {
            format!("{shown} had it, and its turn ended before an answer; see teamster logs {name}")
        }
        TextFate::Lost { reason } => format!("{shown} does not get it: {}", paint(TextTone::Error, reason)),
        TextFate::InMailbox => format!("it is in the mailbox of {shown}, where it waits until {name} runs"),
    }
}
