//! Ctrl-C while waiting. Only what waits listens for it: everything else is ended by the system, which is
//! quicker and leaves nothing half done, because every write is one record.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

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

/// Tells of each SIGINT and SIGTERM from now on.
pub(super) fn interrupts() -> Result<mpsc::UnboundedReceiver<()>, CliError> {
    let listen = |kind| signal(kind).map_err(|source| OpsError::Process { doing: "listen for Ctrl-C", source });
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
