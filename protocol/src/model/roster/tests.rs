//! What the roster says of members that come, go and come back, and of facts it has no use for.

use super::*;
use crate::model::board::AutoClaim;
use crate::model::id::Address;
use crate::store::file::{Durability, FactOffset, Log};

fn name(text: &str) -> MemberName {
    text.parse().unwrap()
}

fn spec(role: Option<&str>) -> MemberSpec {
    let role = role.map(|role| role.parse().unwrap());
    MemberSpec {
        agent: "shell".parse().unwrap(),
        options: Default::default(),
        role,
        auto: AutoClaim::On,
        workspace: Workspace::Shared { dir: "/w".into() },
        stall: Default::default(),
        rules: Vec::new(),
        budget: Default::default(),
    }
}

fn added(member: &str) -> TeamFact {
    TeamFact::Added { name: name(member), spec: Box::new(spec(None)) }
}

fn process(pid: u32) -> WorkerProcess {
    let identity = format!(r#"{{"pid":{pid},"start_ticks":{},"boot_id":"b"}}"#, pid + 1);
    WorkerProcess {
        identity: serde_json::from_str(&identity).unwrap(),
        started_by: StartedBy::Hand,
        isolation: None,
        outer_half: None,
    }
}

fn ending(member: &str) -> TeamFact {
    TeamFact::Ending { name: name(member) }
}

fn joined(member: &str, pid: u32) -> TeamFact {
    TeamFact::Joined { name: name(member), process: process(pid) }
}

fn left(member: &str, how: WorkerEnd) -> TeamFact {
    TeamFact::Left { name: name(member), how }
}

fn restarting(member: &str, at_ms: u64) -> TeamFact {
    let how = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
    TeamFact::Restarting { name: name(member), how, at_ms }
}

fn agent_gone() -> WorkerEnd {
    WorkerEnd::AgentGone { reason: "it hung".to_owned() }
}

fn put(roster: &mut Roster, at_ms: u64, fact: TeamFact) {
    roster.apply(fact, &FactStamp { seq: 1, at_ms, by: LEAD, offset: FactOffset::NONE });
}

fn presence(roster: &Roster, member: &str) -> MemberPresence {
    roster.member(&name(member)).unwrap().presence.clone()
}

#[test]
fn a_member_is_expected_then_there_then_gone_and_may_come_back() {
    let mut roster = Roster::default();
    assert_eq!(roster.member(&name("alice")), Err(RosterRefusal::NoMember(name("alice"))));
    put(&mut roster, 1, added("alice"));
    assert_eq!(presence(&roster, "alice"), MemberPresence::Expected { since_ms: 1 });
    put(&mut roster, 2, joined("alice", 10));
    assert_eq!(presence(&roster, "alice"), MemberPresence::Joined { at_ms: 2, process: process(10) });
    put(&mut roster, 3, left("alice", WorkerEnd::Shutdown));
    assert_eq!(
        presence(&roster, "alice"),
        MemberPresence::Left { at_ms: 3, how: WorkerEnd::Shutdown, then: AfterLeaving::Stays }
    );
    // A second life without a new setting: it is the same member, as another process.
    put(&mut roster, 4, joined("alice", 20));
    assert_eq!(presence(&roster, "alice"), MemberPresence::Joined { at_ms: 4, process: process(20) });
    assert_eq!(roster.members().count(), 1);
}

#[test]
fn to_be_added_again_is_a_new_setting_and_no_second_member() {
    let mut roster = Roster::default();
    put(&mut roster, 1, added("alice"));
    put(&mut roster, 2, joined("alice", 10));
    put(&mut roster, 3, TeamFact::Added { name: name("alice"), spec: Box::new(spec(Some("tester"))) });
    assert_eq!(roster.members().count(), 1);
    let member = roster.member(&name("alice")).unwrap();
    assert_eq!((&member.spec, &member.presence), (&spec(Some("tester")), &MemberPresence::Expected { since_ms: 3 }));
    assert_eq!(member.spec.claimant(&name("alice")).role, Some("tester".parse().unwrap()));
}

#[test]
fn the_last_of_many_joins_and_leaves_counts() {
    let mut roster = Roster::default();
    put(&mut roster, 1, added("alice"));
    for pid in [10, 11] {
        put(&mut roster, u64::from(pid), joined("alice", pid));
    }
    assert_eq!(presence(&roster, "alice"), MemberPresence::Joined { at_ms: 11, process: process(11) });
    let died = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
    put(&mut roster, 12, left("alice", WorkerEnd::Terminated));
    put(&mut roster, 13, left("alice", died.clone()));
    assert_eq!(presence(&roster, "alice"), MemberPresence::Left { at_ms: 13, how: died, then: AfterLeaving::Stays });
}

#[test]
fn deaths_with_a_restart_are_kept_until_the_member_is_given_up_or_set_up_anew() {
    let mut roster = Roster::default();
    let died = |roster: &Roster| -> Vec<u64> {
        roster.member(&name("alice")).unwrap().deaths.iter().map(|death| death.died_ms).collect()
    };
    put(&mut roster, 1, added("alice"));
    for at_ms in 10..10 + 2 * RESTARTS_MAX as u64 {
        put(&mut roster, at_ms, restarting("alice", at_ms + 100));
        let MemberPresence::Left { at_ms: left_ms, then, .. } = presence(&roster, "alice") else { panic!("it left") };
        assert_eq!((left_ms, then), (at_ms, AfterLeaving::Again { at_ms: at_ms + 100 }));
        put(&mut roster, at_ms, joined("alice", 10));
    }
    assert_eq!(died(&roster), [15, 16, 17, 18, 19], "no more than count");
    put(&mut roster, 20, left("alice", WorkerEnd::GivenUp { reason: "killed by SIGKILL".to_owned() }));
    assert!(died(&roster).is_empty());
    put(&mut roster, 21, restarting("alice", 22));
    put(&mut roster, 23, added("alice"));
    assert!(died(&roster).is_empty());
}

#[test]
fn what_follows_on_an_agent_that_is_gone_is_for_the_leader_that_started_it_to_say() {
    let mut roster = Roster::default();
    put(&mut roster, 1, added("alice"));
    put(&mut roster, 2, joined("alice", 10));
    put(&mut roster, 3, left("alice", agent_gone()));
    let stays = MemberPresence::Left { at_ms: 3, how: agent_gone(), then: AfterLeaving::Stays };
    assert_eq!(presence(&roster, "alice"), stays, "whoever started it by hand sees to it");
    let process = WorkerProcess { started_by: StartedBy::Leader, ..process(11) };
    put(&mut roster, 4, TeamFact::Joined { name: name("alice"), process: process.clone() });
    put(&mut roster, 5, left("alice", agent_gone()));
    let undecided = MemberPresence::Left { at_ms: 5, how: agent_gone(), then: AfterLeaving::Undecided { process } };
    assert_eq!(presence(&roster, "alice"), undecided);
    put(&mut roster, 6, left("alice", agent_gone()));
    assert_eq!(
        presence(&roster, "alice"),
        MemberPresence::Left { at_ms: 6, how: agent_gone(), then: AfterLeaving::Stays }
    );
}

#[test]
fn facts_about_nobody_put_nobody_on_the_roster() {
    let mut roster = Roster::default();
    put(&mut roster, 1, joined("ghost", 10));
    put(&mut roster, 1, left("ghost", WorkerEnd::Shutdown));
    put(&mut roster, 1, TeamFact::Removed { name: name("ghost") });
    assert_eq!(roster.members().count(), 0);
    // Removed is off the roster; what its worker writes on its way out does not bring it back.
    put(&mut roster, 2, added("alice"));
    put(&mut roster, 3, TeamFact::Removed { name: name("alice") });
    put(&mut roster, 4, left("alice", WorkerEnd::Shutdown));
    assert_eq!(roster.members().count(), 0);
}

#[test]
fn members_are_listed_by_name_with_numbers_in_their_order() {
    let mut roster = Roster::default();
    for member in ["w10", "cy", "w2", "a-b"] {
        put(&mut roster, 1, added(member));
    }
    assert_eq!(roster.members().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a-b", "cy", "w2", "w10"]);
}

#[test]
fn fields_and_facts_of_a_newer_version_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("team.jsonl");
    let lines = [
        r#"{"v":1,"log":"team","gen":1,"next_seq":1,"at_ms":5,"mood":"good"}"#,
        r#"{"v":1,"seq":1,"at_ms":6,"by":"lead","facts":[{"founded":{"dir":"/src/app","branch":"main"}}]}"#,
        r#"{"v":1,"seq":2,"at_ms":7,"by":"lead","facts":[{"praised":{"name":"alice"}},{"added":{"name":"alice","colour":"red","spec":{"agent":"shell","model":"x","workspace":{"shared":{"dir":"/w","quota":3}}}}}]}"#,
        r#"{"v":1,"seq":3,"at_ms":8,"by":"alice","facts":[{"joined":{"name":"alice","host":"h","process":{"pid":10,"start_ticks":11,"boot_id":"b","started_by":"hand","tty":1}}}]}"#,
    ];
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let log: Log<Roster> = Log::open(&path, 9).unwrap();
    let roster = log.state();
    assert_eq!(roster.dir(), Some(Path::new("/src/app")));
    assert_eq!(roster.member(&name("alice")).unwrap().spec, spec(None));
    assert_eq!(presence(roster, "alice"), MemberPresence::Joined { at_ms: 8, process: process(10) });
}

#[test]
fn a_new_generation_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("team.jsonl");
    let mut log: Log<Roster> = Log::open(&path, 1).unwrap();
    log.set_generation_bytes_max(300);
    let mut live = Roster::default();
    let mut facts = vec![TeamFact::Founded { dir: "/src/app".into() }];
    for pid in 0..20 {
        let member = ["alice", "bob", "cy"][pid as usize % 3];
        facts.extend([added(member), joined(member, pid), left(member, WorkerEnd::LeaderGone)]);
        facts.extend((pid % 5 == 1).then(|| restarting(member, 1_000)));
        let by_leader = WorkerProcess { started_by: StartedBy::Leader, ..process(pid) };
        let again = TeamFact::Joined { name: name(member), process: by_leader };
        facts.extend((pid % 5 == 2).then_some([again, left(member, agent_gone())]).into_iter().flatten());
        let hung = || [joined(member, pid), TeamFact::Hung { name: name(member) }];
        facts.extend((pid % 6 == 3).then(hung).into_iter().flatten());
        facts.extend((pid % 5 < 2).then(|| TeamFact::Dismissed { name: name(member) }));
        facts.extend((pid % 4 == 1).then(|| [joined(member, pid), ending(member)]).into_iter().flatten());
        facts.extend((pid % 8 == 5).then(|| TeamFact::Staying { name: name(member) }));
        facts.extend((pid % 12 == 3).then(|| TeamFact::Answering { name: name(member) }));
        let stopped = || TeamFact::TurnStopped { name: name(member), turn: 3, reason: String::new() };
        facts.extend((pid % 6 == 4).then(stopped));
        facts.extend((pid % 4 == 0).then(|| joined(member, 100 + pid)));
        let until_ms = 50 + 20 * u64::from(pid);
        let limited = || TeamFact::Limited { name: name(member), until_ms, reason: pid.to_string() };
        facts.extend((pid % 4 == 2).then(limited));
        facts.extend((pid % 8 == 7).then(|| TeamFact::Unlimited { name: name(member) }));
        facts.extend((pid % 7 == 6).then(|| TeamFact::Removed { name: name(member) }));
    }
    facts.push(added("dora"));
    facts.push(TeamFact::Moved { from: "/src".into(), to: "/new".into() });
    for (at_ms, fact) in (1..).zip(facts) {
        let write = |_: &Roster| Ok::<_, RosterRefusal>((vec![fact.clone()], ()));
        log.transact(LEAD, at_ms, Durability::Process, write).unwrap();
        put(&mut live, at_ms, fact);
        let all = |roster: &Roster| roster.members().map(|(name, member)| (name.clone(), member.clone())).collect();
        let (kept, due): (Vec<_>, Vec<_>) = (all(log.state()), all(&live));
        assert_eq!((kept, log.state().dir()), (due, live.dir()), "at {at_ms}");
        let limits =
            |roster: &Roster| -> Vec<_> { roster.members().map(|(name, _)| roster.limit_of(name, at_ms)).collect() };
        assert_eq!(limits(log.state()), limits(&live), "at {at_ms}");
    }
    assert!(path.with_extension("jsonl.old").exists(), "no new generation was ever begun");
}

