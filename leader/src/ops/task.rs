//! `task …`: the board, straight on its log. No leader is needed.

mod add;
mod change;
mod dependencies;
mod list;
mod row;
mod show;

pub use add::{WantedTask, add};
pub use change::{CancelledTasks, add_dependency, assign, cancel, clear, remove_dependency, retry, unassign};
pub use dependencies::{TaskDependencies, dependencies};
pub use list::{TaskFilter, TaskList, list};
pub use row::{TaskCounts, TaskRow, TaskStanding};
pub use show::{ShownTask, show};
