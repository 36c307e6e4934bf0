//! Programs that do not keep to what an agent is expected to do. Each is a shell script that speaks as the scripted agent.

use std::time::Duration;

use teamster_protocol::model::agent::preset::{DriverKind, abilities_of};
use teamster_protocol::model::agent::{AgentExit, AgentFault, TurnEnd};
use teamster_protocol::model::limits::sizes::NEWS_QUEUE_MAX;
use tokio::time::timeout;

use super::*;
use crate::driver::SessionOrigin;
use crate::driver::script::ScriptDialect;

/// How long any step may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The first lines of a script: the start is read, and the agent is ready.
const READY: &str = r#"read -r _; echo '{"ready":{"session":null}}';"#;

fn start(script: &str) -> (LineDriver, mpsc::Receiver<AgentNews>) {
    let command = vec!["sh".to_owned(), "-c".to_owned(), format!("{READY} {script}")];
    let setup = LineSetup { term_grace: Duration::from_millis(300), ..LineSetup::new("/", command) };
    LineDriver::start(setup, ScriptDialect::new(SessionOrigin::New, None)).unwrap()
}

fn prompt(turn: u64) -> AgentPrompt {
    let work = TaskWork::Prompt("go".to_owned());
    AgentPrompt { id: TextId::prompt_of(turn), work, env: Vec::new() }
}

async fn next(news: &mut mpsc::Receiver<AgentNews>) -> AgentNews {
    timeout(LIMIT, news.recv()).await.expect("news come").expect("the driver tells its exit first")
}

async fn until_ended(news: &mut mpsc::Receiver<AgentNews>) -> TurnEnd {
    loop {
        if let AgentNews::TurnEnded { end, .. } = next(news).await {
            return end;
        }
    }
}

/// The last news, which must be that the agent died.
async fn reason_of_death(news: &mut mpsc::Receiver<AgentNews>) -> String {
    loop {
        if let AgentNews::Exited(exit) = next(news).await {
            let AgentExit::Died { reason } = exit else { panic!("it was closed") };
            return reason;
        }
    }
}

#[tokio::test]
async fn a_program_that_closed_its_input_fails_the_turn_that_it_can_not_hear_of() {
    let (mut driver, mut news) = start("exec <&-; exec sleep 1000");
    assert_eq!(next(&mut news).await, AgentNews::Ready { session: None });
    driver.prompt(prompt(1)).unwrap();
    let reason = "the agent closed its standard input".to_owned();
    assert_eq!(until_ended(&mut news).await, TurnEnd::Failed { reason: reason.clone(), fault: AgentFault::Agent });
    assert_eq!(reason_of_death(&mut news).await, reason);
}

#[tokio::test]
async fn a_line_without_an_end_is_not_kept_for_ever() {
    let (_driver, mut news) = start("head -c 17000000 /dev/zero | tr '\\0' x; cat");
    assert_eq!(next(&mut news).await, AgentNews::Ready { session: None });
    let reason = reason_of_death(&mut news).await;
    assert!(reason.ends_with("a line is longer than 16777216 bytes"), "{reason}");
}

#[tokio::test]
async fn a_program_that_is_never_ready_is_ended_in_its_time() {
    let (ready_within, term_grace) = (Duration::from_secs(1), Duration::from_millis(300));
    for script in ["exec tail -f /dev/null", "trap '' TERM; while :; do read -r _ || exec tail -f /dev/null; done"] {
        let command = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let setup = LineSetup { ready_within, term_grace, ..LineSetup::new("/", command) };
        let dialect = ScriptDialect::new(SessionOrigin::New, None);
        let (_driver, mut news) = LineDriver::start(setup, dialect).unwrap();
        assert_eq!(reason_of_death(&mut news).await, "the agent was not ready within 1 s", "{script}");
    }
}

