//! Eight real processes at one board, and whether their answers are those of one board. `TEAMSTER_LINEARIZABLE_SEED=n`
//! starts from another seed, `TEAMSTER_LINEARIZABLE_MINUTES=n` goes on for so long: see `scripts/linearizable.sh`.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use teamster_protocol::host::clock;
use teamster_protocol::model::board::Board;
use teamster_protocol::store::file::{Log, LogReader, LogRecord};
use teamster_tests::linear::client::PROCESSES;
use teamster_tests::linear::{Entry, Seen, Verdict, check};

/// Of each process in one round.
const OPS: u64 = 1_000;
/// Rounds without a limit of time.
const ROUNDS: u64 = 2;
/// What the processes may take for one round.
const ROUND_WITHIN: Duration = Duration::from_secs(120);

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
}

#[test]
fn eight_processes_at_one_board_see_one_board() {
    let first = number("TEAMSTER_LINEARIZABLE_SEED").unwrap_or(1);
    let minutes = number("TEAMSTER_LINEARIZABLE_MINUTES");
    let began = Instant::now();
    let (mut all, mut rounds) = (Verdict::default(), 0);
    loop {
        let seed = first + rounds;
        let verdict = round(seed).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        all.written += verdict.written;
        all.refused += verdict.refused;
        all.nothing += verdict.nothing;
        all.overtaken += verdict.overtaken;
        rounds += 1;
        match minutes {
            Some(minutes) if began.elapsed() < Duration::from_secs(60 * minutes) => {}
            None if rounds < ROUNDS => {}
            Some(_) | None => break,
        }
    }
    let Verdict { written, refused, nothing, overtaken } = all;
    println!(
        "{} answers to {PROCESSES} processes in {rounds} rounds (seeds {first} to {}) in {:.0} s, each that of one board: \
         {written} wrote, {refused} refused, {nothing} found nothing to do; {overtaken} were overtaken by others",
        written + refused + nothing,
        first + rounds - 1,
        began.elapsed().as_secs_f64(),
    );
    assert!(all.written > 1_000 && all.refused > 100 && all.nothing > 10, "it shows too little: {all:?}");
}

/// One board from its first record to the last answer.
fn round(seed: u64) -> Result<Verdict, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.jsonl");
    Log::<Board>::open(&path, clock::now_ms()).unwrap();
    let history = |number: u64| dir.path().join(format!("history-{number}"));
    let mut clients: Vec<Client> =
        (0..PROCESSES).map(|number| Client::start(&path, number, seed, &history(number))).collect();
    let mut seen = Seen::default();
    let mut reader = LogReader::<Board>::open(&path).unwrap();
    clients.iter_mut().for_each(Client::wait_ready);
    clients.iter_mut().for_each(Client::go);
    let (began, mut last) = (Instant::now(), false);
    // One more look after the last has ended. Records of generations that have come and gone are missed.
    while !last {
        last = clients.iter_mut().all(Client::has_ended);
        assert!(began.elapsed() < ROUND_WITHIN, "seed {seed}: the processes take too long");
        reader.refresh(|LogRecord { seq, facts, .. }| drop(seen.records.insert(*seq, facts.clone()))).unwrap();
    }
    seen.end = reader.state().clone();
    assert!(path.with_extension("jsonl.old").exists(), "seed {seed}: no new generation was ever begun");
    let histories: Vec<Vec<Entry>> = (0..PROCESSES).map(|number| read(&history(number))).collect();
    assert_eq!(histories.iter().map(Vec::len).sum::<usize>() as u64, PROCESSES * OPS);
    check(&histories, &seen)
}

fn read(history: &Path) -> Vec<Entry> {
    fs::read_to_string(history).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A process; it is killed when this is dropped.
struct Client(Child);

impl Client {
    fn start(board: &Path, number: u64, seed: u64, history: &Path) -> Client {
        let child = Command::new(env!("CARGO_BIN_EXE_linear-client"))
            .arg(board)
            .args([number.to_string(), seed.to_string(), OPS.to_string()])
            .arg(history)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Client(child)
    }

    fn wait_ready(&mut self) {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    fn go(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn has_ended(&mut self) -> bool {
        let status = self.0.try_wait().unwrap();
        assert!(status.is_none_or(|status| status.success()), "a process failed: {status:?}");
        status.is_some()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It has ended already, or is to.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
