//! Providers of models that have no room at the moment: a later try may fare better.

/// The statuses of HTTP with which a provider says so.
pub(super) const OVERLOADS: [u16; 3] = [429, 503, 529];

/// Whether an answer with that status says so.
pub(super) fn is_overload(status: u64) -> bool {
    OVERLOADS.iter().any(|overload| u64::from(*overload) == status)
}
