//! One of the processes that change a board at once: asks what chance tells it to, and writes down what it was
//! answered and when.

use std::fs::File;
use std::io::{BufWriter, Write, stdin};
use std::path::PathBuf;
use std::process::ExitCode;

use teamster_protocol::host::clock;
use teamster_protocol::model::board::{AutoClaim, Board, BoardFact, ClearedTasks, WaitingClaimant};
use teamster_protocol::model::id::{AgentName, MemberName, Role, TaskId};
use teamster_protocol::model::task::{
    BoardRefusal, FieldChange, NewTask, PromptKind, ReleaseWhy, StatusWord, TaskChanges, TaskClaim, TaskStatus,
    TaskWork,
};
use teamster_protocol::store::file::{Durability, Log, TransactError};

use super::{Answer, Entry, Op, now_ns};
use crate::chance::Chance;

/// So many processes take part.
pub const PROCESSES: u64 = 8;
/// Small enough that new generations begin while all of them write.
const GENERATION_BYTES_MAX: u64 = 96 * 1024;
/// Tasks that are to be done, beyond which no more are added.
const OPEN_TASKS_MAX: usize = 24;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The process: `BOARD NUMBER SEED OPS HISTORY`. Says `ready`, waits for a line, and writes its history at the end.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("linear-client {}: {error}", args.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Outcome<()> {
    let [board, number, seed, ops, history] = args else {
        return Err("usage: linear-client BOARD NUMBER SEED OPS HISTORY".into());
    };
    let (number, ops): (u64, u64) = (number.parse()?, ops.parse()?);
    let mut client = Client {
        who: claimant(number),
        log: Log::open(PathBuf::from(board), clock::now_ms())?,
        chance: Chance::new(seed.parse::<u64>()? * PROCESSES + number),
        claims: Vec::new(),
    };
    client.log.set_generation_bytes_max(GENERATION_BYTES_MAX);
    println!("ready");
    stdin().read_line(&mut String::new())?;
    let entries = (0..ops).map(|_| client.step()).collect::<Outcome<Vec<Entry>>>()?;
    let mut file = BufWriter::new(File::create(history)?);
    for entry in &entries {
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// The processes in turn: two of a role, one that takes only what is assigned to it, one that takes only commands, the rest
/// plain.
fn claimant(number: u64) -> WaitingClaimant {
    WaitingClaimant {
        name: name(number),
        role: (number < 2).then(tester),
        agent: Some(agent(number % 2)),
        auto: if number == 2 { AutoClaim::Off } else { AutoClaim::On },
        prompts: if number == 3 { PromptKind::Program } else { PromptKind::Conversation },
    }
}

fn name(number: u64) -> MemberName {
    format!("client-{number}").parse().expect("it is a name")
}

/// One of two agents.
fn agent(number: u64) -> AgentName {
    ["shell", "pi"][number as usize].parse().expect("it is a name")
}

fn tester() -> Role {
    "tester".parse().expect("it is a name")
}

struct Client {
    who: WaitingClaimant,
    log: Log<Board>,
    chance: Chance,
    /// Its claims, the newest last; also some that it has ended or lost.
    claims: Vec<TaskClaim>,
}

impl Client {
    fn step(&mut self) -> Outcome<Entry> {
        let op = self.next_op();
        let durability = if self.chance.one_in(50) { Durability::Power } else { Durability::Process };
        let mut wrote: Vec<BoardFact> = Vec::new();
        let decide = |board: &Board| {
            let facts = op.decide(board)?;
            wrote.clone_from(&facts);
            Ok::<_, BoardRefusal>((facts, ()))
        };
        let invoked_ns = now_ns()?;
        let outcome = self.log.transact(self.who.name.as_str(), clock::now_ms(), durability, decide);
        let responded_ns = now_ns()?;
        let answer = match outcome {
            Ok(()) if wrote.is_empty() => Answer::Nothing,
            Ok(()) => Answer::Wrote { seq: self.log.next_seq() - 1, facts: wrote },
            Err(TransactError::Refused(refusal)) => Answer::Refused(refusal.to_string()),
            Err(error) => return Err(error.to_string().into()),
        };
        if let Answer::Wrote { facts, .. } = &answer
            && let [BoardFact::Claimed(claim)] = &facts[..]
        {
            self.claims.push(claim.clone());
            self.claims.drain(..self.claims.len().saturating_sub(4));
        }
        if self.chance.one_in(3) {
            std::thread::yield_now();
        }
        Ok(Entry { invoked_ns, responded_ns, op, answer })
    }

    /// What it asks next, by what it last knew of the board: others may have changed that.
    fn next_op(&mut self) -> Op {
        let to_do = |status: &TaskStatus| matches!(status.word(), StatusWord::Pending | StatusWord::InProgress);
        let open = self.log.state().tasks().filter(|(_, task)| to_do(&task.status)).count();
        let works = self.log.state().owned_by(&self.who.name).next().is_some();
        match self.chance.below(100) {
            0..=29 if open < OPEN_TASKS_MAX => self.add(),
            0..=9 => Op::Clear { scope: ClearedTasks::Completed },
            10..=14 => Op::Unassign { id: self.task() },
            15..=19 => self.edit(),
            20..=29 => Op::RemoveDependency { id: self.task(), on: self.task() },
            30..=64 if works => self.end(),
            30..=64 => Op::ClaimNext { who: self.who.clone() },
            65..=69 => self.end(),
            70..=76 => Op::AddDependency { id: self.task(), on: self.task() },
            77..=81 => Op::RemoveDependency { id: self.task(), on: self.task() },
            82..=86 => Op::Retry { id: self.task() },
            87..=88 => Op::Cancel { id: self.task() },
            89..=90 => Op::Assign { id: self.task(), to: self.name() },
            91..=92 => Op::Unassign { id: self.task() },
            93..=94 => self.edit(),
            95 => Op::Bury { name: self.name() },
            96 => {
                let scopes =
                    [ClearedTasks::Completed, ClearedTasks::Completed, ClearedTasks::Failed, ClearedTasks::All];
                Op::Clear { scope: *self.chance.pick(&scopes) }
            }
            97 => Op::Restore,
            _ => Op::ClaimNext { who: self.who.clone() },
        }
    }

    fn add(&mut self) -> Op {
        let count = 1 + self.chance.below(3);
        let tasks = (0..count).map(|_| {
            let mut task = NewTask { title: "a task".to_owned(), ..NewTask::new(self.work()) };
            task.priority = self.priority();
            task.role = self.chance.one_in(5).then(tester);
            task.agent = self.chance.one_in(5).then(|| agent(self.chance.below(2)));
            task.to = self.chance.one_in(6).then(|| self.name());
            task.max_attempts = 1 + self.chance.below(3) as u32;
            while self.chance.one_in(3) {
                task.after.push(self.task());
            }
            task
        });
        Op::Add { tasks: tasks.collect() }
    }

    fn work(&mut self) -> TaskWork {
        let text = "x".repeat(1 + self.chance.index(400));
        if self.chance.one_in(3) { TaskWork::Prompt(text) } else { TaskWork::run(text) }
    }

    fn priority(&mut self) -> i32 {
        self.chance.below(3) as i32 - 1
    }

    /// Changes some fields of a task, sometimes none, whether or not somebody is on it.
    fn edit(&mut self) -> Op {
        let mut changes = TaskChanges::default();
        if self.chance.one_in(2) {
            changes.priority = Some(self.priority());
        }
        if self.chance.one_in(3) {
            changes.work = Some(self.work());
        }
        if self.chance.one_in(4) {
            changes.role = Some(if self.chance.one_in(2) { FieldChange::Set(tester()) } else { FieldChange::Removed });
        }
        if self.chance.one_in(4) {
            changes.agent = Some(match self.chance.one_in(2) {
                true => FieldChange::Set(agent(self.chance.below(2))),
                false => FieldChange::Removed,
            });
        }
        if self.chance.one_in(3) {
            changes.after = Some((0..self.chance.below(3)).map(|_| self.task()).collect());
        }
        Op::Edit { id: self.task(), changes }
    }

    /// Ends a claim: mostly the newest of its own, sometimes one it has lost, sometimes one it never had.
    fn end(&mut self) -> Op {
        let claim = match (self.chance.below(8), self.claims.last().cloned()) {
            (0, _) | (_, None) => {
                let id = self.task();
                let attempt = self.log.state().task(id).map_or(1, |task| task.attempt);
                TaskClaim { id, owner: self.name(), attempt }
            }
            (1, Some(_)) => self.chance.pick(&self.claims).clone(),
            (_, Some(newest)) => newest,
        };
        let text = "y".repeat(self.chance.index(400));
        match self.chance.below(8) {
            0 => Op::Fail { claim, reason: text },
            1 => Op::Release { claim, why: ReleaseWhy::Stopped, partial: text },
            2 => Op::Release { claim, why: ReleaseWhy::WorkerLeft, partial: text },
            _ => Op::Complete { claim, result: text },
        }
    }

    /// One of the last tasks, or one that is not there yet.
    fn task(&mut self) -> TaskId {
        let next = self.log.state().next_id().0;
        TaskId(next.saturating_sub(self.chance.below(40) as u32).max(1))
    }

    fn name(&mut self) -> MemberName {
        name(self.chance.below(PROCESSES))
    }
}
