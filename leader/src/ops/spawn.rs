//! `spawn`: starts a member.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{MemberName, Role};
use teamster_protocol::model::roster::{OnStall, StallPolicy};
use teamster_protocol::wire::api::{LeaderApiClient, SpawnRequest, SpawnedMember, WorkspaceRequest};

use super::agents::WantedAgent;
use super::connect;
use super::error::OpsError;
use super::session::Session;
use super::verb::Verb;

/// The wanted settings of a new member, whatever its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedMember {
    /// The agent it drives.
    pub agent: WantedAgent,
    /// Its role.
    pub role: Option<Role>,
    /// Whether it takes tasks that are not assigned to it.
    pub auto: AutoClaim,
    /// The place in which it works.
    pub workspace: WantedWorkspace,
    /// The answer to an agent that is silent in a turn.
    pub stall: WantedStall,
}

/// The wish for the place in which members work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedWorkspace {
    /// The directory, or one in the repository; relative to where the call comes from, which it also is if not given.
    pub dir: Option<PathBuf>,
    /// The kind of place that each member gets there; the configured one if not given.
    pub kind: Option<WantedWorkspaceKind>,
    /// The commit that worktrees begin at; `HEAD` if not given.
    pub base: Option<String>,
}

/// The kind of place that a member gets to work in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedWorkspaceKind {
    /// The directory itself, which others may use too.
    Shared,
    /// A git worktree of its own.
    Worktree,
}

impl WantedWorkspace {
    /// The same for the leader, which stands elsewhere. Refused if the directory is none.
    pub(super) fn request(self, session: &Session) -> Result<WorkspaceRequest, OpsError> {
        let WantedWorkspace { dir, kind, base } = self;
        let dir = session.work_dir(dir.as_deref())?;
        let configured = match session.config.worktree.value {
            true => WantedWorkspaceKind::Worktree,
            false => WantedWorkspaceKind::Shared,
        };
        Ok(match kind.unwrap_or(configured) {
            WantedWorkspaceKind::Shared => WorkspaceRequest::Shared { dir },
            WantedWorkspaceKind::Worktree => WorkspaceRequest::Worktree { repository: dir, base },
        })
    }
}

/// The wanted answer to an agent that is silent in a turn. A field that is not given is as configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WantedStall {
    /// The silence after which a turn counts as stalled.
    pub after: Option<Duration>,
    /// The answer to a stall.
    pub then: Option<OnStall>,
}

impl WantedStall {
    /// Returns the wanted answer to a silent agent, as the roster has it.
    pub(super) fn stall(self, session: &Session) -> StallPolicy {
        session.config.stall(self.after, self.then)
    }
}

/// Starts members of these names, all alike and side by side, and a leader in the background if none runs. Tells `listener`
/// of each as soon as its worker is ready or it is known not to become so; returns when all were told of.
pub async fn spawn(
    session: &Session,
    names: Vec<MemberName>,
    wanted: WantedMember,
    mut listener: impl FnMut(&MemberName, Result<SpawnedMember, OpsError>),
) -> Result<(), OpsError> {
    session.authorize(Verb::Spawn)?;
    if let Some(twice) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name)) {
        return Err(OpsError::refused(format!("{twice} is named twice"), "a member has one worker: name each once"));
    }
    let WantedMember { agent, role, auto, workspace, stall } = wanted;
    let agent = agent.choose(&session.config)?;
    agent.must_be_installed()?;
    let workspace = workspace.request(session)?;
    let stall = stall.stall(session);
    let (leader, _) = connect::connect_or_start(session).await?;
    let mut starting: FuturesUnordered<_> = names
        .into_iter()
        .map(async |name| {
            let request = SpawnRequest {
                name: name.clone(),
                agent: agent.name.clone(),
                options: agent.options.clone(),
                role: role.clone(),
                auto,
                workspace: workspace.clone(),
                stall,
            };
            let spawned = leader.spawn(request).await;
            (name, spawned)
        })
        .collect();
    while let Some((name, spawned)) = starting.next().await {
        listener(&name, spawned.map_err(OpsError::from));
    }
    Ok(())
}
