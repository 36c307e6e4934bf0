//! The command line at work: each command is a function of the [`Context`], most of them on the team's files,
//! some as calls to the leader. What goes wrong is told in one place and in one way.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Serialize;
use teamster_protocol::host::clock;
use teamster_protocol::host::settings::Common;
use teamster_protocol::host::team_dir::{TeamDir, default_root};
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::roster::TeamFact;
use teamster_protocol::team::{Team, TeamView};
use tracing_subscriber::filter::LevelFilter;

use crate::front::cli::args::{Args, Command, Everywhere};
use crate::front::cli::print::{Aside, Audience};
use crate::git::Repository;
use crate::ops::config::{CommandLineSettings, Config, EnvironmentSettings, Layers, TeamChoice};
use crate::ops::config_files;
use crate::ops::moved::remember_team;
use crate::warden;

pub mod args;
mod complete;
mod config;
pub mod demo;
mod doctor;
mod down;
mod ending;
mod error;
mod events;
mod headless;
mod inbox;
mod interrupt;
pub(crate) mod link;
mod list;
mod logs;
mod manual;
pub mod print;
mod spawn;
mod status;
mod talk;
mod task;
pub(crate) mod task_row;
mod team_name;
mod up;
mod usage;
mod who;
mod why;

pub use complete::answer_shell;
pub use error::{Exit, FrontError, json_error, json_failure};
pub use team_name::{Place, TeamHere, founding_dir, place, team_name};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What every command needs to know.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where the team is.
    pub dir: TeamDir,
    /// Whose command it is: the lead's, or a member's if its agent runs it.
    pub me: Address,
    /// Where the command was typed.
    pub here: PathBuf,
    /// How to print.
    pub shape: Shape,
    /// How wide a line may be.
    pub columns: usize,
    /// For the time of day.
    pub zone: jiff::tz::TimeZone,
    /// What must have survived when a command says that it is done, and how often it looks again.
    pub settings: Common,
    /// Everything that is set up, and who said so.
    pub config: Config,
    /// The repository that the team's name comes from, if it comes from one.
    pub repository: Option<Repository>,
}

/// Reads a command line. If there is nothing to obey in it, that was said, and the process is to exit with this.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, Exit> {
    let words: Vec<OsString> = words.into_iter().collect();
    Args::try_parse_from(&words).map_err(|error| usage::not_parsed(&error, &words))
}

/// Runs a command to its end. Returns what the process is to exit with; everything was said by then.
pub fn obey(args: Args) -> Exit {
    let shape = if args.everywhere.json { Shape::Json } else { Shape::Text };
    match run(args) {
        Ok(exit) => exit,
        Err(FrontError::Interrupted) => Exit::Interrupted,
        Err(error) => {
            match shape {
                Shape::Text => print::fail(&error.failure()),
                Shape::Json => print::remark(error.json()),
            }
            error.exit()
        }
    }
}

fn run(args: Args) -> Result<Exit, FrontError> {
    if let Command::Completions { shell } = args.command {
        return complete::print_script(shell);
    }
    if let Command::Manual { dir } = &args.command {
        return manual::write_pages(dir);
    }
    listen_to_logs(&args.command);
    teamster_protocol::host::crash::begin("front");
    let context = Context::new(&args.everywhere, files_of(&args.command))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| FrontError::Process { doing: "start the runtime", source })?;
    let exit = runtime.block_on(async {
        warden::mind();
        dispatch(&context, args.command).await
    });
    // The command may have founded the team.
    if let Some(repository) = &context.repository {
        remember_team(&context.dir, repository);
    }
    // A thread that blocks on standard input must not hold the end.
    runtime.shutdown_background();
    exit
}

