//! The words for a call that the leader did not answer as asked, for every error that holds one.

use jsonrpsee::core::ClientError;

/// Why a call to the leader was not answered, in words for people.
pub(super) fn call_message(error: &ClientError) -> String {
    match error {
        ClientError::Call(error) => error.message().to_owned(),
        ClientError::RestartNeeded(_) => "the leader ended while it was asked".to_owned(),
        ClientError::RequestTimeout => "the leader did not answer in time".to_owned(),
        other => format!("cannot talk to the leader: {other}"),
    }
}
