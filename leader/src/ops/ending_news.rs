//! News of members that are being ended: which are waited for and the work of each, and each as it goes. The news are
//! read from the team's files, so they are the same whoever leads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::pace::AWAITED_TOLD_EVERY;
use teamster_protocol::model::roster::{Member, MemberPresence, WorkerEnd};
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{TeamView, worker_life};
use teamster_protocol::wire::api::{EndOutcome, EndedMember};
use tokio::time::{Instant, sleep_until};

use super::error::OpsError;
use super::session::Session;

/// News of members that are being ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum EndingNews {
    /// A member that did not end yet, and its work. Told of a busy member at first and whenever it takes up other work,
    /// and now and then of each that is still there.
    Awaited {
        /// The member's name.
        name: MemberName,
        /// The work that it is at.
        at: AwaitedWork,
    },
    /// The outcome for a member, told once: it ended, refused to, or can not be ended. A refusal is told in the end.
    Ended(EndedMember),
}

/// The work of a member that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwaitedWork {
    /// The member's worker is not ready yet.
    Starting,
    /// The member has no work that is known.
    Idle,
    /// The member is on a task.
    Task {
        /// The task's number.
        id: TaskId,
        /// The time at which the task was claimed.
        since_ms: u64,
    },
    /// The member is in a turn for no task.
    Turn {
        /// The turn's number.
        number: u64,
        /// The time at which the turn began.
        since_ms: u64,
    },
}

/// The news that were told of the members so far.
#[derive(Debug, Default)]
struct EndingProgress {
    told: BTreeMap<MemberName, ToldMember>,
}

/// The last news that were told of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToldMember {
    /// The member runs, and was perhaps asked to end.
    Runs { at: AwaitedWork, asked: bool },
    /// The outcome was told.
    Over,
}

/// A member as the team's files show it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SeenMember {
    Runs { at: AwaitedWork, asked: bool },
    Left { how: WorkerEnd },
}

impl AwaitedWork {
    /// Whether a member is to finish that before it ends.
    fn is_work(self) -> bool {
        match self {
            AwaitedWork::Task { .. } | AwaitedWork::Turn { .. } => true,
            AwaitedWork::Starting | AwaitedWork::Idle => false,
        }
    }
}

impl EndingProgress {
    /// Returns the news in how a member is seen now, if there are any. A member that did not run at the first look is
    /// of no concern. A busy one is told of once it was asked to end: people who have heard that may leave, and it ends
    /// all the same.
    fn note(&mut self, name: &MemberName, seen: SeenMember) -> Option<EndingNews> {
        let awaited = |at: AwaitedWork| at.is_work().then(|| EndingNews::Awaited { name: name.clone(), at });
        let (news, told) = match (self.told.get(name), seen) {
            (Some(ToldMember::Over), _) | (None, SeenMember::Left { .. }) => return None,
            (Some(ToldMember::Runs { .. }), SeenMember::Left { how }) => {
                let ended = EndedMember { name: name.clone(), outcome: EndOutcome::Left { how } };
                (Some(EndingNews::Ended(ended)), ToldMember::Over)
            }
            (before, SeenMember::Runs { at, asked }) => {
                let now = ToldMember::Runs { at, asked };
                (if asked && before != Some(&now) { awaited(at) } else { None }, now)
            }
        };
        self.told.insert(name.clone(), told);
        news
    }

    /// All that are still waited for.
    fn awaited(&self) -> Vec<EndingNews> {
        let awaited = |(name, told): (&MemberName, &ToldMember)| match told {
            ToldMember::Runs { at, .. } => Some(EndingNews::Awaited { name: name.clone(), at: *at }),
            ToldMember::Over => None,
        };
        self.told.iter().filter_map(awaited).collect()
    }

    /// Returns the news in the leader's last answer.
    fn conclude(&mut self, ended: &[EndedMember]) -> Vec<EndingNews> {
        let is_news =
            |ended: &&EndedMember| self.told.insert(ended.name.clone(), ToldMember::Over) != Some(ToldMember::Over);
        ended.iter().filter(is_news).cloned().map(EndingNews::Ended).collect()
    }
}

