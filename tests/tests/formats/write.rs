//! The team of the fixtures: every kind of fact at least once, at fixed times, the board in its second generation.

use std::fs;
use std::path::PathBuf;

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::agent::{
    AgentSession, Permission, PermissionBy, PermissionQuestion, PlanState, PlanStep, QuestionId, SessionBegin,
    SessionId, ToolState, TurnEnd,
};
use teamster_protocol::model::board::{AutoClaim, Board, BoardFact, WaitingClaimant};
use teamster_protocol::model::id::{Address, MemberName, MessageId, TaskId};
use teamster_protocol::model::mail::{MailFact, Mailbox, Message, MessageBody, Urgency};
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::roster::{MemberSpec, Roster, StartedBy, TeamFact, WorkerEnd, WorkerProcess, Workspace};
use teamster_protocol::model::shutdown::{ShutdownAnswer, ShutdownReply, ShutdownRequest, WhenBusy};
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::task::{FieldChange, NewTask, TaskChanges, TaskClaim, TaskWork};
use teamster_protocol::model::usage::{TokenUsage, UsageSum};
use teamster_protocol::store::file::{Durability, Log, LogFold};
use teamster_protocol::store::presence::LockHolder;
use teamster_protocol::store::transcript::Transcript;

/// The time of the fixtures' beginning, in milliseconds.
const T: u64 = 1_763_700_000_000;

/// Writes the whole team. Lock files that hold nothing are left out: they are made when they are needed.
pub(crate) fn team(dir: &TeamDir) {
    fs::create_dir_all(dir.root()).unwrap();
    dir.create().unwrap();
    roster(dir);
    board(dir);
    mail(dir);
    transcripts(dir);
    let holder = LockHolder { process: identity(), since_ms: T, ended_ms: None, inode: None, cell: None };
    fs::write(dir.member_lock(&member("alice")), serde_json::to_string(&holder).unwrap() + "\n").unwrap();
    for lock in [dir.board(), dir.roster(), dir.mailbox(&Address::Lead), dir.mailbox(&member("alice").into())] {
        fs::remove_file(lock.with_extension("lock")).unwrap();
    }
}

fn member(name: &str) -> MemberName {
    name.parse().unwrap()
}

fn message_id(number: u64) -> MessageId {
    MessageId::from_parts(T + number * 1_000, number.into())
}

fn identity() -> ProcessIdentity {
    ProcessIdentity { pid: 4711, start_ticks: 88_123, boot_id: "0f7f8a5e-6c1b-4d39-9a53-1d5a3c8f2b10".to_owned() }
}

fn write<F: LogFold>(log: &mut Log<F>, by: &str, seconds: u64, facts: Vec<F::Fact>) {
    let write = |_: &F| Ok::<_, String>((facts, ()));
    log.transact(by, T + seconds * 1_000, Durability::Process, write).unwrap();
}

