//! Work that `git status` does not tell of is held all the same, and kept under a ref by force: with both engines.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::{GitError, RemovalCare, UncommittedState, WhyProgram, WorktreeHoldings};
use super::{BRANCH, Scene, git};

/// A scene that libgit2 serves, and one that it can not open.
fn both_engines() -> [Scene; 2] {
    [Scene::new(), Scene::with(&["--object-format=sha256"])]
}

fn holdings(scene: &Scene) -> WorktreeHoldings {
    scene.repository().holdings(&scene.place("alice"), BRANCH).unwrap()
}

fn held_paths(scene: &Scene) -> Vec<(String, UncommittedState)> {
    let changes = holdings(scene).changes.into_iter();
    changes.map(|change| (change.path.display().to_string(), change.state)).collect()
}

fn remove(scene: &Scene, removal: RemovalCare) -> Result<Option<String>, GitError> {
    let removed = scene.repository().remove_worktree(&scene.place("alice"), BRANCH, removal)?;
    Ok(removed.kept.map(|kept| kept.reference))
}

fn index_bytes(scene: &Scene) -> Vec<u8> {
    let admin = git(&scene.tree(), &["rev-parse", "--absolute-git-dir"]);
    fs::read(Path::new(&admin).join("index")).unwrap()
}

/// Refused without force, and by force kept with this content.
fn held_and_kept(scene: &Scene, name: &str, text: &str) {
    let refused = remove(scene, RemovalCare::IfSafe).unwrap_err();
    assert!(matches!(refused, GitError::WorktreeHolds { .. }), "{refused}");
    assert!(refused.to_string().contains(name), "{refused}");
    assert_eq!(fs::read_to_string(scene.tree().join(name)).unwrap(), text);
    let kept = remove(scene, RemovalCare::KeepingUnderRef).unwrap().unwrap();
    assert_eq!(scene.git(&["show", &format!("{kept}:{name}")]), text.trim_end());
    assert_eq!(scene.git(&["show", &format!("{kept}:.gitignore")]), "*.log", "and what was not hidden");
    scene.assert_nothing_left();
}

#[test]
fn an_edit_hidden_by_a_bit_of_the_index_is_held_and_kept() {
    for bits in [&["--assume-unchanged"][..], &["--skip-worktree"], &["--assume-unchanged", "--skip-worktree"]] {
        for scene in both_engines() {
            scene.ensure();
            for bit in bits {
                git(&scene.tree(), &["update-index", bit, "src/main.txt"]);
            }
            assert!(holdings(&scene).is_empty(), "{bits:?}: the bit alone is no work");
            // As long as what was there: only the contents tell.
            fs::write(scene.tree().join("src/main.txt"), "two\n").unwrap();
            assert_eq!(git(&scene.tree(), &["status", "--porcelain"]), "", "git tells of nothing");
            let index = index_bytes(&scene);
            assert_eq!(held_paths(&scene), [("src/main.txt".to_owned(), UncommittedState::Modified)], "{bits:?}");
            assert_eq!(index_bytes(&scene), index, "a look changes nothing");
            held_and_kept(&scene, "src/main.txt", "two\n");
        }
    }
}

#[test]
fn a_hidden_file_that_is_not_there_is_no_work() {
    for bit in ["--assume-unchanged", "--skip-worktree"] {
        for scene in both_engines() {
            scene.ensure();
            git(&scene.tree(), &["update-index", bit, "src/main.txt"]);
            fs::remove_dir_all(scene.tree().join("src")).unwrap();
            assert!(holdings(&scene).is_empty(), "{bit}");
            // With other work it is kept as the index has it.
            fs::write(scene.tree().join("new.txt"), "new\n").unwrap();
            let kept = remove(&scene, RemovalCare::KeepingUnderRef).unwrap().unwrap();
            assert_eq!(scene.git(&["show", &format!("{kept}:src/main.txt")]), "one");
            scene.assert_nothing_left();
        }
    }
}

#[test]
fn a_sparse_checkout_holds_only_what_was_written_into_it() {
    let scene = Scene::new();
    fs::create_dir(scene.repo().join("docs")).unwrap();
    scene.write("docs/big.txt", "big\n");
    scene.commit(&scene.repo(), "docs");
    for (index, expected) in
        [("--no-sparse-index", "false"), ("--sparse-index", "false"), ("--no-sparse-index", "true")]
    {
        scene.git(&["sparse-checkout", "set", "--cone", index, "src"]);
        scene.git(&["config", "sparse.expectFilesOutsideOfPatterns", expected]);
        let made = scene.ensure();
        assert_eq!(made.engine.to_string(), format!("the git program ({})", WhyProgram::SparseCheckout));
        assert!(!scene.tree().join("docs").exists());
        assert!(holdings(&scene).is_empty());
        fs::create_dir(scene.tree().join("docs")).unwrap();
        fs::write(scene.tree().join("docs/big.txt"), "BIG\n").unwrap();
        held_and_kept(&scene, "docs/big.txt", "BIG\n");
    }
}

