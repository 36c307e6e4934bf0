//! The settings that come by the environment, the same for the leader, its workers and every command. A variable
//! that is not understood is refused: to pass over it would be to do something else than was asked for.

use std::env;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::model::limits::GENERATION_BYTES_MAX;
use crate::model::limits::{ANSWER_WITHIN, LEADER_GRACE, PERMISSION_WITHIN, SLOW_POLL};
use crate::model::log::Durability;

const DURABILITY: &str = "TEAMSTER_DURABILITY";
const POLL_MS: &str = "TEAMSTER_POLL_MS";
const ANSWER_WITHIN_MS: &str = "TEAMSTER_ANSWER_WITHIN_MS";
const LEADER_GRACE_MS: &str = "TEAMSTER_LEADER_GRACE_MS";
const APPROVAL_WITHIN_MS: &str = "TEAMSTER_APPROVAL_WITHIN_MS";
/// The variable that says which words of a program are written, from `off` to `trace`.
pub const LOG_LEVEL: &str = "TEAMSTER_LOG";
/// The variable that names the wanted isolation of workers.
pub const ISOLATION: &str = "TEAMSTER_ISOLATION";

/// A variable of the environment that says nothing this program understands.
#[derive(Debug, thiserror::Error)]
#[error("{name} is {value:?}, which is not {expected}")]
pub struct BadSetting {
    name: &'static str,
    value: String,
    expected: &'static str,
}

/// The settings that leader, workers and command line share when they work on a team's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommonSettings {
    /// The kind of crash that a reported write survives: `TEAMSTER_DURABILITY`.
    pub durability: Durability,
    /// How often everything is looked at although nobody rang: `TEAMSTER_POLL_MS`.
    pub poll: Duration,
    /// How long a worker may take to answer its leader: `TEAMSTER_ANSWER_WITHIN_MS`.
    pub answer_within: Duration,
    /// How long a worker goes on without its leader: `TEAMSTER_LEADER_GRACE_MS`.
    pub leader_grace: Duration,
    /// How long an agent's question for permission waits for the lead: `TEAMSTER_APPROVAL_WITHIN_MS`.
    pub approval_within: Duration,
}

impl CommonSettings {
    /// The settings of the environment, with the built-in ones for those that are not there.
    pub fn given() -> Result<CommonSettings, BadSetting> {
        let EnvironmentSettings { durability, poll, answer_within, leader_grace, approval_within } =
            EnvironmentSettings::given()?;
        Ok(CommonSettings {
            durability: durability.unwrap_or(Durability::Power),
            poll: poll.unwrap_or(SLOW_POLL),
            answer_within: answer_within.unwrap_or(ANSWER_WITHIN),
            leader_grace: leader_grace.unwrap_or(LEADER_GRACE),
            approval_within: approval_within.unwrap_or(PERMISSION_WITHIN),
        })
    }

    /// The variables that give another process the same settings: its name and its value each.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        let CommonSettings { durability, poll, answer_within, leader_grace, approval_within } = self;
        let milliseconds = |length: &Duration| length.as_millis().to_string();
        [
            (DURABILITY, durability.word().to_owned()),
            (POLL_MS, milliseconds(poll)),
            (ANSWER_WITHIN_MS, milliseconds(answer_within)),
            (LEADER_GRACE_MS, milliseconds(leader_grace)),
            (APPROVAL_WITHIN_MS, milliseconds(approval_within)),
        ]
    }
}

/// The settings that the environment gives; a variable that is not set leaves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnvironmentSettings {
    /// `TEAMSTER_DURABILITY`.
    pub durability: Option<Durability>,
    /// `TEAMSTER_POLL_MS`.
    pub poll: Option<Duration>,
    /// `TEAMSTER_ANSWER_WITHIN_MS`.
    pub answer_within: Option<Duration>,
    /// `TEAMSTER_LEADER_GRACE_MS`.
    pub leader_grace: Option<Duration>,
    /// `TEAMSTER_APPROVAL_WITHIN_MS`.
    pub approval_within: Option<Duration>,
}

