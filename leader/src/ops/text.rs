//! Texts for people: what is foreign is made harmless, quantities are said at a glance, a mistyped word is guessed. Text
//! in, text out: nothing here prints.

mod day_clock;
mod harmless;
mod humane;
mod lossy_path;
mod suggest;
mod used;

pub use day_clock::DayClock;
pub use harmless::{HarmlessStream, harmless, harmless_lines, shorten, show_controls, width, wrap};
pub use humane::{ago, bytes, clock, humane};
pub use lossy_path::lossy_path;
pub use suggest::{begins_with, did_you_mean};
pub use used::{cost, dollars, tokens, tokens_and_cost, used_text};
