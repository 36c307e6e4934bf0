//! `teamster logs`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use teamster_protocol::model::agent::{
    Permission, PermissionBy, PlanState, QuestionId, SessionBegin, ToolState, TurnEnd,
};
use teamster_protocol::model::notice::{TranscriptEntry, TranscriptText};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::UsageSum;

use super::interrupt::unless_interrupted;
use super::print::{
    self, DayClock, HarmlessStream, OutputAudience, ProseStream, TextTone, bytes, harmless_lines, paint,
    tokens_and_cost,
};
use super::whole_number::whole_number;
use super::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::duration::format_duration;
use crate::ops::follow::{FollowMode, Listening};
use crate::ops::logs::{self, WantedLogs};
use crate::ops::why::WhySubject;

mod of_task;

/// `teamster logs`.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// The member, or the number of a task
    #[arg(value_name = "NAME|TASK")]
    pub subject: WhySubject,
    /// Go on as it happens, until Ctrl-C, or until the task has ended
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the newest turns of a member to show
    #[arg(long, short = 'n', value_name = "N", default_value = "10", allow_negative_numbers = true, value_parser = turns_max)]
    pub turns: NonZeroUsize,
}

/// How many turns are to be shown.
fn turns_max(text: &str) -> Result<NonZeroUsize, String> {
    whole_number(text, NonZeroUsize::MIN..)
}

pub(super) async fn logs(context: &CliContext, args: LogsArgs) -> Result<ExitStatus, CliError> {
    let LogsArgs { subject, follow, turns } = args;
    let mode = if follow { FollowMode::Follow } else { FollowMode::Past };
    match subject {
        WhySubject::Member(name) => of_member(context, WantedLogs { name, turns, mode }).await,
        WhySubject::Task(id) => of_task::of_task(context, id, mode).await,
    }
}

async fn of_member(context: &CliContext, wanted: WantedLogs) -> Result<ExitStatus, CliError> {
    let (name, mode) = (wanted.name.clone(), wanted.mode);
    let (mut page, mut is_empty) = (TextPage::within(ProseStream::Output.columns()), true);
    let told = logs::logs(&context.session, wanted, |entries| {
        is_empty = false;
        let audience = match context.shape {
            OutputShape::Text => {
                let clock = context.clock();
                entries.iter().for_each(|entry| page.add(&entry.entry, &clock));
                page.print_if_followed(mode)?
            }
            OutputShape::Json => print_json(entries)?,
        };
        Ok::<Listening, CliError>(listening(audience))
    });
    hear(told, mode).await?;
    page.end(context, mode, is_empty.then(|| format!("{name} has said nothing yet")))
}

/// Whether an operation has to go on telling.
fn listening(audience: OutputAudience) -> Listening {
    match audience {
        OutputAudience::There => Listening::On,
        OutputAudience::Gone => Listening::Over,
    }
}

/// Waits until all is told. Following may be interrupted, which is the error it is for every command.
async fn hear(told: impl Future<Output = Result<(), CliError>>, mode: FollowMode) -> Result<(), CliError> {
    match mode {
        FollowMode::Past => told.await,
        FollowMode::Follow => unless_interrupted(told).await,
    }
}

/// The entries as text for people.
pub(super) fn rendered<'a>(entries: impl Iterator<Item = &'a TranscriptEntry>, clock: &DayClock) -> String {
    let mut page = TextPage::within(usize::MAX);
    entries.for_each(|entry| page.add(entry, clock));
    page.text
}

/// One entry a line.
fn print_json(entries: &[impl Serialize]) -> Result<OutputAudience, CliError> {
    for entry in entries {
        let line = serde_json::to_string(entry).expect("an entry is plain data");
        if print::say(line).map_err(CliError::Stdout)? == OutputAudience::Gone {
            return Ok(OutputAudience::Gone);
        }
    }
    Ok(OutputAudience::There)
}

/// Text that is being put together. What an agent says comes in pieces that need not end with their line.
struct TextPage {
    /// The width of a line. Those of our own are broken between words; what an agent says stays as it is.
    columns: usize,
    text: String,
    line: LineState,
    /// What the agent says, made harmless.
    said: HarmlessStream,
    /// The questions for permission that are not answered, and the number of the entry of each.
    asked: BTreeMap<QuestionId, u64>,
}

