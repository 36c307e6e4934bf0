//! The failures of the command line: in words, with the way out, and as an exit code. The table from kind to exit code
//! is here and nowhere else.

use std::io;

use serde::Serialize;

use crate::front::cli::print::PrintedFailure;
use crate::front::cli::words::StdinError;
use crate::ops::error::{OpsError, OpsErrorKind};
use crate::ops::guarding::HANDED_OVER;
use crate::verb::{Verb, VerbEffect};

/// The exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// The command did its work.
    Done = 0,
    /// A task failed, the work was refused, or the system did not let us.
    Refused = 1,
    /// The command was not understood.
    Usage = 2,
    /// There is no leader, or it does not answer.
    NoLeader = 3,
    /// The files on disk can not be read as they are.
    Corrupt = 4,
    /// It is done, and the answer could not be printed.
    Unprinted = 5,
    /// The leader made room for the next one, which its warden starts: nobody else sees it.
    HandedOver = HANDED_OVER,
    /// The person ended the command with Ctrl-C.
    Interrupted = 130,
}

impl ExitStatus {
    /// The number for the system.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The word for it in JSON.
    pub fn word(self) -> &'static str {
        match self {
            ExitStatus::Done => "done",
            ExitStatus::Refused => "refused",
            ExitStatus::Usage => "usage",
            ExitStatus::NoLeader => "no_leader",
            ExitStatus::Corrupt => "corrupt",
            ExitStatus::Unprinted => "unprinted",
            ExitStatus::HandedOver => "handed_over",
            ExitStatus::Interrupted => "interrupted",
        }
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The operation refused, or failed.
    #[error(transparent)]
    Ops(OpsError),
    /// The text could not be read from standard input.
    #[error(transparent)]
    Stdin(#[from] StdinError),
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// The same of a command that has changed something: to repeat it would change it twice.
    #[error("it is done, but the answer cannot be written to standard output: {0}")]
    Unprinted(io::Error),
    /// There is no such command.
    #[error("there is no command {word}")]
    NoCommand {
        /// The typed word.
        word: String,
        /// A way out.
        hint: String,
    },
    /// Ctrl-C. Nothing is said about it.
    #[error("interrupted")]
    Interrupted,
}

impl<E: Into<OpsError>> From<E> for CliError {
    fn from(error: E) -> CliError {
        CliError::Ops(error.into())
    }
}

impl CliError {
    /// The same of a command that changes something, or only looks. All that such a command does is done before it prints.
    pub fn of_verb(self, verb: Verb) -> CliError {
        match (self, verb.row().effect) {
            (CliError::Stdout(error), VerbEffect::Changes) => CliError::Unprinted(error),
            (other, VerbEffect::Changes | VerbEffect::Looks) => other,
        }
    }

    /// The one table from kind to exit code.
    pub fn exit(&self) -> ExitStatus {
        match self {
            CliError::Ops(error) => match error.kind() {
                OpsErrorKind::Refused => ExitStatus::Refused,
                OpsErrorKind::Usage => ExitStatus::Usage,
                OpsErrorKind::NoLeader => ExitStatus::NoLeader,
                OpsErrorKind::Corrupt => ExitStatus::Corrupt,
            },
            CliError::NoCommand { .. } => ExitStatus::Usage,
            CliError::Interrupted => ExitStatus::Interrupted,
            CliError::Unprinted(_) => ExitStatus::Unprinted,
            CliError::Stdin(_) | CliError::Stdout(_) => ExitStatus::Refused,
        }
    }

