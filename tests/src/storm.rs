//! The kill storm: a real team at work, while warden, leader, workers and agents are killed at random, members are stopped,
//! steered, written to, shut down and spawned again. Afterwards nothing may be lost, done twice, or left.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use crate::trial::Outcome;

mod deeds;
mod play;
mod work;

/// What storm is to be made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of all that is left to chance.
    pub seed: u64,
    /// After so many kills it calms down.
    pub kills: u64,
    /// Or after this time.
    pub limit: Duration,
    /// How long the team may then take to finish its work.
    pub drained_within: Duration,
    /// How many members there are.
    pub members: usize,
    /// How many of them work in a worktree.
    pub worktrees: usize,
    /// How workers are kept in, as `TEAMSTER_ISOLATION` says it.
    pub isolation: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            kills: u64::MAX,
            limit: Duration::from_secs(60),
            drained_within: Duration::from_secs(120),
            members: 6,
            worktrees: 2,
            isolation: "auto".to_owned(),
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed it was made from.
    pub seed: u64,
    /// Signals sent, by what they hit.
    pub kills: BTreeMap<&'static str, u64>,
    /// Commands given, and how many were refused or lost their leader.
    pub deeds: BTreeMap<&'static str, (u64, u64)>,
    /// Tasks completed.
    pub tasks: usize,
    /// How often tasks were claimed.
    pub claims: u64,
    /// Messages to members, each read.
    pub mail: usize,
    /// Leaders that were seen.
    pub leaders: usize,
    /// How long it raged.
    pub raged: Duration,
    /// How long the team then took to finish its work.
    pub drained: Duration,
    /// Everything that is not as it was promised.
    pub wrong: Vec<String>,
}

impl Report {
    /// All signals sent.
    pub fn all_kills(&self) -> u64 {
        self.kills.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |(what, times): (&&str, &u64)| format!("{times} {what}");
        let kills: Vec<String> = self.kills.iter().map(of).collect();
        let deeds: Vec<String> =
            self.deeds.iter().map(|(what, (all, refused))| format!("{all} {what} ({refused} in vain)")).collect();
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "{} kills in {:.1} s: {}", self.all_kills(), self.raged.as_secs_f64(), kills.join(", "))?;
        writeln!(f, "commands: {}", deeds.join(", "))?;
        writeln!(f, "{} leaders, one after another", self.leaders)?;
        writeln!(f, "{} tasks completed, in {} attempts; {} messages read", self.tasks, self.claims, self.mail)?;
        writeln!(f, "then {:.1} s until all was done", self.drained.as_secs_f64())?;
        for wrong in &self.wrong {
            writeln!(f, "WRONG: {wrong}")?;
        }
        let well = match self.wrong.len() {
            0 => "each once, nothing lost, nothing left".to_owned(),
            wrong => format!("{wrong} things are WRONG"),
        };
        let (kills, seconds) = (self.all_kills(), self.raged.as_secs_f64());
        writeln!(f, "{kills} kills in {seconds:.0} s, {} tasks, {} messages: {well}", self.tasks, self.mail)
    }
}

/// Makes one storm. Blocks for as long as it takes; says on standard error how it goes.
pub fn run(settings: &Settings) -> Outcome<Report> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(play::play(settings))
}

const USAGE: &str = "\
usage: teamster-storm [MINUTES] [--kills N] [--seed N] [--members N] [--isolation WORD]

Kills warden, leader, workers and agents of a team at work, at random, for so many minutes (1 if not given) or so many kills,
and checks afterwards that nothing was lost, done twice, or left. Prints the seed and the figures.

Exit code: 0 all is well, 1 something is wrong or broke, 2 usage.";

/// Runs what the command line of the process asks for.
pub fn main() -> ExitCode {
    if std::env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(settings) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    eprintln!("seed {}", settings.seed);
    match run(&settings) {
        Ok(report) => {
            print!("{report}");
            if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for; `None` if that is not understood.
fn parse(mut args: impl Iterator<Item = String>) -> Option<Settings> {
    let seed = teamster_protocol::host::clock::now_ms();
    let mut settings = Settings { seed, drained_within: Duration::from_secs(300), ..Settings::default() };
    let mut minutes = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--kills" => settings.kills = args.next()?.parse().ok()?,
            "--seed" => settings.seed = args.next()?.parse().ok()?,
            "--members" => settings.members = args.next()?.parse().ok().filter(|members| *members > 0)?,
            "--isolation" => settings.isolation = args.next()?,
            given => minutes = Some(given.parse::<f64>().ok().filter(|minutes| *minutes > 0.0)?),
        }
    }
    settings.worktrees = settings.worktrees.min(settings.members);
    // With a number of kills and no time it takes as long as that takes.
    let minutes = minutes.unwrap_or(if settings.kills == u64::MAX { 1.0 } else { 24.0 * 60.0 });
    settings.limit = Duration::from_secs_f64(minutes * 60.0);
    Some(settings)
}
