//! `teamster dm` and `teamster broadcast`.

use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::task::PromptKind;
use teamster_protocol::team::{DeliveredMail, MailOutcome, MailboxReader, UndeliveredMail};

use super::answer::{AnswerWait, show_sent};
use super::interrupt::unless_interrupted;
use super::print::{TextTone, paint};
use super::waking::{WakeArgs, note_waking};
use super::words::{EndsWithText, TextWords, TypedText};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::mail::{self, SentMail};
use crate::ops::receipt::TextKind;

/// `teamster dm`.
#[derive(Debug, clap::Args)]
pub struct DmArgs {
    /// The member; or lead, for who is a member
    pub name: Address,
    /// What to say
    #[command(flatten)]
    pub text: TextWords,
    /// Hand it on at once, into the running turn
    #[arg(long, short)]
    pub urgent: bool,
    /// Whether to wait
    #[command(flatten)]
    pub wait: AnswerWait,
    /// Whether to start it again
    #[command(flatten)]
    pub wake: WakeArgs,
}

/// `teamster broadcast`.
#[derive(Debug, clap::Args)]
pub struct BroadcastArgs {
    /// What to say
    #[command(flatten)]
    pub text: TextWords,
    /// Hand it on at once, into running turns
    #[arg(long, short)]
    pub urgent: bool,
}

impl EndsWithText for DmArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.text.words, work: None }
    }
}

impl EndsWithText for BroadcastArgs {
    fn typed_text(&mut self) -> TypedText<'_> {
        TypedText { words: &mut self.text.words, work: None }
    }
}

pub(super) async fn dm(context: &CliContext, args: DmArgs) -> Result<ExitStatus, CliError> {
    let DmArgs { name, text, urgent, wait, wake } = args;
    let text = text.resolve()?;
    let place = wait.place(context, &name, TextKind::Words)?;
    let dm = mail::dm(&context.session, name.clone(), text, urgency(urgent), wake.wish());
    let mailed = unless_interrupted(dm).await?;
    if let Address::Member(name) = &name {
        note_waking(context, name, &mailed.waking);
    }
    match (place, mailed.answer.text) {
        (Some(place), Some(text)) => {
            show_sent(context, Some(place), text, &mailed, |mailed| sent_sentence(&mailed.answer)).await
        }
        (Some(_) | None, _) => {
            context.show(&mailed, |mailed| sent_sentence(&mailed.answer))?;
            Ok(exit_status(&mailed.answer.mailed))
        }
    }
}

pub(super) async fn broadcast(context: &CliContext, args: BroadcastArgs) -> Result<ExitStatus, CliError> {
    let text = args.text.resolve()?;
    let mailed = mail::broadcast(&context.session, text, urgency(args.urgent))?;
    context.show(&mailed, sentences)?;
    Ok(exit_status(&mailed))
}

fn exit_status(mailed: &MailOutcome) -> ExitStatus {
    if mailed.failed.is_empty() { ExitStatus::Done } else { ExitStatus::Refused }
}

/// What became of one message, with its id and that nobody has read it yet.
fn sent_sentence(sent: &SentMail) -> String {
    match (sent.mailed.delivered.as_slice(), sent.text) {
        ([delivered], Some(text)) => format!("{}: unread, {text}", mailbox_sentence(delivered)),
        (_, _) => sentences(&sent.mailed),
    }
}

fn mailbox_sentence(delivered: &DeliveredMail) -> String {
    let name = paint(TextTone::Name, delivered.to.as_str());
    let place = format!("in the mailbox of {name}");
    match (delivered.reader, delivered.prompts) {
        (MailboxReader::Absent, _) if delivered.to == Address::Lead => format!("{place}, where it waits"),
        (MailboxReader::Running, PromptKind::Conversation) => place,
        (MailboxReader::Running, PromptKind::Program) => {
            format!("{place}; it goes to the log, and no agent reads it, because {name} runs commands only")
        }
        (MailboxReader::Absent, PromptKind::Conversation) => format!("{place}, where it waits until {name} runs"),
        (MailboxReader::Absent, PromptKind::Program) => {
            format!("{place}, where it waits until {name} runs; no agent reads it, because {name} runs commands only")
        }
        (MailboxReader::Unknown, _) => format!("{place}; whether {name} runs could not be told"),
    }
}

fn sentences(mailed: &MailOutcome) -> String {
    let failed = |failed: &UndeliveredMail| {
        let name = paint(TextTone::Error, failed.to.as_str());
        format!("not safely in the mailbox of {name}: {}; try again with teamster dm {}", failed.why, failed.to)
    };
    let left_out = mailed.left_out.iter().map(|name| {
        let name = paint(TextTone::Name, name.as_str());
        format!("not in the mailbox of {name}, which left")
    });
    let lines = mailed.delivered.iter().map(mailbox_sentence).chain(mailed.failed.iter().map(failed)).chain(left_out);
    lines.collect::<Vec<_>>().join("\n")
}

fn urgency(urgent: bool) -> Urgency {
    if urgent { Urgency::Now } else { Urgency::Next }
}
