//! The steps on real repositories, looked at afterwards with the `git` program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

mod travel;

use super::*;
use crate::model::object_id::ObjectId;

/// A repository with one commit on `main`, in which no setting of the user counts that could matter.
struct Scene {
    dir: TempDir,
    runner: GitRunner,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let runner = GitRunner::find_for_merges(Path::new("git"), dir.path()).unwrap();
        let scene = Scene { dir, runner };
        scene.git(&["init", "--quiet", "-b", "main"]);
        for (name, value) in [
            ("user.name", "Test"),
            ("user.email", "test@localhost"),
            ("core.autocrlf", "false"),
            ("commit.gpgsign", "false"),
        ] {
            scene.git(&["config", name, value]);
        }
        scene.write("list.txt", "one\n");
        scene.commit("first");
        scene
    }

    fn git_dir(&self) -> PathBuf {
        self.dir.path().join(".git")
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git").current_dir(self.dir.path()).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn commit(&self, message: &str) -> ObjectId {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", message]);
        self.id("HEAD")
    }

    fn id(&self, revision: &str) -> ObjectId {
        self.git(&["rev-parse", revision]).parse().unwrap()
    }

    /// A commit upon `base` in which `file` has this text; `main` is checked out afterwards.
    fn branched(&self, base: &str, branch: &str, file: &str, text: &str) -> ObjectId {
        self.git(&["switch", "--quiet", "-c", branch, base]);
        self.write(file, text);
        let made = self.commit(branch);
        self.git(&["switch", "--quiet", "main"]);
        made
    }

    fn merged(&self, ours: &ObjectId, theirs: &ObjectId, base: Option<&ObjectId>) -> MergeOutcome {
        merge_commits(&self.runner, &self.git_dir(), ours, theirs, base).unwrap()
    }

    /// A program in the place of another, which does as this script says.
    fn stub(&self, name: &str, script: &str) -> PathBuf {
        let path = self.dir.path().join(".git").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

#[test]
fn a_clean_merge_has_the_tree_that_git_would_make_and_touches_nothing() {
    let scene = Scene::new();
    let ours = scene.branched("main", "ours", "a.txt", "a\n");
    let theirs = scene.branched("main", "theirs", "b.txt", "b\n");
    let before = (scene.git(&["for-each-ref"]), scene.git(&["status", "--porcelain"]));
    let MergeOutcome::Clean(tree) = scene.merged(&ours, &theirs, None) else { panic!("it is clean") };
    let made =
        commit_tree(&scene.runner, &scene.git_dir(), &tree, &[ours, theirs], "Merge both\n\nTrailer: yes").unwrap();
    assert_eq!(before, (scene.git(&["for-each-ref"]), scene.git(&["status", "--porcelain"])));

    scene.git(&["switch", "--quiet", "ours"]);
    scene.git(&["merge", "--quiet", "--no-edit", "theirs"]);
    assert_eq!(scene.id("HEAD^{tree}"), tree);
    assert_eq!(
        scene.git(&["log", "-1", "--format=%an <%ae>|%s|%b", made.as_str()]),
        "Test <test@localhost>|Merge both|Trailer: yes"
    );
}

#[test]
fn a_conflict_names_its_files_each_once_whatever_their_names() {
    let scene = Scene::new();
    scene.write("with a\nline end", "one\n");
    scene.commit("second");
    let both = |branch: &str, text: &str| {
        scene.git(&["switch", "--quiet", "-c", branch, "main"]);
        scene.write("with a\nline end", text);
        scene.write("list.txt", text);
        scene.commit(branch)
    };
    let (ours, theirs) = (both("ours", "two\n"), both("theirs", "three\n"));
    let files = ["list.txt", "with a\nline end"].map(PathBuf::from);
    assert_eq!(scene.merged(&ours, &theirs, None), MergeOutcome::Conflict(files.to_vec()));
}

#[test]
fn a_merge_obeys_the_attributes_of_the_tree() {
    let scene = Scene::new();
    scene.write(".gitattributes", "list.txt merge=union\n");
    scene.commit("union");
    let ours = scene.branched("main", "ours", "list.txt", "one\ntwo\n");
    let theirs = scene.branched("main", "theirs", "list.txt", "one\nthree\n");
    let MergeOutcome::Clean(tree) = scene.merged(&ours, &theirs, None) else { panic!("a union has no conflict") };
    assert_eq!(scene.git(&["show", &format!("{tree}:list.txt")]), "one\ntwo\nthree");
}

#[test]
fn what_a_branch_began_with_counts_where_the_target_has_it_in_another_form() {
    let scene = Scene::new();
    let lower = scene.branched("main", "lower", "list.txt", "one\nlower\n");
    let upper = scene.branched("lower", "upper", "list.txt", "one\nlower\nupper\n");
    let base = |target: &ObjectId| merge_base(&scene.runner, &scene.git_dir(), target, &upper, &lower).unwrap();
    scene.git(&["switch", "--quiet", "-c", "plain", "main"]);
    scene.git(&["merge", "--quiet", "--no-ff", "--no-edit", "lower"]);
    assert_eq!(base(&scene.id("plain")), None, "git sees that it came back");

    scene.git(&["switch", "--quiet", "main"]);
    scene.write("list.txt", "one\nlower, as reviewed\n");
    let squashed = scene.commit("lower, squashed");
    scene.write("list.txt", "one\nlower\n");
    let squashed_as_it_was = scene.commit("lower, as it was");
    let found = base(&squashed_as_it_was);
    assert_eq!(found.as_ref(), Some(&lower));
    assert!(matches!(scene.merged(&squashed_as_it_was, &upper, found.as_ref()), MergeOutcome::Clean(_)));
    assert!(matches!(scene.merged(&squashed, &upper, found.as_ref()), MergeOutcome::Conflict(_)));
}

#[test]
fn what_is_no_commit_or_has_no_common_one_is_refused_in_the_words_of_git() {
    let scene = Scene::new();
    let here = scene.id("HEAD");
    let refused = |theirs: &ObjectId| {
        merge_commits(&scene.runner, &scene.git_dir(), &here, theirs, None).unwrap_err().to_string()
    };
    assert!(refused(&here.absent()).contains("not something we can merge"), "{}", refused(&here.absent()));
    scene.git(&["switch", "--quiet", "--orphan", "other"]);
    scene.write("other.txt", "other\n");
    let other = scene.commit("other");
    assert!(refused(&other).contains("unrelated histories"), "{}", refused(&other));
}

#[test]
fn a_signature_is_made_where_it_is_wanted_and_one_that_fails_is_a_refusal() {
    let scene = Scene::new();
    let tree = scene.id("HEAD^{tree}");
    let signer = scene.stub("signer", "cat >&2 && echo '[GNUPG:] SIG_CREATED ' >&2 && echo signed by the stub");
    scene.git(&["config", "commit.gpgsign", "yes"]);
    scene.git(&["config", "gpg.program", signer.to_str().unwrap()]);
    let made = commit_tree(&scene.runner, &scene.git_dir(), &tree, &[], "signed").unwrap();
    let text = scene.git(&["cat-file", "commit", made.as_str()]);
    assert!(text.contains("gpgsig signed by the stub"), "{text}");

    let signer = scene.stub("signer", "echo no secret key >&2; exit 2");
    scene.git(&["config", "gpg.program", signer.to_str().unwrap()]);
    let error = commit_tree(&scene.runner, &scene.git_dir(), &tree, &[], "signed").unwrap_err().to_string();
    assert!(error.contains("no secret key"), "{error}");
}

#[test]
fn nobody_need_be_named_for_a_commit() {
    let scene = Scene::new();
    scene.git(&["config", "--unset", "user.name"]);
    scene.git(&["config", "--unset", "user.email"]);
    scene.git(&["config", "user.useConfigOnly", "true"]);
    let tree = scene.id("HEAD^{tree}");
    let made = commit_tree(&scene.runner, &scene.git_dir(), &tree, &[], "anonymous").unwrap();
    let author = scene.git(&["log", "-1", "--format=%an <%ae>", made.as_str()]);
    // Whoever runs the tests may be named in a configuration of their own.
    let own = Command::new("git").current_dir(scene.dir.path()).args(["var", "GIT_AUTHOR_IDENT"]).output().unwrap();
    assert_eq!(author == "Teamster <teamster@localhost>", !own.status.success(), "{author}");
}

#[test]
fn a_git_that_is_too_old_or_not_there_is_said_with_the_way_out() {
    let scene = Scene::new();
    let old = scene.stub("old", "echo git version 2.30.2");
    let error = GitRunner::find_for_merges(&old, scene.dir.path()).unwrap_err();
    assert!(error.to_string().starts_with("git 2.41 or later is needed, and `"), "{error}");
    assert!(error.to_string().ends_with("is git version 2.30.2"), "{error}");
    assert_eq!(error.hint(), Some("install a newer git, or put it first in PATH"));
    GitRunner::find(&old, scene.dir.path()).unwrap();
    let error = GitRunner::find(Path::new("/nowhere/git"), scene.dir.path()).unwrap_err();
    assert!(error.to_string().starts_with("`/nowhere/git` does not run: "), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn versions_are_read_as_git_and_its_distributors_write_them() {
    let read = |line: &str| GitVersion::of_line(line).map(|version| version.to_string());
    for (line, due) in [
        ("git version 2.47.3", Some("2.47")),
        ("git version 2.39.5 (Apple Git-154)", Some("2.39")),
        ("git version 2.52.0.rc1.dirty", Some("2.52")),
        ("git version 2.41.windows.1", Some("2.41")),
        ("git version unknown", None),
        ("hub 2.14", None),
    ] {
        assert_eq!(read(line).as_deref(), due, "{line}");
    }
    assert!(GitVersion::of_line("git version 2.9.1") < GitVersion::of_line("git version 2.41.0"));
}
