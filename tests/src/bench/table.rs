//! What was measured, for people and for programs.

use std::fmt;

use serde::{Serialize, Serializer};

use super::machine::Machine;

/// All rows and what they were measured on.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) load_after: f64,
    pub(super) rows: Vec<Row>,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// What was measured.
    pub(super) what: &'static str,
    /// The figure of Teamster.
    pub(super) figure: f64,
    /// The figure of the bare thing, from the same run.
    pub(super) limit: f64,
    /// What the bare thing is.
    pub(super) limit_is: &'static str,
    /// Of both figures.
    pub(super) unit: Unit,
    /// What is asked for.
    pub(super) must: Must,
    /// Samples, spread, and what else a reader has to know.
    pub(super) note: String,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
    Times,
    /// Of the time of one processor, as a part of 1.
    OfAProcessor,
}

/// What a row must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Must {
    /// At most so many times the limit.
    TimesLimit(f64),
    /// At most so much more than the limit.
    OverLimit(f64),
    /// At most so much, whatever the limit is.
    AtMost(f64),
    /// At least so much, whatever the limit is.
    AtLeast(f64),
    /// Nothing: the row is there to tell more of another one.
    Nothing,
    /// Nothing, as nothing could be measured: what is missing.
    NotHere(&'static str),
}

impl Row {
    fn ratio(&self) -> f64 {
        self.figure / self.limit
    }

    /// A row that could not be measured, for want of something.
    pub(super) fn not_here(what: &'static str, unit: Unit, missing: &'static str, note: &str) -> Row {
        let (figure, limit) = (f64::NAN, f64::NAN);
        Row { what, figure, limit, limit_is: "", unit, must: Must::NotHere(missing), note: note.to_owned() }
    }

    /// Whether it reached what it must; nothing where there is nothing to reach.
    fn reached(&self) -> Option<bool> {
        match self.must {
            Must::TimesLimit(times) => Some(self.ratio() <= times),
            Must::OverLimit(more) => Some(self.figure - self.limit <= more),
            Must::AtMost(most) => Some(self.figure <= most),
            Must::AtLeast(least) => Some(self.figure >= least),
            Must::Nothing | Must::NotHere(_) => None,
        }
    }

    fn must(&self) -> String {
        match self.must {
            Must::TimesLimit(times) => format!("≤ {times}×"),
            Must::OverLimit(more) => format!("≤ {} more", shown(more, self.unit)),
            Must::AtMost(most) => format!("≤ {}", shown(most, self.unit)),
            Must::AtLeast(least) => format!("≥ {}", shown(least, self.unit)),
            Must::Nothing | Must::NotHere(_) => String::new(),
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            what: &'a str,
            figure: f64,
            limit: f64,
            limit_is: &'a str,
            unit: Unit,
            ratio: f64,
            must: Must,
            reached: Option<bool>,
            note: &'a str,
        }
        let Row { what, figure, limit, limit_is, unit, must, note } = self;
        let (ratio, reached) = (self.ratio(), self.reached());
        Written { what, figure: *figure, limit: *limit, limit_is, unit: *unit, ratio, must: *must, reached, note }
            .serialize(to)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cores, processor, kernel, load_before } = &self.machine;
        writeln!(
            f,
            "{cores} cores of {processor}, Linux {kernel}, load {load_before:.2} before, {:.2} after",
            self.load_after
        )?;
        let head = ["what", "figure", "limit", "ratio", "must", "", "the limit is"].map(str::to_owned);
        let mut lines = vec![head];
        lines.extend(self.rows.iter().map(|row| {
            let reached = match (row.must, row.reached()) {
                (Must::NotHere(missing), _) => missing,
                (_, None) => "",
                (_, Some(true)) => "reached",
                (_, Some(false)) => "MISSED",
            };
            [
                row.what.to_owned(),
                shown(row.figure, row.unit),
                shown(row.limit, row.unit),
                if row.ratio().is_nan() { "–".to_owned() } else { format!("{:.2}×", row.ratio()) },
                row.must(),
                reached.to_owned(),
                row.limit_is.to_owned(),
            ]
        }));
        let widths: Vec<usize> =
            (0..7).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
        for (nth, line) in lines.iter().enumerate() {
            let mut text = String::new();
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    1..=4 => text.push_str(&format!("{cell:>width$}  ")),
                    _ => text.push_str(&format!("{cell:<width$}  ")),
                }
            }
            writeln!(f, "{}", text.trim_end())?;
            if nth == 0 {
                writeln!(f, "{}", "─".repeat(text.trim_end().chars().count()))?;
            }
        }
        writeln!(f)?;
        for row in &self.rows {
            writeln!(f, "{}: {}", row.what, row.note)?;
        }
        Ok(())
    }
}

fn shown(figure: f64, unit: Unit) -> String {
    match unit {
        _ if figure.is_nan() => "–".to_owned(),
        Unit::Seconds if figure < 1e-3 => format!("{:.1} µs", figure * 1e6),
        Unit::Seconds if figure < 1.0 => format!("{:.2} ms", figure * 1e3),
        Unit::Seconds => format!("{figure:.2} s"),
        Unit::PerSecond => format!("{figure:.0} /s"),
        Unit::Bytes => format!("{:.2} MB", figure / 1e6),
        Unit::Times => format!("{figure:.0}"),
        Unit::OfAProcessor => format!("{:.2} %", figure * 100.0),
    }
}
