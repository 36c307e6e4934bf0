//! Rules of the repository that no compiler knows: what lies where, who may import whom, what the pure modules may
//! not touch.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The top level, as it was given. Files whose name begins with a dot, and what is built, are beside it.
const TOP_LEVEL: &[&str] =
    &["Cargo.lock", "Cargo.toml", "README.md", "leader", "protocol", "scripts", "tests", "worker"];

/// Modules that decide and touch nothing: each file, and all files of the folder beside it but their tests.
const PURE: &[&str] = &[
    "protocol/src/model",
    "protocol/src/store/file/mend",
    "protocol/src/wire/api",
    "worker/src/core",
    "leader/src/core",
    "leader/src/ops/config",
    "leader/src/ops/document",
    "leader/src/ops/duration",
    "leader/src/ops/plan",
    "leader/src/ops/why/scene",
    "leader/src/warden/policy",
];

/// What a pure module has no use for.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "tokio",
    "nix::",
    "git2",
    "crate::clock",
    "teamster_protocol::host::clock",
];

/// A file longer than this most likely holds a second noun.
const LINES_WARN: usize = 400;
/// And here it surely does.
const LINES_MAX: usize = 700;

/// The README is for users: what is longer belongs into one of the other pages.
const README_LINES_MAX: usize = 200;

/// How wide a line of SPEC.md may be.
const SPEC_COLUMNS_MAX: usize = 120;

/// Pages that name files. Each crate has one with the map of its rooms.
const PAGES: &[&str] = &["README.md", "leader/README.md", "worker/README.md", "protocol/README.md", "tests/README.md"];

#[test]
fn the_top_level_is_as_it_was_given() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.starts_with('.') && name != "target" {
            found.insert(name);
        }
    }
    let given: BTreeSet<String> = TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect();
    let strange: Vec<&String> = found.difference(&given).collect();
    assert!(strange.is_empty(), "the top level is not to be added to: {strange:?}");
    let missing: Vec<&String> = given.difference(&found).collect();
    assert!(missing.is_empty(), "the top level lacks {missing:?}");
}

#[test]
fn leader_and_worker_know_only_the_protocol() {
    for (own, other) in [("leader", "worker"), ("worker", "leader"), ("protocol", "leader"), ("protocol", "worker")] {
        let crate_name = format!("teamster-{other}");
        let manifest = fs::read_to_string(root().join(own).join("Cargo.toml")).unwrap();
        let depends = manifest.lines().any(|line| line.trim_start().starts_with(&crate_name));
        assert!(!depends, "{own}/Cargo.toml depends on {crate_name}");
        let module = format!("teamster_{other}");
        assert_nobody(&rust_files(&root().join(own)), |line| line.contains(&format!("{module}::")), &module);
    }
    let manifest = fs::read_to_string(root().join("protocol/Cargo.toml")).unwrap();
    assert!(!manifest.contains("teamster-leader") && !manifest.contains("teamster-worker"));
}