#[test]
fn who_was_asked_to_end_is_ending_until_it_refuses_or_leaves() {
    let mut roster = Roster::default();
    let ending_since = |roster: &Roster| roster.member(&name("alice")).unwrap().ending_since_ms();
    put(&mut roster, 1, added("alice"));
    put(&mut roster, 2, ending("alice"));
    assert_eq!(ending_since(&roster), None, "it does not run");
    put(&mut roster, 3, joined("alice", 7));
    put(&mut roster, 4, ending("alice"));
    put(&mut roster, 5, ending("alice"));
    assert_eq!(ending_since(&roster), Some(4), "since it was asked first");
    put(&mut roster, 6, TeamFact::Staying { name: name("alice") });
    assert_eq!(ending_since(&roster), None, "it refused");
    put(&mut roster, 7, TeamFact::Dismissed { name: name("alice") });
    put(&mut roster, 8, ending("alice"));
    assert_eq!(ending_since(&roster), Some(7), "a signal told it to end");
    put(&mut roster, 9, left("alice", WorkerEnd::Shutdown));
    assert_eq!(ending_since(&roster), None, "it has ended");
    put(&mut roster, 10, joined("alice", 8));
    assert_eq!(ending_since(&roster), None, "that is another worker");
}

#[test]
fn who_is_dismissed_is_not_started_again_until_the_next_worker_joins() {
    let mut roster = Roster::default();
    let dismissed = || TeamFact::Dismissed { name: name("alice") };
    let by_leader = || WorkerProcess { started_by: StartedBy::Leader, ..process(7) };
    let again = || TeamFact::Joined { name: name("alice"), process: by_leader() };
    let then = |roster: &Roster| match &roster.member(&name("alice")).unwrap().presence {
        MemberPresence::Left { then, .. } => Some(then.clone()),
        MemberPresence::Joined { .. } | MemberPresence::Expected { .. } => None,
    };
    for (at_ms, fact) in (1..).zip([added("alice"), again(), dismissed()]) {
        put(&mut roster, at_ms, fact);
    }
    assert_eq!(roster.member(&name("alice")).unwrap().dismissed_ms, Some(3));
    put(&mut roster, 4, left("alice", agent_gone()));
    assert_eq!(then(&roster), Some(AfterLeaving::Stays), "that it is gone is what was wanted");
    for (at_ms, fact) in (5..).zip([again(), restarting("alice", 100), dismissed()]) {
        put(&mut roster, at_ms, fact);
    }
    assert_eq!(then(&roster), Some(AfterLeaving::Stays), "whoever was to start it does not");
    put(&mut roster, 8, again());
    assert_eq!(roster.member(&name("alice")).unwrap().dismissed_ms, None, "another worker");
}

