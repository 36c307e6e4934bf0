//! Why a turn of codex failed, and whose fault that is.

use serde_json::Value;
use teamster_protocol::model::agent::{AgentFault, ProviderLimit, TurnEnd};

use super::wire::{AccountLimits, TurnError};
use crate::driver::provider::{ProviderWait, is_unavailable, says_any, says_context_full, says_no_credit};
use crate::driver::title::one_line;

/// The statuses after which no later try fares better: a bad key, a forbidden or an unknown model.
const FINAL_STATUSES: [u64; 3] = [401, 403, 404];

/// The way to log in, for people.
pub(super) const LOGIN: &str =
    "run `codex login`, or give it a key by `printenv OPENAI_API_KEY | codex login --with-api-key`";

/// Whether codex, which would try again, is better stopped.
pub(super) fn is_final(error: &TurnError) -> bool {
    error.kind() == "unauthorized" || error.status().is_some_and(|status| FINAL_STATUSES.contains(&status))
}

/// Whether codex waits for the network, which it does for ever.
pub(super) fn waits_for_network(error: &TurnError) -> bool {
    error.status().is_none() && error.message.contains("waiting for network")
}

/// The error in one line.
pub(super) fn words_of(error: &TurnError) -> String {
    // The message of an error that codex does not know is the provider's whole answer.
    let answer: Option<Value> = serde_json::from_str(&error.message).ok();
    let inner = answer.as_ref().and_then(|answer| answer["error"]["message"].as_str());
    match (inner, &error.additional_details) {
        (Some(inner), _) => one_line(inner),
        (None, Some(details)) if error.message.starts_with("Reconnecting") => one_line(details),
        (None, _) => one_line(&error.message),
    }
}

/// The end of a turn by this error, and why the provider serves nothing for now if that ended it.
pub(super) fn end_of(error: &TurnError, limits: AccountLimits) -> (TurnEnd, Option<ProviderWait>) {
    let words = words_of(error);
    let failed = |fault| (TurnEnd::Failed { reason: words.clone(), fault }, None);
    let wait = |wait| (TurnEnd::Failed { reason: words.clone(), fault: AgentFault::Provider }, Some(wait));
    let limited = |until_ms| wait(ProviderWait::Limit(ProviderLimit { until_ms, reason: words.clone() }));
    let unavailable = || wait(ProviderWait::Unavailable { reason: words.clone() });
    if says_no_credit(&words) {
        return failed(AgentFault::Provider);
    }
    if error.status().is_some_and(is_unavailable) {
        return unavailable();
    }
    if matches!(error.status(), Some(401 | 403)) || error.kind() == "unauthorized" {
        let reason = format!("the provider does not accept the key or login: {words}: {LOGIN}");
        return (TurnEnd::Failed { reason, fault: AgentFault::Provider }, None);
    }
    match error.kind() {
        "usageLimitExceeded" => match limits.full_until_ms() {
            Some(until_ms) => limited(Some(until_ms)),
            None if words.contains("usage limit") => limited(None),
            // The account has no credit, which no time mends.
            None => failed(AgentFault::Provider),
        },
        "rateLimitExceeded"
        | "serverOverloaded"
        | "flexUnavailable"
        | "policyCapacityUnavailable"
        | "internalServerError" => unavailable(),
        "contextWindowExceeded"
        | "sessionBudgetExceeded"
        | "badRequest"
        | "cyberPolicy"
        | "bioPolicy"
        | "misalignmentPolicyViolation"
        | "tooManyDenials" => failed(AgentFault::Prompt),
        "sandboxError" => failed(AgentFault::Place),
        "other" | "" => failed(fault_by_words(&error.message)),
        _ => failed(AgentFault::Provider),
    }
}

