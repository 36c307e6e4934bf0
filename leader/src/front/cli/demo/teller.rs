//! How the demo is told: to people line by line, to programs as one object at its end.

use std::cell::RefCell;
use std::path::PathBuf;

use serde::Serialize;

use super::DemoError;
use crate::front::cli::Shape;
use crate::front::cli::print::{Tone, harmless, paint, say};

/// What the demo showed. Printed by `demo --json`.
#[derive(Debug, Default, Serialize)]
pub struct Shown {
    /// Whether all of it happened; if not, there is an error instead.
    pub ok: bool,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// The folder, if it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// One step of the story.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What was done.
    pub step: String,
    /// What it shows.
    pub shows: String,
}

/// Tells people of each step at once, and keeps the steps for programs.
pub(super) struct Teller {
    shape: Shape,
    steps: RefCell<Vec<Step>>,
}

impl Teller {
    /// Nothing is told yet.
    pub(super) fn new(shape: Shape) -> Teller {
        Teller { shape, steps: RefCell::default() }
    }

    pub(super) fn step(&self, what: &str, shows: &str) -> Result<(), DemoError> {
        match self.shape {
            Shape::Text => {
                let shows = format!("– {shows}");
                say(format!("{} {} {}", paint(Tone::Ok, "✓"), paint(Tone::Name, what), harmless(&shows)))?;
            }
            Shape::Json => {}
        }
        self.steps.borrow_mut().push(Step { step: what.to_owned(), shows: shows.to_owned() });
        Ok(())
    }

    /// All that was told, once all of it happened.
    pub(super) fn end(self, folder: Option<PathBuf>) -> Shown {
        Shown { ok: true, steps: self.steps.into_inner(), folder }
    }
}
