//! The story: two members, one in a worktree, five tasks that wait for each other, one of which is steered and one
//! stopped and tried again, two messages, a prompt, a handshake, the end, a new beginning, and a clean-up. Whoever tells it does
//! what people do: looks what is there, does the next thing, and tries again what did not work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::mail::MessageBody;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::MemberPresence;
use teamster_protocol::model::task::{TaskHold, TaskStatus};
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{TeamView, read_mail};

use super::trace::{self, Passed};
use super::{Case, Engine, Point, Role, Told};
use crate::trial::team::Team;
use crate::trial::witness::Witness;
use crate::trial::{Outcome, order};

/// The longest that the story may take with its deaths: it is for what hangs. Five stories in 8,142 took just over 60 s,
/// all at once, at a load of 20 on two processors.
const TOLD_WITHIN: Duration = Duration::from_secs(180);
/// How long a leader may take to start a member again before somebody spawns it.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the last process may take to be gone after the leader let its lock go.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// A small one, so that logs begin new generations.
const GENERATION_BYTES: u64 = 2500;

/// Title, to whom, after what, and the script; `DONE` is the file that tells how often each was done.
const TASKS: [(&str, Option<&str>, Option<&str>, &str); 5] = [
    ("one", Some("ada"), None, "echo one >> DONE"),
    ("two", None, None, "echo two >> DONE"),
    ("three", Some("ben"), Some("1,2"), "echo asked; read word; echo three >> DONE"),
    ("four", Some("ada"), Some("3"), "echo asked; read word; echo four >> DONE"),
    ("five", None, Some("4"), "echo five >> DONE"),
];
/// The task that is stopped once.
const STOPPED: &str = "four";
/// To whom, and what.
const MAIL: [(&str, &str); 2] = [("ada", "the parser is on main"), ("ben", "mind the tests")];

/// To whom it is sent, the word that tells that it was done, and the script.
const PROMPT: (&str, &str, &str) = ("ben", "prompt", "echo prompt >> DONE");

/// What a process makes that dies, and the second one that does.
const DIED: &str = "died";
const DIED_AGAIN: &str = "died-again";

/// Tells it without a death; what each role passes, in its order.
pub(super) fn count(engine: Engine) -> Outcome<Vec<Point>> {
    let mut telling = Telling::new(engine, None)?;
    let wrong = telling.whole()?;
    match wrong.is_empty() {
        true => Ok(telling.passed().into_iter().map(|passed| passed.point).collect()),
        false => Err(format!("it goes wrong without any death: {}", wrong.join("; ")).into()),
    }
}

/// Tells it with the deaths of a case.
pub(super) fn told_with(case: &Case) -> Told {
    let (mut died, mut wrong, mut passed) = (0, Vec::new(), Vec::new());
    match Telling::new(case.engine, Some(case.clone())) {
        Ok(mut telling) => {
            match telling.whole() {
                Ok(found) => wrong = found,
                Err(error) => wrong.push(error.to_string()),
            }
            died = [DIED, DIED_AGAIN].iter().filter(|name| telling.team.file(name).exists()).count();
            passed = telling.passed();
        }
        Err(error) => wrong.push(error.to_string()),
    }
    Told { case: case.clone(), died, wrong, passed, tellings: 1 }
}

struct Telling {
    team: Team,
    case: Option<Case>,
    runtime: tokio::runtime::Runtime,
}

impl Telling {
    fn new(engine: Engine, case: Option<Case>) -> Outcome<Telling> {
        let team = Team::new(&[
            ("TEAMSTER_POLL_MS", "50".to_owned()),
            ("TEAMSTER_LEADER_GRACE_MS", "5000".to_owned()),
            ("TEAMSTER_GENERATION_BYTES", GENERATION_BYTES.to_string()),
        ])?;
        match engine {
            Engine::Libgit2 => {}
            // The library refuses to read a split index.
            Engine::GitProgram => drop(team.git(&["config", "core.splitIndex", "true"])?),
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Telling { team, case, runtime })
    }

    fn passed(&self) -> Vec<Passed> {
        Role::ALL.into_iter().flat_map(|role| trace::passed(role, &self.traces_of(role))).collect()
    }

    /// A warden, its leader and the workers write to the trace of the command that started the leader.
    fn traces_of(&self, role: Role) -> Vec<PathBuf> {
        match role {
            Role::Front(verb) => vec![self.team.file(&trace_of(verb))],
            Role::Warden | Role::Leader | Role::Worker(_) => {
                ["up", "spawn", "shutdown", "down"].map(|verb| self.team.file(&trace_of(verb))).to_vec()
            }
        }
    }

