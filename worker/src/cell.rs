//! The cell: a worker is the first process of a PID namespace of its own where the system grants one. Whatever it
//! starts is in there for good, and the kernel ends all of it when the worker dies, by whatever hand: `setsid`, double
//! forks and ignored signals are no way out. Where a namespace is refused, the worker is a child subreaper as before,
//! which is weaker in one point: a worker that is killed can not end what it started.
//!
//! The process that was started stays outside as the *outer half* (`cell::outer`); the *inner half* is its child, and
//! the worker. Root needs no more than the namespace and mounts of its own, to show it the `/proc` that fits. Anybody
//! else gets these with a user namespace, in which the own user is all there is: `sudo` does not work there.

use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getegid, geteuid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use teamster_protocol::host::process::ancestry::own_namespace_number;
use teamster_protocol::host::process::{self, OutsideView};
use teamster_protocol::host::settings::{BadSetting, ISOLATION, WantedIsolation};
use teamster_protocol::model::roster::CellIsolation;

pub mod keeper;
mod outer;

/// Why a worker is not isolated as it was told to be.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The value of the variable is none that is known.
    #[error(transparent)]
    BadSetting(#[from] BadSetting),
    /// A namespace was asked for and is not to be had.
    #[error("cannot have a PID namespace: {why}\nset {ISOLATION}=auto to go on without where there is none")]
    Refused {
        /// The step that the system refused, and its answer.
        why: String,
    },
}

impl CellError {
    /// 1 refused, 2 usage.
    pub fn exit_code(&self) -> i32 {
        match self {
            CellError::BadSetting(_) => 2,
            CellError::Refused { .. } => 1,
        }
    }
}

/// The level that was reached, and why not a higher one.
#[derive(Debug)]
pub struct WorkerCell {
    /// The isolation that was reached.
    pub isolation: CellIsolation,
    /// The reason why a stronger isolation was refused; nothing if none was wanted.
    pub refused: Option<String>,
}

/// Goes into a cell. Returns in the worker: in the inner half if there is a namespace, else in the process as it was,
/// with nothing changed. The outer half ends in here.
///
/// To be called before there is a second thread. SIGINT, SIGTERM and SIGHUP wait from here on until the worker listens:
/// the first process of a namespace is not reached by a signal that it does not handle, so an early one would be lost.
pub fn enter(wanted: WantedIsolation) -> Result<WorkerCell, CellError> {
    end_signals().thread_block().expect("a set of signals that exist can be blocked");
    let refused = match wanted {
        WantedIsolation::Subreaper => None,
        WantedIsolation::Auto | WantedIsolation::Namespace => match split() {
            Ok(()) => return Ok(WorkerCell { isolation: CellIsolation::Namespace, refused: None }),
            Err(why) if wanted == WantedIsolation::Namespace => return Err(CellError::Refused { why }),
            Err(why) => Some(why),
        },
    };
    Ok(WorkerCell { isolation: CellIsolation::Subreaper, refused })
}

/// Lets the signals through that waited since [`enter`]. To be called once they are caught.
pub(crate) fn unblock_end_signals() {
    end_signals().thread_unblock().expect("a set of signals that exist can be unblocked");
}

/// The signals that tell a worker to end.
fn end_signals() -> SigSet {
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
}

/// The user that the inner half is in its user namespace, if it has one.
#[derive(Debug, Clone, Copy)]
enum CellUsers {
    /// The system's: it is root.
    Same,
    /// Only the own, with their own numbers.
    Own { uid: u32, gid: u32 },
}

impl CellUsers {
    fn flags(self) -> libc::c_int {
        let both = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
        match self {
            CellUsers::Same => both,
            CellUsers::Own { .. } => both | libc::CLONE_NEWUSER,
        }
    }
}

/// Becomes two. Returns in the inner half, or with the reason why there is only one.
fn split() -> Result<(), String> {
    let (uid, gid) = (geteuid(), getegid());
    let users = if uid.is_root() { CellUsers::Same } else { CellUsers::Own { uid: uid.as_raw(), gid: gid.as_raw() } };
    let (report, reporter) = io::pipe().map_err(|error| format!("opening a pipe: {error}"))?;
    match clone_into(users.flags()).map_err(|error| format!("making it: {error}"))? {
        Some(inner) => {
            drop(reporter);
            match heard(report) {
                Ok(()) => outer::stay(inner),
                Err(why) => {
                    // An error here needs no answer: the inner half ends by itself, having nothing more to do.
                    let _ = waitpid(inner, None);
                    Err(why)
                }
            }
        }
        None => {
            drop(report);
            settle_in(users, reporter);
            Ok(())
        }
    }
}

