//! The engine for nearly every repository: libgit2, in this process, without the network.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{
    Commit, Delta, DiffOptions, ErrorCode, IndexAddOption, IndexEntry, IndexTime, Oid, Repository, Signature, Status,
    StatusOptions,
};
use teamster_protocol::git::{IoContext, KEEPER_ADDRESS, KEEPER_NAME, path_of};
use teamster_protocol::host::crash::point;
use teamster_protocol::host::plain_file;
use teamster_protocol::model::limits::sizes::GIT_FILE_BYTES_MAX;
use teamster_protocol::model::object_id::BadObjectId;

use super::branch::{EVERY_BRANCH, branch_of_ref, branch_ref};
use super::configuration::stat_trust;
use super::engine::{EngineUsed, FilesSnapshot, GitEngine, WorktreeHead};
use super::hidden::{TrackedFile, ignored_repositories, nested_repositories};
use super::patience::wait_until_gone;
use super::registry::{self, WorktreeRegistration};
use super::{GitError, ObjectId, UncommittedFile, UncommittedState};

pub(super) struct Libgit2Engine {
    common_dir: PathBuf,
    /// Opened at the common directory.
    common: Repository,
    /// Opened where the repository was found: its `HEAD` is the user's.
    found: Repository,
}

impl Libgit2Engine {
    pub(super) fn open(git_dir: &Path, common_dir: &Path) -> Result<Libgit2Engine, GitError> {
        Ok(Libgit2Engine { common_dir: common_dir.to_owned(), common: open(common_dir)?, found: open(git_dir)? })
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.common
    }

    pub(super) fn commit(&self, id: &ObjectId) -> Result<Commit<'_>, GitError> {
        self.common.find_commit(oid(id)?).map_err(self.failed("cannot read a commit of"))
    }

    /// Makes libgit2 read the files that it would not look at, by entries in its memory that note nothing of them. The
    /// index on the disk stays as it is.
    fn reveal(&self, repository: &Repository, worktree: &Path) -> Result<RevealedIndex, GitError> {
        let failed = |source| GitError::library("cannot read the index of", worktree, source);
        let trust = stat_trust(&self.common_dir)?;
        let mut index = repository.index().map_err(failed)?;
        let mut tracked = Vec::new();
        let mut suspects = Vec::new();
        let mut left_out = Vec::new();
        for entry in index.iter() {
            let file = tracked_file(&entry);
            if file.needs_reading(worktree, trust)? {
                suspects.push(entry);
            } else if file.is_left_out(worktree)? {
                left_out.push(entry);
            }
            tracked.push(file);
        }
        for entry in suspects {
            let nothing = IndexTime::new(0, 0);
            let flags = entry.flags & !ASSUME_UNCHANGED;
            let flags_extended = entry.flags_extended & !SKIP_WORKTREE;
            let known =
                IndexEntry { ctime: nothing, mtime: nothing, ino: 0, file_size: 0, flags, flags_extended, ..entry };
            index.add(&known).map_err(failed)?;
        }
        Ok(RevealedIndex { tracked, left_out })
    }

    fn failed(&self, what: &'static str) -> impl Fn(git2::Error) -> GitError {
        move |source| GitError::library(what, &self.common_dir, source)
    }

    /// `None` for one that leads to no commit: it then protects none.
    fn targets(&self, glob: &str, except: &str) -> Result<Vec<Oid>, GitError> {
        let mut targets = Vec::new();
        for reference in self.common.references_glob(glob).map_err(self.failed("cannot list the refs of"))? {
            let reference = reference.map_err(self.failed("cannot list the refs of"))?;
            if reference.name_bytes() != except.as_bytes()
                && let Ok(commit) = reference.peel_to_commit()
            {
                targets.push(commit.id());
            }
        }
        Ok(targets)
    }
}

impl GitEngine for Libgit2Engine {
    fn used(&self) -> EngineUsed {
        EngineUsed::Libgit2
    }

