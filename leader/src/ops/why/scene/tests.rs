//! Each answer, on a small board.

use std::fmt::Write;
use std::path::PathBuf;

use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::model::board::{AutoClaim, BoardFact};
use teamster_protocol::model::roster::{MemberSpec, StartedBy, TeamFact, WorkerProcess, Workspace};
use teamster_protocol::model::task::ReleaseWhy;
use teamster_protocol::model::task::{NewTask, TaskClaim, TaskWork};
use teamster_protocol::store::file::{FactOffset, FactStamp, LogFold};

use super::*;

/// Three minutes after everything happened.
const NOW_MS: u64 = 1_180_000;
const THEN_MS: u64 = 1_000_000;

#[derive(Default)]
struct Team {
    board: Board,
    roster: Roster,
    running: BTreeSet<MemberName>,
    in_turn: BTreeMap<MemberName, u64>,
    asking: BTreeMap<MemberName, u64>,
    parked: BTreeMap<MemberName, ParkedWait>,
    asleep: BTreeMap<MemberName, u64>,
    quiet: BTreeSet<MemberName>,
    over_file_limit: BTreeMap<MemberName, u64>,
    lock_lost: BTreeSet<MemberName>,
    lost_prompts: BTreeMap<MemberName, LostPrompt>,
}

fn name(name: &str) -> MemberName {
    name.parse().expect("a name")
}

fn at() -> FactStamp<'static> {
    FactStamp { seq: 1, at_ms: THEN_MS, by: "lead", offset: FactOffset::NONE }
}

impl Team {
    /// A member that runs, and reads no text.
    fn member(self, who: &str, role: Option<&str>, auto: AutoClaim) -> Team {
        self.member_with("shell", who, role, auto)
    }

    fn member_with(mut self, agent: &str, who: &str, role: Option<&str>, auto: AutoClaim) -> Team {
        let workspace = Workspace::Shared { dir: PathBuf::from("/") };
        let role = role.map(|role| role.parse().expect("a name"));
        let spec = MemberSpec {
            agent: agent.parse().expect("a name"),
            options: Default::default(),
            role,
            auto,
            workspace,
            stall: Default::default(),
            rules: Vec::new(),
            budget: Default::default(),
        };
        self.roster.apply(TeamFact::Added { name: name(who), spec: Box::new(spec) }, &at());
        let identity = ProcessIdentity { pid: 1, start_ticks: 1, boot_id: String::new() };
        let process = WorkerProcess { identity, started_by: StartedBy::Leader, isolation: None, outer_half: None };
        self.roster.apply(TeamFact::Joined { name: name(who), process }, &at());
        self.running.insert(name(who));
        self
    }

    fn dead(mut self, who: &str) -> Team {
        self.running.remove(&name(who));
        self
    }

    fn left(mut self, who: &str, how: WorkerEnd) -> Team {
        self.roster.apply(TeamFact::Left { name: name(who), how }, &at());
        self.dead(who)
    }

    fn roster(mut self, fact: TeamFact) -> Team {
        self.roster.apply(fact, &at());
        self
    }

    fn task(mut self, after: &[u32], edit: impl FnOnce(&mut NewTask)) -> Team {
        let mut task = NewTask::new(TaskWork::run("true"));
        task.after = after.iter().copied().map(TaskId).collect();
        edit(&mut task);
        let facts = self.board.add(vec![task]).expect("it is a good task");
        facts.into_iter().for_each(|fact| self.board.apply(fact, &at()));
        self
    }

    fn fact(mut self, fact: BoardFact) -> Team {
        self.board.apply(fact, &at());
        self
    }

    fn claimed(self, id: u32, owner: &str) -> Team {
        self.fact(BoardFact::Claimed(TaskClaim { id: TaskId(id), owner: name(owner), attempt: 1 }))
    }

    fn failed(self, id: u32) -> Team {
        let failed = BoardFact::Failed {
            id: TaskId(id),
            attempt: 1,
            reason: String::new(),
            result: String::new(),
            used: Default::default(),
        };
        self.claimed(id, "ann").fact(failed)
    }

    fn say(because: &[CauseText]) -> String {
        let mut text = String::new();
        for because in because {
            writeln!(text, "{}", because.says).expect("a text takes all");
            if let Some(hint) = &because.hint {
                writeln!(text, "  → {hint}").expect("a text takes all");
            }
        }
        text
    }

