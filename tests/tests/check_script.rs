//! `scripts/check.sh` as whoever broke a test sees it: a stand-in for cargo says what the real one said, and the script
//! has to show what failed and how to see it again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the tests by the script, with a cargo that prints `said` and exits with `code`.
fn check_tests(dir: &Path, said: &str, code: u8) -> Output {
    let (bin, log) = (dir.join("bin"), dir.join("said"));
    fs::create_dir(&bin).expect("a folder");
    fs::write(&log, said).expect("a file");
    let cargo = bin.join("cargo");
    let script = format!("#!/bin/sh\n[ \"$1\" = build ] && exit 0\ncat '{}'\nexit {code}\n", log.display());
    fs::write(&cargo, script).expect("a program");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("its mode");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/check.sh"))
        .arg("test")
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", dir)
        .output()
        .expect("the script runs")
}

fn shown(output: &Output, dir: &Path) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).expect("text").replace(&dir.display().to_string(), "TARGET")
}

#[test]
fn a_failed_test_is_shown_with_its_output_and_the_command_that_runs_it_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let chatter: String = (0..2000).map(|line| format!("line {line}\n")).collect();
    let said = format!(
        "     Running unittests src/lib.rs (target/debug/deps/it-1)\n\n\
         running 3 tests\ntest bad ... FAILED\ntest a::worse ... FAILED\ntest good ... ok\n\n\
         failures:\n\n\
         ---- bad stdout ----\n{chatter}\nthread 'bad' (7) panicked at src/lib.rs:6:62:\nnot equal\n\
         stack backtrace:\n   0: rust_begin_unwind\n   1: it::bad\n\
         note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n\n\
         ---- a::worse stdout ----\n\nthread 'a::worse' (8) panicked at src/lib.rs:7:34:\nno\n\n\n\
         failures:\n    a::worse\n    bad\n\n\
         test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\n\
         error: test failed, to rerun pass `-p it --lib`\n     \
         Running tests/abort.rs (target/debug/deps/abort-2)\n\n\
         running 1 test\nerror: test failed, to rerun pass `-p it --test abort`\n\n\
         Caused by:\n  process didn't exit successfully: `target/debug/deps/abort-2` (signal: 6, SIGABRT)\n   \
         Doc-tests it\n\n\
         running 1 test\ntest src/lib.rs - (line 2) ... FAILED\n\nfailures:\n\n\
         ---- src/lib.rs - (line 2) stdout ----\nTest executable failed (exit status: 101).\n\n\n\
         failures:\n    src/lib.rs - (line 2)\n\n\
         test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.11s\n\n\
         error: doctest failed, to rerun pass `-p it --doc`\n\
         error: 3 targets failed:\n    `-p it --lib`\n    `-p it --test abort`\n    `-p it --doc`\n"
    );
    let output = check_tests(dir.path(), &said, 101);
    assert_eq!(output.status.code(), Some(1));
    let shown = shown(&output, dir.path());
    assert_eq!(shown.lines().filter(|line| line.trim().starts_with("line ")).count(), 37, "the end is shown: {shown}");
    let brief: Vec<&str> =
        shown.lines().filter(|line| !line.trim().starts_with("line ")).skip(1).map(str::trim_end).collect();
    insta::with_settings!({filters => [(r"after \d+ s", "after N s")]}, {
        insta::assert_snapshot!(brief.join("\n"), @"
        test    FAILED after N s

        bad
            … 1963 lines before these

            thread 'bad' (7) panicked at src/lib.rs:6:62:
            not equal
            again: cargo test -p it --lib -- --exact 'bad'

        a::worse
            thread 'a::worse' (8) panicked at src/lib.rs:7:34:
            no
            again: cargo test -p it --lib -- --exact 'a::worse'

        the tests of -p it --test abort ended before they were done
                 Running tests/abort.rs (target/debug/deps/abort-2)

            running 1 test
            process didn't exit successfully: `target/debug/deps/abort-2` (signal: 6, SIGABRT)
            again: cargo test -p it --test abort

        src/lib.rs - (line 2)
            Test executable failed (exit status: 101).
            again: cargo test -p it --doc -- 'src/lib.rs - (line 2)'

        tests:  1 passed, 3 FAILED, 0 ignored

        test failed. Its whole output: TARGET/check/test.log
        To run it again: scripts/check.sh test
        ");
    });
    assert_eq!(fs::read_to_string(dir.path().join("check/test.log")).expect("the log"), said, "all is in the log");
}

#[test]
fn a_target_that_can_not_be_built_is_shown_from_its_first_error_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let said = "   Compiling it v0.1.0\nerror[E0425]: cannot find value `x` in this scope\n --> src/lib.rs:1:1\n\n\
        error: could not compile `it` (lib test) due to 1 previous error\n";
    let output = check_tests(dir.path(), said, 101);
    assert_eq!(output.status.code(), Some(1));
    let shown = shown(&output, dir.path());
    assert!(shown.contains("\nerror[E0425]: cannot find value `x` in this scope\n"), "{shown}");
    assert!(!shown.contains("Compiling"), "{shown}");
}

#[test]
fn what_passed_closes_with_the_counts_and_with_what_could_not_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let said = "test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\
        could not run here: a_cell: no user namespaces\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
    let output = check_tests(dir.path(), said, 0);
    assert_eq!(output.status.code(), Some(0));
    let shown = shown(&output, dir.path());
    let end = "  41 passed, 2 ignored, 1 could not run here\n          a_cell: no user namespaces\n";
    assert!(shown.ends_with(end), "{shown}");
}
