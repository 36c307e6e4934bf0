//! Who could take a task, whatever each member is at; and where nobody could, why. Pure.

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{AgentName, MemberName, Role};
use teamster_protocol::model::roster::{Member, Roster};
use teamster_protocol::model::task::WorkKind;

use super::WaitCause;

/// The needs of a task that is for more than one member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TakerNeeds<'a> {
    /// The role that its taker must have.
    pub(crate) role: Option<&'a Role>,
    /// The agent that its taker must drive.
    pub(crate) agent: Option<&'a AgentName>,
    /// The kind of work that its taker must be able to do.
    pub(crate) kind: WorkKind,
}

/// The members that run and could take a task, in the order of their names; or the cause why there is none. `runs` is asked
/// only of members that fit.
pub(crate) fn takers<'r>(
    roster: &'r Roster,
    needs: TakerNeeds<'_>,
    runs: impl Fn(&MemberName, &Member) -> bool,
) -> Result<Vec<&'r MemberName>, WaitCause> {
    let has_role = |member: &Member| needs.role.is_none() || member.spec.role.as_ref() == needs.role;
    let fit: Vec<(&MemberName, &Member)> = roster.members().filter(|(_, member)| has_role(member)).collect();
    if let (Some(role), true) = (needs.role, fit.is_empty()) {
        return Err(WaitCause::RoleMissing { role: role.clone() });
    }
    let has_agent = |member: &Member| needs.agent.is_none_or(|agent| member.spec.agent == *agent);
    let fit: Vec<(&MemberName, &Member)> = fit.into_iter().filter(|(_, member)| has_agent(member)).collect();
    if let (Some(agent), true) = (needs.agent, fit.is_empty()) {
        return Err(WaitCause::AgentMissing { agent: agent.clone(), role: needs.role.cloned() });
    }
    let takes = |member: &Member| member.spec.prompts().takes(needs.kind);
    let able: Vec<(&MemberName, &Member)> = fit.iter().copied().filter(|(_, member)| takes(member)).collect();
    if able.is_empty() && !fit.is_empty() {
        // Whoever runs is meant, if anybody does: most teams have had members that left.
        let run: Vec<_> = fit.iter().copied().filter(|(name, member)| runs(name, member)).collect();
        let meant = if run.is_empty() { fit } else { run };
        let members = meant.into_iter().map(|(name, member)| (name.clone(), member.spec.agent.clone())).collect();
        return Err(WaitCause::CommandsOnly { members });
    }
    let running: Vec<(&MemberName, &Member)> =
        able.iter().copied().filter(|(name, member)| runs(name, member)).collect();
    if running.is_empty() {
        let members = able.iter().map(|(name, _)| (*name).clone()).collect();
        return Err(match needs.role {
            _ if let Some(agent) = needs.agent => WaitCause::AgentAbsent { agent: agent.clone(), members },
            Some(role) => WaitCause::RoleAbsent { role: role.clone(), members },
            None if able.len() < fit.len() && fit.iter().any(|(name, member)| runs(name, member)) => {
                WaitCause::ReadersAbsent { members }
            }
            None => WaitCause::NoWorker,
        });
    }
    let claims = |(_, member): &(&MemberName, &Member)| member.spec.auto == AutoClaim::On;
    let claiming: Vec<&MemberName> = running.iter().copied().filter(claims).map(|(name, _)| name).collect();
    if claiming.is_empty() {
        return Err(WaitCause::NoneClaims { members: running.into_iter().map(|(name, _)| name.clone()).collect() });
    }
    Ok(claiming)
}
