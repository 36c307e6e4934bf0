//! A file that a person writes, in TOML or JSON: read into a tree with positions, so that whatever is wrong in it is shown
//! with its line, its column and the way out. Plans and settings are both read by this.

mod format;
mod problem;
mod tree;
pub(crate) mod value;

pub use format::DocumentFormat;
pub use problem::{DocumentError, DocumentFault, DocumentProblem, TextPosition};
pub(crate) use problem::{DocumentProblems, ProblemReport, place, quoted};
pub(crate) use tree::{DocumentEntry, DocumentNode, DocumentValue, TextSpan, read};
