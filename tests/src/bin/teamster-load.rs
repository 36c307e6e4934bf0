//! The load as a program. `scripts/load.sh` builds it together with the team's programs, and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    teamster_tests::load::main()
}
