//! The log under histories, damage and crowds that nobody thought of.

use proptest::prelude::*;

use super::*;
use crate::model::limits::LOG_LOCK_WITHIN;

/// One thing that is done to a log with rotations and readers of every age.
#[derive(Clone, Debug)]
enum Step {
    /// As many facts in one record.
    Append {
        who: usize,
        names: Vec<String>,
        amount: u64,
    },
    Clear {
        who: usize,
    },
    /// The next append begins a new generation, if the rules of growth let it.
    Shrink {
        who: usize,
    },
    /// One more reader, which starts here.
    Open,
    Refresh {
        reader: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let names = prop::collection::vec("[a-c\"\n\u{e9}]{1,3}", 1..4);
    prop_oneof![
        8 => (0..2_usize, names, 0..9_u64).prop_map(|(who, names, amount)| Step::Append { who, names, amount }),
        1 => (0..2_usize).prop_map(|who| Step::Clear { who }),
        1 => (0..2_usize).prop_map(|who| Step::Shrink { who }),
        2 => Just(Step::Open),
        3 => (0..8_usize).prop_map(|reader| Step::Refresh { reader }),
    ]
}

/// A reader, and what it was told.
struct Follower {
    reader: LogReader<Counters>,
    /// The number of the first record it is to be told.
    from: u64,
    told: Vec<(u64, Vec<CounterFact>)>,
    missed: u64,
    generation: u64,
}

impl Follower {
    fn open(path: &Path) -> Result<Follower, LogError> {
        let reader = LogReader::<Counters>::open(path)?;
        let from = reader.next_seq();
        Ok(Follower { reader, from, told: Vec::new(), missed: 0, generation: generation(path) })
    }

    fn refresh(&mut self, path: &Path) -> Result<(), LogError> {
        let told = &mut self.told;
        let met = self.reader.refresh(|record| told.push((record.seq, record.facts.clone())))?;
        let now = generation(path);
        assert!(met.missed == 0 || now > self.generation + 2, "missed {} of {} generations", met.missed, now);
        self.missed += met.missed;
        self.generation = now;
        Ok(())
    }

