//! What a worker costs that has nothing to do.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::limits::SLOW_POLL;

use super::Outcome;
use super::child::{Child, Role};
use super::place::Place;
use super::table::{Must, Row, Unit};
use super::worker::{Worker, block_on};

/// Two polls and a bit, or three.
const WATCHED: Duration = Duration::from_secs(12);

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("idle")?;
    let name = place.enroll(&mut team, "alice", AutoClaim::On)?;
    let bare = Child::start(Role::Echo, &[])?;
    block_on(async {
        let worker = Worker::start(place, team.dir(), &name).await?;
        worker.idle().await?;
        let before = (switches(worker.pid)?, ticks(worker.pid)?);
        tokio::time::sleep(WATCHED).await;
        let wakes = switches(worker.pid)? - before.0;
        let ticks = ticks(worker.pid)? - before.1;
        let halves: BTreeSet<u32> = [worker.pid, worker.outer_pid].into();
        let of_both = |name| halves.iter().map(|pid| rollup(*pid, name)).sum::<Outcome<f64>>();
        let (pss, own, bare_pss) = (of_both("Pss:")?, of_both("Private_Dirty:")?, rollup(bare.pid(), "Pss:")?);
        worker.kill().await?;
        // A poll may fall on either end of the time.
        let polls = WATCHED.as_secs_f64() / SLOW_POLL.as_secs_f64();
        Ok(vec![
            Row {
                what: "idle worker: memory (PSS)",
                figure: pss,
                limit: bare_pss,
                limit_is: "this program, blocked in a read",
                unit: Unit::Bytes,
                must: Must::AtMost(4e6),
                note: format!(
                    "the only worker of its machine, so it shares its program's pages with nobody; {:.2} MB are its own, \
                     which is what one more costs",
                    own / 1e6
                ),
            },
            Row {
                what: "idle worker: wake-ups in 12 s",
                figure: wakes as f64,
                limit: polls.ceil(),
                limit_is: "the slow poll, every 5 s",
                unit: Unit::Times,
                must: Must::AtMost(polls.ceil()),
                note: format!("voluntary context switches of all its threads; {ticks} clock ticks of processor time"),
            },
        ])
    })
}

pub(crate) fn switches(pid: u32) -> Outcome<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += field(&fs::read_to_string(thread?.path().join("status"))?, "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

/// A sum over all mappings of a process, in bytes.
fn rollup(pid: u32, name: &str) -> Outcome<f64> {
    Ok(field(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?, name)? as f64 * 1024.0)
}

/// Processor time in user and system mode.
pub(crate) fn ticks(pid: u32) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything, so the fields are counted from its end.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields.get(11).ok_or("no utime")?.parse::<u64>()? + fields.get(12).ok_or("no stime")?.parse::<u64>()?)
}

pub(crate) fn field(text: &str, name: &str) -> Outcome<u64> {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    Ok(found.ok_or_else(|| format!("no {name}"))?.parse()?)
}
