//! One task at a time: keys, types, and values that are right or wrong by themselves.

mod value;

use std::time::Duration;

use teamster_protocol::model::limits::sizes::{PLAN_ID_CHARS_MAX, PLAN_TASKS_MAX, PLAN_TITLE_COLUMNS_MAX};

use super::name;
use super::problem::{PlanFault, PlanProblems, PlanReport};
use super::{CommandInput, TaskWork, WorkKind};
use crate::ops::budget::{WantedBudget, parse_count, parse_dollars};
use crate::ops::document::value::{flag, length, line, repeated, words, wrong_type};
use crate::ops::document::{DocumentEntry, DocumentFault, DocumentNode, DocumentValue, TextSpan};
use crate::ops::text::{did_you_mean, shorten};
use value::{budget, id_text, named, priority};

const KEYS: [&str; 15] = [
    "id",
    "run",
    "prompt",
    "interactive",
    "title",
    "after",
    "to",
    "role",
    "agent",
    "priority",
    "timeout",
    "max-tokens",
    "max-cost",
    "max-turns",
    "max-time",
];

/// The names that other tools have for our keys, where no likeness of spelling would lead to ours.
const SYNONYMS: [(&str, &str); 12] = [
    ("command", "run"),
    ("cmd", "run"),
    ("script", "run"),
    ("name", "id"),
    ("depends_on", "after"),
    ("dependencies", "after"),
    ("deps", "after"),
    ("needs", "after"),
    ("assignee", "to"),
    ("member", "to"),
    ("description", "title"),
    ("text", "prompt"),
];

/// A task whose own fields were looked at; a field that was wrong has its default.
pub(super) struct TaskDraft {
    pub(super) span: TextSpan,
    pub(super) id: String,
    pub(super) id_span: TextSpan,
    pub(super) work: TaskWork,
    pub(super) title: String,
    pub(super) after: Vec<(String, TextSpan)>,
    pub(super) to: Option<String>,
    pub(super) role: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) priority: i32,
    pub(super) timeout: Option<Duration>,
    pub(super) budget: WantedBudget,
}

/// The tasks of the plan, or nothing where it has none or too many.
pub(super) fn drafts(root: DocumentNode<'_>, problems: &mut PlanProblems) -> Option<Vec<TaskDraft>> {
    let tasks = task_list(root, problems)?;
    if tasks.is_empty() {
        problems.add(None, || {
            PlanReport::of(PlanFault::Empty)
                .hint("a task is written as [[task]] and on the next line run = \"make test\"")
        });
        return None;
    }
    if tasks.len() > PLAN_TASKS_MAX {
        problems.add(None, || PlanReport::of(PlanFault::TooManyTasks { tasks: tasks.len() }));
        return None;
    }
    Some(tasks.into_iter().enumerate().filter_map(|(at, node)| draft(at, node, problems)).collect())
}

fn task_list<'t>(root: DocumentNode<'t>, problems: &mut PlanProblems) -> Option<Vec<DocumentNode<'t>>> {
    let entries = match root.value {
        DocumentValue::List(tasks) => return Some(tasks),
        DocumentValue::Table(entries) => entries,
        other @ (DocumentValue::Text(_)
        | DocumentValue::Number(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, root.span, "a plan", "a table or a list of tasks", other.kind());
            return None;
        }
    };
    let had = problems.len();
    let mut tasks = None;
    for DocumentEntry { key, key_span, node } in entries {
        match (&*key, node.value) {
            ("task", _) if tasks.is_some() => repeated(problems, key_span, &key),
            ("task", DocumentValue::List(list)) => tasks = Some(list),
            ("task", other) => {
                let report = || {
                    let found = other.kind();
                    PlanReport::of(DocumentFault::WrongType { field: "`task`", wanted: "a list of tables", found })
                        .hint("write [[task]] with two brackets")
                };
                problems.add(Some(key_span), report);
            }
            (_, _) => problems.add(Some(key_span), || {
                let hint = if KEYS.contains(&&*key) {
                    Some("this key belongs under a [[task]] line".to_owned())
                } else {
                    did_you_mean(&key, ["task"]).map(|meant| format!("did you mean `{meant}`?"))
                };
                let report = PlanReport::of(DocumentFault::UnknownKey { key: key.to_string() });
                match hint {
                    Some(hint) => report.hint(hint),
                    None => report.hint("a plan holds nothing but [[task]] tables"),
                }
            }),
        }
    }
    // Of a plan that holds something else it was said what; that it is empty besides would only distract.
    if tasks.is_none() && problems.len() > had { None } else { Some(tasks.unwrap_or_default()) }
}

