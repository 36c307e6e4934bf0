//! Where a team keeps its files. Names are parsed before they get here, so no path can leave the root.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::host::crash::point;
use crate::host::plain_file;
use crate::model::id::{Address, MemberName, TaskId, TeamName};

/// The directory of one team, `<root>/<team>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamDir {
    root: PathBuf,
    team: TeamName,
    dir: PathBuf,
}

/// A directory of a team can not be used.
#[derive(Debug, thiserror::Error)]
pub enum TeamDirError {
    /// A directory could not be made or read.
    #[error("cannot {doing} {}: {}", path.display(), reason(source))]
    Io {
        /// The verb: `create`, `look at`, `sync`, …
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// Something else stands in the place of a directory of the team. A link is not followed: whoever put it there would
    /// choose where the team's files are written.
    #[error("{} is {found}, not a directory\nput the directory back, or remove what stands there", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
        /// The kind of the thing, with the article.
        found: &'static str,
    },
    /// The directory belongs to another user, who could read and change all that is in it.
    #[error(
        "{} belongs to the user with the id {owner}, and you are {me}\nchoose another place with --root or TEAMSTER_ROOT, or make it yours with chown",
        path.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
        /// The user who asks.
        me: u32,
    },
}

fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}

/// The default root: `$XDG_STATE_HOME/teamster`, else `$HOME/.local/state/teamster` (XDG Base Directory
/// Specification 0.8: a relative value is to be ignored). Nothing if neither variable is set.
pub fn default_root(xdg_state_home: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
    let absolute = |path: &str| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let state = xdg_state_home.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".local/state")))?;
    Some(state.join("teamster"))
}

/// Whether both paths lead to the same directory, by device and inode: it can be spelled in many ways. Where nothing is there
/// the paths are compared.
pub fn is_same_dir(one: &Path, other: &Path) -> io::Result<bool> {
    match (identity_of(one)?, identity_of(other)?) {
        (Some(one), Some(other)) => Ok(one == other),
        (None, None) => Ok(one == other),
        (Some(_), None) | (None, Some(_)) => Ok(false),
    }
}

