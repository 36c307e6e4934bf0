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

/// As many workers as many a run has. They share the pages of their program.
const TEAM: u32 = 4;

/// Two polls and a bit, or three.
const WATCHED: Duration = Duration::from_secs(12);

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("idle")?;
    let names = (0..TEAM).map(|nth| place.enroll(&mut team, &format!("member-{nth}"), AutoClaim::On));
    let names = names.collect::<Outcome<Vec<_>>>()?;
    let bare = Child::start(Role::Echo, &[])?;
    block_on(async {
        let mut workers = Vec::new();
        let mut alone = 0.0;
        for name in &names {
            let worker = Worker::start(place, team.dir(), name).await?;
            worker.idle().await?;
            workers.push(worker);
            if workers.len() == 1 {
                alone = of_each(&workers, "Pss:")?;
            }
        }
        let worker = &workers[0];
        let before = (switches(worker.pid)?, ticks(worker.pid)?);
        tokio::time::sleep(WATCHED).await;
        let wakes = switches(worker.pid)? - before.0;
        let ticks = ticks(worker.pid)? - before.1;
        let (pss, own) = (of_each(&workers, "Pss:")?, of_each(&workers, "Pss_Anon:")?);
        let bare_pss = rollup(bare.pid(), "Pss:")?;
        for worker in workers {
            worker.kill().await?;
        }
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
                    "each of {TEAM}, both halves of its cell; {:.2} MB are its own, which is what one more costs, and {:.2} MB \
                     is the first while it shares its program's pages with nobody",
                    own / 1e6,
                    alone / 1e6
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

/// What each of these workers has of it, over both its halves, in bytes.
pub(super) fn of_each(workers: &[Worker], name: &str) -> Outcome<f64> {
    let halves: BTreeSet<u32> = workers.iter().flat_map(|worker| [worker.pid, worker.outer_pid]).collect();
    let all: f64 = halves.iter().map(|pid| rollup(*pid, name)).sum::<Outcome<f64>>()?;
    Ok(all / workers.len() as f64)
}

/// A sum over all mappings of a process, in bytes.
pub(super) fn rollup(pid: u32, name: &str) -> Outcome<f64> {
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
