//! Ctrl-C while waiting. Only what waits listens for it: everything else is ended by the system, which is
//! quicker and leaves nothing half done, because every write is one record.

use super::CliError;
use crate::ops::error::OpsError;

/// Waits for `work`, or gives [`CliError::Interrupted`] at Ctrl-C. `work` is then dropped where it stands.
pub(super) async fn unless_interrupted<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, CliError>
where
    CliError: From<E>,
{
    tokio::select! {
        done = work => Ok(done?),
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Err(CliError::Interrupted),
            Err(source) => Err(OpsError::Process { doing: "listen for Ctrl-C", source }.into()),
        },
    }
}
