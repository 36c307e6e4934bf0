//! What the leader does to the world: processes, worktrees, the control socket, the views. Each file carries
//! out one kind of action and reports what came of it as an [`Input`](crate::serve::Input); none decides.

pub mod adopt;
pub mod escaped;
pub mod launch;
pub mod orphans;
pub mod prepare;
pub mod server;
pub mod views;
pub mod workspace;
