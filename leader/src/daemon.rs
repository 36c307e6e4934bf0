//! The leader's process: one queue of events, the core that decides, and the actions carried out. Everything that
//! waits runs as a task of its own and reports back as an [`Input`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teamster_protocol::host::clock::{self, new_message_id, now_ms};
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::{self, point};
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::limits::{LOG_LOCK_BY_FORCE, PROTOCOL_VERSION};
use teamster_protocol::model::mail::{Body, Urgency};
use teamster_protocol::model::roster::{LeftHow, TeamFact};
use teamster_protocol::model::shutdown::ShutdownRequest;
use teamster_protocol::store::presence::{LifeLock, LockKept};
use teamster_protocol::store::watch::{Change, FileId, Watch};
use teamster_protocol::team::{Inbox, Team, TeamError};
use teamster_protocol::wire::api::LeaderInfo;
use teamster_protocol::wire::peer::LINE_BYTES_MAX;
use teamster_protocol::wire::peer::socket;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::core::{Action, Answer, Ask, AskId, Core, Down, Event};

pub mod adopt;
mod burial;
pub mod escaped;
pub mod launch;
mod mail;
mod options;
pub mod orphans;
mod outcome;
pub mod prepare;
mod pulse;
mod roster;
mod shared;
mod signals;
mod succession;
pub mod views;
mod workers;
pub mod workspace;

pub use options::{DeadBefore, ServeOptions, Signals};
pub use outcome::{ServeError, Served};
pub use shared::{Input, Link, LinkedTo, Shared};

use crate::api::control::accept;
use burial::Leaving;
use roster::{Found, GOODBYE};
use signals::EndSignals;
use succession::begin_to_lead;
use views::Views;

/// Inputs that wait for the loop.
const INPUTS_MAX: usize = 1024;
/// Notices that a slow front may be behind.
const NOTICES_BEHIND_MAX: usize = 4096;

/// Why nothing is done any more to what is at the team's place.
const DISPLACED: &str = "the team was removed or replaced";

