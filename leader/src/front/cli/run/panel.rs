//! The last lines of the terminal while a run goes: one for each worker and one for all. They are drawn over
//! themselves by a thread of their own, a few times a second; what is told goes above them and stays.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::id::{MemberName, TaskId};
use teamster_protocol::model::limits::pace::PANEL_FRAME;

use crate::front::cli::print::{DrawingGuard, TextTone, humane, paint, shorten, width};
use crate::ops::run::TaskTally;

const SPINNER: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠧", "⠇", "⠏"];
const NAME_COLUMNS_MAX: usize = 20;
const BAR_COLUMNS_MAX: usize = 40;
const BAR_COLUMNS_MIN: usize = 5;

/// The lines, and the thread that draws them. Dropping it without [`ProgressPanel::end`] leaves them as they are.
#[derive(Debug)]
pub(super) struct ProgressPanel {
    shared: Arc<PanelShared>,
    artist: Option<JoinHandle<()>>,
    /// The guard by which the program's log is printed above the panel while it is drawn.
    drawing: Option<DrawingGuard>,
}

#[derive(Debug)]
struct PanelShared {
    scene: Mutex<PanelScene>,
    over: Condvar,
}

impl PanelShared {
    fn scene(&self) -> MutexGuard<'_, PanelScene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgressPanel {
    /// Begins to draw. Fails if there can be no thread.
    pub(super) fn begin<'a>(total: usize, members: impl Iterator<Item = &'a MemberName>) -> io::Result<ProgressPanel> {
        let scene = PanelScene::new(total, members, now_ms());
        let shared = Arc::new(PanelShared { scene: Mutex::new(scene), over: Condvar::new() });
        let drawn = Arc::clone(&shared);
        let artist = std::thread::Builder::new().name("panel".to_owned()).spawn(move || {
            let mut scene = drawn.scene();
            while !scene.over {
                draw(&mut scene);
                let waited = drawn.over.wait_timeout(scene, PANEL_FRAME);
                scene = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        })?;
        let told = Arc::clone(&shared);
        let drawing = DrawingGuard::begin(move |line| told.scene().told.push(line));
        Ok(ProgressPanel { shared, artist: Some(artist), drawing: Some(drawing) })
    }

    /// Puts a line above, with the next drawing.
    pub(super) fn tell(&self, line: String) {
        self.shared.scene().told.push(line);
    }

    /// How far it is; `title` names the tasks that run.
    pub(super) fn tally(&self, tally: &TaskTally, title: impl Fn(TaskId) -> String) {
        let mut scene = self.shared.scene();
        scene.done = tally.completed + tally.failed + tally.cancelled;
        scene.failed = tally.failed;
        scene.members.values_mut().for_each(|at| *at = PanelActivity::Waiting);
        for (id, (owner, since_ms)) in &tally.running {
            if let Some(at) = scene.members.get_mut(owner) {
                *at = PanelActivity::Task { title: title(*id), since_ms: *since_ms };
            }
        }
    }

    /// Takes the lines away; what was told stays.
    pub(super) fn end(&mut self) {
        let Some(artist) = self.artist.take() else { return };
        self.shared.scene().over = true;
        self.shared.over.notify_all();
        if artist.join().is_err() {
            tracing::debug!("the panel's thread broke");
        }
        draw(&mut self.shared.scene());
        // Log lines from here on go below the panel; earlier ones are above it.
        self.drawing = None;
        draw(&mut self.shared.scene());
    }
}

/// Shows the scene as it is now. A terminal that can not be written to is no reason to end a run.
fn draw(scene: &mut PanelScene) {
    let (columns, rows) = match terminal_size::terminal_size_of(io::stderr()) {
        Some((columns, rows)) => (usize::from(columns.0), usize::from(rows.0)),
        None => (80, 24),
    };
    let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let frame = scene.frame(columns.max(1), rows, now_ms(), colours);
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(frame.as_bytes()).and_then(|()| terminal.flush());
}

/// The state that the panel shows.
#[derive(Debug)]
struct PanelScene {
    begun_ms: u64,
    total: usize,
    done: usize,
    failed: usize,
    members: BTreeMap<MemberName, PanelActivity>,
    /// Lines that are still to be drawn above the panel.
    told: Vec<String>,
    /// How wide each line of the last drawing is.
    drawn: Vec<usize>,
    frames: usize,
    over: bool,
}

