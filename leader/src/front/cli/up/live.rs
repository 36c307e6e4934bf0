//! The team as `up` shows it in the foreground: on a terminal its members and its board, drawn over themselves at the end,
//! with what happens above them; elsewhere a line for each thing that happens. A thread of its own does that, so that
//! nobody who is led waits for a terminal.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use teamster_protocol::model::limits::pace::{LIVE_CLOCK, LIVE_FRAME};
use teamster_protocol::model::mail::{MailFact, MessageBody};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use crate::front::cli::print::{self, DayClock, DrawingGuard, OutputAudience, ROWS_SPARED, RedrawnLines, ScreenSize};
use crate::front::cli::print::{TextTone, paint, shorten, width};
use crate::front::cli::{CliContext, OutputShape, events, list, task_text};
use crate::ops::error::OpsError;
use crate::ops::events::{EventFact, TeamEvent};
use crate::ops::feed::{TeamFeed, TeamGlance};

/// The least rows that the lines at the end take, if there is so much to show.
const ROWS_MIN: usize = 4;

/// The least columns in which it is told how tasks stand.
const TASKS_COLUMNS_MIN: usize = 12;

/// Lines that were said beside the drawing, for the next one.
type SaidLines = Arc<Mutex<Vec<String>>>;

/// What there is to be said at the end of the drawing.
const ENDS: &str = "Ctrl-C ends the team";
const ENDS_NOW: &str = "ending once every turn is over; Ctrl-C again ends them now";

/// Shows the team until it is told to end.
#[derive(Debug)]
pub(super) struct LiveTeam {
    said: SaidLines,
    is_ending: Arc<AtomicBool>,
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Where the team is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LivePlace {
    /// On a terminal that can move its cursor.
    Terminal,
    /// In a pipe or a file.
    Lines,
}

impl LivePlace {
    /// Both streams must go to the terminal: what one of them takes elsewhere is for somebody else.
    fn here() -> LivePlace {
        match RedrawnLines::are_possible() && io::stdout().is_terminal() {
            true => LivePlace::Terminal,
            false => LivePlace::Lines,
        }
    }
}

impl LiveTeam {
    /// Begins to show the team; nothing for programs. That it can not be shown is no reason not to lead it.
    pub(super) fn begin(context: &CliContext) -> Option<LiveTeam> {
        if context.shape == OutputShape::Json {
            return None;
        }
        let place = LivePlace::here();
        let (said, is_ending) = (SaidLines::default(), Arc::default());
        let (over, is_over) = oneshot::channel();
        let shown =
            LiveShow { context: context.clone(), said: Arc::clone(&said), is_ending: Arc::clone(&is_ending), place };
        let shown = move || match shown.run(is_over) {
            Ok(()) => {}
            Err(error) => tracing::warn!("the team can not be shown any longer: {error}"),
        };
        match std::thread::Builder::new().name("live".to_owned()).spawn(shown) {
            Ok(thread) => Some(LiveTeam { said, is_ending, over: Some(over), thread: Some(thread) }),
            Err(error) => {
                tracing::warn!("cannot show the team: {error}");
                None
            }
        }
    }

    /// Says that the team is being ended, since somebody pressed Ctrl-C.
    pub(super) fn say_ending(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        say(&self.said, ENDS_NOW.to_owned());
    }

    /// Shows what happened until now, and takes the drawing away.
    pub(super) fn end(mut self) {
        // A thread that has ended before takes no word.
        self.over.take().map(|over| over.send(()));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::debug!("the thread that shows the team broke");
        }
    }
}

