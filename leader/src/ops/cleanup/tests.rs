//! Cleanups of teams with real repositories: which files are removed, and which refuse to be.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use teamster_protocol::model::roster::{MemberSpec, TeamFact};
use teamster_protocol::model::task::{NewTask, TaskWork};
use teamster_protocol::wire::api::WorktreeFound;

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
        let place = WorktreePlace::new(&self.dir.worktrees_dir(), name.as_str()).unwrap();
        let branch = format!("teamster/t/{name}");
        let found = WorktreeFound::GoesToBase;
        let made = repository.ensure_worktree(&WorktreeSpec { place, branch, base: None, found }).unwrap();
        let workspace = Workspace::Worktree {
            dir: made.path.clone(),
            branch: made.branch,
            base: made.tip.to_string(),
            repository: repository.common_dir().to_owned(),
        };
        let spec = MemberSpec::new("shell".parse().unwrap(), workspace);
        self.team.add_member(name, spec).unwrap();
        made.path
    }

    /// The obstacles to a cleanup.
    fn refused(&self, care: CleanupCare) -> String {
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
    let cleaned = cleanup(&scene.dir, CleanupCare::Refuse).unwrap();
    assert_eq!(cleaned.worktrees.len(), 1);
    assert_eq!(scene.left_in_root(), Vec::<String>::new());
    assert_eq!(scene.git(&["branch", "--list", "teamster/*"]), "");
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
    assert!(matches!(cleanup(&scene.dir, CleanupCare::Refuse), Err(CleanupError::NoTeam { .. })));
    assert_eq!(scene.left_in_root(), Vec::<String>::new(), "to look makes nothing");
}

#[test]
fn all_that_stands_against_it_is_named_at_once_and_nothing_is_removed() {
    let mut scene = Scene::new();
    let worktree = scene.member("ada");
    fs::write(worktree.join("new.txt"), "work").unwrap();
    scene.team.add_tasks(|_| vec![NewTask::new(TaskWork::run("true"))]).unwrap();
    let leader = PresenceLock::take(&scene.dir.leader_lock(), 1).unwrap();
    let worker = PresenceLock::take(&scene.dir.member_lock(&"ada".parse().unwrap()), 1).unwrap();
    let why = scene.refused(CleanupCare::Refuse);
    for part in ["a leader", "ada runs (process ", "1 task is still to be done", "teamster/t/ada of ada holds"] {
        assert!(why.contains(part), "{part:?} in {why}");
    }
    let why = scene.refused(CleanupCare::KeepWork);
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
    let cleaned = cleanup(&scene.dir, CleanupCare::KeepWork).unwrap();
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
    assert!(scene.refused(CleanupCare::Refuse).contains("teamster/t/ada of ada holds"));
    assert!(cleanup(&scene.dir, CleanupCare::KeepWork).unwrap().worktrees[0].kept.is_some());
}

#[test]
fn what_can_not_be_looked_into_is_never_removed_not_even_by_force() {
    let mut scene = Scene::new();
    let worktree = scene.member("ada");
    fs::write(worktree.join("new.txt"), "work").unwrap();
    fs::remove_dir_all(scene.repository()).unwrap();
    let why = scene.refused(CleanupCare::KeepWork);
    assert!(why.contains("cannot look into the worktree of ada at"), "{why}");
    assert!(worktree.join("new.txt").exists());
    // The way out.
    fs::remove_dir_all(&worktree).unwrap();
    cleanup(&scene.dir, CleanupCare::Refuse).unwrap();
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
    assert!(matches!(cleanup(&linked, CleanupCare::KeepWork), Err(CleanupError::NotOurs { .. })));
    assert!(scene.dir.exists());
    assert_eq!(names_in(&root).unwrap(), ["t"]);
}

/// The last whole line of a log.
fn last_record(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap();
    format!("{}\n", text.lines().last().unwrap())
}

