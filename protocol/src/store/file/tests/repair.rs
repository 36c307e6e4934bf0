//! What a repair keeps, whom it takes along, and that it can be done twice.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::store::file::{RepairedLog, begin, check, check_old, repair, repair_carrying, repair_old};

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}

fn write_lines(path: &Path, lines: &[String]) -> std::io::Result<()> {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

/// A log with `a` to `e`, one record each, whose line `at` (from 0, the header) is replaced.
fn damaged(path: &Path, at: usize, with: &str) -> Outcome {
    let mut log = Log::<Counters>::open(path, 5)?;
    for name in ["a", "b", "c", "d", "e"] {
        add(&mut log, name, 1)?;
    }
    let mut all = lines(path);
    all[at] = with.to_owned();
    Ok(write_lines(path, &all)?)
}

fn names(state: &Counters) -> String {
    state.counts.keys().map(String::as_str).collect()
}

#[test]
fn a_corrupt_line_is_set_aside_and_all_whole_records_are_kept() -> Outcome {
    let (_keep, path) = place()?;
    damaged(&path, 3, "{\"v\":1,\"seq\":oops}")?;
    append_raw(&path, b"{\"v\":1,\"seq\":6,\"at")?;
    let before = fs::read(&path)?;
    let checked = check::<Counters>(&path)?.ok_or("it is there")?;
    let named: Vec<u64> = checked.damage.iter().map(|(line, _)| *line).collect();
    assert_eq!((named, checked.torn_bytes), (vec![4, 5], 18), "the bad line, and the gap after it");
    let outcome = repair::<Counters>(&path, 99)?;
    let RepairedLog::Mended { kept, lost_lines, filled, backup } = outcome else { panic!("{outcome:?}") };
    assert_eq!((kept, lost_lines, filled), (4, vec![4], 1));
    assert_eq!(fs::read(&backup)?, before);
    assert_eq!(fs::metadata(&backup)?.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fs::read_to_string(&path)?,
        r#"{"v":1,"log":"counters","gen":2,"next_seq":1,"at_ms":99,"began_ms":5}
{"snapshot":{"records":0}}
{"v":1,"seq":1,"at_ms":7,"by":"tester","facts":[{"added":{"name":"a","amount":1,"note":"note of a"}}]}
{"v":1,"seq":2,"at_ms":7,"by":"tester","facts":[{"added":{"name":"b","amount":1,"note":"note of b"}}]}
{"v":1,"seq":3,"at_ms":99,"by":"lead","facts":[]}
{"v":1,"seq":4,"at_ms":7,"by":"tester","facts":[{"added":{"name":"d","amount":1,"note":"note of d"}}]}
{"v":1,"seq":5,"at_ms":7,"by":"tester","facts":[{"added":{"name":"e","amount":1,"note":"note of e"}}]}
"#
    );
    assert_eq!(repair::<Counters>(&path, 100)?, RepairedLog::Nothing);
    let mut log = Log::<Counters>::open(&path, 0)?;
    add(&mut log, "f", 1)?;
    assert_eq!((names(log.state()).as_str(), log.next_seq()), ("abdef", 7));
    Ok(())
}

#[test]
fn whoever_has_it_open_follows_and_is_told_each_record_once() -> Outcome {
    let (_keep, path) = place()?;
    let mut writer = Log::<Counters>::open(&path, 5)?;
    add(&mut writer, "a", 1)?;
    let mut behind = LogReader::<Counters>::open(&path)?;
    for name in ["b", "c", "d"] {
        add(&mut writer, name, 1)?;
    }
    let mut ahead = LogReader::<Counters>::open(&path)?;
    let mut all = lines(&path);
    all[3] = "?".repeat(all[3].len());
    // In place, as a disk does it: the file stays the one that is open.
    let damaged: String = all.iter().map(|line| format!("{line}\n")).collect();
    OpenOptions::new().write(true).open(&path)?.write_all(damaged.as_bytes())?;
    let mut told = Vec::new();
    assert!(behind.refresh(|record| told.push(record.seq)).is_err(), "it meets the damage");
    assert!(matches!(repair::<Counters>(&path, 99)?, RepairedLog::Mended { kept: 3, filled: 1, .. }));
    behind.refresh(|record| told.push(record.seq))?;
    assert_eq!(told, [2, 3, 4], "the empty record stands for the lost one");
    // These had read past it before: the seal leads them on.
    add(&mut writer, "e", 1)?;
    let mut told = Vec::new();
    let met = ahead.refresh(|record| told.push(record.seq))?;
    assert_eq!((told, met), (vec![5], RefreshedLog { records: 1, missed: 0 }));
    for state in [writer.state(), ahead.state(), LogReader::<Counters>::open(&path)?.state()] {
        assert_eq!(names(state), "abde");
    }
    Ok(())
}

#[test]
fn a_lost_header_and_a_lost_newline_lose_no_record() -> Outcome {
    let (_keep, path) = place()?;
    damaged(&path, 0, "\u{0}\u{0}\u{0}garbage")?;
    assert!(matches!(repair::<Counters>(&path, 99)?, RepairedLog::Mended { kept: 5, filled: 0, .. }));
    assert_eq!(names(LogReader::<Counters>::open(&path)?.state()), "abcde");
    let mut all = lines(&path);
    let second = all.remove(3);
    all[2].push_str(&second);
    write_lines(&path, &all)?;
    assert!(matches!(repair::<Counters>(&path, 99)?, RepairedLog::Mended { kept: 5, filled: 0, .. }));
    let mended = LogReader::<Counters>::open(&path)?;
    assert_eq!((names(mended.state()).as_str(), mended.next_seq()), ("abcde", 6));
    Ok(())
}

#[test]
fn a_repeated_line_counts_once_and_a_number_given_twice_is_two_records() -> Outcome {
    let (_keep, path) = place()?;
    damaged(&path, 1, "")?;
    let mut all = lines(&path);
    all[1] = all[2].clone();
    all.insert(4, all[3].replace("\"c\"", "\"z\""));
    write_lines(&path, &all)?;
    assert!(matches!(repair::<Counters>(&path, 99)?, RepairedLog::Mended { kept: 5, filled: 1, .. }));
    let mended = LogReader::<Counters>::open(&path)?;
    assert_eq!(names(mended.state()), "bcdez");
    assert!(mended.state().counts.values().all(|count| *count == 1), "{:?}", mended.state());
    Ok(())
}

#[test]
fn facts_of_a_newer_version_are_carried_over_and_a_newer_format_is_left_alone() -> Outcome {
    let (_keep, path) = place()?;
    damaged(&path, 2, "{}")?;
    let strange = r#"{"v":1,"seq":6,"at_ms":1,"by":"x","facts":[{"painted":{"red":true}}],"why":"new"}"#;
    append_raw(&path, format!("{strange}\n").as_bytes())?;
    repair::<Counters>(&path, 99)?;
    assert_eq!(lines(&path).last().map(String::as_str), Some(strange));
    append_raw(&path, b"{\"v\":2,\"seq\":7}\nbroken\n")?;
    let before = fs::read(&path)?;
    let refused = repair::<Counters>(&path, 99).expect_err("only the newer one can").to_string();
    assert!(refused.contains(":9: format version 2"), "{refused}");
    assert_eq!(fs::read(&path)?, before);
    Ok(())
}

#[test]
fn a_torn_tail_is_cut_with_a_copy() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    add(&mut log, "a", 1)?;
    let whole = fs::read(&path)?;
    append_raw(&path, b"{\"v\":1,")?;
    let outcome = repair::<Counters>(&path, 99)?;
    let RepairedLog::Cut { bytes: 7, backup } = outcome else { panic!("{outcome:?}") };
    assert_eq!((fs::read(&path)?, fs::read(backup)?.len()), (whole.clone(), whole.len() + 7));
    assert_eq!(repair::<Counters>(&path, 99)?, RepairedLog::Nothing);
    Ok(())
}