    /// The failure in words for people.
    pub fn failure(&self) -> PrintedFailure {
        let (message, hint) = self.told();
        let failure = PrintedFailure::new(message);
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
        match self {
            CliError::Ops(error) => error.told(),
            CliError::NoCommand { hint, .. } => (self.to_string(), Some(hint.clone())),
            CliError::Unprinted(_) => {
                let hint = "do not repeat it; teamster events tells what was done".to_owned();
                (self.to_string(), Some(hint))
            }
            CliError::Stdin(_) | CliError::Stdout(_) | CliError::Interrupted => {
                match self.to_string().split_once('\n') {
                    Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
                    None => (self.to_string(), None),
                }
            }
        }
    }
}

/// `{"error":{"message":…,"hint":…,"code":…,"kind":…}}`: what every command prints on standard error when it
/// fails under `--json`. `code` is the exit code, `kind` the word for it.
pub fn json_error(message: &str, hint: Option<&str>, exit: ExitStatus) -> String {
    json_failure(message, hint, i32::from(exit.code()), exit.word())
}

/// The same for an end that is none of the program's own.
pub fn json_failure(message: &str, hint: Option<&str>, code: i32, kind: &'static str) -> String {
    #[derive(Serialize)]
    struct ErrorObject<'a> {
        error: ErrorFields<'a>,
    }
    #[derive(Serialize)]
    struct ErrorFields<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
        code: i32,
        kind: &'static str,
    }
    let error = ErrorFields { message, hint, code, kind };
    serde_json::to_string(&ErrorObject { error }).expect("texts and numbers can be written")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jsonrpsee::core::ClientError;
    use jsonrpsee::types::ErrorObjectOwned;
    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::model::task::{BoardRefusal, StatusWord};
    use teamster_protocol::store::file::{LineDamage, LogError};
    use teamster_protocol::team::TeamError;
    use teamster_protocol::wire::api::code;

    use super::*;
    use crate::daemon::ServeError;
    use crate::ops::error::cleanup::CleanupError;
    use crate::ops::error::demo::DemoError;
    use crate::ops::error::run::RunError;
    use crate::ops::leadership::LeadershipError;
    use crate::ops::link::LinkError;
    use crate::ops::moved::{FollowError, MovedError};

    fn plain(error: &CliError) -> String {
        anstream::adapter::strip_str(&error.failure().to_string()).to_string()
    }

    fn refused_by_leader(code: i32) -> CliError {
        ClientError::Call(ErrorObjectOwned::owned(code, "no", None::<()>)).into()
    }

    #[test]
    fn corruption_names_file_and_line_and_has_its_own_exit_code() {
        let path = Path::new("/s/board.jsonl").to_owned();
        let error = CliError::from(LogError::Corrupt { path, line: 7, damage: LineDamage::Missing { field: "seq" } });
        assert_eq!(error.exit(), ExitStatus::Corrupt);
        insta::assert_snapshot!(plain(&error), @"
        error: /s/board.jsonl:7: a record without `seq`
          hint: look with teamster doctor, and mend it with teamster doctor --repair
        ");
        insta::assert_snapshot!(error.json(), @r#"{"error":{"message":"/s/board.jsonl:7: a record without `seq`","hint":"look with teamster doctor, and mend it with teamster doctor --repair","code":4,"kind":"corrupt"}}"#);
    }

    #[test]
    fn a_refusal_shows_the_way_out() {
        let by = Some("alice".parse().expect("a name"));
        let standing = BoardRefusal::Standing { id: TaskId(3), step: "cancel", is: StatusWord::InProgress, by };
        let error = CliError::from(TeamError::from(standing));
        insta::assert_snapshot!(plain(&error), @"
        error: cannot cancel task 3: it is in progress by alice
          hint: stop it first with teamster stop alice; task 3 is then held for it
        ");
        assert_eq!(error.exit(), ExitStatus::Refused);
    }

    #[test]
    fn a_line_end_in_the_name_of_a_file_begins_no_hint() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = CliError::from(OpsError::Path { doing: "read", path: "a\nb.toml".into(), source });
        insta::assert_snapshot!(plain(&error), @r"error: cannot read a\nb.toml: entity not found");
    }

    /// One of each way by which the same failure comes to the command line, with the code that it has there.
    #[test]
    fn the_same_failure_has_the_same_code_by_whichever_way_it_came() {
        let corrupt = || LogError::Lost { path: "/s/board.jsonl".into() };
        let full = || LogError::TooLong { path: "/s/board.jsonl".into(), bytes: 9 };
        let answer = |code| ClientError::Call(ErrorObjectOwned::owned(code, "no", None::<()>));
        let gone = || ClientError::RequestTimeout;
        let no_leader = || LinkError::NoLeader("app".parse().expect("a name"));
        let moved = |why| {
            let why = Box::new(why);
            MovedError::NotFollowed { team: "app".parse().expect("a name"), from: "/src".into(), why }
        };
        let each_team = |error: fn() -> LogError| -> Vec<OpsError> {
            let team = || TeamError::from(error());
            vec![
                team().into(),
                ServeError::Team(team()).into(),
                LeadershipError::Serve(ServeError::Team(team())).into(),
                RunError::Team(team()).into(),
                RunError::Leadership(LeadershipError::Serve(ServeError::Team(team()))).into(),
                CleanupError::Team(team()).into(),
                DemoError::Team(team()).into(),
                DemoError::Log(error()).into(),
                DemoError::Leadership(LeadershipError::Serve(ServeError::Team(team()))).into(),
                moved(FollowError::Team(team())).into(),
            ]
        };
        let each_call = |error: &dyn Fn() -> ClientError| -> Vec<OpsError> {
            vec![
                error().into(),
                LinkError::Call(error()).into(),
                LeadershipError::Call(error()).into(),
                LeadershipError::Link(LinkError::Call(error())).into(),
                RunError::Spawn(error()).into(),
                RunError::Leadership(LeadershipError::Call(error())).into(),
                RunError::Leadership(LeadershipError::Link(LinkError::Call(error()))).into(),
                DemoError::Call(error()).into(),
                DemoError::Leadership(LeadershipError::Call(error())).into(),
            ]
        };
        let without_leader = vec![
            no_leader().into(),
            LeadershipError::Link(no_leader()).into(),
            RunError::Leadership(LeadershipError::Link(no_leader())).into(),
            DemoError::Leadership(LeadershipError::Link(no_leader())).into(),
        ];
        let table = [
            (ExitStatus::Corrupt, each_team(corrupt)),
            (ExitStatus::Refused, each_team(full)),
            (ExitStatus::Corrupt, each_call(&|| answer(code::CORRUPT))),
            (ExitStatus::Refused, each_call(&|| answer(code::REFUSED))),
            (ExitStatus::Refused, each_call(&|| answer(code::NOT_FOUND))),
            (ExitStatus::Refused, each_call(&|| answer(code::SYSTEM))),
            (ExitStatus::NoLeader, each_call(&|| answer(code::OTHER_VERSION))),
            (ExitStatus::NoLeader, each_call(&|| answer(code::ENDED))),
            (ExitStatus::NoLeader, each_call(&gone)),
            (ExitStatus::NoLeader, without_leader),
        ];
        for (code, errors) in table {
            for error in errors {
                let what = format!("{error:?}");
                assert_eq!(CliError::Ops(error).exit(), code, "{what}");
            }
        }
    }

    #[test]
    fn what_the_leader_answers_maps_onto_the_same_codes() {
        assert_eq!(refused_by_leader(code::REFUSED).exit(), ExitStatus::Refused);
        assert_eq!(refused_by_leader(code::NOT_FOUND).exit(), ExitStatus::Refused);
        assert_eq!(refused_by_leader(code::OTHER_VERSION).exit(), ExitStatus::NoLeader);
        assert_eq!(refused_by_leader(code::CORRUPT).exit(), ExitStatus::Corrupt);
        assert_eq!(refused_by_leader(code::SYSTEM).exit(), ExitStatus::Refused);
        assert_eq!(CliError::from(ClientError::RequestTimeout).exit(), ExitStatus::NoLeader);
    }
}
