//! Agents that end before they are ready: the reason is told by `spawn` where they are started by it, and else at their first
//! turn, and stays for whoever asks later.

use std::fs;

use teamster_protocol::host::stderr_log;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::limits::STDERR_LOG_BYTES_MAX;
use teamster_tests::team::Team;

#[test]
fn an_agent_that_can_not_start_says_why_at_spawn_and_afterwards() {
    for (words, how, fact, why) in [
        ("die", "its agent is gone", "died", "the agent ended: exit status 9"),
        (
            "version-2",
            "its agent is gone",
            "died",
            "the agent speaks version 2 of the Agent Client Protocol, and not 1",
        ),
        (
            "login",
            "its provider serves it no more",
            "provider_refused",
            "the agent wants a login first (Authentication required): Log in: run `agent login`",
        ),
    ] {
        let team = Team::new();
        let mut up = team.command("up --detach");
        up.env("TEAMSTER_ACP_AGENT", format!("{} {words}", env!("CARGO_BIN_EXE_acp-agent")));
        assert_eq!(team.start_command(up).ends().code, Some(0));
        let said = team.fails(1, "spawn alice --agent acp --start at-once");
        assert_eq!(said.trim_end(), format!("error: cannot spawn alice: {how}: {why}"), "{words}");
        // The refusal is told as soon as it is known, and written down when nothing of the worker is left.
        let told = if fact == "died" { format!("{how}: {why}") } else { why.to_owned() };
        team.until_event(&format!("{{\"{fact}\":{{\"reason\":\"{told}"));
        for later in ["why alice", "list --all --json"] {
            let said = team.ok(later);
            assert!(said.contains(why), "{words}: {later}: {said}");
        }
    }
}

#[test]
fn a_member_is_spawned_asleep_and_one_whose_agent_does_not_start_is_given_up_with_its_task_unharmed() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_ACP_AGENT", format!("{} version-2", env!("CARGO_BIN_EXE_acp-agent")));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent acp");
    assert_eq!(team.state("alice"), "asleep");
    assert!(team.ok("why alice").contains("its agent is started with its next turn"));
    assert!(team.ok("status").contains("1 asleep"));
    assert!(team.ok("logs alice").contains("its agent sleeps until the next turn"));
    team.ok("wait --idle");

    team.ok("task add --to alice review it");
    team.until_event("given_up");
    let why = team.ok("why alice");
    assert!(why.contains("the agent speaks version 2"), "{why}");
    assert_eq!(team.standing(1), "pending");
    // The lives after the first start their agent at once, and take no task.
    assert_eq!(team.task(1)["attempts"].as_array().unwrap().len(), 1, "{}", team.task(1));
}

#[test]
fn a_member_whose_agent_wants_a_login_leaves_at_once_and_is_not_started_again_and_again() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_ACP_AGENT", format!("{} login", env!("CARGO_BIN_EXE_acp-agent")));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent acp");
    team.ok("task add --to alice review it");
    team.until_event("provider_refused");
    let why = team.ok("why alice");
    assert!(why.contains("the agent wants a login first"), "{why}");
    assert!(why.contains("run `agent login`; once that is mended, spawn it again"), "{why}");
    assert_eq!((team.state("alice").as_str(), team.standing(1).as_str()), ("left", "pending"));
    assert!(!team.ok("events").contains("it is started again"), "once is enough");
}

#[test]
fn a_conversation_that_fills_the_context_is_renewed_and_its_task_is_done_in_the_new_one() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script");
    team.ok_words(&["task", "add", "--to", "alice", "say the parser is in p.rs"]);
    team.ok("wait 1");
    team.ok_words(&["task", "add", "--to", "alice", "full-after 1\nsay mended"]);
    team.ok("wait 2");
    assert_eq!(team.standing(2), "completed");
    let logs = team.ok("logs alice -n 1000");
    for told in ["its context is full", "a new one begins with a summary of it", "the parser is in p.rs"] {
        assert!(logs.contains(told), "{told}: {logs}");
    }
    assert!(team.ok("logs alice -n 1000 --json").contains("This is a summary of it"), "it is told what was said");
    let events = team.ok("events");
    let at = |words: &str| events.rfind(words).unwrap_or_else(|| panic!("{words}: {events}"));
    let given_up = at("alice gives up its conversation, and begins another");
    assert!(given_up < at("alice has conversation"), "nobody goes on with the one that is full: {events}");
}

#[test]
fn what_an_agent_complains_of_is_in_the_log_of_its_member_and_within_the_bounds_of_that() {
    let team = Team::new();
    let mut up = team.command("up --detach");
    up.env("TEAMSTER_SCRIPT_AGENT", env!("CARGO_BIN_EXE_scripted-agent"));
    assert_eq!(team.start_command(up).ends().code, Some(0));
    team.ok("spawn alice --agent script");
    let bytes = STDERR_LOG_BYTES_MAX * 3 / 2;
    team.ok_words(&["task", "add", "--to", "alice", &format!("run yes sorry | head -c {bytes} >&2\nsay done")]);
    team.ok("wait 1");
    let log = team.dir().log_of(&Address::Member("alice".parse().unwrap()));
    assert!(fs::read_to_string(&log).unwrap().contains("sorry\nsorry"), "{}", log.display());
    for path in [stderr_log::old_path(&log), log] {
        let length = fs::metadata(&path).unwrap().len();
        assert!(length <= STDERR_LOG_BYTES_MAX + 4096, "{}: {length} bytes", path.display());
    }
}
