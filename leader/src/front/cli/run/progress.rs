//! How a run is shown while it goes: a panel of the workers on a terminal, plain lines elsewhere,
//! nothing where only the result is wanted. Everything goes to standard error; the result alone to standard output.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use teamster_protocol::model::board::BoardFact;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::store::file::LogRecord;

use super::panel::ProgressPanel;
use crate::front::cli::print::{TextTone, clock, harmless, humane, paint, remark};
use crate::ops::run::{RunNews, TaskTally};

/// The display of a run while it goes.
#[derive(Debug)]
pub(super) struct RunProgress {
    shown: Mutex<ShownProgress>,
}

#[derive(Debug)]
enum ShownProgress {
    Nothing,
    Lines(TaskTitles),
    Panel { names: TaskTitles, panel: Option<ProgressPanel> },
}

/// The titles of tasks, and the owner of each with the time of its claim.
#[derive(Debug, Default)]
struct TaskTitles {
    titles: BTreeMap<TaskId, String>,
    since_ms: BTreeMap<TaskId, (MemberName, u64)>,
}

impl RunProgress {
    /// A panel on a terminal that can move its cursor, lines elsewhere.
    pub(super) fn for_people() -> RunProgress {
        let moves = std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        if moves && std::io::stderr().is_terminal() {
            RunProgress::new(ShownProgress::Panel { names: TaskTitles::default(), panel: None })
        } else {
            RunProgress::new(ShownProgress::Lines(TaskTitles::default()))
        }
    }

    /// A display that shows nothing.
    pub(super) fn none() -> RunProgress {
        RunProgress::new(ShownProgress::Nothing)
    }

    fn new(shown: ShownProgress) -> RunProgress {
        RunProgress { shown: Mutex::new(shown) }
    }

    fn shown(&self) -> MutexGuard<'_, ShownProgress> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a piece of news.
    pub(super) fn show(&self, news: RunNews<'_>) {
        match news {
            RunNews::Begun { tasks, members } => self.begin(tasks, members),
            RunNews::Named(named) => self.name(named),
            RunNews::Written(record) => self.record(record),
            RunNews::Standing(tally) => self.tally(tally),
            RunNews::Died { name, reason } => self.say(&format!("{name} died ({reason}): it is started again")),
            RunNews::GivenUp { name, reason } => self.say(&format!("{name} is not started again: {reason}")),
            RunNews::TimeOver => self.say("the time is over: ending the workers"),
            RunNews::Interrupted => self.say("finishing what runs; Ctrl-C again kills it"),
            RunNews::Over => self.end(),
        }
    }

    /// The run begins with so many tasks and these workers.
    fn begin(&self, tasks: usize, members: &[MemberName]) {
        match &mut *self.shown() {
            ShownProgress::Nothing => {}
            ShownProgress::Lines(_) => {
                line(&format!("{} for {}", count(tasks, "task"), count(members.len(), "worker")))
            }
            ShownProgress::Panel { panel, .. } => match ProgressPanel::begin(tasks, members.iter()) {
                Ok(begun) => *panel = Some(begun),
                Err(error) => tracing::warn!("cannot show how far the run is: {error}"),
            },
        }
    }

    /// Takes the names of the tasks, for display.
    fn name(&self, named: &[(TaskId, String)]) {
        let mut shown = self.shown();
        let names = match &mut *shown {
            ShownProgress::Nothing => return,
            ShownProgress::Lines(names) | ShownProgress::Panel { names, .. } => names,
        };
        names.titles.extend(named.iter().cloned());
    }

    /// Something to be said between.
    fn say(&self, text: &str) {
        match &mut *self.shown() {
            ShownProgress::Nothing => tracing::info!("{text}"),
            ShownProgress::Lines(_) => line(&harmless(text)),
            ShownProgress::Panel { panel, .. } => tell(panel, harmless(text).into_owned()),
        }
    }

