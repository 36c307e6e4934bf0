//! An agent's program with much memory, a lock and a port, as a program: `tests/dying.rs` has members run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    teamster_tests::greedy::main()
}
