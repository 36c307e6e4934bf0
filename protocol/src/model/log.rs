//! The contract between a log and the state folded from it: facts in order, each with a stamp and a place where it can
//! be read back. Where and how the facts are kept is the store's business.

use serde::{Serialize, de::DeserializeOwned};

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

    /// Writes the facts that rebuild this state into the next generation, oldest first. An error is one of `next`.
    ///
    /// Texts that the state does not hold are read back through `next`, by the offsets it noted in `apply`.
    /// The state folded from what is written must decide like this one; it gets new offsets.
    fn snapshot<S: SnapshotSink<Self::Fact>>(&self, next: &mut S) -> Result<(), S::Error>;
}

/// The next generation of a log, as a state sees it that writes itself there.
pub trait SnapshotSink<Fact> {
    /// Why the next generation can not be written, or the present one not be read.
    type Error;

    /// Reads a record of the present generation back.
    fn read(&self, offset: FactOffset) -> Result<LogRecord<Fact>, Self::Error>;

    /// Writes facts with the time and author that the new state shall know them by.
    fn write(&mut self, at_ms: u64, by: &str, facts: &[Fact]) -> Result<(), Self::Error>;
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
    pub(crate) generation: u32,
    /// The bytes before it in the fact's line; 0 for all facts of that line.
    pub(crate) fact: u32,
    /// The bytes before that line.
    pub(crate) at: u64,
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

/// The loss that a record has survived when the decision that wrote it returns.
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
