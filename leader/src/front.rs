//! The fronts: thin faces of the operations. Each parses what it is given, calls an operation, and shows what came of it.

pub mod cli;
