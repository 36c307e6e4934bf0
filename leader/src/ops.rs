//! What a team can be asked to do, one operation a verb. An operation asks first whether its caller may, takes and
//! returns typed values, prints nothing, and knows no front.

pub mod caller;
pub mod cleanup;
pub mod config;
pub mod config_files;
pub mod doctor;
pub mod document;
pub mod down;
pub mod duration;
pub mod env;
pub mod error;
pub mod file_limit;
pub mod hanging;
pub mod id;
pub mod kill;
pub mod leadership;
pub mod link;
pub mod list;
pub mod mail;
pub mod moved;
pub mod plan;
pub mod restart_leader;
pub mod run;
pub mod session;
pub mod show_config;
pub mod shutdown;
pub mod spawn;
pub mod status;
pub mod stop;
pub mod talk;
pub mod task;
pub mod team_name;
pub mod text;
pub mod up;
pub mod verb;
pub mod why;
