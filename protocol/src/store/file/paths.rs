//! Where the generations of a log are: beside its file, under names made from its own.

use std::path::{Path, PathBuf};

/// Where the generation before the present one is.
pub(super) fn old_path(path: &Path) -> PathBuf {
    with_suffix(path, ".old")
}

/// Where the next generation is while it is written.
pub(super) fn next_path(path: &Path) -> PathBuf {
    with_suffix(path, ".tmp")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
