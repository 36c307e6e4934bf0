//! `task …`: from the text of a task to what came of it.

use std::fs;

use teamster_tests::team::Team;

#[test]
fn tasks_come_as_words_from_a_file_and_from_standard_input() {
    let team = Team::new();
    team.file("task.md", "write the docs\nall of them\n");
    let nobody = "note: nobody can take it yet: no worker runs; teamster spawn NAME";
    assert_eq!(team.ok("task add --run echo words"), format!("task 1 is on the board\n{nobody}"));
    let said = team.ok("task add -f ../task.md --title docs --timeout 1h30m --role writer");
    assert!(said.starts_with("task 2 is on the board\nnote: nobody can take it yet: needs the role writer"), "{said}");
    let said = team.start_with("task add --run -", "echo from a pipe\n").ends();
    assert_eq!((said.code, said.out), (Some(0), format!("task 3 is on the board\n{nobody}\n")), "{}", said.err);
    assert_eq!(team.start_with("task add -f - --run", "echo again\n").ends().code, Some(0));
    assert_eq!(team.task(2)["task"]["work"]["prompt"], "write the docs\nall of them\n");
    team.ok("spawn alice");
    for id in [1, 3, 4] {
        team.until_event(&format!("\"kind\":\"completed\",\"data\":{{\"id\":{id}"));
    }
    assert_eq!(team.task(3)["attempts"][0]["end"]["result"], "from a pipe");
    assert_eq!(team.standing(2), "pending", "alice is no writer");
}

#[test]
fn each_is_taken_by_whom_and_when_it_was_meant_for() {
    let team = Team::new();
    team.ok("up --detach");
    team.ok("task add --run echo one >> order");
    team.ok("task add --run --priority 5 echo two >> order");
    team.ok("task add --run --priority 9 --after 1,2 echo three >> order");
    team.ok("task add --run --priority -1 echo four >> order");
    team.ok("spawn alice");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":4");
    assert_eq!(fs::read_to_string(team.repository().join("order")).unwrap(), "two\none\nthree\nfour\n");
    let said = team.run("task add --run --to bob echo five");
    assert_eq!(said.code, Some(1), "bob is nobody yet");
    team.ok("spawn bob");
    team.ok("task add --run --to bob echo five");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":5");
    assert_eq!(team.task(5)["owner"], "bob");
    // Each is there whole for other tools, too.
    let view = fs::read_to_string(team.dir().task_view(teamster_protocol::model::id::TaskId(5))).unwrap();
    assert!(view.contains("\"id\": 5") || view.contains("\"id\":5"), "{view}");
}

#[test]
fn a_task_is_assigned_made_to_wait_cancelled_and_tried_again() {
    let team = Team::new();
    team.ok("spawn alice --no-claim");
    team.ok("spawn bob --no-claim");
    team.ok("task add --run echo one");
    team.ok("task add --run -- [ -e there ] || { touch there; exit 4; }");
    team.ok("task add --run echo three");
    team.ok("task dep add 3 2");
    team.ok("task assign 3 bob");
    team.ok("task assign 1 alice");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.standing(3), "pending");
    insta::assert_snapshot!(team.ok("task dep ls 3"), @"
    task 3 waits for
      2 [ -e there ] || { touch there; exit 4; }  pending
    nothing waits for task 3
    ");
    team.ok("task assign 2 alice");
    team.until_event("\"kind\":\"failed\",\"data\":{\"id\":2");
    team.snapshot(|| {
        insta::assert_snapshot!(team.ok("task list"), @"
    id  status  whose  title
     1  completed  alice  echo one
     2  failed  alice  [ -e there ] || { touch there; exit 4; }
     3  blocked by 2  for bob  echo three

    3 tasks: 1 completed, 1 blocked, 1 failed
    ")
    });
    team.ok("task retry 2");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":3");
    team.snapshot(|| {
        insta::assert_snapshot!(team.ok("task show 2"), @"
        task  2 [ -e there ] || { touch there; exit 4; }
        status  completed, alice
        added  [time] by lead
        blocks  3
        attempt 1  alice from [clock] for [time], failed: exit status 4
        attempt 2  alice from [clock] for [time], completed

        run
          [ -e there ] || { touch there; exit 4; }
        ")
    });
    team.ok("task add --run --after 3 echo four");
    team.ok("task dep rm 4 3");
    team.ok("task assign 4 bob");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":4");
    team.ok("task add --run echo five");
    team.ok("task cancel 5");
    assert_eq!(team.standing(5), "cancelled");
    assert!(team.fails(1, "task assign 5 bob").contains("it is cancelled"));
    team.ok("task retry 5");
    team.ok("task assign 5 bob");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":5");
}

