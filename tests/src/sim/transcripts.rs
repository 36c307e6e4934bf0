//! What the transcripts tell of the last turn of each member, and the rule about texts: a prompt that a worker has taken
//! from the lead is answered, stopped or said to be lost before the next worker begins, and a kept steer is never forgotten.

use std::collections::{BTreeMap, BTreeSet};

use teamster_protocol::model::agent::{AgentFault, TurnEnd};
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
    /// The texts that the worker or its agent kept for later, and whether the agent has had each since.
    kept: BTreeMap<TextId, AgentHad>,
}

impl SimTranscript {
    /// What the agent had of a turn that is stopped stays as it was told; that its task's time or budget is over is told as the
    /// failure of its prompt.
    fn turn_ended(&mut self, end: &TurnEnd) {
        match end {
            TurnEnd::Aborted => {
                self.prompts.clear();
                self.kept.retain(|_, had| *had == AgentHad::No);
            }
            TurnEnd::Failed { fault: AgentFault::Prompt, .. } => self.kept.retain(|_, had| *had == AgentHad::No),
            TurnEnd::Failed { .. } | TurnEnd::NotBegun { .. } | TurnEnd::Completed => {}
        }
    }

    /// A worker that dies while it names what is kept, right after the begin of a turn, leaves the rest of that unnamed.
    fn excuse_unnamed(&mut self) {
        let mut named = BTreeSet::new();
        for entry in &self.entries {
            match &entry.what {
                TranscriptText::TurnStarted { texts, .. } => named.extend(texts.iter().copied()),
                TranscriptText::Receipt { text, state: ReceiptState::Queued } => drop(named.insert(*text)),
                _ => return,
            }
        }
        self.kept.retain(|text, _| named.contains(text));
    }
}

/// Whether an agent has had a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgentHad {
    Yes,
    No,
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
                transcript.kept.entry(*text).or_insert(AgentHad::No);
            }
            TranscriptText::Receipt { text, state } if state.is_last() => {
                transcript.kept.remove(text);
                transcript.prompts.remove(text);
            }
            TranscriptText::Receipt { text, state } if state.is_delivered() => {
                transcript.kept.entry(*text).and_modify(|had| *had = AgentHad::Yes);
            }
            TranscriptText::TurnEnded { end, .. } => transcript.turn_ended(end),
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
        let texts = |transcript: &SimTranscript| {
            let kept = transcript.kept.keys().filter(|text| !transcript.prompts.contains(text));
            transcript.prompts.iter().chain(kept).copied().collect()
        };
        self.0.get(name).map(texts).unwrap_or_default()
    }
}
