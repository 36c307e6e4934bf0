//! One place to run the program in, and what it said there.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::id::TeamName;
use teamster_protocol::model::mail::MessageBody;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::roster::MemberSpec;
use teamster_protocol::model::roster::Workspace;
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::Team;

/// A place to work in, with a root for the teams and nothing else.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

/// What one command said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("work")).expect("a directory");
        Place { dir }
    }

    /// Makes a program of these bytes. A process of its own writes them: one that another test starts in that moment would
    /// keep open what is written here, and what is open for writing can not be executed.
    pub(crate) fn program(&self, name: &str, mut from: impl Read) -> PathBuf {
        let path = self.dir.path().join(name);
        let mut shell = Command::new("sh");
        shell.args(["-euc", "cat > \"$0\"; chmod 755 \"$0\""]).arg(&path).stdin(Stdio::piped());
        let mut writing = shell.spawn().expect("a shell");
        std::io::copy(&mut from, &mut writing.stdin.take().expect("it is piped")).expect("it reads");
        assert!(writing.wait().expect("it ends").success(), "{} is not written", path.display());
        path
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(crate) fn team_dir(&self) -> TeamDir {
        TeamDir::new(self.root(), "crew".parse::<TeamName>().expect("a name"))
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_teamster"));
        command.args(words).current_dir(self.work()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.dir.path()).env("TEAMSTER_ROOT", self.root()).env("TEAMSTER_TEAM", "crew");
        command.env("TZ", "UTC").env("TEAMSTER_DURABILITY", "process").env("COLUMNS", "80");
        command
    }

    pub(crate) fn run(&self, line: &str) -> Said {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Said {
        said(self.command(words).output().expect("the program runs"))
    }

    pub(crate) fn run_with_input(&self, line: &str, input: &str) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = self
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        said(child.wait_with_output().expect("it ends"))
    }

    /// Runs a command that must do its work, and gives what it printed.
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, Some(0), "`{line}` failed: {}", said.err);
        assert_eq!(said.err, "", "`{line}` complained");
        self.plain(&said.out)
    }

    /// Runs a command with `--json` that must do its work, and gives what it printed.
    pub(crate) fn json(&self, line: &str) -> Value {
        let out = self.ok(&format!("--json {line}"));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("`--json {line}` printed no JSON: {error}: {out}"))
    }

    /// Runs a command that must fail with this code, and gives what it complained.
    pub(crate) fn fails(&self, code: i32, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, Some(code), "`{line}`: {}{}", said.out, said.err);
        assert_eq!(said.out, "", "`{line}` printed a result too");
        self.plain(&said.err)
    }

    /// Without what differs from run to run.
    pub(crate) fn plain(&self, text: &str) -> String {
        text.replace(&self.dir.path().display().to_string(), "/t").trim_end().to_owned()
    }

    /// Puts a member on the roster, as its worker would.
    pub(crate) fn enroll(&self, name: &str) -> MemberName {
        let name: MemberName = name.parse().expect("a name");
        let spec =
            MemberSpec::new("shell".parse().expect("a name"), Workspace::Shared { dir: PathBuf::from("/src/tool") });
        self.open(Address::Lead).add_member(name.clone(), spec).expect("it is written");
        name
    }

    pub(crate) fn open(&self, me: Address) -> Team {
        Team::open(self.team_dir(), me, Durability::Process).expect("a team")
    }

    /// A message from a member to the lead.
    pub(crate) fn write_to_lead(&self, from: &MemberName, text: &str) {
        let body = MessageBody::Text { text: text.to_owned() };
        self.open(from.clone().into()).post(&Address::Lead, Urgency::Next, body).expect("it is delivered");
    }
}

pub(crate) fn said(output: std::process::Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Starts a command that follows, and waits for its first line.
pub(crate) fn follow(place: &Place, line: &str) -> (Child, BufReader<ChildStdout>, String) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = place.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("a line");
    (child, lines, first)
}
