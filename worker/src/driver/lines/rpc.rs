//! JSON-RPC 2.0 in lines, as some agents speak it: the numbers of our requests, those that wait for an answer, and the
//! answers to the agent's own requests. Pure, as the dialects that use it.
//!
//! Both sides number their requests by themselves, and the numbers are alike. So the two directions never meet here: our
//! numbers are looked up for answers only, and an id of the agent is kept as it came and goes back with its answer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// The code of the error that answers a request which is not known.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;

/// A conversation in JSON-RPC. `C` is what a request of ours was for.
#[derive(Debug)]
pub(crate) struct RpcTalk<C> {
    version: RpcVersion,
    /// The number of requests that were made.
    requests: u64,
    unanswered: BTreeMap<u64, C>,
}

/// Whether our messages name the version of JSON-RPC. Those that are read may or may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RpcVersion {
    /// Each message has the field `jsonrpc`, as the standard demands.
    Named,
    /// No message has it.
    Omitted,
}

/// The agent's name for a request of its own, as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcId(Value);

/// The error that answers a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcRefusal {
    pub(crate) code: i64,
    pub(crate) message: String,
    /// What else the agent tells about it; null if nothing.
    pub(crate) data: Value,
}

/// One message of the agent.
#[derive(Debug, PartialEq)]
pub(crate) enum RpcMessage<C> {
    /// A request of ours is answered.
    Answer { request: C, outcome: Result<Value, RpcRefusal> },
    /// The agent asks for something, and waits for an answer.
    Request { id: RpcId, method: String, params: Value },
    /// The agent tells something.
    Notice { method: String, params: Value },
    /// An answer that nobody waits for: a second one, or one to a line that was no request.
    Stray,
}

/// The fields of a message, of which each kind has some.
#[derive(Deserialize)]
struct RpcFields {
    id: Option<Value>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    error: Option<Value>,
}

impl<C> RpcTalk<C> {
    pub(crate) fn new(version: RpcVersion) -> RpcTalk<C> {
        RpcTalk { version, requests: 0, unanswered: BTreeMap::new() }
    }

    /// The number of requests that were made: that of the last one.
    #[cfg(test)]
    pub(crate) fn requests_made(&self) -> u64 {
        self.requests
    }

    /// Returns the line of a request, whose answer will come with `purpose`.
    pub(crate) fn request(&mut self, purpose: C, method: &str, params: Value) -> String {
        self.requests += 1;
        self.unanswered.insert(self.requests, purpose);
        self.line(json!({"id": self.requests, "method": method, "params": params}))
    }

    /// Returns the line that tells the agent something.
    pub(crate) fn notice(&self, method: &str, params: Value) -> String {
        self.line(json!({"method": method, "params": params}))
    }

    /// Returns the line that answers a request of the agent.
    pub(crate) fn answer(&self, id: &RpcId, result: Value) -> String {
        self.line(json!({"id": id.0, "result": result}))
    }

    /// Returns the line that tells the agent that its request is not known here.
    pub(crate) fn refuse_method(&self, id: &RpcId, method: &str) -> String {
        let error = json!({"code": METHOD_NOT_FOUND, "message": format!("method not found: {method}")});
        self.line(json!({"id": id.0, "error": error}))
    }

    /// Reads a line of the agent. Fails with the reason, in one line, if it is no message.
    pub(crate) fn read(&mut self, line: &str) -> Result<RpcMessage<C>, String> {
        let RpcFields { id, method, params, result, error } =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        match (method, id) {
            (Some(method), Some(id)) => Ok(RpcMessage::Request { id: RpcId(id), method, params }),
            (Some(method), None) => Ok(RpcMessage::Notice { method, params }),
            (None, Some(id)) => match id.as_u64().and_then(|number| self.unanswered.remove(&number)) {
                Some(request) => {
                    Ok(RpcMessage::Answer { request, outcome: error.map_or(Ok(result), |error| Err(error.into())) })
                }
                None => Ok(RpcMessage::Stray),
            },
            (None, None) if error.is_some() => Ok(RpcMessage::Stray),
            (None, None) => Err("it has neither a method nor an id".to_owned()),
        }
    }

