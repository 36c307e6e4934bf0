//! The crew of a run: the members that are there and take its tasks, those that the plan names, one for each role it asks
//! for, and as many more as were asked for.

use std::collections::BTreeSet;

use teamster_protocol::model::board::{AutoClaim, WaitingClaimant};
use teamster_protocol::model::id::{MemberName, Role};
use teamster_protocol::model::task::NewTask;

/// How many workers there are if it is not said.
const WORKERS_DEFAULT: usize = 4;

/// One worker to be spawned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CrewMember {
    /// Its name.
    pub(super) name: MemberName,
    /// Its role.
    pub(super) role: Option<Role>,
}

/// Those who work on a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RunCrew {
    /// Those to be spawned for it.
    pub(super) spawns: Vec<CrewMember>,
    /// Those that are there and take some of its tasks.
    pub(super) there: Vec<MemberName>,
}

/// Chooses the crew for these tasks. `there` are the members that run and can take tasks; each that takes what is for
/// everybody is one of the `workers`. Those that the plan names, and those with a role that it asks for, come on top. No
/// new member gets one of the names in `taken`, which are all that run.
pub(super) fn crew(
    tasks: &[NewTask],
    workers: Option<usize>,
    there: &[WaitingClaimant],
    taken: &BTreeSet<MemberName>,
) -> RunCrew {
    let named: BTreeSet<MemberName> = tasks.iter().filter_map(|task| task.to.clone()).collect();
    let roles: BTreeSet<Role> = tasks.iter().filter_map(|task| task.role.clone()).collect();
    let takes_all = |who: &&WaitingClaimant| who.auto == AutoClaim::On;
    let has_role = |who: &WaitingClaimant, role: &Role| who.role.as_ref() == Some(role);
    let is_on_top = |who: &WaitingClaimant| named.contains(&who.name) || roles.iter().any(|role| has_role(who, role));
    let free = tasks.iter().filter(|task| task.to.is_none() && task.role.is_none()).count();
    let present = there.iter().filter(takes_all).filter(|who| !is_on_top(who)).count();
    let workers = workers.unwrap_or(free.min(WORKERS_DEFAULT)).saturating_sub(present);
    let mut used: BTreeSet<MemberName> = taken.union(&named).cloned().collect();
    let mut spawns: Vec<CrewMember> =
        named.difference(taken).map(|name| CrewMember { name: name.clone(), role: None }).collect();
    for role in &roles {
        if !there.iter().filter(takes_all).any(|who| has_role(who, role)) {
            let name = unused(role.as_str(), &mut used);
            spawns.push(CrewMember { name, role: Some(role.clone()) });
        }
    }
    for _ in 0..workers {
        let name = unused("w", &mut used);
        spawns.push(CrewMember { name, role: None });
    }
    let takes_some = |who: &&WaitingClaimant| {
        tasks.iter().any(|task| who.fits(task.to.as_ref(), task.role.as_ref(), task.agent.as_ref(), task.work.kind()))
    };
    let there = there.iter().filter(takes_some).map(|who| who.name.clone()).collect();
    RunCrew { spawns, there }
}

/// `stem` and the lowest number with which nobody has it yet; a role's own name comes without one.
fn unused(stem: &str, used: &mut BTreeSet<MemberName>) -> MemberName {
    let stem: String = stem.chars().take(34).collect();
    let plain = (stem != "w").then(|| stem.clone());
    let numbered = (1..).map(|number| format!("{stem}{number}"));
    let names = plain.into_iter().chain(numbered).filter_map(|name| name.parse::<MemberName>().ok());
    let name = names.into_iter().find(|name| !used.contains(name)).expect("numbers do not end");
    used.insert(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::task::TaskWork;

    use super::*;

    fn task(to: Option<&str>, role: Option<&str>) -> NewTask {
        let mut task = NewTask::new(TaskWork::run("true"));
        task.to = to.map(|name| name.parse().unwrap());
        task.role = role.map(|role| role.parse().unwrap());
        task
    }

    fn member(name: &str, role: Option<&str>, auto: AutoClaim) -> WaitingClaimant {
        WaitingClaimant {
            role: role.map(|role| role.parse().unwrap()),
            auto,
            ..WaitingClaimant::new(name.parse().unwrap())
        }
    }

    /// Who is spawned, and who is there.
    fn chosen(tasks: &[NewTask], workers: Option<usize>, there: &[WaitingClaimant]) -> (Vec<String>, Vec<String>) {
        let taken = there.iter().map(|who| who.name.clone()).collect();
        let RunCrew { spawns, there } = crew(tasks, workers, there, &taken);
        let spawns = spawns.iter().map(|member| member.name.to_string()).collect();
        (spawns, there.iter().map(MemberName::to_string).collect())
    }

    #[test]
    fn whoever_the_plan_names_comes_on_top_of_the_workers() {
        let tasks = [task(Some("alice"), None), task(None, Some("reviewer")), task(None, None)];
        assert_eq!(chosen(&tasks, Some(2), &[]).0, ["alice", "reviewer", "w1", "w2"]);
        assert_eq!(chosen(&tasks, None, &[]).0, ["alice", "reviewer", "w1"]);
    }

    #[test]
    fn who_is_there_counts_as_a_worker_unless_the_plan_names_it() {
        let tasks = [task(None, None), task(None, None), task(Some("cy"), None)];
        let there = [
            member("ada", None, AutoClaim::On),
            member("ben", Some("tester"), AutoClaim::On),
            member("cy", None, AutoClaim::On),
            member("dee", None, AutoClaim::Off),
        ];
        let all = ["ada", "ben", "cy"].map(str::to_owned).to_vec();
        assert_eq!(chosen(&tasks, Some(3), &there), (vec!["w1".to_owned()], all.clone()));
        assert_eq!(
            chosen(&tasks, Some(1), &there),
            (Vec::new(), all.clone()),
            "more than asked for is no reason to end"
        );
        assert_eq!(chosen(&tasks, None, &there), (Vec::new(), all), "two tasks, and two who take them");
        assert_eq!(chosen(&tasks, None, &there[3..]).0, ["cy", "w1", "w2"], "dee takes nothing by herself");
    }

    #[test]
    fn a_role_that_somebody_there_has_needs_nobody_else() {
        let tasks = [task(None, Some("tester")), task(None, None)];
        let ben = member("ben", Some("tester"), AutoClaim::On);
        assert_eq!(chosen(&tasks, Some(1), &[ben]), (vec!["w1".to_owned()], vec!["ben".to_owned()]));
        let idle = member("ben", Some("tester"), AutoClaim::Off);
        assert_eq!(chosen(&tasks, Some(1), &[idle]).0, ["tester", "w1"]);
    }

    #[test]
    fn a_name_that_runs_is_not_given_twice() {
        let there = ["alice", "w1", "lead2", "reviewer"].map(|name| member(name, None, AutoClaim::Off));
        let tasks = [task(Some("alice"), None), task(None, Some("reviewer")), task(None, Some("lead"))];
        assert_eq!(chosen(&tasks, Some(1), &there).0, ["lead1", "reviewer1", "w2"]);
    }
}
