//! The answer to a question: by a call through the leader, or by mail where none runs or has no link. The worker takes the
//! first answer; to whoever comes later it is said what became of the question.

use serde::Serialize;
use teamster_protocol::model::agent::{Permission, PermissionBy};
use teamster_protocol::model::approval::{QuestionFate, QuestionName};
use teamster_protocol::model::id::{Address, MemberName, MessageId};
use teamster_protocol::model::limits::pace::REPLY_SEEN_WITHIN;
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{Inbox, TeamError};
use teamster_protocol::wire::api::{LeaderApiClient, PassedVia};
use teamster_protocol::wire::peer::Peer;
use tokio::time::{Instant, timeout_at};

use crate::ops::connect;
use crate::ops::error::OpsError;
use crate::ops::session::Session;
use crate::ops::text::ago;

/// An answer, and the questions that it is for.
#[derive(Debug, Clone)]
pub(in crate::ops) struct WantedAnswer {
    /// The questions.
    pub(in crate::ops) questions: Vec<QuestionName>,
    /// The answer.
    pub(in crate::ops) answer: Permission,
}

/// What came of answers.
#[derive(Debug, Serialize)]
pub struct GivenAnswers {
    /// The questions that were answered.
    pub answered: Vec<AnsweredQuestion>,
    /// The questions that were not, with the reason.
    pub failed: Vec<UnansweredQuestion>,
}

/// A question that has its answer.
#[derive(Debug, Serialize)]
pub struct AnsweredQuestion {
    /// The question.
    pub id: QuestionName,
    /// The answer.
    pub answer: Permission,
    /// How the worker was told.
    pub via: PassedVia,
    /// Whether the worker has taken the answer.
    pub taken: AnswerTaken,
}

/// Whether a worker has taken an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerTaken {
    /// The agent has it.
    Yes,
    /// The answer is in the worker's mailbox, and the worker has not read it yet.
    NotYet,
}

/// A question that was not answered.
#[derive(Debug, Serialize)]
pub struct UnansweredQuestion {
    /// The question.
    pub id: QuestionName,
    /// Why not, in a sentence.
    pub why: String,
}

/// Gives each question the answer. The error is that of the only question, if there is one.
pub(in crate::ops) async fn answer_all(session: &Session, wanted: WantedAnswer) -> Result<GivenAnswers, OpsError> {
    let WantedAnswer { questions, answer } = wanted;
    let leader = match connect::connect(session).await {
        Ok((leader, _)) => Some(leader),
        Err(OpsError::NoLeader { .. }) => None,
        Err(error) => return Err(error),
    };
    let only_one = questions.len() == 1;
    let mut given = GivenAnswers { answered: Vec::new(), failed: Vec::new() };
    for id in questions {
        match answer_one(session, leader.as_ref(), &id, &answer).await {
            Ok((via, taken)) => given.answered.push(AnsweredQuestion { id, answer: answer.clone(), via, taken }),
            Err(error) if only_one => return Err(error),
            Err(error) => given.failed.push(UnansweredQuestion { id, why: error.told().0 }),
        }
    }
    if let Err(error) = mark_answered(session, &given.answered) {
        // They are answered; that the lead's mailbox still tells of them as unread is no failure.
        tracing::warn!("the mail about answered questions stays unread: {error}");
    }
    Ok(given)
}

async fn answer_one(
    session: &Session,
    leader: Option<&Peer>,
    id: &QuestionName,
    answer: &Permission,
) -> Result<(PassedVia, AnswerTaken), OpsError> {
    let name = &id.member;
    session.must_be_member(&session.view()?, name)?;
    must_wait(session, id)?;
    let passed = match leader {
        Some(leader) => leader.permit(name.clone(), id.number, answer.clone()).await.map_err(OpsError::from),
        None => by_mail(session, name, id.number, answer),
    };
    match passed {
        Ok(PassedVia::Rpc) => Ok((PassedVia::Rpc, AnswerTaken::Yes)),
        Ok(PassedVia::Mail) => Ok((PassedVia::Mail, see_taken(session, id, answer).await?)),
        // Somebody else may have been first, or the time was over: that says more than that the worker refused.
        Err(error) => Err(must_wait(session, id).err().unwrap_or(error)),
    }
}

