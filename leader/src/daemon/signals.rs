//! The signals that end the leader.

use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal as on_signal};

use super::Signals;

/// The signals that end the leader. They are caught only if they do: what is caught no longer ends the process.
pub(super) enum EndSignals {
    Caught(Box<[SignalStream; 2]>),
    NotOurs,
}

impl EndSignals {
    pub(super) fn watch(signals: Signals) -> std::io::Result<EndSignals> {
        Ok(match signals {
            Signals::End => {
                EndSignals::Caught(Box::new([on_signal(SignalKind::interrupt())?, on_signal(SignalKind::terminate())?]))
            }
            Signals::Ignore => EndSignals::NotOurs,
        })
    }

    pub(super) async fn next(&mut self) {
        match self {
            EndSignals::Caught(caught) => {
                let [interrupt, terminate] = &mut **caught;
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            EndSignals::NotOurs => std::future::pending().await,
        }
    }
}
