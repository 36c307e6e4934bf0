//! The build script of both programs: which commit they are built from, for `--version`. The commit is left out where
//! there is no git, no repository of this project, or no commit yet; a build must not fail for that.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../protocol/build/commit.rs");
    let variable = |name| std::env::var(name).expect("cargo sets it for build scripts");
    let (version, profile) = (variable("CARGO_PKG_VERSION"), variable("PROFILE"));
    let shown = if profile == "debug" {
        // To look again at every commit would build both crates anew each time, for a program that is used at once.
        format!("{version} (debug)")
    } else {
        match commit(&project()) {
            Some(commit) => format!("{version} ({commit})"),
            None => version,
        }
    };
    println!("cargo::rustc-env=TEAMSTER_VERSION={shown}");
}

/// The folder of the workspace.
fn project() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts");
    Path::new(&package).parent().expect("the package lies in the workspace").to_owned()
}

/// The short name of the commit that is checked out. Asks for another look when that changes.
pub(crate) fn commit(project: &Path) -> Option<String> {
    // Where the project was unpacked within somebody else's repository, that one's commit says nothing.
    let top = PathBuf::from(git(project, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != project.canonicalize().ok()? {
        return None;
    }
    let branch = git(project, &["symbolic-ref", "--quiet", "HEAD"]);
    // The last one is written at every move of HEAD; the others are for who keeps no such log.
    for name in ["HEAD", branch.as_deref().unwrap_or("HEAD"), "packed-refs", "logs/HEAD"] {
        let file = git(project, &["rev-parse", "--git-path", name]).map(|path| project.join(path));
        // A file that is not there would ask for another look at every build.
        if let Some(file) = file.filter(|file| file.exists()) {
            println!("cargo::rerun-if-changed={}", file.display());
        }
    }
    git(project, &["rev-parse", "--short=7", "HEAD"])
}

/// What git says to this, if it is there and agrees.
fn git(project: &Path, words: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.current_dir(project).args(words);
    // A build may be started by a hook of another repository, which sets these.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"] {
        command.env_remove(variable);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    let said = String::from_utf8(output.stdout).ok()?;
    Some(said.trim().to_owned()).filter(|said| !said.is_empty())
}