    fn line(&self, mut message: Value) -> String {
        match self.version {
            RpcVersion::Named => message["jsonrpc"] = json!("2.0"),
            RpcVersion::Omitted => {}
        }
        message.to_string()
    }
}

impl RpcId {
    /// Whether the agent names the same request in the parameters of a message.
    pub(crate) fn is(&self, named: &Value) -> bool {
        self.0 == *named
    }
}

impl From<Value> for RpcRefusal {
    fn from(error: Value) -> RpcRefusal {
        let message = match (error["message"].as_str(), error.as_str()) {
            (Some(message), _) | (None, Some(message)) => message.to_owned(),
            (None, None) => error.to_string(),
        };
        RpcRefusal { code: error["code"].as_i64().unwrap_or(0), message, data: error["data"].clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_request_and_a_second_one_finds_nothing() {
        let mut talk = RpcTalk::new(RpcVersion::Named);
        assert_eq!(talk.request("a", "one", json!({})), r#"{"id":1,"jsonrpc":"2.0","method":"one","params":{}}"#);
        talk.request("b", "two", json!({}));
        let answer = r#"{"jsonrpc":"2.0","id":2,"result":null}"#;
        assert_eq!(talk.read(answer), Ok(RpcMessage::Answer { request: "b", outcome: Ok(Value::Null) }));
        assert_eq!(talk.read(answer), Ok(RpcMessage::Stray));
        let refused = RpcRefusal { code: -32000, message: "no".to_owned(), data: json!({"why": 1}) };
        let answer = r#"{"id":1,"error":{"code":-32000,"message":"no","data":{"why":1}}}"#;
        assert_eq!(talk.read(answer), Ok(RpcMessage::Answer { request: "a", outcome: Err(refused) }));
    }

    #[test]
    fn a_request_of_the_agent_with_the_number_of_ours_is_not_taken_for_an_answer() {
        let mut talk = RpcTalk::new(RpcVersion::Omitted);
        assert_eq!(talk.request("ours", "one", json!({})), r#"{"id":1,"method":"one","params":{}}"#);
        let Ok(RpcMessage::Request { id, method, params }) = talk.read(r#"{"id":1,"method":"ask","params":{"x":1}}"#)
        else {
            panic!("it is a request")
        };
        assert_eq!((method.as_str(), params), ("ask", json!({"x": 1})));
        assert_eq!(talk.answer(&id, json!({"y": 2})), r#"{"id":1,"result":{"y":2}}"#);
        assert!(id.is(&json!(1)) && !id.is(&json!("1")));
        assert!(matches!(talk.read(r#"{"id":1,"result":{}}"#), Ok(RpcMessage::Answer { request: "ours", .. })));
    }

    #[test]
    fn an_id_goes_back_as_it_came_and_what_is_no_message_is_refused() {
        let mut talk = RpcTalk::<()>::new(RpcVersion::Named);
        let Ok(RpcMessage::Request { id, .. }) = talk.read(r#"{"id":"x-1","method":"odd"}"#) else {
            panic!("a request")
        };
        let refused = talk.refuse_method(&id, "odd");
        assert!(refused.contains(r#""id":"x-1""#) && refused.contains("-32601"), "{refused}");
        assert_eq!(talk.read(r#"{"id":null,"error":{"code":-32700,"message":"Parse error"}}"#), Ok(RpcMessage::Stray));
        assert_eq!(talk.read(r#"{"id":7,"error":"just a text"}"#), Ok(RpcMessage::Stray));
        for line in ["npm warn", "[]", "7", r#"{"hello":"world"}"#, r#"{"method":7}"#] {
            assert!(talk.read(line).is_err(), "{line}");
        }
    }
}
