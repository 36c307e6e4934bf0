//! Whose command it is. What an agent runs is its member's: mail is stamped with the member's name, and what only the
//! lead may do is refused. The environment that every worker gives its agent says which member that is.

use std::path::Path;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::Address;

use super::FrontError;
use crate::front::cli::args::{Command, TaskVerb};

/// The member whose agent this command runs beneath, if it is about that member's team; else the lead.
pub(super) fn whose(dir: &TeamDir, variable: impl Fn(&str) -> Option<String>) -> Result<Address, FrontError> {
    let Some(member) = variable("TEAMSTER_MEMBER") else { return Ok(Address::Lead) };
    let same_team = variable("TEAMSTER_TEAM").is_some_and(|team| team == dir.team().as_str());
    let same_root = variable("TEAMSTER_ROOT").is_some_and(|root| Path::new(&root) == dir.root());
    if !same_team || !same_root {
        return Ok(Address::Lead);
    }
    match member.parse() {
        Ok(name) => Ok(Address::Member(name)),
        Err(why) => Err(FrontError::refused(
            format!("TEAMSTER_MEMBER is {member:?}, which names no member: {why}"),
            "a worker sets it for its agent; who is no member unsets it",
        )),
    }
}

/// Refuses what is the lead's alone.
pub(super) fn may(me: &Address, command: &Command) -> Result<(), FrontError> {
    match (me, leads(command)) {
        (Address::Member(name), Some(verb)) => Err(FrontError::refused(
            format!("{name} may not {verb}: only the lead does that"),
            "ask for it: teamster dm lead TEXT",
        )),
        (Address::Member(_), None) | (Address::Lead, _) => Ok(()),
    }
}

/// What a command does that is the lead's alone.
fn leads(command: &Command) -> Option<&'static str> {
    match command {
        Command::Up(_) => Some("lead the team"),
        Command::Down(_) => Some("end the team"),
        Command::RestartLeader => Some("restart the leader"),
        Command::Spawn(_) => Some("spawn members"),
        Command::Send(_) => Some("start turns of members"),
        Command::Steer(_) => Some("steer members"),
        Command::Stop(_) => Some("stop members"),
        Command::Shutdown(_) => Some("shut members down"),
        Command::Kill(_) => Some("kill members"),
        Command::Run(_) => Some("run a plan on its own team"),
        Command::Cleanup(_) => Some("clean up"),
        Command::Task(TaskVerb::Clear { .. }) => Some("clear the board"),
        Command::Doctor(args) if args.repair => Some("repair the team"),
        Command::Task(
            TaskVerb::Add(_)
            | TaskVerb::List(_)
            | TaskVerb::Show { .. }
            | TaskVerb::Assign { .. }
            | TaskVerb::Unassign { .. }
            | TaskVerb::Dep(_)
            | TaskVerb::Retry { .. }
            | TaskVerb::Cancel { .. },
        )
        | Command::Id
        | Command::Config
        | Command::Env(_)
        | Command::List(_)
        | Command::Status(_)
        | Command::Why(_)
        | Command::Dm(_)
        | Command::Broadcast(_)
        | Command::Inbox(_)
        | Command::Logs(_)
        | Command::Events(_)
        | Command::Doctor(_)
        | Command::Demo(_)
        | Command::Completions { .. }
        | Command::Manual { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose_of(team: &str, root: &str, member: &str) -> Result<Address, FrontError> {
        let dir = TeamDir::new("/r", "crew".parse().unwrap());
        whose(&dir, |name| {
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
        assert_eq!(whose_of("crew", "/r", "alice").unwrap(), alice);
        assert_eq!(whose_of("crew", "/r", "").unwrap(), Address::Lead);
        assert_eq!(whose_of("other", "/r", "alice").unwrap(), Address::Lead);
        assert_eq!(whose_of("crew", "/elsewhere", "alice").unwrap(), Address::Lead);
        assert!(whose_of("crew", "/r", "lead").is_err(), "no environment makes a member the lead");
        assert!(whose_of("crew", "/r", "../x").is_err());
    }
}
