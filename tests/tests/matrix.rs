//! The matrix of tests/README.md has the shape of the one that is measured: a row for each ability, a column for each agent, and
//! each agent is one that members may drive.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::path::Path;

use teamster_protocol::model::agent::preset::PRESETS;
use teamster_tests::matrix::{ABILITIES, AGENTS};

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
    assert_eq!(rows.len(), AGENTS.len() + 2, "a row for each agent");
    for (column, agent) in AGENTS.iter().enumerate() {
        let row = &rows[column + 2];
        assert_eq!(row[0], format!("`{}`", agent.name));
        for (title, cell) in rows[0].iter().zip(row).skip(1) {
            let measured = measured.iter().find(|row| row[0] == *title).unwrap_or_else(|| panic!("no row {title}"));
            assert_eq!(measured[column + 1].split(": ").next(), Some(*cell), "{}: {title}", agent.name);
        }
    }
}

#[test]
fn every_measured_agent_is_one_that_members_may_drive() {
    for row in AGENTS {
        assert!(PRESETS.iter().any(|preset| preset.name == row.agent), "there is no preset {}", row.agent);
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
