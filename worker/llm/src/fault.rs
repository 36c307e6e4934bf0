//! What an answer of a provider that is no answer of the model means: wait, give up, or make the conversation shorter.

use std::time::Duration;

use genai::Error;
use serde_json::Value;

use crate::limits::REASON_CHARS_MAX;
use crate::tools::one_line;

/// The reason why the model gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelFault {
    /// The provider has no room at the moment. It may say how long to wait, and that is longer than a moment if a limit
    /// of use is reached.
    Busy { wait: Option<Duration>, reason: String },
    /// The provider can not be reached, or broke off.
    Unreachable { reason: String },
    /// The conversation is longer than the model can read.
    ContextFull { reason: String },
    /// Another try would fare no better: a bad key, no credit, a model that is not there.
    Refused { reason: String },
}

/// The parts of an answer over HTTP that a fault is read from.
#[derive(Debug, Default)]
pub(crate) struct FailedAnswer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a str,
    /// The header `retry-after` in seconds.
    pub(crate) retry_after: Option<u64>,
    /// The time at which a limit of use ends, in seconds since 1970.
    pub(crate) reset_at: Option<u64>,
}

/// Ways in which providers say that a conversation is too long.
const TOO_LONG: [&str; 6] = [
    "prompt is too long",
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "context length",
    // llama.cpp
    "context size",
];

/// Ways in which providers say that there is nothing left to pay with.
const NO_CREDIT: [&str; 3] = ["insufficient_quota", "credit balance", "billing_hard_limit"];

/// The meaning of an error of the client. `now_s` is the time, `model` and `key` are named to the user.
pub(crate) fn fault_of(error: &Error, now_s: u64, model: &str, key: Option<&str>) -> ModelFault {
    // The stream wraps the answer that was not to be streamed.
    if let Error::WebStream { error, cause, .. } = error {
        return match error.downcast_ref::<Error>() {
            Some(inner) => fault_of(inner, now_s, model, key),
            None => ModelFault::Unreachable { reason: with_cause(error.as_ref(), cause) },
        };
    }
    if let Error::HttpError { status, body, headers, .. } = error {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        let answer = FailedAnswer {
            status: status.as_u16(),
            body,
            retry_after: number("retry-after"),
            reset_at: number("anthropic-ratelimit-unified-reset"),
        };
        return answer.fault(now_s, model, key);
    }
    if let Error::ChatResponse { body, .. } = error {
        // An error in the middle of a stream has no status of its own: an overloaded provider says so in words.
        let body = body.to_string();
        let status = if body.contains("overloaded") || body.contains("rate_limit") { 529 } else { 500 };
        return FailedAnswer { status, body: &body, ..FailedAnswer::default() }.fault(now_s, model, key);
    }
    ModelFault::Refused { reason: one_line(&error.to_string(), REASON_CHARS_MAX) }
}

/// An error with its deepest cause: what is between the two repeats them.
fn with_cause(error: &(dyn std::error::Error + Send + Sync), said: &str) -> String {
    let deepest = std::iter::successors(error.source(), |cause| cause.source()).last().map(ToString::to_string);
    let said = one_line(said, REASON_CHARS_MAX);
    match deepest.filter(|words| !said.contains(words)) {
        Some(words) => format!("{said}: {words}"),
        None => said,
    }
}

