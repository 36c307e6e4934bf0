//! `demo`: the whole story on a small repository in a temporary folder, with nothing installed but git. Each step says what
//! it shows, does it with the real parts, and checks that it happened. With an agent of the user's the members are such agents,
//! and the tasks are prompts.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use git2::{IndexAddOption, Repository as Git, Signature};
use serde::Serialize;
use teamster_protocol::host::settings::CommonSettings;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{AutoClaim, BoardFact};
use teamster_protocol::model::budget::UsageBudget;
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::limits::pace::{DEMO_AGENT_STEP_WITHIN, DEMO_LOOK, DEMO_STEP_WITHIN};
use teamster_protocol::model::mail::{LetterState, Mailbox, Urgency};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::shell_word::shell_word;
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::view::AttemptEndKind;
use teamster_protocol::model::task::{CommandInput, NewTask, StatusWord, TaskStatus, TaskWork};
use teamster_protocol::store::file::{Durability, LogReader};
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{MailRequest, TaskCommand, Team};
use teamster_protocol::wire::api::{
    EndOutcome, LeaderApiClient, SessionKept, SpawnRequest, WorkspaceRequest, WorktreeFound,
};
use tokio::time::timeout;

use super::agents::{ChosenAgent, WantedAgent};
use super::error::OpsError;
use super::error::demo::DemoError;
use super::leadership::Leadership;
use super::session::Session;
use crate::git::Repository;
use crate::verb::Verb;

mod prompts;

/// The wanted demo.
#[derive(Debug)]
pub struct WantedDemo {
    /// The agent that the members drive; the shell, which nobody has to install, if nothing is wanted.
    pub agent: Option<WantedAgent>,
    /// The fate of its folder.
    pub folder: DemoFolder,
}

/// The fate of the demo's folder when the demo is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoFolder {
    /// The folder is removed.
    Removed,
    /// The folder stays.
    Kept,
}

/// A demo that was told to its end.
#[derive(Debug, Default, Serialize)]
pub struct ShownDemo {
    /// Whether every step happened; always true, because a failed demo is an error instead.
    pub ok: bool,
    /// The steps of the story, in order.
    pub steps: Vec<DemoStep>,
    /// The folder, if it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// One step of the story.
#[derive(Debug, Clone, Serialize)]
pub struct DemoStep {
    /// The deed, in words.
    pub step: String,
    /// The promise of Teamster that the deed shows.
    pub shows: String,
}

/// The end of a demo.
#[derive(Debug)]
pub enum DemoEnd {
    /// Every step happened.
    Shown(ShownDemo),
    /// The demo was interrupted, and the processes that it had started have ended.
    Interrupted,
}

/// Tells the story, each step to `news` when it has happened; fails if any part of it did not happen.
pub async fn demo(
    session: &Session,
    wanted: WantedDemo,
    interrupted: impl Future<Output = ()>,
    news: &dyn Fn(&DemoStep),
) -> Result<DemoEnd, OpsError> {
    session.authorize(Verb::Demo)?;
    let WantedDemo { agent, folder } = wanted;
    let agent = agent.map(|agent| prompts::reader(agent, session)).transpose()?;
    Ok(tell_all(session.settings, agent, folder, interrupted, news).await?)
}

async fn tell_all(
    settings: CommonSettings,
    agent: Option<ChosenAgent>,
    folder: DemoFolder,
    interrupted: impl Future<Output = ()>,
    news: &dyn Fn(&DemoStep),
) -> Result<DemoEnd, DemoError> {
    let ran = Command::new("git").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    ran.map_err(DemoError::NoGit)?;
    let temporary = tempfile::Builder::new().prefix("teamster-demo-").tempdir()?;
    let teller = DemoTeller { steps: RefCell::default(), news };
    let told = story(temporary.path(), &teller, settings, agent, interrupted).await;
    let folder = match folder {
        DemoFolder::Kept => {
            let kept = temporary.keep();
            let root = shell_word(&kept.join("state").to_string_lossy());
            teller.step("the folder stays", &format!("look at it with teamster --root {root} --team demo status"));
            Some(kept)
        }
        DemoFolder::Removed => None,
    };
    Ok(match told? {
        StoryEnd::Told => DemoEnd::Shown(ShownDemo { ok: true, steps: teller.steps.into_inner(), folder }),
        StoryEnd::Interrupted => DemoEnd::Interrupted,
    })
}

/// Tells of each step at once, and keeps them.
struct DemoTeller<'a> {
    steps: RefCell<Vec<DemoStep>>,
    news: &'a dyn Fn(&DemoStep),
}

