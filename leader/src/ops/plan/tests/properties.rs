//! What holds for every plan and every text.

use std::fmt::Write;
use std::time::Duration;

use proptest::prelude::*;

use super::{json, toml};
use crate::ops::duration::format_duration;
use crate::ops::plan::{CommandInput, DocumentFormat, Plan, PlannedTask, TaskWork};

fn as_toml(plan: &Plan) -> String {
    let mut text = String::new();
    for (key, value) in plan.tasks.iter().flat_map(fields) {
        if key == "id" {
            text.push_str("[[task]]\n");
        }
        // JSON's strings are TOML's but for this one character.
        writeln!(text, "{key} = {}", value.replace('\u{7f}', "\\u007f")).expect("a string");
    }
    text
}

fn as_json(plan: &Plan) -> String {
    let task = |task| {
        let fields: Vec<String> = fields(task).iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    format!("[{}]", plan.tasks.iter().map(task).collect::<Vec<_>>().join(",\n"))
}

fn fields(task: &PlannedTask) -> Vec<(&'static str, String)> {
    let quoted = |text: &str| serde_json::to_string(text).expect("a string");
    let after: Vec<String> = task.after.iter().map(|at| quoted(&format!("t{at}"))).collect();
    let (work, text, is_open) = match &task.work {
        TaskWork::Run { command, input } => ("run", command, *input == CommandInput::Open),
        TaskWork::Prompt(text) => ("prompt", text, false),
    };
    let mut fields = vec![
        ("id", quoted(&task.id)),
        (work, quoted(text)),
        ("title", quoted(&task.title)),
        ("after", format!("[{}]", after.join(", "))),
        ("priority", task.priority.to_string()),
    ];
    fields.extend(is_open.then(|| ("interactive", "true".to_owned())));
    fields.extend(task.to.as_ref().map(|to| ("to", quoted(to))));
    fields.extend(task.role.as_ref().map(|role| ("role", quoted(role))));
    fields.extend(task.agent.as_ref().map(|agent| ("agent", quoted(agent))));
    fields.extend(task.timeout.map(|timeout| ("timeout", quoted(&format_duration(timeout)))));
    fields
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let name = || proptest::option::of("[a-z][a-z0-9-]{4,39}");
    let agent = || proptest::option::of("[a-z][a-z0-9-]{4,39}|(acp|cmd):[a-z/]{1,9} '[a-zä |]{0,9}'");
    let task = (
        prop::bool::ANY,
        "(?s).{0,30}\\S",
        "[^\\s\\pC]{1,20}",
        name(),
        name(),
        agent(),
        any::<i32>(),
        proptest::option::of(1u64..31_000_000_000),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
    );
    proptest::collection::vec(task, 1..12).prop_map(|tasks| {
        let tasks = tasks.into_iter().enumerate().map(|(at, task)| {
            let (is_run, text, title, to, role, agent, priority, timeout_ms, picks) = task;
            let mut after: Vec<usize> = picks.iter().filter(|_| at > 0).map(|pick| pick.index(at.max(1))).collect();
            after.sort_unstable();
            after.dedup();
            PlannedTask {
                id: format!("t{at}"),
                work: match is_run {
                    // Each other one reads.
                    true if at % 2 == 0 => TaskWork::Run { command: text, input: CommandInput::Open },
                    true => TaskWork::run(text),
                    false => TaskWork::Prompt(text),
                },
                title,
                after,
                to,
                role,
                agent,
                priority,
                timeout: timeout_ms.map(Duration::from_millis),
                budget: Default::default(),
            }
        });
        Plan { tasks: tasks.collect() }
    })
}

proptest! {
    #[test]
    fn any_valid_plan_reads_back(plan in any_plan()) {
        prop_assert_eq!(&toml(&as_toml(&plan)), &plan);
        prop_assert_eq!(&json(&as_json(&plan)), &plan);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        for format in [DocumentFormat::Toml, DocumentFormat::Json] {
            let _ = Plan::parse(&text, format, "plan").map_err(|error| error.to_string());
        }
        let _ = Plan::parse_bytes(text.as_bytes(), None);
    }

    #[test]
    fn no_damage_to_a_plan_makes_it_panic(plan in any_plan(), at in any::<prop::sample::Index>(), put in "[\\[\\]{}\"'=,\\\\\n\r\u{1b}\u{feff}a0漢]{0,3}") {
        for (text, format) in [(as_toml(&plan), DocumentFormat::Toml), (as_json(&plan), DocumentFormat::Json)] {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len());
            chars.splice(at..=at, put.chars());
            let text: String = chars.into_iter().collect();
            if let Err(error) = Plan::parse(&text, format, "plan") {
                let said = error.to_string();
                prop_assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
            }
        }
    }
}