/// A writer that shares no code with ours: it locks the board, appends a task and lets go. Cleanup must not
/// remove the team while it has the lock, and must see the task.
#[test]
fn a_task_that_is_being_added_is_waited_for_and_stands_against_it() {
    let mut other = Scene::new();
    other.team.add_tasks(|_| vec![NewTask::new(TaskWork::run("true"))]).unwrap();
    let record = last_record(&other.dir.board());

    let scene = Scene::new();
    let (board, dir) = (scene.dir.board(), scene.dir.clone());
    let lock = fs::File::open(&board).unwrap();
    lock.lock().unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    let cleaner = std::thread::spawn(move || done.send(cleanup(&dir, CleanupCare::Refuse)).unwrap());
    let early = is_done.recv_timeout(Duration::from_millis(300));
    assert!(early.is_err(), "removed while a writer has the board's lock: {early:?}");
    let mut file = fs::File::options().append(true).open(&board).unwrap();
    file.write_all(record.as_bytes()).unwrap();
    lock.unlock().unwrap();
    let refused = is_done.recv_timeout(Duration::from_secs(30)).unwrap().unwrap_err();
    assert!(refused.to_string().contains("1 task is still to be done"), "{refused}");
    assert_eq!(last_record(&board), record, "the task is where it was");
    cleaner.join().unwrap();
}

/// As a member could be put on the roster, with a worktree, by somebody who needs no leader for it.
#[test]
fn a_member_that_is_being_added_is_waited_for() {
    let scene = Scene::new();
    let (roster, dir) = (scene.dir.roster(), scene.dir.clone());
    let lock = fs::File::open(&roster).unwrap();
    lock.lock().unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    let cleaner = std::thread::spawn(move || done.send(cleanup(&dir, CleanupCare::Refuse)).unwrap());
    let early = is_done.recv_timeout(Duration::from_millis(300));
    assert!(early.is_err(), "removed while a writer has the roster's lock: {early:?}");
    lock.unlock().unwrap();
    is_done.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
    assert_eq!(scene.left_in_root(), Vec::<String>::new());
    cleaner.join().unwrap();
}

/// A writer that waited while the team was removed must not say that its task is added.
#[test]
fn who_comes_too_late_is_refused() {
    let mut scene = Scene::new();
    cleanup(&scene.dir, CleanupCare::Refuse).unwrap();
    let added = scene.team.add_tasks(|_| vec![NewTask::new(TaskWork::run("true"))]);
    assert!(added.is_err(), "{added:?}");
    assert_eq!(scene.left_in_root(), Vec::<String>::new());
}

#[test]
fn no_task_is_lost_that_was_added_beside_a_cleanup() {
    let folder = tempfile::tempdir().unwrap();
    let dir = TeamDir::new(folder.path().join("state"), "t".parse().unwrap());
    let (mut removed, mut refused) = (0, 0);
    for round in 0..150 {
        drop(Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap());
        let (start, text) = (std::sync::Barrier::new(2), format!("round {round} of the race"));
        let (added, cleaned) = std::thread::scope(|scope| {
            let adder = scope.spawn(|| {
                start.wait();
                let mut team = Team::open(dir.clone(), Address::Lead, Durability::Process)?;
                team.add_tasks(|_| vec![NewTask::new(TaskWork::run(text.clone()))])
            });
            start.wait();
            let cleaned = cleanup(&dir, CleanupCare::Refuse);
            (adder.join().unwrap(), cleaned)
        });
        let stands = fs::read_to_string(dir.board()).is_ok_and(|board| board.contains(&text));
        assert!(added.is_err() || stands, "round {round}: added, and gone; cleanup said {cleaned:?}");
        match cleaned {
            Ok(_) => removed += 1,
            Err(CleanupError::Refused { .. }) => refused += 1,
            Err(error) => panic!("round {round}: {error}"),
        }
        if stands {
            cleanup(&dir, CleanupCare::KeepWork).unwrap();
        }
    }
    println!("{removed} removed, {refused} refused");
}

#[test]
fn a_directory_is_removed_into_which_somebody_still_writes() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moved-away");
        fs::create_dir(&path).unwrap();
        std::thread::scope(|scope| {
            // Fewer than the removals: each that fails is for one of these at least.
            let writer = scope.spawn(|| {
                for number in 0..REMOVALS_MAX / 2 {
                    let _ = fs::write(path.join(number.to_string()), "");
                }
            });
            remove_tree(&path).unwrap();
            writer.join().unwrap();
        });
        assert!(!path.exists());
    }
}
