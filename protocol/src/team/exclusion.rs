//! Keeping every other writer out of a team's board and roster, for a decision that no single record can hold.

use super::{Team, TeamError};
use crate::host::clock;
use crate::model::board::Board;
use crate::model::roster::{Roster, RosterRefusal};
use crate::model::task::BoardRefusal;
use crate::store::file::Durability;

impl Team {
    /// Runs `act` on the board and the roster as they are now, with the locks of both held until it returns, so that nobody
    /// adds a task or a member meanwhile. Writes nothing to them. Blocks while others hold these locks, and lets nobody wait
    /// for longer than they are patient only if `act` is quick.
    ///
    /// Where `act` moves the team's directory away, a writer that waits for a lock finds afterwards that its log has lost its
    /// name, and refuses.
    pub fn exclude_writers<T>(&mut self, act: impl FnOnce(&Board, &Roster) -> T) -> Result<T, TeamError> {
        let Team { me, board, roster, .. } = self;
        let (by, now_ms) = (me.as_str(), clock::now_ms());
        let acted = board.transact(by, now_ms, Durability::Process, |board| {
            let acted = roster.transact(by, now_ms, Durability::Process, |roster| {
                Ok::<_, RosterRefusal>((Vec::new(), act(board, roster)))
            });
            Ok::<_, BoardRefusal>((Vec::new(), acted))
        })?;
        Ok(acted?)
    }
}
