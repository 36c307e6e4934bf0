//! The limit of a provider, which members of one account share: what of the roster is news for the core. Pure.

use teamster_protocol::model::agent::ProviderLimit;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::PARK_DEFAULT;
use teamster_protocol::model::roster::{LimitStanding, Roster};

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

/// What the core knows of the limit of its member's account, as the roster has it.
#[derive(Debug, Default)]
pub struct HeededLimit(Option<LimitStanding>);

impl HeededLimit {
    /// Looks at the roster. Returns what is news there: that the account is limited, or no longer.
    pub fn look(&mut self, roster: &Roster, me: &MemberName, now_ms: u64) -> Option<WorkerEvent> {
        if !self.is_news(roster, me) {
            return None;
        }
        self.0 = roster.limit_standing(me).cloned();
        Some(match self.0.as_ref().and_then(|standing| standing.holding(now_ms)) {
            Some(limit) => WorkerEvent::AccountLimited(limit),
            None => WorkerEvent::LimitLifted,
        })
    }

    /// Whether the roster says something else of the limit than at the last look.
    pub fn is_news(&self, roster: &Roster, me: &MemberName) -> bool {
        self.0.as_ref() != roster.limit_standing(me)
    }
}
