//! `task …`: the board, straight on its log. No leader is needed.

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
