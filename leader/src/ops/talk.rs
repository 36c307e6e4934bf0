//! `send` and `steer`: texts to members through the leader, which is linked to the workers.

use serde::Serialize;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::roster::MemberSpec;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::{LeaderApiClient, PromptAnswer, SteerPassed};

use super::connect;
use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// The turn that was started.
#[derive(Debug, Serialize)]
pub struct SentPrompt {
    /// The member whose turn it is.
    pub name: MemberName,
    /// The turn.
    #[serde(flatten)]
    pub prompted: PromptAnswer,
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

/// Starts a turn of an idle member. Refused for words where nobody reads. A leader is started in the background if none
/// runs.
pub async fn send(session: &Session, name: MemberName, work: TaskWork) -> Result<SentPrompt, OpsError> {
    session.authorize(Verb::Send)?;
    let view = session.view()?;
    session.must_be_member(&view, &name)?;
    must_have_text(work.text())?;
    must_read(&view.roster().member(&name)?.spec, &name, &work)?;
    let (leader, _) = connect::connect_or_start(session).await?;
    Ok(SentPrompt { prompted: leader.send(name.clone(), work).await?, name })
}

/// Says something to a member's running turn. A leader is started in the background if none runs.
pub async fn steer(session: &Session, name: MemberName, text: String) -> Result<SentSteer, OpsError> {
    session.authorize(Verb::Steer)?;
    session.must_be_member(&session.view()?, &name)?;
    must_have_text(&text)?;
    let (leader, _) = connect::connect_or_start(session).await?;
    Ok(SentSteer { passed: leader.steer(name.clone(), text).await?, name })
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
