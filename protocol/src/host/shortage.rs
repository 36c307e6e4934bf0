//! Refusals for want of a resource of the system: room on a disk, descriptors, processes, memory. The asker did nothing
//! wrong, and the same may be granted later.

use std::error::Error;
use std::io;

use nix::errno::Errno;

/// The exit code of a worker that could not start for want of the machine: `EX_TEMPFAIL` of sysexits(3).
pub const EXIT_CODE: i32 = 75;

/// Whether an error comes down to a shortage.
pub fn is_shortage(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let number = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if number.is_some_and(is_scarce) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_scarce(number: i32) -> bool {
    let scarce = [Errno::ENOSPC, Errno::EDQUOT, Errno::EMFILE, Errno::ENFILE, Errno::EAGAIN, Errno::ENOMEM];
    scarce.contains(&Errno::from_raw(number))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::file::LogError;
    use crate::team::TeamError;

    fn log(errno: Errno) -> TeamError {
        let (doing, path) = ("append to", PathBuf::from("team.jsonl"));
        LogError::Io { doing, path, source: errno.into() }.into()
    }

    #[test]
    fn a_shortage_is_known_however_deep_it_lies() {
        assert!(is_shortage(&io::Error::from(Errno::EMFILE)));
        assert!(is_shortage(&log(Errno::ENOSPC)));
        assert!(!is_shortage(&log(Errno::EACCES)));
        assert!(!is_shortage(&io::Error::other("no number")));
    }
}
