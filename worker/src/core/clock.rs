//! The clock of the day was set: what this worker waits for is as far away as before. Records carry the time of the
//! day; a time-out, a retry and a grace are lengths, and no setting of a clock makes them longer or shorter.

use super::{WorkPhase, WorkerCore};

impl WorkerCore {
    /// Moves every time this worker waits for, or counts from, along with the clock.
    pub(super) fn clock_was_set(&mut self, by_ms: i64) {
        let moved = move |at_ms: &mut u64| *at_ms = at_ms.saturating_add_signed(by_ms);
        match &mut self.phase {
            WorkPhase::Turn(turn) => {
                turn.deadline_ms.iter_mut().chain(&mut turn.stalled_ms).for_each(moved);
                moved(&mut turn.since_ms);
                moved(&mut turn.heard_ms);
                turn.questions.iter_mut().for_each(|open| moved(&mut open.until_ms));
            }
            WorkPhase::Recording { retry_at_ms, .. } => retry_at_ms.iter_mut().for_each(moved),
            // A provider's reset is a time of the day: it is where it was.
            WorkPhase::Parked(_) => {}
            WorkPhase::Starting | WorkPhase::Idle | WorkPhase::Claiming(_) | WorkPhase::Left(_) => {}
        }
        // Mail that is sent from now on bears the new time, and is no older than this worker.
        let own =
            [&mut self.owed_retry_at_ms, &mut self.look_for_leader_at_ms, &mut self.born_ms, &mut self.idle_since_ms];
        own.into_iter().flatten().for_each(moved);
    }
}
