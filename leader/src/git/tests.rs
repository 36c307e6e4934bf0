//! Worktrees as a user sees them: real repositories, looked at afterwards with the `git` program.

mod based;
mod create;
mod hidden;
mod parallel;
mod refused;
mod removal;
mod special;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use teamster_protocol::wire::api::WorktreeFound;
use tempfile::TempDir;

use super::{EngineUsed, GitError, Repository, Worktree, WorktreePlace, WorktreeSpec};

const BRANCH: &str = "teamster/t/alice";

/// A repository with two files in one commit, and a root for worktrees beside it.
struct Scene {
    dir: TempDir,
    /// The name of the repository's directory.
    name: &'static str,
}

impl Scene {
    fn new() -> Scene {
        Scene::with(&[])
    }

    /// `options` go to `git init`.
    fn with(options: &[&str]) -> Scene {
        Scene { dir: tempfile::tempdir().unwrap(), name: "repo" }.filled(options)
    }

    fn filled(self, options: &[&str]) -> Scene {
        let scene = self.begun(options);
        fs::create_dir(scene.repo().join("src")).unwrap();
        scene.write("readme.txt", "hello\n");
        scene.write("src/main.txt", "one\n");
        scene.write(".gitignore", "*.log\n");
        scene.commit(&scene.repo(), "first");
        scene
    }

    /// In a directory of another name.
    fn named(name: &'static str, options: &[&str]) -> Scene {
        Scene { dir: tempfile::tempdir().unwrap(), name }.filled(options)
    }

    fn empty(options: &[&str]) -> Scene {
        Scene { dir: tempfile::tempdir().unwrap(), name: "repo" }.begun(options)
    }

    fn begun(self, options: &[&str]) -> Scene {
        let scene = self;
        fs::create_dir(scene.repo()).unwrap();
        scene.git(&[&["init", "--quiet", "-b", "main"], options].concat());
        scene.git(&["config", "user.name", "Test"]);
        scene.git(&["config", "user.email", "test@localhost"]);
        // A setting of the user that would change the bytes of files, were it not set here.
        scene.git(&["config", "core.autocrlf", "false"]);
        scene
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(self.name)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(format!("trees of {}", self.name))
    }

    fn tree(&self) -> PathBuf {
        self.root().join("alice")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.repo().join(name), text).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        git(&self.repo(), args)
    }

    fn commit(&self, dir: &Path, message: &str) {
        git(dir, &["add", "--all"]);
        git(dir, &["commit", "--quiet", "-m", message]);
    }

    fn repository(&self) -> Repository {
        Repository::discover(&self.repo()).unwrap()
    }

    fn look_at_head(&self) -> Result<(), GitError> {
        Repository::discover(&self.repo())?.branch_summary("main", None).map(drop)
    }

    fn place(&self, name: &str) -> WorktreePlace {
        WorktreePlace::new(&self.root(), name).unwrap()
    }

    fn spec(&self) -> WorktreeSpec {
        WorktreeSpec {
            place: self.place("alice"),
            branch: BRANCH.to_owned(),
            base: None,
            found: WorktreeFound::GoesToBase,
        }
    }

    fn ensure(&self) -> Worktree {
        self.repository().ensure_worktree(&self.spec()).unwrap()
    }

    fn refused(&self, spec: &WorktreeSpec) -> GitError {
        self.repository().ensure_worktree(spec).unwrap_err()
    }

    /// The files that the user's own work depends on.
    fn users_state(&self) -> Vec<Vec<u8>> {
        let dir = self.repository().common_dir().to_owned();
        ["HEAD", "config", "index"].iter().map(|name| fs::read(dir.join(name)).unwrap_or_default()).collect()
    }

    /// Nothing of a worktree is there: no branch, no registration, no files.
    fn assert_nothing_left(&self) {
        assert_eq!(self.git(&["branch", "--list", "teamster/*"]), "");
        let list = self.git(&["worktree", "list", "--porcelain", "-z"]);
        assert_eq!(list.split('\0').filter(|line| line.starts_with("worktree ")).count(), 1, "{list}");
        assert!(!self.tree().exists());
    }

    fn assert_complete(&self) {
        assert_eq!(git(&self.tree(), &["status", "--porcelain"]), "");
        assert_eq!(git(&self.tree(), &["branch", "--show-current"]), BRANCH);
        assert!(!self.git(&["worktree", "list", "--porcelain"]).contains("locked"));
        self.git(&["fsck", "--connectivity-only"]);
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = try_git(dir, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?} in {}: {said}", dir.display());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn try_git(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("git");
    command.current_dir(dir).args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("LC_ALL", "C").output().unwrap()
}

fn is_program(worktree: &Worktree) -> bool {
    match worktree.engine {
        EngineUsed::Libgit2 => false,
        EngineUsed::GitProgram(_) => true,
    }
}
