//! New generations of a log: begun while others read and write, and after a crash at any step.

use super::*;

#[test]
fn rotation_keeps_the_state_and_numbers_on() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    log.set_generation_bytes_max(500);
    for round in 0..20_u64 {
        add(&mut log, ["a", "b"][round as usize % 2], round)?;
    }
    let text = fs::read_to_string(&path)?;
    assert!(!text.starts_with(r#"{"v":1,"log":"counters","gen":1,"#), "{text}");
    let reader = LogReader::<Counters>::open(&path)?;
    assert_eq!(reader.state(), log.state());
    assert_eq!((count(reader.state(), "a"), count(reader.state(), "b")), (90, 100));
    assert_eq!(reader.next_seq(), 21);
    let note = reader.read_at(reader.state().notes["a"])?;
    assert!(matches!(&note.facts[..], [CounterFact::Added { note, .. }] if note == "note of a"));
    Ok(())
}

#[test]
fn an_offset_of_an_earlier_generation_is_refused() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    add(&mut log, "a", 1)?;
    let offset = log.state().notes["a"];
    log.set_generation_bytes_max(1);
    add(&mut log, "b", 1)?;
    let error = log.read_at(offset).expect_err("stale").to_string();
    assert!(error.starts_with("an offset of generation 1 of"), "{error}");
    Ok(())
}

#[test]
fn large_live_state_is_not_rewritten_at_every_append() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    log.set_generation_bytes_max(1);
    for name in 0..200 {
        add(&mut log, &name.to_string(), 1)?;
    }
    let header = fs::read_to_string(&path)?.lines().next().map(str::to_owned);
    let header: serde_json::Value = serde_json::from_str(&header.ok_or("empty")?)?;
    assert!((5..20).contains(&header["gen"].as_u64().ok_or("no gen")?), "{header}");
    Ok(())
}

#[test]
fn a_crash_after_any_step_of_a_rotation_is_made_good() -> Outcome {
    for steps in 0..=3 {
        let (_keep, path) = place()?;
        let mut late = LogReader::<Counters>::open(&path)?;
        let mut dying = Log::<Counters>::open(&path, 5)?;
        let mut other = Log::<Counters>::open(&path, 5)?;
        add(&mut dying, "a", 1)?;
        other.refresh(|_| {})?;
        add(&mut dying, "a", 2)?;
        dying.writer().write_next(9)?;
        if steps == 0 {
            // Died while writing it: half of it is there.
            let next = paths::next_path(&path);
            let half = fs::metadata(&next)?.len() / 2;
            OpenOptions::new().write(true).open(&next)?.set_len(half)?;
        }
        if steps >= 2 {
            dying.writer().seal()?;
        }
        if steps >= 3 {
            dying.writer().keep_old();
        }
        drop(dying);
        let fresh = LogReader::<Counters>::open(&path)?;
        assert_eq!(count(fresh.state(), "a"), 3, "after step {steps}");
        let mut told = Vec::new();
        let tell = |record: &LogRecord<CounterFact>| told.push(record.seq);
        other.transact_telling::<(), Infallible>("o", 1, Durability::Power, tell, |state| {
            assert_eq!(count(state, "a"), 3, "after step {steps}");
            Ok((vec![added("a", 4)], ()))
        })?;
        assert_eq!(told, [2], "after step {steps}");
        let mut told = Vec::new();
        late.refresh(|record| told.push(record.seq))?;
        match steps {
            0 | 1 => assert_eq!(told, [1, 2, 3], "the first generation goes on"),
            _ => assert_eq!(told, [3], "a reader that had opened nothing begins at the snapshot"),
        }
        assert_eq!(late.state(), other.state(), "after step {steps}");
        assert_eq!(late.next_seq(), 4);
    }
    Ok(())
}

#[test]
fn rotation_under_readers_and_writers_tells_each_record_once() -> Outcome {
    let (_keep, path) = place()?;
    let (writers, each) = (2, 300);
    Log::<Counters>::open(&path, 5)?;
    let done = AtomicBool::new(false);
    // Before the first record: what a reader opens with is not told to it.
    let mut reader = LogReader::<Counters>::open(&path)?;
    let told = std::thread::scope(|scope| -> Result<Vec<u64>, Box<dyn Error>> {
        let done = &done;
        let reader = scope.spawn(move || -> Result<(Vec<u64>, u64), String> {
            let (mut told, mut missed) = (Vec::new(), 0);
            loop {
                let last = done.load(Ordering::SeqCst);
                let met = reader.refresh(|r| told.push(r.seq)).map_err(|e| e.to_string())?;
                missed += met.missed;
                if last {
                    return Ok((told, missed));
                }
            }
        });
        let threads: Vec<_> = (0..writers)
            .map(|_| {
                scope.spawn(|| -> Result<(), String> {
                    let mut log = Log::<Counters>::open(&path, 5).map_err(|e| e.to_string())?;
                    log.set_generation_bytes_max(16 * 1024);
                    (0..each).try_for_each(|_| add(&mut log, "a", 1).map_err(|_| "cannot add".to_owned()))
                })
            })
            .collect();
        let wrote: Vec<_> = threads.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::SeqCst);
        for writer in wrote {
            writer.map_err(|_| "a writer panicked")??;
        }
        let (told, missed) = reader.join().map_err(|_| "the reader panicked")??;
        assert_eq!(told.len() as u64 + missed, writers * each);
        Ok(told)
    })?;
    assert!(told.is_sorted_by(|a, b| a < b), "in order, none twice");
    assert!(fs::exists(paths::old_path(&path))?, "it has rotated");
    assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "a"), writers * each);
    Ok(())
}

#[test]
fn a_reader_one_or_two_generations_late_is_told_all_and_later_says_what_it_missed() -> Outcome {
    for (generations, missed) in [(1, 0), (2, 0), (3, 2)] {
        let (_keep, path) = place()?;
        let mut log = Log::<Counters>::open(&path, 5)?;
        add(&mut log, "a", 1)?;
        let mut late = LogReader::<Counters>::open(&path)?;
        for _ in 0..generations {
            log.set_generation_bytes_max(u64::MAX);
            add(&mut log, "a", 1)?;
            log.set_generation_bytes_max(1);
            log.writer().write_next(9)?;
            log.writer().seal()?;
            log.writer().put_in_place()?;
            log.set_generation_bytes_max(u64::MAX);
            add(&mut log, "a", 1)?;
        }
        let mut told = Vec::new();
        let met = late.refresh(|record| told.push(record.seq))?;
        assert_eq!(met.missed, missed, "{generations} generations");
        assert_eq!(told.len() as u64 + missed, 2 * generations);
        assert_eq!(late.state(), log.state());
    }
    Ok(())
}
