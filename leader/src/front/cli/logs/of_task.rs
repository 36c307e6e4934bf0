//! `teamster logs` of a task: all attempts, each under a line that names its member.

use teamster_protocol::model::id::TaskId;

use super::{LineState, TextPage, print_json};
use crate::front::cli::interrupt::unless_interrupted;
use crate::front::cli::print::{self, OutputAudience, harmless_lines};
use crate::front::cli::{CliContext, CliError, ExitStatus, OutputShape};
use crate::ops::follow::{FollowMode, Listening};
use crate::ops::logs::{self, TaskLogNews};

pub(super) async fn of_task(context: &CliContext, id: TaskId, mode: FollowMode) -> Result<ExitStatus, CliError> {
    let (mut page, mut shown) = (TextPage::default(), None);
    let told = logs::task_logs(&context.session, id, mode, |news| {
        let audience = match (context.shape, news) {
            (OutputShape::Json, TaskLogNews::Entries(entries)) => print_json(entries)?,
            (OutputShape::Json, TaskLogNews::Missing { .. }) => OutputAudience::There,
            (OutputShape::Text, TaskLogNews::Entries(entries)) => {
                let clock = context.clock();
                for entry in entries {
                    if shown != Some(entry.attempt) {
                        page.head(&format!("attempt {} on {}", entry.attempt, entry.member));
                        shown = Some(entry.attempt);
                    }
                    page.add(&entry.entry, &clock);
                }
                print_if_followed(&mut page, mode)?
            }
            (OutputShape::Text, TaskLogNews::Missing { member, attempt, last }) => {
                page.head(&format!("attempt {attempt} on {member}: its transcript is not kept; the last of it was"));
                shown = Some(attempt);
                page.text.push_str(&harmless_lines(last));
                page.line = if last.is_empty() || last.ends_with('\n') { LineState::Ended } else { LineState::Open };
                print_if_followed(&mut page, mode)?
            }
        };
        Ok::<Listening, CliError>(match audience {
            OutputAudience::There => Listening::On,
            OutputAudience::Gone => Listening::Over,
        })
    });
    match mode {
        FollowMode::Past => told.await?,
        FollowMode::Follow => unless_interrupted(told).await?,
    }
    match (mode, context.shape) {
        (FollowMode::Past, OutputShape::Text) if shown.is_none() => {
            let text = format!("nobody has begun task {id} yet; see teamster why {id}");
            print::say(text).map_err(CliError::Stdout)?;
        }
        (FollowMode::Past, OutputShape::Text) => drop(context.page(page.text.trim_end())?),
        (FollowMode::Past | FollowMode::Follow, OutputShape::Text | OutputShape::Json) => drop(page.close()?),
    }
    Ok(ExitStatus::Done)
}

/// What was told is printed at once where more may follow, and else all of it at the end, in a pager if it is long.
fn print_if_followed(page: &mut TextPage, mode: FollowMode) -> Result<OutputAudience, CliError> {
    match mode {
        FollowMode::Past => Ok(OutputAudience::There),
        FollowMode::Follow => page.print(),
    }
}
