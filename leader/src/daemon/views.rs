//! `tasks/<id>.json`: each task whole, for people and tools. A thread of its own follows the board's log and
//! writes what changed, so that a slow disk delays a view and nothing else. The log is the truth; a view is
//! never read back.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::point;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, BoardFact, ViewError};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::store::file::{LogError, Reader};

/// The writer of the views. Dropping it lets the thread finish what is due and waits for that.
#[derive(Debug)]
pub(super) struct Views {
    poke: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Views {
    /// Starts the thread, which first brings all views up to date.
    pub(super) fn start(dir: TeamDir) -> io::Result<Views> {
        // Room for one: pokes that come while it writes are one poke.
        let (poke, poked) = sync_channel(1);
        let thread = thread::Builder::new().name("views".to_owned()).spawn(move || follow(dir, &poked))?;
        let views = Views { poke: Some(poke), thread: Some(thread) };
        views.poke();
        Ok(views)
    }

    /// Says that the board may have changed. Never blocks.
    pub(super) fn poke(&self) {
        if let Some(poke) = &self.poke {
            match poke.try_send(()) {
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => tracing::error!("the views are no longer written"),
            }
        }
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.poke = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the views panicked");
        }
    }
}

/// What the thread knows.
struct Follower {
    dir: TeamDir,
    board: Option<Reader<Board>>,
    /// The tasks whose views are not up to date: what fails stays here for the next time.
    due: BTreeSet<TaskId>,
}

/// Why the views are not up to date.
#[derive(Debug, thiserror::Error)]
enum Behind {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn follow(dir: TeamDir, poked: &Receiver<()>) {
    let mut follower = Follower { dir, board: None, due: BTreeSet::new() };
    let mut complaints = Complaints::default();
    while poked.recv().is_ok() {
        // Once for all of them: on a full disk each of a hundred thousand would say the same.
        match follower.catch_up() {
            Ok(()) => complaints.over("views"),
            Err(why) if complaints.is_news("views", &why.to_string()) => {
                tracing::warn!("{} views are behind: {why}", follower.due.len());
            }
            Err(_) => {}
        }
    }
}

impl Follower {
    fn catch_up(&mut self) -> Result<(), Behind> {
        let Follower { dir, board, due } = self;
        let mut changed = BTreeSet::new();
        let (reader, told) = match board {
            Some(reader) => {
                let met = reader.refresh(|record| changed.extend(record.facts.iter().flat_map(affected)));
                (reader, met.map(|met| met.missed == 0))
            }
            None => (board.insert(Reader::open(dir.board())?), Ok(false)),
        };
        // A task shows what waits for it and what it waits for: both sides change together.
        let near =
            changed.iter().filter_map(|id| reader.state().task(*id).ok()).flat_map(|task| task.into_owned().blocks);
        due.extend(near);
        due.append(&mut changed);
        if !told? {
            due.extend(reader.state().tasks().map(|(id, _)| id));
            due.extend(written(dir));
        }
        while let Some(&id) = due.first() {
            let path = dir.task_view(id);
            let done = match reader.state().view(id, &mut |offset| reader.read_at(offset)) {
                Ok(view) => {
                    let mut text = serde_json::to_vec_pretty(&view).expect("a view is plain data");
                    text.push(b'\n');
                    replace(&path, &text)
                }
                Err(ViewError::Refused(_)) => remove(&path),
                Err(ViewError::Log(error)) => return Err(error.into()),
            };
            done.map_err(|source| Behind::Io { path, source })?;
            due.remove(&id);
        }
        Ok(())
    }
}

fn affected(fact: &BoardFact) -> Vec<TaskId> {
    let mut ids = fact.tasks();
    match fact {
        BoardFact::Added { task, .. } => ids.extend(&task.after),
        BoardFact::DependencyAdded { on, .. } | BoardFact::DependencyRemoved { on, .. } => ids.push(*on),
        BoardFact::Claimed(_)
        | BoardFact::Completed { .. }
        | BoardFact::Failed { .. }
        | BoardFact::Released { .. }
        | BoardFact::Assigned { .. }
        | BoardFact::Unassigned { .. }
        | BoardFact::Retried { .. }
        | BoardFact::Cancelled { .. }
        | BoardFact::Cleared { .. }
        | BoardFact::Waiting(_)
        | BoardFact::Away { .. }
        | BoardFact::Kept(_)
        | BoardFact::Numbered { .. } => {}
    }
    ids
}

/// The tasks that have a view, of which some may be cleared by now.
fn written(dir: &TeamDir) -> Vec<TaskId> {
    let Ok(files) = fs::read_dir(dir.tasks_dir()) else { return Vec::new() };
    let id = |name: &str| name.strip_suffix(".json")?.parse().ok();
    files.filter_map(|file| id(file.ok()?.file_name().to_str()?)).collect()
}

/// Puts a new text in place in one step. A plain rename over a file makes ext4 write it to the disk first
/// (1.2 ms); to swap the two names and remove the old one does not, and a reader never finds the name missing.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    drop(file);
    point("view written");
    match renameat2(AT_FDCWD, &new, AT_FDCWD, path, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => {
            point("views exchanged");
            fs::remove_file(&new)
        }
        Err(_) => fs::rename(&new, path),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use teamster_protocol::model::board::Scope;
    use teamster_protocol::model::id::Address;
    use teamster_protocol::model::task::{NewTask, Work};
    use teamster_protocol::store::file::Durability;
    use teamster_protocol::team::Team;
    use teamster_protocol::wire::api::TaskCommand;

    use super::*;

    fn shown(dir: &TeamDir) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir.tasks_dir())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_view_that_could_not_be_written_is_written_later_and_a_cleared_task_has_none() {
        let root = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        let mut team = Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap();
        let tasks = ["one", "two"].map(|text| NewTask::new(Work::Run(text.to_owned())));
        team.command(TaskCommand::Add { tasks: tasks.into() }).unwrap();
        // A view of an earlier leader's, whose task was cleared while nobody looked.
        fs::write(dir.task_view(TaskId(9)), "{}").unwrap();
        // Something is in the way of the second.
        fs::create_dir(dir.task_view(TaskId(2)).with_extension("new")).unwrap();
        let mut follower = Follower { dir: dir.clone(), board: None, due: BTreeSet::new() };
        let why = follower.catch_up().unwrap_err().to_string();
        assert!(why.contains("2.json: Is a directory"), "{why}");
        fs::remove_dir(dir.task_view(TaskId(2)).with_extension("new")).unwrap();
        follower.catch_up().unwrap();
        assert_eq!(shown(&dir), ["1.json", "2.json"]);
        let view =
            || serde_json::from_slice::<serde_json::Value>(&fs::read(dir.task_view(TaskId(2))).unwrap()).unwrap();
        assert_eq!(view()["status"], "pending");
        team.command(TaskCommand::Cancel { id: TaskId(2) }).unwrap();
        follower.catch_up().unwrap();
        assert_eq!(view()["status"], "cancelled");
        team.command(TaskCommand::Clear { scope: Scope::All }).unwrap();
        follower.catch_up().unwrap();
        assert_eq!(shown(&dir), Vec::<String>::new());
    }
}
