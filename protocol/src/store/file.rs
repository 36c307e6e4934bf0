//! The one storage primitive: an append-only log of JSON lines whose state is a pure fold over it.
//!
//! Everything that processes share is such a log, because an append under `flock` costs microseconds,
//! the kernel drops the lock of a dead process, and a crash can hurt nothing but the unfinished last line.
//! Rules of a domain live in its [`LogFold`] and in the closures given to [`Log::transact`], never here.
//!
//! A file is a header line, then one line per record, oldest first:
//!
//! ```json
//! {"v":1,"log":"board","gen":1,"next_seq":1,"at_ms":1700000000000}
//! {"v":1,"seq":1,"at_ms":1700000000005,"by":"alice","facts":[{"claimed":{"task":7}}]}
//! ```
//!
//! All facts of one decision are in one record, so they happen together or not at all. A log that has grown
//! is replaced by a new *generation*: the facts that rebuild the state (each with `"seq":0`), a line
//! `{"snapshot":{"records":3}}` that ends them, and then new records, numbered on without a gap. The old
//! file ends with `{"sealed":{"gen":2}}` and stays beside the new one as `.old`.
//!
//! Invariants: only the holder of the lock writes or cuts; a line that ends in a newline is never changed;
//! bytes after the last newline belong to nobody and are cut by the next writer; readers never lock, write
//! or create.

mod append;
mod check;
mod error;
mod line;
mod lock;
mod mark;
mod mend;
mod readback;
mod reader;
mod repair;
mod rotate;
mod tail;
#[cfg(test)]
mod tests;

use serde::{Serialize, de::DeserializeOwned};

pub use append::Log;
pub use check::{CheckedFile, check, check_old, old_of};
pub use error::{LineDamage, LogError, TransactError};
pub use mark::{highest_marked_id, is_marked};
pub use reader::{LogReader, RefreshedLog};
pub use repair::{
    RepairError, RepairedLog, back_up, backup_path, begin, clear_leftover, repair, repair_carrying, repair_old,
};
pub use rotate::LogSnapshot;

/// The version of the file format that this program writes, and the highest it reads.
pub const VERSION: u32 = 1;

/// The longest line that is written or read, its newline included. The longest decision that is usual adds
/// [`TASKS_PER_ADD_MAX`](crate::model::limits::TASKS_PER_ADD_MAX) tasks, and this leaves 671 bytes to each of them: a text of
/// 500 bytes, a title, and some dependencies. A decision that needs more is refused before anything is written.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The size past which a log starts its next generation, unless most of it is live state.
pub const GENERATION_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A pure state folded from a log: what decisions need of it, and nothing that can be read back.
pub trait LogFold: Default {
    /// One thing that can happen. Serialized with an external tag: `{"claimed":{…}}`, or `"paused"` for a unit.
    type Fact: Serialize + DeserializeOwned;

    /// The kind of log, as its header line names it: `board`, `mail`, `team`.
    const KIND: &'static str;

    /// The tags of all facts that this version knows; any other tag is that of a newer version, and its
    /// fact is passed over rather than called corrupt.
    const FACTS: &'static [&'static str];

    /// The highest id that this state has given to anything, of those that must never be given twice; 0 if it gives none.
    /// A log that lost its newest records goes on above what was remembered of it.
    fn highest_id(&self) -> u64 {
        0
    }

    /// Takes one fact into the state. It can not refuse: whoever wrote the fact had checked it.
    fn apply(&mut self, fact: Self::Fact, at: &FactStamp<'_>);

    /// Writes the facts that rebuild this state into the next generation, oldest first.
    ///
    /// Texts that the state does not hold are read back through `next`, by the offsets it noted in `apply`.
    /// The state folded from what is written must decide like this one; it gets new offsets.
    fn snapshot(&self, next: &mut LogSnapshot<'_, Self::Fact>) -> Result<(), LogError>;
}

/// When and by whom a fact was written, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactStamp<'a> {
    /// The number of the record in its log, from 1; 0 in the snapshot that begins a generation.
    pub seq: u64,
    /// When the writer decided, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The author of the decision.
    pub by: &'a str,
    /// Where the fact can be read back, for as long as this state lives.
    pub offset: FactOffset,
}

/// Where a fact is, or a record whole. It is bound to one generation: a later one refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactOffset {
    generation: u32,
    /// The bytes before it in the fact's line; 0 for all facts of that line.
    fact: u32,
    /// The bytes before that line.
    at: u64,
}

impl FactOffset {
    /// Of a fact that is in no file: whatever reads back at it is refused.
    pub const NONE: FactOffset = FactOffset { generation: 0, fact: 0, at: 0 };

    /// The numbers of this offset, for a state that has very many offsets and keeps them in its own way.
    pub(crate) fn parts(self) -> [u64; 3] {
        [u64::from(self.generation), u64::from(self.fact), self.at]
    }

    /// The offset that had these [`FactOffset::parts`].
    pub(crate) fn of_parts([generation, fact, at]: [u64; 3]) -> FactOffset {
        FactOffset { generation: generation as u32, fact: fact as u32, at }
    }
}

/// One record: all facts of one decision, or the one of them that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord<Fact> {
    /// As in [`FactStamp::seq`].
    pub seq: u64,
    /// As in [`FactStamp::at_ms`].
    pub at_ms: u64,
    /// As in [`FactStamp::by`].
    pub by: String,
    /// The facts that this version knows, in order.
    pub facts: Vec<Fact>,
    /// Where this was read, and can be read back.
    pub offset: FactOffset,
}

/// The loss that a record has survived when [`Log::transact`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of any process, not a loss of power.
    Process,
    /// A loss of power too: costs an `fdatasync` after the lock is released.
    Power,
}

impl Durability {
    /// All, as they are written in settings.
    pub const WORDS: [&str; 2] = ["power", "process"];

    /// The one that a word stands for.
    pub fn of_word(word: &str) -> Option<Durability> {
        match word {
            "power" => Some(Durability::Power),
            "process" => Some(Durability::Process),
            _ => None,
        }
    }

    /// The word for it in settings.
    pub fn word(self) -> &'static str {
        match self {
            Durability::Power => "power",
            Durability::Process => "process",
        }
    }
}
