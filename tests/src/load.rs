//! The load: one team of very many workers, very many tasks that cost nothing, very many messages. Nothing may be lost,
//! and the leader's memory must not grow with what is over.

use std::process::ExitCode;
use std::time::Duration;

use crate::trial::Outcome;

pub(crate) mod leader;
mod memory;
mod old;
mod play;
mod report;

pub use memory::Footprint;
pub use report::Report;

/// What load is to be put on a team.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many workers take tasks.
    pub workers: usize,
    /// Tasks, by all of them together.
    pub tasks: usize,
    /// Messages, to all of them in turn.
    pub messages: usize,
    /// The size past which a log goes on in a new file: small, so that it happens under load.
    pub generation_bytes: u64,
    /// How long the idle team is watched afterwards.
    pub idle: Duration,
    /// The longest that all of the work may take.
    pub within: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            workers: 200,
            tasks: 10_000,
            messages: 10_000,
            generation_bytes: 1 << 20,
            idle: Duration::from_secs(10),
            within: Duration::from_secs(900),
        }
    }
}

/// Puts the load on a team. Blocks for as long as it takes; says on standard error how it goes.
pub fn run(settings: &Settings) -> Outcome<Report> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(play::play(settings))
}

/// What a leader and a worker have in memory on an empty board, and on one with so many tasks that are over.
pub fn young_and_old(tasks: usize) -> Outcome<(Footprint, Footprint)> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(old::compare(tasks))
}

const USAGE: &str = "\
usage: teamster-load [--workers N] [--tasks N] [--messages N]

Puts a load on one team (200 workers, 10000 tasks, 10000 messages if not given), checks that nothing was lost, and
prints what it took.

Exit code: 0 all is well, 1 something is wrong or broke, 2 usage.";

/// Runs what the command line of the process asks for.
pub fn main() -> ExitCode {
    let Some(settings) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&settings).and_then(|report| Ok((report, young_and_old(settings.tasks)?))) {
        Ok((report, (young, old))) => {
            print!("{report}");
            let (leader, worker) = old.growth_since(&young);
            println!("{:<26} leader {leader:.0} bytes, worker {worker:.0} bytes", "started on them, for each");
            if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Option<Settings> {
    let mut settings = Settings::default();
    while let Some(arg) = args.next() {
        let number = args.next()?.parse().ok().filter(|number| *number > 0)?;
        match arg.as_str() {
            "--workers" => settings.workers = number,
            "--tasks" => settings.tasks = number,
            "--messages" => settings.messages = number,
            _ => return None,
        }
    }
    Some(settings)
}