    /// Each record since it began was told once, in order and whole, or was said to be missed.
    fn check(&self, written: &[Vec<CounterFact>]) {
        assert!(self.told.is_sorted_by(|a, b| a.0 < b.0), "in order, none twice");
        for (seq, facts) in &self.told {
            assert!(*seq >= self.from, "record {seq} was told before");
            assert_eq!(*facts, written[*seq as usize - 1], "record {seq}");
        }
        assert_eq!(self.told.len() as u64 + self.missed, written.len() as u64 + 1 - self.from);
    }
}

fn generation(path: &Path) -> u64 {
    let text = fs::read_to_string(path).expect("the log is there");
    let header: serde_json::Value = serde_json::from_str(text.lines().next().expect("a header")).expect("of JSON");
    header["gen"].as_u64().expect("a number")
}

fn fail(error: Box<dyn Error>) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// A log of `records`, the last ones in a second generation if `rotated`.
fn written(path: &Path, records: u64, rotated: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut log = Log::<Counters>::open(path, 5)?;
    for seq in 1..=records {
        let due = rotated && seq == records / 2;
        log.set_generation_bytes_max(if due { 1 } else { u64::MAX });
        log.transact::<(), Infallible>("t", 7, Durability::Process, |_| {
            Ok((vec![added("a", seq), added("b", 1)], ()))
        })?;
    }
    assert_eq!(generation(path), 1 + u64::from(rotated));
    Ok(fs::read(path)?)
}

/// In a first generation and in a later one: whatever a crash leaves of the end is the state of the last whole
/// record, all of its facts; and what no crash can leave, a snapshot that breaks off, is an error.
#[test]
fn a_file_of_any_generation_cut_at_any_byte_is_whole_or_an_error() -> Outcome {
    for rotated in [false, true] {
        let (_keep, path) = place()?;
        let whole = written(&path, 8, rotated)?;
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        let snapshot_end = lines.iter().position(|line| line.starts_with(b"{\"snapshot\"")).map_or(1, |at| at + 1);
        let of = |lines: &[&[u8]]| lines.iter().map(|line| line.len()).sum::<usize>();
        let before = 8 - (lines.len() - snapshot_end) as u64;
        for cut in 0..=whole.len() {
            let (_keep, path) = place()?;
            fs::write(&path, &whole[..cut])?;
            let outcome = LogReader::<Counters>::open(&path);
            if cut < of(&lines[..snapshot_end]) {
                let error = load_error(&path);
                let line = whole[..cut].iter().filter(|byte| **byte == b'\n').count() + 1;
                assert!(error.starts_with(&format!("FILE:{line}: ")), "cut at {cut}: {error}");
                assert!(Log::<Counters>::open(&path, 5).is_err());
                assert_eq!(fs::read(&path)?, whole[..cut], "nothing was written over the damage");
            } else {
                let kept = whole[..cut].iter().filter(|byte| **byte == b'\n').count() - snapshot_end;
                let records = before + kept as u64;
                let reader = outcome?;
                let counts = (count(reader.state(), "a"), count(reader.state(), "b"));
                assert_eq!(counts, ((1..=records).sum(), records), "cut at {cut}");
                let mut log = Log::<Counters>::open(&path, 5)?;
                add(&mut log, "b", 1)?;
                assert_eq!(count(LogReader::<Counters>::open(&path)?.state(), "b"), records + 1, "cut at {cut}");
            }
        }
    }
    Ok(())
}

/// Writers, a reader, and one that dies again and again in the middle of its append.
#[test]
fn writers_at_once_beside_one_that_keeps_dying_lose_nothing() -> Outcome {
    let (_keep, path) = place()?;
    let (writers, each) = (3_u64, 200);
    Log::<Counters>::open(&path, 5)?;
    let mut reader = LogReader::<Counters>::open(&path)?;
    let done = AtomicBool::new(false);
    let tears = std::thread::scope(|scope| -> Result<u64, Box<dyn Error>> {
        let (done, path) = (&done, &path);
        let dying = scope.spawn(move || -> std::io::Result<u64> {
            let mut tears = 0;
            while !done.load(Ordering::SeqCst) {
                // Held until the end of the round.
                let _held = lock::LogHeld::of_path(path, LOG_LOCK_WITHIN).map_err(std::io::Error::other)?;
                append_raw(
                    path,
                    &br#"{"v":1,"seq":7,"at_ms":7,"by":"t","facts":["cleared"]}"#[..1 + tears as usize % 53],
                )?;
                tears += 1;
            }
            Ok(tears)
        });
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                scope.spawn(move || -> Result<(), String> {
                    let mut log = Log::<Counters>::open(path, 5).map_err(|e| e.to_string())?;
                    log.set_generation_bytes_max(8 * 1024);
                    let name = format!("of {writer}");
                    (0..each).try_for_each(|_| add(&mut log, &name, 1).map_err(|e| e.to_string()))
                })
            })
            .collect();
        let wrote: Vec<_> = threads.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::SeqCst);
        let tears = dying.join().map_err(|_| "the dying one panicked")??;
        for writer in wrote {
            writer.map_err(|_| "a writer panicked")??;
        }
        Ok(tears)
    })?;
    assert!(tears > 0);
    reader.refresh(|_| {})?;
    assert_eq!(reader.state(), LogReader::<Counters>::open(&path)?.state());
    for writer in 0..writers {
        assert_eq!(count(reader.state(), &format!("of {writer}")), each);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// Wherever a reader starts, and however many generations begin under it: it is told the same facts.
    #[test]
    fn readers_of_every_age_are_told_the_same_facts(steps in prop::collection::vec(step(), 1..60)) {
        let run = || -> Outcome {
            let (_keep, path) = place()?;
            let mut writers = [Log::<Counters>::open(&path, 5)?, Log::<Counters>::open(&path, 5)?];
            let mut followers = vec![Follower::open(&path)?];
            let mut written: Vec<Vec<CounterFact>> = Vec::new();
            for step in &steps {
                match step {
                    Step::Append { who, names, amount } => {
                        let facts: Vec<CounterFact> = names.iter().map(|name| added(name, *amount)).collect();
                        let write = |_: &Counters| Ok::<_, Infallible>((facts.clone(), ()));
                        writers[*who].transact("t", 1, Durability::Process, write)?;
                        writers[*who].set_generation_bytes_max(u64::MAX);
                        written.push(facts);
                    }
                    Step::Clear { who } => {
                        let write = |_: &Counters| Ok::<_, Infallible>((vec![CounterFact::Cleared], ()));
                        writers[*who].transact("t", 1, Durability::Process, write)?;
                        written.push(vec![CounterFact::Cleared]);
                    }
                    Step::Shrink { who } => writers[*who].set_generation_bytes_max(1),
                    Step::Open => followers.push(Follower::open(&path)?),
                    Step::Refresh { reader } => {
                        let at = reader % followers.len();
                        followers[at].refresh(&path)?;
                    }
                }
            }
            let fresh = LogReader::<Counters>::open(&path)?;
            for follower in &mut followers {
                follower.refresh(&path)?;
                follower.check(&written);
                assert_eq!(follower.reader.state().counts, fresh.state().counts);
                assert_eq!(follower.reader.next_seq(), fresh.next_seq());
            }
            let mut model = Counters::default();
            let stamp = FactStamp { seq: 1, at_ms: 1, by: "t", offset: FactOffset::NONE };
            written.into_iter().flatten().for_each(|fact| model.apply(fact, &stamp));
            assert_eq!(fresh.state().counts, model.counts);
            Ok(())
        };
        run().map_err(fail)?;
    }

    /// Damage before the last newline is an error with file and line, or changes no number of records: a line is
    /// never passed over. Nobody writes behind it.
    #[test]
    fn garbage_inside_is_named_and_never_skipped(
        rotated in any::<bool>(),
        at in 0.0..1.0_f64,
        garbage in prop_oneof![
            prop::collection::vec(any::<u8>(), 1..40),
            "[0-9a-z{}:,\"\n]{1,12}".prop_map(String::into_bytes),
        ],
    ) {
        let run = || -> Outcome {
            let (_keep, path) = place()?;
            let mut bytes = written(&path, 8, rotated)?;
            let last = bytes.len() - 1;
            let at = (at * last as f64) as usize;
            let end = (at + garbage.len()).min(last);
            let newlines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
            let first = newlines(&bytes[..at]) + 1;
            let next_seq = LogReader::<Counters>::open(&path)?.next_seq();
            bytes[at..end].copy_from_slice(&garbage[..end - at]);
            let last = first + newlines(&bytes[at..end]) + 1;
            fs::write(&path, &bytes)?;
            match LogReader::<Counters>::open(&path) {
                Ok(reader) => assert_eq!(reader.next_seq(), next_seq, "a record was passed over"),
                Err(_) => {
                    let error = load_error(&path);
                    let named = (first..=last).any(|line| error.starts_with(&format!("FILE:{line}: ")));
                    assert!(named || (first == 1 && error.starts_with("FILE is a ")), "lines {first} to {last}: {error}");
                    assert!(Log::<Counters>::open(&path, 5).is_err());
                    assert_eq!(fs::read(&path)?, bytes, "somebody wrote behind the damage");
                }
            }
            Ok(())
        };
        run().map_err(fail)?;
    }

    /// Any handles, any interleaving, any tear: every handle ends in the state of a simple model.
    #[test]
    fn any_history_folds_to_the_model(
        steps in prop::collection::vec((0..3_usize, "[a-c\"\n\u{e9}]{1,3}", 0..9_u64, 0..6_u8), 1..40),
        generation_bytes_max in 200..4000_u64,
    ) {
        let run = || -> Outcome {
            let (_keep, path) = place()?;
            let mut handles = Vec::new();
            for _ in 0..3 {
                let mut log = Log::<Counters>::open(&path, 5)?;
                log.set_generation_bytes_max(generation_bytes_max);
                handles.push(log);
            }
            let mut reader = LogReader::<Counters>::open(&path)?;
            let mut model = BTreeMap::<String, u64>::new();
            for (who, name, amount, kind) in &steps {
                match kind {
                    0 => append_raw(&path, b"{\"v\":1,\"seq\":torn")?,
                    1 => {
                        handles[*who].transact::<(), Infallible>("t", 1, Durability::Process, |_| {
                            Ok((vec![CounterFact::Cleared, added(name, 1)], ()))
                        })?;
                        model = BTreeMap::from([(name.clone(), 1)]);
                    }
                    2 => { reader.refresh(|_| {})?; }
                    _ => {
                        add(&mut handles[*who], name, *amount)?;
                        *model.entry(name.clone()).or_default() += amount;
                    }
                }
            }
            reader.refresh(|_| {})?;
            assert_eq!(reader.state().counts, model);
            for mut log in handles {
                log.refresh(|_| {})?;
                assert_eq!(log.state(), reader.state());
            }
            Ok(())
        };
        run().map_err(fail)?;
    }
}

