//! Many tasks in few bytes each: one behind the other, in pages of some numbers. A task is found by walking through its
//! page, and is unpacked whole. This form is in memory only, no file has it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Task;
use crate::model::id::TaskId;
use crate::model::task::TaskStatus;

mod bytes;

use bytes::{ByteReader, PackedNames, put};

/// The numbers of one page: few enough to walk through it, and to move what lies behind a change.
const PAGE_NUMBERS: u32 = 16;

/// Packed tasks, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct PackedTasks {
    /// By the number of the first task they could have, divided. None is empty.
    pages: BTreeMap<u32, PackedPage>,
    len: usize,
    names: PackedNames,
}

/// Entries, lowest number first: the number within the page, how long the task is, and the task.
#[derive(Debug, Clone, Default)]
struct PackedPage(Vec<u8>);

/// A task in its page.
struct PackedEntry<'a> {
    nth: u8,
    /// Where the entry is, with its number and length.
    whole: Range<usize>,
    task: &'a [u8],
}

impl PackedTasks {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, id: TaskId) -> bool {
        self.entry(id).is_some()
    }

    pub(super) fn get(&self, id: TaskId) -> Option<Task> {
        self.entry(id).map(|entry| bytes::unpack(entry.task, &self.names))
    }

    /// Where a task stands: less work than all of it.
    pub(super) fn status(&self, id: TaskId) -> Option<TaskStatus> {
        self.entry(id).map(|entry| bytes::unpack_status(entry.task, &self.names))
    }

    /// All of them, lowest number first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, Task)> {
        self.entries().map(|(id, entry)| (id, bytes::unpack(entry.task, &self.names)))
    }

    /// The numbers of the packed tasks, lowest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = TaskId> {
        self.entries().map(|(id, _)| id)
    }

    /// Puts a task in, in the place of one with that number.
    pub(super) fn insert(&mut self, id: TaskId, task: &Task) {
        self.remove(id);
        let (number, nth) = place(id);
        let packed = bytes::pack(task, &mut self.names);
        let mut entry = vec![nth];
        put(&mut entry, packed.len() as u64);
        entry.extend(packed);
        let PackedPage(page) = self.pages.entry(number).or_default();
        let at = entries(page).find(|other| other.nth > nth).map_or(page.len(), |other| other.whole.start);
        // No more room than it needs: most pages are soon what they stay.
        page.reserve_exact(entry.len());
        page.splice(at..at, entry);
        self.len += 1;
    }

    /// Takes a task out.
    pub(super) fn remove(&mut self, id: TaskId) -> Option<Task> {
        let entry = self.entry(id)?;
        let (task, whole) = (bytes::unpack(entry.task, &self.names), entry.whole);
        let (number, _) = place(id);
        if let Some(PackedPage(page)) = self.pages.get_mut(&number) {
            page.drain(whole);
            if page.is_empty() {
                self.pages.remove(&number);
            }
        }
        self.len -= 1;
        Some(task)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.pages.values().map(|page| page.0.capacity()).sum()
    }

    fn entry(&self, id: TaskId) -> Option<PackedEntry<'_>> {
        let (number, nth) = place(id);
        entries(&self.pages.get(&number)?.0).find(|entry| entry.nth == nth)
    }

    fn entries(&self) -> impl Iterator<Item = (TaskId, PackedEntry<'_>)> {
        self.pages.iter().flat_map(|(number, PackedPage(page))| {
            let first = number * PAGE_NUMBERS;
            entries(page).map(move |entry| (TaskId(first + u32::from(entry.nth)), entry))
        })
    }
}

/// The number of its page, and which of that it is.
fn place(id: TaskId) -> (u32, u8) {
    (id.0 / PAGE_NUMBERS, (id.0 % PAGE_NUMBERS) as u8)
}

fn entries(page: &[u8]) -> impl Iterator<Item = PackedEntry<'_>> {
    let mut rest = ByteReader(page);
    std::iter::from_fn(move || {
        let start = page.len() - rest.0.len();
        let nth = rest.byte()?;
        let length = rest.number() as usize;
        let task = rest.take(length);
        Some(PackedEntry { nth, whole: start..page.len() - rest.0.len(), task })
    })
}
