//! What can be typed: the commands, their arguments and their help. Names and numbers are parsed here, so that
//! no command ever sees a bad one.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use teamster_protocol::model::id::TeamName;

mod look;
mod member;
mod run;
mod talk;
mod task;
mod words;

pub use look::{DoctorArgs, EventsArgs, InboxArgs, ListArgs, LogsArgs, StatusArgs, WhyArgs, WhySubject};
pub use member::{DownArgs, EnvArgs, KillArgs, ShutdownArgs, SpawnArgs, StallArgs, StopArgs, UpArgs};
pub use run::{CleanupArgs, DemoArgs, RunArgs};
pub use talk::{BroadcastArgs, DmArgs, SendArgs, SteerArgs};
pub use task::{AddArgs, ClearScope, DependencyCommand, ListTasksArgs, StatusFilter, TaskVerb};
pub use words::{StdinError, Words, joined};

/// Leads a team of coding agents: each in a process of its own, all on one task board.
#[derive(Debug, Parser)]
#[command(
    name = "teamster",
    version = env!("TEAMSTER_VERSION"),
    propagate_version = false,
    max_term_width = 100,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        teamster spawn alice --worktree      start a member on a branch of its own\n  \
        teamster task add make test --run    put a command on the board\n  \
        teamster status                      see who does what\n  \
        teamster down                        let everybody finish, and end the team\n\n\
        Exit codes: 0 done, 1 a task failed or the work was refused, 2 usage,\n\
        3 cannot reach the leader, 4 corrupt state, 130 interrupted."
)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub everywhere: Everywhere,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Everywhere {
    /// The team [default: $TEAMSTER_TEAM, else derived from the repository]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Everywhere")]
    pub team: Option<TeamName>,
    /// Where teams are kept [default: $TEAMSTER_ROOT, else the XDG state directory]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub root: Option<PathBuf>,
    /// Print JSON: one object, or one a line when following
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
}

const CONFIG_HELP: &str = "\
Examples:
  teamster config
  teamster config --json

