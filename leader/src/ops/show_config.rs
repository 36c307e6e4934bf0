//! `config`: what is set up, and who said so.

use serde::Serialize;

use super::config::ConfigRow;
use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// Every setting.
#[derive(Debug, Serialize)]
pub struct ShownConfig {
    /// The settings, each with the giver of its value.
    pub settings: Vec<ConfigRow>,
}

/// Shows every setting.
pub fn show_config(session: &Session) -> Result<ShownConfig, OpsError> {
    session.authorize(Verb::Config)?;
    Ok(ShownConfig { settings: session.config.rows(session.dir.root(), session.dir.team(), session.name) })
}
