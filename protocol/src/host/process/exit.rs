//! How a process ended, in the same words wherever people read it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

/// `exit status 3`, `killed by SIGKILL`.
pub fn exit_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => exited(code),
        (None, Some(number)) => killed(number),
        (None, None) => status.to_string(),
    }
}

/// The words for an exit with this code, such as `exit status 3`.
pub fn exited(code: i32) -> String {
    format!("exit status {code}")
}

/// `killed by SIGKILL`; a signal without a name is told by its number.
pub fn killed(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(signal) => format!("killed by {signal}"),
        Err(_) => format!("killed by signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_by_its_status_or_by_the_name_of_its_signal() {
        let said = [3 << 8, 0, 9, 40].map(|raw| exit_words(ExitStatus::from_raw(raw)));
        assert_eq!(said, ["exit status 3", "exit status 0", "killed by SIGKILL", "killed by signal 40"]);
    }
}
