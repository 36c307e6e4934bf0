//! How a load goes: all are spawned, work and mail come as fast as they are taken, all are idle, all end.

use std::time::{Duration, Instant};

use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::Team as Files;

use super::leader;
use super::memory::{Footprint, memory};
use super::report::Idle;
use super::{Report, Settings};
use crate::bench::idle::{switches, ticks};
use crate::trial::team::Team;
use crate::trial::witness::Witness;
use crate::trial::{Outcome, order};

/// Tasks, and messages, that are added at one time.
pub(super) const BATCH: usize = 100;
/// Tasks, or messages, that wait before more come: a flood that nobody waits for would measure the disk.
const WAITING_MAX: usize = 1000;
/// From one look at the leader's memory to the next.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// What a team that has just become idle still does.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
/// How long the last process may take to be gone after the leader let its lock go.
const GONE_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn play(settings: &Settings) -> Outcome<Report> {
    let generation = ("TEAMSTER_GENERATION_BYTES", settings.generation_bytes.to_string());
    let team = Team::new(&[generation])?;
    let mut report = Report { size: (settings.workers, settings.tasks, settings.messages), ..Report::default() };
    let names =
        (0..settings.workers).map(|nth| Ok(format!("w{nth}").parse()?)).collect::<Outcome<Vec<MemberName>>>()?;

    let begun = Instant::now();
    succeeds(&team, &["up", "--detach"]).await?;
    leader::spawn(&team, &names, "shell").await?;
    report.spawned = begun.elapsed();
    eprintln!("{} workers are ready", names.len());

    let mut witness = Witness::new(team.dir().clone())?;
    report.before = Footprint::take(&team, names.len(), 0)?;
    work(settings, &team, &names, &mut witness, &mut report).await?;
    report.generations = generation_of(&team)?;
    report.idle = idle(settings, &team).await?;
    report.after = Footprint::take(&team, names.len(), settings.tasks)?;

    let begun = Instant::now();
    report.wrong.extend(succeeds(&team, &["down"]).await.err().map(|why| format!("down fails: {why}")));
    let left = team.left_after(GONE_WITHIN).await?;
    report.ended = begun.elapsed();
    report.wrong.extend(left.into_iter().map(|left| format!("left behind: {left}")));
    witness.look()?;
    report.wrong.extend(witness.verdict());
    report.wrong.extend(order::logs(team.dir())?);
    report.wrong.extend(order::locks(team.dir(), &names)?);
    let again = witness.tasks().values().filter(|life| life.claims != 1).count();
    if again > 0 {
        report.wrong.push(format!("{again} tasks were claimed more than once, and nobody died"));
    }
    let counts = (witness.tasks().len(), witness.mail().values().filter(|letter| letter.text.is_some()).count());
    if counts != (settings.tasks, settings.messages) {
        report.wrong.push(format!("there are {counts:?} tasks and messages"));
    }
    Ok(report)
}

/// Adds all tasks and messages, and waits until each is completed and acknowledged.
async fn work(
    settings: &Settings,
    team: &Team,
    names: &[MemberName],
    witness: &mut Witness,
    report: &mut Report,
) -> Outcome<()> {
    let leader = team.leader()?.ok_or("there is no leader")?.pid;
    // Its mailboxes are opened here too: this process plays the people who write.
    let mut files = Files::open(team.dir().clone(), Address::Lead, Durability::Power)?;
    let mut watch = FileWatch::new(SAMPLE_EVERY);
    watch.add(team.dir().board());
    let begun = Instant::now();
    let (mut added, mut posted, mut sample_at) = (0, 0, begun);
    loop {
        witness.look()?;
        let completed = witness.tasks().values().filter(|life| life.completions > 0).count();
        let unread = witness.unread_texts();
        if completed == settings.tasks && posted == settings.messages && unread == 0 {
            break;
        }
        if begun.elapsed() > settings.within {
            let wrong =
                format!("after {:?}: {completed} of {added} completed, {unread} of {posted} unread", settings.within);
            report.wrong.push(wrong);
            break;
        }
        if report.half.ended == 0 && completed >= settings.tasks / 2 {
            report.half = Footprint::take(team, names.len(), completed)?;
        }
        if Instant::now() >= sample_at {
            report.memory.extend(memory(leader)?);
            sample_at += SAMPLE_EVERY;
        }
        let mut busy = false;
        if added < settings.tasks && added - completed < WAITING_MAX {
            let count = BATCH.min(settings.tasks - added);
            files.add_tasks(|first| tasks(first, count))?;
            added += count;
            busy = true;
        }
        if posted < settings.messages && unread < WAITING_MAX {
            for nth in posted..(posted + BATCH).min(settings.messages) {
                let to = Address::Member(names[nth % names.len()].clone());
                let urgency = if nth.is_multiple_of(2) { Urgency::Next } else { Urgency::Now };
                files.post(&to, urgency, MessageBody::Text { text: format!("message {nth}: mind the parser") })?;
            }
            posted = (posted + BATCH).min(settings.messages);
            busy = true;
        }
        if !busy {
            watch.changed().await;
        }
    }
    report.worked = begun.elapsed();
    Ok(())
}

/// Commands that do nothing, with texts as long as those of people.
pub(super) fn tasks(first: TaskId, count: usize) -> Vec<NewTask> {
    let words = "look at the module, find why it is slow, write a test that shows it, and mend it; ".repeat(4);
    (0..count).map(|nth| NewTask::new(TaskWork::run(format!("true # {} {words}", first.0 as usize + nth)))).collect()
}

fn generation_of(team: &Team) -> Outcome<u64> {
    let text = std::fs::read_to_string(team.dir().board())?;
    let header: serde_json::Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
    Ok(header["gen"].as_u64().ok_or("the board has no generation")?)
}

/// Watches a team that has nothing to do.
async fn idle(settings: &Settings, team: &Team) -> Outcome<Idle> {
    let leader = team.leader()?.ok_or("there is no leader")?.pid;
    let all: Vec<u32> = team.census()?.into_iter().map(|found| found.identity.pid).collect();
    pass(SETTLES_WITHIN).await;
    let sums = || -> Outcome<(u64, u64, u64)> {
        let mut sums = (0, 0, 0);
        for pid in &all {
            let wakes = switches(*pid)?;
            if *pid == leader {
                sums.0 += wakes
            } else {
                sums.1 += wakes
            }
            sums.2 += ticks(*pid)?;
        }
        Ok(sums)
    };
    let (before, begun) = (sums()?, Instant::now());
    pass(settings.idle).await;
    let after = sums()?;
    // A thread that ends takes its count along.
    Ok(Idle {
        watched: begun.elapsed(),
        leader_wakes: after.0.saturating_sub(before.0),
        worker_wakes: after.1.saturating_sub(before.1),
        ticks: after.2.saturating_sub(before.2),
    })
}

/// Runs a command; a failure is its words.
pub(super) async fn succeeds(team: &Team, words: &[&str]) -> Outcome<()> {
    let output = team.run(words).await?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

/// Lets time pass in which nothing is waited for: what happens in it is what is measured.
async fn pass(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}
