//! The limit of open files. A leader holds three descriptors for each member, and the soft limit that a login gives is most
//! often 1,024. So a leader raises its own; what it starts for others gets back the limit that the user has set, because
//! programs that use `select` or close all descriptors there could be do badly with a large one.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::model::limits::OPEN_FILES_MAX;

/// Raises the soft limit of this process to the hard one, or to [`OPEN_FILES_MAX`] where that is less. Returns the soft limit
/// as it was; nothing if there was none.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES_MAX, |hard| hard.min(OPEN_FILES_MAX));
    if limit.current.is_some_and(|soft| soft < wanted) {
        set_open_files(wanted)?;
    }
    Ok(limit.current)
}

/// Sets the soft limit of this process, and of what it starts from now on.
pub fn set_open_files(soft: u64) -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(limit.maximum.map_or(soft, |hard| soft.min(hard)));
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// The advice that ends an error message, if the error is that this process has too many files open; else nothing.
pub fn way_out(error: &io::Error) -> Option<String> {
    if error.raw_os_error() != Some(rustix::io::Errno::MFILE.raw_os_error()) {
        return None;
    }
    let soft = getrlimit(Resource::Nofile).current.map_or("any number of".to_owned(), |soft| soft.to_string());
    Some(format!(
        "this process may have {soft} files open, and a leader needs three for each member: end it with teamster down, \
         raise the hard limit (ulimit -Hn) and start it again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_want_of_descriptors_has_this_way_out() {
        let full = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(way_out(&full).is_some_and(|hint| hint.contains("ulimit -Hn")));
        assert_eq!(way_out(&io::ErrorKind::NotFound.into()), None);
    }
}
