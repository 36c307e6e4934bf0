//! Operations that go on telling of what happens.

/// Whether an operation goes on after it has told of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowMode {
    /// The operation ends.
    Past,
    /// The operation tells of new events, until nobody listens any more or it is dropped.
    Follow,
}

/// Whether somebody still listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listening {
    /// Somebody heard, and the operation goes on telling.
    On,
    /// Nobody listens any more: the operation ends, and ends well.
    Over,
}
