//! The last lines of the terminal while something goes on: a row for each member and, where the work has an end, a bar for
//! all of it. They are drawn over themselves by a thread of their own, a few times a second; what is told goes above them
//! and stays.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::limits::pace::PANEL_FRAME;

use super::{DrawingGuard, TextTone, humane, paint, shorten, width};

const SPINNER: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠧", "⠇", "⠏"];
const NAME_COLUMNS_MAX: usize = 20;
const BAR_COLUMNS_MAX: usize = 40;
const BAR_COLUMNS_MIN: usize = 5;
/// Rows of the terminal that are never drawn on: one for the cursor, and the first one, because some terminals keep what
/// is erased from there on as if it had scrolled away.
const ROWS_SPARED: usize = 2;

/// One row of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelRow {
    /// The name of the member.
    pub name: String,
    /// The activity of the member.
    pub activity: PanelActivity,
}

/// The activity that a row shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelActivity {
    /// Nothing goes on: `waits`, `starts`.
    Quiet(String),
    /// Work, and since when.
    Busy {
        /// The work.
        what: String,
        /// The time of its begin.
        since_ms: u64,
    },
}

/// How far the whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PanelBar {
    /// Of so many.
    pub total: usize,
    /// How many are over.
    pub done: usize,
    /// How many of these failed.
    pub failed: usize,
    /// When it began.
    pub begun_ms: u64,
}

/// The rows, and the thread that draws them. Dropping it without [`ProgressPanel::end`] leaves them as they are.
#[derive(Debug)]
pub struct ProgressPanel {
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
    /// Whether standard error is a terminal that can move its cursor.
    pub fn is_possible() -> bool {
        let moves = std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        moves && io::stderr().is_terminal()
    }

