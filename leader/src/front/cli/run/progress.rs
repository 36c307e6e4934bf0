//! How a run is shown while it goes: a panel of the workers on a terminal, plain lines elsewhere, and for programs one object
//! a line. What is for people goes to standard error, and the result alone to standard output.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use teamster_protocol::model::agent::{Permission, PermissionBy};
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::task::ReleaseWhy;

use super::summary::last_line;
use crate::front::cli::print::{PanelActivity, PanelBar, PanelRow, ProgressPanel, RedrawnLines, TextTone};
use crate::front::cli::print::{clock, harmless, humane, paint, remark, say, shorten};
use crate::front::cli::spawn::base_note;
use crate::front::cli::task_text::numbers;
use crate::ops::approvals::ways_to_answer;
use crate::ops::run::{NewPlaceCause, RunEvent, RunNews, RunReport, StopCause, TaskTally, short_name};
use crate::ops::text::show_controls;

/// How much is shown of the last line of a task that failed.
const LAST_LINE_COLUMNS_MAX: usize = 120;

/// The display of a run while it goes.
#[derive(Debug)]
pub(super) struct RunProgress {
    shown: Mutex<ShownRun>,
}

#[derive(Debug)]
struct ShownRun {
    output: ProgressOutput,
    titles: BTreeMap<TaskId, String>,
    members: BTreeMap<MemberName, PanelActivity>,
    /// The questions for permission that wait, and what each is about.
    asking: BTreeMap<QuestionName, AskedUse>,
    bar: PanelBar,
}

/// The use of a tool that an agent asks permission for.
#[derive(Debug)]
struct AskedUse {
    title: String,
    since_ms: u64,
}

#[derive(Debug)]
enum ProgressOutput {
    Panel(Option<ProgressPanel>),
    Lines,
    /// With the first error of standard output.
    Json(Option<io::Error>),
}

impl RunProgress {
    /// A panel on a terminal that can move its cursor, lines elsewhere.
    pub(super) fn for_people() -> RunProgress {
        let is_possible = RedrawnLines::are_possible();
        RunProgress::new(if is_possible { ProgressOutput::Panel(None) } else { ProgressOutput::Lines })
    }

    /// One object a line.
    pub(super) fn for_programs() -> RunProgress {
        RunProgress::new(ProgressOutput::Json(None))
    }

    fn new(output: ProgressOutput) -> RunProgress {
        let (titles, members, bar) = (BTreeMap::new(), BTreeMap::new(), PanelBar::default());
        let asking = BTreeMap::new();
        RunProgress { shown: Mutex::new(ShownRun { output, titles, members, asking, bar }) }
    }

    fn shown(&self) -> MutexGuard<'_, ShownRun> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a piece of news.
    pub(super) fn show(&self, news: RunNews<'_>) {
        let mut shown = self.shown();
        match news {
            RunNews::Happened(report) => shown.happened(report),
            RunNews::Standing(tally) => shown.standing(tally),
            RunNews::Over => shown.end(),
        }
    }

    /// Why not all could be written.
    pub(super) fn unsaid(&self) -> Option<io::Error> {
        match &mut self.shown().output {
            ProgressOutput::Json(unsaid) => unsaid.take(),
            ProgressOutput::Panel(_) | ProgressOutput::Lines => None,
        }
    }
}

impl ShownRun {
    fn happened(&mut self, report: &RunReport) {
        self.learn(report);
        let told = line_of(report, &self.titles);
        match &mut self.output {
            ProgressOutput::Json(unsaid) => {
                let line = serde_json::to_string(report).expect("an event is plain data");
                if let Err(error) = say(line) {
                    unsaid.get_or_insert(error);
                }
            }
            ProgressOutput::Lines => told.iter().for_each(remark),
            ProgressOutput::Panel(panel) => {
                // The panel itself shows this.
                let is_shown = matches!(report.event, RunEvent::Begun { .. });
                if is_shown {
                    match ProgressPanel::begin() {
                        Ok(begun) => *panel = Some(begun),
                        Err(error) => tracing::warn!("cannot show how far the run is: {error}"),
                    }
                }
                match panel {
                    Some(panel) if !is_shown => told.into_iter().for_each(|line| panel.tell(line)),
                    Some(_) => {}
                    None => told.iter().for_each(remark),
                }
            }
        }
        self.draw();
    }

