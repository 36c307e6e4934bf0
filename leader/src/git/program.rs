//! The engine for what libgit2 cannot do: the `git` program.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use teamster_protocol::git::{
    GitRunner, GitStepError, IoContext, KEEPER_ADDRESS, KEEPER_NAME, first_line, path_of, records, remove_if_there,
};
use teamster_protocol::model::object_id::BadObjectId;

use super::branch::{EVERY_BRANCH, branch_of_ref, branch_ref};
use super::configuration::stat_trust;
use super::engine::{EngineUsed, FilesSnapshot, GitEngine, WorktreeHead};
use super::hidden::{TrackedFile, ignored_repositories, nested_repositories};
use super::patience::patiently;
use super::registry::{self, MAKING, WorktreeRegistration};
use super::{GitError, ObjectId, UncommittedFile, UncommittedState, WhyProgram};

/// An index of ours beside the worktree's own.
const KEEP_INDEX: &str = "teamster.index";
/// Entries on their way into it.
const SUSPECTS: &str = "teamster.suspects";

pub(super) struct ProgramEngine {
    runner: GitRunner,
    why: WhyProgram,
    git_dir: PathBuf,
    common_dir: PathBuf,
    top_level: PathBuf,
}

impl ProgramEngine {
    /// Refuses if there is no program to run.
    pub(super) fn find(
        program: &Path,
        git_dir: &Path,
        common_dir: &Path,
        top_level: &Path,
        why: WhyProgram,
    ) -> Result<ProgramEngine, GitError> {
        let runner = GitRunner::find(program, top_level).map_err(|error| match error {
            GitStepError::NoProgram { program, source } => {
                GitError::NoProgram { repository: top_level.to_owned(), why: why.clone(), program, source }
            }
            other => GitError::Step(other),
        })?;
        Ok(ProgramEngine {
            runner,
            why,
            git_dir: git_dir.to_owned(),
            common_dir: common_dir.to_owned(),
            top_level: top_level.to_owned(),
        })
    }

    /// In the repository as a whole.
    fn git<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>, GitError> {
        self.git_at(&self.common_dir, args)
    }

    fn git_at<S: AsRef<OsStr>>(&self, git_dir: &Path, args: &[S]) -> Result<Vec<u8>, GitError> {
        let mut command = self.runner.command(&self.common_dir);
        self.checked(command.arg("--git-dir").arg(git_dir).args(args))
    }

    fn git_in<S: AsRef<OsStr>>(&self, worktree: &Path, args: &[S]) -> Result<Vec<u8>, GitError> {
        self.checked(self.runner.command(worktree).args(args))
    }

    fn asked(&self, git_dir: &Path, args: &[&str]) -> Result<Option<String>, GitError> {
        let mut command = self.runner.command(&self.common_dir);
        command.arg("--git-dir").arg(git_dir).args(args);
        patiently(|| Ok(self.runner.asked_once(&mut command)?))
    }

    fn checked(&self, command: &mut Command) -> Result<Vec<u8>, GitError> {
        patiently(|| Ok(self.runner.checked_once(command)?))
    }

    /// The git program answered what it never should.
    fn bad_answer(&self, command: &str, said: String) -> GitError {
        GitError::Step(GitStepError::Refused { command: command.to_owned(), dir: self.top_level.clone(), said })
    }

    fn id(&self, command: &str, answer: &str) -> Result<ObjectId, GitError> {
        answer.parse().map_err(|error: BadObjectId| self.bad_answer(command, error.to_string()))
    }

