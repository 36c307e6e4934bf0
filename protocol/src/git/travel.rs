//! Moves a worktree from one commit to another, so that a death on the way is made good by the next look.
//!
//! A note in the worktree's git directory comes first and goes last. Whoever finds one finishes the journey: git itself takes
//! the half of the files that it wrote for changes of somebody's, and would never go on. Nobody else may work in the
//! worktree meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::runner::id_of;
use super::{
    GitPatience, GitRunner, GitStepError, IoContext, first_line, path_of, patiently, records, remove_if_there,
};
use crate::host::crash::point;
use crate::host::plain_file;
use crate::model::limits::pace::FOREIGN_GIT_WITHIN;
use crate::model::limits::sizes::GIT_FILE_BYTES_MAX;
use crate::model::object_id::ObjectId;

/// The note of a journey. It is locked as long as a git process that moves files lives, also one that outlived whoever
/// started it: that process has it as its standard input.
const TRAVEL: &str = "teamster.travel";
/// The note is written under this name and then renamed.
const TRAVEL_PART: &str = "teamster.travel.new";
/// An index of ours beside the worktree's own.
const SCRATCH: &str = "teamster.index";
/// The locks of the two indexes, which a git process leaves behind that is killed.
const LOCKS: [&str; 2] = ["index.lock", "teamster.index.lock"];

/// A worktree whose branch is checked out, and in which nobody works.
#[derive(Clone, Copy, Debug)]
pub struct RestingPlace<'a> {
    /// The program.
    pub runner: &'a GitRunner,
    /// The top directory of the worktree.
    pub worktree: &'a Path,
    /// Its own git directory, `<common>/worktrees/<id>`.
    pub admin: &'a Path,
}

/// What came of a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TravelOutcome {
    /// Files, index and branch are at the new commit.
    Arrived,
    /// These files, which git does not track, lie where the new commit has some of its own. Nothing was changed.
    InTheWay(Vec<PathBuf>),
}

/// A journey, as its note has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Travel {
    old: ObjectId,
    new: ObjectId,
    /// The ref that moves along.
    reference: String,
}

impl Travel {
    fn line(&self) -> String {
        format!("{} {} {}\n", self.old, self.new, self.reference)
    }

    fn of_line(line: &str) -> Option<Travel> {
        let mut words = line.strip_suffix('\n')?.splitn(3, ' ');
        let (old, new) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Travel { old, new, reference: words.next()?.to_owned() })
    }
}

/// A path that differs between the two ends of a journey; `None` where one has no such file.
struct TravelledPath {
    path: PathBuf,
    old: Option<TreeEntry>,
    new: Option<TreeEntry>,
}

/// A file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TreeEntry {
    mode: String,
    id: ObjectId,
}

/// The mode of a symbolic link in a tree.
const LINK_MODE: &str = "120000";
/// The mode of a submodule in a tree.
const SUBMODULE_MODE: &str = "160000";
/// The mode by which an entry is taken out of an index.
const NO_MODE: &str = "0";

