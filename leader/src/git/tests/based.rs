//! Where a worktree begins that its member had already.

use std::fs;

use teamster_protocol::wire::api::{BaseStanding, WorktreeFound};

use super::super::{GitError, Worktree, WorktreeOrigin, WorktreeSpec};
use super::{BRANCH, Scene, git};

impl Scene {
    /// A commit on `main` that adds `name` and changes `readme.txt`.
    fn advance(&self, name: &str) -> String {
        self.write(name, "new\n");
        self.write("readme.txt", &format!("hello, with {name}\n"));
        self.commit(&self.repo(), name);
        self.git(&["rev-parse", "HEAD"])
    }

    fn given(&self, base: &str) -> WorktreeSpec {
        WorktreeSpec { base: Some(base.to_owned()), ..self.spec() }
    }

    fn assert_moved(&self, found: &Worktree, to: &str) {
        let moved = matches!(&found.base, Some(BaseStanding::Moved { to: at, .. }) if at.as_str() == to);
        assert!(moved, "{found:?}");
        assert_eq!((found.origin, found.tip.as_str()), (WorktreeOrigin::Found, to));
        assert_eq!(git(&self.tree(), &["rev-parse", "HEAD"]), to);
        self.assert_complete();
        assert!(!self.repo().join(".git/worktrees/teamster-t-alice/teamster.travel").exists());
    }

    fn behind(&self, found: &Worktree) -> Option<u64> {
        match &found.base {
            Some(BaseStanding::Behind { commits, .. }) => Some(*commits),
            Some(BaseStanding::Moved { .. }) | None => None,
        }
    }
}

#[test]
fn one_without_work_goes_to_the_base_whichever_way_it_lies() {
    let scene = Scene::new();
    let first = scene.ensure().tip.to_string();
    fs::write(scene.tree().join("build.log"), "ignored").unwrap();
    let second = scene.advance("second.txt");
    scene.assert_moved(&scene.ensure(), &second);
    assert_eq!(fs::read_to_string(scene.tree().join("second.txt")).unwrap(), "new\n");
    assert!(scene.tree().join("build.log").exists(), "what is ignored stays warm");
    assert_eq!(scene.ensure().base, None, "it is there");
    // Commits of others are no work of its own: back, and to a side.
    scene.assert_moved(&scene.repository().ensure_worktree(&scene.given(&first)).unwrap(), &first);
    scene.git(&["switch", "--quiet", "-c", "side", "HEAD~1"]);
    let side = scene.advance("side.txt");
    scene.assert_moved(&scene.repository().ensure_worktree(&scene.given("side")).unwrap(), &side);
    assert!(!scene.tree().join("second.txt").exists());
    // What came back to the base is no work of its own either.
    fs::write(scene.tree().join("mine.txt"), "mine").unwrap();
    scene.commit(&scene.tree(), "mine");
    scene.git(&["merge", "--quiet", "--no-edit", BRANCH]);
    let merged = scene.advance("after.txt");
    scene.assert_moved(&scene.ensure(), &merged);
}

