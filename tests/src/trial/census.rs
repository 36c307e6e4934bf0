//! Who runs: every process on the machine whose environment names the root of a trial, whoever its parent is by now.
//! An agent's children inherit it with all the rest, so none gets out of sight by leaving its session or its group.

use std::fs;
use std::path::Path;

use teamster_protocol::host::process::{self, ProcessIdentity};

use super::Outcome;

/// A process of a trial.
#[derive(Debug, Clone)]
pub struct Found {
    /// The process, known by its number and its start.
    pub identity: ProcessIdentity,
    /// What it runs.
    pub what: What,
    /// Its command line, for people.
    pub line: String,
}

/// What a process of a trial runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// `teamster`: a leader, or a command.
    Teamster,
    /// `teamster`: the process above a leader in the background.
    Warden,
    /// The worker of this member.
    Worker(String),
    /// A worker that waits to be told whose it is.
    SpareWorker,
    /// An agent, or what one started.
    Agent,
}

/// The processes of the trial that has this root. One that ends while it is looked at may be missing, and a zombie is
/// no process any more.
pub fn take(root: &Path) -> Outcome<Vec<Found>> {
    let mark = [b"TEAMSTER_ROOT=", root.as_os_str().as_encoded_bytes()].concat();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let variables = || environment.split(|byte| *byte == 0);
        let ours = variables().any(|variable| variable == mark);
        if !ours || pid == std::process::id() {
            continue;
        }
        let Ok(identity) = process::identity(pid) else { continue };
        let words = words(pid);
        let watched = variables().any(|variable| variable.starts_with(b"TEAMSTER_WARDEN="));
        found.push(Found { identity, what: what(pid, &words, watched), line: words.join(" ").trim_end().to_owned() });
    }
    Ok(found)
}

fn words(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The member that a worker says to serve.
fn name(words: &[String]) -> Option<String> {
    words.iter().skip_while(|word| *word != "--name").nth(1).cloned()
}

/// The member that the worker in this cell says to serve: the outer half of one that was a spare worker does not.
fn name_within(outer: u32) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find_map(|pid| name(&words(pid)))
}

fn what(pid: u32, words: &[String], watched: bool) -> What {
    let program = words.first().map(|word| Path::new(word).file_name().unwrap_or_default().to_owned());
    match program.as_ref().and_then(|name| name.to_str()) {
        Some("teamster") if !watched && words.iter().any(|word| word == "--in-background") => What::Warden,
        Some("teamster") => What::Teamster,
        Some("teamster-worker") => name(words).or_else(|| name_within(pid)).map_or(What::SpareWorker, What::Worker),
        Some(_) | None => What::Agent,
    }
}
