//! What a process passed, as it noted it: see `TEAMSTER_CRASH_TRACE` in `teamster_protocol::host::crash`.

use std::fs;
use std::path::PathBuf;

use super::{Point, Role};

/// A point that was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) point: Point,
    pub(super) life: Life,
    /// How many points its life had come to, this one included.
    pub(super) nth: u64,
}

/// In which life it was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Before anybody had died.
    Well,
    /// After a death, of another: it had begun before.
    GoingOn,
    /// After a death; it began after it.
    Next,
}

/// What a role passed, by the traces it may be in.
pub(super) fn passed(role: Role, paths: &[PathBuf]) -> Vec<Passed> {
    let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap_or_default()).collect();
    text.lines().filter_map(|line| read(role, line)).collect()
}

fn read(role: Role, line: &str) -> Option<Passed> {
    let mut words = line.strip_prefix(&role.own_word())?.strip_prefix(' ')?.splitn(4, ' ');
    let life = match words.next()? {
        "well" => Life::Well,
        "going-on" => Life::GoingOn,
        "next" => Life::Next,
        _ => return None,
    };
    let (nth, time) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Passed { point: Point { role, name: words.next()?.to_owned(), time }, life, nth })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_who_passed_what_in_which_life() {
        let line = "worker:ada next 7 2 turn begun, agent not prompted";
        let point = "worker:ada:turn begun, agent not prompted:2";
        let passed = read(Role::Worker("ada"), line).expect("one of hers");
        assert_eq!((passed.point.to_string().as_str(), passed.life, passed.nth), (point, Life::Next, 7));
        assert_eq!(read(Role::Worker("ben"), line), None);
        assert_eq!(read(Role::Worker("ada"), "worker:ada next 7"), None, "half a line");
    }
}
