//! The kill ladder climbed for one process: its signals are sent, rung after rung, until the process has ended.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::model::kill_ladder::{KillLadder, KillSignal};

/// The reason why a process has not ended, though the ladder was climbed.
#[derive(Debug, thiserror::Error)]
pub enum LadderError {
    /// The last signal could not be sent.
    #[error("cannot send it SIGKILL: {0}")]
    Unsent(#[source] io::Error),
    /// Not even SIGKILL has ended the process.
    #[error("it does not end, not even on SIGKILL")]
    Stuck,
}

/// Sends the signals of a ladder until `ended` is there, and returns that. `begin` makes the ladder from the time of its
/// beginning. Returns at the latest when the time of the last rung is over.
pub async fn climb_ladder<T>(
    begin: impl FnOnce(u64) -> KillLadder,
    mut send: impl FnMut(KillSignal) -> io::Result<()>,
    ended: impl Future<Output = T>,
) -> Result<T, LadderError> {
    let began = Instant::now();
    let mut ladder = begin(0);
    let mut ended = pin!(ended);
    while let (Some(signal), Some(until_ms)) = (ladder.signal(), ladder.until_ms()) {
        match (signal, send(signal)) {
            (_, Ok(())) => {}
            // The next rung may do what this one can not.
            (KillSignal::Terminate, Err(error)) => tracing::warn!("cannot send SIGTERM, SIGKILL follows: {error}"),
            (KillSignal::Kill, Err(error)) => return Err(LadderError::Unsent(error)),
        }
        if let Ok(ended) = timeout_at(began + Duration::from_millis(until_ms), &mut ended).await {
            return Ok(ended);
        }
        ladder.climb_if_due(until_ms.max(began.elapsed().as_millis() as u64));
    }
    Err(LadderError::Stuck)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::oneshot;

    use super::*;

    fn short() -> Duration {
        Duration::from_millis(20)
    }

    fn denied() -> io::Error {
        io::ErrorKind::PermissionDenied.into()
    }

    #[tokio::test]
    async fn a_process_that_does_not_obey_is_killed_and_one_that_is_not_even_killed_is_given_up() {
        let (killed, end) = oneshot::channel();
        let mut killed = Some(killed);
        let mut sent = Vec::new();
        let send = |signal| {
            sent.push(signal);
            if signal == KillSignal::Kill {
                killed.take().expect("SIGKILL is sent once").send("killed").expect("the end is waited for");
            }
            Ok(())
        };
        let climbed = climb_ladder(|now_ms| KillLadder::terminate_within(now_ms, short()), send, end).await;
        assert_eq!(climbed.ok(), Some(Ok("killed")));
        assert_eq!(sent, [KillSignal::Terminate, KillSignal::Kill]);

        let last_rung = |now_ms| KillLadder::Killed { until_ms: now_ms + short().as_millis() as u64 };
        let climbed = climb_ladder(last_rung, |_| Ok(()), pending::<()>()).await;
        assert!(matches!(climbed, Err(LadderError::Stuck)));
    }

    #[tokio::test]
    async fn one_that_ends_gets_nothing_more() {
        let mut sent = Vec::new();
        let note = |signal| {
            sent.push(signal);
            Ok(())
        };
        let climbed = climb_ladder(KillLadder::terminate, note, ready("ended")).await;
        assert_eq!(climbed.ok(), Some("ended"));
        assert_eq!(sent, [KillSignal::Terminate]);
    }

    #[tokio::test]
    async fn a_signal_that_can_not_be_sent_leads_to_the_next_rung_and_from_the_last_to_an_error() {
        let mut sent = Vec::new();
        let refuse = |signal| {
            sent.push(signal);
            Err(denied())
        };
        let climbed =
            climb_ladder(|now_ms| KillLadder::terminate_within(now_ms, short()), refuse, pending::<()>()).await;
        assert!(matches!(climbed, Err(LadderError::Unsent(_))));
        assert_eq!(sent, [KillSignal::Terminate, KillSignal::Kill]);
    }
}
