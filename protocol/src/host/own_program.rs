//! Our own programs, which are installed side by side: each finds the others beside itself.

use std::env;
use std::path::PathBuf;

/// What lies beside this program by that name; nothing if nothing does, or the system does not tell where this program is.
pub fn beside_this_program(name: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok()?.with_file_name(name);
    beside.exists().then_some(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_beside_this_one_is_found_and_no_other() {
        let own = env::current_exe().unwrap();
        let name = own.file_name().unwrap().to_str().unwrap();
        assert_eq!(beside_this_program(name), Some(own.clone()));
        assert_eq!(beside_this_program("no-such-program"), None);
    }
}
