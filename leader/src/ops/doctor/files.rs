//! Files in the team's directory that do not belong there, or may be read by others.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use teamster_protocol::host::plain_file;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::store::presence;

use super::report::{DoctorFindings, REPAIR, counted};
use super::{CheckGroup, DoctorSubject};

/// The number of files that a finding names one by one.
const NAMED_MAX: usize = 5;

/// The findings of a walk through the directory.
#[derive(Debug, Default)]
pub(super) struct WalkedFiles {
    /// Files such as no program of ours makes.
    pub(super) strays: Vec<PathBuf>,
    /// Sockets that nobody listens at any more.
    pub(super) stale_sockets: Vec<PathBuf>,
    /// Things in the place of a directory, a socket or a log of ours, with their kind: what is to be there can not be made.
    pub(super) in_the_way: Vec<(PathBuf, &'static str)>,
    /// Files that a crash left half written.
    pub(super) leftovers: Vec<PathBuf>,
    /// Files and directories that others than their owner may use.
    pub(super) open: Vec<PathBuf>,
    /// Copies that repairs made.
    pub(super) backups: usize,
    /// Files and directories that could not be looked at, and why.
    pub(super) unseen: Vec<(PathBuf, io::Error)>,
}

pub(super) fn check(subject: &DoctorSubject, found: &mut DoctorFindings) {
    let walked = walk(&subject.dir);
    let before = found.troubles();
    for room in [subject.dir.mail_dir(), subject.dir.members_dir()] {
        if room.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let what =
                "a directory of the team is missing, and what was in it; the next command that writes makes it anew";
            found.wrong(CheckGroup::Files, what).at(&room);
        }
    }
    for (path, error) in &walked.unseen {
        found.wrong(CheckGroup::Files, format!("cannot be looked at: {error}")).at(path);
    }
    for (path, kind) in &walked.in_the_way {
        let what = format!("{kind} stands in the place of one of our files or directories, which can not be used so");
        found.wrong(CheckGroup::Files, what).at(path).hint("remove it, or put back what was there");
    }
    let mut all = |paths: &[PathBuf], what: &str, hint: Option<&str>| {
        for path in paths.iter().take(NAMED_MAX) {
            let check = found.note(CheckGroup::Files, what).at(path);
            if let Some(hint) = hint {
                check.hint(hint);
            }
        }
        if paths.len() > NAMED_MAX {
            found.note(CheckGroup::Files, format!("{what}: and {} more", paths.len() - NAMED_MAX));
        }
    };
    all(&walked.strays, "it is not of ours, and left alone", None);
    all(&walked.leftovers, "a file that was not finished", Some(REPAIR));
    all(&walked.open, "others may use it, if they get there", Some(REPAIR));
    if !walked.stale_sockets.is_empty() {
        // Killed processes leave their sockets behind, and the next process of that name takes the place: not a
        // finding.
        let them = counted(walked.stale_sockets.len(), "socket");
        found.ok(CheckGroup::Files, format!("{them} of processes that were killed; whoever comes next replaces it"));
    }
    if walked.backups > 0 {
        let them = counted(walked.backups, "backup");
        found.ok(CheckGroup::Files, format!("{them} of earlier repairs (*.bak); remove them when you like"));
    }
    if found.troubles() == before {
        found.ok(CheckGroup::Files, "nothing in the team's directory that does not belong there");
    }
}