fn roster(dir: &TeamDir) {
    let mut log: Log<Roster> = Log::open(dir.roster(), T).unwrap();
    let shared = || Workspace::Shared { dir: PathBuf::from("/src/app") };
    let worktree = Workspace::Worktree {
        dir: PathBuf::from("/state/app/worktrees/alice"),
        branch: "teamster/app/alice".to_owned(),
        base: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned(),
        repository: PathBuf::from("/src/app/.git"),
    };
    let spec = |role: Option<&str>, auto, workspace| MemberSpec {
        agent: "shell".parse().unwrap(),
        options: Default::default(),
        role: role.map(|role| role.parse().unwrap()),
        auto,
        workspace,
        stall: Default::default(),
        rules: Vec::new(),
        budget: Default::default(),
    };
    let added = |name: &str, spec| TeamFact::Added { name: member(name), spec: Box::new(spec) };
    let process = |started_by| WorkerProcess { identity: identity(), started_by, isolation: None, outer_half: None };
    let joined = |name: &str, by| TeamFact::Joined { name: member(name), process: process(by) };
    let left = |name: &str, how| TeamFact::Left { name: member(name), how };
    write(&mut log, "lead", 1, vec![TeamFact::Founded { dir: PathBuf::from("/src/app") }]);
    write(&mut log, "lead", 1, vec![added("alice", spec(Some("tester"), AutoClaim::On, worktree))]);
    write(&mut log, "bob", 2, vec![added("bob", spec(None, AutoClaim::On, shared())), joined("bob", StartedBy::Hand)]);
    write(&mut log, "lead", 2, vec![added("carol", spec(Some("tester"), AutoClaim::Off, shared()))]);
    write(&mut log, "lead", 2, vec![added("dan", spec(None, AutoClaim::On, shared()))]);
    write(&mut log, "alice", 3, vec![joined("alice", StartedBy::Leader)]);
    let session = Some(SessionId("s1".to_owned()));
    write(&mut log, "alice", 3, vec![TeamFact::Session { name: member("alice"), session }]);
    let gone = WorkerEnd::AgentGone { reason: "no such program".to_owned() };
    write(&mut log, "dan", 4, vec![left("dan", gone)]);
    write(&mut log, "lead", 5, vec![TeamFact::Removed { name: member("dan") }]);
    write(&mut log, "lead", 30, vec![left("bob", WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() })]);
}

fn board(dir: &TeamDir) {
    let mut log: Log<Board> = Log::open(dir.board(), T).unwrap();
    let run = |text: &str| NewTask::new(TaskWork::run(text));
    let added = |id: u32, task| BoardFact::Added { id: TaskId(id), task };
    let claimed =
        |id: u32, name: &str, attempt| BoardFact::Claimed(TaskClaim { id: TaskId(id), owner: member(name), attempt });
    let waiting = |name: &str, role: Option<&str>, auto| {
        let role = role.map(|role| role.parse().unwrap());
        BoardFact::Waiting(WaitingClaimant { role, auto, ..WaitingClaimant::new(member(name)) })
    };
    let text = "Write the release notes: ä, \"quotes\",\na second line.".to_owned();
    let release = NewTask {
        title: "release notes".to_owned(),
        label: Some("release".to_owned()),
        after: vec![TaskId(1), TaskId(2)],
        role: Some("writer".parse().unwrap()),
        agent: Some("pi".parse().unwrap()),
        priority: 2,
        max_attempts: 1,
        ..NewTask::new(TaskWork::Prompt(text))
    };
    let first = vec![added(1, run("make test")), added(2, run("make lint")), added(3, run("make slow"))];
    write(&mut log, "lead", 1, first.into_iter().chain([added(4, release)]).collect());
    write(&mut log, "bob", 2, vec![added(5, run("make coffee")), added(6, run("make tea"))]);
    write(&mut log, "alice", 3, vec![claimed(1, "alice", 1)]);
    let died = |id: u32| BoardFact::Released {
        id: TaskId(id),
        attempt: 1,
        why: ReleaseWhy::WorkerDied,
        partial: String::new(),
        used: Default::default(),
    };
    write(&mut log, "lead", 4, vec![died(1), BoardFact::Assigned { id: TaskId(1), to: member("alice") }]);
    write(&mut log, "alice", 5, vec![claimed(1, "alice", 2)]);
    let result = "ok, 41 tests".to_owned();
    write(&mut log, "alice", 6, vec![BoardFact::Completed { id: TaskId(1), attempt: 2, result, used: used() }]);
    write(&mut log, "bob", 7, vec![waiting("bob", None, AutoClaim::On), BoardFact::Away { member: member("bob") }]);
    write(&mut log, "bob", 8, vec![claimed(2, "bob", 1)]);
    let (reason, result) = ("exit status 2".to_owned(), "assertion failed".to_owned());
    write(
        &mut log,
        "bob",
        9,
        vec![BoardFact::Failed { id: TaskId(2), attempt: 1, reason, result, used: Default::default() }],
    );
    write(
        &mut log,
        "lead",
        10,
        vec![
            BoardFact::DependencyAdded { id: TaskId(4), on: TaskId(3) },
            BoardFact::DependencyRemoved { id: TaskId(4), on: TaskId(1) },
            BoardFact::Cancelled { id: TaskId(5) },
            BoardFact::Cancelled { id: TaskId(6) },
            BoardFact::Retried { id: TaskId(6) },
            BoardFact::Held { ids: vec![TaskId(6)] },
            BoardFact::Unassigned { id: TaskId(6) },
        ],
    );
    let changes =
        TaskChanges { priority: Some(-3), timeout_ms: Some(FieldChange::Set(60_000)), ..TaskChanges::default() };
    write(&mut log, "lead", 10, vec![BoardFact::Edited { id: TaskId(4), changes }]);
    write(&mut log, "alice", 11, vec![claimed(3, "alice", 1)]);
    let partial = "12 of 41".to_owned();
    let stopped =
        BoardFact::Released { id: TaskId(3), attempt: 1, why: ReleaseWhy::Stopped, partial, used: Default::default() };
    write(&mut log, "alice", 12, vec![stopped]);
    let cleared = || BoardFact::Cleared { ids: vec![TaskId(6)] };
    write(&mut log, "lead", 12, vec![cleared()]);
    log.set_generation_bytes_max(0);
    write(&mut log, "carol", 13, vec![waiting("carol", Some("tester"), AutoClaim::Off)]);
    log.set_generation_bytes_max(u64::MAX);
    write(&mut log, "lead", 18, vec![BoardFact::Restored { ids: vec![TaskId(6)] }]);
    write(&mut log, "lead", 19, vec![cleared()]);
    write(&mut log, "lead", 20, vec![added(7, run("make docs"))]);
    write(&mut log, "bob", 20, vec![claimed(7, "bob", 1)]);
    write(&mut log, "lead", 21, vec![added(8, NewTask { to: Some(member("alice")), ..run("make fmt") })]);
    let changes = TaskChanges { title: Some("format".to_owned()), ..TaskChanges::default() };
    write(&mut log, "bob", 22, vec![BoardFact::Edited { id: TaskId(8), changes }]);
}

