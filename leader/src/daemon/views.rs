//! `tasks/<id>.json`: each task whole, for people and tools. A thread of its own follows the board's log and
//! writes what changed, so that a slow disk delays a view and nothing else. The log is the truth; no decision is made
//! by a view. The directory is open to agents, so whatever stands in the place of a file there is neither waited for
//! nor followed.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use teamster_protocol::host::complaints::Complaints;
use teamster_protocol::host::crash::point;
use teamster_protocol::host::plain_file;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::board::{Board, BoardFact, ViewError};
use teamster_protocol::model::id::TaskId;
use teamster_protocol::store::file::{LogError, LogReader};

/// The thread that writes the views. Dropping this lets the thread finish what is due and waits for that.
#[derive(Debug)]
pub(super) struct TaskViews {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TaskViews {
    /// Starts the thread, which first brings all views up to date.
    pub(super) fn start(dir: TeamDir) -> io::Result<TaskViews> {
        // Room for one: what changes while the thread writes needs one more look.
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new().name("views".to_owned()).spawn(move || follow_board(dir, &woken))?;
        let views = TaskViews { wake: Some(wake), thread: Some(thread) };
        views.note_change();
        Ok(views)
    }

    /// Says that the board may have changed. Never blocks.
    pub(super) fn note_change(&self) {
        if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => tracing::error!("the views are no longer written"),
            }
        }
    }
}

impl Drop for TaskViews {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the views panicked");
        }
    }
}

/// The state of the thread that writes the views.
struct ViewWriter {
    dir: TeamDir,
    board: Option<LogReader<Board>>,
    /// The tasks whose views are not up to date: what fails stays here for the next time.
    due: BTreeSet<TaskId>,
}

/// Why the views are not up to date.
#[derive(Debug, thiserror::Error)]
enum ViewsBehind {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot write {}: {source}{}", path.display(), way_out(source))]
    Io { path: PathBuf, source: io::Error },
}

/// The advice for an error that comes of something other than a plain file in the place of a view.
fn way_out(error: &io::Error) -> &'static str {
    match plain_file::not_plain(error) {
        Some(_) => "\nmove it away: the view is written when the board changes",
        None => "",
    }
}

fn follow_board(dir: TeamDir, woken: &Receiver<()>) {
    let mut writer = ViewWriter { dir, board: None, due: BTreeSet::new() };
    let mut complaints = Complaints::default();
    while woken.recv().is_ok() {
        // Once for all of them: on a full disk each of a hundred thousand would say the same.
        match writer.catch_up() {
            Ok(()) => complaints.over("views"),
            Err(why) if complaints.is_news("views", &why.to_string()) => {
                tracing::warn!("{} views are behind: {why}", writer.due.len());
            }
            Err(_) => {}
        }
    }
}

impl ViewWriter {
    fn catch_up(&mut self) -> Result<(), ViewsBehind> {
        let ViewWriter { dir, board, due } = self;
        let mut changed = BTreeSet::new();
        let mut rewired = false;
        let (reader, told) = match board {
            Some(reader) => {
                let met = reader.refresh(|record| {
                    changed.extend(record.facts.iter().flat_map(affected_tasks));
                    rewired |= record.facts.iter().any(rewires_tasks);
                });
                (reader, met.map(|met| met.missed == 0))
            }
            None => (board.insert(LogReader::open(dir.board())?), Ok(false)),
        };
        // A task shows what waits for it and what it waits for: both sides change together.
        let waiting =
            changed.iter().filter_map(|id| reader.state().task(*id).ok()).flat_map(|task| task.into_owned().blocks);
        due.extend(waiting);
        due.append(&mut changed);
        // No fact names the tasks that waited for one that is gone, or that another waits for no more: all are written
        // anew.
        if rewired {
            due.extend(reader.state().tasks().map(|(id, _)| id));
        }
        if !told? {
            due.extend(reader.state().tasks().map(|(id, _)| id));
            due.extend(tasks_with_views(dir));
        }
        let mut in_the_way = None;
        for id in due.clone() {
            let path = dir.task_view(id);
            let done = match reader.state().view(id, &mut |offset| reader.read_at(offset)) {
                Ok(view) => {
                    let mut text = serde_json::to_vec_pretty(&view).expect("a view is plain data");
                    text.push(b'\n');
                    replace_view(&path, &text)
                }
                Err(ViewError::Refused(_)) => remove_view(&path),
                Err(ViewError::Unreadable(error)) => return Err(error.into()),
            };
            match done {
                Ok(()) => {
                    due.remove(&id);
                }
                // Something else stands in the place of one view, and keeps none of the others waiting.
                Err(source) if plain_file::not_plain(&source).is_some() => {
                    in_the_way.get_or_insert(ViewsBehind::Io { path, source });
                }
                Err(source) => return Err(ViewsBehind::Io { path, source }),
            }
        }
        in_the_way.map_or(Ok(()), Err)
    }
}