/// Whether the last line has its end.
#[derive(Default, PartialEq)]
enum LineState {
    #[default]
    Ended,
    Open,
}

/// The words, with the reason behind them if one was given.
fn with_reason(what: &str, reason: &str) -> String {
    if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") }
}

impl TextPage {
    /// A page without text.
    fn within(columns: usize) -> TextPage {
        TextPage {
            columns,
            text: String::new(),
            line: LineState::default(),
            said: HarmlessStream::default(),
            asked: BTreeMap::new(),
        }
    }

    fn add(&mut self, entry: &TranscriptEntry, clock: &DayClock) {
        let at = clock.at(entry.at_ms);
        match &entry.what {
            TranscriptText::Text { text } => {
                let shown = self.said.next(text);
                if !shown.is_empty() {
                    self.line = if shown.ends_with('\n') { LineState::Ended } else { LineState::Open };
                }
                self.text.push_str(&shown);
            }
            TranscriptText::TurnStarted { turn, task, work, .. } => {
                let task = task.map(|task| format!(", task {task}")).unwrap_or_default();
                self.note(TextTone::Busy, &at, &format!("turn {turn} began{task}"));
                for line in harmless_lines(work.text().trim_end()).lines() {
                    self.text.push_str(&format!("{} {line}\n", paint(TextTone::Faint, ">")));
                }
            }
            TranscriptText::Stalled { quiet_ms, .. } => {
                let quiet = format_duration(Duration::from_millis(*quiet_ms));
                self.note(TextTone::Warn, &at, &format!("stalls: nothing was heard for {quiet}"));
            }
            TranscriptText::TurnEnded { turn, end, .. } => {
                let (tone, how) = match end {
                    TurnEnd::Completed => (TextTone::Ok, "completed".to_owned()),
                    TurnEnd::Failed { reason, .. } => (TextTone::Error, format!("failed: {reason}")),
                    TurnEnd::NotBegun { reason } => (TextTone::Error, format!("did not begin: {reason}")),
                    TurnEnd::Aborted => (TextTone::Warn, "aborted".to_owned()),
                };
                self.note(tone, &at, &format!("turn {turn} {how}"));
            }
            TranscriptText::Ready => self.note(TextTone::Faint, &at, "ready"),
            TranscriptText::Waiting => self.note(TextTone::Faint, &at, "waits for work"),
            TranscriptText::Asleep => self.note(TextTone::Faint, &at, "its agent sleeps until the next turn"),
            TranscriptText::Session { session } => {
                let (begun, how) = match session.begun {
                    SessionBegin::Fresh => ("begins", ""),
                    SessionBegin::Summarized => ("begins", ", with a summary of an earlier one"),
                    SessionBegin::Resumed => ("goes on with", ""),
                    SessionBegin::Forked => ("begins", ", a copy of another member's"),
                    SessionBegin::Loaded => ("goes on with", ", told again by its agent"),
                };
                self.note(TextTone::Faint, &at, &format!("{begun} conversation {}{how}", session.id));
            }
            TranscriptText::Compacted => {
                self.note(TextTone::Faint, &at, "its agent put the conversation in few words, to make room");
            }
            TranscriptText::Briefed { text } => {
                let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
                let more = match rest.lines().count() {
                    0 => String::new(),
                    lines => format!(" (and {lines} more lines; see --json)"),
                };
                self.note(TextTone::Faint, &at, &format!("is told first: {first}{more}"));
            }
            TranscriptText::Thought { text } => self.note(TextTone::Faint, &at, &format!("thinks: {text}")),
            TranscriptText::ToolCall { title, state, .. } => {
                let (tone, how) = match state {
                    ToolState::Running => (TextTone::Name, "running"),
                    ToolState::Done => (TextTone::Name, "done"),
                    ToolState::Failed => (TextTone::Warn, "failed"),
                };
                self.note(tone, &at, &format!("{title}: {how}"));
            }
            TranscriptText::Plan { steps } => {
                let done = steps.iter().filter(|step| step.state == PlanState::Done).count();
                let active = steps.iter().find(|step| step.state == PlanState::Active);
                let active = active.map(|step| format!(", at: {}", step.text)).unwrap_or_default();
                self.note(TextTone::Name, &at, &format!("plan: {done} of {} done{active}", steps.len()));
            }
            TranscriptText::PermissionAsked { asked, .. } => {
                self.asked.insert(asked.question.clone(), entry.seq);
                self.note(TextTone::Warn, &at, &format!("asks for permission ({}): {}", entry.seq, asked.title));
            }
            TranscriptText::PermissionAnswered { question, answer, by } => {
                let how = match answer {
                    Permission::Once => "allowed".to_owned(),
                    Permission::Always => "always allowed".to_owned(),
                    Permission::Never { reason } => format!("denied: {reason}"),
                };
                let by = match by {
                    PermissionBy::Rule => ", by a rule",
                    PermissionBy::Policy => ", by its setting",
                    PermissionBy::Lead => ", by the lead",
                    // The reason says it.
                    PermissionBy::Timeout | PermissionBy::TurnEnd | PermissionBy::Unasked => "",
                };
                let number = self.asked.remove(question).map(|number| format!("{number} ")).unwrap_or_default();
                self.note(TextTone::Name, &at, &format!("permission {number}{how}{by}"));
            }
            TranscriptText::Usage { usage, .. } => {
                // An agent may tell of the context alone.
                if let Some(told) = tokens_and_cost(&UsageSum::of_turn(Some(*usage), 0)) {
                    self.note(TextTone::Faint, &at, &told);
                }
            }
            TranscriptText::Receipt { text, state } => match state {
                ReceiptState::Queued => self.note(TextTone::Faint, &at, &format!("{} is queued", named(*text))),
                ReceiptState::Lost { reason } => {
                    self.note(TextTone::Warn, &at, &format!("{} is lost: {reason}", named(*text)));
                }
                // Receipts without trouble need no line: `--json` has them.
                ReceiptState::Accepted
                | ReceiptState::Unconfirmed
                | ReceiptState::Delivered
                | ReceiptState::InContext
                | ReceiptState::Answered => {}
            },
            TranscriptText::Parked { until_ms, reason, .. } => {
                let until = clock.at(*until_ms);
                self.note(TextTone::Warn, &at, &format!("parked until {until}: {reason}"));
            }
            TranscriptText::Steered { from, text, .. } => {
                self.note(TextTone::Name, &at, &format!("{from} steers: {text}"))
            }
            TranscriptText::Mail { from, text, .. } => {
                self.note(TextTone::Name, &at, &format!("mail from {from}: {text}"))
            }
            TranscriptText::Interrupted { .. } => {
                self.note(
                    TextTone::Name,
                    &at,
                    "is interrupted, and prompted again with what it had said and with this",
                );
            }
            TranscriptText::AskedToStop { turn, reason } => {
                self.note(TextTone::Name, &at, &with_reason(&format!("turn {turn} is to stop"), reason));
            }
            TranscriptText::AskedToEnd { reason } => {
                self.note(TextTone::Name, &at, &with_reason("is asked to end", reason));
            }
            TranscriptText::Trouble { text } => self.note(TextTone::Warn, &at, text),
            TranscriptText::Cut { bytes: cut } => {
                self.note(TextTone::Warn, &at, &format!("{} more were said and not kept", bytes(*cut)));
            }
            TranscriptText::Leaving { reason } => self.note(TextTone::Faint, &at, &format!("leaves: {reason}")),
        }
    }

