//! The tool `bash`: one command in the workspace, in a process group of its own, with a limit on its time and on what is kept
//! of its output. The command itself is not confined to the workspace, which is why it is asked for first.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::unistd::Pid;
use teamster_protocol::host::process::exit::exit_words;
use teamster_protocol::host::process::ladder::climb_ladder;
use teamster_protocol::model::kill_ladder::{KillLadder, KillSignal};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::limits::{COMMAND_TERM_GRACE, LAST_OUTPUT_WITHIN, OUTPUT_HEAD_BYTES_MAX, OUTPUT_TAIL_BYTES_MAX};
use crate::orders::{AgentOrders, TurnBreak};
use crate::tools::ToolOutcome;

/// The way in which a command came to its end.
enum CommandEnd {
    Exited(io::Result<ExitStatus>),
    TooLong,
    Broken(TurnBreak),
}

/// Runs a command until it ends, its time is over, or the turn is to end. `hidden` are variables that it is not to see.
pub(crate) async fn run_command(
    dir: &Path,
    command: &str,
    limit: Duration,
    hidden: Option<&str>,
    orders: &mut AgentOrders,
) -> Result<ToolOutcome, TurnBreak> {
    let (mut child, mut output) = match start(dir, command, hidden) {
        Ok(started) => started,
        Err(error) => return Ok(ToolOutcome::failed(format!("cannot run a shell: {error}"))),
    };
    let mut kept = BoundedOutput::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut is_open = true;
    let end = {
        let mut too_long = std::pin::pin!(sleep(limit));
        loop {
            tokio::select! {
                biased;
                stop = orders.broken() => break CommandEnd::Broken(stop),
                () = &mut too_long => break CommandEnd::TooLong,
                read = output.read(&mut buffer), if is_open => match read {
                    Ok(0) | Err(_) => is_open = false,
                    Ok(count) => kept.push(&buffer[..count]),
                },
                exit = child.wait() => break CommandEnd::Exited(exit),
            }
        }
    };
    if !matches!(end, CommandEnd::Exited(_)) {
        end_group(&mut child).await;
    }
    let rest = async {
        while let Ok(count @ 1..) = output.read(&mut buffer).await {
            kept.push(&buffer[..count]);
        }
    };
    // What the command left running may hold its output for ever.
    let _ = timeout(LAST_OUTPUT_WITHIN, rest).await;
    let said = kept.into_text();
    match end {
        CommandEnd::Broken(stop) => Err(stop),
        CommandEnd::TooLong => Ok(ToolOutcome::failed(format!(
            "{said}[ended after {} s; a longer time can be given as timeout_s]",
            limit.as_secs()
        ))),
        CommandEnd::Exited(Ok(status)) if status.success() && said.is_empty() => Ok(ToolOutcome::done("[no output]")),
        CommandEnd::Exited(Ok(status)) if status.success() => Ok(ToolOutcome::done(said)),
        CommandEnd::Exited(Ok(status)) => Ok(ToolOutcome::failed(format!("{said}[{}]", exit_words(status)))),
        CommandEnd::Exited(Err(error)) => Ok(ToolOutcome::failed(format!("{said}[cannot wait for it: {error}]"))),
    }
}

fn start(dir: &Path, command: &str, hidden: Option<&str>) -> io::Result<(Child, pipe::Receiver)> {
    let (read, write) = io::pipe()?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(read))?;
    let mut shell = Command::new(if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" });
    shell.arg("-c").arg(command).current_dir(dir).process_group(0).kill_on_drop(true);
    shell.stdin(Stdio::null()).stdout(write.try_clone()?).stderr(write);
    if let Some(variable) = hidden {
        shell.env_remove(variable);
    }
    // The command goes at the end of this function, and our copies of its ends of the pipe with it.
    Ok((shell.spawn()?, output))
}

