//! Values that the tests of several commands show: one place to change when such a value gets a new field.

use std::path::PathBuf;

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::roster::Workspace;
use teamster_protocol::team::{MemberState, MemberView};

/// A member of a second ago, in the directory of a tool.
pub(super) fn member(name: &str, state: MemberState, tasks: &[u32]) -> MemberView {
    MemberView {
        name: name.parse().expect("a name"),
        state,
        tasks: tasks.iter().copied().map(TaskId).collect(),
        turn: None,
        since_ms: 1_000,
        agent: "shell".parse().expect("a name"),
        options: Default::default(),
        role: None,
        auto: AutoClaim::On,
        workspace: Workspace::Shared { dir: PathBuf::from("/src/tool") },
        pid: None,
        started_by: None,
        isolation: None,
        unread: 0,
        completed: 0,
        failed: 0,
        used: Default::default(),
        context: None,
        budget: Default::default(),
        session: None,
        left: None,
        again_ms: None,
        parked_until_ms: None,
        questions: Vec::new(),
        transcript_unread: None,
    }
}
