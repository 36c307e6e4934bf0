//! What a stranger can hand to the programs, as functions of bytes: lines of JSON-RPC, logs, plans, mail. Each must
//! take any bytes without a panic and without more memory than the bytes are worth. The fuzz targets in
//! `tests/fuzz` call these without end; `tests/fuzz.rs` calls them for seconds.

use std::fs;
use std::io;
use std::path::Path;

mod lines;
mod log;
mod mail;
pub mod mutate;
mod plan;
mod seeds;

/// One kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// What the other side of a link sends.
    Lines,
    /// A file of the team.
    Log,
    /// A plan, of TOML or of JSON.
    Plan,
    /// A message, or the text of one.
    Mail,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 4] = [Target::Lines, Target::Log, Target::Plan, Target::Mail];

    /// The name of its fuzz target.
    pub fn name(self) -> &'static str {
        match self {
            Target::Lines => "lines",
            Target::Log => "log",
            Target::Plan => "plan",
            Target::Mail => "mail",
        }
    }

    /// Gives the bytes to what they are for.
    ///
    /// # Panics
    ///
    /// If a promise about such input is broken.
    pub fn run(self, bytes: &[u8]) {
        match self {
            Target::Lines => lines::run(bytes),
            Target::Log => log::run(bytes),
            Target::Plan => plan::run(bytes),
            Target::Mail => mail::run(bytes),
        }
    }

    /// Inputs written by hand, good ones and bad ones, from which others are made.
    pub fn seeds(self) -> Vec<Vec<u8>> {
        match self {
            Target::Lines => seeds::lines(),
            Target::Log => seeds::log(),
            Target::Plan => seeds::plan(),
            Target::Mail => seeds::mail(),
        }
    }
}

/// Writes the seeds of each target as files below `dir`, in a folder with its name.
///
/// # Errors
///
/// If a folder cannot be made or a file not written.
pub fn write_seeds(dir: &Path) -> io::Result<()> {
    for target in Target::ALL {
        let dir = dir.join(target.name());
        fs::create_dir_all(&dir)?;
        for (number, seed) in target.seeds().iter().enumerate() {
            fs::write(dir.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}
