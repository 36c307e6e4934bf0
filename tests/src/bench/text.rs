//! What an agent tells, from the moment before it writes that into its pipe: a text until somebody who follows the transcript
//! by `teamster logs -f` has it, and a step that the leader is told of until the leader has the notice. A text is read from
//! the transcript and is no notice, so the second is the receipt of a prompt.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use teamster_protocol::host::clock;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::notice::{Notice, NoticeKind};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::team::Team;
use teamster_protocol::wire::api::WorkerApiClient;

use super::Outcome;
use super::place::Place;
use super::raw::{Pipe, Wake};
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{STEP_WITHIN, Worker, WorkerSetup, block_on, within};

const BLOCKS: u32 = 8;
/// Pieces in a block, and milliseconds between two of them: long enough for everybody to be asleep again.
const PIECES: u32 = 50;
const APART_MS: u64 = 10;
/// Receipts in a block.
const RECEIPTS: u32 = 20;
const TRIPS: u32 = 200;
/// About what a piece is in the transcript.
const PIECE_BYTES: usize = 100;

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("text")?;
    let name = place.enroll_with(&mut team, "alice", AutoClaim::Off, "script", Default::default())?;
    let agent = place.scripted_agent()?.display().to_string();
    let setup = WorkerSetup { agent: "script", env: vec![("TEAMSTER_SCRIPT_AGENT", agent)], ..WorkerSetup::default() };
    let (mut text, mut notice) = (Samples::default(), Samples::default());
    let (mut wakes, mut trips) = (Samples::default(), Vec::new());
    let mut pipe = Pipe::new(PIECE_BYTES)?;
    let mut wake = Wake::new(&place.file("woken-text"))?;
    block_on(async {
        let worker = Worker::start_with(place, team.dir(), &name, &setup).await?;
        let mut notices = within(worker.peer.notices(0)).await??;
        let follower = LogsFollower::start(place, &team)?;
        for _ in 0..BLOCKS {
            for _ in 0..PIECES {
                tokio::time::sleep(Duration::from_millis(APART_MS)).await;
                wake.wake(&[b'x'; PIECE_BYTES], &mut wakes)?;
            }
            let mut block = Samples::default();
            for _ in 0..TRIPS {
                pipe.round_trip(&mut block)?;
            }
            trips.push(block.p50());

            let streamed = format!("stream {PIECES} {APART_MS}");
            within(worker.peer.prompt(TaskWork::Prompt(streamed))).await??;
            for nth in 0..PIECES {
                let (number, took) = follower.next()?;
                if number != Some(nth) {
                    return Err(format!("piece {nth} is lost: {number:?} came").into());
                }
                text.push(took);
            }
            for _ in 0..RECEIPTS {
                let confirmed = format!("stream 1 {APART_MS}\nconfirm");
                let asked = within(worker.peer.prompt(TaskWork::Prompt(confirmed))).await??.text;
                let heard_us = loop {
                    let heard: Notice = within(notices.next()).await?.ok_or("the worker says nothing more")??;
                    if is_in_context(&heard, asked) {
                        break clock::now_us();
                    }
                };
                follower.next()?;
                let told_us = follower.next_stamp()?;
                notice.push(Duration::from_micros(heard_us.saturating_sub(told_us)));
                wait_for_end(&mut notices).await?;
            }
        }
        drop(follower);
        worker.kill().await
    })?;
    trips.sort_by(f64::total_cmp);
    Ok(vec![
        Row {
            what: "text, from the agent's pipe to `logs -f`",
            figure: text.p50(),
            limit: wakes.p50(),
            limit_is: "bare inotify wake by an append",
            unit: Unit::Seconds,
            must: Must::AtMost(1e-3),
            note: format!(
                "p50 of {} in turns with {} wakes; p90 {:.0} µs against {:.0} µs; until the line of `logs -f --json` is read \
                 from its pipe",
                text.len(),
                wakes.len(),
                text.p90() * 1e6,
                wakes.p90() * 1e6
            ),
        },
        Row {
            what: "a step of the agent, from its pipe to the leader's notice",
            figure: notice.p50(),
            limit: trips[0],
            limit_is: "raw pipe round trip",
            unit: Unit::Seconds,
            must: Must::AtMost(1e-3),
            note: format!(
                "p50 of {}, p90 {:.0} µs; everybody was asleep before, and the raw ones are one after another, {:.1} to {:.1} µs",
                notice.len(),
                notice.p90() * 1e6,
                trips[0] * 1e6,
                trips[trips.len() - 1] * 1e6
            ),
        },
    ])
}

fn is_in_context(notice: &Notice, asked: TextId) -> bool {
    matches!(&notice.what, NoticeKind::Receipt { text, state: ReceiptState::InContext } if *text == asked)
}

/// Waits until the worker waits for work.
async fn wait_for_end(notices: &mut NoticeStream) -> Outcome<()> {
    loop {
        let notice = within(notices.next()).await?.ok_or("the worker says nothing more")??;
        match notice.what {
            NoticeKind::Waiting => return Ok(()),
            NoticeKind::Leaving { reason } => return Err(reason.into()),
            _ => {}
        }
    }
}

/// What a worker tells its leader.
type NoticeStream = jsonrpsee::core::client::Subscription<Notice>;

/// `teamster logs -f`, and what came of it. It is killed when this is dropped.
struct LogsFollower {
    process: Child,
    /// The lines of a text, each with the microsecond at which it was read.
    lines: Receiver<(String, u64)>,
}

impl LogsFollower {
    fn start(place: &Place, team: &Team) -> Outcome<LogsFollower> {
        let mut command = Command::new(place.teamster()?);
        command.arg("--root").arg(team.dir().root()).args(["--team", team.dir().team().as_str()]);
        command.args(["--json", "logs", "alice", "-f"]).stdin(Stdio::null()).stdout(Stdio::piped());
        for variable in ["TEAMSTER_LOG", "TEAMSTER_POLL_MS"] {
            command.env_remove(variable);
        }
        let mut process = command.current_dir(team.dir().path()).spawn()?;
        let Some(stdout) = process.stdout.take() else { unreachable!("it is piped") };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let read_us = clock::now_us();
                let Ok(entry) = serde_json::from_str::<Value>(&line) else { return };
                if entry["kind"] != "text" {
                    continue;
                }
                let said = entry["data"]["text"].as_str().unwrap_or_default();
                for said in said.lines() {
                    if sender.send((said.to_owned(), read_us)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(LogsFollower { process, lines })
    }

    /// The number of the next piece, and how long it was on its way.
    fn next(&self) -> Outcome<(Option<u32>, Duration)> {
        let (line, read_us) = self.lines.recv_timeout(STEP_WITHIN)?;
        let (number, said_us) = line.split_once(' ').ok_or("a piece without a time")?;
        let took = Duration::from_micros(read_us.saturating_sub(said_us.parse()?));
        Ok((number.parse().ok(), took))
    }

    /// The time that the next line tells.
    fn next_stamp(&self) -> Outcome<u64> {
        Ok(self.lines.recv_timeout(STEP_WITHIN)?.0.parse()?)
    }
}

impl Drop for LogsFollower {
    fn drop(&mut self) {
        // It has ended already, or is to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
