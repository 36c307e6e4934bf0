//! The program as it is installed: a worker that is started by hand or by a leader, in a cell or without one.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bench;
mod by_hand;
mod cell;
mod cmd;
#[path = "../../tests/src/granted.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of a whole team")]
mod granted;
mod linked;
