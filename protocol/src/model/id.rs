//! Names and numbers, parsed once at the edge: whoever holds one of these types may put it into a path, a
//! branch or a record without looking at it again.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::model::agent_form::{AgentForm, FormFault};
use crate::model::limits::NAME_CHARS_MAX;

/// The mailbox name of the leader; no member can have it.
pub const LEAD: &str = "lead";

/// Why a text is no name. The display says which text, what is wrong with it, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Wrong length or a character outside the alphabet.
    #[error("{0:?} is not a name: use 1 to {NAME_CHARS_MAX} of a-z, 0-9 and -")]
    Alphabet(String),
    /// A member's name that looks like an option: no command line could have it.
    #[error("{0:?} is not a member's name: it begins with -, as options do")]
    OptionLike(String),
    /// A member's name of digits alone: commands that take either would take it for a task.
    #[error("{0:?} is not a member's name: a number means a task; use a letter too")]
    TaskLike(String),
    /// A command in the name of an agent that can not be one.
    #[error("{text:?} is not an agent: {fault}")]
    AgentForm {
        /// The name, shortened.
        text: String,
        /// The fault of the command.
        fault: FormFault,
    },
    /// The name of the leader's mailbox.
    #[error("\"lead\" is reserved for the leader")]
    Reserved,
}

fn check(text: &str) -> Result<(), BadName> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.bytes().all(allowed) {
        return Err(BadName::Alphabet(text.chars().take(60).collect()));
    }
    Ok(())
}

