//! One agent on trial: a team with a home, a repository and a model of its own, the transcript of its member as it grows, and a
//! limit on every wait.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use teamster_protocol::host::clock;

use super::agents::{AgentRow, AgentSettings};
use super::ending;
use crate::hermetic::{Program, Sandbox};
use crate::model_server::ModelServer;
use crate::trial::Outcome;

/// The longest wait for one thing: an agent of 500 MB may take half of it to start on a machine with much else to do.
const STEP_MAX: Duration = Duration::from_secs(120);

/// The longest time for one command of teamster, in the words of timeout(1).
const COMMAND_SECONDS_MAX: &str = "60";

/// How many turns of a transcript are shown: more than there will be.
const TURNS_SHOWN: &str = "100";

/// How often something is looked at that no line of a transcript tells of.
const LOOK: Duration = Duration::from_millis(100);

/// Why nothing more is tried.
const TOLD_TO_END: &str = "the runner was told to end";

/// The conduct of a wait for a command when this process is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StageSignals {
    /// The command is ended.
    Heed,
    /// The command is waited for.
    Ignore,
}

/// One agent on trial.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) row: &'static AgentRow,
    pub(super) model: ModelServer,
    sandbox: Sandbox,
    repository: PathBuf,
    path: String,
    settings: AgentSettings,
    logs: PathBuf,
    member: Option<StageMember>,
    members: u32,
    until: Instant,
}

/// A member and what is read of its transcript.
#[derive(Debug)]
struct StageMember {
    name: String,
    place: PathBuf,
    follower: Child,
    lines: Receiver<Value>,
    entries: Vec<Value>,
}

/// A task that the member works on, and where its transcript was when that began.
#[derive(Debug, Clone, Copy)]
pub(super) struct StageTurn {
    pub(super) task: u64,
    pub(super) mark: usize,
}

impl Stage {
    /// Prepares everything and starts nothing but the model.
    pub(super) fn new(row: &'static AgentRow, bin: &Path, logs: &Path, limit: Duration) -> Outcome<Stage> {
        fs::create_dir_all(logs)?;
        File::create(logs.join("trial.log"))?;
        let model = ModelServer::start(logs)?;
        let sandbox = Sandbox::new();
        let repository = sandbox.repository("app");
        let settings = row.settle(&sandbox.home(), model.port())?;
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let until = Instant::now() + limit;
        let logs = logs.to_owned();
        Ok(Stage { row, model, sandbox, repository, path, settings, logs, member: None, members: 0, until })
    }

    /// The file that tells how the trial went.
    pub(super) fn log(&self) -> PathBuf {
        self.logs.join("trial.log")
    }

    /// Writes a line into the log.
    pub(super) fn note(&self, line: &str) {
        let file = OpenOptions::new().append(true).open(self.log());
        let written = file.and_then(|mut file| writeln!(file, "{} {line}", clock::now_ms()));
        if let Err(error) = written {
            eprintln!("{}: {error}", self.log().display());
        }
    }

    /// Runs a command of teamster with `--json` and returns its exit code and the last line that it printed.
    pub(super) fn run(&self, words: &[&str]) -> Outcome<(i32, Value)> {
        let output = self.finish(self.command(words), StageSignals::Heed)?;
        self.note_run(words, &output)
    }

    /// Ends the team, also when this process was told to end.
    fn end_team(&self) -> Outcome<()> {
        let words = ["down", "--force"];
        let output = self.finish(self.command(&words), StageSignals::Ignore)?;
        match self.note_run(&words, &output)? {
            (0, _) => Ok(()),
            (code, said) => Err(format!("it ended with {code}: {said}").into()),
        }
    }

