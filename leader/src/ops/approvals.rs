//! `approvals`: what agents ask permission for. The transcripts of the members are the truth: a question waits while its
//! worker lives, its turn runs, and no answer is written there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::{MemberName, TaskId, TeamName};
use teamster_protocol::store::transcript;
use teamster_protocol::team::{MemberView, TeamView};

use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

mod answer;

pub use answer::{AnswerTaken, AnsweredQuestion, GivenAnswers, UnansweredQuestion};
pub(super) use answer::{WantedAnswer, answer_all};

/// The questions that wait.
#[derive(Debug, Serialize)]
pub struct OpenApprovals {
    /// The team.
    pub team: TeamName,
    /// The questions, oldest first.
    pub approvals: Vec<ApprovalRow>,
}

/// A question that waits for the lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// The name by which it is answered.
    pub id: QuestionName,
    /// The member whose agent asks.
    pub member: MemberName,
    /// The tool that the agent wants to use.
    pub tool: String,
    /// The planned use, in one line.
    pub title: String,
    /// The tool's arguments in readable form; empty if the agent does not show them.
    pub detail: String,
    /// The directory that the member works in.
    pub workspace: PathBuf,
    /// The turn in which it was asked.
    pub turn: u64,
    /// The task of the turn, if it has one.
    pub task: Option<TaskId>,
    /// The time at which it was asked.
    pub asked_ms: u64,
    /// When it is answered with no, if nobody answers.
    pub until_ms: u64,
}

/// Lists the questions that wait.
pub fn approvals(session: &Session) -> Result<OpenApprovals, OpsError> {
    session.authorize(Verb::Approvals)?;
    let view = session.look()?;
    let approvals = waiting_of(&view, &view.members()?)?;
    Ok(OpenApprovals { team: session.dir.team().clone(), approvals })
}

/// The questions of these members that wait, oldest first.
pub(super) fn waiting_of(view: &TeamView, members: &[MemberView]) -> Result<Vec<ApprovalRow>, OpsError> {
    let mut rows = Vec::new();
    for member in members.iter().filter(|member| !member.questions.is_empty()) {
        for waits in transcript::questions(&view.dir().turns(&member.name))? {
            rows.push(ApprovalRow {
                id: QuestionName { member: member.name.clone(), number: waits.number },
                member: member.name.clone(),
                tool: waits.asked.tool,
                title: waits.asked.title,
                detail: waits.asked.detail,
                workspace: member.workspace.dir().to_owned(),
                turn: waits.turn,
                task: waits.task,
                asked_ms: waits.asked_ms,
                until_ms: waits.until_ms,
            });
        }
    }
    rows.sort_by(|one, other| (one.asked_ms, &one.id).cmp(&(other.asked_ms, &other.id)));
    Ok(rows)
}

/// The commands that answer a question.
pub(crate) fn ways_to_answer(id: &QuestionName) -> String {
    format!("teamster approve {id}, or teamster deny {id} REASON")
}