    fn scene<T>(&self, look: impl FnOnce(&TeamScene<'_>) -> T) -> T {
        let reason = |_| Some("exit status 2".to_owned());
        look(&TeamScene {
            board: &self.board,
            roster: &self.roster,
            running: &self.running,
            in_turn: &self.in_turn,
            asking: &self.asking,
            parked: &self.parked,
            asleep: &self.asleep,
            quiet: &self.quiet,
            over_file_limit: &self.over_file_limit,
            lock_lost: &self.lock_lost,
            lost_prompts: &self.lost_prompts,
            reason: Box::new(reason),
        })
    }

    fn why(&self, id: u32) -> String {
        Team::say(&self.scene(|scene| scene.task(TaskId(id), NOW_MS)).expect("it is there"))
    }

    fn why_member(&self, who: &str) -> String {
        Team::say(&self.scene(|scene| scene.member(&name(who), NOW_MS)))
    }
}

fn team() -> Team {
    Team::default().member("ann", None, AutoClaim::On)
}

fn to(who: &str) -> impl FnOnce(&mut NewTask) {
    let who = name(who);
    move |task| task.to = Some(who)
}

fn role(role: &str) -> impl FnOnce(&mut NewTask) {
    let role = role.parse().expect("a name");
    move |task| task.role = Some(role)
}

fn plain(_: &mut NewTask) {}

#[test]
fn what_has_ended_says_how() {
    let done = BoardFact::Completed { id: TaskId(1), attempt: 1, result: String::new(), used: Default::default() };
    let team = team().task(&[], plain).claimed(1, "ann").fact(done).task(&[], plain).failed(2).task(&[], plain);
    let team = team.fact(BoardFact::Cancelled { id: TaskId(3) });
    insta::assert_snapshot!([1, 2, 3].map(|id| team.why(id)).concat(), @"
    completed by ann 3m ago
      → teamster task show 1
    failed on ann 3m ago: exit status 2
      → teamster logs 2 shows its attempts; teamster task retry 2 opens it again
    cancelled
      → teamster task retry 3
    ");
    assert!(team.scene(|scene| scene.task(TaskId(9), 0)).is_err());
}

#[test]
fn what_somebody_is_on_says_who_and_whether_that_one_lives() {
    let team = team().task(&[], plain).claimed(1, "ann");
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    in progress by ann for 3m 00s
      → teamster logs ann -f
    on task 1 for 3m 00s
      → teamster task show 1
    ");
    insta::assert_snapshot!(team.dead("ann").why(1), @"
    in progress by ann, whose worker is dead
      → teamster spawn ann, or teamster doctor --repair
    ");
}

#[test]
fn what_was_stopped_is_held_until_somebody_says() {
    let released =
        |why| BoardFact::Released { id: TaskId(1), attempt: 1, why, partial: String::new(), used: Default::default() };
    let team = team().task(&[], plain).claimed(1, "ann").fact(released(ReleaseWhy::Stopped));
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    held for ann after a stop
      → teamster task retry 1, or teamster task assign 1 NAME
    idle: task 1 is held after a stop
      → teamster task retry 1
    ");
}

#[test]
fn what_is_blocked_names_the_roots_and_the_way_to_them() {
    let team = team().task(&[], plain).failed(1).task(&[1], plain).task(&[2], plain).task(&[], plain).claimed(4, "ann");
    let team = team.task(&[3, 4], plain);
    insta::assert_snapshot!(team.why(5), @"
    waits for task 1 (by way of 3, 2): failed on ann 3m ago: exit status 2
      → teamster logs 1 shows why; teamster task retry 1, or teamster task dep rm 2 1
    waits for task 4: in progress by ann for 3m 00s
      → teamster logs ann -f
    ");
    insta::assert_snapshot!(team.why(2), @"
    waits for task 1: failed on ann 3m ago: exit status 2
      → teamster logs 1 shows why; teamster task retry 1, or teamster task dep rm 2 1
    ");
}

#[test]
fn a_chain_as_long_as_a_board_has_one_root() {
    let mut team = team().task(&[], plain).fact(BoardFact::Cancelled { id: TaskId(1) });
    // Added before it was cancelled, as far as the board is concerned.
    for id in 2..=3_000 {
        let task = NewTask { after: vec![TaskId(id - 1)], ..NewTask::new(TaskWork::run("true")) };
        team = team.fact(BoardFact::Added { id: TaskId(id), task });
    }
    insta::assert_snapshot!(team.why(3_000), @"
    waits for task 1 (by way of 2999, 2998, 2997, 2996, 2995, 2994 and 2992 more): cancelled
      → teamster task retry 1, or teamster task dep rm 2 1
    ");
}

#[test]
fn what_is_for_one_member_says_what_that_one_is_at() {
    let team = team().member("ben", None, AutoClaim::On).task(&[], plain).claimed(1, "ann");
    let team = team.task(&[], to("ann")).task(&[], to("ben")).task(&[], to("zoe"));
    insta::assert_snapshot!([2, 3, 4].map(|id| team.why(id)).concat(), @"
    for ann, who has been on task 1 for 3m 00s
      → teamster task unassign 2
    ben is free, and about to take it
    for zoe, who is not on the roster
      → teamster spawn zoe, or teamster task unassign 4
    ");
    let team = team.dead("ann").left("ben", WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() });
    insta::assert_snapshot!([2, 3].map(|id| team.why(id)).concat() + &team.why_member("ann") + &team.why_member("ben"), @"
    for ann, who died: its worker, started 3m ago, is gone
      → teamster spawn ann, or teamster task unassign 2
    for ben, who died 3m ago: killed by SIGKILL
      → teamster spawn ben, or teamster task unassign 3
    died: its worker, started 3m ago, is gone
      → teamster spawn ann
    died 3m ago: killed by SIGKILL
      → teamster spawn ben
    ");
}

#[test]
fn whoever_is_in_a_turn_for_no_task_is_not_free() {
    let mut team = team().task(&[], plain).task(&[], to("ann"));
    team.in_turn.insert(name("ann"), THEN_MS);
    insta::assert_snapshot!([1, 2].map(|id| team.why(id)).concat() + &team.why_member("ann"), @"
    all that may take it are busy: ann (a turn for no task)
      → teamster spawn NAME
    for ann, who has been in a turn for mail or a prompt for 3m 00s
      → teamster task unassign 2
    in a turn for mail or a prompt for 3m 00s
    ");
}

#[test]
fn who_is_started_again_says_when() {
    let how = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
    let restarting = |at_ms| TeamFact::Restarting { name: name("ann"), how: how.clone(), at_ms };
    let team = team().task(&[], to("ann")).dead("ann").roster(restarting(NOW_MS + 800));
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    for ann, who died 3m ago: killed by SIGKILL; it is started again in 800ms
    died 3m ago: killed by SIGKILL; it is started again in 800ms
    ");
    insta::assert_snapshot!(team.roster(restarting(NOW_MS - 1)).why_member("ann"), @"
    died 3m ago: killed by SIGKILL; it is started again as soon as its leader can
    ");
}

#[test]
fn who_hangs_says_so_whatever_it_is_at() {
    let hung = || TeamFact::Hung { name: name("ann") };
    let team = team().task(&[], plain).claimed(1, "ann").task(&[], to("ann")).roster(hung());
    insta::assert_snapshot!([1, 2].map(|id| team.why(id)).concat() + &team.why_member("ann"), @"
    in progress by ann for 3m 00s, who hangs: its worker has not answered for more than 3m 00s
      → teamster kill ann, then teamster spawn ann
    for ann, who hangs: its worker has not answered for more than 3m 00s
      → teamster kill ann, then teamster spawn ann, or teamster task unassign 2
    on task 1 for 3m 00s
      → teamster task show 1
    hangs: its worker has not answered for more than 3m 00s
      → teamster kill ann, then teamster spawn ann
    ");
    // Idle, it is not about to take anything.
    let team = Team::default().member("ann", None, AutoClaim::On).task(&[], plain).roster(hung());
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    the next for ann, who hangs: its worker has not answered for more than 3m 00s
      → teamster kill ann, then teamster spawn ann
    hangs: its worker has not answered for more than 3m 00s
      → teamster kill ann, then teamster spawn ann
    ");
    let team = team.member("ben", None, AutoClaim::On);
    insta::assert_snapshot!(team.why(1), @"
    ben is free, and about to take it
    ");
}

#[test]
fn who_may_not_write_the_logs_on_says_so() {
    let mut team = team().task(&[], plain).claimed(1, "ann");
    team.over_file_limit.insert(name("ann"), 8192);
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    in progress by ann for 3m 00s, who can write nothing down: its worker may write files of 8192 bytes only, and the team's logs are as long
      → end the leader, raise ulimit -f where it is started, and teamster spawn ann
    on task 1 for 3m 00s
      → teamster task show 1
    can write nothing down: its worker may write files of 8192 bytes only, and the team's logs are as long
      → end the leader, raise ulimit -f where it is started, and teamster spawn ann
    ");
}

#[test]
fn an_agent_that_reads_and_stalls_can_be_steered() {
    let mut team = team().member_with("script", "cleo", None, AutoClaim::On);
    team.quiet.insert(name("cleo"));
    insta::assert_snapshot!(team.why_member("cleo"), @"
    waits for its agent, which has said nothing for longer than it may
      → teamster steer cleo TEXT, or teamster stop cleo
    ");
}

#[test]
fn whose_agent_stalls_says_so() {
    let mut team = team().task(&[], plain).claimed(1, "ann").task(&[1], plain);
    team.quiet.insert(name("ann"));
    insta::assert_snapshot!([1, 2].map(|id| team.why(id)).concat() + &team.why_member("ann"), @"
    in progress by ann for 3m 00s, who waits for its agent, which has said nothing for longer than it may
      → teamster logs ann, or teamster stop ann
    waits for task 1: in progress by ann for 3m 00s, who waits for its agent, which has said nothing for longer than it may
      → teamster logs ann, or teamster stop ann
    on task 1 for 3m 00s
      → teamster task show 1
    waits for its agent, which has said nothing for longer than it may
      → teamster logs ann, or teamster stop ann
    ");
}

#[test]
fn whose_lock_was_tidied_away_says_so() {
    let mut team = team().task(&[], to("ann"));
    team.lock_lost.insert(name("ann"));
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    for ann, who does not hold its lock, whose file was removed or replaced, and takes no task
      → teamster doctor; a worker takes its lock anew once nothing stands there, or teamster task unassign 1
    does not hold its lock, whose file was removed or replaced, and takes no task
      → teamster doctor; a worker takes its lock anew once nothing stands there
    ");
}

#[test]
fn who_is_ending_says_so() {
    let ending = || TeamFact::Ending { name: name("ann") };
    let team = team().task(&[], plain).claimed(1, "ann").task(&[], to("ann")).roster(ending());
    insta::assert_snapshot!([1, 2].map(|id| team.why(id)).concat() + &team.why_member("ann"), @"
    in progress by ann for 3m 00s
      → teamster logs ann -f
    for ann, who has been ending for 3m 00s: it finishes its turn, and takes nothing more
      → teamster task unassign 2
    on task 1 for 3m 00s
      → teamster task show 1
    has been ending for 3m 00s: it finishes its turn, and takes nothing more
      → teamster kill ann
    ");
    let mut team = Team::default().member("ann", None, AutoClaim::On).task(&[], plain).roster(ending());
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    the next for ann, who has been ending for 3m 00s: it finishes its turn, and takes nothing more
      → teamster spawn NAME
    has been ending for 3m 00s: it finishes its turn, and takes nothing more
      → teamster kill ann
    ");
    team.quiet.insert(name("ann"));
    insta::assert_snapshot!(team.why_member("ann"), @"
    waits for its agent, which has said nothing for longer than it may
      → teamster logs ann, or teamster stop ann
    has been ending for 3m 00s: it finishes its turn, and takes nothing more
      → teamster kill ann
    ");
}

#[test]
fn a_role_that_nobody_has_or_that_nobody_runs_with_is_said() {
    let team = team().task(&[], role("tester"));
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    needs the role tester, which nobody has
      → teamster spawn NAME --role tester
    idle: task 1 is for a role that it has not
      → teamster why 1
    ");
    let team = team.member("tess", Some("tester"), AutoClaim::On).left("tess", WorkerEnd::Shutdown);
    insta::assert_snapshot!(team.why(1) + &team.why_member("tess"), @"
    needs the role tester; tess has it, and none of them runs
      → teamster spawn tess
    left 3m ago: it was asked to
      → teamster spawn tess
    ");
}

#[test]
fn what_is_open_and_not_taken_says_who_could() {
    insta::assert_snapshot!(Team::default().task(&[], plain).why(1), @"
    no worker runs
      → teamster spawn NAME
    ");
    let team = team().task(&[], plain).task(&[], plain);
    insta::assert_snapshot!(team.why(1) + &team.why_member("ann"), @"
    ann is free, and about to take it
    about to take task 1
    ");
    let team = team.claimed(1, "ann");
    insta::assert_snapshot!(team.why(2), @"
    all that may take it are busy: ann (task 1)
      → teamster spawn NAME
    ");
    let shy = Team::default().member("ann", None, AutoClaim::Off).task(&[], plain);
    insta::assert_snapshot!(shy.why(1) + &shy.why_member("ann"), @"
    nobody takes open tasks: ann takes only what is assigned to them
      → teamster task assign 1 ann
    idle: task 1 is open, and it takes only what is assigned to it
      → teamster task assign 1 NAME
    ");
}

#[test]
fn an_idle_member_says_what_there_is_and_why_it_is_not_for_it() {
    assert_eq!(team().why_member("ann"), "idle: there is nothing to do\n  → teamster task add --run COMMAND\n");
    let reads = team().member_with("script", "cleo", None, AutoClaim::On);
    assert_eq!(reads.why_member("cleo"), "idle: there is nothing to do\n  → teamster task add TEXT\n");
    let team = team().member("ben", None, AutoClaim::On).task(&[], plain).claimed(1, "ben").task(&[1], plain);
    let team = team.task(&[1], plain).task(&[], to("ben"));
    insta::assert_snapshot!(team.why_member("ann"), @"
    idle: tasks 2, 3 wait for others
      → teamster why 2
    idle: task 4 is for somebody else
      → teamster why 4
    ");
}

#[test]
fn a_clock_that_jumped_makes_no_time_negative() {
    let team = team().task(&[], plain).claimed(1, "ann");
    let said = Team::say(&team.scene(|scene| scene.task(TaskId(1), 5)).expect("it is there"));
    assert!(said.starts_with("in progress by ann for 0ms"), "{said}");
}

fn words(task: &mut NewTask) {
    task.work = TaskWork::Prompt("late work".to_owned());
}

#[test]
fn words_that_nobody_reads_are_told_with_the_way_out() {
    let shells = team().member("ben", None, AutoClaim::On).task(&[], words).task(&[], |task| {
        words(task);
        task.to = Some(name("ben"));
    });
    insta::assert_snapshot!(shells.why(1), @"
    no member can take it: ann, ben drive shell, which runs commands only
      → if it is a command, teamster task edit 1 --run; else spawn a member that reads
    ");
    insta::assert_snapshot!(shells.why(2), @"
    it is words for ben, who drives shell, which runs commands only
      → teamster task unassign 2; or, if it is a command, teamster task edit 2 --run
    ");
    insta::assert_snapshot!(shells.why_member("ann"), @"
    idle: task 1 is words, and its agent runs commands only
      → teamster why 1
    idle: task 2 is for somebody else
      → teamster why 2
    ");
    // Somebody could read, and does not run; and then does.
    let left = shells.member_with("script", "cleo", None, AutoClaim::On).left("cleo", WorkerEnd::Shutdown);
    insta::assert_snapshot!(left.why(1), @"
    it is words, and none of those who read runs: cleo
      → teamster spawn cleo
    ");
    let reads = team().member_with("script", "cleo", None, AutoClaim::On).task(&[], words);
    insta::assert_snapshot!(reads.why(1), @"cleo is free, and about to take it");
    // A role nobody has comes first.
    let tester = team().task(&[], |task| {
        words(task);
        task.role = Some("tester".parse().expect("a name"));
    });
    insta::assert_snapshot!(tester.why(1), @"
    needs the role tester, which nobody has
      → teamster spawn NAME --role tester
    ");
}

#[test]
fn a_lost_prompt_is_told_beside_what_the_member_does_now() {
    let reason = "its worker died: killed by SIGKILL".to_owned();
    let lost = LostPrompt { turn: 3, work: TaskWork::Prompt("review it\nall of it".to_owned()), reason };
    let mut team = team();
    team.lost_prompts.insert(name("ann"), lost);
    insta::assert_snapshot!(team.why_member("ann"), @"
    idle: there is nothing to do
      → teamster task add --run COMMAND
    the prompt of turn 3 is lost (review it): its worker died: killed by SIGKILL
      → teamster send ann WORDS
    ");
    let how = WorkerEnd::Died { reason: "killed by SIGKILL".to_owned() };
    insta::assert_snapshot!(team.left("ann", how).why_member("ann"), @"
    died 3m ago: killed by SIGKILL
      → teamster spawn ann
    the prompt of turn 3 is lost (review it): its worker died: killed by SIGKILL
      → teamster send ann WORDS
    ");
}

#[test]
fn a_member_without_work_tells_that_its_agent_sleeps() {
    let mut team = team().member_with("claude", "mia", None, AutoClaim::On);
    team.asleep.insert(name("mia"), THEN_MS);
    insta::assert_snapshot!(team.why_member("mia"), @"
    idle: there is nothing to do
      → teamster task add TEXT
    asleep for 3m 00s: its agent is started with its next turn
    ");
}

#[test]
fn a_parked_member_keeps_its_task_and_goes_on_by_itself() {
    let mut team = team().member_with("claude", "mia", None, AutoClaim::On).task(&[], |_| {}).claimed(1, "mia");
    let wait = ParkedWait { until_ms: NOW_MS + 720_000, reason: "5 hours are used up".to_owned() };
    team.parked.insert(name("mia"), wait);
    for told in [team.why(1), team.why_member("mia")] {
        assert!(
            told.contains("parked: its provider takes no more for 12m 00s (5 hours are used up), and then"),
            "{told}"
        );
        assert!(told.contains("teamster unpark mia lets it go on now"), "{told}");
    }
}
