//! The control socket of the leader: who connects, and the calls that are served there.

use crate::daemon::{self, LeaderEnd, ServeError, ServeOptions};

pub mod by_mail;
pub mod control;
pub mod server;

/// Leads the team as [`daemon::serve`] does, and serves calls at the control socket meanwhile.
pub async fn lead(options: ServeOptions) -> Result<LeaderEnd, ServeError> {
    daemon::serve(options, control::accept).await
}
