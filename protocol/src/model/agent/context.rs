//! The conversation with which a member's agent begins: a new one, or what another member's agent has talked about.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::id::{BadName, LEAD, MemberName};

/// What stands before the name of the member whose conversation is branched.
const BRANCH: &str = "branch:";

/// The conversation that a member begins with. From then on its agent has one of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionContext {
    /// A new one.
    Fresh,
    /// A copy of this member's, or a summary of it where the agent can not copy it.
    Branch(MemberName),
}

/// The reason why a word names no conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadContext {
    /// Neither of the two forms.
    #[error("{0:?} is neither fresh nor branch:MEMBER")]
    UnknownWord(String),
    /// The lead's own conversation, which is none.
    #[error("the lead is a person, who has no conversation that could be copied: name a member, as in branch:alice")]
    OfLead,
    /// The name is none that a member can have.
    #[error("branch: names a member, and {0}")]
    BadName(#[from] BadName),
}

impl FromStr for SessionContext {
    type Err = BadContext;

    fn from_str(word: &str) -> Result<SessionContext, BadContext> {
        match word.strip_prefix(BRANCH) {
            Some(LEAD) => Err(BadContext::OfLead),
            Some(name) => Ok(SessionContext::Branch(name.parse()?)),
            None if word == "fresh" => Ok(SessionContext::Fresh),
            None => Err(BadContext::UnknownWord(word.to_owned())),
        }
    }
}

impl fmt::Display for SessionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionContext::Fresh => f.write_str("fresh"),
            SessionContext::Branch(name) => write!(f, "{BRANCH}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_it_is_written_and_the_lead_has_none() {
        for word in ["fresh", "branch:bob"] {
            let context: SessionContext = word.parse().unwrap();
            assert_eq!(context.to_string(), word);
        }
        let refused = |word: &str| word.parse::<SessionContext>().unwrap_err().to_string();
        assert!(refused("branch:lead").starts_with("the lead is a person"));
        assert_eq!(refused("bob"), "\"bob\" is neither fresh nor branch:MEMBER");
        assert!(refused("branch:Bob!").starts_with("branch: names a member, and "));
    }
}
