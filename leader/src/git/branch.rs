//! The names of Teamster's branches, so that whoever makes, looks for or removes one means the same branch.

use teamster_protocol::model::id::TeamName;

/// The branch of a member's worktree: `teamster/<team>/<member>`. `member` is text, because a directory among the
/// worktrees may be called what no member can be called.
pub fn member_branch(team: &TeamName, member: &str) -> String {
    format!("teamster/{team}/{member}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_names_its_team_and_its_member() {
        assert_eq!(member_branch(&"app-f18299".parse().unwrap(), "alice"), "teamster/app-f18299/alice");
    }
}
