//! `events`: what happened on the board, on the roster and in the mailboxes, in one order of time.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::value::RawValue;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, BoardFact, ReleaseWhy};
use teamster_protocol::model::id::{Address, TaskId};
use teamster_protocol::model::mail::{MailFact, Mailbox};
use teamster_protocol::model::roster::{Roster, StartedBy, TeamFact};
use teamster_protocol::model::task::title_of;
use teamster_protocol::store::file::{Fold, Reader, Record};
use teamster_protocol::store::watch::Watch;

use super::interrupt::unless_interrupted;
use super::{CliError, Context, Exit, Shape, inbox, list, task_text};
use crate::front::cli::print::{self, Audience, Tone, clock, paint, shorten};

/// `teamster events`.
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// Go on as it happens, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Show only the newest of what happened before
    #[arg(long, short = 'n', value_name = "N")]
    pub last: Option<usize>,
}

/// One line of `events --json`: one fact, as it is stored.
#[derive(Debug, Clone, Serialize)]
struct Event {
    /// When it was decided.
    at_ms: u64,
    /// `board`, `team` or `mail`.
    log: &'static str,
    /// The number of its record in that log; facts of one record happened together.
    seq: u64,
    /// Who decided.
    by: String,
    /// Whose mailbox, for mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox: Option<Address>,
    /// The fact.
    fact: Box<RawValue>,
    /// The same for people.
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    tone: Tone,
}

pub(super) async fn events(context: &Context, args: EventsArgs) -> Result<Exit, CliError> {
    // That the team exists is asked first; the logs are read by handles of their own, which tell each record.
    context.session.view()?;
    if !args.follow {
        let (_, past) = Logs::open(context.session.dir.clone())?;
        if past.is_empty() && context.shape == Shape::Text {
            print::say("nothing happened yet; add a task with teamster task add TEXT").map_err(CliError::Stdout)?;
        }
        print_all(context, newest(past, args.last))?;
        return Ok(Exit::Done);
    }
    unless_interrupted(async {
        let mut watch = Watch::new(context.session.settings.poll);
        watch.add(context.session.dir.board());
        watch.add(context.session.dir.roster());
        // Looked at after the watch began: what happens in between is told by one or the other.
        let (mut logs, past) = Logs::open(context.session.dir.clone())?;
        let mut news = newest(past, args.last);
        loop {
            for path in std::mem::take(&mut logs.unwatched) {
                watch.add(path);
                // It was read before it was watched.
                news.extend(logs.refresh()?);
            }
            if print_all(context, std::mem::take(&mut news))? == Audience::Gone {
                return Ok::<Exit, CliError>(Exit::Done);
            }
            watch.changed().await;
            news = logs.refresh()?;
        }
    })
    .await
}

fn newest(mut events: Vec<Event>, last: Option<usize>) -> Vec<Event> {
    if let Some(last) = last {
        events.drain(..events.len().saturating_sub(last));
    }
    events
}

fn print_all(context: &Context, events: Vec<Event>) -> Result<Audience, CliError> {
    for event in events {
        let line = match context.shape {
            Shape::Json => serde_json::to_string(&event).expect("an event is plain data"),
            Shape::Text => event.line(&context.zone, context.columns),
        };
        if print::say(line).map_err(CliError::Stdout)? == Audience::Gone {
            return Ok(Audience::Gone);
        }
    }
    Ok(Audience::There)
}

impl Event {
    fn of<F: Fold>(record: &Record<F::Fact>, fact: &F::Fact, said: (Tone, String)) -> Event {
        Event {
            at_ms: record.at_ms,
            log: F::KIND,
            seq: record.seq,
            by: record.by.clone(),
            mailbox: None,
            fact: serde_json::value::to_raw_value(fact).expect("a fact is plain data"),
            text: said.1,
            tone: said.0,
        }
    }

    fn line(&self, zone: &TimeZone, columns: usize) -> String {
        let at = clock(self.at_ms, zone);
        let by = shorten(&self.by, 16);
        let pad = 8usize.saturating_sub(print::width(&by));
        let room = columns.saturating_sub(at.len() + print::width(&by) + pad + 4).max(20);
        let text = shorten(&self.text, room);
        format!("{}  {}{:pad$}  {}", paint(Tone::Faint, &at), paint(Tone::Name, &by), "", paint(self.tone, &text))
    }
}

/// All logs of a team, each read up to some record.
struct Logs {
    dir: TeamDir,
    board: Reader<Board>,
    roster: Reader<Roster>,
    mail: BTreeMap<Address, Reader<Mailbox>>,
    /// Mailboxes that nobody watches yet.
    unwatched: Vec<std::path::PathBuf>,
}

impl Logs {
    /// Opens all logs, and gives what they hold, in order.
    fn open(dir: TeamDir) -> Result<(Logs, Vec<Event>), CliError> {
        let mut found = Vec::new();
        // The roster first: who joined in the same millisecond as it claimed, joined before.
        let roster = Reader::open_telling(dir.roster(), |record| on_roster(&mut found, record))?;
        let board = Reader::open_telling(dir.board(), |record| on_board(&mut found, record))?;
        let mut logs = Logs { dir, board, roster, mail: BTreeMap::new(), unwatched: Vec::new() };
        logs.open_mail(&mut found)?;
        Ok((logs, in_order(found)))
    }

    /// What was written since, in order.
    fn refresh(&mut self) -> Result<Vec<Event>, CliError> {
        let mut found = Vec::new();
        self.roster.refresh(|record| on_roster(&mut found, record))?;
        self.board.refresh(|record| on_board(&mut found, record))?;
        for (whose, mailbox) in &mut self.mail {
            mailbox.refresh(|record| in_mail(&mut found, whose, record))?;
        }
        self.open_mail(&mut found)?;
        Ok(in_order(found))
    }

