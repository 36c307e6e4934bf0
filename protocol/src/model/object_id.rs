//! The name of an object of a git repository, as the board and the git program write it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The digits of an id by SHA-1, and by SHA-256.
const DIGITS: [usize; 2] = [40, 64];
/// The digits that people are shown.
const SHORT_DIGITS: usize = 10;

/// The name of a commit, tree or blob: lower-case hexadecimal, 40 digits or, in a repository with SHA-256, 64. On disk and
/// on the wire it is a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(String);

/// The text is no id of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id of a git object: it needs 40 or 64 digits of 0-9 and a-f")]
pub struct BadObjectId(String);

impl ObjectId {
    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..SHORT_DIGITS).unwrap_or(&self.0)
    }

    /// The whole id, in hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that names no object, of as many digits: to git, a ref that is not there.
    pub fn absent(&self) -> ObjectId {
        ObjectId("0".repeat(self.0.len()))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectId {
    type Err = BadObjectId;

    fn from_str(text: &str) -> Result<ObjectId, BadObjectId> {
        ObjectId::try_from(text.to_owned())
    }
}

impl TryFrom<String> for ObjectId {
    type Error = BadObjectId;

    fn try_from(text: String) -> Result<ObjectId, BadObjectId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if DIGITS.contains(&text.len()) && text.bytes().all(is_digit) {
            Ok(ObjectId(text))
        } else {
            Err(BadObjectId(text.chars().take(DIGITS[1]).collect()))
        }
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_ids_in_lower_case_are_ids() {
        for digits in DIGITS {
            let text = "0123456789abcdef".repeat(4)[..digits].to_owned();
            let id: ObjectId = text.parse().unwrap();
            assert_eq!((id.as_str(), id.short()), (&*text, "0123456789"));
            assert_eq!(id.absent().as_str(), "0".repeat(digits));
            assert_eq!(serde_json::from_str::<ObjectId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }
        for wrong in
            ["", "abc", &"A".repeat(40), &"g".repeat(40), &"0".repeat(41), "HEAD", &format!("{}\n", "0".repeat(40))]
        {
            wrong.parse::<ObjectId>().unwrap_err();
        }
        let long = "x".repeat(10_000).parse::<ObjectId>().unwrap_err().to_string();
        assert!(long.len() < 200, "{long}");
    }
}
