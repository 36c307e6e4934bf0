//! Crash points: the same small story of a team, once for each point at which a process can die, and each time it has
//! to come to the same good end. Then once for each point that is there only because somebody died, at which a second
//! one dies: what mends may be cut short as well. See `teamster_protocol::host::crash` for what a point is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::trial::Outcome;

mod case;
mod story;
mod trace;

pub use case::{Case, Engine, Point, Role};

use trace::{Life, Passed};

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Report {
    /// How often each died, by engine, role and whether it was the first of the story or the second.
    pub died: BTreeMap<(Engine, Nth, Role), u64>,
    /// The names of the points at which somebody died, and how often.
    pub names: BTreeMap<String, u64>,
    /// The cases in which a process did not come to its point, however often the story was told: it has it in few
    /// tellings only.
    pub not_reached: Vec<String>,
    /// Second deaths for which there is no place: whoever died first did not come to that point again.
    pub no_place: Vec<String>,
    /// A sentence for each case that did not come to the good end.
    pub failures: Vec<String>,
    /// How many stories were told with a death.
    pub stories: u64,
    /// How long all took.
    pub took: Duration,
}

/// Which death of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nth {
    /// Of a team that was well.
    First,
    /// Of one that mends what the first has left.
    Second,
}

impl Report {
    /// All deaths of that kind.
    pub fn deaths(&self, nth: Nth) -> u64 {
        self.died.iter().filter(|((_, of, _), _)| *of == nth).map(|(_, times)| times).sum()
    }

    fn take(&mut self, told: &Told) {
        let Told { case, died, wrong, tellings, .. } = told;
        self.stories += tellings;
        let how = if told.is_reached() { "" } else { ", not reached" };
        self.failures.extend(wrong.iter().map(|wrong| format!("{case}{how}: {wrong}")));
        for (point, nth) in case.deaths().zip([Nth::First, Nth::Second]).take(*died) {
            *self.died.entry((case.engine, nth, point.role)).or_default() += 1;
            *self.names.entry(point.name.clone()).or_default() += 1;
        }
        if !told.is_reached() {
            self.not_reached.push(case.to_string());
        }
    }

    /// What every telling without a death comes to, one with a death has to come to as well.
    fn miss(&mut self, told: &Told, usual: &Usual) {
        if told.died == 0 && usual.has_always(&told.case.first) {
            let Told { case, tellings, .. } = told;
            self.failures.push(format!("{case}: not reached in {tellings} tellings; without a death each comes to it"));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, times) in &self.names {
            writeln!(f, "{times:5} {name}")?;
        }
        for engine in Engine::ALL {
            for nth in [Nth::First, Nth::Second] {
                let of = self.died.iter().filter(|((by, of, _), _)| (*by, *of) == (engine, nth));
                let died: Vec<String> = of.map(|((_, _, role), times)| format!("{role} {times}")).collect();
                let nth = if nth == Nth::First { "first" } else { "second" };
                writeln!(f, "{engine}, {nth} deaths: {}", died.join(", "))?;
            }
        }
        writeln!(
            f,
            "{} not reached, however often they were told: {}",
            self.not_reached.len(),
            self.not_reached.join(" | ")
        )?;
        writeln!(f, "{} second deaths without a place: {}", self.no_place.len(), self.no_place.join(" | "))?;
        for failure in &self.failures {
            writeln!(f, "WRONG: {failure}")?;
        }
        let (first, second) = (self.deaths(Nth::First), self.deaths(Nth::Second));
        write!(
            f,
            "{first} first and {second} second deaths at points of {} names, in {} stories, {:.0} s: {} not reached, {} went wrong",
            self.names.len(),
            self.stories,
            self.took.as_secs_f64(),
            self.not_reached.len(),
            self.failures.len()
        )
    }
}

/// What came of one case.
#[derive(Debug)]
struct Told {
    case: Case,
    /// How many of its deaths there were.
    died: usize,
    wrong: Vec<String>,
    /// What each role passed, in its order.
    passed: Vec<Passed>,
    /// How often the story was told for it.
    tellings: u64,
}

impl Told {
    fn is_reached(&self) -> bool {
        self.died == self.case.deaths().count()
    }
}

/// What is passed without a death.
#[derive(Debug, Default)]
struct Usual {
    /// How often that was told.
    tellings: usize,
    /// In how many of these a point was come to.
    told: BTreeMap<Point, usize>,
    /// For each role and name of a point, how often in one life.
    times: BTreeMap<(Role, String), u64>,
    /// The name of what the same role comes to after a point.
    next: BTreeMap<Point, String>,
}

