//! Ctrl-C while waiting. Only what waits listens for it: everything else is ended by the system, which is
//! quicker and leaves nothing half done, because every write is one record.

use std::future::Future;

use super::FrontError;

/// Waits for `work`, or gives [`FrontError::Interrupted`] at Ctrl-C. `work` is then dropped where it stands.
pub(super) async fn unless_interrupted<T>(work: impl Future<Output = Result<T, FrontError>>) -> Result<T, FrontError> {
    tokio::select! {
        done = work => done,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Err(FrontError::Interrupted),
            Err(source) => Err(FrontError::Process { doing: "listen for Ctrl-C", source }),
        },
    }
}
