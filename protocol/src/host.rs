//! The machine that a team runs on: its processes, its clock, its settings, and where a team's files are.

pub mod clock;
pub mod complaints;
pub mod crash;
pub mod descriptors;
pub mod own_program;
pub mod plain_file;
pub mod process;
pub mod settings;
pub mod shortage;
pub mod signals;
pub mod stderr_log;
pub mod team_dir;
pub mod text_path;