impl EnvironmentSettings {
    /// The settings of this process's environment. Refuses a variable that is not understood.
    pub fn given() -> Result<EnvironmentSettings, BadSetting> {
        // Each log asks for it when it is opened, and could not refuse it there.
        generation_bytes_max()?;
        // These two are used elsewhere: by workers, and before anything can be refused.
        log_level()?;
        isolation()?;
        Ok(EnvironmentSettings {
            durability: durability_of(given(DURABILITY).as_deref())?,
            poll: milliseconds(POLL_MS)?,
            answer_within: milliseconds(ANSWER_WITHIN_MS)?,
            leader_grace: milliseconds(LEADER_GRACE_MS)?,
            approval_within: milliseconds(APPROVAL_WITHIN_MS)?,
        })
    }
}

fn durability_of(given: Option<&str>) -> Result<Option<Durability>, BadSetting> {
    let Some(value) = given else { return Ok(None) };
    match Durability::of_word(value) {
        Some(durability) => Ok(Some(durability)),
        None => Err(BadSetting { name: DURABILITY, value: value.to_owned(), expected: "power or process" }),
    }
}

/// The level from which on words are written, if one is given: `TEAMSTER_LOG`.
pub fn log_level() -> Result<Option<LevelFilter>, BadSetting> {
    let expected = "off, error, warn, info, debug or trace";
    let Some(value) = given(LOG_LEVEL) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| BadSetting { name: LOG_LEVEL, value, expected })
}

/// The isolation that a worker is told to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedIsolation {
    /// The strongest that the system grants.
    Auto,
    /// A namespace, or no start.
    Namespace,
    /// No namespace: for agents that need `sudo` or the like.
    Subreaper,
}

/// The isolation that workers are told to have: `TEAMSTER_ISOLATION`.
pub fn isolation() -> Result<WantedIsolation, BadSetting> {
    isolation_of(given(ISOLATION))
}

fn isolation_of(given: Option<String>) -> Result<WantedIsolation, BadSetting> {
    let Some(value) = given else { return Ok(WantedIsolation::Auto) };
    match value.as_str() {
        "auto" => Ok(WantedIsolation::Auto),
        "namespace" => Ok(WantedIsolation::Namespace),
        "subreaper" => Ok(WantedIsolation::Subreaper),
        _ => Err(BadSetting { name: ISOLATION, value, expected: "auto, namespace or subreaper" }),
    }
}

/// The size past which a log begins its next generation: `TEAMSTER_GENERATION_BYTES`.
pub fn generation_bytes_max() -> Result<u64, BadSetting> {
    let name = "TEAMSTER_GENERATION_BYTES";
    let Some(value) = given(name) else { return Ok(GENERATION_BYTES_MAX) };
    value.parse().map_err(|_| BadSetting { name, value, expected: "a number of bytes" })
}

fn milliseconds(name: &'static str) -> Result<Option<Duration>, BadSetting> {
    let Some(value) = given(name) else { return Ok(None) };
    match value.parse() {
        Ok(ms) => Ok(Some(Duration::from_millis(ms))),
        Err(_) => Err(BadSetting { name, value, expected: "a number of milliseconds" }),
    }
}

/// The text of a variable that is set and not empty. Refuses one that is not UTF-8: to pass over it would be to do something
/// else than its user said.
pub fn text_variable(name: &'static str) -> Result<Option<String>, BadSetting> {
    match env::var_os(name).map(std::ffi::OsString::into_string).transpose() {
        Ok(value) => Ok(value.filter(|value| !value.is_empty())),
        Err(value) => Err(BadSetting { name, value: value.to_string_lossy().into_owned(), expected: "text in UTF-8" }),
    }
}

/// A variable that is set and not empty. What is no text is not understood, and so refused by each that asks.
fn given(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused_and_not_passed_over() {
        assert_eq!(durability_of(None).ok(), Some(None));
        assert_eq!(durability_of(Some("process")).ok(), Some(Some(Durability::Process)));
        let error = durability_of(Some("maybe")).expect_err("it is no durability").to_string();
        assert_eq!(error, "TEAMSTER_DURABILITY is \"maybe\", which is not power or process");
        let isolation = |value: Option<&str>| isolation_of(value.map(str::to_owned));
        assert_eq!(isolation(None).ok(), Some(WantedIsolation::Auto));
        assert_eq!(isolation(Some("subreaper")).ok(), Some(WantedIsolation::Subreaper));
        let error = isolation(Some("jail")).expect_err("it is no isolation").to_string();
        assert_eq!(error, "TEAMSTER_ISOLATION is \"jail\", which is not auto, namespace or subreaper");
    }
}
