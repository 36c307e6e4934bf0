//! `logs` of a task: what was said and done in each attempt at it, read from the transcripts of those who had it.

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::notice::{TranscriptEntry, TranscriptText};
use teamster_protocol::model::task::StatusWord;
use teamster_protocol::model::task::view::{AttemptView, TaskView};
use teamster_protocol::store::presence;
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{TeamError, TeamView};

use super::{MemberLogEntry, place};
use crate::ops::error::OpsError;
use crate::ops::follow::{FollowMode, Listening};
use crate::ops::session::Session;
use crate::verb::Verb;

/// News of the log of a task.
#[derive(Debug)]
pub enum TaskLogNews<'n> {
    /// These were said, in this order, all in one attempt.
    Entries(&'n [MemberLogEntry]),
    /// The transcript of an attempt is not kept any more.
    Lost(LostTranscript<'n>),
}

/// An attempt whose transcript is not kept any more. In JSON it has the shape of an entry, of the kind `not_kept`.
#[derive(Debug, Clone, Copy)]
pub struct LostTranscript<'n> {
    /// The member whose attempt it was.
    pub member: &'n MemberName,
    /// The number of the attempt.
    pub attempt: u32,
    /// The time at which it ended.
    pub at_ms: u64,
    /// The last that was said in it, as the board keeps it.
    pub last: &'n str,
}

impl Serialize for LostTranscript<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        place(self.member, Some(self.attempt), self.at_ms, 0).line_of_note("not_kept", "last", self.last, to)
    }
}

/// Tells `listener` of all attempts at a task, in order. One that follows ends when the task has ended and all was told.
pub async fn task_logs<E: From<OpsError>>(
    session: &Session,
    id: TaskId,
    mode: FollowMode,
    mut listener: impl FnMut(TaskLogNews<'_>) -> Result<Listening, E>,
) -> Result<(), E> {
    session.authorize(Verb::Logs)?;
    let mut view = session.view()?;
    let mut reading: Vec<AttemptReading> = Vec::new();
    loop {
        let mut watch = FileWatch::new(session.settings.poll);
        watch.add(view.dir().board());
        view.refresh().map_err(OpsError::from)?;
        let task = view.task_view(id).map_err(OpsError::from)?;
        for attempt in task.attempts.iter().skip(reading.len()) {
            reading.push(AttemptReading::new(&view, attempt));
        }
        for open in reading.iter().filter(|reading| !reading.over) {
            open.add_to(&mut watch);
        }
        for (reading, attempt) in reading.iter_mut().zip(&task.attempts).filter(|(reading, _)| !reading.over) {
            if reading.tell(id, attempt, &mut listener)? == Listening::Over {
                return Ok(());
            }
            reading.over =
                attempt.end.is_some() && (reading.ended || mode == FollowMode::Past || is_gone(&view, attempt)?);
            if reading.over && reading.file.is_none() && listener(lost(attempt))? == Listening::Over {
                return Ok(());
            }
        }
        if mode == FollowMode::Past || (is_over(&task) && reading.iter().all(|reading| reading.over)) {
            return Ok(());
        }
        watch.changed().await;
    }
}

/// Whether no further attempt follows by itself.
fn is_over(task: &TaskView) -> bool {
    match task.status {
        StatusWord::Completed | StatusWord::Failed | StatusWord::Cancelled => true,
        StatusWord::InProgress | StatusWord::Pending | StatusWord::Stopped => false,
    }
}

/// Whether nobody will write the end of this attempt any more.
fn is_gone(view: &TeamView, attempt: &AttemptView) -> Result<bool, OpsError> {
    let lock = view.dir().member_lock(&attempt.owner);
    Ok(!presence::is_held(&lock).map_err(TeamError::from)?)
}

/// What is left of an attempt whose transcript is not kept.
fn lost(attempt: &AttemptView) -> TaskLogNews<'_> {
    let (at_ms, last) = attempt.end.as_ref().map_or((attempt.since_ms, ""), |end| (end.at_ms, end.result.as_str()));
    TaskLogNews::Lost(LostTranscript { member: &attempt.owner, attempt: attempt.attempt, at_ms, last })
}

