//! The knowledge that every operation needs: which team, whose call it is, from where, and how its files are kept. A
//! front makes one from what it was given.

use std::io;
use std::path::{Path, PathBuf};

use teamster_protocol::host::clock;
use teamster_protocol::host::settings::{CommonSettings, text_variable};
use teamster_protocol::host::team_dir::{TeamDir, default_root};
use teamster_protocol::host::text_path::must_be_text;
use teamster_protocol::model::id::{Address, MemberName, TaskId, TeamName};
use teamster_protocol::model::roster::TeamFact;
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::team::{Team, TeamView, worker_life};

use super::caller::{authorize, find_caller};
use super::config::{CommandLineSettings, Config, ConfigLayers, EnvironmentSettings, TeamChoice, TeamNameOrigin};
use super::config_files::{self, ConfigFileError, ReadConfigFile};
use super::error::OpsError;
use super::moved::{MovedTeam, remember_team};
use super::team_name::{TeamHere, founding_dir, named_after, team_name};
use super::text::did_you_mean;
use crate::git::Repository;
use crate::verb::Verb;

/// The session of a command: the team that is asked, the caller, and the settings that apply.
#[derive(Debug, Clone)]
pub struct Session {
    /// The team's directory.
    pub dir: TeamDir,
    /// The one who calls: the lead, or a member if its agent makes the call.
    pub caller: Address,
    /// The directory the call comes from.
    pub here: PathBuf,
    /// The kind of crash that a reported operation survives, and how often files are looked at unasked.
    pub settings: CommonSettings,
    /// Everything that is set up, and who said so.
    pub config: Config,
    /// What is wrong with files of settings, where their right part was taken.
    pub passed_over: Vec<String>,
    /// The repository that the team's name comes from, if it comes from one.
    pub repository: Option<Repository>,
    /// Where the repository was before, if the team has just followed it.
    pub moved_from: Option<PathBuf>,
    /// Why it is not known whether the repository was moved here with a team.
    pub unread_mark: Option<String>,
    /// The origin of the team's name.
    pub name: TeamNameOrigin,
}

/// Whether files of settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsFiles {
    /// The files are read by this process.
    Read,
    /// The same, but what is wrong in a file keeps nobody from looking at the team or from ending it: it is passed over,
    /// and [`Session::passed_over`] says so. What leaves in doubt where the team is kept is refused all the same.
    ReadWhatIsRight,
    /// The command that started this process has read them, and passed on what they say.
    PassedOn,
}

/// The use that a session is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionUse {
    /// Any operation.
    Any,
    /// To look, and to write nothing at all.
    Look,
}

impl Session {
    /// The session of a process that stands in the current directory. `root` and `team` are what the command line gives; they
    /// go before the environment, and that before the files of settings.
    pub fn of_process(
        root: Option<PathBuf>,
        team: Option<TeamName>,
        files: SettingsFiles,
    ) -> Result<Session, OpsError> {
        Session::found(root, team, files, SessionUse::Any)
    }

    /// As [`Session::of_process`], for who only wants to see what is there, such as a shell that completes a word. Nothing is
    /// written: a team whose repository was moved does not follow it by this.
    pub fn to_look(root: Option<PathBuf>, team: Option<TeamName>) -> Result<Session, OpsError> {
        Session::found(root, team, SettingsFiles::ReadWhatIsRight, SessionUse::Look)
    }

