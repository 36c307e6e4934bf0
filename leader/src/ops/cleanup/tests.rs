//! What is removed and what is not, with real repositories.

use std::process::Command;

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::roster::{MemberSpec, TeamFact};
use teamster_protocol::model::task::{NewTask, Work};

use super::*;
use crate::git::WorktreeSpec;

struct Scene {
    folder: tempfile::TempDir,
    dir: TeamDir,
    team: Team,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(folder.path().join("state"), "t".parse().unwrap());
        let team = Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap();
        let scene = Scene { folder, dir, team };
        fs::create_dir(scene.repository()).unwrap();
        scene.git(&["init", "-q", "-b", "main"]);
        scene.git(&["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "--allow-empty", "-m", "one"]);
        scene
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(self.repository()).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A member with a worktree, which is given back.
    fn member(&mut self, name: &str) -> PathBuf {
        let name: MemberName = name.parse().unwrap();
        let repository = Repository::discover(&self.repository()).unwrap();
        let place = Place::new(&self.dir.worktrees_dir(), name.as_str()).unwrap();
        let branch = format!("teamster/t/{name}");
        let made = repository.ensure_worktree(&WorktreeSpec { place, branch, base: None }).unwrap();
        let workspace = Workspace::Worktree {
            dir: made.path.clone(),
            branch: made.branch,
            base: made.tip.to_string(),
            repository: repository.common_dir().to_owned(),
        };
        let spec = MemberSpec {
            agent: "shell".parse().unwrap(),
            role: None,
            auto: AutoClaim::On,
            workspace,
            stall: Default::default(),
        };
        self.team.add_member(name, spec).unwrap();
        made.path
    }

    /// What stands against a cleanup.
    fn refused(&self, care: Care) -> String {
        match cleanup(&self.dir, care) {
            Err(error @ CleanupError::Refused { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn left_in_root(&self) -> Vec<String> {
        names_in(self.dir.root()).unwrap()
    }
}

#[test]
fn a_team_that_is_done_goes_without_a_trace() {
    let mut scene = Scene::new();
    scene.member("ada");
    let cleaned = cleanup(&scene.dir, Care::Refuse).unwrap();
    assert_eq!(cleaned.worktrees.len(), 1);
    assert_eq!(scene.left_in_root(), Vec::<String>::new());
    assert_eq!(scene.git(&["branch", "--list", "teamster/*"]), "");
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
    assert!(matches!(cleanup(&scene.dir, Care::Refuse), Err(CleanupError::NoTeam { .. })));
    assert_eq!(scene.left_in_root(), Vec::<String>::new(), "to look makes nothing");
}

#[test]
fn all_that_stands_against_it_is_named_at_once_and_nothing_is_removed() {
    let mut scene = Scene::new();
    let worktree = scene.member("ada");
    fs::write(worktree.join("new.txt"), "work").unwrap();
    scene.team.add_tasks(|_| vec![NewTask::new(Work::Run("true".to_owned()))]).unwrap();
    let leader = Lock::take(&scene.dir.leader_lock(), 1).unwrap();
    let worker = Lock::take(&scene.dir.member_lock(&"ada".parse().unwrap()), 1).unwrap();
    let why = scene.refused(Care::Refuse);
    for part in ["a leader", "ada runs (process ", "1 task is still to be done", "teamster/t/ada of ada holds"] {
        assert!(why.contains(part), "{part:?} in {why}");
    }
    let why = scene.refused(Care::KeepWork);
    assert!(why.contains("ada runs") && !why.contains("holds"), "{why}");
    assert!(worktree.join("new.txt").exists());
    leader.release();
    worker.release();
}

#[test]
fn force_keeps_work_under_a_ref() {
    let mut scene = Scene::new();
    let worktree = scene.member("ada");
    fs::write(worktree.join("new.txt"), "work").unwrap();
    let cleaned = cleanup(&scene.dir, Care::KeepWork).unwrap();
    let kept = cleaned.worktrees[0].kept.clone().unwrap();
    assert_eq!(scene.git(&["show", &format!("{kept}:new.txt")]), "work");
    assert!(!worktree.exists());
}

#[test]
fn work_of_a_member_that_left_the_roster_is_found() {
    let mut scene = Scene::new();
    let worktree = scene.member("ada");
    fs::write(worktree.join("new.txt"), "work").unwrap();
    scene.team.enroll(TeamFact::Removed { name: "ada".parse().unwrap() }).unwrap();
    assert!(scene.refused(Care::Refuse).contains("teamster/t/ada of ada holds"));
    assert!(cleanup(&scene.dir, Care::KeepWork).unwrap().worktrees[0].kept.is_some());
}

#[test]
fn what_can_not_be_looked_into_is_never_removed_not_even_by_force() {
    let mut scene = Scene::new();
    let worktree = scene.member("ada");
    fs::write(worktree.join("new.txt"), "work").unwrap();
    fs::remove_dir_all(scene.repository()).unwrap();
    let why = scene.refused(Care::KeepWork);
    assert!(why.contains("cannot look into the worktree of ada at"), "{why}");
    assert!(worktree.join("new.txt").exists());
    // The way out.
    fs::remove_dir_all(&worktree).unwrap();
    cleanup(&scene.dir, Care::Refuse).unwrap();
    assert_eq!(scene.left_in_root(), Vec::<String>::new());
}

#[test]
fn a_link_is_not_followed_and_rubbish_of_a_cleanup_that_was_cut_short_goes() {
    let scene = Scene::new();
    let root = scene.folder.path().join("other");
    fs::create_dir_all(root.join(".removed-x-1/deep")).unwrap();
    fs::set_permissions(root.join(".removed-x-1"), fs::Permissions::from_mode(0o500)).unwrap();
    std::os::unix::fs::symlink(scene.dir.path(), root.join("t")).unwrap();
    let linked = TeamDir::new(&root, "t".parse().unwrap());
    assert!(matches!(cleanup(&linked, Care::KeepWork), Err(CleanupError::NotOurs { .. })));
    assert!(scene.dir.exists());
    assert_eq!(names_in(&root).unwrap(), ["t"]);
}
