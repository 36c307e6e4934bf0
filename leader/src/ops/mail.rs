//! `dm` and `broadcast`: letters to mailboxes on disk, which need no leader. A letter to one member starts it again if it has
//! left, where one runs.

use serde::Serialize;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::PromptKind;
use teamster_protocol::team::{MailOutcome, MailRequest};
use teamster_protocol::wire::api::PassedVia;

use super::error::OpsError;
use super::session::Session;
use super::wake::{AnswerWithWaking, MemberWaking, WakeWish, wake_if_left};
use crate::verb::Verb;

/// The message that was written to one mailbox.
#[derive(Debug, Serialize)]
pub struct SentMail {
    /// The owner of the mailbox.
    pub name: Address,
    /// The way in which the text was passed on.
    pub via: PassedVia,
    /// Names the message in the receipts of the member's transcript; nothing if it is not safely in the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextId>,
    /// How far it has come: nothing is known before its reader has taken it.
    pub state: Option<ReceiptState>,
    /// The mailbox.
    #[serde(flatten)]
    pub mailed: MailOutcome,
}

/// Writes to one mailbox, and starts its member again if that has left and its agent reads. Refused for a name that is not on
/// the roster, and where the lead writes to itself.
pub async fn dm(
    session: &Session,
    to: Address,
    text: String,
    urgency: Urgency,
    wish: WakeWish,
) -> Result<AnswerWithWaking<SentMail>, OpsError> {
    session.authorize(Verb::Dm)?;
    let reader = match &to {
        Address::Member(name) => {
            let view = session.view()?;
            session.must_be_member(&view, name)?;
            match view.roster().member(name)?.spec.prompts() {
                PromptKind::Conversation => Some(name.clone()),
                // Nobody would read it.
                PromptKind::Program => None,
            }
        }
        Address::Lead if session.caller == Address::Lead => {
            return Err(OpsError::refused("you are the lead", "members write to you; read it with teamster inbox"));
        }
        Address::Lead => None,
    };
    // Written before its reader is started: whoever is interrupted there has lost nothing.
    let mailed = session.team()?.mail(MailRequest { to: Some(to.clone()), text, urgency })?;
    let text = mailed.delivered.first().map(|delivered| TextId::Message(delivered.id));
    let answer = SentMail { name: to, via: PassedVia::Mail, text, state: None, mailed };
    let waking = match &reader {
        Some(name) => wake_if_left(session, name, wish).await,
        None => MemberWaking::NotNeeded,
    };
    Ok(AnswerWithWaking { answer, waking })
}

/// Writes to the mailbox of every member that has not left, but the caller. Refused where there is none.
pub fn broadcast(session: &Session, text: String, urgency: Urgency) -> Result<MailOutcome, OpsError> {
    session.authorize(Verb::Broadcast)?;
    if session.view()?.roster().members().next().is_none() {
        return Err(OpsError::refused("the team has no members to write to", "start one with teamster spawn NAME"));
    }
    let mailed = session.team()?.mail(MailRequest { to: None, text, urgency })?;
    if mailed.delivered.is_empty() && mailed.failed.is_empty() && !mailed.left_out.is_empty() {
        return Err(OpsError::refused(
            "every member has left, and nobody would read it",
            "start one with teamster spawn NAME, or leave it in one mailbox with teamster dm NAME TEXT",
        ));
    }
    Ok(mailed)
}
