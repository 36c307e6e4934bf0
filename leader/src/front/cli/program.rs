//! The grammar of the command line: the commands of the table of verbs, each with the arguments that its own file
//! takes. Names and numbers are parsed here, so that no command ever sees a bad one.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use teamster_protocol::model::id::TeamName;
use teamster_protocol::model::shell_word::shell_word;

use super::help::ABOUT;
use super::print::PagerUse;
use super::words::{EndsWithText, KnownOption, OptionsInText, TypedText};
use super::{CliContext, CliError, ExitStatus};
use super::{
    agents, approvals, approve, cleanup, complete, config, demo, deny, doctor, down, env, events, forget, help, id,
    inbox, kill, list, logs, mail, manual,
};
use super::{restart_leader, run, shutdown, spawn, status, stop, talk, task, teams, unpark, up, wait, why};
use crate::verb::{PREFIXES, Verb, VerbListing, VerbPrefix, VerbRow};

/// What holds for every command.
#[derive(Debug, Clone, clap::Args)]
pub struct GlobalArgs {
    /// The team [default: $TEAMSTER_TEAM, else derived from the repository]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Everywhere")]
    pub team: Option<TeamName>,
    /// Where teams are kept [default: $TEAMSTER_ROOT, else the XDG state directory]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub root: Option<PathBuf>,
    /// Print JSON: one object, or one a line when following
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Print long output as it is, not through $TEAMSTER_PAGER, $PAGER or less
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub no_pager: bool,
}

impl GlobalArgs {
    /// Whether long output may go through a pager.
    pub(super) fn pager(&self) -> PagerUse {
        if self.no_pager { PagerUse::Off } else { PagerUse::Allowed }
    }
}

/// A command line that was understood.
#[derive(Debug)]
pub struct CommandLine {
    /// The options that every command takes.
    pub everywhere: GlobalArgs,
    /// The command.
    pub command: TypedCommand,
    /// The note on words of its text that look like options of ours, and are part of the text.
    pub options_in_text: Option<String>,
}

macro_rules! commands {
    (
        options($($option:ident),*);
        without_team($($lone:ident($lone_args:ty) => $obey_alone:path),*);
        with_text { $($talk:ident($talk_args:ty) => $obey_talk:path;)* }
        $($verb:ident($args:ty) => $obey:path;)*
    ) => {
        /// A command with its arguments.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "each is the verb of the same name")]
        pub enum TypedCommand {
            $($verb($args),)*
            $($talk($talk_args),)*
            $($lone($lone_args),)*
        }

        impl TypedCommand {
            /// The verb that it is a command for.
            pub fn verb(&self) -> Verb {
                match self {
                    $(TypedCommand::$verb(_) => Verb::$verb,)*
                    $(TypedCommand::$talk(_) => Verb::$talk,)*
                    $(TypedCommand::$lone(_) => Verb::$lone,)*
                }
            }

            fn from_matches(verb: Verb, matches: &ArgMatches) -> Result<TypedCommand, clap::Error> {
                match verb {
                    $(Verb::$verb => <$args>::from_arg_matches(matches).map(TypedCommand::$verb),)*
                    $(Verb::$talk => <$talk_args>::from_arg_matches(matches).map(TypedCommand::$talk),)*
                    $(Verb::$lone => <$lone_args>::from_arg_matches(matches).map(TypedCommand::$lone),)*
                    $(Verb::$option)|* => unreachable!("an option is no command"),
                }
            }

            /// The text that ends the command, if its arguments end with one.
            fn typed_text(&mut self) -> Option<TypedText<'_>> {
                match self {
                    $(TypedCommand::$talk(args) => Some(args.typed_text()),)*
                    $(TypedCommand::$verb(_) => None,)*
                    $(TypedCommand::$lone(_) => None,)*
                }
            }

            /// Carries out the command.
            pub(super) async fn obey(self, context: &CliContext) -> Result<ExitStatus, CliError> {
                match self {
                    $(TypedCommand::$verb(args) => $obey(context, args).await,)*
                    $(TypedCommand::$talk(args) => $obey_talk(context, args).await,)*
                    $(TypedCommand::$lone(args) => $obey_alone(args, program(), context.pager),)*
                }
            }
        }

        /// Adds the arguments of a verb to its command.
        fn with_arguments(verb: Verb, command: Command) -> Command {
            match verb {
                $(Verb::$verb => <$args>::augment_args(command),)*
                $(Verb::$talk => <$talk_args>::augment_args(command),)*
                $(Verb::$lone => <$lone_args>::augment_args(command),)*
                $(Verb::$option)|* => unreachable!("an option is no command"),
            }
        }
    };
}