#[test]
fn pure_modules_touch_nothing() {
    let mut files = Vec::new();
    for module in PURE {
        let file = root().join(module).with_extension("rs");
        assert!(file.exists(), "there is no {}; mend the list of pure modules", file.display());
        files.push(file);
        files.extend(rust_files(&root().join(module)));
    }
    files.retain(|file| !file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs"));
    for word in IMPURE {
        assert_nobody(&files, |line| line.contains(word), word);
    }
}

/// Limits are to be found, and compared with each other, in one place.
#[test]
fn every_time_is_in_the_list_of_limits() {
    let mut files = product_files();
    files.retain(|file| !shown(file).starts_with("protocol/src/model/limits"));
    assert_nobody(&files, |line| line.contains("const ") && line.contains(": Duration"), "a time of its own");
    assert_only_listed(&files, is_bare_time, BARE_TIMES, "a time without a name");
}

/// Whether a time is made of a number that stands there.
fn is_bare_time(line: &str) -> bool {
    ["Duration::from_", "Duration::new("].iter().any(|make| {
        line.match_indices(make).any(|(at, _)| {
            let argument = line[at..].split_once('(').map_or("", |(_, rest)| rest);
            argument.trim_start().starts_with(|first: char| first.is_ascii_digit())
        })
    })
}

/// Numbers of time that are no limits, each with its reason.
const BARE_TIMES: &[Exception] = &[
    ("protocol/src/store/watch.rs", "from_nanos(1)", "the shortest time there is, so that a wait is one"),
    ("leader/src/warden.rs", "from_millis(1)", "a part of a millisecond is rounded up to a whole one"),
];

/// A queue between two parts of a program has room for as many as the list of limits says. A channel that is always
/// read at once, or holds one thing, needs no bound.
#[test]
fn every_queue_has_a_bound_from_the_list_of_limits() {
    let mut limits = rust_files(&root().join("protocol/src/model/limits"));
    limits.push(root().join("protocol/src/model/limits.rs"));
    let limits: String = limits.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let is_unbounded = |line: &str| is_unbounded_queue(line, &limits);
    assert_only_listed(&product_files(), is_unbounded, UNBOUNDED_QUEUES, "a queue without a bound from the limits");
}

/// Queues that need no bound, each with its reason.
const UNBOUNDED_QUEUES: &[Exception] = &[
    ("leader/src/front/cli/interrupt.rs", "unbounded_channel()", "one for each signal that a person sends"),
    ("worker/src/life/links.rs", "unbounded_channel()", "one for each link that ends, and links have a limit"),
    ("worker/src/driver/lines/write.rs", "unbounded_channel::<String>()", "the bytes that wait in it have a limit"),
    ("leader/src/ops/doctor/programs.rs", "channel()", "the one answer of a program"),
    ("leader/src/daemon/views.rs", "sync_channel(1)", "whether to look once more, which is yes or no"),
];

/// Whether a queue is made whose room is not one of the limits. One that holds the newest value alone, or one value, is none.
fn is_unbounded_queue(line: &str, limits: &str) -> bool {
    line.match_indices("channel").any(|(at, word)| {
        let (before, behind) = (&line[..at], &line[at + word.len()..]);
        let of_types = behind.strip_prefix("::<").and_then(|types| types.split_once(">(")).map(|(_, room)| room);
        let Some(room) = of_types.or_else(|| behind.strip_prefix('(')) else { return false };
        let room = room.split(')').next().unwrap_or_default().trim();
        let is_of_one = before.ends_with("watch::") || before.ends_with("oneshot::");
        !is_of_one && !limits.contains(&format!("pub const {room}: usize"))
    })
}

/// A bound that a second file needs is no detail of the first. What only people see, such as widths, is the front's.
#[test]
fn every_bound_that_is_shared_is_in_the_list_of_limits() {
    let mut files = product_files();
    files.retain(|file| {
        let shown = shown(file);
        !shown.starts_with("protocol/src/model/limits") && !shown.starts_with("leader/src/front")
    });
    let is_shared_bound = |line: &str| {
        let line = line.trim_start();
        let Some((name, rest)) = line.split_once("const ").and_then(|(_, constant)| constant.split_once(": ")) else {
            return false;
        };
        let is_number = ["usize", "u64", "u32", "u16", "u8"].iter().any(|kind| rest.starts_with(kind));
        line.starts_with("pub") && is_number && (name.ends_with("_MAX") || name.ends_with("_MIN"))
    };
    assert_nobody(&files, is_shared_bound, "a shared bound of its own");
}

/// A process hears of the signals that end it in one way; the others here are of children, and of a parent's death.
#[test]
fn signals_come_from_one_stream() {
    let mut files = product_files();
    let own = ["protocol/src/host/signals.rs", "worker/src/cell/keeper.rs", "leader/src/warden/mind.rs"];
    files.retain(|file| !own.contains(&&*shown(file)));
    for word in ["tokio::signal", "SignalKind", "ctrl_c"] {
        assert_nobody(&files, |line| line.contains(word), word);
    }
}

/// Whoever ends a process asks first, and waits for a limited time: the ladder decides, and few send what it says.
#[test]
fn processes_are_ended_by_one_ladder() {
    let mut files = product_files();
    let senders = [
        // One sends to a process that is known for certain, the next looks who is there.
        "protocol/src/host/process.rs",
        "protocol/src/host/process/strangers.rs",
        // These send what a ladder says to children, or pass a signal on.
        "leader/src/daemon/orphans.rs",
        "leader/src/daemon/outer_half.rs",
        "leader/src/warden.rs",
        "worker/src/cell/keeper.rs",
        "worker/src/cell/outer.rs",
    ];
    files.retain(|file| !senders.contains(&&*shown(file)));
    assert_only_listed(&files, is_raw_kill, RAW_KILLS, "a signal that no ladder decides on");
    let own = ["protocol/src/host/process.rs", "worker/src/cell.rs", "worker/src/cell/outer.rs"];
    for file in product_files().into_iter().filter(|file| !own.contains(&&*shown(file))) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!product(&text).contains("::SIGKILL"), "{}: SIGKILL is sent by the kill ladder alone", shown(&file));
    }
}

