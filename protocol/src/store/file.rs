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
mod paths;
mod readback;
mod reader;
mod repair;
mod rotate;
mod tail;
#[cfg(test)]
mod tests;

pub use crate::model::log::{Durability, FactOffset, FactStamp, LogFold, LogRecord};
pub use append::Log;
pub use check::{CheckedFile, check, check_old, old_of};
pub use error::{LineDamage, LogError, TransactError};
pub use mark::{highest_marked_id, is_marked};
pub use reader::{LogReader, RefreshedLog};
pub use repair::{
    RepairError, RepairedLog, back_up, backup_path, begin, clear_leftover, repair, repair_carrying, repair_old,
};

/// The version of the file format that this program writes, and the highest it reads.
pub const VERSION: u32 = 1;
