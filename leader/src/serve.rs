//! The leader's process: one queue of events, the core that decides, and the actions carried out. Everything that
//! waits runs as a task of its own and reports back as an [`Input`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal;
use nix::unistd::Pid;
use teamster_protocol::api::{LeaderApiServer, LeaderInfo, SpawnRequest};
use teamster_protocol::clock::{new_message_id, now_ms};
use teamster_protocol::id::{Address, MemberName};
use teamster_protocol::limits::{PROTOCOL_VERSION, SLOW_POLL};
use teamster_protocol::lock::{self, Lock, LockError};
use teamster_protocol::log::Durability;
use teamster_protocol::mail::{Body, Message, Urgency};
use teamster_protocol::peer::socket::{self, Listener, SocketError};
use teamster_protocol::peer::{LINE_BYTES_MAX, Peer};
use teamster_protocol::process::Identity;
use teamster_protocol::roster::{LeftHow, Presence, TeamFact};
use teamster_protocol::shutdown::ShutdownRequest;
use teamster_protocol::team::{Inbox, Team, TeamError, slow_poll};
use teamster_protocol::team_dir::TeamDir;
use teamster_protocol::watch::{Change, FileId, Watch};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal as on_signal};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::core::{Action, Answer, AskId, Core, Event, Signal};
use crate::io::server::Server;
use crate::io::views::Views;
use crate::io::{launch, orphans, prepare};

mod shared;

pub use shared::{Input, Link, Shared};

/// Inputs that wait for the loop.
const INPUTS_MAX: usize = 1024;
/// From a worker's goodbye to the next look whether it has ended.
const GOODBYE: Duration = Duration::from_millis(20);
/// Notices that a slow front may be behind.
const NOTICES_BEHIND_MAX: usize = 4096;

/// Which team is led, and how.
pub struct ServeOptions {
    /// Where the team's files are.
    pub dir: TeamDir,
    /// The directory the team is for; written down when the team is new.
    pub founded_for: PathBuf,
    /// What SIGINT and SIGTERM do.
    pub signals: Signals,
    /// Called once calls are taken.
    pub on_ready: Box<dyn FnOnce(&LeaderInfo) + Send>,
}

/// What SIGINT and SIGTERM do to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// The first ends the team gently, the second by force.
    End,
    /// Nothing: the program around the leader handles them.
    Ignore,
}

/// Why a team can not be led.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another leader leads it.
    #[error("team {team} has a leader already{}", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Led {
        /// The team.
        team: String,
        /// Its leader's process.
        pid: Option<u32>,
    },
    /// The leader's lock can not be taken.
    #[error(transparent)]
    Lock(LockError),
    /// The team's files can not be used.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// The control socket can not be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system refused something else.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What.
        doing: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// Leads the team until it is told to end and no worker is left. Refuses with [`ServeError::Led`] while another
