//! A worker that waits to be told whose it is, with its groundwork done.

use std::io;
use std::iter::once;

use clap::Parser;
use nix::unistd;
use teamster_protocol::host::process::command_line::show_command_line;
use teamster_protocol::host::stderr_log;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::Address;
use teamster_protocol::wire::spare::read_order;

use super::args::{SpareArgs, WorkerArgs};
use super::start::{Groundwork, StartError, team_dir};
use super::{LeaderStreams, begin_as};

/// The program as it is named in what it says of its arguments.
const PROGRAM: &str = "teamster-worker";

/// A spare worker that was told whose it is.
pub(super) struct Ordered {
    pub(super) args: WorkerArgs,
    pub(super) ground: Groundwork,
    pub(super) leader: LeaderStreams,
}

/// Waits for the order. Returns nothing if the leader lets it go without one, or a signal ends it.
pub(super) async fn stand_by(spare: SpareArgs) -> Result<Option<Ordered>, StartError> {
    let mut ground = Groundwork::lay(TeamDir::new(spare.root.clone(), spare.team.clone()))?;
    // Whatever was done once is done sooner the second time: the code for it is in memory.
    drop(understood(["--team".to_owned(), spare.team.to_string(), "--name".to_owned(), "nobody".to_owned()]));
    let LeaderStreams { read, write } = LeaderStreams::open()?;
    let ordered = tokio::select! {
        ordered = read_order(read) => ordered.map_err(StartError::system("read the order of a spare worker"))?,
        () = ground.told_to_end() => None,
    };
    let Some((given, read)) = ordered else { return Ok(None) };
    let args = understood(given)?;
    begin_as(&args);
    if team_dir(&args)?.path() != ground.dir().path() {
        let other = io::Error::other(format!("it is for team {}", args.team));
        return Err(StartError::system("follow the order of a spare worker")(other));
    }
    speak_as(&args, ground.dir())?;
    Ok(Some(Ordered { args, ground, leader: LeaderStreams { read, write } }))
}

fn understood(given: impl IntoIterator<Item = String>) -> Result<WorkerArgs, StartError> {
    WorkerArgs::try_parse_from(once(PROGRAM.to_owned()).chain(given))
        .map_err(|error| StartError::system("understand the order of a spare worker")(io::Error::other(error)))
}

/// What this process says from now on goes into the log of its member, and `ps` shows whose worker it is. The outer half of its
/// cell is shown as `teamster-cell` all along.
fn speak_as(args: &WorkerArgs, dir: &TeamDir) -> Result<(), StartError> {
    let path = dir.log_of(&Address::Member(args.name.clone()));
    let log = stderr_log::open(&path).map_err(StartError::system("open its log"))?;
    unistd::dup2_stderr(&log).map_err(|error| StartError::system("write into its log")(error.into()))?;
    stderr_log::is_mine(path);
    if let Err(error) = show_command_line(&[PROGRAM, "--name", args.name.as_str(), "--team", args.team.as_str()]) {
        tracing::debug!("its command line is still that of a spare worker: {error}");
    }
    Ok(())
}
