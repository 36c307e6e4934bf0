//! Many worktrees at once, beside the git program.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use teamster_protocol::wire::api::WorktreeFound;

use super::super::patience::waits;
use super::super::{RemovalCare, Repository, WorktreeSpec, sweep_trash};
use super::{BRANCH, Scene, git, try_git};

const MAKERS: usize = 8;
const READS: usize = 4_000;

#[test]
fn many_make_and_remove_worktrees_while_git_prunes() {
    make_and_remove_while_git_prunes(&Scene::new(), 4);
}

#[test]
fn many_do_so_through_the_git_program() {
    let scene = Scene::new();
    scene.git(&["config", "core.splitIndex", "true"]);
    make_and_remove_while_git_prunes(&scene, 2);
}

/// Many makers at once, while git programs that know nothing of our lock add, prune and pack beside them.
fn make_and_remove_while_git_prunes(scene: &Scene, each: usize) {
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        let pruner = scope.spawn(move || {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) {
                let path = scene.root().join("foreign");
                // These may fail, at times because of us; ours may not.
                try_git(&scene.repo(), &["worktree", "prune"]);
                try_git(
                    &scene.repo(),
                    &["worktree", "add", "--quiet", "--track", "-b", "foreign", path.to_str().unwrap(), "main"],
                );
                try_git(&scene.repo(), &["worktree", "remove", "--force", path.to_str().unwrap()]);
                try_git(&scene.repo(), &["branch", "--quiet", "-D", "foreign"]);
                try_git(&scene.repo(), &["pack-refs", "--all", "--prune"]);
                rounds += 1;
            }
            rounds
        });
        let makers: Vec<_> = (0..MAKERS)
            .map(|maker| {
                scope.spawn(move || {
                    let repository = Repository::discover(&scene.repo()).unwrap();
                    for nth in 0..each {
                        let name = format!("m{maker}-{nth}");
                        let branch = format!("teamster/t/{name}");
                        let spec = WorktreeSpec {
                            place: scene.place(&name),
                            branch,
                            base: None,
                            found: WorktreeFound::GoesToBase,
                        };
                        repository.ensure_worktree(&spec).unwrap();
                        if nth % 2 == 1 {
                            repository.remove_worktree(&spec.place, &spec.branch, RemovalCare::IfSafe).unwrap();
                        }
                    }
                })
            })
            .collect();
        let made: Vec<_> = makers.into_iter().map(|maker| maker.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(pruner.join().unwrap() > 0);
        made.into_iter().for_each(|made| made.unwrap());
    });

    for maker in 0..MAKERS {
        for nth in 0..each {
            let tree = scene.root().join(format!("m{maker}-{nth}"));
            if nth % 2 == 1 {
                assert!(!tree.exists());
            } else {
                assert_eq!(git(&tree, &["status", "--porcelain"]), "");
                assert_eq!(git(&tree, &["branch", "--show-current"]), format!("teamster/t/m{maker}-{nth}"));
            }
        }
    }
    let left = scene.git(&["branch", "--list", "teamster/*"]);
    assert_eq!(left.lines().count(), MAKERS * each / 2);
    assert_eq!(sweep_trash(&scene.root()).unwrap(), MAKERS * each / 2);
    assert_eq!(sweep_trash(&scene.root()).unwrap(), 0);
}

/// `git pack-refs` reads a branch, we delete it, and only then are the packed refs put in place.
#[test]
fn a_deleted_branch_does_not_come_back_with_the_packed_refs() {
    let scene = &Scene::new();
    let tip = scene.ensure().tip;
    let dir = scene.repo().join(".git");
    let loose = dir.join("refs/heads").join(BRANCH);
    let text = format!("# pack-refs with: peeled fully-peeled sorted \n{tip} refs/heads/{BRANCH}\n");
    fs::write(dir.join("packed-refs.lock"), text).unwrap();
    thread::scope(|scope| {
        let remover =
            scope.spawn(|| scene.repository().remove_worktree(&scene.place("alice"), BRANCH, RemovalCare::IfSafe));
        // The branch is deleted by then.
        waits::until_one_for(&[dir.join("packed-refs.lock").to_str().unwrap()]);
        assert!(!loose.exists());
        fs::rename(dir.join("packed-refs.lock"), dir.join("packed-refs")).unwrap();
        remover.join().unwrap().unwrap();
    });
    scene.assert_nothing_left();
}

/// To git, a branch that another process deletes between two looks of its own is one without a commit.
#[test]
fn a_branch_that_goes_while_git_looks_is_no_obstacle() {
    let scene = &Scene::new();
    scene.git(&["config", "core.splitIndex", "true"]);
    scene.ensure();
    let going = scene.repo().join(".git/refs/heads/going");
    fs::write(&going, format!("{}\n", "1".repeat(40))).unwrap();
    thread::scope(|scope| {
        let remover =
            scope.spawn(|| scene.repository().remove_worktree(&scene.place("alice"), BRANCH, RemovalCare::IfSafe));
        waits::until_one_for(&["bad object refs/heads/going", scene.repo().to_str().unwrap()]);
        fs::remove_file(&going).unwrap();
        remover.join().unwrap().unwrap();
    });
    scene.assert_nothing_left();
}

/// git replaces the configuration by a longer or shorter one each time a branch is set to follow another.
#[test]
fn a_configuration_that_is_replaced_meanwhile_is_read_whole() {
    let scene = &Scene::new();
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                scene.git(&["config", "branch.other.description", &"long ".repeat(40)]);
                scene.git(&["config", "--remove-section", "branch.other"]);
            }
        });
        let seen: Vec<_> = (0..READS).map(|_| scene.look_at_head()).collect();
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        seen.into_iter().for_each(|seen| seen.unwrap());
    });
}
