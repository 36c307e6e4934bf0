//! Merges in the object database: no worktree, index or ref is touched, so nobody who works in the repository is
//! disturbed and a death leaves nothing but objects that nobody names.

use std::path::{Path, PathBuf};

use super::runner::{id_of, refused};
use super::{GitRunner, GitStepError, KEEPER_ADDRESS, KEEPER_NAME, path_of, records};
use crate::model::object_id::ObjectId;

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    /// This tree has both.
    Clean(ObjectId),
    /// Both changed the same: these files, relative to the top of the repository, in git's order, each once.
    Conflict(Vec<PathBuf>),
}

/// Merges two commits as git would merge `theirs` in a worktree that is on `ours`: with its strategy and configuration, and
/// by the attributes of `ours`. `base` is the commit that both are compared with; git finds it where it is not given.
/// Refuses what is no commit, and two that have no common one.
pub fn merge_commits(
    runner: &GitRunner,
    git_dir: &Path,
    ours: &ObjectId,
    theirs: &ObjectId,
    base: Option<&ObjectId>,
) -> Result<MergeOutcome, GitStepError> {
    let mut command = runner.command_of(git_dir);
    // Without a worktree git reads no attributes, and would find conflicts where `merge=union` says there are none.
    command.arg(format!("--attr-source={ours}"));
    command.args(["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"]);
    if let Some(base) = base {
        command.arg(format!("--merge-base={base}"));
    }
    command.args([ours.as_str(), theirs.as_str()]);
    let output = runner.output(&mut command)?;
    let mut said = records(&output.stdout);
    match (output.status.code(), said.next()) {
        (Some(0), Some(tree)) => Ok(MergeOutcome::Clean(id_of(&command, tree)?)),
        (Some(1), Some(_half_merged)) => Ok(MergeOutcome::Conflict(said.map(path_of).collect())),
        (Some(_) | None, Some(_) | None) => Err(refused(&command, &output)),
    }
}

/// The base for a merge of `head` into `target`, where `head` was begun at `begun_at`: `None` where git finds it by itself.
/// It does not where `begun_at` came to the target in another form, squashed or rebased: then all that `head` began with
/// would meet itself as a conflict, and what `head` did is told by `begun_at` alone.
pub fn merge_base(
    runner: &GitRunner,
    git_dir: &Path,
    target: &ObjectId,
    head: &ObjectId,
    begun_at: &ObjectId,
) -> Result<Option<ObjectId>, GitStepError> {
    let mut command = runner.command_of(git_dir);
    let common = runner.asked_once(command.args(["merge-base", target.as_str(), head.as_str()]))?;
    let Some(common) = common else { return Ok(Some(begun_at.clone())) };
    let mut command = runner.command_of(git_dir);
    let is_known = runner.asked_once(command.args(["merge-base", "--is-ancestor", begun_at.as_str(), &common]))?;
    Ok(if is_known.is_some() { None } else { Some(begun_at.clone()) })
}

/// Writes a commit and answers its id; no ref is moved. Author and committer are who git says is working in this
/// repository, else Teamster. Signed where `commit.gpgsign` is set; a signature that fails is a refusal in the words of
/// the program that should have signed.
pub fn commit_tree(
    runner: &GitRunner,
    git_dir: &Path,
    tree: &ObjectId,
    parents: &[ObjectId],
    message: &str,
) -> Result<ObjectId, GitStepError> {
    let mut asking = runner.command_of(git_dir);
    let signs = runner.asked_once(asking.args(["config", "--type=bool", "--get", "commit.gpgsign"]))?;
    let mut command = runner.command_of(git_dir);
    for role in ["AUTHOR", "COMMITTER"] {
        let mut asking = runner.command_of(git_dir);
        let is_known = runner.output(asking.args(["var", &format!("GIT_{role}_IDENT")]))?.status.success();
        if !is_known {
            command.env(format!("GIT_{role}_NAME"), KEEPER_NAME).env(format!("GIT_{role}_EMAIL"), KEEPER_ADDRESS);
        }
    }
    command.arg("commit-tree");
    // The command that writes a tree's commit ignores the setting by itself.
    command.arg(if signs.as_deref() == Some("true") { "-S" } else { "--no-gpg-sign" });
    for parent in parents {
        command.args(["-p", parent.as_str()]);
    }
    command.args(["-m", message, tree.as_str()]);
    let output = runner.checked(&mut command)?;
    id_of(&command, &output)
}