impl FailedAnswer<'_> {
    /// What it means.
    pub(crate) fn fault(&self, now_s: u64, model: &str, key: Option<&str>) -> ModelFault {
        let said = self.words();
        let status = self.status;
        let has = |words: &[&str]| words.iter().any(|words| self.body.contains(words));
        if has(&NO_CREDIT) || status == 402 {
            return ModelFault::Refused { reason: format!("the provider's account has no credit left: {said}") };
        }
        if status == 413 || (status == 400 && has(&TOO_LONG)) {
            return ModelFault::ContextFull { reason: said };
        }
        match status {
            401 | 403 => {
                let key = key.map_or_else(|| "the access".to_owned(), |variable| format!("the key in {variable}"));
                ModelFault::Refused { reason: format!("the provider refuses {key} (HTTP {status}): {said}") }
            }
            // A page of a server that speaks of nothing but the address.
            404 if !self.body.trim_start().starts_with('{') => ModelFault::Refused {
                reason: format!("nobody answers at that address (HTTP 404), see --base-url: {said}"),
            },
            404 => ModelFault::Refused {
                reason: format!(
                    "the provider has no model {model}, or --base-url is not its address (HTTP 404): {said}"
                ),
            },
            408 | 429 | 500 | 502 | 503 | 504 | 529 => {
                ModelFault::Busy { wait: self.wait(now_s), reason: format!("HTTP {status}: {said}") }
            }
            _ => ModelFault::Refused { reason: format!("the provider refuses the request (HTTP {status}): {said}") },
        }
    }

    /// How long the provider wants to be left alone: the longest that it says.
    fn wait(&self, now_s: u64) -> Option<Duration> {
        let body: Value = serde_json::from_str(self.body).unwrap_or_default();
        let in_body = |name: &str| body["error"][name].as_u64();
        // Told with every answer: it is the reason for this one only where a limit is.
        let reset_at = self.reset_at.filter(|_| self.status == 429);
        let until = [reset_at, in_body("resets_at")].into_iter().flatten().max();
        let waits = [self.retry_after, in_body("resets_in_seconds"), until.map(|at| at.saturating_sub(now_s))];
        waits.into_iter().flatten().max().map(Duration::from_secs)
    }

    /// The provider's own words in one line.
    fn words(&self) -> String {
        let body: Value = serde_json::from_str(self.body).unwrap_or_default();
        let message = body["error"]["message"].as_str().or_else(|| body["error"].as_str());
        one_line(message.unwrap_or(self.body), REASON_CHARS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_000;

    fn fault(status: u16, body: &str) -> ModelFault {
        FailedAnswer { status, body, ..FailedAnswer::default() }.fault(NOW_S, "gpt-0", Some("OPENAI_API_KEY"))
    }

    fn said(fault: ModelFault) -> String {
        match fault {
            ModelFault::Refused { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_says_which_key_which_model_or_that_there_is_no_credit() {
        let body = r#"{"error":{"message":"no such thing"}}"#;
        assert_eq!(said(fault(401, body)), "the provider refuses the key in OPENAI_API_KEY (HTTP 401): no such thing");
        let not_found = "the provider has no model gpt-0, or --base-url is not its address (HTTP 404): no such thing";
        assert_eq!(said(fault(404, body)), not_found);
        assert!(
            said(fault(404, "<html>404</html>"))
                .starts_with("nobody answers at that address (HTTP 404), see --base-url")
        );
        assert!(said(fault(422, "odd\nwords")).ends_with("(HTTP 422): odd words"));
        assert!(
            said(fault(429, r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#))
                .contains("no credit left: pay")
        );
        assert!(
            said(fault(400, r#"{"error":{"message":"Your credit balance is too low"}}"#)).contains("no credit left")
        );
    }

    #[test]
    fn a_provider_without_room_says_how_long_to_wait_and_a_full_context_is_another_thing() {
        let wait = |answer: FailedAnswer<'_>| match answer.fault(NOW_S, "m", None) {
            ModelFault::Busy { wait, .. } => wait.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(FailedAnswer { status: 529, ..FailedAnswer::default() }), None);
        let reset =
            FailedAnswer { status: 429, retry_after: Some(1), reset_at: Some(NOW_S + 60), ..FailedAnswer::default() };
        assert_eq!(wait(reset), Some(60));
        let body = r#"{"error":{"resets_in_seconds":90,"message":"used up"}}"#;
        assert_eq!(wait(FailedAnswer { status: 429, body, ..FailedAnswer::default() }), Some(90));
        let overloaded = FailedAnswer { status: 529, reset_at: Some(NOW_S + 14_400), ..FailedAnswer::default() };
        assert_eq!(wait(overloaded), None, "an overload lasts no longer because a limit of use is told too");
        for words in
            ["prompt is too long: 210000 tokens > 200000", "request (5000 tokens) exceeds the available context size"]
        {
            let long = format!(r#"{{"error":{{"message":"{words}"}}}}"#);
            assert!(matches!(fault(400, &long), ModelFault::ContextFull { .. }), "{words}");
        }
    }
}
