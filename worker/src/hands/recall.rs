//! The reading of transcripts for a conversation that has to begin with a summary.

use std::path::Path;

use teamster_protocol::store::transcript::{self, TranscriptError};

use crate::core::recap::{ConversationRecap, RecapRoom, RecapSubject};

/// The summary of the newest conversation in these transcripts; nothing if nothing was said. Blocks for their reading, one
/// after another from the newest, until the summary is complete.
pub(crate) fn recall(turns: &Path, subject: RecapSubject) -> Result<Option<String>, TranscriptError> {
    let mut recap = ConversationRecap::new(subject);
    for turn in transcript::turns(turns)?.into_iter().rev() {
        if recap.take(&transcript::read(turns, turn, 0)?.entries) == RecapRoom::Full {
            break;
        }
    }
    Ok(recap.finish())
}
