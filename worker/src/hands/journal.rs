//! The transcript and its followers. An entry that was written is told to them; one that could not be written is told
//! to nobody, because its number goes to the next entry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use teamster_protocol::host::clock;
use teamster_protocol::model::limits::sizes::NOTICES_BEHIND_MAX;
use teamster_protocol::model::notice::{Notice, TranscriptText};
use teamster_protocol::store::transcript::{Transcript, TranscriptError};
use tokio::sync::{mpsc, watch};

/// Whether something is in the transcript.
#[derive(Debug)]
pub(crate) enum KeptEntry {
    /// The entry is in the transcript.
    Yes,
    /// The entry could not be written.
    No(TranscriptText),
}

/// The pen.
#[derive(Debug)]
pub(crate) struct TranscriptPen {
    transcript: Transcript,
    followers: NoticeFollowers,
    writing: JournalWriting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JournalWriting {
    Works,
    /// The transcript can not be written, and that was said.
    Fails,
}

impl TranscriptPen {
    pub(crate) fn new(transcript: Transcript) -> TranscriptPen {
        let followers = NoticeFollowers::new(transcript.seq());
        TranscriptPen { transcript, followers, writing: JournalWriting::Works }
    }

    /// The number of the last entry.
    pub(crate) fn seq(&self) -> u64 {
        self.transcript.seq()
    }

    /// The list in which followers of the transcript enter themselves.
    pub(crate) fn followers(&self) -> NoticeFollowers {
        self.followers.clone()
    }

    /// Writes an entry and tells the followers. Says once on the log when writing stops to work.
    pub(crate) fn say(&mut self, what: TranscriptText) -> KeptEntry {
        match self.transcript.say(clock::now_ms(), what.clone()) {
            Ok(entry) => {
                self.writing = JournalWriting::Works;
                self.followers.tell(self.transcript.seq(), entry.notice());
                KeptEntry::Yes
            }
            Err(error) => {
                self.warn(&error);
                KeptEntry::No(what)
            }
        }
    }

    fn warn(&mut self, error: &TranscriptError) {
        if self.writing == JournalWriting::Works {
            self.writing = JournalWriting::Fails;
            tracing::warn!("{error}; the work goes on without a transcript");
        }
    }
}

/// The subscribers to the notices of this worker. Clones share the list.
#[derive(Debug, Clone)]
pub(crate) struct NoticeFollowers(Arc<Mutex<FollowerList>>);

#[derive(Debug)]
struct FollowerList {
    seq: u64,
    phase: FollowersPhase,
    each: Vec<mpsc::Sender<Notice>>,
    /// Every follower holds a receiver of it for as long as it has something to pass on.
    passing_on: watch::Sender<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FollowersPhase {
    Open,
    Finished,
}

/// The receiving end of one follower.
#[derive(Debug)]
pub(crate) struct FollowerEnd {
    /// The number of the last entry before the first of `notices`.
    pub(crate) seq: u64,
    /// The notices from then on.
    pub(crate) notices: mpsc::Receiver<Notice>,
    _passing_on: watch::Receiver<()>,
}

impl NoticeFollowers {
    fn new(seq: u64) -> NoticeFollowers {
        let list =
            FollowerList { seq, phase: FollowersPhase::Open, each: Vec::new(), passing_on: watch::Sender::new(()) };
        NoticeFollowers(Arc::new(Mutex::new(list)))
    }

    /// Enters a new follower, which gets the notices from now on.
    pub(crate) fn join(&self) -> FollowerEnd {
        let mut list = self.lock();
        let (sender, notices) = mpsc::channel(NOTICES_BEHIND_MAX);
        if list.phase == FollowersPhase::Open {
            list.each.push(sender);
        }
        FollowerEnd { seq: list.seq, notices, _passing_on: list.passing_on.subscribe() }
    }

    /// Whether the end of a [`FollowerEnd`] is the end of the worker, and not of patience with the follower.
    pub(crate) fn are_finished(&self) -> bool {
        self.lock().phase == FollowersPhase::Finished
    }

    /// Ends all following and waits until each has passed on what it has.
    pub(crate) async fn finish(&self) {
        let passing_on = {
            let mut list = self.lock();
            list.phase = FollowersPhase::Finished;
            list.each.clear();
            std::mem::take(&mut list.passing_on)
        };
        passing_on.closed().await;
    }

    fn tell(&self, seq: u64, notice: Option<Notice>) {
        let mut list = self.lock();
        list.seq = seq;
        if let Some(notice) = notice {
            list.each.retain(|follower| follower.try_send(notice.clone()).is_ok());
        }
    }

    fn lock(&self) -> MutexGuard<'_, FollowerList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
