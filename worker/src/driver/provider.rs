//! Providers of models that serve nothing at the moment, and those that never will: told apart by the status of their answer and
//! by its words, for agents that pass on nothing else.

use teamster_protocol::model::agent::ProviderLimit;

use super::AgentNews;
use super::reset::with_reset;
use super::title::one_line;

/// How many of the last lines of a program are looked at that are not empty.
const LAST_LINES: usize = 3;

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

/// The trouble of a provider that failed a program of which nothing is known but what it says to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProviderTrouble {
    /// The words of the program, in one line.
    pub(super) reason: String,
    /// Why the provider serves nothing for now; nothing if no wait mends it.
    pub(super) wait: Option<ProviderWait>,
}

impl ProviderTrouble {
    /// The trouble that one of the last lines begins with. What a program says of anything else (of a test that failed, or of a
    /// server that it tried) may hold the same words, so they count at the begin of a line only, and none of a network.
    pub(super) fn in_last_lines(said: &str) -> Option<ProviderTrouble> {
        let lines = said.lines().rev().filter(|line| !line.trim().is_empty()).take(LAST_LINES);
        lines.map(one_line).find_map(ProviderTrouble::of_line)
    }

    fn of_line(line: String) -> Option<ProviderTrouble> {
        let low = line.to_lowercase().replace('’', "'");
        let low = low.trim_start_matches(|c: char| !c.is_alphanumeric());
        let of_api = low.strip_prefix("api error");
        let says = ["error: ", "error "].iter().find_map(|begin| low.strip_prefix(begin)).unwrap_or(low);
        let begins = |any: &[&str]| any.iter().any(|begin| says.starts_with(begin));
        let is_refused =
            begins(&["credit balance is too low", "insufficient_quota", "quota exceeded", "invalid api key"])
                || of_api.is_some_and(|words| says_no_credit(words) || says_any(words, &["401", "invalid api key"]));
        let is_limit =
            begins(&["you've hit your", "you have hit your", "claude ai usage limit reached", "usage limit reached"]);
        let is_busy = begins(&["rate limit reached", "rate limit exceeded", "429 too many requests", "529 overloaded"])
            || of_api.is_some_and(says_unavailable);
        let reason = line;
        let wait = match (is_refused, is_limit, is_busy) {
            (true, _, _) => None,
            (false, true, _) => {
                Some(ProviderWait::Limit(with_reset(ProviderLimit { until_ms: None, reason: reason.clone() })))
            }
            (false, false, true) => Some(ProviderWait::Unavailable { reason: reason.clone() }),
            (false, false, false) => return None,
        };
        Some(ProviderTrouble { reason, wait })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(said: &str) -> Option<&'static str> {
        ProviderTrouble::in_last_lines(said).map(|trouble| match trouble.wait {
            Some(ProviderWait::Limit(_)) => "limit",
            Some(ProviderWait::Unavailable { .. }) => "busy",
            None => "refused",
        })
    }

    #[test]
    fn a_program_tells_its_providers_trouble_at_the_begin_of_one_of_its_last_lines() {
        for (said, told) in [
            ("reading\nAPI Error: 529 {\"type\":\"error\"} Overloaded\n\n", "busy"),
            ("API Error (429): rate limit", "busy"),
            ("[API Error: 429 Too Many Requests]", "busy"),
            ("ERROR: You've hit your usage limit. Try again at 3:05 PM.", "limit"),
            ("You’ve hit your 5-hour limit · resets 3:05pm (UTC)\nbye", "limit"),
            ("Claude AI usage limit reached|1795957200", "limit"),
            ("Error: 429 Too Many Requests", "busy"),
            ("Credit balance is too low", "refused"),
            ("Invalid API key · Please run /login", "refused"),
            ("API Error: Your credit balance is too low to access the API", "refused"),
        ] {
            assert_eq!(kind(said), Some(told), "{said}");
        }
    }

    #[test]
    fn what_a_program_says_of_anything_else_is_no_trouble_of_its_provider() {
        for said in [
            "",
            "test rate_limit_is_kept ... FAILED",
            "rate limit tests: 1 failed",
            "assertion failed: expected 200, got 429",
            "expected API Error: 429",
            "Error: connect ECONNREFUSED 127.0.0.1:5432",
            "error: the server answered 429 Too Many Requests",
            "API Error: 400 invalid_request_error",
            "You've hit your limit\nand\nthen\nwent on",
        ] {
            assert_eq!(kind(said), None, "{said}");
        }
    }
}
