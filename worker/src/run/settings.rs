//! The settings that come by the environment.

use std::env;
use std::time::Duration;

use teamster_protocol::limits::{LEADER_GRACE, SLOW_POLL};
use teamster_protocol::log::Durability;

/// A variable of the environment that says nothing this program understands.
#[derive(Debug, thiserror::Error)]
#[error("{name} is {value:?}, which is not {expected}")]
pub struct BadSetting {
    name: &'static str,
    value: String,
    expected: &'static str,
}

/// What must have survived when the end of a task or an acknowledgement is written: `TEAMSTER_DURABILITY`.
pub(super) fn durability() -> Result<Durability, BadSetting> {
    let name = "TEAMSTER_DURABILITY";
    match given(name).as_deref() {
        None | Some("power") => Ok(Durability::Power),
        Some("process") => Ok(Durability::Process),
        Some(value) => Err(BadSetting { name, value: value.to_owned(), expected: "power or process" }),
    }
}

/// How often everything is looked at although nobody rang: `TEAMSTER_POLL_MS`.
pub(super) fn poll() -> Result<Duration, BadSetting> {
    milliseconds("TEAMSTER_POLL_MS", SLOW_POLL)
}

/// How long the worker goes on without its leader: `TEAMSTER_LEADER_GRACE_MS`.
pub(super) fn leader_grace() -> Result<Duration, BadSetting> {
    milliseconds("TEAMSTER_LEADER_GRACE_MS", LEADER_GRACE)
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
