//! The benchmark: what Teamster costs, each figure beside the limit that the machine sets, measured in the same run
//! and, where it is noisy, in turns with it. A figure alone says more about the machine than about the program.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

mod asleep;
mod board;
mod child;
mod claims;
mod commands;
mod drain;
pub(crate) mod idle;
mod link;
mod machine;
mod mail;
mod pi;
mod place;
mod raw;
mod samples;
mod spawn;
mod streams;
mod table;
mod text;
mod turn;
mod worker;

use place::Place;
use table::Row;

/// What a part of the benchmark gives, or why it broke.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
usage: teamster-bench [--json] [--only WORD]...

Prints each figure beside its limit, measured in the same run, and whether what it must reach was reached.

  --json       one JSON object instead of the table
  --only WORD  only the parts whose name contains WORD

The parts: claim-complete, claims, latency, ping, mail, spawn, commands, idle, drain, turn, text, streams, asleep.
Files go beside this program, so that syncing meets a real disk. TEAMSTER_WORKER names another worker program.
Exit code: 0 also where a target was missed, 1 if something broke, 2 usage.";

/// A part of the benchmark: its name, and what it measures.
type Part = (&'static str, fn(&Place) -> Outcome<Vec<Row>>);

/// In the order of the table.
const PARTS: &[Part] = &[
    ("ping", link::rows),
    ("mail", mail::rows),
    ("claim-complete", board::claim_complete),
    ("claims", claims::rows),
    ("latency", board::latency),
    ("spawn", spawn::rows),
    ("commands", commands::rows),
    ("idle", idle::rows),
    ("drain", drain::rows),
    ("turn", turn::rows),
    ("text", text::rows),
    ("streams", streams::rows),
    ("asleep", asleep::rows),
];

/// Runs what the command line of the process asks for; prints the table on standard output.
pub fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == child::MARK) {
        return ended(child::run(&args.split_off(1)));
    }
    let (mut json, mut only) = (false, Vec::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.len()) {
            ("--json", _) => json = true,
            ("--only", 1..) => only.extend(args.next()),
            ("--help" | "-h", _) => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    ended(run(json, &only))
}

fn run(json: bool, only: &[String]) -> Outcome<()> {
    let place = Place::new(beside()?)?;
    let before = machine::look();
    let mut rows = Vec::new();
    for (name, part) in PARTS {
        if only.is_empty() || only.iter().any(|word| name.contains(word.as_str())) {
            eprintln!("measuring {name} …");
            rows.extend(part(&place).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    let report = table::Report { machine: before, load_after: machine::load(), rows };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

fn ended(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The directory of this program.
fn beside() -> Outcome<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.pop();
    Ok(path)
}
