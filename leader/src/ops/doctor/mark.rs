//! The mark in the repository, by which the team is found again when the repository was moved. No command needs it before,
//! so one that can not be read is told here.

use teamster_protocol::team::TeamView;

use super::CheckGroup;
use super::report::DoctorFindings;
use crate::git::Repository;

pub(super) fn check(view: &TeamView, found: &mut DoctorFindings) {
    // A team may work outside of any repository, or in one that is gone.
    let Some(Ok(repository)) = view.roster().dir().map(Repository::discover) else { return };
    if let Err(unread) = repository.check_team_marks() {
        let what = format!("the team is not found again if its repository is moved: {}", unread.why);
        let hint = format!("remove {}; the next command writes it anew", unread.path.display());
        found.note(CheckGroup::Files, what).at(&unread.path).hint(hint);
    }
}
