//! The board in the hands of one process: what a task costs it, and that it costs no more among many.

use std::fs;
use std::path::Path;

use serde::de::IgnoredAny;
use teamster_protocol::model::board::{Board, BoardFact, WaitingClaimant};
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::task::{BoardRefusal, TaskClaim};
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::Team;

use super::Outcome;
use super::place::{Place, free_tasks, tasks};
use super::raw::SyncedAppend;
use super::samples::Samples;
use super::table::{Must, Row, Unit};

const TURNS: u32 = 1_500;
const MANY: u32 = 100_000;
const FEW: u32 = 100;
const LOADS: usize = 5;
const RESULT: &str = "done: the slow part was the parser, it is mended and a test shows it";

/// Claims a task and completes it, in turns with an append and a sync of a file beside it.
pub(super) fn claim_complete(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("turns")?;
    team.add_tasks(|_| free_tasks(TURNS + 100, "true"))?;
    let who = claimant()?;
    let mut raw = SyncedAppend::new(&place.file("synced"))?;
    let (mut ours, mut bare, mut claims) = (Samples::default(), Samples::default(), Samples::default());
    let line = completed_line();
    for turn in 0..TURNS + 100 {
        let (mut both, mut claimed, mut appended) = (Samples::default(), Samples::default(), Samples::default());
        both.time(|| -> Outcome<()> {
            let claim = claimed.time(|| team.claim_next(&who))?.ok_or("the board is empty too soon")?;
            Ok(team.decide(Durability::Power, |board| complete(board, &claim))?)
        })?;
        raw.append(&line, &mut appended)?;
        // The first of them warm the disk up.
        if turn >= 100 {
            ours.append(both);
            bare.append(appended);
            claims.append(claimed);
        }
    }
    let note = format!(
        "p50 of {} in turns; p90 {:.0} µs against {:.0} µs; the claim alone {:.1} µs; both {} bytes a record",
        ours.len(),
        ours.p90() * 1e6,
        bare.p90() * 1e6,
        claims.p50() * 1e6,
        line.len()
    );
    Ok(vec![Row {
        what: "claim + complete, 1 process",
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "append + fdatasync",
        unit: Unit::Seconds,
        must: Must::TimesLimit(1.5),
        note,
    }])
}

/// Claims from a large board in turns with claims from a small one; loads the large one.
pub(super) fn latency(place: &Place) -> Outcome<Vec<Row>> {
    let mut small = filled(place, "small", FEW)?;
    let large = filled(place, "large", MANY)?;
    let dir = large.dir().clone();
    let counted = (large.board().len(), large.board().tasks().filter(|(_, task)| task.blocked_by.is_empty()).count());
    drop(large);
    let (mut load, mut parse) = (Samples::default(), Samples::default());
    let mut loaded = None;
    for _ in 0..LOADS {
        parse.time(|| parse_only(&dir.board()))?;
        loaded = Some(load.time(|| place.team("large"))?);
    }
    let mut large = loaded.ok_or("nothing was loaded")?;
    let (mut among_many, mut among_few) = (Samples::default(), Samples::default());
    for _ in 0..2_000 {
        claim_and_give_back(&mut large, &mut among_many)?;
        claim_and_give_back(&mut small, &mut among_few)?;
    }
    let bytes = fs::metadata(dir.board())?.len() as f64;
    Ok(vec![
        Row {
            what: "claim among 100,000 tasks",
            figure: among_many.p50(),
            limit: among_few.p50(),
            limit_is: "claim among 100 tasks",
            unit: Unit::Seconds,
            must: Must::TimesLimit(1.5),
            note: format!(
                "p50 of {} in turns, one handle each, loaded; p90 {:.1} µs against {:.1} µs",
                among_many.len(),
                among_many.p90() * 1e6,
                among_few.p90() * 1e6
            ),
        },
        Row {
            what: "loading 100,000 tasks",
            figure: load.p50(),
            limit: parse.p50(),
            limit_is: "parsing its lines as JSON, keeping nothing",
            unit: Unit::Seconds,
            must: Must::AtMost(1.0),
            note: format!(
                "p50 of {LOADS}; {:.0} MB, texts of 50 to 600 bytes, {} of {} wait for others, a third is completed",
                bytes / 1e6,
                counted.0 - counted.1,
                counted.0
            ),
        },
    ])
}

/// A board with a history: a third of its tasks is completed, as they came free.
fn filled(place: &Place, name: &str, count: u32) -> Outcome<Team> {
    let mut team = place.team(name)?;
    let mut left = count;
    while left > 0 {
        let lot = left.min(20_000);
        team.add_tasks(|first| tasks(first, lot))?;
        left -= lot;
    }
    let who = claimant()?;
    for _ in 0..count / 3 {
        let claim = team.claim_next(&who)?.ok_or("nothing is free to be claimed")?;
        team.decide(Durability::Process, |board| complete(board, &claim))?;
    }
    Ok(team)
}

fn claim_and_give_back(team: &mut Team, into: &mut Samples) -> Outcome<()> {
    let who = claimant()?;
    let claim = into.time(|| team.claim_next(&who))?.ok_or("nothing is free to be claimed")?;
    team.decide(Durability::Process, |board| {
        Ok((vec![board.release(&claim, ReleaseWhy::WorkerLeft, String::new())?], ()))
    })?;
    Ok(())
}

fn complete(board: &Board, claim: &TaskClaim) -> Result<(Vec<BoardFact>, ()), BoardRefusal> {
    Ok((vec![board.complete(claim, RESULT.to_owned())?], ()))
}

/// As long as the record of a completed task.
fn completed_line() -> Vec<u8> {
    let head = r#"{"v":1,"seq":1000,"at_ms":1700000000000,"by":"lead","facts":[{"completed":{"id":1000,"attempt":1,"result":""#;
    format!("{head}{RESULT}\"}}}}]}}\n").into_bytes()
}

fn parse_only(file: &Path) -> Outcome<usize> {
    let bytes = fs::read(file)?;
    let mut lines = 0;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        serde_json::from_slice::<IgnoredAny>(line)?;
        lines += 1;
    }
    Ok(lines)
}

fn claimant() -> Outcome<WaitingClaimant> {
    let name: MemberName = "alice".parse()?;
    Ok(WaitingClaimant::new(name))
}
