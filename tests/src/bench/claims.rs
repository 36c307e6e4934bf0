//! Eight processes at one board: how many claims a second, and whether any task was given twice.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;

use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::TaskStatus;

use super::Outcome;
use super::child::{Child, Role};
use super::place::{Place, free_tasks};
use super::table::{Must, Row, Unit};

const PROCESSES: u32 = 8;
const TASKS: u32 = 60_000;
const ROUNDS: u32 = 3;

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let bytes = 130;
        let bare = appends_a_second(place, round, bytes)?;
        let (ours, changes) = claims_a_second(place, round)?;
        rounds.push((ours, bare, changes));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (figure, limit, changes) = rounds[rounds.len() / 2];
    let slowest = rounds[0].0;
    Ok(vec![Row {
        what: "claims a second, 8 processes",
        figure,
        limit,
        limit_is: "bare flock + append by 8 processes",
        unit: Unit::PerSecond,
        must: Must::AtLeast(20_000.0),
        note: format!(
            "median of {ROUNDS} rounds of {TASKS} claims, from the first start to the last end, slowest {slowest:.0} /s; \
             no task was given twice, none left; each gives way after a claim, so the claimer changed {changes} times, every {:.1} claims",
            f64::from(TASKS) / f64::from(changes)
        ),
    }])
}

/// Claims a second, and how often a task went to another process than the one before.
fn claims_a_second(place: &Place, round: u32) -> Outcome<(f64, u32)> {
    let mut team = place.team(&format!("claims-{round}"))?;
    let all = team.add_tasks(|_| free_tasks(TASKS, "true"))?;
    let (root, name) = (team.dir().root().to_owned(), team.dir().team().to_string());
    let said = together(|number| {
        let member = format!("claimer-{number}");
        Child::start(Role::Claim, &[root.as_os_str(), OsStr::new(&name), OsStr::new(&member)])
    })?;
    let mut given = BTreeMap::<TaskId, usize>::new();
    for (number, ids) in said.iter().map(|said| said.lines().skip(1)).enumerate() {
        for id in ids {
            if let Some(other) = given.insert(id.parse()?, number) {
                return Err(format!("task {id} was given to claimer-{other} and to claimer-{number}").into());
            }
        }
    }
    if !given.keys().eq(&all) {
        return Err(format!("{} tasks were given, of {TASKS}", given.len()).into());
    }
    team.refresh(|_| ())?;
    for (id, number) in &given {
        let task = team.board().task(*id)?;
        let owner = format!("claimer-{number}");
        if !matches!(&task.status, TaskStatus::InProgress { owner: who, .. } if who.as_str() == owner)
            || task.attempt != 1
        {
            return Err(format!("task {id} was given to {owner}, and the board says {:?}", task.status).into());
        }
    }
    // All tasks are alike, so they are given in the order of their numbers.
    let order: Vec<usize> = given.into_values().collect();
    let changes = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    fs::remove_dir_all(team.dir().path())?;
    Ok((f64::from(TASKS) / seconds(&said)?, u32::try_from(changes)?))
}

fn appends_a_second(place: &Place, round: u32, bytes: usize) -> Outcome<f64> {
    let file = place.file(&format!("appends-{round}"));
    let (each, bytes) = ((TASKS / PROCESSES).to_string(), bytes.to_string());
    let said = together(|_| Child::start(Role::Append, &[file.as_os_str(), OsStr::new(&each), OsStr::new(&bytes)]))?;
    fs::remove_file(&file)?;
    Ok(f64::from(TASKS) / seconds(&said)?)
}

/// Starts the children, lets them go at once, and gives what they said at their end.
fn together(start: impl Fn(u32) -> Outcome<Child>) -> Outcome<Vec<String>> {
    let mut children = (0..PROCESSES).map(start).collect::<Outcome<Vec<Child>>>()?;
    children.iter_mut().try_for_each(Child::wait_ready)?;
    children.iter_mut().try_for_each(Child::go)?;
    children.into_iter().map(Child::rest).collect()
}

/// From the first start to the last end.
fn seconds(said: &[String]) -> Outcome<f64> {
    let (mut first, mut last) = (u64::MAX, 0_u64);
    for said in said {
        let line = said.lines().next().unwrap_or_default();
        let (begin, end) = line.split_once(' ').ok_or("a child did not say when it began and ended")?;
        first = first.min(begin.parse()?);
        last = last.max(end.parse()?);
    }
    Ok(last.saturating_sub(first) as f64 / 1e9)
}
