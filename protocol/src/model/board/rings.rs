//! Whom to ring when there is work: as many of those that wait as could work at the same time, and no more.
//!
//! Whoever is rung takes the task that is best for it, which need not be the one that was counted for it. So the number has
//! to be the greatest: then whoever was not rung could take nothing after all the others have. To count task by task for
//! whoever waits longest would leave one idle whose only task was counted for another that could do something else.

use std::collections::{BTreeMap, BTreeSet};

use super::waiting::WaitingClaimant;
use super::{ClaimLane, ClaimRank};

/// Ready tasks, given to those that wait one after the other.
pub(super) struct RingPlan<'a> {
    /// How many tasks of each lane are given to nobody.
    left: BTreeMap<&'a ClaimLane, usize>,
    /// How many of these are for more than one member.
    shared_left: usize,
    /// The members that the tasks of a shared lane are given to.
    given: BTreeMap<ClaimLane, Vec<&'a WaitingClaimant>>,
}

impl<'a> RingPlan<'a> {
    pub(super) fn new(ready: &'a BTreeMap<ClaimLane, BTreeSet<ClaimRank>>) -> RingPlan<'a> {
        let left: BTreeMap<&ClaimLane, usize> = ready.iter().map(|(lane, ranks)| (lane, ranks.len())).collect();
        let shared_left = left.iter().filter(|(lane, _)| lane.is_shared()).map(|(_, count)| *count).sum();
        RingPlan { left, shared_left, given: BTreeMap::new() }
    }

    /// Gives a task to a member that waits. The others keep one each, though perhaps another.
    pub(super) fn give(&mut self, who: &'a WaitingClaimant) -> bool {
        if who.own_lanes().any(|lane| self.left.contains_key(&lane)) {
            return true;
        }
        let is_given = self.shared_left > 0 && self.give_shared(who, &mut BTreeSet::new());
        self.shared_left -= usize::from(is_given);
        is_given
    }

    /// `looked` are the lanes that were looked at for this one: each is once, so the depth is that of the lanes.
    fn give_shared(&mut self, who: &'a WaitingClaimant, looked: &mut BTreeSet<ClaimLane>) -> bool {
        for lane in who.shared_lanes() {
            let Some(left) = self.left.get_mut(&lane) else { continue };
            if !looked.insert(lane.clone()) {
                continue;
            }
            if *left > 0 {
                *left -= 1;
                self.given.entry(lane).or_default().push(who);
                return true;
            }
            // All are given: perhaps one of those that have them can do something else.
            for at in 0..self.given.get(&lane).map_or(0, Vec::len) {
                let other = self.given[&lane][at];
                if self.give_shared(other, looked) {
                    self.given.entry(lane).or_default()[at] = who;
                    return true;
                }
            }
        }
        false
    }
}
