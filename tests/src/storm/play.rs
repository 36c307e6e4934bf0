//! How a storm goes: it rages, the team drains, all end, and then it is looked over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::mail::{MessageBody, Urgency};
use teamster_protocol::model::roster::{MemberPresence, WorkerEnd};
use teamster_protocol::model::task::{TaskHold, TaskStatus};
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{TaskCommand, Team as Files};

use super::deeds::Deeds;
use super::work::{self, ASKS};
use super::{Report, Settings};
use crate::chance::Chance;
use crate::trial::census::{Found, What};
use crate::trial::team::Team;
use crate::trial::witness::Witness;
use crate::trial::{Outcome, order};

/// Tasks that are kept open while it rages.
const OPEN_TASKS: usize = 12;
/// The longest time from one kill to the next.
const KILL_EVERY_MS: u64 = 200;
/// The longest time from one command of chance to the next.
const DEED_EVERY_MS: u64 = 400;
/// The longest that nobody leads before somebody starts a leader.
const LEADER_MISSED_MS: u64 = 2000;
/// A member that nobody serves for so long is spawned, whatever the roster says.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the last process may take to be gone after the leader let its lock go.
const GONE_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn play(settings: &Settings) -> Outcome<Report> {
    let team = Arc::new(Team::new(&[
        ("TEAMSTER_POLL_MS", "250".to_owned()),
        ("TEAMSTER_LEADER_GRACE_MS", "8000".to_owned()),
        ("TEAMSTER_GENERATION_BYTES", (128 * 1024).to_string()),
        ("TEAMSTER_ISOLATION", settings.isolation.clone()),
    ])?);
    let mut storm = Storm::new(settings, team)?;
    storm.rage(settings).await?;
    storm.drain(settings.drained_within).await?;
    storm.end().await?;
    storm.look_over(settings).await
}

struct Storm {
    team: Arc<Team>,
    files: Files,
    witness: Witness,
    watch: FileWatch,
    deeds: Deeds,
    chance: Chance,
    members: Vec<(MemberName, Place)>,
    absent: BTreeMap<MemberName, Instant>,
    retried: BTreeMap<TaskId, u32>,
    leaders: BTreeSet<u32>,
    /// When somebody starts a leader, if there is none by then.
    up_at: Option<Instant>,
    done: PathBuf,
    report: Report,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Shared,
    Worktree,
}

impl Storm {
    fn new(settings: &Settings, team: Arc<Team>) -> Outcome<Storm> {
        let place = |nth| if nth < settings.worktrees { Place::Worktree } else { Place::Shared };
        let members = (0..settings.members)
            .map(|nth| Ok((format!("m{}", nth + 1).parse()?, place(nth))))
            .collect::<Outcome<Vec<(MemberName, Place)>>>()?;
        let names: Vec<MemberName> = members.iter().map(|(name, _)| name.clone()).collect();
        let files = Files::open(team.dir().clone(), Address::Lead, Durability::Process)?;
        Ok(Storm {
            files,
            witness: Witness::new(team.dir().clone())?,
            watch: team.watch(Duration::from_millis(50), &names),
            deeds: Deeds::new(Arc::clone(&team)),
            chance: Chance::new(settings.seed),
            members,
            absent: BTreeMap::new(),
            retried: BTreeMap::new(),
            leaders: BTreeSet::new(),
            up_at: None,
            done: team.file("done"),
            report: Report { seed: settings.seed, ..Report::default() },
            team,
        })
    }

    async fn rage(&mut self, settings: &Settings) -> Outcome<()> {
        let begun = Instant::now();
        let (mut kill_at, mut deed_at) = (begun, begun);
        let mut told = 0;
        while self.report.all_kills() < settings.kills && begun.elapsed() < settings.limit {
            self.mend()?;
            self.add_work()?;
            if Instant::now() >= kill_at {
                self.kill()?;
                kill_at = Instant::now() + Duration::from_millis(self.chance.below(KILL_EVERY_MS));
            }
            if Instant::now() >= deed_at {
                self.deed()?;
                deed_at = Instant::now() + Duration::from_millis(self.chance.below(DEED_EVERY_MS));
            }
            if self.report.all_kills() >= told + 500 {
                told = self.report.all_kills();
                let (tasks, seconds) = (self.witness.tasks().len(), begun.elapsed().as_secs());
                eprintln!("{told} kills, {tasks} tasks, {seconds} s");
            }
            // What happens meanwhile wakes it earlier, and is looked at then.
            let wait = kill_at.min(deed_at).saturating_duration_since(Instant::now());
            let _ = tokio::time::timeout(wait, self.watch.changed()).await;
        }
        self.report.raged = begun.elapsed();
        Ok(())
    }

