//! Which questions wait, what became of the others, and which rule answers.

use super::*;
use crate::model::agent::{QuestionId, TurnEnd};
use crate::model::task::TaskWork;

fn asked(id: &str, tool: &str, subject: &str) -> PermissionQuestion {
    PermissionQuestion {
        question: QuestionId(id.to_owned()),
        tool: tool.to_owned(),
        title: format!("{tool} {subject}"),
        detail: String::new(),
        subject: subject.to_owned(),
    }
}

fn asks(id: &str) -> TranscriptText {
    TranscriptText::PermissionAsked { asked: asked(id, "Bash", "make"), until_ms: Some(99) }
}

fn answers(id: &str, by: PermissionBy) -> TranscriptText {
    TranscriptText::PermissionAnswered { question: QuestionId(id.to_owned()), answer: Permission::Once, by }
}

fn begins(turn: u64) -> TranscriptText {
    TranscriptText::TurnStarted {
        turn,
        task: Some(TaskId(4)),
        work: TaskWork::run("x"),
        texts: Vec::new(),
        used_before: Default::default(),
    }
}

fn entries(said: Vec<TranscriptText>) -> Vec<TranscriptEntry> {
    (11..).zip(said).map(|(seq, what)| TranscriptEntry { seq, at_ms: seq * 10, what }).collect()
}

fn numbers(said: Vec<TranscriptText>) -> Vec<u64> {
    waiting_questions(&entries(said)).iter().map(|waits| waits.number).collect()
}

#[test]
fn a_question_waits_until_it_is_answered_or_its_turn_is_over() {
    assert_eq!(numbers(vec![begins(1), asks("a"), asks("b")]), [12, 13]);
    assert_eq!(numbers(vec![begins(1), asks("a"), asks("b"), answers("a", PermissionBy::Lead)]), [13]);
    let ended = TranscriptText::TurnEnded { turn: 1, task: None, end: TurnEnd::Aborted, used: Default::default() };
    for over in [ended, TranscriptText::Ready, begins(2)] {
        assert_eq!(numbers(vec![begins(1), asks("a"), over]), [0; 0]);
    }
    // A later life of the agent may name its questions alike.
    let again = vec![begins(1), asks("a"), answers("a", PermissionBy::Lead), begins(2), asks("a")];
    assert_eq!(numbers(again), [15]);
    let by_rule = TranscriptText::PermissionAsked { asked: asked("a", "Bash", "make"), until_ms: None };
    assert_eq!(numbers(vec![begins(1), by_rule]), [0; 0], "nobody is asked");
    let waits = waiting_questions(&entries(vec![begins(3), asks("a")])).remove(0);
    assert_eq!((waits.turn, waits.task, waits.asked_ms, waits.until_ms), (3, Some(TaskId(4)), 120, 99));
}

#[test]
fn the_fate_of_a_question_is_told_by_what_follows_it() {
    let answered = |by, at_ms| Some(QuestionFate::Answered { answer: Permission::Once, by, at_ms });
    let fate = |said: Vec<TranscriptText>, number| question_fate(&entries(said), number);
    assert_eq!(fate(vec![begins(1), asks("a")], 12), Some(QuestionFate::Waits));
    assert_eq!(fate(vec![begins(1), asks("a")], 11), None, "a turn begins there");
    assert_eq!(fate(vec![begins(1), asks("a")], 10), None, "it was removed");
    assert_eq!(fate(vec![begins(1), asks("a")], 13), None, "it is not there yet");
    let said =
        vec![begins(1), asks("a"), asks("b"), answers("b", PermissionBy::Lead), answers("a", PermissionBy::Timeout)];
    assert_eq!(fate(said.clone(), 12), answered(PermissionBy::Timeout, 150));
    assert_eq!(fate(said, 13), answered(PermissionBy::Lead, 140));
    assert_eq!(fate(vec![begins(1), asks("a"), TranscriptText::Ready], 12), Some(QuestionFate::Lost));
    let again = vec![begins(1), asks("a"), begins(2), asks("a"), answers("a", PermissionBy::Lead)];
    assert_eq!(fate(again, 12), Some(QuestionFate::Lost), "the answer is to the later one");
}

#[test]
fn a_question_has_a_name_that_can_be_typed() {
    let name: QuestionName = "alice-2.37".parse().unwrap();
    assert_eq!((name.member.as_str(), name.number), ("alice-2", 37));
    assert_eq!(name.to_string(), "alice-2.37");
    for bad in ["alice", "alice.", "alice.x", ".3", "alice.0", "alice.+3", "lead.3", "Alice.3", "alice.3.4", ""] {
        assert!(bad.parse::<QuestionName>().is_err(), "{bad:?}");
    }
}

