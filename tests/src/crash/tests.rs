//! Which cases there are, and how often each is tried, by made-up tellings.

use super::*;

fn told(case: &str, died: usize, passed: &[(&str, Life, u64)]) -> Told {
    let passed = passed.iter().map(|(point, life, nth)| Passed { point: point_of(point), life: *life, nth: *nth });
    let case = case.parse().expect("a case");
    Told { case, died, wrong: Vec::new(), passed: passed.collect(), tellings: 1 }
}

fn point_of(text: &str) -> Point {
    text.parse::<Case>().expect("a case").first
}

#[test]
fn what_is_not_reached_is_told_again_but_not_for_ever() {
    let told_times = AtomicUsize::new(0);
    let at_the_third = |case: &Case| {
        let times = told_times.fetch_add(1, Ordering::Relaxed) + 1;
        told(&case.to_string(), usize::from(times == 3), &[])
    };
    let case: Case = "worker:ben:recorded:2".parse().expect("a case");
    let third = until_reached(&case, TELLINGS_MAX, at_the_third);
    assert_eq!((third.is_reached(), third.tellings), (true, 3));
    let never = all(&[case], 1, TELLINGS_MAX, |case| told(&case.to_string(), 0, &[]));
    assert_eq!((never[0].is_reached(), never[0].tellings), (false, TELLINGS_MAX));
    let mut report = Report::default();
    report.take(&never[0]);
    assert_eq!((report.stories, report.deaths(Nth::First)), (TELLINGS_MAX, 0));
    assert!(
        report.to_string().contains("1 not reached, however often they were told: worker:ben:recorded:2\n"),
        "{report}"
    );
}

#[test]
fn only_what_is_always_come_to_must_be() {
    let mut usual = Usual { tellings: 4, ..Usual::default() };
    usual.told.insert(point_of("leader:taken over:1"), 4);
    usual.told.insert(point_of("worker:ben:recorded:2"), 3);
    let mut report = Report::default();
    for case in ["leader:taken over:1", "worker:ben:recorded:2", "leader:buried:1"] {
        report.miss(&told(case, 0, &[]), &usual);
    }
    report.miss(&told("leader:taken over:1", 1, &[]), &usual);
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    assert!(report.failures[0].starts_with("leader:taken over:1: not reached"), "{:?}", report.failures);
}

#[test]
fn a_second_death_is_tried_where_somebody_came_after_the_first() {
    let mut usual = Usual::default();
    for name in ["recorded", "lock taken", "left"] {
        usual.times.insert((Role::Worker("ada"), name.to_owned()), 1);
    }
    usual.next.insert(point_of("worker:ada:recorded:1"), "left".to_owned());
    let cases = |told: Told| {
        let Seconds { cases, no_place } = seconds(&Cases::All(CasePart::WHOLE), &usual, &[told]);
        [cases, no_place].map(|cases| cases.iter().map(|case| case.second.clone().expect("one").to_string()).collect())
    };
    let [tried, no_place]: [Vec<String>; 2] = cases(told(
        "worker:ada:recorded:1",
        1,
        &[
            ("worker:ada:recorded:1", Life::Well, 2),
            ("worker:ben:torn line cut:1", Life::Well, 9),
            ("leader:about to bury:1", Life::GoingOn, 31),
            ("worker:ada:lock taken:1", Life::Next, 1),
            ("worker:ada:recorded:1", Life::Next, 2),
        ],
    ));
    let there = ["leader:about to bury:1", "worker:ada:*:1", "worker:ada:*:2", "worker:ada:recorded:1"];
    assert_eq!(tried, there);
    assert_eq!(no_place, ["worker:ada:*:3", "worker:ada:left:1"]);
    let [tried, no_place] = cases(told("worker:ada:left:1", 1, &[("worker:ada:left:1", Life::Well, 3)]));
    assert_eq!(tried, Vec::<String>::new(), "nobody lives on");
    assert!(no_place.contains(&"worker:ada:*:1".to_owned()), "{no_place:?}");
}

#[test]
fn the_parts_together_are_all_and_none_is_in_two() {
    for of in 1..=5_usize {
        let parts: Vec<CasePart> = (1..=of).map(|number| format!("{number}/{of}").parse().unwrap()).collect();
        assert!((0..100).all(|nth| parts.iter().filter(|part| part.has(nth)).count() == 1));
    }
    for wrong in ["", "2", "0/4", "5/4", "1/0", "a/b", "all"] {
        wrong.parse::<CasePart>().unwrap_err();
    }
}
