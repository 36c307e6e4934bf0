//! `teamster approvals`, and how a question for permission is shown wherever one is.

use std::time::Duration;

use super::print::{TextTone, ago, harmless, humane, paint, shorten, width, wrap};
use super::{CliContext, CliError, ExitStatus};
use crate::ops::approvals::{ApprovalRow, OpenApprovals, approvals as open_approvals, ways_to_answer};
use crate::ops::text::show_controls;

/// How many lines of the arguments of a tool are shown; `--json` has all that is kept.
const DETAIL_LINES_MAX: usize = 12;

/// `teamster approvals`.
#[derive(Debug, clap::Args)]
pub struct ApprovalsArgs {}

pub(super) async fn approvals(context: &CliContext, ApprovalsArgs {}: ApprovalsArgs) -> Result<ExitStatus, CliError> {
    let open = open_approvals(&context.session)?;
    context.show_page(&open, |open| text(open, context.session.now_ms(), context.columns))?;
    Ok(ExitStatus::Done)
}

fn text(open: &OpenApprovals, now_ms: u64, columns: usize) -> String {
    if open.approvals.is_empty() {
        return "no question waits for an answer".to_owned();
    }
    let blocks = open.approvals.iter().map(|row| block(row, now_ms, columns));
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn block(row: &ApprovalRow, now_ms: u64, columns: usize) -> String {
    let left = humane(Duration::from_millis(row.until_ms.saturating_sub(now_ms)));
    let task = match row.task {
        Some(task) => format!("task {task}"),
        None => format!("turn {}, no task", row.turn),
    };
    let place = harmless(&row.workspace.display().to_string()).into_owned();
    let head = format!("asked {}, {left} left, {task}, in {place}", ago(row.asked_ms, now_ms));
    let id = paint(TextTone::Name, &row.id.to_string()).to_string();
    let mut lines = vec![format!("{id}  {}", paint(TextTone::Faint, &head))];
    // Whole: somebody is about to allow it.
    let title = wrap(&show_controls(&row.title), columns, 2);
    lines.extend(title.iter().map(|line| format!("  {}", paint(TextTone::Warn, line))));
    lines.extend(detail_lines(&row.detail).into_iter().map(|line| format!("    {line}")));
    lines.push(format!("  {}", ways_to_answer(&row.id)));
    lines.join("\n")
}

/// The arguments of a tool as they are shown: line by line and bounded. What a terminal would not show is shown, because
/// somebody is about to allow it.
pub(super) fn detail_lines(detail: &str) -> Vec<String> {
    let all: Vec<&str> = detail.trim_end().lines().collect();
    let mut lines: Vec<String> =
        all.iter().take(DETAIL_LINES_MAX).map(|line| show_controls(line).into_owned()).collect();
    if all.len() > DETAIL_LINES_MAX {
        lines.push(format!("… {} lines more; see teamster approvals --json", all.len() - DETAIL_LINES_MAX));
    }
    lines
}

/// The questions that wait, below a table of members: each in one line, and how it is answered. Nobody is to allow what was
/// not shown, so of one that has no room it is said where all of it is.
pub(super) fn notes(waiting: &[ApprovalRow], columns: usize) -> String {
    let note = |row: &ApprovalRow| {
        let asks = format!("{} asks: {}", row.member, show_controls(&row.title));
        let way_on = match width(&asks) > columns {
            true => "teamster approvals shows all of it, and how to answer".to_owned(),
            false => ways_to_answer(&row.id),
        };
        format!("{}\n  {way_on}", paint(TextTone::Warn, &shorten(&asks, columns)))
    };
    waiting.iter().map(note).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::id::TaskId;

    use super::*;

    fn row(id: &str, detail: &str, task: Option<u32>) -> ApprovalRow {
        ApprovalRow {
            id: id.parse().expect("a name"),
            member: id.split_once('.').expect("a name").0.parse().expect("a name"),
            tool: "Bash".to_owned(),
            title: "Bash make \u{1b}[2J clean".to_owned(),
            detail: detail.to_owned(),
            workspace: "/src/tool".into(),
            turn: 7,
            task: task.map(TaskId),
            asked_ms: 60_000,
            until_ms: 660_000,
        }
    }

    #[test]
    fn questions_say_how_they_are_answered_and_can_not_act_on_the_terminal() {
        let long: String = (0..30).map(|number| format!("line {number}\n")).collect();
        let open = OpenApprovals {
            team: "crew".parse().expect("a name"),
            approvals: vec![row("alice.37", "command: make\u{7}\n", Some(3)), row("bob.4", &long, None)],
        };
        let shown = anstream::adapter::strip_str(&text(&open, 72_000, 60)).to_string();
        insta::assert_snapshot!(shown, @r"
        alice.37  asked 12s ago, 9m 48s left, task 3, in /src/tool
          Bash make \u{1b}[2J clean
            command: make\u{7}
          teamster approve alice.37, or teamster deny alice.37 REASON

        bob.4  asked 12s ago, 9m 48s left, turn 7, no task, in /src/tool
          Bash make \u{1b}[2J clean
            line 0
            line 1
            line 2
            line 3
            line 4
            line 5
            line 6
            line 7
            line 8
            line 9
            line 10
            line 11
            … 18 lines more; see teamster approvals --json
          teamster approve bob.4, or teamster deny bob.4 REASON
        ");
        let narrow = anstream::adapter::strip_str(&block(&open.approvals[0], 72_000, 20)).to_string();
        assert!(narrow.contains("\n  Bash make\n  \\u{1b}[2J clean\n"), "all that would be allowed is shown: {narrow}");
        let cut = anstream::adapter::strip_str(&notes(&open.approvals[..1], 20)).to_string();
        assert!(cut.contains("teamster approvals shows all of it") && !cut.contains("approve alice.37"), "{cut}");
        let below = anstream::adapter::strip_str(&notes(&open.approvals[..1], 60)).to_string();
        insta::assert_snapshot!(below, @r"
        alice asks: Bash make \u{1b}[2J clean
          teamster approve alice.37, or teamster deny alice.37 REASON
        ");
    }
}