    /// Keeps what is shown later on: titles, and whose rows there are.
    fn learn(&mut self, report: &RunReport) {
        match &report.event {
            RunEvent::Begun { tasks, spawns, there, new_place: _ } => {
                self.bar = PanelBar { total: *tasks, begun_ms: report.at_ms, ..PanelBar::default() };
                let row = |name: &MemberName, what: &str| (name.clone(), PanelActivity::Quiet(what.to_owned()));
                self.members.extend(spawns.iter().map(|name| row(name, "starts")));
                self.members.extend(there.iter().map(|name| row(name, "waits")));
            }
            RunEvent::Listed { tasks } => {
                let titles = tasks.iter().map(|task| (task.id, short_name(task.label.as_deref(), &task.title)));
                self.titles.extend(titles);
            }
            RunEvent::Asked { question, title, .. } => {
                let asked = AskedUse { title: title.clone(), since_ms: report.at_ms };
                self.asking.insert(question.clone(), asked);
            }
            RunEvent::Answered { question, .. } | RunEvent::QuestionLost { question } => {
                self.asking.remove(question);
            }
            RunEvent::WorktreeFound { .. }
            | RunEvent::Claimed { .. }
            | RunEvent::Completed { .. }
            | RunEvent::Failed { .. }
            | RunEvent::Released { .. }
            | RunEvent::Held { .. }
            | RunEvent::MemberDied { .. }
            | RunEvent::MemberGivenUp { .. }
            | RunEvent::BudgetNearlySpent { .. }
            | RunEvent::BudgetSpent { .. }
            | RunEvent::Interrupted
            | RunEvent::Stopping { .. }
            | RunEvent::NotStopped { .. } => {}
        }
    }

    /// How far it is. Whoever is on a task has a row from then on, also a member that came later.
    fn standing(&mut self, tally: &TaskTally) {
        self.bar.done = tally.completed + tally.failed + tally.cancelled;
        self.bar.failed = tally.failed;
        self.members.values_mut().for_each(|at| *at = PanelActivity::Quiet("waits".to_owned()));
        for (id, (owner, since_ms)) in &tally.running {
            let busy = PanelActivity::Busy { what: title_of(&self.titles, *id), since_ms: *since_ms };
            self.members.insert(owner.clone(), busy);
        }
        // The oldest last, so that it is the one that is shown.
        for (question, AskedUse { title, since_ms }) in self.asking.iter().rev() {
            let what = format!("asks ({question}): {}", harmless(title));
            self.members.insert(question.member.clone(), PanelActivity::Busy { what, since_ms: *since_ms });
        }
        self.draw();
    }

    fn draw(&self) {
        if let ProgressOutput::Panel(Some(panel)) = &self.output {
            let row = |(name, activity): (&MemberName, &PanelActivity)| PanelRow {
                name: name.to_string(),
                activity: activity.clone(),
            };
            panel.show(self.members.iter().map(row).collect(), Some(self.bar));
        }
    }

    /// The run is over: the panel goes, and what follows stands apart from what was told.
    fn end(&mut self) {
        if let ProgressOutput::Panel(panel) = &mut self.output
            && let Some(mut panel) = panel.take()
        {
            panel.tell(String::new());
            panel.end();
        }
    }
}

fn title_of(titles: &BTreeMap<TaskId, String>, id: TaskId) -> String {
    match titles.get(&id) {
        Some(title) if *title != id.to_string() => format!("{id} {title}"),
        Some(_) | None => id.to_string(),
    }
}

