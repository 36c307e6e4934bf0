//! `agents --prompt`: the texts that tell agents who they are.

use serde::Serialize;
use teamster_protocol::model::identity::IdentityKind;

use crate::ops::config::OriginRow;
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::verb::Verb;

/// The texts of both kinds.
#[derive(Debug, Serialize)]
pub struct IdentityTexts {
    /// One for each kind.
    pub prompts: Vec<IdentityTextRow>,
}

/// The text for one kind of agent.
#[derive(Debug, Serialize)]
pub struct IdentityTextRow {
    /// The key of the text in `[prompt]` of a file of settings.
    pub key: &'static str,
    /// The text as it is written, with the names of facts in it; empty if nothing is told.
    pub text: String,
    /// The giver of the text.
    #[serde(flatten)]
    pub origin: OriginRow,
}

/// Shows the texts that members are told which are spawned from now on.
pub fn identity_texts(session: &Session) -> Result<IdentityTexts, OpsError> {
    session.authorize(Verb::Agents)?;
    let prompts = IdentityKind::ALL.map(|kind| {
        let given = session.config.prompt(kind);
        let text = given.value.clone().unwrap_or_else(|| kind.built_in().to_owned());
        IdentityTextRow { key: kind.key(), text, origin: OriginRow::of(&given.origin) }
    });
    Ok(IdentityTexts { prompts: prompts.into() })
}