fn mail(dir: &TeamDir) {
    let delivered = |number: u64, from: Address, urgency, body| {
        MailFact::Delivered(Message { id: message_id(number), from, sent_ms: T + number * 1_000, urgency, body })
    };
    let text = |text: &str| MessageBody::Text { text: text.to_owned() };
    let bob = || Address::from(member("bob"));
    let mut alice: Log<Mailbox> = Log::open(dir.mailbox(&member("alice").into()), T).unwrap();
    write(&mut alice, "bob", 1, vec![delivered(1, bob(), Urgency::Idle, text("Handed on."))]);
    write(&mut alice, "alice", 2, vec![MailFact::Acknowledged { id: message_id(1) }]);
    write(&mut alice, "bob", 2, vec![delivered(2, bob(), Urgency::Now, text("One of the unread."))]);
    let assigned = MessageBody::TaskAssigned { task: TaskId(8) };
    write(&mut alice, "lead", 3, vec![delivered(3, Address::Lead, Urgency::Next, assigned)]);
    let ask = MessageBody::ShutdownRequest(ShutdownRequest {
        request: message_id(3),
        reason: "the work is done".to_owned(),
        deadline_ms: T + 40_000,
        when_busy: WhenBusy::Finish,
    });
    write(&mut alice, "lead", 4, vec![delivered(4, Address::Lead, Urgency::Now, ask)]);
    let abort = MessageBody::AbortRequest { reason: "wrong branch".to_owned() };
    write(&mut alice, "lead", 5, vec![delivered(5, Address::Lead, Urgency::Now, abort)]);

    let mut lead: Log<Mailbox> = Log::open(dir.mailbox(&Address::Lead), T).unwrap();
    let verdicts = [
        ShutdownAnswer::Approved,
        ShutdownAnswer::Finishing { task: Some(TaskId(7)) },
        ShutdownAnswer::Refused { task: None },
    ];
    for (number, verdict) in (6..).zip(verdicts) {
        let reply = MessageBody::ShutdownReply(ShutdownReply { request: message_id(3), verdict });
        write(&mut lead, "bob", number, vec![delivered(number, bob(), Urgency::Now, reply)]);
    }
}

