//! What is removed and what is kept: nothing is lost that is uncommitted or unmerged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::{GitError, GitOperation, RemovalCare, UncommittedState, WorktreeHoldings, registry, sweep_trash};
use super::{BRANCH, Scene, git, try_git};

impl Scene {
    fn holdings(&self) -> WorktreeHoldings {
        self.repository().holdings(&self.place("alice"), BRANCH).unwrap()
    }

    fn remove(&self, removal: RemovalCare) -> Result<super::super::RemovedWorktree, GitError> {
        self.repository().remove_worktree(&self.place("alice"), BRANCH, removal)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.tree().join(name), text).unwrap();
    }

    fn states(&self) -> Vec<(String, UncommittedState)> {
        let changes = self.holdings().changes;
        changes.into_iter().map(|change| (change.path.display().to_string(), change.state)).collect()
    }
}

#[test]
fn a_worktree_without_work_goes_wholly() {
    let scene = Scene::new();
    let before = scene.users_state();
    scene.ensure();
    scene.put("build.log", "ignored\n");
    assert!(scene.holdings().is_empty());
    let removed = scene.remove(RemovalCare::IfSafe).unwrap();
    assert_eq!(removed.kept, None);
    scene.assert_nothing_left();
    assert_eq!(scene.users_state(), before);
    assert!(removed.trash.unwrap().join("readme.txt").exists());
    assert_eq!(sweep_trash(&scene.root()).unwrap(), 1);
    // Once more is no error.
    scene.remove(RemovalCare::IfSafe).unwrap();
    scene.ensure();
    scene.assert_complete();
}

#[test]
fn each_kind_of_uncommitted_file_is_held() {
    let scene = Scene::new();
    scene.ensure();
    scene.put("readme.txt", "changed\n");
    scene.put("staged.txt", "staged\n");
    git(&scene.tree(), &["add", "staged.txt"]);
    fs::remove_file(scene.tree().join("src/main.txt")).unwrap();
    fs::create_dir(scene.tree().join("new")).unwrap();
    scene.put("new/file.txt", "untracked\n");
    let expected = [
        ("new/file.txt", UncommittedState::Untracked),
        ("readme.txt", UncommittedState::Modified),
        ("src/main.txt", UncommittedState::Modified),
        ("staged.txt", UncommittedState::Staged),
    ];
    assert_eq!(scene.states(), expected.map(|(path, state)| (path.to_owned(), state)));

    let error = scene.remove(RemovalCare::IfSafe).unwrap_err();
    let path = scene.tree();
    let expected = format!(
        "{} holds work that would be lost: 4 uncommitted files (new/file.txt, readme.txt, src/main.txt, …)",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("--force"));
    assert!(path.join("new/file.txt").exists());
}

#[test]
fn unmerged_commits_are_held_and_merged_ones_are_not() {
    let scene = Scene::new();
    scene.ensure();
    scene.put("work.txt", "work\n");
    scene.commit(&scene.tree(), "work");
    assert_eq!(scene.holdings().unmerged.len(), 1);
    assert!(matches!(scene.remove(RemovalCare::IfSafe), Err(GitError::WorktreeHolds { .. })));
    let summary = scene.repository().branch_summary(BRANCH, None).unwrap().unwrap();
    assert_eq!(summary.ahead, 1);

    scene.git(&["merge", "--quiet", BRANCH]);
    assert!(scene.holdings().is_empty());
    scene.remove(RemovalCare::IfSafe).unwrap();
    scene.assert_nothing_left();
}

#[test]
fn commits_on_no_branch_are_held_and_kept() {
    let scene = Scene::new();
    scene.ensure();
    git(&scene.tree(), &["checkout", "--quiet", "--detach"]);
    scene.put("work.txt", "detached\n");
    scene.commit(&scene.tree(), "on no branch");
    assert_eq!(scene.holdings().unmerged.len(), 1);
    let kept = scene.remove(RemovalCare::KeepingUnderRef).unwrap().kept.unwrap();
    assert_eq!(scene.git(&["show", &format!("{}:work.txt", kept.reference)]), "detached");
}

#[test]
fn a_detached_main_head_protects_its_own_commits() {
    let scene = Scene::new();
    scene.git(&["checkout", "--quiet", "--detach"]);
    scene.git(&["branch", "-D", "main"]);
    scene.ensure();
    assert!(scene.holdings().is_empty());
}

