//! A turn of a real agent under a worker, from the leader's call until the leader has heard of its end, beside the same turn
//! of the same program driven by the few lines of this file. The model answers at once, so what is left is the agent's own
//! time, and what a worker adds to it: the transcript, which is synced, the receipts and the notices.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::notice::{Notice, NoticeKind};
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::WorkerApiClient;

use super::Outcome;
use super::pi::{NOT_HERE, PiAtHand, WAY_OUT};
use super::place::Place;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{Worker, WorkerSetup, block_on, within};

const WHAT: &str = "a turn of pi, from the leader's call to its hearing of the end";
const TURNS: u32 = 60;
/// The first ones, in which pi reads and compiles what it is made of.
const WARM_UP: u32 = 5;
/// What either still does after a turn, such as to put its memory in order.
const PAUSE: Duration = Duration::from_millis(50);
const PROMPT: &str = "[[say text=hello]]";

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let Some(pi) = PiAtHand::find(place, "home-turn")? else {
        return Ok(vec![Row::not_here(WHAT, Unit::Seconds, NOT_HERE, WAY_OUT)]);
    };
    let mut team = place.team("turn")?;
    let name = place.enroll_with(&mut team, "alice", AutoClaim::Off, "pi", pi.options())?;
    let setup = WorkerSetup { agent: "pi", env: pi.env.clone(), ..WorkerSetup::default() };
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    block_on(async {
        let worker = Worker::start_with(place, team.dir(), &name, &setup).await?;
        let mut notices = within(worker.peer.notices(0)).await??;
        let mut alone = BarePi::start(place, &pi)?;
        for nth in 0..WARM_UP + TURNS {
            let begin = Instant::now();
            alone.turn()?;
            let without = begin.elapsed();
            tokio::time::sleep(PAUSE).await;
            let begin = Instant::now();
            within(worker.peer.prompt(TaskWork::Prompt(PROMPT.to_owned()))).await??;
            loop {
                let notice: Notice = within(notices.next()).await?.ok_or("the worker says nothing more")??;
                match notice.what {
                    NoticeKind::TurnEnded { end: TurnEnd::Completed, .. } => break,
                    NoticeKind::TurnEnded { end, .. } => return Err(format!("a turn ended so: {end:?}").into()),
                    NoticeKind::Leaving { reason } => return Err(reason.into()),
                    _ => {}
                }
            }
            let with = begin.elapsed();
            if nth >= WARM_UP {
                bare.push(without);
                ours.push(with);
            }
            tokio::time::sleep(PAUSE).await;
        }
        worker.kill().await
    })?;
    Ok(vec![Row {
        what: WHAT,
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "pi alone, driven by a program of forty lines",
        unit: Unit::Seconds,
        must: Must::OverLimit(5e-3),
        note: format!(
            "p50 of {} in turns, {:.2} ms more; p90 {:.1} ms against {:.1} ms; the model is a server on loopback that answers \
             at once, and both have as much in their conversation",
            ours.len(),
            (ours.p50() - bare.p50()) * 1e3,
            ours.p90() * 1e3,
            bare.p90() * 1e3
        ),
    }])
}

/// pi without a worker. It is killed when this is dropped.
struct BarePi {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl BarePi {
    fn start(place: &Place, pi: &PiAtHand) -> Outcome<BarePi> {
        let mut command = Command::new("pi");
        command.args(["--mode", "rpc"]).args(&pi.args).envs(pi.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(place.file("work")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both streams are piped")
        };
        Ok(BarePi { process, stdin, stdout: BufReader::new(stdout) })
    }

    fn turn(&mut self) -> Outcome<()> {
        writeln!(self.stdin, "{}", json!({"id": "1", "type": "prompt", "message": PROMPT}))?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.stdout.read_line(&mut line)? == 0 {
                return Err("pi ended".into());
            }
            if serde_json::from_str::<Value>(&line)?["type"] == "agent_settled" {
                return Ok(());
            }
        }
    }
}

impl Drop for BarePi {
    fn drop(&mut self) {
        // It has ended already, or is to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