impl Usual {
    fn has_always(&self, point: &Point) -> bool {
        self.told.get(point).is_some_and(|times| *times == self.tellings)
    }
}

/// So many times a story is told for a case: what others do meanwhile decides whether a process comes to its point, such as
/// who takes the next task, or whose append is the one that makes a log too long.
const TELLINGS_MAX: u64 = 6;
/// The same in a test run, which is to be short.
const TELLINGS_OF_A_NAME_MAX: u64 = 2;
/// So many times it is told without a death, for every point that it can have.
const COUNTS: usize = 4;
/// After one first death of each role it dies again at each point of its next life up to this one.
const BEGINNING_POINTS: u64 = 40;

/// Which cases to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cases {
    /// Every point of every role, and after each of them every second death that is tried; or a part of these points.
    All(CasePart),
    /// For every role, one point of each name, and one way to each point that is there only after a death.
    OneOfAName,
    /// The cases that somebody named, such as those of an earlier run.
    Only(Vec<Case>),
}

/// A part of all first points, with the second deaths that belong to them: so that all can be told in several sittings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CasePart {
    /// The number of the part, from 1.
    number: usize,
    /// How many there are.
    of: usize,
}

impl CasePart {
    /// All in one.
    pub const WHOLE: CasePart = CasePart { number: 1, of: 1 };

    /// Every so manieth, so that each part has some of each kind.
    fn has(self, nth: usize) -> bool {
        nth % self.of == self.number - 1
    }
}

impl FromStr for CasePart {
    type Err = String;

    fn from_str(text: &str) -> Result<CasePart, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((number, of)) if (1..=of).contains(&number) => Ok(CasePart { number, of }),
            Some(_) | None => Err(format!("{text:?} is no part: write 2/4 for the second of four")),
        }
    }
}

impl Cases {
    fn is_all(&self) -> bool {
        match self {
            Cases::All(_) => true,
            Cases::OneOfAName | Cases::Only(_) => false,
        }
    }

    fn tellings_max(&self) -> u64 {
        match self {
            Cases::All(_) | Cases::Only(_) => TELLINGS_MAX,
            Cases::OneOfAName => TELLINGS_OF_A_NAME_MAX,
        }
    }
}

/// Tries the points, `jobs` at a time. Says on standard error what it does.
pub fn try_points(which: &Cases, jobs: usize) -> Outcome<Report> {
    let (mut report, begun) = (Report::default(), Instant::now());
    let all = |cases: &[Case]| all(cases, jobs, which.tellings_max(), story::told_with);
    if let Cases::Only(cases) = which {
        all(cases).iter().for_each(|told| report.take(told));
    } else {
        for engine in Engine::ALL {
            let usual = counted(engine)?;
            let first = all(&firsts(which, engine, &usual)?);
            let Seconds { cases, no_place } = seconds(which, &usual, &first);
            let second = all(&cases);
            first.iter().chain(&second).for_each(|told| report.take(told));
            report.no_place.extend(no_place.iter().map(Case::to_string));
            // Of the few of a test run none is to fail once in a thousand for being told while the machine does much else.
            if which.is_all() {
                first.iter().for_each(|told| report.miss(told, &usual));
            }
        }
    }
    report.took = begun.elapsed();
    Ok(report)
}

/// The points there are, by stories without a death.
fn counted(engine: Engine) -> Outcome<Usual> {
    let mut usual = Usual::default();
    for _ in 0..COUNTS {
        let passed = story::count(engine)?;
        usual.tellings += 1;
        for point in passed.iter().collect::<BTreeSet<_>>() {
            *usual.told.entry(point.clone()).or_default() += 1;
        }
        for Point { role, name, time } in &passed {
            let times = usual.times.entry((*role, name.clone())).or_default();
            *times = (*times).max(*time);
        }
        for pair in passed.windows(2).filter(|pair| pair[0].role == pair[1].role) {
            usual.next.insert(pair[0].clone(), pair[1].name.clone());
        }
    }
    Ok(usual)
}

