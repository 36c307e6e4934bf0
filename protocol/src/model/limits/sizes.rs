//! The bounds on what is sent, stored, read and kept waiting, each with its unit in its name.
//!
//! A bound that people or other programs meet, or that more than one file needs, stands here. The size of a buffer and the
//! width of a column stay with the one file that knows what they are for.

/// Bytes of a line of a log, its newline included. The longest decision that is usual adds
/// [`TASKS_PER_ADD_MAX`](super::TASKS_PER_ADD_MAX) tasks, and this leaves 671 bytes to each of them: a text of 500 bytes, a
/// title, and some dependencies. A decision that needs more is refused before anything is written.
pub const LOG_LINE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a log that is looked at whole: no memory holds more, and no log comes near it.
pub const LOG_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a JSON-RPC message, without its newline.
pub const MESSAGE_LINE_BYTES_MAX: usize = 8 << 20;
/// Calls of one side that may be unanswered at a time. One more is refused as busy.
pub const CALLS_IN_FLIGHT_MAX: usize = 64;
/// Subscriptions that one side may hold at a time.
pub const SUBSCRIPTIONS_MAX: u32 = 64;
/// Notices that wait to be written, of all subscriptions of a connection together.
pub const NOTICES_QUEUED_MAX: usize = 1024;
/// Notices that wait for a subscriber on the side that takes them. One more, and the subscription is given up.
pub const NOTICES_UNREAD_MAX: usize = 1024;
/// Messages that wait for jsonrpsee's client, which takes them without waiting for anything.
pub const MESSAGES_FORWARDED_MAX: usize = 64;
/// Events and calls that wait for a leader to take them.
pub const LEADER_INPUTS_MAX: usize = 1024;
/// Links to one worker at a time; past that, the oldest that is no leader's gives way to a new one. A leader needs one.
pub const LINKS_MAX: usize = 16;
/// Notices that wait for one follower of a transcript. A follower that falls further behind is dropped, and asks again with
/// the number of the last notice it has.
pub const NOTICES_BEHIND_MAX: usize = 256;

/// Bytes of a text for a running command's input, with its newline: so much a pipe takes whole or not at all (`PIPE_BUF`).
pub const COMMAND_STEER_BYTES_MAX: usize = 4096;
/// Bytes of the text that tells an agent who it is.
pub const IDENTITY_BYTES_MAX: usize = 8 << 10;
/// Bytes of the summary with which a conversation begins.
pub const RECAP_BYTES_MAX: usize = 16 << 10;
/// Turns that such a summary tells of: the last ones.
pub const RECAP_TURNS_MAX: usize = 50;
/// Bytes of one text of such a summary: of a prompt its beginning, of an answer its end.
pub const RECAP_TEXT_BYTES_MAX: usize = 2 << 10;

/// Bytes of a prompt that is put together of several texts, but for an agent that takes less: room for the longest text of a
/// task and the longest message.
pub const PROMPT_JOINED_BYTES_MAX: usize = 2 << 20;

/// Bytes of one piece of a command's output; a longer line comes in several.
pub const OUTPUT_PIECE_BYTES_MAX: usize = 16 << 10;
/// Bytes of a line that an agent writes, with its newline. A line can hold a whole file, or a picture.
pub const AGENT_LINE_BYTES_MAX: usize = 16 << 20;
/// Bytes that wait for an agent before it counts as one that does not read.
pub const AGENT_UNREAD_BYTES_MAX: usize = 64 << 20;
/// Orders that wait for an agent that does not read.
pub const ORDERS_QUEUE_MAX: usize = 64;
/// News of an agent that wait for its worker; a driver with more to say slows its agent down.
pub const NEWS_QUEUE_MAX: usize = 32;
/// Lines that are no message of the protocol, in the life of an ACP agent, before it counts as one that speaks another
/// language. Many print a banner, or what a library of theirs has to say.
pub const ODD_LINES_MAX: u32 = 100;
/// Questions of an ACP agent or of codex that may be open at a time; more are refused.
pub const QUESTIONS_OPEN_MAX: usize = 32;

/// Characters of the beginning of a team's name: what is derived from the place comes after it.
pub const TEAM_STEM_CHARS_MAX: usize = 33;
/// Workers of a run.
pub const RUN_WORKERS_MAX: u16 = 200;
/// Attempts that the settings may give a task.
pub const ATTEMPTS_MAX: u32 = 100;
/// Hours of a length of time that a person gives: one year, so that sums with a clock never overflow.
pub const DURATION_HOURS_MAX: u64 = 365 * 24;
/// Bytes of a file of settings.
pub const CONFIG_BYTES_MAX: usize = 256 << 10;
/// Bytes of a small file of git's own, such as the name of a branch, or the path of a worktree.
pub const GIT_FILE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a plan.
pub const PLAN_BYTES_MAX: usize = 16 << 20;
/// Tasks of a plan.
pub const PLAN_TASKS_MAX: usize = 100_000;
/// Characters of a task's id within its plan.
pub const PLAN_ID_CHARS_MAX: usize = 80;
/// Columns of a title that a plan's task gets from its text.
pub const PLAN_TITLE_COLUMNS_MAX: usize = 60;
/// Problems of a plan or of settings that are told; of more only the number is.
pub const PROBLEMS_SHOWN_MAX: usize = 10;
/// Entries of its transcript that a member's status shows.
pub const LAST_ENTRIES_MAX: usize = 10;
