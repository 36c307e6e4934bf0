//! One worker process: started, linked over its stdio, listened to, and waited for. The process is in a group of
//! its own, so that Ctrl-C at the leader's terminal is the leader's to handle.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;

use jsonrpsee::Methods;
use jsonrpsee::core::client::{Error as RpcError, Subscription};
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::host::crash::point;
use teamster_protocol::host::descriptors;
use teamster_protocol::host::own_program::beside_this_program;
use teamster_protocol::host::process::exit::exit_words;
use teamster_protocol::host::process::{self, life};
use teamster_protocol::host::shortage::{self, is_shortage};
use teamster_protocol::host::stderr_log;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::kill_ladder::KillLadder;
use teamster_protocol::model::limits::{DEATH_LOOK, PROTOCOL_VERSION, SPARE_AFTER, TERM_GRACE};
use teamster_protocol::model::notice::{Notice, NoticeKind};
use teamster_protocol::model::roster::{MemberPresence, MemberSpec};
use teamster_protocol::store::{presence, transcript};
use teamster_protocol::wire::api::{ProtocolHello, WorkerApiClient};
use teamster_protocol::wire::peer::Peer;
use teamster_protocol::wire::spare::SPARE;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::links::{LinkedTo, WorkerLink};
use super::outer_half::{end_child, wait_for_empty_cell, wait_for_outer_half};
use super::shared::{LeaderInput, LeaderShared};
use super::spare::SpareWorker;
use crate::core::{LeaderEvent, StartFault, TurnOpen};
use crate::warden;

/// The worker program: `TEAMSTER_WORKER`, else beside this program, else on the `PATH`.
pub fn worker_program() -> PathBuf {
    const NAME: &str = "teamster-worker";
    match std::env::var_os("TEAMSTER_WORKER").filter(|given| !given.is_empty()) {
        Some(given) => PathBuf::from(given),
        None => beside_this_program(NAME).unwrap_or_else(|| PathBuf::from(NAME)),
    }
}

/// How many lines of a worker's log are told as its last words.
const WORKER_WORDS_LINES_MAX: usize = 3;

/// A worker's process, before it has said a word.
struct StartedChild {
    child: Child,
    /// The length of its log by then.
    said_before: u64,
    /// The part of the system to blame if it ends without a reason.
    to_blame: StartFault,
}

/// Why there is no worker's process.
#[derive(Debug)]
pub(super) struct NotStarted {
    why: String,
    fault: StartFault,
}

impl NotStarted {
    fn new(error: &io::Error, why: String) -> NotStarted {
        let fault = if is_shortage(error) { StartFault::Machine } else { StartFault::Worker };
        NotStarted { why, fault }
    }
}

