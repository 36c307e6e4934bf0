//! An agent that speaks the Agent Client Protocol, well or badly: `tests/src/acp.rs`.

fn main() {
    teamster_tests::acp::main();
}
