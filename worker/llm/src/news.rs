//! The way to the worker: each piece of news is a line on the standard output.

use std::io::Write;

use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_worker::driver::script::ScriptNews;

/// Tells the worker. One that is gone hears nothing, and the end of the orders tells of that.
pub(crate) fn tell(news: ScriptNews) {
    let line = serde_json::to_string(&news).expect("news is plain data");
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Tells how far a text has come.
pub(crate) fn tell_receipt(text: TextId, state: ReceiptState) {
    tell(ScriptNews::Receipt { text, state });
}
