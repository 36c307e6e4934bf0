//! `dm` and `broadcast`: letters to mailboxes on disk, which need no leader.

use teamster_protocol::model::id::Address;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::team::{MailOutcome, MailRequest};

use super::error::OpsError;
use super::session::Session;
use crate::verb::Verb;

/// Writes to one mailbox. Refused for a name that is not on the roster, and where the lead writes to itself.
pub fn dm(session: &Session, to: Address, text: String, urgency: Urgency) -> Result<MailOutcome, OpsError> {
    session.authorize(Verb::Dm)?;
    match &to {
        Address::Member(name) => session.must_be_member(&session.view()?, name)?,
        Address::Lead if session.caller == Address::Lead => {
            return Err(OpsError::refused("you are the lead", "members write to you; read it with teamster inbox"));
        }
        Address::Lead => {}
    }
    Ok(session.team()?.mail(MailRequest { to: Some(to), text, urgency })?)
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
