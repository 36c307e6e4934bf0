//! The words by which an agent is told who it is: one text for agents whose commands reach the team, and one for the
//! others. Files of settings may put another text in the place of each. Pure: a text and facts in, a text out.
//!
//! A text names facts in braces, such as `{member}`. A line that names a fact which a member does not have, such as the role
//! of one without a role, is left out. Other braces mean nothing.

use std::path::Path;

use super::agent::preset::{AgentAbilities, AgentAbility};
use super::id::{MemberName, Role, TeamName};

/// The kind of agent that a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// The agent runs commands, among which `teamster` reaches the team.
    WithShell,
    /// The agent runs none, or none that reaches the team.
    WithoutShell,
}

/// The text for agents whose commands reach the team.
const WITH_SHELL: &str = "\
You are {member}, a member of the team {team}. The lead, a person or an agent, gives you work; other members work beside you.
Your role: {role}
You work in {workspace}
It is a git worktree of your own, on the branch {branch}: commit your work there, and others bring it back from there.
What you say last in a turn is your result, which the lead reads: what you did, and what is not done. A task that you are
given ends with your turn; nobody has to mark it as done.
The command teamster works in your shell, where it knows you as {member}:
- teamster dm NAME WORDS writes to a member, and teamster dm lead WORDS to the lead;
- teamster list shows who is on the team, teamster task list and teamster task show ID what there is to do;
- teamster task add WORDS puts work on the board, for whoever is free;
- teamster inbox shows the messages that you had.
Messages of others come to you by themselves. Do not wait in your shell for an answer: end your turn, and it will come.";

/// The text for all others.
const WITHOUT_SHELL: &str = "\
You are {member}, a member of the team {team}. The lead, a person or an agent, gives you work; other members work beside you.
Your role: {role}
You work in {workspace}
It is a git worktree of your own, on the branch {branch}: commit your work there, and others bring it back from there.
What you say last in a turn is your result, which the lead reads: what you did, and what is not done. A task that you are
given ends with your turn; nobody has to mark it as done.
Messages of others come to you by themselves. You can not write to them from your shell: say what they have to know in your
result. Do not wait for an answer: end your turn, and it will come.";

impl IdentityKind {
    /// Both kinds.
    pub const ALL: [IdentityKind; 2] = [IdentityKind::WithShell, IdentityKind::WithoutShell];

    /// The kind of agents with these abilities.
    pub fn of(abilities: AgentAbilities) -> IdentityKind {
        match abilities.reaches_team {
            AgentAbility::Yes => IdentityKind::WithShell,
            AgentAbility::No => IdentityKind::WithoutShell,
        }
    }

    /// The key of the text in the section `[prompt]` of a file of settings.
    pub fn key(self) -> &'static str {
        match self {
            IdentityKind::WithShell => "with-shell",
            IdentityKind::WithoutShell => "without-shell",
        }
    }

    /// The text that is used where nobody wrote another.
    pub fn built_in(self) -> &'static str {
        match self {
            IdentityKind::WithShell => WITH_SHELL,
            IdentityKind::WithoutShell => WITHOUT_SHELL,
        }
    }
}

/// The facts that a text may name.
#[derive(Debug, Clone, Copy)]
pub struct IdentityFacts<'a> {
    /// The member, for `{member}`.
    pub member: &'a MemberName,
    /// The team, for `{team}`.
    pub team: &'a TeamName,
    /// The role, for `{role}`.
    pub role: Option<&'a Role>,
    /// The directory that the member works in, for `{workspace}`.
    pub workspace: &'a Path,
    /// The branch of a worktree of the member's own, for `{branch}`.
    pub branch: Option<&'a str>,
}

impl IdentityFacts<'_> {
    /// The text with the facts in it; nothing if nothing is left to be told.
    pub fn fill(&self, text: &str) -> Option<String> {
        let facts = [
            ("{member}", Some(self.member.to_string())),
            ("{team}", Some(self.team.to_string())),
            ("{role}", self.role.map(ToString::to_string)),
            ("{workspace}", Some(self.workspace.display().to_string())),
            ("{branch}", self.branch.map(str::to_owned)),
        ];
        let filled: Vec<String> = text.lines().filter_map(|line| filled(line, &facts)).collect();
        let filled = filled.join("\n");
        let filled = filled.trim();
        (!filled.is_empty()).then(|| filled.to_owned())
    }
}

/// The line with the facts in it; nothing if it names one that there is not. A fact that looks like a name is no name.
fn filled(line: &str, facts: &[(&str, Option<String>)]) -> Option<String> {
    let mut filled = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        match facts.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, fact)) => {
                filled.push_str(fact.as_deref()?);
                rest = &rest[name.len()..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::agent::preset::{DriverKind, abilities_of};
    use crate::model::limits::sizes::IDENTITY_BYTES_MAX;

    fn told(text: &str, role: Option<&str>, branch: Option<&str>) -> Option<String> {
        let (member, team) = ("alice".parse().unwrap(), "demo".parse().unwrap());
        let role: Option<Role> = role.map(|role| role.parse().unwrap());
        let workspace = Path::new("/w/{role}");
        IdentityFacts { member: &member, team: &team, role: role.as_ref(), workspace, branch }.fill(text)
    }

    #[test]
    fn facts_stand_in_the_place_of_their_names_and_lines_without_a_fact_are_left_out() {
        let text = "I am {member} of {team} in {workspace}.\nAs {role}.\nOn {branch}.\nUse {\"a\": {member}} {other}\n";
        assert_eq!(told(text, None, None).unwrap(), "I am alice of demo in /w/{role}.\nUse {\"a\": alice} {other}");
        let all = told(text, Some("tests"), Some("teamster/demo/alice")).unwrap();
        assert!(all.contains("\nAs tests.\nOn teamster/demo/alice.\n"), "{all}");
        assert_eq!(told("", None, None), None);
        assert_eq!(told("\n{role}\n", None, None), None);
    }

    #[test]
    fn what_is_built_in_is_short_and_names_the_commands_only_where_they_work() {
        for kind in IdentityKind::ALL {
            let text = told(kind.built_in(), Some("tests"), Some("b")).unwrap();
            assert!(text.len() < IDENTITY_BYTES_MAX / 4, "{} bytes", text.len());
            assert!(text.starts_with("You are alice, a member of the team demo."), "{text}");
            assert_eq!(text.contains("teamster dm"), kind == IdentityKind::WithShell, "{text}");
        }
        assert_eq!(IdentityKind::of(abilities_of(DriverKind::Claude)), IdentityKind::WithShell);
        assert_eq!(IdentityKind::of(abilities_of(DriverKind::Codex)), IdentityKind::WithoutShell);
    }
}
