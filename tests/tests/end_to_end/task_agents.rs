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