    /// The whole story; what is wrong at its end.
    fn whole(&mut self) -> Outcome<Vec<String>> {
        let Telling { team, case, runtime } = self;
        runtime.block_on(async {
            let mut teller = Teller::new(team, case.clone())?;
            teller.work().await?;
            teller.end().await?;
            let mut wrong = teller.looked_over().await?;
            wrong.extend(teller.again().await?);
            wrong.extend(teller.clean_up().await?);
            Ok(wrong)
        })
    }
}

/// How far the prompt is.
enum PromptStep {
    Done,
    Sent,
    Runs,
}

/// One telling on its way.
struct Teller<'a> {
    team: &'a Team,
    case: Option<Case>,
    witness: Witness,
    watch: FileWatch,
    members: [MemberName; 2],
    absent: BTreeMap<MemberName, Instant>,
    answered: BTreeSet<(TaskId, u32)>,
    was_stopped: bool,
    until: Instant,
}

impl<'a> Teller<'a> {
    fn new(team: &'a Team, case: Option<Case>) -> Outcome<Teller<'a>> {
        let members = ["ada".parse()?, "ben".parse()?];
        let watch = team.watch(Duration::from_millis(25), &members);
        Ok(Teller {
            team,
            case,
            witness: Witness::new(team.dir().clone())?,
            watch,
            members,
            absent: BTreeMap::new(),
            answered: BTreeSet::new(),
            was_stopped: false,
            until: Instant::now() + TOLD_WITHIN,
        })
    }

    /// Runs a command with the death that is due; the witness looks on meanwhile.
    async fn run(&mut self, args: &[&str]) -> Outcome<bool> {
        let verb = args[0];
        let mut env = vec![("TEAMSTER_CRASH_TRACE", self.team.file(&trace_of(verb)).display().to_string())];
        if let Some(case) = &self.case {
            env.push(("TEAMSTER_CRASH_ONCE", self.team.file(DIED).display().to_string()));
            for (point, name) in case.deaths().zip(["TEAMSTER_CRASH_AT", "TEAMSTER_CRASH_AGAIN"]) {
                if !matches!(point.role, Role::Front(of) if of != verb) {
                    env.push((name, point.own_words()));
                }
            }
        }
        let mut output = std::pin::pin!(self.team.run_with(args, &env));
        loop {
            tokio::select! {
                output = &mut output => return Ok(output?.status.success()),
                _ = self.watch.changed() => self.witness.look()?,
            }
        }
    }

    /// Until all tasks are completed, all mail is read and the prompt is done.
    async fn work(&mut self) -> Outcome<()> {
        loop {
            self.witness.look()?;
            if self.next_step().await? {
                continue;
            }
            let tasks = self.witness.tasks();
            let completed = tasks.values().filter(|life| life.completions > 0).count();
            if completed == TASKS.len() && self.witness.unread_texts() == 0 {
                match self.prompt().await? {
                    PromptStep::Done => return Ok(()),
                    PromptStep::Sent => continue,
                    PromptStep::Runs => {}
                }
            }
            self.in_time("the work is not done")?;
            self.watch.changed().await;
        }
    }

    fn in_time(&self, what: &str) -> Outcome<()> {
        if Instant::now() < self.until {
            return Ok(());
        }
        let tasks: Vec<String> =
            self.witness.board().tasks().map(|(id, task)| format!("{id} {:?}", task.status)).collect();
        let unread = self.witness.unread_texts();
        Err(format!("{what} after {TOLD_WITHIN:?}: tasks {}; {unread} unread", tasks.join(", ")).into())
    }

    /// Sends the prompt, again if it is lost.
    async fn prompt(&mut self) -> Outcome<PromptStep> {
        let (to, word, script) = PROMPT;
        if self.done().lines().any(|line| line == word) {
            return Ok(PromptStep::Done);
        }
        let last = transcript::last_turn(&self.team.dir().turns(&to.parse()?))?;
        if last.is_some_and(|last| last.is_open()) {
            return Ok(PromptStep::Runs);
        }
        self.in_time("the prompt is not done")?;
        let script = script.replace("DONE", &self.team.file("done").display().to_string());
        self.run(&["send", to, "--run", &script]).await?;
        Ok(PromptStep::Sent)
    }

    /// The file in which everything that is done leaves a line.
    fn done(&self) -> String {
        std::fs::read_to_string(self.team.file("done")).unwrap_or_default()
    }

    /// Does the next thing that is to be done; `false` if there is only to wait.
    async fn next_step(&mut self) -> Outcome<bool> {
        if self.team.leader()?.is_none() {
            self.in_time("there is no leader")?;
            self.run(&["up", "--detach"]).await?;
            return Ok(true);
        }
        let view = TeamView::open(self.team.dir().clone())?;
        for name in self.members.clone() {
            if self.is_to_be_spawned(&view, &name)? {
                self.in_time("a member is not there")?;
                let args = ["spawn", name.as_str(), "--worktree"];
                let args = if name.as_str() == "ada" { &args[..] } else { &args[..2] };
                self.run(args).await?;
                return Ok(true);
            }
        }
        for (title, to, after, script) in TASKS {
            if !self.witness.tasks().values().any(|life| life.title == title) {
                let script = script.replace("DONE", &self.team.file("done").display().to_string());
                let mut args = vec!["task", "add", "--run", "-i", "--title", title];
                for (option, value) in [("--to", to), ("--after", after)] {
                    args.extend(value.into_iter().flat_map(|value| [option, value]));
                }
                args.push(&script);
                self.run(&args).await?;
                return Ok(true);
            }
        }
        for (to, text) in MAIL {
            let letters = self.witness.mail();
            if !letters.values().any(|letter| letter.text.as_deref() == Some(text)) {
                self.run(&["dm", to, text]).await?;
                return Ok(true);
            }
        }
        self.answer_or_retry().await
    }

    /// Tasks that ask, were stopped or failed.
    async fn answer_or_retry(&mut self) -> Outcome<bool> {
        let tasks: Vec<(TaskId, TaskStatus, u32)> =
            self.witness.board().tasks().map(|(id, task)| (id, task.status.clone(), task.attempt)).collect();
        for (id, status, attempt) in tasks {
            match status {
                TaskStatus::InProgress { owner, .. } if self.asks(id, &owner)? => {
                    let stop = !self.was_stopped && self.witness.tasks()[&id].title == STOPPED;
                    if stop {
                        self.run(&["stop", owner.as_str()]).await?;
                        return Ok(true);
                    }
                    if !self.answered.contains(&(id, attempt)) {
                        if self.run(&["steer", owner.as_str(), "go"]).await? {
                            self.answered.insert((id, attempt));
                        }
                        return Ok(true);
                    }
                }
                TaskStatus::Pending { hold: TaskHold::Stopped, .. } => {
                    self.was_stopped = true;
                    self.run(&["task", "retry", &id.to_string()]).await?;
                    return Ok(true);
                }
                TaskStatus::Failed { .. } => {
                    self.run(&["task", "retry", &id.to_string()]).await?;
                    return Ok(true);
                }
                TaskStatus::InProgress { .. }
                | TaskStatus::Pending { hold: TaskHold::Free, .. }
                | TaskStatus::Completed { .. }
                | TaskStatus::Cancelled => {}
            }
        }
        Ok(false)
    }

    /// Whether the task's agent has asked in the turn that runs.
    fn asks(&self, id: TaskId, owner: &MemberName) -> Outcome<bool> {
        let dir = self.team.dir().turns(owner);
        let Some(turn) = transcript::turns(&dir)?.pop() else { return Ok(false) };
        let entries = transcript::read(&dir, turn, 0)?.entries;
        let begun = entries
            .iter()
            .rposition(|entry| matches!(&entry.what, TranscriptText::TurnStarted { task, .. } if *task == Some(id)));
        let Some(begun) = begun else { return Ok(false) };
        let asked = |said: &TranscriptText| matches!(said, TranscriptText::Text { text } if text.contains("asked"));
        let over = |said: &TranscriptText| matches!(said, TranscriptText::TurnEnded { .. } | TranscriptText::Ready);
        let since = &entries[begun..];
        Ok(since.iter().any(|entry| asked(&entry.what)) && !since.iter().any(|entry| over(&entry.what)))
    }

    /// A member that nobody serves is left to its leader for a while.
    fn is_to_be_spawned(&mut self, view: &TeamView, name: &MemberName) -> Outcome<bool> {
        let Ok(member) = view.roster().member(name) else { return Ok(true) };
        if self.team.serves(name)? && matches!(member.presence, MemberPresence::Joined { .. }) {
            self.absent.remove(name);
            return Ok(false);
        }
        let since = *self.absent.entry(name.clone()).or_insert_with(Instant::now);
        let is = since.elapsed() > PATIENCE;
        if is {
            self.absent.remove(name);
        }
        Ok(is)
    }

    /// The end: one member is asked by name, then all are, until neither leader nor worker is there.
    async fn end(&mut self) -> Outcome<()> {
        self.run(&["shutdown", "ada"]).await?;
        loop {
            self.witness.look()?;
            let leads = self.team.leader()?.is_some();
            let serves = self.members.iter().map(|name| self.team.serves(name)).collect::<Outcome<Vec<bool>>>()?;
            match (leads, serves.contains(&true)) {
                (true, _) => drop(self.run(&["down"]).await?),
                // A leader that died while it ended is started again by its warden, and has to be told again.
                (false, _) if self.team.may_be_led()? => drop(self.watch.changed().await),
                (false, true) => drop(self.run(&["up", "--detach"]).await?),
                (false, false) => return Ok(()),
            }
            self.in_time("the team does not end")?;
        }
    }

    /// What is wrong once all is over.
    async fn looked_over(&mut self) -> Outcome<Vec<String>> {
        let left = self.team.left_after(GONE_WITHIN).await?;
        let mut wrong: Vec<String> = left.into_iter().map(|left| format!("left behind: {left}")).collect();
        self.witness.look()?;
        wrong.extend(self.witness.verdict());
        wrong.extend(order::logs(self.team.dir())?);
        wrong.extend(order::locks(self.team.dir(), &self.members)?);
        wrong.extend(order::worktrees(self.team, &self.members[..1])?);
        for name in &self.members {
            wrong.extend(self.turns_of(name)?);
        }
        let done = self.done();
        for life in self.witness.tasks().values() {
            let lines = done.lines().filter(|line| *line == life.title).count();
            if lines < 1 || lines > life.claims as usize {
                wrong.push(format!("{} was done {lines} times in {} claims", life.title, life.claims));
            }
        }
        for (to, text) in MAIL {
            let dir = self.team.dir().turns(&to.parse()?);
            let shown = |turn: u64| -> Outcome<usize> {
                let entries = transcript::read(&dir, turn, 0)?.entries;
                Ok(entries
                    .iter()
                    .filter(|it| matches!(&it.what, TranscriptText::Mail { text: said, .. } if said == text))
                    .count())
            };
            let times: usize = transcript::turns(&dir)?.into_iter().map(shown).sum::<Outcome<usize>>()?;
            let letters = self.witness.mail().values().filter(|letter| letter.text.as_deref() == Some(text)).count();
            if times < letters || letters == 0 {
                wrong.push(format!("{to} was shown {text:?} {times} times of {letters}"));
            }
        }
        Ok(wrong)
    }

    /// What is wrong with the turns of a member: each has ended, and the lead was told of each prompt that is lost, and of
    /// none besides.
    fn turns_of(&self, name: &MemberName) -> Outcome<Vec<String>> {
        let (mut open, mut lost) = (BTreeSet::new(), BTreeSet::new());
        for entry in transcript::since(&self.team.dir().turns(name), 0)? {
            match entry.what {
                TranscriptText::TurnStarted { turn, .. } => drop(open.insert(turn)),
                TranscriptText::TurnEnded { turn, .. } => drop(open.remove(&turn)),
                TranscriptText::Receipt {
                    text: TextId::InTurn { turn, number: 0 },
                    state: ReceiptState::Lost { .. },
                } => drop(lost.insert(format!("The prompt of turn {turn} is lost"))),
                _ => {}
            }
        }
        let mut wrong: Vec<String> = open.into_iter().map(|turn| format!("turn {turn} of {name} has no end")).collect();
        let mut told = BTreeSet::new();
        for (_, message) in read_mail(self.team.dir(), &Address::Lead)? {
            if let (MessageBody::Text { text }, true) = (&message.body, message.from == name.clone().into()) {
                told.insert(text.split(':').next().unwrap_or_default().to_owned());
            }
        }
        if told != lost {
            wrong.push(format!("of {name} is lost {lost:?}, and the lead was told {told:?}"));
        }
        Ok(wrong)
    }

    /// Nothing of it stands in the way of a new beginning: each step works at once.
    async fn again(&mut self) -> Outcome<Vec<String>> {
        let mut wrong = Vec::new();
        for args in [&["spawn", "ada", "--worktree"][..], &["dm", "ada", "hello again"], &["down"]] {
            let output = self.team.run(args).await?;
            if !output.status.success() {
                wrong.push(format!("afterwards {args:?} fails: {}", String::from_utf8_lossy(&output.stderr)));
            }
        }
        wrong.extend(self.team.left_after(GONE_WITHIN).await?.into_iter().map(|it| format!("left at last: {it}")));
        Ok(wrong)
    }

    /// Cleans up, again if that died, until nothing is there.
    async fn clean_up(&mut self) -> Outcome<Vec<String>> {
        while self.team.dir().exists() {
            self.run(&["cleanup", "--force"]).await?;
            self.in_time("the team cannot be cleaned up")?;
        }
        let mut wrong = order::worktrees(self.team, &[])?;
        let branches = self.team.git(&["branch", "--list", "teamster/*"])?;
        if !branches.is_empty() {
            wrong.push(format!("after the clean-up there are branches: {branches}"));
        }
        Ok(wrong)
    }
}

/// How many points each command passes is counted apart: each begins from 1.
fn trace_of(verb: &str) -> String {
    format!("trace-{verb}")
}
