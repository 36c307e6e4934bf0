//! The settings that come by the environment, the same for the leader, its workers and every command. A variable
//! that is not understood is refused: to pass over it would be to do something else than was asked for.

use std::env;
use std::time::Duration;

use crate::model::limits::{ANSWER_WITHIN, LEADER_GRACE, SLOW_POLL};
use crate::store::file::{Durability, GENERATION_BYTES_MAX};

/// A variable of the environment that says nothing this program understands.
#[derive(Debug, thiserror::Error)]
#[error("{name} is {value:?}, which is not {expected}")]
pub struct BadSetting {
    name: &'static str,
    value: String,
    expected: &'static str,
}

/// What holds for whoever works on a team's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Common {
    /// What must have survived when something is said to be written: `TEAMSTER_DURABILITY`.
    pub durability: Durability,
    /// How often everything is looked at although nobody rang: `TEAMSTER_POLL_MS`.
    pub poll: Duration,
    /// How long a worker may take to answer its leader: `TEAMSTER_ANSWER_WITHIN_MS`.
    pub answer_within: Duration,
}

impl Common {
    /// Those of the environment.
    pub fn given() -> Result<Common, BadSetting> {
        let durability = durability_of(given("TEAMSTER_DURABILITY").as_deref())?;
        // Each log asks for it when it is opened, and could not refuse it there.
        generation_bytes_max()?;
        let poll = milliseconds("TEAMSTER_POLL_MS", SLOW_POLL)?;
        let answer_within = milliseconds("TEAMSTER_ANSWER_WITHIN_MS", ANSWER_WITHIN)?;
        Ok(Common { durability, poll, answer_within })
    }
}

fn durability_of(given: Option<&str>) -> Result<Durability, BadSetting> {
    let name = "TEAMSTER_DURABILITY";
    match given {
        None | Some("power") => Ok(Durability::Power),
        Some("process") => Ok(Durability::Process),
        Some(value) => Err(BadSetting { name, value: value.to_owned(), expected: "power or process" }),
    }
}

/// How long the worker goes on without its leader: `TEAMSTER_LEADER_GRACE_MS`.
pub fn leader_grace() -> Result<Duration, BadSetting> {
    milliseconds("TEAMSTER_LEADER_GRACE_MS", LEADER_GRACE)
}

/// The size past which a log begins its next generation: `TEAMSTER_GENERATION_BYTES`.
pub fn generation_bytes_max() -> Result<u64, BadSetting> {
    let name = "TEAMSTER_GENERATION_BYTES";
    let Some(value) = given(name) else { return Ok(GENERATION_BYTES_MAX) };
    value.parse().map_err(|_| BadSetting { name, value, expected: "a number of bytes" })
}

fn milliseconds(name: &'static str, default: Duration) -> Result<Duration, BadSetting> {
    let Some(value) = given(name) else { return Ok(default) };
    match value.parse() {
        Ok(ms) => Ok(Duration::from_millis(ms)),
        Err(_) => Err(BadSetting { name, value, expected: "a number of milliseconds" }),
    }
}

/// A variable that is set and not empty.
fn given(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused_and_not_passed_over() {
        assert_eq!(durability_of(None).ok(), Some(Durability::Power));
        assert_eq!(durability_of(Some("process")).ok(), Some(Durability::Process));
        let error = durability_of(Some("maybe")).expect_err("it is no durability").to_string();
        assert_eq!(error, "TEAMSTER_DURABILITY is \"maybe\", which is not power or process");
    }
}
