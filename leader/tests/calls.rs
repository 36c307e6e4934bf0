//! What the command line asks of a leader, and how it tells what the leader answers. The leader's side of the
//! socket is a script here, so that every answer there can be is seen; real leaders are for the end-to-end tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use jsonrpsee::Methods;
use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::agent::{Permission, TurnEnd};
use teamster_protocol::model::id::{Address, MemberName, TaskId, TeamName};
use teamster_protocol::model::limits::PROTOCOL_VERSION;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::{MemberSpec, WorkerEnd, Workspace};
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::Team;
use teamster_protocol::wire::api::{
    EndOutcome, EndedMember, LeaderApiServer, LeaderInfo, PassedVia, PromptAnswer, ProtocolHello, SpawnRequest,
    SpawnedMember, SteerHaste, SteerPassed, StoppedTurn, WorkspaceRequest, code,
};
use teamster_protocol::wire::peer::{Peer, socket};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Notify;

/// Writes down what it was asked, and answers by a script.
#[derive(Clone)]
struct Scripted {
    asked: Arc<Mutex<Vec<String>>>,
    refusal: Option<i32>,
    /// Told when it was asked to end.
    ended: Arc<Notify>,
}

impl Scripted {
    fn note<T>(&self, call: String, answer: T) -> RpcResult<T> {
        self.asked.lock().expect("no test panics with it").push(call);
        match self.refusal {
            Some(code) => Err(ErrorObjectOwned::owned(code, "alice is busy with task 3", None::<()>)),
            None => Ok(answer),
        }
    }
}

#[async_trait]
impl LeaderApiServer for Scripted {
    async fn hello(&self, hello: ProtocolHello) -> RpcResult<LeaderInfo> {
        assert_eq!(hello.protocol, PROTOCOL_VERSION);
        let team = "crew".parse::<TeamName>().expect("a name");
        if self.refusal == Some(code::OTHER_VERSION) {
            let said = "the leader speaks version 2, this program version 1";
            return Err(ErrorObjectOwned::owned(code::OTHER_VERSION, said, None::<()>));
        }
        Ok(LeaderInfo { team, pid: 7, since_ms: 0, protocol: PROTOCOL_VERSION, version: "0".to_owned(), ending: None })
    }

    async fn permit(&self, name: MemberName, question: u64, answer: Permission) -> RpcResult<PassedVia> {
        self.note(format!("permit {name} {question} {answer:?}"), PassedVia::Rpc)
    }

    async fn spawn(&self, request: SpawnRequest) -> RpcResult<SpawnedMember> {
        let dir = PathBuf::from("/s/worktrees/alice");
        let workspace = match &request.workspace {
            WorkspaceRequest::Shared { dir } => Workspace::Shared { dir: dir.clone() },
            WorkspaceRequest::Worktree { repository, base, .. } => Workspace::Worktree {
                dir,
                branch: "teamster/crew/alice".to_owned(),
                base: base.clone().unwrap_or_default(),
                repository: repository.clone(),
            },
        };
        let call = format!("spawn {} {:?} {:?} {:?}", request.name, request.agent, request.role, request.auto);
        self.note(call, SpawnedMember { name: request.name, pid: 8, workspace, base: None })
    }

    async fn wake(&self, name: MemberName) -> RpcResult<Option<SpawnedMember>> {
        self.note(format!("wake {name}"), None)
    }

    async fn send(&self, name: MemberName, work: TaskWork) -> RpcResult<PromptAnswer> {
        self.note(
            format!("send {name} {}", serde_json::to_string(&work).expect("JSON")),
            PromptAnswer { turn: 4, text: TextId::prompt_of(4) },
        )
    }

    async fn steer(&self, name: MemberName, text: String, _: Option<SteerHaste>) -> RpcResult<SteerPassed> {
        self.note(
            format!("steer {name} {text}"),
            SteerPassed {
                via: PassedVia::Rpc,
                text: TextId::InTurn { turn: 1, number: 1 },
                state: Some(ReceiptState::Accepted),
                haste: None,
            },
        )
    }

    async fn stop(&self, name: MemberName, reason: String) -> RpcResult<StoppedTurn> {
        let stopped = StoppedTurn { via: PassedVia::Rpc, task: Some(TaskId(3)), stop: Some(TurnEnd::Aborted) };
        self.note(format!("stop {name} {reason}"), stopped)
    }

