//! `send` and `steer`: texts to members through the leader, which is linked to the workers.

use jsonrpsee::core::client::Error as RpcError;
use serde::Serialize;
use teamster_protocol::model::id::{Address, MemberName, MessageId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence, MemberSpec};
use teamster_protocol::model::task::{PromptKind, TaskWork};
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::{LeaderApiClient, PassedVia, PromptAnswer, SteerHaste, SteerPassed, code};

use super::connect;
use super::error::OpsError;
use super::session::Session;
use super::shutdown::is_anybody_running;
use super::wake::{AnswerWithWaking, MemberWaking, WakeWish, wake_if_left};
use crate::verb::Verb;

/// The prompt that was given away.
#[derive(Debug, Serialize)]
pub struct SentPrompt {
    /// The member that it is for.
    pub name: MemberName,
    /// The turn that was started with it; nothing if it waits as mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// The text's id.
    pub text: TextId,
}

/// How a steer was passed on, and when it reaches the agent if that is known.
#[derive(Debug, Serialize)]
pub struct SentSteer {
    /// The member that the text is for.
    pub name: MemberName,
    /// The way in which the text was passed on.
    #[serde(flatten)]
    pub passed: SteerPassed,
}

/// Starts a turn of an idle member, which is started again first if it has left. One that then has something else to do first
/// gets words as mail. Refused for words where nobody reads. A leader is started in the background if none runs.
pub async fn send(
    session: &Session,
    name: MemberName,
    work: TaskWork,
    wish: WakeWish,
) -> Result<AnswerWithWaking<SentPrompt>, OpsError> {
    session.authorize(Verb::Send)?;
    let view = session.view()?;
    session.must_be_member(&view, &name)?;
    must_have_text(work.text())?;
    must_read(&view.roster().member(&name)?.spec, &name, &work)?;
    must_come(session, &view, &name, wish)?;
    let (leader, _) = connect::connect_or_start(session).await?;
    let waking = wake(session, &name, wish).await?;
    let (turn, text) = match (leader.send(name.clone(), work.clone()).await, &waking) {
        (Ok(PromptAnswer { turn, text }), _) => (Some(turn), text),
        // Mail or a task that waited for it came first.
        (Err(RpcError::Call(refusal)), MemberWaking::Woken) if refusal.code() == code::REFUSED => match work {
            TaskWork::Prompt(text) => (None, TextId::Message(post(session, &name, Urgency::Next, text)?)),
            TaskWork::Run { .. } => {
                let (what, _) = OpsError::from(RpcError::Call(refusal)).told();
                let what = format!("{name} had left and was started again, and has something else to do first: {what}");
                return Err(OpsError::refused(
                    what,
                    format!("leave it on the board: teamster task add --to {name} --run …"),
                ));
            }
        },
        (Err(error), _) => return Err(error.into()),
    };
    Ok(AnswerWithWaking { answer: SentPrompt { name, turn, text }, waking })
}

fn post(session: &Session, to: &MemberName, urgency: Urgency, text: String) -> Result<MessageId, OpsError> {
    Ok(session.team()?.post(&Address::Member(to.clone()), urgency, MessageBody::Text { text })?)
}

/// Says something to a member's running turn. A member that has left is started again, and gets it as mail. A leader is
/// started in the background if none runs.
pub async fn steer(
    session: &Session,
    name: MemberName,
    text: String,
    haste: SteerHaste,
    wish: WakeWish,
) -> Result<AnswerWithWaking<SentSteer>, OpsError> {
    session.authorize(Verb::Steer)?;
    let view = session.view()?;
    session.must_be_member(&view, &name)?;
    let prompts = view.roster().member(&name)?.spec.prompts();
    must_have_text(&text)?;
    // What it would be steered in is over once it has left, and nobody reads the mail of a program.
    let wish = if prompts == PromptKind::Program { WakeWish::Never } else { wish };
    must_come(session, &view, &name, wish)?;
    let (leader, _) = connect::connect_or_start(session).await?;
    let waking = wake(session, &name, wish).await?;
    if waking == MemberWaking::Woken {
        let id = post(session, &name, Urgency::Now, text)?;
        let passed = SteerPassed { via: PassedVia::Mail, text: TextId::Message(id), state: None, haste: None };
        return Ok(AnswerWithWaking { answer: SentSteer { name, passed }, waking });
    }
    // Said only where it matters, as a leader before this one knows of no haste.
    let haste = (haste != SteerHaste::default()).then_some(haste);
    Ok(AnswerWithWaking { answer: SentSteer { passed: leader.steer(name.clone(), text, haste).await?, name }, waking })
}

/// Starts the member again if it has left. One that stays away is refused by the leader, who says how to start it; one that
/// could not be started is refused with the failure.
async fn wake(session: &Session, name: &MemberName, wish: WakeWish) -> Result<MemberWaking, OpsError> {
    match wake_if_left(session, name, wish).await {
        MemberWaking::Failed { why } => Err(OpsError::refused(why, format!("see teamster why {name}"))),
        waking @ (MemberWaking::NotNeeded | MemberWaking::Woken | MemberWaking::StaysAway { .. }) => Ok(waking),
    }
}

/// Refuses a member that has left and stays away, as the leader would, before a leader is started for nothing.
fn must_come(session: &Session, view: &TeamView, name: &MemberName, wish: WakeWish) -> Result<(), OpsError> {
    let MemberPresence::Left { how, then: AfterLeaving::Stays, .. } = &view.roster().member(name)?.presence else {
        return Ok(());
    };
    let is_woken = wish == WakeWish::IfLeft && how.may_be_woken_by(&session.caller);
    match is_woken || is_anybody_running(view, Some(name))? {
        true => Ok(()),
        false => Err(OpsError::NotRunning(name.clone())),
    }
}

fn must_have_text(text: &str) -> Result<(), OpsError> {
    if text.trim().is_empty() {
        return Err(OpsError::misused("there is no text to send", "give it as words, or - for standard input"));
    }
    Ok(())
}

/// Words are never run: a member whose agent only runs commands is given none.
fn must_read(spec: &MemberSpec, name: &MemberName, work: &TaskWork) -> Result<(), OpsError> {
    if spec.prompts().takes(work.kind()) {
        return Ok(());
    }
    let what = format!("{name} drives {}, which runs commands only, and this is not said to be one", spec.agent);
    let shown = match work.text().contains('\n') {
        true => "COMMAND",
        false => work.text(),
    };
    Err(OpsError::refused(what, format!("if it is a command: teamster send {name} --run {shown}")))
}
