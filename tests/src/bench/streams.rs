//! A team of twenty whose agents all write at once, under a real leader: what the leader takes of a processor meanwhile,
//! beside a process that passes all of these pieces on, and whether each piece is in the transcripts.

use std::fs;
use std::time::{Duration, Instant};

use teamster_protocol::host::clock;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::store::transcript;
use tokio::time::MissedTickBehavior;

use super::Outcome;
use super::place::Place;
use super::raw::Pipe;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{STEP_WITHIN, block_on};
use crate::load::leader::spawn;
use crate::trial::census::What;
use crate::trial::team::Team;

const MEMBERS: usize = 20;
/// 50 pieces a second.
const APART_MS: u64 = 20;
const PIECES: usize = 800;
/// About what a piece is on its way.
const PIECE_BYTES: usize = 60;
/// How long the processes are watched: shorter than the pieces take.
const WATCHED: Duration = Duration::from_secs(10);
/// How often the transcripts are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The longest wait for the end of all turns.
const ALL_WITHIN: Duration = Duration::from_secs(120);

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let agent = place.scripted_agent()?.display().to_string();
    block_on(async {
        let team = Team::new(&[("TEAMSTER_SCRIPT_AGENT", agent)])?;
        let names = (0..MEMBERS).map(|nth| Ok(format!("w{nth}").parse()?)).collect::<Outcome<Vec<MemberName>>>()?;
        succeeds(&team, &["up", "--detach"]).await?;
        spawn(&team, &names, "script").await?;
        let leader = team.leader()?.ok_or("there is no leader")?.pid;
        // Each agent is started by its first turn, which is not what is measured.
        for name in &names {
            succeeds(&team, &["send", name.as_str(), "--wait", "say ready"]).await?;
        }
        let bare = pass_on(&mut Pipe::new(PIECE_BYTES)?).await?;

        let stream = format!("stream {PIECES} {APART_MS}");
        for name in &names {
            succeeds(&team, &["send", name.as_str(), &stream]).await?;
        }
        until("each agent writes", STEP_WITHIN, || all(&team, &names, |said| !said.is_empty())).await?;
        let workers = workers(&team)?;
        let began_us = clock::now_us();
        let taken = watch(leader, &workers).await?;
        let ended_us = clock::now_us();
        until("each agent has ended", ALL_WITHIN, || all(&team, &names, |said| said.len() >= PIECES)).await?;

        let (mut kept, mut within) = (0, 0);
        for name in &names {
            let said = pieces(&team, name)?;
            kept += said.iter().enumerate().filter(|(nth, (number, _))| number == nth).count();
            within += said.iter().filter(|(_, said_us)| (began_us..ended_us).contains(said_us)).count();
        }
        let rate = within as f64 / (ended_us - began_us) as f64 * 1e6;
        succeeds(&team, &["down"]).await?;
        let said = MEMBERS * PIECES;
        Ok(vec![
            Row {
                what: "20 members whose agents write 50 pieces a second: the leader",
                figure: taken.leader,
                limit: bare,
                limit_is: "a process that passes on as many pieces, by pipes",
                unit: Unit::OfAProcessor,
                must: Must::AtMost(0.03),
                note: format!(
                    "of one processor, for {} s; {rate:.0} pieces a second were written, by the agents' own clocks; each worker \
                     took {:.2} %, both halves of its cell and without its agent",
                    WATCHED.as_secs(),
                    taken.workers / MEMBERS as f64 * 100.0
                ),
            },
            Row {
                what: "the same: pieces that are in no transcript",
                figure: (said - kept) as f64,
                limit: said as f64,
                limit_is: "pieces written",
                unit: Unit::Times,
                must: Must::AtMost(0.0),
                note: "each has its number, and they are there once and in order".to_owned(),
            },
        ])
    })
}

/// The part of a processor that a process takes which reads as many pieces from a pipe, and writes them into another.
async fn pass_on(pipe: &mut Pipe) -> Outcome<f64> {
    let mut pace = tokio::time::interval(Duration::from_millis(APART_MS) / u32::try_from(MEMBERS)?);
    // What comes too late is made up for, as an agent does.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (before, begun) = (run_ns(pipe.pid())?, Instant::now());
    while begun.elapsed() < WATCHED {
        pace.tick().await;
        pipe.round_trip(&mut Samples::default())?;
    }
    Ok((run_ns(pipe.pid())? - before) as f64 / begun.elapsed().as_nanos() as f64)
}

/// The part of a processor that some processes took.
struct ProcessorShare {
    leader: f64,
    workers: f64,
}

/// Lets time pass, and looks at what the processes took of a processor meanwhile.
async fn watch(leader: u32, workers: &[u32]) -> Outcome<ProcessorShare> {
    let sums = || -> Outcome<(u64, u64)> {
        let workers = workers.iter().map(|pid| run_ns(*pid)).sum::<Outcome<u64>>()?;
        Ok((run_ns(leader)?, workers))
    };
    let (before, begun) = (sums()?, Instant::now());
    tokio::time::sleep(WATCHED).await;
    let (after, passed_ns) = (sums()?, begun.elapsed().as_nanos() as f64);
    let part = |now: u64, then: u64| now.saturating_sub(then) as f64 / passed_ns;
    Ok(ProcessorShare { leader: part(after.0, before.0), workers: part(after.1, before.1) })
}

/// Nanoseconds that all threads of a process ran.
fn run_ns(pid: u32) -> Outcome<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let told = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += told.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(sum)
}

fn workers(team: &Team) -> Outcome<Vec<u32>> {
    let found = team.census()?.into_iter();
    Ok(found.filter(|found| matches!(found.what, What::Worker(_))).map(|found| found.identity.pid).collect())
}

/// The pieces of a member's stream in its transcript: the number and the microsecond of each.
fn pieces(team: &Team, name: &MemberName) -> Outcome<Vec<(usize, u64)>> {
    let entries = transcript::since(&team.dir().turns(name), 0)?;
    let said: String = entries
        .into_iter()
        .filter_map(|entry| match entry.what {
            TranscriptText::Text { text } => Some(text),
            _ => None,
        })
        .collect();
    let piece = |line: &str| {
        let (number, said_us) = line.split_once(' ')?;
        Some((number.parse().ok()?, said_us.parse().ok()?))
    };
    Ok(said.lines().filter_map(piece).collect())
}

fn all(team: &Team, names: &[MemberName], holds: impl Fn(&[(usize, u64)]) -> bool) -> Outcome<bool> {
    for name in names {
        if !holds(&pieces(team, name)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn until(what: &str, limit: Duration, holds: impl Fn() -> Outcome<bool>) -> Outcome<()> {
    let until = Instant::now() + limit;
    while !holds()? {
        if Instant::now() > until {
            return Err(format!("waited in vain until {what}").into());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Runs a command; a failure is its words.
async fn succeeds(team: &Team, words: &[&str]) -> Outcome<()> {
    let output = team.run(words).await?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}
