//! `why`: the reason why a task is not being done, or a member does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::Serialize;
use teamster_protocol::model::id::{BadName, MemberName, TaskId};
use teamster_protocol::model::last_turn::WorkerVital;
use teamster_protocol::model::roster::{AfterLeaving, MemberPresence};
use teamster_protocol::model::task::StatusWord;
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::store::transcript::{self, TranscriptError, TranscriptStanding};
use teamster_protocol::team::{TeamError, TeamView, is_worker_alive, worker_life};

use super::error::OpsError;
use super::file_limit::members_over_file_limit;
use super::hanging::{LeaderStatus, look_at_leader};
use super::session::Session;
use crate::verb::Verb;

mod scene;

pub use scene::{CauseText, LostPrompt, MemberAbsence, MemberHindrance, ParkedWait, TeamScene, WaitCause};
pub(crate) use scene::{TakerNeeds, because, raise_file_limit, started_again, takers};

/// The subject of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhySubject {
    /// A task.
    Task(TaskId),
    /// A member. One whose name is a number can not be asked about.
    Member(MemberName),
}

impl FromStr for WhySubject {
    type Err = BadName;

    fn from_str(text: &str) -> Result<WhySubject, BadName> {
        match text.parse() {
            Ok(id) => Ok(WhySubject::Task(id)),
            Err(_) => text.parse().map(WhySubject::Member),
        }
    }
}

/// The reason that was asked for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum WhyAnswer {
    /// The answer for a task.
    Task(TaskWhy),
    /// The answer for a member.
    Member(MemberWhy),
}

/// Why a task is not being done.
#[derive(Debug, Serialize)]
pub struct TaskWhy {
    /// The task.
    pub task: TaskId,
    /// Its short text.
    pub title: String,
    /// The word for its status.
    pub status: StatusWord,
    /// Every cause.
    pub because: Vec<CauseText>,
    /// Why the transcripts of members can not be read, one by one: what those are at is not known, and not among the causes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// The leader that runs, if one does.
    pub leader: Option<LeaderStatus>,
}

/// Why a member does nothing.
#[derive(Debug, Serialize)]
pub struct MemberWhy {
    /// The member.
    pub member: MemberName,
    /// Every cause.
    pub because: Vec<CauseText>,
    /// Why the transcripts of members can not be read, one by one: what those are at is not known, and not among the causes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// The leader that runs, if one does.
    pub leader: Option<LeaderStatus>,
}

impl WhyAnswer {
    /// The leader that runs, if one does.
    pub fn leader(&self) -> Option<&LeaderStatus> {
        match self {
            WhyAnswer::Task(TaskWhy { leader, .. }) | WhyAnswer::Member(MemberWhy { leader, .. }) => leader.as_ref(),
        }
    }

    /// Why the transcripts of members can not be read.
    pub fn unread(&self) -> &[String] {
        match self {
            WhyAnswer::Task(TaskWhy { unread, .. }) | WhyAnswer::Member(MemberWhy { unread, .. }) => unread,
        }
    }
}

/// Tells why. Refused for a task or a member that there is none of.
pub async fn why(session: &Session, subject: WhySubject) -> Result<WhyAnswer, OpsError> {
    session.authorize(Verb::Why)?;
    let view = session.view()?;
    let leader = look_at_leader(&session.dir).await?;
    let mut found = WhyFindings::look(&view)?;
    match subject {
        WhySubject::Task(id) => {
            let because = found.scene(&view).task(id, session.now_ms()).map_err(TeamError::from)?;
            let status = view.board().status(id).map_err(TeamError::from)?.word();
            let (title, unread) = (view.new_task(id)?.title, found.turns.unread);
            Ok(WhyAnswer::Task(TaskWhy { task: id, title, status, because, unread, leader }))
        }
        WhySubject::Member(name) => {
            session.must_be_member(&view, &name)?;
            match lost_prompt(&view, &found.running, &name) {
                Ok(lost) => found.lost_prompts.extend(lost),
                Err(error) => found.turns.note_unread(&name, &error),
            }
            let because = found.scene(&view).member(&name, session.now_ms());
            Ok(WhyAnswer::Member(MemberWhy { member: name, because, unread: found.turns.unread, leader }))
        }
    }
}

/// The causes of the wait of a task, for somebody who goes on waiting for it: a member that is being started, or is about to
/// be, counts as one that runs.
pub(super) fn causes_of_task(session: &Session, view: &TeamView, id: TaskId) -> Result<Vec<CauseText>, OpsError> {
    let mut found = WhyFindings::look(view)?;
    let is_to_run = |presence: &MemberPresence| match presence {
        MemberPresence::Expected { .. } | MemberPresence::Left { then: AfterLeaving::Again { .. }, .. } => true,
        MemberPresence::Joined { .. } | MemberPresence::Left { .. } => false,
    };
    let to_run = view.roster().members().filter(|(_, member)| is_to_run(&member.presence));
    found.running.extend(to_run.map(|(name, _)| name.clone()));
    Ok(found.scene(view).task(id, session.now_ms()).map_err(TeamError::from)?)
}

/// What each of these members does, or why it does nothing.
pub(super) fn causes_of_members(
    session: &Session,
    view: &TeamView,
    members: &[MemberName],
) -> Result<Vec<Vec<CauseText>>, OpsError> {
    let found = WhyFindings::look(view)?;
    let scene = found.scene(view);
    Ok(members.iter().map(|name| scene.member(name, session.now_ms())).collect())
}