/// Compares two names as people sort them: where both have digits, by the number that these are.
fn natural_order(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one.as_bytes(), other.as_bytes());
    loop {
        let (digits, other_digits) = (leading_digits(left), leading_digits(right));
        let order = match (left.first(), right.first()) {
            // The texts may still differ in zeros before a number.
            (None, None) => return one.cmp(other),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(_), Some(_)) if digits > 0 && other_digits > 0 => {
                let order = number_order(&left[..digits], &right[..other_digits]);
                (left, right) = (&left[digits..], &right[other_digits..]);
                order
            }
            (Some(byte), Some(other_byte)) => {
                let order = byte.cmp(other_byte);
                (left, right) = (&left[1..], &right[1..]);
                order
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn leading_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Compares digits by the number that they are, however long it is.
fn number_order(one: &[u8], other: &[u8]) -> Ordering {
    let without_zeros = |digits: &[u8]| digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    let (one, other) = (&one[without_zeros(one)..], &other[without_zeros(other)..]);
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// In natural order: `w2` comes before `w10`.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                natural_order(&self.0, &other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                $check(text)?;
                Ok($name(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn check_member(text: &str) -> Result<(), BadName> {
    check(text)?;
    match text {
        LEAD => Err(BadName::Reserved),
        text if text.starts_with('-') => Err(BadName::OptionLike(text.to_owned())),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => Err(BadName::TaskLike(text.to_owned())),
        _ => Ok(()),
    }
}

fn check_agent(text: &str) -> Result<(), BadName> {
    match AgentForm::parse(text) {
        None => check(text),
        Some(Ok(_)) => Ok(()),
        Some(Err(fault)) => Err(BadName::AgentForm { text: text.chars().take(60).collect(), fault }),
    }
}

name!(
    /// A member of a team: 1 to 40 of `a-z`, `0-9` and `-`, never `lead`, no number, and not beginning with `-`.
    MemberName,
    check_member
);
name!(
    /// A team: 1 to 40 of `a-z`, `0-9` and `-`.
    TeamName,
    check
);
name!(
    /// A role a task may ask for and a member may have: 1 to 40 of `a-z`, `0-9` and `-`.
    Role,
    check
);
name!(
    /// The kind of agent a member drives, such as `shell`: 1 to 40 of `a-z`, `0-9` and `-`, or a command in one of the
    /// forms of [`AgentForm`].
    AgentName,
    check_agent
);

impl AgentName {
    /// The form of a name that brings a command; nothing for an ordinary name.
    pub fn form(&self) -> Option<AgentForm> {
        AgentForm::parse(self.as_str()).map(|form| form.expect("the name was checked"))
    }
}

/// The owner of a mailbox, or the writer of a record: the leader (or a command that speaks for it) or a member.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Address {
    /// The leader's mailbox, `lead`.
    Lead,
    /// A member's mailbox.
    Member(MemberName),
}

impl Address {
    /// The address as text: `lead` or the member's name.
    pub fn as_str(&self) -> &str {
        match self {
            Address::Lead => LEAD,
            Address::Member(name) => name.as_str(),
        }
    }

    /// The member, unless it is the leader.
    pub fn member(&self) -> Option<&MemberName> {
        match self {
            Address::Lead => None,
            Address::Member(name) => Some(name),
        }
    }
}

impl FromStr for Address {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == LEAD { Ok(Address::Lead) } else { text.parse().map(Address::Member) }
    }
}

impl TryFrom<String> for Address {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.as_str().to_owned()
    }
}

impl From<MemberName> for Address {
    fn from(name: MemberName) -> Address {
        Address::Member(name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of a task on its board, from 1 up; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u32);

/// A text that is no task number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a task number")]
pub struct BadTaskId(String);

impl FromStr for TaskId {
    type Err = BadTaskId;

    /// Reads `7` or `#7`.
    fn from_str(text: &str) -> Result<Self, BadTaskId> {
        match text.strip_prefix('#').unwrap_or(text).parse() {
            Ok(number) if number > 0 => Ok(TaskId(number)),
            _ => Err(BadTaskId(text.to_owned())),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The id of a message or of a shutdown request: a ULID, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MessageId(Ulid);

/// A text that is no message id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a message id")]
pub struct BadMessageId(String);

impl MessageId {
    /// Makes an id from its two parts; the caller brings the clock and the chance.
    pub fn from_parts(at_ms: u64, random: u128) -> MessageId {
        MessageId(Ulid::from_parts(at_ms, random))
    }
}

impl FromStr for MessageId {
    type Err = BadMessageId;

    fn from_str(text: &str) -> Result<Self, BadMessageId> {
        Ulid::from_string(text).map(MessageId).map_err(|_| BadMessageId(text.to_owned()))
    }
}

impl TryFrom<String> for MessageId {
    type Error = BadMessageId;

    fn try_from(text: String) -> Result<Self, BadMessageId> {
        text.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> String {
        id.0.to_string()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_and_no_leader_can_be_smuggled_in_as_a_name() {
        for bad in ["", "..", "../x", "a/b", "A", "ä", "a b", "a\0", "a\n", &"x".repeat(41)] {
            assert!(bad.parse::<MemberName>().is_err(), "{bad:?} was taken for a name");
            assert!(serde_json::from_value::<TeamName>(serde_json::json!(bad)).is_err());
        }
        assert_eq!("lead".parse::<MemberName>(), Err(BadName::Reserved));
        assert_eq!("lead".parse::<Address>(), Ok(Address::Lead));
        assert_eq!(&"x".repeat(40), "x".repeat(40).parse::<MemberName>().unwrap().as_str());
    }

    #[test]
    fn names_with_numbers_are_in_the_order_of_the_numbers() {
        let mut names: Vec<MemberName> =
            ["w10", "w2", "w1", "w02", "a-2-10", "a-2-9", "w"].map(|name| name.parse().unwrap()).into();
        names.sort();
        let names: Vec<&str> = names.iter().map(MemberName::as_str).collect();
        assert_eq!(names, ["a-2-9", "a-2-10", "w", "w1", "w02", "w2", "w10"]);
    }

    #[test]
    fn names_are_equal_in_order_only_if_they_are_the_same() {
        let names = ["a", "a0", "a00", "a0-", "a-0", "0", "00", "a1b2", "a01b2", "a1b02"];
        for one in names {
            for other in names {
                let order = natural_order(one, other);
                assert_eq!(order == Ordering::Equal, one == other, "{one} {other}");
                assert_eq!(order, natural_order(other, one).reverse(), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_task_number_may_have_its_hash() {
        assert_eq!("#12".parse(), Ok(TaskId(12)));
        assert_eq!("12".parse(), Ok(TaskId(12)));
        for bad in ["0", "", "#", "-1", "1.5", "99999999999"] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad:?}");
        }
    }
}
