//! `teamster events`.

use teamster_protocol::model::board::BoardFact;
use teamster_protocol::model::id::{Address, TaskId};
use teamster_protocol::model::mail::MailFact;
use teamster_protocol::model::roster::{StartedBy, TeamFact};
use teamster_protocol::model::task::{ReleaseWhy, TaskChanges, stop_reason, title_of};

use super::interrupt::unless_interrupted;
use super::print::{self, DayClock, OutputAudience, TextTone, paint, shorten};
use super::whole_number::whole_number;
use super::{CliContext, CliError, ExitStatus, OutputShape, inbox, list, task_text};
use crate::ops::agents::add_task_command;
use crate::ops::events::{self, EventFact, TeamEvent, WantedEvents};
use crate::ops::follow::{FollowMode, Listening};

/// The columns that are kept for who did something, and the most that a longer name gets where the terminal is wide.
const BY_COLUMNS: usize = 8;
const BY_COLUMNS_MAX: usize = 16;

/// `teamster events`.
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// Go on as it happens, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Show only the newest of what happened before
    #[arg(long, short = 'n', value_name = "N", allow_negative_numbers = true, value_parser = events_max)]
    pub last: Option<usize>,
}

/// How many events are to be shown.
fn events_max(text: &str) -> Result<usize, String> {
    whole_number(text, 0..)
}

pub(super) async fn events(context: &CliContext, args: EventsArgs) -> Result<ExitStatus, CliError> {
    if context.says_how_to_begin()? {
        return Ok(ExitStatus::Done);
    }
    let mode = if args.follow { FollowMode::Follow } else { FollowMode::Past };
    let told = events::events(&context.session, WantedEvents { last: args.last, mode }, |events| {
        let is_asked_for_none = args.last == Some(0);
        if events.is_empty() && !is_asked_for_none && mode == FollowMode::Past && context.shape == OutputShape::Text {
            let add = add_task_command(&context.session.config);
            print::tell(&format!("nothing happened yet; add a task with {add}")).map_err(CliError::Stdout)?;
        }
        print_all(context, &events, mode)
    });
    match mode {
        FollowMode::Past => told.await?,
        FollowMode::Follow => unless_interrupted(told).await?,
    }
    Ok(ExitStatus::Done)
}

fn print_all(context: &CliContext, events: &[TeamEvent], mode: FollowMode) -> Result<Listening, CliError> {
    let clock = context.clock();
    if (mode, context.shape) == (FollowMode::Past, OutputShape::Text) {
        if !events.is_empty() {
            let lines: Vec<String> = events.iter().map(|event| line(event, &clock, context.columns)).collect();
            context.page(&lines.join("\n"))?;
        }
        return Ok(Listening::Over);
    }
    for event in events {
        let line = match context.shape {
            OutputShape::Json => serde_json::to_string(event).expect("an event is plain data"),
            OutputShape::Text => line(event, &clock, context.columns),
        };
        if print::say(line).map_err(CliError::Stdout)? == OutputAudience::Gone {
            return Ok(Listening::Over);
        }
    }
    Ok(Listening::On)
}

/// An event on one line.
pub(super) fn line(event: &TeamEvent, clock: &DayClock, columns: usize) -> String {
    let (tone, text) = match &event.fact {
        EventFact::Board(fact) => board_words(fact),
        EventFact::Team(fact) => roster_words(fact, clock),
        EventFact::Mail(fact) => mail_words(fact, event.mailbox.as_ref()),
    };
    let at = clock.at(event.at_ms);
    let by = shorten(&event.by, (columns / 5).clamp(BY_COLUMNS, BY_COLUMNS_MAX));
    let pad = BY_COLUMNS.saturating_sub(print::width(&by));
    let room = columns.saturating_sub(at.len() + print::width(&by) + pad + 4);
    let text = shorten(&text, room);
    format!("{}  {}{:pad$}  {}", paint(TextTone::Faint, &at), paint(TextTone::Name, &by), "", paint(tone, &text))
}

fn mail_words(fact: &MailFact, mailbox: Option<&Address>) -> (TextTone, String) {
    match fact {
        MailFact::Delivered(message) => {
            let to = mailbox.map(|whose| format!("to {whose}: ")).unwrap_or_default();
            (TextTone::Plain, format!("{to}{}", title_of(&inbox::said(&message.body))))
        }
        MailFact::Acknowledged { .. } => (TextTone::Faint, "took a message".to_owned()),
    }
}

