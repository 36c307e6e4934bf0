//! A team as a user has it: a repository, the real programs, what they say, and a limit on every wait. Whatever
//! still runs at the end is ended, also when a test fails.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::TeamName;
use teamster_protocol::model::limits::TRANSCRIPTS_KEPT_MAX;
use teamster_protocol::store::presence;

use crate::granted::{Need, granted};
use crate::hermetic::{Program, Sandbox};

mod machine;
mod running;
mod terminal;

use machine::Machine;
pub use running::{Running, Said};
pub use terminal::{AtTerminal, Screen};

/// A team in a repository of its own.
#[derive(Debug)]
pub struct Team {
    sandbox: Sandbox,
    repository: PathBuf,
    dir: OnceLock<TeamDir>,
    machine: Option<Machine>,
}

impl Team {
    /// A repository with one commit. Nothing runs, and the team is not made yet.
    pub fn new() -> Team {
        let sandbox = Sandbox::new();
        let repository = sandbox.repository("app");
        Team { sandbox, repository, dir: OnceLock::new(), machine: None }
    }

    /// A directory that is no repository.
    pub fn without_repository() -> Team {
        let sandbox = Sandbox::new();
        let repository = sandbox.work();
        Team { sandbox, repository, dir: OnceLock::new(), machine: None }
    }

    /// With a disk of this size under the root of the team, such as `1m`, which can be filled. `None` where the system
    /// grants no namespaces, which is said.
    pub fn on_a_small_disk(size: &str) -> Option<Team> {
        Team::after(&format!("mount -t tmpfs -o size={size},mode=700 small \"$1\""))
    }

    /// Where the system tells nobody of changed files. `None` where it grants no namespaces, which is said.
    pub fn without_file_events() -> Option<Team> {
        Team::after("echo 0 > /proc/sys/user/max_inotify_instances")
    }

    fn after(script: &str) -> Option<Team> {
        if !granted(Need::Mounts) {
            return None;
        }
        let mut team = Team::new();
        // Its name, before its root looks different from within.
        team.dir();
        team.machine = Some(Machine::after(script, &team.sandbox.root()));
        Some(team)
    }

    /// Where everything of this test lies.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Where commands are run.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// The files of the team.
    pub fn dir(&self) -> &TeamDir {
        self.dir.get_or_init(|| {
            let team: TeamName = self.ok("id").parse().expect("it prints a name");
            TeamDir::new(self.sandbox.root(), team)
        })
    }

    /// The name of a member's branch.
    pub fn branch(&self, member: &str) -> String {
        format!("teamster/{}/{member}", self.dir().team())
    }

    /// Git in the repository.
    pub fn git(&self, line: &str) -> String {
        self.sandbox.git(&self.repository, &words(line))
    }

    /// A command of teamster, to be changed and then passed to [`Team::start_command`].
    pub fn command(&self, line: &str) -> Command {
        let mut command = self.other(Program::Teamster.path());
        command.args(words(line));
        command
    }

    /// Any program, in the place and the environment of the commands.
    pub fn other(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.sandbox.command(program);
        command.current_dir(&self.repository).env("TEAMSTER_WORKER", Program::Worker.path());
        // A worker that lost its leader in a test that failed is not to wait for another.
        command.env("TEAMSTER_LEADER_GRACE_MS", "2000").env("COLUMNS", "120");
        match &self.machine {
            Some(machine) => machine.within(&command),
            None => command,
        }
    }

    /// Runs a shell script where commands are run. It must succeed.
    pub fn sh(&self, script: &str) {
        let mut shell = self.other("sh");
        shell.args(["-euc", script]);
        let said = self.start_command(shell).ends();
        assert_eq!(said.code, Some(0), "{script}: {}", said.err);
    }

    /// Leaves no room on the small disk.
    pub fn fill_the_disk(&self) {
        self.sh("cd \"$TEAMSTER_ROOT\"; ! dd if=/dev/zero of=filler bs=4096 2> dd.said; rm dd.said");
    }

    /// Gives the room back.
    pub fn make_room_on_the_disk(&self) {
        self.sh("rm \"$TEAMSTER_ROOT/filler\"");
    }

    /// Lets nobody who comes from now on write on the small disk.
    pub fn make_the_disk_read_only(&self) {
        // A mount of its own: the first one may still be held by who is about to end.
        let script = "mount --bind \"$TEAMSTER_ROOT\" \"$TEAMSTER_ROOT\"; mount -o remount,bind,ro \"$TEAMSTER_ROOT\"";
        self.sh(script);
    }

    /// Starts a command. The words of the line are separated by blanks, and there is no quoting.
    pub fn start(&self, line: &str) -> Running {
        self.start_command(self.command(line))
    }

    /// Starts a command that reads `input`.
    pub fn start_with(&self, line: &str, input: &str) -> Running {
        Running::start(self.command(line), Some(input), &self.sandbox.root())
    }

    /// Starts any program as one of this team's.
    pub fn start_command(&self, command: Command) -> Running {
        Running::start(command, None, &self.sandbox.root())
    }

    /// Runs a command to its end.
    pub fn run(&self, line: &str) -> Said {
        self.start(line).ends()
    }