    async fn shutdown(
        &self,
        name: Option<MemberName>,
        reason: String,
        when_busy: WhenBusy,
    ) -> RpcResult<Vec<EndedMember>> {
        let alice = "alice".parse().expect("a name");
        let outcome = EndOutcome::Refused { task: Some(TaskId(3)) };
        self.note(format!("shutdown {name:?} {reason} {when_busy:?}"), vec![EndedMember { name: alice, outcome }])
    }

    async fn kill(&self, name: MemberName) -> RpcResult<EndedMember> {
        let how = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
        self.note(format!("kill {name}"), EndedMember { name, outcome: EndOutcome::Left { how } })
    }

    async fn hand_over(&self) -> RpcResult<()> {
        self.ended.notify_one();
        self.note("hand_over".to_owned(), ())
    }

    async fn down(&self, force: bool) -> RpcResult<Vec<EndedMember>> {
        let name = "alice".parse().expect("a name");
        let outcome = EndOutcome::Left { how: WorkerEnd::Shutdown };
        self.ended.notify_one();
        self.note(format!("down {force}"), vec![EndedMember { name, outcome }])
    }
}

/// A team that alice is a member of.
fn place() -> (TempDir, TeamDir) {
    let root = tempfile::tempdir().expect("a directory");
    let dir = TeamDir::new(root.path(), "crew".parse().expect("a name"));
    let mut team = Team::open(dir.clone(), Address::Lead, Durability::Process).expect("a team");
    let spec = MemberSpec::new("shell".parse().expect("a name"), Workspace::Shared { dir: PathBuf::from("/") });
    team.add_member("alice".parse().expect("a name"), spec).expect("it is written");
    (root, dir)
}

/// Starts a command of that team.
fn teamster(root: &Path, line: &str) -> tokio::process::Child {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_teamster"));
    command.args(line.split_whitespace()).current_dir("/").env_clear();
    command.env("TEAMSTER_ROOT", root).env("TEAMSTER_TEAM", "crew");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program runs")
}

