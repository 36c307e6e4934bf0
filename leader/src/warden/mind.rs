//! The other way round: a leader or keeper notices that its warden is gone. It goes on, and orphans fall to it instead.

use nix::sys::prctl;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// The signal that the kernel sends when the warden dies: one that nothing else sends, and that is caught first.
const DEATH: Signal = Signal::SIGUSR2;

/// Says so in the log when the warden of this process dies. To be called within a runtime, by the first thread; does
/// nothing where there is no warden.
pub fn mind() {
    if !super::is_above() {
        return;
    }
    let heard = signal(SignalKind::user_defined2()).and_then(|heard| {
        // The kernel sends it at the end of the parent's thread, not of its process; a warden has only one thread.
        prctl::set_pdeathsig(DEATH)?;
        Ok(heard)
    });
    match heard {
        Ok(mut heard) => {
            tokio::spawn(async move {
                // Gone before the kernel was asked to tell, or from now on.
                while super::is_above() && heard.recv().await.is_some() {}
                tracing::warn!("the warden is gone: nobody starts this process again if it dies");
            });
        }
        Err(error) => tracing::warn!("cannot look after the warden: {error}"),
    }
}