/// Starts the worker and follows it to its end, reporting each step. Must be called from the thread that lives
/// as long as the leader: a death signal would follow the thread that spawned.
pub(super) async fn run(shared: Arc<LeaderShared>, name: MemberName, spec: MemberSpec) {
    let began_ms = now_ms();
    let not_ready = |why: String, fault| LeaderInput::Event(LeaderEvent::NotReady { name: name.clone(), why, fault });
    let heard_seq = last_seq(&shared, &name).await;
    let launched = shared.links.launch(&name, |spare| {
        let mut started = start(&shared, &name, &spec, spare)?;
        let child = &mut started.child;
        let (Some(stdin), Some(stdout), Some(pid)) = (child.stdin.take(), child.stdout.take(), child.id()) else {
            unreachable!("both streams are piped and the child was not waited for")
        };
        let child_identity = process::identity(pid).map_err(|error| {
            // A process whose identity is not known could not be ended later for certain.
            let _ = child.start_kill();
            NotStarted::new(&error, format!("its process can not be looked at: {error}"))
        })?;
        let to = LinkedTo::Child(child_identity);
        Ok((started, WorkerLink { peer: Peer::start(stdout, stdin, Methods::new()), to }))
    });
    let (StartedChild { mut child, said_before, to_blame }, WorkerLink { peer, .. }) = match launched {
        Ok(launched) => launched,
        Err(NotStarted { why, fault }) => return shared.report(not_ready(why, fault)).await,
    };
    let hello = ProtocolHello { protocol: PROTOCOL_VERSION };
    let mut greeting = pin!(peer.initialize(hello));
    let answered = tokio::select! {
        biased;
        welcome = &mut greeting => Ok(welcome),
        // A worker that ends before it is ready answers with the reason, which may be on its way still.
        status = child.wait() => match timeout(TERM_GRACE, &mut greeting).await {
            Ok(Err(refused @ RpcError::Call(_))) => Ok(Err(refused)),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(status),
        },
    };
    let answered = match answered {
        // Its output has ended, and most often so did it; why it ended says more than that it did.
        Ok(Err(RpcError::RestartNeeded(closed))) => match timeout(TERM_GRACE, child.wait()).await {
            Ok(status) => Err(status),
            Err(_) => Ok(Err(RpcError::RestartNeeded(closed))),
        },
        answered => answered,
    };
    let welcome = match answered {
        Ok(welcome) => welcome,
        Err(status) => {
            shared.links.forget_child(&name);
            wait_for_lock(&shared, &name, began_ms).await;
            let with_last_words = |why| with_last_words(&shared, &name, said_before, why);
            let (why, fault) = match status {
                Ok(status) if status.code() == Some(shortage::EXIT_CODE) => {
                    let why = "its worker found no room, no descriptors or no memory left".to_owned();
                    (with_last_words(why), StartFault::Machine)
                }
                // What it wrote down itself says more than its exit, and more than whatever its agent may have complained of.
                Ok(status) => match why_it_left(&shared, &name, began_ms) {
                    Some(said) => (said, StartFault::Worker),
                    None => {
                        let why = format!("its worker ended before it was ready ({})", exit_words(status));
                        (with_last_words(why), to_blame)
                    }
                },
                Err(error) => {
                    (with_last_words(format!("its worker can not be waited for: {error}")), StartFault::Worker)
                }
            };
            return shared.report(not_ready(why, fault)).await;
        }
    };
    let with_last_words = |why| with_last_words(&shared, &name, said_before, why);
    let welcome = match welcome {
        Ok(welcome) if welcome.protocol != PROTOCOL_VERSION => Err(format!(
            "its worker ({}) speaks protocol version {}, and this leader speaks {PROTOCOL_VERSION}\n\
             install teamster and teamster-worker of the same release",
            welcome.version, welcome.protocol
        )),
        Ok(welcome) if welcome.name == name => Ok((welcome.pid, welcome.version == shared.info.version)),
        Ok(welcome) => Err(format!("its worker says that it is {}", welcome.name)),
        Err(RpcError::Call(error)) => Err(error.message().to_owned()),
        Err(RpcError::RestartNeeded(_)) => {
            Err(with_last_words("its worker closed its output before it was ready".to_owned()))
        }
        Err(error) => Err(with_last_words(format!("its worker did not answer: {error}"))),
    };
    let (pid, knows_spares) = match welcome {
        Ok(welcome) => welcome,
        Err(why) => {
            let status = end_child(&mut child, KillLadder::kill).await;
            shared.links.forget_child(&name);
            wait_for_lock(&shared, &name, began_ms).await;
            tracing::info!(%name, ?status, "worker refused");
            return shared.report(not_ready(why, StartFault::Worker)).await;
        }
    };
    point("worker greeted");
    let notices = peer.notices(heard_seq).await;
    shared.report(LeaderInput::Event(LeaderEvent::Ready { name: name.clone(), pid })).await;
    if knows_spares {
        tokio::spawn(keep_spare(Arc::clone(&shared)));
    }
    // The worker may have died since it answered.
    let worker = process::identity(pid).ok();
    let status = tokio::select! {
        status = child.wait() => status,
        () = forward(&shared, &name, heard_seq, notices) => wait_for_outer_half(&mut child, worker.as_ref()).await,
    };
    point("worker waited for");
    if let Some(worker) = &worker {
        wait_for_empty_cell(worker).await;
    }
    shared.links.forget_child(&name);
    let status = match status {
        Ok(status) => exit_words(status),
        Err(error) => format!("it can not be waited for: {error}"),
    };
    shared.report(LeaderInput::Exited { name, status }).await;
}

