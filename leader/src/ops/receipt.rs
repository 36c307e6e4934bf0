//! `--wait` of `send`, `steer` and `dm`: follows one text on its way into an agent, until it is answered or will not be.

use serde::{Deserialize, Serialize};
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::PromptKind;
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::{FileChange, FileWatch};
use teamster_protocol::team::MemberState;

use super::error::OpsError;
use super::follow::Listening;
use super::logs::{MemberLogEntry, TranscriptReading};
use super::session::Session;

mod progress;
mod questions;

use progress::TextProgress;
pub use progress::{TextFate, WorkerGone};
use questions::OpenQuestions;

/// The place in a member's transcripts after which a text is looked for. To be taken before the text is given away: what
/// becomes of it may be written before the call that gave it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPlace {
    name: MemberName,
    turn: u64,
    prompts: PromptKind,
}

/// A text has come further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextNews {
    /// The member that the text is for.
    pub name: MemberName,
    /// The text.
    pub text: TextId,
    /// How far it has come.
    pub state: ReceiptState,
}

/// What is heard while a text is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextHeard {
    /// The text has come further.
    Further(TextNews),
    /// The member's agent asks for permission, and goes on when the lead has answered.
    Asks {
        /// The name of the question.
        question: QuestionName,
        /// The use of a tool that it is about, in one line.
        title: String,
    },
}

/// The end of a text's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedText {
    /// The member that the text is for.
    pub name: MemberName,
    /// The text.
    pub text: TextId,
    /// The end.
    #[serde(flatten)]
    pub fate: TextFate,
}

impl TextPlace {
    /// The end of what the member has said so far. Refused for a member whose agent reads no texts but commands, if the text
    /// is none, and for the lead: nobody would ever answer.
    pub fn before(session: &Session, to: &Address, kind: TextKind) -> Result<TextPlace, OpsError> {
        let Address::Member(name) = to else {
            return Err(OpsError::misused("no receipts come from the lead", "write to it without --wait"));
        };
        let view = session.view()?;
        session.must_be_member(&view, name)?;
        let prompts = view.roster().member(name)?.spec.prompts();
        if kind == TextKind::Words && prompts == PromptKind::Program {
            return Err(OpsError::refused(
                format!("{name} runs commands only, and no agent of it would answer"),
                "write to it without --wait",
            ));
        }
        let turn = transcript::turns(&view.dir().turns(name))?.last().copied().unwrap_or(0);
        Ok(TextPlace { name: name.clone(), turn, prompts })
    }

    /// Follows the text that was given away after this, until it is answered, is lost, or nobody is there to answer it. Tells
    /// `listener` each time it has come further, and of each question that it waits for.
    pub async fn follow(
        self,
        session: &Session,
        text: TextId,
        mut listener: impl FnMut(TextHeard),
    ) -> Result<FollowedText, OpsError> {
        let name = self.name;
        // A running command could have read it as a steer, but no link led there.
        if let (TextId::Message(_), PromptKind::Program) = (text, self.prompts) {
            return Ok(FollowedText { name, text, fate: TextFate::InMailbox });
        }
        let dir = session.dir.turns(&name);
        let (mut progress, mut questions) = (TextProgress::of(text), OpenQuestions::default());
        let mut reading = TranscriptReading::from_turn(name.clone(), self.turn);
        loop {
            let watched = reading.turn();
            let mut watch = FileWatch::new(session.settings.poll);
            let roster = watch.add(session.dir.roster());
            watch.add(&dir);
            watch.add(transcript::path_of(&dir, watched));
            watch.add(transcript::path_of(&dir, watched + 1));
            let mut may_be_gone = true;
            loop {
                // Before the transcript is read: what a worker says of the text, it says before it is gone.
                let gone = if may_be_gone { worker_gone(session, &name)? } else { None };
                reading.tell(&dir, &mut |entries: &[MemberLogEntry]| {
                    for MemberLogEntry { entry, .. } in entries {
                        questions.take(entry.seq, &entry.what);
                        if let Some(state) = progress.take(&entry.what) {
                            listener(TextHeard::Further(TextNews { name: name.clone(), text, state }));
                        }
                    }
                    Ok::<_, OpsError>(Listening::On)
                })?;
                if let Some(fate) = progress.fate(gone) {
                    return Ok(FollowedText { name, text, fate });
                }
                for asked in questions.untold() {
                    let question = QuestionName { member: name.clone(), number: asked.number };
                    listener(TextHeard::Asks { question, title: asked.title });
                }
                if reading.turn() != watched {
                    break;
                }
                may_be_gone = match watch.changed().await {
                    FileChange::Files(files) => files.contains(&roster),
                    FileChange::Poll => true,
                };
            }
        }
    }
}

/// Whether a text is words for an agent, or a command or what a running one reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// Words for an agent.
    Words,
    /// A command, or a line for a running one.
    Command,
}

/// That no worker is there who could go on with a text, and that none comes by itself.
fn worker_gone(session: &Session, name: &MemberName) -> Result<Option<WorkerGone>, OpsError> {
    let state = session.view()?.members()?.into_iter().find(|member| member.name == *name).map(|member| member.state);
    Ok(match state {
        None | Some(MemberState::Left) => Some(WorkerGone::Left),
        Some(MemberState::Dead | MemberState::GivenUp) => Some(WorkerGone::Died),
        Some(
            MemberState::Starting
            | MemberState::Idle
            | MemberState::Asleep
            | MemberState::Busy
            | MemberState::Parked
            | MemberState::Asking
            | MemberState::Stalled
            | MemberState::Hung
            | MemberState::Ending
            | MemberState::Restarting,
        ) => None,
    })
}