/// How far the transcript of one attempt was read.
#[derive(Debug)]
struct AttemptReading {
    /// The transcripts of who had it.
    dir: PathBuf,
    /// The last file with a turn of this attempt, and how much of it was read.
    file: Option<(u64, u64)>,
    /// Whether what is read next is still of the attempt's turn.
    amid: bool,
    /// Whether the end of its last turn was read.
    ended: bool,
    /// Whether all of it was told.
    over: bool,
}

impl AttemptReading {
    fn new(view: &TeamView, attempt: &AttemptView) -> AttemptReading {
        let dir = view.dir().turns(&attempt.owner);
        AttemptReading { dir, file: None, amid: false, ended: false, over: false }
    }

    /// Watches what the attempt may be told in: the file that grows and the one after it.
    fn add_to(&self, watch: &mut FileWatch) {
        let last = match self.file {
            Some((file, _)) => file,
            None => transcript::turns(&self.dir).ok().and_then(|turns| turns.last().copied()).unwrap_or(0),
        };
        watch.add(&self.dir);
        watch.add(transcript::path_of(&self.dir, last));
        watch.add(transcript::path_of(&self.dir, last + 1));
    }

    /// Tells what was said in the attempt and was not told yet.
    fn tell<E: From<OpsError>>(
        &mut self,
        id: TaskId,
        attempt: &AttemptView,
        listener: &mut impl FnMut(TaskLogNews<'_>) -> Result<Listening, E>,
    ) -> Result<Listening, E> {
        for file in self.files(id, attempt)? {
            let from = match self.file {
                Some((last, byte)) if last == file => byte,
                Some(_) | None => {
                    self.amid = false;
                    0
                }
            };
            let page = transcript::read(&self.dir, file, from).map_err(OpsError::from)?;
            self.file = Some((file, page.next));
            let mut entries = Vec::new();
            for entry in page.entries {
                self.take(id, attempt, entry, &mut entries);
            }
            if !entries.is_empty() && listener(TaskLogNews::Entries(&entries))? == Listening::Over {
                return Ok(Listening::Over);
            }
        }
        Ok(Listening::On)
    }

    /// Keeps an entry that is of a turn of this attempt.
    fn take(&mut self, id: TaskId, attempt: &AttemptView, entry: TranscriptEntry, kept: &mut Vec<MemberLogEntry>) {
        match &entry.what {
            TranscriptText::TurnStarted { task, .. } => {
                self.amid = *task == Some(id) && is_within(attempt, entry.at_ms);
                self.ended = false;
            }
            _ if !self.amid => return,
            _ => {}
        }
        if self.amid {
            if let TranscriptText::TurnEnded { .. } = &entry.what {
                (self.amid, self.ended) = (false, true);
            }
            kept.push(MemberLogEntry { member: attempt.owner.clone(), attempt: Some(attempt.attempt), entry });
        }
    }

    /// The files that have turns of this attempt and were not read to their end, oldest first. A turn begins a file, so it is
    /// enough to look at the files from the newest back to the first that is older than the attempt.
    fn files(&self, id: TaskId, attempt: &AttemptView) -> Result<Vec<u64>, OpsError> {
        let mut found = Vec::new();
        for file in transcript::turns(&self.dir)?.into_iter().rev() {
            match self.file {
                Some((last, _)) if file == last => {
                    found.push(file);
                    break;
                }
                Some((last, _)) if file < last => break,
                Some(_) | None => {}
            }
            let entries = transcript::read(&self.dir, file, 0)?.entries;
            let Some(first) = entries.first() else { continue };
            let begins = |entry: &TranscriptEntry| match &entry.what {
                TranscriptText::TurnStarted { task, .. } => *task == Some(id) && is_within(attempt, entry.at_ms),
                _ => false,
            };
            if entries.iter().any(begins) {
                found.push(file);
            }
            if first.at_ms < attempt.since_ms {
                break;
            }
        }
        found.reverse();
        Ok(found)
    }
}

/// Whether a turn that began then is of this attempt.
fn is_within(attempt: &AttemptView, at_ms: u64) -> bool {
    at_ms >= attempt.since_ms && attempt.end.as_ref().is_none_or(|end| at_ms <= end.at_ms)
}
