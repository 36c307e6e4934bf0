//! What edits and restores may do to a board, written down a second time: the board that decides is the one under test, so
//! that a rule which it has lost would be lost on both sides.

use std::collections::BTreeMap;

use teamster_protocol::model::board::{Board, BoardFact};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::TaskStatus;

/// Remembers what the last clear took from the board. See the module.
#[derive(Debug, Default)]
pub(crate) struct EditRules {
    cleared: BTreeMap<TaskId, TaskStatus>,
}

impl EditRules {
    /// Judges facts by the board that they were decided on, before they are applied.
    pub(crate) fn before(&mut self, board: &Board, facts: &[BoardFact]) -> Result<(), String> {
        for fact in facts {
            match fact {
                BoardFact::Edited { id, .. } => match board.status(*id) {
                    Ok(TaskStatus::Pending { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled) => {}
                    Ok(TaskStatus::InProgress { owner, .. }) => {
                        return Err(format!("task {id} was edited while {owner} was on it"));
                    }
                    Ok(TaskStatus::Completed { .. }) => {
                        return Err(format!("task {id} was edited after it was completed"));
                    }
                    Err(refusal) => return Err(format!("task {id} was edited: {refusal}")),
                },
                BoardFact::Cleared { ids } => {
                    let standing = |id: &TaskId| Some((*id, board.status(*id).ok()?));
                    self.cleared = ids.iter().filter_map(standing).collect();
                }
                BoardFact::Restored { ids } => {
                    let due: Vec<TaskId> = self.cleared.keys().copied().collect();
                    if *ids != due {
                        return Err(format!("{due:?} were cleared last, and {ids:?} were restored"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Judges the board that the facts have made.
    pub(crate) fn after(&mut self, board: &Board, facts: &[BoardFact]) -> Result<(), String> {
        if !facts.iter().any(|fact| matches!(fact, BoardFact::Restored { .. })) {
            return Ok(());
        }
        for (id, was) in std::mem::take(&mut self.cleared) {
            let is = board.status(id).ok();
            if is.as_ref() != Some(&was) {
                return Err(format!("task {id} was cleared as {was:?} and restored as {is:?}"));
            }
        }
        Ok(())
    }
}
