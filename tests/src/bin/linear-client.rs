//! One of many processes at one board, as a program: `tests/linearizable.rs` starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    teamster_tests::linear::client::main()
}
