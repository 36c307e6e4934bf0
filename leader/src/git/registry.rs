//! The repository's list of worktrees, as git keeps it on disk (gitrepository-layout(5), "worktrees").
//!
//! Read here rather than through an engine: the layout is one for every object and ref format, and entries
//! that another process is just making or pruning must be passed over, not fail the whole list.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use teamster_protocol::git::{IoContext, RestingPlace, path_of, remove_if_there};
use teamster_protocol::host::crash::point;
use teamster_protocol::host::plain_file::{self, NotPlain};
use teamster_protocol::model::limits::sizes::GIT_FILE_BYTES_MAX;

use super::GitError;
use super::branch::branch_ref;
use super::place::LINK_PART;

/// Why a worktree is locked while its files are being written. Seen later, it tells a half-made worktree
/// of ours from a finished one.
pub(super) const MAKING: &str = "teamster: its files are still being written";

/// A new entry is filled here and then renamed into the list, so that it is never seen in part.
const NEW_ENTRY: &str = "teamster.new";
/// An entry leaves the list in one rename, to here.
const OLD_ENTRY: &str = "teamster.old";

/// One entry of the list.
#[derive(Clone, Debug)]
pub(super) struct WorktreeRegistration {
    /// Its directory, `<common>/worktrees/<id>`.
    pub(super) admin: PathBuf,
    /// The worktree it is about.
    pub(super) path: PathBuf,
    /// The reason, if it is locked.
    pub(super) locked: Option<String>,
}

impl WorktreeRegistration {
    /// Made by us, with files still missing: never handed to anyone.
    pub(super) fn is_unfinished(&self) -> bool {
        self.locked.as_deref() == Some(MAKING)
    }

    /// Whether the entry has all its parts; only a git process killed in the middle leaves one without.
    pub(super) fn is_whole(&self) -> bool {
        self.admin.join("HEAD").is_file() && self.admin.join("commondir").is_file()
    }

    /// Its files are all there: the lock with our reason goes.
    pub(super) fn finish(&self) -> Result<(), GitError> {
        let lock = self.admin.join("locked");
        match fs::remove_file(&lock) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(GitError::io("cannot unlock", &lock, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes it unfinished again, so that its files are written anew: they are gone.
    pub(super) fn reopen(&self) -> Result<(), GitError> {
        let lock = self.admin.join("locked");
        fs::write(&lock, MAKING).about("cannot write", &lock)?;
        point("worktree unfinished again");
        // Its files are gone, and with them what a move of them is to come to.
        RestingPlace::forget_travel(&self.admin)?;
        self.forget("index")
    }

    /// Removes what a killed process left: nobody else works on an unfinished worktree.
    pub(super) fn clear_stale_locks(&self) -> Result<(), GitError> {
        self.forget("index.lock")?;
        self.forget("HEAD.lock")
    }

    /// Writes the link from the worktree to this entry, making the directory if need be.
    pub(super) fn write_link(&self) -> Result<(), GitError> {
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(GitError::io("cannot create", &self.path, error));
            }
            Ok(()) | Err(_) => {}
        }
        let link = self.path.join(".git");
        // A link cut short by a crash would make the worktree unreadable for ever: write beside, then rename.
        let part = self.path.join(LINK_PART);
        point("worktree's folder made");
        fs::write(&part, line(b"gitdir: ", &self.admin)).about("cannot write", &part)?;
        point("link written beside");
        Ok(fs::rename(&part, &link).about("cannot write", &link)?)
    }

    /// Whether the worktree's `.git` leads back here.
    pub(super) fn is_linked_back(&self) -> Result<bool, GitError> {
        let Some(target) = self.link_target()? else { return Ok(false) };
        Ok(target.canonicalize().is_ok_and(|target| Some(target) == self.admin.canonicalize().ok()))
    }

    /// Whether the worktree has a link that leads to nothing, as after its repository was moved.
    pub(super) fn is_link_broken(&self) -> Result<bool, GitError> {
        match self.link_target()? {
            Some(target) => Ok(!target.try_exists().about("cannot look at", &target)?),
            None => Ok(false),
        }
    }

    /// Where the worktree's `.git` leads, if that is a link.
    fn link_target(&self) -> Result<Option<PathBuf>, GitError> {
        let Some(link) = read_path(&self.path.join(".git"))? else {
            return Ok(None);
        };
        let target = link.as_os_str().as_encoded_bytes().strip_prefix(b"gitdir: ");
        Ok(target.map(|target| self.path.join(path_of(target))))
    }

    /// Takes the entry out of the list. Call under the repository's lock.
    pub(super) fn drop_entry(&self, common_dir: &Path) -> Result<(), GitError> {
        clear_leftovers(common_dir)?;
        let old = common_dir.join(OLD_ENTRY);
        match fs::rename(&self.admin, &old) {
            // Its files are gone, so a `git worktree prune` that looked at the same time has taken it out.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(GitError::io("cannot remove the registration", &self.admin, error)),
            Ok(()) => {
                point("worktree off the list");
                fs::remove_dir_all(&old).about("cannot delete", &old)?;
                point("its entry deleted");
            }
        }
        // As git does; it is only removed if empty.
        let _not_empty = fs::remove_dir(common_dir.join("worktrees"));
        Ok(())
    }

    fn forget(&self, name: &str) -> Result<(), GitError> {
        Ok(remove_if_there(&self.admin.join(name))?)
    }
}

/// Adds an entry that appears in one step, locked as [`MAKING`], with `HEAD` on `branch`, which need not
/// exist yet. Call under the repository's lock.
pub(super) fn add(common_dir: &Path, path: &Path, branch: &str) -> Result<WorktreeRegistration, GitError> {
    clear_leftovers(common_dir)?;
    let new = common_dir.join(NEW_ENTRY);
    fs::create_dir(&new).about("cannot create", &new)?;
    let write = |name: &str, text: &[u8]| {
        let file = new.join(name);
        point("about to write a part of the entry");
        fs::write(&file, text).about("cannot write", &file)
    };
    write("locked", MAKING.as_bytes())?;
    write("commondir", b"../..\n")?;
    write("gitdir", &line(b"", &path.join(".git")))?;
    write("HEAD", format!("ref: {}\n", branch_ref(branch)).as_bytes())?;

    let list = common_dir.join("worktrees");
    let name = branch.replace('/', "-");
    let mut tries = 0_u32;
    loop {
        match fs::create_dir(&list) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(GitError::io("cannot create", &list, error));
            }
            Ok(()) | Err(_) => {}
        }
        point("entry written, not in the list");
        let admin = list.join(if tries == 0 { name.clone() } else { format!("{name}{tries}") });
        tries += 1;
        match fs::rename(&new, &admin) {
            Ok(()) => {
                return Ok(WorktreeRegistration { admin, path: path.to_owned(), locked: Some(MAKING.to_owned()) });
            }
            // Of another worktree; or `git worktree prune` removed the empty list under us.
            Err(error) if is_taken(&error) && tries < ENTRY_NAMES_MAX => {}
            Err(source) => {
                return Err(GitError::io("cannot register the worktree as", &admin, source));
            }
        }
    }
}

