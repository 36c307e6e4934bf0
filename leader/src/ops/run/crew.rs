//! The crew of a run: the members that are there and take its tasks, those that the plan names, one for each role it asks
//! for, one at least for each agent, and as many more as were asked for.

use std::collections::{BTreeMap, BTreeSet};

use teamster_protocol::model::board::{AutoClaim, WaitingClaimant};
use teamster_protocol::model::id::{AgentName, MemberName, Role};
use teamster_protocol::model::task::{NewTask, TaskWork};

use super::RunLeftover;
use crate::ops::error::run::RunError;

/// How many workers there are at most if it is not said.
const WORKERS_DEFAULT: usize = 4;

/// How many workers a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerCount {
    /// So many, as somebody said.
    Wanted(usize),
    /// One for each task, but not more than this.
    AtMost(usize),
}

impl WorkerCount {
    /// The count for a run where nobody said one. One that goes on has as many as the run before it: another worker would
    /// not have what those did before it.
    pub(super) fn usual<'a>(leftover: RunLeftover, before: impl Iterator<Item = &'a MemberName>) -> WorkerCount {
        let is_worker = |name: &&MemberName| name.as_str().strip_prefix('w').is_some_and(|n| n.parse::<u32>().is_ok());
        let before = match leftover {
            RunLeftover::Refuse => 0,
            RunLeftover::Resume | RunLeftover::RetryFailed => before.filter(is_worker).count(),
        };
        WorkerCount::AtMost(if before == 0 { WORKERS_DEFAULT } else { before })
    }
}

/// One worker to be spawned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CrewMember {
    /// Its name.
    pub(super) name: MemberName,
    /// Its role.
    pub(super) role: Option<Role>,
    /// The agent that tasks name for it; nothing where the run's own is meant.
    pub(super) agent: Option<AgentName>,
}

/// Those who work on a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RunCrew {
    /// Those to be spawned for it.
    pub(super) spawns: Vec<CrewMember>,
    /// Those that are there and take some of its tasks.
    pub(super) there: Vec<MemberName>,
}

/// The tasks that ask for one agent, or for none, and the workers for them.
#[derive(Debug)]
struct AgentShare {
    agent: Option<AgentName>,
    tasks: usize,
    workers: usize,
    /// Whether some of its tasks are words, which not every worker reads.
    has_words: bool,
}

/// Chooses the crew for these tasks. `there` are the members that run and can take tasks; each that takes what is for
/// everybody is one of the `workers`. Those that the plan names, and those with a role that it asks for, come on top. No
/// new member gets one of the names in `taken`, which are all that run.
///
/// Each agent that tasks ask for has one of the workers at least, and so have the tasks that ask for none: refused where
/// there are too few for that. Commands that ask for none are done by whoever is there, if there is no worker left for them. Each further worker is for the agent that has the most tasks for each of its workers.
pub(super) fn crew(
    tasks: &[NewTask],
    workers: WorkerCount,
    there: &[WaitingClaimant],
    taken: &BTreeSet<MemberName>,
) -> Result<RunCrew, RunError> {
    let named = agents_of_named(tasks)?;
    let roles: BTreeSet<(Role, Option<AgentName>)> =
        tasks.iter().filter_map(|task| Some((task.role.clone()?, task.agent.clone()))).collect();
    let takes_all = |who: &&WaitingClaimant| who.auto == AutoClaim::On;
    let has_role = |who: &WaitingClaimant, role: &Role| who.role.as_ref() == Some(role);
    let is_on_top =
        |who: &WaitingClaimant| named.contains_key(&who.name) || roles.iter().any(|(role, _)| has_role(who, role));
    let mut used: BTreeSet<MemberName> = taken.iter().chain(named.keys()).cloned().collect();
    let mut spawns: Vec<CrewMember> = named
        .iter()
        .filter(|(name, _)| !taken.contains(*name))
        .map(|(name, agent)| CrewMember { name: name.clone(), role: None, agent: agent.clone() })
        .collect();
    // Those that ask for an agent first: whoever drives it has the role too.
    let (any_agent, with_agent): (Vec<_>, Vec<_>) = roles.iter().partition(|(_, agent)| agent.is_none());
    for (role, agent) in with_agent.into_iter().chain(any_agent) {
        let fits = |theirs: &Option<AgentName>| agent.is_none() || theirs == agent;
        let is_there = there.iter().filter(takes_all).any(|who| has_role(who, role) && fits(&who.agent));
        if !is_there && !spawns.iter().any(|member| member.role.as_ref() == Some(role) && fits(&member.agent)) {
            let name = unused(role.as_str(), &mut used);
            spawns.push(CrewMember { name, role: Some(role.clone()), agent: agent.clone() });
        }
    }
    let present = there.iter().filter(takes_all).filter(|who| !is_on_top(who));
    for agent in shared_out(tasks, workers, present)? {
        let name = unused(&agent.as_ref().map_or("w".to_owned(), stem_of), &mut used);
        spawns.push(CrewMember { name, role: None, agent });
    }
    let takes_some = |who: &&WaitingClaimant| {
        let fits =
            |task: &NewTask| who.fits(task.to.as_ref(), task.role.as_ref(), task.agent.as_ref(), task.work.kind());
        tasks.iter().any(fits)
    };
    let there = there.iter().filter(takes_some).map(|who| who.name.clone()).collect();
    Ok(RunCrew { spawns, there })
}

