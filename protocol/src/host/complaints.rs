//! Failures that are told once: again only when they change, or when the thing has worked in between, not with every
//! try.

use std::collections::BTreeMap;

/// The last complaint about each of the things that can fail.
#[derive(Debug, Default)]
pub struct Complaints(BTreeMap<&'static str, String>);

impl Complaints {
    /// Whether a complaint is to be told: not if the last one about the same thing had the same text. Remembers it.
    pub fn is_news(&mut self, about: &'static str, text: &str) -> bool {
        if self.0.get(about).is_some_and(|said| said == text) {
            return false;
        }
        self.0.insert(about, text.to_owned());
        true
    }

    /// Forgets the complaint about a thing that works again: the next failure is news.
    pub fn over(&mut self, about: &'static str) {
        self.0.remove(about);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_news_until_it_was_said_and_again_after_it_was_over() {
        let mut complaints = Complaints::default();
        assert!(complaints.is_news("board", "line 3"));
        assert!(complaints.is_news("mail", "line 3"), "what is said of the one is not said of the other");
        assert!(!complaints.is_news("board", "line 3"));
        complaints.over("mail");
        assert!(!complaints.is_news("board", "line 3"), "nor does it end with that");
        assert!(complaints.is_news("board", "line 4"));
        complaints.over("board");
        assert!(complaints.is_news("board", "line 4"));
    }
}
