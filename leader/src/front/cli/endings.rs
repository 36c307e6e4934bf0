//! The lines about members that are being ended: whom the command waits for, and the outcome for each.

use std::io;
use std::time::Duration;

use serde::Serialize;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::wire::api::{EndOutcome, EndedMember};

use super::list;
use super::print::{self, PrintedFailure, TextTone, humane, paint};
use super::task_text::numbers;
use super::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::ending_news::{AwaitedWork, EndingNews};
use crate::ops::shutdown::MemberEndings;

/// Whether all that were to end did.
pub(super) fn exit_of(endings: &MemberEndings) -> ExitStatus {
    if endings.are_complete() { ExitStatus::Done } else { ExitStatus::Refused }
}

/// Prints the outcome for each of the named members, one a line, and then each that could not be asked.
pub(super) fn show_endings(
    context: &CliContext,
    endings: &MemberEndings,
    names: &[MemberName],
) -> Result<(), CliError> {
    context.show(endings, |endings| {
        let ended = endings.members.iter().map(ended_text);
        let tasks = if endings.given_back.len() == 1 { "task" } else { "tasks" };
        let are = if endings.given_back.len() == 1 { "is" } else { "are" };
        let given_back = (!endings.given_back.is_empty())
            .then(|| format!("{tasks} {} {are} pending again", numbers(&endings.given_back)));
        ended.chain(not_running_text(endings, names)).chain(given_back).collect::<Vec<_>>().join("\n")
    })?;
    tell_failures(context, endings);
    Ok(())
}

/// A line for each of the named members that did not run.
pub(super) fn not_running_text(endings: &MemberEndings, names: &[MemberName]) -> Vec<String> {
    let ran = |name: &&MemberName| {
        endings.members.iter().any(|ended| ended.name == **name)
            || endings.failed.iter().any(|failed| failed.name == **name)
    };
    names.iter().filter(|name| !ran(name)).map(|name| format!("{name} does not run")).collect()
}

/// Prints why members could not be asked or told, each as an error of its own. Programs read it in the result.
pub(super) fn tell_failures(context: &CliContext, endings: &MemberEndings) {
    if context.shape == OutputShape::Text {
        for failed in &endings.failed {
            let failure = PrintedFailure::new(format!("{}: {}", failed.name, failed.error));
            print::fail(&failed.hint.iter().cloned().fold(failure, PrintedFailure::with_hint));
        }
    }
}

/// Prints how members go that are being ended, as it happens: for people a line each, for programs an object each.
pub(super) struct EndingLines<'a> {
    context: &'a CliContext,
    /// How that could be hurried; told once, and taken then.
    hurry: Option<String>,
    /// Why something could not be printed. The members end all the same.
    failed: Option<io::Error>,
}