/// Looks at every name in the team's directory; worktrees, which are the agents', are left out.
pub(super) fn walk(dir: &TeamDir) -> WalkedFiles {
    let mut walked = WalkedFiles::default();
    let own = [dir.mail_dir(), dir.turns_dir(), dir.tasks_dir(), dir.logs_dir(), dir.members_dir()];
    let mut todo = vec![dir.path().to_owned()];
    while let Some(at) = todo.pop() {
        let listing = match fs::read_dir(&at) {
            Ok(listing) => listing,
            Err(error) => {
                walked.unseen.push((at, error));
                continue;
            }
        };
        let mut entries: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let meta = match fs::symlink_metadata(&path) {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    walked.unseen.push((path, error));
                    continue;
                }
            };
            let kind = kind(dir, &at, &path);
            let is_own_room = own.contains(&path) || at == dir.turns_dir();
            let is_theirs = matches!(kind, FileKind::Stray | FileKind::Worktrees);
            let is = meta.file_type();
            let fits = match &kind {
                FileKind::Worktrees | FileKind::Room => is.is_dir(),
                FileKind::Socket(_) => is.is_socket(),
                FileKind::File => is.is_file(),
                // Looked at with what is in them, where each kind of log and lock is checked; or anybody's.
                FileKind::Ours | FileKind::Stray | FileKind::Leftover | FileKind::Backup => true,
            };
            if !fits {
                walked.in_the_way.push((path.clone(), plain_file::kind_with_article(is)));
                continue;
            }
            match &kind {
                FileKind::Worktrees => {}
                FileKind::Stray => walked.strays.push(path.clone()),
                FileKind::Leftover => walked.leftovers.push(path.clone()),
                FileKind::Backup => walked.backups += 1,
                FileKind::Socket(of) => {
                    if presence::is_held(of).is_ok_and(|held| !held) {
                        walked.stale_sockets.push(path.clone());
                    }
                }
                FileKind::Ours | FileKind::File | FileKind::Room => {}
            }
            // A pipe or a directory in the place of a log or a lock is none of ours: it is told where those are looked at.
            let is_ours = !is_theirs && (is.is_file() || is.is_socket() || matches!(kind, FileKind::Room));
            if is_ours && meta.mode() & 0o077 != 0 {
                walked.open.push(path.clone());
            }
            if meta.is_dir() && is_own_room {
                todo.push(path);
            }
        }
    }
    walked
}

enum FileKind {
    /// A log or a lock.
    Ours,
    /// Any other file of ours.
    File,
    /// A directory of ours.
    Room,
    Worktrees,
    Stray,
    Leftover,
    Backup,
    /// A socket, with the lock of the process that should listen on it.
    Socket(PathBuf),
}

/// The kind of a file, by where it lies and how it is called.
fn kind(dir: &TeamDir, at: &Path, path: &Path) -> FileKind {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if path == dir.worktrees_dir() {
        return FileKind::Worktrees;
    }
    if name.ends_with(".bak") {
        return FileKind::Backup;
    }
    let stem_is_name = |suffix: &str| {
        name.strip_suffix(suffix).is_some_and(|stem| stem.parse::<teamster_protocol::model::id::Address>().is_ok())
    };
    let is_log =
        |name: &str| ["", ".old"].iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|n| n.ends_with(".jsonl")));
    let ours = if at == dir.path() {
        if path == dir.leader_socket() {
            return FileKind::Socket(dir.leader_lock());
        }
        let rooms = ["mail", "turns", "tasks", "logs", "members"];
        let files = [
            "team.jsonl",
            "team.jsonl.old",
            "team.lock",
            "board.jsonl",
            "board.jsonl.old",
            "board.lock",
            "leader.lock",
        ];
        if rooms.contains(&name.as_str()) {
            return FileKind::Room;
        }
        files.contains(&name.as_str())
    } else if at == dir.mail_dir() {
        // Those of the board and the roster, and of members, are looked at with the locks.
        if stem_is_name(".lock") {
            return FileKind::File;
        }
        stem_is_name(".jsonl") || stem_is_name(".jsonl.old")
    } else if at == dir.members_dir() {
        if let Some(member) = name.strip_suffix(".sock") {
            return FileKind::Socket(dir.members_dir().join(format!("{member}.lock")));
        }
        // The agent's own, which knows best what it keeps there.
        if stem_is_name(".llm") {
            return FileKind::Room;
        }
        stem_is_name(".lock")
    } else if at == dir.tasks_dir() {
        if name.strip_suffix(".json").is_some_and(|id| id.parse::<u32>().is_ok()) {
            return FileKind::File;
        }
        false
    } else if at == dir.logs_dir() {
        if name.ends_with(".log") || name.ends_with(".log.old") {
            return FileKind::File;
        }
        false
    } else if at == dir.turns_dir() {
        if name.parse::<teamster_protocol::model::id::MemberName>().is_ok() {
            return FileKind::Room;
        }
        false
    } else {
        is_log(&name)
    };
    match ours {
        true => FileKind::Ours,
        false if name.ends_with(".tmp") => FileKind::Leftover,
        false => FileKind::Stray,
    }
}