#[test]
fn one_with_work_of_its_own_is_never_moved_and_a_base_that_is_given_never_ignored() {
    type Work = fn(&Scene);
    let works: [(&str, Work); 5] = [
        ("1 unmerged commit", |scene| {
            fs::write(scene.tree().join("mine.txt"), "mine").unwrap();
            scene.commit(&scene.tree(), "mine");
        }),
        ("1 uncommitted file (mine.txt)", |scene| fs::write(scene.tree().join("mine.txt"), "mine").unwrap()),
        ("1 uncommitted file (readme.txt)", |scene| {
            git(&scene.tree(), &["update-index", "--assume-unchanged", "readme.txt"]);
            fs::write(scene.tree().join("readme.txt"), "mine").unwrap();
        }),
        ("a bisect in progress", |scene| drop(git(&scene.tree(), &["bisect", "start"]))),
        ("it is on branch `side`", |scene| drop(git(&scene.tree(), &["switch", "--quiet", "-c", "side"]))),
    ];
    for (due, work) in works {
        let scene = Scene::new();
        scene.ensure();
        work(&scene);
        let state = |scene: &Scene| {
            let head = git(&scene.tree(), &["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"]);
            (head, git(&scene.tree(), &["status", "--porcelain"]))
        };
        let before = state(&scene);
        scene.advance("second.txt");
        scene.advance("third.txt");

        assert_eq!(scene.behind(&scene.ensure()), Some(2), "{due}");
        let error = scene.refused(&scene.given("main"));
        assert!(matches!(error, GitError::CannotMove { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("can not begin at `main`: ") && text.contains(due), "{text}");
        assert!(error.hint().unwrap().contains("without --base it goes on where it is"));
        assert_eq!(scene.repository().ensure_worktree(&scene.given("main~2")).unwrap().base, None, "it has that one");
        let stays = WorktreeSpec { found: WorktreeFound::Stays, ..scene.given("nowhere") };
        assert_eq!(scene.repository().ensure_worktree(&stays).unwrap().base, None);
        assert_eq!(state(&scene), before, "{due}");
    }
}

#[test]
fn an_ignored_file_in_the_way_is_not_written_over() {
    let scene = Scene::new();
    scene.ensure();
    fs::write(scene.tree().join("build.log"), "precious").unwrap();
    fs::create_dir(scene.tree().join("cache.log")).unwrap();
    fs::write(scene.tree().join("cache.log/deep.log"), "warm").unwrap();
    let add = |name: &str| {
        scene.write(name, "tracked\n");
        scene.git(&["add", "--force", name]);
        scene.git(&["commit", "--quiet", "-m", name]);
    };
    add("build.log");
    add("cache.log");
    assert_eq!(scene.behind(&scene.ensure()), Some(2));
    let error = scene.refused(&scene.given("main"));
    let text = error.to_string();
    assert!(text.ends_with("git does not track what lies there: 2 files (build.log, cache.log/deep.log)"), "{text}");
    assert!(error.hint().unwrap().starts_with("move them out of "));
    assert_eq!(fs::read_to_string(scene.tree().join("build.log")).unwrap(), "precious");
    assert_eq!(git(&scene.tree(), &["status", "--porcelain"]), "");
}

#[test]
fn a_base_that_names_no_commit_is_refused_though_the_worktree_is_there() {
    let scene = Scene::new();
    scene.ensure();
    assert!(matches!(scene.refused(&scene.given("nowhere")), GitError::UnknownBase { .. }));
}

#[test]
fn what_only_members_have_is_work_of_its_own_for_each_of_them() {
    let scene = Scene::new();
    scene.ensure();
    fs::write(scene.tree().join("mine.txt"), "mine").unwrap();
    scene.commit(&scene.tree(), "mine");
    scene.git(&["branch", "teamster/t/bob", BRANCH]);
    scene.git(&["update-ref", "refs/remotes/origin/teamster/t/alice", BRANCH]);
    scene.advance("second.txt");
    assert_eq!(scene.behind(&scene.ensure()), Some(1));
    scene.git(&["branch", "review", BRANCH]);
    let main = scene.git(&["rev-parse", "main"]);
    scene.assert_moved(&scene.ensure(), &main);
}

#[test]
fn a_worktree_whose_directory_was_deleted_is_at_the_base_as_well_or_says_why_not() {
    let scene = Scene::new();
    scene.ensure();
    fs::remove_dir_all(scene.tree()).unwrap();
    let second = scene.advance("second.txt");
    let found = scene.repository().ensure_worktree(&scene.given("main")).unwrap();
    assert_eq!((found.origin, found.tip.as_str()), (WorktreeOrigin::Resumed, &*second));
    scene.assert_complete();
    fs::write(scene.tree().join("mine.txt"), "mine").unwrap();
    scene.commit(&scene.tree(), "mine");
    fs::remove_dir_all(scene.tree()).unwrap();
    scene.advance("third.txt");
    assert!(matches!(scene.refused(&scene.given("main")), GitError::CannotMove { .. }));
    assert_eq!(scene.behind(&scene.ensure()), Some(1));
}

#[test]
fn where_head_was_put_elsewhere_it_is_that_which_lacks_the_base() {
    let scene = Scene::new();
    scene.ensure();
    let second = scene.advance("second.txt");
    scene.assert_moved(&scene.ensure(), &second);
    git(&scene.tree(), &["switch", "--quiet", "-c", "side", "HEAD~1"]);
    let error = scene.refused(&scene.given("main")).to_string();
    assert!(error.contains("it is on branch `side`"), "{error}");
    assert_eq!(scene.behind(&scene.ensure()), Some(1));
}

#[test]
fn a_file_that_was_only_touched_keeps_nothing_from_moving() {
    let scene = Scene::new();
    scene.ensure();
    let file = fs::File::options().write(true).open(scene.tree().join("readme.txt")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let second = scene.advance("second.txt");
    scene.assert_moved(&scene.ensure(), &second);
}

#[test]
fn an_ignored_file_in_the_way_of_a_base_that_is_there_already_is_no_matter() {
    let scene = Scene::new();
    scene.write("build.log", "tracked\n");
    scene.git(&["add", "--force", "build.log"]);
    scene.git(&["commit", "--quiet", "-m", "tracked"]);
    scene.git(&["rm", "--quiet", "build.log"]);
    scene.commit(&scene.repo(), "not tracked any more");
    scene.ensure();
    fs::write(scene.tree().join("build.log"), "precious").unwrap();
    scene.git(&["switch", "--quiet", "--detach", "main~1"]);
    for spec in [scene.spec(), scene.given("main~1")] {
        assert_eq!(scene.repository().ensure_worktree(&spec).unwrap().base, None);
    }
    assert_eq!(fs::read_to_string(scene.tree().join("build.log")).unwrap(), "precious");
}