/// Ends the command and its group: it is asked first.
async fn end_group(child: &mut Child) {
    let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw) else { return };
    let send = |signal: KillSignal| {
        signal.as_signals().iter().try_for_each(|signal| match killpg(group, *signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(io::Error::from(error)),
        })
    };
    let begin = |now_ms| KillLadder::terminate_within(now_ms, COMMAND_TERM_GRACE);
    if let Err(error) = climb_ladder(begin, send, child.wait()).await {
        eprintln!("a command does not end: {error}");
    }
    // Others of the group may be left whose leader has obeyed.
    let _ = send(KillSignal::Kill);
}

/// The begin and the end of an output.
#[derive(Debug, Default)]
struct BoundedOutput {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    missing_bytes: usize,
}

impl BoundedOutput {
    fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(OUTPUT_HEAD_BYTES_MAX - self.head.len()));
        self.head.extend(head);
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(OUTPUT_TAIL_BYTES_MAX);
        self.tail.drain(..surplus);
        self.missing_bytes += surplus;
    }

    /// The text, which ends with a line end if there is any.
    fn into_text(self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.missing_bytes > 0 {
            text.push_str(&format!("\n[{} bytes are left out here]\n", self.missing_bytes));
        }
        text.push_str(&String::from_utf8_lossy(&Vec::from(self.tail)));
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use teamster_worker::driver::script::ScriptOrder;
    use tokio::sync::mpsc;

    use super::*;

    async fn run(command: &str, limit: Duration) -> ToolOutcome {
        let (_orders, incoming) = mpsc::unbounded_channel();
        let run = run_command(Path::new("/"), command, limit, Some("HOME"), &mut AgentOrders::of(incoming)).await;
        run.expect("nobody breaks the turn")
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_command_tells_its_output_and_how_it_failed() {
        assert_eq!(run("pwd; echo err >&2; echo \"${HOME-none}\"", LONG).await, ToolOutcome::done("/\nerr\nnone\n"));
        assert_eq!(run("true", LONG).await, ToolOutcome::done("[no output]"));
        assert_eq!(run("printf x; exit 3", LONG).await, ToolOutcome::failed("x\n[exit status 3]".to_owned()));
        let left = run("sleep 600 & echo over", LONG).await;
        assert_eq!(left, ToolOutcome::done("over\n"), "what is left running is not waited for");
    }

    #[tokio::test]
    async fn a_command_without_end_is_ended_with_all_of_its_group() {
        let outcome = run("trap '' TERM; sleep 600 & echo $!; wait; sleep 600", Duration::from_millis(300)).await;
        assert!(outcome.text.contains("[ended after 0 s"), "{outcome:?}");
        let left: i32 = outcome.text.lines().next().expect("a number").parse().expect("a number");
        let gone = async {
            while nix::sys::signal::kill(Pid::from_raw(left), None).is_ok() && !is_zombie(left) {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, gone).await.expect("it is killed");
    }

    fn is_zombie(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn an_abort_ends_the_command() {
        let (orders, incoming) = mpsc::unbounded_channel();
        orders.send(ScriptOrder::Abort {}).expect("it listens");
        let run = run_command(Path::new("/"), "sleep 600", LONG, None, &mut AgentOrders::of(incoming)).await;
        assert_eq!(run, Err(TurnBreak));
    }

    #[test]
    fn a_long_output_keeps_its_begin_and_its_end() {
        let mut output = BoundedOutput::default();
        output.push(b"begin\n");
        for _ in 0..10_000 {
            output.push(b"0123456789\n");
        }
        output.push(b"end");
        let missing = 10_000 * 11 + 9 - OUTPUT_HEAD_BYTES_MAX - OUTPUT_TAIL_BYTES_MAX;
        let text = output.into_text();
        assert!(text.starts_with("begin\n0123") && text.ends_with("\nend\n"));
        assert!(text.contains(&format!("\n[{missing} bytes are left out here]\n")));
    }
}
