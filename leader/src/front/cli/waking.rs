//! `--no-wake` of the commands that give a member something, and what they say of a member that had left.

use teamster_protocol::model::id::MemberName;

use super::print::{self, TextTone, paint};
use super::{CliContext, OutputShape};
use crate::ops::wake::{MemberWaking, WakeWish};

/// Whether a member that has left is started again.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct WakeArgs {
    /// Do not start the member again if it has left; teamster help dm tells when it is
    #[arg(long)]
    pub no_wake: bool,
}

impl WakeArgs {
    /// The wish that the option expresses.
    pub(super) fn wish(self) -> WakeWish {
        if self.no_wake { WakeWish::Never } else { WakeWish::IfLeft }
    }
}

/// Says beside the answer of a command what became of its member; the answer in JSON has it.
pub(super) fn note_waking(context: &CliContext, name: &MemberName, waking: &MemberWaking) {
    match (context.shape, waking.sentence(name)) {
        (OutputShape::Text, Some(said)) => {
            print::note(&format!("{} {}", paint(TextTone::Warn, "note:"), paint(TextTone::Plain, &said)));
        }
        (OutputShape::Text, None) | (OutputShape::Json, _) => {}
    }
}
