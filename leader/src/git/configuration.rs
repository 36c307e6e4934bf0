//! The configuration of a repository, read as git reads it.

use std::path::Path;

use git2::{Config, ConfigLevel};

use super::GitError;
use super::hidden::StatTrust;

/// How far the configuration lets git believe its notes of the files.
pub(super) fn stat_trust(common_dir: &Path) -> Result<StatTrust, GitError> {
    let config = read_configuration(common_dir)
        .map_err(|source| GitError::library("cannot read the configuration of", common_dir, source))?;
    let looks_at_less = config.get_string("core.checkstat").is_ok_and(|value| value.eq_ignore_ascii_case("minimal"));
    let trusts_inode_time = config.get_bool("core.trustctime").unwrap_or(true);
    Ok(if looks_at_less || !trusts_inode_time { StatTrust::None } else { StatTrust::Full })
}

/// The configuration that holds for the repository with this common directory.
pub(super) fn read_configuration(common_dir: &Path) -> Result<Config, git2::Error> {
    let mut config = Config::open_default()?;
    config.add_file(&common_dir.join("config"), ConfigLevel::Local, false)?;
    let own = common_dir.join("config.worktree");
    if own.is_file() && config.get_bool("extensions.worktreeconfig").unwrap_or(false) {
        config.add_file(&own, ConfigLevel::Worktree, false)?;
    }
    Ok(config)
}
