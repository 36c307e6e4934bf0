//! What is asked of a worker by mail, because nobody here is linked to it: by the leader whose link to it ended, and by an
//! operation where no leader runs.

use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::team::{Team, TeamError};
use teamster_protocol::wire::api::{PassedVia, StoppedTurn};

/// Puts an abort request into the mailbox of a worker that runs. How the turn ends is not waited for; the board will say it.
pub fn stop_by_mail(team: &mut Team, name: &MemberName, reason: String) -> Result<StoppedTurn, TeamError> {
    let task = team.board().owned_by(name).next();
    team.post(&Address::Member(name.clone()), Urgency::Now, MessageBody::AbortRequest { reason })?;
    Ok(StoppedTurn { via: PassedVia::Mail, task, stop: None })
}