#[test]
fn a_repair_that_was_killed_is_finished_by_the_next() -> Outcome {
    let (_keep, path) = place()?;
    damaged(&path, 3, "broken")?;
    // Killed after the seal: the next generation is written and not in place.
    append_raw(&path, b"{\"sealed\":{\"gen\":2}}\n")?;
    fs::write(path.with_extension("jsonl.tmp"), "half of it")?;
    assert!(matches!(repair::<Counters>(&path, 99)?, RepairedLog::Mended { kept: 4, .. }));
    assert_eq!(names(LogReader::<Counters>::open(&path)?.state()), "abde");
    assert_eq!(repair::<Counters>(&path, 99)?, RepairedLog::Nothing);
    Ok(())
}

#[test]
fn a_lost_file_is_made_anew_of_the_generation_before_it() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    log.set_generation_bytes_max(300);
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        add(&mut log, name, 1)?;
    }
    let old = check_old::<Counters>(&path)?.ok_or("it has grown")?;
    assert!(old.sealed && old.is_sound());
    fs::remove_file(&path)?;
    assert!(add(&mut log, "i", 1).is_err_and(|error| error.to_string().contains("nothing was written")));
    assert!(matches!(repair::<Counters>(&path, 99)?, RepairedLog::Restored { .. }));
    let state = LogReader::<Counters>::open(&path)?;
    assert!(names(state.state()).starts_with("abcd"), "{:?}", state.state());
    add(&mut log, "i", 1)?;
    assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "i"), 1, "whoever had it open goes on there");
    Ok(())
}