// The command line's face of every verb: its arguments, and the function that obeys them.
commands! {
    options(Repair);
    without_team(
        Completions(complete::CompletionsArgs) => complete::print_script,
        Help(help::HelpArgs) => help::help,
        Manual(manual::ManualArgs) => manual::write_pages
    );
    with_text {
        Send(talk::SendArgs) => talk::send;
        Steer(talk::SteerArgs) => talk::steer;
        Dm(mail::DmArgs) => mail::dm;
        Broadcast(mail::BroadcastArgs) => mail::broadcast;
        Deny(deny::DenyArgs) => deny::deny;
        TaskAdd(task::add::AddArgs) => task::add::add;
    }
    Up(up::UpArgs) => up::up;
    Down(down::DownArgs) => down::down;
    RestartLeader(restart_leader::RestartLeaderArgs) => restart_leader::restart_leader;
    Id(id::IdArgs) => id::id;
    Teams(teams::TeamsArgs) => teams::teams;
    Agents(agents::AgentsArgs) => agents::agents;
    Config(config::ConfigArgs) => config::config;
    Env(env::EnvArgs) => env::env;
    Spawn(spawn::SpawnArgs) => spawn::spawn;
    List(list::ListArgs) => list::list;
    Status(status::StatusArgs) => status::status;
    Why(why::WhyArgs) => why::why;
    Wait(wait::WaitArgs) => wait::wait;
    Approvals(approvals::ApprovalsArgs) => approvals::approvals;
    Approve(approve::ApproveArgs) => approve::approve;
    Inbox(inbox::InboxArgs) => inbox::inbox;
    Logs(logs::LogsArgs) => logs::logs;
    Events(events::EventsArgs) => events::events;
    Stop(stop::StopArgs) => stop::stop;
    Unpark(unpark::UnparkArgs) => unpark::unpark;
    Shutdown(shutdown::ShutdownArgs) => shutdown::shutdown;
    Kill(kill::KillArgs) => kill::kill;
    Forget(forget::ForgetArgs) => forget::forget;
    TaskList(task::list::ListTasksArgs) => task::list::list;
    TaskShow(task::show::ShowArgs) => task::show::show;
    TaskAssign(task::change::AssignArgs) => task::change::assign;
    TaskUnassign(task::change::UnassignArgs) => task::change::unassign;
    TaskDepAdd(task::change::DependencyArgs) => task::change::add_dependency;
    TaskDepRm(task::change::DependencyArgs) => task::change::remove_dependency;
    TaskDepLs(task::dependencies::DependenciesArgs) => task::dependencies::dependencies;
    TaskRetry(task::change::RetryArgs) => task::change::retry;
    TaskCancel(task::change::CancelArgs) => task::change::cancel;
    TaskEdit(task::edit::EditArgs) => task::edit::edit;
    TaskClear(task::clearing::ClearArgs) => task::clearing::clear;
    TaskRestore(task::clearing::RestoreArgs) => task::clearing::restore;
    Run(run::RunArgs) => run::run;
    Cleanup(cleanup::CleanupArgs) => cleanup::cleanup;
    Doctor(doctor::DoctorArgs) => doctor::doctor;
    Demo(demo::DemoArgs) => demo::demo;
}

