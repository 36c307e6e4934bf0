//! Rules that answer questions for permission before anybody is asked. The first rule that fits decides.
//!
//! The two answers err on different sides. A rule that allows has to fit the whole of the command or path, which has to be
//! told whole, and its `*` stops where a shell would begin another command: `git *` does not allow `git log; rm -r x`. A rule
//! that denies fits wherever its pattern is found.

use serde::{Deserialize, Serialize};

use crate::model::agent::{Permission, PermissionQuestion};

/// One rule of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// The tools that it is about; upper and lower case are the same.
    pub tool: RulePattern,
    /// The command, the path or the address that it is about; any if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<RulePattern>,
    /// The answer.
    pub answer: RuleAnswer,
    /// The reason, which the agent is told with a no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAnswer {
    /// The use of the tool is allowed.
    Allow,
    /// The use of the tool is refused, with the reason of the rule if it has one.
    Deny,
}

impl RuleAnswer {
    /// Every word that is one, as people write it.
    pub const WORDS: [&str; 2] = ["allow", "deny"];

    /// The answer as people write it.
    pub fn word(self) -> &'static str {
        match self {
            RuleAnswer::Allow => "allow",
            RuleAnswer::Deny => "deny",
        }
    }
}

/// A text in which `*` stands for any characters, and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulePattern(pub String);

/// The characters by which a command line comes to hold a second command, or its output goes elsewhere.
const ENDS_COMMAND: [char; 11] = [';', '&', '|', '<', '>', '$', '`', '(', ')', '\n', '\r'];

impl RulePattern {
    /// Whether it fits the whole text; `is_free` says which characters `*` and `?` stand for.
    fn fits(&self, text: &str, is_free: impl Fn(char) -> bool) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        let (mut at, mut seen) = (0, 0);
        // The last star, and how far it reaches: where the rest does not fit, it takes one more.
        let mut star: Option<(usize, usize)> = None;
        while seen < text.len() {
            let fits_one = match pattern.get(at) {
                Some('*') => {
                    star = Some((at, seen));
                    at += 1;
                    continue;
                }
                Some('?') => is_free(text[seen]),
                Some(wanted) => *wanted == text[seen],
                None => false,
            };
            if fits_one {
                (at, seen) = (at + 1, seen + 1);
                continue;
            }
            match star {
                Some((star_at, reach)) if is_free(text[reach]) => {
                    star = Some((star_at, reach + 1));
                    (at, seen) = (star_at + 1, reach + 1);
                }
                Some(_) | None => return false,
            }
        }
        pattern[at..].iter().all(|left| *left == '*')
    }

    /// Whether it is found somewhere in the text. Blanks are the same however many there are.
    fn is_in(&self, text: &str) -> bool {
        let within = RulePattern(format!("*{}*", blanks_made_one(&self.0)));
        within.fits(&blanks_made_one(text), |_| true)
    }

    /// Whether it is the name in whatever case.
    fn names(&self, name: &str) -> bool {
        RulePattern(self.0.to_lowercase()).fits(&name.to_lowercase(), |_| true)
    }

    /// Whether it is the name.
    pub fn is_name(&self, name: &str) -> bool {
        self.fits(name, |_| true)
    }
}

fn blanks_made_one(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a path, or a word of a command, leads upwards.
fn leads_up(text: &str) -> bool {
    text.split(|c: char| c == '/' || c.is_whitespace() || c == '=').any(|part| part == "..")
}

impl ApprovalRule {
    /// Whether the rule is about this question.
    fn fits(&self, asked: &PermissionQuestion) -> bool {
        let Some(pattern) = &self.pattern else { return self.tool.names(&asked.tool) };
        let fits = match self.answer {
            RuleAnswer::Allow => {
                let leads_up = leads_up(&asked.subject) && !leads_up(&pattern.0);
                let is_free = |c: char| !ENDS_COMMAND.contains(&c);
                !asked.subject.is_empty() && !leads_up && pattern.fits(&asked.subject, is_free)
            }
            RuleAnswer::Deny => [&asked.subject, &asked.title, &asked.detail].iter().any(|text| pattern.is_in(text)),
        };
        fits && self.tool.names(&asked.tool)
    }

    fn permission(&self) -> Permission {
        match (self.answer, &self.reason) {
            (RuleAnswer::Allow, _) => Permission::Once,
            (RuleAnswer::Deny, Some(reason)) => Permission::Never { reason: reason.clone() },
            (RuleAnswer::Deny, None) => {
                let of = self.pattern.as_ref().map(|pattern| format!(" with {}", pattern.0)).unwrap_or_default();
                Permission::Never { reason: format!("a rule of this team denies {}{of}", self.tool.0) }
            }
        }
    }

    /// The answer of the first of the rules that fits; nothing if none does.
    pub fn answer_of(rules: &[ApprovalRule], asked: &PermissionQuestion) -> Option<Permission> {
        rules.iter().find(|rule| rule.fits(asked)).map(ApprovalRule::permission)
    }
}
