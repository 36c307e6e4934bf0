//! Each fact reads back alone: from records of one and of many, own and others', small and large, however it is
//! escaped, and in the next generation.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Outcome, append_raw, place};
use crate::model::limits::sizes::LOG_LINE_BYTES_MAX;
use crate::model::log::SnapshotSink;
use crate::store::file::*;

/// Keeps no text, only where each is.
#[derive(Debug, Default)]
struct Said {
    at: Vec<FactOffset>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SaidFact {
    Words { text: String, number: u64 },
    Silence,
}

impl LogFold for Said {
    type Fact = SaidFact;
    const KIND: &'static str = "said";
    const FACTS: &'static [&'static str] = &["words", "silence"];

    fn apply(&mut self, _: SaidFact, at: &FactStamp<'_>) {
        self.at.push(at.offset);
    }

    fn snapshot<S: SnapshotSink<SaidFact>>(&self, next: &mut S) -> Result<(), S::Error> {
        for three in self.at.chunks(3) {
            let mut facts = Vec::new();
            for offset in three {
                facts.extend(next.read(*offset)?.facts);
            }
            next.write(9, "old \"hand\"", &facts)?;
        }
        Ok(())
    }
}

fn append(log: &mut Log<Said>, by: &str, facts: Vec<SaidFact>) -> Outcome {
    log.transact::<(), std::convert::Infallible>(by, 7, Durability::Process, |_| Ok((facts, ())))?;
    Ok(())
}

fn assert_reads_back(
    due: &[SaidFact],
    offsets: &[FactOffset],
    read: impl Fn(FactOffset) -> Result<LogRecord<SaidFact>, LogError>,
) {
    assert_eq!(offsets.len(), due.len());
    for (offset, fact) in offsets.iter().zip(due) {
        let record = read(*offset).unwrap();
        assert_eq!(record.facts, std::slice::from_ref(fact));
        assert!(matches!((record.at_ms, &*record.by), (7, "é\n\"") | (9, "old \"hand\"")), "{record:?}");
    }
}

fn fact() -> impl Strategy<Value = SaidFact> {
    let words = |text: &'static str, repeat: std::ops::Range<usize>| {
        (text, repeat, any::<u64>())
            .prop_map(|(text, repeat, number)| SaidFact::Words { text: text.repeat(repeat), number })
    };
    prop_oneof![
        4 => words("[a-z\"\\\\\n\u{0}\u{e9}\u{1f600}{}\\[\\],]{0,20}", 1..2),
        // Past what the first read takes, and cut by it inside of escapes and characters.
        1 => words("[a\"\\\\\n\u{1}\u{e9}\u{1f600}]{1,7}", 500..3000),
        1 => Just(SaidFact::Silence),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_fact_reads_back_alone(records in prop::collection::vec(prop::collection::vec(fact(), 1..8), 1..8)) {
        let run = || -> Outcome {
            let (_keep, path) = place()?;
            let mut log = Log::<Said>::open(&path, 5)?;
            let mut follower = LogReader::<Said>::open(&path)?;
            log.set_generation_bytes_max(u64::MAX);
            for facts in &records {
                append(&mut log, "é\n\"", facts.clone())?;
            }
            let mut due: Vec<SaidFact> = records.concat();
            assert_reads_back(&due, &log.state().at, |offset| log.read_at(offset));
            let mut told = Vec::new();
            follower.refresh(|record| told.push((record.offset, record.facts.clone())))?;
            assert_reads_back(&due, &follower.state().at, |offset| follower.read_at(offset));
            for (offset, facts) in told {
                assert_eq!(follower.read_at(offset)?.facts, facts, "the offset of a record is that of all its facts");
            }
            log.set_generation_bytes_max(1);
            append(&mut log, "é\n\"", vec![SaidFact::Silence])?;
            due.push(SaidFact::Silence);
            assert_reads_back(&due, &log.state().at, |offset| log.read_at(offset));
            let reopened = LogReader::<Said>::open(&path)?;
            assert_reads_back(&due, &reopened.state().at, |offset| reopened.read_at(offset));
            Ok(())
        };
        run().map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}

#[test]
fn a_record_of_another_order_and_with_facts_of_a_newer_version_reads_back_too() -> Outcome {
    let (_keep, path) = place()?;
    drop(Log::<Said>::open(&path, 5)?);
    let strange = concat!(
        r#"{"v":1,"mood":[{"facts":1}],"seq":1,"facts":[ {"sung":{}}, {"words":{"text":"a","number":1}} ,"silence"],"#,
        r#""at_ms":7,"by":"é\n\""}"#,
        "\n",
        r#"{"v":1,"mood":[{"facts":1}],"by":"\u00e9\n\"","at_ms":7,"seq":2,"facts":["silence",{"words":{"text":"b","number":2}}]}"#,
        "\n"
    );
    append_raw(&path, strange.as_bytes())?;
    let words = |text: &str, number| SaidFact::Words { text: text.to_owned(), number };
    let due = [words("a", 1), SaidFact::Silence, SaidFact::Silence, words("b", 2)];
    let log = Log::<Said>::open(&path, 5)?;
    assert_reads_back(&due, &log.state().at, |offset| log.read_at(offset));
    Ok(())
}

#[test]
fn a_decision_too_long_for_a_line_is_refused_before_anything_is_written() -> Outcome {
    let (_keep, path) = place()?;
    let mut log = Log::<Said>::open(&path, 5)?;
    let before = std::fs::metadata(&path)?.len();
    let part = SaidFact::Words { text: "a".repeat(LOG_LINE_BYTES_MAX / 4), number: 1 };
    let error = append(&mut log, "t", vec![part; 4]).unwrap_err().to_string();
    assert!(error.contains("the record has 671") && error.ends_with("more than 67108864\nadd less at once"), "{error}");
    assert_eq!(std::fs::metadata(&path)?.len(), before);
    assert!(log.state().at.is_empty());
    Ok(())
}