/// The tasks whose views a fact changes.
fn affected_tasks(fact: &BoardFact) -> Vec<TaskId> {
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
        | BoardFact::Held { .. }
        | BoardFact::Cancelled { .. }
        | BoardFact::Edited { .. }
        | BoardFact::Cleared { .. }
        | BoardFact::Restored { .. }
        | BoardFact::ClearedBefore { .. }
        | BoardFact::Waiting(_)
        | BoardFact::Away { .. }
        | BoardFact::Kept(_)
        | BoardFact::Numbered { .. } => {}
    }
    ids
}

/// Whether a fact changes what tasks wait for that it does not name.
fn rewires_tasks(fact: &BoardFact) -> bool {
    match fact {
        BoardFact::Edited { changes, .. } => changes.after.is_some(),
        BoardFact::Cleared { .. } | BoardFact::Restored { .. } | BoardFact::ClearedBefore { .. } => true,
        BoardFact::Added { .. }
        | BoardFact::Claimed(_)
        | BoardFact::Completed { .. }
        | BoardFact::Failed { .. }
        | BoardFact::Released { .. }
        | BoardFact::Assigned { .. }
        | BoardFact::Unassigned { .. }
        | BoardFact::DependencyAdded { .. }
        | BoardFact::DependencyRemoved { .. }
        | BoardFact::Retried { .. }
        | BoardFact::Held { .. }
        | BoardFact::Cancelled { .. }
        | BoardFact::Waiting(_)
        | BoardFact::Away { .. }
        | BoardFact::Kept(_)
        | BoardFact::Numbered { .. } => false,
    }
}

/// The tasks that have a view; some of them may be cleared by now.
fn tasks_with_views(dir: &TeamDir) -> Vec<TaskId> {
    let Ok(files) = fs::read_dir(dir.tasks_dir()) else { return Vec::new() };
    let id = |name: &str| name.strip_suffix(".json")?.parse().ok();
    files.filter_map(|file| id(file.ok()?.file_name().to_str()?)).collect()
}