Settings are read from teamster.toml in the repository, for everybody who works in it, and from
~/.config/teamster/config.toml, for you. The command line is before the environment, the
environment before the repository, the repository before you, and you before what is built in.

  [run]
  workers = 4                # how many a run has
  worktree = true            # run and spawn: a git worktree for each member
  agent = \"shell\"            # run and spawn: what a member drives

  [team]
  name = \"crew\"              # repository only: how the team's name begins
  root = \"~/teams\"           # yours only: where teams are kept
  durability = \"power\"       # or process: what written results must survive
  poll = \"5s\"                # how often to look at files although no event came
  on-stall = \"show\"          # or steer, abort, restart: what is done about a silent agent
  stall-after = \"10m\"

  [limits]
  run-time = \"2h\"            # a whole run
  task-time = \"30m\"          # an attempt at a task that names no limit
  attempts = 3               # deaths of workers that a task survives
  answer-within = \"10s\"      # a worker to its leader
  leader-grace = \"30s\"       # a worker without its leader

  [agent.NAME]               # read and shown; members drive shell only so far
  driver = \"acp\"
  command = [\"my-agent\", \"--acp\"]
  env = { MY_VARIABLE = \"1\" }
  model = \"a/model\"
  effort = \"high\"
  approval = \"ask\"           # or auto, deny

A repository\'s file is the work of whoever can commit to it: nothing in it starts a command by
itself, and it can not move the root.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lead the team, in the foreground until Ctrl-C
    Up(UpArgs),
    /// End all members, then the leader
    Down(DownArgs),
    /// Replace the leader, as after an upgrade; every worker goes on
    #[command(after_help = "Example:\n  teamster restart-leader\n\n\
        The next leader runs the program as it is installed now, and links to the workers that run.")]
    RestartLeader,
    /// Print the name of the team
    #[command(after_help = "Example:\n  teamster id")]
    Id,
    /// Show each setting, and who gave it: the command line, the environment, a file, or nobody
    #[command(after_help = CONFIG_HELP)]
    Config,
    /// Print the command that starts a worker by hand
    Env(EnvArgs),
    /// Start a member and wait until it is ready
    Spawn(SpawnArgs),
    /// List the members
    #[command(alias = "ls", alias = "ps", alias = "members")]
    List(ListArgs),
    /// Show how the team, or one member, is doing
    Status(StatusArgs),
    /// Tell why a task is not being done, or a member does nothing
    Why(WhyArgs),
    /// Give an idle member something to do
    #[command(alias = "prompt")]
    Send(SendArgs),
    /// Say something to a member's running turn
    Steer(SteerArgs),
    /// Write to a member's mailbox
    #[command(alias = "mail")]
    Dm(DmArgs),
    /// Write to every member's mailbox
    Broadcast(BroadcastArgs),
    /// Read the lead's mail, or look at a member's
    Inbox(InboxArgs),
    /// Show what a member's agent said and did
    #[command(alias = "log")]
    Logs(LogsArgs),
    /// Show what happened on board, roster and mail, in order
    Events(EventsArgs),
    /// Abort a member's turn; its task is held for it
    #[command(alias = "abort")]
    Stop(StopArgs),
    /// Ask a member, or all, to end
    Shutdown(ShutdownArgs),
    /// End a member's worker without asking
    Kill(KillArgs),
    /// The task board
    #[command(
        subcommand,
        alias = "tasks",
        arg_required_else_help = true,
        after_help = "Example:\n  teamster task list"
    )]
    Task(TaskVerb),
    /// Do a plan: spawn workers, drain the board, end, and say what came of each task
    Run(RunArgs),
    /// Remove the team's files; refuses where work would be lost
    Cleanup(CleanupArgs),
    /// Check everything the team stands on, and mend it
    Doctor(DoctorArgs),
    /// Tell the whole story on a small repository, in a few seconds
    Demo(DemoArgs),
    /// Print what a shell needs to complete commands, members and tasks
    #[command(
        after_help = "Example:\n  teamster completions bash > ~/.local/share/bash-completion/completions/teamster"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the pages of the manual into a directory
    #[command(hide = true, after_help = "Example:\n  teamster manual share/man/man1")]
    Manual {
        /// The directory; made if it is not there
        dir: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn every_command(command: &clap::Command, path: &str, look: &mut dyn FnMut(&str, &clap::Command)) {
        look(path, command);
        for below in command.get_subcommands() {
            every_command(below, &format!("{path} {}", below.get_name()), look);
        }
    }

    fn usage_error(words: &[&str]) -> String {
        let error = Args::try_parse_from(["teamster"].iter().chain(words)).expect_err("it is bad usage");
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn the_commands_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_help_has_an_example_that_the_parser_takes() {
        let mut examples = 0;
        every_command(&Args::command(), "teamster", &mut |path, command| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let shown: Vec<&str> = help.lines().map(str::trim).filter(|line| line.contains("teamster ")).collect();
            assert!(!shown.is_empty(), "`{path} --help` has no example");
            for example in shown {
                let typed = &example[example.find("teamster ").expect("it was filtered by it")..];
                let typed = typed.split("   ").next().expect("a split has a first part");
                let words = typed.split_whitespace().take_while(|word| !["|", ">"].contains(word));
                let words: Vec<String> = words.map(|word| word.replace(['"', ')'], "")).collect();
                if let Err(error) = Args::try_parse_from(&words) {
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
        error: invalid value '../x' for '<NAME>': "../x" is not a name: use 1 to 40 of a-z, 0-9 and -
        error: invalid value 'lead' for '<NAME>': "lead" is reserved for the leader
        error: invalid value '0' for '<ID>': "0" is not a task number
        error: invalid value 'Alice' for '[NAME]': "Alice" is not a name: use 1 to 40 of a-z, 0-9 and -
        "#);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for words in [
            &["spawn", "a", "--worktree", "--shared"][..],
            &["spawn", "a", "--base", "main"],
            &["task", "add"],
            &["task", "add", "x", "-f", "y"],
            &["task", "list", "--all", "--status", "failed"],
            &["task", "add", "x", "--timeout", "5"],
            &["send", "alice"],
        ] {
            usage_error(words);
        }
    }

    #[test]
    fn words_need_no_quotes_and_options_may_follow_them() {
        let args = Args::try_parse_from(["teamster", "dm", "alice", "look", "at", "this", "--urgent", "--json"]);
        let args = args.expect("it is good usage");
        assert!(args.everywhere.json);
        match args.command {
            Command::Dm(dm) => {
                assert!(dm.urgent);
                assert_eq!(dm.text.resolve().expect("no standard input is read"), "look at this");
            }
            other => panic!("{other:?}"),
        }
    }
}
