//! A journey that is cut short, at every place where it can be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use super::super::{RestingPlace, TravelOutcome};
use super::Scene;
use crate::model::object_id::ObjectId;

const BRANCH: &str = "refs/heads/place";

/// A repository with two commits that differ in every way in which files can, and a worktree at the first.
struct Journey {
    scene: Scene,
    place: PathBuf,
    old: ObjectId,
    new: ObjectId,
}

impl Journey {
    fn new() -> Journey {
        let scene = Scene::new();
        let at = |name: &str| scene.dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        for (name, text) in [("changed", "old\n"), ("removed", "old\n"), ("mode", "same\n"), ("kind", "a file\n")] {
            scene.write(name, text);
        }
        scene.write("folder/file", "old\n");
        scene.write("becomes a folder", "old\n");
        symlink("old", at("link")).unwrap();
        scene.write(".gitattributes", "*.crlf text eol=crlf\n");
        scene.write("lines.crlf", "one\r\n");
        let old = scene.commit("old");
        scene.write("changed", "new, and long enough to be cut\n");
        scene.write("added", "new\n");
        fs::remove_file(at("removed")).unwrap();
        fs::set_permissions(at("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(at("kind")).unwrap();
        symlink("changed", at("kind")).unwrap();
        fs::remove_dir_all(at("folder")).unwrap();
        scene.write("folder", "a file now\n");
        fs::remove_file(at("becomes a folder")).unwrap();
        fs::create_dir(at("becomes a folder")).unwrap();
        scene.write("becomes a folder/inside\nof it", "new\n");
        fs::remove_file(at("link")).unwrap();
        symlink("new", at("link")).unwrap();
        scene.write("lines.crlf", "one\r\ntwo\r\n");
        let new = scene.commit("new");
        Journey::of(scene, old, new)
    }

    fn of(scene: Scene, old: ObjectId, new: ObjectId) -> Journey {
        let place = scene.dir.path().join(".git/place");
        scene.git(&["worktree", "add", "--quiet", "-b", "place", place.to_str().unwrap(), old.as_str()]);
        Journey { scene, place, old, new }
    }

    fn admin(&self) -> PathBuf {
        self.scene.git_dir().join("worktrees/place")
    }

    fn with_place<T>(&self, step: impl FnOnce(&RestingPlace<'_>) -> T) -> T {
        step(&RestingPlace { runner: &self.scene.runner, worktree: &self.place, admin: &self.admin() })
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git").current_dir(&self.place).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn note(&self) {
        fs::write(self.admin().join("teamster.travel"), format!("{} {} {BRANCH}\n", self.old, self.new)).unwrap();
    }

    /// As if git had come so far and no further: these paths are those of the new commit, the index that of the old.
    fn half_written(&self, paths: &[&str]) {
        for path in paths {
            let old = self.place.join(path);
            let _ = fs::remove_dir_all(&old).or_else(|_| fs::remove_file(&old));
            let from = self.scene.dir.path().join(path);
            if let Some(above) = old.parent() {
                let _ = fs::remove_file(above);
                fs::create_dir_all(above).unwrap();
            }
            let Ok(there) = fs::symlink_metadata(&from) else { continue };
            match there.is_symlink() {
                true => symlink(fs::read_link(&from).unwrap(), &old).unwrap(),
                false => drop(fs::copy(&from, &old).unwrap()),
            }
        }
    }

    fn finish(&self) -> Option<ObjectId> {
        self.with_place(|place| place.finish_travel()).unwrap()
    }

    fn assert_arrived(&self, why: &str) {
        assert_eq!(self.git(&["status", "--porcelain"]), "", "{why}");
        assert_eq!(self.git(&["rev-parse", "HEAD", BRANCH]), format!("{0}\n{0}", self.new), "{why}");
        assert_eq!(
            self.git(&["write-tree"]),
            self.scene.git(&["rev-parse", &format!("{}^{{tree}}", self.new)]),
            "{why}"
        );
        assert!(!RestingPlace::is_travelling(&self.admin()), "{why}");
        for left in ["teamster.index", "teamster.entries", "teamster.link", "index.lock"] {
            assert!(!self.admin().join(left).exists(), "{why}: {left}");
        }
    }
}

#[test]
fn a_worktree_moves_with_its_branch_and_what_is_not_touched_by_that_stays() {
    let journey = Journey::new();
    fs::write(journey.place.join("mine"), "untracked").unwrap();
    fs::write(journey.place.join("list.txt"), "changed by somebody\n").unwrap();
    let outcome = journey.with_place(|place| place.travel(BRANCH, &journey.old, &journey.new)).unwrap();
    assert_eq!(outcome, TravelOutcome::Arrived);
    assert_eq!(journey.git(&["status", "--porcelain"]), " M list.txt\n?? mine");
    assert_eq!(journey.git(&["rev-parse", "HEAD"]), journey.new.as_str());
    assert_eq!(journey.finish(), None);
}

#[test]
fn a_change_that_meets_what_comes_is_refused_by_git_and_nothing_is_changed() {
    let journey = Journey::new();
    fs::write(journey.place.join("changed"), "by somebody\n").unwrap();
    let error = journey.with_place(|place| place.travel(BRANCH, &journey.old, &journey.new)).unwrap_err().to_string();
    assert!(error.contains("changed"), "{error}");
    assert!(!RestingPlace::is_travelling(&journey.admin()));
    assert_eq!(journey.git(&["rev-parse", "HEAD"]), journey.old.as_str());
    assert_eq!(fs::read_to_string(journey.place.join("removed")).unwrap(), "old\n");
}

#[test]
fn whoever_dies_on_the_way_the_next_look_finishes_it() {
    let all = [
        "changed",
        "added",
        "removed",
        "mode",
        "kind",
        "folder",
        "becomes a folder/inside\nof it",
        "link",
        "lines.crlf",
    ];
    for written in 0..=all.len() {
        let journey = Journey::new();
        journey.note();
        journey.half_written(&all[..written]);
        fs::write(journey.admin().join("index.lock"), "of a git that was killed").unwrap();
        assert_eq!(journey.finish().as_ref(), Some(&journey.new));
        journey.assert_arrived(&format!("{written} were written"));
    }
    // After git was done, and after all was.
    let journey = Journey::new();
    journey.note();
    journey.git(&["read-tree", "-m", "-u", journey.old.as_str(), journey.new.as_str()]);
    journey.finish().unwrap();
    journey.assert_arrived("git was done");
    journey.note();
    journey.finish().unwrap();
    journey.assert_arrived("all was done");
}

#[test]
fn a_file_that_git_wrote_in_part_is_written_again() {
    let journey = Journey::new();
    journey.note();
    fs::write(journey.place.join("changed"), "new, and long").unwrap();
    fs::write(journey.place.join("lines.crlf"), "one\r\ntw").unwrap();
    fs::write(journey.place.join("added"), "").unwrap();
    journey.finish().unwrap();
    journey.assert_arrived("torn");
    assert_eq!(fs::read_to_string(journey.place.join("changed")).unwrap(), "new, and long enough to be cut\n");
}

#[test]
fn what_somebody_wrote_since_keeps_its_bytes_and_shows_as_a_change() {
    let journey = Journey::new();
    journey.note();
    journey.half_written(&["added"]);
    for (name, text) in
        [("changed", "by somebody\n"), ("removed", "kept\n"), ("list.txt", "mine\n"), ("other", "mine\n")]
    {
        fs::write(journey.place.join(name), text).unwrap();
    }
    journey.finish().unwrap();
    assert_eq!(journey.git(&["rev-parse", "HEAD"]), journey.new.as_str());
    assert_eq!(journey.git(&["status", "--porcelain"]), " M changed\n M list.txt\n?? other\n?? removed");
    assert_eq!(fs::read_to_string(journey.place.join("changed")).unwrap(), "by somebody\n");
    assert_eq!(fs::read_to_string(journey.place.join("removed")).unwrap(), "kept\n");
    assert_eq!(fs::read_to_string(journey.place.join("added")).unwrap(), "new\n");
}

#[test]
fn a_note_that_is_none_is_said_and_nothing_is_done() {
    let journey = Journey::new();
    for text in ["", "HEAD main refs/heads/place\n", "cut off in the mid"] {
        fs::write(journey.admin().join("teamster.travel"), text).unwrap();
        let error = journey.with_place(|place| place.finish_travel()).unwrap_err().to_string();
        assert!(error.contains("teamster.travel: it is no note of a journey"), "{error}");
    }
    assert_eq!(journey.git(&["status", "--porcelain"]), "");
    let nothing = journey.with_place(|place| place.travel(BRANCH, &journey.new.absent(), &journey.new));
    assert!(nothing.is_err(), "a commit that is not there");
}

#[test]
fn a_git_that_fails_amid_it_leaves_the_note_and_the_next_look_goes_on() {
    let journey = Journey::new();
    let scene = &journey.scene;
    let filtered = |program: &str| {
        scene.git(&["config", "filter.late.smudge", program]);
        scene.git(&["config", "filter.late.clean", "cat"]);
        scene.git(&["config", "filter.late.required", "true"]);
    };
    scene.write(".gitattributes", "zlast filter=late\n");
    scene.write("zlast", "late\n");
    let newer = scene.commit("newer");
    filtered("false");
    let to = |place: &RestingPlace<'_>| place.travel(BRANCH, &journey.old, &newer);
    assert!(journey.with_place(to).is_err());
    assert!(RestingPlace::is_travelling(&journey.admin()));
    filtered("cat");
    assert_eq!(journey.finish(), Some(newer.clone()));
    assert_eq!(
        (journey.git(&["status", "--porcelain"]), journey.git(&["rev-parse", "HEAD"])),
        (String::new(), newer.to_string())
    );
}

#[test]
fn a_note_of_a_worktree_that_is_elsewhere_by_now_is_given_up() {
    let elsewhere: [&[&str]; 2] =
        [&["switch", "--quiet", "-c", "side"], &["commit", "--quiet", "--allow-empty", "-m", "meanwhile"]];
    for step in elsewhere {
        let journey = Journey::new();
        journey.note();
        journey.git(step);
        let before = journey.git(&["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"]);
        assert_eq!(journey.finish(), None);
        assert!(!RestingPlace::is_travelling(&journey.admin()));
        assert_eq!(journey.git(&["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"]), before);
        assert_eq!(journey.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn nobody_goes_on_while_a_git_that_outlived_its_starter_moves_files() {
    let journey = Journey::new();
    journey.note();
    let note = journey.admin().join("teamster.travel");
    let held = fs::File::open(&note).unwrap();
    held.lock().unwrap();
    let opened = || {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
        descriptors.filter(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|path| path == note)).count()
    };
    std::thread::scope(|threads| {
        let finishing = threads.spawn(|| journey.finish());
        while opened() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(
            journey.git(&["write-tree"]),
            journey.scene.git(&["rev-parse", &format!("{}^{{tree}}", journey.old)])
        );
        held.unlock().unwrap();
        assert_eq!(finishing.join().unwrap().as_ref(), Some(&journey.new));
    });
    journey.assert_arrived("it waited");
}

#[test]
fn lines_that_were_never_made_alike_are_no_change_of_somebody() {
    let scene = Scene::new();
    scene.git(&["config", "core.safecrlf", "false"]);
    scene.write("old.txt", "one\r\n");
    scene.commit("as it is");
    scene.write(".gitattributes", "* text=auto\n");
    scene.git(&["add", ".gitattributes"]);
    scene.git(&["commit", "--quiet", "-m", "attributes"]);
    let old = scene.id("HEAD");
    scene.write("old.txt", "one\r\ntwo\r\n");
    let new = scene.commit("new");
    let journey = Journey::of(scene, old, new);
    for written in [&[][..], &["old.txt"]] {
        journey.git(&["reset", "--quiet", "--hard", journey.old.as_str()]);
        journey.note();
        journey.half_written(written);
        journey.finish().unwrap();
        journey.assert_arrived("crlf");
    }
}

#[test]
fn what_lies_in_the_folder_of_a_submodule_is_in_the_way() {
    let scene = Scene::new();
    let at = scene.id("HEAD");
    scene.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{at},sub")]);
    scene.git(&["commit", "--quiet", "-m", "submodule"]);
    let old = scene.id("HEAD");
    scene.git(&["rm", "--quiet", "--cached", "sub"]);
    scene.write("sub", "a file\n");
    let new = scene.commit("file");
    let journey = Journey::of(scene, old, new);
    fs::write(journey.place.join("sub/mine"), "mine").unwrap();
    let outcome = journey.with_place(|place| place.travel(BRANCH, &journey.old, &journey.new)).unwrap();
    assert_eq!(outcome, TravelOutcome::InTheWay(vec![PathBuf::from("sub/mine")]));
    assert!(journey.place.join("sub/mine").exists());
}

#[test]
fn a_link_to_a_folder_that_becomes_one_is_moved() {
    let scene = Scene::new();
    fs::create_dir(scene.dir.path().join("lib")).unwrap();
    scene.write("lib/x", "lib\n");
    symlink("lib", scene.dir.path().join("a")).unwrap();
    let old = scene.commit("link");
    fs::remove_file(scene.dir.path().join("a")).unwrap();
    fs::create_dir(scene.dir.path().join("a")).unwrap();
    scene.write("a/x", "own\n");
    let new = scene.commit("folder");
    let journey = Journey::of(scene, old, new);
    let outcome = journey.with_place(|place| place.travel(BRANCH, &journey.old, &journey.new)).unwrap();
    assert_eq!(outcome, TravelOutcome::Arrived);
    assert_eq!(fs::read_to_string(journey.place.join("lib/x")).unwrap(), "lib\n");
    journey.assert_arrived("link");
}
