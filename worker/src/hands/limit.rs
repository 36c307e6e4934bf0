//! The worker's hands on what limits it: members of one account tell each other by the roster that their provider takes no more,
//! and people read there that a budget is nearly used up.

use teamster_protocol::host::clock;
use teamster_protocol::host::crash::point;
use teamster_protocol::model::agent::preset::PromptKind;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::roster::TeamFact;

use super::{ActionResult, WorkerHands, is_written};
use crate::core::WorkerEvent;

/// A limit that its provider told this member's agent, and that is not on the roster yet.
#[derive(Debug, Clone)]
pub(super) struct UntoldLimit {
    until_ms: u64,
    reason: String,
}

/// When a limit is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TellWhen {
    /// In any case: it is the newest that is known of the account.
    Now,
    /// Unless somebody has said something of the account since the last look.
    NothingIsNew,
}

impl WorkerHands {
    /// Tells the members of the same account that the provider takes no more. If that fails, it is tried again with each look;
    /// meanwhile each of them is told by its own agent.
    pub(super) fn tell_limit(&mut self, until_ms: u64, reason: String) -> ActionResult {
        self.untold = Some(UntoldLimit { until_ms, reason });
        point("limit told, not on the roster");
        self.write_untold(TellWhen::Now);
        match self.untold {
            Some(_) => ActionResult::Nothing,
            None => self.heed_limit().map_or(ActionResult::Nothing, ActionResult::Event),
        }
    }

    /// Writes on the roster that most of a budget is used, which the transcript tells too.
    pub(super) fn tell_budget(&mut self, task: Option<TaskId>, used: String) {
        let name = self.me.name.clone();
        match self.team.enroll(TeamFact::BudgetNearly { name, task, used }) {
            Err(error) if !is_written(&error) => {
                self.trouble(format!("cannot tell on the roster that a budget is nearly used up: {error}"));
            }
            Ok(()) | Err(_) => {}
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
        self.write_untold(TellWhen::NothingIsNew);
        let news = self.limit.look(self.team.roster(), &self.me.name, clock::now_ms());
        // Whoever lifts a limit means this one, too.
        if let Some(WorkerEvent::LimitLifted) = news {
            self.untold = None;
        }
        news
    }

    /// Writes the limit down that is not on the roster yet, if there is one.
    fn write_untold(&mut self, when: TellWhen) {
        let Some(UntoldLimit { until_ms, reason }) = self.untold.clone() else { return };
        if until_ms <= clock::now_ms() {
            self.untold = None;
            return;
        }
        let name = self.me.name.clone();
        let (mut is_told, heeded) = (false, &self.limit);
        let written = self.team.enroll_if(|roster| {
            is_told = when == TellWhen::Now || !heeded.is_news(roster, &name);
            is_told.then(|| TeamFact::Limited { name: name.clone(), until_ms, reason })
        });
        match written {
            Err(error) if !is_written(&error) => {
                self.complain(
                    "limit",
                    format!("cannot tell others of the limit of the provider, trying again: {error}"),
                );
            }
            Ok(()) | Err(_) => {
                self.complaints.over("limit");
                if is_told {
                    self.untold = None;
                    point("limit on the roster, nobody rung");
                    self.team.ring_account(&name);
                }
            }
        }
    }
}
