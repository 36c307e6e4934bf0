//! `teamster task …`: the board.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Subcommand, ValueEnum};
use teamster_protocol::model::id::{MemberName, Role, TaskId};

use crate::ops::duration::parse_duration;

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum TaskVerb {
    /// Put a task on the board
    #[command(alias = "new", alias = "create")]
    Add(AddArgs),
    /// List the tasks
    #[command(alias = "ls")]
    List(ListTasksArgs),
    /// Show one task with its history
    #[command(after_help = "Example:\n  teamster task show 3")]
    Show {
        /// The task
        id: TaskId,
    },
    /// Give a pending task to one member only
    #[command(after_help = "Example:\n  teamster task assign 3 alice")]
    Assign {
        /// The task
        id: TaskId,
        /// The member
        name: MemberName,
    },
    /// Open a pending task to everybody
    #[command(after_help = "Example:\n  teamster task unassign 3")]
    Unassign {
        /// The task
        id: TaskId,
    },
    /// What a task waits for
    #[command(
        subcommand,
        alias = "deps",
        arg_required_else_help = true,
        after_help = "Example:\n  teamster task dep ls 3"
    )]
    Dep(DependencyCommand),
    /// Open a failed, cancelled or stopped task again
    #[command(after_help = "Example:\n  teamster task retry 3")]
    Retry {
        /// The task
        id: TaskId,
    },
    /// Take a task off the work to be done
    #[command(after_help = "Example:\n  teamster task cancel 3")]
    Cancel {
        /// The task
        id: TaskId,
    },
    /// Remove tasks from the board
    #[command(after_help = "Examples:\n  teamster task clear completed\n  teamster task clear all")]
    Clear {
        /// Which
        scope: ClearScope,
    },
}

/// `teamster task add`.
#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["words", "file"]),
    after_help = "Examples:\n  \
        teamster task add make test --run\n  \
        teamster task add rename the parser --to alice --after 1,2\n  \
        teamster task add -f task.md --title parser --timeout 30m"
)]
pub struct AddArgs {
    /// What to do; words are joined by spaces, - reads standard input
    #[arg(value_name = "TEXT")]
    pub words: Vec<String>,
    /// Read the text from a file
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The only member that may take it
    #[arg(long, value_name = "NAME")]
    pub to: Option<MemberName>,
    /// The tasks that must be completed before
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub after: Vec<TaskId>,
    /// Higher is taken first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub priority: i32,
    /// The role its taker must have
    #[arg(long)]
    pub role: Option<Role>,
    /// How long one attempt may take, such as 90s or 1h30m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// A short text for lists [default: the first line]
    #[arg(long, value_name = "T")]
    pub title: Option<String>,
    /// The text is a command for the shell, whatever agent takes it
    #[arg(long)]
    pub run: bool,
}

/// `teamster task list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  teamster task list\n  teamster task list --status failed")]
pub struct ListTasksArgs {
    /// Show only tasks that stand so, instead of all; may be given more than once
    #[arg(long, short, value_name = "S", value_delimiter = ',')]
    pub status: Vec<StatusFilter>,
}

/// Which tasks to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "each is the word for its standing, or says what it adds")]
pub enum StatusFilter {
    /// pending and waiting for nothing
    Ready,
    /// pending and waiting for other tasks
    Blocked,
    /// ready or blocked
    Pending,
    Stopped,
    InProgress,
    Completed,
    Failed,
    Cancelled,
    /// all that is not completed, failed or cancelled
    Open,
}

/// What to do with the dependencies of a task.
#[derive(Debug, Subcommand)]
pub enum DependencyCommand {
    /// Let a pending task wait for another
    #[command(after_help = "Example:\n  teamster task dep add 3 1")]
    Add {
        /// The task that waits
        id: TaskId,
        /// The task it waits for
        dep: TaskId,
    },
    /// Let a pending task no longer wait for another
    #[command(alias = "remove", after_help = "Example:\n  teamster task dep rm 3 1")]
    Rm {
        /// The task that waits
        id: TaskId,
        /// The task it waits for
        dep: TaskId,
    },
    /// List what a task waits for and what waits for it
    #[command(alias = "list", after_help = "Example:\n  teamster task dep ls 3")]
    Ls {
        /// The task
        id: TaskId,
    },
}

/// What `task clear` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClearScope {
    /// completed tasks
    Completed,
    /// every task
    All,
}
