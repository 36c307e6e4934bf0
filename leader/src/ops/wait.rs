//! `wait`: until tasks are completed, or until nothing goes on in the team. The files themselves wake it.

use std::time::Duration;

use serde::Serialize;
use teamster_protocol::model::board::{Board, WaitingClaimant};
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::limits::pace::STANDSTILL_LOOK;
use teamster_protocol::model::task::StatusWord;
use teamster_protocol::store::file::LogReader;
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{MemberState, TeamError, TeamView};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::error::OpsError;
use super::hanging::look_at_leader;
use super::session::Session;
use super::task::TaskCounts;
use super::text::humane;
use super::why::{CauseText, causes_of_task};
use crate::verb::Verb;

mod standstill;
mod verdict;

use standstill::StandstillWatch;
pub use standstill::WaitNews;

pub use verdict::WaitedTask;
use verdict::{WaitVerdict, WaitedTasks};

/// The event that a wait is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitFor {
    /// That all of these tasks are completed.
    Tasks(Vec<TaskId>),
    /// That nothing goes on in the team.
    Idle,
}

/// The wait that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedWait {
    /// The event.
    pub what: WaitFor,
    /// The longest time; for ever if not given.
    pub timeout: Option<Duration>,
}

/// The outcome of a wait.
#[derive(Debug, Serialize)]
pub struct WaitOutcome {
    /// Whether what was waited for has come.
    pub ok: bool,
    /// The tasks that were waited for; where one of them ended otherwise, those that did.
    pub tasks: Vec<WaitedTask>,
    /// The tasks in progress that a team without a leader has left: nobody does them, and nobody gives them back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftTask>,
    /// How many of all tasks stand where.
    pub counts: TaskCounts,
}

/// A task in progress that nobody does.
#[derive(Debug, Serialize)]
pub struct LeftTask {
    /// The task.
    pub id: TaskId,
    /// The causes, each with the way out.
    pub because: Vec<CauseText>,
}

/// Waits until all tasks are completed, or until one of them has failed, was cancelled or removed, or waits for one that has;
/// or until the team is idle, which one that nobody made yet is. Refused for a task that is not there, and when the time is over. Tells `listener` once of each
/// task that stands still, or of each member that does, and again when that changes.
pub async fn wait(
    session: &Session,
    wanted: WantedWait,
    listener: impl FnMut(WaitNews),
) -> Result<WaitOutcome, OpsError> {
    session.authorize(Verb::Wait)?;
    let WantedWait { what, timeout } = wanted;
    // As for every look at the team as a whole: where none was made yet, nothing goes on.
    if what == WaitFor::Idle && session.has_no_team_yet()? {
        return idle_outcome(session, &session.look()?, &[]);
    }
    session.must_exist()?;
    let limit = timeout.map(|timeout| Instant::now() + timeout);
    let waited = async {
        match &what {
            WaitFor::Tasks(ids) => until_completed(session, ids, listener).await,
            WaitFor::Idle => until_idle(session, listener).await,
        }
    };
    let Some(limit) = limit else { return waited.await };
    match timeout_at(limit, waited).await {
        Ok(outcome) => outcome,
        Err(_) => Err(time_is_over(session, &what, timeout.unwrap_or_default())?),
    }
}

