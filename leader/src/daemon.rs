//! The leader's process: one queue of events, the core that decides, and the actions carried out. Everything that
//! waits runs as a task of its own and reports back as an `Input`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teamster_protocol::host::clock::{self, new_message_id, now_ms};
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::{self, point};
use teamster_protocol::host::descriptors;
use teamster_protocol::host::process::Identity;
use teamster_protocol::host::signals::{EndSignal, EndSignals};
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::limits::{LOG_LOCK_BY_FORCE, PROTOCOL_VERSION};
use teamster_protocol::model::mail::{Body, Urgency};
use teamster_protocol::model::roster::{LeftHow, TeamFact};
use teamster_protocol::model::shutdown::{ShutdownRequest, WhenBusy};
use teamster_protocol::store::presence::{LifeLock, LockKept};
use teamster_protocol::store::watch::{Change, FileId, Watch};
use teamster_protocol::team::{Inbox, Team, TeamError};
use teamster_protocol::wire::api::LeaderInfo;
use teamster_protocol::wire::peer::LINE_BYTES_MAX;
use teamster_protocol::wire::peer::socket::{self, Listener};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::core::{Action, Core, Event, RosterLook};

mod adopt;
mod answers;
mod burial;
pub mod escaped;
pub mod launch;
mod links;
mod mail;
mod options;
mod orphans;
mod outcome;
mod prepare;
mod pulse;
mod roster;
mod shared;
mod succession;
mod views;
mod workers;
pub mod workspace;

pub use options::{ServeOptions, Signals};
pub use outcome::{ServeError, Served};
pub use shared::{AskError, Shared};

use answers::Answers;
use shared::Input;
use succession::begin_to_lead;
use views::TaskViews;

/// Inputs that wait for the loop.
const INPUTS_MAX: usize = 1024;

/// Why nothing is done any more to what is at the team's place.
const DISPLACED: &str = "the team was removed or replaced";

/// Leads the team until it is told to end and no worker is left, or to hand over. Refuses with [`ServeError::Led`] while another
/// leader lives, and with [`ServeError::Over`] after a leader that was followed by another, or ended, before this one began.
/// What an earlier leader left is taken over: tasks of dead workers go back, and workers that still
/// run are members again, linked to over their sockets. `accept` takes calls at the control socket until it is told to stop.
pub async fn serve<F>(
    options: ServeOptions,
    accept: impl FnOnce(Listener, Arc<Shared>, watch::Receiver<bool>) -> F,
) -> Result<Served, ServeError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let ServeOptions { dir, founded_for, settings, signals, dead_before, after, let_go, on_ready } = options;
    crash::begin("leader");
    if after.is_none() {
        // The one before it had made it, and what was removed since is not made again.
        dir.create().map_err(TeamError::from)?;
    }
    let since_ms = now_ms();
    let held = begin_to_lead(&dir, after.as_ref(), since_ms).await?;
    let held = Mutex::new(LifeLock::new(held, dir.leader_lock(), &dir).map_err(ServeError::Lock)?);
    let open_files = descriptors::raise_open_files().unwrap_or_else(|error| {
        tracing::warn!("cannot raise the limit of open files, so there is room for fewer members: {error}");
        None
    });
    orphans::adopt().map_err(|source| ServeError::Io { doing: "adopt orphans", source })?;
    let mut team = Team::open(dir.clone(), Address::Lead, settings.durability)?;
    if team.roster().dir().is_none() {
        team.enroll(TeamFact::Founded { dir: founded_for })?;
    }
    let inbox = Inbox::open(&dir, Address::Lead, settings.durability)?;
    let listener = socket::listen(&dir.leader_socket())?;
    point("leader listens");
    let views = TaskViews::start(dir.clone()).map_err(|source| ServeError::Io { doing: "start a thread", source })?;
    let info = LeaderInfo {
        team: dir.team().clone(),
        pid: std::process::id(),
        since_ms,
        protocol: PROTOCOL_VERSION,
        version: env!("TEAMSTER_VERSION").to_owned(),
    };
    let (inputs, queue) = mpsc::channel(INPUTS_MAX);
    let shared = Arc::new(Shared {
        worker_program: launch::worker_program(),
        open_files,
        settings,
        team: Mutex::new(team),
        links: links::Links::default(),
        dir,
        info,
        inputs,
    });
    let mut leader = Leader {
        core: Core::new(settings.answer_within, dead_before),
        held: &held,
        shared: Arc::clone(&shared),
        queue,
        inbox,
        views,
        answers: Answers::default(),
        day: clock::Settings::watch(),
        complaints: Complaints::default(),
        outer_halves: BTreeMap::new(),
        exit: None,
    };
    let signals = match signals {
        // Those that are caught no longer end the process by themselves.
        Signals::End => EndSignals::catch(&[EndSignal::Interrupt, EndSignal::Terminate]),
        Signals::Ignore => Ok(EndSignals::none()),
    };
    let signals = signals.map_err(|source| ServeError::Io { doing: "watch for signals", source })?;
    let (ending, ended) = watch::channel(false);
    let taken_over = match leader.take_over() {
        Ok(()) => {
            leader.link_to_found().await;
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
            Ok(leader.lead(settings.poll, signals, let_go).await)
        }
        Err(error) => Err(error),
    };
    let mut answering = std::mem::take(&mut leader.answers).into_waiting();
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
    for left in orphans::end(|| shared.links.orphans()).await {
        tracing::error!("{left} of a dead worker does not end, not even on SIGKILL");
    }
    escaped::end(&shared.dir).await;
}

