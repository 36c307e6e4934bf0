//! The mark in a repository that says which team works there, so that the team is found again when the repository has
//! another path: the team's name comes from the path that the repository had.
//!
//! The mark is a file in the common directory, which git leaves alone. A copy of the repository has a copy of the mark;
//! the path in it tells the two apart.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use teamster_protocol::git::IoContext;
use teamster_protocol::host::{plain_file, process};
use teamster_protocol::model::id::TeamName;
use teamster_protocol::model::limits::MARK_BYTES_MAX;

use super::{GitError, Repository};

/// The name of the mark's file in the common directory.
const MARK_FILE: &str = "teamster.json";
/// The name of a file that is being written, around the number of the process that does.
const PART_BEGIN: &str = "teamster.";
const PART_END: &str = ".part";
const MARK_VERSION: u32 = 1;
/// How many roots are remembered, the newest: a repository has one, and a few for trials.
const MARKS_MAX: usize = 16;

/// The team that works in a repository, as far as one root is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamMark {
    /// The root that holds the team's files, canonical.
    pub root: PathBuf,
    /// The team.
    pub team: TeamName,
    /// The common directory of the repository when the mark was written, canonical.
    pub repository: PathBuf,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamMarkFile {
    /// The version of the format.
    pub v: u32,
    /// One mark for each root, the newest first.
    pub teams: Vec<TeamMark>,
}

impl Repository {
    /// The mark for this root. Fails where the file can not be read: the team of a repository that was moved is not found
    /// then, and nothing else is lost.
    pub fn team_mark(&self, root: &Path) -> Result<Option<TeamMark>, GitError> {
        Ok(read_marks(&self.common_dir)?.into_iter().find(|mark| mark.root == root))
    }

    /// Whether the file of the marks can be read, if there is one.
    pub fn check_team_marks(&self) -> Result<(), UnreadMarks> {
        let path = self.common_dir.join(MARK_FILE);
        read_marks(&self.common_dir).map(|_| ()).map_err(|error| UnreadMarks { path, why: error.to_string() })
    }

    /// Writes a mark in place of the one for the same root; nothing if it says the same already. A file that can not be read
    /// is left as it is.
    pub fn set_team_mark(&self, mark: TeamMark) -> Result<(), GitError> {
        let mut teams = read_marks(&self.common_dir)?;
        if teams.contains(&mark) {
            return Ok(());
        }
        teams.retain(|other| other.root != mark.root);
        teams.insert(0, mark);
        teams.truncate(MARKS_MAX);
        let path = self.common_dir.join(MARK_FILE);
        let mut line = serde_json::to_vec(&TeamMarkFile { v: MARK_VERSION, teams })
            .map_err(|error| GitError::io("cannot write", &path, error.into()))?;
        line.push(b'\n');
        remove_parts_of_dead(&self.common_dir);
        // Written beside and renamed, so that nobody reads a half of it, also after a loss of power.
        let part = self.common_dir.join(format!("{PART_BEGIN}{}{PART_END}", std::process::id()));
        let written = write_synced(&part, &line).about("cannot write", &part);
        let renamed = written.and_then(|()| fs::rename(&part, &path).about("cannot write", &path));
        if renamed.is_err() {
            // Gone already, or not to be had: the first error says what is the matter.
            let _ = fs::remove_file(&part);
        }
        Ok(renamed?)
    }
}

/// The file of the marks stands there, and can not be read.
#[derive(Debug)]
pub struct UnreadMarks {
    /// The file.
    pub path: PathBuf,
    /// The reason, with the path.
    pub why: String,
}

fn write_synced(part: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = plain_file::create_anew(OpenOptions::new().write(true).mode(0o600), part)?;
    file.write_all(line)?;
    file.sync_all()
}

