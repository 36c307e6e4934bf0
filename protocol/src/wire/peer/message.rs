//! Tells by its shape what a line is: a call, a notice, or an answer. Nothing is decoded deeper than needed.

use std::borrow::Cow;

use jsonrpsee::types::{ErrorCode, ErrorObjectOwned, Id};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A message that came in, borrowing from its line.
pub(super) enum PeerMessage<'a> {
    Call { id: Id<'a>, method: Cow<'a, str>, params: Option<&'a str> },
    Notice { method: Cow<'a, str>, params: Option<&'a str> },
    Answer { id: Id<'a>, outcome: CallOutcome },
}

/// How a call of ours ended.
#[derive(Debug)]
pub(super) enum CallOutcome {
    Success(Box<RawValue>),
    Error(ErrorObjectOwned),
    /// The other side answered with something that JSON-RPC does not allow; this says what.
    Malformed(String),
}

/// The reason why a line is no message, and the id to answer, if there is one.
pub(super) struct UnreadableLine {
    pub(super) id: Id<'static>,
    pub(super) error: ErrorObjectOwned,
}

#[derive(Deserialize)]
struct MessageShape<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A field that is there though it may be `null`, which a plain option would take for absent.
fn present<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

impl<'a> PeerMessage<'a> {
    /// Reads one line. An error is what to answer.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, UnreadableLine> {
        let nobody = |error| UnreadableLine { id: Id::Null, error };
        let text =
            std::str::from_utf8(line).map_err(|error| nobody(not_json(&format!("the line is not UTF-8: {error}"))))?;
        let shape: MessageShape<'a> = match text.trim_ascii_start().as_bytes().first() {
            Some(b'{') => serde_json::from_str(text).map_err(|error| {
                nobody(if error.is_data() { not_a_request(&error.to_string()) } else { not_json(&error.to_string()) })
            })?,
            // The derived reader would take an array for the fields in order.
            _ => {
                return Err(nobody(match serde_json::from_str::<&RawValue>(text) {
                    Ok(array) if array.get().starts_with('[') => {
                        not_a_request("batches are not supported, send one message a line")
                    }
                    Ok(_) => not_a_request("a message is a JSON object"),
                    Err(error) => not_json(&error.to_string()),
                }));
            }
        };
        shape.into_message()
    }
}

impl<'a> MessageShape<'a> {
    fn into_message(self) -> Result<PeerMessage<'a>, UnreadableLine> {
        let id = match self.id.map(|id| serde_json::from_str::<Id<'a>>(id.get())) {
            Some(Ok(id)) => Some(id),
            None => None,
            Some(Err(_)) => {
                let error = not_a_request("an id is a string, a whole number from 0, or null");
                return Err(UnreadableLine { id: Id::Null, error });
            }
        };
        let refuse = |id: Option<Id<'a>>, why: &str| UnreadableLine {
            id: id.map_or(Id::Null, Id::into_owned),
            error: not_a_request(why),
        };
        if self.jsonrpc.is_none_or(|version| version.get() != r#""2.0""#) {
            return Err(refuse(id, r#""jsonrpc" must be "2.0""#));
        }
        let Some(method) = self.method else {
            return match id {
                Some(id) if self.result.is_some() || self.error.is_some() => {
                    Ok(PeerMessage::Answer { id, outcome: outcome(self.result, self.error) })
                }
                id => Err(refuse(id, "it has neither a method nor a result")),
            };
        };
        if self.result.is_some() || self.error.is_some() {
            return Err(refuse(id, "it has both a method and a result"));
        }
        let Ok(method) = string(method.get()) else {
            return Err(refuse(id, "a method is a string"));
        };
        let params = self.params.map(RawValue::get);
        Ok(match id {
            Some(id) => PeerMessage::Call { id, method, params },
            None => PeerMessage::Notice { method, params },
        })
    }
}

fn outcome(result: Option<&RawValue>, error: Option<&RawValue>) -> CallOutcome {
    match (result, error) {
        (Some(result), None) => CallOutcome::Success(result.to_owned()),
        (None, Some(error)) => match serde_json::from_str::<ErrorObjectOwned>(error.get()) {
            Ok(error) => CallOutcome::Error(error),
            Err(why) => CallOutcome::Malformed(format!("its error is malformed: {why}")),
        },
        (Some(_), Some(_)) => CallOutcome::Malformed("it has both a result and an error".to_owned()),
        (None, None) => CallOutcome::Malformed("it has neither a result nor an error".to_owned()),
    }
}

/// A JSON string, borrowed unless it holds escapes.
fn string(json: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    serde_json::from_str::<&str>(json).map(Cow::Borrowed).or_else(|_| serde_json::from_str(json).map(Cow::Owned))
}

/// The id of a call whose line was skipped, if it stands in the line's beginning.
///
/// Only the members before the first nested one are looked at: an id inside the parameters is not the call's.
pub(super) fn id_at_head(head: &[u8]) -> Option<Id<'static>> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(cut) => std::str::from_utf8(&head[..cut.valid_up_to()]).ok()?,
    };
    let mut rest = text.trim_ascii_start().strip_prefix('{')?;
    loop {
        let (key, after) = leading::<&str>(rest)?;
        rest = after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
        if key == "id" {
            return leading::<Id<'_>>(rest).map(|(id, _)| id.into_owned());
        }
        let (_, after) = leading::<&str>(rest)?;
        rest = after.trim_ascii_start().strip_prefix(',')?.trim_ascii_start();
    }
}

/// The JSON value that the text begins with, and what follows it.
fn leading<'a, T: Deserialize<'a>>(text: &'a str) -> Option<(T, &'a str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    let rest = &text[values.byte_offset()..];
    // A number cut off by the end of the head would be a wrong id.
    (!rest.is_empty()).then_some((value, rest))
}

fn not_json(why: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(ErrorCode::ParseError.code(), format!("not JSON: {why}"), None::<()>)
}

fn not_a_request(why: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(ErrorCode::InvalidRequest.code(), format!("not a JSON-RPC 2.0 message: {why}"), None::<()>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_skipped_line_is_found_only_where_it_is_the_calls() {
        let id = |head: &str| id_at_head(head.as_bytes());
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":7,"method":"m","params":["xxx"#), Some(Id::Number(7)));
        assert_eq!(id(r#"{"method":"m","id":"a","params":["xxx"#), Some(Id::Str("a".into())));
        assert_eq!(id(r#"{"method":"m","params":[{"id":7"#), None);
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":12"#), None);
        assert_eq!(id("xxxx"), None);
    }
}