/// Reads a command line.
pub(super) fn parse(words: &[OsString]) -> Result<CommandLine, clap::Error> {
    let mut program = program();
    let matches = program.try_get_matches_from_mut(words)?;
    let everywhere = GlobalArgs::from_arg_matches(&matches)?;
    let mut path = String::new();
    let (mut at, mut below) = (&program, &matches);
    while let Some((word, matches)) = below.subcommand() {
        path.push_str(if path.is_empty() { "" } else { " " });
        path.push_str(word);
        at = at.find_subcommand(word).expect("what was typed is in the tree");
        below = matches;
    }
    let verb = commands().find(|verb| verb.row().path == path).expect("only commands of verbs end the tree");
    let mut command = TypedCommand::from_matches(verb, below)?;
    let option = |name: &str| {
        let known = at.get_arguments().find(|known| known.get_long() == Some(name))?;
        Some(KnownOption { takes_value: known.get_action().takes_values(), is_everywhere: known.is_global_set() })
    };
    let options_in_text = command.typed_text().and_then(|tail| note_on_options(verb, &tail.settle(words, option)));
    if let Some(TypedText { work: Some(work), .. }) = command.typed_text()
        && work.contradict()
    {
        let why = "-i keeps the standard input of a command open, and without --run there is no command";
        return Err(clap::Error::raw(ErrorKind::ArgumentConflict, why));
    }
    Ok(CommandLine { everywhere, command, options_in_text })
}

/// The note for somebody who typed options behind the first word of a text, with the line that was perhaps meant.
fn note_on_options(verb: Verb, found: &OptionsInText) -> Option<String> {
    let OptionsInText { options, meant, is_command } = found;
    let is_understood = !options.is_empty() && program().try_get_matches_from(meant).is_ok();
    if options.is_empty() || (*is_command && !is_understood) {
        return None;
    }
    let (all, are) = (options.join(", "), if options.len() == 1 { "is" } else { "are" });
    let note = format!("note: {all} {are} part of the text: options come before its first word");
    if !is_understood {
        return Some(note);
    }
    let words: Vec<String> = meant.iter().skip(1).map(|word| shell_word(&word.to_string_lossy())).collect();
    let is_kept = verb == Verb::TaskAdd;
    let instead = if is_kept { "for an option, cancel this task and type" } else { "for an option, type" };
    Some(format!("{note}; {instead}: teamster {}", words.join(" ")))
}

/// The whole command line, as clap knows it.
pub fn program() -> Command {
    let program = Command::new("teamster")
        .version(env!("TEAMSTER_VERSION"))
        .max_term_width(100)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(
            "Examples:\n  \
             teamster spawn alice --worktree      start a member on a branch of its own\n  \
             teamster task add --run make test    put a command on the board\n  \
             teamster status                      see who does what\n  \
             teamster down                        let everybody finish, and end the team\n\n\
             Exit codes: 0 done, 1 a task failed or the work was refused, 2 usage,\n\
             3 cannot reach the leader, 4 corrupt state, 5 done but not printed,\n\
             130 interrupted.\n\n\
             What the program logs: TEAMSTER_LOG is off, error, warn (the default), info,\n\
             debug or trace. RUST_LOG is not read.",
        );
    // Last: the type of the arguments brings a line of its own.
    GlobalArgs::augment_args(program).about(ABOUT).subcommands(commands_below(""))
}

/// The verbs that are commands.
fn commands() -> impl Iterator<Item = Verb> {
    Verb::ALL.iter().copied().filter(|verb| verb.row().option.is_none())
}

/// The commands that follow the words of `path`, in the order of the table.
fn commands_below(path: &str) -> Vec<Command> {
    let mut below: Vec<Command> = Vec::new();
    for verb in commands() {
        let row = verb.row();
        let Some(rest) = row.path.strip_prefix(path).map(str::trim_start) else { continue };
        match rest.split_once(' ') {
            None => below.push(command_of_verb(verb, &row, rest)),
            Some((word, _)) if below.iter().any(|command| command.get_name() == word) => {}
            Some((word, _)) => below.push(command_of_prefix(format!("{path} {word}").trim_start())),
        }
    }
    below
}

