//! Completions at the prompt: the shell calls this program with what was typed so far, so that the names of members, tasks
//! and teams are offered as they are at that moment. `completions` prints what tells a shell to do so.

use std::any::TypeId;
use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use teamster_protocol::model::approval::QuestionName;
use teamster_protocol::model::id::{Address, AgentName, MemberName, TaskId, TeamName};

use super::print::PagerUse;
use super::words::CommandWord;
use super::{CliError, ExitStatus, print};
use crate::ops::completions::{OfferedKind, OfferedWord, command_words, completions};
use crate::ops::session::Session;
use crate::ops::why::WhySubject;

/// The variable by which a shell asks for completions; its value is the name of the shell.
const VARIABLE: &str = "TEAMSTER_COMPLETE";
/// The only command whose member must not be there yet.
const MAKES_MEMBERS: &str = "spawn";
/// The command whose numbers are followed by a member, which the shell can not tell from one more of them.
const ENDS_WITH_MEMBER: &str = "assign";

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
    command.mut_args(|arg| offer(arg, name)).mut_subcommands(|below| {
        let name = below.get_name().to_owned();
        with_candidates(below, &name)
    })
}

fn offer(arg: Arg, command: &str) -> Arg {
    let parsed = arg.get_value_parser().type_id();
    let candidates = if parsed == TypeId::of::<MemberName>() && command != MAKES_MEMBERS {
        ArgValueCandidates::new(|| offered(&[OfferedKind::Members]))
    } else if parsed == TypeId::of::<Address>() {
        ArgValueCandidates::new(|| offered(&[OfferedKind::Mailboxes]))
    } else if parsed == TypeId::of::<WhySubject>() || (parsed == TypeId::of::<TaskId>() && command == ENDS_WITH_MEMBER)
    {
        ArgValueCandidates::new(|| offered(&[OfferedKind::Tasks, OfferedKind::Members]))
    } else if parsed == TypeId::of::<TaskId>() {
        ArgValueCandidates::new(|| offered(&[OfferedKind::Tasks]))
    } else if parsed == TypeId::of::<QuestionName>() {
        ArgValueCandidates::new(|| offered(&[OfferedKind::Questions]))
    } else if parsed == TypeId::of::<AgentName>() {
        ArgValueCandidates::new(|| offered(&[OfferedKind::Agents]))
    } else if parsed == TypeId::of::<CommandWord>() {
        ArgValueCandidates::new(words_of_help)
    } else if parsed == TypeId::of::<TeamName>() {
        ArgValueCandidates::new(|| offered(&[OfferedKind::Teams]))
    } else {
        return arg;
    };
    arg.add(candidates)
}

/// The words typed so far, of which the last one is to be completed.
fn typed() -> Vec<String> {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    words.into_iter().filter_map(|word| word.into_string().ok()).collect()
}

/// The team that the words typed so far are about; none where there is none.
fn session() -> Option<Session> {
    let words = typed();
    let option = |name: &str| {
        let inline = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let apart = words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).map(String::as_str);
        inline.or(apart).map(str::to_owned)
    };
    let team = option("--team").and_then(|team| team.parse().ok());
    Session::to_look(option("--root").map(Into::into), team).ok()
}

fn offered(kinds: &[OfferedKind]) -> Vec<CompletionCandidate> {
    let Some(session) = session() else { return Vec::new() };
    candidates(kinds.iter().flat_map(|kind| completions(&session, *kind)))
}

/// What may follow the words behind `help`.
fn words_of_help() -> Vec<CompletionCandidate> {
    let words = typed();
    let behind = words.iter().skip_while(|word| *word != "help").skip(1).map(String::as_str);
    let mut behind: Vec<&str> = behind.filter(|word| !word.starts_with('-')).collect();
    // The one that is being typed.
    behind.pop();
    candidates(command_words(&behind))
}

fn candidates(words: impl IntoIterator<Item = OfferedWord>) -> Vec<CompletionCandidate> {
    let candidate = |(order, OfferedWord { word, about }): (usize, OfferedWord)| {
        CompletionCandidate::new(word).display_order(Some(order)).help(about.map(StyledStr::from))
    };
    words.into_iter().enumerate().map(candidate).collect()
}
