//! `up`: leads the team in this process, or starts one that does.

use std::fs::OpenOptions;

use serde::Serialize;
use teamster_protocol::host::process::Identity;
use teamster_protocol::host::stderr_log;
use teamster_protocol::model::id::Address;
use teamster_protocol::wire::api::{LeaderApiClient, LeaderInfo};
use tokio::signal::unix::{SignalKind, signal};

use super::interrupt::unless_interrupted;
use super::{Context, Exit, FrontError, Shape, founding_dir, link};
use crate::api;
use crate::core::DeadBefore;
use crate::daemon::{ServeOptions, Served, Signals};
use crate::front::cli::args::UpArgs;
use crate::front::cli::print;
use crate::warden;

/// Printed by `up` when the leader is ready: `{"leader":{"team":…,"pid":…,"since_ms":…,"protocol":…,"version":…}}`.
#[derive(Debug, Serialize)]
struct Up<'a> {
    leader: &'a LeaderInfo,
}

pub(super) async fn up(context: &Context, args: &UpArgs) -> Result<Exit, FrontError> {
    if args.detach {
        return detach(context).await;
    }
    let in_background = args.in_background;
    let after = warden::after();
    if in_background || after.is_some() {
        // Whoever started it made the team, or the leader before it did. If it is gone, nobody is left to lead.
        context.must_exist()?;
    }
    let told = context.clone();
    let announced = move |leader: &LeaderInfo| {
        // A leader whose first words nobody hears leads all the same.
        if let Err(error) = announce(&told, leader, in_background) {
            tracing::warn!("cannot say that the leader is ready: {error}");
        }
    };
    if in_background {
        return Ok(left(lead(context, after, announced).await?));
    }
    let mut interrupts =
        signal(SignalKind::interrupt()).map_err(|source| FrontError::Process { doing: "listen for Ctrl-C", source })?;
    let mut leading = std::pin::pin!(lead(context, after, announced));
    let served = tokio::select! {
        led = &mut leading => led?,
        // The leader hears of it by itself; here it is only said.
        _ = interrupts.recv() => {
            print::note("ending once every turn is over; Ctrl-C again ends them now");
            leading.await?
        }
    };
    if served == Served::Ended && context.shape == Shape::Text {
        print::say("the leader ended").map_err(FrontError::Stdout)?;
    }
    Ok(left(served))
}

fn left(served: Served) -> Exit {
    match served {
        Served::Ended => Exit::Done,
        Served::HandedOver => Exit::HandedOver,
    }
}

/// Leads until it is told to end; calls `ready` once, when the socket takes calls.
async fn lead(
    context: &Context,
    after: Option<Identity>,
    ready: impl FnOnce(&LeaderInfo) + Send + 'static,
) -> Result<Served, FrontError> {
    stderr_log::is_mine(context.dir.log_of(&Address::Lead));
    let options = ServeOptions {
        dir: context.dir.clone(),
        founded_for: founding_dir(&context.here)?,
        settings: context.settings,
        signals: Signals::End,
        dead_before: DeadBefore::StartAgain,
        after,
        on_ready: Box::new(ready),
    };
    Ok(api::lead(options).await?)
}

/// Printed by `restart-leader`: the leader that leads now, and the process that did before.
#[derive(Debug, Serialize)]
struct Restarted<'a> {
    leader: &'a LeaderInfo,
    before: u32,
}

/// Ends the leader and no worker, and waits for the one that its warden starts: of the program as it is installed now.
pub(super) async fn restart(context: &Context) -> Result<Exit, FrontError> {
    context.must_exist()?;
    let (before, leader) = unless_interrupted(async {
        let (peer, before) = link::connect(context).await?;
        peer.hand_over().await?;
        peer.closed().await;
        loop {
            let (_, leader) = link::join(context).await?;
            if leader.pid != before.pid {
                return Ok((before.pid, leader));
            }
        }
    })
    .await?;
    context.show(&Restarted { leader: &leader, before }, |restarted| {
        format!("{}, after process {}; every worker went on", sentence(restarted.leader), restarted.before)
    })?;
    Ok(Exit::Done)
}

async fn detach(context: &Context) -> Result<Exit, FrontError> {
    match link::connect(context).await {
        Err(FrontError::NoLeader { .. }) => {}
        Err(error) => return Err(error),
        Ok((_, leader)) => {
            return Err(FrontError::refused(
                format!("team {} has a leader already (process {})", leader.team, leader.pid),
                "see teamster status; end it with teamster down",
            ));
        }
    }
    let (_, leader) = unless_interrupted(link::start(context)).await?;
    context.show(&Up { leader: &leader }, |up| sentence(up.leader))?;
    Ok(Exit::Done)
}

/// Says that the leader is ready. In the background that is a line to whoever started it, and the last one.
fn announce(context: &Context, leader: &LeaderInfo, in_background: bool) -> Result<(), FrontError> {
    let shape = if in_background { Shape::Json } else { context.shape };
    let context = Context { shape, ..context.clone() };
    context.show(&Up { leader }, |up| format!("{}; Ctrl-C ends it", sentence(up.leader)))?;
    if in_background {
        let null = OpenOptions::new().write(true).open("/dev/null").map_err(FrontError::Stdout)?;
        nix::unistd::dup2_stdout(&null).map_err(|errno| FrontError::Stdout(errno.into()))?;
    }
    Ok(())
}

fn sentence(leader: &LeaderInfo) -> String {
    format!("leading team {} as process {}", print::paint(print::Tone::Name, leader.team.as_str()), leader.pid)
}
