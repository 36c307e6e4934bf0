//! The leader's process: one queue of events, the core that decides, and the actions carried out. Everything that
//! waits runs as a task of its own and reports back as an `LeaderInput`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teamster_protocol::host::clock::{self, new_message_id, now_ms};
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::{self, point};
use teamster_protocol::host::descriptors;
use teamster_protocol::host::signals::{EndSignal, EndSignals};
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::limits::sizes::{LEADER_INPUTS_MAX, MESSAGE_LINE_BYTES_MAX};
use teamster_protocol::model::limits::{LOG_LOCK_BY_FORCE, PROTOCOL_VERSION};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::roster::{TeamFact, WorkerEnd};
use teamster_protocol::model::shutdown::{ShutdownRequest, WhenBusy};
use teamster_protocol::store::presence::{LifeLock, LockKept};
use teamster_protocol::store::watch::{FileChange, FileId, FileWatch};
use teamster_protocol::team::{Inbox, Team, TeamError};
use teamster_protocol::wire::api::LeaderInfo;
use teamster_protocol::wire::peer::socket::{self, SocketListener};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::core::{LeaderAction, LeaderCore, LeaderEvent, RosterLook};

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
mod outer_half;
mod prepare;
mod pulse;
mod roster;
mod shared;
mod spare;
mod succession;
mod views;
mod workers;
pub mod workspace;

pub use options::{ServeOptions, SignalHandling};
pub use outcome::{LeaderEnd, ServeError};
pub use shared::{AskError, LeaderShared};

use answers::OpenAnswers;
use outer_half::see_off_outer_half;
use shared::LeaderInput;
use succession::begin_to_lead;
use views::TaskViews;

/// The reason why nothing more is done to the files at the team's place.
const DISPLACED: &str = "the team was removed or replaced";

/// Leads the team until it is told to end and no worker is left, or to hand over. Refuses with [`ServeError::Led`]
/// while another leader lives, and with [`ServeError::Over`] after a leader that was followed by another, or ended,
/// before this one began. Takes over from an earlier leader: tasks of dead workers go back, and workers that still run
/// are members again, linked to over their sockets. `accept` takes calls at the control socket until it is told to
/// stop.
pub async fn serve<F>(
    options: ServeOptions,
    accept: impl FnOnce(SocketListener, Arc<LeaderShared>, watch::Receiver<bool>) -> F,
) -> Result<LeaderEnd, ServeError>
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
        ending: None,
    };
    let (inputs, queue) = mpsc::channel(LEADER_INPUTS_MAX);
    let shared = Arc::new(LeaderShared {
        worker_program: launch::worker_program(),
        open_files,
        settings,
        team: Mutex::new(team),
        ending: Mutex::new(None),
        links: links::WorkerLinks::default(),
        dir,
        info,
        inputs,
    });
    let mut leader = LeaderDaemon {
        core: LeaderCore::new(settings.answer_within, dead_before),
        held: &held,
        shared: Arc::clone(&shared),
        queue,
        inbox,
        views,
        answers: OpenAnswers::default(),
        day: clock::ClockChanges::watch(),
        complaints: Complaints::default(),
        exit: None,
    };
    let signals = match signals {
        // Signals that are caught no longer end the process by themselves.
        SignalHandling::End => EndSignals::catch(&[EndSignal::Interrupt, EndSignal::Terminate]),
        SignalHandling::Ignore => Ok(EndSignals::none()),
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
    shared.links.end_spare().await;
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
        Ok(LeaderEnd::HandedOver) => held.release(),
        Ok(LeaderEnd::Ended) | Err(_) => held.sign_off(now_ms()),
    }
    outcome
}

/// Ends what dead workers left behind: what fell to this process, and what fell to others.
async fn end_orphans(shared: &LeaderShared) {
    for left in orphans::end(|| shared.links.orphans()).await {
        tracing::error!("{left} of a dead worker does not end, not even on SIGKILL");
    }
    escaped::end(&shared.dir).await;
}

/// The shell around the core: the files, links and processes by which it gathers facts and carries out actions. Only
/// the core knows the members and where each stands.
struct LeaderDaemon<'a> {
    core: LeaderCore,
    /// The right to lead.
    held: &'a Mutex<LifeLock>,
    shared: Arc<LeaderShared>,
    queue: mpsc::Receiver<LeaderInput>,
    inbox: Inbox,
    views: TaskViews,
    answers: OpenAnswers,
    /// Whether the clock of the day is still as it was.
    day: clock::ClockChanges,
    /// So that a poll does not repeat what is wrong with the files.
    complaints: Complaints,
    /// Set once it is to end.
    exit: Option<LeaderEnd>,
}

/// The files a leader follows.
struct FollowedFiles {
    mail: FileId,
    roster: FileId,
    board: FileId,
}

