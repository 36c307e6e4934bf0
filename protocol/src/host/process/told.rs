//! Whom a signal was for: this process, which then has to pass it on, or the whole group, which then has it already.

use nix::sys::signal::Signal;
use nix::unistd::{getpid, getsid};

/// `si_code` of what the kernel sends by itself, such as for the keys of a terminal: `SI_KERNEL`, sigaction(2).
const BY_THE_KERNEL: i32 = 0x80;

/// Whom a signal was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalTarget {
    /// This process.
    Us,
    /// Everything in the foreground of the terminal.
    Group,
}

/// The target of a signal that this process got, by its `si_code`. A signal that a person or a program sent is taken to
/// be for this process, even if it was sent to the group: the two can not be told apart.
pub fn meant_for(signal: Signal, code: i32) -> SignalTarget {
    // A terminal that goes away tells the leader of the session alone.
    let alone = || signal == Signal::SIGHUP && getsid(None) == Ok(getpid());
    if code == BY_THE_KERNEL && !alone() { SignalTarget::Group } else { SignalTarget::Us }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_for_all_and_words_for_us() {
        assert_eq!(meant_for(Signal::SIGINT, BY_THE_KERNEL), SignalTarget::Group);
        assert_eq!(meant_for(Signal::SIGINT, 0), SignalTarget::Us);
        assert_eq!(meant_for(Signal::SIGHUP, -1), SignalTarget::Us);
    }
}