/// The fate of the turns that run when members are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunningTurns {
    /// Running turns are finished first, so the members that this delays are told at once.
    AreFinished,
    /// Running turns are not finished: either nobody is asked, or every busy worker refuses.
    AreNot,
}

/// Tells of members that are being ended.
pub(super) struct EndingTeller<'a, S: FnMut(&[EndingNews])> {
    sink: &'a mut S,
    progress: EndingProgress,
    /// The team's files; none if they can not be read. News that can not be told on the way are told in the end.
    view: Option<TeamView>,
    watch: FileWatch,
    /// The members that are ended, if not all are; else nobody.
    only: Vec<MemberName>,
    turns: RunningTurns,
}

impl<'a, S: FnMut(&[EndingNews])> EndingTeller<'a, S> {
    /// Notes who runs, and at what; tells of the busy ones that were asked to end before.
    pub(super) fn begin(
        session: &Session,
        only: Vec<MemberName>,
        turns: RunningTurns,
        sink: &'a mut S,
    ) -> EndingTeller<'a, S> {
        let mut watch = FileWatch::new(session.settings.poll);
        watch.add(session.dir.roster());
        let (view, progress) = (TeamView::open(session.dir.clone()).ok(), EndingProgress::default());
        let mut teller = EndingTeller { sink, progress, view, watch, only, turns };
        // Whoever is ending already is waited for, whatever is to become of the others.
        let turns = std::mem::replace(&mut teller.turns, RunningTurns::AreFinished);
        teller.look();
        teller.turns = turns;
        teller
    }

    /// Tells what happens while the members are being ended by `work`.
    pub(super) async fn tell_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut again = Instant::now() + AWAITED_TOLD_EVERY;
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.look();
                    return done;
                }
                _ = self.watch.changed() => self.look(),
                () = sleep_until(again) => {
                    again += AWAITED_TOLD_EVERY;
                    self.tell(&self.progress.awaited());
                }
            }
        }
    }

    /// Tells what was not told yet of what came of the members.
    pub(super) fn conclude(&mut self, ended: &[EndedMember]) {
        let news = self.progress.conclude(ended);
        self.tell(&news);
    }

    /// Looks at the files, and tells what is news. Files that can not be read tell nothing.
    fn look(&mut self) {
        let Some(view) = &mut self.view else { return };
        if view.refresh().is_err() {
            return;
        }
        let mut all_news = Vec::new();
        for (name, member) in view.roster().members() {
            if !self.only.is_empty() && !self.only.contains(name) {
                continue;
            }
            let told = self.progress.told.get(name).copied();
            if let Ok(Some(seen)) = see_member(view, name, member, told)
                && let Some(news) = self.progress.note(name, seen)
            {
                all_news.push(news);
            }
        }
        if self.turns == RunningTurns::AreNot {
            all_news.retain(|news| matches!(news, EndingNews::Ended(_)));
        }
        self.tell(&all_news);
    }

    fn tell(&mut self, news: &[EndingNews]) {
        if !news.is_empty() {
            (self.sink)(news);
        }
    }
}

