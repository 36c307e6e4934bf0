//! What can be wrong with a plan, where, and how it is shown.

mod excerpt;

use std::fmt;
use std::ops::Range;

use super::name::NameError;
use super::{ID_CHARS_MAX, PLAN_BYTES_MAX, PLAN_TASKS_MAX};
use crate::front::cli::print::{harmless, shorten};
use crate::ops::duration::DurationError;
use excerpt::Excerpt;

/// Of more problems than this only the number is told.
pub const PROBLEMS_SHOWN_MAX: usize = 10;

const QUOTED_COLUMNS_MAX: usize = 60;
const CYCLE_SHOWN_MAX: usize = 20;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Over [`PLAN_BYTES_MAX`].
    #[error("the plan has {size_bytes} bytes, at most {PLAN_BYTES_MAX} are read")]
    TooLarge {
        /// The size of the file.
        size_bytes: u64,
    },
    /// Over [`PLAN_TASKS_MAX`].
    #[error("the plan has {tasks} tasks, at most {PLAN_TASKS_MAX} are allowed")]
    TooManyTasks {
        /// How many there are.
        tasks: usize,
    },
    /// Not UTF-8 from here on.
    #[error("from here on the plan is not UTF-8 text")]
    NotText,
    /// Not TOML, or not JSON.
    #[error("{}", harmless(why))]
    Syntax {
        /// In the words of the parser.
        why: String,
    },
    /// No task at all.
    #[error("the plan has no task")]
    Empty,
    /// A key that means nothing here.
    #[error("unknown key `{}`", quoted(key))]
    UnknownKey {
        /// As written.
        key: String,
    },
    /// A key given twice in one table.
    #[error("`{}` is given twice", quoted(key))]
    RepeatedKey {
        /// As written.
        key: String,
    },
    /// A value of the wrong type.
    #[error("{field} must be {wanted}, not {found}")]
    WrongType {
        /// The key in question, or what stands in its place.
        field: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What was given.
        found: &'static str,
    },
    /// Neither `run` nor `prompt`.
    #[error("task `{}` has nothing to do", quoted(id))]
    NoWork {
        /// Whose.
        id: String,
    },
    /// Both `run` and `prompt`.
    #[error("task `{}` has both `run` and `prompt`", quoted(id))]
    TwoWorks {
        /// Whose.
        id: String,
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
    /// An id over [`ID_CHARS_MAX`].
    #[error("an id has at most {ID_CHARS_MAX} characters, this one has {chars}")]
    LongId {
        /// How many it has.
        chars: usize,
    },
    /// Two tasks of one id.
    #[error("a second task is called `{}`", quoted(id))]
    DuplicateId {
        /// The id of both.
        id: String,
    },
    /// `after` names a task that is not in the plan.
    #[error("task `{}` comes after `{}`, but no task is called so", quoted(id), quoted(missing))]
    UnknownTask {
        /// Whose `after`.
        id: String,
        /// What it names.
        missing: String,
    },
    /// Tasks that wait for each other.
    #[error("these tasks wait for each other and could never start: {}", arrows(ids))]
    Cycle {
        /// Each waits for the next; the last is the first again.
        ids: Vec<String>,
    },
    /// Not a name of a member or a role.
    #[error("`{}` can not be {field}: {why}", quoted(text))]
    BadName {
        /// The key in question.
        field: &'static str,
        /// As written.
        text: String,
        /// What is wrong with it.
        why: NameError,
    },
    /// Not a length of time.
    #[error("timeout: {0}")]
    BadTimeout(DurationError),
    /// Not a whole number of 32 bits.
    #[error("priority must be a whole number from {} to {}, not {}", i32::MIN, i32::MAX, quoted(text))]
    BadPriority {
        /// As written.
        text: String,
    },
}

/// Where in the text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong with a plan. Displays as `plan.toml:12:8: …`, the line, a caret, and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub fault: Fault,
    /// Where, unless it concerns the whole plan.
    pub place: Option<Place>,
    /// The way out, where one is likely.
    pub hint: Option<String>,
    source: String,
    excerpt: Option<Excerpt>,
}

/// Everything that is wrong with a plan, in the order of the text. Displays all of it, without colours and harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// The first [`PROBLEMS_SHOWN_MAX`], at least one.
    pub problems: Vec<Problem>,
    /// How many more were found. The search for cycles ends with as many as can be shown.
    pub more: usize,
}

impl std::error::Error for PlanError {}

impl PlanError {
    pub(super) fn of_one(source: &str, fault: Fault) -> Self {
        let mut problems = Problems::default();
        problems.add(None, || Report::of(fault));
        problems.into_error(source, "")
    }
}

impl fmt::Display for PlanError {
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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", harmless(&self.source))?;
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

/// What [`Problems::add`] is told, made only if it will be shown: a suggestion may cost a look at every id.
pub(super) struct Report {
    fault: Fault,
    hint: Option<String>,
    elsewhere: Option<(&'static str, usize)>,
}

impl Report {
    pub(super) fn of(fault: Fault) -> Self {
        Self { fault, hint: None, elsewhere: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn suggest(self, meant: Option<&str>) -> Self {
        match meant {
            Some(meant) => self.hint(format!("did you mean `{}`?", quoted(meant))),
            None => self,
        }
    }

    /// Another place that matters, told as a hint: `words` and then its line and column.
    pub(super) fn elsewhere(mut self, words: &'static str, offset: usize) -> Self {
        self.elsewhere = Some((words, offset));
        self
    }
}

/// The problems found so far.
#[derive(Default)]
pub(super) struct Problems {
    kept: Vec<(Option<Range<usize>>, Report)>,
    more: usize,
}

impl Problems {
    pub(super) fn add(&mut self, span: Option<Range<usize>>, report: impl FnOnce() -> Report) {
        if self.kept.len() < PROBLEMS_SHOWN_MAX {
            self.kept.push((span, report()));
        } else {
            self.more += 1;
        }
    }

    /// How many were found, shown or not.
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn into_error(mut self, source: &str, text: &str) -> PlanError {
        self.kept.sort_by_key(|(span, _)| span.as_ref().map(|span| span.start));
        let problem = |(span, report): (Option<Range<usize>>, Report)| Problem {
            fault: report.fault,
            place: span.as_ref().map(|span| excerpt::place(text, span.start)),
            hint: report.hint.or_else(|| {
                let (words, offset) = report.elsewhere?;
                let place = excerpt::place(text, offset);
                Some(format!("{words} {}:{}", place.line, place.column))
            }),
            source: source.to_owned(),
            excerpt: span.and_then(|span| Excerpt::of(text, span)),
        };
        PlanError { problems: self.kept.into_iter().map(problem).collect(), more: self.more }
    }
}

fn quoted(text: &str) -> String {
    shorten(text, QUOTED_COLUMNS_MAX).into_owned()
}

fn arrows(ids: &[String]) -> String {
    let shown: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
    if shown.len() <= CYCLE_SHOWN_MAX {
        return shown.join(" → ");
    }
    let (head, tail) = (CYCLE_SHOWN_MAX / 2, CYCLE_SHOWN_MAX / 2);
    let hidden = shown.len() - head - tail;
    format!("{} → … {hidden} more … → {}", shown[..head].join(" → "), shown[shown.len() - tail..].join(" → "))
}
