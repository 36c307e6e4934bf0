//! Seconds of what the fuzz targets do without end: strange inputs, in a process that has little memory. Neither may
//! hurt it. `TEAMSTER_FUZZ_SEED=n` makes other inputs, `TEAMSTER_FUZZ_INPUTS=n` makes so many: see `scripts/fuzz.sh`.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use teamster_tests::fuzz::Target;
use teamster_tests::fuzz::mutate::Mutator;

/// Of each target, besides its seeds.
const INPUTS: u64 = 1_000;
/// What a child may map, its program included. The largest input is 128 KiB.
const ADDRESS_KIB_MAX: u32 = 320 * 1024;
/// What a child may compute before the system ends it: no input takes for ever.
const CPU_SECONDS_MAX: u64 = 120;
/// Tells the child which file holds its input.
const IN_CHILD: &str = "TEAMSTER_FUZZ_CHILD";

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
}

#[test]
fn strange_lines_harm_no_peer() {
    survives(Target::Lines, "strange_lines_harm_no_peer");
}

#[test]
fn strange_logs_are_read_or_refused() {
    survives(Target::Log, "strange_logs_are_read_or_refused");
}

#[test]
fn strange_plans_are_read_or_refused() {
    survives(Target::Plan, "strange_plans_are_read_or_refused");
}

#[test]
fn strange_mail_is_never_control() {
    survives(Target::Mail, "strange_mail_is_never_control");
}

/// Runs the target in a child with limits. `this` is the test that calls it, which the child runs alone.
fn survives(target: Target, this: &str) {
    let seed = number("TEAMSTER_FUZZ_SEED").unwrap_or(1);
    let inputs = number("TEAMSTER_FUZZ_INPUTS").unwrap_or(INPUTS);
    if let Some(input) = env::var_os(IN_CHILD) {
        return feed(target, seed, inputs, &PathBuf::from(input));
    }
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input");
    let began = Instant::now();
    let cpu_seconds = CPU_SECONDS_MAX.max(inputs / 20);
    let child = Command::new("sh")
        .args(["-c", r#"ulimit -v "$2"; ulimit -t "$3"; exec "$0" --exact "$1""#])
        .arg(env::current_exe().unwrap())
        .args([
            format!("{}::{this}", module_path!().split_once("::").unwrap().1),
            ADDRESS_KIB_MAX.to_string(),
            cpu_seconds.to_string(),
        ])
        .env(IN_CHILD, &input)
        .env("RUST_TEST_THREADS", "1")
        .env("MALLOC_ARENA_MAX", "2")
        .output()
        .unwrap();
    let name = target.name();
    println!("{name}: {inputs} inputs of seed {seed} in {:.1} s", began.elapsed().as_secs_f64());
    if !child.status.success() {
        let bytes = fs::read(&input).unwrap_or_default();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(1_000)]).escape_debug().to_string();
        let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
        let kept = dir.keep();
        panic!("{name}, seed {seed}, {}: {shown}\nkept in {}\n{out}{err}", child.status, kept.display());
    }
}

/// Each input is on disk before it is tried: an abort leaves no other word.
fn feed(target: Target, seed: u64, inputs: u64, input: &PathBuf) {
    let seeds = target.seeds();
    let count = seeds.len() as u64 + inputs;
    let mut mutator = Mutator::new(seed, seeds);
    for _ in 0..count {
        let bytes = mutator.next_input();
        fs::write(input, &bytes).unwrap();
        target.run(&bytes);
    }
}