/// Sends what the libraries of this program have to say to standard error: warnings, and of a leader, whose
/// standard error is its log, more. `TEAMSTER_LOG` changes it.
pub fn listen_to_logs(command: &Command) {
    let default = if matches!(command, Command::Up(_)) {
        LevelFilter::INFO
    } else if matches!(command, Command::Down(_)) {
        // It may have to lead for a moment, and what it finds then is about to end.
        LevelFilter::ERROR
    } else {
        LevelFilter::WARN
    };
    let given = std::env::var("TEAMSTER_LOG").ok();
    let level = given.as_deref().map(str::parse::<LevelFilter>);
    let shown = match level {
        Some(Ok(level)) => level,
        Some(Err(_)) | None => default,
    };
    let listener = tracing_subscriber::fmt().with_max_level(shown).with_writer(|| Aside);
    // A leader's log lies on the disk that may be full, and to complain of that there would be a panic.
    // Refused only if a listener is there already, which is as good.
    let _ = listener.log_internal_errors(false).try_init();
    if let (Some(Err(_)), Some(given)) = (level, given) {
        tracing::warn!(
            "TEAMSTER_LOG is {given:?}, which is none of off, error, warn, info, debug, trace: taking {shown}"
        );
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, FrontError> {
    who::may(&context.me, &command)?;
    match command {
        Command::Up(args) => up::up(context, &args).await,
        Command::Down(args) => down::down(context, &args).await,
        Command::RestartLeader => up::restart(context).await,
        Command::Id => spawn::id(context),
        Command::Config => config::config(context),
        Command::Env(args) => spawn::env(context, &args),
        Command::Spawn(args) => spawn::spawn(context, args).await,
        Command::List(_) => list::list(context),
        Command::Status(args) => status::status(context, &args),
        Command::Why(args) => why::why(context, &args),
        Command::Send(args) => talk::send(context, &args).await,
        Command::Steer(args) => talk::steer(context, &args).await,
        Command::Dm(args) => talk::dm(context, &args),
        Command::Broadcast(args) => talk::broadcast(context, &args),
        Command::Inbox(args) => inbox::inbox(context, &args),
        Command::Logs(args) => logs::logs(context, &args).await,
        Command::Events(args) => events::events(context, &args).await,
        Command::Stop(args) => ending::stop(context, &args).await,
        Command::Shutdown(args) => ending::shutdown(context, &args).await,
        Command::Kill(args) => ending::kill(context, &args).await,
        Command::Task(verb) => task::task(context, verb),
        Command::Run(args) => headless::run_plan(context, args).await,
        Command::Cleanup(args) => headless::clean_up(context, &args),
        Command::Doctor(args) => doctor::doctor(context, &args).await,
        Command::Demo(args) => headless::tell_demo(context, &args).await,
        Command::Completions { .. } | Command::Manual { .. } => {
            unreachable!("they need no team, and were answered before")
        }
    }
}

/// Whether files of settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SettingsFiles {
    /// They are.
    Read,
    /// Whoever started this process has read them, and passed on what they say.
    PassedOn,
}

/// A leader in the background was told by the command that started it. To read the files anew at each of its starts would
/// let a mistake that somebody makes in one of them end a leader that only had to be started again.
fn files_of(command: &Command) -> SettingsFiles {
    if matches!(command, Command::Up(args) if args.in_background) {
        SettingsFiles::PassedOn
    } else {
        SettingsFiles::Read
    }
}

impl Context {
    fn new(everywhere: &Everywhere, files: SettingsFiles) -> Result<Context, FrontError> {
        let here = std::env::current_dir()
            .map_err(|source| FrontError::Process { doing: "find out the current directory", source })?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME");
        let (repository, user) = match files {
            SettingsFiles::PassedOn => (None, None),
            SettingsFiles::Read => {
                let path = config_files::user_path(variable("XDG_CONFIG_HOME").as_deref(), home.as_deref());
                let user = path.map(|path| config_files::read_user_file(&path, home.as_deref())).transpose()?;
                (config_files::read_repository_file(&here)?, user.flatten())
            }
        };
        let layers = Layers {
            command_line: CommandLineSettings { team: everywhere.team.clone(), root: everywhere.root.clone() },
            environment_team: variable("TEAMSTER_TEAM")
                .map(|team| team.parse())
                .transpose()
                .map_err(FrontError::BadTeam)?,
            environment_root: variable("TEAMSTER_ROOT").map(PathBuf::from),
            environment: EnvironmentSettings::given()?,
            repository,
            user,
        };
        let config = layers.merge();
        let root = match &config.root.value {
            Some(root) => here.join(root),
            None => default_root(variable("XDG_STATE_HOME").as_deref(), home.as_deref()).ok_or(FrontError::NoRoot)?,
        };
        let team = match &config.team.value {
            TeamChoice::Named(team) => TeamHere::named(team.clone()),
            TeamChoice::Stem(stem) => {
                TeamHere::find(&root, &here, |key| team_name::named_after(stem, key), config.common().durability)?
            }
            TeamChoice::Derived => TeamHere::find(&root, &here, team_name, config.common().durability)?,
        };
        let TeamHere { team, repository } = team;
        let dir = TeamDir::new(root, team);
        Ok(Context {
            me: who::whose(&dir, variable)?,
            dir,
            here,
            shape: if everywhere.json { Shape::Json } else { Shape::Text },
            columns: print::columns(),
            zone: jiff::tz::TimeZone::system(),
            settings: config.common(),
            config,
            repository,
        })
    }

    /// The team to look at. Refused if nobody ever made it; nothing is created.
    pub fn view(&self) -> Result<TeamView, FrontError> {
        self.must_exist()?;
        Ok(TeamView::open(self.dir.clone())?)
    }

    /// The team to change, in the name of whose command it is. Refused if nobody ever made it.
    pub fn team(&self) -> Result<Team, FrontError> {
        self.must_exist()?;
        Ok(Team::open(self.dir.clone(), self.me.clone(), self.settings.durability)?)
    }

    /// The team to change, made if it is not there.
    pub fn make_team(&self) -> Result<Team, FrontError> {
        let mut team = Team::open(self.dir.clone(), self.me.clone(), self.settings.durability)?;
        if team.roster().dir().is_none() {
            team.enroll(TeamFact::Founded { dir: founding_dir(&self.here)? })?;
        }
        Ok(team)
    }

    /// Refuses a name that is not on the roster, and says which was perhaps meant.
    pub fn must_be_member(&self, view: &TeamView, name: &MemberName) -> Result<(), FrontError> {
        if view.roster().member(name).is_ok() {
            return Ok(());
        }
        let names: Vec<&str> = view.roster().members().map(|(name, _)| name.as_str()).collect();
        let hint = match (print::did_you_mean(name.as_str(), names.iter().copied()), names.is_empty()) {
            (Some(meant), _) => format!("did you mean {meant}?"),
            (None, true) => format!("the team has no members yet; start one with teamster spawn {name}"),
            (None, false) => format!("the members are {}", names.join(", ")),
        };
        Err(FrontError::NoMember { name: name.clone(), hint })
    }

    /// Prints a result: as one line of JSON, or as text for people.
    pub fn show<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<Audience, FrontError> {
        let shown = match self.shape {
            Shape::Json => serde_json::to_string(value).expect("results have text keys and plain values"),
            Shape::Text => text(value),
        };
        print::say(shown.trim_end()).map_err(FrontError::Stdout)
    }

    /// The directory to work in: what `--cwd` gave, or the one here. Refused if it is none.
    pub fn work_dir(&self, given: Option<&Path>) -> Result<PathBuf, FrontError> {
        let asked = given.map_or_else(|| self.here.clone(), |dir| self.here.join(dir));
        let failed = |source| FrontError::Path { doing: "work in", path: asked.clone(), source };
        let dir = asked.canonicalize().map_err(failed)?;
        if dir.is_dir() { Ok(dir) } else { Err(failed(io::ErrorKind::NotADirectory.into())) }
    }

    /// The time by the one clock.
    pub fn now_ms(&self) -> u64 {
        clock::now_ms()
    }

    /// Refuses a team that nobody ever made.
    pub fn must_exist(&self) -> Result<(), FrontError> {
        match self.dir.was_made().map_err(|error| FrontError::Team(error.into()))? {
            true => Ok(()),
            false => Err(FrontError::NoTeam { team: self.dir.team().clone(), root: self.dir.root().to_owned() }),
        }
    }
}