/// The shell around the core: what it needs to gather facts and to carry out actions. Who is a member, and where each
/// stands, only the core knows.
struct Leader<'a> {
    core: Core,
    /// The right to lead.
    held: &'a Mutex<LifeLock>,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Input>,
    inbox: Inbox,
    views: TaskViews,
    answers: Answers,
    /// Whether the clock of the day is still as it was.
    day: clock::Settings,
    /// So that a poll does not repeat what is wrong with the files.
    complaints: Complaints,
    /// The outer halves of workers that this leader did not launch, as far as they are in a cell.
    outer_halves: BTreeMap<MemberName, Identity>,
    /// Set once it is to end.
    exit: Option<Served>,
}

/// The files a leader follows.
struct Followed {
    mail: FileId,
    roster: FileId,
    board: FileId,
}

impl Leader<'_> {
    async fn lead(
        &mut self,
        poll: Duration,
        mut signals: EndSignals,
        mut let_go: Option<oneshot::Receiver<()>>,
    ) -> Served {
        let mut watch = Watch::new(poll);
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
            // In random order, so that no source starves another.
            tokio::select! {
                Some(input) = self.queue.recv() => self.take_input(input),
                change = watch.changed() => self.look(&followed, &change),
                () = until(tick) => self.feed(Event::Tick),
                _ = signals.next() => self.feed(Event::Interrupted),
                () = told(&mut let_go) => return Served::Ended,
            }
        }
    }

    fn take_input(&mut self, input: Input) {
        match input {
            Input::Ask { what, answer } => {
                let ask = self.answers.expect(answer);
                self.feed(Event::Asked { ask, what });
            }
            Input::Event(event) => self.feed(event),
            Input::Exited { name, status } => {
                let how = self.how_it_left(&name).unwrap_or(LeftHow::Died { reason: status });
                self.feed(Event::Exited { name, how });
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
                tracing::error!("{} was removed or replaced", self.shared.dir.leader_lock().display());
                self.feed(Event::TeamMissing);
            }
            return;
        }
        if changed(followed.board) {
            self.views.note_change();
        }
        let looked = [
            changed(followed.roster).then(|| self.look_at_roster(RosterLook::Later)),
            // Also after the roster: a worker that leaves wrote its answer before that.
            (changed(followed.mail) || changed(followed.roster)).then(|| self.read_mail()),
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
                return Some(self.request_shutdown(name, reason, deadline_ms, when_busy));
            }
            Action::WriteFact { fact } => self.write_fact(fact),
            Action::Signal { name, signal } => self.signal(&name, signal),
            Action::Bury { name, leaving } => return self.bury(name, &leaving),
            Action::Adopt { name, process } => {
                tokio::spawn(adopt::run(Arc::clone(&self.shared), name, process));
            }
            Action::LookAtRoster => return self.roster_seen(),
            Action::LookAtWork { name, is_silent } => return self.look_at_work(name, is_silent),
            Action::Ping { name } => return self.ping(name),
            Action::Answer { ask, answer } => {
                point("about to answer");
                self.answers.answer(ask, answer);
            }
            Action::Report { text } => tracing::warn!("{text}"),
            Action::Exit => self.exit = Some(Served::Ended),
            Action::HandOver => self.exit = Some(Served::HandedOver),
        }
        None
    }

    fn request_shutdown(&self, name: MemberName, reason: String, deadline_ms: u64, when_busy: WhenBusy) -> Event {
        if self.is_displaced() {
            return Event::ShutdownNotRequested { name, why: DISPLACED.to_owned() };
        }
        let request = new_message_id();
        let body = Body::ShutdownRequest(ShutdownRequest { request, reason, deadline_ms, when_busy });
        match self.shared.team().post(&Address::Member(name.clone()), Urgency::Now, body) {
            Ok(_) => Event::ShutdownRequested { name, request },
            Err(error) => Event::ShutdownNotRequested { name, why: error.to_string() },
        }
    }
}

/// Waits until it is told; for ever if nobody can tell it any more.
async fn told(let_go: &mut Option<oneshot::Receiver<()>>) {
    if let Some(receiver) = let_go {
        let told = receiver.await;
        // It is not asked a second time.
        *let_go = None;
        if told.is_ok() {
            return;
        }
    }
    std::future::pending().await
}

async fn until(at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => sleep_until(Instant::now() + Duration::from_millis(at_ms.saturating_sub(now_ms()))).await,
        None => std::future::pending().await,
    }
}

const _: () = assert!(LINE_BYTES_MAX > teamster_protocol::model::limits::MAIL_TEXT_BYTES_MAX);
