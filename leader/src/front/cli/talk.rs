//! `teamster send` and `teamster steer`.

use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::wire::api::{PassedVia, SteerHaste, SteerHasteMade};

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
        steer_sentence(&paint(TextTone::Name, sent.answer.name.as_str()).to_string(), &sent.answer, haste)
    })
    .await
}

/// What was done with a steer, as its worker says, with its name as it is shown. A worker that was started from an older program
/// takes it without its haste.
fn steer_sentence(shown: &str, SentSteer { name, passed }: &SentSteer, haste: SteerHaste) -> String {
    let done = match (&passed.state, passed.via) {
        (Some(ReceiptState::Queued), _) => format!("{shown} gets it with the next turn: queued"),
        (Some(ReceiptState::Lost { reason }), _) => format!("{shown} does not get it: {reason}"),
        (Some(state), _) => format!("{shown} has it: {state}"),
        (None, PassedVia::Mail) => format!("{shown} gets it by mail"),
        (None, PassedVia::Rpc) => format!("{shown} was told"),
    };
    match (haste, passed.via, passed.haste) {
        (_, _, Some(SteerHasteMade::Interrupted)) => format!("{shown} is interrupted, and goes on with it"),
        (_, _, Some(SteerHasteMade::Joined)) => format!("{shown} gets it together with its prompt, which waits"),
        (SteerHaste::Now, PassedVia::Rpc, None) => format!(
            "{done}; it is not interrupted, as its worker is of an older program: teamster stop {name} ends its turn"
        ),
        (SteerHaste::Now, PassedVia::Mail, None) | (SteerHaste::Patient, _, None) => done,
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::wire::api::SteerPassed;

    use super::*;

    #[test]
    fn a_steer_is_said_to_interrupt_only_where_the_worker_says_that_it_did() {
        let answered = |state: &str, haste: &str| -> SteerPassed {
            let answer = format!(r#"{{"via":"rpc","text":"4.1","state":{state:?}{haste}}}"#);
            serde_json::from_str(&answer).expect("an answer")
        };
        let sentence = |passed| {
            steer_sentence("alice", &SentSteer { name: "alice".parse().expect("a name"), passed }, SteerHaste::Now)
        };
        let told = sentence(answered("queued", r#","haste":"interrupted""#));
        assert_eq!(told, "alice is interrupted, and goes on with it");
        let told = sentence(answered("queued", r#","haste":"joined""#));
        assert_eq!(told, "alice gets it together with its prompt, which waits");
        let older = "it is not interrupted, as its worker is of an older program: teamster stop alice ends its turn";
        assert_eq!(sentence(answered("queued", "")), format!("alice gets it with the next turn: queued; {older}"));
        assert_eq!(sentence(answered("accepted", "")), format!("alice has it: accepted; {older}"));
    }
}
