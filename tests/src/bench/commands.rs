//! What a command costs as a person or an agent types it: a whole process, from its start to its end. And what it costs to put
//! a large plan onto the board.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use teamster_leader::ops::plan::Plan;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::NewTask;
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::Team;

use super::Outcome;
use super::place::{Place, free_tasks};
use super::raw::{self, SyncedAppend};
use super::samples::Samples;
use super::table::{Must, Row, Unit};

const ROUNDS: u32 = 150;
const MEMBERS: u32 = 4;
const TASKS: u32 = 20;
const PLANNED: u32 = 10_000;
const PLANS: u32 = 7;

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("commands")?;
    for nth in 0..MEMBERS {
        place.enroll(&mut team, &format!("member-{nth}"), AutoClaim::On)?;
    }
    team.add_tasks(|_| free_tasks(TASKS, "true"))?;
    Ok(vec![look(place, &team)?, add(place, &team)?, plan(place)?])
}

/// `list`, in turns with `true`.
fn look(place: &Place, team: &Team) -> Outcome<Row> {
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        raw::spawn_true(&mut bare)?;
        ours.time(|| teamster(place, team, &["list"]))?;
    }
    Ok(Row {
        what: "`teamster list`, the whole process",
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "spawning `true`",
        unit: Unit::Seconds,
        must: Must::TimesLimit(4.0),
        note: format!(
            "p50 of {ROUNDS} in turns; p90 {:.2} ms against {:.2} ms; {MEMBERS} members, {TASKS} tasks, no leader",
            ours.p90() * 1e3,
            bare.p90() * 1e3
        ),
    })
}

/// `task add`, in turns with `true` followed by an append that is synced.
fn add(place: &Place, team: &Team) -> Outcome<Row> {
    let (mut ours, mut bare, mut append) = (Samples::default(), Samples::default(), Samples::default());
    let mut file = SyncedAppend::new(&place.file("added"))?;
    let line = vec![b'x'; 200];
    for _ in 0..ROUNDS {
        let both = || -> Outcome<()> {
            raw::spawn_true(&mut Samples::default())?;
            Ok(file.append(&line, &mut append)?)
        };
        bare.time(both)?;
        ours.time(|| teamster(place, team, &["task", "add", "look", "at", "the", "parser"]))?;
    }
    Ok(Row {
        what: "`teamster task add`, the whole process",
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "spawning `true`, then append + fdatasync",
        unit: Unit::Seconds,
        must: Must::TimesLimit(4.0),
        note: format!(
            "p50 of {ROUNDS} in turns; p90 {:.2} ms against {:.2} ms; the append alone {:.0} µs",
            ours.p90() * 1e3,
            bare.p90() * 1e3,
            append.p50() * 1e6
        ),
    })
}

/// From the text of a plan to the synced board, beside the reading of the text.
fn plan(place: &Place) -> Outcome<Row> {
    let text = plan_text();
    let (mut ours, mut read) = (Samples::default(), Samples::default());
    for nth in 0..PLANS {
        let mut team = place.team_of(&format!("planned-{nth}"), Durability::Power)?;
        ours.time(|| -> Outcome<()> {
            let plan = read.time(|| Plan::parse_bytes(text.as_bytes(), None))?;
            team.add_tasks(|first| as_tasks(&plan, first))?;
            Ok(())
        })?;
    }
    Ok(Row {
        what: "10,000 tasks from a plan onto the board, synced",
        figure: ours.p50(),
        limit: read.p50(),
        limit_is: "reading and checking the plan",
        unit: Unit::Seconds,
        must: Must::AtMost(1.0),
        note: format!("p50 of {PLANS}; p90 {:.0} ms; {:.1} MB of TOML", ours.p90() * 1e3, text.len() as f64 / 1e6),
    })
}

/// As `run` makes them of a plan.
fn as_tasks(plan: &Plan, first: TaskId) -> Vec<NewTask> {
    let number = |at: usize| TaskId(first.0 + u32::try_from(at).expect("a plan has fewer tasks"));
    let task = |planned: &teamster_leader::ops::plan::PlannedTask| {
        let mut task = NewTask::new(planned.work.clone());
        task.title = planned.title.clone();
        task.label = Some(planned.id.clone());
        task.after = planned.after.iter().map(|at| number(*at)).collect();
        task.priority = planned.priority;
        task
    };
    plan.tasks.iter().map(task).collect()
}

/// Every tenth task begins a row of ten of which each waits for the one before.
fn plan_text() -> String {
    let mut text = String::new();
    for nth in 0..PLANNED {
        let after = if nth % 10 == 0 { String::new() } else { format!("after = [\"task-{}\"]\n", nth - 1) };
        let prompt = "look at the module, find why it is slow, write a test that shows it, and mend it";
        write!(text, "[[task]]\nid = \"task-{nth}\"\nprompt = \"{prompt}\"\n{after}\n").expect("text can be written");
    }
    text
}

fn teamster(place: &Place, team: &Team, words: &[&str]) -> Outcome<()> {
    let mut command = Command::new(place.teamster()?);
    command.arg("--root").arg(team.dir().root()).args(["--team", team.dir().team().as_str()]).args(words);
    command.current_dir(team.dir().path()).stdin(Stdio::null()).stdout(Stdio::null());
    for variable in ["TEAMSTER_LOG", "TEAMSTER_DURABILITY", "TEAMSTER_POLL_MS", "TEAMSTER_GENERATION_BYTES"] {
        command.env_remove(variable);
    }
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("teamster {words:?} ended with {status}").into()) }
}
