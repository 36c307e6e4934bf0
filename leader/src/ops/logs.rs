//! `logs`: what a member's agent said and did, turn by turn.

use std::num::NonZeroUsize;
use std::path::Path;

use serde::{Serialize, Serializer};
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::notice::TranscriptEntry;
use teamster_protocol::store::transcript;
use teamster_protocol::store::watch::FileWatch;

use super::error::OpsError;
use super::follow::{FollowMode, Listening};
use super::log_line::{LogPlace, TURNS};
use super::session::Session;
use crate::verb::Verb;

mod of_task;

pub use of_task::{LostTranscript, TaskLogNews, task_logs};

/// An entry of a member's transcript. In JSON its kind and its fields are apart, as in every line about a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberLogEntry {
    /// The member.
    pub member: MemberName,
    /// The number of the attempt at the task that was asked about, counted from 1.
    pub attempt: Option<u32>,
    /// The entry.
    pub entry: TranscriptEntry,
}

impl Serialize for MemberLogEntry {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let MemberLogEntry { member, attempt, entry: TranscriptEntry { seq, at_ms, what } } = self;
        place(member, *attempt, *at_ms, *seq).line_of_entry(what, to)
    }
}

fn place(member: &MemberName, attempt: Option<u32>, at_ms: u64, seq: u64) -> LogPlace<'_> {
    LogPlace { at_ms, log: TURNS, whose: Some(member.clone().into()), seq, by: member.as_str(), attempt }
}

/// The choice of entries of a member's transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLogs {
    /// The member.
    pub name: MemberName,
    /// How many of the newest turns.
    pub turns: NonZeroUsize,
    /// Whether to go on as it happens.
    pub mode: FollowMode,
}

/// Tells `listener` of the entries, a few at a time and in order. Ends with the listener's error, if it has one.
pub async fn logs<E: From<OpsError>>(
    session: &Session,
    wanted: WantedLogs,
    mut listener: impl FnMut(&[MemberLogEntry]) -> Result<Listening, E>,
) -> Result<(), E> {
    session.authorize(Verb::Logs)?;
    let view = session.view()?;
    let dir = view.dir().turns(&wanted.name);
    session.must_be_known(&view, &wanted.name, &dir)?;
    let turns = transcript::turns(&dir).map_err(OpsError::from)?;
    let from = turns.get(turns.len().saturating_sub(wanted.turns.get())).copied().unwrap_or(0);
    let mut reading = TranscriptReading::from_turn(wanted.name, from);
    if wanted.mode == FollowMode::Past {
        reading.tell(&dir, &mut listener)?;
        return Ok(());
    }
    loop {
        // A new watch each time the turn changes: what is watched is the file that grows, the next one, and
        // the directory until it is there.
        let watched = reading.turn;
        let mut watch = FileWatch::new(session.settings.poll);
        watch.add(&dir);
        watch.add(transcript::path_of(&dir, watched));
        watch.add(transcript::path_of(&dir, watched + 1));
        loop {
            if reading.tell(&dir, &mut listener)? == Listening::Over {
                return Ok(());
            }
            if reading.turn != watched {
                break;
            }
            watch.changed().await;
        }
    }
}

/// How far a member's transcripts were read.
pub(super) struct TranscriptReading {
    member: MemberName,
    turn: u64,
    byte: u64,
}

impl TranscriptReading {
    /// This turn, which is told whole, and those after it.
    pub(super) fn from_turn(member: MemberName, turn: u64) -> TranscriptReading {
        TranscriptReading { member, turn, byte: 0 }
    }

    /// The turn that was read last.
    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// Tells of what is there and was not told yet.
    pub(super) fn tell<E: From<OpsError>>(
        &mut self,
        dir: &Path,
        listener: &mut impl FnMut(&[MemberLogEntry]) -> Result<Listening, E>,
    ) -> Result<Listening, E> {
        let turns = transcript::turns(dir).map_err(OpsError::from)?;
        for turn in turns.into_iter().filter(|turn| *turn >= self.turn).collect::<Vec<_>>() {
            if turn > self.turn {
                self.turn = turn;
                self.byte = 0;
            }
            let read = transcript::read(dir, turn, self.byte).map_err(OpsError::from)?;
            self.byte = read.next;
            let of_member = |entry| MemberLogEntry { member: self.member.clone(), attempt: None, entry };
            let entries: Vec<MemberLogEntry> = read.entries.into_iter().map(of_member).collect();
            if !entries.is_empty() && listener(&entries)? == Listening::Over {
                return Ok(Listening::Over);
            }
        }
        Ok(Listening::On)
    }
}
