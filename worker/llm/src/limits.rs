//! Every limit of this program, to be found and compared in one place.

use std::time::Duration;

/// How many times the model may be asked in one turn.
pub(crate) const CALLS_PER_TURN_MAX: usize = 200;
/// How often one question is put to a provider that has no room or is not to be reached.
pub(crate) const TRIES_MAX: u32 = 5;
/// The wait before the second try; each further one is twice as long.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A provider that wants a longer wait than this has reached a limit: the member is parked.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a provider may be silent. A local server may have to load its model first.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(300);
/// How long a command may run, unless the model says otherwise.
pub(crate) const COMMAND_WITHIN: Duration = Duration::from_secs(120);
/// The longest time that the model may give a command.
pub(crate) const COMMAND_WITHIN_MAX: Duration = Duration::from_secs(1_800);
/// How long a command may take to end when it is asked to.
pub(crate) const COMMAND_TERM_GRACE: Duration = Duration::from_secs(2);
/// How long to read on when a command has ended and something that it left running still holds its output.
pub(crate) const LAST_OUTPUT_WITHIN: Duration = Duration::from_millis(500);
/// The begin of a command's output that the model is shown, in bytes.
pub(crate) const OUTPUT_HEAD_BYTES_MAX: usize = 8 * 1024;
/// The end of a command's output that the model is shown, in bytes.
pub(crate) const OUTPUT_TAIL_BYTES_MAX: usize = 24 * 1024;
/// The most of a file that the model is shown at once, in bytes.
pub(crate) const SHOWN_BYTES_MAX: usize = 48 * 1024;
/// The largest file that is read or changed.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 20;
/// The longest title of a tool call, in characters.
pub(crate) const TITLE_CHARS_MAX: usize = 160;
/// The most of an answer of a provider that an error shows, in characters.
pub(crate) const REASON_CHARS_MAX: usize = 400;
/// The most of the project's own instructions that the model is told, in bytes.
pub(crate) const INSTRUCTIONS_BYTES_MAX: usize = 32 * 1024;
/// The part of the context window, in percent, at which the conversation is put in few words.
pub(crate) const CONTEXT_FULL_PERCENT: u64 = 80;
/// The least material for a summary that is worth a question, in bytes: the first and the last text.
pub(crate) const SUMMARY_BYTES_MIN: usize = 2 * SUMMARY_TEXT_BYTES_MAX;
/// The most of one text that goes into the material for a summary, in bytes.
pub(crate) const SUMMARY_TEXT_BYTES_MAX: usize = 4 * 1024;
/// A token has about so many bytes. For conversations whose provider has not counted yet.
pub(crate) const BYTES_PER_TOKEN: u64 = 4;
