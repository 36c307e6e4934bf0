//! The start of a worker: from nothing to a member that has joined and waits for its agent to be ready.

use std::io;
use std::path::{Path, PathBuf};

use teamster_protocol::host::clock;
use teamster_protocol::host::crash;
use teamster_protocol::host::descriptors;
use teamster_protocol::host::process::{own_identity, own_outer_half};
use teamster_protocol::host::settings::{BadSetting, CommonSettings, text_variable};
use teamster_protocol::host::shortage::{self, is_shortage};
use teamster_protocol::host::signals::{EndSignal, EndSignals};
use teamster_protocol::host::team_dir::{TeamDir, default_root};
use teamster_protocol::host::text_path::{NotTextPath, must_be_text};
use teamster_protocol::model::agent::options::{AgentLaunch, AgentOptions, AgentStart, IdleLimit};
use teamster_protocol::model::agent::preset::{AgentAbility, UnknownAgent};
use teamster_protocol::model::agent::{ApprovalPolicy, SessionContext};
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{Address, MemberName, TeamName};
use teamster_protocol::model::identity::{IdentityFacts, IdentityKind};
use teamster_protocol::model::limits::sizes::{CALLS_IN_FLIGHT_MAX, PROMPT_JOINED_BYTES_MAX};
use teamster_protocol::model::limits::{AGENT_IDLE_AFTER, MEMBER_LOCK_WITHIN, PROTOCOL_VERSION};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::{
    AfterLeaving, CellIsolation, MemberPresence, MemberSpec, StallPolicy, StartedBy, TeamFact, WorkerEnd,
    WorkerProcess, Workspace,
};
use teamster_protocol::store::file::{Durability, LogError};
use teamster_protocol::store::presence::{LifeLock, LockError, LockKept};
use teamster_protocol::store::transcript::{Transcript, TranscriptError, member_usage};
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{Inbox, Team, TeamError, TeamLogs, wait_for_lock};
use teamster_protocol::wire::api::WorkerWelcome;
use tokio::sync::{mpsc, watch};

use super::links::LeaderLinks;
use super::{LeaderStreams, StartedWorker};
use crate::cell;
use crate::cell::keeper::CellKeeper;
use crate::core::recap::RecapSubject;
use crate::core::{AgentBriefing, WorkerCore, WorkerSettings};
use crate::driver::catalog::{IdentityWay, identity_way};
use crate::driver::{DriverError, SessionOrigin};
use crate::hands::WorkerHands;
use crate::hands::agent::{RunningAgent, find_teamster};
use crate::hands::journal::TranscriptPen;
use crate::hands::recall::recall;
use crate::hands::rpc::WorkerCallee;
use crate::life::args::WorkerArgs;