    fn commit_named(&self, git_dir: &Path, revision: &str) -> Result<Option<ObjectId>, GitError> {
        let named = format!("{revision}^{{commit}}");
        let found = self.asked(git_dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &named]);
        match found {
            Ok(found) => found.map(|found| self.id("rev-parse --verify", &found)).transpose(),
            // A name that is no revision at all, such as `a..b`, is refused in words.
            Err(GitError::Step(GitStepError::Refused { said, .. })) if said.contains("Needed a single revision") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn with_index(&self, worktree: &Path, index: &Path, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.checked(self.runner.command(worktree).env("GIT_INDEX_FILE", index).args(args))
    }

    /// The records of the index for those files that git would not read by itself, as `update-index` takes them.
    fn suspects(&self, worktree: &Path, entries: &[u8]) -> Result<Vec<u8>, GitError> {
        let trust = stat_trust(&self.common_dir)?;
        let mut suspects = Vec::new();
        for record in records(entries) {
            if self.tracked_file(record)?.needs_reading(worktree, trust)? {
                // Without the letter and the space before it.
                suspects.extend_from_slice(&record[2..]);
                suspects.push(0);
            }
        }
        Ok(suspects)
    }

    fn tracked_file(&self, record: &[u8]) -> Result<TrackedFile, GitError> {
        tracked_file(record).ok_or_else(|| {
            let said = format!("`{}` is no entry of an index", String::from_utf8_lossy(record));
            self.bad_answer("ls-files -z -v --stage", said)
        })
    }

    /// Puts these entries into the scratch index anew, without the bits that hide them and without notes of their files,
    /// so that git reads them.
    fn reveal(&self, worktree: &Path, admin: &Path, scratch: &Path, suspects: &[u8]) -> Result<(), GitError> {
        if suspects.is_empty() {
            return Ok(());
        }
        let list = admin.join(SUSPECTS);
        fs::write(&list, suspects).about("cannot write", &list)?;
        let revealed = patiently(|| {
            let input = File::open(&list).about("cannot open", &list)?;
            let mut command = self.runner.command(worktree);
            command.env("GIT_INDEX_FILE", scratch).args(["update-index", "-z", "--index-info"]).stdin(input);
            Ok(self.runner.checked_once(&mut command).map(drop)?)
        });
        fs::remove_file(&list).about("cannot remove", &list)?;
        revealed
    }

    /// Runs `step` with the path of a scratch index in the worktree's own git directory.
    fn with_scratch_index<T>(
        &self,
        worktree: &Path,
        step: impl FnOnce(&Path, &Path) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let found = self.git_in(worktree, &["rev-parse", "--absolute-git-dir"])?;
        let admin = path_of(registry::without_line_end(&found));
        let scratch = admin.join(KEEP_INDEX);
        remove_if_there(&scratch)?;
        let done = step(&admin, &scratch);
        remove_if_there(&scratch)?;
        done
    }
}

impl GitEngine for ProgramEngine {
    fn used(&self) -> EngineUsed {
        EngineUsed::GitProgram(self.why.clone())
    }

    fn resolve(&self, revision: &str) -> Result<Option<ObjectId>, GitError> {
        self.commit_named(&self.git_dir, revision)
    }

    fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, GitError> {
        let tree = format!("{commit}^{{tree}}");
        self.id("rev-parse --verify", &first_line(&self.git(&["rev-parse", "--verify", &tree])?))
    }

    fn branch_tip(&self, branch: &str) -> Result<Option<ObjectId>, GitError> {
        self.commit_named(&self.common_dir, &branch_ref(branch))
    }

    fn branch_in_the_way(&self, branch: &str) -> Result<Option<String>, GitError> {
        for (end, _) in branch.match_indices('/') {
            if self.branch_tip(&branch[..end])?.is_some() {
                return Ok(Some(branch[..end].to_owned()));
            }
        }
        let within = format!("{}/", branch_ref(branch));
        let found = self.git(&["for-each-ref", "--count=1", "--format=%(refname:lstrip=2)", &within])?;
        Ok(Some(first_line(&found)).filter(|name| !name.is_empty()))
    }

    fn head(&self, admin: &Path) -> Result<WorktreeHead, GitError> {
        if let Some(name) = self.asked(admin, &["symbolic-ref", "--quiet", "HEAD"])? {
            return Ok(WorktreeHead::Branch(branch_of_ref(&name).to_owned()));
        }
        let at = first_line(&self.git_at(admin, &["rev-parse", "--verify", "HEAD"])?);
        Ok(WorktreeHead::Detached(self.id("rev-parse --verify HEAD", &at)?))
    }