/// Whether a process is sent a signal.
fn is_raw_kill(line: &str) -> bool {
    let words = [
        "start_kill(",
        "kill_on_drop(",
        "killpg(",
        "tgkill(",
        "signal::kill(",
        "libc::kill(",
        "Command::new(\"kill\")",
        "pidfd_send_signal(",
        " kill(",
    ];
    let line = line.trim_start();
    // A call of the leader is answered later, and a definition is none.
    let is_child = line.contains(".kill()") && !line.contains(".kill().await");
    let is_sent = line.starts_with("kill(") || words.iter().any(|word| line.contains(word));
    is_child || (is_sent && !line.contains("fn kill("))
}

#[test]
fn what_a_rule_refuses_is_seen_however_it_is_written() {
    let limits = "pub const ROOM: usize = 64;";
    let seen = |text: &str, bad: &dyn Fn(&str) -> bool| code_lines(text).iter().any(|(_, code)| bad(code));
    for text in ["Duration::from_secs(5)", "Duration::new(5, 0)", "Duration::from_millis(\n    // Why.\n    300,\n)"] {
        assert!(seen(text, &is_bare_time), "{text}");
    }
    assert!(!seen("Duration::from_millis(\n    grace_ms,\n)", &is_bare_time));
    let is_unbounded = |line: &str| is_unbounded_queue(line, limits);
    for text in
        ["mpsc::channel(16)", "channel::<LeaderInput>(16)", "mpsc::channel::<Option<u8>>(\n    16,\n)", "channel()"]
    {
        assert!(seen(text, &is_unbounded), "{text}");
    }
    for text in ["channel(ROOM)", "mpsc::channel::<u8>(ROOM)", "oneshot::channel::<u8>()", "watch::channel(0)"] {
        assert!(!seen(text, &is_unbounded), "{text}");
    }
    for text in
        ["unsafe { libc::kill(pid, 9) };", "kill(pid, None)?;", "let sent = kill(pid, signal);", "child.kill()?;"]
    {
        assert!(seen(text, &is_raw_kill), "{text}");
    }
    for text in ["leader.kill().await", "fn kill(&self)", "// kill(pid)"] {
        assert!(!seen(text, &is_raw_kill), "{text}");
    }
}

/// Processes that are killed at once, each with the reason why nothing is lost by that.
const RAW_KILLS: &[Exception] = &[
    ("leader/src/daemon/launch.rs", "start_kill()", "a process that could not be ended for certain later"),
    ("leader/src/daemon/spare.rs", "start_kill()", "a spare worker that is of no use has done nothing yet"),
    ("leader/src/ops/doctor/programs.rs", ".kill()", "a program that only told its version"),
    ("leader/src/ops/agents.rs", "kill_on_drop(true)", "a program that only told its version"),
];

/// A front shows what an operation returns; one that prints would be heard beside every front.
#[test]
fn only_fronts_print() {
    let mut files = product_files();
    let mute = [
        "leader/src/ops",
        "leader/src/core",
        "leader/src/daemon",
        "leader/src/api",
        "leader/src/git",
        "protocol/src/model",
    ];
    files.retain(|file| mute.iter().any(|room| shown(file).starts_with(room)));
    assert!(files.len() > 100, "the rooms are looked for in the right place");
    for word in ["print!(", "println!(", "dbg!(", "io::stdout", "io::stderr", "stdout()", "stderr()"] {
        assert_nobody(&files, |line| line.contains(word), word);
    }
}

/// Every front goes through the operations, so they are where it is asked whether the caller may.
#[test]
fn every_operation_asks_whether_its_caller_may() {
    let mut found = 0;
    for file in product_files().into_iter().filter(|file| shown(file).starts_with("leader/src/ops/")) {
        let text = fs::read_to_string(&file).unwrap();
        let product = product(&text);
        let functions = product.split("\npub fn ").skip(1).chain(product.split("\npub async fn ").skip(1));
        for function in functions {
            let function = function.split("\n}\n").next().unwrap();
            let (head, body) = function.split_once('{').unwrap();
            if head.contains("&Session") {
                found += 1;
                assert!(body.contains("session.authorize("), "{}: `{}` asks nobody", shown(&file), head.trim());
            }
        }
    }
    assert!(found > 30, "{found} operations were found");
}