/// Puts the answer into the mailbox of a worker that runs without a leader.
fn by_mail(session: &Session, name: &MemberName, question: u64, answer: &Permission) -> Result<PassedVia, OpsError> {
    let body = MessageBody::PermissionReply { question, answer: answer.clone() };
    session.team_of_running(name)?.post(&Address::Member(name.clone()), Urgency::Now, body)?;
    Ok(PassedVia::Mail)
}

/// Waits until the worker has read the mail, but not for long. Refused if another answer was first.
async fn see_taken(session: &Session, id: &QuestionName, answer: &Permission) -> Result<AnswerTaken, OpsError> {
    let until = Instant::now() + REPLY_SEEN_WITHIN;
    let turns = session.dir.turns(&id.member);
    let mut watch = FileWatch::new(session.settings.poll);
    if let Some(last) = transcript::turns(&turns)?.last() {
        watch.add(transcript::path_of(&turns, *last));
    }
    loop {
        match fate(session, id)? {
            Some(QuestionFate::Waits) => {}
            Some(QuestionFate::Answered { answer: taken, by: PermissionBy::Lead, .. }) if taken == *answer => {
                return Ok(AnswerTaken::Yes);
            }
            other => return Err(is_over(session, id, other)),
        }
        if timeout_at(until, watch.changed()).await.is_err() {
            return Ok(AnswerTaken::NotYet);
        }
    }
}

fn fate(session: &Session, id: &QuestionName) -> Result<Option<QuestionFate>, OpsError> {
    Ok(transcript::fate_of_question(&session.dir.turns(&id.member), id.number)?)
}

/// Refuses a question that does not wait, and says what became of it.
fn must_wait(session: &Session, id: &QuestionName) -> Result<(), OpsError> {
    match fate(session, id)? {
        Some(QuestionFate::Waits) => Ok(()),
        other => Err(is_over(session, id, other)),
    }
}

fn is_over(session: &Session, id: &QuestionName, fate: Option<QuestionFate>) -> OpsError {
    let now_ms = session.now_ms();
    let what = match fate {
        None => format!("{} asks no question {}", id.member, id.number),
        Some(QuestionFate::Lost) => format!("{id} is lost: the worker of {} died", id.member),
        Some(QuestionFate::Waits) => format!("{id} still waits"),
        Some(QuestionFate::Answered { answer, by, at_ms }) => {
            let (how, when) = (how_answered(&answer), ago(at_ms, now_ms));
            match by {
                PermissionBy::Lead => format!("{id} was {how} {when} already"),
                PermissionBy::Rule => format!("{id} was {how} {when} by a rule"),
                PermissionBy::Policy => format!("{id} was {how} {when} by the setting of {}", id.member),
                PermissionBy::Timeout => format!("{id} was {how} {when}: nobody had answered in time"),
                PermissionBy::TurnEnd => format!("{id} was taken back {when}: its turn ended"),
                PermissionBy::Unasked => format!("{id} was {how} {when}: it could not be put to the lead"),
            }
        }
    };
    OpsError::refused(what, "see teamster approvals for what waits")
}

fn how_answered(answer: &Permission) -> &'static str {
    match answer {
        Permission::Once | Permission::Always => "allowed",
        Permission::Never { .. } => "denied",
    }
}

/// Marks the mail that told the lead of these questions as read.
fn mark_answered(session: &Session, answered: &[AnsweredQuestion]) -> Result<(), TeamError> {
    if session.caller != Address::Lead || answered.is_empty() {
        return Ok(());
    }
    let mut inbox = Inbox::open(&session.dir, Address::Lead, session.settings.durability)?;
    let mut ids: Vec<MessageId> = Vec::new();
    for message in inbox.unread()? {
        if let MessageBody::PermissionAsked(letter) = &message.body
            && answered.iter().any(|answered| answered.id == letter.question)
        {
            ids.push(message.id);
        }
    }
    if ids.is_empty() { Ok(()) } else { inbox.acknowledge(&ids) }
}