/// The members that tasks name, each with the agent that these ask for.
fn agents_of_named(tasks: &[NewTask]) -> Result<BTreeMap<MemberName, Option<AgentName>>, RunError> {
    let mut named: BTreeMap<MemberName, Option<AgentName>> = BTreeMap::new();
    for task in tasks {
        let Some(to) = &task.to else { continue };
        let known = named.entry(to.clone()).or_default();
        match (&*known, &task.agent) {
            (Some(one), Some(other)) if one != other => {
                return Err(RunError::TwoAgents { member: to.clone(), one: one.clone(), other: other.clone() });
            }
            (None, Some(_)) => *known = task.agent.clone(),
            (Some(_), Some(_)) | (_, None) => {}
        }
    }
    Ok(named)
}

/// The agent of each worker that is to be spawned for the tasks that no member and no role is named for.
fn shared_out<'a>(
    tasks: &[NewTask],
    workers: WorkerCount,
    present: impl Iterator<Item = &'a WaitingClaimant>,
) -> Result<Vec<Option<AgentName>>, RunError> {
    let mut shares: Vec<AgentShare> = Vec::new();
    for task in tasks.iter().filter(|task| task.to.is_none() && task.role.is_none()) {
        let has_words = !matches!(task.work, TaskWork::Run { .. });
        match shares.iter_mut().find(|share| share.agent == task.agent) {
            Some(share) => {
                share.tasks += 1;
                share.has_words |= has_words;
            }
            None => shares.push(AgentShare { agent: task.agent.clone(), tasks: 1, workers: 0, has_words }),
        }
    }
    let free: usize = shares.iter().map(|share| share.tasks).sum();
    let workers = match workers {
        WorkerCount::Wanted(workers) => workers,
        WorkerCount::AtMost(usual) => free.min(usual).max(shares.len()),
    };
    if shares.len() > workers && shares.len() > 1 {
        shares.retain(|share| share.agent.is_some() || share.has_words);
    }
    let asked = shares.len();
    if shares.is_empty() {
        shares.push(AgentShare { agent: None, tasks: 0, workers: 0, has_words: false });
    }
    let mut count = 0;
    for who in present {
        count += 1;
        let own = shares.iter().position(|share| share.agent.is_some() && share.agent == who.agent);
        if let Some(at) = own.or_else(|| shares.iter().position(|share| share.agent.is_none())) {
            shares[at].workers += 1;
        }
    }
    let mut spawned = Vec::new();
    for share in shares.iter_mut().filter(|share| share.tasks > 0 && share.workers == 0) {
        share.workers = 1;
        spawned.push(share.agent.clone());
    }
    if !spawned.is_empty() && asked > workers {
        let agents = shares.iter().filter_map(|share| share.agent.clone()).collect();
        let others = shares.iter().any(|share| share.agent.is_none());
        return Err(RunError::TooFewWorkers { workers, agents, others });
    }
    while count + spawned.len() < workers {
        // The first of those that have the most: no float, and no division by the workers of an empty share.
        let most = |best: AgentIndex, at: AgentIndex| {
            let (one, other) = (&shares[best], &shares[at]);
            if other.tasks * one.workers.max(1) > one.tasks * other.workers.max(1) { at } else { best }
        };
        let at = (0..shares.len()).reduce(most).expect("there is a share");
        shares[at].workers += 1;
        spawned.push(shares[at].agent.clone());
    }
    Ok(spawned)
}

/// The place of an agent's share in the list of all.
type AgentIndex = usize;

