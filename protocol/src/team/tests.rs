//! What the parts of a team do together.

use super::*;
use crate::host::process::own_identity;
use crate::model::mail::{MailRefusal, Message, MessageBody, Urgency};
use crate::model::roster::{StartedBy, WorkerEnd, WorkerProcess, Workspace};
use crate::model::task::TaskStatus;
use crate::model::task::{TaskHold, TaskWork};

mod lost_turn;

fn open(root: &tempfile::TempDir, me: &str) -> Team {
    let dir = TeamDir::new(root.path(), "t".parse().unwrap());
    Team::open(dir, me.parse().unwrap(), Durability::Process).unwrap()
}

fn name(name: &str) -> MemberName {
    name.parse().unwrap()
}

fn enroll(team: &mut Team, member: &str) {
    let workspace = Workspace::Shared { dir: "/".into() };
    let spec = MemberSpec::new("shell".parse().unwrap(), workspace);
    team.add_member(name(member), spec).unwrap();
}

fn claimant(member: &str) -> WaitingClaimant {
    WaitingClaimant::new(name(member))
}

fn tasks(count: usize) -> Vec<NewTask> {
    (0..count).map(|_| NewTask::new(TaskWork::run("true"))).collect()
}

#[test]
fn nobody_gives_a_task_to_a_member_that_is_being_taken_off_the_roster() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    let mut other = open(&root, "lead");
    let (looked, has_looked) = std::sync::mpsc::channel();
    let adding = std::thread::spawn(move || {
        has_looked.recv().unwrap();
        let task = NewTask { to: Some(name("ada")), ..NewTask::new(TaskWork::run("true")) };
        other.command(TaskCommand::Add { tasks: vec![task] }).map(|_| ())
    });
    let may_go = |board: &Board, _: &Roster| -> Option<()> {
        assert!(board.is_empty());
        looked.send(()).unwrap();
        None
    };
    assert_eq!(lead.remove_member(&name("ada"), may_go).unwrap(), Ok(()));
    let added = adding.join().unwrap();
    assert!(matches!(added, Err(TeamError::Roster(_))), "{added:?}");
    lead.refresh(|_| ()).unwrap();
    assert!(lead.board().is_empty(), "there is no task for a name off the roster");
    let kept = lead.remove_member(&name("ada"), |_, _| Some("it is needed")).unwrap();
    assert_eq!(kept, Err("it is needed"));
}

#[test]
fn who_was_given_up_is_failed_also_while_it_is_buried() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    let _burying = PresenceLock::take(&lead.dir().member_lock(&name("ada")), 1).unwrap();
    let how = WorkerEnd::GivenUp { reason: "killed by SIGKILL".to_owned() };
    lead.enroll(TeamFact::Left { name: name("ada"), how: how.clone() }).unwrap();
    let ada = lead.members().unwrap().remove(0);
    assert_eq!((ada.state, ada.left), (MemberState::GivenUp, Some(how)));
}

#[test]
fn who_is_to_be_started_again_says_when_until_the_next_worker_has_its_lock() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    let how = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
    lead.enroll(TeamFact::Restarting { name: name("ada"), how: how.clone(), at_ms: 700 }).unwrap();
    let ada = lead.members().unwrap().remove(0);
    assert_eq!((ada.state, ada.left, ada.again_ms), (MemberState::Restarting, Some(how.clone()), Some(700)));
    let starting = PresenceLock::take(&lead.dir().member_lock(&name("ada")), 1).unwrap();
    let ada = lead.members().unwrap().remove(0);
    assert_eq!((ada.state, ada.left, ada.again_ms), (MemberState::Starting, None, None));
    starting.release();
    lead.enroll(TeamFact::Left { name: name("ada"), how: how.clone() }).unwrap();
    let ada = lead.members().unwrap().remove(0);
    assert_eq!((ada.state, ada.left, ada.again_ms), (MemberState::Left, Some(how), None), "no more");
}

#[test]
fn two_that_claim_from_one_board_never_get_the_same_task() {
    let root = tempfile::tempdir().unwrap();
    let (mut ada, mut ben) = (open(&root, "ada"), open(&root, "ben"));
    open(&root, "lead").add_tasks(|_| tasks(5)).unwrap();
    let mut claimed = Vec::new();
    while let Some(claim) = ada.claim_next(&claimant("ada")).unwrap() {
        claimed.push(claim.id.0);
        claimed.extend(ben.claim_next(&claimant("ben")).unwrap().map(|claim| claim.id.0));
    }
    assert_eq!(claimed, [1, 2, 3, 4, 5]);
}

