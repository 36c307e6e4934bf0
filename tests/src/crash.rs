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

/// Where a process is to die: at its point of this number, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// Who.
    pub role: Role,
    /// At which point.
    pub number: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.role, self.number)
    }
}

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Report {
    /// For each role, how many points it was made to die at.
    pub died_at: BTreeMap<Role, u64>,
    /// The names of the points, and how many cases each was.
    pub names: BTreeMap<String, u64>,
    /// A sentence for each case that did not come to the good end.
    pub failures: Vec<String>,
}

/// What came of one case.
#[derive(Debug)]
struct Told {
    case: Case,
    /// The name of the point, if the process came to it.
    died_at: Option<String>,
    wrong: Vec<String>,
}

/// Beyond the points that the story had without a death, so many are tried: a run may have a few more.
const BEYOND: u64 = 4;

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
    let mut cases = match which {
        Cases::Only(cases) => cases.clone(),
        Cases::All | Cases::OneOfAName => counted(which)?,
    };
    while !cases.is_empty() {
        let told = all(&cases, jobs);
        let mut last = BTreeMap::new();
        for Told { case, died_at, wrong } in told {
            if let Some(name) = &died_at {
                *report.died_at.entry(case.role).or_default() += 1;
                *report.names.entry(name.clone()).or_default() += 1;
            }
            let name = died_at.as_deref().unwrap_or("not reached").to_owned();
            report.failures.extend(wrong.into_iter().map(|wrong| format!("{case} ({name}): {wrong}")));
            let seen: &mut (u64, bool) = last.entry(case.role).or_default();
            *seen = (*seen).max((case.number, died_at.is_some()));
        }
        // A run that got further than the counted one: go on until none does.
        let further = |(role, (number, died)): (Role, (u64, bool))| {
            let more = if died && *which == Cases::All { BEYOND } else { 0 };
            (1..=more).map(move |beyond| Case { role, number: number + beyond })
        };
        cases = last.into_iter().flat_map(further).collect();
    }
    Ok(report)
}

/// The cases there are, by a story without a death.
fn counted(which: &Cases) -> Outcome<Vec<Case>> {
    let mut cases = Vec::new();
    for (role, points) in story::count()? {
        let last = points.iter().map(|(number, _)| *number).max().unwrap_or(0);
        if last == 0 {
            return Err(format!("{role} passes no point: was this built with debug assertions?").into());
        }
        eprintln!("{role}: {last} points");
        let mut names: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (number, name) in &points {
            names.entry(name).or_default().push(*number);
        }
        let numbers: Vec<u64> = match which {
            Cases::All | Cases::Only(_) => (1..=last + BEYOND).collect(),
            Cases::OneOfAName => names.values().map(|numbers| numbers[numbers.len() / 2]).collect(),
        };
        cases.extend(numbers.into_iter().map(|number| Case { role, number }));
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
                    let outcome = story::told_with(*case);
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

/// The points in traces: for each process' word the numbers and names.
fn traced(paths: &[PathBuf]) -> Vec<(String, u64, String)> {
    let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap_or_default()).collect();
    let point = |line: &str| {
        let (role, rest) = line.split_once(' ')?;
        let (number, name) = rest.split_once(' ')?;
        Some((role.to_owned(), number.parse().ok()?, name.to_owned()))
    };
    text.lines().filter_map(point).collect()
}