impl RestingPlace<'_> {
    /// Moves the worktree, whose `HEAD` is on the branch of this ref and whose files and index are those of `old`, to `new`,
    /// and the ref with it. Changes that do not meet what differs between the two stay; where they do, git refuses and
    /// nothing was changed. Ignored files are nobody's to git; here they are in the way. Any other failure leaves the note,
    /// and the next look goes on.
    pub fn travel(&self, reference: &str, old: &ObjectId, new: &ObjectId) -> Result<TravelOutcome, GitStepError> {
        let travel = Travel { old: old.clone(), new: new.clone(), reference: reference.to_owned() };
        let in_the_way = self.in_the_way(&self.travelled(&travel)?)?;
        if !in_the_way.is_empty() {
            return Ok(TravelOutcome::InTheWay(in_the_way));
        }
        // Git takes a file for changed that was only touched, and looks at nothing else before it writes.
        self.refresh(&self.admin.join("index"))?;
        let mut trying = self.runner.command(self.worktree);
        self.runner.checked(trying.args(["read-tree", "-n", "-m", "-u", old.as_str(), new.as_str()]))?;
        let note = self.write_note(&travel)?;
        point("travel written");
        let mut moving = self.runner.command(self.worktree);
        moving.args(["read-tree", "-m", "-u", old.as_str(), new.as_str()]);
        self.checked_with(&note, &mut moving)?;
        point("files moved");
        self.arrive(&travel)?;
        Ok(TravelOutcome::Arrived)
    }

    /// Whether there is a note of a journey in this git directory of a worktree.
    pub fn is_travelling(admin: &Path) -> bool {
        fs::symlink_metadata(admin.join(TRAVEL)).is_ok()
    }

    /// Forgets a journey: its files are gone.
    pub fn forget_travel(admin: &Path) -> Result<(), GitStepError> {
        remove_if_there(&admin.join(TRAVEL))
    }

    /// Finishes a journey whose traveller died, once the git process that outlived it has ended; `None` if there is none to
    /// finish, or if somebody has gone elsewhere since: then nothing is written. What somebody wrote into its files since
    /// keeps its bytes, and shows as a change, unless it is a beginning of what was to be written there. Removes the lock of
    /// a git process that died.
    pub fn finish_travel(&self) -> Result<Option<ObjectId>, GitStepError> {
        let Some((note, travel)) = self.read_note()? else { return Ok(None) };
        let (index, scratch) = (self.admin.join("index"), self.admin.join(SCRATCH));
        if !self.is_on_its_way(&travel)? {
            tracing::warn!("a journey of {} is given up: it is elsewhere by now", self.worktree.display());
            RestingPlace::forget_travel(self.admin)?;
            return Ok(None);
        }
        for lock in LOCKS {
            remove_if_there(&self.admin.join(lock))?;
        }
        fs::copy(&index, &scratch).about("cannot copy", &index)?;
        self.refresh(&scratch)?;
        let entries = self.settled_entries(&travel, &scratch)?;
        // The rest of the journey begins at the old commit with what is settled: so git leaves that alone.
        self.with_scratch(&scratch, &["read-tree", travel.old.as_str()])?;
        self.put_entries(&scratch, &entries)?;
        let settled = first_line(&self.with_scratch(&scratch, &["write-tree"])?);
        fs::copy(&index, &scratch).about("cannot copy", &index)?;
        self.put_entries(&scratch, &entries)?;
        self.refresh(&scratch)?;
        point("index made ready");
        let mut moving = self.runner.command(self.worktree);
        moving.env("GIT_INDEX_FILE", &scratch).args(["read-tree", "-m", "-u", &settled, travel.new.as_str()]);
        self.checked_with(&note, &mut moving)?;
        point("files moved after all");
        fs::rename(&scratch, &index).about("cannot write", &index)?;
        point("index moved after all");
        self.arrive(&travel)?;
        Ok(Some(travel.new))
    }

    fn write_note(&self, travel: &Travel) -> Result<File, GitStepError> {
        let (note, part) = (self.admin.join(TRAVEL), self.admin.join(TRAVEL_PART));
        let mut file =
            plain_file::create_anew(OpenOptions::new().write(true).read(true), &part).about("cannot write", &part)?;
        file.write_all(travel.line().as_bytes()).about("cannot write", &part)?;
        file.lock().about("cannot lock", &part)?;
        fs::rename(&part, &note).about("cannot write", &note)?;
        Ok(file)
    }

    /// The note, locked; waits for a git process that has it still.
    fn read_note(&self) -> Result<Option<(File, Travel)>, GitStepError> {
        let note = self.admin.join(TRAVEL);
        let mut patience = GitPatience::for_foreign_git();
        let file = loop {
            let (file, _) = match plain_file::open(OpenOptions::new().read(true).write(true), &note) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                opened => opened.about("cannot read", &note)?,
            };
            match file.try_lock() {
                Ok(()) => break file,
                Err(TryLockError::WouldBlock) if patience.pause() => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(GitStepError::LockTimeout { lock: note, waited: FOREIGN_GIT_WITHIN });
                }
                Err(TryLockError::Error(error)) => return Err(GitStepError::io("cannot lock", &note, error)),
            }
        };
        let text = plain_file::read_whole(&note, GIT_FILE_BYTES_MAX).about("cannot read", &note)?;
        match Travel::of_line(&String::from_utf8_lossy(&text)) {
            Some(travel) => Ok(Some((file, travel))),
            None => {
                let damaged = io::Error::new(ErrorKind::InvalidData, "it is no note of a journey");
                Err(GitStepError::io("cannot read", &note, damaged))
            }
        }
    }

    /// Whether `HEAD` is on the ref of the journey, and that at one of its ends.
    fn is_on_its_way(&self, travel: &Travel) -> Result<bool, GitStepError> {
        let mut asking = self.runner.command_of(self.admin);
        let head = self.runner.asked_once(asking.args(["symbolic-ref", "--quiet", "HEAD"]))?;
        if head.as_deref() != Some(&travel.reference) {
            return Ok(false);
        }
        let at = self.id_of_ref(&travel.reference)?;
        Ok(at.is_some_and(|at| [&travel.old, &travel.new].contains(&&at)))
    }

    fn id_of_ref(&self, reference: &str) -> Result<Option<ObjectId>, GitStepError> {
        let mut asking = self.runner.command_of(self.admin);
        asking.args(["rev-parse", "--verify", "--quiet", reference]);
        self.runner.asked_once(&mut asking)?.map(|id| id_of(&asking, id.as_bytes())).transpose()
    }

    /// The entries, as `update-index --index-info` takes them, of the paths with which git has nothing to do any more. The
    /// scratch index is the worktree's own, refreshed.
    fn settled_entries(&self, travel: &Travel, scratch: &Path) -> Result<Vec<u8>, GitStepError> {
        let staged = self.staged(scratch)?;
        let changed = self.with_scratch(scratch, &["diff-files", "-z", "--name-only"])?;
        let changed: BTreeSet<PathBuf> = records(&changed).map(path_of).collect();
        let mut entries = Vec::new();
        for path in self.travelled(travel)? {
            let is_as_staged = !changed.contains(&path.path) && path.old.is_some();
            let settled = match staged.get(&path.path) {
                // Git wrote it, or somebody has staged it since.
                Some(entry) if is_as_staged => path.old.as_ref() != Some(entry),
                Some(_) | None => self.is_settled(&path)?,
            };
            if settled {
                let entry = path.new.as_ref();
                let (mode, id) = entry.map_or((NO_MODE, travel.new.absent()), |entry| (&*entry.mode, entry.id.clone()));
                entries.extend_from_slice(format!("{mode} {id}\t").as_bytes());
                entries.extend_from_slice(path.path.as_os_str().as_bytes());
                entries.push(0);
            }
        }
        Ok(entries)
    }

    /// Whether git has nothing to write there: it has, or what lies there is somebody's. Removes what git wrote in part.
    fn is_settled(&self, path: &TravelledPath) -> Result<bool, GitStepError> {
        let Some(at) = self.look_at(&path.path)? else { return Ok(path.new.is_none()) };
        match &path.new {
            // A folder of the old commit, in the place of a file of the new one.
            Some(_) if path.old.is_none() && at.is_dir() => Ok(false),
            Some(new) if new.mode == SUBMODULE_MODE => Ok(false),
            Some(new) if !self.lies_there(&path.path, &at, new)? && self.is_torn(&path.path, &at, new)? => {
                let torn = self.worktree.join(&path.path);
                fs::remove_file(&torn).about("cannot remove", &torn)?;
                Ok(false)
            }
            Some(_) | None => Ok(true),
        }
    }

    /// The entries of an index.
    fn staged(&self, index: &Path) -> Result<BTreeMap<PathBuf, TreeEntry>, GitStepError> {
        let mut command = self.runner.command(self.worktree);
        command.env("GIT_INDEX_FILE", index).args(["ls-files", "-z", "--stage"]);
        let output = self.runner.checked(&mut command)?;
        let mut staged = BTreeMap::new();
        for record in records(&output) {
            let Some(tab) = record.iter().position(|byte| *byte == b'\t') else { continue };
            let about = String::from_utf8_lossy(&record[..tab]);
            if let [mode, id, "0"] = about.split(' ').collect::<Vec<_>>()[..] {
                let entry = TreeEntry { mode: mode.to_owned(), id: id_of(&command, id.as_bytes())? };
                staged.insert(path_of(&record[tab + 1..]), entry);
            }
        }
        Ok(staged)
    }

    /// Lets git look again at the files of an index. What it finds changed is no failure here.
    fn refresh(&self, index: &Path) -> Result<(), GitStepError> {
        let mut command = self.runner.command(self.worktree);
        command.env("GIT_INDEX_FILE", index).args(["update-index", "-q", "--refresh"]);
        self.runner.output(&mut command).map(drop)
    }

    /// Runs a command that keeps the note locked as long as it lives.
    fn checked_with(&self, note: &File, command: &mut Command) -> Result<Vec<u8>, GitStepError> {
        patiently(GitStepError::is_passing, || {
            let held = note.try_clone().about("cannot hold the note of a journey in", self.admin)?;
            self.runner.checked_once(command.stdin(held))
        })
    }

    fn with_scratch(&self, scratch: &Path, args: &[&str]) -> Result<Vec<u8>, GitStepError> {
        self.runner.checked(self.runner.command(self.worktree).env("GIT_INDEX_FILE", scratch).args(args))
    }

    /// The ref moves, and the note goes.
    fn arrive(&self, travel: &Travel) -> Result<(), GitStepError> {
        let Travel { old, new, reference } = travel;
        if self.id_of_ref(reference)?.as_ref() != Some(new) {
            let mut moving = self.runner.command_of(self.admin);
            moving.args(["update-ref", "-m", "teamster: to its base", reference, new.as_str(), old.as_str()]);
            self.runner.checked(&mut moving)?;
        }
        point("branch moved");
        RestingPlace::forget_travel(self.admin)
    }

    /// The paths that differ between the ends of a journey.
    fn travelled(&self, travel: &Travel) -> Result<Vec<TravelledPath>, GitStepError> {
        let mut command = self.runner.command_of(self.admin);
        command.args(["diff-tree", "-r", "--raw", "-z", "--no-renames", "--no-abbrev"]);
        let output = self.runner.checked(command.args([travel.old.as_str(), travel.new.as_str()]))?;
        let mut fields = records(&output);
        let mut paths = Vec::new();
        while let (Some(about), Some(path)) = (fields.next(), fields.next()) {
            let about = String::from_utf8_lossy(about);
            let words: Vec<&str> = about.trim_start_matches(':').split(' ').collect();
            let [old_mode, new_mode, old_id, new_id, _letter] = words[..] else { continue };
            let entry = |mode: &str, id: &str| match mode {
                "000000" => Ok(None),
                mode => Ok(Some(TreeEntry { mode: mode.to_owned(), id: id_of(&command, id.as_bytes())? })),
            };
            paths.push(TravelledPath {
                path: path_of(path),
                old: entry(old_mode, old_id)?,
                new: entry(new_mode, new_id)?,
            });
        }
        Ok(paths)
    }

    /// Files that are not of the old commit and lie at, above or beneath a path that only the new one has.
    fn in_the_way(&self, travelled: &[TravelledPath]) -> Result<Vec<PathBuf>, GitStepError> {
        let leaves: BTreeSet<&Path> =
            travelled.iter().filter(|path| path.new.is_none()).map(|path| &*path.path).collect();
        let mut found = BTreeSet::new();
        // What lies in the folder of a submodule is nobody's to git either.
        let is_new = |path: &&TravelledPath| path.old.as_ref().is_none_or(|old| old.mode == SUBMODULE_MODE);
        for path in travelled.iter().filter(is_new) {
            for above in path.path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                let at = self.look_at(above)?;
                if at.is_some_and(|at| !at.is_dir()) && !leaves.contains(above) {
                    found.insert(above.to_owned());
                }
            }
            match self.look_at(&path.path)? {
                Some(at) if at.is_dir() => self.files_beneath(&path.path, &mut |file| {
                    if !leaves.contains(file) {
                        found.insert(file.to_owned());
                    }
                })?,
                Some(_) => drop(found.insert(path.path.clone())),
                None => {}
            }
        }
        Ok(found.into_iter().collect())
    }

    fn files_beneath(&self, dir: &Path, told: &mut impl FnMut(&Path)) -> Result<(), GitStepError> {
        let at = self.worktree.join(dir);
        for entry in fs::read_dir(&at).about("cannot look into", &at)? {
            let entry = entry.about("cannot look into", &at)?;
            let path = dir.join(entry.file_name());
            match entry.file_type().about("cannot look at", &entry.path())?.is_dir() {
                true => self.files_beneath(&path, told)?,
                false => told(&path),
            }
        }
        Ok(())
    }

    /// What lies at a path of the worktree. Nothing lies beneath what is no directory, nor beneath a link to one.
    fn look_at(&self, path: &Path) -> Result<Option<Metadata>, GitStepError> {
        for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
            if fs::symlink_metadata(self.worktree.join(above)).is_ok_and(|above| above.is_symlink()) {
                return Ok(None);
            }
        }
        let at = self.worktree.join(path);
        match fs::symlink_metadata(&at) {
            Ok(found) => Ok(Some(found)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(GitStepError::io("cannot look at", &at, error)),
        }
    }

    /// Whether what lies there has the bytes of this file, as git would write them.
    fn lies_there(&self, path: &Path, at: &Metadata, entry: &TreeEntry) -> Result<bool, GitStepError> {
        let file = self.worktree.join(path);
        match (at.is_symlink(), at.is_file(), &*entry.mode == LINK_MODE) {
            (true, _, true) => {
                let target = fs::read_link(&file).about("cannot read", &file)?;
                Ok(self.bytes_of(path, entry)? == target.as_os_str().as_bytes())
            }
            (false, true, false) => {
                let due = self.bytes_of(path, entry)?;
                Ok(at.len() == due.len() as u64
                    && plain_file::read_whole(&file, at.len()).about("cannot read", &file)? == due)
            }
            (_, _, _) => Ok(false),
        }
    }

    /// Whether a file is the beginning of what git was to write there: then git died while it wrote.
    fn is_torn(&self, path: &Path, at: &Metadata, entry: &TreeEntry) -> Result<bool, GitStepError> {
        if !at.is_file() || entry.mode == LINK_MODE {
            return Ok(false);
        }
        let due = self.bytes_of(path, entry)?;
        let file = self.worktree.join(path);
        Ok(at.len() < due.len() as u64
            && due.starts_with(&plain_file::read_whole(&file, at.len()).about("cannot read", &file)?))
    }

    /// What git would write there.
    fn bytes_of(&self, path: &Path, entry: &TreeEntry) -> Result<Vec<u8>, GitStepError> {
        let mut command = self.runner.command(self.worktree);
        command.arg("cat-file");
        match entry.mode == LINK_MODE {
            true => command.arg("blob"),
            false => {
                let mut of = OsString::from("--path=");
                of.push(path);
                command.arg("--filters").arg(of)
            }
        };
        self.runner.checked(command.arg(entry.id.as_str()))
    }

    /// Puts entries, as `update-index --index-info` takes them, into an index of ours.
    fn put_entries(&self, scratch: &Path, entries: &[u8]) -> Result<(), GitStepError> {
        if entries.is_empty() {
            return Ok(());
        }
        let list = self.admin.join(SCRATCH).with_extension("entries");
        fs::write(&list, entries).about("cannot write", &list)?;
        let input = File::open(&list).about("cannot open", &list)?;
        let mut command = self.runner.command(self.worktree);
        command.env("GIT_INDEX_FILE", scratch).args(["update-index", "-z", "--index-info"]).stdin(Stdio::from(input));
        let put = self.runner.checked_once(&mut command);
        remove_if_there(&list)?;
        put.map(drop)
    }
}
