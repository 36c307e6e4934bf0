//! The word for where a task stands: one that is typed and read by programs, and the same in sentences for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The word for where a task stands. In JSON and on the command line it is [`StatusWord::typed`]; in a sentence it is what
/// [`fmt::Display`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the word for it")]
pub enum StatusWord {
    Completed,
    Failed,
    Cancelled,
    InProgress,
    Pending,
    Stopped,
}

impl StatusWord {
    /// All words, those for what has ended first: in this order they are counted.
    pub const ALL: [StatusWord; 6] = [
        StatusWord::Completed,
        StatusWord::Failed,
        StatusWord::Cancelled,
        StatusWord::InProgress,
        StatusWord::Pending,
        StatusWord::Stopped,
    ];

    /// The word as it is typed, and as JSON has it.
    pub const fn typed(self) -> &'static str {
        match self {
            StatusWord::InProgress => "in_progress",
            StatusWord::Pending
            | StatusWord::Stopped
            | StatusWord::Completed
            | StatusWord::Failed
            | StatusWord::Cancelled => self.shown(),
        }
    }

    /// The word as people read it.
    pub const fn shown(self) -> &'static str {
        match self {
            StatusWord::Pending => "pending",
            StatusWord::Stopped => "stopped",
            StatusWord::InProgress => "in progress",
            StatusWord::Completed => "completed",
            StatusWord::Failed => "failed",
            StatusWord::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_what_programs_read() {
        for word in StatusWord::ALL {
            assert_eq!(serde_json::to_value(word).unwrap(), word.typed());
            assert_eq!(word.typed().replace('_', " "), word.to_string());
        }
    }
}
