//! `teamster send` and `teamster steer`.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::wire::api::{Steered, Via};

use super::interrupt::unless_interrupted;
use super::print::{Tone, paint};
use super::words::Words;
use super::{CliError, Context, Exit};
use crate::ops::talk::{self, SentPrompt, SentSteer};

/// `teamster send`.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// The member
    pub name: MemberName,
    /// What to do
    #[command(flatten)]
    pub text: Words,
}

/// `teamster steer`.
#[derive(Debug, clap::Args)]
pub struct SteerArgs {
    /// The member
    pub name: MemberName,
    /// What to say
    #[command(flatten)]
    pub text: Words,
}

pub(super) async fn send(context: &Context, args: SendArgs) -> Result<Exit, CliError> {
    let text = args.text.resolve()?;
    let sent = unless_interrupted(talk::send(&context.session, args.name, text)).await?;
    context.show(&sent, |SentPrompt { name, prompted }| {
        let shown = paint(Tone::Name, name.as_str());
        format!("{shown} works on it: turn {}; watch with teamster logs {name} -f", prompted.turn)
    })?;
    Ok(Exit::Done)
}

pub(super) async fn steer(context: &Context, args: SteerArgs) -> Result<Exit, CliError> {
    let text = args.text.resolve()?;
    let sent = unless_interrupted(talk::steer(&context.session, args.name, text)).await?;
    context.show(&sent, |SentSteer { name, passed }| {
        let name = paint(Tone::Name, name.as_str());
        match (&passed.steered, passed.via) {
            (Some(Steered { state: ReceiptState::Queued, .. }), _) => format!("{name} gets it with the next turn"),
            (Some(Steered { state: ReceiptState::Lost { reason }, .. }), _) => {
                format!("{name} does not get it: {reason}")
            }
            (Some(_), _) => format!("{name} has it"),
            (None, Via::Mail) => format!("{name} gets it by mail"),
            (None, Via::Rpc) => format!("{name} was told"),
        }
    })?;
    Ok(Exit::Done)
}