/// Why a worker did not start. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Neither `--root` nor what its default is made of.
    #[error("there is no root to keep teams in: HOME is not set\ngive one with --root DIR")]
    NoRoot,
    /// A variable says nothing that is understood.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// A directory that the team's files can not name.
    #[error(transparent)]
    NotText(#[from] NotTextPath),
    /// The agent is not known.
    #[error(transparent)]
    Agent(#[from] UnknownAgent),
    /// The directory to work in is not there.
    #[error("cannot work in {}: {source}", dir.display())]
    Workspace {
        /// The directory as it was given.
        dir: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// Another worker serves the member.
    #[error(
        "{name} has a worker already{}\nend that one first, or choose another --name",
        pid.map(|pid| format!(", process {pid}")).unwrap_or_default()
    )]
    Running {
        /// The member.
        name: MemberName,
        /// The process id of the worker that runs, if it could be read.
        pid: Option<u32>,
    },
    /// The member's lock could not be taken.
    #[error(transparent)]
    Lock(LockError),
    /// The team's files could not be used.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// The transcripts could not be used.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// The driver did not start.
    #[error("cannot start the agent: {}", .0.with_cause())]
    Driver(#[from] DriverError),
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    System {
        /// The failed step, as a verb with its object.
        doing: &'static str,
        /// The answer of the system.
        source: io::Error,
    },
}

impl StartError {
    /// The error of a step that the system refused, by that step, as a verb with its object.
    pub(super) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> StartError {
        move |source| StartError::System { doing, source }
    }

    /// 1 refused, 2 usage, 4 what is on disk cannot be read as it is, 75 for want of the machine.
    pub fn exit_code(&self) -> i32 {
        match self {
            error if is_shortage(error) => shortage::EXIT_CODE,
            StartError::NoRoot | StartError::Setting(_) | StartError::NotText(_) | StartError::Agent(_) => 2,
            StartError::Team(TeamError::Log(error)) if is_unreadable(error) => 4,
            StartError::Team(_)
            | StartError::Workspace { .. }
            | StartError::Running { .. }
            | StartError::Lock(_)
            | StartError::Transcript(_)
            | StartError::Driver(_)
            | StartError::System { .. } => 1,
        }
    }
}

fn is_unreadable(error: &LogError) -> bool {
    match error {
        LogError::Corrupt { .. }
        | LogError::Unreadable { .. }
        | LogError::NotAFile { .. }
        | LogError::Newer { .. }
        | LogError::OtherKind { .. }
        | LogError::Lost { .. }
        | LogError::SealedByNewer { .. } => true,
        LogError::Io { .. }
        | LogError::Removed { .. }
        | LogError::Shrank { .. }
        | LogError::TooLong { .. }
        | LogError::StaleOffset { .. } => false,
    }
}

/// Whatever a start takes that is the same for every member of a team. A spare worker has done it before it is told whose
/// it is.
pub(super) struct Groundwork {
    keeper: CellKeeper,
    signals: EndSignals,
    settings: CommonSettings,
    logs: TeamLogs,
}

impl Groundwork {
    /// Does it. Must be called within a runtime.
    pub(super) fn lay(dir: TeamDir) -> Result<Groundwork, StartError> {
        // First, so that nothing that is started later can get away.
        let keeper = CellKeeper::new().map_err(StartError::system("watch over processes"))?;
        let caught = [EndSignal::Interrupt, EndSignal::Terminate, EndSignal::Hangup];
        let signals = EndSignals::catch(&caught).map_err(StartError::system("catch signals"))?;
        cell::unblock_end_signals();
        let settings = CommonSettings::given()?;
        find_teamster();
        Ok(Groundwork { keeper, signals, settings, logs: TeamLogs::read(dir)? })
    }

    /// The team's directory.
    pub(super) fn dir(&self) -> &TeamDir {
        self.logs.dir()
    }

    /// Waits for a signal that ends this process.
    pub(super) async fn told_to_end(&mut self) {
        self.signals.next().await;
    }
}

/// The directory of the team that the arguments name.
pub(super) fn team_dir(args: &WorkerArgs) -> Result<TeamDir, StartError> {
    Ok(TeamDir::new(root(args)?, args.team.clone()))
}

/// Makes the member's worker of this process.
pub(super) async fn start(
    args: WorkerArgs,
    isolation: CellIsolation,
    ground: Groundwork,
    leader: Option<LeaderStreams>,
) -> Result<StartedWorker, StartError> {
    let Groundwork { keeper, signals, settings, logs } = ground;
    let CommonSettings { durability, poll, leader_grace, approval_within, .. } = settings;
    if let Some(limit) = args.open_files
        && let Err(error) = descriptors::set_open_files(limit)
    {
        tracing::warn!("cannot set the limit of open files to {limit}: {error}");
    }
    let name = args.name.clone();
    let me = Address::Member(name.clone());
    // Each step that must survive a loss of power says so itself; most of a worker's steps need not.
    let mut team = logs.into_team(me.clone(), Durability::Process)?;
    let dir = team.dir().clone();
    let mut lock = take_lock(&dir, &mut team, &name)?;
    let spec = enroll(&mut team, &args)?;
    crash::point("worker enrolled");
    let approval = args.approval.or(spec.options.approval).unwrap_or_default();
    // A rule can only answer what the agent asks.
    let asking = if spec.rules.is_empty() { approval } else { ApprovalPolicy::Ask };
    let launch = AgentLaunch { approval: asking, ..spec.options.launch(&spec.agent)? };
    let session = team.roster().member(&name).ok().and_then(|member| member.session.clone());
    let start = when_to_start(&team, &args, &spec);
    let talk = match (session, spec.options.context.clone()) {
        (Some(own), _) => FirstTalk::own(SessionOrigin::Earlier(own)),
        (None, Some(SessionContext::Branch(other))) => branch(&team, &spec, other),
        (None, Some(SessionContext::Fresh) | None) => FirstTalk::own(SessionOrigin::New),
    };
    let FirstTalk { origin, subject, recap, trouble } = talk;
    let identity = identity_of(&spec, &name, &args.team);
    let (at_start, in_prompt) = match identity_way(launch.driver) {
        IdentityWay::AtStart => (identity, None),
        IdentityWay::InPrompt => (None, identity),
        IdentityWay::Never => (None, None),
    };
    // The attempts that a former life left in progress are not this one's: their tasks are to be claimed anew.
    team.bury(&name, None, lock.lock())?;

    crash::point("former life buried");
    let inbox = Inbox::open(&dir, me.clone(), durability)?;
    let mut watch = FileWatch::new(poll);
    watch.add(dir.mailbox(&me));
    let turns = dir.turns(&name);
    let transcript = Transcript::open(turns.clone())?;
    let last_turn = transcript.turn();
    let used = member_usage(&turns)?.used;
    crash::point("transcripts opened");
    let agent = RunningAgent::start(launch, &dir, &name, spec.workspace.dir(), origin, at_start, start)?;
    crash::point("agent started");

    let started_by = if leader.is_some() { StartedBy::Leader } else { StartedBy::Hand };
    let identity = own_identity().map_err(StartError::system("identify this process"))?;
    let outer_half = own_outer_half();
    let claimant = spec.claimant(&name);
    let settings = WorkerSettings {
        leader_grace,
        stall: spec.stall,
        rules: spec.rules,
        budget: spec.budget,
        on_limit: spec.options.on_limit.unwrap_or_default(),
        idle_after: spec.options.idle_after.map_or(Some(AGENT_IDLE_AFTER), IdleLimit::length),
        approval,
        permission_within: approval_within,
        briefing: AgentBriefing { identity: in_prompt, recap },
        prompt_bytes_max: agent
            .prompt_bytes_max()
            .map_or(PROMPT_JOINED_BYTES_MAX, |bytes| bytes.min(PROMPT_JOINED_BYTES_MAX)),
        ..WorkerSettings::new(claimant.clone(), agent.abilities(), started_by)
    };
    let core = WorkerCore::new(settings, last_turn).with_usage(used);
    let mut journal = TranscriptPen::new(transcript);
    if let Some(text) = trouble {
        journal.say(TranscriptText::Trouble { text });
    }
    let (status, shown) = watch::channel(core.status(journal.seq()));
    let (sender, calls) = mpsc::channel(CALLS_IN_FLIGHT_MAX);
    let welcome = WorkerWelcome {
        protocol: PROTOCOL_VERSION,
        version: env!("TEAMSTER_VERSION").to_owned(),
        name: name.clone(),
        pid: identity.pid,
    };
    let callee = WorkerCallee { welcome, status: shown, calls: sender, followers: journal.followers(), turns };
    let mut links = LeaderLinks::new(callee, &dir.member_socket(&name));
    if let Some(LeaderStreams { read, write }) = leader {
        links.leader(read, write);
    }
    team.enroll(TeamFact::Joined {
        name: name.clone(),
        process: WorkerProcess { identity, started_by, isolation: Some(isolation), outer_half },
    })?;
    // From now on the roster says that this worker lives, to anybody who takes the lock; this check is about those who
    // took it before.
    if let LockKept::ByAnother(holder) = lock.keep(clock::now_ms()).map_err(StartError::Lock)? {
        return Err(StartError::Running { name, pid: holder.map(|holder| holder.process.pid) });
    }
    crash::point("worker joined");
    let hands = WorkerHands::new(claimant, lock, team, inbox, journal, agent, durability).with_subject(subject);
    let day = clock::ClockChanges::watch();
    Ok(StartedWorker {
        core,
        hands,
        calls,
        watch,
        signals,
        links,
        started_by,
        status,
        keeper,
        day,
        told: None,
        displaced: false,
    })
}

fn root(args: &WorkerArgs) -> Result<PathBuf, StartError> {
    let given = args.root.clone();
    let root = match given {
        Some(given) => given,
        None => {
            let (state, home) = (text_variable("XDG_STATE_HOME")?, text_variable("HOME")?);
            default_root(state.as_deref(), home.as_deref()).ok_or(StartError::NoRoot)?
        }
    };
    // The path must be absolute: the agent's commands get it, and they may run in another directory.
    let root = std::path::absolute(&root).map_err(|source| StartError::Workspace { dir: root, source })?;
    must_be_text(&root)?;
    Ok(root)
}

fn take_lock(dir: &TeamDir, team: &mut Team, name: &MemberName) -> Result<LifeLock, StartError> {
    let path = dir.member_lock(name);
    // Before the lock is taken: until this worker has written itself down, the one before it can be read.
    own_identity().map_err(StartError::system("identify this process"))?;
    let lock = match wait_for_lock(MEMBER_LOCK_WITHIN, || team.take_lock_of_dead(name)) {
        Ok(lock) => lock,
        Err(TeamError::Lock(LockError::Held { holder, .. })) => {
            return Err(StartError::Running { name: name.clone(), pid: holder.map(|holder| holder.process.pid) });
        }
        Err(TeamError::Lock(error @ (LockError::Io { .. } | LockError::Astray { .. } | LockError::Dying { .. }))) => {
            return Err(StartError::Lock(error));
        }
        Err(error) => return Err(error.into()),
    };
    lock.sign(&path, clock::now_ms());
    LifeLock::new(lock, path, dir).map_err(StartError::Lock)
}

/// The settings of this member: as on the roster, but for the arguments that were given. Writes them there if they are
/// new.
fn enroll(team: &mut Team, args: &WorkerArgs) -> Result<MemberSpec, StartError> {
    team.refresh(|_| ())?;
    let known = team.roster().member(&args.name).ok().map(|member| member.spec.clone());
    let workspace = match (&args.cwd, &known) {
        (None, Some(known)) => known.workspace.clone(),
        (Some(dir), Some(known)) if Some(resolved(dir)?) == resolved(known.workspace.dir()).ok() => {
            known.workspace.clone()
        }
        (Some(dir), _) => Workspace::Shared { dir: resolved(dir)? },
        (None, None) => Workspace::Shared { dir: resolved(Path::new("."))? },
    };
    resolved(workspace.dir())?;
    let before = known.as_ref().map(|known| known.stall).unwrap_or_default();
    let shell = || "shell".parse().expect("the embedded agent has a good name");
    let agent = args.agent.clone().or(known.as_ref().map(|known| known.agent.clone())).unwrap_or_else(shell);
    // Those of another agent say nothing about this one.
    let of_agent = known.as_ref().filter(|known| known.agent == agent);
    let spec = MemberSpec {
        options: of_agent.map_or_else(|| AgentOptions::of_name(&agent), |known| known.options.clone()),
        agent,
        role: args.role.clone().or(known.as_ref().and_then(|known| known.role.clone())),
        auto: match &known {
            _ if args.no_claim => AutoClaim::Off,
            Some(known) => known.auto,
            None => AutoClaim::On,
        },
        workspace,
        stall: StallPolicy {
            after_ms: args.stall_after_ms.unwrap_or(before.after_ms),
            then: args.on_stall.unwrap_or(before.then),
        },
        rules: known.as_ref().map(|known| known.rules.clone()).unwrap_or_default(),
        budget: known.as_ref().map(|known| known.budget).unwrap_or_default(),
    };
    // Before it is on the roster: a member whose agent nobody knows is of no use to anyone.
    spec.options.launch(&spec.agent)?;
    if known.as_ref() != Some(&spec) {
        team.add_member(args.name.clone(), spec.clone())?;
    }
    Ok(spec)
}

/// When the agent is started. After a life that died, or whose agent could not go on, it is started at once: a worker that is
/// started again and again because its agent does not start takes no task meanwhile.
fn when_to_start(team: &Team, args: &WorkerArgs, spec: &MemberSpec) -> AgentStart {
    let wanted = args.start.or(spec.options.start).unwrap_or_default();
    match team.roster().member(&args.name).ok().map(|member| &member.presence) {
        Some(
            MemberPresence::Left { how: WorkerEnd::AgentGone { .. }, .. }
            | MemberPresence::Left { then: AfterLeaving::Again { .. }, .. },
        ) => AgentStart::AtOnce,
        Some(MemberPresence::Left { .. } | MemberPresence::Expected { .. } | MemberPresence::Joined { .. }) | None => {
            wanted
        }
    }
}

/// What the agent's conversation begins with.
struct FirstTalk {
    origin: SessionOrigin,
    /// Whose conversation that is.
    subject: RecapSubject,
    /// The summary that it begins with.
    recap: Option<String>,
    /// The reason why it begins with neither, though it was to.
    trouble: Option<String>,
}

impl FirstTalk {
    fn own(origin: SessionOrigin) -> FirstTalk {
        FirstTalk { origin, subject: RecapSubject::Own, recap: None, trouble: None }
    }
}

/// A conversation that begins with that of another member: as a copy if both drive the same agent and it can copy, else with
/// a summary of it. One of which nothing can be known is as good as none.
fn branch(team: &Team, spec: &MemberSpec, other: MemberName) -> FirstTalk {
    let can_copy = spec.options.abilities(&spec.agent).is_some_and(|can| can.fork == AgentAbility::Yes);
    let member = team.roster().member(&other).ok();
    let session = member.filter(|member| member.spec.has_the_agent_of(spec)).and_then(|member| member.session.clone());
    let subject = RecapSubject::Other(other.clone());
    if let (true, Some(session)) = (can_copy, session) {
        return FirstTalk { origin: SessionOrigin::CopyOf(session), subject, recap: None, trouble: None };
    }
    let (recap, trouble) = match recall(&team.dir().turns(&other), subject.clone()) {
        Ok(Some(recap)) => (Some(recap), None),
        Ok(None) => (None, Some(format!("begins without the conversation of {other}, of which nothing is kept"))),
        Err(error) => (None, Some(format!("begins without the conversation of {other}: {error}"))),
    };
    FirstTalk { origin: SessionOrigin::New, subject, recap, trouble }
}

/// The words that tell the member's agent who it is.
fn identity_of(spec: &MemberSpec, name: &MemberName, team: &TeamName) -> Option<String> {
    let kind = IdentityKind::of(spec.options.abilities(&spec.agent)?);
    let facts = IdentityFacts {
        member: name,
        team,
        role: spec.role.as_ref(),
        workspace: spec.workspace.dir(),
        branch: spec.workspace.branch(),
    };
    facts.fill(spec.options.identity.as_deref().unwrap_or(kind.built_in()))
}

/// The directory without symbolic links, which has to be there.
fn resolved(dir: &Path) -> Result<PathBuf, StartError> {
    let failed = |source| StartError::Workspace { dir: dir.to_owned(), source };
    let resolved = dir.canonicalize().map_err(failed)?;
    must_be_text(&resolved)?;
    if resolved.is_dir() { Ok(resolved) } else { Err(failed(io::ErrorKind::NotADirectory.into())) }
}
