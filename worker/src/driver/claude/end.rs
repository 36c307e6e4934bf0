//! How a turn of Claude Code ended, and whose fault it is. A failure of the provider ends a turn with the subtype
//! `success`: the error of the last message and the status tell more than that word.

use teamster_protocol::model::agent::{AgentFault, ProviderLimit, TurnEnd};

use super::wire::{ApiError, ClaudeResult};
use crate::driver::provider::{ProviderWait, is_unavailable, says_no_credit, says_unavailable};
use crate::driver::title::one_line;

/// What was told of the provider during a turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ProviderWords {
    /// The error of the last message.
    pub(super) error: Option<ApiError>,
    /// Whether the limit of the subscription is reached, and until when.
    pub(super) limit: Option<ReachedLimit>,
}

/// A limit of a subscription that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReachedLimit {
    pub(super) until_ms: Option<u64>,
}

/// The end of a turn, and why the provider serves nothing for now if that ended it.
pub(super) fn end_of(result: &ClaudeResult, provider: ProviderWords) -> (TurnEnd, Option<ProviderWait>) {
    if result.is_aborted() {
        return (TurnEnd::Aborted, None);
    }
    if !result.is_error {
        return (TurnEnd::Completed, None);
    }
    let words = one_line(&result.words());
    let failed = |fault| (TurnEnd::Failed { reason: words.clone(), fault }, None);
    if result.stop_reason.as_deref() == Some("refusal") {
        return failed(AgentFault::Prompt);
    }
    let is_unavailable = match result.api_error_status {
        Some(status) => is_unavailable(status.into()),
        None => says_unavailable(&words),
    };
    match provider.error {
        Some(ApiError::AuthenticationFailed) if result.api_error_status.is_none() => {
            let reason = format!("{words}: start claude once and say /login, or set ANTHROPIC_API_KEY");
            (TurnEnd::Failed { reason, fault: AgentFault::Provider }, None)
        }
        Some(error) if error.is_final() => failed(AgentFault::Provider),
        Some(_) | None if says_no_credit(&words) => failed(AgentFault::Provider),
        Some(ApiError::RateLimit | ApiError::Overloaded) => wait(words, provider.limit),
        Some(ApiError::InvalidRequest | ApiError::MaxOutputTokens) => failed(AgentFault::Prompt),
        Some(_) if is_unavailable => wait(words, provider.limit),
        Some(_) => failed(AgentFault::Provider),
        None if result.api_error_status.is_some() && is_unavailable => wait(words, provider.limit),
        None if result.api_error_status.is_some() => failed(AgentFault::Provider),
        // The turn reached a limit of its user's settings.
        None if result.subtype.starts_with("error_max") => failed(AgentFault::Prompt),
        None => failed(AgentFault::Agent),
    }
}

/// The end of a turn that the provider would not serve for now.
fn wait(reason: String, limit: Option<ReachedLimit>) -> (TurnEnd, Option<ProviderWait>) {
    let wait = match limit {
        Some(ReachedLimit { until_ms }) => ProviderWait::Limit(ProviderLimit { until_ms, reason: reason.clone() }),
        None => ProviderWait::Unavailable { reason: reason.clone() },
    };
    (TurnEnd::Failed { reason, fault: AgentFault::Provider }, Some(wait))
}