/// A log of two generations, a reader that has read all of it, and then only the older generation is left.
fn without_its_newest(path: &Path) -> Result<(Log<Counters>, LogReader<Counters>), Box<dyn Error>> {
    let mut log = Log::<Counters>::open(path, 5)?;
    log.set_generation_bytes_max(300);
    while !crate::store::file::old_of(path).exists() {
        let name = format!("n{}", log.next_seq());
        add(&mut log, &name, 1)?;
    }
    log.set_generation_bytes_max(u64::MAX);
    for name in ["x", "y", "z"] {
        add(&mut log, name, 1)?;
    }
    let reader = LogReader::<Counters>::open(path)?;
    fs::remove_file(path)?;
    Ok((log, reader))
}

#[test]
fn what_is_written_after_a_file_was_made_anew_is_news_to_whoever_had_the_lost_one_open() -> Outcome {
    let (_keep, path) = place()?;
    let (mut log, mut reader) = without_its_newest(&path)?;
    repair::<Counters>(&path, 99)?;
    // They get the numbers that x and y had.
    add(&mut log, "i", 1)?;
    add(&mut log, "j", 1)?;
    let mut told = Vec::new();
    let mut tell = |record: &LogRecord<CounterFact>| {
        told.extend(record.facts.iter().map(|fact| match fact {
            CounterFact::Added { name, .. } => name.clone(),
            CounterFact::Cleared => String::new(),
        }));
    };
    reader.refresh(&mut tell)?;
    add(&mut log, "k", 1)?;
    reader.refresh(&mut tell)?;
    assert_eq!(told, ["i", "j", "k"]);
    Ok(())
}

#[test]
fn a_lost_file_is_made_anew_also_of_a_damaged_generation() -> Outcome {
    let (_keep, path) = place()?;
    let _ = without_its_newest(&path)?;
    append_raw(&crate::store::file::old_of(&path), b"broken\n")?;
    assert_eq!(repair_old::<Counters>(&path, 98)?, RepairedLog::Nothing, "it is all there is");
    assert!(matches!(repair::<Counters>(&path, 99)?, RepairedLog::Restored { .. }));
    assert!(count(LogReader::<Counters>::open(&path)?.state(), "n1") == 1);
    assert!(matches!(repair_old::<Counters>(&path, 100)?, RepairedLog::SetAside { .. }));
    Ok(())
}

#[test]
fn what_must_not_be_forgotten_is_in_a_mended_log_before_anybody_reads_it() -> Outcome {
    let carry = |state: &Counters| vec![added("carried", state.counts.len() as u64)];
    let (_keep, path) = place()?;
    damaged(&path, 5, "broken")?;
    assert!(matches!(repair_carrying::<Counters>(&path, 99, carry)?, RepairedLog::Mended { .. }));
    assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "carried"), 4);
    assert_eq!(repair_carrying::<Counters>(&path, 99, carry)?, RepairedLog::Nothing, "a sound one is left alone");
    let (_keep, path) = place()?;
    let _ = without_its_newest(&path)?;
    assert!(!begin::<Counters>(&path, 99, &[added("carried", 9)])?, "there is something to make it of");
    repair_carrying::<Counters>(&path, 99, carry)?;
    assert!(count(LogReader::<Counters>::open(&path)?.state(), "carried") > 0);
    let (_keep, path) = place()?;
    assert!(begin::<Counters>(&path, 99, &[added("carried", 9)])?);
    assert!(!begin::<Counters>(&path, 99, &[added("carried", 9)])?);
    let mut log = Log::<Counters>::open(&path, 0)?;
    add(&mut log, "a", 1)?;
    assert_eq!((count(log.state(), "carried"), log.next_seq()), (9, 3));
    Ok(())
}

#[test]
fn a_damaged_old_generation_is_set_aside() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    log.set_generation_bytes_max(1);
    for name in ["a", "b", "c", "d"] {
        add(&mut log, name, 1)?;
    }
    append_raw(&crate::store::file::old_of(&path), b"broken\n")?;
    assert!(!check_old::<Counters>(&path)?.ok_or("it is there")?.is_sound());
    assert!(matches!(repair_old::<Counters>(&path, 99)?, RepairedLog::SetAside { .. }));
    assert_eq!(check_old::<Counters>(&path)?, None);
    Ok(())
}

