//! What the transcripts tell of the last turn of each member, and the rule about texts: a prompt that a worker has taken
//! from the lead is answered, stopped or said to be lost before the next worker begins, and a kept steer is never forgotten.

use std::collections::{BTreeMap, BTreeSet};

use teamster_protocol::model::agent::TurnEnd;
use teamster_protocol::model::id::{MemberName, MessageId};
use teamster_protocol::model::last_turn::LastTurn;
use teamster_protocol::model::notice::{TranscriptEntry, TranscriptText};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::usage::UsageSum;

/// The transcript of one member since its last turn began.
#[derive(Debug, Default)]
struct SimTranscript {
    entries: Vec<TranscriptEntry>,
    /// The prompts of which nobody has said what became of them.
    prompts: BTreeSet<TextId>,
    /// The steers that the worker or its agent keeps for a later turn.
    kept: BTreeSet<TextId>,
}

impl SimTranscript {
    /// A worker that dies while it names what is kept, right after the begin of a turn, leaves the rest of that unnamed.
    fn excuse_unnamed(&mut self) {
        let mut named = BTreeSet::new();
        for entry in &self.entries {
            match &entry.what {
                TranscriptText::TurnStarted { .. } => {}
                TranscriptText::Receipt { text, state: ReceiptState::Queued } => drop(named.insert(*text)),
                _ => return,
            }
        }
        self.kept.retain(|text| named.contains(text));
    }
}

/// The transcripts of all members.
#[derive(Debug, Default)]
pub(super) struct SimTranscripts(BTreeMap<MemberName, SimTranscript>);

impl SimTranscripts {
    /// The lead was told that the worker has its prompt.
    pub(super) fn prompt_taken(&mut self, name: &MemberName, text: TextId) {
        self.0.entry(name.clone()).or_default().prompts.insert(text);
    }

    /// An entry is written.
    pub(super) fn say(&mut self, name: &MemberName, at_ms: u64, what: TranscriptText) {
        let transcript = self.0.entry(name.clone()).or_default();
        match &what {
            TranscriptText::TurnStarted { .. } => transcript.entries.clear(),
            TranscriptText::Receipt { text: text @ TextId::InTurn { .. }, state: ReceiptState::Queued } => {
                transcript.kept.insert(*text);
            }
            TranscriptText::Receipt { text, state } => {
                transcript.kept.remove(text);
                if state.is_last() {
                    transcript.prompts.remove(text);
                }
            }
            TranscriptText::TurnEnded { end: TurnEnd::Aborted, .. } => transcript.prompts.clear(),
            _ => {}
        }
        transcript.entries.push(TranscriptEntry { seq: 1, at_ms, what });
    }

    /// Says what is lost of the last turn of a member whose worker is dead.
    pub(super) fn end_turn_of_dead(&mut self, name: &MemberName, at_ms: u64, unread: &BTreeSet<MessageId>) {
        if let Some(transcript) = self.0.get_mut(name) {
            transcript.excuse_unnamed();
        }
        let entries = self.0.get(name).map_or(&[][..], |transcript| &transcript.entries);
        let Some(last) = LastTurn::find(entries) else { return };
        for entry in last.loss(name, None, |id| unread.contains(&id)).entries {
            self.say(name, at_ms, entry);
        }
    }

    /// The use of the last turn of a member.
    pub(super) fn used_in_last_turn(&self, name: &MemberName) -> UsageSum {
        let entries = self.0.get(name).map_or(&[][..], |transcript| &transcript.entries);
        LastTurn::find(entries).map_or(UsageSum::default(), |last| last.used())
    }

    /// The use of a member so far.
    pub(super) fn used_by(&self, name: &MemberName) -> UsageSum {
        let entries = self.0.get(name).map_or(&[][..], |transcript| &transcript.entries);
        LastTurn::find(entries).map_or(UsageSum::default(), |last| last.used_before().plus(last.used()))
    }

    /// The prompts and the kept steers of a member that nobody answers, and of which nobody has said so.
    pub(super) fn vanished(&self, name: &MemberName) -> Vec<TextId> {
        let texts = |transcript: &SimTranscript| transcript.prompts.union(&transcript.kept).copied().collect();
        self.0.get(name).map(texts).unwrap_or_default()
    }
}