/// How a member is seen; nothing of one that does not run and has not left. Whether its worker lives is looked at once, and
/// what it does without a task too: there may be many members, and each that goes is a reason to look.
fn see_member(
    view: &TeamView,
    name: &MemberName,
    member: &Member,
    told: Option<ToldMember>,
) -> Result<Option<SeenMember>, OpsError> {
    if let MemberPresence::Left { how, .. } = &member.presence {
        return Ok(Some(SeenMember::Left { how: how.clone() }));
    }
    if told.is_none() && worker_life(view.dir(), name, &member.presence)? == WorkerLife::Dead {
        return Ok(None);
    }
    let task = view.board().owned_by(name).next();
    let task = task.and_then(|id| match view.board().status(id) {
        Ok(TaskStatus::InProgress { since_ms, .. }) => Some(AwaitedWork::Task { id, since_ms }),
        Ok(_) | Err(_) => None,
    });
    let at = match (task, told, &member.presence) {
        (_, _, MemberPresence::Expected { .. }) => AwaitedWork::Starting,
        (Some(task), _, _) => task,
        (None, Some(ToldMember::Runs { at: AwaitedWork::Task { .. } | AwaitedWork::Starting, .. }), _) => {
            AwaitedWork::Idle
        }
        (None, Some(ToldMember::Runs { at, .. }), _) => at,
        (None, Some(ToldMember::Over) | None, _) => {
            // What stands in the place of a transcript is no reason not to end its member.
            match transcript::open_turn(&view.dir().turns(name)).unwrap_or(None) {
                // A turn for a task that is not the member's any more has ended, and its transcript is about to say so.
                Some(open) if open.task.is_none() => AwaitedWork::Turn { number: open.turn, since_ms: open.since_ms },
                Some(_) | None => AwaitedWork::Idle,
            }
        }
    };
    Ok(Some(SeenMember::Runs { at, asked: member.ending_since_ms().is_some() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: AwaitedWork = AwaitedWork::Task { id: TaskId(3), since_ms: 1 };

    fn name(name: &str) -> MemberName {
        name.parse().expect("a name")
    }

    fn runs(at: AwaitedWork, asked: bool) -> SeenMember {
        SeenMember::Runs { at, asked }
    }

    fn left() -> SeenMember {
        SeenMember::Left { how: WorkerEnd::Shutdown }
    }

    fn awaited(who: &str, at: AwaitedWork) -> EndingNews {
        EndingNews::Awaited { name: name(who), at }
    }

    fn gone(who: &str) -> EndingNews {
        EndingNews::Ended(EndedMember { name: name(who), outcome: EndOutcome::Left { how: WorkerEnd::Shutdown } })
    }

    #[test]
    fn the_busy_are_told_once_they_were_asked_and_everybody_as_it_goes() {
        let mut progress = EndingProgress::default();
        let (ann, ben) = (name("ann"), name("ben"));
        assert_eq!(progress.note(&ann, runs(TASK, false)), None, "nobody has asked it yet");
        assert_eq!(progress.note(&ben, runs(AwaitedWork::Idle, false)), None);
        assert_eq!(progress.note(&ann, runs(TASK, true)), Some(awaited("ann", TASK)));
        assert_eq!(progress.note(&ann, runs(TASK, true)), None, "that is known");
        assert_eq!(progress.note(&ben, runs(AwaitedWork::Idle, true)), None, "it goes in a moment");
        assert_eq!(progress.note(&ben, left()), Some(gone("ben")));
        assert_eq!(progress.note(&ben, left()), None, "that is known");
        assert_eq!(progress.awaited(), [awaited("ann", TASK)]);
        assert_eq!(progress.note(&ann, runs(AwaitedWork::Idle, true)), None, "it is about to go");
        assert_eq!(progress.note(&ann, left()), Some(gone("ann")));
        assert_eq!(progress.awaited(), []);
    }

    #[test]
    fn who_did_not_run_is_of_no_concern_and_who_takes_up_work_is_waited_for() {
        let mut progress = EndingProgress::default();
        let (ann, ben) = (name("ann"), name("ben"));
        assert_eq!(progress.note(&ann, left()), None);
        assert_eq!(progress.note(&ben, runs(AwaitedWork::Starting, true)), None);
        assert_eq!(progress.note(&ben, runs(TASK, true)), Some(awaited("ben", TASK)));
        assert_eq!(progress.awaited(), [awaited("ben", TASK)]);
    }

    #[test]
    fn what_the_files_did_not_show_is_told_in_the_end_and_once() {
        let mut progress = EndingProgress::default();
        progress.note(&name("ann"), runs(TASK, true));
        progress.note(&name("cy"), runs(TASK, true));
        progress.note(&name("cy"), left());
        let stuck = |who: &str| EndedMember { name: name(who), outcome: EndOutcome::Stuck };
        let told = progress.conclude(&[stuck("ann"), stuck("ben"), stuck("cy")]);
        assert_eq!(told, [EndingNews::Ended(stuck("ann")), EndingNews::Ended(stuck("ben"))]);
        assert_eq!(progress.conclude(&[stuck("ann")]), []);
    }
}
