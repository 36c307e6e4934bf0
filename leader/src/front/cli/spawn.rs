//! `spawn`, and what names a team and a worker: `id` and `env`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::{MemberName, TeamName};
use teamster_protocol::wire::api::{LeaderApiClient, SpawnRequest, Spawned, WorkspaceRequest};

use super::interrupt::unless_interrupted;
use super::{Context, Exit, FrontError, link};
use crate::daemon::launch::worker_program;
use crate::front::cli::args::{EnvArgs, SpawnArgs};
use crate::front::cli::print::{Tone, paint};

/// Printed by `id --json`: which team this is, where it is kept, and whether it was made yet.
#[derive(Debug, Serialize)]
struct Id<'a> {
    team: &'a TeamName,
    root: &'a Path,
    dir: &'a Path,
    exists: bool,
}

/// Printed by `env NAME --json`: how to start the worker of a member by hand.
#[derive(Debug, Serialize)]
struct Env<'a> {
    team: &'a TeamName,
    root: &'a Path,
    name: &'a MemberName,
    /// The program of the worker.
    program: PathBuf,
    /// The whole line for a POSIX shell. It begins with a program, so that `exec $(teamster env NAME)` works too.
    command: String,
}

pub(super) fn id(context: &Context) -> Result<Exit, FrontError> {
    let dir = &context.dir;
    let id = Id { team: dir.team(), root: dir.root(), dir: dir.path(), exists: dir.exists() };
    context.show(&id, |id| id.team.to_string())?;
    Ok(Exit::Done)
}

pub(super) fn env(context: &Context, args: &EnvArgs) -> Result<Exit, FrontError> {
    let (team, root) = (context.dir.team(), context.dir.root());
    let program = worker_program();
    // What the environment says, the worker hears by itself.
    let of_files: String =
        context.config.variables_of_files().into_iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let command = format!(
        "env TEAMSTER_ROOT={} TEAMSTER_TEAM={team}{of_files} {} --name {}",
        quoted(&root.to_string_lossy()),
        quoted(&program.to_string_lossy()),
        args.name
    );
    context.show(&Env { team, root, name: &args.name, program, command }, |env| env.command.clone())?;
    Ok(Exit::Done)
}

pub(super) async fn spawn(context: &Context, args: SpawnArgs) -> Result<Exit, FrontError> {
    let dir = context.work_dir(args.cwd.as_deref())?;
    let config = &context.config;
    let workspace = match args.worktree || config.worktree.value && !args.shared {
        true => WorkspaceRequest::Worktree { repository: dir, base: args.base },
        false => WorkspaceRequest::Shared { dir },
    };
    let auto = if args.no_claim { AutoClaim::Off } else { AutoClaim::On };
    let request = SpawnRequest {
        name: args.name,
        agent: args.agent.unwrap_or_else(|| config.agent.value.clone()),
        role: args.role,
        auto,
        workspace,
        stall: config.stall(args.stall.stall_after, args.stall.on_stall),
    };
    let spawned = unless_interrupted(async {
        let (leader, _) = link::connect_or_start(context).await?;
        Ok(leader.spawn(request).await?)
    })
    .await?;
    context.show(&spawned, told)?;
    Ok(Exit::Done)
}

fn told(spawned: &Spawned) -> String {
    let dir = spawned.workspace.dir().display().to_string();
    let place = match spawned.workspace.branch() {
        Some(branch) => format!("on branch {}, in {}", paint(Tone::Name, branch), paint(Tone::Plain, &dir)),
        None => format!("in {}", paint(Tone::Plain, &dir)),
    };
    format!("{} is ready {place}", paint(Tone::Name, spawned.name.as_str()))
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        for word in ["/a/b", "", "a b", "it's", "$HOME", "`x`", "a\nb"] {
            let said = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), word);
        }
    }
}
