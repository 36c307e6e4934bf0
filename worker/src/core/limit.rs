//! The limit of a provider, which members of one account share: what of the roster is news for the core. Pure.

use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::PARK_DEFAULT;
use teamster_protocol::model::roster::Roster;

use super::{WorkerEvent, ms};

/// A limit that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandingLimit {
    pub(super) until_ms: u64,
    pub(super) reason: String,
}

impl StandingLimit {
    /// The limit that was told now. One without an end is taken to hold for the usual time.
    pub(super) fn told(limit: ProviderLimit, now_ms: u64) -> StandingLimit {
        let until_ms = limit.until_ms.unwrap_or_else(|| now_ms.saturating_add(ms(PARK_DEFAULT)));
        StandingLimit { until_ms, reason: limit.reason }
    }
}

/// The limit of the member's account that the core knows of, as the roster has it.
#[derive(Debug, Default)]
pub struct HeededLimit(Option<ProviderLimit>);

impl HeededLimit {
    /// Looks at the roster. Returns what is news there: that the account is limited, or no longer.
    pub fn look(&mut self, roster: &Roster, me: &MemberName, now_ms: u64) -> Option<WorkerEvent> {
        let limit = roster.limit_of(me, now_ms);
        if limit == self.0 {
            return None;
        }
        self.0 = limit.clone();
        Some(match limit {
            Some(limit) => WorkerEvent::AccountLimited(limit),
            None => WorkerEvent::LimitLifted,
        })
    }
}