fn command_of_verb(verb: Verb, row: &VerbRow, word: &'static str) -> Command {
    let mut after = examples(row.examples);
    if !row.synonyms.is_empty() {
        after.push_str("\n\nAlso called: ");
        after.push_str(&row.synonyms.join(", "));
    }
    if !row.notes.is_empty() {
        after.push_str("\n\n");
        after.push_str(&in_paragraphs(row.notes));
    }
    with_arguments(verb, Command::new(word))
        .about(row.about)
        .long_about(None::<&str>)
        .aliases(row.synonyms)
        .hide(row.listing == VerbListing::Hidden)
        .after_help(after)
}

fn command_of_prefix(path: &str) -> Command {
    let VerbPrefix { path, synonyms, about, examples: typed } =
        PREFIXES.into_iter().find(|prefix| prefix.path == path).expect("the table has every prefix of its verbs");
    Command::new(path.rsplit(' ').next().unwrap_or(path))
        .about(about)
        .aliases(synonyms)
        .after_help(examples(typed))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(commands_below(path))
}

/// Notes with each paragraph on one line, which is broken where the reader's terminal ends. Lines that are indented stay as
/// they are.
fn in_paragraphs(notes: &str) -> String {
    let mut text = String::new();
    let mut is_open = false;
    for line in notes.lines() {
        let is_prose = !line.is_empty() && !line.starts_with([' ', '[']);
        if !text.is_empty() {
            text.push(if is_open && is_prose { ' ' } else { '\n' });
        }
        text.push_str(line);
        is_open = is_prose;
    }
    text
}

