//! The end of the runner by a signal. Without this its teams, whose leaders are processes of their own, and its model servers
//! would go on without it.

use std::io;
use std::process;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// The signal that told the process to end; 0 as long as none did.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// What a shell adds to the number of a signal in an exit code.
const EXIT_OF_SIGNAL: i32 = 128;

/// Takes note of the signals that tell this process to end. The second one ends it at once.
pub(super) fn listen() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let within = runtime.enter();
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [mut terminate, mut interrupt, mut hangup] = [signal(kinds[0])?, signal(kinds[1])?, signal(kinds[2])?];
    drop(within);
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let told = tokio::select! {
                    _ = terminate.recv() => kinds[0],
                    _ = interrupt.recv() => kinds[1],
                    _ = hangup.recv() => kinds[2],
                };
                let number = told.as_raw_value();
                if SIGNAL.swap(number, Ordering::SeqCst) != 0 {
                    process::exit(EXIT_OF_SIGNAL + number);
                }
                eprintln!("told to end: taking down the teams and the model servers");
            }
        });
    });
    Ok(())
}

/// The exit code of a process that was told to end; nothing if it was not.
pub(super) fn exit_code() -> Option<u8> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => None,
        number => u8::try_from(EXIT_OF_SIGNAL + number).ok(),
    }
}
