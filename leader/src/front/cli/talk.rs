//! `send` and `steer` go to the leader, which is linked to the workers; `dm` and `broadcast` go to mailboxes on
//! disk and need nobody.

use serde::Serialize;
use teamster_protocol::model::id::{Address, MemberName};
use teamster_protocol::model::mail::Urgency;
use teamster_protocol::wire::api::{
    Delivered, LeaderApiClient, MailRequest, Prompted, Reader, SteerPassed, Steered, Undelivered, Via,
};

use super::interrupt::unless_interrupted;
use super::{Context, Exit, FrontError, link};
use crate::front::cli::args::{BroadcastArgs, DmArgs, SendArgs, SteerArgs};
use crate::front::cli::print::{Tone, paint};

/// Printed by `send --json`: the turn that was started.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    name: &'a MemberName,
    #[serde(flatten)]
    prompted: Prompted,
}

/// Printed by `steer --json`: how it was passed on, and when it reaches the agent if that is known.
#[derive(Debug, Serialize)]
struct SteerSent<'a> {
    name: &'a MemberName,
    #[serde(flatten)]
    passed: SteerPassed,
}

pub(super) async fn send(context: &Context, args: &SendArgs) -> Result<Exit, FrontError> {
    context.must_be_member(&context.view()?, &args.name)?;
    let text = some_text(args.text.resolve()?)?;
    let prompted = unless_interrupted(async {
        let (leader, _) = link::connect_or_start(context).await?;
        Ok(leader.send(args.name.clone(), text).await?)
    })
    .await?;
    context.show(&Sent { name: &args.name, prompted }, |sent| {
        let name = paint(Tone::Name, sent.name.as_str());
        format!("{name} works on it: turn {}; watch with teamster logs {} -f", sent.prompted.turn, sent.name)
    })?;
    Ok(Exit::Done)
}

pub(super) async fn steer(context: &Context, args: &SteerArgs) -> Result<Exit, FrontError> {
    context.must_be_member(&context.view()?, &args.name)?;
    let text = some_text(args.text.resolve()?)?;
    let passed = unless_interrupted(async {
        let (leader, _) = link::connect_or_start(context).await?;
        Ok(leader.steer(args.name.clone(), text).await?)
    })
    .await?;
    context.show(&SteerSent { name: &args.name, passed }, |sent| {
        let name = paint(Tone::Name, sent.name.as_str());
        match (sent.passed.steered, sent.passed.via) {
            (Some(Steered::Now), _) => format!("{name} has it"),
            (Some(Steered::NextTurn), _) => format!("{name} gets it with the next turn"),
            (None, Via::Mail) => format!("{name} gets it by mail"),
            (None, Via::Rpc) => format!("{name} was told"),
        }
    })?;
    Ok(Exit::Done)
}

pub(super) fn dm(context: &Context, args: &DmArgs) -> Result<Exit, FrontError> {
    match &args.name {
        Address::Member(name) => context.must_be_member(&context.view()?, name)?,
        Address::Lead if context.me == Address::Lead => {
            return Err(FrontError::refused("you are the lead", "members write to you; read it with teamster inbox"));
        }
        Address::Lead => {}
    }
    mail(context, Some(args.name.clone()), args.text.resolve()?, urgency(args.urgent))
}

pub(super) fn broadcast(context: &Context, args: &BroadcastArgs) -> Result<Exit, FrontError> {
    if context.view()?.roster().members().next().is_none() {
        return Err(FrontError::refused("the team has no members to write to", "start one with teamster spawn NAME"));
    }
    mail(context, None, args.text.resolve()?, urgency(args.urgent))
}

fn mail(context: &Context, to: Option<Address>, text: String, urgency: Urgency) -> Result<Exit, FrontError> {
    let mailed = context.team()?.mail(MailRequest { to, text, urgency })?;
    let exit = if mailed.failed.is_empty() { Exit::Done } else { Exit::Refused };
    context.show(&mailed, |mailed| {
        let line = |delivered: &Delivered| {
            let name = paint(Tone::Name, delivered.to.as_str());
            match delivered.reader {
                Reader::Running => format!("in the mailbox of {name}"),
                Reader::Absent if delivered.to == Address::Lead => format!("in the mailbox of {name}; it waits there"),
                Reader::Absent => format!("in the mailbox of {name}, who does not run; it waits there"),
                Reader::Unknown => format!("in the mailbox of {name}; whether its reader runs could not be told"),
            }
        };
        let failed = |failed: &Undelivered| {
            let name = paint(Tone::Error, failed.to.as_str());
            format!("not safely in the mailbox of {name}: {}; try again with teamster dm {}", failed.why, failed.to)
        };
        let lines = mailed.delivered.iter().map(line).chain(mailed.failed.iter().map(failed));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(exit)
}

fn urgency(urgent: bool) -> Urgency {
    if urgent { Urgency::Now } else { Urgency::Next }
}

fn some_text(text: String) -> Result<String, FrontError> {
    if text.trim().is_empty() {
        return Err(FrontError::refused("there is no text to send", "give it as words, or - for standard input"));
    }
    Ok(text)
}
