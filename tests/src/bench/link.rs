//! The link to a worker: a call there and its answer back, beside as many bytes over two bare pipes.

use std::time::Instant;

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::receipt::ReceiptState;
use teamster_protocol::model::task::{CommandInput, TaskWork};
use teamster_protocol::wire::api::WorkerApiClient;

use super::Outcome;
use super::place::Place;
use super::raw::Pipe;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{Worker, block_on, within};

const BLOCKS: usize = 20;
const BLOCK: u64 = 200;
/// About what a ping is on the wire.
const MESSAGE_BYTES: usize = 56;

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("link")?;
    let name = place.enroll(&mut team, "alice", AutoClaim::On)?;
    let mut pipe = Pipe::new(MESSAGE_BYTES)?;
    let reads = TaskWork::Run { command: "cat >/dev/null".to_owned(), input: CommandInput::Open };
    block_on(async {
        let worker = Worker::start(place, team.dir(), &name).await?;
        worker.idle().await?;
        within(worker.peer.prompt(reads)).await??;
        let (mut ping, mut steer, mut bare) = (Samples::default(), Samples::default(), Vec::new());
        for block in 0..BLOCKS {
            let mut pipes = Samples::default();
            for _ in 0..BLOCK {
                pipe.round_trip(&mut pipes)?;
            }
            bare.push(pipes.p50());
            for nonce in 0..BLOCK {
                let begin = Instant::now();
                let back = within(worker.peer.ping(nonce)).await??;
                ping.push(begin.elapsed());
                if back != nonce {
                    return Err("a ping came back as another".into());
                }
            }
            for nth in 0..BLOCK / 4 {
                let begin = Instant::now();
                let steered = within(worker.peer.steer(format!("look at {block}.{nth} first"), None)).await??;
                steer.push(begin.elapsed());
                if steered.state != ReceiptState::Unconfirmed {
                    return Err("a running turn did not take a steer".into());
                }
            }
        }
        bare.sort_by(f64::total_cmp);
        within(worker.peer.abort("measured".to_owned())).await??;
        worker.kill().await?;
        let row = |what, figure: &Samples, more: &str| Row {
            what,
            figure: figure.p50(),
            limit: bare[0],
            limit_is: "raw pipe round trip",
            unit: Unit::Seconds,
            must: Must::TimesLimit(12.0),
            note: format!(
                "p50 of {}, p90 {:.0} µs, in turns with {BLOCKS} blocks of {BLOCK} raw ones, whose p50 was {:.1} to {:.1} \
                 µs: it depends on which processors the kernel takes, so the limit is the lowest{more}",
                figure.len(),
                figure.p90() * 1e6,
                bare[0] * 1e6,
                bare[bare.len() - 1] * 1e6,
            ),
        };
        Ok(vec![
            row("ping leader→worker→leader", &ping, ""),
            row(
                "steer leader→worker→leader",
                &steer,
                "; when it is answered, a steer is in the agent's stdin and in the transcript",
            ),
        ])
    })
}
