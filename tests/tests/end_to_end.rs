//! The real programs, as a user has them: every command, led by a leader or worked by hand, and what bad input does.
//! One file for each family of commands.

mod answers;
mod approvals;
mod bad_input;
mod by_hand;
mod callers;
mod cleanup;
mod command_agents;
mod commands;
mod ending;
mod failing_agents;
mod first_hour;
mod hanging;
mod help;
mod housekeeping;
mod leader;
mod limits;
mod lost_prompts;
mod members;
mod outside;
mod places;
mod removed;
mod repositories;
mod run;
mod run_beside_others;
mod sessions;
mod spare;
mod strangers;
mod supervision;
mod task_agents;
mod tasks;
mod tidied;
mod wait;
mod waking;
mod words;
mod wrong_settings;
