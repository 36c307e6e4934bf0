//! The place for what this program's own parts have to say beside a command's output. A leader in the background writes all
//! of it to its standard error, which is its log. A command leaves what a leader within it says to the team's log, and shows a
//! person the rest, and the leader's errors, as plain sentences.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use teamster_protocol::host::settings;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::SubscriberInitExt;

use super::print::AsideWriter;
use super::{CommandLine, TypedCommand};
use crate::ops::leader_log::{append_lines, leader_log};

/// Parts of this program whose words are the command's own, also in a process that leads.
const OF_THE_COMMAND: [&str; 2] = ["teamster_leader::front", "teamster_leader::ops"];

/// Sends what the parts of this program have to say to where it belongs: warnings, and of a leader in the background more.
/// With `TEAMSTER_LOG`, all goes to standard error, from that level on.
pub fn listen_to_logs(line: &CommandLine) {
    let is_log = matches!(&line.command, TypedCommand::Up(up) if up.in_background);
    let default = if is_log { LevelFilter::INFO } else { LevelFilter::WARN };
    // What is not understood is refused as soon as the settings are read, in the same words as other settings.
    let given = settings::log_level().unwrap_or(None);
    let shown = given.unwrap_or(default);
    let parts = Registry::default().with(shown);
    // A leader's log lies on the disk that may be full, and to complain of that there would be a panic. Refused only if a
    // listener is there already, which is as good.
    let _ = if is_log || given.is_some() {
        parts.with(layer().with_writer(|| AsideWriter).log_internal_errors(false)).try_init()
    } else {
        let log = layer().with_writer(LogSink::LeaderLog).with_ansi(false).log_internal_errors(false);
        let terminal = layer().event_format(PlainSentence).with_writer(LogSink::Terminal).log_internal_errors(false);
        parts.with(log).with(terminal).try_init()
    };
}

/// An event as a sentence for a person, without time, level and module.
struct PlainSentence;

impl<S, N> FormatEvent<S, N> for PlainSentence
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        to.write_str(if *event.metadata().level() == Level::ERROR { "error: " } else { "warning: " })?;
        context.format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

/// One of the two places for what a command's own process says.
#[derive(Debug, Clone, Copy)]
enum LogSink {
    LeaderLog,
    Terminal,
}

/// A writer to the one of them that an event belongs to.
enum SinkWriter {
    Nowhere,
    File(PathBuf),
    Terminal,
}

impl LogSink {
    /// The writer for an event of such a part and level, where a leader in this process has this log.
    fn writer(self, part: &str, level: Level, log: Option<PathBuf>) -> SinkWriter {
        let log = log.filter(|_| !OF_THE_COMMAND.iter().any(|own| part.starts_with(own)));
        match (self, log) {
            (LogSink::LeaderLog, Some(log)) => SinkWriter::File(log),
            (LogSink::LeaderLog, None) => SinkWriter::Nowhere,
            (LogSink::Terminal, Some(_)) if level != Level::ERROR => SinkWriter::Nowhere,
            (LogSink::Terminal, Some(_) | None) => SinkWriter::Terminal,
        }
    }
}

impl<'a> MakeWriter<'a> for LogSink {
    type Writer = SinkWriter;

    /// The writer for what is of no known part.
    fn make_writer(&'a self) -> SinkWriter {
        self.writer("", Level::ERROR, leader_log())
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> SinkWriter {
        self.writer(event.target(), *event.level(), leader_log())
    }
}

impl Write for SinkWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self {
            SinkWriter::Nowhere => {}
            SinkWriter::File(log) => {
                // What can not be kept is shown: a disk may be full, or the team gone.
                if append_lines(log, lines).is_err() {
                    AsideWriter.write_all(lines)?;
                }
            }
            SinkWriter::Terminal => AsideWriter.write_all(lines)?,
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        AsideWriter.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places that an event comes to.
    fn places(part: &str, level: Level, leads: bool) -> Vec<&'static str> {
        let log = || leads.then(|| PathBuf::from("leader.log"));
        let writers = [LogSink::LeaderLog, LogSink::Terminal].map(|sink| sink.writer(part, level, log()));
        let named = writers.iter().filter_map(|writer| match writer {
            SinkWriter::Nowhere => None,
            SinkWriter::File(_) => Some("log"),
            SinkWriter::Terminal => Some("terminal"),
        });
        named.collect()
    }

    #[test]
    fn a_leader_in_a_command_warns_in_its_log_and_its_errors_are_shown_too() {
        let daemon = "teamster_leader::daemon::roster";
        assert_eq!(places(daemon, Level::WARN, true), ["log"]);
        assert_eq!(places(daemon, Level::ERROR, true), ["log", "terminal"]);
        assert_eq!(places("teamster_protocol::store", Level::WARN, true), ["log"]);
        assert_eq!(places("teamster_leader::front::cli::run", Level::WARN, true), ["terminal"]);
        for part in [daemon, "teamster_leader::ops::down", "teamster_leader::git::marker"] {
            assert_eq!(places(part, Level::WARN, false), ["terminal"], "{part} of a command that leads nobody");
        }
    }
}
