//! The questions for permission that are open while somebody waits for a text: nobody else may see them. Pure.

use teamster_protocol::model::notice::TranscriptText;

/// The questions of one member that wait for the lead.
#[derive(Debug, Default)]
pub(super) struct OpenQuestions {
    open: Vec<WaitingQuestion>,
    /// The newest that was told.
    told: u64,
}

/// A question that waits for the lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaitingQuestion {
    /// The number of the entry in which it was asked, which names it.
    pub(super) number: u64,
    /// What the agent wants to do, in one line.
    pub(super) title: String,
    id: String,
}

impl OpenQuestions {
    /// Takes the next entry of the transcript, which has this number.
    pub(super) fn take(&mut self, number: u64, said: &TranscriptText) {
        match said {
            TranscriptText::PermissionAsked { asked, until_ms: Some(_) } => {
                let (title, id) = (asked.title.clone(), asked.question.to_string());
                self.open.push(WaitingQuestion { number, title, id });
            }
            TranscriptText::PermissionAnswered { question, .. } => {
                let id = question.to_string();
                self.open.retain(|waiting| waiting.id != id);
            }
            said if said.ends_turn() => self.open.clear(),
            _ => {}
        }
    }

    /// Those that were not told yet, oldest first.
    pub(super) fn untold(&mut self) -> Vec<WaitingQuestion> {
        let told = self.told;
        let untold: Vec<WaitingQuestion> = self.open.iter().filter(|it| it.number > told).cloned().collect();
        self.told = untold.last().map_or(told, |last| last.number);
        untold
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::agent::{Permission, PermissionBy, PermissionQuestion, QuestionId};

    use super::*;

    #[test]
    fn a_question_is_told_once_and_not_when_it_is_answered_by_then() {
        let asked = |id: &str| {
            let (question, rm) = (QuestionId(id.to_owned()), || "rm".to_owned());
            let (detail, subject) = (String::new(), String::new());
            let asked = PermissionQuestion { question, tool: rm(), title: rm(), detail, subject };
            TranscriptText::PermissionAsked { asked, until_ms: Some(9) }
        };
        let answered = |id: &str| TranscriptText::PermissionAnswered {
            question: QuestionId(id.to_owned()),
            answer: Permission::Once,
            by: PermissionBy::Lead,
        };
        let mut open = OpenQuestions::default();
        open.take(3, &asked("a"));
        open.take(4, &answered("a"));
        open.take(5, &asked("b"));
        let numbers = |open: &mut OpenQuestions| open.untold().iter().map(|it| it.number).collect::<Vec<_>>();
        assert_eq!(numbers(&mut open), [5]);
        assert_eq!(numbers(&mut open), Vec::<u64>::new());
        open.take(6, &asked("c"));
        assert_eq!(numbers(&mut open), [6], "the other one was told");
    }
}
