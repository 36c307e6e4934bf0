//! Logs of which a part is gone that was there: never read as new, never numbered a second time.

use super::*;

/// A step that survives a loss of power.
fn add_synced(log: &mut Log<Counters>, name: &str) -> Result<(), TransactError<Infallible>> {
    log.transact("tester", 7, Durability::Power, |_| Ok((vec![added(name, 1)], ())))
}

/// Keeps the first lines of a file, in place.
fn keep_lines(path: &Path, lines: usize) -> Outcome {
    let whole = fs::read_to_string(path)?;
    Ok(fs::write(path, whole.split_inclusive('\n').take(lines).collect::<String>())?)
}

#[test]
fn a_log_without_a_whole_header_is_damaged_and_nobody_writes_to_it() -> Outcome {
    let header = r#"{"v":1,"log":"counters","gen":1,"next_seq":1,"at_ms":5}"#;
    for (bytes, due) in [
        (&b""[..], "the file is empty"),
        (&[0; 4096], "the file begins with zeros"),
        (&[0; 9000], "the file begins with zeros"),
        (b"{", "it has no end"),
        (&header.as_bytes()[..30], "it has no end"),
        (header.as_bytes(), "it has no end"),
    ] {
        let (_keep, path) = place()?;
        fs::write(&path, bytes)?;
        let due = format!("FILE:1: not the header of a log: {due}");
        assert!(load_error(&path).starts_with(&due), "{}", load_error(&path));
        let error = Log::<Counters>::open(&path, 9).map(|_| ()).expect_err("damaged").to_string();
        assert!(error.contains(":1: not the header of a log"), "{error}");
        let checked = check::<Counters>(&path)?.ok_or("it is there")?;
        assert_eq!((checked.damage.len(), checked.generation), (1, 0));
        assert_eq!(fs::read(&path)?, bytes, "nothing was written to it");
        let outcome = repair::<Counters>(&path, 99)?;
        assert!(matches!(outcome, RepairedLog::Mended { kept: 0, .. }), "{outcome:?}");
        add(&mut Log::<Counters>::open(&path, 9)?, "a", 1)?;
    }
    Ok(())
}

#[test]
fn what_a_creator_that_died_has_left_is_no_log_and_in_nobodys_way() -> Outcome {
    let (_keep, path) = place()?;
    fs::write(paths::next_path(&path), "{\"v\":1,\"lo")?;
    assert_eq!(LogReader::<Counters>::open(&path)?.state(), &Counters::default());
    add(&mut Log::<Counters>::open(&path, 5)?, "a", 1)?;
    assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "a"), 1);
    assert!(!paths::next_path(&path).exists());
    Ok(())
}

#[test]
fn a_log_cut_at_the_end_of_a_line_is_damaged_and_numbers_on_after_its_repair() -> Outcome {
    for rotated in [false, true] {
        let (_keep, path) = place()?;
        let mut log = Log::<Counters>::open(&path, 5)?;
        if rotated {
            log.set_generation_bytes_max(1);
            add(&mut log, "z", 1)?;
            log.set_generation_bytes_max(u64::MAX);
        }
        for name in ["a", "b", "c", "d"] {
            add_synced(&mut log, name)?;
        }
        let next_seq = log.next_seq();
        let lines = fs::read_to_string(&path)?.lines().count();
        drop(log);
        keep_lines(&path, lines - 2)?;
        let cut = fs::read(&path)?;
        let due = format!(
            "FILE:{}: the log ends here, after record {}, but record {} was written",
            lines - 1,
            next_seq - 3,
            next_seq - 1
        );
        assert!(load_error(&path).starts_with(&due), "{}", load_error(&path));
        assert!(Log::<Counters>::open(&path, 5).is_err());
        let checked = check::<Counters>(&path)?.ok_or("it is there")?;
        assert_eq!(checked.damage.len(), 1, "{checked:?}");
        assert_eq!(fs::read(&path)?, cut);
        let outcome = repair::<Counters>(&path, 99)?;
        assert!(matches!(outcome, RepairedLog::Mended { filled: 2, .. }), "{outcome:?}");
        let mut log = Log::<Counters>::open(&path, 5)?;
        assert_eq!(log.next_seq(), next_seq);
        add_synced(&mut log, "e")?;
        assert_eq!(LogReader::<Counters>::open(&path)?.state(), log.state());
        assert_eq!((count(log.state(), "b"), count(log.state(), "c")), (1, 0));
        assert_eq!(repair::<Counters>(&path, 100)?, RepairedLog::Nothing);
    }
    Ok(())
}

