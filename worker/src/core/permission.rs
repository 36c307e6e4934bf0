//! Questions for permission: answered by the member's setting, or by the lead within a time. Nothing hangs on a question
//! that nobody answers, and the end of its turn takes it back.

use teamster_protocol::model::agent::{ApprovalPolicy, Permission, PermissionBy, PermissionQuestion, QuestionId};
use teamster_protocol::model::notice::TranscriptText;

use super::{AskRefused, CallId, WorkPhase, WorkerAction, WorkerAnswer, WorkerCore, ms};

/// A question that waits for an answer.
#[derive(Debug)]
pub(super) struct OpenQuestion {
    pub(super) question: QuestionId,
    /// When it is answered with no.
    pub(super) until_ms: u64,
}

/// The answer to a question by the member's setting; nothing if the lead is to be asked.
pub fn answer_by_policy(approval: ApprovalPolicy) -> Option<Permission> {
    approval.answer()
}

impl WorkerCore {
    pub(super) fn permission_asked(&mut self, now_ms: u64, asked: PermissionQuestion) {
        let until_ms = now_ms.saturating_add(ms(self.settings.permission_within));
        let approval = self.settings.approval;
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let question = asked.question.clone();
        match answer_by_policy(approval) {
            Some(answer) => {
                self.act(WorkerAction::Say(TranscriptText::PermissionAsked(asked)));
                self.permit(question, answer, PermissionBy::Policy);
            }
            None => {
                turn.questions.push(OpenQuestion { question, until_ms });
                self.act(WorkerAction::Say(TranscriptText::PermissionAsked(asked)));
            }
        }
    }

    /// The lead answers.
    pub(super) fn permit_called(&mut self, now_ms: u64, call: CallId, question: QuestionId, answer: Permission) {
        let open = match &mut self.phase {
            WorkPhase::Turn(turn) => {
                turn.heard(now_ms);
                turn.take_question(&question)
            }
            WorkPhase::Starting
            | WorkPhase::Idle
            | WorkPhase::Claiming(_)
            | WorkPhase::Recording { .. }
            | WorkPhase::Parked(_)
            | WorkPhase::Left(_) => None,
        };
        match open {
            Some(_) => {
                self.permit(question, answer, PermissionBy::Lead);
                self.answer(call, Ok(WorkerAnswer::Permitted));
            }
            None => {
                let why = format!("it does not ask question {question}, or not any more");
                self.answer(call, Err(AskRefused::new(why)));
            }
        }
    }

    /// Answers the questions that waited for too long.
    pub(super) fn time_out_questions(&mut self, now_ms: u64) {
        let seconds = self.settings.permission_within.as_secs();
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let (late, open): (Vec<_>, Vec<_>) = turn.questions.drain(..).partition(|open| open.until_ms <= now_ms);
        turn.questions = open;
        if !late.is_empty() {
            turn.heard(now_ms);
        }
        for OpenQuestion { question, .. } in late {
            let reason = format!("nobody answered within {seconds} s");
            self.permit(question, Permission::Never { reason }, PermissionBy::Timeout);
        }
    }

    /// The turn of these questions has ended.
    pub(super) fn take_questions_back(&mut self, questions: Vec<OpenQuestion>) {
        for OpenQuestion { question, .. } in questions {
            let answer = Permission::Never { reason: "its turn has ended".to_owned() };
            self.act(WorkerAction::Say(TranscriptText::PermissionAnswered {
                question,
                answer,
                by: PermissionBy::TurnEnd,
            }));
        }
    }

    fn permit(&mut self, question: QuestionId, answer: Permission, by: PermissionBy) {
        self.act(WorkerAction::Permit { question: question.clone(), answer: answer.clone() });
        self.act(WorkerAction::Say(TranscriptText::PermissionAnswered { question, answer, by }));
    }
}
