//! Whose command it is. What an agent runs is its member's: mail is stamped with the member's name, and what only the
//! lead may do is refused. The environment that every worker gives its agent says which member that is.

use std::path::Path;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::Address;

use super::error::OpsError;
use super::verb::{Verb, VerbAccess};

/// The member whose agent this command runs beneath, if it is about that member's team; else the lead.
pub fn find_caller(dir: &TeamDir, variable: impl Fn(&str) -> Option<String>) -> Result<Address, OpsError> {
    let Some(member) = variable("TEAMSTER_MEMBER") else { return Ok(Address::Lead) };
    let same_team = variable("TEAMSTER_TEAM").is_some_and(|team| team == dir.team().as_str());
    let same_root = variable("TEAMSTER_ROOT").is_some_and(|root| Path::new(&root) == dir.root());
    if !same_team || !same_root {
        return Ok(Address::Lead);
    }
    match member.parse() {
        Ok(name) => Ok(Address::Member(name)),
        Err(why) => Err(OpsError::refused(
            format!("TEAMSTER_MEMBER is {member:?}, which names no member: {why}"),
            "a worker sets it for its agent; who is no member unsets it",
        )),
    }
}

/// Refuses a member what the table of verbs gives to the lead alone.
pub fn authorize(caller: &Address, verb: Verb) -> Result<(), OpsError> {
    match (caller, verb.row().access) {
        (Address::Member(name), VerbAccess::Lead { doing }) => Err(OpsError::refused(
            format!("{name} may not {doing}: only the lead does that"),
            "ask for it: teamster dm lead TEXT",
        )),
        (Address::Member(_), VerbAccess::Anybody) | (Address::Lead, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller_in(team: &str, root: &str, member: &str) -> Result<Address, OpsError> {
        let dir = TeamDir::new("/r", "crew".parse().unwrap());
        find_caller(&dir, |name| {
            let value = match name {
                "TEAMSTER_TEAM" => team,
                "TEAMSTER_ROOT" => root,
                "TEAMSTER_MEMBER" => member,
                _ => "",
            };
            Some(value.to_owned()).filter(|value| !value.is_empty())
        })
    }

    #[test]
    fn a_command_is_a_members_only_in_its_own_team() {
        let alice = Address::Member("alice".parse().unwrap());
        assert_eq!(caller_in("crew", "/r", "alice").unwrap(), alice);
        assert_eq!(caller_in("crew", "/r", "").unwrap(), Address::Lead);
        assert_eq!(caller_in("other", "/r", "alice").unwrap(), Address::Lead);
        assert_eq!(caller_in("crew", "/elsewhere", "alice").unwrap(), Address::Lead);
        assert!(caller_in("crew", "/r", "lead").is_err(), "no environment makes a member the lead");
        assert!(caller_in("crew", "/r", "../x").is_err());
    }

    #[test]
    fn a_member_may_look_and_talk_and_add_tasks_and_the_lead_may_do_all() {
        let alice = Address::Member("alice".parse().unwrap());
        for verb in [Verb::List, Verb::Dm, Verb::TaskAdd, Verb::Doctor] {
            authorize(&alice, verb).unwrap();
        }
        for verb in Verb::ALL {
            authorize(&Address::Lead, *verb).unwrap();
        }
        let refused = [Verb::Spawn, Verb::Kill, Verb::TaskClear, Verb::Repair]
            .map(|verb| authorize(&alice, verb).unwrap_err().to_string());
        insta::assert_snapshot!(refused.join("\n"), @"
        alice may not spawn members: only the lead does that
        alice may not kill members: only the lead does that
        alice may not clear the board: only the lead does that
        alice may not repair the team: only the lead does that
        ");
    }
}
