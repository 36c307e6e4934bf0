//! The agent and the place of each member of a crew. A run that goes on lets every member work where it did, with the agent
//! that it had: a member that was moved out of its worktree would work in the checkout of the people.

use std::collections::BTreeMap;

use teamster_protocol::model::id::MemberName;
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::WorkspaceRequest;

use super::RunLeftover;
use crate::ops::agents::{ChosenAgent, WantedAgent};
use crate::ops::error::OpsError;
use crate::ops::error::run::RunError;
use crate::ops::session::Session;
use crate::ops::spawn::WantedWorkspace;

/// The agent that a member of the crew drives, and the place in which it works.
#[derive(Debug, Clone)]
pub(super) struct CrewPlace {
    pub(super) agent: ChosenAgent,
    pub(super) workspace: WorkspaceRequest,
}

/// The place of everybody who may be spawned for a run.
#[derive(Debug)]
pub(super) struct CrewPlaces {
    /// The place of a member that was not there before.
    pub(super) new: CrewPlace,
    /// The places of members that were, or why one can not be had again.
    before: BTreeMap<MemberName, Result<CrewPlace, (String, Option<String>)>>,
}

impl CrewPlaces {
    /// The places as they are wanted. In a run that goes on, and as far as nothing else is wanted, a member that was there
    /// before has its own again, and one that is new has that of the first worker of the run before.
    pub(super) fn of(
        session: &Session,
        leftover: RunLeftover,
        agent: WantedAgent,
        workspace: WantedWorkspace,
    ) -> Result<CrewPlaces, OpsError> {
        let wanted =
            CrewPlace { agent: agent.clone().choose(&session.config)?, workspace: workspace.clone().request(session)? };
        match leftover {
            RunLeftover::Refuse => {
                wanted.agent.must_be_installed()?;
                return Ok(CrewPlaces { new: wanted, before: BTreeMap::new() });
            }
            RunLeftover::Resume | RunLeftover::RetryFailed => {}
        }
        let view = TeamView::open(session.dir.clone())?;
        let mut before = BTreeMap::new();
        for (name, member) in view.roster().members() {
            let agent = agent.clone().choose_for(&session.config, &member.spec)?;
            let place = match workspace.kept(session, view.roster(), name) {
                Ok(kept) => Ok(CrewPlace { agent, workspace: kept.unwrap_or_else(|| wanted.workspace.clone()) }),
                Err(error) => Err(error.told()),
            };
            before.insert(name.clone(), place);
        }
        let number = |name: &MemberName| name.as_str().strip_prefix('w')?.parse::<u32>().ok();
        let workers = before.iter().filter_map(|(name, place)| Some((number(name)?, place.as_ref().ok()?)));
        let first = workers.min_by_key(|(number, _)| *number).map(|(_, place)| place.clone());
        let new = first.unwrap_or(wanted);
        new.agent.must_be_installed()?;
        Ok(CrewPlaces { new, before })
    }

    /// The place of a member of the crew. Refused where the member had one that is not there any more.
    pub(super) fn of_member(&self, name: &MemberName) -> Result<&CrewPlace, RunError> {
        match self.before.get(name) {
            Some(Ok(place)) => Ok(place),
            Some(Err((what, hint))) => Err(RunError::Place { what: what.clone(), hint: hint.clone() }),
            None => Ok(&self.new),
        }
    }
}
