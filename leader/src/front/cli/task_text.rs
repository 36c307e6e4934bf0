//! How tasks are shown in lists of every kind.

use teamster_protocol::model::id::{AgentName, Role, TaskId};

use super::print::{TableCell, TextTone};
use crate::ops::task::{TaskCounts, TaskRow, TaskStanding};

/// The owner of a task: the member that is on it or ended it, or else `for alice`, `role tests` or `agent pi`.
pub(super) fn whose(row: &TaskRow) -> TableCell {
    match (&row.owner, &row.assignee) {
        (Some(owner), _) => TableCell::toned(TextTone::Name, owner.as_str()),
        (None, Some(assignee)) => TableCell::from(format!("for {assignee}")),
        (None, None) => TableCell::toned(TextTone::Faint, needs(row.role.as_ref(), row.agent.as_ref())),
    }
}

/// `role tests, agent pi`: what the taker of a task must have.
pub(super) fn needs(role: Option<&Role>, agent: Option<&AgentName>) -> String {
    let needs = [("role", role.map(Role::as_str)), ("agent", agent.map(AgentName::as_str))];
    let needs: Vec<String> =
        needs.into_iter().filter_map(|(word, name)| name.map(|name| format!("{word} {name}"))).collect();
    needs.join(", ")
}

/// The colour of where a task stands.
pub(super) fn tone(standing: TaskStanding) -> TextTone {
    match standing {
        TaskStanding::Pending => TextTone::Plain,
        TaskStanding::Blocked | TaskStanding::Cancelled => TextTone::Faint,
        TaskStanding::Stopped => TextTone::Warn,
        TaskStanding::InProgress => TextTone::Busy,
        TaskStanding::Completed => TextTone::Ok,
        TaskStanding::Failed => TextTone::Error,
    }
}

/// `5 tasks: 2 completed, 1 in progress, 2 blocked`.
pub(super) fn counts_sentence(counts: &TaskCounts) -> String {
    let plural = if counts.total == 1 { "" } else { "s" };
    format!("{} task{plural}: {}", counts.total, counts_text(counts))
}

/// `2 completed, 1 in progress, 2 blocked`.
pub(super) fn counts_text(counts: &TaskCounts) -> String {
    parts(&[
        (counts.completed, "completed"),
        (counts.in_progress, "in progress"),
        (counts.pending, "pending"),
        (counts.blocked, "blocked"),
        (counts.stopped, "stopped"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ])
}

/// `1 busy, 2 idle`: what there is any of.
pub(super) fn parts(counts: &[(usize, &str)]) -> String {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// `3, 4`.
pub(crate) fn numbers(ids: &[TaskId]) -> String {
    ids.iter().map(TaskId::to_string).collect::<Vec<_>>().join(", ")
}