/// The device and the inode.
fn identity_of(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::metadata(path) {
        Ok(there) => Ok(Some((there.dev(), there.ino()))),
        Err(error) if is_not_there(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn must_be_directory(path: &Path, there: &fs::Metadata) -> Result<(), TeamDirError> {
    if there.is_dir() {
        return Ok(());
    }
    let found = plain_file::kind_with_article(there.file_type());
    Err(TeamDirError::NotADirectory { path: path.to_owned(), found })
}

fn is_not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl TeamDir {
    /// Names the directory; touches nothing.
    pub fn new(root: impl Into<PathBuf>, team: TeamName) -> TeamDir {
        let root = root.into();
        let dir = root.join(team.as_str());
        TeamDir { root, team, dir }
    }

    /// The team.
    pub fn team(&self) -> &TeamName {
        &self.team
    }

    /// The root that holds all teams.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The team's directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Whether the team was ever made: something has the name of its roster, or of its board, which is made first. Also
    /// where that can not be told, for "could not look" is never "nothing there".
    pub fn exists(&self) -> bool {
        self.was_made().unwrap_or(true)
    }

    /// As [`Self::exists`]; fails where it can not be told.
    pub fn was_made(&self) -> Result<bool, TeamDirError> {
        for log in [self.roster(), self.board()] {
            match log.symlink_metadata() {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(TeamDirError::Io { doing: "look at", path: log, source }),
            }
        }
        Ok(false)
    }

    /// Makes the directory and its rooms, each readable by its owner only. Does nothing where they are, and refuses what
    /// is there and somebody else's.
    pub fn create(&self) -> Result<(), TeamDirError> {
        let failed = |doing: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| TeamDirError::Io { doing, path, source }
        };
        let is_new = !self.was_made()?;
        // Directories whose names a loss of power must not take: of the root, and of all that had to be made above it.
        let made: Vec<&Path> = self.root.ancestors().take_while(|dir| dir.symlink_metadata().is_err()).collect();
        fs::create_dir_all(&self.root).map_err(failed("create", &self.root))?;
        for dir in [self.dir.clone()].into_iter().chain(self.rooms()) {
            match fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => point("directory made"),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // The team's own directory may be kept elsewhere by its user; what is in it is ours alone.
                    let there = if dir == self.dir { fs::metadata(&dir) } else { fs::symlink_metadata(&dir) };
                    let there = there.map_err(failed("look at", &dir))?;
                    must_be_directory(&dir, &there)?;
                    let owner = there.uid();
                    let me = geteuid().as_raw();
                    if owner != me {
                        return Err(TeamDirError::NotOurs { path: dir, owner, me });
                    }
                }
                Err(error) => return Err(failed("create", &dir)(error)),
            }
        }
        let mode = fs::metadata(&self.dir).map_err(failed("read", &self.dir))?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o700)).map_err(failed("protect", &self.dir))?;
        }
        if is_new {
            // Also what a process made that died before it came here.
            let above = made.into_iter().chain([self.root.as_path(), self.dir.as_path()]).filter_map(Path::parent);
            for parent in above.chain([self.dir.as_path()]).filter(|parent| !parent.as_os_str().is_empty()) {
                match fs::File::open(parent).and_then(|dir| dir.sync_all()) {
                    // A directory that may be written to and not be read, such as a drop box, can not be synced either.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                    outcome => outcome.map_err(failed("sync", parent))?,
                }
            }
        }
        Ok(())
    }

    /// Refuses something else in the place of a directory of the team, such as a link, through which this process would write
    /// elsewhere. One that is not there is no matter.
    pub fn check_rooms(&self) -> Result<(), TeamDirError> {
        for room in self.rooms() {
            match fs::symlink_metadata(&room) {
                Ok(there) => must_be_directory(&room, &there)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(TeamDirError::Io { doing: "look at", path: room, source }),
            }
        }
        Ok(())
    }

    /// The directories that every team has.
    fn rooms(&self) -> [PathBuf; 5] {
        [self.mail_dir(), self.turns_dir(), self.tasks_dir(), self.logs_dir(), self.members_dir()]
    }

    /// `team.jsonl`, the roster's log.
    pub fn roster(&self) -> PathBuf {
        self.dir.join("team.jsonl")
    }

    /// `board.jsonl`, the board's log.
    pub fn board(&self) -> PathBuf {
        self.dir.join("board.jsonl")
    }

    /// `mail/`.
    pub fn mail_dir(&self) -> PathBuf {
        self.dir.join("mail")
    }

    /// `mail/<name>.jsonl`, the log of one mailbox. Touching it rings its reader.
    pub fn mailbox(&self, whose: &Address) -> PathBuf {
        self.mail_dir().join(format!("{whose}.jsonl"))
    }

    /// `turns/`.
    pub fn turns_dir(&self) -> PathBuf {
        self.dir.join("turns")
    }

    /// `turns/<member>/`, its transcripts.
    pub fn turns(&self, name: &MemberName) -> PathBuf {
        self.turns_dir().join(name.as_str())
    }

    /// `tasks/`.
    pub fn tasks_dir(&self) -> PathBuf {
        self.dir.join("tasks")
    }

    /// `tasks/<id>.json`, the view of one task.
    pub fn task_view(&self, id: TaskId) -> PathBuf {
        self.tasks_dir().join(format!("{id}.json"))
    }

    /// `logs/`.
    pub fn logs_dir(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// `logs/<name>.log`: what a process said on its standard error.
    pub fn log_of(&self, whose: &Address) -> PathBuf {
        self.logs_dir().join(match whose {
            Address::Lead => "leader.log".to_owned(),
            Address::Member(name) => format!("{name}.log"),
        })
    }

    /// `members/`.
    pub fn members_dir(&self) -> PathBuf {
        self.dir.join("members")
    }

    /// `members/<name>.lock`, held by the member's worker for as long as it lives.
    pub fn member_lock(&self, name: &MemberName) -> PathBuf {
        self.members_dir().join(format!("{name}.lock"))
    }

    /// `members/<name>.llm/`: the conversations of a member whose agent is `llm`, which that makes itself.
    pub fn conversations(&self, name: &MemberName) -> PathBuf {
        self.members_dir().join(format!("{name}.llm"))
    }

    /// Where a member's worker takes calls of a leader that did not start it.
    pub fn member_socket(&self, name: &MemberName) -> PathBuf {
        self.members_dir().join(format!("{name}.sock"))
    }

    /// `worktrees/`.
    pub fn worktrees_dir(&self) -> PathBuf {
        self.dir.join("worktrees")
    }

    /// `worktrees/<member>`.
    pub fn worktree(&self, name: &MemberName) -> PathBuf {
        self.worktrees_dir().join(name.as_str())
    }

    /// `leader.sock`, where the leader takes calls.
    pub fn leader_socket(&self) -> PathBuf {
        self.dir.join("leader.sock")
    }

    /// `leader.lock`, held by the leader for as long as it lives.
    pub fn leader_lock(&self) -> PathBuf {
        self.dir.join("leader.lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_follows_the_xdg_rule() {
        assert_eq!(default_root(Some("/s"), Some("/h")), Some(PathBuf::from("/s/teamster")));
        assert_eq!(default_root(Some("relative"), Some("/h")), Some(PathBuf::from("/h/.local/state/teamster")));
        assert_eq!(default_root(None, None), None);
    }

    #[test]
    fn what_is_somebody_elses_is_refused_and_left_as_it_is() {
        if !geteuid().is_root() {
            println!("not tested: only root can give a directory away");
            return;
        }
        const NOBODY: u32 = 65_534;
        let root = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        fs::DirBuilder::new().mode(0o700).create(dir.path()).unwrap();
        std::os::unix::fs::chown(dir.path(), Some(NOBODY), None).unwrap();
        let refused = dir.create().unwrap_err().to_string();
        assert!(refused.contains("belongs to the user with the id 65534, and you are 0\nchoose"), "{refused}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        std::os::unix::fs::chown(dir.path(), Some(0), None).unwrap();
        dir.create().unwrap();
        std::os::unix::fs::chown(dir.mail_dir(), Some(NOBODY), None).unwrap();
        assert!(dir.create().is_err(), "nor may a room be");
    }

    #[test]
    fn what_stands_in_the_place_of_a_room_is_refused_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        dir.create().unwrap();
        for room in [dir.mail_dir(), dir.turns_dir(), dir.tasks_dir(), dir.logs_dir(), dir.members_dir()] {
            fs::remove_dir(&room).unwrap();
            std::os::unix::fs::symlink(elsewhere.path(), &room).unwrap();
            let refused = dir.create().unwrap_err().to_string();
            assert!(refused.contains("is a symbolic link, not a directory"), "{refused}");
            fs::remove_file(&room).unwrap();
            dir.create().unwrap();
        }
    }

    #[test]
    fn only_the_owner_can_look_in() {
        let root = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        fs::create_dir(dir.path()).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        dir.create().unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