impl DemoTeller<'_> {
    fn step(&self, what: &str, shows: &str) {
        let step = DemoStep { step: what.to_owned(), shows: shows.to_owned() };
        (self.news)(&step);
        self.steps.borrow_mut().push(step);
    }
}

/// Whether the story was told to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoryEnd {
    Told,
    Interrupted,
}

async fn story(
    folder: &Path,
    teller: &DemoTeller<'_>,
    settings: CommonSettings,
    agent: Option<ChosenAgent>,
    interrupted: impl Future<Output = ()>,
) -> Result<StoryEnd, DemoError> {
    let repository = folder.join("project");
    make_repository(&repository)?;
    teller.step("a small git repository", &repository.display().to_string());

    let dir = TeamDir::new(folder.join("state"), "demo".parse().expect("a good name"));
    let leadership = Leadership::begin(&dir, &repository, settings).await?;
    // Whatever goes wrong, the workers end before the folder goes.
    let told = tokio::select! {
        told = DemoStory::tell(&leadership, teller, dir, repository, agent) => told.map(|()| StoryEnd::Told),
        () = interrupted => Ok(StoryEnd::Interrupted),
    };
    // A story that was told has ended its workers already; one that went wrong may hang, so it is hurried.
    let hurry = std::future::ready(());
    let ended =
        if matches!(told, Ok(StoryEnd::Told)) { leadership.end().await } else { leadership.end_or_hurry(hurry).await };
    let told = told?;
    ended?;
    if told == StoryEnd::Told {
        teller.step("the leader ends", "no process is left; the branches are");
    }
    Ok(told)
}

struct DemoStory<'a> {
    leadership: &'a Leadership,
    teller: &'a DemoTeller<'a>,
    team: Team,
    repository: PathBuf,
    /// The agent that the members drive; the shell if there is none.
    agent: Option<ChosenAgent>,
    /// How long any one step may take.
    within: Duration,
}

impl<'a> DemoStory<'a> {
    async fn tell(
        leadership: &'a Leadership,
        teller: &'a DemoTeller<'a>,
        dir: TeamDir,
        repository: PathBuf,
        agent: Option<ChosenAgent>,
    ) -> Result<(), DemoError> {
        let team = Team::open(dir, Address::Lead, Durability::Power)?;
        let within = if agent.is_some() { DEMO_AGENT_STEP_WITHIN } else { DEMO_STEP_WITHIN };
        let mut story = DemoStory { leadership, teller, team, repository, agent, within };
        if story.agent.is_some() {
            return story.tell_of_agents().await;
        }
        let (ada, ben, cy) = (member("ada"), member("ben"), member("cy"));
        for name in [&ada, &ben, &cy] {
            story.spawn(name).await?;
        }
        let [greeting, slow, docs, test, release] = story.plan(&ada, &ben)?;
        story.steer(&ada, greeting).await?;
        story.stop_and_retry(&ben, slow).await?;
        story.finish(&[greeting, slow, docs, test, release]).await?;
        story.message(&cy).await?;
        story.shut_down(WhenBusy::Refuse).await?;
        story.branches(&[ada, ben, cy])
    }

    async fn spawn(&self, name: &MemberName) -> Result<(), DemoError> {
        let workspace = WorkspaceRequest::Worktree {
            repository: self.repository.clone(),
            base: None,
            found: WorktreeFound::GoesToBase,
        };
        let (agent, options) = match &self.agent {
            Some(agent) => (agent.name.clone(), agent.options.clone()),
            None => ("shell".parse().expect("a good name"), Default::default()),
        };
        let request = SpawnRequest {
            name: name.clone(),
            agent,
            options,
            session: SessionKept::Kept,
            role: None,
            auto: AutoClaim::On,
            workspace,
            stall: Default::default(),
            rules: Vec::new(),
            budget: UsageBudget::default(),
        };
        let spawned = self.leadership.peer.spawn(request).await?;
        let branch = spawned.workspace.branch().unwrap_or_default().to_owned();
        self.teller.step(&format!("{name} starts"), &format!("process {}, in a worktree on {branch}", spawned.pid));
        Ok(())
    }