    fn found(
        root: Option<PathBuf>,
        team: Option<TeamName>,
        files: SettingsFiles,
        wanted: SessionUse,
    ) -> Result<Session, OpsError> {
        let here = std::env::current_dir()
            .map_err(|source| OpsError::Process { doing: "find out the current directory", source })?;
        must_be_text(&here)?;
        let home = text_variable("HOME")?;
        let environment_root = text_variable("TEAMSTER_ROOT")?.map(PathBuf::from);
        let is_root_given = root.is_some() || environment_root.is_some();
        let mut passed_over = Vec::new();
        let mut usable = |read: ReadConfigFile| match (read.problem, files) {
            (Some(problem @ ConfigFileError::RootInDoubt(_)), _) => Err(problem),
            (Some(problem), SettingsFiles::ReadWhatIsRight) => {
                passed_over.push(problem.to_string());
                Ok(read.file)
            }
            (Some(problem), SettingsFiles::Read | SettingsFiles::PassedOn) => Err(problem),
            (None, _) => Ok(read.file),
        };
        let (repository, user) = match files {
            SettingsFiles::PassedOn => (None, None),
            SettingsFiles::Read | SettingsFiles::ReadWhatIsRight => {
                let path = config_files::user_path(text_variable("XDG_CONFIG_HOME")?.as_deref(), home.as_deref());
                let user = path.map(|path| config_files::read_user_file(&path, home.as_deref()));
                let user = user.map(|read| if is_root_given { read } else { read.must_tell_root() });
                let user = user.map(&mut usable).transpose()?;
                // A team that was made here is found by the repository itself, whatever the file calls it.
                let repository = usable(config_files::read_repository_file(&here))?;
                (repository, user.flatten())
            }
        };
        let layers = ConfigLayers {
            command_line: CommandLineSettings { team, root },
            environment_team: text_variable("TEAMSTER_TEAM")?
                .map(|team| team.parse())
                .transpose()
                .map_err(OpsError::BadTeam)?,
            environment_root,
            environment: EnvironmentSettings::given()?,
            repository,
            user,
        };
        let config = layers.merge();
        let root = match &config.root.value {
            Some(root) => here.join(root),
            None => {
                default_root(text_variable("XDG_STATE_HOME")?.as_deref(), home.as_deref()).ok_or(OpsError::NoRoot)?
            }
        };
        must_be_text(&root)?;
        let moved = match wanted {
            SessionUse::Any => MovedTeam::Follows(config.common().durability),
            SessionUse::Look => MovedTeam::IsLookedAt,
        };
        let TeamHere { team, repository, moved_from, unread_mark, name } = match &config.team.value {
            TeamChoice::Named(team) => TeamHere::named(team.clone()),
            TeamChoice::Stem(stem) => TeamHere::find(&root, &here, |key| named_after(stem, key), moved)?,
            TeamChoice::Derived => TeamHere::find(&root, &here, team_name, moved)?,
        };
        let dir = TeamDir::new(root, team);
        let (caller, settings) = (find_caller(&dir, text_variable)?, config.common());
        Ok(Session { dir, caller, here, settings, config, passed_over, repository, moved_from, unread_mark, name })
    }

    /// Writes into the repository which team works there, so that the team is found again after a move. To be called after
    /// each operation: it may have founded the team.
    pub fn remember_team(&self) {
        if let Some(repository) = &self.repository {
            remember_team(&self.dir, repository);
        }
    }

    /// Refuses a member what is the lead's alone. Every operation asks this first.
    pub fn authorize(&self, verb: Verb) -> Result<(), OpsError> {
        authorize(&self.caller, verb)
    }

    /// The team to look at. Refused if nobody ever made it; nothing is created.
    pub fn view(&self) -> Result<TeamView, OpsError> {
        self.must_exist()?;
        Ok(TeamView::open(self.dir.clone())?)
    }

    /// As [`Session::view`], for who looks at the team as a whole: where a place has no team yet, there is nothing to see, and
    /// that is no failure. A team that was named is refused like everywhere: the name may be mistyped.
    pub fn look(&self) -> Result<TeamView, OpsError> {
        match self.has_no_team_yet()? {
            true => Ok(TeamView::open(self.dir.clone())?),
            false => self.view(),
        }
    }

    /// Whether nobody ever made a team for the place the call comes from, and none was named.
    pub fn has_no_team_yet(&self) -> Result<bool, OpsError> {
        let is_named = match &self.config.team.value {
            TeamChoice::Named(_) => true,
            TeamChoice::Stem(_) | TeamChoice::Derived => false,
        };
        Ok(!is_named && !self.dir.was_made().map_err(|error| OpsError::Team(error.into()))?)
    }

    /// The team to change, in the name of the caller. Refused if nobody ever made it.
    pub fn team(&self) -> Result<Team, OpsError> {
        self.must_exist()?;
        Ok(Team::open(self.dir.clone(), self.caller.clone(), self.settings.durability)?)
    }

    /// The team to change, for mail to a member whose worker runs. Refused with [`OpsError::NotRunning`] for another.
    pub(super) fn team_of_running(&self, name: &MemberName) -> Result<Team, OpsError> {
        let team = self.team()?;
        let presence = &team.roster().member(name)?.presence;
        match worker_life(&self.dir, name, presence)? {
            WorkerLife::Dead => Err(OpsError::NotRunning(name.clone())),
            WorkerLife::Locked | WorkerLife::LockLost | WorkerLife::Dying => Ok(team),
        }
    }

