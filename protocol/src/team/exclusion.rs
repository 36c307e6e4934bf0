//! Keeping every other writer out of a team's board and roster, for a decision that no single record can hold.

use super::{Team, TeamError};
use crate::host::clock;
use crate::model::board::Board;
use crate::model::id::MemberName;
use crate::model::roster::{Roster, RosterRefusal, TeamFact};
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

    /// Takes a member off the roster, unless `obstacle` finds something on board or roster that keeps it there. Both are
    /// looked at with their locks held until that is written, so that nobody gives the member a task meanwhile: who does that
    /// looks at the roster with the lock of the board held.
    pub fn remove_member<O>(
        &mut self,
        name: &MemberName,
        obstacle: impl FnOnce(&Board, &Roster) -> Option<O>,
    ) -> Result<Result<(), O>, TeamError> {
        let Team { me, board, roster, durability, .. } = self;
        let (by, now_ms) = (me.as_str(), clock::now_ms());
        let removed = board.transact(by, now_ms, Durability::Process, |board| {
            let removed = roster.transact(by, now_ms, *durability, |roster| {
                Ok::<_, RosterRefusal>(match obstacle(board, roster) {
                    Some(obstacle) => (Vec::new(), Err(obstacle)),
                    None => (vec![TeamFact::Removed { name: name.clone() }], Ok(())),
                })
            });
            Ok::<_, BoardRefusal>((Vec::new(), removed))
        })?;
        Ok(removed?)
    }
}
