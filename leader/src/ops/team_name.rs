//! The team's name where none is given, so that no id has to be looked up.
//!
//! The rule: take the common directory of the git repository around the current directory, or, outside of one,
//! the current directory; resolve it to its canonical path. The name is its last part (that of the directory
//! above, if that part is `.git`; a final `.git` of a bare repository dropped), made a name by lower-casing and
//! by putting `-` for whatever is not allowed, cut to 33 characters; then `-` and the last 24 bits of the FNV-1a
//! hash (64 bit) of the path's bytes, as six hexadecimal digits. So two checkouts of one name are two teams,
//! every directory and every linked worktree of one repository is the same team, and the same place has the same
//! name with every version of this program. A repository that was moved keeps its team by a mark in it, see `ops::moved`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use teamster_protocol::host::text_path::must_be_text;
use teamster_protocol::model::id::TeamName;
use teamster_protocol::model::limits::sizes::TEAM_STEM_CHARS_MAX;

use super::config::{TeamNameOrigin, TeamStem};
use super::error::OpsError;
use super::moved::{FoundTeam, MovedTeam, find_team};
use crate::git::{GitError, Repository};

/// A place that a team is for: its name is derived from it, and its work is done there.
#[derive(Debug, Clone)]
pub struct TeamPlace {
    /// The path that the name is derived from: a repository's common directory, or a directory.
    pub key: PathBuf,
    /// The working tree at `from`, or the directory itself.
    pub dir: PathBuf,
    /// The repository, if the place is in one.
    pub repository: Option<Repository>,
}

/// The team that a command in some directory is about.
#[derive(Debug, Clone)]
pub struct TeamHere {
    /// The name of the team.
    pub team: TeamName,
    /// The repository that the name comes from, if it comes from one.
    pub repository: Option<Repository>,
    /// Where the repository was before, if the team has just followed it.
    pub moved_from: Option<PathBuf>,
    /// Why it is not known whether the repository was moved here with a team.
    pub unread_mark: Option<String>,
    /// Whether the name is that of the team that is here already, and no rule would give it now.
    pub name: TeamNameOrigin,
}

impl TeamHere {
    /// The team that the user named, wherever the command is typed.
    pub fn named(team: TeamName) -> TeamHere {
        TeamHere { team, repository: None, moved_from: None, unread_mark: None, name: TeamNameOrigin::Rule }
    }

    /// The team of the place around `here`: of the name that `derive` makes of the place's key, or of the name it had
    /// before its repository was moved.
    pub fn find(
        root: &Path,
        here: &Path,
        derive: impl FnOnce(&Path) -> TeamName,
        moved: MovedTeam,
    ) -> Result<TeamHere, OpsError> {
        let TeamPlace { key, repository, .. } = place(here)?;
        let derived = derive(&key);
        let Some(repository) = repository else { return Ok(TeamHere::named(derived)) };
        let FoundTeam { team, moved_from, unread_mark } = find_team(root, &repository, derived.clone(), moved)?;
        let name = if team == derived { TeamNameOrigin::Rule } else { TeamNameOrigin::ExistingTeam };
        Ok(TeamHere { team, repository: Some(repository), moved_from, unread_mark, name })
    }
}

/// Finds the place that `from` is in. The repository is only found and never opened, so its formats and its owner do
/// not matter. Refuses a repository that can not be found for sure: to take it for none would silently make another
/// team.
pub fn place(from: &Path) -> Result<TeamPlace, OpsError> {
    match Repository::discover(from).and_then(|found| Ok((found.work_tree()?, found))) {
        Ok((dir, found)) => {
            must_be_text(found.common_dir())?;
            must_be_text(&dir)?;
            Ok(TeamPlace { key: found.common_dir().to_owned(), dir, repository: Some(found) })
        }
        Err(GitError::NotARepository { .. }) => {
            let here = resolve(from)?;
            // A link such as a worktree has, whose repository was moved or removed: git refuses it too.
            if let Some(link) = here.ancestors().map(|above| above.join(".git")).find(|link| link.is_file()) {
                return Err(OpsError::Repository(format!("{} leads to no repository", link.display())));
            }
            Ok(TeamPlace { key: here.clone(), dir: here, repository: None })
        }
        Err(error) => Err(OpsError::Repository(error.to_string())),
    }
}