/// One death each.
fn firsts(which: &Cases, engine: Engine, usual: &Usual) -> Outcome<Vec<Case>> {
    let mut cases = Vec::new();
    for role in engine.roles() {
        let before = cases.len();
        for ((_, name), times) in usual.times.iter().filter(|((of, _), _)| of == role) {
            let times = match which {
                Cases::All(_) | Cases::Only(_) => 1..=*times,
                Cases::OneOfAName => times.div_ceil(2)..=times.div_ceil(2),
            };
            cases.extend(times.map(|time| Case {
                engine,
                first: Point { role: *role, name: name.clone(), time },
                second: None,
            }));
        }
        match cases.len() - before {
            0 => return Err(format!("{role} passes no point: was this built with debug assertions?").into()),
            points => eprintln!("{engine}, {role}: {points} points"),
        }
    }
    if let Cases::All(part) = which {
        let mut nth = 0..;
        cases.retain(|_| nth.next().is_some_and(|nth| part.has(nth)));
    }
    Ok(cases)
}

/// The second deaths that are tried, and those that can not be.
#[derive(Debug, Default)]
struct Seconds {
    cases: Vec<Case>,
    no_place: Vec<Case>,
}

/// A second death after each first one that was told: at every point that no story has without a death; and of who died,
/// at the beginning of its next life, where it died before, and one point further, if it comes there again: a worker
/// that dies while it ends has no next life.
fn seconds(which: &Cases, usual: &Usual, told: &[Told]) -> Seconds {
    let mut seconds = Seconds::default();
    let mut seen = BTreeSet::new();
    for told in told.iter().filter(|told| told.died == 1) {
        let first = &told.case.first;
        let mut of_this = BTreeSet::new();
        for Passed { point, .. } in told.passed.iter().filter(|passed| passed.life != Life::Well) {
            let kind = (point.role, point.name.clone());
            let is_news = point.time == 1 && !usual.times.contains_key(&kind);
            if is_news && (which.is_all() || seen.insert(kind)) {
                of_this.insert(point.clone());
            }
        }
        let again = |name: &str, time| Point { role: first.role, name: name.to_owned(), time };
        let is_first_of_role = seen.insert((first.role, Point::ANY.to_owned()));
        if which.is_all() || is_first_of_role {
            of_this.extend([again(Point::ANY, 1), again(&first.name, 1)]);
            of_this.extend(usual.next.get(first).map(|next| again(next, 1)));
        }
        if which.is_all() && is_first_of_role {
            let points = usual.times.iter().filter(|((of, _), _)| *of == first.role).map(|(_, times)| times).sum();
            of_this.extend((1..=BEGINNING_POINTS.min(points)).map(|time| again(Point::ANY, time)));
        }
        for second in of_this {
            let is_there = told.has_after_a_death(&second);
            let case = Case { second: Some(second), ..told.case.clone() };
            if is_there { seconds.cases.push(case) } else { seconds.no_place.push(case) }
        }
    }
    eprintln!("{} second deaths, and {} without a place", seconds.cases.len(), seconds.no_place.len());
    seconds
}

impl Told {
    /// Whether a second process could have died there.
    fn has_after_a_death(&self, second: &Point) -> bool {
        self.passed.iter().any(|passed| match passed.life {
            Life::Well => false,
            Life::Next if second.name == Point::ANY => passed.point.role == second.role && passed.nth == second.time,
            Life::GoingOn | Life::Next => passed.point == *second,
        })
    }
}

/// All cases, so many at a time. A story in which a process does not come to its point is told again.
fn all(cases: &[Case], jobs: usize, tellings_max: u64, tell: impl Fn(&Case) -> Told + Sync) -> Vec<Told> {
    let next = AtomicUsize::new(0);
    let told = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = until_reached(case, tellings_max, &tell);
                    outcome.wrong.iter().for_each(|wrong| eprintln!("WRONG: {case}: {wrong}"));
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.push(outcome);
                    if told.len().is_multiple_of(50) {
                        eprintln!("{} of {} cases", told.len(), cases.len());
                    }
                }
            });
        }
    });
    let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    told.sort_by(|one, other| one.case.cmp(&other.case));
    told
}

/// What came of the telling in which all died, or in which something went wrong, or else of the last one.
fn until_reached(case: &Case, tellings_max: u64, tell: impl Fn(&Case) -> Told) -> Told {
    let mut tellings = 0;
    loop {
        let told = tell(case);
        tellings += told.tellings;
        if told.is_reached() || !told.wrong.is_empty() || tellings >= tellings_max {
            return Told { tellings, ..told };
        }
    }
}

#[cfg(test)]
mod tests;
