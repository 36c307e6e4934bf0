//! The names of Teamster's branches, so that whoever makes, looks for or removes one means the same branch.

use teamster_protocol::model::id::TeamName;

/// The branch of a member's worktree: `teamster/<team>/<member>`. `member` is text, because a directory among the
/// worktrees may be called what no member can be called.
pub fn member_branch(team: &TeamName, member: &str) -> String {
    format!("teamster/{team}/{member}")
}

/// The namespace of branches among the refs of a repository.
const BRANCHES: &str = "refs/heads/";

/// All branches, as a pattern of refs.
pub(super) const EVERY_BRANCH: &str = "refs/heads/*";

/// The ref of a branch.
pub(super) fn branch_ref(branch: &str) -> String {
    format!("{BRANCHES}{branch}")
}

/// The branch of a ref; a ref that is no branch's is returned whole.
pub(super) fn branch_of_ref(name: &str) -> &str {
    name.strip_prefix(BRANCHES).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_names_its_team_and_its_member() {
        assert_eq!(member_branch(&"app-f18299".parse().unwrap(), "alice"), "teamster/app-f18299/alice");
    }

    #[test]
    fn a_branch_and_its_ref_are_named_by_each_other_also_where_a_branch_is_called_like_a_ref() {
        for branch in ["main", "teamster/app-f18299/alice", "refs/heads/main"] {
            assert_eq!(branch_of_ref(&branch_ref(branch)), branch);
            assert!(branch_ref(branch).starts_with(EVERY_BRANCH.trim_end_matches('*')));
        }
        assert_eq!(branch_of_ref("refs/tags/v1"), "refs/tags/v1");
    }
}
