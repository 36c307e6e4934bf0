//! The scripted agent: one program for all turns, which speaks JSON lines. Tests use it to see what a worker makes of a
//! conversation, and it is the plainest example of a dialect.
//!
//! The program is told everything on its standard input and tells everything on its standard output, one JSON object a
//! line with one key, which names it. `TEAMSTER_SCRIPT_AGENT` says which program it is.
//!
//! The orders it is given ([`ScriptOrder`]):
//!
//! ```json
//! {"start":{"session":"s1","identity":"You are …"}} first of all; null without an earlier conversation, and with
//!                                                  "copy_of" for one that begins as a copy of another
//! {"prompt":{"id":"3.0","text":"count the files"}}  begins a turn
//! {"steer":{"id":"3.1","text":"and the folders"}}
//! {"permit":{"question":"q1","answer":"once"}}      or "always", or {"never":{"reason":"…"}}
//! {"abort":{}}                                      the turn is to end
//! ```
//!
//! What it tells ([`ScriptNews`]):
//!
//! ```json
//! {"session_lost":{"why":"s1 is gone"}}           before it is ready: it begins another conversation
//! {"compacted":{}}                                 it has put its conversation in few words
//! {"ready":{"session":{"id":"s1","begun":"resumed"}}}
//! {"receipt":{"text":"3.0","state":"delivered"}}
//! {"text":"41 files\n"}     {"thought":"…"}     {"plan":[{"text":"count","state":"active"}]}
//! {"tool_call":{"id":"t1","title":"ls","state":"running"}}
//! {"permission_asked":{"question":"q1","tool":"sh","title":"rm -r x"}}
//! {"usage":{"input":120,"output":7}}
//! {"limited":{"until_ms":1763700000000,"reason":"5 hours are used up"}}
//! {"unavailable":{"reason":"529 overloaded"}}      its provider has no room; the end of the turn follows
//! {"turn_ended":{"end":"completed","result":"41 files"}}
//! ```
//!
//! A line that is none of these ends the program.

mod wire;

use teamster_protocol::model::agent::preset::{AgentAbilities, DriverKind, abilities_of};
use teamster_protocol::model::agent::{Permission, QuestionId};
use teamster_protocol::model::receipt::TextId;

pub use self::wire::{ScriptNews, ScriptOrder};
use super::lines::{AgentDialect, DialectStep, NonsenseSaid};
use super::{AgentSteer, SessionOrigin};

/// The dialect of the scripted agent.
#[derive(Debug)]
pub struct ScriptDialect {
    origin: SessionOrigin,
    identity: Option<String>,
}

impl ScriptDialect {
    /// With the conversation that it is to begin with, and the words that tell it who it is.
    pub fn new(origin: SessionOrigin, identity: Option<String>) -> ScriptDialect {
        ScriptDialect { origin, identity }
    }
}

/// Writes one order.
fn order(order: &ScriptOrder) -> Vec<DialectStep> {
    vec![DialectStep::Write(serde_json::to_string(order).expect("an order is plain data"))]
}

impl AgentDialect for ScriptDialect {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Script)
    }

    fn begin(&mut self) -> Vec<DialectStep> {
        let (session, copy_of) = match self.origin.clone() {
            SessionOrigin::New => (None, None),
            SessionOrigin::Earlier(session) => (Some(session), None),
            SessionOrigin::CopyOf(session) => (None, Some(session)),
        };
        order(&ScriptOrder::Start { session, copy_of, identity: self.identity.clone() })
    }

    fn prompt(&mut self, id: TextId, text: String) -> Vec<DialectStep> {
        order(&ScriptOrder::Prompt { id, text })
    }

    fn steer(&mut self, steer: AgentSteer) -> Vec<DialectStep> {
        order(&ScriptOrder::Steer { id: steer.id, text: steer.text })
    }

    fn permit(&mut self, question: QuestionId, answer: Permission) -> Vec<DialectStep> {
        order(&ScriptOrder::Permit { question, answer })
    }

    fn abort(&mut self) -> Vec<DialectStep> {
        order(&ScriptOrder::Abort {})
    }

    fn take_line(&mut self, line: &str) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let news: ScriptNews = serde_json::from_str(line).map_err(|error| NonsenseSaid::unread(line, error))?;
        Ok(vec![DialectStep::Tell(news.into())])
    }
}
