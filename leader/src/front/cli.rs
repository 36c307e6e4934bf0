//! The command line: each command parses its words, calls an operation, and shows the outcome. Failures are told in one
//! place and in one way.

use std::ffi::OsString;

use serde::Serialize;

use crate::front::cli::print::{DayClock, OutputAudience, PagerUse};
use crate::ops::agents::add_task_command;
use crate::ops::error::OpsError;
use crate::ops::guarding::mind_warden;
use crate::ops::session::{Session, SettingsFiles};
use crate::verb::Verb;

mod agent;
mod agents;
mod answer;
mod approvals;
mod approve;
mod budget;
mod cleanup;
mod complete;
mod config;
mod demo;
mod deny;
mod doctor;
mod down;
mod each_member;
mod endings;
mod env;
mod error;
mod events;
#[cfg(test)]
mod fixtures;
mod forget;
mod guard;
mod help;
mod hint;
mod id;
mod inbox;
mod interrupt;
mod kill;
mod leader_line;
mod list;
mod log_output;
mod logs;
mod mail;
mod manual;
pub mod print;
mod program;
mod restart_leader;
mod run;
mod shutdown;
mod spawn;
mod stall;
mod status;
mod stop;
mod talk;
mod task;
pub(crate) mod task_text;
mod teams;
mod unpark;
mod up;
mod usage;
mod wait;
mod waking;
mod whole_number;
mod why;
mod words;
mod workspace;

pub use complete::answer_shell;
pub use error::{CliError, ExitStatus, json_error, json_failure};
pub use guard::guard;
pub use log_output::listen_to_logs;
pub use program::{CommandLine, GlobalArgs, TypedCommand, program};

/// The shape of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputShape {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

/// The context of a command: its session and the shape of its output.
#[derive(Debug, Clone)]
pub struct CliContext {
    /// The session: the team that is asked, and the caller.
    pub session: Session,
    /// The shape of the output.
    pub shape: OutputShape,
    /// How wide a line may be.
    pub columns: usize,
    /// The time zone of times of day.
    pub zone: jiff::tz::TimeZone,
    /// Whether long output may go through a pager.
    pub pager: PagerUse,
}

/// Reads a command line. If there is nothing to obey in it, that was said, and the process is to exit with this.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<CommandLine, ExitStatus> {
    let words: Vec<OsString> = words.into_iter().collect();
    program::parse(&words).map_err(|error| usage::not_parsed(&error, &words))
}

/// Runs a command to its end. Returns what the process is to exit with; everything was said by then.
pub fn obey(line: CommandLine) -> ExitStatus {
    let (shape, verb) = (line.shape(), line.command.verb());
    match run(line).map_err(|error| error.of_verb(verb)) {
        Ok(exit) => exit,
        Err(CliError::Interrupted) => ExitStatus::Interrupted,
        Err(error) => {
            match shape {
                OutputShape::Text => print::fail(&error.failure()),
                OutputShape::Json => print::remark(error.json()),
            }
            error.exit()
        }
    }
}

fn run(line: CommandLine) -> Result<ExitStatus, CliError> {
    // Commands that are not about a team need no place where one could be.
    let pager = line.everywhere.pager();
    if let (OutputShape::Json, Some(what)) = (line.shape(), text_alone(&line.command)) {
        let hint = "leave --json out; teamster agents --json and teamster config --json tell programs what there is";
        return Err(OpsError::misused(format!("{what} is text, and there is no JSON of it"), hint).into());
    }
    let line = match line {
        CommandLine { command: TypedCommand::Completions(args), .. } => {
            return complete::print_script(args, program(), pager);
        }
        CommandLine { command: TypedCommand::Manual(args), .. } => return manual::write_pages(args, program(), pager),
        CommandLine { command: TypedCommand::Help(args), .. } => return help::help(args, program(), pager),
        of_team => of_team,
    };
    listen_to_logs(&line);
    teamster_protocol::host::crash::begin("front");
    let context = CliContext::new(&line)?;
    if let Some(note) = &line.options_in_text {
        print::note(note);
    }
    // Each operation asks this for itself; asked here too, nothing is read from standard input before.
    context.session.authorize(line.command.verb())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| OpsError::Process { doing: "start the runtime", source })?;
    let exit = runtime.block_on(async {
        mind_warden();
        line.command.obey(&context).await
    });
    context.session.remember_team();
    // A thread that blocks on standard input must not hold the end.
    runtime.shutdown_background();
    exit
}

