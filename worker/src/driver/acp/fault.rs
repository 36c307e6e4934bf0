//! Why an agent could not go on with a prompt, and whose fault that is. The protocol has one number for nearly all
//! errors, so the agents' own additions are read, and their words where they add nothing.

use serde_json::Value;
use teamster_protocol::model::agent::{AgentFault, ProviderLimit};

use super::wire::LOGIN_REQUIRED;
use crate::driver::lines::rpc::RpcRefusal;
use crate::driver::provider::{
    ProviderWait, says_any, says_context_full, says_no_credit, says_refusal, says_unavailable,
};
use crate::driver::title::one_line;

/// The refusal of a prompt, as the worker is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PromptFault {
    pub(super) reason: String,
    pub(super) fault: AgentFault,
    /// Why the provider serves nothing for now, if that ended the turn.
    pub(super) wait: Option<ProviderWait>,
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
        return PromptFault { reason, fault: AgentFault::Provider, wait: None };
    }
    let kind = kind_of(&refusal.data);
    let says = |any: &[&str]| says_any(&words, any);
    let has_no_credit = kind.as_deref() == Some("billing_error") || says_no_credit(&words);
    let is_limit = kind.as_deref() == Some("usageLimitExceeded") || says(&["usage limit", "you've hit your"]);
    let is_unavailable = match kind.as_deref() {
        Some("rate_limit" | "overloaded" | "rateLimitExceeded" | "serverOverloaded" | "server_error") => true,
        Some("internalServerError" | "responseStreamDisconnected" | "responseTooManyFailedAttempts") => true,
        Some(_) => false,
        None => says_unavailable(&words),
    };
    let wait = match (has_no_credit, is_limit, is_unavailable) {
        (true, _, _) => None,
        (false, true, _) => Some(ProviderWait::Limit(limit_of(&refusal.data, &words))),
        (false, false, true) => Some(ProviderWait::Unavailable { reason: words.clone() }),
        (false, false, false) => None,
    };
    let fault = match kind.as_deref() {
        _ if wait.is_some() || has_no_credit => AgentFault::Provider,
        Some("contextWindowExceeded" | "invalid_request" | "max_output_tokens" | "badRequest") => AgentFault::Prompt,
        Some(_) => AgentFault::Provider,
        None if says_context_full(&words) || says_refusal(&words) => AgentFault::Prompt,
        None if is_of_provider(&refusal.data) => AgentFault::Provider,
        None if says(&["401", "403", "api key", "unauthorized", "authentication"]) => AgentFault::Provider,
        None => AgentFault::Agent,
    };
    PromptFault { reason: words, fault, wait }
}

/// The limit with the time that the agent adds to its words: seconds since 1970, or those to wait, which are told as words.
fn limit_of(data: &Value, words: &str) -> ProviderLimit {
    let number = |names: &[&str]| names.iter().find_map(|name| data[*name].as_u64());
    let until_ms = number(&["resetsAt", "resets_at", "resetAt"]).map(|at_s| at_s.saturating_mul(1_000));
    let wait_s = number(&["retryAfter", "retry_after", "resets_in_seconds"]).filter(|_| until_ms.is_none());
    let reason = match wait_s {
        Some(wait_s) => format!("{words}, retry after {wait_s} s"),
        None => words.to_owned(),
    };
    ProviderLimit { until_ms, reason }
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
        let reason = "Internal error: slow down".to_owned();
        assert_eq!(limited.wait, Some(ProviderWait::Unavailable { reason }));
        let used_up = json!({"message": "You’ve hit your usage limit.", "codexErrorInfo": "usageLimitExceeded"});
        assert!(matches!(fault(-32603, "Internal error", used_up).wait, Some(ProviderWait::Limit(_))));
        let told = |added: Value| {
            let mut data = json!({"message": "You’ve hit your usage limit.", "codexErrorInfo": "usageLimitExceeded"});
            data.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
            let Some(ProviderWait::Limit(limit)) = fault(-32603, "Internal error", data).wait else {
                panic!("{added}")
            };
            (limit.until_ms, limit.reason)
        };
        let words = "Internal error: You’ve hit your usage limit.".to_owned();
        assert_eq!(told(json!({"resets_at": 1_795_953_600})), (Some(1_795_953_600_000), words.clone()));
        assert_eq!(told(json!({"retryAfter": 90})), (None, format!("{words}, retry after 90 s")));
        let quota = json!({"message": "Quota exceeded. Check your plan.", "codexErrorInfo": "usageLimitExceeded"});
        let quota = fault(-32603, "Internal error", quota);
        assert_eq!((quota.fault, quota.wait), (AgentFault::Provider, None));
        let login = fault(-32000, "Authentication required", Value::Null);
        assert_eq!((login.fault, login.wait), (AgentFault::Provider, None));
        assert_eq!(login.reason, "the agent wants a login first (Authentication required): kimi: run kimi login");
        let key = json!({"service": "session", "errorName": "APIError"});
        assert_eq!(fault(-32603, "Internal error: Incorrect API key", key).fault, AgentFault::Provider);
        let overloaded = fault(-32603, "529 Overloaded", Value::Null).wait;
        assert!(matches!(overloaded, Some(ProviderWait::Unavailable { .. })), "{overloaded:?}");
        // In the words of Claude's adapter, which tells no time.
        let hit =
            fault(-32603, "You've hit your 5-hour limit · resets 3:05pm (UTC)", json!({"errorKind": "rate_limit"}));
        assert!(matches!(hit.wait, Some(ProviderWait::Limit(_))), "{hit:?}");
    }

    #[test]
    fn a_full_context_and_a_refusal_are_no_faults_of_the_agent_nor_of_its_provider() {
        for words in ["prompt is too long: 210000 tokens > 200000", "the request exceeds the available context size"] {
            assert_eq!(fault(-32603, words, Value::Null).fault, AgentFault::Prompt, "{words}");
        }
        let of_kind = |kind: &str| fault(-32603, "Internal error", json!({"errorKind": kind})).fault;
        assert_eq!(of_kind("invalid_request"), AgentFault::Prompt);
        assert_eq!(of_kind("authentication_failed"), AgentFault::Provider);
        assert_eq!(fault(-32603, "finish_reason: content_filter", Value::Null).fault, AgentFault::Prompt);
    }

    #[test]
    fn an_error_that_says_nothing_is_the_agents() {
        assert_eq!(fault(-32603, "Internal error", Value::Null).fault, AgentFault::Agent);
        assert_eq!(fault(-32602, "session not found", Value::Null).fault, AgentFault::Agent);
    }
}