    /// A record of the board.
    fn record(&self, record: &LogRecord<BoardFact>) {
        let mut shown = self.shown();
        let names = match &mut *shown {
            ShownProgress::Nothing => return,
            ShownProgress::Lines(names) | ShownProgress::Panel { names, .. } => names,
        };
        let lines: Vec<String> =
            record.facts.iter().filter_map(|fact| names.told(fact, &record.by, record.at_ms)).collect();
        match &mut *shown {
            ShownProgress::Nothing => {}
            ShownProgress::Lines(_) => lines.iter().for_each(|text| line(text)),
            ShownProgress::Panel { panel, .. } => lines.into_iter().for_each(|text| tell(panel, text)),
        }
    }

    /// Shows how far the run is.
    fn tally(&self, tally: &TaskTally) {
        if let ShownProgress::Panel { names, panel: Some(panel) } = &*self.shown() {
            panel.tally(tally, |id| names.title(id));
        }
    }

    /// The run is over: the panel goes, and what follows stands apart from what was told.
    fn end(&self) {
        if let ShownProgress::Panel { panel, .. } = &mut *self.shown()
            && let Some(mut panel) = panel.take()
        {
            panel.tell(String::new());
            panel.end();
        }
    }
}

impl TaskTitles {
    fn title(&self, id: TaskId) -> String {
        match self.titles.get(&id) {
            Some(title) if *title != id.to_string() => format!("{id} {title}"),
            Some(_) | None => id.to_string(),
        }
    }

    /// The line that tells of a fact, for those that are worth one.
    fn told(&mut self, fact: &BoardFact, by: &str, at_ms: u64) -> Option<String> {
        let now = |told: String| Some(format!("{} {told}", paint(TextTone::Faint, &clock(at_ms, &TimeZone::system()))));
        match fact {
            BoardFact::Added { id, task } => {
                self.titles.insert(*id, task.title.clone());
                None
            }
            BoardFact::Claimed(claim) => {
                self.since_ms.insert(claim.id, (claim.owner.clone(), at_ms));
                now(format!(
                    "{} began {}",
                    paint(TextTone::Name, claim.owner.as_str()),
                    harmless(&self.title(claim.id))
                ))
            }
            BoardFact::Completed { id, .. } => {
                let took = self.took(*id, at_ms);
                let who = paint(TextTone::Name, by).to_string();
                now(format!("{who} {} {}{took}", paint(TextTone::Ok, "completed"), harmless(&self.title(*id))))
            }
            BoardFact::Failed { id, reason, .. } => {
                let took = self.took(*id, at_ms);
                let who = paint(TextTone::Name, by).to_string();
                let title = self.title(*id);
                now(format!(
                    "{who} {} {}{took}: {}",
                    paint(TextTone::Error, "failed"),
                    harmless(&title),
                    harmless(reason)
                ))
            }
            BoardFact::Released { id, why, .. } => {
                let who = self.since_ms.remove(id).map_or_else(|| by.to_owned(), |(owner, _)| owner.to_string());
                let how = match why {
                    ReleaseWhy::Stopped => "was stopped at",
                    ReleaseWhy::WorkerDied => "died at",
                    ReleaseWhy::WorkerLeft => "gave back",
                };
                let who = paint(TextTone::Name, &who).to_string();
                now(format!("{who} {} {}", paint(TextTone::Warn, how), harmless(&self.title(*id))))
            }
            BoardFact::Edited { id, changes } => {
                if let Some(title) = &changes.title {
                    self.titles.insert(*id, title.clone());
                }
                None
            }
            BoardFact::Assigned { .. }
            | BoardFact::Unassigned { .. }
            | BoardFact::DependencyAdded { .. }
            | BoardFact::DependencyRemoved { .. }
            | BoardFact::Retried { .. }
            | BoardFact::Held { .. }
            | BoardFact::Cancelled { .. }
            | BoardFact::Cleared { .. }
            | BoardFact::Restored { .. }
            | BoardFact::ClearedBefore { .. }
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

fn tell(panel: &Option<ProgressPanel>, text: String) {
    match panel {
        Some(panel) => panel.tell(text),
        None => line(&text),
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn line(text: &str) {
    remark(text);
}
