//! A world that does whatever it may, in any order: each call is answered exactly once, nobody is signalled after
//! a refusal, and a leader that was told to end ends.

use std::collections::BTreeMap;

use teamster_protocol::model::roster::OnStall;

use super::*;

const SEEDS: u64 = 2_000;
const STEPS: usize = 60;

/// xorshift64*: a seed that is printed must give the same run in a year.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }
}

/// What one worker's process may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WorkerStep {
    Preparing,
    Starting,
    Running,
    /// SIGKILL was sent, and its end is not told yet.
    Dying,
}

struct World {
    dice: Dice,
    scene: Scene,
    processes: BTreeMap<MemberName, WorkerStep>,
    /// The newest request in each mailbox that was not answered.
    mail: BTreeMap<MemberName, (u128, WhenBusy)>,
    answered: BTreeMap<u64, usize>,
    exits: usize,
}

impl World {
    fn feed(&mut self, event: LeaderEvent) {
        let before = self.scene.requests;
        let actions = self.scene.feed(event);
        let mut request = before;
        let (mut looked, mut asked) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                LeaderAction::Prepare { request } => {
                    assert_eq!(self.processes.insert(request.name, WorkerStep::Preparing), None);
                }
                LeaderAction::Launch { name } => {
                    assert_eq!(self.processes.insert(name, WorkerStep::Starting), None, "it is there already");
                }
                LeaderAction::RequestShutdown { name, when_busy, .. } => {
                    request += 1;
                    self.mail.insert(name, (request, when_busy));
                }
                LeaderAction::Signal { name, signal: Signal::Kill } => {
                    self.processes.insert(name, WorkerStep::Dying);
                }
                LeaderAction::Answer { ask, .. } => *self.answered.entry(ask.0).or_default() += 1,
                LeaderAction::HandOver => unreachable!("nobody asked for it"),
                LeaderAction::Exit => self.exits += 1,
                LeaderAction::LookAtWork { name, .. } => looked.push(name),
                LeaderAction::Ping { name } => asked.push(name),
                LeaderAction::SeeOff { .. } => unreachable!("no worker of the scene is in a cell"),
                LeaderAction::Adopt { .. } => unreachable!("the scene links at once"),
                LeaderAction::Signal { signal: Signal::Terminate, .. }
                | LeaderAction::WriteFact { .. }
                | LeaderAction::LookAtRoster
                | LeaderAction::Bury { .. }
                | LeaderAction::Report { .. } => {}
            }
        }
        for name in looked {
            let then = [OnStall::Show, OnStall::Restart][self.dice.below(2)];
            let mut timed = Vec::new();
            if self.dice.below(4) == 0 {
                let since_ms = self.scene.now_ms.saturating_sub(self.dice.below(6_000) as u64);
                timed.push(TimedTask { id: TaskId(1), since_ms, timeout_ms: 1_000 });
            }
            self.feed(LeaderEvent::WorkSeen { name, work: WorkSeen { has_task: true, timed, then } });
        }
        for name in asked {
            match self.dice.below(4) {
                0 => self.feed(LeaderEvent::Answered { name }),
                1 => self.feed(LeaderEvent::NotAsked { name }),
                _ => {}
            }
        }
    }

    fn ask(&mut self, what: LeaderAsk) {
        self.scene.asks += 1;
        let ask = AskId(self.scene.asks);
        self.feed(LeaderEvent::Asked { ask, what });
    }

    fn ask_something(&mut self) {
        let member = ["ada", "ben", "cy"][self.dice.below(3)];
        let when_busy = [WhenBusy::Refuse, WhenBusy::Finish][self.dice.below(2)];
        let reason = "bye".to_owned();
        match self.dice.below(8) {
            0..4 => self.ask(LeaderAsk::Spawn(Box::new(request(member)))),
            4 => self.ask(LeaderAsk::Shutdown { name: Some(name(member)), reason, when_busy }),
            5 => self.ask(LeaderAsk::Shutdown { name: None, reason, when_busy }),
            6 => self.ask(LeaderAsk::Kill { name: name(member) }),
            _ => {
                let hand = name(member);
                if !self.processes.contains_key(&hand) {
                    self.processes.insert(hand.clone(), WorkerStep::Running);
                    let members = vec![runs(member, StartedBy::Hand)];
                    self.feed(LeaderEvent::RosterSeen { look: RosterLook::Later, members });
                }
            }
        }
    }

    /// One process gets on, or time passes.
    fn happen(&mut self) {
        let members: Vec<(MemberName, WorkerStep)> = self.processes.clone().into_iter().collect();
        if members.is_empty() || self.dice.below(4) == 0 {
            self.scene.now_ms += self.dice.below(8_000) as u64;
            let event = [LeaderEvent::Tick, LeaderEvent::Polled][self.dice.below(2)].clone();
            return self.feed(event);
        }
        let (name, process) = members[self.dice.below(members.len())].clone();
        let why = || "no".to_owned();
        match (process, self.dice.below(3)) {
            (WorkerStep::Preparing, 0) => {
                self.processes.remove(&name);
                self.feed(LeaderEvent::NotPrepared { name, why: why() });
            }
            (WorkerStep::Preparing, _) => {
                // Off the list first: it is launched, or was given up.
                self.processes.remove(&name);
                self.feed(LeaderEvent::Prepared { name, place: workspace().into() });
            }
            (WorkerStep::Starting, 0) => {
                self.processes.remove(&name);
                let fault = [StartFault::Worker, StartFault::Machine, StartFault::Spare][self.dice.below(3)];
                self.feed(LeaderEvent::NotReady { name, why: why(), fault });
            }
            (WorkerStep::Starting, _) => {
                self.processes.insert(name.clone(), WorkerStep::Running);
                self.feed(LeaderEvent::Ready { name, pid: 9 });
            }
            (WorkerStep::Dying, _) | (WorkerStep::Running, 0) => self.end(name),
            (WorkerStep::Running, _) => self.answer_mail(name),
        }
    }

    fn end(&mut self, name: MemberName) {
        self.processes.remove(&name);
        self.mail.remove(&name);
        // The core may still wait for it to be ready; it takes the one that fits.
        let why = "it ended".to_owned();
        self.feed(LeaderEvent::NotReady { name: name.clone(), why, fault: StartFault::Worker });
        let how = [WorkerEnd::Shutdown, killed()][self.dice.below(2)].clone();
        self.feed(LeaderEvent::Exited { name, how });
    }

    fn answer_mail(&mut self, from: MemberName) {
        let Some((request, when_busy)) = self.mail.remove(&from) else { return };
        let verdict = match (self.dice.below(2), when_busy) {
            (0, _) => ShutdownAnswer::Approved,
            (_, WhenBusy::Refuse) => ShutdownAnswer::Refused { task: None },
            (_, WhenBusy::Finish) => ShutdownAnswer::Finishing { task: None },
        };
        self.feed(LeaderEvent::Replied { from, reply: ShutdownReply { request: id(request), verdict } });
    }
}

#[test]
fn each_call_is_answered_once_and_down_is_the_end() {
    for seed in 1..=SEEDS {
        let mut world = World {
            dice: Dice(seed),
            scene: Scene::new(),
            processes: BTreeMap::new(),
            mail: BTreeMap::new(),
            answered: BTreeMap::new(),
            exits: 0,
        };
        for _ in 0..STEPS {
            if world.dice.below(3) == 0 { world.ask_something() } else { world.happen() }
        }
        assert_eq!(world.exits, 0, "seed {seed}");
        match world.dice.below(3) {
            0 => world.feed(LeaderEvent::Interrupted),
            1 => world.ask(LeaderAsk::Down { how: TeamEnding::Gently }),
            _ => world.ask(LeaderAsk::Down { how: TeamEnding::ByForce }),
        }
        let mut steps = 0;
        while world.exits == 0 {
            if world.dice.below(5) == 0 {
                world.ask_something()
            } else {
                world.happen()
            }
            steps += 1;
            assert!(steps < 10_000, "seed {seed}: it does not end");
        }
        let every_one: BTreeMap<u64, usize> = (1..=world.scene.asks).map(|ask| (ask, 1)).collect();
        assert_eq!(world.answered, every_one, "seed {seed}");
    }
}