/// Why a worker that was started since then has left, as it wrote down itself.
fn why_it_left(shared: &LeaderShared, name: &MemberName, began_ms: u64) -> Option<String> {
    let mut team = shared.team();
    team.refresh_roster().ok()?;
    match &team.roster().member(name).ok()?.presence {
        MemberPresence::Left { at_ms, how, .. } if *at_ms >= began_ms => Some(how.sentence()),
        MemberPresence::Left { .. } | MemberPresence::Expected { .. } | MemberPresence::Joined { .. } => None,
    }
}

/// Waits until a worker that refused to start holds its member's lock no longer, so that its leaving is written down before
/// whoever asked for it is told: with the process that was started for it, the worker itself may not have ended yet. A lock
/// that was taken before belongs to another worker.
async fn wait_for_lock(shared: &LeaderShared, name: &MemberName, began_ms: u64) {
    let lock = shared.dir.member_lock(name);
    let let_go = async {
        while presence::read_holder(&lock).is_ok_and(|holder| holder.is_some_and(|of| of.since_ms >= began_ms)) {
            sleep(DEATH_LOOK).await;
        }
    };
    // What is left after that time is buried later.
    let _ = timeout(TERM_GRACE, let_go).await;
}

/// Starts the process, or takes up the spare one.
fn start(
    shared: &LeaderShared,
    name: &MemberName,
    spec: &MemberSpec,
    spare: Option<SpareWorker>,
) -> Result<StartedChild, NotStarted> {
    let log_path = shared.dir.log_of(&Address::Member(name.clone()));
    let log = stderr_log::open(&log_path).map_err(|error| {
        NotStarted::new(&error, {
            let hint = descriptors::way_out(&error).map(|hint| format!("\n{hint}")).unwrap_or_default();
            format!("cannot open {}: {error}{hint}", log_path.display())
        })
    })?;
    let looked = log.metadata();
    let said_before = looked
        .map_err(|error| NotStarted::new(&error, format!("cannot look at {}: {error}", log_path.display())))?
        .len();
    let args = arguments(shared, name, spec);
    if let Some(child) = spare.and_then(|spare| spare.take_up(&args, &shared.worker_program)) {
        return Ok(StartedChild { child, said_before, to_blame: StartFault::Spare });
    }
    point("about to start a worker");
    let spawned = command(shared).args(args).stderr(log).spawn();
    point("worker started");
    let started = |child| StartedChild { child, said_before, to_blame: StartFault::Worker };
    spawned.map(started).map_err(|error| {
        let program = shared.worker_program.display();
        let hint = descriptors::way_out(&error).unwrap_or_else(|| {
            "install it beside `teamster`, or end the leader with teamster down and name it with TEAMSTER_WORKER"
                .to_owned()
        });
        NotStarted::new(&error, format!("cannot start {program}: {error}\n{hint}"))
    })
}

/// The worker program in the environment of all workers, with pipes to call it by.
fn command(shared: &LeaderShared) -> Command {
    let mut command = Command::new(&shared.worker_program);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .envs(shared.settings.variables())
        .env_remove(life::VARIABLE)
        .env_remove(warden::VARIABLE)
        .env_remove(warden::AFTER)
        .process_group(0);
    command
}

/// Sees to it that there is a spare worker, in a while.
async fn keep_spare(shared: Arc<LeaderShared>) {
    sleep(SPARE_AFTER).await;
    shared.links.keep_spare(|| SpareWorker::start(spare_command(&shared), &shared.worker_program));
}

/// The same for a spare worker.
fn spare_command(shared: &LeaderShared) -> Command {
    let mut command = command(shared);
    command.arg(SPARE).arg("--root").arg(shared.dir.root()).args(["--team", shared.dir.team().as_str()]);
    command
}

