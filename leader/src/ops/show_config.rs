//! `config`: what is set up, and who said so.

use serde::Serialize;

use super::config::ConfigRow;
use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// Every setting, as far as the files can be used.
#[derive(Debug, Serialize)]
pub struct ShownConfig {
    /// The settings, each with the giver of its value.
    pub settings: Vec<ConfigRow>,
    /// What is wrong with the files, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Shows every setting.
pub fn show_config(session: &Session) -> Result<ShownConfig, OpsError> {
    session.authorize(Verb::Config)?;
    let settings = session.config.rows(session.dir.root(), session.dir.team(), session.name);
    Ok(ShownConfig { settings, problems: session.passed_over.clone() })
}
