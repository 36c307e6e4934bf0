//! Agents that end before they are ready: the reason is told by `spawn`, and stays for whoever asks later.

use teamster_tests::team::Team;

#[test]
fn an_agent_that_can_not_start_says_why_at_spawn_and_afterwards() {
    for (words, why) in [
        ("die", "the agent ended: exit status 9"),
        ("version-2", "the agent speaks version 2 of the Agent Client Protocol, and not 1"),
        ("login", "the agent wants a login first (Authentication required): Log in: run `agent login`"),
    ] {
        let team = Team::new();
        let mut up = team.command("up --detach");
        up.env("TEAMSTER_ACP_AGENT", format!("{} {words}", env!("CARGO_BIN_EXE_acp-agent")));
        assert_eq!(team.start_command(up).ends().code, Some(0));
        let said = team.fails(1, "spawn alice --agent acp");
        assert!(said.starts_with(&format!("error: cannot spawn alice: its agent is gone: {why}")), "{words}: {said}");
        // The refusal is told as soon as it is known, and written down when nothing of the worker is left.
        team.until_event(&format!("{{\"died\":{{\"reason\":\"its agent is gone: {why}"));
        for later in ["why alice", "list --all --json"] {
            let said = team.ok(later);
            assert!(said.contains(why), "{words}: {later}: {said}");
        }
    }
}
