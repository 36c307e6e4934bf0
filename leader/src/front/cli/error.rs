//! What can go wrong for a person at the command line: in words, with the way out, and as an exit code. The
//! table from kind to exit code is here and nowhere else.

use std::io;
use std::path::PathBuf;

use jsonrpsee::core::ClientError;
use jsonrpsee::types::error::{INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE};
use serde::Serialize;
use teamster_protocol::host::settings::BadSetting;
use teamster_protocol::model::id::{BadName, MemberName, TeamName};
use teamster_protocol::model::roster::RosterRefusal;
use teamster_protocol::model::task::Refusal;
use teamster_protocol::store::file::LogError;
use teamster_protocol::store::presence::LockError;
use teamster_protocol::store::transcript::TranscriptError;
use teamster_protocol::team::TeamError;
use teamster_protocol::wire::api::code;
use teamster_protocol::wire::peer::socket::SocketError;

use super::demo::DemoError;
use super::link::LinkError;
use crate::daemon::ServeError;
use crate::front::cli::args::StdinError;
use crate::front::cli::print::Failure;
use crate::ops::cleanup::CleanupError;
use crate::ops::config_files::ConfigFileError;
use crate::ops::leadership::LeadershipError;
use crate::ops::plan::PlanError;
use crate::ops::run::RunError;
use crate::warden::policy::HANDED_OVER;

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It is done.
    Done = 0,
    /// A task failed, the work was refused, or the system did not let us.
    Refused = 1,
    /// The command was not understood.
    Usage = 2,
    /// There is no leader, or it does not answer.
    NoLeader = 3,
    /// What is on disk can not be read as it is.
    Corrupt = 4,
    /// The leader made room for the next one, which its warden starts: nobody else sees it.
    HandedOver = HANDED_OVER,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The number for the system.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The word for it in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Refused => "refused",
            Exit::Usage => "usage",
            Exit::NoLeader => "no_leader",
            Exit::Corrupt => "corrupt",
            Exit::HandedOver => "handed_over",
            Exit::Interrupted => "interrupted",
        }
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
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
    /// Neither the option nor the environment says where teams are kept.
    #[error("where teams are kept is not known: neither XDG_STATE_HOME nor HOME is set")]
    NoRoot,
    /// The variable that names the team does not.
    #[error("TEAMSTER_TEAM: {0}")]
    BadTeam(BadName),
    /// A variable of the environment that is not understood.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// A file of settings can not be used.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// The repository here can not be looked at, so the team's name can not be derived.
    #[error("cannot derive the team's name from the repository here: {0}")]
    Repository(String),
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
    /// The leader's socket can not be used.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The leader refused a call, or the connection ended.
    #[error("{}", call_message(.0))]
    Call(#[from] ClientError),
    /// The work was refused here.
    #[error("{what}")]
    Refused {
        /// What and why.
        what: String,
        /// A way out.
        hint: Option<String>,
    },
    /// A file or directory that was named on the command line.
    #[error("cannot {doing} {}: {source}", path.display())]
    Path {
        /// The verb.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text could not be read from standard input.
    #[error(transparent)]
    Stdin(#[from] StdinError),
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// A process could not be started, or the own one not be asked about.
    #[error("cannot {doing}: {source}")]
    Process {
        /// What.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
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
    /// Ctrl-C. Nothing is said about it.
    #[error("interrupted")]
    Interrupted,
}

impl From<LogError> for FrontError {
    fn from(error: LogError) -> FrontError {
        FrontError::Team(error.into())
    }
}

impl From<LockError> for FrontError {
    fn from(error: LockError) -> FrontError {
        FrontError::Team(error.into())
    }
}

impl From<TranscriptError> for FrontError {
    fn from(error: TranscriptError) -> FrontError {
        FrontError::Team(error.into())
    }
}

impl From<RosterRefusal> for FrontError {
    fn from(error: RosterRefusal) -> FrontError {
        FrontError::Team(error.into())
    }
}

impl From<LeadershipError> for FrontError {
    fn from(error: LeadershipError) -> FrontError {
        match error {
            LeadershipError::Serve(error) => error.into(),
            LeadershipError::Link(error) => error.into(),
            LeadershipError::Call(error) => error.into(),
            LeadershipError::Broke(_) => FrontError::Leading(error.to_string()),
        }
    }
}

impl From<LinkError> for FrontError {
    fn from(error: LinkError) -> FrontError {
        match error {
            LinkError::NoLeader(team) => {
                FrontError::NoLeader { team, hint: "start one with teamster up --detach".to_owned() }
            }
            LinkError::Socket(error) => error.into(),
            LinkError::Call(error) => error.into(),
        }
    }
}

impl FrontError {
    /// A refusal in words of our own.
    pub fn refused(what: impl Into<String>, hint: impl Into<String>) -> FrontError {
        FrontError::Refused { what: what.into(), hint: Some(hint.into()) }
    }

    /// The one table from kind to exit code.
    pub fn exit(&self) -> Exit {
        match self {
            FrontError::Team(error) | FrontError::Serve(ServeError::Team(error)) => exit_of_team(error),
            FrontError::Call(ClientError::Call(error)) => match error.code() {
                code::OTHER_VERSION | METHOD_NOT_FOUND_CODE | INVALID_PARAMS_CODE => Exit::NoLeader,
                code::CORRUPT => Exit::Corrupt,
                _ => Exit::Refused,
            },
            FrontError::Call(_)
            | FrontError::NoLeader { .. }
            | FrontError::LeaderDied { .. }
            | FrontError::Leading(_)
            | FrontError::Socket(_) => Exit::NoLeader,
            FrontError::NoRoot
            | FrontError::BadTeam(_)
            | FrontError::Setting(_)
            | FrontError::ConfigFile(_)
            | FrontError::Repository(_)
            | FrontError::Plan(_) => Exit::Usage,
            FrontError::Run(RunError::Team(error)) | FrontError::Cleanup(CleanupError::Team(error)) => {
                exit_of_team(error)
            }
            FrontError::Run(RunError::Leadership(LeadershipError::Serve(ServeError::Team(error)))) => {
                exit_of_team(error)
            }
            FrontError::Run(RunError::Leadership(LeadershipError::Link(_) | LeadershipError::Call(_))) => {
                Exit::NoLeader
            }
            FrontError::Demo(DemoError::Interrupted) => Exit::Interrupted,
            FrontError::Run(_) | FrontError::Cleanup(_) | FrontError::Demo(_) => Exit::Refused,
            FrontError::NoTeam { .. }
            | FrontError::NoMember { .. }
            | FrontError::Refused { .. }
            | FrontError::Path { .. }
            | FrontError::Stdin(_)
            | FrontError::Stdout(_)
            | FrontError::Process { .. }
            | FrontError::Serve(_) => Exit::Refused,
            FrontError::Interrupted => Exit::Interrupted,
        }
    }

    /// In words for people. A message of more than one line ends in its own way out.
    pub fn failure(&self) -> Failure {
        let (message, hint) = self.told();
        let failure = Failure::new(message);
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }

    /// As one JSON object for standard error.
    pub fn json(&self) -> String {
        let (message, hint) = self.told();
        json_error(&message, hint.as_deref(), self.exit())
    }

    fn told(&self) -> (String, Option<String>) {
        let text = self.to_string();
        if let Some(hint) = self.hint() {
            return (text, Some(hint));
        }
        match (self, text.split_once('\n')) {
            (
                FrontError::LeaderDied { .. }
                | FrontError::Plan(_)
                | FrontError::ConfigFile(_)
                | FrontError::Cleanup(_),
                _,
            )
            | (_, None) => (text, None),
            (_, Some((message, hint))) => (message.to_owned(), Some(hint.to_owned())),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            FrontError::Team(TeamError::Refused(refusal)) => hint_of_refusal(refusal),
            FrontError::Team(TeamError::Roster(RosterRefusal::NoMember(_))) => Some("see teamster list".to_owned()),
            FrontError::NoTeam { .. } => Some(
                "start it with teamster spawn NAME or teamster task add TEXT; if it is another team, name it with --team"
                    .to_owned(),
            ),
            FrontError::NoMember { hint, .. } | FrontError::NoLeader { hint, .. } => Some(hint.clone()),
            FrontError::NoRoot => Some("say where with --root or TEAMSTER_ROOT".to_owned()),
            FrontError::Repository(_) => Some("name the team with --team or TEAMSTER_TEAM".to_owned()),
            FrontError::LeaderDied { path, .. } => Some(format!("its whole log is {}", path.display())),
            FrontError::Call(ClientError::Call(error)) if error.code() == code::OTHER_VERSION => {
                Some("end it with the teamster that started it: teamster down".to_owned())
            }
            FrontError::Call(ClientError::RestartNeeded(_)) => {
                Some("it may have done it before: see teamster status, and ask again if not".to_owned())
            }
            FrontError::Serve(ServeError::Led { .. }) => {
                Some("see teamster status; end it with teamster down".to_owned())
            }
            FrontError::Run(error) => error.hint().map(str::to_owned),
            FrontError::Cleanup(error) => error.hint().map(str::to_owned),
            FrontError::Call(_) | FrontError::Serve(_) | FrontError::Plan(_) | FrontError::Demo(_) => None,
            FrontError::Refused { hint, .. } => hint.clone(),
            FrontError::Team(_)
            | FrontError::BadTeam(_)
            | FrontError::Setting(_)
            | FrontError::ConfigFile(_)
            | FrontError::Socket(_)
            | FrontError::Path { .. }
            | FrontError::Stdin(_)
            | FrontError::Stdout(_)
            | FrontError::Process { .. }
            | FrontError::Leading(_)
            | FrontError::Interrupted => None,
        }
    }
}

/// `{"error":{"message":…,"hint":…,"code":…,"kind":…}}`: what every command prints on standard error when it
/// fails under `--json`. `code` is the exit code, `kind` the word for it.
pub fn json_error(message: &str, hint: Option<&str>, exit: Exit) -> String {
    json_failure(message, hint, i32::from(exit.code()), exit.word())
}

/// The same for an end that is none of the program's own.
pub fn json_failure(message: &str, hint: Option<&str>, code: i32, kind: &'static str) -> String {
    #[derive(Serialize)]
    struct Outer<'a> {
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
        code: i32,
        kind: &'static str,
    }
    let error = Inner { message, hint, code, kind };
    serde_json::to_string(&Outer { error }).expect("texts and numbers can be written")
}

fn exit_of_team(error: &TeamError) -> Exit {
    match error {
        TeamError::Log(error) => exit_of_log(error),
        TeamError::Refused(_)
        | TeamError::Roster(_)
        | TeamError::Mail(_)
        | TeamError::NotDurable(_)
        | TeamError::Dir(_)
        | TeamError::Lock(_)
        | TeamError::Transcript(_) => Exit::Refused,
    }
}

fn exit_of_log(error: &LogError) -> Exit {
    if error.is_of_the_file() { Exit::Corrupt } else { Exit::Refused }
}

fn hint_of_refusal(refusal: &Refusal) -> Option<String> {
    let hint = match refusal {
        Refusal::NoTask(_) | Refusal::NoDependency { .. } => "see teamster task list".to_owned(),
        Refusal::Standing { id, is: "in progress", by: Some(by), .. } => {
            format!("stop it first with teamster stop {by}; task {id} is then held for it")
        }
        Refusal::Standing { id, is: "failed" | "cancelled", step, .. } if *step != "retry" => {
            format!("open it again with teamster task retry {id}")
        }
        Refusal::Cycle { .. } => "remove one of these with teamster task dep rm ID DEP".to_owned(),
        Refusal::NotWaiting { id, .. } => format!("see teamster task dep ls {id}"),
        Refusal::DependencyCancelled { on, .. } => format!("open it again with teamster task retry {on}"),
        Refusal::InProgress(_) => "stop them first with teamster stop NAME".to_owned(),
        Refusal::Standing { .. }
        | Refusal::NotYours { .. }
        | Refusal::Blocked { .. }
        | Refusal::AssignedToOther { .. }
        | Refusal::WaitsAlready { .. }
        | Refusal::EmptyTask
        | Refusal::TooLong { .. }
        | Refusal::TooMany(_)
        | Refusal::NoNumbersLeft => return None,
    };
    Some(hint)
}

fn call_message(error: &ClientError) -> String {
    match error {
        ClientError::Call(error) => error.message().to_owned(),
        ClientError::RestartNeeded(_) => "the leader ended while it was asked".to_owned(),
        ClientError::RequestTimeout => "the leader did not answer in time".to_owned(),
        other => format!("cannot talk to the leader: {other}"),
    }
}

fn last_words(log: &str) -> String {
    if log.trim().is_empty() { String::new() } else { format!(":\n{}", log.trim_end()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jsonrpsee::types::ErrorObjectOwned;
    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::store::file::Damage;

    use super::*;

    fn plain(error: &FrontError) -> String {
        anstream::adapter::strip_str(&error.failure().to_string()).to_string()
    }

    fn refused_by_leader(code: i32) -> FrontError {
        ClientError::Call(ErrorObjectOwned::owned(code, "no", None::<()>)).into()
    }

    #[test]
    fn corruption_names_file_and_line_and_has_its_own_exit_code() {
        let path = Path::new("/s/board.jsonl").to_owned();
        let error = FrontError::from(LogError::Corrupt { path, line: 7, damage: Damage::Missing { field: "seq" } });
        assert_eq!(error.exit(), Exit::Corrupt);
        insta::assert_snapshot!(plain(&error), @"
        error: /s/board.jsonl:7: a record without `seq`
          hint: look with teamster doctor, and mend it with teamster doctor --repair
        ");
        insta::assert_snapshot!(error.json(), @r#"{"error":{"message":"/s/board.jsonl:7: a record without `seq`","hint":"look with teamster doctor, and mend it with teamster doctor --repair","code":4,"kind":"corrupt"}}"#);
    }

    #[test]
    fn a_refusal_shows_the_way_out() {
        let by = Some("alice".parse().expect("a name"));
        let standing = Refusal::Standing { id: TaskId(3), step: "cancel", is: "in progress", by };
        let error = FrontError::from(TeamError::from(standing));
        insta::assert_snapshot!(plain(&error), @"
        error: cannot cancel task 3: it is in progress by alice
          hint: stop it first with teamster stop alice; task 3 is then held for it
        ");
        assert_eq!(error.exit(), Exit::Refused);
    }

    #[test]
    fn what_the_leader_answers_maps_onto_the_same_codes() {
        assert_eq!(refused_by_leader(code::REFUSED).exit(), Exit::Refused);
        assert_eq!(refused_by_leader(code::NOT_FOUND).exit(), Exit::Refused);
        assert_eq!(refused_by_leader(code::OTHER_VERSION).exit(), Exit::NoLeader);
        assert_eq!(refused_by_leader(code::CORRUPT).exit(), Exit::Corrupt);
        assert_eq!(refused_by_leader(code::SYSTEM).exit(), Exit::Refused);
        assert_eq!(FrontError::from(ClientError::RequestTimeout).exit(), Exit::NoLeader);
    }
}
