//! How a run is shown while it goes: a bar for each worker and one for all on a terminal, plain lines elsewhere,
//! nothing where only the result is wanted. Everything goes to standard error; the result alone to standard output.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::tz::TimeZone;
use teamster_protocol::board::BoardFact;
use teamster_protocol::clock::now_ms;
use teamster_protocol::id::{MemberName, TaskId};

use super::BoardRecord;
use super::tally::Tally;
use crate::print::{Tone, clock, harmless, humane, paint};

/// Shows a run.
#[derive(Debug)]
pub struct Progress {
    shown: Mutex<Shown>,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Lines(Names),
    Bars(Bars),
}

/// The titles of tasks, and who has had which since when.
#[derive(Debug, Default)]
struct Names {
    titles: BTreeMap<TaskId, String>,
    since_ms: BTreeMap<TaskId, (MemberName, u64)>,
}

#[derive(Debug)]
struct Bars {
    names: Names,
    all: MultiProgress,
    total: ProgressBar,
    members: BTreeMap<MemberName, ProgressBar>,
}

impl Progress {
    /// Bars on a terminal, lines elsewhere.
    pub fn for_people() -> Progress {
        if std::io::stderr().is_terminal() {
            Progress::new(Shown::Bars(Bars::new()))
        } else {
            Progress::new(Shown::Lines(Names::default()))
        }
    }

    /// Nothing.
    pub fn none() -> Progress {
        Progress::new(Shown::Nothing)
    }

    fn new(shown: Shown) -> Progress {
        Progress { shown: Mutex::new(shown) }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run begins with so many tasks and these workers.
    pub(super) fn begin<'a>(&self, tasks: usize, members: impl Iterator<Item = &'a MemberName>) {
        let members: Vec<&MemberName> = members.collect();
        match &mut *self.shown() {
            Shown::Nothing => {}
            Shown::Lines(_) => line(&format!("{} for {}", count(tasks, "task"), count(members.len(), "worker"))),
            Shown::Bars(bars) => bars.begin(tasks, &members),
        }
    }

    /// What the tasks are called.
    pub(super) fn titles(&self, titles: impl Iterator<Item = (TaskId, String)>) {
        let mut shown = self.shown();
        let names = match &mut *shown {
            Shown::Nothing => return,
            Shown::Lines(names) => names,
            Shown::Bars(bars) => &mut bars.names,
        };
        names.titles.extend(titles);
    }

    /// Something to be said between.
    pub(super) fn say(&self, text: &str) {
        match &mut *self.shown() {
            Shown::Nothing => tracing::info!("{text}"),
            Shown::Lines(_) => line(text),
            Shown::Bars(bars) => bars.print(&harmless(text)),
        }
    }

    /// A record of the board.
    pub(super) fn record(&self, record: &BoardRecord) {
        let mut shown = self.shown();
        let names = match &mut *shown {
            Shown::Nothing => return,
            Shown::Lines(names) => names,
            Shown::Bars(bars) => &mut bars.names,
        };
        let lines: Vec<String> =
            record.facts.iter().filter_map(|fact| names.told(fact, &record.by, record.at_ms)).collect();
        match &mut *shown {
            Shown::Nothing => {}
            Shown::Lines(_) => lines.iter().for_each(|text| line(text)),
            Shown::Bars(bars) => lines.iter().for_each(|text| bars.print(text)),
        }
    }

    /// How far it is.
    pub(super) fn tally(&self, tally: &Tally) {
        if let Shown::Bars(bars) = &mut *self.shown() {
            bars.tally(tally);
        }
    }

    /// The run is over: the bars go.
    pub(super) fn end(&self) {
        if let Shown::Bars(bars) = &mut *self.shown()
            && let Err(error) = bars.all.clear()
        {
            tracing::debug!("cannot clear the bars: {error}");
        }
    }
}

impl Names {
    fn title(&self, id: TaskId) -> String {
        match self.titles.get(&id) {
            Some(title) if *title != id.to_string() => format!("{id} {title}"),
            Some(_) | None => id.to_string(),
        }
    }