    fn resolve(&self, revision: &str) -> Result<Option<ObjectId>, GitError> {
        let object = match self.found.revparse_single(revision) {
            Ok(object) => object,
            Err(error) if is_nothing(&error) => return Ok(None),
            Err(source) => return Err(self.failed("cannot look up a revision in")(source)),
        };
        // A tree or a blob has a name too, but nothing can be branched from it.
        Ok(object.peel_to_commit().ok().map(|commit| id(commit.id())))
    }

    fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, GitError> {
        Ok(id(self.commit(commit)?.tree_id()))
    }

    fn branch_tip(&self, branch: &str) -> Result<Option<ObjectId>, GitError> {
        match self.common.find_reference(&branch_ref(branch)) {
            Ok(reference) => {
                let commit = reference.peel_to_commit().map_err(self.failed("cannot read a branch of"))?;
                Ok(Some(id(commit.id())))
            }
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(source) => Err(self.failed("cannot read a branch of")(source)),
        }
    }

    fn branch_in_the_way(&self, branch: &str) -> Result<Option<String>, GitError> {
        for (end, _) in branch.match_indices('/') {
            if self.branch_tip(&branch[..end])?.is_some() {
                return Ok(Some(branch[..end].to_owned()));
            }
        }
        let glob = format!("{}/*", branch_ref(branch));
        let failed = self.failed("cannot list the refs of");
        match self.common.references_glob(&glob).map_err(&failed)?.names().next() {
            Some(name) => Ok(Some(branch_of_ref(name.map_err(&failed)?).to_owned())),
            None => Ok(None),
        }
    }

    fn head(&self, admin: &Path) -> Result<WorktreeHead, GitError> {
        let file = admin.join("HEAD");
        // In an old repository it may be a link to the file of its branch, which git follows as well.
        let bytes = plain_file::read_given(&file, GIT_FILE_BYTES_MAX).about("cannot read", &file)?;
        let text = String::from_utf8(bytes).map_err(io::Error::other).about("cannot read", &file)?;
        match text.trim_end().strip_prefix("ref: ") {
            Some(name) => Ok(WorktreeHead::Branch(branch_of_ref(name).to_owned())),
            None => Ok(WorktreeHead::Detached(read_id(text.trim_end(), &file)?)),
        }
    }

    fn ahead(&self, base: &ObjectId, tip: &ObjectId) -> Result<usize, GitError> {
        let counted = self.common.graph_ahead_behind(oid(tip)?, oid(base)?);
        counted.map(|(ahead, _)| ahead).map_err(self.failed("cannot count the commits of"))
    }

    fn unmerged(&self, tips: &[ObjectId], except: &str, others: &[ObjectId]) -> Result<Vec<ObjectId>, GitError> {
        let failed = self.failed("cannot walk the commits of");
        let mut walk = self.common.revwalk().map_err(&failed)?;
        for tip in tips {
            walk.push(oid(tip)?).map_err(&failed)?;
        }
        for other in others {
            walk.hide(oid(other)?).map_err(&failed)?;
        }
        for glob in [EVERY_BRANCH, "refs/remotes/*", "refs/tags/*"] {
            for target in self.targets(glob, &branch_ref(except))? {
                walk.hide(target).map_err(&failed)?;
            }
        }
        walk.map(|found| found.map(id).map_err(&failed)).collect()
    }

    fn register(&self, path: &Path, branch: &str, _base: &ObjectId) -> Result<WorktreeRegistration, GitError> {
        let registration = registry::add(&self.common_dir, path, branch)?;
        point("worktree listed");
        registration.write_link()?;
        Ok(registration)
    }

    fn attach(&self, registration: &WorktreeRegistration, branch: &str) -> Result<(), GitError> {
        let head = registration.admin.join("HEAD");
        Ok(fs::write(&head, format!("ref: {}\n", branch_ref(branch))).about("cannot write", &head)?)
    }

    fn create_ref(&self, name: &str, commit: &ObjectId, why: &str) -> Result<(), GitError> {
        let created = self.common.reference(name, oid(commit)?, false, why);
        created.map(drop).map_err(self.failed("cannot create a ref in"))
    }

