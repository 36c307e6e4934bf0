//! The questions for permission that agents have asked: each is answered once, and the end of its turn takes it back.

use std::collections::BTreeSet;

use teamster_protocol::model::agent::QuestionId;
use teamster_protocol::model::notice::TranscriptText;

use super::oracle::Life;

/// A question that the lead can see.
#[derive(Debug, Clone)]
pub(super) struct SeenQuestion {
    /// The place of the member that asks.
    pub(super) member: usize,
    /// The number by which it is answered.
    pub(super) number: u64,
}

/// What is known of them. See the module.
#[derive(Debug, Default)]
pub(super) struct SimQuestions {
    open: BTreeSet<(Life, QuestionId)>,
    /// The questions that the lead was asked, answered or not.
    pub(super) seen: Vec<SeenQuestion>,
    /// How many were answered by the lead, by a rule or a setting, or by the time that passed.
    pub(super) answered: u64,
}

impl SimQuestions {
    /// An agent asks.
    pub(super) fn asked(&mut self, life: &Life, question: QuestionId) {
        self.open.insert((life.clone(), question));
    }

    /// The lead can see a question of this member. Returns the number by which it is answered.
    pub(super) fn show(&mut self, member: usize) -> u64 {
        let number = self.seen.len() as u64 + 1;
        self.seen.push(SeenQuestion { member, number });
        number
    }

    /// An entry of the transcript. Returns the rule that it breaks.
    pub(super) fn say(&mut self, life: &Life, entry: &TranscriptText) -> Option<String> {
        match entry {
            TranscriptText::PermissionAnswered { question, .. } => {
                self.answered += 1;
                let was_open = self.open.remove(&(life.clone(), question.clone()));
                (!was_open).then(|| format!("{life:?} answers question {question} again"))
            }
            TranscriptText::TurnEnded { .. } => {
                let left = self.open.iter().find(|(of, _)| of == life)?;
                Some(format!("a turn of {life:?} has ended, and question {} is open", left.1))
            }
            _ => None,
        }
    }

    /// A worker is gone, with its agent.
    pub(super) fn gone(&mut self, life: &Life) {
        self.open.retain(|(of, _)| of != life);
    }
}
