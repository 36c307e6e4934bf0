//! `task …`: the board, straight on its log. No leader is needed, but to start a member again that has left.

use teamster_protocol::model::id::MemberName;
use teamster_protocol::team::BoardChange;

use super::session::Session;
use super::wake::{MemberWaking, WakeWish, wake_if_left};

mod add;
mod change;
mod clearing;
mod dependencies;
mod edit;
mod list;
mod row;
mod show;

pub use add::{WantedTask, add};
pub use change::{CancelledTasks, add_dependency, assign, cancel, remove_dependency, retry, unassign};
pub use clearing::{clear, count_to_clear, restore};
pub use dependencies::{TaskDependencies, dependencies};
pub use edit::{WantedEdit, edit};
pub use list::{TaskFilter, TaskList, list};
pub use row::{TaskCounts, TaskRow, TaskStanding};
pub use show::{ShownTask, show};

/// Starts the member again that a task on the board is for, if it has left, and says so among the warnings of the change.
async fn wake_for_task(session: &Session, to: &MemberName, wish: WakeWish, changed: &mut BoardChange) {
    match wake_if_left(session, to, wish).await {
        MemberWaking::NotNeeded => {}
        waking @ MemberWaking::StaysAway { .. } => {
            let waits = waking.sentence(to).map(|said| format!("the task waits: {said}"));
            changed.warnings = waits.into_iter().collect();
        }
        // All that the board warns of is that the member does not run.
        waking @ MemberWaking::Woken => changed.warnings = waking.sentence(to).into_iter().collect(),
        waking @ MemberWaking::Failed { .. } => changed.warnings.extend(waking.sentence(to)),
    }
}
