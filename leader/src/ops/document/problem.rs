//! The faults of a document: which there are, where each is, and how it is shown. The faults that only one kind of
//! document can have come with the type that is given for `F`.

mod excerpt;

use std::fmt;
use std::ops::Range;

use teamster_protocol::model::limits::sizes::PROBLEMS_SHOWN_MAX;

use crate::ops::duration::DurationError;
use crate::ops::text::{harmless, shorten, show_controls};
use excerpt::TextExcerpt;
pub(crate) use excerpt::place;

const QUOTED_COLUMNS_MAX: usize = 60;

/// A fault that any document can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// Not UTF-8 from here on.
    #[error("the text from here on is not UTF-8")]
    NotText,
    /// Not TOML, or not JSON.
    #[error("{}", harmless(why))]
    Syntax {
        /// The fault in the words of the parser.
        why: String,
    },
    /// A key that means nothing here.
    #[error("unknown key `{}`", quoted(key))]
    UnknownKey {
        /// The key as it was written.
        key: String,
    },
    /// A key given twice in one table.
    #[error("`{}` is given twice", quoted(key))]
    RepeatedKey {
        /// The key as it was written.
        key: String,
    },
    /// A value of the wrong type.
    #[error("{field} must be {wanted}, not {found}")]
    WrongType {
        /// The key in question, or what stands in its place.
        field: &'static str,
        /// The type that the key takes.
        wanted: &'static str,
        /// The type that was given.
        found: &'static str,
    },
    /// Nothing but blanks where words are needed.
    #[error("{field} is empty")]
    Blank {
        /// The key in question.
        field: &'static str,
    },
    /// A line end or another control character in a text of one line.
    #[error("{field} must be one line without control characters")]
    NotOneLine {
        /// The key in question.
        field: &'static str,
    },
    /// Not a length of time.
    #[error("{field}: {why}")]
    BadLength {
        /// The key in question.
        field: &'static str,
        /// The fault of the length of time.
        why: DurationError,
    },
}

/// Where in the text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPosition {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong with a document. Displays as `plan.toml:12:8: …`, the line, a caret, and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentProblem<F> {
    /// The fault itself.
    pub fault: F,
    /// The place in the text, unless the fault concerns the whole document.
    pub place: Option<TextPosition>,
    /// The way out, where one is likely.
    pub hint: Option<String>,
    source: String,
    excerpt: Option<TextExcerpt>,
}

/// Everything that is wrong with a document, in the order of the text. Displays all of it, without colours and harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError<F> {
    /// The first [`PROBLEMS_SHOWN_MAX`], at least one.
    pub problems: Vec<DocumentProblem<F>>,
    /// How many more were found. A search for cycles ends with as many as can be shown.
    pub more: usize,
}

impl<F: fmt::Debug + fmt::Display> std::error::Error for DocumentError<F> {}

impl<F> DocumentError<F> {
    /// One problem with the whole document.
    pub(crate) fn of_one(source: &str, fault: F) -> Self {
        let mut problems = DocumentProblems::default();
        problems.add(None, || ProblemReport::of(fault));
        problems.into_error(source, "")
    }
}

impl<F: fmt::Display> fmt::Display for DocumentError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            1 => write!(f, "\n\nand 1 more problem"),
            more => write!(f, "\n\nand {more} more problems"),
        }
    }
}

impl<F: fmt::Display> fmt::Display for DocumentProblem<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", show_controls(&self.source))?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.fault)?;
        if let (Some(excerpt), Some(place)) = (&self.excerpt, self.place) {
            write!(f, "\n{}", excerpt.numbered(place.line))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// A problem for [`DocumentProblems::add`], made only if it will be shown: a suggestion may cost a look at every id.
pub(crate) struct ProblemReport<F> {
    fault: F,
    hint: Option<String>,
    elsewhere: Option<(&'static str, usize)>,
}

impl<F> ProblemReport<F> {
    /// A problem with this fault, without a hint so far.
    pub(crate) fn of(fault: impl Into<F>) -> Self {
        Self { fault: fault.into(), hint: None, elsewhere: None }
    }

    /// Adds the way out to the problem.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was probably meant, if anything comes close.
    pub(crate) fn suggest(self, meant: Option<&str>) -> Self {
        match meant {
            Some(meant) => self.hint(format!("did you mean `{}`?", quoted(meant))),
            None => self,
        }
    }

    /// Another place that matters, told as a hint: `words` and then its line and column.
    pub(crate) fn elsewhere(mut self, words: &'static str, offset: usize) -> Self {
        self.elsewhere = Some((words, offset));
        self
    }
}

/// The problems found so far.
pub(crate) struct DocumentProblems<F> {
    kept: Vec<(Option<Range<usize>>, ProblemReport<F>)>,
    more: usize,
}

impl<F> Default for DocumentProblems<F> {
    fn default() -> Self {
        Self { kept: Vec::new(), more: 0 }
    }
}

impl<F> DocumentProblems<F> {
    pub(crate) fn add(&mut self, span: Option<Range<usize>>, report: impl FnOnce() -> ProblemReport<F>) {
        if self.kept.len() < PROBLEMS_SHOWN_MAX {
            self.kept.push((span, report()));
        } else {
            self.more += 1;
        }
    }

    /// How many were found, shown or not.
    pub(crate) fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn into_error(mut self, source: &str, text: &str) -> DocumentError<F> {
        self.kept.sort_by_key(|(span, _)| span.as_ref().map(|span| span.start));
        let problem = |(span, report): (Option<Range<usize>>, ProblemReport<F>)| DocumentProblem {
            fault: report.fault,
            place: span.as_ref().map(|span| place(text, span.start)),
            hint: report.hint.or_else(|| {
                let (words, offset) = report.elsewhere?;
                let place = place(text, offset);
                Some(format!("{words} {}:{}", place.line, place.column))
            }),
            source: source.to_owned(),
            excerpt: span.and_then(|span| TextExcerpt::of(text, span)),
        };
        DocumentError { problems: self.kept.into_iter().map(problem).collect(), more: self.more }
    }
}

/// A text of the user's, short enough for a message.
pub(crate) fn quoted(text: &str) -> String {
    shorten(&show_controls(text), QUOTED_COLUMNS_MAX).into_owned()
}
