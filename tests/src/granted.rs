//! What some tests need and not every system grants: namespaces, other users, Python. The system is asked by programs of its own, never by
//! what is tested: a worker that makes no namespace where it could must not pass for a system that grants none.
//!
//! A test that cannot be run here passes, as libtest knows no other end; so it says that on standard error past the
//! capture of output, and `scripts/check.sh` counts those words and not the test as passed.

use std::io::{self, Write};
use std::process::Command;
use std::thread;

/// What a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A PID namespace with a `/proc` of its own: what a worker's cell is made of.
    Cell,
    /// Namespaces of users, mounts and processes, and a disk in memory mounted there.
    Mounts,
    /// To run a program as somebody else.
    AnotherUser,
    /// Python 3, in which the servers of `tests/rig` are written.
    Python,
}

/// Whether the system grants it. If not, it is said which test was not run and why; the test is to return.
pub fn granted(need: Need) -> bool {
    let Err(why) = ask(need) else { return true };
    let test = thread::current();
    let test = test.name().unwrap_or("a test");
    // In one write, and not by a macro, whose words libtest keeps to itself.
    let line = format!("could not run here: {test}: {why}\n");
    io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
    false
}

fn ask(need: Need) -> Result<(), String> {
    let is_root = nix::unistd::geteuid().is_root();
    let in_users = &["--user", "--map-root-user"][..];
    match need {
        // The superuser needs no namespace of users for the others.
        Need::Cell if is_root => unshared(&[], &["true"]),
        Need::Cell => unshared(in_users, &["true"]),
        Need::Mounts => unshared(in_users, &["mount", "-t", "tmpfs", "probe", "/tmp"]),
        Need::AnotherUser if is_root => Ok(()),
        Need::AnotherUser => Err("only root can be somebody else".to_owned()),
        Need::Python => has_python(),
    }
}

fn unshared(users: &[&str], then: &[&str]) -> Result<(), String> {
    let mut unshare = Command::new("unshare");
    unshare.args(users).args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]).args(then);
    let output = unshare.output().map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))
}

/// Whether there is a Python for the servers of `tests/rig`; if not, why.
pub(crate) fn has_python() -> Result<(), String> {
    let enough = "import sys; sys.exit(sys.version_info < (3, 9))";
    match Command::new("python3").args(["-c", enough]).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("python3 is older than 3.9".to_owned()),
        Err(error) => Err(format!("python3: {error}")),
    }
}