impl LeaderDaemon<'_> {
    async fn lead(
        &mut self,
        poll: Duration,
        mut signals: EndSignals,
        mut let_go: Option<oneshot::Receiver<()>>,
    ) -> LeaderEnd {
        let mut watch = FileWatch::new(poll);
        let followed = FollowedFiles {
            mail: watch.add(self.shared.dir.mailbox(&Address::Lead)),
            roster: watch.add(self.shared.dir.roster()),
            board: watch.add(self.shared.dir.board()),
        };
        // A change between the first look and the watch would be missed otherwise.
        self.look(&followed, &FileChange::Poll);
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
                () = wait_until_clock(tick) => self.feed(LeaderEvent::Tick),
                _ = signals.next() => self.feed(LeaderEvent::Interrupted),
                () = wait_to_be_let_go(&mut let_go) => return LeaderEnd::Ended,
            }
        }
    }

    fn take_input(&mut self, input: LeaderInput) {
        match input {
            LeaderInput::Ask { what, answer } => {
                let ask = self.answers.expect(answer);
                self.feed(LeaderEvent::Asked { ask, what });
            }
            LeaderInput::Event(event) => self.feed(event),
            LeaderInput::Exited { name, status } => {
                let how = self.how_it_left(&name, WorkerEnd::Died { reason: status });
                self.feed(LeaderEvent::Exited { name, how });
            }
        }
    }

    fn look(&mut self, followed: &FollowedFiles, change: &FileChange) {
        let changed = |file: FileId| match change {
            FileChange::Files(files) => files.contains(&file),
            FileChange::Poll => true,
        };
        if self.is_displaced() {
            if *change == FileChange::Poll {
                tracing::error!("{} was removed or replaced", self.shared.dir.leader_lock().display());
                self.feed(LeaderEvent::TeamMissing);
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
            (*change == FileChange::Poll).then(|| self.sweep()),
        ];
        for (about, looked) in ["roster", "mail", "board"].into_iter().zip(looked) {
            match looked {
                Some(Ok(())) => self.complaints.over(about),
                Some(Err(error)) if self.complaints.is_news(about, &error.to_string()) => tracing::error!("{error}"),
                Some(Err(_)) | None => {}
            }
        }
        if *change == FileChange::Poll {
            self.feed(LeaderEvent::Polled);
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
    fn feed(&mut self, event: LeaderEvent) {
        self.mind_the_clock();
        self.carry_out(event);
    }

    /// Before anything else is reckoned with: it moves the times that are waited for.
    fn mind_the_clock(&mut self) {
        if let Some(by_ms) = self.day.look() {
            self.carry_out(LeaderEvent::ClockSet { by_ms });
        }
    }

    fn carry_out(&mut self, event: LeaderEvent) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.core.step(now_ms(), event);
            self.shared.note_ending(self.core.ending());
            if self.core.is_forced() {
                self.shared.team().set_lock_within(LOG_LOCK_BY_FORCE);
            }
            for action in actions {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: LeaderAction) -> Option<LeaderEvent> {
        match action {
            LeaderAction::Prepare { request } => self.prepare(*request),
            LeaderAction::Launch { name } => return self.launch(name),
            LeaderAction::RequestShutdown { name, reason, deadline_ms, when_busy } => {
                return Some(self.request_shutdown(name, reason, deadline_ms, when_busy));
            }
            LeaderAction::WriteFact { fact } => self.write_fact(fact),
            LeaderAction::Signal { name, signal } => self.signal(&name, signal),
            LeaderAction::Bury { name, leaving } => return self.bury(name, &leaving),
            LeaderAction::SeeOff { outer_half } => {
                tokio::spawn(see_off_outer_half(outer_half));
            }
            LeaderAction::Adopt { name, process } => {
                tokio::spawn(adopt::run(Arc::clone(&self.shared), name, process));
            }
            LeaderAction::LookAtRoster => return self.roster_seen(),
            LeaderAction::LookAtWork { name, is_silent } => return self.look_at_work(name, is_silent),
            LeaderAction::Ping { name } => return self.ping(name),
            LeaderAction::Answer { ask, answer } => {
                point("about to answer");
                self.answers.answer(ask, answer);
            }
            LeaderAction::Report { text } => tracing::warn!("{text}"),
            LeaderAction::Exit => self.exit = Some(LeaderEnd::Ended),
            LeaderAction::HandOver => self.exit = Some(LeaderEnd::HandedOver),
        }
        None
    }

    fn request_shutdown(&self, name: MemberName, reason: String, deadline_ms: u64, when_busy: WhenBusy) -> LeaderEvent {
        if self.is_displaced() {
            return LeaderEvent::ShutdownNotRequested { name, why: DISPLACED.to_owned() };
        }
        let request = new_message_id();
        let body = MessageBody::ShutdownRequest(ShutdownRequest { request, reason, deadline_ms, when_busy });
        match self.shared.team().post(&Address::Member(name.clone()), Urgency::Now, body) {
            Ok(_) => LeaderEvent::ShutdownRequested { name, request },
            Err(error) => LeaderEvent::ShutdownNotRequested { name, why: error.to_string() },
        }
    }
}

/// Waits until the receiver is told; for ever if its sender is gone or was heard already.
async fn wait_to_be_let_go(let_go: &mut Option<oneshot::Receiver<()>>) {
    if let Some(receiver) = let_go {
        let told = receiver.await;
        // The receiver has given its answer and must not be asked a second time.
        *let_go = None;
        if told.is_ok() {
            return;
        }
    }
    std::future::pending().await
}

/// Waits until a time of the clock; for ever for none.
async fn wait_until_clock(at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => sleep_until(Instant::now() + Duration::from_millis(at_ms.saturating_sub(now_ms()))).await,
        None => std::future::pending().await,
    }
}

const _: () = assert!(MESSAGE_LINE_BYTES_MAX > teamster_protocol::model::limits::MAIL_TEXT_BYTES_MAX);