/// The directory that a team is founded for when its command is typed in `from`: the working tree there, or the
/// directory itself. A team that was named by the user needs no repository, so one that can not be looked at is no
/// obstacle here.
pub fn founding_dir(from: &Path) -> Result<PathBuf, OpsError> {
    match place(from) {
        Ok(place) => Ok(place.dir),
        Err(error) => {
            tracing::info!("the team is founded for {}: {error}", from.display());
            resolve(from)
        }
    }
}

fn resolve(path: &Path) -> Result<PathBuf, OpsError> {
    let failed = |source| OpsError::Path { doing: "resolve", path: path.to_owned(), source };
    let resolved = path.canonicalize().map_err(failed)?;
    must_be_text(&resolved)?;
    Ok(resolved)
}

/// The name for the place whose key, a canonical path, this is.
pub fn team_name(key: &Path) -> TeamName {
    let named = match (key.file_name(), key.parent()) {
        (Some(last), Some(above)) if last == ".git" => above.file_name().unwrap_or(last),
        (Some(last), _) => last,
        (None, _) => OsStr::new(""),
    };
    let text = named.to_string_lossy().to_lowercase();
    let text = text.strip_suffix(".git").unwrap_or(&text);
    let mut stem = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
        if stem.len() < TEAM_STEM_CHARS_MAX && !(c == '-' && (stem.is_empty() || stem.ends_with('-'))) {
            stem.push(c);
        }
    }
    let stem = stem.trim_end_matches('-');
    let stem = if stem.is_empty() { "team" } else { stem };
    with_place(stem, key)
}

/// The name for the place of this key where the repository chose how it begins: it ends as the derived one does, so that
/// no repository can name the team of another.
pub fn named_after(stem: &TeamStem, key: &Path) -> TeamName {
    with_place(stem.as_str(), key)
}

fn with_place(stem: &str, key: &Path) -> TeamName {
    let hash = fnv1a(key.as_os_str().as_bytes()) & 0xff_ffff;
    format!("{stem}-{hash:06x}").parse().expect("it is made of what a name may have, and of at most 40 of that")
}

/// FNV-1a, 64 bit (draft-eastlake-fnv): fixed for ever, which the standard library's hasher is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_draft() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_name_says_which_repository_and_is_the_same_for_ever() {
        let names =
            ["/src/teamster/.git", "/old/teamster/.git", "/srv/Tool Box.git", "/", "/home/ä", "/src/x_y..z/.git"]
                .map(|key| team_name(Path::new(key)).to_string());
        insta::assert_snapshot!(names.join("\n"), @"
        teamster-9c030b
        teamster-9e0638
        tool-box-ef05d1
        team-0189fe
        team-8176ed
        x-y-z-0f4602
        ");
    }

    #[test]
    fn every_directory_and_worktree_of_a_repository_is_one_team() {
        let dir = tempfile::tempdir().expect("a directory");
        let main = dir.path().join("tool");
        let repository = git2::Repository::init(&main).expect("a repository");
        let who = git2::Signature::now("a", "a@example.org").expect("a signature");
        let tree = repository.treebuilder(None).and_then(|empty| repository.find_tree(empty.write()?)).expect("a tree");
        repository.commit(Some("HEAD"), &who, &who, "first", &tree, &[]).expect("a commit");
        let linked = dir.path().join("elsewhere");
        repository.worktree("elsewhere", &linked, None).expect("a worktree");
        std::fs::create_dir(main.join("sub")).expect("a directory");

        let key = place(&main).expect("a place").key;
        assert_eq!(place(&main.join("sub")).expect("a place").key, key);
        assert_eq!(place(&linked).expect("a place").key, key);
        assert!(team_name(&key).as_str().starts_with("tool-"));
        assert_ne!(place(dir.path()).expect("a place").key, key, "outside it is another team");
    }

    proptest! {
        #[test]
        fn any_path_gives_a_name(bytes in prop::collection::vec(1u8.., 0..80)) {
            team_name(&Path::new("/").join(OsStr::from_bytes(&bytes)));
        }
    }
}
