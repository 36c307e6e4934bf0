//! Names of members, roles and agents in a plan.

use teamster_protocol::model::agent_form::{AgentForm, FormFault};

use teamster_protocol::model::limits::NAME_CHARS_MAX;

const LEAD: &str = "lead";

/// Why a text can not name a member, a role or an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("it is empty")]
    Empty,
    /// How many characters it has, over the limit.
    #[error("it has {0} characters, at most {NAME_CHARS_MAX} are allowed")]
    TooLong(usize),
    /// The first character that is not allowed.
    #[error("it has `{}`, only a–z, 0–9 and - are allowed", crate::ops::text::show_controls(&.0.to_string()))]
    Character(char),
    /// A command that can not be an agent.
    #[error("{0}")]
    AgentForm(FormFault),
    /// The mailbox of the leader, which is no member.
    #[error("that is the leader")]
    Reserved,
}

pub(super) fn member(text: &str) -> Result<String, NameError> {
    if text == LEAD {
        return Err(NameError::Reserved);
    }
    role(text)
}

pub(super) fn agent(text: &str) -> Result<String, NameError> {
    match AgentForm::parse(text) {
        None => role(text),
        Some(Ok(_)) => Ok(text.to_owned()),
        Some(Err(fault)) => Err(NameError::AgentForm(fault)),
    }
}

pub(super) fn role(text: &str) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(NameError::Character(c));
    }
    if text.len() > NAME_CHARS_MAX {
        return Err(NameError::TooLong(text.len()));
    }
    Ok(text.to_owned())
}
