//! The last turn of a member, as its transcript tells it: the work, the texts that were said to the agent and how far each
//! came. From that follows what is lost when the worker is dead, what is written into the transcript about it, and what the
//! lead is told.

use crate::model::agent::{AgentFault, TurnEnd};
use crate::model::id::{MemberName, MessageId, TaskId};
use crate::model::limits::{LOST_LINE_CHARS_MAX, LOST_LINES_MAX};
use crate::model::notice::{TranscriptEntry, TranscriptText};
use crate::model::receipt::{ReceiptState, TextId, TextRole};
use crate::model::shell_word::shell_word;
use crate::model::task::{CommandInput, TaskWork};
use crate::model::usage::{TokenUsage, UsageSum};

/// A turn after which no other began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastTurn {
    /// The number of the turn, counted over all turns of the member.
    pub turn: u64,
    /// The task it is for, if any.
    pub task: Option<TaskId>,
    /// The prompt or the command that the turn was begun with.
    pub work: TaskWork,
    standing: LastTurnStanding,
    /// The texts that were said to the agent, in order.
    texts: Vec<SaidText>,
    began_ms: u64,
    /// The time at which the agent was last heard in the turn.
    heard_ms: u64,
    /// The sum of all turns before it.
    used_before: UsageSum,
    /// The newest that its agent told of what it used.
    usage: Option<TokenUsage>,
    /// The use of the turn, as its end tells it.
    ended: Option<UsageSum>,
}

/// Where the last turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastTurnStanding {
    /// The turn has begun and not ended.
    Running,
    /// The turn waits for the provider, and is begun again after that.
    Parked,
    /// The turn has ended, and its worker has not begun with anything else.
    Ended,
    /// The worker went on after the turn, or is a later one: nothing of the turn is on its way any more.
    Over,
}

/// A text that was said to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SaidText {
    id: TextId,
    role: TextRole,
    state: ReceiptState,
}

/// The consequences of a worker's death for the last turn of its member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnLoss {
    /// The entries to write into the transcript, in order.
    pub entries: Vec<TranscriptText>,
    /// The news for the lead, if there is a loss that nobody else tells of.
    pub letter: Option<LossLetter>,
}

/// A message to the lead about texts that are lost. It has the same id whoever writes it, so that it comes once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossLetter {
    /// The id of the message.
    pub id: MessageId,
    /// The words.
    pub text: String,
}