    /// Five tasks. Two wait for something the story does: a steer, and a second attempt.
    fn plan(&mut self, ada: &MemberName, ben: &MemberName) -> Result<[TaskId; 5], DemoError> {
        let commit = "git add -A && git commit -q -m";
        let titled = |title: &str, work: TaskWork| NewTask { title: title.to_owned(), ..NewTask::new(work) };
        let run = |title: &str, text: String| titled(title, TaskWork::run(text));
        let command =
            format!("echo 'which greeting?'; read greeting; echo \"$greeting\" > greeting.txt; {commit} greeting");
        let mut greeting = titled("ask for a greeting", TaskWork::Run { command, input: CommandInput::Open });
        greeting.to = Some(ada.clone());
        // The first attempt hangs, as agents do; the second finds the mark that the first left.
        let mut slow = run(
            "something that hangs",
            format!("echo 'half of it'; if mkdir half 2>/dev/null; then sleep 600; fi; date > whole; {commit} whole"),
        );
        slow.to = Some(ben.clone());
        let docs = run("write the docs", format!("echo '# project' > README.md; {commit} docs"));
        let test = run("run the tests", "test -f main.sh && sh main.sh".to_owned());
        let release = run("release", "echo 'all of it is done'".to_owned());
        let ids = self.team.add_tasks(|first| {
            let id = |index: u32| TaskId(first.0 + index);
            let test = NewTask { after: vec![id(2)], ..test };
            let release = NewTask { after: vec![id(0), id(1), id(3)], ..release };
            vec![greeting, slow, docs, test, release]
        })?;
        let five = <[TaskId; 5]>::try_from(ids).map_err(|_| wrong("five tasks were not five"))?;
        self.teller.step("a plan of five tasks", "two assigned, two that wait for others; whoever is idle claims");
        Ok(five)
    }

    async fn steer(&mut self, ada: &MemberName, task: TaskId) -> Result<(), DemoError> {
        self.until_running(task).await?;
        self.until_said(ada, "which greeting?").await?;
        self.leadership.peer.steer(ada.clone(), "hello, team".to_owned(), None).await?;
        self.until(task, |status| matches!(status, TaskStatus::Completed { .. })).await?;
        self.teller.step("ada is steered in her running turn", "she asked, and was told: hello, team");
        Ok(())
    }

    async fn stop_and_retry(&mut self, ben: &MemberName, task: TaskId) -> Result<(), DemoError> {
        self.until_said(ben, "half of it").await?;
        self.leadership.peer.stop(ben.clone(), "it hangs".to_owned()).await?;
        self.until(task, |status| status.word() == StatusWord::Stopped).await?;
        let partial = self.team.task_view(task)?.result().unwrap_or_default().to_owned();
        if !partial.contains("half of it") {
            return Err(wrong("the partial result of the stopped turn was lost"));
        }
        self.teller.step("ben's turn is aborted", "the task is held for him, with what he had said so far");
        self.team.command(TaskCommand::Retry { ids: vec![task] })?;
        self.until(task, |status| matches!(status, TaskStatus::Completed { .. })).await?;
        let attempts = self.team.task_view(task)?.attempts;
        match attempts.as_slice() {
            [first, second] if released(&first.end) && second.attempt == 2 => {
                self.teller.step("the task is released", "ben claims it again and completes attempt 2");
                Ok(())
            }
            _ => Err(wrong("the aborted task was not done in a second attempt")),
        }
    }

    async fn finish(&mut self, tasks: &[TaskId]) -> Result<(), DemoError> {
        for &task in tasks {
            self.until(task, |status| matches!(status, TaskStatus::Completed { .. })).await?;
        }
        self.teller.step("the board is drained", "every task completed, each after those it waited for");
        Ok(())
    }

    async fn message(&mut self, cy: &MemberName) -> Result<(), DemoError> {
        let text = "well done".to_owned();
        let request = MailRequest { to: Some(cy.clone().into()), text: text.clone(), urgency: Urgency::Next };
        let sent = self.team.mail(request)?;
        let id = sent.delivered.first().ok_or_else(|| wrong("the message was not sent"))?.id;
        let path = self.team.dir().mailbox(&Address::Member(cy.clone()));
        let mut mailbox: LogReader<Mailbox> = LogReader::open(path.clone())?;
        let mut watch = FileWatch::new(self.within);
        watch.add(path);
        let acknowledged = async {
            loop {
                mailbox.refresh(|_| ())?;
                let of_it = |state| mailbox.state().letters().any(|letter| letter.id == id && letter.state == state);
                if of_it(LetterState::Acknowledged) {
                    return Ok::<(), DemoError>(());
                }
                watch.changed().await;
            }
        };
        timeout(self.within, acknowledged).await.map_err(|_| wrong("the message was not acknowledged"))??;
        self.until_said(cy, &text).await?;
        self.teller.step("cy gets a direct message", "shown first, acknowledged then: it can not be lost between");
        Ok(())
    }

    async fn shut_down(&self, when_busy: WhenBusy) -> Result<(), DemoError> {
        let ended = self.leadership.peer.shutdown(None, "the demo is over".to_owned(), when_busy).await?;
        let approved = |outcome: &EndOutcome| matches!(outcome, EndOutcome::Left { how: WorkerEnd::Shutdown });
        if ended.len() != 3 || !ended.iter().all(|ended| approved(&ended.outcome)) {
            return Err(wrong(&format!("not every member approved its shutdown: {ended:?}")));
        }
        self.teller.step("all are asked to shut down", "each approves, finishes its books and exits 0");
        Ok(())
    }

