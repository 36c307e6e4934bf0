//! Times that one program keeps by itself: no format and no other program depends on them, so SPEC.md does not list them.

use std::time::Duration;

use super::{KILL_GRACE, START_WITHIN, TERM_GRACE};

// The leader.

/// How long a leader whose team is gone waits for its workers to end: for the whole ladder, and a start that is given up.
pub const END_WITHOUT_TEAM_WITHIN: Duration = Duration::from_secs(TERM_GRACE.as_secs() + 2 * KILL_GRACE.as_secs());
/// From the goodbye of a worker that is no child of its leader, or the end of its link, to the first look whether it has
/// ended; doubled with each further one.
pub const GOODBYE_LOOK: Duration = Duration::from_millis(20);
/// How long a leader that begins waits for a lock whose holder does not answer.
pub const LEADER_LOCK_WITHIN: Duration = Duration::from_secs(1);
/// How long whoever starts a member again waits for the worker that has just said goodbye: for its agent to end, by force if
/// need be, and for its followers.
pub const LEAVING_WITHIN: Duration = Duration::from_secs(TERM_GRACE.as_secs() + 2 * KILL_GRACE.as_secs());
/// From a call that could not be taken, for want of descriptors, to the next try.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How often the demo looks for the first words of an agent, whose transcript may not be there yet.
pub const DEMO_LOOK: Duration = Duration::from_millis(20);
/// How long a new leader waits for the workers that it found before it takes calls.
pub const LINK_WITHIN: Duration = Duration::from_secs(1);
/// How long the answer to a ping is waited for: as long as there is a link, since a late answer says that the worker is well
/// again.
pub const PULSE_ANSWER_WAIT: Duration = Duration::from_secs(u32::MAX as u64);

/// Between two looks of a run with a budget at what its tasks have used.
pub const BUDGET_LOOK: Duration = Duration::from_secs(1);

// The worker.

/// How long a worker takes no new link after the system refused one.
pub const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How long followers may take to read the last notices of a worker, and the leader the last answers.
pub const FAREWELL: Duration = Duration::from_secs(1);
/// How long the last lines of a program that has exited may take to arrive: what it started may hold the pipe open.
pub const LAST_LINES_WITHIN: Duration = Duration::from_millis(200);
/// How long a line without an end waits for it before it is shown as it is: a question may stand there.
pub const PARTIAL_LINE_WAIT: Duration = Duration::from_millis(100);
/// How long what a shell left running may take to finish by itself before the turn ends.
pub const TURN_LINGER: Duration = Duration::from_millis(200);
/// From SIGTERM to SIGKILL for the processes of a turn. Shorter than [`TERM_GRACE`]: a worker that is told to
/// end ends its turn within its own.
pub const TURN_TERM_GRACE: Duration = Duration::from_secs(2);

// Repositories.

/// How long a step on a repository waits for the lock files of a git that is not ours.
pub const FOREIGN_GIT_WITHIN: Duration = Duration::from_secs(10);
/// How long a step on a repository waits for others of ours to be done with theirs.
pub const REPOSITORY_LOCK_WITHIN: Duration = Duration::from_secs(60);
/// From one look at the locks of a repository to the next, at most.
pub const REPOSITORY_LOOK_MAX: Duration = Duration::from_millis(20);
/// From one look at the locks of a repository to the next, at first.
pub const REPOSITORY_LOOK_MIN: Duration = Duration::from_millis(1);

// Logs and files.

/// How often files are looked at where the system grants no watches: often enough for people, cheap enough for ever.
pub const FALLBACK_POLL: Duration = Duration::from_millis(250);
/// How often the lock of a log is tried by a command that cannot wait in the kernel.
pub const LOG_LOCK_RETRY: Duration = Duration::from_millis(10);
/// The first pause before such a lock is tried again while its holder is most likely about to let go; the pauses grow.
pub const LOG_LOCK_PAUSE: Duration = Duration::from_micros(200);
/// How long a repair waits for the lock of a log; a writer holds it for one append.
pub const REPAIR_LOCK_WITHIN: Duration = Duration::from_secs(2);

// Calls and clocks.

/// The time-out of the client that our calls go through: ours comes first.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);
/// The least by which the clock of the day is taken to have been set: less is its own drift, or the time between two readings.
pub const CLOCK_SET_MIN: Duration = Duration::from_millis(500);
/// How long a connection that ends may still write what is queued.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a call waits for its answer, unless its caller says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

// Commands.

/// The time that an agent's program has to be ready: less than its worker has, so that the worker can still tell why it
/// ends.
pub const AGENT_READY_WITHIN: Duration = START_WITHIN.saturating_sub(Duration::from_secs(5));
/// How long a writer may hold the lock of a log before `doctor` says that it has stopped: an append takes microseconds.
pub const APPEND_WITHIN: Duration = Duration::from_secs(1);
/// How often `down` and `shutdown` say again for whom they wait.
pub const AWAITED_TOLD_EVERY: Duration = Duration::from_secs(30);
/// How long a call waits that ends when something happens, such as a turn: as long as the leader lives.
pub const CALL_PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long any one step of the demo may take; each takes well under a second.
pub const DEMO_STEP_WITHIN: Duration = Duration::from_secs(10);
/// The same where the members are agents that ask a model.
pub const DEMO_AGENT_STEP_WITHIN: Duration = Duration::from_secs(300);
/// How long a member may be expected before `doctor` says that its start was given up: whoever started it is gone.
pub const EXPECTED_WITHIN: Duration = START_WITHIN.saturating_mul(2);
/// How long a leader may take to answer a command that only looks, before that says that the leader hangs.
pub const HANGING_LOOK_WITHIN: Duration = Duration::from_secs(1);
/// How long a leader may take to answer `doctor`.
pub const LEADER_ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a leader may take to go after its last answer: before it goes it ends, twice, what dead workers left.
pub const LEADER_GONE_WITHIN: Duration = Duration::from_secs(3 * KILL_GRACE.as_secs());
/// How often the team that `up` shows is drawn although nothing happened: for how long each is at what it is.
pub const LIVE_CLOCK: Duration = Duration::from_secs(1);
/// From one drawing of the team that `up` shows to the next, however much happens.
pub const LIVE_FRAME: Duration = Duration::from_millis(100);
/// From one drawing of the panel of a run to the next.
pub const PANEL_FRAME: Duration = Duration::from_millis(120);
/// How long `approve` and `deny` wait until a worker has read an answer that went by mail.
pub const REPLY_SEEN_WITHIN: Duration = Duration::from_secs(5);
/// From one look to the next whether tasks that are waited for go on, however much is written.
pub const STANDSTILL_LOOK: Duration = Duration::from_secs(1);
/// From a stop that a member refused, being between two turns, to the next try.
pub const STOP_AGAIN: Duration = Duration::from_millis(100);
/// How long the tasks of a run that is ended may take to stop. Then the members of the run are killed, and of others it is
/// said that they go on.
pub const TASKS_STOPPED_WITHIN: Duration = Duration::from_secs(TURN_TERM_GRACE.as_secs() + KILL_GRACE.as_secs());
/// How long a program may take to tell its version.
pub const PROGRAM_ANSWER_WITHIN: Duration = Duration::from_secs(5);