#[tokio::test]
async fn what_the_program_complained_of_is_told_where_it_does_not_end_its_turn_and_not_in_a_later_one() {
    let turn = r#"read -r _; echo '{"text":"x"}';"#;
    let complains = format!("{turn} echo 'the lock is taken' >&2; echo '{{\"text\":\"x\"}}';");
    let (mut driver, mut news) = start(&format!("{complains} exec tail -f /dev/null"));
    assert_eq!(next(&mut news).await, AgentNews::Ready { session: None });
    driver.prompt(prompt(1)).unwrap();
    // The second text is said after the complaint.
    for _ in 0..2 {
        assert_eq!(next(&mut news).await, AgentNews::Text("x".to_owned()));
    }
    driver.abort();
    let reason = reason_of_death(&mut news).await;
    assert_eq!(reason, "the agent did not end its turn within 0 s of being told to stop; it said: the lock is taken");

    let end = r#"echo '{"turn_ended":{"end":"completed","result":"done"}}';"#;
    let (mut driver, mut news) = start(&format!("{complains} {end} read -r _; exit 9"));
    assert_eq!(next(&mut news).await, AgentNews::Ready { session: None });
    driver.prompt(prompt(1)).unwrap();
    assert_eq!(until_ended(&mut news).await, TurnEnd::Completed);
    driver.prompt(prompt(2)).unwrap();
    assert_eq!(reason_of_death(&mut news).await, "the agent ended: exit status 9");
}

/// A dialect whose turn ends by one line that means more than the channel of news holds.
struct BurstDialect;

impl AgentDialect for BurstDialect {
    fn abilities(&self) -> AgentAbilities {
        abilities_of(DriverKind::Script)
    }

    fn begin(&mut self) -> Vec<DialectStep> {
        vec![DialectStep::Tell(AgentNews::Ready { session: None })]
    }

    fn prompt(&mut self, _: TextId, text: String) -> Vec<DialectStep> {
        vec![DialectStep::Write(text)]
    }

    fn steer(&mut self, _: AgentSteer) -> Vec<DialectStep> {
        Vec::new()
    }

    fn permit(&mut self, _: QuestionId, _: Permission) -> Vec<DialectStep> {
        Vec::new()
    }

    fn abort(&mut self) -> Vec<DialectStep> {
        Vec::new()
    }

    fn take_line(&mut self, _: &str) -> Result<Vec<DialectStep>, NonsenseSaid> {
        let said = (0..=NEWS_QUEUE_MAX).map(|_| AgentNews::Text("x".to_owned()));
        let end = AgentNews::TurnEnded { end: TurnEnd::Completed, result: String::new() };
        Ok(said.chain([end]).map(DialectStep::Tell).collect())
    }
}

/// The turn ends while its end can not be told yet, and is aborted meanwhile.
#[tokio::test]
async fn an_abort_that_comes_as_the_turn_ends_does_no_harm_to_the_next_turn() {
    // The second answer takes longer than an aborted turn may take.
    let script = "read -r _; echo first; read -r _; sleep 1; echo second; cat";
    let command = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
    let setup = LineSetup { term_grace: Duration::from_millis(300), ..LineSetup::new("/", command) };
    let (mut driver, mut news) = LineDriver::start(setup, BurstDialect).unwrap();
    assert_eq!(next(&mut news).await, AgentNews::Ready { session: None });
    driver.prompt(prompt(1)).unwrap();
    assert_eq!(next(&mut news).await, AgentNews::Text("x".to_owned()));
    driver.abort();
    assert_eq!(until_ended(&mut news).await, TurnEnd::Aborted);
    // The driver's task hears of the abort before it hears of the next turn.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    driver.prompt(prompt(2)).unwrap();
    assert_eq!(until_ended(&mut news).await, TurnEnd::Completed);
}

#[tokio::test]
async fn what_a_program_does_not_read_is_bounded() {
    let (_read, write) = std::io::pipe().unwrap();
    let input = super::write::ProgramInput::new(tokio::net::unix::pipe::Sender::from_owned_fd(write.into()).unwrap());
    let line = "x".repeat(1 << 20);
    let taken = (0..100).take_while(|_| input.write(line.clone()).is_ok()).count();
    assert_eq!(taken, 63);
}
