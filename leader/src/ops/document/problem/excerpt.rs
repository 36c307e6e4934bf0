//! The line a problem stands on, with carets under it.

use std::ops::Range;

use super::TextPosition;
use crate::ops::text::{show_controls, width};

const EXCERPT_CHARS_BEFORE: usize = 40;
const EXCERPT_CHARS: usize = 72;

/// A line or, of a long one, the part around the problem; harmless, tabs as blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextExcerpt {
    line: String,
    caret_columns_before: usize,
    caret_columns: usize,
}

impl TextExcerpt {
    /// Nothing where the line is blank.
    pub(super) fn of(text: &str, span: Range<usize>) -> Option<Self> {
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line_end = line_start + text[line_start..line_end].trim_end_matches('\r').len();
        let start = start.min(line_end);
        let end = text.floor_char_boundary(span.end.clamp(start, line_end));

        let line = &text[line_start..line_end];
        let is_short = line.char_indices().nth(EXCERPT_CHARS).is_none();
        let from = text[line_start..start]
            .char_indices()
            .rev()
            .nth(EXCERPT_CHARS_BEFORE)
            .filter(|_| !is_short)
            .map_or(line_start, |(at, c)| line_start + at + c.len_utf8());
        let to = text[from..line_end].char_indices().nth(EXCERPT_CHARS).map_or(line_end, |(at, _)| from + at);
        let end = end.min(to);

        let left = if from > line_start { "…" } else { "" };
        let right = if to < line_end { "…" } else { "" };
        let line = shown(&text[from..to]);
        let is_blank = line.trim().is_empty();
        (!is_blank).then(|| Self {
            line: format!("{left}{line}{right}"),
            caret_columns_before: width(left) + width(&shown(&text[from..start])),
            caret_columns: width(&shown(&text[start..end])).max(1),
        })
    }

    pub(super) fn numbered(&self, line: usize) -> String {
        let number = line.to_string();
        format!(
            "  {number} | {}\n  {:gutter$} | {:before$}{}",
            self.line,
            "",
            "",
            "^".repeat(self.caret_columns),
            gutter = number.len(),
            before = self.caret_columns_before,
        )
    }
}

/// Where an offset of the text is.
pub(crate) fn place(text: &str, offset: usize) -> TextPosition {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    TextPosition {
        line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
        column: 1 + before[line_start..].chars().count(),
    }
}

fn shown(text: &str) -> String {
    show_controls(&text.replace('\t', "    ")).into_owned()
}
