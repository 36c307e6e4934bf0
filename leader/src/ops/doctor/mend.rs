//! Mending: each act is what a person would do by hand, made under the lock of whoever else could be at it, and told.
//! Every file is copied before it is changed. A second run finds nothing to do, and one that was killed is finished by
//! the next.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::Board;
use teamster_protocol::model::id::{Address, LEAD, MemberName};
use teamster_protocol::model::mail::Mailbox;
use teamster_protocol::model::roster::{MemberPresence, Roster, TeamFact, WorkerEnd};
use teamster_protocol::store::file::{
    Durability, Log, LogFold, RepairedLog, TransactError, back_up, begin, check, clear_leftover, highest_marked_id,
    repair_carrying, repair_old,
};
use teamster_protocol::store::presence::{LockError, PresenceLock};
use teamster_protocol::store::transcript;
use teamster_protocol::team::{Team, TeamError, TeamView};

use super::numbers::{self, LostNumbers, go_on_above};
use super::report::{RepairAct, RepairOutcome, in_two_lines};
use super::{DoctorSubject, files, locks, logs, members, worktrees};
use crate::git::{ForgetOutcome, Repository, sweep_trash};

/// Mends what can be mended without losing anything; tells each act in order. Never touches a worktree's files, and
/// leaves alone what could not be looked at.
pub fn mend(subject: &DoctorSubject) -> Vec<RepairAct> {
    let mut acts = RepairActs::default();
    if subject.dir.path().exists() {
        modes(subject, &mut acts);
        all_logs(subject, &mut acts);
        transcripts(subject, &mut acts);
        roster(subject, &mut acts);
        trees(subject, &mut acts);
        sockets(subject, &mut acts);
    }
    acts.0
}

#[derive(Default)]
struct RepairActs(Vec<RepairAct>);

impl RepairActs {
    fn done(&mut self, what: String) {
        self.0.push(RepairAct { outcome: RepairOutcome::Done, what, hint: None, backup: None });
    }

    fn done_with(&mut self, what: String, backup: &Path) {
        self.0.push(RepairAct { outcome: RepairOutcome::Done, what, hint: None, backup: Some(backup.to_owned()) });
    }

    fn refused(&mut self, what: impl ToString) {
        let (what, hint) = in_two_lines(what.to_string());
        let act = RepairAct { outcome: RepairOutcome::Refused, what, hint, backup: None };
        // Each step at the same file is refused for the same reason.
        if !self.0.contains(&act) {
            self.0.push(act);
        }
    }
}

fn modes(subject: &DoctorSubject, acts: &mut RepairActs) {
    let mut open = files::walk(&subject.dir).open;
    open.insert(0, subject.dir.path().to_owned());
    for path in open {
        let close = || -> io::Result<bool> {
            let meta = fs::symlink_metadata(&path)?;
            let mode = meta.mode() & 0o7777;
            if meta.is_symlink() || mode & 0o077 == 0 {
                return Ok(false);
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o700))?;
            Ok(true)
        };
        match close() {
            Ok(true) => acts.done(format!("nobody else can use {} any more", path.display())),
            Ok(false) => {}
            Err(error) => acts.refused(format!("cannot protect {}: {error}", path.display())),
        }
    }
}

fn all_logs(subject: &DoctorSubject, acts: &mut RepairActs) {
    let dir = &subject.dir;
    roster_log(dir, subject.now_ms, acts);
    board(dir, subject.now_ms, acts);
    match logs::mailboxes(dir) {
        Ok(paths) => paths.iter().for_each(|path| one_log::<Mailbox>(path, subject.now_ms, |_| Vec::new(), acts)),
        Err(error) => acts.refused(format!("cannot list {}: {error}", dir.mail_dir().display())),
    }
    for path in logs::lost_mailboxes(dir) {
        // The generation before it may be all that is left.
        one_log::<Mailbox>(&path, subject.now_ms, |_| Vec::new(), acts);
        match begin::<Mailbox>(&path, subject.now_ms, &[]) {
            Ok(true) => {
                acts.done(format!("began an empty mailbox, {}: nothing was left of the old one", path.display()))
            }
            Ok(false) => {}
            Err(error) => acts.refused(error),
        }
    }
}

/// A roster of which nothing is left begins anew: the members that ran are not on it, and those that are spawned are.
fn roster_log(dir: &TeamDir, now_ms: u64, acts: &mut RepairActs) {
    let path = dir.roster();
    one_log::<Roster>(&path, now_ms, |_| Vec::new(), acts);
    if !logs::was_made(dir) {
        return;
    }
    match begin::<Roster>(&path, now_ms, &[]) {
        Ok(true) => acts.done("began an empty roster: nothing was left of the old one".to_owned()),
        Ok(false) => {}
        Err(error) => acts.refused(error),
    }
}