fn say(said: &SaidLines, line: String) {
    said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

/// What the thread needs to show the team.
struct LiveShow {
    context: CliContext,
    place: LivePlace,
    said: SaidLines,
    is_ending: Arc<AtomicBool>,
}

impl LiveShow {
    fn run(&self, is_over: oneshot::Receiver<()>) -> Result<(), OpsError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| OpsError::Process { doing: "start the runtime", source })?;
        let said = Arc::clone(&self.said);
        let drawing = (self.place == LivePlace::Terminal).then(|| DrawingGuard::begin(move |line| say(&said, line)));
        let shown = runtime.block_on(self.follow(is_over));
        drop(drawing);
        // What was logged in the last moment.
        self.take_said().iter().for_each(|line| print::note(line));
        shown
    }

    async fn follow(&self, mut is_over: oneshot::Receiver<()>) -> Result<(), OpsError> {
        let mut feed = TeamFeed::open(&self.context.session)?;
        let mut redrawn = RedrawnLines::default();
        loop {
            // What can not be read for a moment is shown the next time.
            let glance = if self.place == LivePlace::Terminal { feed.glance().ok() } else { None };
            if self.print(&mut feed, &mut redrawn, glance.as_ref())? == OutputAudience::Gone {
                // That nobody reads any more is no reason to end a team.
                return Ok(());
            }
            let next = Instant::now() + LIVE_CLOCK;
            let over = tokio::select! {
                _ = &mut is_over => true,
                () = feed.changed() => false,
                () = sleep_until(next), if self.place == LivePlace::Terminal => false,
            };
            // Not more often than somebody can read, and at once when it is over.
            if over || (self.place == LivePlace::Terminal && timeout(LIVE_FRAME, &mut is_over).await.is_ok()) {
                return self.print(&mut feed, &mut redrawn, None).map(|_| ());
            }
        }
    }

    /// Prints what happened; on a terminal with the team as it stands below it, if it is to stand there.
    fn print(
        &self,
        feed: &mut TeamFeed,
        redrawn: &mut RedrawnLines,
        glance: Option<&TeamGlance>,
    ) -> Result<OutputAudience, OpsError> {
        let size = match self.place {
            LivePlace::Terminal => ScreenSize::now(),
            LivePlace::Lines => ScreenSize { columns: self.context.columns, rows: 0 },
        };
        let mut above = self.take_said();
        let news = feed.take_news()?;
        let news = news.iter().filter(|event| is_for_people(event));
        above.extend(news.map(|event| events::line(event, &self.context.clock(), size.columns)));
        match self.place {
            LivePlace::Lines => {
                for line in above {
                    // A disk that is full is as good as a reader that is gone.
                    if !matches!(print::say(line), Ok(OutputAudience::There)) {
                        return Ok(OutputAudience::Gone);
                    }
                }
            }
            LivePlace::Terminal => {
                let last = if self.is_ending.load(Ordering::Relaxed) { ENDS_NOW } else { ENDS };
                let clock = self.context.clock();
                let lines = glance.map(|glance| lines(glance, last, size, &clock)).unwrap_or_default();
                redrawn.draw(&above, &lines, size);
            }
        }
        Ok(OutputAudience::There)
    }

    fn take_said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether an event is more than how it is carried out: what members and lead tell each other by themselves is not.
fn is_for_people(event: &TeamEvent) -> bool {
    match &event.fact {
        EventFact::Board(_) | EventFact::Team(_) => true,
        EventFact::Mail(MailFact::Acknowledged { .. }) => false,
        EventFact::Mail(MailFact::Delivered(message)) => match message.body {
            MessageBody::Text { .. } | MessageBody::PermissionAsked(_) => true,
            MessageBody::TaskAssigned { .. }
            | MessageBody::ShutdownRequest(_)
            | MessageBody::ShutdownReply(_)
            | MessageBody::AbortRequest { .. }
            | MessageBody::PermissionReply { .. }
            | MessageBody::Unknown => false,
        },
    }
}