impl<'a> EndingLines<'a> {
    /// Begins with nothing told. `hurry` names the command for a person who does not want to wait.
    pub(super) fn new(context: &'a CliContext, hurry: impl Into<String>) -> EndingLines<'a> {
        EndingLines { context, hurry: Some(hurry.into()), failed: None }
    }

    /// Prints news: at first the members that are waited for, and the first time also the way to hurry them.
    pub(super) fn tell(&mut self, news: &[EndingNews]) {
        let now_ms = self.context.session.now_ms();
        let (awaited, ended): (Vec<_>, Vec<_>) = news.iter().partition(|one| matches!(one, EndingNews::Awaited { .. }));
        let hurry = self.hurry.take_if(|_| !awaited.is_empty());
        match self.context.shape {
            OutputShape::Json => {
                let json = |one| serde_json::to_string(one).expect("news are plain data");
                awaited.into_iter().chain(ended).for_each(|one| self.say(json(one)));
            }
            OutputShape::Text => {
                awaited.into_iter().for_each(|one| self.say(news_text(one, now_ms)));
                let hurry = hurry.map(|hurry| format!("Ctrl-C only stops waiting; {hurry}"));
                hurry.into_iter().for_each(|hurry| self.say(format!("  {}", paint(TextTone::Faint, &hurry))));
                ended.into_iter().for_each(|one| self.say(news_text(one, now_ms)));
            }
        }
    }

    /// Returns the outcome as it is. If the person gave up waiting, a note says that the members end all the same.
    pub(super) fn unless_given_up<T>(&self, ended: Result<T, CliError>) -> Result<T, CliError> {
        if let Err(CliError::Interrupted) = ended
            && self.context.shape == OutputShape::Text
        {
            print::note("not waiting any longer; who was asked to end does so all the same: see teamster list");
        }
        ended
    }

    /// Prints the result below what was told: for programs all of it, for people the last line, if there is one.
    pub(super) fn conclude<T: Serialize>(
        mut self,
        result: &T,
        last: impl FnOnce(&T) -> Option<String>,
    ) -> Result<(), CliError> {
        match self.context.shape {
            OutputShape::Json => self.say(serde_json::to_string(result).expect("results are plain data")),
            OutputShape::Text => last(result).into_iter().for_each(|last| self.say(last)),
        }
        self.failed.map_or(Ok(()), |error| Err(CliError::Stdout(error)))
    }

    fn say(&mut self, line: String) {
        let line = match self.context.shape {
            OutputShape::Json => line,
            OutputShape::Text => print::prose(&line),
        };
        // A reader that is gone is none of the members' business: they are ended all the same.
        if let Err(error) = print::say(line) {
            self.failed.get_or_insert(error);
        }
    }
}

fn news_text(news: &EndingNews, now_ms: u64) -> String {
    let for_how_long = |since_ms: u64| humane(Duration::from_millis(now_ms.saturating_sub(since_ms)));
    match news {
        EndingNews::Ended(ended) => ended_text(ended),
        EndingNews::Awaited { name, at } => {
            let at = match at {
                AwaitedWork::Starting => "which is starting".to_owned(),
                AwaitedWork::Idle => "which is about to end".to_owned(),
                AwaitedWork::Task { id, since_ms } => format!("busy with task {id} for {}", for_how_long(*since_ms)),
                AwaitedWork::Turn { number, since_ms } => {
                    format!("in turn {number}, without a task, for {}", for_how_long(*since_ms))
                }
            };
            format!("{} {}, {at}", paint(TextTone::Busy, "waits for"), paint(TextTone::Name, name.as_str()))
        }
    }
}

fn ended_text(ended: &EndedMember) -> String {
    let name = paint(TextTone::Name, ended.name.as_str());
    match &ended.outcome {
        // By whom is known to who types this.
        EndOutcome::Left { how: WorkerEnd::Terminated | WorkerEnd::Killed } => format!("{name} ended at once"),
        EndOutcome::Left { how } => format!("{name} {}", paint(TextTone::Plain, &list::left(how))),
        EndOutcome::Refused { task } => {
            let with = task.map(|task| format!(" with task {task}")).unwrap_or_default();
            let finish = format!("teamster shutdown {} --finish lets it finish first", ended.name);
            format!("{name} {}{with}; {finish}", paint(TextTone::Warn, "goes on, it is busy"))
        }
        EndOutcome::Stuck => format!("{name} {}", paint(TextTone::Error, "does not end, not even by SIGKILL")),
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::id::TaskId;

    use super::*;

    #[test]
    fn what_came_of_each_member_is_said_with_the_way_on() {
        let ended = |name: &str, outcome| EndedMember { name: name.parse().expect("a name"), outcome };
        let endings = MemberEndings {
            members: vec![
                ended("alice", EndOutcome::Left { how: WorkerEnd::Shutdown }),
                ended("bob", EndOutcome::Refused { task: Some(TaskId(3)) }),
                ended("carol", EndOutcome::Left { how: WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() } }),
                ended("dave", EndOutcome::Stuck),
            ],
            ..MemberEndings::default()
        };
        assert_eq!(exit_of(&endings), ExitStatus::Refused);
        let lines: Vec<String> = endings.members.iter().map(ended_text).collect();
        insta::assert_snapshot!(anstream::adapter::strip_str(&lines.join("\n")), @"
        alice shut down
        bob goes on, it is busy with task 3; teamster shutdown bob --finish lets it finish first
        carol died: killed by SIGKILL
        dave does not end, not even by SIGKILL
        ");
    }

    #[test]
    fn whom_the_end_waits_for_is_said_with_what_it_is_at_and_for_how_long() {
        let at = [
            AwaitedWork::Task { id: TaskId(3), since_ms: 0 },
            AwaitedWork::Turn { number: 7, since_ms: 114_000 },
            AwaitedWork::Idle,
            AwaitedWork::Starting,
        ];
        let told = at.map(|at| news_text(&EndingNews::Awaited { name: "alice".parse().expect("a name"), at }, 124_000));
        insta::assert_snapshot!(anstream::adapter::strip_str(&told.join("\n")), @"
        waits for alice, busy with task 3 for 2m 04s
        waits for alice, in turn 7, without a task, for 10.0s
        waits for alice, which is about to end
        waits for alice, which is starting
        ");
    }
}
