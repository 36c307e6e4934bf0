//! A path in an answer of JSON, which is text: the name of a stray file may be of any bytes.

use std::path::PathBuf;

use serde::Serializer;

/// Gives the path as text, with a mark for each byte that is none.
pub fn lossy_path<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => to.serialize_some(&path.to_string_lossy()),
        None => to.serialize_none(),
    }
}
