//! A worktree is made, found again, and made whole again.

use std::fs;
use std::path::Path;

use teamster_protocol::wire::api::WorktreeFound;

use super::super::registry;
use super::super::{EngineUsed, Repository, WorktreeOrigin, WorktreePlace, WorktreeSpec};
use super::{BRANCH, Scene, git};

#[test]
fn a_worktree_has_the_files_on_its_own_branch_and_leaves_the_user_alone() {
    let scene = Scene::new();
    let before = scene.users_state();
    let made = scene.ensure();

    assert_eq!((made.origin, &made.engine), (WorktreeOrigin::Created, &EngineUsed::Libgit2));
    assert_eq!(made.path, scene.tree());
    assert_eq!(made.tip.as_str(), scene.git(&["rev-parse", "main"]));
    assert_eq!(fs::read_to_string(scene.tree().join("src/main.txt")).unwrap(), "one\n");
    scene.assert_complete();
    assert_eq!(scene.users_state(), before);
    scene.git(&["worktree", "prune"]);
    scene.assert_complete();
}

#[test]
fn a_worktree_is_found_again_with_its_work_even_when_its_base_is_gone() {
    let scene = Scene::new();
    scene.git(&["branch", "base"]);
    let spec = WorktreeSpec { base: Some("base".to_owned()), found: WorktreeFound::Stays, ..scene.spec() };
    scene.repository().ensure_worktree(&spec).unwrap();
    scene.git(&["branch", "-D", "base"]);
    fs::write(scene.tree().join("readme.txt"), "changed\n").unwrap();

    let found = scene.repository().ensure_worktree(&spec).unwrap();
    assert_eq!(found.origin, WorktreeOrigin::Found);
    assert_eq!(fs::read_to_string(scene.tree().join("readme.txt")).unwrap(), "changed\n");

    // Also amid a rebase or on a branch of the agent's own.
    git(&scene.tree(), &["checkout", "--quiet", "-b", "side"]);
    assert_eq!(scene.repository().ensure_worktree(&spec).unwrap().origin, WorktreeOrigin::Found);
}

#[test]
fn the_base_can_be_anything_that_names_a_commit() {
    let scene = Scene::new();
    let first = scene.git(&["rev-parse", "HEAD"]);
    scene.git(&["tag", "-a", "v1", "-m", "one"]);
    scene.write("second.txt", "2\n");
    scene.commit(&scene.repo(), "second");
    for (name, base) in [("a", "v1"), ("b", "HEAD~1"), ("c", &first[..9])] {
        let spec = WorktreeSpec {
            place: scene.place(name),
            branch: format!("teamster/t/{name}"),
            base: Some(base.to_owned()),
            found: WorktreeFound::GoesToBase,
        };
        assert_eq!(scene.repository().ensure_worktree(&spec).unwrap().tip.as_str(), first);
    }
    let summary = scene.repository().branch_summary("main", Some("v1")).unwrap().unwrap();
    assert_eq!((summary.ahead, summary.tip.as_str()), (1, scene.git(&["rev-parse", "main"]).as_str()));
    assert_eq!(scene.repository().branch_summary("nowhere", None).unwrap(), None);
}

#[test]
fn a_linked_worktree_leads_to_its_repository_and_branches_from_its_own_head() {
    let scene = Scene::new();
    let linked = scene.root().join("linked");
    scene.git(&["worktree", "add", "--quiet", "-b", "feature", linked.to_str().unwrap()]);
    fs::write(linked.join("feature.txt"), "f\n").unwrap();
    scene.commit(&linked, "feature");

    let repository = Repository::discover(&linked).unwrap();
    assert_eq!(repository.top_level(), scene.repo());
    assert_eq!(repository.common_dir(), scene.repo().join(".git"));
    let made = repository.ensure_worktree(&scene.spec()).unwrap();
    assert_eq!(made.tip.as_str(), scene.git(&["rev-parse", "feature"]));
}

