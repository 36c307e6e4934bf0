//! `teamster send` and `teamster steer`.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::wire::api::{PassedVia, SteerAnswer};

use super::interrupt::unless_interrupted;
use super::print::{TextTone, paint};
use super::words::{EndsWithText, TextWords, TypedText, WorkOptions};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::talk::{self, SentPrompt, SentSteer};

/// `teamster send`.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// The member
    pub name: MemberName,
    /// What to do
    #[command(flatten)]
    pub text: TextWords,
    /// Whether that is a command
    #[command(flatten)]
    pub work: WorkOptions,
}

/// `teamster steer`.
#[derive(Debug, clap::Args)]
pub struct SteerArgs {
    /// The member
    pub name: MemberName,
    /// What to say
    #[command(flatten)]
    pub text: TextWords,
}

impl EndsWithText for SendArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.text.words, work: Some(&mut self.work) }
    }
}

impl EndsWithText for SteerArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.text.words, work: None }
    }
}

pub(super) async fn send(context: &CliContext, args: SendArgs) -> Result<ExitStatus, CliError> {
    let work = args.work.work(args.text.resolve()?);
    let sent = unless_interrupted(talk::send(&context.session, args.name, work)).await?;
    context.show(&sent, |SentPrompt { name, prompted }| {
        let shown = paint(TextTone::Name, name.as_str());
        format!("{shown} works on it: turn {}; watch with teamster logs {name} -f", prompted.turn)
    })?;
    Ok(ExitStatus::Done)
}

pub(super) async fn steer(context: &CliContext, args: SteerArgs) -> Result<ExitStatus, CliError> {
    let text = args.text.resolve()?;
    let sent = unless_interrupted(talk::steer(&context.session, args.name, text)).await?;
    context.show(&sent, |SentSteer { name, passed }| {
        let name = paint(TextTone::Name, name.as_str());
        match (&passed.steered, passed.via) {
            (Some(SteerAnswer { state: ReceiptState::Queued, .. }), _) => format!("{name} gets it with the next turn"),
            (Some(SteerAnswer { state: ReceiptState::Lost { reason }, .. }), _) => {
                format!("{name} does not get it: {reason}")
            }
            (Some(_), _) => format!("{name} has it"),
            (None, PassedVia::Mail) => format!("{name} gets it by mail"),
            (None, PassedVia::Rpc) => format!("{name} was told"),
        }
    })?;
    Ok(ExitStatus::Done)
}
