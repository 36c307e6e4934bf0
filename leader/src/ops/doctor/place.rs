//! The place: whose it is, who may look in, on what kind of disk, and how much room is left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::{self, FsType, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access, geteuid};

use super::report::{DoctorFindings, REPAIR};
use super::{CheckGroup, DoctorSubject};
use crate::ops::text::bytes;

/// Below this an append may fail any moment.
const FREE_BYTES_MIN: u64 = 16 << 20;
/// Below this it is time to look.
const FREE_BYTES_LOW: u64 = 512 << 20;
const FREE_FILES_MIN: u64 = 1_000;

pub(super) fn check(subject: &DoctorSubject, found: &mut DoctorFindings) {
    let (root, team) = (subject.dir.root(), subject.dir.path());
    let Some(there) = [team, root].into_iter().find(|path| path.exists()) else {
        found.ok(CheckGroup::Root, "nothing is there yet; the first command makes it").at(root);
        let above = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        disk(above, found);
        return;
    };
    if there == root {
        found.ok(CheckGroup::Root, format!("team {} was never made", subject.dir.team())).at(root);
    }
    let before = found.troubles();
    owner(root, 0o022, "others can replace what is in it", found);
    if there == team {
        owner(team, 0o077, "others can look in", found);
    }
    if found.troubles() == before {
        found.ok(CheckGroup::Root, "it is yours, and nobody else can look in").at(there);
    }
    disk(there, found);
}

fn owner(path: &Path, forbidden: u32, why: &str, found: &mut DoctorFindings) {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) => {
            found.wrong(CheckGroup::Root, format!("cannot be looked at: {error}")).at(path);
            return;
        }
    };
    if meta.uid() != geteuid().as_raw() {
        let what = format!("it belongs to user {}, and you are {}", meta.uid(), geteuid());
        found.wrong(CheckGroup::Root, what).at(path).hint("use a root of your own with --root");
    }
    // A sticky directory, such as /tmp, lets nobody replace the files of another user.
    if meta.mode() & forbidden != 0 && meta.mode() & 0o1000 == 0 {
        let what = format!("its mode is {:04o}: {why}", meta.mode() & 0o7777);
        found.wrong(CheckGroup::Root, what).at(path).hint(REPAIR);
    }
}

fn disk(path: &Path, found: &mut DoctorFindings) {
    match statfs(path) {
        Ok(stat) => match kind(stat.filesystem_type()) {
            FileSystemKind::Local => {}
            FileSystemKind::Memory => {
                found.note(CheckGroup::Root, "it is kept in memory: a restart of the machine ends the team").at(path);
            }
            FileSystemKind::Remote(name) => {
                let what = format!("{name}: what other machines write is noticed at the slow poll only");
                found.note(CheckGroup::Root, what).at(path).hint("TEAMSTER_POLL_MS sets how often that is");
            }
        },
        Err(errno) => {
            found.wrong(CheckGroup::Root, format!("its file system cannot be looked at: {}", errno.desc())).at(path);
        }
    }
    let stat = match statvfs(path) {
        Ok(stat) => stat,
        Err(errno) => {
            found.wrong(CheckGroup::Root, format!("its room cannot be looked at: {}", errno.desc())).at(path);
            return;
        }
    };
    if stat.flags().contains(FsFlags::ST_RDONLY) {
        found.wrong(CheckGroup::Root, "it is mounted read-only: nothing can be written").at(path);
    } else if let Err(errno) = access(path, AccessFlags::W_OK | AccessFlags::X_OK) {
        found.wrong(CheckGroup::Root, format!("it cannot be written to: {}", errno.desc())).at(path);
    }
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let (files, files_free) = (stat.files(), stat.files_available());
    let room = format!("{} free", bytes(free));
    if free < FREE_BYTES_MIN {
        found
            .wrong(CheckGroup::Root, format!("the disk is full: {room}"))
            .at(path)
            .hint("make room; work goes on by itself");
    } else if free < FREE_BYTES_LOW {
        found.note(CheckGroup::Root, format!("the disk is nearly full: {room}")).at(path);
    } else {
        found.ok(CheckGroup::Root, room);
    }
    // Some file systems have no fixed number of files, and say 0.
    if files > 0 && files_free < FREE_FILES_MIN {
        let what = format!("the disk has room for {files_free} more files only");
        found.wrong(CheckGroup::Root, what).at(path).hint("remove files; work goes on by itself");
    }
}

enum FileSystemKind {
    Local,
    Memory,
    Remote(&'static str),
}

fn kind(found: FsType) -> FileSystemKind {
    // Of SMB 2 and up, and of FUSE and 9P where the library has no names for them (linux/magic.h).
    const SMB2: FsType = FsType(0xFE53_4D42_u32 as _);
    const CIFS: FsType = FsType(0xFF53_4D42_u32 as _);
    const NINE_P: FsType = FsType(0x0102_1997);
    match found {
        statfs::NFS_SUPER_MAGIC => FileSystemKind::Remote("NFS"),
        statfs::SMB_SUPER_MAGIC | SMB2 | CIFS => FileSystemKind::Remote("SMB"),
        statfs::FUSE_SUPER_MAGIC => FileSystemKind::Remote("FUSE"),
        statfs::AFS_SUPER_MAGIC => FileSystemKind::Remote("AFS"),
        statfs::CODA_SUPER_MAGIC => FileSystemKind::Remote("Coda"),
        NINE_P => FileSystemKind::Remote("9P"),
        statfs::TMPFS_MAGIC => FileSystemKind::Memory,
        _ => FileSystemKind::Local,
    }
}