/// Leads the team until it is told to end and no worker is left, or to hand over. Refuses with [`ServeError::Led`] while another
/// leader lives, and with [`ServeError::Over`] after a leader that was followed by another, or ended, before this one began.
/// What an earlier leader left is taken over: tasks of dead workers go back, and workers that still
/// run are members again, linked to over their sockets.
pub async fn serve(options: ServeOptions) -> Result<Served, ServeError> {
    let ServeOptions { dir, founded_for, settings, signals, dead_before, after, on_ready } = options;
    crash::begin("leader");
    if after.is_none() {
        // The one before it had made it, and what was removed since is not made again.
        dir.create().map_err(TeamError::from)?;
    }
    let since_ms = now_ms();
    let held = begin_to_lead(&dir, after.as_ref(), since_ms).await?;
    let held = Mutex::new(LifeLock::new(held, dir.leader_lock(), &dir).map_err(ServeError::Lock)?);
    orphans::adopt().map_err(|source| ServeError::Io { doing: "adopt orphans", source })?;
    let mut team = Team::open(dir.clone(), Address::Lead, settings.durability)?;
    if team.roster().dir().is_none() {
        team.enroll(TeamFact::Founded { dir: founded_for })?;
    }
    let inbox = Inbox::open(&dir, Address::Lead, settings.durability)?;
    let listener = socket::listen(&dir.leader_socket())?;
    point("leader listens");
    let views = Views::start(dir.clone()).map_err(|source| ServeError::Io { doing: "start a thread", source })?;
    let info = LeaderInfo {
        team: dir.team().clone(),
        pid: std::process::id(),
        since_ms,
        protocol: PROTOCOL_VERSION,
        version: env!("TEAMSTER_VERSION").to_owned(),
    };
    let (inputs, queue) = mpsc::channel(INPUTS_MAX);
    let (notices, _) = broadcast::channel(NOTICES_BEHIND_MAX);
    let shared = Arc::new(Shared {
        worker_program: launch::worker_program(),
        settings,
        team: Mutex::new(team),
        links: Mutex::default(),
        dir,
        info,
        inputs,
        notices,
    });
    let mut leader = Leader {
        core: Core::new(settings.answer_within),
        held: &held,
        displaced: false,
        shared: Arc::clone(&shared),
        queue,
        inbox,
        poll: settings.poll,
        views,
        answers: BTreeMap::new(),
        asks: 0,
        launched: BTreeSet::new(),
        found: BTreeMap::new(),
        adopting: Vec::new(),
        dead_before,
        pinged: BTreeSet::new(),
        unburied: BTreeMap::new(),
        look_again: None,
        goodbye: GOODBYE,
        day: clock::Settings::watch(),
        complaints: Complaints::default(),
        ending: Arc::default(),
        answering: JoinSet::new(),
        exit: None,
    };
    let signals = EndSignals::watch(signals).map_err(|source| ServeError::Io { doing: "watch for signals", source })?;
    let (ending, ended) = watch::channel(false);
    let taken_over = match leader.take_over() {
        Ok(()) => {
            leader.linked().await;
            point("taken over");
            Ok(())
        }
        Err(error) => Err(error.into()),
    };
    // Not before: a call that came meanwhile waits at the socket until the workers that were found can be reached.
    let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), ended));
    let outcome = match taken_over {
        Ok(()) => {
            on_ready(&shared.info);
            Ok(leader.lead(signals).await)
        }
        Err(error) => Err(error),
    };
    let mut answering = std::mem::take(&mut leader.answering);
    // Calls that came too late for the loop are refused by this, and the views are finished.
    drop(leader);
    point("led to the end");
    while answering.join_next().await.is_some() {}
    end_orphans(&shared).await;
    point("orphans ended");
    // The answers to the last calls are written before the process ends.
    let _ = ending.send(true);
    if let Err(error) = accepting.await {
        tracing::error!("the control socket ended badly: {error}");
    }
    point("fronts answered");
    let socket = shared.dir.leader_socket();
    // One in another's place is not to be removed.
    let mut held = held.into_inner().unwrap_or_else(PoisonError::into_inner);
    if matches!(held.keep(now_ms()), Ok(LockKept::InPlace | LockKept::TakenAnew) | Err(_))
        && let Err(error) = std::fs::remove_file(&socket)
    {
        tracing::warn!("cannot remove {}: {error}", socket.display());
    }
    point("socket removed");
    match &outcome {
        // The next one is about to be started.
        Ok(Served::HandedOver) => held.release(),
        Ok(Served::Ended) | Err(_) => held.sign_off(now_ms()),
    }
    outcome
}

/// Ends what dead workers left behind: what fell to this process, and what fell to others.
async fn end_orphans(shared: &Shared) {
    for left in orphans::end(|| shared.orphans()).await {
        tracing::error!("{left} of a dead worker does not end, not even on SIGKILL");
    }
    escaped::end(&shared.dir).await;
}

struct Leader<'a> {
    core: Core,
    /// The right to lead.
    held: &'a Mutex<LifeLock>,
    /// Set if its file was not in its place at the last slow poll.
    displaced: bool,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Input>,
    inbox: Inbox,
    /// From one look at the files to the next, if nothing happens.
    poll: Duration,
    views: Views,
    answers: BTreeMap<AskId, oneshot::Sender<Result<Answer, String>>>,
    asks: u64,
    /// The members whose workers this leader launched and whose end it will hear of.
    launched: BTreeSet<MemberName>,
    /// The workers that run and that this leader did not launch.
    found: BTreeMap<MemberName, Found>,
    /// Links to them that are being tried.
    adopting: Vec<oneshot::Receiver<()>>,
    dead_before: DeadBefore,
    /// The members that owe the answer to a ping.
    pinged: BTreeSet<MemberName>,
    /// The members whose leaving could not be written down yet.
    unburied: BTreeMap<MemberName, Leaving>,
    /// Set while a worker that this leader did not launch has said goodbye and is about to end.
    look_again: Option<Instant>,
    /// From its goodbye, or the last look, to the next one.
    goodbye: Duration,
    /// Whether the clock of the day is still as it was.
    day: clock::Settings,
    /// So that a poll does not repeat what is wrong with the files.
    complaints: Complaints,
    /// Set once it is to end.
    exit: Option<Served>,
    /// How many times what dead workers left behind is being ended at the moment.
    ending: Arc<watch::Sender<usize>>,
    /// The answers that wait for that.
    answering: JoinSet<()>,
}

