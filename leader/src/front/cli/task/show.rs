//! `teamster task show`.

use std::time::Duration;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::task::view::{AttemptEndKind, AttemptView};
use teamster_protocol::model::task::{CommandInput, TaskWork};

use super::{CliContext, CliError, ExitStatus};
use crate::front::cli::print::{DayClock, TextTone, harmless_lines, humane, paint, prose, tokens_and_cost};
use crate::front::cli::task_text::{numbers, tone};
use crate::ops::budget::budget_text;
use crate::ops::task::{self, ShownTask};

/// `teamster task show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The task
    pub id: TaskId,
}

pub(in crate::front::cli) async fn show(context: &CliContext, args: ShowArgs) -> Result<ExitStatus, CliError> {
    context.show_page_as_is(&task::show(&context.session, args.id)?, |shown| {
        text(shown, context.session.now_ms(), &context.clock())
    })?;
    Ok(ExitStatus::Done)
}

fn text(shown: &ShownTask, now_ms: u64, clock: &DayClock) -> String {
    let ShownTask { view, standing, .. } = shown;
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let pad = 11usize.saturating_sub(label.len()).max(2);
        text.push_str(&format!("{}{:pad$}{value}\n", paint(TextTone::Faint, label), ""));
    };
    let title = paint(TextTone::Name, &view.task.title).to_string();
    line("task", format!("{} {title}", view.id));
    let mut status = paint(tone(*standing), view.status.shown()).to_string();
    if let Some(owner) = &view.owner {
        status.push_str(&format!(", {owner}"));
    }
    if let Some(assignee) = &view.assignee {
        status.push_str(&format!(", for {assignee}"));
    }
    if !view.waits_for.is_empty() {
        status.push_str(&format!(", blocked by {}", numbers(&view.waits_for)));
    }
    line("status", status);
    line("added", format!("{} by {}", clock.ago(view.added_ms), view.added_by));
    if let Some(label) = &view.task.label {
        line("label", paint(TextTone::Plain, label).to_string());
    }
    if !view.task.after.is_empty() {
        line("after", numbers(&view.task.after));
    }
    if !view.blocks.is_empty() {
        line("blocks", numbers(&view.blocks));
    }
    if let Some(role) = &view.task.role {
        line("role", role.to_string());
    }
    if let Some(agent) = &view.task.agent {
        line("agent", agent.to_string());
    }
    if view.task.priority != 0 {
        line("priority", view.task.priority.to_string());
    }
    if let Some(timeout_ms) = view.task.timeout_ms {
        line("timeout", humane(Duration::from_millis(timeout_ms)));
    }
    if !view.task.budget.is_empty() {
        line("budget", budget_text(&view.task.budget, &shown.used));
    }
    for attempt in &view.attempts {
        line(&format!("attempt {}", attempt.attempt), attempt_text(attempt, now_ms, clock));
        let used = attempt.end.as_ref().map_or(shown.running, |end| end.used);
        if let Some(used) = tokens_and_cost(&used) {
            line("", used);
        }
    }
    if let Some(used) = tokens_and_cost(&shown.used).filter(|_| view.attempts.len() > 1) {
        line("used", used);
    }
    let mut text = prose(&text);
    let (head, work) = match &view.task.work {
        TaskWork::Run { command, input: CommandInput::Closed } => ("run", command),
        TaskWork::Run { command, input: CommandInput::Open } => ("run, interactive", command),
        TaskWork::Prompt(text) => ("prompt", text),
    };
    block(&mut text, head, work);
    if let Some((number, result)) = view.last_result() {
        let is_last = view.attempts.last().is_none_or(|last| last.attempt == number);
        let head = if is_last { "result".to_owned() } else { format!("result of attempt {number}") };
        block(&mut text, &head, result);
    }
    text
}

fn attempt_text(attempt: &AttemptView, now_ms: u64, clock: &DayClock) -> String {
    let end_ms = attempt.end.as_ref().map_or(now_ms, |end| end.at_ms);
    let took = humane(Duration::from_millis(end_ms.saturating_sub(attempt.since_ms)));
    let how = match attempt.end.as_ref().map(|end| &end.how) {
        None => paint(TextTone::Busy, "running").to_string(),
        Some(AttemptEndKind::Completed) => paint(TextTone::Ok, "completed").to_string(),
        Some(AttemptEndKind::Failed { reason }) => paint(TextTone::Error, &format!("failed: {reason}")).to_string(),
        Some(AttemptEndKind::Released { why }) => paint(
            TextTone::Warn,
            match why {
                ReleaseWhy::Stopped => "stopped",
                ReleaseWhy::WorkerDied => "given back: its worker died",
                ReleaseWhy::WorkerLeft => "given back: its worker left",
            },
        )
        .to_string(),
    };
    format!("{} from {} for {took}, {how}", attempt.owner, clock.at(attempt.since_ms))
}

fn block(text: &mut String, head: &str, body: &str) {
    text.push_str(&format!("\n{}\n", paint(TextTone::Faint, head)));
    for line in harmless_lines(body.trim_end()).lines() {
        text.push_str(&format!("  {line}\n"));
    }
}
