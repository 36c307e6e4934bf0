//! How far a sweep goes: a look for members whose worker is dead. Were every worker to look at every other member at
//! each poll, a team of two hundred would open forty thousand lock files every five seconds. So the members form a ring by
//! their names: each worker looks at the one after it, and past it only while it finds dead ones. Every dead member has a
//! living worker before it in the ring, so somebody finds it at the next poll.
//!
//! A worker that hangs looks at nobody, and seems to live to the one before it: it hides the dead ones after it. Therefore
//! every worker looks at everybody once in a while.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::model::id::MemberName;

/// How far a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepReach {
    /// To the first member after one's own place in the ring whose worker lives.
    Ring,
    /// Over all members.
    Whole,
}

/// How many polls of a worker make one whole sweep: at the slow poll of 5 s, one a minute.
const POLLS_OF_WHOLE_SWEEP: u64 = 12;

impl SweepReach {
    /// The reach of a worker's sweep at its `nth` poll, counted from 1.
    pub fn of_poll(nth: u64) -> SweepReach {
        if nth.is_multiple_of(POLLS_OF_WHOLE_SWEEP) { SweepReach::Whole } else { SweepReach::Ring }
    }
}

/// The members in the order of the ring: those after `own` by name, and then those before it. `own` is not among them.
pub fn ring_after<'a>(
    members: &'a BTreeSet<MemberName>,
    own: &'a MemberName,
) -> impl Iterator<Item = &'a MemberName> + use<'a> {
    let after = members.range::<MemberName, _>((Bound::Excluded(own), Bound::Unbounded));
    after.chain(members.range::<MemberName, _>(..own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<MemberName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_ring_begins_after_oneself_and_goes_around_the_end() {
        let members = names(&["ada", "bob", "cy", "dan"]);
        let ring = |own: &str| {
            let own = own.parse().unwrap();
            ring_after(&members, &own).map(MemberName::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ring("bob"), "cy dan ada");
        assert_eq!(ring("dan"), "ada bob cy");
        // One that holds nothing and waits for nothing has its place all the same.
        assert_eq!(ring("bill"), "bob cy dan ada");
    }

    /// For every set of living workers: together they see every dead member at one poll.
    #[test]
    fn whoever_lives_together_they_find_all_of_the_dead() {
        let all: Vec<MemberName> = names(&["a", "b", "c", "d", "e", "f", "g"]).into_iter().collect();
        for living in 1_u32..(1 << all.len()) {
            let lives = |name: &MemberName| living & (1 << all.iter().position(|other| other == name).unwrap()) != 0;
            let members: BTreeSet<MemberName> = all.iter().cloned().collect();
            let mut found = BTreeSet::new();
            for own in all.iter().filter(|name| lives(name)) {
                found.extend(ring_after(&members, own).take_while(|name| !lives(name)).cloned());
            }
            let dead: BTreeSet<MemberName> = all.iter().filter(|name| !lives(name)).cloned().collect();
            assert_eq!(found, dead, "living: {living:b}");
        }
    }

    #[test]
    fn a_whole_sweep_comes_once_in_a_while() {
        let reach: Vec<SweepReach> = (1..=24).map(SweepReach::of_poll).collect();
        assert_eq!(reach.iter().filter(|reach| **reach == SweepReach::Whole).count(), 2);
        assert_eq!((reach[10], reach[11]), (SweepReach::Ring, SweepReach::Whole));
    }
}
