//! The directories in which git keeps what belongs to a workspace. An agent with a sandbox of its own has to be told of them,
//! or it could not commit: those of a worktree lie outside of it.

use std::fs;
use std::path::{Path, PathBuf};

/// The directories that a commit in `workspace` writes to; none if the workspace is not the top of a repository or worktree.
pub(super) fn git_dirs(workspace: &Path) -> Vec<PathBuf> {
    let own = workspace.join(".git");
    if own.is_dir() {
        return vec![own];
    }
    let Some(gitdir) = named_in(&own, "gitdir: ") else { return Vec::new() };
    let gitdir = workspace.join(gitdir);
    let common = named_in(&gitdir.join("commondir"), "").map(|common| gitdir.join(common));
    let common = common.and_then(|common| common.canonicalize().ok());
    [gitdir].into_iter().chain(common).collect()
}

/// The path that a file names after this prefix.
fn named_in(file: &Path, prefix: &str) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    text.trim_end_matches(['\r', '\n']).strip_prefix(prefix).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_has_its_own_directory_and_that_of_its_repository() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (repo, tree) = (root.join("repo"), root.join("tree"));
        let gitdir = repo.join(".git/worktrees/tree");
        fs::create_dir_all(&gitdir).unwrap();
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join(".git"), format!("gitdir: {}\n", gitdir.display())).unwrap();
        fs::write(gitdir.join("commondir"), "../..\n").unwrap();
        assert_eq!(git_dirs(&repo), [repo.join(".git")]);
        assert_eq!(git_dirs(&tree), [gitdir, repo.join(".git")]);
        assert_eq!(git_dirs(&root), Vec::<PathBuf>::new());
    }
}
