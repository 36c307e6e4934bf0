//! A task as bytes: its numbers one after the other, the small ones in one byte, and names as numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::board::Task;
use crate::model::id::{AgentName, MemberName, Role, TaskId};
use crate::model::log::FactOffset;
use crate::model::task::{TaskHold, TaskStatus, WorkKind};

/// The names that packed tasks have. One that came stays: a team has few.
#[derive(Debug, Clone, Default)]
pub(super) struct PackedNames {
    members: NumberedValues<MemberName>,
    roles: NumberedValues<Role>,
    agents: NumberedValues<AgentName>,
}

/// Values that have a number each.
#[derive(Debug, Clone)]
struct NumberedValues<T> {
    all: Vec<T>,
    numbers: BTreeMap<T, u64>,
}

/// A writer that packs a task into bytes, number by number.
struct BytePacker<'a> {
    bytes: Vec<u8>,
    names: &'a mut PackedNames,
}

/// The rest of bytes that [`put`] wrote, still to be read.
pub(super) struct ByteReader<'a>(pub(super) &'a [u8]);

const PENDING: u64 = 0;
const STOPPED: u64 = 1;
const IN_PROGRESS: u64 = 2;
const COMPLETED: u64 = 3;
const FAILED: u64 = 4;
const CANCELLED: u64 = 5;

const COMMAND: u64 = 0;
const TEXT: u64 = 1;

/// A task as bytes, which [`unpack`] makes the same task of.
pub(super) fn pack(task: &Task, names: &mut PackedNames) -> Vec<u8> {
    // Named one by one, so that a new field is not forgotten.
    let Task {
        status,
        blocked_by,
        blocks,
        open_dependencies,
        meant_for,
        role,
        agent,
        kind,
        priority,
        attempt,
        deaths,
        max_attempts,
        added_at,
        edits,
        history,
    } = task;
    let mut to = BytePacker { bytes: Vec::with_capacity(64), names };
    to.status(status);
    to.ids(blocked_by);
    to.ids(blocks);
    to.number(u64::from(*open_dependencies));
    to.member(meant_for.as_ref());
    to.role(role.as_ref());
    to.agent(agent.as_ref());
    to.number(match kind {
        WorkKind::Command => COMMAND,
        WorkKind::Text => TEXT,
    });
    // Small ones of either sign are small.
    to.number(u64::from(((priority << 1) ^ (priority >> 31)) as u32));
    to.number(u64::from(*attempt));
    to.number(u64::from(*deaths));
    to.number(u64::from(*max_attempts));
    to.offset(*added_at);
    for offsets in [edits, history] {
        to.number(offsets.len() as u64);
        offsets.iter().for_each(|offset| to.offset(*offset));
    }
    to.bytes
}

/// The task that was packed.
pub(super) fn unpack(bytes: &[u8], names: &PackedNames) -> Task {
    let mut from = ByteReader(bytes);
    Task {
        status: from.status(names),
        blocked_by: from.ids(),
        blocks: from.ids(),
        open_dependencies: from.small(),
        meant_for: from.member(names),
        role: from.number().checked_sub(1).map(|number| names.roles.value(number)),
        agent: from.number().checked_sub(1).map(|number| names.agents.value(number)),
        kind: match from.number() {
            COMMAND => WorkKind::Command,
            TEXT => WorkKind::Text,
            unknown => unreachable!("{unknown} is no kind of work that is packed"),
        },
        priority: {
            let folded = from.small();
            (folded >> 1) as i32 ^ -((folded & 1) as i32)
        },
        attempt: from.small(),
        deaths: from.small(),
        max_attempts: from.small(),
        added_at: from.offset(),
        edits: from.offsets(),
        history: from.offsets(),
    }
}

/// Where the task that was packed stands.
pub(super) fn unpack_status(bytes: &[u8], names: &PackedNames) -> TaskStatus {
    ByteReader(bytes).status(names)
}

/// Writes a number in as many bytes as it needs: seven bits each, the lowest first, the highest bit while more come.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