    fn delete_branch(&self, branch: &str, expected: &ObjectId) -> Result<(), GitError> {
        let failed = self.failed("cannot delete a branch of");
        let expected = oid(expected)?;
        // libgit2 looks into the packed refs without locking them. A `git pack-refs` at the same time moves
        // the branch there under its hands, or brings it back when it is done; hence look again.
        loop {
            let mut reference = match self.common.find_reference(&branch_ref(branch)) {
                Ok(reference) => reference,
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(()),
                Err(source) => return Err(failed(source)),
            };
            if reference.target() != Some(expected) {
                return Err(failed(git2::Error::from_str("it moved while it was looked at")));
            }
            match reference.delete() {
                Err(error) if error.code() != ErrorCode::NotFound => return Err(failed(error)),
                Ok(()) | Err(_) => wait_until_gone(&self.common_dir.join("packed-refs.lock"))?,
            }
        }
    }

    fn check_out(&self, worktree: &Path) -> Result<(), GitError> {
        let failed = |source| GitError::library("cannot check out", worktree, source);
        let mut how = CheckoutBuilder::new();
        how.force();
        open(worktree)?.checkout_head(Some(&mut how)).map_err(failed)
    }

    fn changes(&self, worktree: &Path) -> Result<Vec<UncommittedFile>, GitError> {
        let failed = |source| GitError::library("cannot look at the files of", worktree, source);
        let repository = open(worktree)?;
        let RevealedIndex { tracked, left_out } = self.reveal(&repository, worktree)?;
        let left_out: BTreeSet<&[u8]> = left_out.iter().map(|entry| entry.path.as_slice()).collect();
        let mut options = StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false).include_unreadable(true);
        // The index as it is in memory, with what was hidden, rather than that on the disk.
        options.no_refresh(true);
        let statuses = repository.statuses(Some(&mut options)).map_err(failed)?;
        let changes = statuses.iter().filter(|entry| !left_out.contains(entry.path_bytes())).filter_map(|entry| {
            let path = path_of(entry.path_bytes());
            state_of(entry.status(), entry.path_bytes()).map(|state| UncommittedFile { path, state })
        });
        let mut changes: Vec<UncommittedFile> = changes.collect();
        changes.extend(nested_repositories(worktree, &tracked)?);
        changes.extend(ignored_repositories(worktree, &changes)?);
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(changes)
    }

    fn strays(&self, worktree: &Path) -> Result<Vec<PathBuf>, GitError> {
        let failed = |source| GitError::library("cannot look at the files of", worktree, source);
        let repository = open(worktree)?;
        let tree = match repository.head() {
            Ok(head) => Some(head.peel_to_tree().map_err(failed)?),
            Err(error) if is_nothing(&error) => None,
            Err(source) => return Err(failed(source)),
        };
        let mut options = DiffOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true);
        let diff = repository.diff_tree_to_workdir(tree.as_ref(), Some(&mut options)).map_err(failed)?;
        let strays = diff.deltas().filter(|delta| matches!(delta.status(), Delta::Untracked | Delta::Added));
        Ok(strays.filter_map(|delta| delta.new_file().path().map(Path::to_owned)).collect())
    }

    fn snapshot(&self, worktree: &Path) -> Result<FilesSnapshot, GitError> {
        let failed = |source| GitError::library("cannot keep the files of", worktree, source);
        let repository = open(worktree)?;
        let mut index = repository.index().map_err(failed)?;
        let staged =
            if index.has_conflicts() { None } else { Some(id(index.write_tree_to(&repository).map_err(failed)?)) };
        let revealed = self.reveal(&repository, worktree)?;
        // In memory only: the worktree's own index stays as it is.
        index.add_all(["*"], IndexAddOption::DEFAULT, None).map_err(failed)?;
        for entry in &revealed.left_out {
            index.add(entry).map_err(failed)?;
        }
        let files = id(index.write_tree_to(&repository).map_err(failed)?);
        Ok(FilesSnapshot { files, staged })
    }

    fn commit_tree(&self, tree: &ObjectId, parents: &[ObjectId], message: &str) -> Result<ObjectId, GitError> {
        let failed = self.failed("cannot write a commit to");
        let keeper = Signature::now(KEEPER_NAME, KEEPER_ADDRESS).map_err(&failed)?;
        let tree = self.common.find_tree(oid(tree)?).map_err(&failed)?;
        let parents = parents.iter().map(|parent| self.commit(parent)).collect::<Result<Vec<_>, _>>()?;
        let parents: Vec<_> = parents.iter().collect();
        self.common.commit(None, &keeper, &keeper, message, &tree, &parents).map(id).map_err(&failed)
    }

    fn pseudo_ref(&self, admin: &Path, name: &str) -> Result<Option<ObjectId>, GitError> {
        let file = admin.join(name);
        let Some(text) = registry::read_path(&file)? else { return Ok(None) };
        // `MERGE_HEAD` has a line for each commit that is being merged.
        text.to_string_lossy().lines().next().map(|first| read_id(first, &file)).transpose()
    }
}