fn used() -> UsageSum {
    UsageSum { turns: 1, time_ms: 8_000, input: 1_200, output: 70, cached: 900, cost_micro_usd: 4_100, unpriced: 0 }
}

fn question() -> QuestionId {
    QuestionId("q1".to_owned())
}

fn transcripts(dir: &TeamDir) {
    let mut transcript = Transcript::open(dir.turns(&member("alice"))).unwrap();
    let started = |turn, task: Option<u32>, command: &str| TranscriptText::TurnStarted {
        turn,
        task: task.map(TaskId),
        work: TaskWork::run(command),
        texts: if task.is_none() { vec![TextId::prompt_of(turn)] } else { Vec::new() },
        used_before: if turn == 1 { UsageSum::default() } else { used() },
    };
    let said = [
        TranscriptText::Ready,
        TranscriptText::Waiting,
        started(1, Some(1), "make test"),
        TranscriptText::Text { text: "running 41 tests: ä\n".to_owned() },
        TranscriptText::ToolCall { id: "t1".to_owned(), title: "Read src/log.rs".to_owned(), state: ToolState::Done },
        TranscriptText::Steered {
            id: TextId::InTurn { turn: 1, number: 1 },
            from: Address::Lead,
            text: "skip the slow ones".to_owned(),
        },
        TranscriptText::Mail { id: message_id(1), from: member("bob").into(), text: "Handed on.".to_owned() },
        TranscriptText::TurnEnded { turn: 1, task: Some(TaskId(1)), end: TurnEnd::Completed, used: used() },
        TranscriptText::Session {
            session: AgentSession { id: SessionId("s1".to_owned()), begun: SessionBegin::Resumed },
        },
        started(2, None, "make lint"),
        TranscriptText::Receipt { text: TextId::prompt_of(2), state: ReceiptState::Delivered },
        TranscriptText::Thought { text: "which linter?".to_owned() },
        TranscriptText::Plan { steps: vec![PlanStep { text: "find it".to_owned(), state: PlanState::Active }] },
        TranscriptText::PermissionAsked {
            asked: PermissionQuestion {
                question: question(),
                tool: "sh".to_owned(),
                title: "make lint".to_owned(),
                detail: String::new(),
                subject: String::new(),
            },
            until_ms: None,
        },
        TranscriptText::PermissionAnswered { question: question(), answer: Permission::Once, by: PermissionBy::Policy },
        TranscriptText::Usage { turn: 2, usage: TokenUsage { input: 120, output: 7, ..TokenUsage::default() } },
        TranscriptText::TurnEnded {
            turn: 2,
            task: None,
            end: TurnEnd::failed("exit status 2"),
            used: UsageSum { turns: 1, time_ms: 900, input: 120, output: 7, unpriced: 1, ..UsageSum::default() },
        },
        TranscriptText::Parked {
            task: None,
            turn: None,
            until_ms: T + 60_000,
            reason: "5 hours are used up".to_owned(),
        },
        TranscriptText::Trouble { text: "cannot read the mailbox, trying again: Input/output error".to_owned() },
        TranscriptText::Interrupted { turn: 2, prompt: "review it\n\nYou had begun with this …".to_owned() },
        TranscriptText::AskedToStop { turn: 2, reason: "wrong branch".to_owned() },
        TranscriptText::AskedToEnd { reason: String::new() },
        TranscriptText::Leaving { reason: "it was asked to end".to_owned() },
    ];
    for (second, what) in (1..).zip(said) {
        transcript.say(T + second * 1_000, what).unwrap();
    }
}