#[test]
fn a_sweep_gives_back_what_the_dead_held_and_spares_the_living() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    lead.add_tasks(|_| tasks(2)).unwrap();
    open(&root, "ada").claim_next(&claimant("ada")).unwrap().unwrap();
    open(&root, "ben").claim_next(&claimant("ben")).unwrap().unwrap();
    let _lives = PresenceLock::take(&lead.dir().member_lock(&name("ben")), 1).unwrap();
    assert_eq!(lead.sweep(|_| false).unwrap(), [name("ada")]);
    let free = TaskStatus::Pending { assignee: None, hold: TaskHold::Free };
    assert_eq!(lead.board().task(TaskId(1)).unwrap().status, free);
    assert_eq!(lead.board().owned_by(&name("ben")).count(), 1);
    assert_eq!(lead.sweep(|_| false).unwrap(), [], "the dead are buried once");
}

#[test]
fn a_sweep_of_the_ring_ends_at_the_first_that_lives() {
    let root = tempfile::tempdir().unwrap();
    let mut ada = open(&root, "ada");
    ada.add_tasks(|_| tasks(4)).unwrap();
    for who in ["ben", "cy", "dan", "eve"] {
        open(&root, who).claim_next(&claimant(who)).unwrap().unwrap();
    }
    let _lives = PresenceLock::take(&ada.dir().member_lock(&name("dan")), 1).unwrap();
    assert_eq!(ada.sweep_ring(&name("ada")).unwrap(), [name("ben"), name("cy")], "eve is looked at by dan");
    assert_eq!(ada.sweep_ring(&name("ada")).unwrap(), []);
    assert_eq!(ada.sweep_ring(&name("dan")).unwrap(), [name("eve")]);
}

#[test]
fn a_board_that_was_removed_is_not_made_anew_in_silence() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    lead.add_tasks(|_| tasks(2)).unwrap();
    let (dir, board) = (lead.dir().clone(), lead.dir().board());
    let kept = std::fs::read(&board).unwrap();
    std::fs::remove_file(&board).unwrap();
    let missing = |error: TeamError| assert!(error.to_string().contains("is missing, although"), "{error}");
    missing(Team::open(dir.clone(), Address::Lead, Durability::Process).unwrap_err());
    missing(TeamView::open(dir.clone()).unwrap_err());
    assert!(lead.add_tasks(|_| tasks(1)).is_err());
    assert!(!board.exists());
    std::fs::write(&board, kept).unwrap();
    assert_eq!(lead.add_tasks(|_| tasks(1)).unwrap(), [TaskId(3)], "whoever had it open goes on");
    assert_eq!(TeamView::open(dir).unwrap().board().len(), 3);
}

#[test]
fn a_message_to_nobody_is_an_error_to_the_sender_and_makes_no_mailbox() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    let to = Address::Member(name("nobody"));
    let error = lead.post(&to, Urgency::Next, MessageBody::Text { text: "hi".to_owned() }).unwrap_err();
    assert_eq!(error.to_string(), "there is no member nobody");
    assert!(!lead.dir().mailbox(&to).exists());
}

#[test]
fn a_message_is_delivered_also_where_its_readers_lock_can_not_be_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    let to = Address::Member(name("ada"));
    let mut readers = Vec::new();
    let mut mail = |lead: &mut Team| {
        let request = MailRequest { to: Some(to.clone()), text: "hi".to_owned(), urgency: Urgency::Next };
        readers.extend(lead.mail(request).unwrap().delivered.into_iter().map(|one| one.reader));
    };
    mail(&mut lead);
    let path = lead.dir().member_lock(&name("ada"));
    PresenceLock::take(&path, 1).map(|_lives| mail(&mut lead)).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    mail(&mut lead);
    assert_eq!(readers, [MailboxReader::Absent, MailboxReader::Running, MailboxReader::Unknown]);
    let mut inbox = Inbox::open(lead.dir(), to, Durability::Process).unwrap();
    assert_eq!(inbox.unread().unwrap().len(), 3);
}

