//! The program: reads its arguments, runs one worker, and says in its exit code how that ended.

use std::process::exit;

use clap::Parser;
use teamster_protocol::host::settings;
use teamster_protocol::host::shortage::{self, is_shortage};
use teamster_protocol::host::stderr_log::StderrLines;
use teamster_protocol::model::roster::ProbeAnswer;
use teamster_protocol::wire::spare::SPARE;
use teamster_worker::cell;
use teamster_worker::life::args::{PROBE, SpareArgs, WorkerArgs};
use teamster_worker::life::{self, aside};
use tracing::level_filters::LevelFilter;

/// What this process was started as.
enum Given {
    Member(WorkerArgs),
    Spare(SpareArgs),
}

fn main() {
    // First of all: it makes two of this process, and what is not there yet needs no copy.
    let cell = settings::isolation().map_err(Into::into).and_then(cell::enter).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        exit(error.exit_code());
    });
    if std::env::args_os().nth(1).is_some_and(|asked| asked == PROBE) {
        let probed = ProbeAnswer { isolation: cell.isolation, refused: cell.refused };
        println!("{}", serde_json::to_string(&probed).expect("words can be written"));
        exit(0);
    }
    let is_spare = std::env::args_os().nth(1).is_some_and(|asked| asked == SPARE);
    let args = if is_spare { Given::Spare(SpareArgs::parse()) } else { Given::Member(WorkerArgs::parse()) };
    log_to_stderr();
    tracing::debug!(isolation = ?cell.isolation, refused = cell.refused, "what keeps in the processes it starts");
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            aside(format_args!("error: cannot start: {error}"));
            exit(if is_shortage(&error) { shortage::EXIT_CODE } else { 1 });
        }
    };
    let ended = runtime.block_on(async {
        match args {
            Given::Member(args) => life::run(args, cell.isolation).await,
            Given::Spare(args) => life::run_spare(args, cell.isolation).await,
        }
    });
    let code = ended.unwrap_or_else(|error| {
        aside(format_args!("error: {error}"));
        error.exit_code()
    });
    // Not by returning: a blocking read of standard input would hold the runtime until a line comes.
    exit(code);
}

/// Never to standard output, which is the wire. A plain level instead of a filter language saves start-up time
/// and memory.
fn log_to_stderr() {
    // What is not understood is refused as soon as the settings are read.
    let shown = settings::log_level().unwrap_or(None).unwrap_or(LevelFilter::WARN);
    let listener = tracing_subscriber::fmt().with_max_level(shown).with_writer(|| StderrLines).with_ansi(false);
    // Standard error lies on the disk that may be full, and to complain of that there would be a panic.
    listener.log_internal_errors(false).init();
}
