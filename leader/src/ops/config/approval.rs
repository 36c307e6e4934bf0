//! `[[approval]]`: rules that answer questions for permission before anybody is asked. A rule that allows is the user's own
//! to give: a repository's file may only deny.

use teamster_protocol::model::approval::{ApprovalRule, RuleAnswer, RulePattern};
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::limits::{APPROVAL_RULES_MAX, TITLE_BYTES_MAX};

use super::error::{ConfigFault, ConfigProblems, ConfigReport};
use super::value::{table, unknown_key, word};
use super::{Config, ConfigScope, PlacedValue};
use crate::ops::document::value::{line, repeated, wrong_type};
use crate::ops::document::{DocumentEntry, DocumentNode, DocumentValue};

const KEYS: [&str; 5] = ["tool", "pattern", "member", "answer", "reason"];

/// One rule of a file, and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredRule {
    /// The members that it is for; all if not given.
    pub member: Option<RulePattern>,
    /// The rule.
    pub rule: ApprovalRule,
}

/// Reads all `[[approval]]` of a file; `line_of` is the line that a value begins on.
pub(super) fn read(
    node: DocumentNode<'_>,
    scope: ConfigScope,
    line_of: impl Fn(&DocumentNode<'_>) -> usize,
    problems: &mut ConfigProblems,
) -> Vec<PlacedValue<ConfiguredRule>> {
    let items = match node.value {
        DocumentValue::List(items) => items,
        other @ (DocumentValue::Text(_)
        | DocumentValue::Number(_)
        | DocumentValue::Flag(_)
        | DocumentValue::Table(_)
        | DocumentValue::Other(_)) => {
            wrong_type(problems, node.span, "`approval`", "a list of tables, each below [[approval]]", other.kind());
            return Vec::new();
        }
    };
    if items.len() > APPROVAL_RULES_MAX {
        problems.add(Some(node.span), || ConfigReport::of(ConfigFault::TooManyRules { rules: items.len() }));
        return Vec::new();
    }
    let rules = items.into_iter().filter_map(|item| {
        let at = line_of(&item);
        rule(item, scope, problems).map(|value| PlacedValue { value, line: at })
    });
    rules.collect()
}

fn rule(node: DocumentNode<'_>, scope: ConfigScope, problems: &mut ConfigProblems) -> Option<ConfiguredRule> {
    let whole = node.span.clone();
    let entries = table("an approval", node, problems)?;
    let (mut tool, mut pattern, mut member, mut answer, mut reason) = (None, None, None, None, None);
    let mut given: Vec<String> = Vec::new();
    let mut is_good = true;
    for DocumentEntry { key, key_span, node } in entries {
        if given.iter().any(|known| *known == *key) {
            repeated(problems, key_span, &key);
            is_good = false;
            continue;
        }
        given.push(key.to_string());
        let span = node.span.clone();
        match &*key {
            "tool" => tool = text("`tool`", node, problems).map(RulePattern),
            "pattern" => pattern = text("`pattern`", node, problems).map(RulePattern),
            "member" => member = text("`member`", node, problems).map(RulePattern),
            "reason" => reason = text("`reason`", node, problems).map(|reason| (reason, span)),
            "answer" => answer = word("`answer`", node, &RuleAnswer::WORDS, problems).map(|word| (word, span)),
            unknown => {
                unknown_key(unknown, key_span, "[[approval]]", &KEYS, problems);
                is_good = false;
            }
        }
    }
    for field in ["tool", "answer"].into_iter().filter(|field| !given.iter().any(|key| key == field)) {
        problems.add(Some(whole.clone()), || ConfigReport::of(ConfigFault::MissingKey { field }));
        is_good = false;
    }
    let (word, span) = answer?;
    let answer = if word == RuleAnswer::Allow.word() { RuleAnswer::Allow } else { RuleAnswer::Deny };
    match (answer, scope, &reason) {
        (RuleAnswer::Allow, ConfigScope::Repository, _) => {
            problems.add(Some(span), || {
                ConfigReport::of(ConfigFault::AllowedByRepository)
                    .hint("write it into your own config.toml; a repository's file may only deny")
            });
            return None;
        }
        (RuleAnswer::Allow, ConfigScope::User, Some((_, span))) => {
            problems.add(Some(span.clone()), || {
                ConfigReport::of(ConfigFault::ReasonOfYes).hint("leave it out, or write it behind a #")
            });
            return None;
        }
        (RuleAnswer::Allow, ConfigScope::User, None) | (RuleAnswer::Deny, _, _) => {}
    }
    let rule = ApprovalRule { tool: tool?, pattern, answer, reason: reason.map(|(reason, _)| reason) };
    is_good.then_some(ConfiguredRule { member, rule })
}

/// A text of one line that is not too long.
fn text(field: &'static str, node: DocumentNode<'_>, problems: &mut ConfigProblems) -> Option<String> {
    let span = node.span.clone();
    let text = line(field, node, problems)?;
    if text.len() > TITLE_BYTES_MAX {
        problems.add(Some(span), || ConfigReport::of(ConfigFault::LongText { field, max: TITLE_BYTES_MAX }));
        return None;
    }
    Some(text)
}

impl Config {
    /// The rules for one member, those of the repository first, so that none of the user's allows what it denies.
    pub fn rules_for(&self, name: &MemberName) -> Vec<ApprovalRule> {
        let is_for = |rule: &&ConfiguredRule| rule.member.as_ref().is_none_or(|member| member.is_name(name.as_str()));
        self.approvals.iter().map(|given| &given.value).filter(is_for).map(|given| given.rule.clone()).collect()
    }
}
