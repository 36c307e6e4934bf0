//! What users of a log see: from crashes at any byte to many writers at once.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use super::*;
use crate::model::log::SnapshotSink;

mod loss;
mod properties;
mod readback;
mod repair;
mod rotation;

type Outcome = Result<(), Box<dyn Error>>;

/// Named counters with a note each: the note stays in the file, as texts do.
#[derive(Debug, Default, PartialEq)]
struct Counters {
    counts: BTreeMap<String, u64>,
    notes: BTreeMap<String, FactOffset>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CounterFact {
    Added { name: String, amount: u64, note: String },
    Cleared,
}

impl LogFold for Counters {
    type Fact = CounterFact;
    const KIND: &'static str = "counters";
    const FACTS: &'static [&'static str] = &["added", "cleared"];

    fn apply(&mut self, fact: CounterFact, at: &FactStamp<'_>) {
        match fact {
            CounterFact::Added { name, amount, note: _ } => {
                self.notes.insert(name.clone(), at.offset);
                *self.counts.entry(name).or_default() += amount;
            }
            CounterFact::Cleared => *self = Self::default(),
        }
    }

    fn snapshot<S: SnapshotSink<CounterFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        for (name, amount) in &self.counts {
            let record = next.read(self.notes[name])?;
            let noted = record.facts.into_iter().find_map(|fact| match fact {
                CounterFact::Added { name: of, note, .. } if of == *name => Some(note),
                CounterFact::Added { .. } | CounterFact::Cleared => None,
            });
            let (name, amount) = (name.clone(), *amount);
            let note = noted.expect("the offset is that of its record");
            next.write(record.at_ms, &record.by, &[CounterFact::Added { name, amount, note }])?;
        }
        Ok(())
    }
}

fn added(name: &str, amount: u64) -> CounterFact {
    CounterFact::Added { name: name.to_owned(), amount, note: format!("note of {name}") }
}

fn add(log: &mut Log<Counters>, name: &str, amount: u64) -> Result<(), TransactError<Infallible>> {
    log.transact("tester", 7, Durability::Process, |_| Ok((vec![added(name, amount)], ())))
}

fn count(state: &Counters, name: &str) -> u64 {
    state.counts.get(name).copied().unwrap_or_default()
}

fn place() -> Result<(tempfile::TempDir, PathBuf), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("counters.jsonl");
    Ok((directory, path))
}

fn append_raw(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(bytes)
}

fn load_error(path: &Path) -> String {
    match LogReader::<Counters>::open(path) {
        Ok(_) => "no error".to_owned(),
        Err(e) => e.to_string().replace(&format!("{}", path.display()), "FILE"),
    }
}

#[test]
fn a_log_reads_back_what_was_written() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    add(&mut log, "a", 2)?;
    add(&mut log, "a", 3)?;
    assert_eq!(
        fs::read_to_string(&path)?,
        r#"{"v":1,"log":"counters","gen":1,"next_seq":1,"at_ms":5}
{"v":1,"seq":1,"at_ms":7,"by":"tester","facts":[{"added":{"name":"a","amount":2,"note":"note of a"}}]}
{"v":1,"seq":2,"at_ms":7,"by":"tester","facts":[{"added":{"name":"a","amount":3,"note":"note of a"}}]}
"#
    );
    let reader = LogReader::<Counters>::open(&path)?;
    assert_eq!(reader.state(), log.state());
    let record = reader.read_at(reader.state().notes["a"])?;
    assert_eq!((record.seq, record.by.as_str(), record.at_ms), (2, "tester", 7));
    assert_eq!(record.facts, [added("a", 3)]);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    Ok(())
}

#[test]
fn a_refusal_and_an_empty_decision_write_nothing() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    let before = fs::read(&path)?;
    let refused: Result<(), _> = log.transact("t", 1, Durability::Process, |_| Err("cannot count: it is closed"));
    assert_eq!(refused.expect_err("refused").to_string(), "cannot count: it is closed");
    let nothing: Result<u8, TransactError<Infallible>> =
        log.transact("t", 1, Durability::Power, |_| Ok((Vec::new(), 9)));
    assert_eq!(nothing.ok(), Some(9));
    assert_eq!(fs::read(&path)?, before);
    Ok(())
}

#[test]
fn a_reader_creates_nothing_and_follows_a_file_that_comes_later() -> Outcome {
    let (keep, path) = place()?;
    let mut reader = LogReader::<Counters>::open(&path)?;
    assert_eq!(fs::read_dir(keep.path())?.count(), 0);
    let mut log = Log::<Counters>::open(&path, 5)?;
    add(&mut log, "a", 2)?;
    let mut seen = Vec::new();
    assert_eq!(reader.refresh(|record| seen.push(record.seq))?.records, 1);
    assert_eq!(seen, [1]);
    assert_eq!(reader.state(), log.state());
    Ok(())
}

