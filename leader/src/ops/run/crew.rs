//! The crew of a run: the members that the plan names, one for each role it asks for, and as many more as were asked
//! for.

use std::collections::BTreeSet;

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

/// Chooses the crew for these tasks. `taken` are the names that run already: a named member among them is not
/// spawned again, and no other gets its name.
pub(super) fn crew(tasks: &[NewTask], workers: Option<usize>, taken: &BTreeSet<MemberName>) -> Vec<CrewMember> {
    let named: BTreeSet<MemberName> = tasks.iter().filter_map(|task| task.to.clone()).collect();
    let roles: BTreeSet<Role> = tasks.iter().filter_map(|task| task.role.clone()).collect();
    let free = tasks.iter().filter(|task| task.to.is_none() && task.role.is_none()).count();
    let workers = workers.unwrap_or(free.min(WORKERS_DEFAULT));
    let mut used: BTreeSet<MemberName> = taken.union(&named).cloned().collect();
    let mut hands: Vec<CrewMember> =
        named.difference(taken).map(|name| CrewMember { name: name.clone(), role: None }).collect();
    for role in roles {
        let name = unused(role.as_str(), &mut used);
        hands.push(CrewMember { name, role: Some(role) });
    }
    for _ in 0..workers {
        let name = unused("w", &mut used);
        hands.push(CrewMember { name, role: None });
    }
    hands
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
        let mut task = NewTask::new(TaskWork::Run("true".to_owned()));
        task.to = to.map(|name| name.parse().unwrap());
        task.role = role.map(|role| role.parse().unwrap());
        task
    }

    fn names(hands: &[CrewMember]) -> Vec<String> {
        hands.iter().map(|hand| hand.name.to_string()).collect()
    }

    #[test]
    fn whoever_the_plan_names_comes_on_top_of_the_workers() {
        let tasks = [task(Some("alice"), None), task(None, Some("reviewer")), task(None, None)];
        assert_eq!(names(&crew(&tasks, Some(2), &BTreeSet::new())), ["alice", "reviewer", "w1", "w2"]);
        assert_eq!(names(&crew(&tasks, None, &BTreeSet::new())), ["alice", "reviewer", "w1"]);
    }

    #[test]
    fn a_name_that_runs_is_not_given_twice() {
        let taken = ["alice", "w1", "lead2", "reviewer"].map(|name| name.parse().unwrap()).into();
        let tasks = [task(Some("alice"), None), task(None, Some("reviewer")), task(None, Some("lead"))];
        assert_eq!(names(&crew(&tasks, Some(1), &taken)), ["lead1", "reviewer1", "w2"]);
    }
}