    /// Until every task is completed and all mail is read.
    async fn drain(&mut self, within: Duration) -> Outcome<()> {
        let begun = Instant::now();
        loop {
            self.mend()?;
            let tasks = self.witness.board().tasks();
            let open: Vec<String> = tasks
                .filter(|(_, task)| !matches!(task.status, TaskStatus::Completed { .. }))
                .map(|(id, task)| format!("{id} {:?}", task.status))
                .collect();
            if open.is_empty() && self.witness.unread_texts() == 0 {
                break;
            }
            if begun.elapsed() > within {
                let unread = self.witness.unread_texts();
                let members = self.team.run(&["list", "--all"]).await?;
                self.report.wrong.push(format!(
                    "not drained after {within:?}: {unread} unread, tasks {}\n{}",
                    open.join(", "),
                    String::from_utf8_lossy(&members.stdout)
                ));
                break;
            }
            self.watch.changed().await;
        }
        self.report.drained = begun.elapsed();
        Ok(())
    }

    /// Ends the team as people do, and looks what is left.
    async fn end(&mut self) -> Outcome<()> {
        self.deeds.finish().await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            self.witness.look()?;
            let mut served = false;
            for (name, _) in &self.members {
                served |= self.team.serves(name)?;
            }
            match (self.team.leader()?.is_some(), served) {
                (true, _) => drop(self.team.run(&["down"]).await?),
                // A leader that died while it ended is started again by its warden, and has to be told again.
                (false, _) if self.team.may_be_led()? => drop(self.watch.changed().await),
                (false, true) => drop(self.team.run(&["up", "--detach"]).await?),
                (false, false) => return Ok(()),
            }
        }
        self.report.wrong.push("the team does not end".to_owned());
        Ok(())
    }

    async fn look_over(mut self, settings: &Settings) -> Outcome<Report> {
        let left = self.team.left_after(GONE_WITHIN).await?;
        self.report.wrong.extend(left.into_iter().map(|left| format!("left behind: {left}")));
        self.witness.look()?;
        self.deeds.collect();
        let report = &mut self.report;
        report.wrong.append(&mut self.deeds.wrong);
        report.deeds = self.deeds.told;
        report.wrong.extend(self.witness.verdict());
        report.wrong.extend(work::look_over(&self.done, self.witness.tasks()));
        report.wrong.extend(order::logs(self.team.dir())?);
        let names: Vec<MemberName> = self.members.iter().map(|(name, _)| name.clone()).collect();
        report.wrong.extend(order::locks(self.team.dir(), &names)?);
        report.wrong.extend(order::worktrees(&self.team, &names[..settings.worktrees])?);
        report.tasks = self.witness.tasks().len();
        report.claims = self.witness.tasks().values().map(|life| u64::from(life.claims)).sum();
        let texts = self.witness.mail().values().filter(|letter| letter.text.is_some() && letter.to != Address::Lead);
        report.mail = texts.count();
        report.leaders = self.leaders.len();
        Ok(self.report)
    }

    /// Does what somebody has to do who wants the work done: a leader, members, tasks that are held or failed.
    fn mend(&mut self) -> Outcome<()> {
        self.deeds.collect();
        self.witness.look()?;
        self.files.refresh(|_| ())?;
        match self.team.leader()? {
            Some(leader) => {
                self.leaders.insert(leader.pid);
                self.up_at = None;
            }
            None => self.lead_again(),
        }
        for (name, place) in self.members.clone() {
            if self.is_to_be_spawned(&name)? {
                match place {
                    Place::Worktree => self.deeds.begin("spawn", name.as_str(), &[name.as_str(), "--worktree"]),
                    Place::Shared => self.deeds.begin("spawn", name.as_str(), &[name.as_str()]),
                }
            }
        }
        let mut again = Vec::new();
        for (id, task) in self.files.board().tasks() {
            match &task.status {
                TaskStatus::Pending { hold: TaskHold::Stopped, .. } | TaskStatus::Failed { .. } => again.push(id),
                TaskStatus::InProgress { owner, .. }
                    if self.witness.tasks().get(&id).is_some_and(|life| life.title == ASKS)
                        && self.retried.insert(id, task.attempt) != Some(task.attempt) =>
                {
                    self.deeds.begin("steer", owner.as_str(), &[owner.as_str(), "go"]);
                }
                TaskStatus::InProgress { .. }
                | TaskStatus::Pending { hold: TaskHold::Free, .. }
                | TaskStatus::Completed { .. }
                | TaskStatus::Cancelled => {}
            }
        }
        for id in again {
            self.files.command(TaskCommand::Retry { ids: vec![id] })?;
            // What was stopped is held for its member, which may be gone: anybody may take it.
            if self.chance.one_in(2) {
                // Its member may have claimed it in this moment.
                let _ = self.files.command(TaskCommand::Unassign { ids: vec![id] });
            }
        }
        Ok(())
    }

    /// Those that left for good are spawned at once; one that died is left to its leader for a while.
    fn is_to_be_spawned(&mut self, name: &MemberName) -> Outcome<bool> {
        let presence = self.files.roster().member(name).map(|member| member.presence.clone());
        if self.team.serves(name)? {
            self.absent.remove(name);
            return Ok(false);
        }
        let since = *self.absent.entry(name.clone()).or_insert_with(Instant::now);
        let overdue = since.elapsed() > PATIENCE;
        if overdue {
            self.absent.remove(name);
        }
        Ok(match presence {
            Err(_) => true,
            Ok(MemberPresence::Left { how, .. }) => match how {
                WorkerEnd::Shutdown
                | WorkerEnd::Terminated
                | WorkerEnd::Killed
                | WorkerEnd::LeaderGone
                | WorkerEnd::ProviderRefused { .. }
                | WorkerEnd::BudgetSpent { .. }
                | WorkerEnd::NotStarted { .. }
                | WorkerEnd::GivenUp { .. } => true,
                WorkerEnd::AgentGone { .. } | WorkerEnd::Died { .. } => overdue,
            },
            Ok(MemberPresence::Expected { .. } | MemberPresence::Joined { .. }) => overdue,
        })
    }

    /// Its warden starts it again; now and then somebody is faster, and has to be if the warden died too.
    fn lead_again(&mut self) {
        let patience = Duration::from_millis(self.chance.below(LEADER_MISSED_MS));
        let up_at = *self.up_at.get_or_insert_with(|| Instant::now() + patience);
        if Instant::now() >= up_at {
            self.deeds.begin("up", "leader", &["--detach"]);
            self.up_at = None;
        }
    }

    fn add_work(&mut self) -> Outcome<()> {
        let tasks = self.files.board().tasks();
        let open: Vec<TaskId> =
            tasks.filter(|(_, task)| !matches!(task.status, TaskStatus::Completed { .. })).map(|(id, _)| id).collect();
        if open.len() < OPEN_TASKS {
            let Storm { files, chance, done, .. } = self;
            files.add_tasks(|first| work::tasks(chance, first, OPEN_TASKS as u32 / 2, &open, done))?;
        }
        Ok(())
    }

    /// Kills one process, or now and then all of them, the mightiest or the meekest first.
    fn kill(&mut self) -> Outcome<()> {
        let leader = self.team.leader()?.map(|leader| leader.pid);
        let census = self.team.census()?;
        if self.chance.one_in(60) {
            let mut all = census;
            if self.chance.one_in(2) {
                all.reverse();
            }
            all.retain(|found| kind(found, leader).is_some());
            return all.iter().try_for_each(|found| self.strike(found, leader));
        }
        let wanted = match self.chance.below(24) {
            0 => "warden",
            1..4 => "leader",
            4..14 => "worker",
            _ => "agent",
        };
        let possible: Vec<&Found> =
            census.iter().filter(|found| kind(found, leader).is_some_and(|kind| kind == wanted)).collect();
        if possible.is_empty() {
            return Ok(());
        }
        let victim = (*self.chance.pick(&possible)).clone();
        self.strike(&victim, leader)
    }

    fn strike(&mut self, victim: &Found, leader: Option<u32>) -> Outcome<()> {
        let Some(kind) = kind(victim, leader) else { return Ok(()) };
        if victim.identity.exists() {
            victim.identity.signal(Signal::SIGKILL)?;
            *self.report.kills.entry(kind).or_default() += 1;
        }
        Ok(())
    }

    /// One command of chance.
    fn deed(&mut self) -> Outcome<()> {
        let name = self.chance.pick(&self.members).0.clone();
        if self.chance.one_in(30) {
            self.deeds.begin("restart-leader", "leader", &[]);
            return Ok(());
        }
        match self.chance.below(10) {
            0 | 1 => self.deeds.begin("stop", name.as_str(), &[name.as_str(), "--reason", "a whim"]),
            2 => self.deeds.begin("steer", name.as_str(), &[name.as_str(), "a word"]),
            3 => self.deeds.begin("shutdown", name.as_str(), &[name.as_str(), "--finish"]),
            4 => self.deeds.begin("broadcast", "all", &["to all of you"]),
            5 => self.deeds.begin("dm", name.as_str(), &[name.as_str(), "by a command"]),
            _ => {
                let urgency = *self.chance.pick(&[Urgency::Now, Urgency::Next, Urgency::Idle]);
                let text = format!("word {}", self.chance.below(1000));
                if self.files.roster().member(&name).is_ok() {
                    self.files.post(&Address::Member(name), urgency, MessageBody::Text { text })?;
                }
            }
        }
        Ok(())
    }
}

/// What a process is to the storm; commands of its own are left alone.
fn kind(found: &Found, leader: Option<u32>) -> Option<&'static str> {
    match &found.what {
        What::Teamster if Some(found.identity.pid) == leader => Some("leader"),
        What::Teamster => None,
        What::Warden => Some("warden"),
        What::Worker(_) => Some("worker"),
        What::SpareWorker => Some("spare worker"),
        What::Agent => Some("agent"),
    }
}
