//! `stop`, `shutdown`, `kill`: by the leader if one runs. Without one, a running worker can still be
//! asked by mail to stop its turn or to end; force needs the leader.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use teamster_protocol::host::clock;
use teamster_protocol::model::id::{Address, MemberName, MessageId, TaskId};
use teamster_protocol::model::limits::SHUTDOWN_WITHIN;
use teamster_protocol::model::mail::{Body, Urgency};
use teamster_protocol::model::notice::Stop;
use teamster_protocol::model::roster::{LeftHow, Presence};
use teamster_protocol::model::shutdown::{ShutdownRequest, Verdict, WhenBusy};
use teamster_protocol::store::presence;
use teamster_protocol::store::watch::Watch;
use teamster_protocol::team::{Inbox, Team, TeamView};
use teamster_protocol::wire::api::{EndOutcome, Ended, LeaderApiClient, Stopped, Via};
use tokio::time::timeout;

use super::interrupt::unless_interrupted;
use super::{Context, Exit, FrontError, link, list};
use crate::front::cli::args::{KillArgs, ShutdownArgs, StopArgs};
use crate::front::cli::print::{Tone, paint};

/// Who said its last word holds its lock for a moment longer, and no file tells when it lets go.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Printed by `stop --json`: how the worker was told, its task, and how the turn ended if that is known.
#[derive(Debug, Serialize)]
struct StopDone<'a> {
    name: &'a MemberName,
    #[serde(flatten)]
    stopped: Stopped,
}

/// Printed by `shutdown --json`, `kill --json` and `down --json`: what came of each member.
#[derive(Debug, Serialize)]
pub(super) struct Endings {
    pub(super) members: Vec<Ended>,
}

pub(super) async fn stop(context: &Context, args: &StopArgs) -> Result<Exit, FrontError> {
    let view = context.view()?;
    context.must_be_member(&view, &args.name)?;
    let reason = args.reason.join(" ");
    let stopped = unless_interrupted(async {
        match link::connect(context).await {
            Ok((leader, _)) => Ok(leader.stop(args.name.clone(), reason).await?),
            Err(error @ FrontError::NoLeader { .. }) => stop_by_mail(context, &view, &args.name, reason, error),
            Err(error) => Err(error),
        }
    })
    .await?;
    context.show(&StopDone { name: &args.name, stopped }, |done| stop_text(done.name, &done.stopped))?;
    Ok(Exit::Done)
}

pub(super) async fn shutdown(context: &Context, args: &ShutdownArgs) -> Result<Exit, FrontError> {
    let view = context.view()?;
    if let Some(name) = &args.name {
        context.must_be_member(&view, name)?;
    }
    let reason = args.reason.join(" ");
    let when_busy = if args.finish { WhenBusy::Finish } else { WhenBusy::Refuse };
    let members = unless_interrupted(async {
        match link::connect(context).await {
            Ok((leader, _)) => Ok(leader.shutdown(args.name.clone(), reason, when_busy).await?),
            Err(error @ FrontError::NoLeader { .. }) => {
                shutdown_by_mail(context, &view, args.name.clone(), reason, when_busy, error).await
            }
            Err(error) => Err(error),
        }
    })
    .await?;
    show_endings(context, members)
}

pub(super) async fn kill(context: &Context, args: &KillArgs) -> Result<Exit, FrontError> {
    let view = context.view()?;
    context.must_be_member(&view, &args.name)?;
    let ended = unless_interrupted(async {
        let (leader, _) = link::connect(context).await.map_err(|error| name_the_process(error, &view, &args.name))?;
        Ok(leader.kill(args.name.clone()).await?)
    })
    .await?;
    // A worker that was killed left as it was asked to: by force.
    let exit = match ended.outcome {
        EndOutcome::Left { .. } => Exit::Done,
        EndOutcome::Refused { .. } | EndOutcome::Stuck => Exit::Refused,
    };
    context.show(&Endings { members: vec![ended] }, endings_text)?;
    Ok(exit)
}

fn show_endings(context: &Context, members: Vec<Ended>) -> Result<Exit, FrontError> {
    let exit = exit_of(&members);
    context.show(&Endings { members }, |endings| match endings.members.is_empty() {
        true => "no member runs".to_owned(),
        false => endings_text(endings),
    })?;
    Ok(exit)
}

pub(super) fn exit_of(members: &[Ended]) -> Exit {
    let left = |ended: &Ended| match ended.outcome {
        EndOutcome::Left { .. } => true,
        EndOutcome::Refused { .. } | EndOutcome::Stuck => false,
    };
    if members.iter().all(left) { Exit::Done } else { Exit::Refused }
}

