//! The last lines of the terminal while something goes on: a row for each member and, where the work has an end, a bar for
//! all of it. They are drawn over themselves by a thread of their own, a few times a second; what is told goes above them
//! and stays.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use teamster_protocol::host::clock::now_ms;
use teamster_protocol::model::limits::pace::PANEL_FRAME;

use super::redraw::{ROWS_SPARED, RedrawnLines, ScreenSize};
use super::{DrawingGuard, TextTone, humane, paint, shorten, width};

const SPINNER: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠧", "⠇", "⠏"];
const NAME_COLUMNS_MAX: usize = 20;
const BAR_COLUMNS_MAX: usize = 40;
const BAR_COLUMNS_MIN: usize = 5;

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
    /// Begins to draw on standard error. Fails if there can be no thread.
    pub fn begin() -> io::Result<ProgressPanel> {
        let shared = Arc::new(PanelShared { scene: Mutex::new(PanelScene::default()), over: Condvar::new() });
        let drawn = Arc::clone(&shared);
        let artist = std::thread::Builder::new().name("panel".to_owned()).spawn(move || {
            let mut scene = drawn.scene();
            while !scene.over {
                scene.draw();
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
        self.shared.scene().draw();
        // Log lines from here on go below the panel; earlier ones are above it.
        self.drawing = None;
        self.shared.scene().draw();
    }
}

/// The state that the panel shows.
#[derive(Debug, Default)]
struct PanelScene {
    rows: Vec<PanelRow>,
    bar: Option<PanelBar>,
    /// Not drawn yet.
    told: Vec<String>,
    redrawn: RedrawnLines,
    frames: usize,
    over: bool,
}

impl PanelScene {
    /// Shows the scene as it is now.
    fn draw(&mut self) {
        let size = ScreenSize::now();
        let lines = if self.over { Vec::new() } else { self.lines(size.columns, size.rows, now_ms()) };
        self.redrawn.draw(&std::mem::take(&mut self.told), &lines, size);
        self.frames += 1;
    }

    /// No more lines than there is room for, and none so long that it wraps.
    fn lines(&self, columns: usize, rows: usize, now_ms: u64) -> Vec<String> {
        let room = columns.saturating_sub(1);
        let rows = rows.saturating_sub(ROWS_SPARED + usize::from(self.bar.is_some())).max(1);
        let hidden = if self.rows.len() > rows { self.rows.len() - (rows - 1) } else { 0 };
        let names = self.rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
        let names = names.min(NAME_COLUMNS_MAX).min(room / 3);
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
    fn what_is_drawn_leaves_rows_of_the_terminal_alone() {
        for (members, bar) in [(26, true), (22, true), (21, true), (40, false)] {
            let mut scene = scene_of(members);
            scene.bar = scene.bar.filter(|_| bar);
            assert!(scene.lines(80, 24, 67_000).len() <= 24 - ROWS_SPARED, "{members} members");
        }
    }
}