/// What a command prints that has no other shape than text.
fn text_alone(command: &TypedCommand) -> Option<&'static str> {
    match command {
        TypedCommand::Help(_) => Some("help"),
        TypedCommand::Completions(_) => Some("what a shell reads"),
        TypedCommand::Manual(_) => Some("the manual"),
        _ => None,
    }
}

impl CommandLine {
    /// How the results are to be printed.
    fn shape(&self) -> OutputShape {
        if self.everywhere.json { OutputShape::Json } else { OutputShape::Text }
    }

    /// A leader in the background was told by the command that started it. To read the files anew at each of its starts would
    /// let a mistake that somebody makes in one of them end a leader that only had to be started again.
    fn settings_files(&self) -> SettingsFiles {
        match &self.command {
            TypedCommand::Up(args) if args.in_background => SettingsFiles::PassedOn,
            command if command.verb().goes_on_without_settings() => SettingsFiles::ReadWhatIsRight,
            _ => SettingsFiles::Read,
        }
    }
}

impl CliContext {
    fn new(line: &CommandLine) -> Result<CliContext, CliError> {
        let pager = line.everywhere.pager();
        let GlobalArgs { team, root, json: _, no_pager: _ } = line.everywhere.clone();
        let session = Session::of_process(root, team, line.settings_files())?;
        // The command that shows the settings tells that itself, as its failure.
        if line.command.verb() != Verb::Config {
            for why in &session.passed_over {
                print::note(&format!("note: {why}\nnote: this command goes on without what is wrong there"));
            }
        }
        if let Some((from, repository)) = session.moved_from.as_ref().zip(session.repository.as_ref()) {
            let (from, to) = (from.display(), repository.common_dir().display());
            print::note(&format!("team {} followed its repository from {from} to {to}", session.dir.team()));
        }
        if let Some(why) = &session.unread_mark {
            print::note(&format!("note: if this repository was moved here with a team, that team is not found: {why}"));
        }
        let (columns, zone) = (print::table_columns(), jiff::tz::TimeZone::system());
        Ok(CliContext { session, shape: line.shape(), columns, zone, pager })
    }

    /// Says how to begin where there is no team yet, and returns whether it did: for commands that only look. A reader
    /// of JSON gets the same shape as ever, with nothing in it.
    fn says_how_to_begin(&self) -> Result<bool, CliError> {
        if self.shape == OutputShape::Json || !self.session.has_no_team_yet()? {
            return Ok(false);
        }
        let add = add_task_command(&self.session.config);
        let no_team_yet = format!("no team here yet; begin with teamster spawn NAME or {add}");
        print::tell(&no_team_yet).map_err(CliError::Stdout)?;
        Ok(true)
    }

    /// For times as they are read at this moment.
    fn clock(&self) -> DayClock {
        DayClock::new(self.zone.clone(), self.session.now_ms())
    }

    /// As [`CliContext::show`], for what may be longer than the screen and is only looked at.
    fn show_page<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<OutputAudience, CliError> {
        match self.shape {
            OutputShape::Json => self.show(value, text),
            OutputShape::Text => self.page(&print::prose(text(value).trim_end())),
        }
    }

    /// As [`CliContext::show_page`], for text with parts that are to stay as they are, such as what a program printed.
    fn show_page_as_is<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<OutputAudience, CliError> {
        match self.shape {
            OutputShape::Json => self.show(value, text),
            OutputShape::Text => self.page(text(value).trim_end()),
        }
    }

    /// Prints text for people, through a pager where it is longer than their screen.
    fn page(&self, text: &str) -> Result<OutputAudience, CliError> {
        print::page(text, self.pager, interrupt::leave_to_child).map_err(CliError::Stdout)
    }

    /// Prints a result: as one line of JSON, or as text for people, whose sentences break where the terminal ends.
    pub fn show<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<OutputAudience, CliError> {
        self.show_as_is(value, |value| print::prose(text(value).trim_end()))
    }

    /// As [`CliContext::show`], for text that is to be copied as it is.
    fn show_as_is<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<OutputAudience, CliError> {
        let shown = match self.shape {
            // Not every path is text, and JSON is nothing else.
            OutputShape::Json => serde_json::to_string(value).map_err(|error| CliError::Stdout(error.into()))?,
            OutputShape::Text => text(value),
        };
        print::say(shown.trim_end()).map_err(CliError::Stdout)
    }
}
