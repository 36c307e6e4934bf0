//! Tasks that ask for an agent: only members that drive it take them, and whoever waits for one hears that nobody does.

use teamster_tests::team::Team;

/// An agent that says its prompt.
const ECHO: &str = "cmd:echo {}";

#[test]
fn a_task_that_asks_for_an_agent_waits_for_a_member_with_it() {
    let team = Team::new();
    team.ok("spawn alice");
    let mut add = team.command("task add --run --agent");
    add.args([ECHO, "--", "echo by $TEAMSTER_MEMBER"]);
    let said = team.start_command(add).ends();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let warned = "nobody can take it yet: no member drives cmd:echo {}, which it asks for; \
                  teamster spawn NAME --agent 'cmd:echo {}'";
    assert!(said.out.contains(warned), "{}", said.out);

    assert_eq!(team.json("task list")["tasks"][0]["agent"], ECHO);
    let listed = team.ok("task list");
    assert!(listed.contains("no taker") && listed.contains("agent cmd:echo {}"), "{listed}");
    assert!(team.ok("task show 1").contains("cmd:echo {}"));
    let why = team.json("why 1");
    assert_eq!(why["because"][0]["kind"], "agent_missing", "{why}");
    assert_eq!(team.json("why alice")["because"][0]["kind"], "other_agent");
    let said = team.fails(1, "task assign 1 alice");
    assert!(said.contains("alice can not take task 1: it asks for cmd:echo {}, and alice drives shell"), "{said}");
    assert!(said.contains("teamster task edit 1 --no-agent"), "{said}");
    assert!(team.ok("doctor").contains("for the agent cmd:echo {}, which no member drives"));

    team.ok_words(&["spawn", "bob", "--agent", ECHO]);
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "by bob", "a command is run by the shell of its member");
}

#[test]
fn the_agent_of_a_task_can_be_changed_and_taken_away() {
    let team = Team::new();
    team.ok("spawn alice");
    assert_eq!(team.run("task add --run --agent pi true").code, Some(0));
    team.ok_words(&["task", "edit", "1", "--agent", ECHO]);
    assert_eq!(team.task(1)["task"]["agent"], ECHO);
    team.ok("task edit 1 --no-agent");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["owner"], "alice");
    let said = team.fails(1, "task add --run --agent pi --to alice true");
    assert!(said.contains("alice can not take the task: it asks for pi, and alice drives shell"), "{said}");
}

#[test]
fn a_run_has_a_worker_for_each_agent_that_its_plan_asks_for() {
    let team = Team::new();
    let plan = team.plan(
        "[[task]]\nid = \"one\"\nprompt = \"hello\"\nagent = \"cmd:echo one {}\"\n\
         [[task]]\nid = \"two\"\nprompt = \"hello\"\nagent = \"cmd:printf two-%s {}\"\nafter = [\"one\"]\n\
         [[task]]\nid = \"three\"\nrun = \"echo three $TEAMSTER_MEMBER\"\n",
    );
    let said = team.fails(2, &format!("run {plan} -w 1"));
    assert!(said.contains("1 are too few workers: the tasks ask for cmd:echo one {}, cmd:printf two-%s {}"), "{said}");
    let planned = team.json(&format!("run {plan} --dry-run"));
    let spawns: Vec<(&str, &str)> = planned["spawns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (member["name"].as_str().unwrap(), member["agent"].as_str().unwrap()))
        .collect();
    assert_eq!(spawns, [("echo", "cmd:echo one {}"), ("printf", "cmd:printf two-%s {}"), ("w1", "shell")]);
    let summary = team.json(&format!("run {plan} -w 3"));
    assert_eq!(summary["ok"], true, "{summary}");
    for (id, owner, result) in [(1, "echo", "one hello"), (2, "printf", "two-hello")] {
        let task = team.task(id);
        assert_eq!((&task["owner"], &task["attempts"][0]["end"]["result"]), (&owner.into(), &result.into()));
    }
    assert_eq!(team.task(3)["status"], "completed");
}

#[test]
fn a_plan_that_asks_for_what_can_not_be_had_begins_nothing() {
    let team = Team::new();
    for (task, code, says) in [
        ("prompt = \"x\"\nagent = \"parrot\"", 1, "there is no agent parrot"),
        ("prompt = \"x\"\nagent = \"cmd:no-such-program\"", 1, "the program of cmd:no-such-program is not there"),
        ("prompt = \"x\"\nagent = \"shell\"", 1, "which runs commands only"),
        ("prompt = \"x\"\nagent = \"cmd:echo | cat\"", 2, "`|` is for a shell, and none runs it"),
        (
            "run = \"x\"\nto = \"alice\"\nagent = \"pi\"\n[[task]]\nrun = \"x\"\nto = \"alice\"\nagent = \"shell\"",
            1,
            "the tasks for alice ask for pi and for shell, and a member drives one agent",
        ),
    ] {
        let plan = team.plan(&format!("[[task]]\n{task}\n"));
        let said = team.run(&format!("run {plan}"));
        assert!(said.err.contains(says), "{task}: {}", said.err);
        assert_eq!(said.code, Some(code), "{task}: {}", said.err);
        assert!(!team.dir().path().exists(), "{task}: nothing was made for it");
    }
}

#[test]
fn a_task_for_an_agent_that_nobody_describes_is_refused_as_a_spawn_of_it_is() {
    let team = Team::new();
    team.ok("task add --run true");
    let refused = team.fails(1, "spawn alice --agent claud");
    assert!(refused.contains("there is no agent claud"), "{refused}");
    for line in ["task add --agent claud hello", "task edit 1 --agent claud"] {
        assert_eq!(team.fails(1, line), refused, "{line}");
    }
    assert_eq!(team.json("task list")["counts"]["total"], 1);
}
