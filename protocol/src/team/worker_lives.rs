//! Whether workers live, by the roster and their locks together. A worker that leaves in order writes that and then lets go of
//! its lock: who read the roster before and looks at the lock after that would take it for dead. So the roster is read, the
//! locks are looked at, and a death counts only if the roster, read again, names the same process.

use std::collections::BTreeMap;

use super::view::worker_life;
use crate::host::process::ProcessIdentity;
use crate::host::team_dir::TeamDir;
use crate::model::id::MemberName;
use crate::model::roster::{Member, Roster};
use crate::store::presence::{LockError, WorkerLife};

/// A look at the locks of members, made after the roster was read. To be confirmed by the roster as it is read after the look.
#[derive(Debug)]
pub struct LocksSeen {
    seen: BTreeMap<MemberName, LockSeen>,
}

#[derive(Debug)]
struct LockSeen {
    /// The process that had joined, if none had left since.
    joined: Option<ProcessIdentity>,
    life: Result<WorkerLife, LockError>,
}

impl LocksSeen {
    /// Looks at the locks of the members of this roster that are wanted.
    pub fn look(dir: &TeamDir, roster: &Roster, wanted: impl Fn(&MemberName) -> bool) -> LocksSeen {
        let look = |(name, member): (&MemberName, &Member)| {
            let joined = member.presence.joined().cloned();
            (name.clone(), LockSeen { joined, life: worker_life(dir, name, &member.presence) })
        };
        LocksSeen { seen: roster.members().filter(|(name, _)| wanted(name)).map(look).collect() }
    }

    /// Whether a worker that had joined looks dead, so that it matters whether it has left meanwhile.
    pub fn show_a_death(&self) -> bool {
        self.seen.values().any(|seen| seen.joined.is_some() && matches!(seen.life, Ok(WorkerLife::Dead)))
    }

    /// Returns whether each member's worker lives, by the roster as it is after the look. Members are left out whose
    /// worker joined or left meanwhile and whose lock was free: nothing follows for them but another look.
    pub fn confirm(self, roster: &Roster) -> BTreeMap<MemberName, Result<WorkerLife, LockError>> {
        let now = |name: &MemberName| roster.member(name).ok().and_then(|member| member.presence.joined());
        let confirmed = self.seen.into_iter().filter(|(name, seen)| match seen.life {
            Ok(WorkerLife::Dead) => now(name) == seen.joined.as_ref(),
            Ok(WorkerLife::Locked | WorkerLife::LockLost | WorkerLife::Dying) | Err(_) => true,
        });
        confirmed.map(|(name, seen)| (name, seen.life)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::own_identity;
    use crate::model::id::Address;
    use crate::model::roster::{MemberSpec, StartedBy, TeamFact, WorkerEnd, WorkerProcess, Workspace};
    use crate::store::file::Durability;
    use crate::store::presence::PresenceLock;
    use crate::team::Team;

    /// Ada, whose worker is this process, and the leader's handle on the team.
    struct Ada {
        _root: tempfile::TempDir,
        team: Team,
        lock: Option<PresenceLock>,
        leader: Team,
    }

    fn ada() -> MemberName {
        "ada".parse().unwrap()
    }

    fn joined() -> TeamFact {
        let identity = own_identity().unwrap();
        let process = WorkerProcess { identity, started_by: StartedBy::Leader, isolation: None, outer_half: None };
        TeamFact::Joined { name: ada(), process }
    }

    impl Ada {
        fn new() -> Ada {
            let root = tempfile::tempdir().unwrap();
            let dir = TeamDir::new(root.path(), "t".parse().unwrap());
            let mut team = Team::open(dir.clone(), Address::Member(ada()), Durability::Process).unwrap();
            let workspace = Workspace::Shared { dir: "/".into() };
            let agent = "shell".parse().unwrap();
            let spec = MemberSpec::new(agent, workspace);
            team.add_member(ada(), spec).unwrap();
            let lock = PresenceLock::take(&dir.member_lock(&ada()), 7).unwrap();
            team.enroll(joined()).unwrap();
            let leader = Team::open(dir, Address::Lead, Durability::Process).unwrap();
            Ada { _root: root, team, lock: Some(lock), leader }
        }

        fn look(&self) -> LocksSeen {
            LocksSeen::look(self.leader.dir(), self.leader.roster(), |_| true)
        }

        fn confirmed(&mut self, seen: LocksSeen) -> Option<WorkerLife> {
            self.leader.refresh(|_| ()).unwrap();
            seen.confirm(self.leader.roster()).remove(&ada()).transpose().unwrap()
        }
    }

    #[test]
    fn a_worker_that_leaves_between_two_looks_has_not_died() {
        let mut ada_here = Ada::new();
        let seen = ada_here.look();
        assert!(!seen.show_a_death());
        assert_eq!(ada_here.confirmed(seen), Some(WorkerLife::Locked));

        // The leader has read the roster, and she leaves before it looks at her lock.
        ada_here.team.enroll(TeamFact::Left { name: ada(), how: WorkerEnd::Shutdown }).unwrap();
        ada_here.lock.take().unwrap().release();
        let seen = ada_here.look();
        assert!(seen.show_a_death(), "as far as her lock tells");
        assert_eq!(ada_here.confirmed(seen), None);

        let seen = ada_here.look();
        assert!(!seen.show_a_death(), "she is known to have left");
        assert_eq!(ada_here.confirmed(seen), Some(WorkerLife::Dead));
    }

    #[test]
    fn a_worker_that_died_has_died_and_one_that_joins_between_two_looks_has_not() {
        let mut ada_here = Ada::new();
        ada_here.lock.take().unwrap().release();
        let seen = ada_here.look();
        assert!(seen.show_a_death());
        assert_eq!(ada_here.confirmed(seen), Some(WorkerLife::Dead));

        ada_here.team.enroll(TeamFact::Left { name: ada(), how: WorkerEnd::Shutdown }).unwrap();
        ada_here.leader.refresh(|_| ()).unwrap();
        let seen = ada_here.look();
        ada_here.team.enroll(joined()).unwrap();
        assert_eq!(ada_here.confirmed(seen), None);
    }
}