/// Removes what processes left here that died while they wrote. To leave it costs nothing, so no failure is told.
fn remove_parts_of_dead(common_dir: &Path) {
    for entry in fs::read_dir(common_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let writer = name.to_str().and_then(|name| name.strip_prefix(PART_BEGIN)?.strip_suffix(PART_END)?.parse().ok());
        if writer.is_some_and(|pid: u32| process::identity(pid).is_err_and(|error| error.kind() == ErrorKind::NotFound))
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The marks of the file; none where there is no file. Anything else than a plain file of ours is an error, and nobody waits
/// for it: an agent may have put it there.
fn read_marks(common_dir: &Path) -> Result<Vec<TeamMark>, GitError> {
    let path = common_dir.join(MARK_FILE);
    let text = match plain_file::read_whole(&path, MARK_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.about("cannot read", &path)?,
    };
    let unreadable = |why: String| GitError::io("cannot read", &path, io::Error::new(ErrorKind::InvalidData, why));
    match serde_json::from_slice::<TeamMarkFile>(&text) {
        Ok(file) if file.v == MARK_VERSION => Ok(file.teams),
        Ok(file) => {
            Err(unreadable(format!("it is of version {}, and this program reads version {MARK_VERSION}", file.v)))
        }
        Err(error) => Err(unreadable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_mark_is_kept_for_each_root_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init(folder.path()).unwrap();
        let repository = Repository::discover(folder.path()).unwrap();
        let mark = |nth: usize, team: &str| TeamMark {
            root: format!("/root/{nth}").into(),
            team: team.parse().unwrap(),
            repository: repository.common_dir().to_owned(),
        };
        for nth in 0..=MARKS_MAX {
            repository.set_team_mark(mark(nth, "first")).unwrap();
            repository.set_team_mark(mark(nth, "last")).unwrap();
        }
        assert_eq!(repository.team_mark(Path::new("/root/0")).unwrap(), None);
        assert_eq!(repository.team_mark(Path::new("/root/1")).unwrap(), Some(mark(1, "last")));
        assert_eq!(read_marks(repository.common_dir()).unwrap().len(), MARKS_MAX);
    }

    #[test]
    fn a_mark_that_can_not_be_read_is_said_left_alone_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init(folder.path()).unwrap();
        let repository = Repository::discover(folder.path()).unwrap();
        let path = repository.common_dir().join(MARK_FILE);
        let put: [(&str, &dyn Fn()); 7] = [
            ("EOF", &|| fs::write(&path, "").unwrap()),
            ("EOF", &|| fs::write(&path, "{").unwrap()),
            ("version 2", &|| fs::write(&path, r#"{"v":2,"teams":[]}"#).unwrap()),
            ("bytes", &|| fs::write(&path, vec![b' '; MARK_BYTES_MAX as usize + 1]).unwrap()),
            ("a named pipe", &|| mkfifo(&path, Mode::S_IRWXU).unwrap()),
            ("a symbolic link", &|| symlink("/dev/zero", &path).unwrap()),
            ("a directory", &|| fs::create_dir(&path).unwrap()),
        ];
        for (due, put) in put {
            put();
            let error = repository.team_mark(Path::new("/root")).unwrap_err().to_string();
            assert!(error.contains(due) && error.contains(MARK_FILE), "{error}");
            let kind = path.symlink_metadata().unwrap().file_type();
            let mark = TeamMark { root: "/root".into(), team: "crew".parse().unwrap(), repository: "/r".into() };
            repository.set_team_mark(mark).unwrap_err();
            assert_eq!(path.symlink_metadata().unwrap().file_type(), kind, "{due}");
            assert!(repository.check_team_marks().is_err_and(|unread| unread.path == path));
            if kind.is_dir() { fs::remove_dir(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
        }
        repository.check_team_marks().unwrap();
    }

    #[test]
    fn a_part_that_is_left_over_is_removed_and_no_link_of_its_name_is_written_through() {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init(folder.path()).unwrap();
        let repository = Repository::discover(folder.path()).unwrap();
        let part = |pid: u32| repository.common_dir().join(format!("{PART_BEGIN}{pid}{PART_END}"));
        // No process has such a number: the kernel gives at most 2^22.
        fs::write(part(u32::MAX), "half").unwrap();
        let theirs = folder.path().join("theirs");
        fs::write(&theirs, "theirs").unwrap();
        symlink(&theirs, part(std::process::id())).unwrap();
        let mark = TeamMark { root: "/root".into(), team: "crew".parse().unwrap(), repository: "/r".into() };
        repository.set_team_mark(mark.clone()).unwrap();
        assert_eq!(repository.team_mark(Path::new("/root")).unwrap(), Some(mark));
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
        let names = fs::read_dir(repository.common_dir()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().ends_with(PART_END)).count(), 0);
    }
}