/// The fault of an error whose kind codex does not know.
fn fault_by_words(message: &str) -> AgentFault {
    if says_context_full(message) {
        AgentFault::Prompt
    } else if says_any(message, &["missing environment variable", "api key", "model"]) {
        AgentFault::Provider
    } else if message.starts_with('{') {
        // The provider's own words about the request that was made of this prompt.
        AgentFault::Prompt
    } else {
        AgentFault::Agent
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::driver::provider::UNAVAILABLE;

    fn error(message: &str, info: Value) -> TurnError {
        TurnError { message: message.to_owned(), codex_error_info: info, additional_details: None }
    }

    fn limits(primary: u64, secondary: u64) -> AccountLimits {
        let window = |percent: u64, at: u64| json!({"usedPercent": percent, "windowDurationMins": 300, "resetsAt": at});
        let limits = json!({"primary": window(primary, 100), "secondary": window(secondary, 900), "credits": null});
        serde_json::from_value(limits).unwrap()
    }

    fn fault(error: &TurnError, limits: AccountLimits) -> (AgentFault, Option<Option<u64>>) {
        match end_of(error, limits) {
            (TurnEnd::Failed { fault, .. }, Some(ProviderWait::Limit(limit))) => (fault, Some(limit.until_ms)),
            (TurnEnd::Failed { fault, .. }, Some(ProviderWait::Unavailable { .. }) | None) => (fault, None),
            (end, _) => panic!("it failed: {end:?}"),
        }
    }

    #[test]
    fn a_limit_is_told_with_the_time_of_the_windows_that_are_used_up() {
        let used_up = error("You’ve hit your usage limit. Try again at 3:09 PM.", json!("usageLimitExceeded"));
        assert_eq!(fault(&used_up, limits(100, 40)), (AgentFault::Provider, Some(Some(100_000))));
        assert_eq!(fault(&used_up, limits(40, 100)), (AgentFault::Provider, Some(Some(900_000))));
        assert_eq!(fault(&used_up, limits(100, 100)), (AgentFault::Provider, Some(Some(900_000))));
        assert_eq!(fault(&used_up, AccountLimits::default()), (AgentFault::Provider, Some(None)));
    }

    #[test]
    fn an_account_without_credit_is_no_limit() {
        let quota = error("Quota exceeded. Check your plan and billing details.", json!("usageLimitExceeded"));
        assert_eq!(fault(&quota, limits(10, 10)), (AgentFault::Provider, None));
    }

    #[test]
    fn a_provider_without_room_is_no_limit_of_use() {
        let of_status = |status| json!({"responseTooManyFailedAttempts": {"httpStatusCode": status}});
        for info in UNAVAILABLE.map(of_status).into_iter().chain([json!("serverOverloaded")]) {
            let (end, wait) = end_of(&error("busy", info.clone()), AccountLimits::default());
            assert!(matches!(end, TurnEnd::Failed { fault: AgentFault::Provider, .. }), "{info}");
            assert_eq!(wait, Some(ProviderWait::Unavailable { reason: "busy".to_owned() }), "{info}");
        }
    }

    #[test]
    fn a_key_that_is_not_accepted_says_how_to_log_in() {
        let bad = error("unexpected status 401 Unauthorized", json!({"httpConnectionFailed": {"httpStatusCode": 401}}));
        assert!(is_final(&bad));
        let (TurnEnd::Failed { reason, fault: AgentFault::Provider }, None) = end_of(&bad, AccountLimits::default())
        else {
            panic!("the provider's fault")
        };
        assert!(reason.contains("codex login"), "{reason}");
    }

    #[test]
    fn the_words_decide_where_codex_does_not_know_the_error() {
        let other = |message: &str| fault(&error(message, json!("other")), AccountLimits::default()).0;
        assert_eq!(other("Missing environment variable: `RIG_KEY`."), AgentFault::Provider);
        let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"scripted error"}}"#;
        assert_eq!(other(body), AgentFault::Prompt);
        assert_eq!(words_of(&error(body, json!("other"))), "scripted error");
        let model = r#"{"error":{"message":"The model `nope` does not exist","code":"model_not_found"}}"#;
        assert_eq!(other(model), AgentFault::Provider);
        assert_eq!(other("stream ended in a strange way"), AgentFault::Agent);
        assert_eq!(fault(&error("no", json!("contextWindowExceeded")), AccountLimits::default()).0, AgentFault::Prompt);
        assert_eq!(fault(&error("no", json!("sandboxError")), AccountLimits::default()).0, AgentFault::Place);
        assert_eq!(fault(&error("no", json!("somethingNew")), AccountLimits::default()).0, AgentFault::Provider);
    }
}