    fn ahead(&self, base: &ObjectId, tip: &ObjectId) -> Result<usize, GitError> {
        let counted = first_line(&self.git(&["rev-list", "--count", &format!("{base}..{tip}"), "--"])?);
        counted.parse().map_err(|_| self.bad_answer("rev-list --count", format!("`{counted}` is not a number")))
    }

    fn unmerged(&self, tips: &[ObjectId], except: &str, others: &[ObjectId]) -> Result<Vec<ObjectId>, GitError> {
        let mut args = vec!["rev-list".to_owned()];
        args.extend(tips.iter().map(ToString::to_string));
        args.push("--not".to_owned());
        args.extend(others.iter().map(ToString::to_string));
        args.push(format!("--exclude={}", branch_ref(except)));
        args.push(format!("--glob={EVERY_BRANCH}"));
        args.extend(["--remotes", "--tags", "--"].map(str::to_owned));
        let found = self.git(&args)?;
        String::from_utf8_lossy(&found).lines().map(|line| self.id("rev-list", line)).collect()
    }

    fn register(&self, path: &Path, _branch: &str, base: &ObjectId) -> Result<WorktreeRegistration, GitError> {
        // Detached at first: `-b` would create the branch before the registration, and a crash between the
        // two would leave a branch that nothing tells from the user's own.
        let mut args: Vec<OsString> =
            ["worktree", "add", "--quiet", "--no-checkout", "--detach", "--lock", "--reason", MAKING]
                .map(Into::into)
                .into();
        args.extend([path.into(), base.as_str().into()]);
        self.git_in(&self.top_level, &args)?;
        registry::find(&self.common_dir, path)?.ok_or_else(|| {
            self.bad_answer("worktree add", format!("no registration of {} is to be found", path.display()))
        })
    }

    fn attach(&self, registration: &WorktreeRegistration, branch: &str) -> Result<(), GitError> {
        self.git_at(&registration.admin, &["symbolic-ref", "HEAD", &branch_ref(branch)]).map(drop)
    }

    fn create_ref(&self, name: &str, commit: &ObjectId, why: &str) -> Result<(), GitError> {
        self.git(&["update-ref", "-m", why, name, commit.as_str(), commit.absent().as_str()]).map(drop)
    }

    fn delete_branch(&self, branch: &str, expected: &ObjectId) -> Result<(), GitError> {
        self.git(&["update-ref", "-d", &branch_ref(branch), expected.as_str()]).map(drop)
    }

    fn check_out(&self, worktree: &Path) -> Result<(), GitError> {
        self.git_in(worktree, &["reset", "--hard", "--quiet", "--no-recurse-submodules"]).map(drop)
    }

    fn changes(&self, worktree: &Path) -> Result<Vec<UncommittedFile>, GitError> {
        let args = ["--no-optional-locks", "status", "--porcelain=v1", "-z", "--no-renames"];
        let options = ["--untracked-files=all", "--ignored=no", "--ignore-submodules=none"];
        let args = [&args[..], &options[..]].concat();
        let entries = self.git_in(worktree, &["ls-files", "-z", "-v", "--stage"])?;
        let tracked: Result<Vec<_>, _> = records(&entries).map(|record| self.tracked_file(record)).collect();
        let tracked = tracked?;
        let suspects = self.suspects(worktree, &entries)?;
        let found = if suspects.is_empty() {
            self.git_in(worktree, &args)?
        } else {
            self.with_scratch_index(worktree, |admin, scratch| {
                let own = admin.join("index");
                fs::copy(&own, scratch).about("cannot copy", &own)?;
                self.reveal(worktree, admin, scratch, &suspects)?;
                self.with_index(worktree, scratch, &args)
            })?
        };
        let mut changes: Vec<UncommittedFile> = records(&found).filter_map(change).collect();
        changes.extend(nested_repositories(worktree, &tracked)?);
        changes.extend(ignored_repositories(worktree, &changes)?);
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(changes)
    }

