//! `teamster logs` of a task: all attempts, each under a line that names its member.

use teamster_protocol::model::id::TaskId;

use super::{LineState, TextPage, hear, listening, print_json};
use crate::front::cli::print::{ProseStream, harmless_lines};
use crate::front::cli::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::follow::{FollowMode, Listening};
use crate::ops::logs::{self, LostTranscript, TaskLogNews};

pub(super) async fn of_task(context: &CliContext, id: TaskId, mode: FollowMode) -> Result<ExitStatus, CliError> {
    let (mut page, mut shown) = (TextPage::within(ProseStream::Output.columns()), None);
    let told = logs::task_logs(&context.session, id, mode, |news| {
        let audience = match (context.shape, news) {
            (OutputShape::Json, TaskLogNews::Entries(entries)) => print_json(entries)?,
            (OutputShape::Json, TaskLogNews::Lost(lost)) => print_json(&[lost])?,
            (OutputShape::Text, TaskLogNews::Entries(entries)) => {
                let clock = context.clock();
                for entry in entries {
                    if let Some(attempt) = entry.attempt
                        && shown != Some(attempt)
                    {
                        page.head(&format!("attempt {attempt} on {}", entry.member));
                        shown = Some(attempt);
                    }
                    page.add(&entry.entry, &clock);
                }
                page.print_if_followed(mode)?
            }
            (OutputShape::Text, TaskLogNews::Lost(LostTranscript { member, attempt, last, .. })) => {
                page.head(&format!("attempt {attempt} on {member}: its transcript is not kept; the last of it was"));
                shown = Some(attempt);
                page.text.push_str(&harmless_lines(last));
                page.line = if last.is_empty() || last.ends_with('\n') { LineState::Ended } else { LineState::Open };
                page.print_if_followed(mode)?
            }
        };
        Ok::<Listening, CliError>(listening(audience))
    });
    hear(told, mode).await?;
    let is_empty = mode == FollowMode::Past && shown.is_none();
    let nothing = is_empty.then(|| format!("nobody has begun task {id} yet; see teamster why {id}"));
    page.end(context, mode, nothing)
}