    /// The line that tells of a fact, for those that are worth one.
    fn told(&mut self, fact: &BoardFact, by: &str, at_ms: u64) -> Option<String> {
        let now = |told: String| Some(format!("{} {told}", paint(Tone::Faint, &clock(at_ms, &TimeZone::system()))));
        match fact {
            BoardFact::Added { id, task } => {
                self.titles.insert(*id, task.title.clone());
                None
            }
            BoardFact::Claimed(claim) => {
                self.since_ms.insert(claim.id, (claim.owner.clone(), at_ms));
                now(format!("{} began {}", paint(Tone::Name, claim.owner.as_str()), harmless(&self.title(claim.id))))
            }
            BoardFact::Completed { id, .. } => {
                let took = self.took(*id, at_ms);
                let who = paint(Tone::Name, by).to_string();
                now(format!("{who} {} {}{took}", paint(Tone::Ok, "completed"), harmless(&self.title(*id))))
            }
            BoardFact::Failed { id, reason, .. } => {
                let took = self.took(*id, at_ms);
                let who = paint(Tone::Name, by).to_string();
                let title = self.title(*id);
                now(format!("{who} {} {}{took}: {}", paint(Tone::Error, "failed"), harmless(&title), harmless(reason)))
            }
            BoardFact::Released { id, .. } => {
                self.since_ms.remove(id);
                let who = paint(Tone::Name, by).to_string();
                now(format!("{who} {} {}", paint(Tone::Warn, "gave back"), harmless(&self.title(*id))))
            }
            BoardFact::Assigned { .. }
            | BoardFact::Unassigned { .. }
            | BoardFact::DependencyAdded { .. }
            | BoardFact::DependencyRemoved { .. }
            | BoardFact::Retried { .. }
            | BoardFact::Cancelled { .. }
            | BoardFact::Cleared { .. }
            | BoardFact::Waiting(_)
            | BoardFact::Away { .. }
            | BoardFact::Kept(_)
            | BoardFact::Numbered { .. } => None,
        }
    }

    fn took(&mut self, id: TaskId, at_ms: u64) -> String {
        let since = self.since_ms.remove(&id).map(|(_, since_ms)| at_ms.saturating_sub(since_ms));
        since.map(|ms| format!(" in {}", humane(Duration::from_millis(ms)))).unwrap_or_default()
    }
}

impl Bars {
    fn new() -> Bars {
        // Ten times a second: a run of many short tasks must not spend its time on the terminal.
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Bars { names: Names::default(), all, total: ProgressBar::hidden(), members: BTreeMap::new() }
    }

    fn begin(&mut self, tasks: usize, members: &[&MemberName]) {
        let wide = members.iter().map(|name| name.as_str().len()).max().unwrap_or(0);
        let style = ProgressStyle::with_template(&format!("{{prefix:{wide}}} {{spinner}} {{wide_msg}}"));
        for &name in members {
            let bar = self.all.add(ProgressBar::new_spinner());
            if let Ok(style) = &style {
                bar.set_style(style.clone());
            }
            bar.set_prefix(name.to_string());
            bar.set_message("starting");
            bar.enable_steady_tick(Duration::from_millis(200));
            self.members.insert(name.clone(), bar);
        }
        self.total = self.all.add(ProgressBar::new(tasks as u64));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {elapsed}") {
            self.total.set_style(style);
        }
    }

    fn print(&self, text: &str) {
        if let Err(error) = self.all.println(text) {
            tracing::debug!("cannot print above the bars: {error}");
        }
    }

    fn tally(&mut self, tally: &Tally) {
        let now = now_ms();
        self.total.set_position((tally.completed + tally.failed + tally.cancelled) as u64);
        self.total.set_message(if tally.failed > 0 { format!("{} failed", tally.failed) } else { String::new() });
        let mut busy = BTreeMap::new();
        for (id, (owner, since_ms)) in &tally.running {
            busy.insert(owner, (*id, *since_ms));
        }
        for (name, bar) in &self.members {
            bar.set_message(match busy.get(name) {
                Some((id, since_ms)) => {
                    let took = humane(Duration::from_millis(now.saturating_sub(*since_ms)));
                    format!("{} {took}", harmless(&self.names.title(*id)))
                }
                None => "waiting".to_owned(),
            });
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn line(text: &str) {
    anstream::eprintln!("{text}");
}
