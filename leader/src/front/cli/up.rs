//! `teamster up`.

use std::fs::OpenOptions;
use std::sync::{Arc, Mutex, PoisonError};

use teamster_protocol::host::signals::{EndSignal, EndSignals};
use teamster_protocol::wire::api::LeaderInfo;

use super::interrupt::unless_interrupted;
use super::{CliContext, CliError, ExitStatus, OutputShape, print};
use crate::ops::error::OpsError;
use crate::ops::up::{LeaderEnd, LeaderStart, ReadyLeader, lead, start_leader};

mod live;

use live::LiveTeam;

/// `teamster up`.
#[derive(Debug, clap::Args)]
pub struct UpArgs {
    /// Lead in the background; returns when the leader is ready
    #[arg(long, short)]
    pub detach: bool,
    /// This is the background process: it tells on standard output that it is ready, and leaves the terminal
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub in_background: bool,
}

pub(super) async fn up(context: &CliContext, args: UpArgs) -> Result<ExitStatus, CliError> {
    if args.detach {
        let ready = unless_interrupted(start_leader(&context.session)).await?;
        context.show(&ready, |ready| sentence(&ready.leader))?;
        return Ok(ExitStatus::Done);
    }
    let in_background = args.in_background;
    let asked = if in_background { LeaderStart::InBackground } else { LeaderStart::Asked };
    let start = asked.or_after_death();
    let live: Arc<Mutex<Option<LiveTeam>>> = Arc::default();
    let (told, begun) = (context.clone(), Arc::clone(&live));
    let announced = move |ready: ReadyLeader| {
        // A leader whose first words nobody hears leads all the same.
        if let Err(error) = announce(&told, &ready, in_background) {
            tracing::warn!("cannot say that the leader is ready: {error}");
        }
        if !in_background {
            *begun.lock().unwrap_or_else(PoisonError::into_inner) = LiveTeam::begin(&told);
        }
    };
    if in_background {
        return Ok(left(lead(&context.session, start, announced).await?));
    }
    let mut interrupts = EndSignals::catch(&[EndSignal::Interrupt])
        .map_err(|source| OpsError::Process { doing: "listen for Ctrl-C", source })?;
    let mut leading = std::pin::pin!(lead(&context.session, start, announced));
    let served = tokio::select! {
        led = &mut leading => led,
        // The leader hears of it by itself; here it is only said.
        _ = interrupts.next() => {
            match &*live.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(live) => live.say_ending(),
                None => {
                    print::end_echo();
                    print::note("ending once every turn is over; Ctrl-C again ends them now");
                }
            }
            leading.await
        }
    };
    if let Some(live) = live.lock().unwrap_or_else(PoisonError::into_inner).take() {
        live.end();
    }
    let served = served?;
    if served == LeaderEnd::Ended && context.shape == OutputShape::Text {
        print::say("the leader ended").map_err(CliError::Stdout)?;
    }
    Ok(left(served))
}

fn left(served: LeaderEnd) -> ExitStatus {
    match served {
        LeaderEnd::Ended => ExitStatus::Done,
        LeaderEnd::HandedOver => ExitStatus::HandedOver,
    }
}

/// Says that the leader is ready. In the background that is a line to whoever started it, and the last one.
fn announce(context: &CliContext, ready: &ReadyLeader, in_background: bool) -> Result<(), CliError> {
    let shape = if in_background { OutputShape::Json } else { context.shape };
    let context = CliContext { shape, ..context.clone() };
    context.show(ready, |ready| format!("{}; Ctrl-C ends it", sentence(&ready.leader)))?;
    if in_background {
        let null = OpenOptions::new().write(true).open("/dev/null").map_err(CliError::Stdout)?;
        nix::unistd::dup2_stdout(&null).map_err(|errno| CliError::Stdout(errno.into()))?;
    }
    Ok(())
}

pub(super) fn sentence(leader: &LeaderInfo) -> String {
    format!("leading team {} as process {}", print::paint(print::TextTone::Name, leader.team.as_str()), leader.pid)
}