/// The examples of a help, indented below their heading.
fn examples(typed: &str) -> String {
    let heading = if typed.contains('\n') { "Examples:" } else { "Example:" };
    let mut text = heading.to_owned();
    for line in typed.lines() {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<CommandLine, clap::Error> {
        let words: Vec<OsString> = ["teamster"].iter().chain(words).map(OsString::from).collect();
        parse(&words)
    }

    fn every_command(command: &Command, path: &str, look: &mut dyn FnMut(&str, &Command)) {
        look(path, command);
        for below in command.get_subcommands() {
            every_command(below, &format!("{path} {}", below.get_name()), look);
        }
    }

    fn usage_error(words: &[&str]) -> String {
        let error = parsed(words).expect_err("it is bad usage");
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_note_is_broken_where_the_terminal_ends_and_nowhere_else() {
        let notes = "One line\ngoes on.\n\nA list:\n  first\n  second\nMore\nof it.";
        assert_eq!(in_paragraphs(notes), "One line goes on.\n\nA list:\n  first\n  second\nMore of it.");
        let run = Verb::ALL.iter().find(|verb| verb.row().path == "run").expect("a verb").row();
        assert!(in_paragraphs(run.notes).contains("as in 3 build, and"), "{}", in_paragraphs(run.notes));
    }

    #[test]
    fn the_commands_are_consistent() {
        program().debug_assert();
    }

    #[test]
    fn the_commands_are_those_of_the_table_of_verbs() {
        let mut found = Vec::new();
        every_command(&program(), "", &mut |path, command| {
            if !command.has_subcommands() {
                found.push((path.trim().to_owned(), command.get_about().map(ToString::to_string)));
            }
        });
        let rows = commands().map(|verb| (verb.row().path.to_owned(), Some(verb.row().about.to_owned())));
        assert_eq!(found, rows.collect::<Vec<_>>());
    }

    #[test]
    fn an_option_that_is_a_verb_is_one_of_its_command() {
        let program = program();
        for row in Verb::ALL.iter().map(|verb| verb.row()) {
            let Some(option) = row.option else { continue };
            let command = program.find_subcommand(row.path).expect("its command is there");
            assert!(command.get_arguments().any(|known| known.get_long() == Some(option)), "{} --{option}", row.path);
        }
    }

    #[test]
    fn every_help_has_an_example_that_the_parser_takes() {
        let mut examples = 0;
        every_command(&program(), "teamster", &mut |path, command| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let shown: Vec<&str> = help.lines().map(str::trim).filter(|line| line.contains("teamster ")).collect();
            assert!(!shown.is_empty(), "`{path} --help` has no example");
            for example in shown {
                let typed = &example[example.find("teamster ").expect("it was filtered by it")..];
                let typed = typed.split("   ").next().expect("a split has a first part");
                let words = typed.split_whitespace().take_while(|word| !["|", ">"].contains(word));
                let words: Vec<OsString> = words.map(|word| word.replace(['"', ')'], "").into()).collect();
                if let Err(error) = parse(&words) {
                    panic!("the example `{typed}` of `{path}` is no valid command: {error}");
                }
                examples += 1;
            }
            assert!(command.get_about().is_some(), "`{path}` does not say what it does");
        });
        assert!(examples > 30, "only {examples} examples were found");
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_with_the_rule() {
        let said = [&["spawn", "../x"][..], &["kill", "lead"], &["task", "show", "0"], &["status", "Alice"]]
            .map(|words| usage_error(words).lines().next().expect("it says something").to_owned());
        insta::assert_snapshot!(said.join("\n"), @r#"
        error: invalid value '../x' for '<NAME>...': "../x" is not a name: use 1 to 40 of a-z, 0-9 and -
        error: invalid value 'lead' for '<NAME>...': "lead" is reserved for the leader
        error: invalid value '0' for '<ID>': "0" is not a task number
        error: invalid value 'Alice' for '[NAME]': "Alice" is not a name: use 1 to 40 of a-z, 0-9 and -
        "#);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for words in [
            &["spawn", "a", "--worktree", "--shared"][..],
            &["task", "add"],
            &["task", "add", "-f", "y", "x"],
            &["task", "add", "-i", "x"],
            &["send", "alice", "-i", "x"],
            &["task", "list", "--all", "--status", "failed"],
            &["task", "add", "--timeout", "5", "x"],
            &["send", "alice"],
        ] {
            usage_error(words);
        }
    }

    /// The text of a command, and whether it is one for the shell.
    fn text_of(words: &[&str]) -> (String, bool) {
        let mut line = parsed(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let TypedText { words, work } = line.command.typed_text().expect("it ends with a text");
        (words.join(" "), work.is_some_and(|work| work.run))
    }

    #[test]
    fn words_need_no_quotes_and_options_come_before_them() {
        let line = parsed(&["dm", "--json", "alice", "--urgent", "see", "--json"]).expect("it is good usage");
        assert!(line.everywhere.json);
        assert_eq!(
            line.options_in_text.as_deref(),
            Some("note: --json is part of the text: options come before its first word")
        );
        match line.command {
            TypedCommand::Dm(dm) => {
                assert!(dm.urgent);
                assert_eq!(dm.text.resolve().expect("no standard input is read"), "see --json");
            }
            other => panic!("{other:?}"),
        }
        for (line, text) in [
            ("task add fix the --json output", "fix the --json output"),
            ("task add --json fix the --json output", "fix the --json output"),
            ("--json task add fix --help", "fix --help"),
            ("task add --to alice fix -f now", "fix -f now"),
            ("steer alice use -j4 --urgent", "use -j4 --urgent"),
            ("broadcast a -- b", "a -- b"),
            ("task add -- explain --run", "explain --run"),
            ("send alice -- --run it", "--run it"),
        ] {
            assert_eq!(text_of(&line.split(' ').collect::<Vec<_>>()), (text.to_owned(), false), "{line}");
        }
    }

    #[test]
    fn a_command_keeps_its_options_and_its_dashes() {
        for (line, command) in [
            ("task add make -j4 --run", "make -j4"),
            ("task add --run make -j4 --run", "make -j4 --run"),
            ("send alice --run cargo test -- --nocapture", "cargo test -- --nocapture"),
            ("send alice cargo test -- --nocapture --run", "cargo test -- --nocapture"),
            ("send --run -i alice cat -n", "cat -n"),
            ("task add --run -i -- -x", "-x"),
            ("task add - --run", "-"),
        ] {
            assert_eq!(text_of(&line.split(' ').collect::<Vec<_>>()), (command.to_owned(), true), "{line}");
        }
    }
}
