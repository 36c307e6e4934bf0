//! `teamster task …`.

use teamster_protocol::model::id::TaskId;
use teamster_protocol::wire::api::Changed;

use super::print::{Tone, paint};
use super::{CliError, Context, Exit};

pub(super) mod add;
pub(super) mod change;
pub(super) mod dependencies;
pub(super) mod list;
pub(super) mod show;

/// Shows what was changed, and what the asker might not have meant.
fn show_changed(
    context: &Context,
    changed: &Changed,
    sentence: impl FnOnce(&[TaskId]) -> String,
) -> Result<Exit, CliError> {
    context.show(changed, |changed| {
        let mut text = sentence(&changed.tasks);
        for warning in &changed.warnings {
            text.push_str(&format!("\n{} {}", paint(Tone::Warn, "note:"), paint(Tone::Plain, warning)));
        }
        text
    })?;
    Ok(Exit::Done)
}
