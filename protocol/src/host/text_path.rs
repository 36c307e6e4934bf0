//! Paths that the files of a team can name: those files are JSON, which is text, and a path may be of any bytes. Each
//! program refuses another path where it comes in, before anything is made for it.

use std::path::{Path, PathBuf};

/// A path that is no text.
#[derive(Debug, thiserror::Error)]
#[error("the path {path:?} is not UTF-8, and the files of a team can not name it\nrename it, or use another directory")]
pub struct NotTextPath {
    path: PathBuf,
}

/// Refuses a path that is not UTF-8.
pub fn must_be_text(path: &Path) -> Result<(), NotTextPath> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(NotTextPath { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_path_of_any_bytes_is_refused_with_the_bytes_that_are_no_text() {
        assert!(must_be_text(Path::new("/a directory/né")).is_ok());
        let error = must_be_text(Path::new(OsStr::from_bytes(b"/work/na\xefve"))).unwrap_err().to_string();
        assert!(error.starts_with(r#"the path "/work/na\xEFve" is not UTF-8"#), "{error}");
    }
}
