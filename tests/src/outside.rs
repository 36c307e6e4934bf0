//! An agent's program that looks for a way out of its cell: the worker has a descriptor of the `/proc` outside, and the
//! agent may open what its worker has open.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use rustix::process::pidfd_send_signal;
use teamster_protocol::host::process::identity;

/// `outside-agent PID START`: tries to reach the process outside of the cell that has this number there and started at that
/// time, and prints a line for each thing that can be done to it.
pub fn main() -> ExitCode {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let [target, start_ticks] = args[..] else {
        eprintln!("arguments: outside-agent PID START");
        return ExitCode::FAILURE;
    };
    for (deed, is_done) in deeds(target as i32, start_ticks) {
        if is_done {
            println!("{deed}");
        }
    }
    println!("that is all");
    ExitCode::SUCCESS
}

/// Each thing that was tried, and whether it could be done.
fn deeds(target: i32, start_ticks: u64) -> Vec<(&'static str, bool)> {
    // In the cell the number may be another process's, or nobody's.
    let has_number = identity(target.cast_unsigned()).is_ok_and(|found| found.start_ticks == start_ticks);
    let by_number = has_number && kill(Pid::from_raw(target), None).is_ok();
    let mut deeds = vec![("signals it by its number", by_number)];
    let Some(outside) = outside_proc(target) else { return deeds };
    let process = outside.join(target.to_string());
    let reads = |name: &str| {
        File::open(process.join(name)).and_then(|mut file| file.read(&mut [0; 16])).is_ok_and(|bytes| bytes > 0)
    };
    let open_files = entries(&process.join("fd"));
    // The directory of a process serves as a descriptor of it.
    let by_descriptor = |signal| File::open(&process).is_ok_and(|held| pidfd_send_signal(held, signal).is_ok());
    deeds.extend([
        ("sees it", reads("stat")),
        ("reads its command line", reads("cmdline")),
        ("reads its environment", reads("environ")),
        ("opens its memory", OpenOptions::new().read(true).write(true).open(process.join("mem")).is_ok()),
        ("counts what it has open", !open_files.is_empty()),
        (
            "opens what it has open",
            open_files.iter().any(|file| fs::read_link(file).is_ok() || File::open(file).is_ok()),
        ),
        ("enters its directory", fs::read_dir(process.join("cwd")).is_ok()),
        ("signals it by a descriptor", by_descriptor(rustix::process::Signal::CONT)),
    ]);
    deeds
}

/// A descriptor of the worker, the first process of the cell, that is a `/proc` in which the target is.
fn outside_proc(target: i32) -> Option<PathBuf> {
    let has_target = |path: &PathBuf| path.join(target.to_string()).join("stat").exists();
    entries(Path::new("/proc/1/fd")).into_iter().find(has_target)
}

/// What is in a directory; nothing if it can not be read.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