    /// What a command prints that must succeed, and complain of nothing.
    pub fn ok(&self, line: &str) -> String {
        self.ok_words(&words(line))
    }

    /// The same for one whose words have blanks in them.
    pub fn ok_words(&self, words: &[&str]) -> String {
        let mut command = self.command("");
        command.args(words);
        let said = self.start_command(command).ends();
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words:?} printed {}", said.out);
        said.out.trim_end().to_owned()
    }

    /// What a command prints with `--json`; it must succeed. Of one that tells how it goes, the last line counts.
    pub fn json(&self, line: &str) -> Value {
        let out = self.ok(&format!("--json {line}"));
        serde_json::from_str(out.lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("`{line}` printed no JSON: {error}: {out}"))
    }

    /// What a command complains that must fail with this code, without what differs from run to run.
    pub fn fails(&self, code: i32, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, Some(code), "`{line}`: {}{}", said.out, said.err);
        assert_eq!(said.out, "", "`{line}` failed, and printed a result too");
        self.plain(&said.err)
    }

    /// Follows what happens in the team, from its beginning.
    pub fn events(&self) -> Running {
        self.start("events -f --json")
    }

    /// Waits until an event has these words, an old one or one to come.
    pub fn until_event(&self, words: &str) {
        self.events().until(words);
    }

    /// Waits until a member's transcript has these words, in whichever turn. What it was asked to do does not count.
    pub fn until_said(&self, member: &str, words: &str) {
        let said = |line: &str| !line.contains("\"kind\":\"turn_started\"");
        // All turns that are kept: many may have passed since the words were said.
        let turns = TRANSCRIPTS_KEPT_MAX;
        self.start(&format!("logs {member} -f --json -n {turns}")).until_one(words, said);
    }

    /// One task whole.
    pub fn task(&self, id: u32) -> Value {
        self.json(&format!("task show {id}"))
    }

    /// Where a task stands.
    pub fn standing(&self, id: u32) -> String {
        self.task(id)["status"].as_str().expect("a word").to_owned()
    }

    /// Where a member stands.
    pub fn state(&self, member: &str) -> String {
        let status = self.json(&format!("status {member}"));
        status["state"].as_str().expect("a word").to_owned()
    }

    /// Writes a file where commands are run, and returns its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.sandbox.work().join(name);
        fs::write(&path, text).expect("a file in a new folder");
        path
    }

    /// Writes a plan, and returns its path as a word for a command line.
    pub fn plan(&self, text: &str) -> String {
        self.file("plan.toml", text).display().to_string()
    }

    /// Writes a line into a fifo where commands are run, once somebody reads from it.
    pub fn feed(&self, fifo: &str, line: &str) {
        let mut shell = self.other("sh");
        shell.args(["-c", "echo \"$1\" > \"$0\"", fifo, line]);
        assert_eq!(self.start_command(shell).ends().code, Some(0), "{fifo} takes nothing");
    }

    /// Without the paths and the name of this one team.
    pub fn plain(&self, text: &str) -> String {
        let text = text.replace(self.dir().team().as_str(), "app-0");
        let top = self.sandbox.work();
        let top = top.parent().expect("the sandbox is above").display().to_string();
        text.replace(&top, "/t").trim_end().to_owned()
    }

    /// Binds what makes a snapshot of what people see the same in each run: times, processes and commits are blotted
    /// out, and columns are as narrow as they can be.
    pub fn snapshot(&self, check: impl FnOnce()) {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r"\d\d:\d\d:\d\d", "[clock]");
        settings.add_filter(r"\b(process) +\d+", "$1 [pid]");
        settings.add_filter(r", (in a namespace of its own|without a namespace)", "");
        settings.add_filter(r"\b(just now|\d+(\.\d+)? ?(ms|s)( ago)?)\b", "[time]");
        settings.add_filter(r"\b([0-9a-f]{40}|[0-9a-f]{10})\b", "[commit]");
        settings.add_filter(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "[id]");
        settings.add_filter(r" {3,}", "  ");
        settings.bind(check);
    }
}

impl Default for Team {
    fn default() -> Team {
        Team::new()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        let teams = fs::read_dir(self.sandbox.root()).into_iter().flatten().flatten();
        for team in teams {
            let leader = team.path().join("leader.lock");
            if presence::is_held(&leader).unwrap_or(false) {
                let mut down = self.command("down --force");
                down.arg("--team").arg(team.file_name());
                // A team that a test has damaged may not know how to end; those who hold its locks can be ended.
                let _ = Running::start(down, None, &self.sandbox.root()).ends_within_limit();
            }
            let members = fs::read_dir(team.path().join("members")).into_iter().flatten().flatten();
            for path in std::iter::once(leader).chain(members.map(|member| member.path())) {
                end_holder(&path);
            }
        }
    }
}

/// Ends the process that holds a lock, if it is still the one that took it.
fn end_holder(path: &Path) {
    let Ok(Some(holder)) = presence::read_holder(path) else { return };
    if holder.process.exists() && holder.process.pid != std::process::id() {
        let _ = kill(Pid::from_raw(holder.process.pid as i32), Signal::SIGKILL);
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