/// The files a leader follows.
struct Followed {
    mail: FileId,
    roster: FileId,
    board: FileId,
}

impl Leader<'_> {
    async fn lead(&mut self, mut signals: EndSignals) -> Served {
        let mut watch = Watch::new(self.poll);
        let followed = Followed {
            mail: watch.add(self.shared.dir.mailbox(&Address::Lead)),
            roster: watch.add(self.shared.dir.roster()),
            board: watch.add(self.shared.dir.board()),
        };
        // What came between the first look and the watch.
        self.look(&followed, &Change::Poll);
        loop {
            if let Some(how) = self.exit {
                return how;
            }
            self.mind_the_clock();
            let tick = self.core.next_tick_ms();
            tokio::select! {
                Some(input) = self.queue.recv() => self.input(input),
                change = watch.changed() => self.look(&followed, &change),
                () = until(tick) => self.feed(Event::Tick),
                () = at(self.look_again) => {
                    if let Err(error) = self.look_at_roster()
                        && self.complaints.is_news("roster", &error.to_string())
                    {
                        tracing::error!("{error}");
                    }
                }
                () = signals.next() => self.feed(Event::Interrupted),
            }
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Ask { what, answer } => {
                self.asks += 1;
                let ask = AskId(self.asks);
                self.answers.insert(ask, answer);
                self.feed(Event::Asked { ask, what });
            }
            Input::Prepared { name, outcome: Ok(workspace) } => self.feed(Event::Prepared { name, workspace }),
            Input::Prepared { name, outcome: Err(why) } => {
                let why = format!("cannot spawn {name}: {why}");
                self.feed(Event::NotPrepared { name, why });
            }
            Input::Ready { name, pid } => self.feed(Event::Ready { name, pid }),
            Input::NotReady { name, why, fault } => {
                self.launched.remove(&name);
                self.feed(Event::NotReady { name, why, fault });
            }
            Input::Exited { name, how } => {
                self.launched.remove(&name);
                let how = self.how_it_left(&name).unwrap_or(LeftHow::Died { reason: how });
                self.feed(Event::Exited { name, how });
            }
            Input::Unlinked { name } => self.unlinked(&name),
            Input::Answered { name } => {
                self.pinged.remove(&name);
                self.feed(Event::Answered { name });
            }
            Input::PingLost { name } => {
                self.pinged.remove(&name);
                self.feed(Event::NotAsked { name });
            }
        }
    }

    fn look(&mut self, followed: &Followed, change: &Change) {
        let changed = |file: FileId| match change {
            Change::Files(files) => files.contains(&file),
            Change::Poll => true,
        };
        if self.is_displaced() {
            if *change == Change::Poll {
                self.mind_the_lock();
            }
            return;
        }
        self.displaced = false;
        if changed(followed.board) {
            self.views.poke();
        }
        let looked = [
            changed(followed.roster).then(|| self.look_at_roster()),
            changed(followed.mail).then(|| self.read_mail()),
            (*change == Change::Poll).then(|| self.sweep()),
        ];
        for (about, looked) in ["roster", "mail", "board"].into_iter().zip(looked) {
            match looked {
                Some(Ok(())) => self.complaints.over(about),
                Some(Err(error)) if self.complaints.is_news(about, &error.to_string()) => tracing::error!("{error}"),
                Some(Err(_)) | None => {}
            }
        }
        if *change == Change::Poll {
            self.bury_the_rest();
            self.feed(Event::Polled);
        }
    }

    /// Whether the team was removed, or another leader holds the lock: then what is at the team's place is not this one's
    /// to read, to write to, or to signal. Not if it can not be told. A lock that was only tidied away is taken anew.
    fn is_displaced(&self) -> bool {
        match self.held.lock().unwrap_or_else(PoisonError::into_inner).keep(now_ms()) {
            Ok(LockKept::InPlace) | Err(_) => false,
            Ok(LockKept::TakenAnew) => {
                let lock = self.shared.dir.leader_lock();
                tracing::warn!("{} was removed or replaced while it was held; it is taken anew", lock.display());
                false
            }
            Ok(LockKept::ByAnother(_) | LockKept::TeamGone) => true,
        }
    }

    /// No command finds a leader whose team was removed, and what is made in its place gets a leader of its own. Looked
    /// at twice, for who only puts something aside.
    fn mind_the_lock(&mut self) {
        if !std::mem::replace(&mut self.displaced, true) {
            return;
        }
        let lock = self.shared.dir.leader_lock();
        let lock = lock.display();
        tracing::error!(
            "{lock} was removed or replaced: the team is not this leader's any more, and its workers are ended"
        );
        self.asks += 1;
        self.feed(Event::Asked { ask: AskId(self.asks), what: Ask::Down { how: Down::ByForce } });
    }

    /// Gives the core an event and carries out what follows from it, in order.
    fn feed(&mut self, event: Event) {
        self.mind_the_clock();
        self.carry_out(event);
    }

    /// Before anything else is reckoned with: it moves the times that are waited for.
    fn mind_the_clock(&mut self) {
        if let Some(by_ms) = self.day.look() {
            self.carry_out(Event::ClockSet { by_ms });
        }
    }

    fn carry_out(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.core.step(now_ms(), event);
            if self.core.is_forced() {
                self.shared.team().set_lock_within(LOG_LOCK_BY_FORCE);
            }
            for action in actions {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Prepare { request } => self.prepare(request),
            Action::Launch { name } => return self.launch(name),
            Action::RequestShutdown { name, reason, deadline_ms, when_busy } => {
                if self.is_displaced() {
                    return Some(Event::ShutdownNotRequested { name, why: DISPLACED.to_owned() });
                }
                let request = new_message_id();
                let body = Body::ShutdownRequest(ShutdownRequest { request, reason, deadline_ms, when_busy });
                let to = Address::Member(name.clone());
                return Some(match self.shared.team().post(&to, Urgency::Now, body) {
                    Ok(_) => Event::ShutdownRequested { name, request },
                    Err(error) => Event::ShutdownNotRequested { name, why: error.to_string() },
                });
            }
            Action::Dismiss { name } => self.dismiss(name),
            Action::Signal { name, signal } => self.signal(&name, signal),
            Action::Bury { name, how, again_ms } => self.bury(&name, Leaving { how, again_ms }),
            Action::Ping { name } => return self.ping(name),
            Action::ShowHung { name } => self.show(TeamFact::Hung { name }),
            Action::ShowAnswering { name } => self.show(TeamFact::Answering { name }),
            Action::Answer { ask, answer } => {
                point("about to answer");
                // That an asker is gone is no error: what it asked for has happened.
                match (self.answers.remove(&ask), answer) {
                    (Some(asker), ended @ Ok(Answer::Ended(_))) => self.answer_when_nothing_is_left(asker, ended),
                    (Some(asker), answer) => drop(asker.send(answer)),
                    (None, _) => {}
                }
            }
            Action::Report { text } => tracing::warn!("{text}"),
            Action::Exit => self.exit = Some(Served::Ended),
            Action::HandOver => self.exit = Some(Served::HandedOver),
        }
        None
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn until(at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => sleep_until(Instant::now() + Duration::from_millis(at_ms.saturating_sub(now_ms()))).await,
        None => std::future::pending().await,
    }
}

const _: () = assert!(LINE_BYTES_MAX > teamster_protocol::model::limits::MAIL_TEXT_BYTES_MAX);