/// The arguments of a member's worker.
fn arguments(shared: &LeaderShared, name: &MemberName, spec: &MemberSpec) -> Vec<String> {
    let path = |path: &Path| path.to_str().expect("paths of a team are text, or it would not be there").to_owned();
    let words = |words: &[&str]| words.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    let mut args = words(&["--stdio", "--team", shared.dir.team().as_str(), "--name", name.as_str()]);
    args.extend(words(&["--agent", spec.agent.as_str()]));
    args.extend(["--root".to_owned(), path(shared.dir.root())]);
    args.extend(["--cwd".to_owned(), path(spec.workspace.dir())]);
    if let Some(limit) = shared.open_files {
        args.extend(["--open-files".to_owned(), limit.to_string()]);
    }
    if let Some(role) = &spec.role {
        args.extend(words(&["--role", role.as_str()]));
    }
    match spec.auto {
        AutoClaim::On => {}
        AutoClaim::Off => args.push("--no-claim".to_owned()),
    }
    args
}

/// Tells the core of turns until there are no more notices. A member that says too much too fast is listened to again from
/// where it was lost.
pub(super) async fn forward(
    shared: &LeaderShared,
    name: &MemberName,
    mut since: u64,
    first: Result<Subscription<Notice>, RpcError>,
) {
    let mut subscribed = first;
    loop {
        let mut notices = match subscribed {
            Ok(notices) => notices,
            Err(error) => {
                // At the end of a worker that is what is to be expected; its exit says the rest.
                tracing::debug!(%name, "its notices can not be heard: {error}");
                return;
            }
        };
        while let Some(notice) = notices.next().await {
            match notice {
                Ok(notice) => {
                    since = notice.seq;
                    if let Some(event) = turn_event(name, &notice.what) {
                        shared.report(LeaderInput::Event(event)).await;
                    }
                }
                Err(error) => tracing::warn!(%name, "a notice can not be read: {error}"),
            }
        }
        let Some(peer) = shared.links.peer(name) else { return };
        subscribed = peer.notices(since).await;
    }
}

/// The event for the core if the notice tells that a turn began or ended; else nothing.
fn turn_event(name: &MemberName, noted: &NoticeKind) -> Option<LeaderEvent> {
    let name = name.clone();
    match noted {
        NoticeKind::TurnStarted { turn, task } => {
            Some(LeaderEvent::TurnStarted { name, turn: TurnOpen { turn: *turn, task: *task } })
        }
        NoticeKind::TurnEnded { turn, end, .. } => {
            Some(LeaderEvent::TurnEnded { name, turn: *turn, stop: end.clone() })
        }
        NoticeKind::Ready
        | NoticeKind::Session { .. }
        | NoticeKind::PermissionAsked { .. }
        | NoticeKind::PermissionAnswered { .. }
        | NoticeKind::Steered { .. }
        | NoticeKind::Mail { .. }
        | NoticeKind::Receipt { .. }
        | NoticeKind::Stalled { .. }
        | NoticeKind::Interrupted { .. }
        | NoticeKind::AskedToStop { .. }
        | NoticeKind::AskedToEnd
        | NoticeKind::Parked { .. }
        | NoticeKind::Waiting
        | NoticeKind::Asleep
        | NoticeKind::Trouble { .. }
        | NoticeKind::Leaving { .. } => None,
    }
}

/// The number of the last entry that earlier lives left: what they said was passed on then.
pub(super) async fn last_seq(shared: &LeaderShared, name: &MemberName) -> u64 {
    let turns = shared.dir.turns(name);
    let reading = tokio::task::spawn_blocking(move || transcript::last_seq(&turns));
    match reading.await {
        Ok(Ok(seq)) => seq,
        Ok(Err(error)) => {
            tracing::warn!(%name, "its earlier notices are told again: {error}");
            0
        }
        Err(error) => {
            tracing::warn!(%name, "its earlier notices are told again: {error}");
            0
        }
    }
}

/// `why`, and what the worker last said on its standard error, which is most often the true reason where it gave none itself.
/// Not what was in its log before this life of it.
fn with_last_words(shared: &LeaderShared, name: &MemberName, said_before: u64, why: String) -> String {
    let path = shared.dir.log_of(&Address::Member(name.clone()));
    match stderr_log::last_lines(&path, said_before, WORKER_WORDS_LINES_MAX) {
        Ok(words) if !words.is_empty() => format!("{why}: {}", words.strip_prefix("error: ").unwrap_or(&words)),
        Ok(_) | Err(_) => why,
    }
}
