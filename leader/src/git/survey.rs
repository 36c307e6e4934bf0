//! Repositories that libgit2 must not touch, and why.
//!
//! Some it refuses by itself, late and half done; others it serves wrongly without a word: it runs no
//! filters, so LFS content would be committed in full; it writes files outside a sparse checkout; it
//! writes absolute links where relative ones were asked for.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use git2::{Config, ObjectType, TreeWalkMode, TreeWalkResult};
use teamster_protocol::git::IoContext;
use teamster_protocol::host::plain_file;

use super::configuration::read_configuration;
use super::libgit2::Libgit2Engine;
use super::{GitError, ObjectId};

/// Bytes of a file of attributes: git itself takes no longer one (`ATTR_MAX_FILE_SIZE` in its `attr.h`).
const ATTRIBUTES_BYTES_MAX: u64 = 100 << 20;

/// A feature of a repository that libgit2 cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyProgram {
    /// Files go through a configured filter, such as LFS.
    Filter(String),
    /// Files are stored in another encoding than they have in the work tree.
    WorkingTreeEncoding,
    /// Only a part of the files is checked out.
    SparseCheckout,
    /// The index is kept in two files.
    SplitIndex,
    /// Links between worktrees are to be relative.
    RelativeWorktrees,
    /// Worktrees have a configuration of their own, which a new one inherits.
    WorktreeConfig,
    /// Objects are fetched when they are needed.
    PartialClone,
    /// Refs are stored in another format than files.
    RefFormat(String),
    /// Objects are named by another hash than SHA-1.
    ObjectFormat(String),
    /// An extension of the repository format that libgit2 does not know.
    Extension(String),
}

impl fmt::Display for WhyProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhyProgram::Filter(name) => write!(f, "its files go through the filter `{name}`"),
            WhyProgram::WorkingTreeEncoding => f.write_str("its attributes set a working-tree-encoding"),
            WhyProgram::SparseCheckout => f.write_str("its checkout is sparse"),
            WhyProgram::SplitIndex => f.write_str("its index is split"),
            WhyProgram::RelativeWorktrees => f.write_str("its worktrees are linked by relative paths"),
            WhyProgram::WorktreeConfig => f.write_str("its worktrees have configurations of their own"),
            WhyProgram::PartialClone => f.write_str("it is a partial clone"),
            WhyProgram::RefFormat(name) => write!(f, "its refs are stored as {name}"),
            WhyProgram::ObjectFormat(name) => write!(f, "its objects are named by {name}"),
            WhyProgram::Extension(name) => write!(f, "it uses the extension `{name}`"),
        }
    }
}

/// Looks at the configuration: that of the repository, the user and the system. The repository is not
/// opened, since libgit2 refuses to open some of those this is about.
pub(super) fn by_configuration(common_dir: &Path) -> Result<Option<WhyProgram>, GitError> {
    let file = common_dir.join("config");
    let failed = |source| GitError::library("cannot read", &file, source);
    let config = read_configuration(common_dir).map_err(failed)?;
    let is_set = |name: &str| config.get_bool(name).unwrap_or(false);

    let mut extensions = Vec::new();
    let mut promised = false;
    config
        .entries(None)
        .and_then(|entries| {
            entries.for_each(|entry| {
                let Ok(name) = entry.name() else { return };
                let value = entry.value().unwrap_or_default();
                if let Some(extension) = name.strip_prefix("extensions.") {
                    extensions.push((extension.to_owned(), value.to_owned()));
                }
                promised |= name.starts_with("remote.") && name.ends_with(".promisor") && value != "false";
            })
        })
        .map_err(failed)?;

    let mut own_configuration = None;
    for (name, value) in extensions {
        let why = match name.as_str() {
            "noop" | "preciousobjects" => continue,
            "objectformat" if value == "sha1" => continue,
            "refstorage" if value == "files" => continue,
            "worktreeconfig" => {
                if is_set("extensions.worktreeconfig") {
                    own_configuration = Some(WhyProgram::WorktreeConfig);
                }
                continue;
            }
            "relativeworktrees" if !is_set("extensions.relativeworktrees") => continue,
            "objectformat" => WhyProgram::ObjectFormat(value),
            "refstorage" => WhyProgram::RefFormat(value),
            "relativeworktrees" => WhyProgram::RelativeWorktrees,
            "partialclone" => WhyProgram::PartialClone,
            _ => WhyProgram::Extension(name),
        };
        return Ok(Some(why));
    }
    Ok(if promised {
        Some(WhyProgram::PartialClone)
    } else if is_set("core.sparsecheckout") || is_set("index.sparse") {
        Some(WhyProgram::SparseCheckout)
    } else if is_set("core.splitindex") {
        Some(WhyProgram::SplitIndex)
    } else if is_set("worktree.userelativepaths") {
        Some(WhyProgram::RelativeWorktrees)
    } else {
        own_configuration
    })
}

