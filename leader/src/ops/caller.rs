//! The caller of a command. A command that an agent runs is its member's: mail is stamped with the member's name, and a
//! command that only the lead may give is refused.
//!
//! Nothing that can be spelled in two ways decides. A team is told by the device and the inode of its directory, whatever
//! path leads there; a member by what the kernel knows of this process, and only then by its variables, for an agent in a
//! sandbox of its own, from which nothing else can be seen.

use std::io;
use std::path::PathBuf;

use teamster_protocol::host::settings::BadSetting;
use teamster_protocol::host::team_dir::{TeamDir, is_same_dir};
use teamster_protocol::model::id::Address;
use teamster_protocol::team::member_of_this_process;

use super::error::OpsError;
use crate::verb::{ASK_THE_LEAD, Verb};

/// The member whose agent this command runs beneath, if it is about that member's team; else the lead.
pub fn find_caller(
    dir: &TeamDir,
    variable: impl Fn(&'static str) -> Result<Option<String>, BadSetting>,
) -> Result<Address, OpsError> {
    match member_of_this_process(dir).map_err(failed)? {
        Some(name) => Ok(Address::Member(name)),
        None => named_by_variables(dir, variable),
    }
}

fn failed(source: io::Error) -> OpsError {
    OpsError::Process { doing: "find out whose command this is", source }
}

fn named_by_variables(
    dir: &TeamDir,
    variable: impl Fn(&'static str) -> Result<Option<String>, BadSetting>,
) -> Result<Address, OpsError> {
    let (Some(member), Some(team), Some(root)) =
        (variable("TEAMSTER_MEMBER")?, variable("TEAMSTER_TEAM")?, variable("TEAMSTER_ROOT")?)
    else {
        return Ok(Address::Lead);
    };
    let root = PathBuf::from(root);
    // The first also where nobody has made the team yet, or somebody has removed it.
    let is_same_name = team == dir.team().as_str() && is_same_dir(&root, dir.root()).map_err(failed)?;
    if !is_same_name && !is_same_dir(&root.join(&team), dir.path()).map_err(failed)? {
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
    match verb.row().access.refusal(caller) {
        Some(why) => Err(OpsError::refused(why, ASK_THE_LEAD)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::verb::VerbEffect;

    /// A root with two teams, and links to it.
    struct Roots {
        at: tempfile::TempDir,
        crew: TeamDir,
    }

    impl Roots {
        fn new() -> Roots {
            let at = tempfile::tempdir().unwrap();
            for team in ["crew", "other"] {
                fs::create_dir_all(at.path().join("root").join(team)).unwrap();
            }
            symlink(at.path().join("root"), at.path().join("linked")).unwrap();
            symlink(at.path().join("root/crew"), at.path().join("root/alias")).unwrap();
            let crew = TeamDir::new(at.path().join("root"), "crew".parse().unwrap());
            Roots { at, crew }
        }

        fn path(&self, path: &str) -> String {
            self.at.path().join(path).display().to_string()
        }

        fn caller(&self, asked: &TeamDir, team: &str, root: &str, member: &str) -> Result<Address, OpsError> {
            named_by_variables(asked, |name| {
                let value = match name {
                    "TEAMSTER_TEAM" => team.to_owned(),
                    "TEAMSTER_ROOT" => self.path(root),
                    "TEAMSTER_MEMBER" => member.to_owned(),
                    _ => String::new(),
                };
                Ok(Some(value).filter(|value| !value.is_empty()))
            })
        }
    }

    fn alice() -> Address {
        Address::Member("alice".parse().unwrap())
    }

    #[test]
    fn a_command_is_a_members_in_its_own_team_however_that_is_spelled() {
        let roots = Roots::new();
        assert_eq!(roots.caller(&roots.crew, "crew", "root", "alice").unwrap(), alice());
        assert_eq!(roots.caller(&roots.crew, "crew", "root", "").unwrap(), Address::Lead);
        assert_eq!(roots.caller(&roots.crew, "other", "root", "alice").unwrap(), Address::Lead);
        assert_eq!(roots.caller(&roots.crew, "crew", "elsewhere", "alice").unwrap(), Address::Lead);
        assert!(roots.caller(&roots.crew, "crew", "root", "lead").is_err(), "no environment makes a member the lead");
        assert!(roots.caller(&roots.crew, "crew", "root", "../x").is_err());

        let through_proc = format!("/proc/self/root{}", roots.path("root"));
        for spelled in [roots.path("root/../root"), roots.path("linked"), roots.path("./root//"), through_proc] {
            let asked = TeamDir::new(&spelled, "crew".parse().unwrap());
            assert_eq!(roots.caller(&asked, "crew", "root", "alice").unwrap(), alice(), "{spelled}");
        }
        let asked = TeamDir::new(roots.path("root"), "alias".parse().unwrap());
        assert_eq!(roots.caller(&asked, "crew", "root", "alice").unwrap(), alice(), "a link to the team");

        // Nobody has made this one.
        let asked = TeamDir::new(roots.path("root/../root"), "fresh".parse().unwrap());
        assert_eq!(roots.caller(&asked, "fresh", "root", "alice").unwrap(), alice());
        let asked = TeamDir::new(roots.path("nowhere"), "fresh".parse().unwrap());
        assert_eq!(roots.caller(&asked, "fresh", "nowhere", "alice").unwrap(), alice());
    }

    #[test]
    fn a_member_may_look_talk_and_change_tasks_and_the_lead_may_do_all() {
        let alice = alice();
        let may = |verb: &&Verb| verb.row().effect == VerbEffect::Changes && authorize(&alice, **verb).is_ok();
        let changes: Vec<&str> = Verb::ALL.iter().filter(may).map(|verb| verb.row().path).collect();
        insta::assert_snapshot!(
            changes.join(", "),
            @"dm, broadcast, task add, task assign, task unassign, task dep add, task dep rm, task retry, task cancel, task edit, demo, manual"
        );
        for verb in Verb::ALL.iter().filter(|verb| verb.row().effect == VerbEffect::Looks) {
            authorize(&alice, *verb).unwrap();
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
