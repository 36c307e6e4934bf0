//! Workers that were started by hand, and what can be asked of them without a leader.

use std::process::Stdio;
use std::time::Duration;

use teamster_protocol::host::process::own_identity;
use teamster_protocol::model::id::Address;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::mail::Message;
use teamster_protocol::model::mail::MessageBody;
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::model::roster::StartedBy;
use teamster_protocol::model::roster::TeamFact;
use teamster_protocol::model::roster::WorkerEnd;
use teamster_protocol::model::roster::WorkerProcess;
use teamster_protocol::model::shutdown::ShutdownAnswer;
use teamster_protocol::model::shutdown::ShutdownReply;
use teamster_protocol::model::shutdown::ShutdownRequest;
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::presence::PresenceLock;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::{Inbox, Team};

use crate::place::{Place, runtime, said};

#[test]
fn where_nothing_runs_there_is_nothing_to_end() {
    let place = Place::new();
    place.enroll("alice");
    let said = ["down", "shutdown", "shutdown alice", "kill alice"].map(|line| format!("$ {line}\n{}", place.ok(line)));
    insta::assert_snapshot!(said.join("\n"), @"
    $ down
    nothing of the team runs
    $ shutdown
    no member runs
    $ shutdown alice
    alice does not run
    $ kill alice
    alice does not run
    ");
    insta::assert_snapshot!(place.fails(1, "stop alice"), @"
    error: alice is not running
      hint: start it with teamster spawn alice
    ");
    insta::assert_snapshot!(place.fails(1, "kill alcie"), @"
    error: there is no member alcie
      hint: did you mean alice?
    ");
}

#[test]
fn a_worker_by_hand_is_one_line() {
    let place = Place::new();
    let line = place.ok("env dave");
    assert!(line.starts_with("env TEAMSTER_ROOT=/t/root TEAMSTER_TEAM=crew "), "{line}");
    assert!(line.ends_with("teamster-worker --name dave"), "{line}");
}

/// A worker that was started by hand, as far as the command line can tell: it holds the member's lock and
/// answers its mail.
struct HandStarted {
    name: MemberName,
    team: Team,
    inbox: Inbox,
    lock: PresenceLock,
}

impl HandStarted {
    fn join(place: &Place, name: &str) -> HandStarted {
        let name = place.enroll(name);
        // Not signed: the commands that this process starts would be its member's.
        let lock = PresenceLock::take_unsigned(&place.team_dir().member_lock(&name)).expect("nobody else holds it");
        let me = Address::from(name.clone());
        let mut team = place.open(me.clone());
        let process = WorkerProcess {
            identity: own_identity().expect("we run"),
            started_by: StartedBy::Hand,
            isolation: None,
            outer_half: None,
        };
        team.enroll(TeamFact::Joined { name: name.clone(), process }).expect("it is written");
        let inbox = Inbox::open(&place.team_dir(), me, Durability::Process).expect("a mailbox");
        HandStarted { name, team, inbox, lock }
    }

    /// Waits for the next message and takes it.
    fn next_mail(&mut self) -> Message {
        let path = self.team.dir().mailbox(&self.name.clone().into());
        runtime().block_on(async {
            let mut watch = FileWatch::new(Duration::from_secs(1));
            watch.add(path);
            tokio::time::timeout(Duration::from_secs(10), async {
                loop {
                    if let Some(message) = self.inbox.unread().expect("mail").into_iter().next() {
                        self.inbox.acknowledge(&[message.id]).expect("it is written");
                        return message;
                    }
                    watch.changed().await;
                }
            })
            .await
            .expect("mail within 10 s")
        })
    }

    fn answer(&mut self, request: &ShutdownRequest, verdict: ShutdownAnswer) {
        let reply = ShutdownReply { request: request.request, verdict };
        self.team.post(&Address::Lead, Urgency::Now, MessageBody::ShutdownReply(reply)).expect("it is delivered");
    }

    fn leave(mut self) {
        let left = TeamFact::Left { name: self.name.clone(), how: WorkerEnd::Shutdown };
        // The lock goes first: whoever sees the record may look at once.
        self.lock.release();
        self.team.enroll(left).expect("it is written");
    }
}

fn shutdown_request(message: &Message) -> &ShutdownRequest {
    match &message.body {
        MessageBody::ShutdownRequest(request) => request,
        other => panic!("{other:?} is no shutdown request"),
    }
}

#[test]
fn a_hand_started_worker_is_stopped_by_mail() {
    let place = Place::new();
    let mut alice = HandStarted::join(&place, "alice");
    assert_eq!(place.ok("stop alice --reason wrong-branch"), "alice was told by mail to stop");
    let mail = alice.next_mail();
    assert_eq!(mail.from, Address::Lead);
    assert_eq!(mail.urgency, Urgency::Now);
    assert_eq!(mail.body, MessageBody::AbortRequest { reason: "wrong-branch".to_owned() });
    let error = place.fails(3, "kill alice");
    assert!(error.contains(&format!("alice runs as process {0}: kill {0} ends it", std::process::id())), "{error}");
}

#[test]
fn a_hand_started_worker_is_shut_down_by_mail() {
    let place = Place::new();
    let mut alice = HandStarted::join(&place, "alice");
    let asked = place
        .command(&["shutdown", "alice", "--reason", "enough"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let asked = asked.expect("the program runs");
    let mail = alice.next_mail();
    let request = shutdown_request(&mail);
    assert_eq!(request.reason, "enough");
    alice.answer(request, ShutdownAnswer::Approved);
    alice.leave();
    let said = said(asked.wait_with_output().expect("it ends"));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "alice shut down\n", ""));
    assert_eq!(place.json("inbox --protocol")["messages"][0]["read"], true, "the answer was taken");
}

#[test]
fn a_busy_worker_that_refuses_goes_on_and_the_asker_is_told() {
    let place = Place::new();
    let mut alice = HandStarted::join(&place, "alice");
    let asked = place.command(&["shutdown"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let asked = asked.expect("the program runs");
    let mail = alice.next_mail();
    alice.answer(shutdown_request(&mail), ShutdownAnswer::Refused { task: Some(TaskId(3)) });
    let said = said(asked.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(1));
    insta::assert_snapshot!(said.out.trim_end(), @"alice goes on, it is busy with task 3; teamster shutdown alice --finish lets it finish first");
}