#[test]
fn a_worker_that_was_told_to_end_for_good_was_killed_by_the_lead() {
    let mut roster = Roster::default();
    put(&mut roster, 1, added("alice"));
    put(&mut roster, 2, joined("alice", 7));
    let end = |roster: &Roster, how: &WorkerEnd| roster.member(&name("alice")).unwrap().end_of_worker(how.clone());
    let died = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
    for how in [WorkerEnd::Terminated, died.clone(), WorkerEnd::Shutdown] {
        assert_eq!(end(&roster, &how), how, "nobody knows whose signal it was");
    }
    put(&mut roster, 3, TeamFact::Dismissed { name: name("alice") });
    for (how, known) in [
        (WorkerEnd::Terminated, WorkerEnd::Killed),
        (died, WorkerEnd::Killed),
        (WorkerEnd::Shutdown, WorkerEnd::Shutdown),
    ] {
        assert_eq!(end(&roster, &how), known);
    }
}

#[test]
fn paths_beneath_a_directory_that_was_moved_move_with_it() {
    let mut roster = Roster::default();
    put(&mut roster, 1, TeamFact::Founded { dir: "/src/app".into() });
    let add = |roster: &mut Roster, who: &str, workspace: Workspace| {
        put(roster, 2, TeamFact::Added { name: name(who), spec: Box::new(MemberSpec { workspace, ..spec(None) }) });
    };
    add(&mut roster, "within", Workspace::Shared { dir: "/src/app/sub".into() });
    add(&mut roster, "beside", Workspace::Shared { dir: "/src/app2".into() });
    let worktree = |repository: &str| Workspace::Worktree {
        dir: "/state/t/worktrees/tree".into(),
        branch: "teamster/t/tree".to_owned(),
        base: "1".to_owned(),
        repository: repository.into(),
    };
    add(&mut roster, "tree", worktree("/src/app/.git"));
    put(&mut roster, 3, TeamFact::Moved { from: "/src/app".into(), to: "/new/place".into() });
    assert_eq!(roster.dir(), Some(Path::new("/new/place")));
    let workspace = |who: &str| roster.member(&name(who)).unwrap().spec.workspace.clone();
    assert_eq!(workspace("within").dir(), Path::new("/new/place/sub"));
    assert_eq!(workspace("beside").dir(), Path::new("/src/app2"));
    assert_eq!(workspace("tree"), worktree("/new/place/.git"));
}

