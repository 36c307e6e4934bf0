//! How the command line shows things to people: one palette, one table, one way to say what went wrong.
//!
//! Text that comes from users, agents and files passes through [`harmless`] or [`harmless_lines`] before
//! it reaches a terminal; everything here that takes text does so by itself. Only [`say`], [`put`], [`fail`],
//! [`note`], [`remark`], [`Aside`] and [`columns`] touch the world, the rest is text in, text out.

mod aside;
mod failure;
mod harmless;
mod humane;
mod output;
mod palette;
mod suggest;
mod table;

pub use aside::{Aside, Drawing};
pub use failure::{Failure, fail, note, remark};
pub use harmless::{harmless, harmless_lines, shorten, width};
pub use humane::{ago, bytes, clock, humane};
pub use output::{Audience, COLUMNS_DEFAULT, columns, put, say};
pub use palette::{Painted, Tone, paint};
pub use suggest::did_you_mean;
pub use table::{Cell, Column, Table};