async fn until_completed(
    session: &Session,
    ids: &[TaskId],
    mut listener: impl FnMut(WaitNews),
) -> Result<WaitOutcome, OpsError> {
    let mut watch = FileWatch::new(session.settings.poll);
    // Before the first look: what happens in between is told by one or the other.
    watch.add(session.dir.board());
    watch.add(session.dir.roster());
    // Questions for permission come by mail, and whoever answers one marks its mail as read.
    watch.add(session.dir.mailbox(&Address::Lead));
    let mut board: LogReader<Board> = LogReader::open(session.dir.board())?;
    for id in ids {
        board.state().status(*id).map_err(TeamError::from)?;
    }
    let (mut waited, mut standstill) = (WaitedTasks::new(ids), StandstillWatch::new(session)?);
    let mut is_looked_at = false;
    loop {
        let reason = |id: TaskId| {
            let view = board.state().view(id, &mut |offset| board.read_at(offset)).ok()?;
            view.reason().map(str::to_owned)
        };
        let counts = || TaskCounts::of(board.state());
        match waited.verdict(board.state(), &reason) {
            WaitVerdict::Completed(tasks) => {
                return Ok(WaitOutcome { ok: true, tasks, left: Vec::new(), counts: counts() });
            }
            WaitVerdict::Ended(tasks) => {
                return Ok(WaitOutcome { ok: false, tasks, left: Vec::new(), counts: counts() });
            }
            WaitVerdict::Open => {}
        }
        if !is_looked_at && standstill.due_in().is_zero() {
            standstill.look(session, waited.ids())?.into_iter().for_each(&mut listener);
            is_looked_at = true;
        }
        tokio::select! {
            _ = watch.changed() => is_looked_at = false,
            () = sleep(standstill.due_in()), if !is_looked_at => continue,
        }
        board.refresh(|record| record.facts.iter().for_each(|fact| waited.see(fact)))?;
    }
}

/// Waits until no member is at work. Without a leader nothing goes on that only a leader does: what was left by the dead stays
/// so, which is the outcome then. A warden starts the next leader soon after the death of one, so that is looked at twice.
async fn until_idle(session: &Session, mut listener: impl FnMut(WaitNews)) -> Result<WaitOutcome, OpsError> {
    let mut standstill = StandstillWatch::new(session)?;
    let mut left: Option<(Vec<TaskId>, Instant)> = None;
    loop {
        let mut watch = FileWatch::new(session.settings.poll);
        watch.add(session.dir.board());
        watch.add(session.dir.roster());
        let view = session.view()?;
        // The end of a turn without a task is in its member's transcript only.
        for (name, _) in view.roster().members() {
            let dir = view.dir().turns(name);
            let last = transcript::turns(&dir)?.last().copied().unwrap_or(0);
            watch.add(transcript::path_of(&dir, last));
            watch.add(transcript::path_of(&dir, last + 1));
        }
        let view = session.view()?;
        let look_again = match TeamRest::look(&view).await? {
            TeamRest::Idle => return idle_outcome(session, &view, &[]),
            TeamRest::Unled(tasks) => {
                let since = left.take().filter(|(before, _)| *before == tasks).map(|(_, since)| since);
                let since = since.unwrap_or_else(Instant::now);
                if since.elapsed() >= STANDSTILL_LOOK {
                    return idle_outcome(session, &view, &tasks);
                }
                left = Some((tasks, since));
                Some(since + STANDSTILL_LOOK)
            }
            TeamRest::AtWork(members) => {
                left = None;
                let due = standstill.due_in();
                if due.is_zero() {
                    standstill.look_at_members(session, &members)?.into_iter().for_each(&mut listener);
                }
                (!due.is_zero()).then(|| Instant::now() + due)
            }
        };
        tokio::select! {
            _ = watch.changed() => {}
            () = wait_until(look_again) => {}
        }
    }
}

/// Waits until a time; for ever for none.
async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What `wait --idle` ends with. `left` are tasks in progress that nobody does, and that nobody gives back.
fn idle_outcome(session: &Session, view: &TeamView, left: &[TaskId]) -> Result<WaitOutcome, OpsError> {
    let of_task = |id: &TaskId| Ok(LeftTask { id: *id, because: causes_of_task(session, view, *id)? });
    let left: Vec<LeftTask> = left.iter().map(of_task).collect::<Result<_, OpsError>>()?;
    Ok(WaitOutcome { ok: left.is_empty(), tasks: Vec::new(), left, counts: TaskCounts::of(view.board()) })
}

