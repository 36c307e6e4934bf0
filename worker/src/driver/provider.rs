//! Providers of models that serve nothing at the moment, and those that never will: told apart by the status of their answer and
//! by its words, for agents that pass on nothing else.

use teamster_protocol::model::agent::ProviderLimit;

use super::AgentNews;

/// The statuses of HTTP after which a later try may fare better.
pub(super) const UNAVAILABLE: [u16; 7] = [408, 429, 500, 502, 503, 504, 529];

/// The statuses of HTTP that say that no try of the same request can fare better.
const BAD_REQUESTS: [u16; 3] = [400, 413, 422];

/// The reason of a turn of which nothing came.
pub(super) const NOTHING_DONE: &str = "the agent ended the turn without doing anything for it";

/// Why the provider serves nothing for now. A turn that it ended is begun again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProviderWait {
    /// A limit of use is reached.
    Limit(ProviderLimit),
    /// The provider has no room, or can not be reached.
    Unavailable {
        /// The provider's words, in one line.
        reason: String,
    },
}

impl From<ProviderWait> for AgentNews {
    fn from(wait: ProviderWait) -> AgentNews {
        match wait {
            ProviderWait::Limit(limit) => AgentNews::Limited(limit),
            ProviderWait::Unavailable { reason } => AgentNews::Unavailable { reason },
        }
    }
}

/// Whether a later try may fare better than one that was answered with this status.
pub(super) fn is_unavailable(status: u64) -> bool {
    UNAVAILABLE.iter().any(|unavailable| u64::from(*unavailable) == status)
}

/// Whether these words say that a later try may fare better. Only for errors that are known to be the provider's.
pub(super) fn says_unavailable(words: &str) -> bool {
    const WORDS: [&str; 14] = [
        "429",
        "529",
        "overloaded",
        "rate limit",
        "too many requests",
        "service unavailable",
        "bad gateway",
        "connection error",
        "connection refused",
        "fetch failed",
        "econnrefused",
        "econnreset",
        "enotfound",
        "etimedout",
    ];
    says_any(words, &WORDS)
}

/// Whether these words say that there is nothing left to pay with, which no wait mends.
pub(super) fn says_no_credit(words: &str) -> bool {
    const WORDS: [&str; 6] = [
        "insufficient_quota",
        "quota exceeded",
        "exceeded your current quota",
        "credit balance",
        "billing_hard_limit",
        "billing_error",
    ];
    says_any(words, &WORDS)
}

/// Whether these words say that the conversation is longer than the model can read.
pub(super) fn says_context_full(words: &str) -> bool {
    const WORDS: [&str; 6] = [
        "prompt is too long",
        "context_length_exceeded",
        "context length",
        "context window",
        "context size",
        "context is full",
    ];
    says_any(words, &WORDS)
}

/// Whether these words say that the model does not want to answer this.
pub(super) fn says_refusal(words: &str) -> bool {
    says_any(words, &["refusal", "content_filter", "content filter"])
}

/// Whether words that begin with a status say that the request itself is at fault.
pub(super) fn begins_with_bad_request(words: &str) -> bool {
    begins_with_any(words, &BAD_REQUESTS)
}

/// Whether words begin with the status of a provider that serves nothing at the moment.
pub(super) fn begins_with_unavailable(words: &str) -> bool {
    begins_with_any(words, &UNAVAILABLE)
}

fn begins_with_any(words: &str, statuses: &[u16]) -> bool {
    statuses.iter().any(|status| words.starts_with(&status.to_string()))
}

/// Whether any of these, which are in small letters, is in the words, in whatever letters.
pub(super) fn says_any(words: &str, any: &[&str]) -> bool {
    let low = words.to_lowercase();
    any.iter().any(|word| low.contains(word))
}
