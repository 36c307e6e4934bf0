//! `why`: the reason why a task is not being done, or a member does nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use teamster_protocol::model::id::{Address, MemberName, TaskId};
use teamster_protocol::model::mail::{Body, LetterState, Message};
use teamster_protocol::model::roster::Presence;
use teamster_protocol::model::shutdown::Verdict;
use teamster_protocol::store::presence::WorkerLife;
use teamster_protocol::store::transcript;
use teamster_protocol::team::{TeamError, TeamView, read_mail, worker_life};

use super::{Context, Exit, FrontError};
use crate::front::cli::args::{WhyArgs, WhySubject};
use crate::front::cli::print::{Tone, harmless, paint};
use crate::ops::file_limit::members_over_file_limit;
use crate::ops::why::{Because, Scene};

/// Causes that are told to people; a task may wait for hundreds.
const CAUSES_TOLD_MAX: usize = 8;

/// Printed by `why ID --json`.
#[derive(Debug, Serialize)]
struct TaskWhy {
    task: TaskId,
    title: String,
    status: &'static str,
    because: Vec<Because>,
}

/// Printed by `why NAME --json`.
#[derive(Debug, Serialize)]
struct MemberWhy {
    member: MemberName,
    because: Vec<Because>,
}

pub(super) fn why(context: &Context, args: &WhyArgs) -> Result<Exit, FrontError> {
    let view = context.view()?;
    let running = running(&view)?;
    // A task that can not be read back has no words for why it failed; the rest is told all the same.
    let reason = |id| view.task_view(id).ok()?.reason().map(str::to_owned);
    let Turns { in_turn, quiet } = turns(&view, &running)?;
    let ending = ending(&view, &running)?;
    let (board, roster) = (view.board(), view.roster());
    let over_file_limit = &members_over_file_limit(&view);
    let (running, in_turn, quiet, ending) = (&running, &in_turn, &quiet, &ending);
    let scene = Scene { board, roster, running, in_turn, quiet, over_file_limit, ending, reason: &reason };
    match &args.what {
        WhySubject::Task(id) => {
            let because = scene.task(*id, context.now_ms()).map_err(TeamError::from)?;
            let status = view.board().status(*id).map_err(TeamError::from)?.word();
            let why = TaskWhy { task: *id, title: view.new_task(*id)?.title, status, because };
            context.show(&why, |why| {
                let title = paint(Tone::Name, &why.title);
                format!("task {} {title} is {}\n{}", why.task, why.status, told(&why.because))
            })?;
        }
        WhySubject::Member(name) => {
            context.must_be_member(&view, name)?;
            let why = MemberWhy { member: name.clone(), because: scene.member(name, context.now_ms()) };
            context.show(&why, |why| format!("{}\n{}", paint(Tone::Name, why.member.as_str()), told(&why.because)))?;
        }
    }
    Ok(Exit::Done)
}

fn running(view: &TeamView) -> Result<BTreeSet<MemberName>, FrontError> {
    let mut running = BTreeSet::new();
    for (name, member) in view.roster().members() {
        if worker_life(view.dir(), name, &member.presence)? != WorkerLife::Dead {
            running.insert(name.clone());
        }
    }
    Ok(running)
}

/// What members that run are at, by their transcripts.
#[derive(Default)]
struct Turns {
    /// Those in a turn for no task, and since when.
    in_turn: BTreeMap<MemberName, u64>,
    /// Those in a turn whose agent has said nothing for longer than it may.
    quiet: BTreeSet<MemberName>,
}

fn turns(view: &TeamView, running: &BTreeSet<MemberName>) -> Result<Turns, FrontError> {
    let mut turns = Turns::default();
    for name in running {
        let Some(open) = transcript::open_turn(&view.dir().turns(name))? else { continue };
        if open.task.is_none() && view.board().owned_by(name).next().is_none() {
            turns.in_turn.insert(name.clone(), open.since_ms);
        }
        if open.quiet {
            turns.quiet.insert(name.clone());
        }
    }
    Ok(turns)
}

/// The members that have not answered a request to end, or said that they finish their turn first.
fn ending(view: &TeamView, running: &BTreeSet<MemberName>) -> Result<BTreeSet<MemberName>, FrontError> {
    let joined_ms = |name: &MemberName| match &view.roster().member(name).ok()?.presence {
        Presence::Joined { at_ms, .. } => Some(*at_ms),
        Presence::Expected { .. } | Presence::Left { .. } => None,
    };
    // The last word of each counts, if it is of this life.
    let mut said = BTreeMap::new();
    for (_, message) in read_mail(view.dir(), &Address::Lead)? {
        if let (Body::ShutdownReply(reply), Address::Member(from)) = (message.body, message.from)
            && joined_ms(&from).is_some_and(|joined_ms| message.sent_ms >= joined_ms)
        {
            said.insert(from, reply.verdict);
        }
    }
    let mut ending = BTreeSet::new();
    for name in running {
        let is_ending = match said.get(name) {
            Some(Verdict::Approved | Verdict::Finishing { .. }) => true,
            Some(Verdict::Refused { .. }) | None => {
                let mail = read_mail(view.dir(), &Address::Member(name.clone()))?;
                let asks = |(state, message): &(LetterState, Message)| {
                    *state == LetterState::Unread && matches!(message.body, Body::ShutdownRequest(_))
                };
                mail.iter().any(asks)
            }
        };
        if is_ending {
            ending.insert(name.clone());
        }
    }
    Ok(ending)
}

fn told(causes: &[Because]) -> String {
    let mut text = String::new();
    for because in causes.iter().take(CAUSES_TOLD_MAX) {
        text.push_str(&format!("  {}\n", harmless(&because.says)));
        if let Some(hint) = &because.hint {
            text.push_str(&format!("    {} {}\n", paint(Tone::Faint, "→"), paint(Tone::Plain, hint)));
        }
    }
    if causes.len() > CAUSES_TOLD_MAX {
        text.push_str(&format!("  and {} more; --json tells all\n", causes.len() - CAUSES_TOLD_MAX));
    }
    text
}
