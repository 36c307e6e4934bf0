//! A second account of turns: of what each used and said as its agent told it. What a worker tells of a turn that ended, and
//! what it writes on the board of an attempt, is compared with it.

use std::collections::BTreeMap;

use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::notice::TranscriptText;
use teamster_protocol::model::usage::{TokenUsage, UsageSum};
use teamster_worker::core::AttemptEnd;

/// The account of one member.
#[derive(Debug, Default)]
struct MemberUse {
    /// The prompts that ended in the turn that runs.
    before: TokenUsage,
    /// The newest that its agent told of the prompt it has.
    now: TokenUsage,
    /// What its agent said to the prompts of the turn that runs.
    said: Vec<String>,
    /// The turns since the last claim, as they ended.
    of_attempt: UsageSum,
    /// What was written on the board of an attempt whose turn has not ended in the transcript.
    recorded: Option<UsageSum>,
    /// All turns that ended, in all lives.
    all: UsageSum,
    /// The turn whose end was told last.
    ended: Option<u64>,
}

/// The accounts of all members.
#[derive(Debug, Default)]
pub(super) struct SimUses(BTreeMap<MemberName, MemberUse>);

impl SimUses {
    fn of(&mut self, name: &MemberName) -> &mut MemberUse {
        self.0.entry(name.clone()).or_default()
    }

    /// The agent tells what the prompt it has used so far.
    pub(super) fn used(&mut self, name: &MemberName, usage: TokenUsage) {
        self.of(name).now = usage;
    }

    /// The agent has ended with a prompt, to which it said this.
    pub(super) fn ended(&mut self, name: &MemberName, said: &str) {
        let member = self.of(name);
        member.before = member.before.then(std::mem::take(&mut member.now));
        member.said.push(said.to_owned());
    }

    /// A task is claimed.
    pub(super) fn claimed(&mut self, name: &MemberName) {
        let member = self.of(name);
        member.of_attempt = UsageSum::default();
        member.said.clear();
    }

    /// The use since the last claim, with the turn that runs, but without how long that takes.
    pub(super) fn of_attempt(&mut self, name: &MemberName) -> UsageSum {
        let member = self.of(name);
        member.of_attempt.plus(UsageSum::of_turn(Some(member.before.then(member.now)), 0))
    }

    /// A worker writes how an attempt ended. Returns the rule that this breaks.
    pub(super) fn recorded(&mut self, name: &MemberName, attempt: &AttemptEnd, used: UsageSum) -> Option<String> {
        let member = self.of(name);
        member.recorded = Some(used);
        let told = match attempt {
            AttemptEnd::Complete { .. } => return None,
            AttemptEnd::Fail { result, .. } => result,
            AttemptEnd::Release { partial, .. } | AttemptEnd::Die { partial, .. } => partial,
        };
        let missing = member.said.iter().find(|said| !told.contains(*said))?;
        Some(format!("{name} does not write down that its agent said {missing:?} in a turn that was not completed"))
    }

    /// An entry of the transcript. Returns the rule that it breaks.
    pub(super) fn say(&mut self, name: &MemberName, entry: &TranscriptText) -> Option<String> {
        let member = self.of(name);
        match entry {
            TranscriptText::TurnStarted { used_before, .. } => {
                (member.before, member.now, member.recorded) = Default::default();
                member.said.clear();
                (*used_before != member.all).then(|| {
                    format!("{name} has used {:?} by all turns before, and says that it is {used_before:?}", member.all)
                })
            }
            TranscriptText::TurnEnded { turn, used, .. } => {
                member.said.clear();
                // One that was parked and then ended for good is told twice; of one that never began nothing is used.
                let is_repeated = member.ended.replace(*turn) == Some(*turn);
                let expected = std::mem::take(&mut member.before).then(std::mem::take(&mut member.now));
                if !is_repeated {
                    member.all = member.all.plus(*used);
                    member.of_attempt = member.of_attempt.plus(*used);
                    let (expected, told) = ((expected.input, expected.output), (used.input, used.output));
                    if expected != told || used.turns > 1 {
                        return Some(format!(
                            "the agent of {name} told {expected:?} tokens, and its turn has {used:?}"
                        ));
                    }
                }
                let (of_attempt, recorded) = (member.of_attempt, member.recorded.take()?);
                (recorded != of_attempt).then(|| {
                    format!("the turns of {name} since its claim used {of_attempt:?}, and the attempt {recorded:?}")
                })
            }
            _ => None,
        }
    }

    /// The worker of a member is dead, and all its turns have used this, as whoever buried it found.
    pub(super) fn buried(&mut self, name: &MemberName, all: UsageSum) {
        *self.of(name) = MemberUse { all, ..MemberUse::default() };
    }
}