#[test]
fn while_another_holds_the_lock_nothing_is_touched() -> Outcome {
    let (_keep, path) = place()?;
    damaged(&path, 3, "broken")?;
    let before = fs::read(&path)?;
    for held in [path.clone(), path.with_extension("lock")] {
        let lock = OpenOptions::new().append(true).open(held)?;
        lock.lock()?;
        let refused = repair::<Counters>(&path, 99).expect_err("it is held").to_string();
        assert!(refused.contains("is held by another process"), "{refused}");
        assert_eq!(fs::read(&path)?, before);
    }
    Ok(())
}

#[test]
fn a_file_put_in_the_place_of_another_is_gone_on_in() -> Outcome {
    let (_keep, path) = place()?;
    let mut writer = Log::<Counters>::open(&path, 5)?;
    add(&mut writer, "a", 1)?;
    let mut reader = LogReader::<Counters>::open(&path)?;
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside)?;
    assert!(add(&mut writer, "lost", 1).is_err(), "nobody would see it");
    fs::copy(&aside, &path)?;
    add(&mut writer, "b", 1)?;
    let mut told = Vec::new();
    reader.refresh(|record| told.push(record.seq))?;
    assert_eq!((told, names(reader.state()).as_str()), (vec![2], "ab"));
    assert_eq!(lines(&aside).len(), 2, "the one that lost its name is not written to");
    Ok(())
}

/// One thing that can happen to a file.
#[derive(Clone, Debug)]
enum Harm {
    Flip { at: usize, to: u8 },
    Drop { line: usize },
    Repeat { line: usize },
    Insert { line: usize, text: String },
    Swap { line: usize },
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, to)| Harm::Flip { at, to }),
        any::<usize>().prop_map(|line| Harm::Drop { line }),
        any::<usize>().prop_map(|line| Harm::Repeat { line }),
        (any::<usize>(), "[ -~]{0,40}").prop_map(|(line, text)| Harm::Insert { line, text }),
        any::<usize>().prop_map(|line| Harm::Swap { line }),
    ]
}

fn do_harm(bytes: &mut Vec<u8>, harm: &Harm) {
    let mut all: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    match harm {
        Harm::Flip { at, to } => {
            let at = at % bytes.len();
            bytes[at] = *to;
            return;
        }
        Harm::Drop { line } => drop(all.remove(line % all.len())),
        Harm::Repeat { line } => all.insert(line % all.len(), all[line % all.len()].clone()),
        Harm::Insert { line, text } => all.insert(line % all.len(), format!("{text}\n").into_bytes()),
        Harm::Swap { line } => {
            let at = line % all.len();
            let with = (at + 1) % all.len();
            all.swap(at, with);
        }
    }
    *bytes = all.concat();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_happened_to_it_a_mended_log_is_sound_and_holds_every_whole_record(
        records in 1usize..20,
        generation_bytes_max in prop_oneof![Just(u64::MAX), Just(400)],
        harms in prop::collection::vec(harm(), 1..4),
    ) {
        let (_keep, path) = place().expect("a place");
        let mut log = Log::<Counters>::open(&path, 5).expect("a log");
        log.set_generation_bytes_max(generation_bytes_max);
        for number in 0..records {
            add(&mut log, &format!("n{number}"), 1).expect("it is added");
        }
        drop(log);
        let mut bytes = fs::read(&path).expect("a log");
        let written = lines(&path);
        for harm in &harms {
            if !bytes.is_empty() {
                do_harm(&mut bytes, harm);
            }
        }
        fs::write(&path, &bytes).expect("it is written");
        let opened = LogReader::<Counters>::open(&path);
        match check::<Counters>(&path) {
            Ok(Some(checked)) => prop_assert_eq!(checked.is_sound(), opened.is_ok(), "{:?} {:?}", checked, opened.err()),
            other => { prop_assert!(opened.is_err(), "{other:?}"); return Ok(()); }
        }
        match repair::<Counters>(&path, 99) {
            Ok(_) => {}
            // A flipped digit makes it a newer one's.
            Err(crate::store::file::RepairError::Newer { .. }) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
        let mended = LogReader::<Counters>::open(&path).expect("it is sound");
        for line in bytes.split(|byte| *byte == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            if let Some((_, rest)) = line.split_once("\"name\":\"") && written.iter().any(|written| written == line) {
                let name = rest.split('"').next().unwrap_or_default();
                prop_assert!(mended.state().counts.contains_key(name), "{name} is lost: {line}");
            }
        }
        prop_assert_eq!(repair::<Counters>(&path, 100).expect("it is sound"), RepairedLog::Nothing);
        let mut log = Log::<Counters>::open(&path, 5).expect("a log");
        add(&mut log, "last", 1).expect("it is written to");
    }
}
