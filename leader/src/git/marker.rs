//! The mark in a repository that says which team works there, so that the team is found again when the repository has
//! another path: the team's name comes from the path that the repository had.
//!
//! The mark is a file in the common directory, which git leaves alone. A copy of the repository has a copy of the mark;
//! the path in it tells the two apart.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use teamster_protocol::model::id::TeamName;

use super::error::IoContext;
use super::{GitError, Repository};

/// The name of the mark's file in the common directory.
const MARK_FILE: &str = "teamster.json";
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
    /// The mark for this root. A mark that can not be read is passed over with a warning, because it matters only to a
    /// repository that was moved.
    pub fn team_mark(&self, root: &Path) -> Option<TeamMark> {
        read_marks(&self.common_dir).into_iter().find(|mark| mark.root == root)
    }

    /// Writes a mark in place of the one for the same root; nothing if it says the same already.
    pub fn set_team_mark(&self, mark: TeamMark) -> Result<(), GitError> {
        let mut teams = read_marks(&self.common_dir);
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
        // Written beside and renamed, so that nobody reads a half of it.
        let mut part = tempfile_beside(&path)?;
        part.1.write_all(&line).about("cannot write", &part.0)?;
        fs::rename(&part.0, &path).about("cannot write", &path)
    }
}

fn tempfile_beside(path: &Path) -> Result<(PathBuf, fs::File), GitError> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let file = fs::File::create(&part).about("cannot create", &part)?;
    Ok((part, file))
}

fn read_marks(common_dir: &Path) -> Vec<TeamMark> {
    let path = common_dir.join(MARK_FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!("cannot read {}: {error}", path.display());
            return Vec::new();
        }
    };
    match serde_json::from_slice::<TeamMarkFile>(&text) {
        Ok(file) if file.v == MARK_VERSION => file.teams,
        Ok(file) => {
            tracing::warn!(
                "{} is of version {}, and this program reads version {MARK_VERSION}",
                path.display(),
                file.v
            );
            Vec::new()
        }
        Err(error) => {
            tracing::warn!("cannot read {}: {error}", path.display());
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(repository.team_mark(Path::new("/root/0")), None);
        assert_eq!(repository.team_mark(Path::new("/root/1")), Some(mark(1, "last")));
        assert_eq!(read_marks(repository.common_dir()).len(), MARKS_MAX);
    }

    #[test]
    fn a_mark_that_can_not_be_read_is_no_mark() {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init(folder.path()).unwrap();
        let repository = Repository::discover(folder.path()).unwrap();
        for text in ["", "{", r#"{"v":2,"teams":[]}"#] {
            fs::write(repository.common_dir().join(MARK_FILE), text).unwrap();
            assert_eq!(repository.team_mark(Path::new("/root")), None);
        }
    }
}
