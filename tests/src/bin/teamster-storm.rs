//! The kill storm as a program. `scripts/storm.sh` builds it together with the team's programs, and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    teamster_tests::storm::main()
}