    /// Begins to draw on standard error. Fails if there can be no thread.
    pub fn begin() -> io::Result<ProgressPanel> {
        let shared = Arc::new(PanelShared { scene: Mutex::new(PanelScene::default()), over: Condvar::new() });
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
    pub fn tell(&self, line: String) {
        self.shared.scene().told.push(line);
    }

    /// Shows these rows, in this order, and the bar, with the next drawing.
    pub fn show(&self, rows: Vec<PanelRow>, bar: Option<PanelBar>) {
        let mut scene = self.shared.scene();
        (scene.rows, scene.bar) = (rows, bar);
    }

    /// Takes the rows away; what was told stays.
    pub fn end(&mut self) {
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

/// Shows the scene as it is now. A terminal that can not be written to is no reason to end the work.
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
#[derive(Debug, Default)]
struct PanelScene {
    rows: Vec<PanelRow>,
    bar: Option<PanelBar>,
    /// Not drawn yet.
    told: Vec<String>,
    /// How wide each line of the last drawing is.
    drawn: Vec<usize>,
    frames: usize,
    over: bool,
}

impl PanelScene {
    /// Returns the bytes that show the scene in place of the last one on a terminal that is `columns` wide and `rows` high
    /// now. One write, and marked as one update for the terminals that know that (mode 2026): nothing flickers.
    fn frame(&mut self, columns: usize, rows: usize, now_ms: u64, colours: bool) -> String {
        let lines = if self.over { Vec::new() } else { self.lines(columns, rows, now_ms) };
        let mut frame = String::from("\x1b[?2026h");
        // A terminal that was made narrower has wrapped what was drawn.
        let above: usize = self.drawn.iter().map(|drawn| drawn.div_ceil(columns).max(1)).sum();
        let above = above.min(rows.saturating_sub(ROWS_SPARED));
        if above > 0 {
            // All of it before the first line: what is told may wrap, and half-erased lines still count as long when the
            // terminal wraps anew.
            frame.push_str(&format!("\x1b[{above}F\x1b[J"));
        }
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

    /// No more lines than there is room for, and none so long that it wraps.
    fn lines(&self, columns: usize, rows: usize, now_ms: u64) -> Vec<String> {
        let room = columns.saturating_sub(1);
        let rows = rows.saturating_sub(ROWS_SPARED + usize::from(self.bar.is_some())).max(1);
        let hidden = if self.rows.len() > rows { self.rows.len() - (rows - 1) } else { 0 };
        let names = self.rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).min(NAME_COLUMNS_MAX);
        // Members with work come first where there is no room for all.
        let mut shown: Vec<&PanelRow> = self.rows.iter().collect();
        if hidden > 0 {
            shown.sort_by_key(|row| matches!(row.activity, PanelActivity::Quiet(_)));
        }
        shown.truncate(self.rows.len() - hidden);
        let spinner = SPINNER[self.frames % SPINNER.len()];
        let mut lines: Vec<String> = shown.into_iter().map(|row| row_line(row, names, room, spinner, now_ms)).collect();
        if hidden > 0 {
            lines.push(paint(TextTone::Faint, &shorten(&format!("and {hidden} more"), room)).to_string());
        }
        lines.extend(self.bar.map(|bar| bar_line(&bar, room, now_ms)));
        lines
    }
}

fn bar_line(bar: &PanelBar, room: usize, now_ms: u64) -> String {
    let failed = if bar.failed > 0 { format!("  {} failed", bar.failed) } else { String::new() };
    let count = format!(" {}/{}", bar.done, bar.total);
    let mut took = format!("  {}", seconds(now_ms.saturating_sub(bar.begun_ms)));
    if count.len() + failed.len() + took.len() > room {
        took.clear();
    }
    let long = room.saturating_sub(count.len() + failed.len() + took.len()).min(BAR_COLUMNS_MAX);
    let full = (long * bar.done).checked_div(bar.total).unwrap_or(long).min(long);
    let (full, rest) = if long < BAR_COLUMNS_MIN { (0, 0) } else { (full, long - full) };
    let tone = if bar.failed > 0 { TextTone::Warn } else { TextTone::Ok };
    format!(
        "{}{}{count}{}{}",
        paint(tone, &"━".repeat(full)),
        paint(TextTone::Faint, &"─".repeat(rest)),
        paint(TextTone::Error, &failed),
        paint(TextTone::Faint, &took)
    )
}

fn row_line(row: &PanelRow, names: usize, room: usize, spinner: &str, now_ms: u64) -> String {
    let name = shorten(&row.name, names);
    let pad = names - width(&name);
    let (mark, took, (tone, what)) = match &row.activity {
        PanelActivity::Quiet(what) => (paint(TextTone::Faint, "·"), String::new(), (TextTone::Faint, what.as_str())),
        PanelActivity::Busy { what, since_ms } => (
            paint(TextTone::Busy, spinner),
            seconds(now_ms.saturating_sub(*since_ms)),
            (TextTone::Plain, what.as_str()),
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
        let quiet = || PanelActivity::Quiet("starts".to_owned());
        let row = |name: &&str| PanelRow { name: (*name).to_owned(), activity: quiet() };
        let mut rows: Vec<PanelRow> = names.iter().map(row).collect();
        for (row, since_ms) in rows.iter_mut().zip([3_000, 60_000]) {
            let what = "7 the parser says\u{1b}[2J where it was, 漢字も".to_owned();
            row.activity = PanelActivity::Busy { what, since_ms };
        }
        let bar = Some(PanelBar { total: 13, done: 4, failed: 1, begun_ms: 0 });
        PanelScene { rows, bar, ..PanelScene::default() }
    }

    fn scene_of(count: usize) -> PanelScene {
        let names: Vec<String> = (1..=count).map(|number| format!("w{number}")).collect();
        scene(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn plain(lines: &[String]) -> String {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string() + "\n").collect()
    }

    #[test]
    fn workers_and_the_whole_at_80_and_at_30_columns() {
        let scene = scene(&["reviewer", "w1", "w2"]);
        insta::assert_snapshot!(plain(&scene.lines(80, 24, 67_000)), @r"
        reviewer ⠋ 1m 04s  7 the parser says where it was, 漢字も
        w1       ⠋     7s  7 the parser says where it was, 漢字も
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
        let scene = scene_of(30);
        for columns in 24..100 {
            let lines = scene.lines(columns, 10, 67_000);
            assert_eq!(lines.len(), 8);
            for line in lines {
                assert!(width(&anstream::adapter::strip_str(&line).to_string()) < columns, "{columns}: {line:?}");
            }
        }
        assert!(plain(&scene.lines(80, 10, 67_000)).contains("and 24 more"));
    }

    #[test]
    fn a_drawing_replaces_the_last_also_where_the_terminal_became_narrower() {
        let mut scene = scene(&["w1", "w2"]);
        assert!(scene.frame(80, 24, 67_000, true).starts_with("\u{1b}[?2026h\u{1b}[1m"), "nothing is above the first");
        scene.told.push("one line".to_owned());
        let second = scene.frame(80, 24, 67_000, false);
        assert!(second.starts_with("\u{1b}[?2026h\u{1b}[3F\u{1b}[Jone line\n"), "{second:?}");
        assert!(!second.contains("\u{1b}[1m"), "without colours");
        let narrow = scene.frame(30, 24, 67_000, false);
        assert!(narrow.starts_with("\u{1b}[?2026h\u{1b}[7F"), "{narrow:?}");
        scene.over = true;
        assert_eq!(scene.frame(30, 24, 67_000, false), "\u{1b}[?2026h\u{1b}[3F\u{1b}[J\u{1b}[?2026l");
    }

    /// A terminal as tmux is one: what is erased from the first row on goes into the scrollback, as what scrolls away does.
    struct Terminal {
        rows: usize,
        screen: Vec<String>,
        cursor: usize,
        scrollback: Vec<String>,
    }

    impl Terminal {
        fn new(rows: usize) -> Terminal {
            Terminal { rows, screen: vec![String::new(); rows], cursor: 0, scrollback: Vec::new() }
        }

        fn write(&mut self, text: &str) {
            let mut rest = text;
            while let Some(first) = rest.chars().next() {
                rest = &rest[first.len_utf8()..];
                match first {
                    '\n' if self.cursor + 1 < self.rows => self.cursor += 1,
                    '\n' => {
                        self.scrollback.push(self.screen.remove(0));
                        self.screen.push(String::new());
                    }
                    '\u{1b}' => {
                        let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("an escape sequence ends");
                        let number = rest[1..end].parse().unwrap_or(0);
                        match &rest[end..=end] {
                            "F" => self.cursor = self.cursor.saturating_sub(number),
                            "J" => self.erase(),
                            _ => {}
                        }
                        rest = &rest[end + 1..];
                    }
                    other => self.screen[self.cursor].push(other),
                }
            }
        }

        fn erase(&mut self) {
            if self.cursor == 0 {
                self.scrollback.append(&mut self.screen.clone());
            }
            self.screen[self.cursor..].iter_mut().for_each(String::clear);
        }
    }

    #[test]
    fn no_row_is_left_in_the_scrollback_of_24_rows() {
        for (members, bar) in [(26, true), (22, true), (21, true), (40, false)] {
            let mut scene = scene_of(members);
            scene.bar = scene.bar.filter(|_| bar);
            let mut terminal = Terminal::new(24);
            terminal.write("$ teamster run plan.toml\n");
            for number in 0..50 {
                scene.told.push(format!("told {number}"));
                let frame = scene.frame(80, 24, 67_000, false);
                terminal.write(&frame);
            }
            scene.over = true;
            let last = scene.frame(80, 24, 67_000, false);
            terminal.write(&last);
            let all: Vec<&str> = terminal.scrollback.iter().chain(&terminal.screen).map(String::as_str).collect();
            let all: Vec<&str> = all.into_iter().filter(|line| !line.is_empty()).collect();
            let told: Vec<String> = (0..50).map(|number| format!("told {number}")).collect();
            let expected: Vec<&str> =
                std::iter::once("$ teamster run plan.toml").chain(told.iter().map(String::as_str)).collect();
            assert_eq!(all, expected, "{members} members");
        }
    }
}