    /// The team to change, made if it is not there.
    pub fn make_team(&self) -> Result<Team, OpsError> {
        let mut team = Team::open(self.dir.clone(), self.caller.clone(), self.settings.durability)?;
        if team.roster().dir().is_none() {
            team.enroll(TeamFact::Founded { dir: founding_dir(&self.here)? })?;
        }
        Ok(team)
    }

    /// Refuses a team that nobody ever made.
    pub fn must_exist(&self) -> Result<(), OpsError> {
        match self.dir.was_made().map_err(|error| OpsError::Team(error.into()))? {
            true => Ok(()),
            false => Err(OpsError::NoTeam { team: self.dir.team().clone(), root: self.dir.root().to_owned() }),
        }
    }

    /// Refuses a name that is not on the roster, and says which was perhaps meant.
    pub fn must_be_member(&self, view: &TeamView, name: &MemberName) -> Result<(), OpsError> {
        if view.roster().member(name).is_ok() {
            return Ok(());
        }
        let names: Vec<&str> = view.roster().members().map(|(name, _)| name.as_str()).collect();
        if let Some(task) = task_called(view, name.as_str()) {
            let hint = format!("{name} is task {task}, by its name in a plan: type {task} for the task");
            return Err(OpsError::NoMember { name: name.clone(), hint });
        }
        let hint = match (did_you_mean(name.as_str(), names.iter().copied()), names.is_empty()) {
            (Some(meant), _) => format!("did you mean {meant}?"),
            (None, true) => format!("the team has no members yet; start one with teamster spawn {name}"),
            (None, false) => format!("the members are {}", names.join(", ")),
        };
        Err(OpsError::NoMember { name: name.clone(), hint })
    }

    /// As [`Session::must_be_member`], for who only reads what the member left at `kept`: that stays until the team is cleaned
    /// up, also of a member that was forgotten.
    pub fn must_be_known(&self, view: &TeamView, name: &MemberName, kept: &Path) -> Result<(), OpsError> {
        match self.must_be_member(view, name) {
            Err(OpsError::NoMember { .. }) if kept.exists() => Ok(()),
            known => known,
        }
    }

    /// Refuses names of which one is nobody's, or comes twice, before anything is done to the others. `verb` takes members and
    /// perhaps a reason: words of a reason that was not quoted stand where names do.
    pub fn must_be_members(&self, view: &TeamView, verb: Verb, names: &[MemberName]) -> Result<(), OpsError> {
        must_differ(names)?;
        for (at, name) in names.iter().enumerate() {
            let refused = self.must_be_member(view, name);
            let Err(OpsError::NoMember { name, hint }) = refused else {
                refused?;
                continue;
            };
            let takes_reason = [Verb::Stop, Verb::Shutdown].contains(&verb);
            let hint = if at > 0 && takes_reason && !hint.starts_with("did you mean") {
                format!("{hint}; a reason is one text: teamster {} {} --reason \"…\"", verb.row().path, names[0])
            } else {
                hint
            };
            return Err(OpsError::NoMember { name, hint });
        }
        Ok(())
    }

    /// The directory to work in: the given one, or the one the call comes from. Refused if it is none.
    pub fn work_dir(&self, given: Option<&Path>) -> Result<PathBuf, OpsError> {
        let asked = given.map_or_else(|| self.here.clone(), |dir| self.here.join(dir));
        let failed = |source| OpsError::Path { doing: "work in", path: asked.clone(), source };
        let dir = asked.canonicalize().map_err(failed)?;
        must_be_text(&dir)?;
        if dir.is_dir() { Ok(dir) } else { Err(failed(io::ErrorKind::NotADirectory.into())) }
    }

    /// The time by the one clock.
    pub fn now_ms(&self) -> u64 {
        clock::now_ms()
    }
}

/// The task on the board that has this name in its plan. A board that can not be read back has none: this is only for a hint.
fn task_called(view: &TeamView, name: &str) -> Option<TaskId> {
    let asked = view.new_tasks().ok()?;
    asked.into_iter().find(|(_, task)| task.label.as_deref() == Some(name)).map(|(id, _)| id)
}

/// Refuses names of which one comes twice.
pub(super) fn must_differ(names: &[MemberName]) -> Result<(), OpsError> {
    match names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name)) {
        Some(twice) => {
            Err(OpsError::misused(format!("{twice} is named twice"), "a member has one worker: name each once"))
        }
        None => Ok(()),
    }
}
