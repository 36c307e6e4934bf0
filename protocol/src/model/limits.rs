//! Every limit of the system that people or other programs meet, once, with its unit in its name. Those of sizes and
//! queues are in [`sizes`], those of the inner pace in [`pace`].

use std::time::Duration;

pub mod pace;
pub mod sizes;

/// The version both sides of a link must share; raised by any change that an older peer would misread.
pub const PROTOCOL_VERSION: u32 = 1;

/// Characters of a member, team, role or agent name.
pub const NAME_CHARS_MAX: usize = 40;
/// Bytes of the command in an agent's name that brings one, such as `cmd:claude -p {}`.
pub const AGENT_FORM_BYTES_MAX: usize = 1000;
/// Bytes of a task's text.
pub const TASK_TEXT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a message's text.
pub const MAIL_TEXT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a text that a command reads from a file or from standard input: more than that is no text of a task or a message.
pub const GIVEN_TEXT_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a title; longer ones are refused.
pub const TITLE_BYTES_MAX: usize = 400;
/// Bytes of a result, a reason or a partial result that stay with a task.
pub const RESULT_BYTES_MAX: usize = 8 << 10;
/// Bytes of the file in a repository that says which teams work there: far more than its 16 marks take.
pub const MARK_BYTES_MAX: u64 = 256 << 10;
/// Tasks added by one decision.
pub const TASKS_PER_ADD_MAX: usize = 100_000;
/// Deaths of workers a task survives before it fails, unless it says otherwise.
pub const ATTEMPTS_DEFAULT_MAX: u32 = 3;
/// Acknowledged messages a mailbox keeps for `inbox` when its log starts a new generation.
pub const MAIL_READ_KEPT_MAX: usize = 200;
/// Bytes of one transcript. What the agent says in a turn beyond is counted, not kept, and so is at twice the size what
/// others say; what is said between two turns goes on in the next file.
pub const TRANSCRIPT_BYTES_MAX: u64 = 16 << 20;
/// Questions of one member that may wait for the lead; a further one is answered with no at once.
pub const QUESTIONS_WAITING_MAX: usize = 64;
/// Bytes that are kept of the tool and of the title of a question for permission.
pub const QUESTION_TITLE_BYTES_MAX: usize = 1 << 10;
/// Bytes that are kept of the arguments that a question for permission shows; and of the command, path or address that
/// rules go by, of which nothing is kept if it is longer.
pub const QUESTION_DETAIL_BYTES_MAX: usize = 16 << 10;
/// Rules that answer questions for permission, in one file of settings.
pub const APPROVAL_RULES_MAX: usize = 100;
/// Transcripts kept for one member: a new one takes the place of the oldest.
pub const TRANSCRIPTS_KEPT_MAX: u64 = 1_000;
/// The part of a budget, in percent, at which its use is told.
pub const BUDGET_WARN_PERCENT: u64 = 80;
/// Bytes of a file that keeps what a process says on standard error, before it is begun anew; the last so many are kept
/// beside it.
pub const STDERR_LOG_BYTES_MAX: u64 = 4 << 20;
/// The part of such a file that is read for the last words of a process that died.
pub const LOG_TAIL_BYTES_MAX: u64 = 4 << 10;

/// Files that a leader lets itself have open, where the system's hard limit is not lower: room for 20,000 members.
pub const OPEN_FILES_MAX: u64 = 65_536;

