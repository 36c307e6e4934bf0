//! The longest file that a worker may write (`ulimit -f`): below the length of the team's logs it can write nothing down
//! any more, tries again for ever, and looks from outside as if it were at work.

use std::collections::BTreeMap;
use std::fs;

use teamster_protocol::host::process::file_size_limit;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::limits::RESULT_BYTES_MAX;
use teamster_protocol::model::roster::MemberPresence;
use teamster_protocol::team::TeamView;

/// The longest record that a worker usually writes: the result of a task, each byte escaped, and what is around it.
const RECORD_BYTES: u64 = 2 * RESULT_BYTES_MAX as u64;

/// The members whose worker may not write the team's logs on, and the longest file each may write. A worker whose limit
/// can not be read counts as one without.
pub fn members_over_file_limit(view: &TeamView) -> BTreeMap<MemberName, u64> {
    let dir = view.dir();
    let mut found = BTreeMap::new();
    for (name, member) in view.roster().members() {
        let MemberPresence::Joined { process, .. } = &member.presence else { continue };
        if !process.identity.exists() {
            continue;
        }
        let Ok(Some(limit)) = file_size_limit(process.identity.pid) else { continue };
        let logs = [dir.board(), dir.roster(), dir.mailbox(&Address::Member(name.clone()))];
        let longest = logs.iter().filter_map(|log| fs::symlink_metadata(log).ok()).map(|log| log.len()).max();
        if longest.unwrap_or(0) + RECORD_BYTES > limit {
            found.insert(name.clone(), limit);
        }
    }
    found
}