#[test]
fn a_bare_repository_and_a_submodule_have_worktrees_too() {
    let scene = Scene::new();
    let bare = scene.root().join("bare.git");
    scene.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let repository = Repository::discover(&bare).unwrap();
    assert_eq!((repository.top_level(), repository.common_dir()), (bare.as_path(), bare.as_path()));
    repository.ensure_worktree(&scene.spec()).unwrap();
    assert_eq!(git(&scene.tree(), &["status", "--porcelain"]), "");
    assert_eq!(git(&bare, &["rev-parse", "--is-bare-repository"]), "true");

    let outer = Scene::new();
    let url = scene.repo();
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url.to_str().unwrap(), "sub"];
    outer.git(&add);
    outer.commit(&outer.repo(), "with a submodule");
    outer.ensure();
    outer.assert_complete();
    assert_eq!(fs::read_dir(outer.tree().join("sub")).unwrap().count(), 0);
    assert!(outer.repository().holdings(&outer.place("alice"), BRANCH).unwrap().is_empty());

    let inner = Repository::discover(&outer.repo().join("sub")).unwrap();
    assert_eq!(inner.top_level(), outer.repo().join("sub"));
    let place = WorktreePlace::new(&outer.root(), "inner").unwrap();
    inner
        .ensure_worktree(&WorktreeSpec {
            place,
            branch: BRANCH.to_owned(),
            base: None,
            found: WorktreeFound::GoesToBase,
        })
        .unwrap();
    assert_eq!(git(&outer.root().join("inner"), &["status", "--porcelain"]), "");
    assert_eq!(git(&outer.repo().join("sub"), &["status", "--porcelain"]), "");
}

/// What a crash leaves after each step; each builds on the one before.
#[test]
fn a_crash_after_any_step_is_resumed() {
    type Step = fn(&Scene, &Path);
    let steps: [Step; 6] = [
        |scene, _| fs::create_dir(scene.repo().join(".git/teamster.new")).unwrap(),
        |scene, _| drop(registry::add(&scene.repo().join(".git"), &scene.tree(), BRANCH).unwrap()),
        |scene, admin| {
            fs::create_dir(scene.tree()).unwrap();
            let link = format!("gitdir: {}\n", admin.display());
            fs::write(scene.tree().join(".git.teamster"), link).unwrap();
        },
        |scene, _| fs::rename(scene.tree().join(".git.teamster"), scene.tree().join(".git")).unwrap(),
        |scene, _| drop(scene.git(&["branch", BRANCH, "main"])),
        |scene, admin| {
            fs::write(scene.tree().join("readme.txt"), "hel").unwrap();
            fs::write(admin.join("index.lock"), "").unwrap();
        },
    ];
    for crashed_after in 1..=steps.len() {
        let scene = Scene::new();
        fs::create_dir(scene.root()).unwrap();
        let admin = scene.repo().join(".git/worktrees/teamster-t-alice");
        for step in &steps[..crashed_after] {
            step(&scene, &admin);
        }
        scene.git(&["worktree", "prune"]);
        let made = scene.ensure();
        let expected = if crashed_after == 1 { WorktreeOrigin::Created } else { WorktreeOrigin::Resumed };
        assert_eq!(made.origin, expected, "after {crashed_after} steps");
        scene.assert_complete();
        assert!(!scene.tree().join(".git.teamster").exists());
    }
}

#[test]
fn a_crash_before_the_lock_goes_is_resumed() {
    let scene = Scene::new();
    scene.ensure();
    fs::write(scene.repo().join(".git/worktrees/teamster-t-alice/locked"), registry::MAKING).unwrap();
    assert_eq!(scene.ensure().origin, WorktreeOrigin::Resumed);
    scene.assert_complete();
}

#[test]
fn a_directory_that_someone_deleted_comes_back_with_what_was_committed() {
    let scene = Scene::new();
    scene.ensure();
    fs::write(scene.tree().join("work.txt"), "work\n").unwrap();
    scene.commit(&scene.tree(), "work");
    fs::remove_dir_all(scene.tree()).unwrap();

    let made = scene.ensure();
    assert_eq!(made.origin, WorktreeOrigin::Resumed);
    assert_eq!(fs::read_to_string(scene.tree().join("work.txt")).unwrap(), "work\n");
    scene.assert_complete();
}

#[test]
fn two_members_of_one_name_in_two_teams_do_not_meet() {
    let scene = Scene::new();
    for (name, branch) in [("x", "teamster/a-b/c"), ("y", "teamster/a/b-c")] {
        let spec = WorktreeSpec {
            place: scene.place(name),
            branch: branch.to_owned(),
            base: None,
            found: WorktreeFound::GoesToBase,
        };
        scene.repository().ensure_worktree(&spec).unwrap();
        assert_eq!(git(&scene.root().join(name), &["branch", "--show-current"]), branch);
    }
}
