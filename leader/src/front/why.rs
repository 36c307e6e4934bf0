//! `why`: the reason why a task is not being done, or a member does nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use teamster_protocol::id::{MemberName, TaskId};
use teamster_protocol::lock;
use teamster_protocol::team::{TeamError, TeamView};
use teamster_protocol::transcript;

use super::{Context, Exit, FrontError};
use crate::args::{WhyArgs, WhySubject};
use crate::print::{Tone, harmless, paint};
use crate::why::{Because, Scene};

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
    let in_turn = in_turn(&view, &running)?;
    let (board, roster) = (view.board(), view.roster());
    let scene = Scene { board, roster, running: &running, in_turn: &in_turn, reason: &reason };
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
    for (name, _) in view.roster().members() {
        if lock::is_held(&view.dir().member_lock(name))? {
            running.insert(name.clone());
        }
    }
    Ok(running)
}

/// The members that are in a turn for no task, and since when.
fn in_turn(view: &TeamView, running: &BTreeSet<MemberName>) -> Result<BTreeMap<MemberName, u64>, FrontError> {
    let mut in_turn = BTreeMap::new();
    for name in running.iter().filter(|name| view.board().owned_by(name).next().is_none()) {
        if let Some(open) = transcript::open_turn(&view.dir().turns(name))? {
            in_turn.insert(name.clone(), open.since_ms);
        }
    }
    Ok(in_turn)
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
