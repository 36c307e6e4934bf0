//! Mail to an idle worker, from the call that sends it until the leader hears that it was handed on, beside the
//! bare wake of another process by an append.
//!
//! In the path are: the roster and the mailbox are looked at and appended to by the sender, inotify, the worker's read
//! of its mailbox, its core, its transcript, and the notice of it over stdio. Not in the path: the sender's
//! `fdatasync`, which the worker does not wait for, and the worker's acknowledgement, which follows.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use teamster_protocol::api::{MailRequest, WorkerApiClient};
use teamster_protocol::board::AutoClaim;
use teamster_protocol::log::Durability;
use teamster_protocol::mail::Urgency;
use teamster_protocol::notice::Noted;

use super::Outcome;
use super::place::Place;
use super::raw::Wake;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{STEP_WITHIN, Worker, block_on, within};

const LETTERS: u32 = 400;
/// Long enough for everybody to be asleep again.
const PAUSE: Duration = Duration::from_millis(4);

/// Once as it is by default and once without syncs, to tell what those of both sides add.
pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    Ok(vec![
        row(place, Durability::Power, "mail to an idle worker, handed on")?,
        row(place, Durability::Process, "the same, durability = process")?,
    ])
}

fn row(place: &Place, durability: Durability, what: &'static str) -> Outcome<Row> {
    let team = match durability {
        Durability::Power => "mail",
        Durability::Process => "mail-unsynced",
    };
    let woken = place.file(&format!("woken-{team}"));
    let mut team = place.team_of(team, durability)?;
    let name = place.enroll(&mut team, "alice", AutoClaim::On)?;
    let (heard, notices) = mpsc::channel();
    let (ready, started) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    let dir = team.dir().clone();
    let listened: Outcome<()> = thread::scope(|scope| {
        // A thread of its own, because the sender's is in `fdatasync` when the notice comes.
        let listener = scope.spawn(|| {
            block_on(async {
                let worker = Worker::start_with(place, &dir, &name, durability).await?;
                worker.idle().await?;
                let mut said = within(worker.peer.notices(0)).await??;
                ready.send(())?;
                let listen = async {
                    while let Some(Ok(notice)) = said.next().await {
                        if let Noted::Mail { id } = notice.what {
                            heard.send((id, Instant::now()))?;
                        }
                    }
                    Err("the worker says nothing more".into())
                };
                let listened: Outcome<()> = tokio::select! {
                    outcome = listen => outcome,
                    _ = stopped => Ok(()),
                };
                worker.kill().await?;
                listened
            })
        });
        let sent = (|| -> Outcome<()> {
            started.recv_timeout(STEP_WITHIN)?;
            let mut wake = Wake::new(&woken)?;
            let line = vec![b'x'; 250];
            for nth in 0..LETTERS {
                settle();
                wake.wake(&line, &mut bare)?;
                settle();
                let text = format!("the {nth}th letter: have a look at the parser when you are done");
                let request = MailRequest { to: Some(name.clone()), text, urgency: Urgency::Next };
                let begin = Instant::now();
                let delivered = team.mail(request)?;
                let (id, at) = notices.recv_timeout(STEP_WITHIN)?;
                if delivered.first().map(|letter| letter.id) != Some(id) {
                    return Err("another letter was handed on".into());
                }
                ours.push(at.duration_since(begin));
            }
            Ok(())
        })();
        drop(stop);
        let listened = listener.join().map_err(|_| "the listener panicked")?;
        sent.and(listened)
    });
    listened?;
    Ok(Row {
        what,
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "bare inotify wake by an append",
        unit: Unit::Seconds,
        must: Must::TimesLimit(4.0),
        note: format!(
            "p50 of {} in turns; p90 {:.0} µs against {:.0} µs; from the sender's call to the leader's hearing the notice",
            ours.len(),
            ours.p90() * 1e6,
            bare.p90() * 1e6
        ),
    })
}

/// Lets both processes fall asleep, so that what is measured begins with waking one.
#[expect(clippy::disallowed_methods, reason = "that a process sleeps is no event")]
fn settle() {
    thread::sleep(PAUSE);
}
