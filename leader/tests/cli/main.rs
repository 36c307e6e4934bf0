//! The command line as a person meets it, by the real program: all that works without a leader, and what is said
//! where one is missing. Each test has a root of its own, and nothing of the environment reaches the program.

mod board;
mod doctor;
mod hand;
mod look;
mod mail;
mod place;
mod storage;
mod usage;