#[test]
fn an_assignment_is_taken_back_before_it_is_taken() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("shutdown alice");
    let said = team.run("task add --no-wake --run --to alice echo one");
    assert!(
        said.out.contains("alice is not running; the task waits until it is started with teamster spawn alice"),
        "{}{}",
        said.out,
        said.err
    );
    team.ok("spawn bob");
    team.ok("task unassign 1");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["owner"], "bob");
}

#[test]
fn what_is_completed_is_cleared_and_all_of_it_only_when_nothing_runs() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run true");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    team.ok("task add --run --after 2 true");
    assert_eq!(team.ok("task clear completed"), "cleared 1 task; teamster task restore puts it back");
    assert!(team.fails(1, "task show 1").contains("there is no task 1"));
    let said = team.fails(1, "task clear all --yes");
    insta::assert_snapshot!(said, @"
    error: cannot clear the board: task 2 is in progress
      hint: stop them first with teamster stop NAME
    ");
    team.ok("stop alice");
    assert_eq!(team.ok("task clear all --yes"), "cleared 2 tasks; teamster task restore puts them back");
    assert_eq!(team.json("task list")["counts"]["total"], 0);
    assert_eq!(team.ok("task add --run true"), "task 4 is on the board", "a number is never used twice");
}

#[test]
fn what_was_cleared_by_mistake_comes_back_with_its_history() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run echo one is done");
    team.ok("task add --run exit 3");
    team.until_event("\"kind\":\"failed\",\"data\":{\"id\":2");
    team.ok("task add --run --after 2 echo three");
    let before = team.ok("task list --json");
    let refused = team.fails(1, "task clear all");
    insta::assert_snapshot!(refused, @"
    error: this clears all 3 tasks, 1 of them not done
      hint: say --yes if that is meant; what was cleared last can be put back with teamster task restore
    ");
    assert_eq!(team.ok("task list --json"), before, "nobody was there to be asked, and nothing was cleared");
    team.ok("task clear all --yes");
    assert_eq!(team.json("task list")["counts"]["total"], 0);
    assert_eq!(team.ok("task restore"), "tasks 1, 2, 3 are on the board again");
    assert_eq!(team.ok("task list --json"), before);
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "one is done");
    assert!(team.fails(1, "task restore").contains("nothing was cleared since the last restore"));
    // It is worked on as before.
    team.ok("task dep rm 3 2");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":3");
}

#[test]
fn failed_tasks_are_cleared_and_one_that_is_waited_for_stays() {
    let team = Team::new();
    team.ok("spawn alice");
    team.ok("task add --run exit 1");
    team.ok("task add --run exit 2");
    team.until_event("\"kind\":\"failed\",\"data\":{\"id\":2");
    team.ok("task add --run --after 2 touch begun");
    let said = team.run("task clear failed");
    assert_eq!(said.code, Some(0), "{}", said.err);
    insta::assert_snapshot!(said.out, @"
    cleared 1 task; teamster task restore puts it back
    note: task 2 stays: task 3 waits for it; retry it with teamster task retry 2, or give both up with teamster task cancel 3
    ");
    assert_eq!((team.standing(2), team.standing(3)), ("failed".to_owned(), "pending".to_owned()));
    team.ok("task restore");
    assert_eq!(team.standing(1), "failed");
}

#[test]
fn a_task_is_edited_until_somebody_is_on_it() {
    let team = Team::new();
    team.ok("task add --run exit 9");
    team.ok("task add --run echo two");
    team.ok_words(&["task", "edit", "1", "--text", "exit 8", "--title", "first"]);
    let script = team.file("script", "echo said by the script\n").display().to_string();
    assert_eq!(team.ok(&format!("task edit 1 -f {script} --timeout 90s --priority -1")), "task 1 is changed");
    let task = team.task(1);
    assert_eq!(task["task"]["work"]["run"], "echo said by the script\n", "a command stays one");
    assert_eq!((&task["task"]["title"], &task["task"]["timeout_ms"]), (&"first".into(), &90_000.into()));
    team.ok("task edit 1 --no-timeout --after 2");
    assert!(team.fails(1, "task edit 2 --after 1").contains("task 2 cannot wait for itself: 2 → 1 → 2"));
    assert_eq!(team.json("task show 1")["waits_for"][0], 2);
    assert!(team.ok("events").contains("task 1 changed: after 2, timeout"), "{}", team.ok("events"));
    team.ok("spawn alice");
    team.until_event("\"kind\":\"completed\",\"data\":{\"id\":1");
    assert_eq!(team.task(1)["attempts"][0]["end"]["result"], "said by the script");
    assert!(team.fails(1, "task edit 1 --title late").contains("cannot edit task 1: it is completed"));
    team.ok("task add --run -i echo begun; read word");
    team.until_said("alice", "begun");
    assert!(team.fails(1, "task edit 3 --title late").contains("cannot edit task 3: it is in progress by alice"));
    team.ok("task add --run --to alice true");
    assert!(team.fails(2, "task edit 4").contains("nothing of the task is to be changed"));
}