/// Puts an abort request into the mailbox of a worker that runs without a leader.
fn stop_by_mail(
    context: &Context,
    view: &TeamView,
    name: &MemberName,
    reason: String,
    no_leader: FrontError,
) -> Result<Stopped, FrontError> {
    if !presence::is_held(&view.dir().member_lock(name))? {
        return Err(nothing_to_end(no_leader));
    }
    let task = view.board().owned_by(name).next();
    context.team()?.post(&Address::Member(name.clone()), Urgency::Now, Body::AbortRequest { reason })?;
    Ok(Stopped { via: Via::Mail, task, stop: None })
}

/// A member that was asked by mail to end.
struct Asked {
    request: MessageId,
    /// Whether it said that it ends.
    agreed: bool,
    outcome: Option<EndOutcome>,
}

/// Holds the shutdown handshake by mail with workers that run without a leader: each is asked, its answer is
/// taken from the lead's mailbox, and who agreed is waited for. Silence past the deadline is an error: going
/// up the ladder is for a leader.
async fn shutdown_by_mail(
    context: &Context,
    view: &TeamView,
    name: Option<MemberName>,
    reason: String,
    when_busy: WhenBusy,
    no_leader: FrontError,
) -> Result<Vec<Ended>, FrontError> {
    let runs = |name: &MemberName| presence::is_held(&view.dir().member_lock(name));
    let mut names = Vec::new();
    for name in
        view.roster().members().map(|(name, _)| name).filter(|member| name.as_ref().is_none_or(|n| n == *member))
    {
        if runs(name)? {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        return Err(nothing_to_end(no_leader));
    }
    let mut watch = Watch::new(context.settings.poll);
    watch.add(view.dir().mailbox(&Address::Lead));
    watch.add(view.dir().roster());
    let mut team = context.team()?;
    let mut inbox = Inbox::open(&context.dir, Address::Lead, context.settings.durability)?;
    let mut asked = BTreeMap::new();
    for name in names {
        let request = clock::new_message_id();
        let deadline_ms = clock::now_ms() + SHUTDOWN_WITHIN.as_millis() as u64;
        let body = Body::ShutdownRequest(ShutdownRequest { request, reason: reason.clone(), deadline_ms, when_busy });
        team.post(&Address::Member(name.clone()), Urgency::Now, body)?;
        asked.insert(name, Asked { request, agreed: false, outcome: None });
    }
    let answers = async {
        while asked.values().any(|asked| asked.outcome.is_none() && !asked.agreed) {
            take_answers(&mut team, &mut inbox, &mut asked)?;
            if asked.values().any(|asked| asked.outcome.is_none() && !asked.agreed) {
                watch.changed().await;
            }
        }
        Ok::<(), FrontError>(())
    };
    if let Ok(answered) = timeout(SHUTDOWN_WITHIN, answers).await {
        answered?;
    }
    let silent: Vec<String> = asked
        .iter()
        .filter(|(_, asked)| asked.outcome.is_none() && !asked.agreed)
        .map(|(name, _)| name.to_string())
        .collect();
    if !silent.is_empty() {
        let what = format!("no answer from {} within {}s", silent.join(", "), SHUTDOWN_WITHIN.as_secs());
        return Err(FrontError::refused(what, "see teamster status NAME for its process, and end that yourself"));
    }
    while asked.values().any(|asked| asked.outcome.is_none()) {
        take_answers(&mut team, &mut inbox, &mut asked)?;
        if asked.iter().any(|(name, asked)| asked.outcome.is_none() && has_left(&team, name)) {
            let _ = timeout(LOOK_AGAIN, watch.changed()).await;
        } else if asked.values().any(|asked| asked.outcome.is_none()) {
            watch.changed().await;
        }
    }
    let ended = |(name, asked): (MemberName, Asked)| asked.outcome.map(|outcome| Ended { name, outcome });
    Ok(asked.into_iter().filter_map(ended).collect())
}

/// Takes the answers that are there, and who has left.
fn take_answers(team: &mut Team, inbox: &mut Inbox, asked: &mut BTreeMap<MemberName, Asked>) -> Result<(), FrontError> {
    let mut taken = Vec::new();
    for message in inbox.unread()? {
        let (Body::ShutdownReply(reply), Some(from)) = (&message.body, message.from.member()) else { continue };
        let Some(asked) = asked.get_mut(from).filter(|asked| asked.request == reply.request) else { continue };
        match &reply.verdict {
            Verdict::Approved | Verdict::Finishing { .. } => asked.agreed = true,
            Verdict::Refused { task } => asked.outcome = Some(EndOutcome::Refused { task: *task }),
        }
        taken.push(message.id);
    }
    if !taken.is_empty() {
        inbox.acknowledge(&taken)?;
    }
    team.refresh(|_| ())?;
    for (name, asked) in asked.iter_mut().filter(|(_, asked)| asked.outcome.is_none()) {
        if presence::is_held(&team.dir().member_lock(name))? {
            continue;
        }
        // Its last words may have come between the refresh and the look at its lock.
        team.refresh(|_| ())?;
        let how = match team.roster().member(name).map(|member| &member.presence) {
            Ok(Presence::Left { how, .. }) => how.clone(),
            Ok(Presence::Joined { .. } | Presence::Expected { .. }) | Err(_) => {
                LeftHow::Died { reason: "it ended without a word".to_owned() }
            }
        };
        asked.outcome = Some(EndOutcome::Left { how });
    }
    Ok(())
}

fn has_left(team: &Team, name: &MemberName) -> bool {
    match team.roster().member(name).map(|member| &member.presence) {
        Ok(Presence::Left { .. }) => true,
        Ok(Presence::Joined { .. } | Presence::Expected { .. }) | Err(_) => false,
    }
}

fn name_the_process(error: FrontError, view: &TeamView, name: &MemberName) -> FrontError {
    let process = view.roster().member(name).ok().and_then(|member| match &member.presence {
        Presence::Joined { process, .. } if process.identity.exists() => Some(process.identity.pid),
        Presence::Joined { .. } | Presence::Expected { .. } | Presence::Left { .. } => None,
    });
    match (error, process) {
        (FrontError::NoLeader { team, .. }, Some(pid)) => {
            FrontError::NoLeader { team, hint: format!("{name} runs as process {pid}: kill {pid} ends it") }
        }
        (error, None) => nothing_to_end(error),
        (error, Some(_)) => error,
    }
}

/// Starting a leader is no way out for who wants to end something.
pub(super) fn nothing_to_end(error: FrontError) -> FrontError {
    match error {
        FrontError::NoLeader { team, .. } => {
            FrontError::NoLeader { team, hint: "see teamster status for what runs".to_owned() }
        }
        other => other,
    }
}

fn stop_text(name: &MemberName, stopped: &Stopped) -> String {
    let name = paint(Tone::Name, name.as_str());
    let held = |task: Option<TaskId>| match task {
        Some(task) => format!("; task {task} is held for it: teamster task retry {task} lets it go on"),
        None => String::new(),
    };
    match (&stopped.stop, stopped.via) {
        (Some(Stop::Aborted), _) => format!("{name} stopped{}", held(stopped.task)),
        (Some(Stop::Completed), _) => format!("{name} had completed its turn in the same moment"),
        (Some(Stop::Failed { reason }), _) => {
            format!("{name} had failed in the same moment: {}", paint(Tone::Plain, reason))
        }
        (None, Via::Mail) => format!("{name} was told by mail to stop"),
        (None, Via::Rpc) => format!("{name} was told to stop"),
    }
}

pub(super) fn endings_text(endings: &Endings) -> String {
    let line = |ended: &Ended| {
        let name = paint(Tone::Name, ended.name.as_str());
        match &ended.outcome {
            EndOutcome::Left { how } => format!("{name} {}", paint(Tone::Plain, &list::left(how))),
            EndOutcome::Refused { task } => {
                let with = task.map(|task| format!(" with task {task}")).unwrap_or_default();
                let finish = format!("teamster shutdown {} --finish lets it finish first", ended.name);
                format!("{name} {}{with}; {finish}", paint(Tone::Warn, "goes on, it is busy"))
            }
            EndOutcome::Stuck => format!("{name} {}", paint(Tone::Error, "does not end, not even by SIGKILL")),
        }
    };
    endings.members.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_each_member_is_said_with_the_way_on() {
        let ended = |name: &str, outcome| Ended { name: name.parse().expect("a name"), outcome };
        let endings = Endings {
            members: vec![
                ended("alice", EndOutcome::Left { how: LeftHow::Shutdown }),
                ended("bob", EndOutcome::Refused { task: Some(TaskId(3)) }),
                ended("carol", EndOutcome::Left { how: LeftHow::Died { reason: "killed by SIGKILL".to_owned() } }),
                ended("dave", EndOutcome::Stuck),
            ],
        };
        assert_eq!(exit_of(&endings.members), Exit::Refused);
        insta::assert_snapshot!(anstream::adapter::strip_str(&endings_text(&endings)), @"
        alice shut down
        bob goes on, it is busy with task 3; teamster shutdown bob --finish lets it finish first
        carol died: killed by SIGKILL
        dave does not end, not even by SIGKILL
        ");
    }
}