impl LastTurn {
    /// Finds the last turn that begins in these entries of one member; nothing if none does.
    pub fn find<'a>(entries: impl IntoIterator<Item = &'a TranscriptEntry>) -> Option<LastTurn> {
        entries.into_iter().fold(None, LastTurn::after)
    }

    fn after(before: Option<LastTurn>, entry: &TranscriptEntry) -> Option<LastTurn> {
        if let TranscriptText::TurnStarted { turn, task, work, texts, used_before } = &entry.what {
            let said = |id: &TextId| SaidText { id: *id, role: TextRole::Prompt, state: ReceiptState::Accepted };
            return Some(LastTurn {
                turn: *turn,
                task: *task,
                work: work.clone(),
                standing: LastTurnStanding::Running,
                texts: texts.iter().map(said).collect(),
                began_ms: entry.at_ms,
                heard_ms: entry.at_ms,
                used_before: *used_before,
                usage: None,
                ended: None,
            });
        }
        let mut turn = before?;
        // A receipt may be written long after the death of the worker, by whoever buries it.
        if turn.is_open() && !matches!(entry.what, TranscriptText::Receipt { .. }) {
            turn.heard_ms = entry.at_ms;
        }
        turn.take(&entry.what);
        Some(turn)
    }

    fn take(&mut self, said: &TranscriptText) {
        match said {
            TranscriptText::Steered { id, .. } => self.steer(*id),
            // What is shown after the turn is for the next one.
            TranscriptText::Mail { id, .. } if self.standing == LastTurnStanding::Running => {
                self.steer(TextId::Message(*id));
            }
            TranscriptText::Receipt { text, state } => {
                match self.texts.iter_mut().find(|said| said.id == *text) {
                    Some(said) => drop(said.state.advance(state.clone())),
                    // Said in a turn before this one, and kept for a later one.
                    None if *state == ReceiptState::Queued => {
                        self.texts.push(SaidText { id: *text, role: TextRole::Steer, state: state.clone() });
                    }
                    None => {}
                }
            }
            TranscriptText::TurnEnded { turn, used, .. } if *turn == self.turn => {
                self.standing = LastTurnStanding::Ended;
                // One that was parked and then ended for good is told twice.
                if !used.is_empty() {
                    self.ended = Some(*used);
                }
            }
            TranscriptText::Usage { turn, usage } if *turn == self.turn && self.is_open() => self.usage = Some(*usage),
            TranscriptText::Parked { turn: Some(turn), .. } if *turn == self.turn => {
                self.standing = LastTurnStanding::Parked;
            }
            TranscriptText::Ready => {
                self.standing = LastTurnStanding::Over;
                // The life of their keeper is over.
                self.texts.retain(|said| said.state != ReceiptState::Queued);
            }
            TranscriptText::Waiting | TranscriptText::Parked { .. } => self.standing = LastTurnStanding::Over,
            TranscriptText::Mail { .. }
            | TranscriptText::TurnStarted { .. }
            | TranscriptText::TurnEnded { .. }
            | TranscriptText::Session { .. }
            | TranscriptText::Asleep
            | TranscriptText::Briefed { .. }
            | TranscriptText::Compacted
            | TranscriptText::Text { .. }
            | TranscriptText::Thought { .. }
            | TranscriptText::ToolCall { .. }
            | TranscriptText::Plan { .. }
            | TranscriptText::PermissionAsked { .. }
            | TranscriptText::PermissionAnswered { .. }
            | TranscriptText::Usage { .. }
            | TranscriptText::Stalled { .. }
            | TranscriptText::Interrupted { .. }
            | TranscriptText::AskedToStop { .. }
            | TranscriptText::AskedToEnd { .. }
            | TranscriptText::Trouble { .. }
            | TranscriptText::Cut { .. }
            | TranscriptText::Leaving { .. } => {}
        }
    }

    fn steer(&mut self, id: TextId) {
        self.texts.push(SaidText { id, role: TextRole::Steer, state: ReceiptState::Accepted });
    }

    /// The sum of all turns of the member before this one.
    pub fn used_before(&self) -> UsageSum {
        self.used_before
    }

    /// The use of the turn itself, as its end tells it or, before that, as far as its agent told.
    pub fn used(&self) -> UsageSum {
        let so_far = || UsageSum::of_turn(self.usage, self.heard_ms.saturating_sub(self.began_ms));
        self.ended.unwrap_or_else(so_far)
    }

    /// The use of the turn, if its end told it.
    pub fn used_at_end(&self) -> Option<UsageSum> {
        self.ended
    }

    /// The newest that its agent told of what it used.
    pub fn usage(&self) -> Option<TokenUsage> {
        self.usage
    }

    /// Whether messages were said in the turn, of which some may be unread still.
    pub fn has_messages(&self) -> bool {
        let is_message = |said: &SaidText| matches!(said.id, TextId::Message(_));
        self.standing != LastTurnStanding::Over && self.texts.iter().any(is_message)
    }

    /// Whether a worker that is dead by now has not said what became of the texts.
    pub fn is_unsettled(&self) -> bool {
        match self.standing {
            LastTurnStanding::Running | LastTurnStanding::Parked => true,
            LastTurnStanding::Ended | LastTurnStanding::Over => false,
        }
    }

    /// Whether the transcript says that the turn runs.
    pub fn is_open(&self) -> bool {
        self.standing == LastTurnStanding::Running
    }

    /// The consequences of the death of the member's worker, by this cause if it is known. A message that its mailbox has as
    /// unread is handed on again, and is not lost.
    pub fn loss(&self, name: &MemberName, cause: Option<&str>, is_unread: impl Fn(MessageId) -> bool) -> TurnLoss {
        let why = death(cause);
        let (mut entries, mut lost) = (Vec::new(), Vec::new());
        for said in &self.texts {
            let goes_on = match said.id {
                TextId::Message(id) => is_unread(id),
                TextId::InTurn { .. } => false,
            };
            match &said.state {
                ReceiptState::Lost { reason } => lost.push((said, reason.clone())),
                ReceiptState::Answered => {}
                // Its keeper has died, in whichever turn.
                ReceiptState::Queued if !goes_on => {
                    let state = ReceiptState::Lost { reason: why.clone() };
                    entries.push(TranscriptText::Receipt { text: said.id, state });
                    lost.push((said, why.clone()));
                }
                ReceiptState::Queued => {}
                ReceiptState::Accepted
                | ReceiptState::Unconfirmed
                | ReceiptState::Delivered
                | ReceiptState::InContext => {
                    if self.is_unsettled() && !goes_on {
                        let state = ReceiptState::Lost { reason: why.clone() };
                        entries.push(TranscriptText::Receipt { text: said.id, state });
                        lost.push((said, why.clone()));
                    }
                }
            }
        }
        if self.is_open() {
            let end = TurnEnd::Failed { reason: why, fault: AgentFault::Place };
            entries.push(TranscriptText::TurnEnded { turn: self.turn, task: self.task, end, used: self.used() });
        }
        let letter = match self.standing {
            LastTurnStanding::Over => None,
            LastTurnStanding::Running | LastTurnStanding::Parked | LastTurnStanding::Ended => self.letter(name, &lost),
        };
        TurnLoss { entries, letter }
    }

    /// The board tells what becomes of a task, and people who steer see its turn end.
    fn letter(&self, name: &MemberName, lost: &[(&SaidText, String)]) -> Option<LossLetter> {
        let (_, why) = lost.iter().find(|(said, _)| self.task.is_none() && said.role == TextRole::Prompt)?;
        let turn = self.turn;
        let steers = lost.iter().filter(|(said, _)| said.role == TextRole::Steer).count();
        let (mut text, again) = match self.is_sent() {
            true => {
                let again = format!("To send it again: {}", send_again(name, &self.work));
                (format!("The prompt of turn {turn} is lost: {why}\n"), again)
            }
            false => {
                let again = format!("To write them again: teamster dm {name} TEXT");
                (format!("The messages that began turn {turn} are lost: {why}\n"), again)
            }
        };
        for line in first_lines(self.work.text()) {
            text.push_str(&format!("> {line}\n"));
        }
        match steers {
            0 => {}
            1 => text.push_str("So is one text that was said in that turn.\n"),
            more => text.push_str(&format!("So are {more} texts that were said in that turn.\n")),
        }
        text.push_str(&format!("{again}\nWhat was done: teamster logs {name}"));
        Some(LossLetter { id: self.letter_id(name), text })
    }

    /// Whether the work was given by `send`.
    fn is_sent(&self) -> bool {
        self.sent_text().is_some()
    }

    fn sent_text(&self) -> Option<&SaidText> {
        let is_prompt = |said: &&SaidText| said.role == TextRole::Prompt;
        self.texts.iter().filter(is_prompt).find(|said| matches!(said.id, TextId::InTurn { number: 0, .. }))
    }

    /// Why the prompt of a `send` is lost, if it is.
    pub fn why_lost(&self, worker: WorkerVital) -> Option<String> {
        let said = self.sent_text()?;
        match (&said.state, self.standing, worker) {
            (ReceiptState::Lost { reason }, ..) => Some(reason.clone()),
            (ReceiptState::Answered, ..) => None,
            // Nobody has written it down yet.
            (_, LastTurnStanding::Running | LastTurnStanding::Parked, WorkerVital::Dead) => Some(death(None)),
            (_, LastTurnStanding::Running | LastTurnStanding::Parked, WorkerVital::Alive)
            | (_, LastTurnStanding::Ended | LastTurnStanding::Over, _) => None,
        }
    }

    /// The same for every process that tells of this turn: a repeated letter is recognised by it.
    fn letter_id(&self, name: &MemberName) -> MessageId {
        // FNV-1a: it has to be the same in every version, and nobody tries to make two of them equal.
        let bytes = name.as_str().bytes().chain([0]).chain(self.turn.to_le_bytes());
        let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
        MessageId::from_parts(self.began_ms, hash)
    }
}