const ENTRY_NAMES_MAX: u32 = 10_000;

/// The entry about `path`, if there is one.
pub(super) fn find(common_dir: &Path, path: &Path) -> Result<Option<WorktreeRegistration>, GitError> {
    Ok(all(common_dir)?.into_iter().find(|entry| entry.path == path))
}

/// All entries that say which worktree they are about.
pub(super) fn all(common_dir: &Path) -> Result<Vec<WorktreeRegistration>, GitError> {
    let list = common_dir.join("worktrees");
    let entries = match fs::read_dir(&list) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.about("cannot look into", &list)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let admin = entry.about("cannot look into", &list)?.path();
        let Some(link) = read_path(&admin.join("gitdir"))? else {
            continue;
        };
        let link = plain(&admin.join(link));
        let path = link.parent().map_or(link.clone(), Path::to_owned);
        let locked = read_text(&admin.join("locked"))?.map(|reason| reason.trim_end().to_owned());
        found.push(WorktreeRegistration { admin, path, locked });
    }
    Ok(found)
}

/// The text of a small file of git's, as a path and without the newline at its end; `None` if there is no such file. A
/// path may hold newlines itself, and git reads these files in the same way.
pub(super) fn read_path(file: &Path) -> Result<Option<PathBuf>, GitError> {
    let bytes = match plain_file::read_whole(file, GIT_FILE_BYTES_MAX) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) if plain_file::not_plain(&error).is_some_and(NotPlain::is_directory) => return Ok(None),
        found => found.about("cannot read", file)?,
    };
    Ok(Some(path_of(without_line_end(&bytes))))
}

/// The text that git wrote, without the end of its last line.
pub(super) fn without_line_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn read_text(file: &Path) -> Result<Option<String>, GitError> {
    match plain_file::read_whole(file, GIT_FILE_BYTES_MAX) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        found => Ok(Some(String::from_utf8_lossy(&found.about("cannot read", file)?).into_owned())),
    }
}

/// Removes the rest that a crash left between two steps; nobody else is at it while the lock is held.
pub(super) fn clear_leftovers(common_dir: &Path) -> Result<(), GitError> {
    for name in [NEW_ENTRY, OLD_ENTRY] {
        let path = common_dir.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(GitError::io("cannot delete", &path, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotFound | ErrorKind::NotADirectory
    )
}

fn line(prefix: &[u8], path: &Path) -> Vec<u8> {
    [prefix, path.as_os_str().as_encoded_bytes(), b"\n"].concat()
}

/// Without `..`, which relative links of git's have.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn what_is_no_plain_file_is_said_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gitdir");
        let put: [(&str, &dyn Fn()); 3] = [
            ("a named pipe", &|| mkfifo(&path, Mode::S_IRWXU).unwrap()),
            ("a symbolic link", &|| symlink("/dev/zero", &path).unwrap()),
            ("bytes", &|| fs::write(&path, vec![b'a'; GIT_FILE_BYTES_MAX as usize + 1]).unwrap()),
        ];
        for (due, put) in put {
            put();
            for error in [read_path(&path).unwrap_err(), read_text(&path).unwrap_err()] {
                assert!(error.to_string().contains(due), "{error}");
            }
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(read_path(&path).unwrap(), None);
        fs::write(&path, "/a/b/.git\n").unwrap();
        assert_eq!(read_path(&path).unwrap(), Some("/a/b/.git".into()));
        assert_eq!(read_path(folder.path()).unwrap(), None, "a submodule has a directory there");
    }
}
