//! Where a worktree may be: directly under a root of ours, and nowhere else. And the trash beside it.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use teamster_protocol::git::IoContext;
use teamster_protocol::host::clock;

use super::GitError;

/// No worktree's name begins with a dot, so it meets none.
const TRASH: &str = ".trash";
/// The worktree's `.git` is written under this name and then renamed.
pub(super) const LINK_PART: &str = ".git.teamster";

/// A path at which a worktree may be made and removed, checked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorktreePlace {
    root: PathBuf,
    path: PathBuf,
}

impl WorktreePlace {
    /// `name` under `root`, which is created if missing and followed to its real path. Refuses a name that
    /// is not one plain path component, begins with a dot, or is a symbolic link there.
    pub fn new(root: &Path, name: &str) -> Result<WorktreePlace, GitError> {
        let refuse = |why| Err(GitError::BadPlace { path: root.join(name), why });
        let mut parts = Path::new(name).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(only)), None) if only == name => {}
            (Some(_) | None, Some(_) | None) => {
                return refuse("its name must be one plain path component");
            }
        }
        if name.starts_with('.') {
            return refuse("its name begins with a dot");
        }
        fs::create_dir_all(root).about("cannot create", root)?;
        let root = root.canonicalize().about("cannot look into", root)?;
        let place = WorktreePlace { path: root.join(name), root };
        place.contents()?;
        Ok(place)
    }

    /// The worktree's path, of which all but the last part is canonical.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contents as they are now. "Could not look" is an error.
    pub(super) fn contents(&self) -> Result<PlaceContents, GitError> {
        let refuse = |why| Err(GitError::BadPlace { path: self.path.clone(), why });
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // With the root gone too (not mounted?) nothing can be said about what was in it.
                fs::read_dir(&self.root).about("cannot look into", &self.root)?;
                return Ok(PlaceContents::Missing);
            }
            Err(source) => return Err(GitError::io("cannot look at", &self.path, source)),
            Ok(found) if found.is_symlink() => return refuse("it is a symbolic link"),
            Ok(found) if !found.is_dir() => return refuse("it is not a directory"),
            Ok(_) => {}
        }
        let (mut link, mut others) = (false, false);
        for entry in fs::read_dir(&self.path).about("cannot look into", &self.path)? {
            let entry = entry.about("cannot look into", &self.path)?;
            let name = entry.file_name();
            if name == ".git" {
                link = true;
            } else if name != LINK_PART {
                others = true;
            }
        }
        Ok(match (link, others) {
            (true, _) => PlaceContents::Linked,
            (false, true) => PlaceContents::Other,
            (false, false) => PlaceContents::Empty,
        })
    }

    /// Moves what is there into the trash, in one rename, and returns where it is now.
    pub(super) fn discard(&self) -> Result<PathBuf, GitError> {
        let trash = self.root.join(TRASH);
        fs::create_dir_all(&trash).about("cannot create", &trash)?;
        let name = self.path.file_name().expect("a place was made from a plain name").to_string_lossy();
        let (at_ms, process) = (clock::now_ms(), std::process::id());
        let target = (0_u32..)
            .map(|nth| trash.join(format!("{name}-{at_ms}-{process}-{nth}")))
            .find(|target| fs::symlink_metadata(target).is_err())
            .expect("there are more numbers than directories");
        fs::rename(&self.path, &target).about("cannot move to the trash", &self.path)?;
        Ok(target)
    }
}

/// The contents of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceContents {
    Missing,
    Empty,
    /// An entry `.git` is there.
    Linked,
    /// Entries are there, and none is `.git`.
    Other,
}

/// Deletes what removals left in the trash under `root`; returns how many trees that were. Only what was
/// renamed there by a removal is ever in it. Takes as long as deleting the files takes; a tree that
/// another process deletes at the same time is no error, and one that cannot be deleted does not keep the
/// others, but is the error at the end.
pub fn sweep_trash(root: &Path) -> Result<usize, GitError> {
    let trash = root.join(TRASH);
    let entries = match fs::read_dir(&trash) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        found => found.about("cannot look into", &trash)?,
    };
    let mut swept = 0;
    let mut failed = None;
    for entry in entries {
        match delete_tree(&entry.about("cannot look into", &trash)?.path()) {
            Ok(()) => swept += 1,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(swept), Err)
}

/// Deletes a tree, also one with read-only directories, as build caches leave them. Symbolic links are
/// not followed; it is no error if the tree is gone.
pub(super) fn delete_tree(path: &Path) -> Result<(), GitError> {
    let first = fs::remove_dir_all(path);
    let done = match first {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            make_writable(path).about("cannot make writable", path)?;
            fs::remove_dir_all(path)
        }
        first => first,
    };
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(GitError::io("cannot delete", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn make_writable(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}
