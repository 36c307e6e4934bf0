//! `scripts/install.sh` with built programs: what it puts below a prefix works, and goes again without a trace.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use teamster_tests::hermetic::{Program, Sandbox};
use teamster_tests::team::Team;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/install.sh")
}

/// Runs the script for a prefix, with the programs of this workspace.
fn install(sandbox: &Sandbox, prefix: &Path, words: &[&str]) -> Output {
    let programs = Program::Teamster.path();
    let mut command = sandbox.command(script());
    command.arg("--prefix").arg(prefix).args(words);
    if !words.contains(&"--uninstall") {
        command.arg("--programs").arg(programs.parent().unwrap());
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn ok(output: &Output) -> String {
    let said = text(output);
    assert!(output.status.success(), "{said}");
    said
}

/// Every file and directory below a directory.
fn tree(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.insert(path);
    }
    found
}

#[test]
fn what_is_installed_runs_and_goes_again_without_a_trace() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.work().join("a prefix");
    // Somebody else's file and directory are there before, and after.
    fs::create_dir_all(prefix.join("share/man/man1")).unwrap();
    fs::write(prefix.join("share/man/man1/other.1"), "another program").unwrap();
    let before = tree(&prefix);

    ok(&install(&sandbox, &prefix, &[]));
    let installed = tree(&prefix);
    for path in [
        "bin/teamster",
        "bin/teamster-worker",
        "share/man/man1/teamster.1",
        "share/man/man1/teamster-spawn.1",
        "share/bash-completion/completions/teamster",
        "share/zsh/site-functions/_teamster",
        "share/fish/vendor_completions.d/teamster.fish",
        "share/teamster/manifest",
    ] {
        assert!(installed.contains(&prefix.join(path)), "there is no {path}");
    }
    let mut teamster = sandbox.command(prefix.join("bin/teamster"));
    let by_hand = ok(&teamster.args(["env", "dave"]).output().unwrap());
    let worker = prefix.join("bin/teamster-worker");
    assert!(by_hand.contains(worker.to_str().unwrap()), "it starts the worker beside it: {by_hand}");

    ok(&install(&sandbox, &prefix, &[]));
    assert_eq!(tree(&prefix), installed, "a second time changes nothing");

    let said = ok(&install(&sandbox, &prefix, &["--uninstall"]));
    assert!(said.starts_with("removed "), "{said}");
    assert_eq!(tree(&prefix), before);
    let said = ok(&install(&sandbox, &prefix, &["--uninstall"]));
    assert!(said.starts_with("nothing of teamster is installed"), "{said}");
}

#[test]
fn a_prefix_that_was_made_goes_too() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.work().join("new/prefix");
    ok(&install(&sandbox, &prefix, &[]));
    ok(&install(&sandbox, &prefix, &["--uninstall"]));
    assert!(!prefix.exists());
}

#[test]
fn what_an_earlier_version_installed_goes_and_what_is_somebody_elses_stays() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.work().join("prefix");
    fs::create_dir_all(prefix.join("bin")).unwrap();
    fs::write(prefix.join("bin/teamster"), "mine").unwrap();
    let refused = install(&sandbox, &prefix, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused).contains("bin/teamster is there, and was not installed by this script"),
        "{}",
        text(&refused)
    );
    assert_eq!(fs::read_to_string(prefix.join("bin/teamster")).unwrap(), "mine");
    assert!(!prefix.join("share").exists(), "a refusal changes nothing");
    ok(&install(&sandbox, &prefix, &["--force"]));

    let manifest = prefix.join("share/teamster/manifest");
    let old = prefix.join("share/man/man1/teamster-old.1");
    fs::write(&old, "a page of an earlier version").unwrap();
    let listed = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{listed}file share/man/man1/teamster-old.1\n")).unwrap();
    ok(&install(&sandbox, &prefix, &[]));
    assert!(!old.exists());
}

#[test]
fn without_permission_nothing_is_changed_and_the_way_out_is_said() {
    let sandbox = Sandbox::new();
    let prefix = sandbox.work().join("prefix");
    fs::create_dir_all(prefix.join("share")).unwrap();
    fs::set_permissions(prefix.join("share"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::create_dir(prefix.join("share/x")).is_ok() {
        // Root may write anywhere; another reason stands for the missing permission.
        fs::remove_dir_all(prefix.join("share")).unwrap();
        fs::write(prefix.join("share"), "a file").unwrap();
    }
    let refused = install(&sandbox, &prefix, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("--prefix DIR"), "{}", text(&refused));
    assert!(!prefix.join("bin").exists());
}

#[test]
fn a_shell_completes_members_tasks_and_teams_as_they_are_now() {
    let team = Team::new();
    team.ok_words(&["task", "add", "rename the parser"]);
    team.ok("spawn alice --no-claim");
    let script = team.file("completion.bash", &team.ok("completions bash"));
    let bin = Program::Teamster.path().parent().unwrap().to_owned();
    let complete = |words: &str| {
        let mut bash = team.other("bash");
        bash.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        bash.args([
            "--norc",
            "-c",
            r#". "$1"; read -ra COMP_WORDS <<<"$2"; [ "${2% }" = "$2" ] || COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_TYPE=9
            _clap_complete_teamster teamster "${COMP_WORDS[COMP_CWORD]}"; printf '%s\n' "${COMPREPLY[@]}""#,
            "bash",
        ]);
        bash.arg(&script).arg(words);
        let said = team.start_command(bash).ends();
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words}");
        let mut offered: Vec<&str> = said.out.lines().filter(|word| !word.starts_with('-')).collect();
        offered.sort_unstable();
        offered.join(" ")
    };
    assert_eq!(complete("teamster kill "), "alice");
    assert_eq!(complete("teamster dm l"), "lead");
    assert_eq!(complete("teamster task cancel "), "1");
    assert_eq!(complete("teamster why "), "1 alice");
    assert_eq!(complete("teamster --team "), team.dir().team().as_str());
    assert_eq!(complete("teamster spawn "), "", "a new member has a new name");
    assert_eq!(complete("teamster broadc"), "broadcast");
    team.ok("down --force");
}
