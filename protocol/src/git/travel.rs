//! Moves a worktree from one commit to another, so that a death on the way is made good by the next look.
//!
//! A note in the worktree's git directory comes first and goes last. Whoever finds one finishes the journey: git itself takes
//! the half of the files that it wrote for changes of somebody's, and would never go on. Nobody else may work in the
//! worktree meanwhile.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::error::IoContext;
use super::runner::id_of;
use super::{GitRunner, GitStepError, first_line, path_of, records};
use crate::host::crash::point;
use crate::host::plain_file;
use crate::model::limits::sizes::GIT_FILE_BYTES_MAX;
use crate::model::object_id::ObjectId;

/// The note of a journey.
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
/// The mode of a program in a tree.
const PROGRAM_MODE: &str = "100755";
/// The mode by which an entry is taken out of an index.
const NO_MODE: &str = "0";

impl RestingPlace<'_> {
    /// Moves the worktree, whose `HEAD` is on the branch of this ref and whose files and index are those of `old`, to `new`,
    /// and the ref with it. Changes that do not meet what differs between the two stay; where they do, git refuses and
    /// nothing was changed. Ignored files are nobody's to git; here they are in the way.
    pub fn travel(&self, reference: &str, old: &ObjectId, new: &ObjectId) -> Result<TravelOutcome, GitStepError> {
        let travel = Travel { old: old.clone(), new: new.clone(), reference: reference.to_owned() };
        let in_the_way = self.in_the_way(&self.travelled(&travel)?)?;
        if !in_the_way.is_empty() {
            return Ok(TravelOutcome::InTheWay(in_the_way));
        }
        let (note, part) = (self.admin.join(TRAVEL), self.admin.join(TRAVEL_PART));
        fs::write(&part, travel.line()).about("cannot write", &part)?;
        fs::rename(&part, &note).about("cannot write", &note)?;
        point("travel written");
        let mut moving = self.runner.command(self.worktree);
        moving.args(["read-tree", "-m", "-u", old.as_str(), new.as_str()]);
        if let Err(error) = self.runner.checked(&mut moving) {
            // It looks before it writes: unless it was killed or the disk is full, nothing was changed.
            if let GitStepError::Refused { .. } = &error
                && self.is_untouched(old)?
            {
                fs::remove_file(&note).about("cannot remove", &note)?;
            }
            return Err(error);
        }
        point("files moved");
        self.arrive(&travel)?;
        Ok(TravelOutcome::Arrived)
    }

    /// Whether there is a note of a journey in this git directory of a worktree.
    pub fn is_travelling(admin: &Path) -> bool {
        admin.join(TRAVEL).exists()
    }

    /// Finishes a journey whose traveller died; `None` if there is none to finish. What somebody wrote into its files since
    /// keeps its bytes, and shows as a change. Removes the lock of a git process that died with it.
    pub fn finish_travel(&self) -> Result<Option<ObjectId>, GitStepError> {
        let note = self.admin.join(TRAVEL);
        let text = match plain_file::read_whole(&note, GIT_FILE_BYTES_MAX) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.about("cannot read", &note)?,
        };
        let Some(travel) = Travel::of_line(&String::from_utf8_lossy(&text)) else {
            let damaged = io::Error::new(ErrorKind::InvalidData, "it is no note of a journey");
            return Err(GitStepError::io("cannot read", &note, damaged));
        };
        let (index, scratch) = (self.admin.join("index"), self.admin.join(SCRATCH));
        for lock in LOCKS {
            remove_if_there(&self.admin.join(lock))?;
        }
        let mut entries = Vec::new();
        for path in self.travelled(&travel)? {
            if self.is_at_old(&path)? {
                continue;
            }
            // Whether git wrote it or somebody else: to go on, git has to take it for its own.
            if !self.is_at_new(&path)? && self.is_torn(&path)? {
                let torn = self.worktree.join(&path.path);
                fs::remove_file(&torn).about("cannot remove", &torn)?;
                continue;
            }
            let entry = path.new.as_ref();
            let (mode, id) = entry.map_or((NO_MODE, travel.new.absent()), |entry| (&*entry.mode, entry.id.clone()));
            entries.extend_from_slice(format!("{mode} {id}\t").as_bytes());
            entries.extend_from_slice(path.path.as_os_str().as_bytes());
            entries.push(0);
        }
        // The rest of the journey begins at the old commit with what is settled: so git leaves that alone.
        self.with_scratch(&scratch, &["read-tree", travel.old.as_str()])?;
        self.put_entries(&scratch, &entries)?;
        let settled = first_line(&self.with_scratch(&scratch, &["write-tree"])?);
        fs::copy(&index, &scratch).about("cannot copy", &index)?;
        self.put_entries(&scratch, &entries)?;
        point("index made ready");
        self.with_scratch(&scratch, &["read-tree", "-m", "-u", &settled, travel.new.as_str()])?;
        point("files moved after all");
        fs::rename(&scratch, &index).about("cannot write", &index)?;
        point("index moved after all");
        self.arrive(&travel)?;
        Ok(Some(travel.new))
    }

    fn with_scratch(&self, scratch: &Path, args: &[&str]) -> Result<Vec<u8>, GitStepError> {
        self.runner.checked(self.runner.command(self.worktree).env("GIT_INDEX_FILE", scratch).args(args))
    }

    /// The ref moves, and the note goes.
    fn arrive(&self, travel: &Travel) -> Result<(), GitStepError> {
        let Travel { old, new, reference } = travel;
        let mut asking = self.runner.command_of(self.admin);
        let at = self.runner.asked_once(asking.args(["rev-parse", "--verify", "--quiet", reference]))?;
        if at.as_deref() != Some(new.as_str()) {
            let mut moving = self.runner.command_of(self.admin);
            moving.args(["update-ref", "-m", "teamster: to its base", reference, new.as_str(), old.as_str()]);
            self.runner.checked(&mut moving)?;
        }
        point("branch moved");
        let note = self.admin.join(TRAVEL);
        fs::remove_file(&note).about("cannot remove", &note)
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
        for path in travelled.iter().filter(|path| path.old.is_none()) {
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

    /// What lies at a path of the worktree. Nothing lies beneath what is no directory.
    fn look_at(&self, path: &Path) -> Result<Option<Metadata>, GitStepError> {
        let at = self.worktree.join(path);
        match fs::symlink_metadata(&at) {
            Ok(found) => Ok(Some(found)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(GitStepError::io("cannot look at", &at, error)),
        }
    }

    /// Whether nothing, or what the old commit has, lies there: git writes it then.
    fn is_at_old(&self, path: &TravelledPath) -> Result<bool, GitStepError> {
        match (self.look_at(&path.path)?, &path.old) {
            // A deletion by git is as good as the file that is still there; its entry tells which is to be.
            (None, _) => Ok(path.new.is_some() || path.old.is_none()),
            (Some(at), Some(old)) => self.lies_there(&path.path, &at, old),
            // A folder of the old commit, in the place of a file of the new one.
            (Some(at), None) => Ok(at.is_dir()),
        }
    }

    fn is_at_new(&self, path: &TravelledPath) -> Result<bool, GitStepError> {
        match (self.look_at(&path.path)?, &path.new) {
            (Some(at), Some(new)) => self.lies_there(&path.path, &at, new),
            (at, new) => Ok(at.is_none() && new.is_none()),
        }
    }

    /// Whether the file that lies there is this one.
    fn lies_there(&self, path: &Path, at: &Metadata, entry: &TreeEntry) -> Result<bool, GitStepError> {
        if entry.mode == SUBMODULE_MODE {
            return Ok(at.is_dir());
        }
        let file = self.worktree.join(path);
        let mut command = self.runner.command(self.worktree);
        command.arg("hash-object");
        if at.is_symlink() {
            if entry.mode != LINK_MODE {
                return Ok(false);
            }
            let target = fs::read_link(&file).about("cannot read", &file)?;
            let kept = self.admin.join(SCRATCH).with_extension("link");
            fs::write(&kept, target.as_os_str().as_bytes()).about("cannot write", &kept)?;
            let output = self.runner.checked(command.arg("--no-filters").arg("--").arg(&kept));
            remove_if_there(&kept)?;
            return Ok(id_of(&command, &output?)? == entry.id);
        }
        let is_program = at.permissions().mode() & 0o100 != 0;
        if !at.is_file() || entry.mode == LINK_MODE || is_program != (entry.mode == PROGRAM_MODE) {
            return Ok(false);
        }
        // By the path, and so through the filters that it has.
        let output = self.runner.checked(command.arg("--").arg(path))?;
        Ok(id_of(&command, &output)? == entry.id)
    }

    /// Whether a file is the beginning of what git was to write there: then git died while it wrote.
    fn is_torn(&self, path: &TravelledPath) -> Result<bool, GitStepError> {
        let (Some(at), Some(new)) = (self.look_at(&path.path)?, &path.new) else { return Ok(false) };
        if !at.is_file() || [LINK_MODE, SUBMODULE_MODE].contains(&&*new.mode) {
            return Ok(false);
        }
        let mut command = self.runner.command(self.worktree);
        command.args(["cat-file", "--filters"]);
        command.arg(format!("--path={}", path.path.display())).arg(new.id.as_str());
        let whole = self.runner.checked(&mut command)?;
        if at.len() >= whole.len() as u64 {
            return Ok(false);
        }
        let file = self.worktree.join(&path.path);
        let part = plain_file::read_whole(&file, whole.len() as u64).about("cannot read", &file)?;
        Ok(whole.starts_with(&part))
    }

    /// Puts entries, as `update-index --index-info` takes them, into an index of ours.
    fn put_entries(&self, scratch: &Path, entries: &[u8]) -> Result<(), GitStepError> {
        if entries.is_empty() {
            return Ok(());
        }
        let list = self.admin.join(SCRATCH).with_extension("entries");
        fs::write(&list, entries).about("cannot write", &list)?;
        let input = fs::File::open(&list).about("cannot open", &list)?;
        let mut command = self.runner.command(self.worktree);
        command.env("GIT_INDEX_FILE", scratch).args(["update-index", "-z", "--index-info"]).stdin(Stdio::from(input));
        let put = self.runner.checked_once(&mut command);
        remove_if_there(&list)?;
        put.map(drop)
    }

    /// Whether the index is still that of the commit.
    fn is_untouched(&self, commit: &ObjectId) -> Result<bool, GitStepError> {
        let mut command = self.runner.command(self.worktree);
        let asked = self.runner.output(command.args(["diff-index", "--cached", "--quiet", commit.as_str(), "--"]))?;
        Ok(asked.status.success())
    }
}

fn remove_if_there(path: &Path) -> Result<(), GitStepError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(GitStepError::io("cannot remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