impl BytePacker<'_> {
    fn number(&mut self, number: u64) {
        put(&mut self.bytes, number);
    }

    fn status(&mut self, status: &TaskStatus) {
        let (tag, member, at_ms) = match status {
            TaskStatus::Pending { assignee, hold: TaskHold::Free } => (PENDING, assignee.as_ref(), None),
            TaskStatus::Pending { assignee, hold: TaskHold::Stopped } => (STOPPED, assignee.as_ref(), None),
            TaskStatus::InProgress { owner, since_ms } => (IN_PROGRESS, Some(owner), Some(since_ms)),
            TaskStatus::Completed { owner, at_ms } => (COMPLETED, Some(owner), Some(at_ms)),
            TaskStatus::Failed { owner, at_ms } => (FAILED, Some(owner), Some(at_ms)),
            TaskStatus::Cancelled => (CANCELLED, None, None),
        };
        self.number(tag);
        self.member(member);
        self.number(at_ms.copied().unwrap_or(0));
    }

    fn member(&mut self, name: Option<&MemberName>) {
        let number = name.map_or(0, |name| self.names.members.number(name) + 1);
        self.number(number);
    }

    fn role(&mut self, role: Option<&Role>) {
        let number = role.map_or(0, |role| self.names.roles.number(role) + 1);
        self.number(number);
    }

    fn agent(&mut self, agent: Option<&AgentName>) {
        let number = agent.map_or(0, |agent| self.names.agents.number(agent) + 1);
        self.number(number);
    }

    fn ids(&mut self, ids: &BTreeSet<TaskId>) {
        self.number(ids.len() as u64);
        let mut before = 0;
        for id in ids {
            self.number(u64::from(id.0 - before));
            before = id.0;
        }
    }

    fn offset(&mut self, offset: FactOffset) {
        offset.parts().into_iter().for_each(|part| self.number(part));
    }
}

impl<'a> ByteReader<'a> {
    /// The next byte, if any is left.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte().expect("a number that was put has an end");
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    /// The next so many bytes.
    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn small(&mut self) -> u32 {
        self.number() as u32
    }

    fn status(&mut self, names: &PackedNames) -> TaskStatus {
        let (tag, member, at_ms) = (self.number(), self.member(names), self.number());
        let owner = || member.clone().expect("who was on it is packed with it");
        match tag {
            PENDING => TaskStatus::Pending { assignee: member, hold: TaskHold::Free },
            STOPPED => TaskStatus::Pending { assignee: member, hold: TaskHold::Stopped },
            IN_PROGRESS => TaskStatus::InProgress { owner: owner(), since_ms: at_ms },
            COMPLETED => TaskStatus::Completed { owner: owner(), at_ms },
            FAILED => TaskStatus::Failed { owner: owner(), at_ms },
            CANCELLED => TaskStatus::Cancelled,
            unknown => unreachable!("{unknown} is no standing that is packed"),
        }
    }

    fn member(&mut self, names: &PackedNames) -> Option<MemberName> {
        self.number().checked_sub(1).map(|number| names.members.value(number))
    }

    fn ids(&mut self) -> BTreeSet<TaskId> {
        let (many, mut last) = (self.number(), 0);
        let next = |_| {
            last += self.small();
            TaskId(last)
        };
        (0..many).map(next).collect()
    }

    fn offsets(&mut self) -> Vec<FactOffset> {
        let many = self.number();
        (0..many).map(|_| self.offset()).collect()
    }

    fn offset(&mut self) -> FactOffset {
        FactOffset::of_parts([self.number(), self.number(), self.number()])
    }
}

impl<T> Default for NumberedValues<T> {
    fn default() -> NumberedValues<T> {
        NumberedValues { all: Vec::new(), numbers: BTreeMap::new() }
    }
}

impl<T: Ord + Clone> NumberedValues<T> {
    fn number(&mut self, value: &T) -> u64 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = self.all.len() as u64;
        self.all.push(value.clone());
        self.numbers.insert(value.clone(), number);
        number
    }

    fn value(&self, number: u64) -> T {
        self.all[number as usize].clone()
    }
}
