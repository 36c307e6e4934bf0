//! Who watches is woken, and by nothing else.

use std::{error::Error, fs, io::Write};

use super::*;

type Outcome = Result<(), Box<dyn Error>>;

/// Far beyond what a loaded machine needs, so that reaching it means that nobody woke.
const LIMIT: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3600);

fn in_runtime(test: impl AsyncFnOnce(&Path) -> Outcome) -> Outcome {
    let directory = tempfile::tempdir()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test(directory.path()))
}

async fn woken(watch: &mut FileWatch) -> Result<FileChange, tokio::time::error::Elapsed> {
    tokio::time::timeout(LIMIT, watch.changed()).await
}

fn append(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().append(true).open(path)?.write_all(b"x")
}

#[test]
fn a_burst_of_appends_is_one_change_of_that_file() -> Outcome {
    in_runtime(async |directory| {
        let (here, beside) = (directory.join("here"), directory.join("beside"));
        fs::write(&here, "")?;
        fs::write(&beside, "")?;
        let mut watch = FileWatch::new(NEVER);
        let (here_id, beside_id) = (watch.add(&here), watch.add(&beside));
        for _ in 0..100 {
            append(&here)?;
        }
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![here_id]));
        append(&beside)?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![beside_id]));
        Ok(())
    })
}

#[test]
fn of_a_burst_that_one_read_does_not_take_nothing_is_lost() -> Outcome {
    in_runtime(async |directory| {
        let paths = ["one", "two", "last"].map(|name| directory.join(name));
        paths.iter().try_for_each(|path| fs::write(path, ""))?;
        let mut watch = FileWatch::new(NEVER);
        let [one, two, last] = paths.each_ref().map(|path| watch.add(path));
        // In turns, because the system makes one event of two that are alike.
        for _ in 0..EVENTS_BYTES {
            append(&paths[0])?;
            append(&paths[1])?;
        }
        append(&paths[2])?;
        let mut seen = Vec::new();
        while !seen.contains(&last) {
            match woken(&mut watch).await? {
                FileChange::Files(changed) => seen.extend(changed),
                FileChange::Poll => return Err("the poll is not due".into()),
            }
        }
        assert!(seen.starts_with(&[one, two]), "{seen:?}");
        ring(&paths[0])?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![one]));
        Ok(())
    })
}

#[test]
fn a_ring_wakes_and_changes_nothing() -> Outcome {
    in_runtime(async |directory| {
        let path = directory.join("bell");
        assert_eq!(ring(&path)?, RingOutcome::NoSuchFile);
        fs::write(&path, "as it was")?;
        let mut watch = FileWatch::new(NEVER);
        let id = watch.add(&path);
        assert_eq!(ring(&path)?, RingOutcome::Heard);
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![id]));
        assert_eq!(fs::read_to_string(&path)?, "as it was");
        Ok(())
    })
}

#[test]
fn a_file_is_followed_from_before_its_creation_across_replacements() -> Outcome {
    in_runtime(async |directory| {
        let (path, next) = (directory.join("log"), directory.join("next"));
        let mut watch = FileWatch::new(NEVER);
        let id = watch.add(&path);
        fs::write(&path, "1")?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![id]));
        for _ in 0..3 {
            fs::write(&next, "2")?;
            fs::rename(&next, &path)?;
            assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![id]));
            append(&path)?;
            assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![id]));
        }
        Ok(())
    })
}

#[test]
fn a_dropped_wait_loses_no_change() -> Outcome {
    in_runtime(async |directory| {
        let path = directory.join("log");
        fs::write(&path, "")?;
        let mut watch = FileWatch::new(NEVER);
        let id = watch.add(&path);
        tokio::select! {
            biased;
            _ = watch.changed() => return Err("nothing has changed".into()),
            () = std::future::ready(()) => {}
        }
        append(&path)?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![id]));
        Ok(())
    })
}

#[test]
fn the_poll_finds_a_directory_that_came_later() -> Outcome {
    in_runtime(async |directory| {
        let path = directory.join("later").join("log");
        let mut watch = FileWatch::new(Duration::from_millis(1));
        let id = watch.add(&path);
        fs::create_dir(directory.join("later"))?;
        assert_eq!(woken(&mut watch).await?, FileChange::Poll);
        // From here on no poll is due, however slow the machine is.
        watch.look_at_all = Instant::now() + NEVER;
        watch.poll_at(watch.look_at_all);
        fs::write(&path, "")?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![id]));
        Ok(())
    })
}

#[test]
fn without_inotify_it_looks_and_comes_back_to_it() -> Outcome {
    in_runtime(async |directory| {
        let (log, beside) = (directory.join("log"), directory.join("beside"));
        let mut watch = FileWatch::new(NEVER);
        watch.inotify = None;
        watch.fall_back(&Errno::MFILE.into());
        let (log_id, beside_id) = (watch.add(&log), watch.add(&beside));
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![log_id, beside_id]), "it never saw them");
        fs::write(&log, "1")?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![log_id]));
        ring(&log)?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![log_id]));
        fs::remove_file(&log)?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![log_id]));
        // Once the system grants it again, the look at everything is the last that it needs.
        watch.look_at_all = Instant::now();
        assert_eq!(woken(&mut watch).await?, FileChange::Poll);
        assert!(watch.inotify.is_some());
        fs::write(&beside, "1")?;
        assert_eq!(woken(&mut watch).await?, FileChange::Files(vec![beside_id]));
        Ok(())
    })
}

#[test]
fn a_file_that_is_written_without_a_pause_does_not_keep_the_poll_from_coming() -> Outcome {
    const POLL: Duration = Duration::from_millis(20);
    in_runtime(async |directory| {
        let path = directory.join("busy");
        fs::write(&path, "")?;
        let mut watch = FileWatch::new(POLL);
        watch.add(&path);
        let begun = Instant::now();
        while begun.elapsed() < 50 * POLL {
            // There is an event to read each time that the watch is asked.
            append(&path)?;
            if woken(&mut watch).await? == FileChange::Poll {
                return Ok(());
            }
        }
        Err(format!("no poll came within {:?}", begun.elapsed()).into())
    })
}