/// The activity of a member.
#[derive(Debug)]
enum PanelActivity {
    Starting,
    Waiting,
    Task { title: String, since_ms: u64 },
}

impl PanelScene {
    fn new<'a>(total: usize, members: impl Iterator<Item = &'a MemberName>, begun_ms: u64) -> PanelScene {
        PanelScene {
            begun_ms,
            total,
            done: 0,
            failed: 0,
            members: members.map(|name| (name.clone(), PanelActivity::Starting)).collect(),
            told: Vec::new(),
            drawn: Vec::new(),
            frames: 0,
            over: false,
        }
    }

    /// Returns the bytes that show the scene in place of the last one on a terminal that is `columns` wide now. One
    /// write, and marked as one update for the terminals that know that (mode 2026): nothing flickers.
    fn frame(&mut self, columns: usize, rows: usize, now_ms: u64, colours: bool) -> String {
        let lines = if self.over { Vec::new() } else { self.lines(columns, rows, now_ms) };
        let mut frame = String::from("\x1b[?2026h");
        // A terminal that was made narrower has wrapped what was drawn.
        let above: usize = self.drawn.iter().map(|drawn| drawn.div_ceil(columns).max(1)).sum();
        if above > 0 {
            frame.push_str(&format!("\x1b[{above}F"));
        }
        // All of it before the first line: what is told may wrap, and half-erased lines still count as long when the
        // terminal wraps anew.
        frame.push_str("\x1b[J");
        for line in self.told.drain(..).chain(lines.iter().cloned()) {
            let line = if colours { line } else { anstream::adapter::strip_str(&line).to_string() };
            frame.push_str(&line);
            frame.push('\n');
        }
        frame.push_str("\x1b[?2026l");
        self.drawn = lines.iter().map(|line| width(&anstream::adapter::strip_str(line).to_string())).collect();
        self.frames += 1;
        frame
    }

    /// At most as many lines as the terminal has, less one for the cursor, and none so long that it wraps.
    fn lines(&self, columns: usize, rows: usize, now_ms: u64) -> Vec<String> {
        let room = columns.saturating_sub(1);
        let rows = rows.saturating_sub(2).max(1);
        let hidden = if self.members.len() > rows { self.members.len() - (rows - 1) } else { 0 };
        let names = self.members.keys().map(|name| name.as_str().len()).max().unwrap_or(0).min(NAME_COLUMNS_MAX);
        // Members with a task come first where there is no room for all.
        let mut members: Vec<_> = self.members.iter().collect();
        if hidden > 0 {
            members.sort_by_key(|(_, at)| !matches!(at, PanelActivity::Task { .. }));
        }
        let shown = members.len() - hidden;
        let spinner = SPINNER[self.frames % SPINNER.len()];
        let mut lines: Vec<String> =
            members.iter().take(shown).map(|(name, at)| member(name, at, names, room, spinner, now_ms)).collect();
        if hidden > 0 {
            lines.push(paint(TextTone::Faint, &shorten(&format!("and {hidden} more"), room)).to_string());
        }
        lines.push(self.bar(room, now_ms));
        lines
    }

    fn bar(&self, room: usize, now_ms: u64) -> String {
        let failed = if self.failed > 0 { format!("  {} failed", self.failed) } else { String::new() };
        let count = format!(" {}/{}", self.done, self.total);
        let mut took = format!("  {}", seconds(now_ms.saturating_sub(self.begun_ms)));
        if count.len() + failed.len() + took.len() > room {
            took.clear();
        }
        let long = room.saturating_sub(count.len() + failed.len() + took.len()).min(BAR_COLUMNS_MAX);
        let full = (long * self.done).checked_div(self.total).unwrap_or(long).min(long);
        let (full, rest) = if long < BAR_COLUMNS_MIN { (0, 0) } else { (full, long - full) };
        let tone = if self.failed > 0 { TextTone::Warn } else { TextTone::Ok };
        format!(
            "{}{}{count}{}{}",
            paint(tone, &"━".repeat(full)),
            paint(TextTone::Faint, &"─".repeat(rest)),
            paint(TextTone::Error, &failed),
            paint(TextTone::Faint, &took)
        )
    }
}

