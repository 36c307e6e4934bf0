//! What a team can be asked to do, one operation a verb. An operation takes and returns typed values, prints nothing,
//! and knows no front.

pub mod cleanup;
pub mod config;
pub mod config_files;
pub mod doctor;
pub mod document;
pub mod duration;
pub mod file_limit;
pub mod leadership;
pub mod moved;
pub mod plan;
pub mod run;
pub mod why;