/// A fact of the board in words.
fn board_words(fact: &BoardFact) -> (TextTone, String) {
    let task = |id: &TaskId, what: &str| format!("task {id} {what}");
    let with = |mut text: String, result: &str| {
        if !result.trim().is_empty() {
            text.push_str(": ");
            text.push_str(&title_of(result));
        }
        text
    };
    match fact {
        BoardFact::Added { id, task: new } => (TextTone::Plain, format!("task {id} added: {}", new.title)),
        BoardFact::Claimed(claim) => {
            let again = if claim.attempt > 1 { format!(", attempt {}", claim.attempt) } else { String::new() };
            (TextTone::Busy, format!("task {} claimed by {}{again}", claim.id, claim.owner))
        }
        BoardFact::Completed { id, result, .. } => (TextTone::Ok, with(task(id, "completed"), result)),
        BoardFact::Failed { id, reason, .. } => (TextTone::Error, with(task(id, "failed"), reason)),
        BoardFact::Released { id, why, partial, .. } => {
            let what = match why {
                ReleaseWhy::Stopped => with("stopped and held".to_owned(), stop_reason(partial).unwrap_or_default()),
                ReleaseWhy::WorkerDied => "given back: its worker died".to_owned(),
                ReleaseWhy::WorkerLeft => "given back: its worker left".to_owned(),
            };
            (TextTone::Warn, task(id, &what))
        }
        BoardFact::Assigned { id, to } => (TextTone::Plain, task(id, &format!("assigned to {to}"))),
        BoardFact::Unassigned { id } => (TextTone::Plain, task(id, "open to everybody")),
        BoardFact::DependencyAdded { id, on } => (TextTone::Plain, task(id, &format!("waits for {on}"))),
        BoardFact::DependencyRemoved { id, on } => (TextTone::Plain, task(id, &format!("no longer waits for {on}"))),
        BoardFact::Retried { id } => (TextTone::Plain, task(id, "opened again")),
        BoardFact::Held { ids } => (TextTone::Warn, format!("held: {}", task_text::numbers(ids))),
        BoardFact::Cancelled { id } => (TextTone::Faint, task(id, "cancelled")),
        BoardFact::Edited { id, changes } => {
            (TextTone::Plain, task(id, &format!("changed: {}", changed_fields(changes))))
        }
        BoardFact::Restored { ids } => (TextTone::Plain, format!("put back: {}", task_text::numbers(ids))),
        BoardFact::Cleared { ids } => (TextTone::Faint, format!("cleared: {}", task_text::numbers(ids))),
        BoardFact::Waiting(_)
        | BoardFact::Away { .. }
        | BoardFact::Kept(_)
        | BoardFact::ClearedBefore { .. }
        | BoardFact::Numbered { .. } => (TextTone::Faint, "kept its books".to_owned()),
    }
}

/// The names of the fields that an edit changes, without their texts.
fn changed_fields(changes: &TaskChanges) -> String {
    let TaskChanges { work, title, after, role, agent, priority, timeout_ms, budget } = changes;
    let fields = [
        (work.is_some(), "text".to_owned()),
        (title.is_some(), format!("title {}", title.as_deref().unwrap_or_default())),
        (after.is_some(), format!("after {}", task_text::numbers(after.as_deref().unwrap_or_default()))),
        (role.is_some(), "role".to_owned()),
        (agent.is_some(), "agent".to_owned()),
        (priority.is_some(), format!("priority {}", priority.unwrap_or_default())),
        (timeout_ms.is_some(), "timeout".to_owned()),
        (budget.is_some(), "budget".to_owned()),
    ];
    fields.into_iter().filter(|(is_changed, _)| *is_changed).map(|(_, field)| field).collect::<Vec<_>>().join(", ")
}

fn roster_words(fact: &TeamFact, clock: &DayClock) -> (TextTone, String) {
    match fact {
        TeamFact::Founded { dir } => (TextTone::Plain, format!("team founded for {}", dir.display())),
        TeamFact::Moved { from, to } => {
            (TextTone::Plain, format!("team followed its directory from {} to {}", from.display(), to.display()))
        }
        TeamFact::Added { name, spec } => (TextTone::Plain, format!("{name} is on the roster, agent {}", spec.agent)),
        TeamFact::Joined { name, process } => {
            let by = match process.started_by {
                StartedBy::Leader => "",
                StartedBy::Hand => ", started by hand",
            };
            (TextTone::Ok, format!("{name} joined as process {}{by}", process.identity.pid))
        }
        TeamFact::Session { name, session: Some(session) } => {
            (TextTone::Faint, format!("{name} has conversation {session}"))
        }
        TeamFact::Session { name, session: None } => {
            (TextTone::Faint, format!("{name} gives up its conversation, and begins another"))
        }
        TeamFact::Left { name, how } => (TextTone::Warn, format!("{name} {}", list::left(how))),
        TeamFact::Restarting { name, how, .. } => {
            (TextTone::Warn, format!("{name} {}; it is started again", list::left(how)))
        }
        TeamFact::Dismissed { name } => (TextTone::Faint, format!("{name} is told to end")),
        TeamFact::Ending { name } => (TextTone::Faint, format!("{name} is asked to end")),
        TeamFact::Staying { name } => (TextTone::Faint, format!("{name} goes on, and does not end")),
        TeamFact::Hung { name } => (TextTone::Warn, format!("{name} hangs: its worker does not answer")),
        TeamFact::Answering { name } => (TextTone::Ok, format!("{name} answers again")),
        TeamFact::TurnStopped { name, turn, reason } => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            (TextTone::Warn, format!("{name} is to stop turn {turn}{why}"))
        }
        TeamFact::Limited { name, reason, until_ms } => {
            let until = clock.at(*until_ms);
            (TextTone::Warn, format!("the provider of {name} takes no more until {until}: {reason}"))
        }
        TeamFact::BudgetNearly { name, task: None, used } => {
            (TextTone::Warn, format!("{name} has used {used} of its budget"))
        }
        TeamFact::BudgetNearly { name, task: Some(id), used } => {
            (TextTone::Warn, format!("{name} has used {used} of the budget of task {id}"))
        }
        TeamFact::Unlimited { name } => (TextTone::Ok, format!("the limit of the account of {name} is lifted")),
        TeamFact::Removed { name } => (TextTone::Faint, format!("{name} is off the roster")),
    }
}