#[test]
fn who_may_wake_a_member_is_decided_by_how_it_left() {
    let (reason, ada) = (|| "why".to_owned(), Address::Member(name("ada")));
    for how in [WorkerEnd::LeaderGone, WorkerEnd::NotStarted { reason: reason() }] {
        assert!(how.may_be_woken_by(&Address::Lead) && how.may_be_woken_by(&ada), "{how:?}");
    }
    assert!(WorkerEnd::Shutdown.may_be_woken_by(&Address::Lead));
    assert!(!WorkerEnd::Shutdown.may_be_woken_by(&ada), "no agent undoes what the lead asked for");
    for how in [
        WorkerEnd::Terminated,
        WorkerEnd::Killed,
        WorkerEnd::AgentGone { reason: reason() },
        WorkerEnd::ProviderRefused { reason: reason() },
        WorkerEnd::BudgetSpent { reason: reason() },
        WorkerEnd::Died { reason: reason() },
        WorkerEnd::GivenUp { reason: reason() },
    ] {
        assert!(!how.may_be_woken_by(&Address::Lead) && !how.may_be_woken_by(&ada), "{how:?}");
    }
}

fn driving(agent: &str, change: impl FnOnce(&mut MemberSpec)) -> Box<MemberSpec> {
    let mut spec = MemberSpec { agent: agent.parse().unwrap(), ..spec(None) };
    change(&mut spec);
    Box::new(spec)
}