#[test]
fn an_older_copy_in_the_place_of_a_log_is_seen_by_who_has_the_log_open_until_it_is_mended() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    let mut late = LogReader::<Counters>::open(&path)?;
    add_synced(&mut log, "a")?;
    let copy = path.with_extension("copy");
    fs::copy(&path, &copy)?;
    for name in ["b", "c", "d"] {
        add_synced(&mut log, name)?;
    }
    late.refresh(|_| {})?;
    fs::rename(&copy, &path)?;
    for _ in 0..2 {
        let error = late.refresh(|_| {}).expect_err("older").to_string();
        assert!(error.contains("after record 1, but record 4 was written"), "{error}");
        let error = add_synced(&mut log, "e").expect_err("older").to_string();
        assert!(error.contains("after record 1, but record 4 was written"), "{error}");
    }
    repair::<Counters>(&path, 99)?;
    add_synced(&mut log, "e")?;
    let mut told = Vec::new();
    late.refresh(|record| told.push(record.seq))?;
    assert_eq!(told, [2, 3, 4, 5], "empty records stand for those that are lost");
    assert_eq!(late.state(), log.state());
    Ok(())
}

#[test]
fn a_file_that_was_cut_under_a_reader_is_said_to_have_shrunk() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    add(&mut log, "a", 1)?;
    add(&mut log, "b", 1)?;
    let mut reader = LogReader::<Counters>::open(&path)?;
    keep_lines(&path, 2)?;
    let error = reader.refresh(|_| {}).expect_err("cut").to_string();
    assert!(error.contains("bytes while in use; nothing was written"), "{error}");
    Ok(())
}

#[test]
fn a_log_that_was_removed_is_damage_and_made_anew_is_not_measured_by_the_mark_of_the_old() -> Outcome {
    let (_keep, path) = place()?;
    let mut old = Log::<Counters>::open(&path, 5)?;
    add_synced(&mut old, "a")?;
    add_synced(&mut old, "a")?;
    fs::remove_file(&path)?;
    assert!(matches!(Log::<Counters>::open(&path, 6), Err(LogError::Lost { .. })));
    assert!(matches!(LogReader::<Counters>::open(&path), Err(LogError::Lost { .. })));
    assert!(!path.exists());
    assert!(begin::<Counters>(&path, 6, &[])?);
    let mut new = Log::<Counters>::open(&path, 6)?;
    // Whoever synced the old one a moment before marks it only now.
    old.make_durable::<Infallible>(Durability::Power)?;
    add_synced(&mut new, "b")?;
    assert_eq!(LogReader::<Counters>::open(&path)?.state(), new.state());
    keep_lines(&path, 1)?;
    assert!(load_error(&path).contains("after record 0, but record 1 was written"), "{}", load_error(&path));
    Ok(())
}

#[test]
fn more_lost_numbers_than_are_filled_are_given_up() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    add_synced(&mut log, "a")?;
    lock::LockFile::open(&path)?.write_mark(mark::LogMark::new(5, 1_000_000, 0))?;
    assert!(load_error(&path).contains("after record 1, but record 999999 was written"));
    repair::<Counters>(&path, 99)?;
    assert_eq!(LogReader::<Counters>::open(&path)?.next_seq(), 2);
    Ok(())
}

#[test]
fn a_generation_of_which_nothing_is_left_is_made_anew_of_the_one_before() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    log.set_generation_bytes_max(1);
    add_synced(&mut log, "a")?;
    log.set_generation_bytes_max(u64::MAX);
    add_synced(&mut log, "b")?;
    let next_seq = log.next_seq();
    fs::write(&path, [0; 512])?;
    let outcome = repair::<Counters>(&path, 99)?;
    assert!(matches!(outcome, RepairedLog::Mended { kept: 1, filled: 1, .. }), "{outcome:?}");
    let log = Log::<Counters>::open(&path, 5)?;
    assert_eq!((count(log.state(), "a"), count(log.state(), "b"), log.next_seq()), (1, 0, next_seq));
    Ok(())
}
