//! An agent's program that tries what it can reach outside of its cell: `tests/end_to_end/outside.rs` has members run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    teamster_tests::outside::main()
}