    /// A line of our own among what the agent says.
    fn note(&mut self, tone: TextTone, at: &str, text: &str) {
        self.end_line();
        let (head, text) = (format!("{} ", paint(TextTone::Faint, at)), paint(tone, text.trim_end()).to_string());
        self.text.push_str(&format!("{}\n", print::hang(&head, &text, self.columns)));
    }

    /// A line above what follows.
    fn head(&mut self, text: &str) {
        self.end_line();
        self.text.push_str(&format!("{}\n", paint(TextTone::Name, text)));
    }

    /// Ends the line of the agent, and what it may have begun to say to a terminal.
    fn end_line(&mut self) {
        if self.line == LineState::Open {
            self.text.push('\n');
            self.line = LineState::Ended;
        }
        self.said = HarmlessStream::default();
    }

    fn print(&mut self) -> Result<OutputAudience, CliError> {
        let text = std::mem::take(&mut self.text);
        print::put(text).map_err(CliError::Stdout)
    }

    /// Prints at once where more may follow; else all is printed at the end.
    fn print_if_followed(&mut self, mode: FollowMode) -> Result<OutputAudience, CliError> {
        match mode {
            FollowMode::Past => Ok(OutputAudience::There),
            FollowMode::Follow => self.print(),
        }
    }

    /// Prints the rest, in a pager if it is all and long; `nothing` is said to people instead if it is given.
    fn end(mut self, context: &CliContext, mode: FollowMode, nothing: Option<String>) -> Result<ExitStatus, CliError> {
        match (context.shape, nothing, mode) {
            (OutputShape::Text, Some(nothing), _) => drop(print::tell(&nothing).map_err(CliError::Stdout)?),
            (OutputShape::Text, None, FollowMode::Past) => drop(context.page(self.text.trim_end())?),
            (OutputShape::Text, None, FollowMode::Follow) | (OutputShape::Json, ..) => drop(self.close()?),
        }
        Ok(ExitStatus::Done)
    }

