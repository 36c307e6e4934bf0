//! An agent's program that needs what only one process can have, a file lock and a port, and much memory: the kernel takes
//! its time to end it, and lets go of lock and port last.

use std::fs::{self, OpenOptions};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::ExitCode;

/// `greedy-agent DIR MEGABYTES`: takes the lock and the port that belong to the directory, fills memory, says `task 1 holds
/// all`, and ends in order once somebody writes into the fifo `DIR/go`. If another process has the lock or the port it says
/// `task 1 lacks the lock`.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let task = std::env::var("TEAMSTER_TASK").unwrap_or_default();
    match hold(&args, &task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("task {task} lacks {why}");
            ExitCode::FAILURE
        }
    }
}

fn hold(args: &[String], task: &str) -> Result<(), String> {
    let [dir, megabytes] = args else { return Err("arguments: greedy-agent DIR MEGABYTES".to_owned()) };
    let bytes = megabytes.parse::<usize>().map_err(|error| format!("{megabytes}: {error}"))? << 20;
    let dir = Path::new(dir);
    let mut open = OpenOptions::new();
    let file = open.create(true).truncate(false).write(true).open(dir.join("greedy.lock"));
    let file = file.map_err(|error| format!("the lock: {error}"))?;
    file.try_lock().map_err(|error| format!("the lock: {error}"))?;
    // A name of this test's own: another test has another directory, where a number could be anybody's.
    let port = SocketAddr::from_abstract_name(dir.as_os_str().as_encoded_bytes());
    let port = port.and_then(|port| UnixListener::bind_addr(&port)).map_err(|error| format!("the port: {error}"))?;
    // Not zeros, for which no memory would be taken.
    let memory = vec![1_u8; bytes];
    println!("task {task} holds all");
    fs::read(dir.join("go")).map_err(|error| format!("the fifo: {error}"))?;
    drop((file, port, memory));
    Ok(())
}