/// Puts a new text in place in one step. A plain rename over a file makes ext4 write it to the disk first
/// (1.2 ms); to swap the two names and remove the old one does not, and a reader never finds the name missing.
///
/// A directory in the place of either file is refused. Anything else there is taken for rubbish: it is removed, and
/// nothing is read from it or written through it.
fn replace_view(path: &Path, text: &[u8]) -> io::Result<()> {
    match plain_file::open_to_read(path) {
        Ok((old, there)) if there.len() == text.len() as u64 && has_text(&old, text) => return Ok(()),
        Err(error) if plain_file::not_plain(&error).is_some_and(|found| found.is_directory()) => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    plain_file::create_anew(options.write(true).mode(0o600), &new)?.write_all(text)?;
    point("view written");
    match renameat2(AT_FDCWD, &new, AT_FDCWD, path, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => {
            point("views exchanged");
            fs::remove_file(&new)
        }
        Err(_) => fs::rename(&new, path),
    }
}

fn has_text(file: &File, text: &[u8]) -> bool {
    let mut there = vec![0; text.len()];
    plain_file::read_full(file, &mut there, 0).is_ok_and(|got| there[..got] == *text)
}

fn remove_view(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Err(plain_file::open_to_read(path).err().unwrap_or(error))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use teamster_protocol::model::board::ClearedTasks;
    use teamster_protocol::model::id::Address;
    use teamster_protocol::model::task::{NewTask, TaskChanges, TaskWork};
    use teamster_protocol::store::file::Durability;
    use teamster_protocol::team::{TaskCommand, Team};

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
        let tasks = ["one", "two"].map(|text| NewTask::new(TaskWork::run(text)));
        team.command(TaskCommand::Add { tasks: tasks.into() }).unwrap();
        // A view of an earlier leader's, whose task was cleared while nobody looked.
        fs::write(dir.task_view(TaskId(9)), "{}").unwrap();
        // Something is in the way of the first, and the second is written all the same.
        fs::create_dir(dir.task_view(TaskId(1)).with_extension("new")).unwrap();
        let mut writer = ViewWriter { dir: dir.clone(), board: None, due: BTreeSet::new() };
        let why = writer.catch_up().unwrap_err().to_string();
        assert!(why.contains("1.json: it is a directory, not a file\nmove it away"), "{why}");
        assert_eq!(shown(&dir), ["1.new", "2.json"]);
        fs::remove_dir(dir.task_view(TaskId(1)).with_extension("new")).unwrap();
        writer.catch_up().unwrap();
        assert_eq!(shown(&dir), ["1.json", "2.json"]);
        let view =
            || serde_json::from_slice::<serde_json::Value>(&fs::read(dir.task_view(TaskId(2))).unwrap()).unwrap();
        assert_eq!(view()["status"], "pending");
        team.command(TaskCommand::Cancel { ids: vec![TaskId(2)] }).unwrap();
        writer.catch_up().unwrap();
        assert_eq!(view()["status"], "cancelled");
        team.command(TaskCommand::Clear { scope: ClearedTasks::All }).unwrap();
        writer.catch_up().unwrap();
        assert_eq!(shown(&dir), Vec::<String>::new());
        team.command(TaskCommand::Restore).unwrap();
        writer.catch_up().unwrap();
        assert_eq!(shown(&dir), ["1.json", "2.json"]);
        assert_eq!(view()["status"], "cancelled", "it is what it was");
        let after =
            |on: &[u32]| TaskChanges { after: Some(on.iter().copied().map(TaskId).collect()), ..Default::default() };
        let first = || fs::read_to_string(dir.task_view(TaskId(1))).unwrap();
        for (on, blocks) in [(&[1][..], true), (&[], false)] {
            team.command(TaskCommand::Edit { id: TaskId(2), changes: after(on) }).unwrap();
            writer.catch_up().unwrap();
            assert_eq!(first().contains("\"blocks\": []"), !blocks, "{}", first());
        }
    }

    #[test]
    fn what_stands_in_the_place_of_a_view_is_neither_waited_for_nor_written_through() {
        let root = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "t".parse().unwrap());
        let mut team = Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap();
        let tasks = ["one", "two", "three", "four"].map(|text| NewTask::new(TaskWork::run(text)));
        team.command(TaskCommand::Add { tasks: tasks.into() }).unwrap();
        let theirs = root.path().join("theirs");
        fs::write(&theirs, "theirs").unwrap();
        let view = |id: u32| dir.task_view(TaskId(id));
        mkfifo(&view(1), Mode::S_IRWXU).unwrap();
        mkfifo(&view(2).with_extension("new"), Mode::S_IRWXU).unwrap();
        symlink(&theirs, view(3)).unwrap();
        symlink(&theirs, view(4).with_extension("new")).unwrap();
        let mut writer = ViewWriter { dir: dir.clone(), board: None, due: BTreeSet::new() };
        writer.catch_up().unwrap();
        assert_eq!(shown(&dir), ["1.json", "2.json", "3.json", "4.json"]);
        for id in 1..=4 {
            let text = plain_file::read_whole(&view(id), 10_000).unwrap();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap()["id"], id);
        }
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    }
}
