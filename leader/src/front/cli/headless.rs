//! `run`, `cleanup` and `demo` as they are typed: arguments in, result and exit code out.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use teamster_protocol::wire::api::WorkspaceRequest;

use super::demo::{Folder, demo};
use super::{Context, Exit, FrontError, Shape, founding_dir};
use crate::front::cli::args::{CleanupArgs, DemoArgs, RunArgs};
use crate::front::cli::print;
use crate::ops::cleanup::{Care, Cleaned, cleanup};
use crate::ops::plan::{PLAN_BYTES_MAX, Plan};
use crate::ops::run::{Leftover, Progress, RunOptions, Summary, run};

pub(super) async fn run_plan(context: &Context, args: RunArgs) -> Result<Exit, FrontError> {
    let plan = args.plan.as_deref().map(read_plan).transpose()?;
    let work = context.work_dir(args.cwd.as_deref())?;
    let config = &context.config;
    let workspace = if args.worktree || config.worktree.value && !args.shared {
        WorkspaceRequest::Worktree { repository: work, base: args.base }
    } else {
        WorkspaceRequest::Shared { dir: work }
    };
    let options = RunOptions {
        dir: context.dir.clone(),
        founded_for: founding_dir(&context.here)?,
        settings: context.settings,
        plan,
        leftover: if args.resume { Leftover::Resume } else { Leftover::Refuse },
        workers: args.workers.or(config.workers.value).map(usize::from),
        agent: args.agent.unwrap_or_else(|| config.agent.value.clone()),
        workspace,
        stall: config.stall(args.stall.stall_after, args.stall.on_stall),
        timeout: args.timeout.or(config.run_time.value),
        task_limits: config.task_limits(),
        progress: match context.shape {
            Shape::Text => Progress::for_people(),
            Shape::Json => Progress::none(),
        },
    };
    let summary = run(options).await?;
    context.show(&summary, |summary| summary.render(context.columns))?;
    Ok(exit_of(&summary))
}

pub(super) fn clean_up(context: &Context, args: &CleanupArgs) -> Result<Exit, FrontError> {
    let care = if args.force { Care::KeepWork } else { Care::Refuse };
    let cleaned = cleanup(&context.dir, care)?;
    context.show(&cleaned, cleaned_text)?;
    Ok(Exit::Done)
}

pub(super) async fn tell_demo(context: &Context, args: &DemoArgs) -> Result<Exit, FrontError> {
    let folder = if args.keep { Folder::Kept } else { Folder::Removed };
    let shown = demo(folder, context.shape, context.settings).await?;
    match context.shape {
        // It was told while it went.
        Shape::Text => {}
        Shape::Json => {
            context.show(&shown, |_| String::new())?;
        }
    }
    Ok(Exit::Done)
}

fn exit_of(summary: &Summary) -> Exit {
    match summary.ended.as_deref() {
        Some("interrupted") => Exit::Interrupted,
        Some(_) | None if summary.ok => Exit::Done,
        Some(_) | None => Exit::Refused,
    }
}

/// Reads a plan from a file, or from standard input for `-`. Never more than a plan may have, and a byte.
fn read_plan(path: &Path) -> Result<Plan, FrontError> {
    let from_stdin = path == Path::new("-");
    let name = if from_stdin { PathBuf::from("standard input") } else { path.to_owned() };
    let failed = |source| FrontError::Path { doing: "read", path: name, source };
    let read = |from: &mut dyn Read| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        from.take(PLAN_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = if from_stdin {
        read(&mut io::stdin().lock())
    } else {
        fs::File::open(path).and_then(|mut file| read(&mut file))
    };
    Ok(Plan::parse_bytes(&bytes.map_err(failed)?, (!from_stdin).then_some(path))?)
}

fn cleaned_text(cleaned: &Cleaned) -> String {
    let mut text = format!("removed team {}\n", print::paint(print::Tone::Name, cleaned.team.as_str()));
    for worktree in &cleaned.worktrees {
        text.push_str(&format!("removed the worktree of {} and its branch {}", worktree.member, worktree.branch));
        if let Some(kept) = &worktree.kept {
            text.push_str(&format!("; its work is kept at {kept}"));
        }
        text.push('\n');
    }
    text
}