/// The team in at most half of the rows, so that a terminal that is made lower has room for all of it, and none so long that
/// it wraps.
fn lines(glance: &TeamGlance, last: &str, size: ScreenSize, clock: &DayClock) -> Vec<String> {
    let ScreenSize { columns, rows } = size;
    let room = columns.saturating_sub(1);
    let most = (rows / 2).max(ROWS_MIN).min(rows.saturating_sub(ROWS_SPARED)).max(1);
    let tasks = match glance.tasks.total {
        0 => "no tasks yet".to_owned(),
        _ => anstream::adapter::strip_str(&task_text::counts_text(&glance.tasks)).to_string(),
    };
    let mut lines = vec![paint(TextTone::Faint, &"─".repeat(room)).to_string()];
    match glance.members.is_empty() {
        true => lines.push("no members; start one with teamster spawn NAME".to_owned()),
        false => {
            let table = list::table(&glance.members, &glance.titles, clock, room);
            lines.extend(table.lines().map(str::to_owned));
        }
    }
    let hidden = (lines.len() + 1).saturating_sub(most);
    if hidden > 0 {
        lines.truncate(most.saturating_sub(2));
        lines.push(paint(TextTone::Faint, &format!("and {} more; see teamster list", hidden + 1)).to_string());
    }
    // How to end is said whole, where a line has room for that.
    lines.push(match room.saturating_sub(width(last) + "; ".len()) {
        TASKS_COLUMNS_MIN.. => format!("{}; {last}", shorten(&tasks, room - width(last) - "; ".len())),
        _ => shorten(last, room).into_owned(),
    });
    // A table may need more than there is.
    lines.retain(|line| width(line) <= room);
    lines.truncate(most);
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use teamster_protocol::model::id::TaskId;
    use teamster_protocol::model::roster::Workspace;
    use teamster_protocol::team::{MemberState, MemberView};

    use super::*;
    use crate::front::cli::fixtures;
    use crate::ops::task::TaskCounts;

    fn member(number: usize) -> MemberView {
        let (state, tasks): (_, &[u32]) =
            if number == 1 { (MemberState::Busy, &[3]) } else { (MemberState::Idle, &[]) };
        MemberView {
            workspace: Workspace::Shared { dir: PathBuf::from("/src/a-tool-with-a-long-name") },
            ..fixtures::member(&format!("w{number}"), state, tasks)
        }
    }

    fn shown(members: usize, columns: usize, rows: usize) -> Vec<String> {
        let titles = BTreeMap::from([(TaskId(3), "make the parser say where it was".to_owned())]);
        let tasks = TaskCounts { total: 4, completed: 3, in_progress: 1, ..TaskCounts::default() };
        let glance = TeamGlance { members: (1..=members).map(member).collect(), titles, tasks };
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
        let clock = DayClock::new(jiff::tz::TimeZone::UTC, 65_000);
        lines(&glance, ENDS, ScreenSize { columns, rows }, &clock).iter().map(plain).collect()
    }

    #[test]
    fn members_and_board_at_80_columns() {
        insta::assert_snapshot!(shown(2, 80, 24).join("\n"), @"
        ───────────────────────────────────────────────────────────────────────────────
        name  state     for  task                    agent  works in               mail
        w1    busy   1m 04s  3 make the parser say…  shell  /src/a-tool-with-a-l…
        w2    idle   1m 04s                          shell  /src/a-tool-with-a-l…
        3 completed, 1 in progress; Ctrl-C ends the team
        ");
        insta::assert_snapshot!(shown(0, 60, 24).join("\n"), @"
        ───────────────────────────────────────────────────────────
        no members; start one with teamster spawn NAME
        3 completed, 1 in progress; Ctrl-C ends the team
        ");
        insta::assert_snapshot!(shown(30, 50, 14).join("\n"), @"
        ─────────────────────────────────────────────────
        name  state     for  task
        w1    busy   1m 04s  3 make the parser say where…
        w2    idle   1m 04s
        w3    idle   1m 04s
        and 27 more; see teamster list
        3 completed, 1 in progress; Ctrl-C ends the team
        ");
    }

    #[test]
    fn no_line_wraps_and_half_of_the_rows_stay_for_what_happens() {
        for (columns, rows) in [(80, 24), (40, 10), (20, 6), (120, 50), (24, 3)] {
            let lines = shown(30, columns, rows);
            assert!(lines.len() <= (rows / 2).max(ROWS_MIN), "{columns}x{rows}: {lines:?}");
            assert!(lines.iter().all(|line| width(line) < columns), "{columns}x{rows}: {lines:?}");
        }
    }
}