fn member(name: &MemberName, at: &PanelActivity, names: usize, room: usize, spinner: &str, now_ms: u64) -> String {
    let name = shorten(name.as_str(), names);
    let pad = names - width(&name);
    let (mark, took, (tone, what)) = match at {
        PanelActivity::Starting => (paint(TextTone::Faint, "·"), String::new(), (TextTone::Faint, "starts")),
        PanelActivity::Waiting => (paint(TextTone::Faint, "·"), String::new(), (TextTone::Faint, "waits")),
        PanelActivity::Task { title, since_ms } => (
            paint(TextTone::Busy, spinner),
            seconds(now_ms.saturating_sub(*since_ms)),
            (TextTone::Plain, title.as_str()),
        ),
    };
    // A name, a mark and a length of time, with a blank after the first two and two after the last.
    let what = shorten(what, room.saturating_sub(names + 11));
    format!(
        "{}{:pad$} {mark} {}  {}",
        paint(TextTone::Name, &name),
        "",
        paint(TextTone::Faint, &format!("{took:>6}")),
        paint(tone, &what)
    )
}

/// How long, in whole seconds: what moves more often can not be read.
fn seconds(ms: u64) -> String {
    match ms / 1000 {
        secs @ 0..60 => format!("{secs}s"),
        secs => humane(Duration::from_secs(secs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(names: &[&str]) -> PanelScene {
        let names: Vec<MemberName> = names.iter().map(|name| name.parse().expect("a name")).collect();
        let mut scene = PanelScene::new(13, names.iter(), 0);
        scene.done = 4;
        scene.failed = 1;
        for (at, since_ms) in scene.members.values_mut().zip([3_000, 60_000]) {
            *at = PanelActivity::Task {
                title: "7 the parser says\u{1b}[2J where it was, 漢字も".to_owned(), since_ms
            };
        }
        scene
    }

    fn plain(lines: &[String]) -> String {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string() + "\n").collect()
    }

    #[test]
    fn workers_and_the_whole_at_80_and_at_30_columns() {
        let scene = scene(&["reviewer", "w1", "w2"]);
        insta::assert_snapshot!(plain(&scene.lines(80, 24, 67_000)), @r"
        reviewer ⠋ 1m 04s  7 the parser says\u{1b}[2J where it was, 漢字も
        w1       ⠋     7s  7 the parser says\u{1b}[2J where it was, 漢字も
        w2       ·         starts
        ━━━━━━━━━━━━──────────────────────────── 4/13  1 failed  1m 07s
        ");
        insta::assert_snapshot!(plain(&scene.lines(30, 24, 67_000)), @r"
        reviewer ⠋ 1m 04s  7 the par…
        w1       ⠋     7s  7 the par…
        w2       ·         starts
        ━───── 4/13  1 failed  1m 07s
        ");
    }

    #[test]
    fn no_line_wraps_and_no_more_are_drawn_than_there_is_room_for() {
        let names: Vec<String> = (1..=30).map(|number| format!("w{number}")).collect();
        let scene = scene(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for columns in 24..100 {
            let lines = scene.lines(columns, 10, 67_000);
            assert_eq!(lines.len(), 9);
            for line in lines {
                assert!(width(&anstream::adapter::strip_str(&line).to_string()) < columns, "{columns}: {line:?}");
            }
        }
        assert!(plain(&scene.lines(80, 10, 67_000)).contains("and 23 more"));
    }

    #[test]
    fn a_drawing_replaces_the_last_also_where_the_terminal_became_narrower() {
        let mut scene = scene(&["w1", "w2"]);
        assert!(
            scene.frame(80, 24, 67_000, true).starts_with("\u{1b}[?2026h\u{1b}[J\u{1b}[1m"),
            "nothing is above the first"
        );
        scene.told.push("one line".to_owned());
        let second = scene.frame(80, 24, 67_000, false);
        assert!(second.starts_with("\u{1b}[?2026h\u{1b}[3F\u{1b}[Jone line\n"), "{second:?}");
        assert!(!second.contains("\u{1b}[1m"), "without colours");
        let narrow = scene.frame(30, 24, 67_000, false);
        assert!(narrow.starts_with("\u{1b}[?2026h\u{1b}[7F"), "{narrow:?}");
        scene.over = true;
        assert_eq!(scene.frame(30, 24, 67_000, false), "\u{1b}[?2026h\u{1b}[3F\u{1b}[J\u{1b}[?2026l");
    }
}
