//! The benchmark as a program. `scripts/bench.sh` builds it together with the worker, and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    teamster_tests::bench::main()
}