#[test]
fn each_handle_sees_what_the_other_wrote_once() -> Outcome {
    let (_keep, path) = place()?;
    let mut one = Log::<Counters>::open(&path, 5)?;
    let mut two = Log::<Counters>::open(&path, 5)?;
    let mut told = Vec::new();
    for round in 0..5 {
        add(&mut one, "a", 1)?;
        if round % 2 == 0 {
            two.refresh(|record| told.push(record.seq))?;
        }
        two.transact_telling::<(), Infallible>(
            "two",
            1,
            Durability::Process,
            |record| told.push(record.seq),
            |state| {
                assert_eq!(count(state, "a"), 2 * round + 1, "decides on the newest state");
                Ok((vec![added("a", 1)], ()))
            },
        )?;
    }
    assert_eq!(told, [1, 3, 5, 7, 9]);
    one.refresh(|_| {})?;
    assert_eq!(one.state(), two.state());
    Ok(())
}

#[test]
fn a_file_cut_at_any_byte_is_that_of_its_last_whole_record() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    for amount in 1..=3 {
        add(&mut log, "a", amount)?;
    }
    let whole = fs::read(&path)?;
    let header = whole.iter().position(|byte| *byte == b'\n').ok_or("a header")? + 1;
    for cut in header..=whole.len() {
        let (_keep, path) = place()?;
        fs::write(&path, &whole[..cut])?;
        let records = whole[..cut].iter().filter(|b| **b == b'\n').count().saturating_sub(1) as u64;
        let due: u64 = (1..=records).sum();
        let mut reader = LogReader::<Counters>::open(&path)?;
        assert_eq!(count(reader.state(), "a"), due, "cut at {cut}");
        assert_eq!(fs::read(&path)?, whole[..cut], "a reader changes nothing");
        let mut log = Log::<Counters>::open(&path, 5)?;
        add(&mut log, "a", 100)?;
        assert_eq!(count(log.state(), "a"), due + 100, "cut at {cut}");
        reader.refresh(|_| {})?;
        assert_eq!(reader.state(), LogReader::<Counters>::open(&path)?.state(), "cut at {cut}");
        assert_eq!(reader.state(), log.state(), "cut at {cut}");
    }
    Ok(())
}

#[test]
fn a_tail_of_nul_bytes_is_cut() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    add(&mut log, "a", 1)?;
    append_raw(&path, &[0; 5000])?;
    assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "a"), 1);
    add(&mut log, "a", 1)?;
    assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "a"), 2);
    assert!(!fs::read(&path)?.contains(&0));
    Ok(())
}

