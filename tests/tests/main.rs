//! Every test of this crate in one program: it is linked once, and a long test keeps no processor idle while others wait.
//! One file for each subject. `cargo test -p teamster-tests lessons::` runs those of one.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod acp;
mod agents;
mod bad_agents;
#[path = "../../worker/tests/bench.rs"]
#[expect(dead_code, reason = "shared with the tests of the crate worker")]
mod bench;
mod budgets;
mod check_script;
mod commit;
mod crash_points;
mod dying;
mod end_to_end;
mod faults;
mod formats;
mod fuzz;
mod install;
mod lessons;
mod linearizable;
mod llm;
mod load;
mod matrix;
mod rig;
mod rooms;
mod rules;
mod settings;
mod simulation;
mod spec;
mod spec_cli;
mod storm;
mod surprises;
mod warden;
