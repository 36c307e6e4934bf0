//! The failures of operations: in words, with their kind and the way out. A front decides how that is shown.

use std::io;
use std::path::PathBuf;

use jsonrpsee::core::ClientError;
use teamster_protocol::host::settings::BadSetting;
use teamster_protocol::host::text_path::NotTextPath;
use teamster_protocol::model::id::{BadName, MemberName, TeamName};
use teamster_protocol::model::roster::RosterRefusal;
use teamster_protocol::model::task::{BoardRefusal, StatusWord};
use teamster_protocol::store::file::LogError;
use teamster_protocol::store::presence::LockError;
use teamster_protocol::store::transcript::TranscriptError;
use teamster_protocol::team::TeamError;
use teamster_protocol::wire::api::code;
use teamster_protocol::wire::peer::socket::SocketError;

use super::call_message::call_message;
use super::config_files::ConfigFileError;
use super::leadership::LeadershipError;
use super::link::LinkError;
use super::moved::MovedError;
use super::plan::PlanError;
use super::text::show_controls;
use crate::daemon::ServeError;

pub mod cleanup;
pub mod demo;
pub mod hanging;
mod kind;
pub mod run;

use cleanup::CleanupError;
use demo::DemoError;
use hanging::HangingError;
pub use kind::OpsErrorKind;
use run::RunError;

/// The way out where a leader ended while it was asked.
const DONE_BEFORE: &str = "it may have done it before: see teamster status, and ask again if not";

