//! `teamster task …`.

use teamster_protocol::model::id::TaskId;
use teamster_protocol::team::BoardChange;

use super::print::{TextTone, paint};
use super::{CliContext, CliError, ExitStatus};

pub(super) mod add;
pub(super) mod change;
pub(super) mod clearing;
pub(super) mod dependencies;
pub(super) mod edit;
pub(super) mod list;
pub(super) mod show;

/// Shows what was changed, and what the asker might not have meant.
fn show_changed(
    context: &CliContext,
    changed: &BoardChange,
    sentence: impl FnOnce(&[TaskId]) -> String,
) -> Result<ExitStatus, CliError> {
    context.show(changed, |changed| {
        let mut text = sentence(&changed.tasks);
        for warning in &changed.warnings {
            text.push_str(&format!("\n{} {}", paint(TextTone::Warn, "note:"), paint(TextTone::Plain, warning)));
        }
        text
    })?;
    Ok(ExitStatus::Done)
}
