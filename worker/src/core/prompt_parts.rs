//! The prompt of a turn that was interrupted, and its parts: what was asked, what the agent had said, and the texts.

use teamster_protocol::model::limits::RESULT_BYTES_MAX;
use teamster_protocol::model::task::TaskWork;

use super::recap::{ending, quoted};
use super::text::WaitingText;

/// The last words of a prompt that is put again with texts.
const GO_ON: &str = "Go on with what you were asked, and heed this.";
/// What such a prompt says of a turn in which its agent was interrupted.
const BEGUN: &str = "You had begun with this, and were interrupted.";
/// What follows that if the agent had said something.
const HAD_SAID: &str = " You had said:\n";
/// What stands between two parts of a prompt.
const GAP: &str = "\n\n";

/// The parts of the prompt of a turn that was interrupted. Each interruption makes the prompt of them anew, so that none
/// quotes the one before it.
#[derive(Debug, Clone)]
pub(super) struct PromptParts {
    /// What the turn was asked at first.
    asked: String,
    /// The end of all that its agent has said before it was prompted last; nothing if it was prompted once.
    said: Option<String>,
    /// The texts that were added, each as a part of a prompt.
    texts: Vec<String>,
}

impl PromptParts {
    pub(super) fn of(work: &TaskWork) -> PromptParts {
        PromptParts { asked: work.text().to_owned(), said: None, texts: Vec::new() }
    }

    /// Adds a text.
    pub(super) fn add(&mut self, text: &WaitingText) {
        self.texts.push(text.as_prompt());
    }

    /// Whether the agent was prompted with it more than once.
    pub(super) fn are_put_again(&self) -> bool {
        self.said.is_some()
    }

    /// The agent was interrupted after it had said this since its last prompt.
    pub(super) fn heard(&mut self, said: &str) {
        self.said = Some(self.all_said(said));
    }

    /// The end of all that the agent has said, with what it said since its last prompt.
    pub(super) fn all_said(&self, said: &str) -> String {
        let pieces = [self.said.as_deref().unwrap_or_default(), said].map(str::trim);
        let all = pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join("\n");
        all[all.ceil_char_boundary(all.len().saturating_sub(RESULT_BYTES_MAX))..].to_owned()
    }

    /// The bytes of the prompt without what the agent had said.
    pub(super) fn bytes(&self) -> usize {
        let parts = [self.asked.as_str(), BEGUN, GO_ON].into_iter().chain(self.texts.iter().map(String::as_str));
        parts.map(|part| part.len() + GAP.len()).sum()
    }

    /// The prompt, of so many bytes at most if its parts have room in them: what was said gives way.
    pub(super) fn prompt(&self, bytes_max: usize) -> String {
        let had_said = |said: &str| format!("{HAD_SAID}{}", quoted(&ending(said)));
        let said = self.said.as_deref().filter(|said| !said.is_empty()).map(had_said);
        let said = said.filter(|said| self.bytes() + said.len() <= bytes_max).unwrap_or_default();
        let begun = self.said.iter().map(|_| format!("{BEGUN}{said}"));
        let parts = [self.asked.clone()].into_iter().chain(begun).chain(self.texts.iter().cloned());
        parts.chain([GO_ON.to_owned()]).collect::<Vec<_>>().join(GAP)
    }
}

/// The bytes that a text adds to a prompt.
pub(super) fn bytes_of(text: &WaitingText) -> usize {
    text.as_prompt().len() + GAP.len()
}