/// Writers, while somebody removes, moves and replaces what looks like a stale lock.
#[test]
fn writers_whose_lock_files_are_tidied_away_give_no_number_twice() -> Outcome {
    let (_keep, path) = place()?;
    let (writers, each) = (4_u64, 150_u64);
    Log::<Counters>::open(&path, 5)?;
    let mut reader = LogReader::<Counters>::open(&path)?;
    let mut told: Vec<u64> = Vec::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let (done, path) = (&done, &path);
        let tidying = scope.spawn(move || {
            let (lock, aside) = (path.with_extension("lock"), path.with_extension("aside"));
            // Whatever is missing at the moment is there the next time.
            for round in (0_u32..3).cycle().take_while(|_| !done.load(Ordering::SeqCst)) {
                let _ = match round {
                    0 => fs::remove_file(&lock),
                    1 => fs::copy(&lock, &aside).and_then(|_| fs::rename(&aside, &lock)),
                    _ => fs::rename(&lock, &aside).and_then(|()| fs::rename(&aside, &lock)),
                };
                std::thread::yield_now();
            }
        });
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                scope.spawn(move || -> Result<(), String> {
                    for nth in 0..each {
                        // Opened anew each time, as by commands: so each meets the lock file of its moment.
                        let mut log = Log::<Counters>::open(path, 5).map_err(|e| e.to_string())?;
                        log.set_generation_bytes_max(8 * 1024);
                        add(&mut log, &format!("of {writer}"), 1).map_err(|e| format!("{nth}: {e}"))?;
                    }
                    Ok(())
                })
            })
            .collect();
        let appended: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        done.store(true, Ordering::SeqCst);
        tidying.join().expect("no panic");
        for outcome in appended {
            outcome?;
        }
        Ok(())
    })?;
    reader.refresh(|record| told.push(record.seq))?;
    assert_eq!(reader.next_seq(), writers * each + 1);
    for writer in 0..writers {
        assert_eq!(count(reader.state(), &format!("of {writer}")), each);
    }
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    Ok(())
}
