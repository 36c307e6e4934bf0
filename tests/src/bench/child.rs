//! The other processes of a measurement: this program again, in one of a few roles.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write, stdin, stdout};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::store::file::Durability;
use teamster_protocol::team::Team;

use super::Outcome;
use super::raw::monotonic;

/// The first argument of a child.
pub(super) const MARK: &str = "--child";

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Gives back what it reads.
    Echo,
    /// Says when an append to a file woke it.
    Wake,
    /// Takes tasks from a board until there are none.
    Claim,
    /// Appends lines under a lock.
    Append,
}

const ROLES: [(Role, &str); 4] =
    [(Role::Echo, "echo"), (Role::Wake, "wake"), (Role::Claim, "claim"), (Role::Append, "append")];

/// A child and its pipes; it is killed when this is dropped.
pub(super) struct Child {
    process: std::process::Child,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Starts one.
    pub(super) fn start(role: Role, args: &[&OsStr]) -> Outcome<Child> {
        let word = ROLES.iter().find(|(known, _)| *known == role).map_or("", |(_, word)| word);
        let mut process = Command::new(std::env::current_exe()?)
            .args([MARK, word])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both streams are piped")
        };
        Ok(Child { process, stdin, stdout: BufReader::new(stdout) })
    }

    /// Waits until it has said that it is ready.
    pub(super) fn wait_ready(&mut self) -> Outcome<()> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        if line == "ready\n" { Ok(()) } else { Err("a child ended before it was ready".into()) }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Lets it go on.
    pub(super) fn go(&mut self) -> io::Result<()> {
        self.stdin.write_all(b"go\n")
    }

    /// Reads what it says until it ends.
    pub(super) fn rest(mut self) -> Outcome<String> {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text)?;
        let status = self.process.wait()?;
        if status.success() { Ok(text) } else { Err(format!("a child ended with {status}").into()) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended already, or is to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What this process does as a child: `args` are the role and what it asks for.
pub(super) fn run(args: &[String]) -> Outcome<()> {
    let role = args.first().and_then(|word| ROLES.iter().find(|(_, known)| known == word)).map(|(role, _)| *role);
    match (role, &args[1.min(args.len())..]) {
        (Some(Role::Echo), []) => echo(),
        (Some(Role::Wake), [file]) => wake(Path::new(file)),
        (Some(Role::Claim), [root, team, name]) => claim(TeamDir::new(root, team.parse()?), name.parse()?),
        (Some(Role::Append), [file, count, bytes]) => append(Path::new(file), count.parse()?, bytes.parse()?),
        (Some(Role::Echo | Role::Wake | Role::Claim | Role::Append) | None, _) => Err("no such child".into()),
    }
}

fn echo() -> Outcome<()> {
    let (mut input, mut output) = (stdin().lock(), stdout().lock());
    let mut buffer = [0; 4096];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            got => {
                output.write_all(&buffer[..got])?;
                output.flush()?;
            }
        }
    }
}

fn wake(file: &Path) -> Outcome<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(file, AddWatchFlags::IN_MODIFY)?;
    let mut output = stdout().lock();
    output.write_all(b"ready\n")?;
    output.flush()?;
    loop {
        inotify.read_events()?;
        let now = monotonic()?.as_nanos() as u64;
        output.write_all(&now.to_le_bytes())?;
        output.flush()?;
    }
}

fn claim(dir: TeamDir, name: MemberName) -> Outcome<()> {
    let mut team = Team::open(dir, Address::Member(name.clone()), Durability::Process)?;
    let who = WaitingClaimant::new(name);
    let mut claimed = Vec::with_capacity(100_000);
    wait_for_go()?;
    let begin = monotonic()?;
    while let Some(claim) = team.claim_next(&who)? {
        claimed.push(claim.id);
        // As if there was work to do: without it one process claims hundreds before another gets the lock.
        std::thread::yield_now();
    }
    let end = monotonic()?;
    let mut text = format!("{} {}\n", begin.as_nanos(), end.as_nanos());
    claimed.iter().for_each(|id| text.push_str(&format!("{id}\n")));
    stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn append(file: &Path, count: u32, bytes: usize) -> Outcome<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    let line = vec![b'x'; bytes];
    wait_for_go()?;
    let begin = monotonic()?;
    for _ in 0..count {
        file.lock()?;
        file.write_all(&line)?;
        file.unlock()?;
    }
    println!("{} {}", begin.as_nanos(), monotonic()?.as_nanos());
    Ok(())
}

fn wait_for_go() -> io::Result<()> {
    println!("ready");
    stdin().read_line(&mut String::new())?;
    Ok(())
}