#[test]
fn no_test_sleeps() {
    for file in all_rust_files() {
        let text = fs::read_to_string(&file).unwrap();
        // A benchmark waits until the machine is at rest, which nothing tells of.
        if file.starts_with(root().join("tests/src/bench")) {
            continue;
        }
        let of_tests = file.strip_prefix(root()).unwrap().iter().any(|part| part == "tests" || part == "tests.rs");
        let tests = if of_tests { text.as_str() } else { unit_tests(&text) };
        for sleep in [concat!("sle", "ep("), concat!("\"", "sleep\"")] {
            assert!(!tests.contains(sleep), "{}: a test sleeps; wait for an event, with a limit", shown(&file));
        }
    }
}

#[test]
fn every_file_says_why_it_exists_and_is_about_one_thing() {
    let mut long = Vec::new();
    for file in all_rust_files() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with why it exists", shown(&file));
        assert_ne!(file.file_name().unwrap(), "mod.rs", "{}: name it after its folder", shown(&file));
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines, {LINES_MAX} are allowed", shown(&file));
        if lines > LINES_WARN {
            long.push(format!("{} ({lines})", shown(&file)));
        }
    }
    if !long.is_empty() {
        println!("longer than {LINES_WARN} lines, look for the second noun inside: {}", long.join(", "));
    }
}

/// A file of tests that `main.rs` does not name is not compiled, and nobody would miss its tests.
#[test]
fn every_file_of_tests_is_run() {
    let tests = root().join("tests/tests");
    let main = fs::read_to_string(tests.join("main.rs")).unwrap();
    let named: BTreeSet<&str> = main.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    for entry in fs::read_dir(tests).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(name == "main" || named.contains(name), "{} is not named in main.rs", shown(&path));
    }
}

#[test]
fn nothing_is_left_undone() {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    for mark in marks {
        assert_nobody(&all_rust_files(), |line| line.contains(mark), mark);
    }
    assert_nobody(&all_rust_files(), |line| line.trim_start().starts_with(concat!("#[", "allow(")), "allow");
}

#[test]
fn scripts_can_be_run() {
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(root().join("scripts")).unwrap().map(|it| it.unwrap().path()).collect();
    scripts.push(root().join(".ci/run"));
    for script in scripts {
        let text = fs::read_to_string(&script).unwrap();
        let shell = match text.lines().next() {
            Some("#!/usr/bin/env bash" | "#!/bin/bash") => "bash",
            Some("#!/bin/sh" | "#!/usr/bin/env sh") => "sh",
            first => panic!("{} begins with {first:?}, not with a shell", shown(&script)),
        };
        let mode = fs::metadata(&script).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{} is not executable", shown(&script));
        let checked = Command::new(shell).arg("-n").arg(&script).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// The tables of promises in tests/README.md have a column of tests, each by its name.
#[test]
fn every_test_that_a_promise_names_is_there() {
    let page = fs::read_to_string(root().join("tests/README.md")).unwrap();
    let tables = page.split("| promise | tests |\n|---|---|\n").skip(1);
    let rows: Vec<&str> = tables.flat_map(|table| table.lines().take_while(|line| line.starts_with('|'))).collect();
    assert!(rows.len() > 50, "the tables of promises are not to be found");
    let code: String = all_rust_files().into_iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for row in rows {
        let names = row.rsplit('|').nth(1).unwrap_or_default();
        assert!(test_names(names).next().is_some(), "no test shows it: {row}");
    }
    for name in test_names(&page) {
        assert!(is_test(&code, name), "tests/README.md names the test {name}, which is not there");
    }
}

/// What stands in backticks and is a name as tests have it, of several words.
fn test_names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    words.filter(|word| {
        word.contains('_')
            && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit())
    })
}

fn is_test(code: &str, name: &str) -> bool {
    let above = code.find(&format!("fn {name}(")).map_or("", |at| &code[..at]);
    // What stands on it, and the beginning of its own line.
    above.lines().rev().take(3).any(|line| line.contains("test]"))
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines, {README_LINES_MAX} are allowed");
}

/// A page that leads into the code names files in backticks. Within the page of a crate they may begin at `src/` or
/// `tests/` of that crate.
#[test]
fn every_path_that_a_page_names_is_there() {
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let home = root().join(page).parent().unwrap().to_owned();
        let mut named = 0;
        for path in paths_in_backticks(&text) {
            named += 1;
            let there = home.join(path).exists() || root().join(path).exists();
            assert!(there, "{page} names {path}, which is not there");
        }
        assert!(named > 0, "{page} names no file");
    }
}