/// How often a process looks at its files although nothing told it to (network file systems, lost events).
pub const SLOW_POLL: Duration = Duration::from_secs(5);
/// The time a worker has to answer `initialize` and become ready. Most of it is the agent's: opencode takes up to 18 s on a
/// busy machine.
pub const START_WITHIN: Duration = Duration::from_secs(60);
/// How long an agent that is one process for all of its turns may have nothing to do before it is ended until the next one.
pub const AGENT_IDLE_AFTER: Duration = Duration::from_secs(600);
/// The time a worker has to answer a shutdown request before the ladder goes up.
pub const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);
/// The time from SIGTERM to SIGKILL.
pub const TERM_GRACE: Duration = Duration::from_secs(3);
/// From SIGKILL until it is reported that a process does not end.
pub const KILL_GRACE: Duration = Duration::from_secs(5);
/// From one look to the next whether processes that are being ended are gone, where nothing tells of their deaths.
pub const DEATH_LOOK: Duration = Duration::from_millis(5);
/// How often children that are being ended are looked at although no death was heard of: the kernel's list of children may
/// miss one while others come and go.
pub const CHILDREN_LOOK: Duration = Duration::from_millis(50);
/// How long a worker goes on without a leader.
pub const LEADER_GRACE: Duration = Duration::from_secs(30);
/// The time after a worker was ready until its leader starts a spare one, if it has none: what comes in one go, such as the
/// workers of a run, is not slowed by it, and a team that lives for a moment does without.
pub const SPARE_AFTER: Duration = Duration::from_secs(1);
/// How long a worker waits before it tries again to write down what it could not.
pub const RECORD_RETRY: Duration = Duration::from_secs(1);
/// Deaths of a leader or a member's worker within [`RESTARTS_WITHIN`] after which it is started again; one more, and it is
/// given up.
pub const RESTARTS_MAX: usize = 5;
/// The time in which such deaths are counted.
pub const RESTARTS_WITHIN: Duration = Duration::from_secs(60);
/// From the first of them to the next start; doubled with each further one.
pub const RESTART_DELAY_MIN: Duration = Duration::from_millis(100);
/// The longest time from a death to the next start.
pub const RESTART_DELAY_MAX: Duration = Duration::from_secs(5);
/// How long a member waits for a provider that takes no more and does not say until when.
pub const PARK_DEFAULT: Duration = Duration::from_secs(300);
/// How far away the end of a provider's limit may be that is read out of words: a week, and a day.
pub const LIMIT_RESET_WITHIN: Duration = Duration::from_secs(8 * 24 * 3600);
/// How long it waits at least, also for a reset that is past already.
pub const PARK_MIN: Duration = Duration::from_secs(1);
/// How long a member waits for a provider that has no room, before it tries again what its agent has given up; doubled with
/// each further try up to [`PARK_DEFAULT`].
pub const PROVIDER_WAIT_MIN: Duration = Duration::from_secs(5);
/// The tries after which a member gives up a provider that has no room.
pub const PROVIDER_TRIES_MAX: u32 = 10;
/// How long an agent's question for permission may stay open unless set; then the answer is no.
pub const PERMISSION_WITHIN: Duration = Duration::from_secs(600);
/// How long an agent may say nothing in a turn before that is shown.
pub const STALL_AFTER: Duration = Duration::from_secs(600);
/// The time a worker may take to answer a ping; after twice that it is shown as hung.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The length that is kept of the last output of a turn whose worker died.
pub const LAST_WORDS_BYTES_MAX: usize = 2 << 10;
/// How many lines of a lost prompt are told to the lead; `logs` has the rest.
pub const LOST_LINES_MAX: usize = 4;
/// How many characters of each of them.
pub const LOST_LINE_CHARS_MAX: usize = 200;
/// How long a worker that starts waits for its member's lock while it is held by whoever gives back what the one before it
/// held: that is a write to the board, and the disk may be slow.
pub const MEMBER_LOCK_WITHIN: Duration = Duration::from_secs(3);
/// How often a lock is tried that another process holds.
pub const LOCK_RETRY: Duration = Duration::from_millis(20);
/// How long a log's lock may be held by others, who write nothing, before a step on the log is refused: its holder
/// hangs.
pub const LOG_LOCK_WITHIN: Duration = Duration::from_secs(10);
/// The same for a leader that ends its team by force: who holds the lock is about to be killed, or no worker of it.
pub const LOG_LOCK_BY_FORCE: Duration = Duration::from_millis(200);

/// The size past which a log starts its next generation, unless most of it is live state.
pub const GENERATION_BYTES_MAX: u64 = 8 * 1024 * 1024;