/// The state of a team beside its board and its roster.
struct WhyFindings {
    running: BTreeSet<MemberName>,
    lock_lost: BTreeSet<MemberName>,
    turns: RunningTurns,
    over_file_limit: BTreeMap<MemberName, u64>,
    /// The prompts that died with their worker, of the member that is asked about.
    lost_prompts: BTreeMap<MemberName, LostPrompt>,
}

impl WhyFindings {
    fn look(view: &TeamView) -> Result<WhyFindings, OpsError> {
        let (running, lock_lost) = running(view)?;
        let turns = turns(view, &running);
        Ok(WhyFindings {
            running,
            lock_lost,
            turns,
            over_file_limit: members_over_file_limit(view),
            lost_prompts: BTreeMap::new(),
        })
    }

    fn scene<'a>(&'a self, view: &'a TeamView) -> TeamScene<'a> {
        let WhyFindings {
            running,
            lock_lost,
            turns: RunningTurns { in_turn, asking, parked, asleep, quiet, unread: _ },
            over_file_limit,
            lost_prompts,
        } = self;
        // A task that can not be read back has no words for why it failed; the rest is told all the same.
        let reason = Box::new(|id: TaskId| view.task_view(id).ok()?.reason().map(str::to_owned));
        let (board, roster) = (view.board(), view.roster());
        TeamScene {
            board,
            roster,
            running,
            in_turn,
            asking,
            parked,
            asleep,
            quiet,
            over_file_limit,
            lock_lost,
            lost_prompts,
            reason,
        }
    }
}

/// The members whose worker lives, and those of them whose worker does not hold its lock.
fn running(view: &TeamView) -> Result<(BTreeSet<MemberName>, BTreeSet<MemberName>), OpsError> {
    let (mut running, mut lock_lost) = (BTreeSet::new(), BTreeSet::new());
    for (name, member) in view.roster().members() {
        match worker_life(view.dir(), name, &member.presence)? {
            WorkerLife::Locked | WorkerLife::Dying => {}
            WorkerLife::LockLost => {
                lock_lost.insert(name.clone());
            }
            WorkerLife::Dead => continue,
        }
        // A lock that its leader holds to bury the member is no sign of life.
        if !is_worker_alive(view.dir(), name, &member.presence)? {
            continue;
        }
        running.insert(name.clone());
    }
    Ok((running, lock_lost))
}

/// The turns of members that run, by their transcripts.
#[derive(Default)]
struct RunningTurns {
    /// Members in a turn for no task, and the time it began.
    in_turn: BTreeMap<MemberName, u64>,
    /// Members whose agent waits for an answer of the lead, with the number of the oldest question.
    asking: BTreeMap<MemberName, u64>,
    /// Members whose provider takes no more for now, and until when.
    parked: BTreeMap<MemberName, ParkedWait>,
    /// Members whose agent's process is not there until it has work, and since when.
    asleep: BTreeMap<MemberName, u64>,
    /// Members in a turn whose agent has said nothing for longer than it may.
    quiet: BTreeSet<MemberName>,
    /// Why the transcripts of others can not be read.
    unread: Vec<String>,
}

impl RunningTurns {
    fn note_unread(&mut self, name: &MemberName, error: &TranscriptError) {
        let why = format!("what {name} is at is not known: {error}");
        if !self.unread.contains(&why) {
            self.unread.push(why);
        }
    }
}

/// Something in the place of one member's transcript must not hide why another does nothing.
fn turns(view: &TeamView, running: &BTreeSet<MemberName>) -> RunningTurns {
    let mut turns = RunningTurns::default();
    for name in running {
        let open = match transcript::standing(&view.dir().turns(name)) {
            Ok(Some(TranscriptStanding::Turn(open))) => open,
            Ok(Some(TranscriptStanding::Parked { until_ms, reason, .. })) => {
                turns.parked.insert(name.clone(), ParkedWait { until_ms, reason });
                continue;
            }
            Ok(Some(TranscriptStanding::Asleep { since_ms })) => {
                turns.asleep.insert(name.clone(), since_ms);
                continue;
            }
            Ok(Some(TranscriptStanding::Free { .. }) | None) => continue,
            Err(error) => {
                turns.note_unread(name, &error);
                continue;
            }
        };
        if open.task.is_none() && view.board().owned_by(name).next().is_none() {
            turns.in_turn.insert(name.clone(), open.since_ms);
        }
        if let Some(question) = open.waiting.first() {
            turns.asking.insert(name.clone(), *question);
        }
        if open.quiet {
            turns.quiet.insert(name.clone());
        }
    }
    turns
}

/// The member with the prompt of its last turn, if that was given by `send` and is lost.
fn lost_prompt(
    view: &TeamView,
    running: &BTreeSet<MemberName>,
    name: &MemberName,
) -> Result<Option<(MemberName, LostPrompt)>, TranscriptError> {
    let Some(last) = transcript::last_turn(&view.dir().turns(name))? else { return Ok(None) };
    let worker = if running.contains(name) { WorkerVital::Alive } else { WorkerVital::Dead };
    let lost = last.why_lost(worker).map(|reason| LostPrompt { turn: last.turn, work: last.work, reason });
    Ok(lost.map(|lost| (name.clone(), lost)))
}
