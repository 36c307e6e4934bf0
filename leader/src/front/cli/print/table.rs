//! Tables without borders that fit the terminal.
//!
//! comfy-table without its terminal features can not colour a cell, with them it brings a second terminal
//! library, and it wraps where a list wants to cut; what is needed here is smaller than its configuration.

use std::fmt::Write;

use super::{TextTone, harmless, shorten, width};

/// From this width on a table that has a narrow form has room for all of its columns.
pub const WHOLE_TABLE_COLUMNS_MIN: usize = 60;

const GAP_COLUMNS: usize = 2;
const WIDE_COLUMNS_MIN: usize = 8;
const NARROW_COLUMNS_MIN: usize = 3;

/// A column's header, its alignment, and whether it gives way first when space is short.
#[derive(Debug, Clone, Copy)]
pub struct TableColumn {
    header: &'static str,
    kind: ColumnKind,
    /// Whether it is left out where no row has anything in it.
    is_optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnKind {
    Left,
    Right,
    Wide,
}

impl TableColumn {
    /// A column of words, which begin at the left.
    pub const fn left(header: &'static str) -> Self {
        Self { header, kind: ColumnKind::Left, is_optional: false }
    }

    /// A column of numbers or lengths of time, which end at the right.
    pub const fn right(header: &'static str) -> Self {
        Self { header, kind: ColumnKind::Right, is_optional: false }
    }

    /// For free text: cut with `…` before any other column is.
    pub const fn wide(header: &'static str) -> Self {
        Self { header, kind: ColumnKind::Wide, is_optional: false }
    }

    /// The same column, left out where no row has anything in it.
    pub const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

/// Text in a table, made [`harmless`] on the way in.
#[derive(Debug, Clone)]
pub struct TableCell {
    text: String,
    tone: TextTone,
}

impl TableCell {
    /// A cell in the colour of its meaning.
    pub fn toned(tone: TextTone, text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()).into_owned(), tone }
    }
}

impl<T: AsRef<str>> From<T> for TableCell {
    fn from(text: T) -> Self {
        Self::toned(TextTone::Plain, text)
    }
}

/// Rows of `N` cells under `N` headers.
#[derive(Debug, Clone)]
pub struct TextTable<const N: usize> {
    columns: [TableColumn; N],
    rows: Vec<[TableCell; N]>,
}