#[test]
fn force_keeps_every_version_of_everything_under_a_ref() {
    let scene = Scene::new();
    scene.ensure();
    scene.put("work.txt", "committed\n");
    scene.commit(&scene.tree(), "work");
    let tip = git(&scene.tree(), &["rev-parse", "HEAD"]);
    scene.put("readme.txt", "staged\n");
    git(&scene.tree(), &["add", "readme.txt"]);
    scene.put("readme.txt", "changed again\n");
    scene.put("untracked.txt", "untracked\n");
    fs::remove_file(scene.tree().join("src/main.txt")).unwrap();

    let kept = scene.remove(RemovalCare::KeepingUnderRef).unwrap().kept.unwrap();
    scene.assert_nothing_left();
    assert!(kept.reference.starts_with("refs/teamster/kept/teamster/t/alice/"), "{}", kept.reference);
    let show = |what: &str| scene.git(&["show", &format!("{}{what}", kept.reference)]);
    assert_eq!(show(":readme.txt"), "changed again");
    assert_eq!(show(":untracked.txt"), "untracked");
    assert_eq!(show(":work.txt"), "committed");
    assert_eq!(show("^2:readme.txt"), "staged");
    assert_eq!(scene.git(&["rev-parse", &format!("{}^1", kept.reference)]), tip);
    assert!(!scene.git(&["ls-tree", "-r", "--name-only", &kept.reference]).contains("src/main.txt"));
    scene.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(show(":untracked.txt"), "untracked");

    // The name is free again, and its next work gets a ref of its own.
    scene.ensure();
    scene.put("more.txt", "more\n");
    let again = scene.remove(RemovalCare::KeepingUnderRef).unwrap().kept.unwrap();
    assert_ne!(again.reference, kept.reference);
    assert_eq!(show(":untracked.txt"), "untracked");
}

#[test]
fn operations_in_progress_are_held_and_a_conflict_is_kept() {
    let scene = Scene::new();
    scene.ensure();
    scene.put("readme.txt", "theirs\n");
    scene.commit(&scene.tree(), "theirs");
    scene.write("readme.txt", "ours\n");
    scene.commit(&scene.repo(), "ours");
    for (command, operation) in [
        (["merge", "main"], GitOperation::Merge),
        (["cherry-pick", "main"], GitOperation::CherryPick),
        (["rebase", "main"], GitOperation::Rebase),
        (["revert", "HEAD~1"], GitOperation::Revert),
    ] {
        assert!(!try_git(&scene.tree(), &command).status.success(), "{command:?} should conflict");
        let holdings = scene.holdings();
        assert_eq!(holdings.operation, Some(operation));
        assert!(holdings.changes.iter().any(|change| change.state == UncommittedState::Conflicted), "{holdings}");
        if operation != GitOperation::Revert {
            git(&scene.tree(), &[command[0], "--abort"]);
        }
    }
    git(&scene.tree(), &["revert", "--abort"]);
    git(&scene.tree(), &["bisect", "start"]);
    assert_eq!(scene.holdings().operation, Some(GitOperation::Bisect));
    git(&scene.tree(), &["bisect", "reset"]);

    try_git(&scene.tree(), &["merge", "main"]);
    let kept = scene.remove(RemovalCare::KeepingUnderRef).unwrap().kept.unwrap();
    assert!(scene.git(&["show", &format!("{}:readme.txt", kept.reference)]).contains("<<<<<<<"));
    let parents = scene.git(&["rev-list", "--parents", "-1", &kept.reference]);
    assert!(parents.contains(&scene.git(&["rev-parse", "main"])));
}

#[test]
fn what_no_ref_can_keep_is_refused_even_by_force() {
    let scene = Scene::new();
    scene.ensure();
    git(&scene.tree(), &["init", "--quiet", "nested"]);
    scene.put("nested/file.txt", "deep\n");
    assert_eq!(scene.states(), [("nested/".to_owned(), UncommittedState::NestedRepository)]);
    let error = scene.remove(RemovalCare::KeepingUnderRef).unwrap_err();
    assert!(matches!(error, GitError::CannotKeep { .. }), "{error}");
    assert!(scene.tree().join("nested/file.txt").exists());
}

