//! The mark that all bear that an agent starts: whose worker's life they belong to. It is handed down in the
//! environment, so that what escaped from a killed worker is known for what it is, wherever it went.

use std::io;
use std::path::Path;

use super::ProcessIdentity;
use crate::model::id::MemberName;

/// The variable that holds the mark.
pub const VARIABLE: &str = "TEAMSTER_LIFE";

/// One life of a member: its team, its name, and the process that its worker was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberLife {
    /// The team, by [`team_of`].
    pub team: String,
    /// The member.
    pub member: MemberName,
    /// The process of the worker whose life it is.
    pub worker: ProcessIdentity,
}

/// How a mark names a team: by its directory without symbolic links, with U+FFFD for what is not UTF-8.
pub fn team_of(dir: &Path) -> io::Result<String> {
    Ok(dir.canonicalize()?.to_string_lossy().into_owned())
}

impl MemberLife {
    /// `DIR:MEMBER:PID:START:BOOT`, the value of [`VARIABLE`].
    pub fn mark(&self) -> String {
        let ProcessIdentity { pid, start_ticks, boot_id } = &self.worker;
        format!("{}:{}:{pid}:{start_ticks}:{boot_id}", self.team, self.member)
    }

    /// Reads a mark; nothing if it is none. The directory may have colons in its name, nothing else has.
    pub fn parse(mark: &str) -> Option<MemberLife> {
        let mut parts = mark.rsplitn(5, ':');
        let boot_id = parts.next()?.to_owned();
        let start_ticks = parts.next()?.parse().ok()?;
        let pid = parts.next()?.parse().ok()?;
        let member = parts.next()?.parse().ok()?;
        Some(MemberLife {
            team: parts.next()?.to_owned(),
            member,
            worker: ProcessIdentity { pid, start_ticks, boot_id },
        })
    }

    /// The mark that a process bears, by its `/proc/PID/environ`.
    pub fn in_environment(environ: &[u8]) -> Option<MemberLife> {
        let value = |entry| <[u8]>::strip_prefix(entry, VARIABLE.as_bytes())?.strip_prefix(b"=");
        let mark = environ.split(|byte| *byte == 0).find_map(value)?;
        MemberLife::parse(std::str::from_utf8(mark).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(team: &str) -> MemberLife {
        let worker = ProcessIdentity { pid: 4711, start_ticks: 88123, boot_id: "0f7f-a5".to_owned() };
        MemberLife { team: team.to_owned(), member: "alice".parse().unwrap(), worker }
    }

    #[test]
    fn a_mark_is_read_back_whatever_the_directory_is_called() {
        assert_eq!(life("/s/app").mark(), "/s/app:alice:4711:88123:0f7f-a5");
        for dir in ["/s/app", "/s:1/a:b", "/with space/\u{e4}\u{fffd}"] {
            assert_eq!(MemberLife::parse(&life(dir).mark()), Some(life(dir)));
        }
        for none in
            ["", "alice", "/s/app:alice:4711:88123", "/s/app:Not A Name:4711:88123:x", "/s/app:alice:-1:88123:x"]
        {
            assert_eq!(MemberLife::parse(none), None, "{none:?}");
        }
    }

    #[test]
    fn it_is_found_among_other_variables_and_only_by_its_whole_name() {
        let mut environ = b"HOME=/root\0XTEAMSTER_LIFE=/x:bob:1:1:x\0TEAMSTER_LIFE=".to_vec();
        environ.extend(life("/s/app").mark().as_bytes());
        environ.extend(b"\0LAST=\xff");
        assert_eq!(MemberLife::in_environment(&environ), Some(life("/s/app")));
        assert_eq!(MemberLife::in_environment(b"TEAMSTER_LIFETIME=/x:bob:1:1:x\0"), None);
    }
}
