//! The matrix of tests/README.md has the shape of the one that is measured: a row for each ability, a column for each agent, and
//! each agent is one that members may drive.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use teamster_protocol::model::agent::preset::PRESETS;
use teamster_tests::granted::{Need, granted};
use teamster_tests::matrix::{ABILITIES, AGENTS, MatrixPage};

/// The rows of the measured matrix in tests/README.md, each with its cells.
fn shown_rows() -> Vec<Vec<String>> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, section) = page.split_once("\n## What real agents do\n").unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.map(cells).collect()
}

#[test]
fn the_page_has_a_column_for_each_agent_and_a_row_for_each_ability() {
    let rows = shown_rows();
    let heads: Vec<&str> = rows[0].iter().skip(1).map(|head| head.rsplit_once(' ').unwrap().0).collect();
    let agents: Vec<&str> = AGENTS.iter().map(|row| row.name).collect();
    assert_eq!(heads, agents, "print it anew: scripts/agents.sh");
    let titles: Vec<&str> = rows.iter().skip(2).map(|row| row[0].as_str()).collect();
    let abilities: Vec<&str> = ABILITIES.iter().map(|ability| ability.title).collect();
    assert_eq!(titles, abilities, "print it anew: scripts/agents.sh");
    assert!(rows.iter().all(|row| row.len() == agents.len() + 1), "a cell is missing");
}

/// The README shows some rows of that matrix as columns, and of a cell what stands before the states of a receipt.
#[test]
fn the_readme_shows_for_each_agent_what_was_measured() {
    let measured = shown_rows();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let lines: Vec<&str> = readme.lines().skip_while(|line| !line.starts_with("| agent |")).collect();
    let rows: Vec<Vec<&str>> = lines
        .iter()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let shown: Vec<_> = AGENTS.iter().enumerate().filter(|(_, agent)| agent.page == MatrixPage::Readme).collect();
    assert_eq!(rows.len(), shown.len() + 2, "a row for each agent");
    for ((column, agent), row) in shown.into_iter().zip(&rows[2..]) {
        assert_eq!(row[0], format!("`{}`", agent.name));
        for (title, cell) in rows[0].iter().zip(row).skip(1) {
            let measured = measured.iter().find(|row| row[0] == *title).unwrap_or_else(|| panic!("no row {title}"));
            assert_eq!(measured[column + 1].split(": ").next(), Some(*cell), "{}: {title}", agent.name);
        }
    }
}

/// The processes that were started below this folder, by their arguments and their environment.
fn processes_below(folder: &Path) -> Vec<String> {
    let wanted = folder.display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(|entry| entry.file_name() != "self");
    let told = processes.filter_map(|process| {
        let read = |name: &str| {
            let bytes = fs::read(process.path().join(name)).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (line, environment) = (read("cmdline"), read("environ"));
        let is_below = line.iter().chain(&environment).any(|text| text.contains(&wanted));
        is_below.then(|| line.unwrap_or_default().replace('\0', " "))
    });
    told.collect()
}

#[test]
fn a_runner_that_is_told_to_end_takes_down_its_team_and_its_model_server() {
    if !granted(Need::Python) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("programs");
    let bin = programs.join("pi-0.0.0/bin");
    fs::create_dir_all(&bin).unwrap();
    let begun = folder.path().join("begun");
    let agent = bin.join("pi");
    fs::write(&agent, format!("#!/bin/sh\necho > {}\nread never\nexec sleep 1000\n", begun.display())).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let mut runner = Command::new(env!("CARGO_BIN_EXE_teamster-matrix"));
    runner.arg("--programs").arg(&programs).arg("--logs").arg(folder.path().join("logs")).arg("pi-0.0.0");
    let said = fs::File::create(folder.path().join("said")).unwrap();
    runner.env("TMPDIR", folder.path()).stdout(said.try_clone().unwrap()).stderr(said).stdin(Stdio::null());
    let mut runner = runner.spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    while !begun.exists() {
        assert!(runner.try_wait().unwrap().is_none(), "{}", fs::read_to_string(folder.path().join("said")).unwrap());
        assert!(Instant::now() < limit, "the agent is not started");
        thread::yield_now();
    }
    kill(Pid::from_raw(runner.id() as i32), Signal::SIGTERM).unwrap();
    let limit = Instant::now() + Duration::from_secs(120);
    let status = loop {
        if let Some(status) = runner.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > limit {
            runner.kill().unwrap();
            panic!("the runner does not end: {}", fs::read_to_string(folder.path().join("said")).unwrap());
        }
        thread::yield_now();
    };
    let said = fs::read_to_string(folder.path().join("said")).unwrap();
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(said.contains("told to end"), "{said}");
    // A process that was killed may take a moment to be gone.
    while !processes_below(folder.path()).is_empty() {
        assert!(Instant::now() < limit, "left: {:?}", processes_below(folder.path()));
        thread::yield_now();
    }
}

#[test]
fn every_measured_agent_is_one_that_members_may_drive() {
    for row in AGENTS {
        let is_known = PRESETS.iter().any(|preset| preset.name == row.agent) || row.agent.starts_with("acp:");
        assert!(is_known, "there is no preset {}", row.agent);
    }
}

#[test]
fn every_version_on_the_page_is_the_one_that_is_installed() {
    let script = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/agents.sh")).unwrap();
    for head in &shown_rows()[0][1..] {
        let (name, version) = head.rsplit_once(' ').unwrap();
        let is_pinned = script.lines().any(|line| {
            let mut words = line.split_whitespace();
            (words.next(), words.next()) == (Some(name), Some(version))
        });
        assert!(is_pinned, "scripts/agents.sh installs another version of {name} than {version}");
    }
}
