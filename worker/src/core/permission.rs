//! Questions for permission: answered by a rule of the team, by the member's setting, or by the lead within a time. Nothing
//! hangs on a question that nobody answers or that nobody can see, and the end of its turn takes it back.

use teamster_protocol::model::agent::{Permission, PermissionBy, PermissionQuestion, QuestionId};
use teamster_protocol::model::approval::ApprovalRule;
use teamster_protocol::model::limits::QUESTIONS_WAITING_MAX;
use teamster_protocol::model::notice::TranscriptText;

use super::{AskRefused, CallId, WorkPhase, WorkerAction, WorkerAnswer, WorkerCore, ms};

/// A question that waits for an answer.
#[derive(Debug)]
pub(super) struct OpenQuestion {
    pub(super) question: QuestionId,
    /// The number of the transcript entry in which it was asked, by which the lead names it; nothing until that is written.
    pub(super) number: Option<u64>,
    /// When it is answered with no.
    pub(super) until_ms: u64,
}

impl WorkerCore {
    pub(super) fn permission_asked(&mut self, now_ms: u64, asked: PermissionQuestion) {
        let until_ms = now_ms.saturating_add(ms(self.settings.permission_within));
        let by_rule = ApprovalRule::answer_of(&self.settings.rules, &asked).map(|answer| (answer, PermissionBy::Rule));
        let by_policy = || self.settings.approval.answer().map(|answer| (answer, PermissionBy::Policy));
        let at_once = by_rule.or_else(by_policy);
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let too_many = || {
            let reason = format!("{QUESTIONS_WAITING_MAX} questions wait for an answer already");
            (Permission::Never { reason }, PermissionBy::Unasked)
        };
        let at_once = at_once.or_else(|| (turn.questions.len() >= QUESTIONS_WAITING_MAX).then(too_many));
        let question = asked.question.clone();
        match at_once {
            Some((answer, by)) => {
                self.act(WorkerAction::Say(TranscriptText::PermissionAsked { asked, until_ms: None }));
                self.permit(question, answer, by);
            }
            None => {
                turn.questions.push(OpenQuestion { question, number: None, until_ms });
                let task = turn.task();
                self.act(WorkerAction::AskLead { asked, task, until_ms });
            }
        }
    }

    /// The lead can see the question, and answer it by this number.
    pub(super) fn lead_asked(&mut self, question: &QuestionId, number: u64) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let is_it = |open: &&mut OpenQuestion| open.number.is_none() && open.question == *question;
        if let Some(open) = turn.questions.iter_mut().find(is_it) {
            open.number = Some(number);
        }
    }

    /// Nobody can see the question, so nobody is waited for.
    pub(super) fn lead_not_asked(&mut self, question: &QuestionId, why: String) {
        let WorkPhase::Turn(turn) = &mut self.phase else { return };
        let is_it = |open: &OpenQuestion| open.number.is_none() && open.question == *question;
        if let Some(at) = turn.questions.iter().position(is_it) {
            let OpenQuestion { question, .. } = turn.questions.remove(at);
            let reason = format!("the lead can not be asked: {why}");
            self.permit(question, Permission::Never { reason }, PermissionBy::Unasked);
        }
    }

    /// The lead answers by a call.
    pub(super) fn permit_called(&mut self, now_ms: u64, call: CallId, number: u64, answer: Permission) {
        let answer = self.permit_by_lead(now_ms, number, answer);
        self.answer(call, answer.map(|()| WorkerAnswer::Permitted).map_err(AskRefused::new));
    }

    /// Gives the agent the answer of the lead. Refused with the reason if the question is not open.
    pub(super) fn permit_by_lead(&mut self, now_ms: u64, number: u64, answer: Permission) -> Result<(), String> {
        let open = match &mut self.phase {
            WorkPhase::Turn(turn) => turn.take_question(number).inspect(|_| turn.heard(now_ms)),
            WorkPhase::Starting
            | WorkPhase::Idle
            | WorkPhase::Claiming(_)
            | WorkPhase::Recording { .. }
            | WorkPhase::Parked(_)
            | WorkPhase::Left(_) => None,
        };
        let Some(OpenQuestion { question, .. }) = open else {
            return Err("it does not wait for that answer, or not any more".to_owned());
        };
        self.permit(question, answer, PermissionBy::Lead);
        Ok(())
    }

    /// Answers the questions that waited for too long.
    pub(super) fn time_out_questions(&mut self, now_ms: u64) {
        let seconds = self.settings.permission_within.as_secs_f64();
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