#[test]
fn a_lock_of_the_user_is_respected() {
    let scene = Scene::new();
    scene.ensure();
    scene.git(&["worktree", "lock", "--reason", "mine", scene.tree().to_str().unwrap()]);
    let error = scene.remove(RemovalCare::KeepingUnderRef).unwrap_err();
    assert_eq!(error.to_string(), format!("worktree {} is locked: mine", scene.tree().display()));
    assert!(scene.tree().join("readme.txt").exists());
}

#[test]
fn a_branch_checked_out_elsewhere_is_not_deleted() {
    let scene = Scene::new();
    scene.ensure();
    git(&scene.tree(), &["checkout", "--quiet", "-b", "side"]);
    scene.git(&["checkout", "--quiet", BRANCH]);
    assert!(matches!(scene.remove(RemovalCare::KeepingUnderRef), Err(GitError::BranchCheckedOut { .. })));
    assert!(scene.tree().exists());
}

#[test]
fn could_not_look_is_an_error() {
    let scene = Scene::new();
    scene.ensure();
    let admin = scene.repo().join(".git/worktrees/teamster-t-alice");
    fs::write(admin.join("index"), "garbage").unwrap();
    for removal in [RemovalCare::IfSafe, RemovalCare::KeepingUnderRef] {
        let error = scene.remove(removal).unwrap_err();
        assert!(matches!(error, GitError::Library { .. }), "{error}");
    }
    assert!(scene.tree().join("readme.txt").exists());
    fs::remove_file(scene.tree().join(".git")).unwrap();
    assert!(matches!(scene.remove(RemovalCare::KeepingUnderRef), Err(GitError::NotTheWorktree { .. })));
}

#[test]
fn a_removal_that_crashed_after_any_step_is_resumed() {
    type Step = fn(&Scene, &Path);
    let steps: [Step; 3] = [
        |scene, _| drop(scene.place("alice").discard().unwrap()),
        |scene, admin| fs::rename(admin, scene.repo().join(".git/teamster.old")).unwrap(),
        |scene, _| fs::remove_dir_all(scene.repo().join(".git/teamster.old")).unwrap(),
    ];
    for crashed_after in 1..=steps.len() {
        let scene = Scene::new();
        scene.ensure();
        let admin = scene.repo().join(".git/worktrees/teamster-t-alice");
        for step in &steps[..crashed_after] {
            step(&scene, &admin);
        }
        scene.remove(RemovalCare::IfSafe).unwrap();
        scene.assert_nothing_left();
        assert_eq!(sweep_trash(&scene.root()).unwrap(), 1);
        scene.ensure();
        scene.assert_complete();
    }
}

#[test]
fn a_half_made_worktree_can_be_removed_but_not_a_file_someone_put_there() {
    let scene = Scene::new();
    scene.ensure();
    let admin = scene.repo().join(".git/worktrees/teamster-t-alice");
    fs::write(admin.join("locked"), registry::MAKING).unwrap();
    fs::remove_file(admin.join("index")).unwrap();
    scene.put("readme.txt", "hel");
    scene.put("mine.txt", "mine");
    assert_eq!(scene.states(), [("mine.txt".to_owned(), UncommittedState::Untracked)]);
    assert!(matches!(scene.remove(RemovalCare::KeepingUnderRef), Err(GitError::CannotKeep { .. })));
    fs::remove_file(scene.tree().join("mine.txt")).unwrap();
    scene.remove(RemovalCare::IfSafe).unwrap();
    scene.assert_nothing_left();
}

#[test]
fn the_settings_of_a_branch_go_with_it() {
    let scene = Scene::new();
    let before = scene.git(&["config", "--list", "--local"]);
    scene.ensure();
    scene.git(&["config", &format!("branch.{BRANCH}.remote"), "origin"]);
    scene.git(&["config", &format!("branch.{BRANCH}.merge"), "refs/heads/x"]);
    scene.git(&["config", "branch.other.remote", "origin"]);
    scene.remove(RemovalCare::IfSafe).unwrap();
    let after = scene.git(&["config", "--list", "--local"]);
    assert_eq!(after, format!("{before}\nbranch.other.remote=origin"));
}

#[test]
fn read_only_directories_leave_the_trash_too() {
    let scene = Scene::new();
    scene.ensure();
    let cache = scene.tree().join("src");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o500)).unwrap();
    scene.remove(RemovalCare::IfSafe).unwrap();
    assert_eq!(sweep_trash(&scene.root()).unwrap(), 1);
    assert_eq!(fs::read_dir(scene.root().join(".trash")).unwrap().count(), 0);
}