/// Why an operation did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// The team on disk refused, or could not be read or written.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// Nobody ever made the team.
    #[error("no team {team} under {} yet", root.display())]
    NoTeam {
        /// The team.
        team: TeamName,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// There is no such member; the suggestion is what was perhaps meant.
    #[error("there is no member {name}")]
    NoMember {
        /// The name that was given.
        name: MemberName,
        /// A way out.
        hint: String,
    },
    /// The member has no worker that could obey.
    #[error("{0} is not running")]
    NotRunning(MemberName),
    /// Neither the option nor the environment says where teams are kept.
    #[error("where teams are kept is not known: neither XDG_STATE_HOME nor HOME is set")]
    NoRoot,
    /// The variable that names the team does not.
    #[error("TEAMSTER_TEAM: {0}")]
    BadTeam(BadName),
    /// A directory that the team's files can not name.
    #[error(transparent)]
    NotText(#[from] NotTextPath),
    /// A variable of the environment that is not understood.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// A file of settings can not be used.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// The repository here can not be looked at, so the team's name can not be derived.
    #[error("cannot derive the team's name from the repository here: {0}")]
    Repository(String),
    /// The repository here was moved, or another one from here.
    #[error("cannot tell the team of the repository here: {0}")]
    Moved(#[from] MovedError),
    /// The command needs a leader, and none runs.
    #[error("no leader runs for team {team}")]
    NoLeader {
        /// The team.
        team: TeamName,
        /// A way out.
        hint: String,
    },
    /// The leader was started and ended before it was ready.
    #[error("the leader ended before it was ready{}", last_words(log))]
    LeaderDied {
        /// The last lines of its log.
        log: String,
        /// Where the whole log is.
        path: PathBuf,
    },
    /// The leader takes connections and answers nothing.
    #[error(transparent)]
    LeaderHangs(LinkError),
    /// A leader that hangs could not be ended.
    #[error(transparent)]
    Hanging(#[from] HangingError),
    /// The leader's socket can not be used.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The leader refused a call, or the connection ended.
    #[error("{}", call_message(.0))]
    Call(#[from] ClientError),
    /// The work was refused here.
    #[error("{what}")]
    Refused {
        /// The refused work and the reason, in a sentence.
        what: String,
        /// A way out.
        hint: Option<String>,
    },
    /// The request makes no sense as it was made.
    #[error("{what}")]
    Misused {
        /// The mistake, in a sentence.
        what: String,
        /// A way out.
        hint: String,
    },
    /// A file or directory that was named.
    #[error("cannot {doing} {}: {source}", show_controls(&path.display().to_string()))]
    Path {
        /// The verb.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// A process could not be started, or the own one not be asked about.
    #[error("cannot {doing}: {source}")]
    Process {
        /// The failed step, as a verb with its object.
        doing: &'static str,
        /// The answer of the system.
        source: io::Error,
    },
    /// A commit was named for worktrees to begin at, and no worktree is made.
    #[error("--base says where a worktree begins, and no worktree was asked for")]
    BaseWithoutWorktree,
    /// This process could not lead the team.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The plan is not one.
    #[error("the plan can not be run:\n{0}")]
    Plan(#[from] PlanError),
    /// The run could not begin, or go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The team was not removed.
    #[error(transparent)]
    Cleanup(#[from] CleanupError),
    /// The demo went wrong.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The leader was started, and says nothing.
    #[error("{0}")]
    Leading(String),
}

impl From<LogError> for OpsError {
    fn from(error: LogError) -> OpsError {
        OpsError::Team(error.into())
    }
}

impl From<LockError> for OpsError {
    fn from(error: LockError) -> OpsError {
        OpsError::Team(error.into())
    }
}

impl From<TranscriptError> for OpsError {
    fn from(error: TranscriptError) -> OpsError {
        OpsError::Team(error.into())
    }
}

impl From<RosterRefusal> for OpsError {
    fn from(error: RosterRefusal) -> OpsError {
        OpsError::Team(error.into())
    }
}

impl From<LeadershipError> for OpsError {
    fn from(error: LeadershipError) -> OpsError {
        match error {
            LeadershipError::Serve(error) => error.into(),
            LeadershipError::Link(error) => error.into(),
            LeadershipError::Call(error) => error.into(),
            LeadershipError::Broke(_) => OpsError::Leading(error.to_string()),
        }
    }
}

impl From<LinkError> for OpsError {
    fn from(error: LinkError) -> OpsError {
        match error {
            LinkError::NoLeader(team) => {
                OpsError::NoLeader { team, hint: "start one with teamster up --detach".to_owned() }
            }
            LinkError::Socket(error) => error.into(),
            error @ LinkError::Hangs { .. } => OpsError::LeaderHangs(error),
            LinkError::Call(error) => error.into(),
        }
    }
}

impl OpsError {
    /// A refusal in words of our own.
    pub fn refused(what: impl Into<String>, hint: impl Into<String>) -> OpsError {
        OpsError::Refused { what: what.into(), hint: Some(hint.into()) }
    }

    /// A request that makes no sense, in words of our own.
    pub fn misused(what: impl Into<String>, hint: impl Into<String>) -> OpsError {
        OpsError::Misused { what: what.into(), hint: hint.into() }
    }

    /// The same for a caller that wants to end something: starting a leader is no way out there.
    pub(super) fn nothing_to_end(self) -> OpsError {
        match self {
            OpsError::NoLeader { team, .. } => {
                OpsError::NoLeader { team, hint: "see teamster status for what runs".to_owned() }
            }
            other => other,
        }
    }

    /// The failure and its reason in words, and the way out where there is one. The message is of one line where it can
    /// be.
    pub fn told(&self) -> (String, Option<String>) {
        let text = self.to_string();
        if let Some(hint) = self.hint() {
            return (text, Some(hint));
        }
        match (self, text.split_once('\n')) {
            (OpsError::LeaderDied { .. } | OpsError::Plan(_) | OpsError::ConfigFile(_) | OpsError::Cleanup(_), _)
            | (_, None) => (text, None),
            (_, Some((message, hint))) => (message.to_owned(), Some(hint.to_owned())),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            OpsError::Team(TeamError::Refused(refusal)) => hint_of_refusal(refusal),
            OpsError::Team(TeamError::Roster(RosterRefusal::NoMember(_))) => Some("see teamster list".to_owned()),
            OpsError::NoTeam { .. } => Some(
                "start it with teamster spawn NAME or teamster task add --run COMMAND; if it is another team, say which with --team"
                    .to_owned(),
            ),
            OpsError::NoMember { hint, .. } | OpsError::NoLeader { hint, .. } | OpsError::Misused { hint, .. } => {
                Some(hint.clone())
            }
            OpsError::NotRunning(name) => Some(format!("start it with teamster spawn {name}")),
            OpsError::ConfigFile(ConfigFileError::RootInDoubt(_)) => Some(
                "mend it, or say where they are kept with --root DIR or TEAMSTER_ROOT: with that, teamster down, and whatever only \
                 looks or ends somebody, goes on without what is wrong"
                    .to_owned(),
            ),
            OpsError::ConfigFile(_) => Some(
                "mend it; until then teamster down, and whatever only looks or ends somebody, goes on without what is wrong"
                    .to_owned(),
            ),
            OpsError::NoRoot => Some("say where with --root or TEAMSTER_ROOT".to_owned()),
            OpsError::BaseWithoutWorktree => {
                Some("ask for one with --worktree, or set worktree = true under [run] in teamster.toml".to_owned())
            }
            OpsError::Repository(_) | OpsError::Moved(_) => Some("name the team with --team or TEAMSTER_TEAM".to_owned()),
            OpsError::LeaderHangs(_) => {
                Some("kill it with teamster restart-leader, or end the team with teamster down --force".to_owned())
            }
            OpsError::LeaderDied { path, .. } => Some(format!("its whole log is {}", path.display())),
            OpsError::Call(ClientError::Call(error)) if error.code() == code::OTHER_VERSION => {
                Some("end it with the teamster that started it: teamster down".to_owned())
            }
            OpsError::Call(ClientError::Call(error)) if error.code() == code::ENDED => Some(DONE_BEFORE.to_owned()),
            OpsError::Call(ClientError::RestartNeeded(_)) => Some(DONE_BEFORE.to_owned()),
            OpsError::Serve(ServeError::Led { .. }) => {
                Some("see teamster status; end it with teamster down".to_owned())
            }
            OpsError::Run(error) => error.hint().map(str::to_owned),
            OpsError::Cleanup(error) => error.hint().map(str::to_owned),
            OpsError::Call(_) | OpsError::Serve(_) | OpsError::Plan(_) | OpsError::Demo(_) => None,
            OpsError::Refused { hint, .. } => hint.clone(),
            OpsError::Team(_)
            | OpsError::BadTeam(_)
            | OpsError::NotText(_)
            | OpsError::Setting(_)
            | OpsError::Socket(_)
            | OpsError::Hanging(_)
            | OpsError::Path { .. }
            | OpsError::Process { .. }
            | OpsError::Leading(_) => None,
        }
    }
}

fn hint_of_refusal(refusal: &BoardRefusal) -> Option<String> {
    let hint = match refusal {
        BoardRefusal::NoTask(_) | BoardRefusal::NoDependency { .. } => "see teamster task list".to_owned(),
        BoardRefusal::NothingToChange => "say what: see teamster task edit --help".to_owned(),
        BoardRefusal::Standing { id, is: StatusWord::InProgress, by: Some(by), .. } => {
            format!("stop it first with teamster stop {by}; task {id} is then held for it")
        }
        BoardRefusal::Standing { id, is: StatusWord::Failed | StatusWord::Cancelled, step, .. } if *step != "retry" => {
            format!("open it again with teamster task retry {id}")
        }
        BoardRefusal::Cycle { path, .. } if path.iter().all(|id| *id == path[0]) => {
            "name another task: see teamster task list".to_owned()
        }
        BoardRefusal::Cycle { .. } => "remove one of these with teamster task dep rm ID DEP".to_owned(),
        BoardRefusal::NotWaiting { id, .. } => format!("see teamster task dep ls {id}"),
        BoardRefusal::DependencyCancelled { on, .. } => format!("open it again with teamster task retry {on}"),
        BoardRefusal::OtherAgent { id: None, wanted, .. } => {
            format!("leave --to out, or name a member that drives {wanted}: teamster list")
        }
        BoardRefusal::OtherAgent { id: Some(id), wanted, .. } => format!(
            "choose a member that drives {wanted} (teamster list), or let any take it: teamster task edit {id} --no-agent"
        ),
        BoardRefusal::NobodyReads { id: None, to, .. } => {
            format!("add it with --run if it is a command, or without --to {to}, for members that read")
        }
        BoardRefusal::NobodyReads { id: Some(id), .. } => {
            format!("if it is a command, teamster task edit {id} --run; else assign it to a member that reads")
        }
        BoardRefusal::InProgress(_) => "stop them first with teamster stop NAME".to_owned(),
        BoardRefusal::EmptyTask => "say what is to be done: see teamster task add --help".to_owned(),
        BoardRefusal::TooLong { .. } => "write the long part into a file, and name that in the task".to_owned(),
        BoardRefusal::TooMany(_) => "add them in several steps".to_owned(),
        BoardRefusal::NothingCleared => "see teamster task list for what is on the board".to_owned(),
        BoardRefusal::Standing { .. }
        | BoardRefusal::NotYours { .. }
        | BoardRefusal::Blocked { .. }
        | BoardRefusal::AssignedToOther { .. }
        | BoardRefusal::WaitsAlready { .. }
        | BoardRefusal::NoNumbersLeft => return None,
    };
    Some(hint)
}

fn last_words(log: &str) -> String {
    if log.trim().is_empty() { String::new() } else { format!(":\n{}", log.trim_end()) }
}
