//! The measured matrix of real agents as a program. `scripts/agents.sh` installs the agents, builds it, and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    teamster_tests::matrix::main()
}
