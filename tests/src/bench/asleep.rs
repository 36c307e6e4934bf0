//! What a member costs whose agent had a turn, and was put away because there was nothing more to do.

use std::time::Duration;

use teamster_protocol::model::agent::options::{AgentOptions, IdleLimit};
use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::notice::NoticeKind;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::WorkerApiClient;

use super::Outcome;
use super::child::{Child, Role};
use super::idle::{of_each, rollup};
use super::pi::{NOT_HERE, PiAtHand, WAY_OUT};
use super::place::Place;
use super::table::{Must, Row, Unit};
use super::worker::{Worker, WorkerSetup, block_on, within};

/// As many members as many a run has. Their workers share the pages of their program.
const TEAM: u32 = 4;
/// How long an agent has nothing to do before it is put away.
const IDLE_AFTER: Duration = Duration::from_millis(200);

const OF_SCRIPT: &str = "member whose agent was put away, memory (PSS)";
const OF_PI: &str = "the same, its agent was pi";

/// The agents of these members.
struct AsleepTeam<'a> {
    what: &'static str,
    team: &'a str,
    options: AgentOptions,
    setup: WorkerSetup,
    prompt: &'a str,
}

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let agent = place.scripted_agent()?.display().to_string();
    let env = vec![("TEAMSTER_SCRIPT_AGENT", agent)];
    let scripted = AsleepTeam {
        what: OF_SCRIPT,
        team: "asleep",
        options: AgentOptions::default(),
        setup: WorkerSetup { agent: "script", env, ..WorkerSetup::default() },
        prompt: "say hello",
    };
    let mut rows = vec![row(place, scripted)?];
    rows.push(match PiAtHand::find(place, "home-asleep")? {
        Some(pi) => {
            let setup = WorkerSetup { agent: "pi", env: pi.env.clone(), ..WorkerSetup::default() };
            let prompt = "[[say text=hello]]";
            row(place, AsleepTeam { what: OF_PI, team: "asleep-pi", options: pi.options(), setup, prompt })?
        }
        None => Row::not_here(OF_PI, Unit::Bytes, NOT_HERE, WAY_OUT),
    });
    Ok(rows)
}

fn row(place: &Place, members: AsleepTeam<'_>) -> Outcome<Row> {
    let AsleepTeam { what, team, mut options, setup, prompt } = members;
    options.idle_after = Some(IdleLimit::after(IDLE_AFTER));
    let mut team = place.team(team)?;
    let bare = Child::start(Role::Echo, &[])?;
    block_on(async {
        let mut workers = Vec::new();
        for nth in 0..TEAM {
            let member = format!("member-{nth}");
            let name = place.enroll_with(&mut team, &member, AutoClaim::Off, setup.agent, options.clone())?;
            let worker = Worker::start_with(place, team.dir(), &name, &setup).await?;
            let mut notices = within(worker.peer.notices(0)).await??;
            within(worker.peer.prompt(TaskWork::Prompt(prompt.to_owned()))).await??;
            let mut has_ended = false;
            loop {
                let notice = within(notices.next()).await?.ok_or("the worker says nothing more")??;
                match notice.what {
                    NoticeKind::TurnEnded { .. } => has_ended = true,
                    NoticeKind::Asleep if has_ended => break,
                    NoticeKind::Leaving { reason } => return Err(reason.into()),
                    _ => {}
                }
            }
            workers.push(worker);
        }
        // What a worker still does after it said so.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (pss, own) = (of_each(&workers, "Pss:")?, of_each(&workers, "Pss_Anon:")?);
        let bare_pss = rollup(bare.pid(), "Pss:")?;
        for worker in workers {
            worker.kill().await?;
        }
        Ok(Row {
            what,
            figure: pss,
            limit: bare_pss,
            limit_is: "this program, blocked in a read",
            unit: Unit::Bytes,
            must: Must::AtMost(4e6),
            note: format!(
                "each of {TEAM} after a turn of its agent, both halves of its cell; {:.2} MB are its own",
                own / 1e6
            ),
        })
    })
}
