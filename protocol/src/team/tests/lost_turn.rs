//! What is written down and told of the turn that a dead worker was at.

use super::*;
use crate::model::agent::TurnEnd;
use crate::model::id::MessageId;
use crate::model::notice::TranscriptText;
use crate::model::receipt::{ReceiptState, TextId};
use crate::store::transcript::{Transcript, since};

/// A team in which ada had joined, with a worker that is dead: its process is none.
fn team() -> (tempfile::TempDir, Team) {
    let root = tempfile::tempdir().unwrap();
    let mut lead = open(&root, "lead");
    enroll(&mut lead, "ada");
    join(&mut lead, "ada");
    (root, lead)
}

fn join(lead: &mut Team, member: &str) {
    let mut identity = own_identity().unwrap();
    identity.start_ticks += 1;
    let process = WorkerProcess { identity, started_by: StartedBy::Leader, isolation: None, outer_half: None };
    lead.enroll(TeamFact::Joined { name: name(member), process }).unwrap();
}

/// Begins turn 1 of a member with this work, and says the texts of that.
fn begin_turn(team: &Team, member: &str, task: Option<TaskId>, texts: Vec<TextId>) -> Transcript {
    let mut transcript = Transcript::open(team.dir().turns(&name(member))).unwrap();
    let work = TaskWork::run("sleep 1000");
    transcript
        .say(5, TranscriptText::TurnStarted { turn: 1, task, work, texts, used_before: Default::default() })
        .unwrap();
    transcript
}

fn send(team: &Team, member: &str) -> Transcript {
    begin_turn(team, member, None, vec![TextId::prompt_of(1)])
}

fn bury(team: &mut Team, member: &str) -> Result<Vec<TaskId>, TeamError> {
    let lock = team.take_lock_of_dead(&name(member)).unwrap();
    team.bury(&name(member), Some("killed by SIGKILL"), &lock)
}

/// The sender and the first line of each message to the lead.
fn told(team: &Team) -> Vec<String> {
    let told = |(_, message): (_, Message)| match message.body {
        MessageBody::Text { text } => format!("{}: {}", message.from, text.lines().next().unwrap_or_default()),
        other => format!("{other:?}"),
    };
    read_mail(team.dir(), &Address::Lead).unwrap().into_iter().map(told).collect()
}

fn said(team: &Team, member: &str) -> Vec<TranscriptText> {
    since(&team.dir().turns(&name(member)), 0).unwrap().into_iter().map(|entry| entry.what).collect()
}

const TOLD: &str = "ada: The prompt of turn 1 is lost: its worker died: killed by SIGKILL";

#[test]
fn the_lead_is_told_once_of_a_prompt_that_died_with_its_worker() {
    let (_root, mut lead) = team();
    drop(send(&lead, "ada"));
    assert_eq!(bury(&mut lead, "ada").unwrap(), []);
    assert_eq!(told(&lead), [TOLD]);
    let reason = "its worker died: killed by SIGKILL".to_owned();
    let [_, lost, ended] = &said(&lead, "ada")[..] else { panic!("{:?}", said(&lead, "ada")) };
    let state = ReceiptState::Lost { reason };
    assert_eq!(*lost, TranscriptText::Receipt { text: TextId::prompt_of(1), state });
    assert!(
        matches!(ended, TranscriptText::TurnEnded { turn: 1, task: None, end: TurnEnd::Failed { .. }, .. }),
        "{ended:?}"
    );
    bury(&mut lead, "ada").unwrap();
    assert_eq!((told(&lead).len(), said(&lead, "ada").len()), (1, 3), "nothing is said twice");
}

