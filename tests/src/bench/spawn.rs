//! From the decision to spawn a worker until it is ready, beside spawning `true` and waiting for its end.

use std::time::Instant;

use teamster_protocol::model::board::AutoClaim;

use super::Outcome;
use super::place::Place;
use super::raw;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{Worker, block_on};

const SPAWNS: u32 = 60;

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("spawn")?;
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    block_on(async {
        for nth in 0..SPAWNS {
            let name = place.enroll(&mut team, &format!("member-{nth}"), AutoClaim::On)?;
            for _ in 0..3 {
                raw::spawn_true(&mut bare)?;
            }
            let begin = Instant::now();
            let worker = Worker::start(place, team.dir(), &name).await?;
            ours.push(begin.elapsed());
            worker.kill().await?;
        }
        Ok(())
    })?;
    Ok(vec![Row {
        what: "spawn to ready (worker, shell agent)",
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "spawning `true`",
        unit: Unit::Seconds,
        must: Must::TimesLimit(3.0),
        note: format!(
            "p50 of {} and of {} in turns; p90 {:.2} ms against {:.2} ms; ready is the answer to `initialize`",
            ours.len(),
            bare.len(),
            ours.p90() * 1e3,
            bare.p90() * 1e3
        ),
    }])
}