/// Runs commands one after the other against a leader that answers with `refusal`, or as its script says. Gives
/// what each printed with its exit code, and what the leader was asked.
fn played(refusal: Option<i32>, lines: &[&str]) -> (String, Vec<String>) {
    let (root, dir) = place();
    let scripted = Scripted { asked: Arc::default(), refusal, ended: Arc::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut told = String::new();
    runtime.block_on(async {
        let listener = socket::listen(&dir.leader_socket()).expect("a socket");
        for line in lines {
            let child = teamster(root.path(), line);
            let stream = listener.accept().await.expect("it connects");
            let (read, write) = stream.into_split();
            let peer = Peer::start(read, write, Methods::from(scripted.clone().into_rpc()));
            // The leader of this script ends as soon as it said that it would.
            let output = async {
                if line.starts_with("down") {
                    scripted.ended.notified().await;
                    peer.close().await;
                }
                child.wait_with_output().await.expect("it ends")
            };
            told.push_str(&format!("$ {line}\n{}", told_by(&output.await)));
        }
    });
    let left = fs::read_dir(dir.logs_dir()).expect("a directory").count();
    assert_eq!(left, 0, "a second leader was started");
    let asked = scripted.asked.lock().expect("as above").clone();
    (told, asked)
}

fn told_by(output: &Output) -> String {
    let code = output.status.code().expect("an exit code");
    let code = if code == 0 { String::new() } else { format!("[{code}]\n") };
    format!("{}{}{code}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_the_leader_did_is_told() {
    let (told, asked) = played(
        None,
        &[
            "spawn bob --cwd / --role tests --no-claim",
            "spawn alice --worktree --base main",
            "send alice --run make test",
            "steer alice not that",
            "stop alice --reason wrong-branch",
            "shutdown",
            "shutdown alice --finish --reason good-night",
            "kill alice",
            "send alice --json --run x",
            "stop alice --json",
            "shutdown --json",
            "up --detach",
            "down",
        ],
    );
    insta::assert_snapshot!(told, @r#"
    $ spawn bob --cwd / --role tests --no-claim
    bob is ready in /
    $ spawn alice --worktree --base main
    alice is ready on branch teamster/crew/alice, in /s/worktrees/alice
    $ send alice --run make test
    alice works on it: turn 4; watch with teamster logs alice -f
    $ steer alice not that
    alice has it: accepted
    $ stop alice --reason wrong-branch
    alice stopped; task 3 is held for it: teamster task retry 3 lets it go on
    $ shutdown
    alice goes on, it is busy with task 3; teamster shutdown alice --finish lets it finish first
    [1]
    $ shutdown alice --finish --reason good-night
    alice goes on, it is busy with task 3; teamster shutdown alice --finish lets it finish first
    [1]
    $ kill alice
    alice died: killed by SIGKILL
    $ send alice --json --run x
    {"name":"alice","turn":4,"text":"4.0"}
    $ stop alice --json
    {"name":"alice","via":"rpc","task":3,"stop":"aborted"}
    $ shutdown --json
    {"news":"ended","name":"alice","outcome":{"refused":{"task":3}}}
    {"members":[{"name":"alice","outcome":{"refused":{"task":3}}}]}
    [1]
    $ up --detach
    error: team crew has a leader already (process 7)
      hint: see teamster status; end it with teamster down
    [1]
    $ down
    alice shut down
    the leader ended
    "#);
    insta::assert_snapshot!(asked.join("\n"), @r#"
    spawn bob shell Some(tests) Off
    spawn alice shell None On
    send alice {"run":"make test"}
    steer alice not that
    stop alice wrong-branch
    shutdown None  Refuse
    shutdown Some(alice) good-night Finish
    kill alice
    send alice {"run":"x"}
    stop alice 
    shutdown None  Refuse
    down false
    "#);
}

#[test]
fn what_the_leader_refuses_keeps_its_words_and_gets_its_exit_code() {
    let (told, _) = played(Some(code::REFUSED), &["send alice --run x", "send alice --json --run x"]);
    insta::assert_snapshot!(told, @r#"
    $ send alice --run x
    error: alice is busy with task 3
    [1]
    $ send alice --json --run x
    {"error":{"message":"alice is busy with task 3","code":1,"kind":"refused"}}
    [1]
    "#);
    let (told, _) = played(Some(code::CORRUPT), &["steer alice x"]);
    assert!(told.ends_with("[4]\n"), "{told}");
    let (told, asked) = played(Some(code::OTHER_VERSION), &["steer alice x"]);
    insta::assert_snapshot!(told, @"
    $ steer alice x
    error: the leader speaks version 2, this program version 1
      hint: end it with the teamster that started it: teamster down
    [3]
    ");
    assert!(asked.is_empty(), "nothing else is asked of a leader of another version");
}

#[test]
fn a_leader_that_ends_by_itself_while_it_is_told_to_leaves_nothing_to_end_and_no_error() {
    let (told, asked) = played(Some(code::ENDED), &["down"]);
    insta::assert_snapshot!(told, @"
    $ down
    the leader ended; no member ran
    ");
    assert_eq!(asked, ["down false"]);
}

#[test]
fn a_leader_that_dies_while_it_is_asked_may_have_done_it() {
    let (root, dir) = place();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let output = runtime.block_on(async {
        let listener = socket::listen(&dir.leader_socket()).expect("a socket");
        let child = teamster(root.path(), "steer alice x");
        let (read, mut write) = listener.accept().await.expect("it connects").into_split();
        let mut asked = BufReader::new(read).lines();
        let mut next = async || asked.next_line().await.expect("it can be read").expect("a call");
        let hello: Value = serde_json::from_str(&next().await).expect("JSON");
        let info = json!({"team": "crew", "pid": 7, "since_ms": 0, "protocol": PROTOCOL_VERSION, "version": "0"});
        let answer = json!({"jsonrpc": "2.0", "id": hello["id"], "result": info});
        write.write_all(format!("{answer}\n").as_bytes()).await.expect("it reads");
        assert!(next().await.contains("steer"));
        drop((asked, write));
        child.wait_with_output().await.expect("it ends")
    });
    insta::assert_snapshot!(told_by(&output), @"
    error: the leader ended while it was asked
      hint: it may have done it before: see teamster status, and ask again if not
    [3]
    ");
}
