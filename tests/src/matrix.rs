//! The measured matrix: what each real agent does under a real team, in front of a model that follows a script. A cell of the
//! matrix is what was seen, and nobody writes one by hand.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

mod abilities;
mod agents;
mod ending;
mod stage;

pub use abilities::ABILITIES;
pub use agents::{AGENTS, AgentRow, MatrixPage};
use stage::Stage;

/// The wish that the command line expresses.
#[derive(Debug)]
struct MatrixSettings {
    /// The folder of the programs: `NAME-VERSION/bin` for each agent.
    programs: PathBuf,
    /// The folder that takes the logs.
    logs: PathBuf,
    /// The longest time that one agent may take.
    limit: Duration,
    /// The agents, each with its version.
    agents: Vec<(&'static AgentRow, String)>,
}

/// One agent's column of the matrix.
#[derive(Debug)]
struct MatrixColumn {
    head: String,
    cells: Vec<Result<String, String>>,
}

const USAGE: &str = "\
usage: teamster-matrix --programs DIR --logs DIR [--limit SECONDS] NAME-VERSION…

Runs each agent, whose program is DIR/NAME-VERSION/bin/NAME, through everything that an agent can do in a team, against a
model on loopback that follows a script. Prints the measured matrix as Markdown. scripts/agents.sh installs the programs.

Exit code: 0 each cell was measured, 1 one could not be, 2 usage. A signal takes down what runs, and prints no matrix.";

/// Runs what the command line of the process asks for.
pub fn main() -> ExitCode {
    let Some(settings) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Err(error) = ending::listen() {
        eprintln!("signals can not be caught: {error}");
        return ExitCode::FAILURE;
    }
    let columns = measure_all(&settings);
    if let Some(code) = ending::exit_code() {
        return ExitCode::from(code);
    }
    print!("{}", table(&columns));
    let failed = columns.iter().any(|column| column.cells.iter().any(Result::is_err));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The settings of a command line; nothing if it is not understood.
fn parse(mut args: impl Iterator<Item = String>) -> Option<MatrixSettings> {
    let (mut programs, mut logs, mut agents) = (None, None, Vec::new());
    let mut limit = Duration::from_secs(600);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--programs" => programs = Some(PathBuf::from(args.next()?)),
            "--logs" => logs = Some(PathBuf::from(args.next()?)),
            "--limit" => limit = Duration::from_secs(args.next()?.parse().ok()?),
            named => {
                let (name, version) = named.rsplit_once('-')?;
                agents.push((AGENTS.iter().find(|row| row.name == name)?, version.to_owned()));
            }
        }
    }
    if agents.is_empty() {
        return None;
    }
    Some(MatrixSettings { programs: programs?, logs: logs?, limit, agents })
}

/// How many agents are measured side by side: each mostly waits for its model, and takes up to half a gigabyte.
const AGENTS_AT_ONCE: usize = 2;

/// Measures the agents, a few at once.
fn measure_all(settings: &MatrixSettings) -> Vec<MatrixColumn> {
    settings.agents.chunks(AGENTS_AT_ONCE).flat_map(|some| measure_some(settings, some)).collect()
}

fn measure_some(settings: &MatrixSettings, agents: &[(&'static AgentRow, String)]) -> Vec<MatrixColumn> {
    thread::scope(|scope| {
        let one = |(row, version): &(&'static AgentRow, String)| {
            let version = version.clone();
            let row = *row;
            scope.spawn(move || measure(settings, row, &version))
        };
        let trials: Vec<_> = agents.iter().map(one).collect();
        trials.into_iter().map(|trial| trial.join().expect("a trial returns what went wrong")).collect()
    })
}

/// Takes one agent through all abilities. A member that a failed trial left in an unknown state is replaced.
fn measure(settings: &MatrixSettings, row: &'static AgentRow, version: &str) -> MatrixColumn {
    let logs = settings.logs.join(row.name);
    let bin = settings.programs.join(format!("{}-{version}", row.name)).join("bin");
    let head = format!("{} {version}", row.name);
    let mut stage = match Stage::new(row, &bin, &logs, settings.limit) {
        Ok(stage) => stage,
        Err(error) => {
            eprintln!("{head}: {error}");
            return MatrixColumn { head, cells: ABILITIES.iter().map(|_| Err(error.to_string())).collect() };
        }
    };
    let mut cells = Vec::new();
    for ability in ABILITIES {
        let begun = Instant::now();
        stage.note(&format!("== {}", ability.title));
        let cell = stage.member_at_hand().and_then(|()| (ability.see)(&mut stage));
        let cell = cell.map_err(|error| error.to_string());
        let shown = cell.as_ref().map_or_else(|error| format!("FAILED: {error}"), Clone::clone);
        let seconds = begun.elapsed().as_secs_f64();
        stage.note(&format!("== {}: {shown}", ability.title));
        eprintln!("{head}: {}: {shown} ({seconds:.1} s)", ability.title);
        if cell.is_err() && ending::exit_code().is_none() {
            stage.dismiss_member();
        }
        cells.push(cell.map_err(|_| format!("failed: see {}", stage.log().display())));
        if ending::exit_code().is_some() {
            break;
        }
    }
    MatrixColumn { head, cells }
}

/// The matrix as Markdown, with a row for each ability.
fn table(columns: &[MatrixColumn]) -> String {
    let heads: Vec<&str> = columns.iter().map(|column| column.head.as_str()).collect();
    let mut text = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(columns.len()));
    for (index, ability) in ABILITIES.iter().enumerate() {
        let cells = columns.iter().map(|column| match &column.cells[index] {
            Ok(seen) | Err(seen) => seen.replace('|', "/"),
        });
        text.push_str(&format!("| {} | {} |\n", ability.title, cells.collect::<Vec<_>>().join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_failed_names_its_log_and_bars_do_not_break_the_table() {
        let cells = |first: Result<String, String>| {
            let rest = ABILITIES.iter().skip(1).map(|_| Ok("a|b".to_owned()));
            std::iter::once(first).chain(rest).collect()
        };
        let column = MatrixColumn { head: "pi 1.0".to_owned(), cells: cells(Err("failed: see x".to_owned())) };
        let text = table(&[column]);
        assert!(text.starts_with("| | pi 1.0 |\n|---|---|\n"), "{text}");
        assert!(text.contains("| failed: see x |") && text.contains("| a/b |"), "{text}");
        assert_eq!(text.lines().count(), ABILITIES.len() + 2);
    }

    #[test]
    fn an_agent_that_nobody_knows_is_refused() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter();
        assert!(parse(words("--programs p --logs l pi-1.6.0")).is_some());
        assert!(parse(words("--programs p --logs l parrot-1.0.0")).is_none());
        assert!(parse(words("--programs p --logs l")).is_none());
    }
}
