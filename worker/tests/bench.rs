//! A team in a directory of its own, and workers on it: the program as it is installed.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jsonrpsee::Methods;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use teamster_protocol::host::clock;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::{Address, MemberName, MessageId, TaskId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::shutdown::{ShutdownReply, ShutdownRequest, WhenBusy};
use teamster_protocol::model::task::view::TaskView;
use teamster_protocol::model::task::{CommandInput, NewTask, TaskWork};
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::store::{presence, transcript};
use teamster_protocol::team::{Inbox, MailRequest, TaskCommand, Team};
use teamster_protocol::wire::peer::Peer;
use tokio::process::{Child, Command};
use tokio::signal::unix::SignalKind;

/// Far beyond what a loaded machine needs, so that reaching it means that nothing came.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The numbers of turns whose transcripts are watched.
const TURNS: u64 = 8;

/// The team, seen as its lead.
pub(crate) struct Bench {
    pub(crate) team: Team,
    pub(crate) inbox: Inbox,
    pub(crate) root: tempfile::TempDir,
}

/// What to watch for.
pub(crate) struct Seen<'a> {
    pub(crate) team: &'a mut Team,
    pub(crate) inbox: &'a mut Inbox,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        // A signal that is caught has its usual effect on what is started; one that is ignored, as by nohup, stays ignored.
        let _ = tokio::signal::unix::signal(SignalKind::hangup()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        let team = Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap();
        // There before the worker is, so that the files in them can be watched.
        fs::create_dir(dir.turns(&name("alice"))).unwrap();
        let inbox = Inbox::open(&dir, Address::Lead, Durability::Process).unwrap();
        mkfifo(&root.path().join("gate"), Mode::S_IRWXU).unwrap();
        Bench { team, inbox, root }
    }

    /// Lets a command go on that does `read line <gate` in its workspace. Blocks until it does.
    pub(crate) fn open_gate(&self, line: &str) {
        fs::write(self.root.path().join("gate"), format!("{line}\n")).unwrap();
    }

    pub(crate) fn dir(&self) -> TeamDir {
        self.team.dir().clone()
    }

    /// The worker's command line, without what says how it is started.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(worker_program());
        command.args(["--team", "t", "--name", name, "--cwd"]).arg(self.root.path());
        command.arg("--root").arg(self.root.path());
        // The slow poll is not what makes these tests pass.
        command.env("TEAMSTER_POLL_MS", "3600000").env("TEAMSTER_DURABILITY", "process");
        command.env_remove("TEAMSTER_LOG").env_remove("TEAMSTER_LEADER_GRACE_MS");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts a worker by hand, and waits until it waits for work.
    pub(crate) async fn by_hand(&mut self, name: &str) -> Child {
        let before = self.lives(name);
        let child = self.command(name).spawn().unwrap();
        self.ready(name, before + 1).await;
        child
    }

    /// The process that a member's worker is, by its lock: where there are namespaces, not the one that was started.
    pub(crate) fn pid(&self, who: &str) -> Option<u32> {
        Some(presence::read_holder(&self.dir().member_lock(&name(who))).unwrap()?.process.pid)
    }

    /// Kills a member's worker, and waits until it is gone.
    pub(crate) async fn kill(&self, who: &str, mut child: Child) {
        let pid = Pid::from_raw(self.pid(who).unwrap().try_into().unwrap());
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(Signal::SIGKILL as i32), "it ends as its worker did");
    }

    /// Waits until a member's worker was ready this many times.
    pub(crate) async fn ready(&mut self, who: &str, lives: usize) {
        let (dir, who) = (self.dir(), who.to_owned());
        self.until("a worker is ready", move |_| (lives_of(&dir, &who) == lives).then_some(())).await;
    }

    /// How often a member's worker was ready.
    pub(crate) fn lives(&self, who: &str) -> usize {
        lives_of(&self.dir(), who)
    }

    /// Starts alice as the leader does.
    pub(crate) fn linked(&self, grace_ms: u64) -> (Child, Peer) {
        link(self.command("alice"), grace_ms)
    }

    /// Puts a command on the board that reads steers.
    pub(crate) fn add(&mut self, script: &str) -> TaskId {
        let task = NewTask::new(open(script));
        self.team.command(TaskCommand::Add { tasks: vec![task] }).unwrap().tasks[0]
    }

    pub(crate) fn mail(&mut self, to: &str, urgency: Urgency, text: &str) -> MessageId {
        let request = MailRequest { to: Some(name(to).into()), text: text.to_owned(), urgency };
        self.team.mail(request).unwrap().delivered[0].id
    }

    pub(crate) fn control(&mut self, to: &str, body: MessageBody) {
        self.team.post(&Address::Member(name(to)), Urgency::Now, body).unwrap();
    }

    pub(crate) fn ask_to_end(&mut self, to: &str, when_busy: WhenBusy) -> MessageId {
        let request = clock::new_message_id();
        let deadline_ms = clock::now_ms() + 10_000;
        let reason = "the work is done".to_owned();
        self.control(to, MessageBody::ShutdownRequest(ShutdownRequest { request, reason, deadline_ms, when_busy }));
        request
    }

    /// Waits until the task stands like this, and returns it whole.
    pub(crate) async fn task(&mut self, id: TaskId, status: &str) -> TaskView {
        let status = status.to_owned();
        self.until(&format!("task {id} is {status}"), move |seen| {
            let view = seen.team.task_view(id).unwrap();
            (view.status.typed() == status).then_some(view)
        })
        .await
    }

    /// Waits for the next answer to a shutdown request.
    pub(crate) async fn reply(&mut self) -> ShutdownReply {
        self.until("an answer to the lead", |seen| {
            let messages = seen.inbox.unread().unwrap();
            let message = messages.into_iter().next()?;
            seen.inbox.acknowledge(&[message.id]).unwrap();
            match message.body {
                MessageBody::ShutdownReply(reply) => Some(reply),
                body => panic!("the lead got {body:?}"),
            }
        })
        .await
    }

    /// Waits until a member has said something.
    pub(crate) async fn said(&mut self, who: &str, wanted: impl Fn(&TranscriptText) -> bool) -> TranscriptText {
        let dir = self.dir().turns(&name(who));
        self.until("something is said", move |_| {
            transcript::since(&dir, 0).unwrap().into_iter().map(|entry| entry.what).find(|said| wanted(said))
        })
        .await
    }

    /// Waits until the agent has said a text.
    pub(crate) async fn heard(&mut self, who: &str, words: &str) {
        self.said(who, |said| matches!(said, TranscriptText::Text { text } if text.contains(words))).await;
    }

    /// All that a member has said.
    pub(crate) fn transcript(&self, who: &str) -> Vec<TranscriptText> {
        let entries = transcript::since(&self.dir().turns(&name(who)), 0).unwrap();
        entries.into_iter().map(|entry| entry.what).collect()
    }

    /// The messages a member has not handed on.
    pub(crate) fn unread(&self, who: &str) -> usize {
        Inbox::open(&self.dir(), Address::Member(name(who)), Durability::Process).unwrap().unread().unwrap().len()
    }

    /// Looks whenever something on disk changes, until there is what is looked for.
    pub(crate) async fn until<T>(&mut self, what: &str, mut look: impl FnMut(Seen<'_>) -> Option<T>) -> T {
        let dir = self.dir();
        let mut watch = FileWatch::new(LIMIT);
        watch.add(dir.board());
        watch.add(dir.roster());
        watch.add(dir.mailbox(&Address::Lead));
        for member in ["alice", "bob"] {
            watch.add(dir.mailbox(&Address::Member(name(member))));
            for turn in 0..TURNS {
                watch.add(dir.turns(&name(member)).join(format!("{turn:06}.jsonl")));
            }
        }
        let found = tokio::time::timeout(LIMIT, async {
            loop {
                self.team.refresh(|_| ()).unwrap();
                if let Some(found) = look(Seen { team: &mut self.team, inbox: &mut self.inbox }) {
                    return found;
                }
                watch.changed().await;
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("never came: {what}; alice said {:#?}", self.transcript("alice")),
        }
    }
}

/// The worker that was built: for tests of another package, beside them.
fn worker_program() -> PathBuf {
    if let Some(built) = option_env!("CARGO_BIN_EXE_teamster-worker") {
        return built.into();
    }
    let own = std::env::current_exe().unwrap();
    let built = own.ancestors().nth(2).unwrap().join("teamster-worker");
    assert!(built.exists(), "there is no {}: run `cargo build --workspace` first", built.display());
    built
}

/// Starts a worker as the leader does.
pub(crate) fn link(mut command: Command, grace_ms: u64) -> (Child, Peer) {
    command.arg("--stdio").env("TEAMSTER_LEADER_GRACE_MS", grace_ms.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (read, write) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    (child, Peer::start(read, write, Methods::new()))
}

fn lives_of(dir: &TeamDir, who: &str) -> usize {
    let entries = transcript::since(&dir.turns(&name(who)), 0).unwrap();
    entries.iter().filter(|entry| entry.what == TranscriptText::Ready).count()
}

pub(crate) fn name(text: &str) -> MemberName {
    text.parse().unwrap()
}

/// Waits for the exit code and what was said on standard error.
pub(crate) async fn ended(mut child: Child) -> (Option<i32>, String) {
    drop(child.stdin.take());
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The processes that have this directory as theirs.
pub(crate) fn processes_in(dir: &Path) -> Vec<PathBuf> {
    let dir = dir.canonicalize().unwrap();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == dir)).collect()
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

/// A command that reads steers.
pub(crate) fn open(command: &str) -> TaskWork {
    TaskWork::Run { command: command.to_owned(), input: CommandInput::Open }
}