#[test]
fn an_edit_whose_time_and_size_were_put_back_is_held() {
    for (setting, value) in [("core.trustctime", "false"), ("core.checkStat", "minimal")] {
        for scene in both_engines() {
            scene.git(&["config", setting, value]);
            scene.ensure();
            let file = scene.tree().join("src/main.txt");
            // Older than the index: git does not look twice at such a file.
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            fs::File::open(&file).unwrap().set_modified(then).unwrap();
            git(&scene.tree(), &["update-index", "--refresh"]);
            assert!(holdings(&scene).is_empty());
            fs::write(&file, "two\n").unwrap();
            fs::File::open(&file).unwrap().set_modified(then).unwrap();
            assert_eq!(git(&scene.tree(), &["status", "--porcelain"]), "", "{setting}: git tells of nothing");
            held_and_kept(&scene, "src/main.txt", "two\n");
        }
    }
}

#[test]
fn a_repository_inside_a_tracked_directory_is_held_and_never_removed() {
    for scene in both_engines() {
        scene.ensure();
        git(&scene.tree().join("src"), &["init", "--quiet"]);
        assert_eq!(held_paths(&scene), [("src".to_owned(), UncommittedState::NestedRepository)]);
        for removal in [RemovalCare::IfSafe, RemovalCare::KeepingUnderRef] {
            assert!(remove(&scene, removal).is_err());
        }
        assert!(scene.tree().join("src/.git").exists());
    }
}

#[test]
fn a_submodule_that_keeps_its_own_repository_is_held_and_never_removed() {
    for scene in both_engines() {
        scene.ensure();
        let inner = scene.tree().join("inner");
        let format = scene.git(&["rev-parse", "--show-object-format"]);
        git(&scene.tree(), &["init", "--quiet", &format!("--object-format={format}"), "inner"]);
        git(&inner, &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "only here"]);
        git(&scene.tree(), &["add", "inner"]);
        git(&scene.tree(), &["commit", "--quiet", "-m", "with a submodule"]);
        scene.git(&["merge", "--quiet", BRANCH]);
        assert_eq!(held_paths(&scene), [("inner".to_owned(), UncommittedState::NestedRepository)]);
        assert!(remove(&scene, RemovalCare::KeepingUnderRef).is_err());
        assert!(inner.join(".git").is_dir());
    }
}

#[test]
fn a_repository_with_commits_in_an_ignored_directory_is_held_and_never_removed() {
    for scene in both_engines() {
        scene.ensure();
        let ignored = scene.tree().join("build.log/deep");
        fs::create_dir_all(&ignored).unwrap();
        let inner = ignored.join("inner");
        git(&ignored, &["init", "--quiet", "inner"]);
        assert_eq!(held_paths(&scene), [], "nothing is in it yet");
        let commit = ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "only here"];
        git(&inner, &commit);
        let due = [("build.log/deep/inner".to_owned(), UncommittedState::NestedRepository)];
        assert_eq!(held_paths(&scene), due);
        for removal in [RemovalCare::IfSafe, RemovalCare::KeepingUnderRef] {
            let refused = remove(&scene, removal).unwrap_err().to_string();
            assert!(refused.contains("build.log/deep/inner"), "{refused}");
        }
        assert!(inner.join(".git").is_dir());
        // A stash is work too.
        fs::write(inner.join("file"), "one").unwrap();
        git(&inner, &["add", "file"]);
        git(&inner, &["-c", "user.name=t", "-c", "user.email=t@t", "stash", "--quiet"]);
        git(&inner, &["update-ref", "-d", "HEAD"]);
        assert_eq!(held_paths(&scene), due);
    }
}

#[test]
fn a_clone_in_an_ignored_directory_is_held_only_for_what_its_remote_has_not() {
    for scene in both_engines() {
        scene.ensure();
        let ignored = scene.tree().join("build.log");
        fs::create_dir(&ignored).unwrap();
        let origin = Scene::new();
        git(&ignored, &["clone", "--quiet", origin.repo().to_str().unwrap(), "inner"]);
        assert!(holdings(&scene).is_empty(), "a build may fetch it again");
        let inner = ignored.join("inner");
        git(&inner, &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "only here"]);
        assert_eq!(held_paths(&scene), [("build.log/inner".to_owned(), UncommittedState::NestedRepository)]);
    }
}

#[test]
fn a_file_that_is_to_be_added_is_held_and_kept() {
    for scene in both_engines() {
        scene.ensure();
        fs::write(scene.tree().join("later.txt"), "later\n").unwrap();
        git(&scene.tree(), &["add", "--intent-to-add", "later.txt"]);
        held_and_kept(&scene, "later.txt", "later\n");
    }
}

#[test]
fn ignored_files_do_not_count_also_if_they_are_hidden_work() {
    for scene in both_engines() {
        scene.ensure();
        fs::write(scene.tree().join("build.log"), "built\n").unwrap();
        assert!(holdings(&scene).is_empty());
        assert_eq!(remove(&scene, RemovalCare::IfSafe).unwrap(), None);
        scene.assert_nothing_left();
    }
}