#[test]
fn a_message_to_all_tells_of_each_what_came_of_it() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    for member in ["ada", "ben", "cy"] {
        enroll(&mut lead, member);
    }
    let mailbox = lead.dir().mailbox(&Address::Member(name("ben")));
    std::fs::write(&mailbox, "damaged\n").unwrap();
    let text = || "hi".to_owned();
    let mailed = lead.mail(MailRequest { to: None, text: text(), urgency: Urgency::Next }).unwrap();
    let to: Vec<&str> = mailed.delivered.iter().map(|one| one.to.as_str()).collect();
    assert_eq!(to, ["ada", "cy"]);
    let [failed] = &mailed.failed[..] else { panic!("{:?}", mailed.failed) };
    assert!(failed.to.as_str() == "ben" && failed.why.contains("ben.jsonl:1: "), "{failed:?}");
    let to_ben = MailRequest { to: Some(Address::Member(name("ben"))), text: text(), urgency: Urgency::Next };
    assert!(matches!(lead.mail(to_ben), Err(TeamError::Log(LogError::Corrupt { .. }))));
    let empty = lead.mail(MailRequest { to: None, text: " ".to_owned(), urgency: Urgency::Next });
    assert!(matches!(empty, Err(TeamError::Mail(MailRefusal::Empty))), "nobody gets it, for one reason");
}

#[test]
fn unread_mail_is_given_in_order_and_whole_whether_it_is_news_or_was_seen_before() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    let to = Address::Member(name("ada"));
    let mut send = |text: &str| lead.post(&to, Urgency::Next, MessageBody::Text { text: text.to_owned() }).unwrap();
    let texts = |inbox: &mut Inbox| -> Vec<String> {
        let unread = inbox.unread().unwrap().into_iter();
        unread.map(|message| if let MessageBody::Text { text } = message.body { text } else { String::new() }).collect()
    };
    let (first, _) = (send("one"), send("two"));
    let mut inbox =
        Inbox::open(&TeamDir::new(root.path(), "t".parse().unwrap()), to.clone(), Durability::Process).unwrap();
    assert_eq!(texts(&mut inbox), ["one", "two"]);
    let third = send("three");
    assert_eq!(texts(&mut inbox), ["one", "two", "three"]);
    inbox.acknowledge(&[first, third]).unwrap();
    send("four");
    assert_eq!(texts(&mut inbox), ["two", "four"]);
    assert_eq!(texts(&mut inbox), ["two", "four"], "it stays unread until it is acknowledged");
}

#[test]
fn to_assign_to_a_member_that_does_not_run_is_said_and_to_an_unknown_one_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    lead.add_tasks(|_| tasks(1)).unwrap();
    let mut assign = |to: &str| lead.command(TaskCommand::Assign { ids: vec![TaskId(1)], to: name(to) });
    assert_eq!(assign("bob").unwrap_err().to_string(), "there is no member bob");
    assert_eq!(
        assign("ada").unwrap().warnings,
        ["ada is not running; the task waits until it is started with teamster spawn ada"]
    );
    let _lives = PresenceLock::take(&lead.dir().member_lock(&name("ada")), 1).unwrap();
    let again = lead.command(TaskCommand::Assign { ids: vec![TaskId(1)], to: name("ada") }).unwrap();
    assert_eq!(again.warnings, Vec::<String>::new());
}

#[test]
fn a_team_that_is_removed_between_two_looks_is_said_to_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = TeamDir::new(folder.path(), "t".parse().unwrap());
    dir.create().unwrap();
    let error = must_have_roster(&dir, 2).unwrap_err();
    assert!(matches!(error, LogError::Removed { .. }), "{error}");
    std::fs::write(dir.board(), "").unwrap();
    let error = must_have_roster(&dir, 2).unwrap_err();
    assert!(matches!(error, LogError::Lost { .. }), "{error}");
}

#[test]
fn nobody_buries_a_worker_that_lives_because_its_lock_was_removed() {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    lead.add_tasks(|_| tasks(1)).unwrap();
    let path = lead.dir().member_lock(&name("ada"));
    let _lives = PresenceLock::take(&path, 1).unwrap();
    let process = WorkerProcess {
        identity: own_identity().unwrap(),
        started_by: StartedBy::Hand,
        isolation: None,
        outer_half: None,
    };
    lead.enroll(TeamFact::Joined { name: name("ada"), process }).unwrap();
    open(&root, "ada").claim_next(&claimant("ada")).unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(lead.sweep(|_| false).unwrap(), []);
    assert_eq!(lead.board().owned_by(&name("ada")).count(), 1);
    assert_eq!(lead.members().unwrap()[0].state, MemberState::Busy);
    // Nor by way of the file that the sweep has made.
    assert_eq!(lead.sweep(|_| false).unwrap(), []);
    let refused = lead.take_lock_of_dead(&name("ada")).unwrap_err();
    assert!(matches!(refused, TeamError::Lock(LockError::Astray { .. })), "{refused}");
}
