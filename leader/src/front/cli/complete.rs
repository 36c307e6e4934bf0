//! Completions at the prompt: the shell calls this program with what was typed so far, so that the names of members, tasks
//! and teams are offered as they are at that moment. `completions` prints what tells a shell to do so.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::{Address, LEAD, MemberName, TaskId, TeamName};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::TeamView;

use super::print::PagerUse;
use super::words::CommandWord;
use super::{CliError, ExitStatus, print};
use crate::ops::approvals::approvals;
use crate::ops::session::Session;
use crate::ops::teams::team_names;
use crate::ops::text::{harmless, shorten};
use crate::ops::why::WhySubject;
use crate::verb::{Verb, VerbListing};

/// The variable by which a shell asks for completions; its value is the name of the shell.
const VARIABLE: &str = "TEAMSTER_COMPLETE";
/// Tasks that are offered at once: more would fill the terminal. Unfinished ones come first.
const TASKS_OFFERED_MAX: usize = 100;
/// The width of a task's title that is shown beside its number.
const TITLE_COLUMNS_MAX: usize = 50;
/// The only command whose member must not be there yet.
const MAKES_MEMBERS: &str = "spawn";

/// Answers the shell, if it is a shell that asks. Returns what the process is to exit with then.
///
/// To be called first in the process: what asks is the environment, which is changed.
pub fn answer_shell(program: fn() -> clap::Command) -> Option<ExitStatus> {
    std::env::var_os(VARIABLE)?;
    let here = std::env::current_dir().ok();
    let complete = CompleteEnv::with_factory(|| with_candidates(program(), "")).var(VARIABLE).bin("teamster");
    match complete.try_complete(std::env::args_os(), here.as_deref()) {
        Ok(true) => Some(ExitStatus::Done),
        Ok(false) => None,
        Err(error) => {
            print::remark(error.to_string().trim_end());
            Some(ExitStatus::Usage)
        }
    }
}

/// `teamster completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Prints what a shell reads at its start.
pub(super) fn print_script(
    CompletionsArgs { shell }: CompletionsArgs,
    _: clap::Command,
    _: PagerUse,
) -> Result<ExitStatus, CliError> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&name).expect("both lists are of the same five shells");
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "teamster", "teamster", "teamster", &mut script)
        .map_err(CliError::Stdout)?;
    let mut script = String::from_utf8_lossy(&script).trim_end().to_owned();
    if shell == Shell::Zsh {
        // In a directory of functions the file is run at the first completion, and has to answer that one too.
        script.push_str("\n[ \"$funcstack[1]\" = _teamster ] && _clap_dynamic_completer_teamster \"$@\"");
    }
    print::say(&script).map_err(CliError::Stdout)?;
    Ok(ExitStatus::Done)
}

/// The command with what may be typed for each argument, by the type that the argument has.
fn with_candidates(command: Command, name: &str) -> Command {
    let makes_members = name == MAKES_MEMBERS;
    command.mut_args(|arg| offer(arg, makes_members)).mut_subcommands(|below| {
        let name = below.get_name().to_owned();
        with_candidates(below, &name)
    })
}

fn offer(arg: Arg, makes_members: bool) -> Arg {
    let parsed = arg.get_value_parser().type_id();
    let candidates = if parsed == TypeId::of::<MemberName>() && !makes_members {
        ArgValueCandidates::new(|| members(&[]))
    } else if parsed == TypeId::of::<Address>() {
        ArgValueCandidates::new(|| members(&[LEAD]))
    } else if parsed == TypeId::of::<TaskId>() {
        ArgValueCandidates::new(tasks)
    } else if parsed == TypeId::of::<WhySubject>() {
        ArgValueCandidates::new(|| tasks().into_iter().chain(members(&[])).collect())
    } else if parsed == TypeId::of::<QuestionName>() {
        ArgValueCandidates::new(questions)
    } else if parsed == TypeId::of::<CommandWord>() {
        ArgValueCandidates::new(command_words)
    } else if parsed == TypeId::of::<TeamName>() {
        ArgValueCandidates::new(teams)
    } else {
        return arg;
    };
    arg.add(candidates)
}

/// The team that the words typed so far are about. Nothing can be said at a prompt, so where there is none, nothing is
/// offered; and who presses Tab has not asked for anything to be changed.
fn session() -> Option<Session> {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let option = |name: &str| {
        let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        let inline = texts.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let apart = texts.iter().position(|word| *word == name).and_then(|at| texts.get(at + 1).copied());
        inline.or(apart).map(str::to_owned)
    };
    let team = option("--team").and_then(|team| team.parse().ok());
    Session::to_look(option("--root").map(Into::into), team).ok()
}

fn view() -> Option<TeamView> {
    session()?.view().ok()
}

fn members(besides: &[&'static str]) -> Vec<CompletionCandidate> {
    let Some(view) = view() else { return Vec::new() };
    let names = view.roster().members().map(|(name, _)| name.to_string());
    names.chain(besides.iter().map(|name| (*name).to_owned())).map(CompletionCandidate::new).collect()
}

fn tasks() -> Vec<CompletionCandidate> {
    let Some(view) = view() else { return Vec::new() };
    let is_open = |status: &TaskStatus| match status {
        TaskStatus::Pending { .. } | TaskStatus::InProgress { .. } => true,
        TaskStatus::Completed { .. } | TaskStatus::Failed { .. } | TaskStatus::Cancelled => false,
    };
    let (open, over): (Vec<_>, Vec<_>) = view.board().tasks().partition(|(_, task)| is_open(&task.status));
    let offered = open.into_iter().chain(over.into_iter().rev()).take(TASKS_OFFERED_MAX);
    let candidates = offered.enumerate().map(|(order, (id, _))| {
        // Without a title it can be completed as well.
        let title = view.new_task(id).map(|task| shorten(&harmless(&task.title), TITLE_COLUMNS_MAX).into_owned());
        let candidate = CompletionCandidate::new(id.to_string()).display_order(Some(order));
        candidate.help(title.ok().map(StyledStr::from))
    });
    candidates.collect()
}

/// The questions for permission that wait, oldest first.
fn questions() -> Vec<CompletionCandidate> {
    let open = session().and_then(|session| approvals(&session).ok()).map(|open| open.approvals).unwrap_or_default();
    let candidates = open.into_iter().enumerate().map(|(order, row)| {
        let title = shorten(&harmless(&row.title), TITLE_COLUMNS_MAX).into_owned();
        CompletionCandidate::new(row.id.to_string()).display_order(Some(order)).help(Some(title.into()))
    });
    candidates.collect()
}

/// The words that a command may begin with, and those that follow `task`.
fn command_words() -> Vec<CompletionCandidate> {
    let shown = Verb::ALL.iter().map(|verb| verb.row()).filter(|row| row.listing == VerbListing::Shown);
    let words: BTreeSet<&str> = shown.flat_map(|row| row.path.split(' ')).collect();
    words.into_iter().map(CompletionCandidate::new).collect()
}

/// The teams below the root.
fn teams() -> Vec<CompletionCandidate> {
    let names = session().and_then(|session| team_names(&session).ok()).unwrap_or_default();
    names.into_iter().map(|team| CompletionCandidate::new(team.to_string())).collect()
}
