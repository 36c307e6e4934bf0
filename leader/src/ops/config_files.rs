//! The files of settings on disk: where they are looked for, and reading them. What they mean is in [`crate::ops::config`].

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use teamster_protocol::model::limits::sizes::CONFIG_BYTES_MAX;

use crate::ops::config::{
    ConfigError, ConfigFile, ConfigScope, FileSettings, REPOSITORY_FILE, RootReading, SettingsRead, USER_FILE,
};

/// Why a file of settings was not read. Nothing goes on without a file that is there: it may name the team.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file could not be read: neither its presence nor its content is known.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// A directory, a pipe or a device.
    #[error("cannot read {}: it is no regular file", path.display())]
    NotAFile {
        /// The path of the file.
        path: PathBuf,
    },
    /// The file has settings that can not be used.
    #[error("the settings can not be used:\n{0}")]
    Wrong(#[from] ConfigError),
    /// The user's file may say where teams are kept, and can not be understood there. To look into the built-in place, or to
    /// end somebody there, would be about other teams than the user means.
    #[error("where your teams are kept is not known: {0}")]
    RootInDoubt(Box<ConfigFileError>),
}

/// Where the user's file is: below `$XDG_CONFIG_HOME`, else `~/.config`. A relative path is passed over, as the XDG base
/// directory specification asks for.
pub fn user_path(xdg_config_home: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
    let absolute = |dir: &str| Path::new(dir).is_absolute().then(|| PathBuf::from(dir));
    let dir = xdg_config_home.and_then(absolute).or_else(|| Some(absolute(home?)?.join(".config")))?;
    Some(dir.join(USER_FILE))
}

/// A file of settings as far as it can be used, and what is wrong with it. Neither where there is no such file.
#[derive(Debug, Default)]
pub struct ReadConfigFile {
    /// What is right in it.
    pub file: Option<ConfigFile>,
    /// What is wrong with it.
    pub problem: Option<ConfigFileError>,
    /// Whether it is known what the file says about where teams are kept.
    pub root: RootReading,
}

impl ReadConfigFile {
    /// The same for a command that nobody told where teams are kept: what leaves that in doubt is a problem of its own then.
    pub fn must_tell_root(mut self) -> ReadConfigFile {
        if self.root == RootReading::InDoubt {
            self.problem = self.problem.map(|problem| ConfigFileError::RootInDoubt(Box::new(problem)));
        }
        self
    }
}

/// The user's file, if there is one.
pub fn read_user_file(path: &Path, home: Option<&str>) -> ReadConfigFile {
    read(path, ConfigScope::User, home)
}

/// The repository's file, if there is one: the nearest from `here` up to the root of the repository. Outside of a
/// repository only the directory itself is looked at, since what lies above may be anybody's.
pub fn read_repository_file(here: &Path) -> ReadConfigFile {
    // Of a worktree or a submodule it is a file. An empty directory of that name is none to git either: sandboxes of agents
    // leave such behind.
    let is_root = |dir: &&Path| {
        let git = dir.join(".git");
        git.is_file() || git.join("HEAD").symlink_metadata().is_ok()
    };
    let top = here.ancestors().find(is_root).unwrap_or(here);
    for dir in here.ancestors() {
        let read = read(&dir.join(REPOSITORY_FILE), ConfigScope::Repository, None);
        if read.file.is_some() || read.problem.is_some() {
            return read;
        }
        if dir == top {
            break;
        }
    }
    ReadConfigFile::default()
}

fn read(path: &Path, scope: ConfigScope, home: Option<&str>) -> ReadConfigFile {
    let bytes = match read_bytes(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return ReadConfigFile::default(),
        Err(problem) => return ReadConfigFile { file: None, problem: Some(problem), root: RootReading::InDoubt },
    };
    let source = path.to_string_lossy();
    let SettingsRead { settings, problem, root } =
        FileSettings::parse_what_is_right(&bytes, scope, &source, home.map(Path::new));
    let file = ConfigFile { scope, path: path.to_owned(), settings };
    ReadConfigFile { file: Some(file), problem: problem.map(ConfigFileError::Wrong), root }
}

fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, ConfigFileError> {
    let unreadable = |source| ConfigFileError::Unreadable { path: path.to_owned(), source };
    // A look first: to open a pipe would wait for somebody to write into it.
    match path.metadata() {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(ConfigFileError::NotAFile { path: path.to_owned() }),
        // A link to a file that is not there, such as one on a disk that is not mounted, was meant to be read.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => return Err(unreadable(error)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(CONFIG_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place(paths: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for path in paths {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("it is below the directory")).expect("its directory");
            fs::write(path, "[run]\nworkers = 2\n").expect("a file");
        }
        dir
    }

    fn found(dir: &Path, here: &str) -> Option<String> {
        let here = dir.join(here);
        fs::create_dir_all(&here).expect("a directory");
        let read = read_repository_file(&here);
        assert!(read.problem.is_none(), "{:?}", read.problem);
        let file = read.file?;
        Some(file.path.strip_prefix(dir).expect("it is below the directory").display().to_string())
    }

    #[test]
    fn the_nearest_file_up_to_the_root_of_the_repository_is_the_repositorys() {
        let dir = place(&["teamster.toml", "tool/.git/HEAD", "tool/teamster.toml", "tool/part/teamster.toml"]);
        assert_eq!(found(dir.path(), "tool/part/deep").as_deref(), Some("tool/part/teamster.toml"));
        assert_eq!(found(dir.path(), "tool/other/deep").as_deref(), Some("tool/teamster.toml"));
        let bare = place(&["teamster.toml", "tool/.git/HEAD"]);
        assert_eq!(found(bare.path(), "tool/src"), None, "what is above the repository is not its own");
        assert_eq!(found(bare.path(), "").as_deref(), Some("teamster.toml"), "no repository is here");
        assert_eq!(found(bare.path(), "elsewhere"), None, "nor is one here, and above may be anybody's");
        fs::create_dir(bare.path().join(".git")).expect("a directory");
        assert_eq!(found(bare.path(), "elsewhere"), None, "an empty directory makes no repository");
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(REPOSITORY_FILE);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let error = read_repository_file(dir.path()).problem.expect("a pipe is no file of settings");
        assert!(error.to_string().ends_with("teamster.toml: it is no regular file"), "{error}");
    }

    #[test]
    fn the_users_file_is_where_the_specification_says() {
        let path = |xdg, home| user_path(xdg, home).map(|path| path.display().to_string());
        assert_eq!(path(Some("/x"), Some("/h")).as_deref(), Some("/x/teamster/config.toml"));
        assert_eq!(path(Some("x"), Some("/h")).as_deref(), Some("/h/.config/teamster/config.toml"));
        assert_eq!(path(None, Some("/h")).as_deref(), Some("/h/.config/teamster/config.toml"));
        assert_eq!(path(None, None), None);
    }
}
