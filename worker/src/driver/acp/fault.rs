//! Why an agent could not go on with a prompt, and whose fault that is. The protocol has one number for nearly all
//! errors, so the agents' own additions are read, and their words where they add nothing.

use serde_json::Value;
use teamster_protocol::model::agent::{AgentFault, ProviderLimit};

use super::wire::LOGIN_REQUIRED;
use crate::driver::lines::rpc::RpcRefusal;
use crate::driver::title::one_line;

/// The refusal of a prompt, as the worker is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PromptFault {
    pub(super) reason: String,
    pub(super) fault: AgentFault,
    /// What the provider limits, if that is why.
    pub(super) limit: Option<ProviderLimit>,
}

/// The error in one line, with what the agent adds to it.
pub(super) fn words_of(refusal: &RpcRefusal) -> String {
    let added = ["details", "message"].iter().find_map(|name| refusal.data[*name].as_str());
    let added = added.or(refusal.data.as_str()).filter(|added| !refusal.message.contains(added));
    match added {
        Some(added) => one_line(&format!("{}: {added}", refusal.message)),
        None => one_line(&refusal.message),
    }
}

/// The error that says that somebody has to log in first.
pub(super) fn is_login_required(refusal: &RpcRefusal) -> bool {
    refusal.code == LOGIN_REQUIRED
}

/// The meaning of an error that answers a prompt.
pub(super) fn prompt_fault(refusal: &RpcRefusal, logins: &str) -> PromptFault {
    let words = words_of(refusal);
    if is_login_required(refusal) {
        let reason = login_words(&words, logins);
        return PromptFault { reason, fault: AgentFault::Provider, limit: None };
    }
    let kind = kind_of(&refusal.data);
    let low = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|word| low.contains(word));
    let is_out_of_credit = matches!(kind.as_deref(), Some("billing_error" | "insufficient_quota"))
        || says(&["quota exceeded", "exceeded your current quota", "credit balance"]);
    let is_limit = match kind.as_deref() {
        Some("rate_limit" | "overloaded" | "usageLimitExceeded" | "rateLimitExceeded" | "serverOverloaded") => true,
        Some(_) => false,
        None => says(&["429", "529", "overloaded", "rate limit", "too many requests", "usage limit"]),
    };
    let fault = match kind.as_deref() {
        Some("contextWindowExceeded") => AgentFault::Prompt,
        Some(_) => AgentFault::Provider,
        None if is_limit || is_out_of_credit || is_of_provider(&refusal.data) => AgentFault::Provider,
        None if says(&["401", "403", "api key", "unauthorized", "authentication"]) => AgentFault::Provider,
        None => AgentFault::Agent,
    };
    let limit = (is_limit && !is_out_of_credit).then(|| ProviderLimit { until_ms: None, reason: words.clone() });
    PromptFault { reason: words, fault, limit }
}

/// The words for a login that is missing.
pub(super) fn login_words(words: &str, logins: &str) -> String {
    if logins.is_empty() {
        format!("the agent wants a login first: {words}")
    } else {
        format!("the agent wants a login first ({words}): {logins}")
    }
}

/// The agent's own name for the kind of error.
fn kind_of(data: &Value) -> Option<String> {
    let kind = ["errorKind", "codexErrorInfo"].iter().map(|name| &data[*name]).find(|kind| !kind.is_null())?;
    let name = kind.as_str().or_else(|| kind.as_object()?.keys().next().map(String::as_str));
    name.filter(|name| *name != "other").map(str::to_owned)
}

/// Whether the agent says that the error came from the model's side.
fn is_of_provider(data: &Value) -> bool {
    matches!(data["errorName"].as_str(), Some("APIError" | "ProviderAuthError"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(code: i64, message: &str, data: Value) -> PromptFault {
        prompt_fault(&RpcRefusal { code, message: message.to_owned(), data }, "kimi: run kimi login")
    }

    #[test]
    fn a_limit_is_told_apart_from_a_bill_and_a_bad_key() {
        let limited = fault(-32603, "Internal error", json!({"errorKind": "rate_limit", "details": "slow down"}));
        assert_eq!(limited.fault, AgentFault::Provider);
        assert_eq!(limited.limit.unwrap().reason, "Internal error: slow down");
        let used_up = json!({"message": "You’ve hit your usage limit.", "codexErrorInfo": "usageLimitExceeded"});
        assert!(fault(-32603, "Internal error", used_up).limit.is_some());
        let quota = json!({"message": "Quota exceeded. Check your plan.", "codexErrorInfo": "usageLimitExceeded"});
        let quota = fault(-32603, "Internal error", quota);
        assert_eq!((quota.fault, quota.limit), (AgentFault::Provider, None));
        let login = fault(-32000, "Authentication required", Value::Null);
        assert_eq!((login.fault, login.limit), (AgentFault::Provider, None));
        assert_eq!(login.reason, "the agent wants a login first (Authentication required): kimi: run kimi login");
        let key = json!({"service": "session", "errorName": "APIError"});
        assert_eq!(fault(-32603, "Internal error: Incorrect API key", key).fault, AgentFault::Provider);
        assert!(fault(-32603, "529 Overloaded", Value::Null).limit.is_some());
    }

    #[test]
    fn an_error_that_says_nothing_is_the_agents() {
        assert_eq!(fault(-32603, "Internal error", Value::Null).fault, AgentFault::Agent);
        assert_eq!(fault(-32602, "session not found", Value::Null).fault, AgentFault::Agent);
    }
}