fn rule(tool: &str, pattern: Option<&str>, answer: RuleAnswer) -> ApprovalRule {
    let pattern = pattern.map(|pattern| RulePattern(pattern.to_owned()));
    ApprovalRule { tool: RulePattern(tool.to_owned()), pattern, answer, reason: None }
}

fn allows(tool: &str, pattern: Option<&str>, asked: &PermissionQuestion) -> bool {
    ApprovalRule::answer_of(&[rule(tool, pattern, RuleAnswer::Allow)], asked) == Some(Permission::Once)
}

fn denies(pattern: &str, asked: &PermissionQuestion) -> bool {
    let answer = ApprovalRule::answer_of(&[rule("*", Some(pattern), RuleAnswer::Deny)], asked);
    matches!(answer, Some(Permission::Never { .. }))
}

#[test]
fn a_rule_that_allows_fits_the_whole_command_and_nothing_behind_it() {
    let bash = |command: &str| asked("q", "Bash", command);
    for (pattern, command) in [
        ("git *", "git log -n 3"),
        ("git*", "git"),
        ("make", "make"),
        ("make ?", "make x"),
        ("*/a.txt", "/w/b/a.txt"),
        ("make && make test", "make && make test"),
    ] {
        assert!(allows("bash", Some(pattern), &bash(command)), "{pattern} does not allow {command}");
    }
    for (pattern, command) in [
        ("git *", "git log; rm -r x"),
        ("git *", "git log && rm -r x"),
        ("git *", "git log | sh"),
        ("git *", "git log $(rm -r x)"),
        ("git *", "git log `rm -r x`"),
        ("git *", "git log > /etc/passwd"),
        ("git *", "git log\nrm -r x"),
        ("git *", "GIT log"),
        ("git *", " git log"),
        ("make", "make x"),
        ("make", "xmake"),
        ("make ?", "make ;"),
        ("/w/*", "/w/../etc/passwd"),
        ("cat *", "cat ../x"),
        ("*", ""),
    ] {
        assert!(!allows("bash", Some(pattern), &bash(command)), "{pattern} allows {command}");
    }
    assert!(allows("ba*", None, &bash("rm -r x; rm -r y")), "without a pattern the tool is allowed whatever it does");
    assert!(!allows("write", None, &bash("make")));
    // What is shown may be cut, so it is nothing to allow by.
    let untold = PermissionQuestion { title: "Bash make".to_owned(), ..bash("") };
    assert!(!allows("bash", Some("*make*"), &untold));
}

#[test]
fn a_rule_that_denies_fits_wherever_its_pattern_is_found() {
    let bash = |command: &str| asked("q", "Bash", command);
    for command in ["rm -rf /", "cd x && rm  -rf y", "echo hi; rm\n-rf z", "sudo rm -rf x"] {
        assert!(denies("rm -rf", &bash(command)), "{command}");
    }
    assert!(!denies("rm -rf", &bash("rm -r f")));
    assert!(denies("git push*--force", &bash("git push origin main --force")));
    let only_shown = PermissionQuestion { detail: "command: rm -rf x".to_owned(), ..bash("") };
    assert!(denies("rm -rf", &only_shown));
}

#[test]
fn the_first_rule_that_fits_decides_and_says_why() {
    let told =
        ApprovalRule { reason: Some("ask a person".to_owned()), ..rule("Bash", Some("git push"), RuleAnswer::Deny) };
    let rules = [told, rule("Bash", Some("git *"), RuleAnswer::Allow), rule("Bash", None, RuleAnswer::Deny)];
    let answer = |command| ApprovalRule::answer_of(&rules, &asked("q", "Bash", command));
    assert_eq!(answer("git push"), Some(Permission::Never { reason: "ask a person".to_owned() }));
    assert_eq!(answer("git log"), Some(Permission::Once));
    let reason = "a rule of this team denies Bash".to_owned();
    assert_eq!(answer("make"), Some(Permission::Never { reason }));
    assert_eq!(ApprovalRule::answer_of(&rules, &asked("q", "Write", "/x")), None, "the lead is asked");
}

#[test]
fn many_stars_take_no_long_time() {
    let pattern = RulePattern("*a".repeat(60) + "b");
    assert!(!pattern.is_name(&"a".repeat(10_000)));
}