#[test]
fn every_type_that_a_map_names_is_there() {
    let code: String = product_files().into_iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for page in ["leader/README.md", "worker/README.md", "protocol/README.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let words = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let is_type = |word: &&str| {
            word.starts_with(|letter: char| letter.is_ascii_uppercase())
                && word.contains(|letter: char| letter.is_ascii_lowercase())
                && word.chars().all(char::is_alphanumeric)
        };
        let mut named = 0;
        for name in words.filter(is_type) {
            named += 1;
            let is_there = ["struct", "enum", "trait"].iter().any(|kind| {
                let begins = format!("pub {kind} {name}");
                code.match_indices(&begins).any(|(at, _)| !code[at + begins.len()..].starts_with(char::is_alphanumeric))
            });
            assert!(is_there, "{page} names the type {name}, which is not there");
        }
        assert!(named > 0, "{page} names no type");
    }
}

/// Whoever reads SPEC.md in a terminal sees whole lines. A row of a table can not be broken, nor can a text of an example.
#[test]
fn the_lines_of_the_specification_are_short() {
    let text = fs::read_to_string(root().join("protocol/SPEC.md")).unwrap();
    for (number, line) in (1..).zip(text.lines()) {
        let columns = line.chars().count();
        let is_one_text = line.starts_with("  ") && line.matches('"').count() == 4;
        let is_whole = columns <= SPEC_COLUMNS_MAX || line.starts_with('|') || is_one_text;
        assert!(is_whole, "SPEC.md:{number} has {columns} columns, {SPEC_COLUMNS_MAX} are allowed");
    }
}

/// What stands in backticks and is a path from the top of the repository or of a crate, in lines that are no code.
fn paths_in_backticks(text: &str) -> Vec<&str> {
    let tops = ["leader/", "worker/", "protocol/", "scripts/", "tests/", "src/"];
    let is_path = |word: &&str| tops.iter().any(|top| word.starts_with(top)) && !word.contains([' ', '<', '*', '…']);
    let lines = text.lines().filter(|line| !line.starts_with("    "));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2)).filter(is_path).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn all_rust_files() -> Vec<PathBuf> {
    ["leader", "worker", "protocol", "tests"].iter().flat_map(|own| rust_files(&root().join(own))).collect()
}

/// The files of the programs and their library, without tests.
fn product_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        ["leader/src", "worker/src", "protocol/src"].iter().flat_map(|own| rust_files(&root().join(own))).collect();
    files.retain(|file| !file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs"));
    files
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What is built beside the fuzz targets is nobody's file.
            if !path.ends_with("target") {
                files.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Fails on the first line of code that is bad. Comments may name what code may not.
fn assert_nobody(files: &[PathBuf], bad: impl Fn(&str) -> bool, what: &str) {
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            assert!(!bad(code), "{}:{number}: {what} has no place here: {}", shown(file), line.trim());
        }
    }
}

/// Code that a rule would refuse: the file, what its line has, and why it may stay.
type Exception = (&'static str, &'static str, &'static str);

/// Fails on the first line of the product that is bad and not listed, and on what is listed and not there any more.
fn assert_only_listed(files: &[PathBuf], bad: impl Fn(&str) -> bool, listed: &[Exception], what: &str) {
    let mut used = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for (number, code) in code_lines(product(&text)) {
            if bad(&code) {
                let excuse = listed.iter().find(|(place, part, _)| *place == shown(file) && code.contains(part));
                let excuse = excuse.unwrap_or_else(|| panic!("{}:{number}: {what}: {}", shown(file), code.trim()));
                used.insert(excuse);
            }
        }
    }
    let idle: Vec<&Exception> = listed.iter().filter(|excuse| !used.contains(excuse)).collect();
    assert!(idle.is_empty(), "{what}: these exceptions are needed no more: {idle:?}");
}

/// The lines of code without their comments, each with its number. A call or a value that is begun at the end of a line has the
/// first of what follows on that line too.
fn code_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        match lines.last_mut() {
            Some((_, begun)) if begun.ends_with(['(', '=', '<']) => begun.push_str(code.trim_start()),
            Some(_) | None => lines.push((number, code.to_owned())),
        }
    }
    lines
}

/// The code of a file without its unit tests.
fn product(text: &str) -> &str {
    &text[..text.len() - unit_tests(text).len()]
}

/// What follows `#[cfg(test)]`, which is at a file's end.
fn unit_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or("", |at| &text[at..])
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
