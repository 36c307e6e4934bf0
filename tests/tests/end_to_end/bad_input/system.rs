//! What the system keeps and grants: names that a loss of power must not take, and the longest file that may be written.

use std::fs;

use teamster_tests::hermetic::Program;
use teamster_tests::team::Team;

/// Writes down the name of each directory and file that is synced.
const SYNCED: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length++ : 0] = '\n';
    int to = open(getenv("SYNCED"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (to >= 0) { if (write(to, path, length) < 0) {} close(to); }
    return real(fd);
}
"#;

#[test]
fn the_names_of_a_new_root_and_a_new_team_are_synced_in_their_parents() {
    let team = Team::new();
    let Some(library) = super::preloaded(&team, "synced", SYNCED) else { return };
    let within = team.sandbox().work().join("state");
    fs::create_dir(&within).unwrap();
    let (root, synced) = (within.join("above").join("root"), team.sandbox().work().join("synced"));
    let add = |task: &str| {
        let mut command = team.command(&format!("--team new task add {task}"));
        command.env("TEAMSTER_ROOT", &root).env("LD_PRELOAD", &library).env("SYNCED", &synced);
        let said = team.start_command(command).ends();
        assert_eq!(said.code, Some(0), "{}", said.err);
        let said = fs::read_to_string(&synced).unwrap_or_default();
        fs::remove_file(&synced).ok();
        said
    };
    let said = add("one");
    for dir in [within.clone(), within.join("above"), root.clone(), root.join("new")] {
        assert!(said.lines().any(|line| line == dir.to_str().unwrap()), "{} is not among:\n{said}", dir.display());
    }
    let said = add("two");
    assert!(!said.contains("above\n") && !said.contains("root\n"), "nothing was made, and this was synced:\n{said}");
}

#[test]
fn a_worker_that_may_write_no_file_as_long_as_the_logs_are_is_told_by_why_and_doctor() {
    let team = Team::without_repository();
    let mut shell = team.other("sh");
    // Blocks of 512 bytes.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" up"]).arg(Program::Teamster.path());
    let mut leader = team.start_command(shell);
    leader.until("leading team");
    team.ok("spawn alice");
    assert_eq!(team.json("doctor")["state"], "sound");
    let text = "x".repeat(8_000);
    for _ in 0..8 {
        team.ok(&format!("task add --role nobody {text}"));
    }
    team.run("task add --run --to alice true");
    let why = team.ok("why alice");
    let due = "can write nothing down: its worker may write files of 65536 bytes only, and the team's logs are as long";
    assert!(why.contains(due) && why.contains("raise ulimit -f"), "{why}");
    let doctor = team.run("doctor");
    assert!(doctor.out.contains("the worker of alice can write nothing down"), "{}", doctor.out);
    assert_eq!(doctor.code, Some(1));
}