fn draft(at: usize, node: DocumentNode<'_>, problems: &mut PlanProblems) -> Option<TaskDraft> {
    let span = node.span;
    let entries = match node.value {
        DocumentValue::Table(entries) => entries,
        other @ (DocumentValue::Text(_)
        | DocumentValue::Number(_)
        | DocumentValue::List(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, span, "a task", "a table", other.kind());
            return None;
        }
    };
    let mut draft = TaskDraft {
        id: (at + 1).to_string(),
        id_span: span.clone(),
        span,
        work: TaskWork::run(""),
        title: String::new(),
        after: Vec::new(),
        to: None,
        role: None,
        agent: None,
        priority: 0,
        timeout: None,
        budget: WantedBudget::default(),
    };
    let (mut run, mut prompt, mut interactive) = (None, None, None);
    let mut seen = [false; KEYS.len()];
    for DocumentEntry { key, key_span, node } in entries {
        if let Some(at) = KEYS.iter().position(|known| *known == key)
            && std::mem::replace(&mut seen[at], true)
        {
            repeated(problems, key_span, &key);
            continue;
        }
        match &*key {
            "id" => id(node, &mut draft, problems),
            "run" => run = Some((key_span, words("`run`", node, problems))),
            "prompt" => prompt = Some((key_span, words("`prompt`", node, problems))),
            "interactive" => interactive = flag("`interactive`", node, problems).map(|is| (key_span, is)),
            "title" => draft.title = line("`title`", node, problems).unwrap_or_default(),
            "after" => after(node, &mut draft, problems),
            "to" => draft.to = named("`to`", node, name::member, problems),
            "role" => draft.role = named("`role`", node, name::role, problems),
            "agent" => draft.agent = named("`agent`", node, name::agent, problems),
            "priority" => draft.priority = priority(node, problems),
            "timeout" => draft.timeout = length("`timeout`", node, problems),
            "max-tokens" => draft.budget.max_tokens = budget("`max-tokens`", node, parse_count, problems),
            "max-cost" => draft.budget.max_cost_micro_usd = budget("`max-cost`", node, parse_dollars, problems),
            "max-turns" => draft.budget.max_turns = budget("`max-turns`", node, parse_count, problems),
            "max-time" => draft.budget.max_time = length("`max-time`", node, problems),
            unknown => problems.add(Some(key_span), || {
                let synonym = SYNONYMS.iter().find(|(theirs, _)| *theirs == unknown).map(|(_, ours)| *ours);
                PlanReport::of(DocumentFault::UnknownKey { key: unknown.to_owned() })
                    .hint(format!("a task has {}", KEYS.join(", ")))
                    .suggest(synonym.or_else(|| did_you_mean(unknown, KEYS)))
            }),
        }
    }
    draft.work = match (run, prompt) {
        (Some((_, run)), None) => {
            let is_open = interactive.take().is_some_and(|(_, is)| is);
            let input = if is_open { CommandInput::Open } else { CommandInput::Closed };
            TaskWork::Run { command: run.unwrap_or_default(), input }
        }
        (None, Some((_, prompt))) => TaskWork::Prompt(prompt.unwrap_or_default()),
        (Some((run_span, _)), Some((prompt_span, prompt))) => {
            problems.add(Some(run_span.start.max(prompt_span.start)..run_span.end.max(prompt_span.end)), || {
                PlanReport::of(PlanFault::TwoWorks { id: draft.id.clone() }).hint("keep one, or make it two tasks")
            });
            TaskWork::Prompt(prompt.unwrap_or_default())
        }
        (None, None) => {
            problems.add(Some(draft.span.clone()), || {
                PlanReport::of(PlanFault::NoWork { id: draft.id.clone() })
                    .hint("add run = \"a command\" or prompt = \"words for an agent\"")
            });
            TaskWork::run("")
        }
    };
    if let Some((span, true)) = interactive
        && draft.work.kind() == WorkKind::Text
    {
        problems.add(Some(span), || {
            PlanReport::of(PlanFault::InteractivePrompt { id: draft.id.clone() })
                .hint("only a command has a standard input")
        });
    }
    if draft.title.is_empty() {
        let first = draft.work.text().lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        draft.title = shorten(first.trim(), PLAN_TITLE_COLUMNS_MAX).into_owned();
    }
    Some(draft)
}

fn id(node: DocumentNode<'_>, draft: &mut TaskDraft, problems: &mut PlanProblems) {
    let span = node.span.clone();
    if let Some(id) = id_text("`id`", node, problems) {
        if id.trim().is_empty() {
            problems.add(Some(span.clone()), || PlanReport::of(DocumentFault::Blank { field: "`id`" }));
        } else if id.contains(char::is_control) {
            problems.add(Some(span.clone()), || PlanReport::of(DocumentFault::NotOneLine { field: "`id`" }));
        } else if id.chars().nth(PLAN_ID_CHARS_MAX).is_some() {
            problems.add(Some(span.clone()), || PlanReport::of(PlanFault::LongId { chars: id.chars().count() }));
        }
        draft.id = id;
    }
    draft.id_span = span;
}

fn after(node: DocumentNode<'_>, draft: &mut TaskDraft, problems: &mut PlanProblems) {
    match node.value {
        DocumentValue::List(items) => {
            for item in items {
                let span = item.span.clone();
                if let Some(id) = id_text("an item of `after`", item, problems) {
                    draft.after.push((id, span));
                }
            }
        }
        DocumentValue::Text(id) => problems.add(Some(node.span), || {
            let fault = DocumentFault::WrongType { field: "`after`", wanted: "a list of ids", found: "text" };
            PlanReport::of(fault).hint(format!("write [\"{}\"]", shorten(&id, PLAN_ID_CHARS_MAX)))
        }),
        other @ (DocumentValue::Number(_)
        | DocumentValue::Table(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, "`after`", "a list of ids", other.kind());
        }
    }
}
