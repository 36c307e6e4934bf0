//! From the decision to spawn a worker until it is ready, beside spawning `true` and waiting for its end: with the spare worker
//! that a leader keeps, and without one, as for its first member.

use std::time::Instant;

use teamster_protocol::model::board::AutoClaim;

use super::Outcome;
use super::place::Place;
use super::raw;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{Spare, Worker, block_on};

const SPAWNS: u32 = 30;

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("spawn")?;
    let (mut spare, mut anew, mut bare) = (Samples::default(), Samples::default(), Samples::default());
    block_on(async {
        for nth in 0..SPAWNS {
            let name = place.enroll(&mut team, &format!("member-{nth}"), AutoClaim::On)?;
            let next = place.enroll(&mut team, &format!("other-{nth}"), AutoClaim::On)?;
            for _ in 0..3 {
                raw::spawn_true(&mut bare)?;
            }
            let begin = Instant::now();
            let worker = Worker::start(place, team.dir(), &name).await?;
            anew.push(begin.elapsed());
            worker.kill().await?;
            let waiting = Spare::start(place, team.dir()).await?;
            let begin = Instant::now();
            let worker = waiting.become_worker(team.dir(), &next).await?;
            spare.push(begin.elapsed());
            worker.kill().await?;
        }
        Ok(())
    })?;
    let row = |what, ours: &Samples, must, note: &str| Row {
        what,
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "spawning `true`",
        unit: Unit::Seconds,
        must,
        note: format!(
            "p50 of {} and of {} in turns; p90 {:.2} ms against {:.2} ms; {note}",
            ours.len(),
            bare.len(),
            ours.p90() * 1e3,
            bare.p90() * 1e3
        ),
    };
    Ok(vec![
        row(
            "spawn to ready (worker, shell agent)",
            &spare,
            Must::TimesLimit(3.0),
            "by the spare worker that a leader keeps; ready is the answer to `initialize`",
        ),
        row(
            "spawn to ready without a spare worker",
            &anew,
            Must::Nothing,
            "the first member of a leader, or one of many at once",
        ),
    ])
}
