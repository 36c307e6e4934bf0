//! A disk of its own under the root of a team, small enough to be filled: a tmpfs in namespaces of user, mounts and
//! processes. Whoever was started there ends with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{Running, Said, Team};

/// The disk, for as long as this lives.
#[derive(Debug)]
pub struct SmallDisk {
    keeper: Child,
    /// The keeper ends when this is closed.
    _end: ChildStdin,
    /// The first process in the namespaces.
    inner: String,
    root: PathBuf,
}

impl SmallDisk {
    /// Mounts it, or says why this machine does not let an ordinary user do so.
    ///
    /// # Errors
    ///
    /// What `unshare` or `mount` complain.
    pub fn mount(root: &Path, size: &str) -> Result<SmallDisk, String> {
        let script = format!("mount -t tmpfs -o size={size},mode=700 small \"$1\" && echo mounted && read end");
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        unshare.args(["sh", "-c", &script, "sh"]).arg(root);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = unshare.spawn().map_err(|error| format!("unshare: {error}"))?;
        let end = keeper.stdin.take().expect("it is piped");
        let mut line = String::new();
        let mut out = BufReader::new(keeper.stdout.take().expect("it is piped"));
        if out.read_line(&mut line).is_err() || line != "mounted\n" {
            drop(end);
            let output = keeper.wait_with_output().map_err(|error| error.to_string())?;
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let children = format!("/proc/{0}/task/{0}/children", keeper.id());
        let inner = std::fs::read_to_string(&children).map_err(|error| format!("{children}: {error}"))?;
        Ok(SmallDisk { keeper, _end: end, inner: inner.trim().to_owned(), root: root.to_owned() })
    }

    /// The same command, to be run where the disk is seen.
    pub fn within(&self, command: &Command) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.inner, "--user", "--preserve-credentials", "--mount", "--pid", "--"]);
        // To enter the mounts leads to their root.
        nsenter.args(["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh"]);
        nsenter.arg(command.get_current_dir().expect("commands of a sandbox have one"));
        nsenter.arg(command.get_program()).args(command.get_args()).env_clear();
        nsenter.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        nsenter
    }

    /// Starts a command of teamster there.
    pub fn start(&self, team: &Team, line: &str) -> Running {
        team.start_command(self.within(&team.command(line)))
    }

    /// Runs a command of teamster there.
    pub fn run(&self, team: &Team, line: &str) -> Said {
        self.start(team, line).ends()
    }

    /// What a command there prints that must succeed.
    pub fn ok(&self, team: &Team, line: &str) -> String {
        let said = self.run(team, line);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "`{line}` printed {}", said.out);
        said.out.trim_end().to_owned()
    }

    /// What a command there complains that must fail with this code.
    pub fn fails(&self, team: &Team, code: i32, line: &str) -> String {
        let said = self.run(team, line);
        assert_eq!(said.code, Some(code), "`{line}`: {}{}", said.out, said.err);
        team.plain(&said.err)
    }

    /// Leaves no room on it.
    pub fn fill(&self, team: &Team) {
        self.shell(team, "! dd if=/dev/zero of=filler bs=4096 2> dd.said; rm dd.said");
    }

    /// Gives the room back.
    pub fn make_room(&self, team: &Team) {
        self.shell(team, "rm filler");
    }

    /// Lets nobody who comes from now on write on it.
    pub fn make_read_only(&self, team: &Team) {
        // A mount of its own: the first one may still be held by who is about to end.
        self.shell(team, "mount --bind \"$PWD\" \"$PWD\" && mount -o remount,bind,ro \"$PWD\"");
    }

    fn shell(&self, team: &Team, script: &str) {
        let mut shell = team.sandbox().command("sh");
        shell.args(["-c", script]).current_dir(&self.root);
        let said = team.start_command(self.within(&shell)).ends();
        assert_eq!(said.code, Some(0), "{script}: {}", said.err);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
