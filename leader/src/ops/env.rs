//! `env`: the command that starts a member's worker by hand.

use std::path::PathBuf;

use serde::Serialize;
use teamster_protocol::model::id::{MemberName, TeamName};
use teamster_protocol::model::shell_word::shell_word;
use teamster_protocol::store::presence;

use super::error::OpsError;
use super::session::Session;
use crate::daemon::launch::worker_program;
use crate::verb::Verb;

/// How to start the worker of a member by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerCommand {
    /// The team.
    pub team: TeamName,
    /// The root directory in which teams are kept.
    pub root: PathBuf,
    /// The member.
    pub name: MemberName,
    /// The program of the worker.
    pub program: PathBuf,
    /// The whole line for a POSIX shell. It begins with a program, for `eval "exec $(teamster env NAME)"`; `eval`
    /// takes the quotes away, which paths with blanks have.
    pub command: String,
    /// Whether a worker serves the member by now: another one is refused until that has ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_running: bool,
}

/// Gives the command for a member, who need not be on the roster yet.
pub fn worker_command(session: &Session, name: MemberName) -> Result<WorkerCommand, OpsError> {
    session.authorize(Verb::Env)?;
    let (team, root) = (session.dir.team(), session.dir.root());
    let program = worker_program();
    // Settings from the environment reach the worker by themselves.
    let of_files: String =
        session.config.variables_of_files().into_iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let command = format!(
        "env TEAMSTER_ROOT={} TEAMSTER_TEAM={team}{of_files} {} --name {name}",
        shell_word(&root.to_string_lossy()),
        shell_word(&program.to_string_lossy()),
    );
    let is_running = presence::is_held(&session.dir.member_lock(&name))?;
    Ok(WorkerCommand { team: team.clone(), root: root.to_owned(), name, program, command, is_running })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        for word in ["/a/b", "", "a b", "it's", "$HOME", "`x`", "a\nb"] {
            let said = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", shell_word(word))])
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), word);
        }
    }
}
