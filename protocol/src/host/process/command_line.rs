//! The command line of this process, as `ps` shows it: a process that learns only after its start what it is for can say it
//! there.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use super::{ARGUMENTS_BEGIN, ARGUMENTS_END, kernel_text, nth_field};

/// Shows these words as the command line of this process, cut to the length of the one that it was started with.
pub fn show_command_line(words: &[&str]) -> io::Result<()> {
    // Not by number: within a cell this process has another one than outside.
    let own = kernel_text("/proc/self/stat")?;
    let (begin, end): (u64, u64) = (nth_field(&own, ARGUMENTS_BEGIN)?, nth_field(&own, ARGUMENTS_END)?);
    let room = usize::try_from(end.saturating_sub(begin)).map_err(io::Error::other)?;
    // A zero ends each word, and the last byte has to be one, or the environment is shown too: proc_pid_cmdline(5).
    let Some(last) = room.checked_sub(1) else { return Ok(()) };
    let mut text = words.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>();
    text.resize(last, 0);
    text.push(0);
    OpenOptions::new().write(true).open("/proc/self/mem")?.write_all_at(&text, begin)
}
