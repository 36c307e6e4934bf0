//! `unpark`: lifts the limit of a provider before its time, for all members of the account.

use std::collections::BTreeSet;

use serde::Serialize;
use teamster_protocol::host::clock;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::team::MemberState;

use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// Whose limit is to be lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnparkWanted {
    /// The limits of all accounts.
    All,
    /// Those of the accounts that these members use.
    Members(Vec<MemberName>),
}

/// The members whose limit is lifted.
#[derive(Debug, Serialize)]
pub struct UnparkedMembers {
    /// Those that run, or are being started, and use an account whose limit was lifted, by name.
    pub members: BTreeSet<MemberName>,
}

/// Lifts limits. Refused, with nothing done, if one of the members is not parked.
pub fn unpark(session: &Session, wanted: UnparkWanted) -> Result<UnparkedMembers, OpsError> {
    session.authorize(Verb::Unpark)?;
    let view = session.view()?;
    let now_ms = clock::now_ms();
    // One that could not write its limit down is parked by its own word.
    let parked = view.members()?.into_iter().filter(|member| member.state == MemberState::Parked);
    let parked: BTreeSet<MemberName> = parked.map(|member| member.name).collect();
    let is_parked = |name: &MemberName| parked.contains(name) || view.roster().limit_of(name, now_ms).is_some();
    let names = match wanted {
        UnparkWanted::All => {
            let all = view.roster().members().map(|(name, _)| name);
            all.filter(|name| is_parked(name)).cloned().collect()
        }
        UnparkWanted::Members(names) => {
            for name in &names {
                session.must_be_member(&view, name)?;
                if !is_parked(name) {
                    let what = format!("{name} is not parked: no limit of its provider holds");
                    return Err(OpsError::refused(what, format!("see teamster why {name}")));
                }
            }
            names
        }
    };
    let mut team = session.team()?;
    let (mut lifted, mut members) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if lifted.contains(&name) {
            continue;
        }
        members.extend(team.lift_limit(&name)?);
        lifted.extend(view.roster().account_of(&name).cloned());
    }
    Ok(UnparkedMembers { members })
}
