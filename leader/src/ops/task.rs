//! `task …`: the board, straight on its log. No leader is needed, but to start a member again that has left.

use teamster_protocol::model::id::MemberName;

use super::error::OpsError;
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

/// Starts the member again that a task is for, if it has left. Returns what is to be said of that; of one that stays away the
/// board's own warning tells.
async fn wake_for_task(session: &Session, to: &MemberName, wish: WakeWish) -> Result<Option<String>, OpsError> {
    Ok(match wake_if_left(session, to, wish).await? {
        MemberWaking::NotNeeded | MemberWaking::StaysAway { .. } => None,
        waking @ (MemberWaking::Woken | MemberWaking::Failed { .. }) => waking.sentence(to),
    })
}
