//! Mail to an idle worker, from the call that sends it until it is handed on, beside the bare wake of another process
//! by an append.
//!
//! An agent without an ear between turns is handed its mail in the transcript. When the entry is there, the worker
//! says so in its log, if it is told to log its steps, with the microsecond at which it was: that is where the
//! measurement ends, because whoever looks from outside would have to be woken too. What that adds is the last row, which ends
//! when the leader has heard the notice.
//!
//! In the path are: the roster and the mailbox are looked at and appended to by the sender, inotify, the worker's read
//! of its mailbox, its core, its transcript. Not in the path, because nobody waits for them: the sender's `fdatasync`,
//! and the worker's acknowledgement, which follows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use teamster_protocol::host::clock;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{Address, MessageId};
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::notice::NoticeKind;
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::MailRequest;
use teamster_protocol::wire::api::WorkerApiClient;

use super::Outcome;
use super::place::Place;
use super::raw::Wake;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{STEP_WITHIN, Tells, Worker, WorkerSetup, block_on, within};

const LETTERS: u32 = 400;
/// Long enough for everybody to be asleep again.
const PAUSE: Duration = Duration::from_millis(4);

/// Where a measurement ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    HandedOn,
    Heard,
}

/// Once as it is by default and once without syncs, to tell what those of both sides add.
pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    Ok(vec![
        row(place, "mail", Durability::Power, Until::HandedOn, "mail to an idle worker, handed on")?,
        row(place, "mail-unsynced", Durability::Process, Until::HandedOn, "the same, durability = process")?,
        row(place, "mail-heard", Durability::Power, Until::Heard, "the same until the leader hears of it")?,
    ])
}

fn row(place: &Place, team: &str, durability: Durability, until: Until, what: &'static str) -> Outcome<Row> {
    let woken = place.file(&format!("woken-{team}"));
    let mut team = place.team_of(team, durability)?;
    let name = place.enroll(&mut team, "alice", AutoClaim::On)?;
    let tells = match until {
        Until::HandedOn => Tells::Steps,
        Until::Heard => Tells::Warnings,
    };
    let setup = WorkerSetup { durability, tells, ..WorkerSetup::default() };
    let (heard, notices) = mpsc::channel();
    let (ready, started) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (mut until_heard, mut bare) = (Samples::default(), Samples::default());
    let mut begun = Vec::new();
    let dir = team.dir().clone();
    let listened: Outcome<()> = thread::scope(|scope| {
        // A thread of its own, because the sender's is in `fdatasync` when the notice comes.
        let listener = scope.spawn(|| {
            block_on(async {
                let worker = Worker::start_with(place, &dir, &name, &setup).await?;
                worker.idle().await?;
                let mut said = within(worker.peer.notices(0)).await??;
                ready.send(())?;
                let listen = async {
                    while let Some(Ok(notice)) = said.next().await {
                        if let NoticeKind::Mail { id } = notice.what {
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
                let request = MailRequest { to: Some(name.clone().into()), text, urgency: Urgency::Next };
                let (begin, began_us) = (Instant::now(), clock::now_us());
                let delivered = team.mail(request)?.delivered;
                let (id, at) = notices.recv_timeout(STEP_WITHIN)?;
                if delivered.first().map(|letter| letter.id) != Some(id) {
                    return Err("another letter was handed on".into());
                }
                until_heard.push(at.duration_since(begin));
                begun.push((id, began_us));
            }
            Ok(())
        })();
        drop(stop);
        let listened = listener.join().map_err(|_| "the listener panicked")?;
        sent.and(listened)
    });
    listened?;
    let (ours, ends) = match until {
        Until::HandedOn => {
            let log = dir.log_of(&Address::Member(name));
            (until_handed_on(&begun, &log)?, "the worker's having handed it on, by its log")
        }
        Until::Heard => (until_heard, "the leader's hearing the notice"),
    };
    Ok(Row {
        what,
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "bare inotify wake by an append",
        unit: Unit::Seconds,
        must: match until {
            Until::HandedOn => Must::TimesLimit(4.0),
            Until::Heard => Must::Nothing,
        },
        note: format!(
            "p50 of {} in turns; p90 {:.0} µs against {:.0} µs; from the sender's call to {ends}",
            ours.len(),
            ours.p90() * 1e6,
            bare.p90() * 1e6
        ),
    })
}

/// The times from those given to the lines in which a worker says that it handed these messages on.
fn until_handed_on(begun: &[(MessageId, u64)], log: &Path) -> Outcome<Samples> {
    let text = fs::read_to_string(log)?;
    let field = |line: &str, name: &str| -> Outcome<String> {
        let mut words = line.split_ascii_whitespace();
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        Ok(value.ok_or_else(|| format!("the worker's log has a line without {name}: {line}"))?.to_owned())
    };
    let mut handed_on: BTreeMap<MessageId, u64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("handed on mail")) {
        handed_on.insert(field(line, "id")?.parse()?, field(line, "at_us")?.parse()?);
    }
    let mut samples = Samples::default();
    for (id, began_us) in begun {
        let at_us = handed_on.get(id).ok_or("the worker's log does not tell that it handed a letter on")?;
        samples.push(Duration::from_micros(at_us.saturating_sub(*began_us)));
    }
    Ok(samples)
}

/// Lets both processes fall asleep, so that what is measured begins with waking one.
#[expect(clippy::disallowed_methods, reason = "that a process sleeps is no event")]
fn settle() {
    thread::sleep(PAUSE);
}