    fn branches(&self, names: &[MemberName]) -> Result<(), DemoError> {
        let repository = Repository::discover(&self.repository)?;
        let mut ahead = 0;
        for name in names {
            let branch = format!("teamster/demo/{name}");
            let summary = repository.branch_summary(&branch, None)?.ok_or_else(|| wrong("a branch is gone"))?;
            ahead += summary.ahead;
            let commits = if summary.ahead == 1 { "1 commit".to_owned() } else { format!("{} commits", summary.ahead) };
            self.teller.step(&branch, &format!("{commits} ahead of main, tip {}", summary.tip.short()));
        }
        // An agent may commit in steps.
        let is_enough = if self.agent.is_some() { ahead >= 3 } else { ahead == 3 };
        if is_enough { Ok(()) } else { Err(wrong(&format!("{ahead} commits are on the branches, not 3"))) }
    }

    async fn until_running(&mut self, id: TaskId) -> Result<(), DemoError> {
        self.until(id, |status| matches!(status, TaskStatus::InProgress { .. })).await
    }

    async fn until(&mut self, id: TaskId, reached: impl Fn(&TaskStatus) -> bool) -> Result<(), DemoError> {
        let mut watch = FileWatch::new(self.within);
        watch.add(self.team.dir().board());
        let waited = async {
            loop {
                self.team.refresh(|_: &teamster_protocol::store::file::LogRecord<BoardFact>| ())?;
                match self.team.board().status(id)? {
                    status if reached(&status) => return Ok(()),
                    TaskStatus::Failed { .. } => {
                        let view = self.team.task_view(id)?;
                        let (reason, result) = (view.reason().unwrap_or_default(), view.result().unwrap_or_default());
                        return Err(wrong(&format!("task {id} failed: {reason}: {result}")));
                    }
                    TaskStatus::Pending { .. }
                    | TaskStatus::InProgress { .. }
                    | TaskStatus::Completed { .. }
                    | TaskStatus::Cancelled => {}
                }
                watch.changed().await;
            }
        };
        timeout(self.within, waited).await.map_err(|_| wrong(&format!("task {id} did not get on")))?
    }

    /// Until the member's transcript holds these words.
    async fn until_said(&self, name: &MemberName, words: &str) -> Result<(), DemoError> {
        let turns = self.team.dir().turns(name);
        // The agent's own words come in a file that may not exist yet; the directory is polled beneath the watch.
        let mut watch = FileWatch::new(DEMO_LOOK);
        watch.add(turns.join("000001.jsonl"));
        let said = async {
            loop {
                for entry in transcript::since(&turns, 0)? {
                    if let TranscriptText::Text { text } | TranscriptText::Mail { text, .. } = entry.what
                        && text.contains(words)
                    {
                        return Ok(());
                    }
                }
                watch.changed().await;
            }
        };
        timeout(self.within, said).await.map_err(|_| wrong(&format!("{name} was not heard to say {words:?}")))?
    }
}

fn released(end: &Option<teamster_protocol::model::task::view::AttemptEndView>) -> bool {
    matches!(end.as_ref().map(|end| &end.how), Some(AttemptEndKind::Released { .. }))
}

fn make_repository(path: &Path) -> Result<(), DemoError> {
    let mut options = git2::RepositoryInitOptions::new();
    options.initial_head("main");
    let git = Git::init_opts(path, &options)?;
    // Whatever git is set up to do elsewhere: no identity is needed, and nothing is signed or hooked.
    let mut config = git.config()?.open_level(git2::ConfigLevel::Local)?;
    let settings = [("user.name", "demo"), ("user.email", "demo@localhost"), ("core.hooksPath", "/dev/null")];
    for (name, value) in settings {
        config.set_str(name, value)?;
    }
    for name in ["commit.gpgsign", "core.autocrlf"] {
        config.set_bool(name, false)?;
    }
    config.set_i32("gc.auto", 0)?;
    std::fs::write(path.join("main.sh"), "echo it works\n")?;
    let mut index = git.index()?;
    index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = git.find_tree(index.write_tree()?)?;
    let author = Signature::now("demo", "demo@localhost")?;
    git.commit(Some("HEAD"), &author, &author, "begin", &tree, &[])?;
    Ok(())
}

fn member(name: &str) -> MemberName {
    name.parse().expect("a good name")
}

fn wrong(what: &str) -> DemoError {
    DemoError::Wrong(what.to_owned())
}
