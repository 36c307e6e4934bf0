//! The leader as the load sees it: over its socket, for what a command would take too long.

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::roster::StallPolicy;
use teamster_protocol::wire::api::{LeaderApiClient, ProtocolHello, SessionKept, SpawnRequest, WorkspaceRequest};
use teamster_protocol::wire::peer::socket;
use tokio::task::JoinSet;

use crate::trial::Outcome;
use crate::trial::team::Team;

/// Calls that are under way at one time.
const CALLS: usize = 16;

/// Spawns them all, a few at a time.
pub(crate) async fn spawn(team: &Team, names: &[MemberName], agent: &str) -> Outcome<()> {
    let peer = socket::dial(&team.dir().leader_socket()).await?;
    peer.hello(ProtocolHello { protocol: PROTOCOL_VERSION }).await?;
    let mut calls = JoinSet::new();
    for name in names {
        if calls.len() == CALLS
            && let Some(spawned) = calls.join_next().await
        {
            spawned??;
        }
        let request = SpawnRequest {
            name: name.clone(),
            agent: agent.parse()?,
            options: Default::default(),
            session: SessionKept::Kept,
            role: None,
            auto: AutoClaim::On,
            workspace: WorkspaceRequest::Shared { dir: team.repository().to_owned() },
            stall: StallPolicy::default(),
            rules: Vec::new(),
            budget: UsageBudget::default(),
        };
        let peer = peer.clone();
        calls.spawn(async move { peer.spawn(request).await.map(drop) });
    }
    while let Some(spawned) = calls.join_next().await {
        spawned??;
    }
    Ok(())
}
