//! Who is rung when, on real mailboxes: work must never lie beside a worker that waits and was not told.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::roster::{MemberSpec, Workspace};
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::Team;

/// A member and its hold on the team, as its worker has them.
struct Worker {
    who: WaitingClaimant,
    team: Team,
}

impl Worker {
    /// On the roster, with a mailbox that can be rung.
    fn join(root: &Path, name: &str, role: Option<&str>) -> Worker {
        let me: MemberName = name.parse().unwrap();
        let who = WaitingClaimant { role: role.map(|role| role.parse().unwrap()), ..WaitingClaimant::new(me.clone()) };
        let mut team = open(root, Address::Member(me.clone()));
        let (agent, workspace) = ("shell".parse().unwrap(), Workspace::Shared { dir: "/".into() });
        team.add_member(
            me,
            MemberSpec {
                agent,
                options: Default::default(),
                role: who.role.clone(),
                auto: who.auto,
                workspace,
                stall: Default::default(),
                rules: Vec::new(),
                budget: Default::default(),
            },
        )
        .unwrap();
        Worker { who, team }
    }

    fn claim(&mut self) -> Option<u32> {
        self.team.claim_next(&self.who).unwrap().map(|claim| claim.id.0)
    }

    /// Whether it was rung since this was last asked.
    fn was_rung(&self) -> bool {
        let mailbox = self.team.dir().mailbox(&Address::Member(self.who.name.clone()));
        let file = File::options().write(true).open(mailbox).unwrap();
        let rung = file.metadata().unwrap().modified().unwrap() != SystemTime::UNIX_EPOCH;
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        rung
    }
}

fn open(root: &Path, me: Address) -> Team {
    Team::open(TeamDir::new(root, "t".parse().unwrap()), me, Durability::Process).unwrap()
}

fn task(role: Option<&str>) -> NewTask {
    NewTask { role: role.map(|role| role.parse().unwrap()), ..NewTask::new(TaskWork::run("true")) }
}

#[test]
fn work_rings_as_many_as_it_is_for_and_a_claim_rings_nobody() {
    let root = tempfile::tempdir().unwrap();
    let mut workers: Vec<Worker> = ["a", "b", "c"].map(|name| Worker::join(root.path(), name, None)).into();
    for worker in &mut workers {
        assert_eq!(worker.claim(), None);
        worker.was_rung();
    }
    open(root.path(), Address::Lead).add_tasks(|_| vec![task(None), task(None)]).unwrap();
    assert_eq!(workers.iter().map(Worker::was_rung).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!((workers[0].claim(), workers[1].claim()), (Some(1), Some(2)));
    assert_eq!(workers.iter().map(Worker::was_rung).collect::<Vec<_>>(), [false; 3]);
}

/// A tester and one without a role are rung for two tasks; the tester takes the one that was for the other, who can
/// not take what is left. Without passing its ring on, the third would sleep beside that until the slow poll.
#[test]
fn a_ring_in_vain_is_passed_on_to_who_can_do_what_is_left() {
    let root = tempfile::tempdir().unwrap();
    let mut tester = Worker::join(root.path(), "ada", Some("tester"));
    let mut plain = Worker::join(root.path(), "ben", None);
    let mut other_tester = Worker::join(root.path(), "cy", Some("tester"));
    for worker in [&mut tester, &mut plain, &mut other_tester] {
        assert_eq!(worker.claim(), None);
        worker.was_rung();
    }
    let ids = open(root.path(), Address::Lead).add_tasks(|_| vec![task(None), task(Some("tester"))]).unwrap();
    assert_eq!(ids, [TaskId(1), TaskId(2)]);
    assert_eq!((tester.was_rung(), plain.was_rung(), other_tester.was_rung()), (true, true, false));

    assert_eq!(tester.claim(), Some(1));
    assert_eq!(plain.claim(), None);
    assert!(other_tester.was_rung(), "task 2 lies beside a waiting tester that nobody woke");
    assert_eq!(other_tester.claim(), Some(2));
}
