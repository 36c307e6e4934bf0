//! The way to a session: the agent introduces itself, a session is opened or gone on with, and what the member was set up
//! with is chosen there, one thing after another. What can not be had ends the agent with the reason: a member on another
//! model than the one it was given, or one that does not ask, is not what was asked for.

use std::collections::VecDeque;

use serde_json::{Value, json};
use teamster_protocol::model::agent::options::AgentLaunch;
use teamster_protocol::model::agent::preset::SteerAbility;
use teamster_protocol::model::agent::{AgentSession, SessionBegin, SessionId};

use super::fault::{is_login_required, login_words, words_of};
use super::wire::{AgentIntroduced, ChoiceWay, SessionChoice, SessionOpened};
use super::{AcpDialect, AcpRequest};
use crate::driver::lines::rpc::RpcRefusal;
use crate::driver::lines::{DialectStep, NonsenseSaid, tell};
use crate::driver::{AgentNews, SessionOrigin};

/// The version of the protocol that is spoken here.
const ACP_VERSION: u64 = 1;

/// The mode in which agents ask before they use a tool. They share the name.
const ASKING_MODE: &str = "default";

/// How a session is come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionWay {
    /// An earlier one is gone on with.
    Resume,
    /// An earlier one is gone on with, and the agent tells all of it again first.
    Load,
    /// A copy of another's is begun.
    Fork,
    /// A new one is begun.
    New,
}

/// One thing to be chosen in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SessionWish {
    Model(String),
    Effort(String),
    /// The mode in which the agent asks before it uses a tool.
    Asking,
}

/// What the member was set up with, as far as it is chosen in a session.
pub(super) fn wishes(launch: &AgentLaunch) -> VecDeque<SessionWish> {
    // The efforts that can be chosen may depend on the model.
    let model = launch.model.clone().map(SessionWish::Model);
    let effort = launch.effort.clone().map(SessionWish::Effort);
    // It is to ask also where every question is answered with yes: a mode in which the agent decides by itself, as some begin
    // with, may refuse what the member was allowed.
    [model, effort, Some(SessionWish::Asking)].into_iter().flatten().collect()
}

impl AcpDialect {
    pub(super) fn introduce(&mut self) -> Vec<DialectStep> {
        // Files and terminals are not offered: agents have their own, and some fail on those of others.
        let params = json!({
            "protocolVersion": ACP_VERSION,
            "clientCapabilities": {"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false,
                "session": {"compaction": {}}},
            "clientInfo": {"name": "teamster", "title": "Teamster", "version": env!("CARGO_PKG_VERSION")},
        });
        vec![self.request(AcpRequest::Introduce, "initialize", params)]
    }

    pub(super) fn introduced(&mut self, answer: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let agent: AgentIntroduced = serde_json::from_value(answer).map_err(|error| {
            NonsenseSaid::new(format!("the agent's answer to initialize is not understood: {error}"))
        })?;
        if agent.protocol_version != ACP_VERSION {
            let other = &agent.protocol_version;
            let reason =
                format!("the agent speaks version {other} of the Agent Client Protocol, and not {ACP_VERSION}");
            return Err(NonsenseSaid::new(reason));
        }
        let mut steps = Vec::new();
        if agent.can_steer() {
            steps.push(tell(AgentNews::Steering(SteerAbility::Native)));
        }
        self.can_load = agent.can_load();
        self.can_resume = agent.can_resume();
        if !self.can_load && !self.can_resume {
            steps.push(tell(AgentNews::NoResume));
        }
        self.logins = agent.logins();
        let way = match &self.origin {
            SessionOrigin::New => SessionWay::New,
            SessionOrigin::Earlier(_) if self.can_resume => SessionWay::Resume,
            SessionOrigin::Earlier(_) if self.can_load => SessionWay::Load,
            SessionOrigin::CopyOf(_) if agent.can_fork() => SessionWay::Fork,
            SessionOrigin::Earlier(_) | SessionOrigin::CopyOf(_) => {
                let lost = std::mem::take(&mut self.origin).lost("its agent offers no way to");
                steps.extend(lost.map(tell));
                SessionWay::New
            }
        };
        steps.push(self.open_session(way));
        Ok(steps)
    }

    fn open_session(&mut self, way: SessionWay) -> DialectStep {
        let mut params = json!({"cwd": self.workspace, "mcpServers": []});
        let method = match way {
            SessionWay::Resume => "session/resume",
            SessionWay::Load => "session/load",
            SessionWay::Fork => "session/fork",
            SessionWay::New => "session/new",
        };
        match &self.origin {
            SessionOrigin::New => {}
            SessionOrigin::Earlier(session) | SessionOrigin::CopyOf(session) => params["sessionId"] = json!(session),
        }
        self.request(AcpRequest::OpenSession(way), method, params)
    }

