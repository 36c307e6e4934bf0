//! `--context`: whether a member can begin with the conversation that was chosen for it.

use teamster_protocol::model::agent::SessionContext;
use teamster_protocol::model::agent::preset::DriverKind;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::task::PromptKind;
use teamster_protocol::store::transcript;
use teamster_protocol::team::TeamView;
use teamster_protocol::wire::api::SessionKept;

use super::ChosenAgent;
use crate::ops::error::OpsError;

impl ChosenAgent {
    /// Refuses a conversation that `name` can not begin with, where one was chosen now. One that was chosen earlier and is
    /// gone by now keeps nobody from starting.
    pub(in crate::ops) fn must_have_context(&self, name: &MemberName, view: &TeamView) -> Result<(), OpsError> {
        match (self.session, &self.options.context) {
            (SessionKept::Kept, _) | (SessionKept::GivenUp, None) => Ok(()),
            (SessionKept::GivenUp, Some(context)) => {
                self.must_converse()?;
                match context {
                    SessionContext::Fresh => Ok(()),
                    SessionContext::Branch(other) => must_have_talked(name, other, view),
                }
            }
        }
    }

    /// Whether it remembers one turn in the next.
    pub(in crate::ops) fn has_conversation(&self) -> bool {
        let prompts = self.options.abilities(&self.name).map(|abilities| abilities.prompts);
        let driver = self.options.launch(&self.name).map(|launch| launch.driver);
        prompts == Some(PromptKind::Conversation) && driver != Ok(DriverKind::Cmd)
    }

    fn must_converse(&self) -> Result<(), OpsError> {
        if self.has_conversation() {
            return Ok(());
        }
        let what = format!("{} has no conversation: each of its turns begins without any memory", self.name);
        Err(OpsError::refused(what, "leave --context out, or choose another agent: teamster agents lists them"))
    }
}

/// Refuses a member that has no conversation which another could begin with.
fn must_have_talked(name: &MemberName, other: &MemberName, view: &TeamView) -> Result<(), OpsError> {
    if other == name {
        let what = format!("{name} can not begin with a copy of its own conversation");
        return Err(OpsError::refused(what, format!("leave --context out: {name} goes on with what it had")));
    }
    let Ok(member) = view.roster().member(other) else {
        let what = format!("there is no member {other} whose conversation {name} could begin with");
        return Err(OpsError::refused(what, "teamster list shows the members"));
    };
    let turns = transcript::turns(&view.dir().turns(other)).unwrap_or_default();
    let talks = member.spec.prompts() == PromptKind::Conversation;
    if member.session.is_some() || (talks && !turns.is_empty()) {
        return Ok(());
    }
    let what = format!("{other} has no conversation yet that {name} could begin with");
    let hint = match talks {
        true => format!("give it something to do first: teamster send {other} WORDS"),
        false => format!("its agent, {}, runs commands and talks to nobody", member.spec.agent),
    };
    Err(OpsError::refused(what, hint))
}
