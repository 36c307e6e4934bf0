//! `teamster send` and `teamster steer`.

use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::wire::api::{PassedVia, SteerHaste};

use super::answer::{AnswerWait, show_sent};
use super::interrupt::unless_interrupted;
use super::print::{TextTone, paint};
use super::waking::{WakeArgs, note_waking};
use super::words::{EndsWithText, TextWords, TypedText, WorkOptions};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::receipt::TextKind;
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
    /// Whether to wait
    #[command(flatten)]
    pub wait: AnswerWait,
    /// Whether to start it again
    #[command(flatten)]
    pub wake: WakeArgs,
}

/// `teamster steer`.
#[derive(Debug, clap::Args)]
pub struct SteerArgs {
    /// The member
    pub name: MemberName,
    /// What to say
    #[command(flatten)]
    pub text: TextWords,
    /// Interrupt the agent: it goes on in the same turn with this, and with what it had said
    #[arg(long)]
    pub now: bool,
    /// Whether to wait
    #[command(flatten)]
    pub wait: AnswerWait,
    /// Whether to start it again
    #[command(flatten)]
    pub wake: WakeArgs,
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
    let SendArgs { name, text, work, wait, wake } = args;
    let work = work.work(text.resolve()?);
    // `send` itself refuses words where none are read.
    let place = wait.place(context, &Address::Member(name.clone()), TextKind::Command)?;
    let sent = unless_interrupted(talk::send(&context.session, name, work, wake.wish())).await?;
    note_waking(context, &sent.answer.name, &sent.waking);
    show_sent(context, place, sent.answer.text, &sent, |sent| {
        let SentPrompt { name, turn, text: _ } = &sent.answer;
        let shown = paint(TextTone::Name, name.as_str());
        match turn {
            Some(turn) => format!("{shown} works on it: turn {turn}; watch with teamster logs {name} -f"),
            None => format!("{shown} has something else to do first, and gets it by mail"),
        }
    })
    .await
}

pub(super) async fn steer(context: &CliContext, args: SteerArgs) -> Result<ExitStatus, CliError> {
    let SteerArgs { name, text, now, wait, wake } = args;
    let haste = if now { SteerHaste::Now } else { SteerHaste::Patient };
    let text = text.resolve()?;
    let place = wait.place(context, &Address::Member(name.clone()), TextKind::Command)?;
    let sent = unless_interrupted(talk::steer(&context.session, name, text, haste, wake.wish())).await?;
    note_waking(context, &sent.answer.name, &sent.waking);
    show_sent(context, place, sent.answer.passed.text, &sent, |sent| {
        let SentSteer { name, passed } = &sent.answer;
        let name = paint(TextTone::Name, name.as_str());
        match (&passed.state, passed.via) {
            (Some(ReceiptState::Queued), _) if haste == SteerHaste::Now => {
                format!("{name} is interrupted, and goes on with it")
            }
            (Some(ReceiptState::Queued), _) => format!("{name} gets it with the next turn: queued"),
            (Some(ReceiptState::Lost { reason }), _) => format!("{name} does not get it: {reason}"),
            (Some(state), _) => format!("{name} has it: {state}"),
            (None, PassedVia::Mail) => format!("{name} gets it by mail"),
            (None, PassedVia::Rpc) => format!("{name} was told"),
        }
    })
    .await
}