    /// Waits for the end of a command. One that is heedful of signals is ended when this process was told to end.
    fn finish(&self, mut command: Command, signals: StageSignals) -> Outcome<Output> {
        let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?).spawn()?;
        // It is timeout(1), which ends what it started.
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(child.wait()));
        let status = loop {
            match ended.recv_timeout(LOOK) {
                Ok(status) => break status?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err("nobody waited for the command".into()),
            }
            if signals == StageSignals::Heed && ending::exit_code().is_some() {
                kill(pid, Signal::SIGTERM)?;
                ended.recv()??;
                return Err(TOLD_TO_END.into());
            }
        };
        let read = |file: &mut File| -> Outcome<Vec<u8>> {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        Ok(Output { status, stdout: read(&mut out)?, stderr: read(&mut err)? })
    }

    /// Notes how a command ended, and returns its exit code and the last line that it printed.
    fn note_run(&self, words: &[&str], output: &Output) -> Outcome<(i32, Value)> {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        self.note(&format!("teamster {words:?}: {}\n{out}{err}", output.status));
        let last = out.lines().chain(err.lines()).last().unwrap_or_default();
        Ok((output.status.code().unwrap_or(-1), serde_json::from_str(last).unwrap_or(Value::Null)))
    }

    /// As [`Stage::run`], for a command that must succeed.
    pub(super) fn say(&self, words: &[&str]) -> Outcome<Value> {
        match self.run(words)? {
            (0, said) => Ok(said),
            (code, said) => Err(format!("teamster {words:?} ended with {code}: {said}").into()),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program("timeout");
        command.args(["--kill-after=5", COMMAND_SECONDS_MAX]).arg(Program::Teamster.path()).arg("--json").args(words);
        command
    }

    /// A program in the place and the environment of a user of this agent.
    fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.sandbox.command(program);
        command.current_dir(&self.repository).env("PATH", &self.path).env("TEAMSTER_WORKER", Program::Worker.path());
        // Loopback is for the model; whatever else an agent tries fails at once.
        command.env("NO_PROXY", "127.0.0.1,localhost").env("HTTPS_PROXY", "http://127.0.0.1:9");
        command.env("HTTP_PROXY", "http://127.0.0.1:9").env("TEAMSTER_LEADER_GRACE_MS", "2000");
        command.envs(self.settings.env.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// Sees to it that there is a member that allows everything.
    pub(super) fn member_at_hand(&mut self) -> Outcome<()> {
        if self.member.is_some() { Ok(()) } else { self.spawn("auto", &[]) }
    }

    /// Starts a member with a transcript that is followed. It takes the place of the one that was at hand.
    pub(super) fn spawn(&mut self, approval: &str, more: &[&str]) -> Outcome<()> {
        self.members += 1;
        let name = format!("m{}", self.members);
        let mut words = vec!["spawn", &name, "--agent", self.row.agent, "--worktree", "--no-claim"];
        words.extend(["--approval", approval]);
        words.extend(more);
        words.extend(self.settings.args.iter().flat_map(|arg| ["--agent-arg", arg.as_str()]));
        let spawned = self.say(&words)?;
        let place = spawned["workspace"]["worktree"]["dir"].as_str().ok_or("it has no worktree")?.into();
        // Not below timeout(1): a transcript is followed for as long as the member is at hand.
        let mut follow = self.program(Program::Teamster.path());
        follow.args(["--json", "logs", &name, "-f", "-n", TURNS_SHOWN]);
        let mut follower = follow.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = follower.stdout.take().ok_or("its output is not piped")?;
        let mut copy = File::create(self.logs.join(format!("{name}.jsonl")))?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let kept = writeln!(copy, "{line}").is_ok();
                let Ok(entry) = serde_json::from_str::<Value>(&line) else { continue };
                if !kept || sender.send(entry).is_err() {
                    return;
                }
            }
        });
        self.member = Some(StageMember { name, place, follower, lines, entries: Vec::new() });
        Ok(())
    }

    /// Ends the member at hand, whose state nobody knows.
    pub(super) fn dismiss_member(&mut self) {
        if let Some(member) = self.member.take()
            && let Err(error) = self.run(&["kill", &member.name])
        {
            self.note(&format!("{} could not be killed: {error}", member.name));
        }
    }

    /// The name of the member at hand.
    pub(super) fn name(&self) -> String {
        self.member.as_ref().map(|member| member.name.clone()).unwrap_or_default()
    }

    /// A file in the worktree of the member at hand.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.member.as_ref().map(|member| member.place.join(name)).unwrap_or_default()
    }

    /// Everything that the transcript has told since a mark.
    pub(super) fn since(&self, mark: usize) -> &[Value] {
        self.member.as_ref().and_then(|member| member.entries.get(mark..)).unwrap_or_default()
    }

    /// What the agent has said since a mark.
    pub(super) fn text_since(&self, mark: usize) -> String {
        let said = self.since(mark).iter().filter(|entry| entry["kind"] == "text");
        said.filter_map(|entry| entry["data"]["text"].as_str()).collect()
    }

    /// The end of what is known of the transcript.
    pub(super) fn mark(&self) -> usize {
        self.member.as_ref().map_or(0, |member| member.entries.len())
    }

    /// Waits until this holds, with a look at each line of the transcript, and between them.
    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&Stage) -> bool) -> Outcome<()> {
        let until = self.until.min(Instant::now() + STEP_MAX);
        loop {
            if holds(self) {
                return Ok(());
            }
            if ending::exit_code().is_some() {
                return Err(TOLD_TO_END.into());
            }
            if Instant::now() >= until {
                return Err(format!("waited in vain: {what}").into());
            }
            let member = self.member.as_mut().ok_or("there is no member")?;
            match member.lines.recv_timeout(LOOK) {
                Ok(entry) if entry["log"] == "turns" => member.entries.push(entry),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the transcript ended before: {what}").into());
                }
            }
        }
    }

    /// Gives the member at hand a task with this prompt, and waits until it works on it.
    pub(super) fn begin(&mut self, prompt: &str) -> Outcome<StageTurn> {
        let (name, mark) = (self.name(), self.mark());
        let added = self.say(&["task", "add", "--to", &name, prompt])?;
        let turn = StageTurn { task: added["tasks"][0].as_u64().ok_or("no task was added")?, mark };
        self.until("the turn begins", |stage| stage.find(turn, "turn_started").is_some())?;
        Ok(turn)
    }

    /// Waits for the end of a task's turn, and returns how it ended. A turn that is begun
    /// again is waited for.
    pub(super) fn end(&mut self, turn: StageTurn) -> Outcome<Value> {
        self.until("the turn ends", |stage| stage.ended(turn).is_some_and(|end| !is_begun_again(&end)))?;
        self.ended(turn).ok_or_else(|| "the turn has not ended".into())
    }

    /// As [`Stage::end`], for a turn that must be completed.
    pub(super) fn complete(&mut self, turn: StageTurn) -> Outcome<()> {
        match self.end(turn)? {
            end if end == "completed" => Ok(()),
            end => Err(format!("the turn ended so: {end}").into()),
        }
    }

    /// Whether a task's turn has ended as completed.
    pub(super) fn is_completed(&self, turn: StageTurn) -> bool {
        self.ended(turn).is_some_and(|end| end == "completed")
    }

    fn ended(&self, turn: StageTurn) -> Option<Value> {
        let ends = self.since(turn.mark).iter().rev().filter(|entry| entry["kind"] == "turn_ended");
        let end = ends.map(|entry| &entry["data"]).find(|data| data["task"].as_u64() == Some(turn.task));
        end.map(|data| data["end"].clone())
    }

    /// The first entry of this kind about a task.
    pub(super) fn find(&self, turn: StageTurn, kind: &str) -> Option<&Value> {
        let mut entries = self.since(turn.mark).iter();
        entries.find(|entry| entry["kind"] == kind && entry["data"]["task"].as_u64() == Some(turn.task))
    }
}

/// Whether a turn ended by a fault of the provider or of the place, such as the death of its worker: its task is begun again.
fn is_begun_again(end: &Value) -> bool {
    ["provider", "place"].iter().any(|fault| end["failed"]["fault"] == *fault)
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.end_team() {
            eprintln!("the team of {} could not be ended: {error}", self.row.name);
        }
        let (from, to) = (self.sandbox.root(), self.logs.join("root"));
        let _ = fs::remove_dir_all(&to);
        let kept = Command::new("cp").arg("-r").arg(from).arg(to).status();
        if !kept.is_ok_and(|status| status.success()) {
            eprintln!("the files of the team of {} could not be kept", self.row.name);
        }
    }
}

impl Drop for StageMember {
    fn drop(&mut self) {
        let _ = self.follower.kill();
        let _ = self.follower.wait();
    }
}
