//! The things in a team, and their rules. Nothing here reads a clock, a file or a process.

pub mod agent;
pub mod agent_form;
pub mod approval;
pub mod board;
pub mod budget;
pub mod id;
pub mod identity;
pub mod kill_ladder;
pub mod last_turn;
pub mod limits;
pub mod log;
pub mod mail;
pub mod notice;
pub mod object_id;
pub mod process;
pub mod receipt;
pub mod restart;
pub mod roster;
pub mod shell_word;
pub mod shutdown;
pub mod sweep;
pub mod task;
pub mod usage;
