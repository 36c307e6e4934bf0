//! The preview of a run, as people read it.

use teamster_protocol::model::task::StatusWord;
use teamster_protocol::wire::api::WorkspaceRequest;

use crate::front::cli::print::{TableCell, TableColumn, TextTable, TextTone, paint};
use crate::front::cli::task_text::{needs, numbers};
use crate::ops::run::{PlannedMember, PlannedRow, RunPreview, short_name};

/// The tasks in the order in which one worker would do them, then who would do them.
pub(super) fn render(preview: &RunPreview, columns: usize) -> String {
    let mut text = match preview.tasks.is_empty() {
        true => "nothing is left to do".to_owned(),
        false => format!("{}\n\n{}", table(&preview.tasks, columns), crew(preview)),
    };
    text.push_str(&format!("\n{}\n", paint(TextTone::Faint, "nothing was done: this was a dry run")));
    text
}

fn table(tasks: &[PlannedRow], columns: usize) -> String {
    let mut table = TextTable::new([
        TableColumn::right("id"),
        TableColumn::wide("task"),
        TableColumn::left("waits for"),
        TableColumn::left("for"),
        TableColumn::wide("does"),
    ]);
    for task in tasks {
        let waits_for = match (task.waits_for.is_empty(), task.stuck) {
            (true, _) => TableCell::from(""),
            (false, false) => TableCell::from(numbers(&task.waits_for)),
            (false, true) => TableCell::toned(TextTone::Warn, format!("{} for ever", numbers(&task.waits_for))),
        };
        let meant_for = match &task.to {
            Some(member) => member.to_string(),
            None => needs(task.role.as_ref(), task.agent.as_ref()),
        };
        let again = match task.status {
            Some(StatusWord::Failed) => " (again)",
            Some(StatusWord::Stopped) => " (held)",
            Some(StatusWord::InProgress) => " (in progress)",
            Some(StatusWord::Pending | StatusWord::Completed | StatusWord::Cancelled) | None => "",
        };
        let name = format!("{}{again}", short_name(task.label.as_deref(), &task.title));
        let does = task.work.text().lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
        table.row([task.id.to_string().into(), name.into(), waits_for, meant_for.into(), does.into()]);
    }
    table.render(columns)
}

fn crew(preview: &RunPreview) -> String {
    let mut text = String::new();
    if !preview.there.is_empty() {
        let names: Vec<&str> = preview.there.iter().map(|name| name.as_str()).collect();
        text.push_str(&format!("there already: {}\n", names.join(", ")));
    }
    let mut alike: Vec<Vec<&PlannedMember>> = Vec::new();
    for member in &preview.spawns {
        let is_alike = |others: &&mut Vec<&PlannedMember>| {
            let had = |member: &PlannedMember| member.worktree.is_some();
            let is_there = had(others[0]) == had(member);
            is_there && others[0].agent == member.agent && others[0].workspace == member.workspace
        };
        match alike.iter_mut().find(is_alike) {
            Some(others) => others.push(member),
            None => alike.push(vec![member]),
        }
    }
    for members in alike {
        let name = |member: &PlannedMember| match &member.role {
            Some(role) if role.as_str() != member.name.as_str() => format!("{} (role {role})", member.name),
            Some(_) | None => member.name.to_string(),
        };
        let names: Vec<String> = members.iter().copied().map(name).collect();
        let place = match &members[0].workspace {
            WorkspaceRequest::Worktree { base, .. } if members[0].worktree.is_some() => {
                let base = base.as_deref().unwrap_or("HEAD");
                format!("each in the worktree that it had, at {base} if it holds no work")
            }
            WorkspaceRequest::Shared { dir } => format!("in {}", dir.display()),
            WorkspaceRequest::Worktree { repository, base, .. } => {
                let base = base.as_deref().unwrap_or("HEAD");
                format!("each in a worktree of {} from {base}", repository.display())
            }
        };
        let starts = format!("would start: {}, agent {}, {place}", names.join(", "), members[0].agent);
        text.push_str(&format!("{}\n", paint(TextTone::Plain, &starts)));
    }
    text
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::model::task::TaskWork;
    use teamster_protocol::wire::api::WorktreeFound;

    use super::*;

    fn row(id: u32, label: &str, waits_for: &[u32], run: &str) -> PlannedRow {
        PlannedRow {
            id: TaskId(id),
            status: None,
            label: Some(label.to_owned()),
            title: run.to_owned(),
            work: TaskWork::run(run),
            waits_for: waits_for.iter().copied().map(TaskId).collect(),
            stuck: false,
            to: None,
            role: None,
            agent: None,
            priority: 0,
        }
    }

    fn planned(name: &str, role: Option<&str>) -> PlannedMember {
        PlannedMember {
            name: name.parse().expect("a name"),
            role: role.map(|role| role.parse().expect("a name")),
            agent: "shell".parse().expect("a name"),
            workspace: WorkspaceRequest::Worktree {
                repository: "/src/tool".into(),
                base: None,
                found: WorktreeFound::GoesToBase,
            },
            worktree: None,
        }
    }

    #[test]
    fn a_run_that_was_not_begun_as_people_read_it() {
        let failed = PlannedRow { status: Some(StatusWord::Failed), ..row(2, "test", &[], "\nmake test\n") };
        let meant = PlannedRow { to: Some("ada".parse().expect("a name")), ..row(5, "docs", &[2, 4], "make docs") };
        let preview = RunPreview {
            team: "tool-1a2b3c".parse().expect("a name"),
            tasks: vec![
                failed,
                row(4, "build", &[], "make"),
                meant,
                PlannedRow { stuck: true, ..row(6, "x", &[3], "y") },
            ],
            there: vec!["ada".parse().expect("a name")],
            spawns: vec![
                PlannedMember { worktree: Some("/state/worktrees/w1".into()), ..planned("w1", None) },
                planned("tester1", Some("tester")),
                PlannedMember {
                    workspace: WorkspaceRequest::Shared { dir: "/src/tool".into() },
                    ..planned("ben", None)
                },
            ],
        };
        let plain = anstream::adapter::strip_str(&render(&preview, 80)).to_string();
        insta::assert_snapshot!(plain, @"
        id  task          waits for   for  does
         2  test (again)                   make test
         4  build                          make
         5  docs          2, 4        ada  make docs
         6  x             3 for ever       y

        there already: ada
        would start: w1, agent shell, each in the worktree that it had, at HEAD if it holds no work
        would start: tester1 (role tester), agent shell, each in a worktree of /src/tool from HEAD
        would start: ben, agent shell, in /src/tool

        nothing was done: this was a dry run
        ");
    }
}