    /// Opens the mailboxes that were not opened yet.
    fn open_mail(&mut self, found: &mut Vec<Event>) -> Result<(), CliError> {
        let members = self.roster.state().members().map(|(name, _)| Address::Member(name.clone()));
        let boxes: Vec<Address> = [Address::Lead].into_iter().chain(members).collect();
        for whose in boxes.into_iter().filter(|whose| !self.mail.contains_key(whose)).collect::<Vec<_>>() {
            let path = self.dir.mailbox(&whose);
            let mailbox = Reader::open_telling(&path, |record| in_mail(found, &whose, record))?;
            self.mail.insert(whose, mailbox);
            self.unwatched.push(path);
        }
        Ok(())
    }
}

/// By time; what was written in one millisecond stays in the order it was found in: roster, board, mail.
fn in_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| event.at_ms);
    events
}

fn on_board(found: &mut Vec<Event>, record: &Record<BoardFact>) {
    for fact in &record.facts {
        found.extend(board_words(fact).map(|said| Event::of::<Board>(record, fact, said)));
    }
}

fn on_roster(found: &mut Vec<Event>, record: &Record<TeamFact>) {
    for fact in &record.facts {
        found.push(Event::of::<Roster>(record, fact, roster_words(fact)));
    }
}

fn in_mail(found: &mut Vec<Event>, whose: &Address, record: &Record<MailFact>) {
    for fact in &record.facts {
        let said = match fact {
            MailFact::Delivered(message) => {
                (Tone::Plain, format!("to {whose}: {}", title_of(&inbox::said(&message.body))))
            }
            MailFact::Acknowledged { .. } => (Tone::Faint, "took a message".to_owned()),
        };
        found.push(Event { mailbox: Some(whose.clone()), ..Event::of::<Mailbox>(record, fact, said) });
    }
}

/// A fact in words; nothing for what only keeps the board's books.
fn board_words(fact: &BoardFact) -> Option<(Tone, String)> {
    let task = |id: &TaskId, what: &str| format!("task {id} {what}");
    let with = |mut text: String, result: &str| {
        if !result.trim().is_empty() {
            text.push_str(": ");
            text.push_str(&title_of(result));
        }
        text
    };
    Some(match fact {
        BoardFact::Added { id, task: new } => (Tone::Plain, format!("task {id} added: {}", new.title)),
        BoardFact::Claimed(claim) => {
            let again = if claim.attempt > 1 { format!(", attempt {}", claim.attempt) } else { String::new() };
            (Tone::Busy, format!("task {} claimed by {}{again}", claim.id, claim.owner))
        }
        BoardFact::Completed { id, result, .. } => (Tone::Ok, with(task(id, "completed"), result)),
        BoardFact::Failed { id, reason, .. } => (Tone::Error, with(task(id, "failed"), reason)),
        BoardFact::Released { id, why, .. } => (
            Tone::Warn,
            task(
                id,
                match why {
                    ReleaseWhy::Stopped => "stopped and held",
                    ReleaseWhy::WorkerDied => "given back: its worker died",
                    ReleaseWhy::WorkerLeft => "given back: its worker left",
                },
            ),
        ),
        BoardFact::Assigned { id, to } => (Tone::Plain, task(id, &format!("assigned to {to}"))),
        BoardFact::Unassigned { id } => (Tone::Plain, task(id, "open to everybody")),
        BoardFact::DependencyAdded { id, on } => (Tone::Plain, task(id, &format!("waits for {on}"))),
        BoardFact::DependencyRemoved { id, on } => (Tone::Plain, task(id, &format!("no longer waits for {on}"))),
        BoardFact::Retried { id } => (Tone::Plain, task(id, "opened again")),
        BoardFact::Cancelled { id } => (Tone::Faint, task(id, "cancelled")),
        BoardFact::Cleared { ids } => (Tone::Faint, format!("cleared: {}", task_text::numbers(ids))),
        BoardFact::Waiting(_) | BoardFact::Away { .. } | BoardFact::Kept(_) | BoardFact::Numbered { .. } => {
            return None;
        }
    })
}

fn roster_words(fact: &TeamFact) -> (Tone, String) {
    match fact {
        TeamFact::Founded { dir } => (Tone::Plain, format!("team founded for {}", dir.display())),
        TeamFact::Moved { from, to } => {
            (Tone::Plain, format!("team followed its directory from {} to {}", from.display(), to.display()))
        }
        TeamFact::Added { name, spec } => (Tone::Plain, format!("{name} is on the roster, agent {}", spec.agent)),
        TeamFact::Joined { name, process } => {
            let by = match process.started_by {
                StartedBy::Leader => "",
                StartedBy::Hand => ", started by hand",
            };
            (Tone::Ok, format!("{name} joined as process {}{by}", process.identity.pid))
        }
        TeamFact::Session { name, session } => (Tone::Faint, format!("{name} has conversation {session}")),
        TeamFact::Left { name, how } => (Tone::Warn, format!("{name} {}", list::left(how))),
        TeamFact::Restarting { name, how, .. } => {
            (Tone::Warn, format!("{name} {}; it is started again", list::left(how)))
        }
        TeamFact::Dismissed { name } => (Tone::Faint, format!("{name} is told to end")),
        TeamFact::Hung { name } => (Tone::Warn, format!("{name} hangs: its worker does not answer")),
        TeamFact::Answering { name } => (Tone::Ok, format!("{name} answers again")),
        TeamFact::Removed { name } => (Tone::Faint, format!("{name} is off the roster")),
    }
}
