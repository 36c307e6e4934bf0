//! Disks that are full or read-only. What was acknowledged is there, what was refused is not, and all goes on when
//! there is room again.

use std::fs;

use teamster_tests::team::Team;

/// A text that does not fit into what is left of a page.
const BIG: usize = 20_000;

#[test]
fn a_command_that_finds_no_room_says_so_and_has_done_nothing() {
    let Some(team) = Team::on_a_small_disk("1m") else { return };
    team.file("big.md", &"x".repeat(BIG));
    team.file("plan.toml", &format!("[[task]]\nrun = \"echo {}\"\n", "x".repeat(BIG)));
    team.ok("up --detach");
    team.ok("spawn alice --no-claim");
    team.ok("task add one");
    team.fill_the_disk();
    let said = ["task add -f ../big.md", "run --resume ../plan.toml -w 1"].map(|line| team.fails(1, line));
    insta::assert_snapshot!(said.join("\n"), @"
    error: cannot append to /t/root/app-0/board.jsonl: No space left on device
    2 tasks for 1 worker
    error: cannot spawn w1: cannot create /t/root/app-0/mail/w1.jsonl: No space left on device
    ");
    // To look costs no room.
    for line in ["list", "status", "task list", "task show 1", "events", "logs alice"] {
        team.ok(line);
    }
    team.make_room_on_the_disk();
    let list = team.json("task list");
    assert_eq!(list["counts"]["total"], 1);
    assert_eq!(team.json("task add -f ../big.md")["tasks"][0], 2, "its number was not lost");
    // Nothing half done is in the way of those who could not be spawned.
    team.ok("spawn w1");
    team.ok("down");
}

#[test]
fn a_worker_that_finds_no_room_keeps_its_outcome_until_there_is() {
    let Some(team) = Team::on_a_small_disk("1m") else { return };
    team.ok("spawn alice");
    team.ok("task add --run -- mkfifo go; echo begun; read word < go; seq 1 4000; echo got $word; echo x > ended");
    team.until_said("alice", "begun");
    let mkfifo = team.sandbox().command("mkfifo").arg(team.repository().join("ended")).status().unwrap();
    assert!(mkfifo.success());
    team.fill_the_disk();
    team.feed("go", "hello");
    let mut ended = team.sandbox().command("cat");
    ended.arg(team.repository().join("ended"));
    assert_eq!(team.start_command(ended).ends().out, "x\n");
    for _ in 0..3 {
        let task = team.json("task show 1");
        assert_eq!(task["status"], "in_progress");
    }
    team.make_room_on_the_disk();
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    let task = team.json("task show 1");
    let attempts = task["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert!(attempts[0]["end"]["result"].as_str().unwrap().ends_with("4000\ngot hello"), "{task}");
    team.ok("task add --run true");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":2");
    assert_eq!(team.ok("down"), "alice shut down\nthe leader ended");
}

#[test]
fn a_leader_that_finds_no_room_refuses_and_leads_on() {
    let Some(team) = Team::on_a_small_disk("1m") else { return };
    team.fill_the_disk();
    let said = team.fails(1, "up --detach");
    insta::assert_snapshot!(said, @"error: cannot create /t/root/app-0/board.jsonl: No space left on device");
    team.make_room_on_the_disk();
    team.ok("up --detach");
    team.fill_the_disk();
    let said = team.fails(1, "spawn alice --worktree");
    insta::assert_snapshot!(said, @"error: cannot spawn alice: cannot write /t/root/app-0/worktrees/alice/.git.teamster: No space left on device (os error 28)");
    team.ok("status");
    team.make_room_on_the_disk();
    team.ok("spawn alice --worktree");
    team.ok("task add --run pwd");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    team.ok("down");
}

#[test]
fn a_read_only_root_can_be_looked_at_and_not_changed() {
    let Some(team) = Team::on_a_small_disk("1m") else { return };
    team.ok("spawn alice");
    team.ok("task add --run true");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    team.ok("down");
    team.make_the_disk_read_only();
    for line in ["list", "status", "status alice", "task list", "task show 1", "events", "logs alice", "inbox --peek"] {
        team.ok(line);
    }
    let plan = team.plan("[[task]]\nrun = \"true\"\n");
    let lines =
        ["task add two", "task clear all --yes", "dm alice hello", "spawn alice", "up", "up --detach", "cleanup"];
    let mut said = String::new();
    for line in lines {
        said.push_str(&format!("$ {line}\n{}\n", team.fails(1, line)));
    }
    insta::assert_snapshot!(said, @"
    $ task add two
    error: cannot open /t/root/app-0/board.lock: Read-only file system
    $ task clear all --yes
    error: cannot open /t/root/app-0/board.lock: Read-only file system
    $ dm alice hello
    error: cannot open /t/root/app-0/board.lock: Read-only file system
    $ spawn alice
    error: cannot open /t/root/app-0/board.lock: Read-only file system
    $ up
    error: cannot open /t/root/app-0/leader.lock: Read-only file system (os error 30)
    $ up --detach
    error: cannot open /t/root/app-0/board.lock: Read-only file system
    $ cleanup
    error: cannot open /t/root/app-0/leader.lock: Read-only file system (os error 30)
    ");
    assert!(team.fails(1, &format!("run {plan}")).contains("Read-only file system"));
}

#[test]
fn a_write_that_is_cut_short_is_taken_back() {
    let team = Team::new();
    team.file("big.md", &"x".repeat(BIG));
    team.ok("task add one");
    let before = fs::read_to_string(team.dir().board()).unwrap();
    // The limit on the size of a file lets the first part of the record through.
    let mut command = team.command("");
    let program = command.get_program().to_owned();
    let mut limited = team.sandbox().command("sh");
    limited.current_dir(team.repository());
    limited.args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" task add -f ../big.md"]).arg(&program);
    let said = team.start_command(limited).ends();
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert_eq!(team.plain(&said.err), "error: cannot append to /t/root/app-0/board.jsonl: File too large");
    assert_eq!(fs::read_to_string(team.dir().board()).unwrap(), before);
    command.args(["task", "add", "-f", "../big.md"]);
    let said = team.start_command(command).ends().out;
    assert!(said.starts_with("task 2 is on the board\n"), "{said}");
}

#[test]
fn an_answer_that_can_not_be_printed_says_that_it_is_done() {
    let team = Team::new();
    team.ok("spawn alice --no-claim");
    let to_a_full_disk = |line: &str| {
        let mut shell = team.other("sh");
        let program = teamster_tests::hermetic::Program::Teamster.path();
        shell.args(["-c", &format!("exec \"$0\" {line} > /dev/full")]).arg(program);
        team.start_command(shell).ends()
    };
    for line in ["task add --run true", "dm alice hello", "task cancel 1", "shutdown alice", "down"] {
        let said = to_a_full_disk(line);
        assert_eq!(said.code, Some(5), "`{line}`: {}", said.err);
        assert!(said.err.contains("it is done, but the answer cannot be written to standard output"), "{}", said.err);
        assert!(said.err.contains("do not repeat it"), "{}", said.err);
    }
    assert_eq!((team.standing(1), team.state("alice")), ("cancelled".to_owned(), "left".to_owned()));
    assert!(team.json("status")["leader"].is_null());
    let said = to_a_full_disk("list");
    assert_eq!(said.code, Some(1), "it only looks");
    assert!(said.err.contains("cannot write to standard output") && !said.err.contains("done"), "{}", said.err);
}