/// Reads the inner half's report about its start.
fn heard(mut report: PipeReader) -> Result<(), String> {
    let mut said = String::new();
    report.read_to_string(&mut said).map_err(|error| format!("hearing of it: {error}"))?;
    match said.as_str() {
        READY => Ok(()),
        "" => Err("its first process died".to_owned()),
        why => Err(why.to_owned()),
    }
}

/// The report of an inner half that goes on as the worker.
const READY: &str = "ready";

/// Makes the namespace fit to live in, and says so. Ends the process if it is not, or nobody is outside any more.
fn settle_in(users: CellUsers, mut reporter: PipeWriter) {
    let (said, view) = match furnish(users) {
        Ok(view) => (READY.to_owned(), Some(view)),
        Err(why) => (why, None),
    };
    // The outer half's death is told by a signal from before this on, so it is not missed.
    match (reporter.write_all(said.as_bytes()), view) {
        (Ok(()), Some(view)) => process::keep_outside_view(view),
        (Ok(()) | Err(_), _) => std::process::exit(1),
    }
}

/// Returns the view of the outside.
fn furnish(users: CellUsers) -> Result<OutsideView, String> {
    let step = |doing: &'static str| move |error: io::Error| format!("{doing}: {error}");
    let view = look_outside().map_err(step("finding out its own number"))?;
    if let CellUsers::Own { uid, gid } = users {
        // In this order, or the kernel refuses: user_namespaces(7).
        for (file, map) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{uid} {uid} 1")),
            ("gid_map", format!("{gid} {gid} 1")),
        ] {
            fs::write(Path::new("/proc/self").join(file), map).map_err(step("mapping its user"))?;
        }
    }
    let mounted = |error: nix::errno::Errno| io::Error::from(error);
    // A later mount outside is seen inside, and none the other way round.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .map_err(mounted)
        .map_err(step("parting its mounts"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
        .map_err(mounted)
        .map_err(step("mounting its /proc"))?;
    if let CellUsers::Own { .. } = users {
        // Rights over the new namespace would let the worker read files that the user's own permissions forbid.
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
            .map_err(|error| step("giving up its rights")(error.into()))?;
    }
    // The death of the outer half kills the worker outright, because the outer half is the process that others know and
    // kill. A signal that asks to end would let the worker leave in order, and be taken for one that was ended on
    // purpose. As from outside the namespace, SIGKILL can not be ignored.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(mounted).map_err(step("listening for the outer half"))?;
    Ok(view)
}

/// This process and the outer half by the `/proc` of the namespace that they came from. To be called while that is the one
/// that is mounted, and while the outer half is there: the reports that it waits for see to that.
fn look_outside() -> io::Result<OutsideView> {
    let own = fs::read_link("/proc/self")?;
    let pid =
        own.to_str().and_then(|pid| pid.parse().ok()).ok_or_else(|| io::Error::other("/proc/self is no number"))?;
    let outer_half = process::identity(process::parent(pid)?)?;
    Ok(OutsideView {
        own: process::identity(pid)?,
        outer_half,
        cell: own_namespace_number()?,
        proc_dir: Some(File::open("/proc")?.into()),
    })
}

/// As `fork`, but the child is in new namespaces. Refused as a whole if any of them is, with nothing changed. `fork` and
/// `unshare` can not do that: once in a user namespace there is no way back.
#[expect(unsafe_code, reason = "no safe interface makes a process in a new namespace without replacing its program")]
fn clone_into(flags: libc::c_int) -> io::Result<Option<Pid>> {
    let mut tid_address: u64 = 0;
    // SAFETY: the kernel writes one pointer to where the C library keeps its thread id. If it can not, this stays 0.
    let known = unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut tid_address) } == 0 && tid_address != 0;
    // As the C library's own fork has it: the child's copy of that id becomes its own.
    let tid_flags = if known { libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID } else { 0 };
    // SAFETY: all zeros is what the kernel takes for "not given".
    let mut request: libc::clone_args = unsafe { std::mem::zeroed() };
    request.flags = u64::from((flags | tid_flags).cast_unsigned());
    request.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    request.child_tid = tid_address;
    // SAFETY: neither memory nor stack is shared, so the child is a copy that goes on from here. There is one thread, as
    // `enter` demands, so nothing in the copy is held by a thread that is not there.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw const request, size_of::<libc::clone_args>()) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(Pid::from_raw(i32::try_from(pid).expect("process ids fit pid_t, they come from it")))),
    }
}
