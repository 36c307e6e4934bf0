//! `unpark`: lifts the limit of a provider before its time, for all members of the account.

use std::collections::BTreeSet;

use serde::Serialize;
use teamster_protocol::host::clock;
use teamster_protocol::model::id::MemberName;

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

/// The members that go on.
#[derive(Debug, Serialize)]
pub struct UnparkedMembers {
    /// Everybody who uses an account whose limit was lifted, by name.
    pub members: BTreeSet<MemberName>,
}

/// Lifts limits. Refused, with nothing done, if one of the members is not parked.
pub fn unpark(session: &Session, wanted: UnparkWanted) -> Result<UnparkedMembers, OpsError> {
    session.authorize(Verb::Unpark)?;
    let view = session.view()?;
    let now_ms = clock::now_ms();
    let names = match wanted {
        UnparkWanted::All => {
            let all = view.roster().members().map(|(name, _)| name);
            all.filter(|name| view.roster().limit_of(name, now_ms).is_some()).cloned().collect()
        }
        UnparkWanted::Members(names) => {
            for name in &names {
                session.must_be_member(&view, name)?;
                if view.roster().limit_of(name, now_ms).is_none() {
                    let what = format!("{name} is not parked: no limit of its provider holds");
                    return Err(OpsError::refused(what, format!("teamster why {name}")));
                }
            }
            names
        }
    };
    let mut team = session.team()?;
    let mut members = BTreeSet::new();
    for name in names {
        // One of the same account before it has lifted the limit of this one.
        members.extend(team.lift_limit(&name)?);
    }
    Ok(UnparkedMembers { members })
}
