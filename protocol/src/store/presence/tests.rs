//! Locks are taken, looked at, given back and told from files that only look like them.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::host::team_dir::TeamDir;

#[test]
fn one_holds_it_and_the_next_is_told_who() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alice.lock");
    assert!(!is_held(&path).unwrap());
    let lock = PresenceLock::take(&path, 7).unwrap();
    assert!(is_held(&path).unwrap());
    let told = match PresenceLock::take(&path, 8) {
        Err(LockError::Held { holder: Some(holder), .. }) => holder,
        other => panic!("{other:?}"),
    };
    assert_eq!((told.process.pid, told.since_ms), (std::process::id(), 7));
    assert_eq!(read_holder(&path).unwrap(), Some(*told));
    lock.release();
    assert!(!is_held(&path).unwrap());
    PresenceLock::take(&path, 9).unwrap();
}

#[test]
fn who_only_borrows_it_is_not_written_down_and_who_is_done_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leader.lock");
    assert_eq!(read_last_holder(&path).unwrap(), None);
    PresenceLock::take(&path, 7).unwrap().release();
    let borrowed = PresenceLock::take_unsigned(&path).unwrap();
    assert!(is_held(&path).unwrap() && matches!(PresenceLock::take(&path, 8), Err(LockError::Held { .. })));
    assert_eq!(borrowed.last_signer().map(|holder| (holder.since_ms, holder.ended_ms)), Some((7, None)));
    borrowed.sign(&path, 9);
    borrowed.sign_off(&path, 11);
    assert!(!is_held(&path).unwrap());
    let last = read_last_holder(&path).unwrap().map(|holder| (holder.since_ms, holder.ended_ms));
    assert_eq!(last, Some((9, Some(11))));
}

#[test]
fn it_is_given_back_although_a_child_that_is_just_being_started_has_its_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alice.lock");
    let lock = PresenceLock::take(&path, 7).unwrap();
    let _of_the_child = lock.file.try_clone().unwrap();
    lock.release();
    assert!(!is_held(&path).unwrap());
    let lock = PresenceLock::take(&path, 8).unwrap();
    let _of_the_child = lock.file.try_clone().unwrap();
    drop(lock);
    assert!(!is_held(&path).unwrap());
}

#[test]
fn a_lock_on_a_file_that_is_gone_keeps_nobody_out_and_is_known_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alice.lock");
    let lock = PresenceLock::take(&path, 7).unwrap();
    assert!(is_in_place(&lock.file, &path).unwrap());
    std::fs::remove_file(&path).unwrap();
    assert!(!is_in_place(&lock.file, &path).unwrap());
    File::create(&path).unwrap();
    assert!(!is_in_place(&lock.file, &path).unwrap(), "another file of that name is not it");
}

#[test]
fn a_free_lock_proves_a_death_only_if_the_worker_has_signed_that_very_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("alice.lock"), dir.path().join("copy"));
    let lives = own_identity().unwrap();
    let died = ProcessIdentity { start_ticks: lives.start_ticks + 1, ..lives.clone() };
    let look = |joined| look_at_worker(&path, joined).unwrap();
    let free = |joined| PresenceLock::take_unsigned(&path).unwrap().of_dead_worker(&path, joined).is_ok();

    assert_eq!(look(None), WorkerLife::Dead, "nobody ever joined");
    let lock = PresenceLock::take(&path, 7).unwrap();
    assert_eq!(look(Some(&lives)), WorkerLife::Locked);
    std::fs::copy(&path, &copy).unwrap();
    lock.release();
    // As if the process had ended, which its own kernel lock says.
    assert_eq!(look(Some(&lives)), WorkerLife::Dead);
    assert!(free(Some(&lives)));

    let _lock = PresenceLock::take(&path, 8).unwrap();
    let moved = dir.path().join("moved");
    for hostile in ["removed", "copied", "empty", "moved"] {
        match hostile {
            "removed" => std::fs::remove_file(&path).unwrap(),
            "copied" => std::fs::copy(&copy, &path).map(|_| ()).unwrap(),
            "empty" => std::fs::write(&path, "").unwrap(),
            _ => std::fs::rename(&path, &moved).unwrap(),
        }
        assert_eq!(look(Some(&lives)), WorkerLife::LockLost, "{hostile}");
        assert_eq!(look(Some(&died)), WorkerLife::Dead, "{hostile}");
        if hostile != "removed" && hostile != "moved" {
            assert!(free(Some(&died)), "{hostile}");
            let refused = PresenceLock::take_unsigned(&path).unwrap().of_dead_worker(&path, Some(&lives)).unwrap_err();
            assert!(matches!(&refused, LockError::Astray { worker, .. } if *worker == lives), "{hostile}: {refused}");
        }
    }
}