/// Looks at the attributes, as far as a driver is configured for them: those in every directory of
/// `commit`, the repository's own, the user's and the system's.
pub(super) fn by_attributes(
    library: &Libgit2Engine,
    common_dir: &Path,
    commit: &ObjectId,
) -> Result<Option<WhyProgram>, GitError> {
    let failed = |source| GitError::library("cannot read the attributes of", common_dir, source);
    let config = read_configuration(common_dir).map_err(failed)?;
    let drivers = drivers(&config).map_err(failed)?;

    for file in attribute_files(&config, common_dir) {
        match plain_file::read_given(&file, ATTRIBUTES_BYTES_MAX) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            found => {
                if let Some(why) = by_text(&found.about("cannot read", &file)?, &drivers) {
                    return Ok(Some(why));
                }
            }
        }
    }

    let repository = library.repository();
    let mut found = None;
    let mut failure = None;
    let tree = library.commit(commit)?.tree().map_err(failed)?;
    let walked = tree.walk(TreeWalkMode::PreOrder, |_, entry| {
        if entry.name_bytes() != b".gitattributes" || entry.kind() != Some(ObjectType::Blob) {
            return TreeWalkResult::Ok;
        }
        match repository.find_blob(entry.id()) {
            Ok(blob) => found = by_text(blob.content(), &drivers),
            Err(error) => failure = Some(error),
        }
        if found.is_some() || failure.is_some() { TreeWalkResult::Abort } else { TreeWalkResult::Ok }
    });
    if let Some(source) = failure {
        return Err(failed(source));
    }
    match walked {
        Err(source) if found.is_none() => Err(failed(source)),
        Ok(()) | Err(_) => Ok(found),
    }
}

fn drivers(config: &Config) -> Result<BTreeSet<String>, git2::Error> {
    let mut drivers = BTreeSet::new();
    config.entries(Some("^filter\\."))?.for_each(|entry| {
        let Some(rest) = entry.name().ok().and_then(|name| name.strip_prefix("filter.")) else {
            return;
        };
        let Some((driver, setting)) = rest.rsplit_once('.') else {
            return;
        };
        if matches!(setting, "clean" | "smudge" | "process") && !entry.value().unwrap_or_default().is_empty() {
            drivers.insert(driver.to_owned());
        }
    })?;
    Ok(drivers)
}

fn attribute_files(config: &Config, common_dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![common_dir.join("info/attributes"), PathBuf::from("/etc/gitattributes")];
    if let Ok(named) = config.get_path("core.attributesfile") {
        files.push(named);
    } else if let Some(dir) = env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()) {
        files.push(PathBuf::from(dir).join("git/attributes"));
    } else if let Some(home) = env::home_dir() {
        files.push(home.join(".config/git/attributes"));
    }
    files
}

/// Patterns are not matched: a repository that names a driver anywhere means to use it.
fn by_text(text: &[u8], drivers: &BTreeSet<String>) -> Option<WhyProgram> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    for attribute in lines.flat_map(|line| line.split_whitespace().skip(1)) {
        match attribute.split_once('=') {
            Some(("filter", driver)) if drivers.contains(driver) => {
                return Some(WhyProgram::Filter(driver.to_owned()));
            }
            Some(("working-tree-encoding", _)) => return Some(WhyProgram::WorkingTreeEncoding),
            Some(_) | None => {}
        }
    }
    None
}