/// Whether a member's worker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerVital {
    /// The worker lives.
    Alive,
    /// The worker is dead.
    Dead,
}

fn death(cause: Option<&str>) -> String {
    match cause.and_then(|cause| cause.lines().next()) {
        Some(cause) => format!("its worker died: {cause}"),
        None => "its worker died".to_owned(),
    }
}

/// The command that gives the work to the member once more. Long work has to be put in by whoever types it.
pub fn send_again(name: &MemberName, work: &TaskWork) -> String {
    let (options, placeholder) = match work {
        TaskWork::Run { input: CommandInput::Closed, .. } => (" --run", "COMMAND"),
        TaskWork::Run { input: CommandInput::Open, .. } => (" --run -i", "COMMAND"),
        TaskWork::Prompt(_) => ("", "WORDS"),
    };
    format!("teamster send {name}{options} {}", typed_text(work.text(), placeholder))
}

/// The command that says the text at once into the member's turn. A long one has to be put in by whoever types it.
pub fn steer_now(name: &MemberName, text: &str) -> String {
    format!("teamster steer {name} --now {}", typed_text(text, "WORDS"))
}

/// A text as it is typed, or what stands for it if it is no short line.
fn typed_text(text: &str, placeholder: &str) -> String {
    let is_short = text.chars().count() <= LOST_LINE_CHARS_MAX && !text.chars().any(char::is_control);
    // A text that begins like an option would be taken for one.
    if is_short && !text.starts_with('-') { shell_word(text) } else { placeholder.to_owned() }
}

/// The beginning of a text, line by line and bounded.
pub fn first_lines(text: &str) -> Vec<String> {
    let mut lines = text.trim_end().lines();
    let cut = |line: &str| match line.char_indices().nth(LOST_LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    };
    let mut shown: Vec<String> = lines.by_ref().take(LOST_LINES_MAX).map(cut).collect();
    if lines.next().is_some() {
        shown.push("…".to_owned());
    }
    shown
}

#[cfg(test)]
mod tests;