    fn strays(&self, worktree: &Path) -> Result<Vec<PathBuf>, GitError> {
        self.with_scratch_index(worktree, |admin, scratch| {
            let head = self.commit_named(admin, "HEAD")?;
            if let Some(head) = head {
                self.with_index(worktree, scratch, &["read-tree", head.as_str()])?;
            }
            let found = self.with_index(worktree, scratch, &["ls-files", "-z", "--others", "--exclude-standard"])?;
            let strays = found.split(|byte| *byte == 0).filter(|path| !path.is_empty());
            Ok(strays.map(path_of).collect())
        })
    }

    fn snapshot(&self, worktree: &Path) -> Result<FilesSnapshot, GitError> {
        self.with_scratch_index(worktree, |admin, scratch| {
            // A copy keeps what is known of files outside a sparse checkout.
            let own = admin.join("index");
            fs::copy(&own, scratch).about("cannot copy", &own)?;
            let staged = self.with_index(worktree, scratch, &["write-tree"]);
            let staged = match staged {
                Ok(tree) => Some(self.id("write-tree", &first_line(&tree))?),
                Err(GitError::Step(GitStepError::Refused { said, .. })) if said.contains("unmerged") => None,
                Err(error) => return Err(error),
            };
            let entries = self.with_index(worktree, scratch, &["ls-files", "-z", "-v", "--stage"])?;
            self.reveal(worktree, admin, scratch, &self.suspects(worktree, &entries)?)?;
            self.with_index(worktree, scratch, &["add", "--all", "--sparse", "--", "."])?;
            let files = self.id("write-tree", &first_line(&self.with_index(worktree, scratch, &["write-tree"])?))?;
            Ok(FilesSnapshot { files, staged })
        })
    }

    fn commit_tree(&self, tree: &ObjectId, parents: &[ObjectId], message: &str) -> Result<ObjectId, GitError> {
        let mut command = self.runner.command(&self.common_dir);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), KEEPER_NAME).env(format!("GIT_{role}_EMAIL"), KEEPER_ADDRESS);
        }
        command.arg("--git-dir").arg(&self.common_dir).args(["commit-tree", "--no-gpg-sign", "-m", message]);
        for parent in parents {
            command.args(["-p", parent.as_str()]);
        }
        self.id("commit-tree", &first_line(&self.checked(command.arg(tree.as_str()))?))
    }

    fn pseudo_ref(&self, admin: &Path, name: &str) -> Result<Option<ObjectId>, GitError> {
        self.commit_named(admin, name)
    }
}

/// A record of `git ls-files -z -v --stage`: a letter, the mode, the object and the stage, each and a space, then a tab and
/// the path. The letter is small for assume-unchanged, and `S` for skip-worktree.
fn tracked_file(record: &[u8]) -> Option<TrackedFile> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let head = std::str::from_utf8(&record[..tab]).ok()?;
    let mut words = head.split(' ');
    let (letter, mode, _object, stage) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(TrackedFile {
        path: record[tab + 1..].to_owned(),
        mode: u32::from_str_radix(mode, 8).ok()?,
        unwatched: letter.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == 'S'),
        conflicted: stage != "0",
    })
}

/// A record of `git status --porcelain=v1 -z`: two letters, a space, the path.
fn change(record: &[u8]) -> Option<UncommittedFile> {
    let (&[index, files, _], path) = record.split_first_chunk::<3>()?;
    let state = match (index, files) {
        (b'?', _) if path.ends_with(b"/") => UncommittedState::NestedRepository,
        (b'?', _) => UncommittedState::Untracked,
        (b'U', _) | (_, b'U') | (b'A', b'A') | (b'D', b'D') => UncommittedState::Conflicted,
        (_, b' ') => UncommittedState::Staged,
        (_, _) => UncommittedState::Modified,
    };
    Some(UncommittedFile { path: path_of(path), state })
}
