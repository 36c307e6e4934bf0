//! What is refused leaves nothing behind.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::{GitError, Repository, WorktreePlace, WorktreeSpec};
use super::{BRANCH, Scene};

#[test]
fn a_directory_without_a_repository_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Repository::discover(dir.path()).unwrap_err();
    let path = dir.path().canonicalize().unwrap();
    assert_eq!(error.to_string(), format!("not a git repository: {}", path.display()));
    assert!(error.hint().unwrap().contains("git init"));
}

#[test]
fn nothing_to_branch_from() {
    let scene = Scene::empty(&[]);
    let error = scene.refused(&scene.spec());
    assert!(matches!(error, GitError::NoCommit { .. }), "{error}");
    assert!(error.to_string().contains("has no commit yet") || error.to_string().contains("no commit yet"));
    assert!(!scene.tree().exists());
}

#[test]
fn a_base_that_is_no_commit() {
    let scene = Scene::new();
    for base in ["nowhere", "HEAD:readme.txt", "HEAD^{tree}", "-x", "a..b", ""] {
        let spec = WorktreeSpec { base: Some(base.to_owned()), ..scene.spec() };
        let error = scene.refused(&spec);
        assert!(matches!(error, GitError::UnknownBase { .. }), "{base}: {error}");
        assert!(error.to_string().starts_with(&format!("unknown base `{base}`")), "{error}");
    }
    scene.assert_nothing_left();
}

#[test]
fn a_branch_that_is_there_already() {
    let scene = Scene::new();
    scene.git(&["branch", BRANCH]);
    let error = scene.refused(&scene.spec());
    assert!(error.to_string().starts_with("branch `teamster/t/alice` exists already, at "), "{error}");
    assert!(error.hint().unwrap().contains("git branch -m"));

    scene.git(&["checkout", "--quiet", BRANCH]);
    let error = scene.refused(&scene.spec());
    let expected = format!("branch `{BRANCH}` is checked out at {}", scene.repo().display());
    assert_eq!(error.to_string(), expected);

    scene.git(&["checkout", "--quiet", "main"]);
    let other = scene.root().join("other");
    scene.git(&["worktree", "add", "--quiet", other.to_str().unwrap(), BRANCH]);
    let error = scene.refused(&scene.spec());
    assert!(matches!(&error, GitError::BranchCheckedOut { at, .. } if *at == other), "{error}");
    assert!(!scene.tree().exists());
}

#[test]
fn a_branch_in_the_way() {
    for other in ["teamster/t", "teamster/t/alice/x"] {
        let scene = Scene::new();
        scene.git(&["branch", other]);
        let error = scene.refused(&scene.spec());
        assert!(matches!(&error, GitError::BranchInTheWay { other: named, .. } if named == other), "{error}");
        assert!(!scene.tree().exists());
    }
}

#[test]
fn a_branch_name_that_git_does_not_allow() {
    let scene = Scene::new();
    for branch in ["", "a..b", "-x", "a b", "a.lock"] {
        let error = scene.refused(&WorktreeSpec { branch: branch.to_owned(), ..scene.spec() });
        assert!(matches!(error, GitError::BadBranchName { .. }), "{branch}: {error}");
    }
}

#[test]
fn a_place_outside_of_the_root() {
    let scene = Scene::new();
    for name in ["../x", "a/b", "/etc", "", ".", "..", ".trash", "a/"] {
        assert!(matches!(WorktreePlace::new(&scene.root(), name), Err(GitError::BadPlace { .. })), "{name}");
    }
    fs::create_dir_all(scene.root()).unwrap();
    symlink(scene.repo(), scene.root().join("alice")).unwrap();
    let error = WorktreePlace::new(&scene.root(), "alice").unwrap_err();
    assert!(error.to_string().ends_with("it is a symbolic link"), "{error}");
}

#[test]
fn a_place_that_became_a_link_after_it_was_checked() {
    let scene = Scene::new();
    let spec = scene.spec();
    symlink(scene.repo(), scene.tree()).unwrap();
    assert!(matches!(scene.refused(&spec), GitError::BadPlace { .. }));
    let removed = scene.repository().remove_worktree(&spec.place, BRANCH, super::super::RemovalCare::KeepingUnderRef);
    assert!(matches!(removed, Err(GitError::BadPlace { .. })));
    assert!(scene.repo().join("readme.txt").exists());
}

#[test]
fn a_place_with_files_of_someone_else() {
    let scene = Scene::new();
    let spec = scene.spec();
    fs::create_dir(scene.tree()).unwrap();
    fs::write(scene.tree().join("mine.txt"), "mine").unwrap();
    let error = scene.refused(&spec);
    assert!(matches!(error, GitError::NotTheWorktree { .. }), "{error}");
    assert_eq!(scene.git(&["branch", "--list", "teamster/*"]), "");

    let removed = scene.repository().remove_worktree(&spec.place, BRANCH, super::super::RemovalCare::KeepingUnderRef);
    assert!(matches!(removed, Err(GitError::NotTheWorktree { .. })));
    assert!(scene.tree().join("mine.txt").exists());

    // A worktree of another repository.
    let other = Scene::new();
    fs::remove_dir_all(scene.tree()).unwrap();
    other.git(&["worktree", "add", "--quiet", scene.tree().to_str().unwrap()]);
    assert!(matches!(scene.refused(&spec), GitError::NotTheWorktree { .. }));
    assert!(scene.tree().join("readme.txt").exists());
}

#[test]
fn a_checkout_that_fails_leaves_nothing() {
    let scene = Scene::new();
    scene.write(".gitattributes", "*.txt filter=broken\n");
    scene.commit(&scene.repo(), "filtered");
    scene.git(&["config", "filter.broken.smudge", "false"]);
    scene.git(&["config", "filter.broken.required", "true"]);
    let error = scene.refused(&scene.spec());
    assert!(matches!(error, GitError::Step(_)), "{error}");
    assert!(error.to_string().contains("smudge filter broken failed"), "{error}");
    scene.assert_nothing_left();
}