/// leader lives. What an earlier leader left is taken over: tasks of dead workers go back, and workers that still
/// run are members again, reached by mail.
pub async fn serve(options: ServeOptions) -> Result<(), ServeError> {
    let ServeOptions { dir, founded_for, signals, on_ready } = options;
    dir.create().map_err(TeamError::from)?;
    let since_ms = now_ms();
    let held = Lock::take(&dir.leader_lock(), since_ms).map_err(|error| led(&dir, error))?;
    orphans::adopt().map_err(|source| ServeError::Io { doing: "adopt orphans", source })?;
    let mut team = Team::open(dir.clone(), Address::Lead, Durability::Power)?;
    if team.roster().dir().is_none() {
        team.enroll(TeamFact::Founded { dir: founded_for })?;
    }
    let inbox = Inbox::open(&dir, Address::Lead, Durability::Power)?;
    let listener = socket::listen(&dir.leader_socket())?;
    let views = Views::start(dir.clone()).map_err(|source| ServeError::Io { doing: "start a thread", source })?;
    let info = LeaderInfo {
        team: dir.team().clone(),
        pid: std::process::id(),
        since_ms,
        protocol: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (inputs, queue) = mpsc::channel(INPUTS_MAX);
    let (notices, _) = broadcast::channel(NOTICES_BEHIND_MAX);
    let shared = Arc::new(Shared {
        worker_program: launch::worker_program(),
        team: Mutex::new(team),
        links: Mutex::default(),
        dir,
        info,
        inputs,
        notices,
    });
    let mut leader = Leader {
        core: Core::new(),
        shared: Arc::clone(&shared),
        queue,
        inbox,
        views,
        answers: BTreeMap::new(),
        asks: 0,
        launched: BTreeSet::new(),
        by_hand: BTreeMap::new(),
        unburied: BTreeMap::new(),
        look_again: None,
        goodbye: GOODBYE,
        exit: Exit::NotYet,
    };
    let signals = EndSignals::watch(signals).map_err(|source| ServeError::Io { doing: "watch for signals", source })?;
    let (ending, ended) = watch::channel(false);
    let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), ended));
    let outcome = match leader.take_over() {
        Ok(()) => {
            on_ready(&shared.info);
            leader.lead(signals).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    // Calls that came too late for the loop are refused by this, and the views are finished.
    drop(leader);
    end_orphans(&shared).await;
    // The answers to the last calls are written before the process ends.
    let _ = ending.send(true);
    if let Err(error) = accepting.await {
        tracing::error!("the control socket ended badly: {error}");
    }
    let socket = shared.dir.leader_socket();
    if let Err(error) = std::fs::remove_file(&socket) {
        tracing::warn!("cannot remove {}: {error}", socket.display());
    }
    held.release();
    outcome
}

fn led(dir: &TeamDir, error: LockError) -> ServeError {
    match error {
        LockError::Held { holder, .. } => {
            ServeError::Led { team: dir.team().to_string(), pid: holder.map(|holder| holder.process.pid) }
        }
        error @ LockError::Io { .. } => ServeError::Lock(error),
    }
}

/// Ends what dead workers left behind.
async fn end_orphans(shared: &Shared) {
    for left in orphans::end(|| shared.orphans()).await {
        tracing::error!("{left} of a dead worker does not end, not even on SIGKILL");
    }
}

/// Takes connections of fronts until the end, then lets each write what is queued.
async fn accept(listener: Listener, shared: Arc<Shared>, mut ending: watch::Receiver<bool>) {
    let mut fronts = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            Some(_) = fronts.join_next() => continue,
            () = ended(&mut ending) => break,
        };
        match stream {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                let peer = Peer::start(read, write, Server::new(Arc::clone(&shared)).into_rpc());
                fronts.spawn(attend(peer, ending.clone()));
            }
            Err(error) => {
                tracing::warn!("{error}");
                // Out of descriptors: to try at once again would only burn the processor.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    while fronts.join_next().await.is_some() {}
}

/// Keeps a front's connection until it or the leader ends.
async fn attend(peer: Peer, mut ending: watch::Receiver<bool>) {
    tokio::select! {
        _ = peer.closed() => return,
        () = ended(&mut ending) => {}
    }
    peer.close().await;
}

async fn ended(ending: &mut watch::Receiver<bool>) {
    // An error means that the leader's loop is gone, which is an end too.
    let _ = ending.wait_for(|ending| *ending).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    NotYet,
    Now,
}

struct Leader {
    core: Core,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Input>,
    inbox: Inbox,
    views: Views,
    answers: BTreeMap<AskId, oneshot::Sender<Result<Answer, String>>>,
    asks: u64,
    /// The members whose workers this leader launched and whose end it will hear of.
    launched: BTreeSet<MemberName>,
    /// The workers that this leader did not launch, each as the process it was found as.
    by_hand: BTreeMap<MemberName, Identity>,
    /// The members whose leaving could not be written down yet.
    unburied: BTreeMap<MemberName, LeftHow>,
    /// Set while a worker that this leader did not launch has said goodbye and is about to end.
    look_again: Option<Instant>,
    /// From its goodbye, or the last look, to the next one.
    goodbye: Duration,
    exit: Exit,
}

/// The signals that end the leader. They are caught only if they do: what is caught no longer ends the process.
enum EndSignals {
    Caught(Box<[SignalStream; 2]>),
    NotOurs,
}

impl EndSignals {
    fn watch(signals: Signals) -> std::io::Result<EndSignals> {
        Ok(match signals {
            Signals::End => {
                EndSignals::Caught(Box::new([on_signal(SignalKind::interrupt())?, on_signal(SignalKind::terminate())?]))
            }
            Signals::Ignore => EndSignals::NotOurs,
        })
    }

    async fn next(&mut self) {
        match self {
            EndSignals::Caught(caught) => {
                let [interrupt, terminate] = &mut **caught;
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            EndSignals::NotOurs => std::future::pending().await,
        }
    }
}

/// The files a leader follows.
struct Followed {
    mail: FileId,
    roster: FileId,
    board: FileId,
}

impl Leader {
    /// Takes over what an earlier leader left.
    fn take_over(&mut self) -> Result<(), ServeError> {
        let buried = self.shared.team().sweep(None)?;
        for name in buried {
            tracing::warn!(%name, "its worker had died; its tasks are open again");
        }
        self.look_at_roster()?;
        let unread = self.inbox.unread()?;
        self.mail(unread);
        Ok(())
    }

    async fn lead(&mut self, mut signals: EndSignals) {
        let mut watch = Watch::new(slow_poll(std::env::var("TEAMSTER_POLL_MS").ok().as_deref()));
        let followed = Followed {
            mail: watch.add(self.shared.dir.mailbox(&Address::Lead)),
            roster: watch.add(self.shared.dir.roster()),
            board: watch.add(self.shared.dir.board()),
        };
        // What came between the first look and the watch.
        self.look(&followed, &Change::Poll);
        while self.exit == Exit::NotYet {
            let tick = self.core.next_tick_ms();
            tokio::select! {
                Some(input) = self.queue.recv() => self.input(input),
                change = watch.changed() => self.look(&followed, &change),
                () = until(tick) => self.feed(Event::Tick),
                () = at(self.look_again) => {
                    if let Err(error) = self.look_at_roster() {
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
            Input::NotReady { name, why } => {
                self.launched.remove(&name);
                self.feed(Event::NotReady { name, why });
            }
            Input::Exited { name, how } => {
                self.launched.remove(&name);
                let how = self.how_it_left(&name).unwrap_or(LeftHow::Died { reason: how });
                self.feed(Event::Exited { name, how });
            }
        }
    }

    fn look(&mut self, followed: &Followed, change: &Change) {
        let changed = |file: FileId| match change {
            Change::Files(files) => files.contains(&file),
            Change::Poll => true,
        };
        if changed(followed.board) {
            self.views.poke();
        }
        let looked = [
            changed(followed.roster).then(|| self.look_at_roster()),
            changed(followed.mail).then(|| self.read_mail()),
            (*change == Change::Poll).then(|| self.sweep()),
        ];
        for error in looked.into_iter().flatten().filter_map(Result::err) {
            tracing::error!("{error}");
        }
        if *change == Change::Poll {
            self.bury_the_rest();
        }
    }

    fn read_mail(&mut self) -> Result<(), TeamError> {
        let arrived = self.inbox.arrived()?;
        self.mail(arrived);
        Ok(())
    }

    /// Acts on control mail. Texts stay unread, for the people behind the lead.
    fn mail(&mut self, messages: Vec<Message>) {
        let mut done = Vec::new();
        for message in messages {
            match (message.body, message.from) {
                (Body::Text { .. }, _) => continue,
                (Body::ShutdownReply(reply), Address::Member(from)) => self.feed(Event::Replied { from, reply }),
                (
                    Body::ShutdownReply(_)
                    | Body::TaskAssigned { .. }
                    | Body::ShutdownRequest(_)
                    | Body::AbortRequest { .. }
                    | Body::Unknown,
                    from,
                ) => tracing::warn!(%from, "mail of a kind that the lead does not act on"),
            }
            done.push(message.id);
        }
        if !done.is_empty()
            && let Err(error) = self.inbox.acknowledge(&done)
        {
            tracing::error!("cannot acknowledge mail: {error}");
        }
    }

    /// Notices workers that joined, and such as left, without this leader having launched them.
    fn look_at_roster(&mut self) -> Result<(), TeamError> {
        let mut events = Vec::new();
        let mut dead = Vec::new();
        let mut leaving = false;
        {
            let mut team = self.shared.team();
            team.refresh(|_| ())?;
            for (name, member) in team.roster().members().filter(|(name, _)| !self.launched.contains(*name)) {
                let known = self.core.is_running(name);
                let found = self.by_hand.get(name);
                let running = lock::is_held(&self.shared.dir.member_lock(name))?;
                let exited = |how| Event::Exited { name: name.clone(), how };
                match (&member.presence, running) {
                    (Presence::Joined { process, .. }, true) => {
                        let same = found == Some(&process.identity);
                        if known && !same && found.is_some() {
                            // Ended and begun anew between two looks: what was asked of the one is over.
                            events.push(exited(gone()));
                        }
                        if !known || !same {
                            events.push(Event::Found { name: name.clone() });
                            self.by_hand.insert(name.clone(), process.identity.clone());
                        }
                    }
                    (Presence::Left { .. }, true) => leaving |= found.is_some(),
                    (Presence::Left { how, .. }, false) => {
                        if self.by_hand.remove(name).is_some() && known {
                            events.push(exited(how.clone()));
                        }
                    }
                    (Presence::Joined { .. }, false) => {
                        if self.by_hand.remove(name).is_some() && known {
                            events.push(exited(gone()));
                        } else if !known {
                            dead.push(name.clone());
                        }
                    }
                    (Presence::Expected { .. }, false) => {
                        if self.by_hand.remove(name).is_some() && known {
                            events.push(exited(gone()));
                        }
                    }
                    // It is about to join.
                    (Presence::Expected { .. }, true) => {}
                }
            }
        }
        self.look_again = leaving.then(|| Instant::now() + self.goodbye);
        self.goodbye = if leaving { (self.goodbye * 2).min(SLOW_POLL) } else { GOODBYE };
        dead.iter().for_each(|name| self.bury(name, gone()));
        events.into_iter().for_each(|event| self.feed(event));
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), TeamError> {
        for name in self.shared.team().sweep(None)? {
            tracing::warn!(%name, "its worker had died; its tasks are open again");
        }
        Ok(())
    }

    /// Writes down what could not be written when it happened.
    fn bury_the_rest(&mut self) {
        for (name, how) in std::mem::take(&mut self.unburied) {
            if !self.core.is_running(&name) {
                self.bury(&name, how);
            }
        }
    }

    fn how_it_left(&self, name: &MemberName) -> Option<LeftHow> {
        let mut team = self.shared.team();
        if let Err(error) = team.refresh(|_| ()) {
            tracing::error!("{error}");
        }
        match &team.roster().member(name).ok()?.presence {
            Presence::Left { how, .. } => Some(how.clone()),
            Presence::Expected { .. } | Presence::Joined { .. } => None,
        }
    }

    /// Gives the core an event and carries out what follows from it, in order.
    fn feed(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.core.step(now_ms(), event) {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Prepare { request } => self.prepare(request),
            Action::Launch { name } => return self.launch(name),
            Action::RequestShutdown { name, reason, deadline_ms, when_busy } => {
                let request = new_message_id();
                let body = Body::ShutdownRequest(ShutdownRequest { request, reason, deadline_ms, when_busy });
                let to = Address::Member(name.clone());
                return Some(match self.shared.team().post(&to, Urgency::Now, body) {
                    Ok(_) => Event::ShutdownRequested { name, request },
                    Err(error) => Event::ShutdownNotRequested { name, why: error.to_string() },
                });
            }
            Action::Signal { name, signal } => self.signal(&name, signal),
            Action::Bury { name, how } => self.bury(&name, how),
            Action::Answer { ask, answer } => {
                if let Some(asker) = self.answers.remove(&ask) {
                    // That the asker is gone is no error: what it asked for has happened.
                    let _ = asker.send(answer);
                }
            }
            Action::Report { text } => tracing::warn!("{text}"),
            Action::Exit => self.exit = Exit::Now,
        }
        None
    }

    fn prepare(&self, request: SpawnRequest) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let (name, preparing) = (request.name.clone(), Arc::clone(&shared));
            let making = tokio::task::spawn_blocking(move || prepare::prepare(&preparing, request));
            let outcome = making.await.unwrap_or_else(|error| Err(format!("making its place failed: {error}")));
            shared.report(Input::Prepared { name, outcome }).await;
        });
    }

    fn launch(&mut self, name: MemberName) -> Option<Event> {
        let spec = match self.shared.team().roster().member(&name) {
            Ok(member) => member.spec.clone(),
            Err(refusal) => return Some(Event::NotReady { name, why: refusal.to_string() }),
        };
        self.by_hand.remove(&name);
        self.launched.insert(name.clone());
        tokio::spawn(launch::run(Arc::clone(&self.shared), name, spec));
        None
    }

    /// Signals the worker's own process, which ends what it started. A worker that this leader launched is a child
    /// that was not waited for; any other is signalled only while the process it was found as holds its lock.
    fn signal(&self, name: &MemberName, wanted: Signal) {
        let wanted = match wanted {
            Signal::Terminate => signal::Signal::SIGTERM,
            Signal::Kill => signal::Signal::SIGKILL,
        };
        let pid = if self.launched.contains(name) {
            self.shared.links().get(name).map(|link| link.pid)
        } else {
            self.by_hand.get(name).filter(|process| self.serves(name, process)).map(|process| process.pid)
        };
        let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) else { return };
        if let Err(error) = signal::kill(Pid::from_raw(pid), wanted) {
            tracing::warn!(%name, pid, "cannot send {wanted}: {error}");
        }
    }

    fn serves(&self, name: &MemberName, process: &Identity) -> bool {
        let holder = lock::holder(&self.shared.dir.member_lock(name));
        holder.is_ok_and(|holder| holder.is_some_and(|holder| holder.process == *process)) && process.exists()
    }

    fn bury(&mut self, name: &MemberName, how: LeftHow) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { end_orphans(&shared).await });
        match self.write_leaving(name, &how) {
            Ok(Burial::Done) => {
                self.unburied.remove(name);
            }
            Ok(Burial::LockHeld) => {
                self.unburied.insert(name.clone(), how);
            }
            Err(error) => {
                tracing::error!(%name, "cannot give back what it held, trying again: {error}");
                self.unburied.insert(name.clone(), how);
            }
        }
    }

    fn write_leaving(&self, name: &MemberName, how: &LeftHow) -> Result<Burial, TeamError> {
        let mut team = self.shared.team();
        let lock = match Lock::take(&self.shared.dir.member_lock(name), now_ms()) {
            Ok(lock) => lock,
            // The next one was started by hand, and gives back itself what its former life held.
            Err(LockError::Held { holder: Some(holder), .. }) if joined(&team, name) == Some(&holder.process) => {
                return Ok(Burial::Done);
            }
            // Somebody looks whether it is dead, or starts the next one.
            Err(LockError::Held { .. }) => return Ok(Burial::LockHeld),
            Err(error @ LockError::Io { .. }) => return Err(error.into()),
        };
        team.bury(name, &lock)?;
        team.refresh(|_| ())?;
        match team.roster().member(name).map(|member| &member.presence) {
            Ok(Presence::Left { .. }) | Err(_) => {}
            Ok(Presence::Expected { .. } | Presence::Joined { .. }) => {
                team.enroll(TeamFact::Left { name: name.clone(), how: how.clone() })?;
            }
        }
        Ok(Burial::Done)
    }
}

/// What came of writing down that a member left.
enum Burial {
    Done,
    /// Its lock could not be taken at the moment.
    LockHeld,
}

/// The process that joined last as this member.
fn joined<'a>(team: &'a Team, name: &MemberName) -> Option<&'a Identity> {
    match &team.roster().member(name).ok()?.presence {
        Presence::Joined { process, .. } => Some(&process.identity),
        Presence::Expected { .. } | Presence::Left { .. } => None,
    }
}

/// All that is known of a worker that this leader did not launch.
fn gone() -> LeftHow {
    LeftHow::Died { reason: "its worker is gone".to_owned() }
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

const _: () = assert!(LINE_BYTES_MAX > teamster_protocol::limits::MAIL_TEXT_BYTES_MAX);