#[test]
fn a_lock_that_is_held_for_life_is_taken_anew_where_it_was_tidied_away() {
    let root = tempfile::tempdir().unwrap();
    let dir = TeamDir::new(root.path(), "t".parse().unwrap());
    dir.create().unwrap();
    let path = dir.member_lock(&"alice".parse().unwrap());
    let mut lock = LifeLock::new(PresenceLock::take(&path, 7).unwrap(), path.clone(), &dir).unwrap();
    assert_eq!(lock.keep(8).unwrap(), LockKept::InPlace);

    std::fs::remove_file(&path).unwrap();
    assert_eq!(lock.keep(9).unwrap(), LockKept::TakenAnew);
    assert_eq!(read_holder(&path).unwrap().map(|holder| holder.since_ms), Some(9));

    std::fs::remove_dir_all(dir.members_dir()).unwrap();
    assert_eq!(lock.keep(10).unwrap(), LockKept::TakenAnew);

    let aside = dir.members_dir().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    assert_eq!(lock.keep(11).unwrap(), LockKept::TakenAnew);
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(lock.keep(12).unwrap(), LockKept::TakenAnew, "the old file is back");

    std::fs::remove_file(&path).unwrap();
    let other = PresenceLock::take(&path, 13).unwrap();
    assert!(matches!(lock.keep(14).unwrap(), LockKept::ByAnother(Some(_))));
    other.release();
    assert_eq!(lock.keep(15).unwrap(), LockKept::TakenAnew);

    std::fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = lock.keep(16).unwrap_err().to_string();
    assert!(
        error.ends_with("it is a named pipe, not a file\nmove it away: the file is made when it is needed"),
        "{error}"
    );

    std::fs::rename(dir.path(), root.path().join("away")).unwrap();
    assert_eq!(lock.keep(17).unwrap(), LockKept::TeamGone);
    assert!(!dir.path().exists(), "a team that is gone is not begun anew");
    dir.create().unwrap();
    assert_eq!(lock.keep(18).unwrap(), LockKept::TeamGone);
    assert!(!path.exists(), "the next team's lock is not taken");
}

#[test]
fn a_worker_that_has_let_go_of_its_lock_and_is_still_ending_is_not_dead() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alice.lock");
    let mut worker = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let joined = crate::host::process::identity(worker.id()).unwrap();
    let lock = PresenceLock::take_unsigned(&path).unwrap();
    let inode = Some(path.metadata().unwrap().ino());
    lock.write(&path, Ok(LockHolder { process: joined.clone(), since_ms: 7, ended_ms: None, inode, cell: None }));
    lock.release();
    assert_eq!(look_at_worker(&path, Some(&joined)).unwrap(), WorkerLife::Dying);
    let refused = PresenceLock::take_unsigned(&path).unwrap().of_dead_worker(&path, Some(&joined)).unwrap_err();
    assert!(matches!(refused, LockError::Dying { .. }), "{refused}");
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(look_at_worker(&path, Some(&joined)).unwrap(), WorkerLife::Dead);
    assert!(PresenceLock::take_unsigned(&path).unwrap().of_dead_worker(&path, Some(&joined)).is_ok());
}

#[test]
fn what_stands_in_the_place_of_a_lock_is_named_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alice.lock");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for error in
        [PresenceLock::take(&path, 7).map(|_| ()), is_held(&path).map(|_| ()), read_last_holder(&path).map(|_| ())]
    {
        assert!(error.unwrap_err().to_string().contains("it is a named pipe, not a file\nmove it away"));
    }
    let lives = own_identity().unwrap();
    assert_eq!(look_at_worker(&path, Some(&lives)).unwrap(), WorkerLife::LockLost);
    std::fs::remove_file(&path).unwrap();
    let theirs = dir.path().join("theirs");
    std::os::unix::fs::symlink(&theirs, &path).unwrap();
    assert!(PresenceLock::take(&path, 8).unwrap_err().to_string().contains("it is a symbolic link"));
    assert!(!theirs.exists());
}
