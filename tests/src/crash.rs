//! Crash points: the same small story of a team, once for each point at which a process can die, and each time it has
//! to come to the same good end. See `teamster_protocol::crash` for what a point is.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::trial::Outcome;

mod story;

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The leader.
    Leader,
    /// The worker of this member.
    Worker(&'static str),
    /// The command of this name.
    Front(&'static str),
}

impl Role {
    /// All whose points are tried.
    pub const ALL: [Role; 7] = [
        Role::Leader,
        Role::Worker("ada"),
        Role::Worker("ben"),
        Role::Front("task"),
        Role::Front("dm"),
        Role::Front("up"),
        Role::Front("cleanup"),
    ];

    /// As the process calls itself.
    fn own_word(self) -> String {
        match self {
            Role::Leader => "leader".to_owned(),
            Role::Worker(name) => format!("worker:{name}"),
            Role::Front(_) => "front".to_owned(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Leader => f.write_str("leader"),
            Role::Worker(name) => write!(f, "worker:{name}"),
            Role::Front(verb) => write!(f, "front:{verb}"),
        }
    }
}

/// Where a process is to die. By name and time, not by a number over all points: what another process does meanwhile
/// changes the order of a process' steps more than their kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// Who.
    pub role: Role,
    /// At points of this name.
    pub name: String,
    /// The first time it comes to one, the second, and so on.
    pub time: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.role, self.name, self.time)
    }
}

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Report {
    /// For each role, how many points it was made to die at.
    pub died_at: BTreeMap<Role, u64>,
    /// The names of the points, and how many cases each was.
    pub names: BTreeMap<String, u64>,
    /// The cases in which the process did not come to the point: it has it in some tellings only.
    pub not_reached: Vec<String>,
    /// A sentence for each case that did not come to the good end.
    pub failures: Vec<String>,
}

/// What came of one case.
#[derive(Debug)]
struct Told {
    case: Case,
    /// Whether the process came to the point.
    died: bool,
    wrong: Vec<String>,
}

/// So many times it is told without a death, for every point that it can have.
const COUNTS: usize = 4;

/// Which cases to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cases {
    /// Every point of every role.
    All,
    /// For every role, one point of each name.
    OneOfAName,
    /// These.
    Only(Vec<Case>),
}

/// Tries the points, `jobs` at a time. Says on standard error what it does.
pub fn try_points(which: &Cases, jobs: usize) -> Outcome<Report> {
    let mut report = Report::default();
    let cases = match which {
        Cases::Only(cases) => cases.clone(),
        Cases::All | Cases::OneOfAName => counted(which)?,
    };
    for Told { case, died, wrong } in all(&cases, jobs) {
        let how = if died { "" } else { ", not reached" };
        report.failures.extend(wrong.into_iter().map(|wrong| format!("{case}{how}: {wrong}")));
        if died {
            *report.died_at.entry(case.role).or_default() += 1;
            *report.names.entry(case.name).or_default() += 1;
        } else {
            report.not_reached.push(case.to_string());
        }
    }
    Ok(report)
}

/// The cases there are, by stories without a death.
fn counted(which: &Cases) -> Outcome<Vec<Case>> {
    let mut most: BTreeMap<(Role, String), u64> = BTreeMap::new();
    for _ in 0..COUNTS {
        for (role, time, name) in story::count()? {
            let times = most.entry((role, name)).or_default();
            *times = (*times).max(time);
        }
    }
    let mut cases = Vec::new();
    for role in Role::ALL {
        let before = cases.len();
        for ((_, name), times) in most.iter().filter(|((of, _), _)| *of == role) {
            let times = match which {
                Cases::All | Cases::Only(_) => 1..=*times,
                Cases::OneOfAName => times.div_ceil(2)..=times.div_ceil(2),
            };
            cases.extend(times.map(|time| Case { role, name: name.clone(), time }));
        }
        match cases.len() - before {
            0 => return Err(format!("{role} passes no point: was this built with debug assertions?").into()),
            points => eprintln!("{role}: {points} points"),
        }
    }
    Ok(cases)
}

/// All cases, so many at a time.
fn all(cases: &[Case], jobs: usize) -> Vec<Told> {
    let next = AtomicUsize::new(0);
    let told = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = story::told_with(case.clone());
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.push(outcome);
                    if told.len().is_multiple_of(50) {
                        eprintln!("{} of {} cases", told.len(), cases.len());
                    }
                }
            });
        }
    });
    told.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The points in traces: for each process' word the times and names.
fn traced(paths: &[PathBuf]) -> Vec<(String, u64, String)> {
    let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap_or_default()).collect();
    let point = |line: &str| {
        let (role, rest) = line.split_once(' ')?;
        let (number, name) = rest.split_once(' ')?;
        Some((role.to_owned(), number.parse().ok()?, name.to_owned()))
    };
    text.lines().filter_map(point).collect()
}