#[test]
fn who_dies_while_it_tells_of_a_loss_leaves_it_to_the_next_who_tells_it_once() {
    let (root, mut lead) = team();
    drop(send(&lead, "ada"));
    bury(&mut lead, "ada").unwrap();
    let all = said(&lead, "ada");
    // The letter is there, and of the transcript only a part.
    for kept in [1, 2] {
        let path = transcript::path_of(&lead.dir().turns(&name("ada")), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        let part: String = text.split_inclusive('\n').take(kept).collect();
        std::fs::write(&path, part).unwrap();
        let mut ben = open(&root, "ben");
        bury(&mut ben, "ada").unwrap();
        assert_eq!(said(&lead, "ada"), all, "{kept} were kept");
        assert_eq!(told(&lead), [TOLD], "{kept} were kept");
    }
}

#[test]
fn a_turn_that_fills_its_file_ends_in_that_file() {
    let (_root, mut lead) = team();
    let mut transcript = send(&lead, "ada");
    let much = "x".repeat(4 << 20);
    for _ in 0..5 {
        transcript.say(6, TranscriptText::Text { text: much.clone() }).unwrap();
    }
    bury(&mut lead, "ada").unwrap();
    assert_eq!(transcript::turns(&lead.dir().turns(&name("ada"))).unwrap(), [1]);
    assert!(matches!(said(&lead, "ada").last(), Some(TranscriptText::TurnEnded { .. })));
}

#[test]
fn the_turn_of_a_task_ends_and_the_board_tells_of_it() {
    let (root, mut lead) = team();
    lead.add_tasks(|_| tasks(1)).unwrap();
    let claim = open(&root, "ada").claim_next(&claimant("ada")).unwrap().unwrap();
    let mut transcript = begin_turn(&lead, "ada", Some(claim.id), Vec::new());
    transcript.say(6, TranscriptText::Text { text: "half of it".to_owned() }).unwrap();
    assert_eq!(bury(&mut lead, "ada").unwrap(), [claim.id]);
    assert!(matches!(said(&lead, "ada").last(), Some(TranscriptText::TurnEnded { task: Some(TaskId(1)), .. })));
    assert_eq!(told(&lead), Vec::<String>::new());
    let end = lead.task_view(claim.id).unwrap().attempts.remove(0).end.unwrap();
    assert!(end.result.contains("half of it"), "the last words were read before the turn was ended: {end:?}");
}

#[test]
fn the_lead_is_not_told_of_what_it_did_itself() {
    let (_root, mut lead) = team();
    drop(send(&lead, "ada"));
    lead.enroll(TeamFact::Dismissed { name: name("ada") }).unwrap();
    bury(&mut lead, "ada").unwrap();
    assert_eq!(told(&lead), Vec::<String>::new());
    assert!(matches!(said(&lead, "ada").last(), Some(TranscriptText::TurnEnded { .. })));
}

#[test]
fn a_worker_that_leaves_tells_itself_and_nobody_tells_again() {
    let (_root, mut lead) = team();
    let mut transcript = send(&lead, "ada");
    let state = ReceiptState::Lost { reason: "the agent died".to_owned() };
    transcript.say(6, TranscriptText::Receipt { text: TextId::prompt_of(1), state }).unwrap();
    let end = TurnEnd::failed("the agent died");
    transcript.say(7, TranscriptText::TurnEnded { turn: 1, task: None, end, used: Default::default() }).unwrap();
    lead.tell_of_loss(&name("ada")).unwrap();
    let first = "ada: The prompt of turn 1 is lost: the agent died";
    assert_eq!(told(&lead), [first]);
    bury(&mut lead, "ada").unwrap();
    assert_eq!(told(&lead), [first]);
    // One that was told to end by the lead says nothing, and what it left stays unsaid.
    let (_root, mut lead) = team();
    let mut transcript = send(&lead, "ada");
    let state = ReceiptState::Lost { reason: "its worker was told to end".to_owned() };
    transcript.say(6, TranscriptText::Receipt { text: TextId::prompt_of(1), state }).unwrap();
    transcript
        .say(7, TranscriptText::TurnEnded { turn: 1, task: None, end: TurnEnd::Aborted, used: Default::default() })
        .unwrap();
    lead.enroll(TeamFact::Dismissed { name: name("ada") }).unwrap();
    lead.tell_of_loss(&name("ada")).unwrap();
    lead.enroll(TeamFact::Left { name: name("ada"), how: WorkerEnd::Terminated }).unwrap();
    bury(&mut lead, "ada").unwrap();
    assert_eq!(told(&lead), Vec::<String>::new());
}

#[test]
fn a_message_that_is_unread_is_not_said_to_be_lost() {
    let (_root, mut lead) = team();
    let to = Address::Member(name("ada"));
    let text = || MessageBody::Text { text: "hi".to_owned() };
    let ids: Vec<MessageId> = (0..2).map(|_| lead.post(&to, Urgency::Next, text()).unwrap()).collect();
    drop(begin_turn(&lead, "ada", None, ids.iter().map(|id| TextId::Message(*id)).collect()));
    let mut inbox = Inbox::open(lead.dir(), to, Durability::Process).unwrap();
    inbox.acknowledge(&ids[..1]).unwrap();
    bury(&mut lead, "ada").unwrap();
    let lost = |said: TranscriptText| match said {
        TranscriptText::Receipt { text, state: ReceiptState::Lost { .. } } => Some(text),
        _ => None,
    };
    let lost: Vec<TextId> = said(&lead, "ada").into_iter().filter_map(lost).collect();
    assert_eq!(lost, [TextId::Message(ids[0])]);
    assert_eq!(told(&lead), ["ada: The messages that began turn 1 are lost: its worker died: killed by SIGKILL"]);
}

#[test]
fn where_the_lead_can_not_be_told_tasks_are_given_back_all_the_same_and_it_is_told_later() {
    let (root, mut lead) = team();
    lead.add_tasks(|_| tasks(2)).unwrap();
    for member in ["ada", "ben"] {
        if member == "ben" {
            enroll(&mut lead, member);
            join(&mut lead, member);
        }
        open(&root, member).claim_next(&claimant(member)).unwrap().unwrap();
    }
    // It is at a prompt that it was sent, as if the board were not yet written.
    drop(send(&lead, "ada"));
    let mailbox = lead.dir().mailbox(&Address::Lead);
    std::fs::create_dir_all(&mailbox).unwrap();
    assert_eq!(lead.sweep(|_| false).unwrap(), [name("ben")], "nobody waits for the news of another");
    assert_eq!(lead.board().owners().count(), 0);
    assert_eq!(said(&lead, "ada").len(), 1, "the turn stays open until the lead is told");
    assert!(bury(&mut lead, "ada").is_err());
    std::fs::remove_dir(&mailbox).unwrap();
    bury(&mut lead, "ada").unwrap();
    assert_eq!((told(&lead), said(&lead, "ada").len()), (vec![TOLD.to_owned()], 3));
}
