//! What a team has of its machine, changed for one test: a disk that can be filled, no events about files. It is done in
//! namespaces of users, mounts and processes, so nobody else notices, and whoever was started there ends with them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The namespaces, for as long as this lives.
#[derive(Debug)]
pub(super) struct Machine {
    keeper: Child,
    /// The keeper ends when this is closed.
    _end: ChildStdin,
    /// The first process in the namespaces.
    inner: String,
}

impl Machine {
    /// Those in which a script was run; the root of the teams is its `$1`.
    ///
    /// # Panics
    ///
    /// If they cannot be made or the script fails: ask before whether the system grants it.
    pub(super) fn after(script: &str, root: &Path) -> Machine {
        let script = format!("{script}\necho ready\nread end");
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        unshare.args(["sh", "-euc", &script, "sh"]).arg(root);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = unshare.spawn().expect("unshare can be started");
        let end = keeper.stdin.take().expect("it is piped");
        let mut line = String::new();
        let mut out = BufReader::new(keeper.stdout.take().expect("it is piped"));
        out.read_line(&mut line).expect("a line or its end");
        if line != "ready\n" {
            drop(end);
            let output = keeper.wait_with_output().expect("it ends");
            panic!("{script}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let children = format!("/proc/{0}/task/{0}/children", keeper.id());
        let inner = std::fs::read_to_string(&children).unwrap_or_else(|error| panic!("{children}: {error}"));
        Machine { keeper, _end: end, inner: inner.trim().to_owned() }
    }

    /// The same command, to be run there.
    pub(super) fn within(&self, command: &Command) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.inner, "--user", "--preserve-credentials", "--mount", "--pid", "--"]);
        // To enter the mounts leads to their root.
        nsenter.args(["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh"]);
        nsenter.arg(command.get_current_dir().expect("commands of a sandbox have one"));
        nsenter.arg(command.get_program()).args(command.get_args()).env_clear();
        nsenter.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        nsenter
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
