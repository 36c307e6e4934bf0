//! What a program writes to its standard error. All of it goes where that of the worker goes, in the bounds of that log; its end
//! is kept for the case that the program exits or does not answer, as it may well be the reason.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use teamster_protocol::host::stderr_log::StderrLines;
use teamster_protocol::model::limits::pace::LAST_LINES_WITHIN;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// Bytes of the end that are kept.
const KEPT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the line that is told.
const LINE_BYTES_MAX: usize = 300;

/// The end of what a program has written to its standard error.
pub(super) struct ProgramComplaints {
    kept: Arc<Mutex<Vec<u8>>>,
    /// Nothing once it has ended: its end can be waited for only once.
    copying: Option<JoinHandle<()>>,
}

impl ProgramComplaints {
    /// Passes on what comes out of this pipe, until nobody holds its other end.
    pub(super) fn copy(mut read: pipe::Receiver) -> ProgramComplaints {
        let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
        let keeps = Arc::clone(&kept);
        let copying = tokio::spawn(async move {
            let mut piece = vec![0; KEPT_BYTES_MAX];
            while let Ok(len @ 1..) = read.read(&mut piece).await {
                keep(&mut keeps.lock().unwrap_or_else(PoisonError::into_inner), &piece[..len]);
                let passed_on = piece[..len].to_vec();
                // Not here: whoever reads it may be slow. That nobody does is no reason to stop the program.
                let _ = spawn_blocking(move || StderrLines.write_all(&passed_on)).await;
            }
        });
        ProgramComplaints { kept, copying: Some(copying) }
    }

    /// Forgets what was written so far: a turn begins, and what goes wrong in it has a newer reason.
    pub(super) fn begin_turn(&self) {
        self.kept().clear();
    }

    /// Returns the line that says best what is wrong with the program, which still runs; nothing if it wrote none.
    pub(super) fn words_so_far(&self) -> Option<String> {
        telling_line(&self.kept())
    }

    /// Returns the line that says best why the program, which has exited, did so; nothing if it wrote none. Waits a little for
    /// the last ones, as what the program started may hold the pipe open.
    pub(super) async fn last_words(&mut self) -> Option<String> {
        if let Some(copying) = &mut self.copying
            && timeout(LAST_LINES_WITHIN, copying).await.is_ok()
        {
            self.copying = None;
        }
        self.words_so_far()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    kept.extend_from_slice(piece);
    let over = kept.len().saturating_sub(KEPT_BYTES_MAX);
    kept.drain(..over);
}

/// The last line that speaks of an error, else the last one. What follows an error is often where it was in the program.
fn telling_line(kept: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(kept);
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let of_error = lines.iter().rfind(|line| line.to_lowercase().contains("error"));
    let line = of_error.or(lines.last())?;
    if line.len() <= LINE_BYTES_MAX {
        return Some(line.clone());
    }
    Some(format!("{} …", &line[..line.floor_char_boundary(LINE_BYTES_MAX)]))
}

/// A line without what it says to a terminal.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.as_str().starts_with('[') => {
                chars.next();
                // Its last character is the first letter or the like.
                let _ = chars.find(|c| ('@'..='~').contains(c));
            }
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_speaks_of_an_error_is_told_without_its_colours() {
        let line = |text: &str| telling_line(text.as_bytes());
        assert_eq!(line(""), None);
        assert_eq!(line("\n \n"), None);
        assert_eq!(line("starting\nsorry\n\n").as_deref(), Some("sorry"));
        assert_eq!(
            line("\u{1b}[31mError: no model x\u{1b}[0m\n    at main.js:1\n").as_deref(),
            Some("Error: no model x")
        );
    }

    #[tokio::test]
    async fn the_last_words_can_be_asked_for_again_and_a_turn_forgets_those_before_it() {
        let (read, mut write) = std::io::pipe().expect("a pipe");
        let read = pipe::Receiver::from_owned_fd(read.into()).expect("the end to read from");
        let mut complaints = ProgramComplaints::copy(read);
        write.write_all(b"warning: an old trouble\n").expect("it is read");
        drop(write);
        for _ in 0..2 {
            assert_eq!(complaints.last_words().await.as_deref(), Some("warning: an old trouble"));
        }
        complaints.begin_turn();
        assert_eq!((complaints.words_so_far(), complaints.last_words().await), (None, None));
    }

    #[test]
    fn it_is_bounded_whatever_is_written() {
        let mut kept = Vec::new();
        for _ in 0..100 {
            keep(&mut kept, "é".repeat(1_000).as_bytes());
        }
        assert_eq!(kept.len(), KEPT_BYTES_MAX);
        let told = telling_line(&kept).expect("a line");
        assert!(told.len() <= LINE_BYTES_MAX + " …".len() && told.ends_with(" …"), "{told}");
    }
}
