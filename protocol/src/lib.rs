//! What a Teamster leader and its workers must agree on.
//!
//! Pure modules, which read no clock, file or process: [`id`], [`limits`], [`task`], [`board`], [`mail`],
//! [`roster`], [`shutdown`], [`notice`], [`api`], [`complaints`]. Modules that touch the world: [`log`], [`watch`], [`lock`],
//! [`process`], [`clock`], [`crash`], [`settings`], [`peer`], [`team_dir`], [`team`], [`transcript`], [`stderr_log`].

pub mod api;
pub mod board;
pub mod clock;
pub mod complaints;
pub mod crash;
pub mod id;
pub mod limits;
pub mod lock;
pub mod log;
pub mod mail;
pub mod notice;
pub mod peer;
pub mod process;
pub mod roster;
pub mod settings;
pub mod shortage;
pub mod shutdown;
pub mod stderr_log;
pub mod task;
pub mod team;
pub mod team_dir;
pub mod transcript;
pub mod watch;