    fn close(&mut self) -> Result<OutputAudience, CliError> {
        self.end_line();
        self.print()
    }
}

/// A text, for people.
fn named(text: TextId) -> String {
    match text {
        TextId::InTurn { turn, number: 0 } => format!("the prompt of turn {turn}"),
        TextId::InTurn { .. } => format!("text {text}"),
        TextId::Message(id) => format!("message {id}"),
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::id::{Address, TaskId};
    use teamster_protocol::model::task::TaskWork;

    use super::*;

    #[test]
    fn a_turn_as_people_read_it() {
        let said = [
            TranscriptText::Ready,
            TranscriptText::TurnStarted {
                turn: 1,
                task: Some(TaskId(3)),
                work: TaskWork::run("make test\nmake lint\n"),
                texts: Vec::new(),
                used_before: Default::default(),
            },
            TranscriptText::Text { text: "running 3 tests\ntest a ".to_owned() },
            TranscriptText::Text { text: "ok\ntest b \u{1b}[2J".to_owned() },
            TranscriptText::Steered {
                id: TextId::InTurn { turn: 1, number: 1 },
                from: Address::Lead,
                text: "skip c\nplease".to_owned(),
            },
            TranscriptText::Cut { bytes: 2048 },
            TranscriptText::Receipt { text: TextId::InTurn { turn: 1, number: 1 }, state: ReceiptState::Queued },
            TranscriptText::Receipt {
                text: TextId::prompt_of(1),
                state: ReceiptState::Lost { reason: "its worker died".to_owned() },
            },
            TranscriptText::TurnEnded {
                turn: 1,
                task: Some(TaskId(3)),
                end: TurnEnd::failed("exit status 1"),
                used: Default::default(),
            },
            TranscriptText::Waiting,
        ];
        let entries: Vec<TranscriptEntry> =
            said.into_iter().zip(1..).map(|(what, seq)| TranscriptEntry { seq, at_ms: seq * 1_000, what }).collect();
        let shown = rendered(entries.iter(), &DayClock::new(jiff::tz::TimeZone::UTC, 0));
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown), @r#"
        00:00:01 ready
        00:00:02 turn 1 began, task 3
        > make test
        > make lint
        running 3 tests
        test a ok
        test b 
        00:00:05 lead steers: skip c; please
        00:00:06 2 KiB more were said and not kept
        00:00:07 text 1.1 is queued
        00:00:08 the prompt of turn 1 is lost: its worker died
        00:00:09 turn 1 failed: exit status 1
        00:00:10 waits for work
        "#);
    }
}
