//! How the command line shows things to people: one palette, one table, one way to say what went wrong.
//!
//! Text that comes from users, agents and files passes through [`harmless`] or [`harmless_lines`] before
//! it reaches a terminal; everything here that takes text does so by itself. Only [`say`], [`put`], [`fail`],
//! [`note`], [`remark`], [`end_echo`], [`AsideWriter`] and [`columns`] touch the world, the rest is text in, text out.

mod aside;
mod failure;

mod output;
mod pager;
mod palette;
mod panel;
mod prose;
mod redraw;

mod table;

pub use crate::ops::text::{
    DayClock, HarmlessStream, ago, bytes, clock, cost, did_you_mean, harmless, harmless_lines, humane, shorten, tokens,
    tokens_and_cost, used_text, width, wrap,
};
pub use aside::{AsideWriter, DrawingGuard, end_echo};
pub use failure::{PrintedFailure, ask, fail, note, remark};

pub use output::{COLUMNS_DEFAULT, OutputAudience, columns, put, say, table_columns};
pub use pager::{PagerUse, page};
pub use palette::{PaintedText, TextTone, paint};
pub use panel::{PanelActivity, PanelBar, PanelRow, ProgressPanel};
pub use prose::{ProseStream, hang, prose, tell};
pub use redraw::{ROWS_SPARED, RedrawnLines, ScreenSize};

pub use table::{TableCell, TableColumn, TextTable, WHOLE_TABLE_COLUMNS_MIN};