/// The line that tells people of an event, for those that are worth one.
fn line_of(report: &RunReport, titles: &BTreeMap<TaskId, String>) -> Option<String> {
    let at = paint(TextTone::Faint, &clock(report.at_ms, &TimeZone::system())).to_string();
    let of_task = |member: &MemberName, tone: TextTone, what: &str, id: TaskId| {
        let title = title_of(titles, id);
        format!("{at} {} {} {}", paint(TextTone::Name, member.as_str()), paint(tone, what), harmless(&title))
    };
    let took = |ms: &Option<u64>| match ms {
        Some(ms) => format!(" in {}", humane(Duration::from_millis(*ms))),
        None => String::new(),
    };
    Some(match &report.event {
        RunEvent::Begun { tasks, spawns, there, new_place } => {
            let workers = count(spawns.len() + there.len(), "worker");
            let there = match there.as_slice() {
                [] => String::new(),
                [one] => format!(", of which {one} is there already"),
                more => format!(", of which {} are there already", names(more)),
            };
            let place = match new_place {
                NewPlaceCause::LikeMembers => {
                    "; who is new gets a worktree, as the members have, unless --shared is said"
                }
                NewPlaceCause::Wanted => "",
            };
            format!("{} for {workers}{there}{place}", count(*tasks, "task"))
        }
        RunEvent::WorktreeFound { member, base } => {
            format!("{} goes on in its worktree{}", paint(TextTone::Name, member.as_str()), base_note(base))
        }
        RunEvent::Claimed { task, member, .. } => of_task(member, TextTone::Plain, "began", *task),
        RunEvent::Completed { task, member, duration_ms, .. } => {
            format!("{}{}", of_task(member, TextTone::Ok, "completed", *task), took(duration_ms))
        }
        RunEvent::Failed { task, member, duration_ms, reason, result, .. } => {
            let last = match last_line(result) {
                Some(line) => format!(": {}", shorten(line, LAST_LINE_COLUMNS_MAX)),
                None => String::new(),
            };
            let told = of_task(member, TextTone::Error, "failed", *task);
            format!("{told}{}: {}{last}", took(duration_ms), harmless(reason))
        }
        RunEvent::Released { task, member, why, .. } => {
            let how = match why {
                ReleaseWhy::Stopped => "was stopped at",
                ReleaseWhy::WorkerDied => "died at",
                ReleaseWhy::WorkerLeft => "gave back",
            };
            of_task(member, TextTone::Warn, how, *task)
        }
        RunEvent::MemberDied { member, reason } => {
            harmless(&format!("{member} died ({reason}): it is started again")).into_owned()
        }
        RunEvent::MemberGivenUp { member, reason } => {
            harmless(&format!("{member} was given up: {reason}")).into_owned()
        }
        RunEvent::Asked { question, title, .. } => {
            let who = paint(TextTone::Name, question.member.as_str());
            let asks = paint(TextTone::Warn, "asks for permission:");
            format!("{at} {who} {asks} {}; {}", show_controls(title), ways_to_answer(question))
        }
        RunEvent::Answered { question, answer, by } => {
            let who = paint(TextTone::Name, question.member.as_str());
            format!("{at} {who} {}", harmless(&answered_text(question, answer, *by)))
        }
        RunEvent::QuestionLost { question } => {
            let who = paint(TextTone::Name, question.member.as_str());
            format!("{at} {who} died, and its question {question} with it")
        }
        RunEvent::Interrupted => "finishing what runs; Ctrl-C again stops it".to_owned(),
        RunEvent::Stopping { why: StopCause::Interrupted } => "stopping what runs".to_owned(),
        RunEvent::BudgetNearlySpent { used } => format!("the run has used {used} of its budget"),
        RunEvent::BudgetSpent { used } => format!("the budget of the run is used up: {used}"),
        RunEvent::Stopping { why: StopCause::OverBudget } => "stopping what runs".to_owned(),
        RunEvent::Stopping { why: StopCause::TimedOut } => "the time is over: stopping what runs".to_owned(),
        RunEvent::NotStopped { task, member } => {
            format!("{member} did not stop task {task}, and goes on with it: end it with teamster kill {member}")
        }
        RunEvent::Held { tasks } => {
            let (noun, verb) = if tasks.len() == 1 { ("task", "is") } else { ("tasks", "are") };
            format!("{noun} {} {verb} held for teamster run --resume", few(tasks))
        }
        RunEvent::Listed { .. } => return None,
    })
}

/// What became of a question, as the end of a sentence that begins with its member.
fn answered_text(question: &QuestionName, answer: &Permission, by: PermissionBy) -> String {
    match (answer, by) {
        (_, PermissionBy::TurnEnd) => format!("does not ask {question} any more: its turn ended"),
        (Permission::Once | Permission::Always, _) => format!("was allowed {question}"),
        (Permission::Never { reason }, _) => format!("was denied {question}: {reason}"),
    }
}

/// `3, 4, 5`, or the first of many.
fn few(tasks: &[TaskId]) -> String {
    const SHOWN_MAX: usize = 8;
    match tasks.get(..SHOWN_MAX) {
        Some(first) if tasks.len() > SHOWN_MAX => format!("{} … ({} in all)", numbers(first), tasks.len()),
        Some(_) | None => numbers(tasks),
    }
}

fn names(members: &[MemberName]) -> String {
    members.iter().map(MemberName::as_str).collect::<Vec<_>>().join(", ")
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