#[test]
fn an_account_is_the_driver_the_provider_and_the_key_as_far_as_the_settings_tell() {
    let with = |name: &'static str, value: &'static str| {
        move |spec: &mut MemberSpec| drop(spec.options.env.insert(name.to_owned(), value.to_owned()))
    };
    let model = |model: &'static str| move |spec: &mut MemberSpec| spec.options.model = Some(model.to_owned());
    let claude = driving("claude", |_| ());
    for (other, shares) in [
        (driving("claude", model("opus")), true),
        (driving("claude", with("GOOGLE_APPLICATION_CREDENTIALS", "/b.json")), false),
        (driving("claude", with("OPENAI_ORG_ID", "b")), false),
        (driving("mine", |spec| spec.options.driver = Some(crate::model::agent::preset::DriverKind::Claude)), false),
        (driving("codex", |_| ()), false),
        (driving("claude", with("ANTHROPIC_API_KEY", "1")), false),
        (driving("claude", with("CLAUDE_CONFIG_DIR", "/b")), false),
        (driving("claude", |spec| spec.options.args.push("--settings=/b".to_owned())), false),
        (driving("nobody-knows", |_| ()), false),
    ] {
        assert_eq!(claude.has_the_account_of(&other), shares, "{other:?}");
        assert_eq!(other.has_the_account_of(&claude), shares, "{other:?}");
    }
    let pi = driving("pi", model("anthropic/a"));
    assert!(pi.has_the_account_of(&driving("pi", model("anthropic/b"))));
    assert!(!pi.has_the_account_of(&driving("pi", model("openai/c"))));
}

#[test]
fn a_limit_is_of_the_account_and_holds_until_its_time_or_until_it_is_lifted() {
    let mut roster = Roster::default();
    let add = |name: &MemberName, agent| TeamFact::Added { name: name.clone(), spec: driving(agent, |_| ()) };
    let (alice, bob, cy) = (name("alice"), name("bob"), name("cy"));
    for fact in [add(&alice, "claude"), add(&bob, "claude"), add(&cy, "codex")] {
        put(&mut roster, 1, fact);
    }
    let limited =
        |name: &MemberName, until_ms| TeamFact::Limited { name: name.clone(), until_ms, reason: "used up".to_owned() };
    let until = |roster: &Roster, name: &MemberName, at_ms| roster.limit_of(name, at_ms)?.until_ms;
    put(&mut roster, 10, limited(&alice, 100));
    assert_eq!(until(&roster, &bob, 99), Some(100));
    assert_eq!((until(&roster, &bob, 100), until(&roster, &cy, 50)), (None, None));
    put(&mut roster, 20, limited(&bob, 60));
    assert_eq!(until(&roster, &alice, 20), Some(100), "the longer one holds");
    put(&mut roster, 21, TeamFact::Removed { name: alice.clone() });
    put(&mut roster, 22, add(&name("dora"), "claude"));
    assert_eq!(until(&roster, &name("dora"), 22), Some(100), "who told it does not matter");
    put(&mut roster, 23, TeamFact::Unlimited { name: bob.clone() });
    assert_eq!(until(&roster, &name("dora"), 23), None);
    let lifted = Some(&LimitStanding::Lifted { at_ms: 23 });
    assert_eq!(roster.limit_standing(&name("dora")), lifted, "whoever could not write its own down sees it");
    put(&mut roster, 24, limited(&bob, 60));
    assert_eq!(until(&roster, &bob, 24), Some(60), "after it was lifted, the next word holds");
}