/// The entries of the index of a worktree.
struct RevealedIndex {
    /// All that is tracked, in the order of the index.
    tracked: Vec<TrackedFile>,
    /// Files that git was told not to look at and that are not there, which libgit2 takes for deleted.
    left_out: Vec<IndexEntry>,
}

/// `GIT_INDEX_ENTRY_VALID` in the flags of an entry.
const ASSUME_UNCHANGED: u16 = 0x8000;
/// `GIT_INDEX_ENTRY_SKIP_WORKTREE` in its extended flags.
const SKIP_WORKTREE: u16 = 1 << 14;
/// `GIT_INDEX_ENTRY_STAGEMASK` in the flags: not 0 for the halves of a conflict.
const STAGE: u16 = 0x3000;

fn tracked_file(entry: &IndexEntry) -> TrackedFile {
    TrackedFile {
        path: entry.path.clone(),
        mode: entry.mode,
        unwatched: entry.flags & ASSUME_UNCHANGED != 0 || entry.flags_extended & SKIP_WORKTREE != 0,
        conflicted: entry.flags & STAGE != 0,
    }
}

fn open(path: &Path) -> Result<Repository, GitError> {
    Repository::open(path).map_err(|source| GitError::library("cannot open", path, source))
}

fn id(oid: Oid) -> ObjectId {
    oid.to_string().parse().expect("the library writes ids as git does")
}

/// The id that stands in this file of git's.
fn read_id(text: &str, file: &Path) -> Result<ObjectId, GitError> {
    let read = text.parse().map_err(|error: BadObjectId| io::Error::new(ErrorKind::InvalidData, error));
    Ok(read.about("cannot read", file)?)
}

fn oid(id: &ObjectId) -> Result<Oid, GitError> {
    Oid::from_str(id.as_str()).map_err(|source| GitError::library("cannot read the id", Path::new(id.as_str()), source))
}

fn is_nothing(error: &git2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::NotFound | ErrorCode::UnbornBranch | ErrorCode::InvalidSpec | ErrorCode::Ambiguous | ErrorCode::Peel
    )
}

fn state_of(status: Status, path: &[u8]) -> Option<UncommittedState> {
    let unstaged = Status::WT_MODIFIED | Status::WT_DELETED | Status::WT_TYPECHANGE | Status::WT_RENAMED;
    let staged = Status::INDEX_NEW
        | Status::INDEX_MODIFIED
        | Status::INDEX_DELETED
        | Status::INDEX_RENAMED
        | Status::INDEX_TYPECHANGE;
    if status.is_conflicted() {
        Some(UncommittedState::Conflicted)
    } else if status.contains(Status::WT_UNREADABLE) {
        Some(UncommittedState::Unreadable)
    } else if status.intersects(unstaged) {
        Some(UncommittedState::Modified)
    } else if status.intersects(staged) {
        Some(UncommittedState::Staged)
    } else if status.is_wt_new() {
        Some(if path.ends_with(b"/") { UncommittedState::NestedRepository } else { UncommittedState::Untracked })
    } else {
        None
    }
}