    pub(super) fn not_opened(&mut self, way: SessionWay, why: &RpcRefusal) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let words = words_of(why);
        if is_login_required(why) {
            return Err(NonsenseSaid::login_wanted(login_words(&words, &self.logins)));
        }
        if way == SessionWay::Resume && self.can_load {
            return Ok(vec![self.open_session(SessionWay::Load)]);
        }
        match std::mem::take(&mut self.origin).lost(&words) {
            Some(lost) => Ok(vec![tell(lost), self.open_session(SessionWay::New)]),
            None => Err(NonsenseSaid::new(format!("the agent opens no session: {words}"))),
        }
    }

    pub(super) fn opened(&mut self, way: SessionWay, answer: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let opened: SessionOpened = match answer {
            // An agent may have nothing to say of a session that was known.
            Value::Null => SessionOpened::default(),
            answer => serde_json::from_value(answer)
                .map_err(|error| NonsenseSaid::new(format!("the agent's new session is not understood: {error}")))?,
        };
        let origin = std::mem::take(&mut self.origin);
        let (id, begun) = match (way, opened.session_id.clone(), origin) {
            (SessionWay::New, Some(id), _) => (id, SessionBegin::Fresh),
            (SessionWay::Fork, Some(id), _) => (id, SessionBegin::Forked),
            (SessionWay::Resume, _, SessionOrigin::Earlier(earlier)) => (earlier.0, SessionBegin::Resumed),
            (SessionWay::Load, _, SessionOrigin::Earlier(earlier)) => (earlier.0, SessionBegin::Loaded),
            (SessionWay::New | SessionWay::Fork | SessionWay::Resume | SessionWay::Load, _, _) => {
                return Err(NonsenseSaid::new("the agent opened a session and did not name it"));
            }
        };
        // A new session has cost nothing; of an earlier one the agent may tell what it had cost.
        if begun == SessionBegin::Fresh {
            self.cost = Some(0);
        }
        self.session = Some(AgentSession { id: SessionId(id), begun });
        self.choices.take_all(opened);
        self.choose_next()
    }

    /// Chooses the next thing in the session, or tells that all is chosen.
    pub(super) fn choose_next(&mut self) -> Result<Vec<DialectStep>, NonsenseSaid> {
        while let Some(wish) = self.wishes.pop_front() {
            let (choice, wanted) = match &wish {
                SessionWish::Model(model) => (self.choices.model(), model.as_str()),
                SessionWish::Effort(effort) => (self.choices.effort(), effort.as_str()),
                SessionWish::Asking => (self.choices.mode(), ASKING_MODE),
            };
            let Some(choice) = choice else {
                not_offered(&wish, None)?;
                continue;
            };
            let Some(value) = choice.value(wanted).map(str::to_owned) else {
                not_offered(&wish, Some(&choice))?;
                continue;
            };
            if value == choice.current {
                continue;
            }
            let session = self.session_id();
            let (method, params) = match choice.way {
                ChoiceWay::ConfigOption(id) => {
                    ("session/set_config_option", json!({"sessionId": session, "configId": id, "value": value}))
                }
                ChoiceWay::SetModel => ("session/set_model", json!({"sessionId": session, "modelId": value})),
                ChoiceWay::SetMode => ("session/set_mode", json!({"sessionId": session, "modeId": value})),
            };
            return Ok(vec![self.request(AcpRequest::Choose(wish), method, params)]);
        }
        Ok(vec![self.be_ready()])
    }

    pub(super) fn chosen(&mut self, mut answer: Value) -> Result<Vec<DialectStep>, NonsenseSaid> {
        self.choices.renew(serde_json::from_value(answer["configOptions"].take()).ok());
        self.choose_next()
    }

    /// A later life can go on with a session of which its agent keeps something: not before the first turn. One that the
    /// agent does not keep is told too: by it the later life knows that there was one.
    fn be_ready(&mut self) -> DialectStep {
        self.is_ready = true;
        let told = match self.session.clone() {
            Some(session) if matches!(session.begun, SessionBegin::Resumed | SessionBegin::Loaded) => Some(session),
            session => {
                self.untold_session = session;
                None
            }
        };
        tell(AgentNews::Ready { session: told })
    }
}

/// The agent does not let something be chosen. That is an error, but for the mode: an agent without modes asks as its own
/// settings say.
fn not_offered(wish: &SessionWish, choice: Option<&SessionChoice>) -> Result<(), NonsenseSaid> {
    let what = match wish {
        SessionWish::Model(model) => format!("the model {model}"),
        SessionWish::Effort(effort) => format!("the effort {effort}"),
        SessionWish::Asking => return Ok(()),
    };
    Err(NonsenseSaid::new(match choice {
        Some(choice) => format!("the agent does not offer {what}: it offers {}", choice.offered()),
        None => format!("the agent can not be given {what}: it offers no such choice"),
    }))
}

/// The agent refuses a choice that it had offered.
pub(super) fn not_chosen(wish: &SessionWish, why: &RpcRefusal) -> NonsenseSaid {
    let what = match wish {
        SessionWish::Model(model) => format!("the model {model}"),
        SessionWish::Effort(effort) => format!("the effort {effort}"),
        SessionWish::Asking => "to ask before it uses a tool".to_owned(),
    };
    NonsenseSaid::new(format!("the agent refused {what}: {}", words_of(why)))
}
