//! The worker's hands on the limit of its provider: members of one account tell each other by the roster.

use teamster_protocol::host::clock;
use teamster_protocol::host::crash::point;
use teamster_protocol::model::agent::preset::PromptKind;
use teamster_protocol::model::roster::TeamFact;

use super::{ActionResult, WorkerHands, is_written};
use crate::core::WorkerEvent;

impl WorkerHands {
    /// Tells the members of the same account that the provider takes no more. If that fails, each of them is told by its own
    /// agent.
    pub(super) fn tell_limit(&mut self, until_ms: u64, reason: String) -> ActionResult {
        let name = self.me.name.clone();
        point("limit told, not on the roster");
        match self.team.enroll(TeamFact::Limited { name: name.clone(), until_ms, reason }) {
            Err(error) if !is_written(&error) => {
                self.trouble(format!("cannot tell others of the limit of the provider: {error}"));
                ActionResult::Nothing
            }
            Ok(()) | Err(_) => {
                point("limit on the roster, nobody rung");
                self.team.ring_account(&name);
                self.heed_limit().map_or(ActionResult::Nothing, ActionResult::Event)
            }
        }
    }

    /// The news about the limit of this member's account since the last look. One that drives no model has no provider.
    pub(crate) fn heed_limit(&mut self) -> Option<WorkerEvent> {
        match self.me.prompts {
            PromptKind::Program => return None,
            PromptKind::Conversation => {}
        }
        match self.team.refresh_roster() {
            Ok(()) => self.complaints.over("limits"),
            Err(error) => {
                self.complain("limits", format!("cannot look whether the provider is limited, trying again: {error}"));
                return None;
            }
        }
        self.limit.look(self.team.roster(), &self.me.name, clock::now_ms())
    }
}