/// A number that was given to a task is never given again, also where the record of it is lost.
fn board(dir: &TeamDir, now_ms: u64, acts: &mut RepairActs) {
    let path = dir.board();
    // Before anything else: whoever follows the board takes away the views of tasks that are not on it.
    let known = numbers::highest(dir);
    // Where nothing marks how far it had come, what only the lost part knew may lie far above what is left.
    let marked = highest_marked_id(&path).is_ok_and(|id| id > 0 && id == u64::from(known));
    let begins_whole = check::<Board>(&path).is_ok_and(|found| found.is_some_and(|found| found.generation > 0));
    let gone = if marked || begins_whole { LostNumbers::Lines } else { LostNumbers::Newest };
    one_log::<Board>(&path, now_ms, |board| go_on_above(known, gone, board), acts);
    if !logs::was_made(dir) {
        return;
    }
    match begin::<Board>(&path, now_ms, &go_on_above(known, gone, &Board::default())) {
        Ok(true) => acts.done("began an empty board: nothing was left of the old one".to_owned()),
        Ok(false) => {}
        Err(error) => return acts.refused(error),
    }
    // An older board that somebody has put in its place is sound, and does not know what came after it.
    let numbered = Log::<Board>::open(&path, now_ms).map_err(TransactError::from).and_then(|mut log| {
        log.transact(LEAD, now_ms, Durability::Power, |board| {
            let facts = go_on_above(known, LostNumbers::Lines, board);
            let told = (!facts.is_empty()).then_some(known);
            Ok::<_, Infallible>((facts, told))
        })
    });
    match numbered {
        Ok(Some(last)) => acts.done(format!("the tasks on the board are numbered on after {last}, which was given")),
        // A board that can not be read after the repair was refused above.
        Ok(None) | Err(TransactError::Log(_)) => {}
        Err(error @ TransactError::NotDurable { .. }) => acts.refused(error),
        Err(TransactError::Refused(never)) => match never {},
    }
}

fn one_log<F: LogFold>(path: &Path, now_ms: u64, carry: impl FnOnce(&F) -> Vec<F::Fact>, acts: &mut RepairActs) {
    // In this order: of a file that is missing, the old generation may be all that is left, damaged or not.
    let mended = repair_carrying::<F>(path, now_ms, carry);
    for outcome in [mended, repair_old::<F>(path, now_ms)] {
        match outcome {
            Ok(RepairedLog::Nothing) => {}
            Ok(RepairedLog::Cut { bytes, backup }) => {
                acts.done_with(format!("cut {bytes} bytes of an unfinished record off {}", path.display()), &backup);
            }
            Ok(RepairedLog::Mended { kept, lost_lines, filled, backup }) => {
                let lost = match lost_lines.as_slice() {
                    [] => "none of its lines was lost".to_owned(),
                    lines => {
                        let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
                        format!("line {} of the backup cannot be read", lines.join(", "))
                    }
                };
                let path = path.display();
                let what = format!("mended {path}: {kept} records kept, {filled} numbers without a record; {lost}");
                acts.done_with(what, &backup);
            }
            Ok(RepairedLog::Restored { kept }) => {
                let path = path.display();
                acts.done(format!("made {path} anew of the generation before it: {kept} records; later ones are lost"));
            }
            Ok(RepairedLog::Cleared { backup }) => {
                acts.done_with(
                    format!("moved what stood in the place of {} aside: it was no file", path.display()),
                    &backup,
                );
            }
            Ok(RepairedLog::SetAside { backup }) => {
                acts.done_with(format!("set the old generation of {} aside", path.display()), &backup);
            }
            Err(error) => acts.refused(error),
        }
    }
    match clear_leftover::<F>(path) {
        Ok(true) => acts.done(format!("removed what was not finished beside {}", path.display())),
        Ok(false) => {}
        Err(error) => acts.refused(error),
    }
}