impl<const N: usize> TextTable<N> {
    /// A table without rows.
    pub fn new(columns: [TableColumn; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row at the end.
    pub fn row(&mut self, cells: [TableCell; N]) {
        self.rows.push(cells);
    }

    /// Whether no row was added: a command then says so in words instead.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Header and rows without a final line end, each within `columns_max` terminal columns.
    ///
    /// Wide columns give way first, down to 8. Where that does not do, the widest of all give way, wide or not, down to 3.
    /// Only where even that is too much, lines are longer.
    pub fn render(&self, columns_max: usize) -> String {
        let widths = self.widths(columns_max);
        let headers = self.columns.map(|column| TableCell::toned(TextTone::Faint, column.header));
        let mut text = String::new();
        self.line(&mut text, &headers, &widths);
        for row in &self.rows {
            text.push('\n');
            self.line(&mut text, row, &widths);
        }
        text
    }

    fn widths(&self, columns_max: usize) -> [usize; N] {
        let mut widths = self.columns.map(|column| width(column.header));
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(&cell.text));
            }
        }
        let shown = self.shown();
        for (column, shown) in widths.iter_mut().zip(shown) {
            if !shown {
                *column = 0;
            }
        }
        let gaps = shown.into_iter().filter(|shown| *shown).count().saturating_sub(1);
        let budget = columns_max.saturating_sub(GAP_COLUMNS * gaps);
        let mut given = widths;
        self.shrink(&mut given, budget, WIDE_COLUMNS_MIN, |kind| kind == ColumnKind::Wide);
        if given.iter().sum::<usize>() <= budget {
            return given;
        }
        self.shrink(&mut widths, budget, NARROW_COLUMNS_MIN, |_| true);
        widths
    }

    /// Which columns are shown.
    fn shown(&self) -> [bool; N] {
        std::array::from_fn(|at| !self.columns[at].is_optional || self.rows.iter().any(|row| !row[at].text.is_empty()))
    }

    fn shrink(&self, widths: &mut [usize; N], budget: usize, least: usize, may_give: impl Fn(ColumnKind) -> bool) {
        loop {
            let excess = widths.iter().sum::<usize>().saturating_sub(budget);
            let widest = (0..N)
                .filter(|at| may_give(self.columns[*at].kind) && widths[*at] > least)
                .max_by_key(|at| widths[*at]);
            let (Some(widest), 1..) = (widest, excess) else {
                return;
            };
            let second = (0..N)
                .filter(|at| *at != widest && may_give(self.columns[*at].kind))
                .map(|at| widths[at])
                .max()
                .unwrap_or(0);
            // Down to the next widest in one go, then column by column, so that equals stay about equal.
            let step = excess.min(widths[widest].saturating_sub(second.max(least))).max(1);
            widths[widest] -= step;
        }
    }

    fn line(&self, text: &mut String, cells: &[TableCell; N], widths: &[usize; N]) {
        // Blanks are owed until something follows them, so that no line ends in blanks.
        let mut owed = 0;
        let columns = self.columns.iter().zip(widths).zip(self.shown());
        for (cell, ((column, columns), _)) in cells.iter().zip(columns).filter(|(_, (_, shown))| *shown) {
            let shown = shorten(&cell.text, *columns);
            let blanks = columns - width(&shown);
            let (before, after) = match column.kind {
                ColumnKind::Right => (blanks, 0),
                ColumnKind::Left | ColumnKind::Wide => (0, blanks),
            };
            owed += before;
            if !shown.is_empty() {
                let style = cell.tone.style();
                write!(text, "{:owed$}{style}{shown}{style:#}", "").expect("a string takes all text");
                owed = 0;
            }
            owed += after + GAP_COLUMNS;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(table: &TextTable<4>, columns: usize) -> String {
        anstream::adapter::strip_str(&table.render(columns)).to_string()
    }

    fn sample() -> TextTable<4> {
        let mut table = TextTable::new([
            TableColumn::left("task"),
            TableColumn::left("member"),
            TableColumn::right("time"),
            TableColumn::wide("result"),
        ]);
        table.row([
            "1".into(),
            TableCell::toned(TextTone::Name, "alice"),
            "1.2s".into(),
            "all 214 tests passed, none were ignored, and the build took no longer than before".into(),
        ]);
        table.row([
            "漢字のタスク".into(),
            "bob".into(),
            "3m 04s".into(),
            "日本語の結果はとても長いので切り詰められる、そう信じている".into(),
        ]);
        table.row([
            "3".into(),
            "".into(),
            "".into(),
            "\u{1b}[2J\u{1b}]0;owned\u{7}rm -rf\r\nsecond\u{202e}line".into(),
        ]);
        table.row(["4".into(), "a-name-of-forty-letters-which-is-the-most".into(), "".into(), "".into()]);
        table
    }

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!(plain(&sample(), 80), @r#"
        task          member                                       time  result
        1             alice                                        1.2s  all 214 tests …
        漢字のタスク  bob                                        3m 04s  日本語の結果は…
        3                                                                rm -rf; second…
        4             a-name-of-forty-letters-which-is-the-most
        "#);
    }

    #[test]
    fn at_40_columns() {
        insta::assert_snapshot!(plain(&sample(), 40), @"
        task        member       time  result
        1           alice        1.2s  all 214 …
        漢字のタ…   bob        3m 04s  日本語の…
        3                              rm -rf; …
        4           a-name-o…
        ");
    }

    #[test]
    fn an_optional_column_without_anything_in_it_is_left_out() {
        let mut table = TextTable::new([
            TableColumn::left("name"),
            TableColumn::right("tokens").optional(),
            TableColumn::right("cost").optional(),
            TableColumn::left("end"),
        ]);
        table.row(["a".into(), "".into(), "".into(), "x".into()]);
        insta::assert_snapshot!(plain(&table, 80), @"
        name  end
        a     x
        ");
        table.row(["b".into(), "5".into(), "".into(), "y".into()]);
        insta::assert_snapshot!(plain(&table, 80), @"
        name  tokens  end
        a             x
        b          5  y
        ");
    }

    #[test]
    fn colours_surround_text_and_not_blanks() {
        let mut table = TextTable::new([TableColumn::left("name"), TableColumn::right("n")]);
        table.row([TableCell::toned(TextTone::Ok, "a"), TableCell::toned(TextTone::Error, "1")]);
        insta::assert_snapshot!(table.render(80).replace('\u{1b}', "␛"), @"
        ␛[2mname␛[0m  ␛[2mn␛[0m
        ␛[32ma␛[0m     ␛[1m␛[31m1␛[0m
        ");
    }

    proptest! {
        #[test]
        fn every_line_fits(cells in prop::collection::vec(any::<[String; 4]>(), 0..6), columns in 20usize..120) {
            let mut table = TextTable::new(sample().columns);
            for row in cells {
                table.row(row.map(TableCell::from));
            }
            for line in plain(&table, columns).lines() {
                prop_assert!(width(line) <= columns, "{line:?}");
            }
        }
    }
}