/// Whether a team rests, as its files and its leader tell.
#[derive(Debug)]
enum TeamRest {
    /// These members are at something, or are about to be.
    AtWork(Vec<MemberName>),
    /// No member is at something, and none that is there would take a task.
    Idle,
    /// The same, and these tasks are still in progress: their members are dead, and no leader gives them back.
    Unled(Vec<TaskId>),
}

impl TeamRest {
    async fn look(view: &TeamView) -> Result<TeamRest, OpsError> {
        let members = view.members()?;
        let at_work: Vec<MemberName> =
            members.iter().filter(|member| is_at_something(member.state)).map(|member| member.name.clone()).collect();
        if !at_work.is_empty() {
            return Ok(TeamRest::AtWork(at_work));
        }
        let roster = view.roster();
        let idle = members.iter().filter(|member| matches!(member.state, MemberState::Idle | MemberState::Asleep));
        let takers: Vec<WaitingClaimant> =
            idle.filter_map(|member| Some(roster.member(&member.name).ok()?.spec.claimant(&member.name))).collect();
        let mut ready = view.board().tasks().filter(|(_, task)| task.is_ready());
        if ready.any(|(_, task)| takers.iter().any(|who| who.may_take(&task))) {
            return Ok(TeamRest::AtWork(Vec::new()));
        }
        let in_progress = view.board().tasks().filter(|(_, task)| task.status.word() == StatusWord::InProgress);
        let left: Vec<TaskId> = in_progress.map(|(id, _)| id).collect();
        let restarts: Vec<MemberName> = members
            .iter()
            .filter(|member| member.state == MemberState::Restarting)
            .map(|member| member.name.clone())
            .collect();
        if left.is_empty() && restarts.is_empty() {
            return Ok(TeamRest::Idle);
        }
        // A leader gives back what the dead held, and starts them again.
        match look_at_leader(view.dir()).await? {
            Some(leader) if !leader.hangs => Ok(TeamRest::AtWork(restarts)),
            Some(_) | None => Ok(TeamRest::Unled(left)),
        }
    }
}

/// Whether a member goes on by itself.
fn is_at_something(state: MemberState) -> bool {
    match state {
        MemberState::Starting
        | MemberState::Busy
        | MemberState::Parked
        | MemberState::Asking
        | MemberState::Stalled
        | MemberState::Hung
        | MemberState::Ending => true,
        // Only a leader starts a member again.
        MemberState::Restarting
        | MemberState::Idle
        | MemberState::Asleep
        | MemberState::Left
        | MemberState::Dead
        | MemberState::GivenUp => false,
    }
}

/// The refusal that says what still goes on when the time is over.
fn time_is_over(session: &Session, what: &WaitFor, after: Duration) -> Result<OpsError, OpsError> {
    let view = session.view()?;
    let after = humane(after);
    Ok(match what {
        WaitFor::Tasks(ids) => {
            let open: Vec<(TaskId, StatusWord)> =
                ids.iter().filter_map(|id| Some((*id, view.board().status(*id).ok()?.word()))).collect();
            let open: Vec<(TaskId, StatusWord)> =
                open.into_iter().filter(|(_, word)| *word != StatusWord::Completed).collect();
            let told: Vec<String> = open.iter().map(|(id, word)| format!("task {id} is {word}")).collect();
            let hint = open.first().map(|(id, _)| format!("see teamster why {id}"));
            OpsError::Refused { what: format!("after {after} {}", told.join(", ")), hint }
        }
        WaitFor::Idle => {
            let busy: Vec<MemberName> = view
                .members()?
                .into_iter()
                .filter(|member| is_at_something(member.state))
                .map(|member| member.name)
                .collect();
            let busy: Vec<&str> = busy.iter().map(MemberName::as_str).collect();
            let what = match busy.is_empty() {
                true => "tasks are still to be taken".to_owned(),
                false => format!("the team is not idle: {} is at work", busy.join(", ")),
            };
            OpsError::refused(format!("after {after} {what}"), "see teamster status")
        }
    })
}