/// A transcript is its worker's: it is mended only while none runs.
fn transcripts(subject: &DoctorSubject, acts: &mut RepairActs) {
    let dir = &subject.dir;
    for name in locks::names(dir).unwrap_or_default() {
        let bad = logs::bad_transcripts(&dir.turns(&name));
        if bad.is_empty() {
            continue;
        }
        let _lock = match PresenceLock::take(&dir.member_lock(&name), subject.now_ms) {
            Ok(lock) => lock,
            Err(LockError::Held { .. }) => {
                acts.refused(format!("the transcripts of {name} are left alone while it runs"));
                continue;
            }
            Err(error @ (LockError::Io { .. } | LockError::Astray { .. } | LockError::Dying { .. })) => {
                acts.refused(error);
                continue;
            }
        };
        for bad in logs::bad_transcripts(&dir.turns(&name)) {
            let path = &bad.path;
            let mended = || -> Result<_, String> {
                let bytes =
                    transcript::read_file(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                let backup = back_up(path, &bytes, subject.now_ms).map_err(|error| error.to_string())?;
                let lines = (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n'));
                let whole = lines.filter(|(number, _)| !bad.bad_lines.contains(number)).flat_map(|(_, line)| line);
                let whole: Vec<u8> = whole.copied().collect();
                replace(path, &whole).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
                Ok(backup)
            };
            match mended() {
                Ok(backup) => {
                    acts.done_with(
                        format!("took {} bad lines out of {}", bad.bad_lines.len(), path.display()),
                        &backup,
                    );
                }
                Err(why) => acts.refused(why),
            }
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let within = path.parent().unwrap_or(Path::new("."));
    let mut next = tempfile::Builder::new().suffix(".tmp").tempfile_in(within)?;
    io::Write::write_all(&mut next, bytes)?;
    next.as_file().sync_all()?;
    next.persist(path)?;
    fs::File::open(within)?.sync_all()
}

/// Buries the dead, and writes down of those that nobody starts again that they left.
fn roster(subject: &DoctorSubject, acts: &mut RepairActs) {
    if !subject.dir.exists() {
        return;
    }
    let mut team = match Team::open(subject.dir.clone(), Address::Lead, Durability::Power) {
        Ok(team) => team,
        Err(error) => return acts.refused(error),
    };
    let known: Vec<MemberName> = team.roster().members().map(|(name, _)| name.clone()).collect();
    for name in &known {
        if let Err(error) = one_member(subject, &mut team, name, acts) {
            acts.refused(error);
        }
    }
    // Members that are not on the roster, and hold tasks all the same, are buried too.
    match team.sweep(|_| false) {
        Ok(names) => names.iter().for_each(|name| acts.done(format!("gave back what {name} held"))),
        Err(error) => acts.refused(error),
    }
}

fn one_member(
    subject: &DoctorSubject,
    team: &mut Team,
    name: &MemberName,
    acts: &mut RepairActs,
) -> Result<(), TeamError> {
    let mailbox = subject.dir.mailbox(&Address::Member(name.clone()));
    if !mailbox.exists() {
        Log::<Mailbox>::open(mailbox, subject.now_ms)?;
        acts.done(format!("made a mailbox for {name}"));
    }
    let reason = match &team.roster().member(name)?.presence {
        MemberPresence::Joined { process, .. } => format!("process {} was found dead", process.identity.pid),
        MemberPresence::Expected { since_ms } if members::is_stale(*since_ms, subject.now_ms) => {
            "it never got ready".to_owned()
        }
        MemberPresence::Expected { .. } | MemberPresence::Left { .. } => return Ok(()),
    };
    let lock = match team.take_lock_of_dead(name) {
        Ok(lock) => lock,
        Err(TeamError::Lock(LockError::Held { .. } | LockError::Astray { .. } | LockError::Dying { .. })) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    // The leaving may have been written down meanwhile.
    team.refresh(|_| ())?;
    if let MemberPresence::Left { .. } = team.roster().member(name)?.presence {
        return Ok(());
    }
    let tasks = team.bury(name, None, &lock)?;
    team.enroll(TeamFact::Left { name: name.clone(), how: WorkerEnd::Died { reason: reason.clone() } })?;
    let tasks: Vec<String> = tasks.iter().map(|id| id.to_string()).collect();
    let gave = if tasks.is_empty() { String::new() } else { format!("; task {} is free again", tasks.join(", ")) };
    acts.done(format!("wrote down that {name} is gone: {reason}{gave}"));
    Ok(())
}

fn trees(subject: &DoctorSubject, acts: &mut RepairActs) {
    let root = subject.dir.worktrees_dir();
    if !root.exists() || !subject.dir.exists() {
        return;
    }
    let view = match TeamView::open(subject.dir.clone()) {
        Ok(view) => view,
        Err(error) => return acts.refused(error),
    };
    for (repository, gone) in worktrees::missing(&view) {
        match Repository::discover(&repository).and_then(|repository| repository.forget_missing(&gone)) {
            Ok(ForgetOutcome::Yes) => {
                acts.done(format!("took {} off git's list: its directory is gone", gone.path.display()));
            }
            Ok(ForgetOutcome::Holds) => {
                acts.refused(format!("{} stays on git's list: the entry leads to work", gone.path.display()));
            }
            Ok(ForgetOutcome::NotMissing) => {}
            Err(error) => acts.refused(error),
        }
    }
    match sweep_trash(&root) {
        Ok(0) => {}
        Ok(trees) => acts.done(format!("deleted {trees} trees that a removal had left")),
        Err(error) => acts.refused(error),
    }
}

/// Sockets without a listener, and files that were not finished and that nobody can be at.
fn sockets(subject: &DoctorSubject, acts: &mut RepairActs) {
    let dir = &subject.dir;
    for socket in files::walk(dir).stale_sockets {
        let lock = match socket == dir.leader_socket() {
            true => dir.leader_lock(),
            false => socket.with_extension("lock"),
        };
        // A process that starts meanwhile makes a socket of its own, but only while it holds the lock.
        match PresenceLock::take_unsigned(&lock) {
            Ok(_held) => match fs::remove_file(&socket) {
                Ok(()) => acts.done(format!("removed {}", socket.display())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => acts.refused(format!("cannot remove {}: {error}", socket.display())),
            },
            Err(LockError::Held { .. }) => {}
            Err(error @ (LockError::Io { .. } | LockError::Astray { .. } | LockError::Dying { .. })) => {
                acts.refused(error)
            }
        }
    }
}
