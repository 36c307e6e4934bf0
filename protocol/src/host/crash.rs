//! Points at which a test lets a process die: before and after every step that leaves something behind, such as a
//! record appended, a file renamed, a process started. A test that lets it die at each of them in turn, and looks
//! whether all is well after the next start, has seen every half of every step.
//!
//! Only builds with debug assertions have them; in others each is an empty function. They are counted for each process
//! from its [`begin`], and what happens is told by the environment:
//!
//! - `TEAMSTER_CRASH_AT`: `leader:log synced:3`, `worker:ada:recorded:1`: such a process aborts when it comes to a point of
//!   that name for the third, the first time,
//! - `TEAMSTER_CRASH_ONCE`: unless this file is there, which it makes, so that the process after it lives,
//! - `TEAMSTER_CRASH_AGAIN`: the same for one more death, after the first; `leader:*:2` is the second point, whatever its
//!   name, of a leader that began after the first death. Its file has `-again` at its end,
//! - `TEAMSTER_CRASH_TRACE`: a file to which a line `ROLE LIFE NUMBER TIME NAME` is added for each point that is passed.
//!   `NUMBER` counts all points of the process, `TIME` those of that name. `LIFE` is `well` before somebody has died by
//!   `TEAMSTER_CRASH_ONCE`, then `going-on` for a process that had begun by then, and `next` for one that had not.

/// Tells the role of this process, `front`, `leader` or `worker:NAME`, by which crashes are ordered; counting begins
/// anew.
#[cfg(debug_assertions)]
pub fn begin(role: &str) {
    armed::begin(role);
}

/// Does nothing in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn begin(_role: &str) {}

/// A point, named after the step before or after it. Nothing before [`begin`].
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    armed::point(name, || ());
}

/// A point; nothing in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}

/// A point in the middle of a step: `half` does a part of it, and is called only if the process dies then.
#[cfg(debug_assertions)]
pub fn point_amid(name: &str, half: impl FnOnce()) {
    armed::point(name, half);
}

/// A point in the middle of a step; nothing in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point_amid(_name: &str, _half: impl FnOnce()) {}

#[cfg(debug_assertions)]
mod armed {
    use std::collections::BTreeMap;
    use std::env;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    /// In place of a name: a point of any.
    const ANY: &str = "*";

    /// Of this process, once it has said what it is and if the environment wants anything of it.
    static COUNTING: Mutex<Option<CrashCounter>> = Mutex::new(None);

    struct CrashCounter {
        role: String,
        /// The number of times that each point was passed, by its name.
        passed: BTreeMap<String, u64>,
        /// How often, whatever the name.
        passed_any: u64,
        dies_at: Option<(String, u64)>,
        dies_again_at: Option<(String, u64)>,
        once: Option<PathBuf>,
        /// Whether it began after the first death.
        somebody_died: bool,
        trace: Option<PathBuf>,
    }

    pub(super) fn begin(role: &str) {
        let own = |name: &str| env::var(name).ok().and_then(|at| point_for(&at, role));
        let trace = env::var_os("TEAMSTER_CRASH_TRACE").map(PathBuf::from);
        let once = env::var_os("TEAMSTER_CRASH_ONCE").map(PathBuf::from);
        let dies_at = own("TEAMSTER_CRASH_AT");
        let somebody_died = once.as_ref().is_some_and(|once| once.exists());
        let dies_again_at = own("TEAMSTER_CRASH_AGAIN").filter(|(name, _)| name != ANY || somebody_died);
        let wanted = dies_at.is_some() || dies_again_at.is_some() || trace.is_some();
        let counting = wanted.then(|| CrashCounter {
            role: role.to_owned(),
            passed: BTreeMap::new(),
            passed_any: 0,
            dies_at,
            dies_again_at,
            once,
            somebody_died,
            trace,
        });
        *COUNTING.lock().unwrap_or_else(PoisonError::into_inner) = counting;
    }

    pub(super) fn point(name: &str, half: impl FnOnce()) {
        let mut counting = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counting) = &mut *counting else { return };
        counting.passed_any += 1;
        let time = counting.passed.entry(name.to_owned()).or_default();
        *time += 1;
        let here = (name.to_owned(), *time);
        counting.note(&here);
        if counting.dies(&here) || counting.dies_again(&here) {
            half();
            eprintln!("{} dies at {name}, time {}", counting.role, here.1);
            std::process::abort();
        }
    }

    impl CrashCounter {
        fn note(&self, (name, time): &(String, u64)) {
            let Some(trace) = &self.trace else { return };
            let life = match &self.once {
                _ if self.somebody_died => "next",
                Some(once) if once.exists() => "going-on",
                Some(_) | None => "well",
            };
            let line = format!("{} {life} {} {time} {name}\n", self.role, self.passed_any);
            let file = OpenOptions::new().append(true).create(true).open(trace);
            // A trace that cannot be written is noticed by the test that wants to read it.
            let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        }

        fn dies(&self, here: &(String, u64)) -> bool {
            self.dies_at.as_ref() == Some(here) && self.once.as_deref().is_none_or(is_first)
        }

        /// Only after another has died.
        fn dies_again(&self, here: &(String, u64)) -> bool {
            let (Some(at), Some(once)) = (&self.dies_again_at, &self.once) else { return false };
            let is_it = at == here || (at.0 == ANY && at.1 == self.passed_any);
            let mut again = once.clone().into_os_string();
            again.push("-again");
            is_it && once.exists() && is_first(Path::new(&again))
        }
    }

    /// Whether no process died here before; whoever asks is taken to die.
    fn is_first(once: &Path) -> bool {
        OpenOptions::new().write(true).create_new(true).open(once).is_ok()
    }

    /// The name and the time in `worker:ada:log synced:3`, if it is about this role.
    pub(super) fn point_for(at: &str, role: &str) -> Option<(String, u64)> {
        let (name, time) = at.strip_prefix(role)?.strip_prefix(':')?.rsplit_once(':')?;
        Some((name.to_owned(), time.parse().ok()?))
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::armed::point_for;

    #[test]
    fn a_point_is_one_of_one_process_only() {
        let third = Some(("log synced".to_owned(), 3));
        assert_eq!(point_for("worker:ada:log synced:3", "worker:ada"), third);
        assert_eq!(point_for("leader:log synced:3", "leader"), third);
        assert_eq!(point_for("worker:ada:log synced:3", "worker:ben"), None);
        assert_eq!(point_for("leader:log synced", "leader"), None);
        assert_eq!(point_for("leader:log synced:x", "leader"), None);
    }
}