/// The beginning of the name of a worker that drives an agent: that of the agent, or of its program.
fn stem_of(agent: &AgentName) -> String {
    let Some(form) = agent.form() else { return agent.to_string() };
    let program = form.command[0].rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let stem: String = program.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect();
    let stem = stem.trim_start_matches('-');
    if stem.is_empty() { "agent".to_owned() } else { stem.to_owned() }
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

    fn count(workers: Option<usize>) -> WorkerCount {
        workers.map_or(WorkerCount::AtMost(WORKERS_DEFAULT), WorkerCount::Wanted)
    }

    #[test]
    fn a_run_that_goes_on_has_as_many_workers_as_the_one_before() {
        let before: Vec<MemberName> = ["alice", "w1", "w2", "wanda"].map(|name| name.parse().unwrap()).to_vec();
        let usual = |leftover| WorkerCount::usual(leftover, before.iter());
        assert_eq!(usual(RunLeftover::Resume), WorkerCount::AtMost(2));
        assert_eq!(usual(RunLeftover::RetryFailed), WorkerCount::AtMost(2));
        assert_eq!(usual(RunLeftover::Refuse), WorkerCount::AtMost(WORKERS_DEFAULT), "another run");
        let none = WorkerCount::usual(RunLeftover::Resume, before[..1].iter());
        assert_eq!(none, WorkerCount::AtMost(WORKERS_DEFAULT));
        let three = [task(None, None), task(None, None), task(None, None)];
        let spawns = crew(&three, usual(RunLeftover::Resume), &[], &BTreeSet::new()).unwrap().spawns;
        assert_eq!(spawns.len(), 2);
    }

    /// Who is spawned, and who is there.
    fn chosen(tasks: &[NewTask], workers: Option<usize>, there: &[WaitingClaimant]) -> (Vec<String>, Vec<String>) {
        let taken = there.iter().map(|who| who.name.clone()).collect();
        let RunCrew { spawns, there } = crew(tasks, count(workers), there, &taken).unwrap();
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

    fn asks(agent: Option<&str>) -> NewTask {
        NewTask { agent: agent.map(|agent| agent.parse().unwrap()), ..task(None, None) }
    }

    /// Who is spawned, each with its agent.
    fn with_agents(tasks: &[NewTask], workers: Option<usize>, there: &[WaitingClaimant]) -> Vec<(String, String)> {
        let taken = there.iter().map(|who| who.name.clone()).collect();
        let spawns = crew(tasks, count(workers), there, &taken).unwrap().spawns.into_iter();
        spawns.map(|member| (member.name.to_string(), member.agent.map_or(String::new(), String::from))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, agent)| ((*name).to_owned(), (*agent).to_owned())).collect()
    }

    #[test]
    fn each_agent_has_a_worker_and_the_rest_go_where_the_most_tasks_are() {
        let mut tasks = vec![asks(Some("pi")), asks(None), asks(Some("cmd:/opt/Mine -p {}"))];
        let each = [("pi", "pi"), ("w1", ""), ("mine", "cmd:/opt/Mine -p {}")];
        assert_eq!(with_agents(&tasks, None, &[]), pairs(&each));
        tasks.extend([asks(Some("pi")), asks(Some("pi")), asks(None)]);
        let five = [each[0], each[1], each[2], ("pi1", "pi"), ("w2", "")];
        assert_eq!(with_agents(&tasks, Some(5), &[]), pairs(&five));
        assert_eq!(with_agents(&tasks, None, &[]), pairs(&five[..4]));
        let only = [asks(Some("pi")), asks(Some("pi"))];
        assert_eq!(with_agents(&only, None, &[]), pairs(&[("pi", "pi"), ("pi1", "pi")]), "no other agent is needed");
    }

    #[test]
    fn too_few_workers_for_the_agents_are_an_error() {
        let words = NewTask { work: TaskWork::Prompt("review it".to_owned()), ..asks(None) };
        let mut tasks = [asks(Some("pi")), asks(Some("llm")), words];
        let refused = crew(&tasks, WorkerCount::Wanted(2), &[], &BTreeSet::new()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "2 are too few workers: the tasks ask for pi, llm and, some of them, for no agent by name, and each needs a \
             worker"
        );
        let drives = |name: &str, agent: &str| WaitingClaimant {
            agent: Some(agent.parse().unwrap()),
            ..member(name, None, AutoClaim::On)
        };
        let there = [drives("ada", "pi"), drives("ben", "llm"), drives("cy", "shell")];
        assert_eq!(with_agents(&tasks, Some(2), &there), [], "all are there");
        assert_eq!(with_agents(&tasks, Some(3), &there[..2]), pairs(&[("w1", "")]));
        tasks[2] = asks(None);
        let two = pairs(&[("pi", "pi"), ("llm", "llm")]);
        assert_eq!(with_agents(&tasks, Some(2), &[]), two, "whoever is there runs a command");
        assert_eq!(with_agents(&tasks, Some(3), &[])[2], pairs(&[("w1", "")])[0]);
    }

    #[test]
    fn a_member_or_a_role_that_is_named_drives_the_agent_that_its_tasks_ask_for() {
        let with = |to, role, agent: Option<&str>| NewTask { agent: asks(agent).agent, ..task(to, role) };
        let tasks = [
            with(Some("alice"), None, None),
            with(Some("alice"), None, Some("pi")),
            with(None, Some("tester"), None),
            with(None, Some("tester"), Some("llm")),
        ];
        assert_eq!(with_agents(&tasks, None, &[]), pairs(&[("alice", "pi"), ("tester", "llm")]));
        let two = [with(Some("alice"), None, Some("llm")), with(Some("alice"), None, Some("pi"))];
        let refused = crew(&two, count(None), &[], &BTreeSet::new()).unwrap_err();
        assert_eq!(refused.to_string(), "the tasks for alice ask for llm and for pi, and a member drives one agent");
    }
}
