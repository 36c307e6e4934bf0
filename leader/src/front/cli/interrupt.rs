//! Ctrl-C while waiting. Only what waits listens for it: everything else is ended by the system, which is
//! quicker and leaves nothing half done, because every write is one record.

use std::io;

use teamster_protocol::host::signals::{EndSignal, EndSignals};
use tokio::sync::mpsc;

use super::{CliError, print};
use crate::ops::error::OpsError;

/// Waits for `work`, or gives [`CliError::Interrupted`] at Ctrl-C. `work` is then dropped where it stands.
pub(super) async fn unless_interrupted<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, CliError>
where
    CliError: From<E>,
{
    let mut interrupts = catch(&[EndSignal::Interrupt])?;
    tokio::select! {
        done = work => Ok(done?),
        _ = interrupts.next() => {
            print::end_echo();
            Err(CliError::Interrupted)
        }
    }
}

/// Tells of each SIGINT and SIGTERM from now on.
pub(super) fn interrupts() -> Result<mpsc::UnboundedReceiver<()>, CliError> {
    let mut signals = catch(&[EndSignal::Interrupt, EndSignal::Terminate])?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            if signals.next().await == EndSignal::Interrupt {
                print::end_echo();
            }
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Lets Ctrl-C end a program that was started, and not this process, which waits for it.
pub(super) fn leave_to_child() -> io::Result<()> {
    EndSignals::catch(&[EndSignal::Interrupt]).map(drop)
}

fn catch(signals: &[EndSignal]) -> Result<EndSignals, CliError> {
    Ok(EndSignals::catch(signals).map_err(|source| OpsError::Process { doing: "listen for Ctrl-C", source })?)
}