#[test]
fn damage_further_in_is_named_with_file_and_line() -> Outcome {
    let good = concat!(
        r#"{"v":1,"log":"counters","gen":1,"next_seq":1,"at_ms":5}"#,
        "\n",
        r#"{"v":1,"seq":1,"at_ms":7,"by":"t","facts":["cleared"]}"#,
        "\n"
    );
    let hint = "\nlook with teamster doctor, and mend it with teamster doctor --repair";
    for (line, due) in [
        (&b"{\"v\":1,"[..], "FILE:3: EOF while parsing a value at column 7"),
        (b"\0\0\0", "FILE:3: expected value at column 1"),
        (b"{\"by\":\"\xff\"}", "FILE:3: not UTF-8 from byte 8"),
        (br#"{"seq":3,"at_ms":7,"by":"t","facts":[]}"#, "FILE:3: record 3 where 2 was due"),
        (br#"{"seq":2,"at_ms":7,"by":"t"}"#, "FILE:3: a record without `facts`"),
        (
            br#"{"seq":2,"at_ms":7,"by":"t","facts":[{"added":{"name":"a"}}]}"#,
            "FILE:3: fact added: missing field `amount`",
        ),
        (br#"{"sealed":{"gen":7}}"#, "FILE:3: a `sealed` line is out of place here"),
        (br#"{"snapshot":{"records":0}}"#, "FILE:3: a `snapshot` line is out of place here"),
    ] {
        let (_keep, path) = place()?;
        fs::write(&path, [good.as_bytes(), line, b"\n", good.as_bytes()].concat())?;
        assert_eq!(load_error(&path), format!("{due}{hint}"));
    }
    let (_keep, path) = place()?;
    let long = format!(r#"{{"seq":2,"at_ms":7,"by":"t","facts":[{{"added":"{}"}}]}}"#, "é".repeat(9_000));
    fs::write(&path, format!("{good}{long}\n"))?;
    let error = load_error(&path);
    assert!(error.starts_with("FILE:3: fact added: invalid type: string \"ééé"), "{error}");
    assert!(error.len() < 1_000, "an error of {} bytes", error.len());
    fs::write(&path, good.replace("\"v\":1,\"seq\"", "\"v\":9,\"seq\""))?;
    assert!(load_error(&path).starts_with("FILE:2: format version 9, but this program reads"));
    fs::write(&path, good.replace("\"v\":1,\"log\"", "\"v\":9,\"log\""))?;
    assert!(load_error(&path).starts_with("FILE:1: format version 9, but this program reads"));
    fs::write(&path, good.replace("counters", "board"))?;
    assert_eq!(load_error(&path), "FILE is a board log, not a counters log");
    fs::write(&path, "hello\n")?;
    assert!(load_error(&path).starts_with("FILE:1: not the header of a log: expected value"));
    fs::write(&path, "a letter without a newline")?;
    assert!(load_error(&path).starts_with("FILE:1: not the header of a log"));
    assert!(Log::<Counters>::open(&path, 1).is_err());
    assert_eq!(fs::read_to_string(&path)?, "a letter without a newline");
    Ok(())
}

#[test]
fn facts_of_a_newer_version_are_passed_over_and_kept() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    log.set_generation_bytes_max(1);
    let newer = concat!(
        r#"{"v":1,"seq":1,"at_ms":7,"by":"t","why":0,"facts":["dreamt",{"flown":{"to":1}},"#,
        r#"{"added":{"name":"a","amount":4,"note":"","mood":1}}]}"#,
        "\n"
    );
    append_raw(&path, newer.as_bytes())?;
    add(&mut log, "a", 1)?;
    assert_eq!(count(log.state(), "a"), 5);
    assert!(fs::read_to_string(&path)?.contains("dreamt"), "the log was not rotated");
    Ok(())
}

#[test]
fn writers_at_once_lose_and_repeat_nothing() -> Outcome {
    let (_keep, path) = place()?;
    let (threads, each) = (4, 500);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| -> Result<Vec<u64>, String> {
                    let mut log = Log::<Counters>::open(&path, 5).map_err(|error| error.to_string())?;
                    (0..each)
                        .map(|_| {
                            log.transact::<_, Infallible>("t", 1, Durability::Process, |state| {
                                Ok((vec![added("a", 1)], count(state, "a")))
                            })
                            .map_err(|_| "refused".to_owned())
                        })
                        .collect()
                })
            })
            .collect();
        let mut drawn = Vec::new();
        for writer in writers {
            drawn.extend(writer.join().map_err(|_| "a writer panicked")??);
        }
        drawn.sort_unstable();
        assert_eq!(drawn, (0..threads * each).collect::<Vec<_>>());
        Ok::<_, Box<dyn Error>>(())
    })?;
    assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "a"), threads * each);
    Ok(())
}

#[test]
fn a_file_removed_or_cut_by_a_stranger_is_not_written_to() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Counters>::open(&path, 5)?;
    add(&mut log, "a", 1)?;
    OpenOptions::new().write(true).open(&path)?.set_len(10)?;
    let error = add(&mut log, "a", 1).expect_err("cut").to_string();
    assert!(error.contains("shrank to 10 bytes while in use; nothing was written"), "{error}");
    fs::remove_file(&path)?;
    let error = add(&mut log, "a", 1).expect_err("removed").to_string();
    assert!(error.contains("was removed or replaced while in use; nothing was written"), "{error}");
    Ok(())
}

/// The disk that fills up is a limit on file sizes, in a child process: a limit holds for all its threads.
#[test]
fn a_full_disk_leaves_file_and_state_as_they_were() -> Outcome {
    const IN_CHILD: &str = "TEAMSTER_TEST_FULL_DISK";
    if let Some(path) = std::env::var_os(IN_CHILD) {
        let path = PathBuf::from(path);
        let mut log = Log::<Counters>::open(&path, 5)?;
        let mut fits = 0;
        let error = loop {
            match add(&mut log, "a", 1) {
                Ok(()) => fits += 1,
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(error, format!("cannot append to {}: File too large", path.display()));
        assert_eq!(count(log.state(), "a"), fits);
        assert!(fs::read(&path)?.ends_with(b"\n"), "the half record was cut");
        assert_eq!(LogReader::<Counters>::open(&path)?.state(), log.state());
        return Ok(());
    }
    let (_keep, path) = place()?;
    let this = "store::file::tests::a_full_disk_leaves_file_and_state_as_they_were";
    let child = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 4; exec "$0" --exact "$1""#])
        .arg(std::env::current_exe()?)
        .arg(this)
        .env(IN_CHILD, &path)
        .output()?;
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(fs::metadata(&path)?.len() > 1000, "the child has run");
    add(&mut Log::<Counters>::open(&path, 5)?, "a", 1)?;
    Ok(())
}
