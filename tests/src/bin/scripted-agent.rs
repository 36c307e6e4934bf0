//! A scripted agent as a program of its own: `tests/src/scripted.rs`.

fn main() {
    teamster_tests::scripted::main();
}
