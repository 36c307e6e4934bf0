//! The calls between the processes of a team, and the JSON-RPC peer that carries them.

pub mod api;
pub mod peer;
pub mod spare;
