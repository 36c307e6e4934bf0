//! An old board: what a leader and a worker have in memory that are started on very many tasks that are over, beside
//! the same two on an empty board.

use std::time::Duration;

use teamster_protocol::model::board::WaitingClaimant;
use teamster_protocol::model::id::{Address, TaskId};
use teamster_protocol::store::file::Durability;
use teamster_protocol::store::watch::FileWatch;
use teamster_protocol::team::Team as Files;

use super::leader;
use super::memory::Footprint;
use super::play::{self, BATCH, succeeds};
use crate::trial::Outcome;
use crate::trial::team::Team;

/// How long a leader may take to write the views of an old board.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// From one look at the views to the next.
const LOOK: Duration = Duration::from_millis(50);

/// The one member.
const NAME: &str = "w0";

/// The two, before and after so many tasks.
pub(super) async fn compare(tasks: usize) -> Outcome<(Footprint, Footprint)> {
    let team = Team::new(&[])?;
    let young = at_rest(&team, 0).await?;
    let mut files = Files::open(team.dir().clone(), Address::Lead, Durability::Process)?;
    let who = WaitingClaimant::new(NAME.parse()?);
    for begun in (0..tasks).step_by(BATCH) {
        let added = files.add_tasks(|first| play::tasks(first, BATCH.min(tasks - begun)))?;
        for id in added {
            let claim = files.claim_next(&who)?.ok_or_else(|| format!("task {id} is free and was not given"))?;
            files.decide(Durability::Process, |board| Ok((vec![board.complete(&claim, "done".to_owned())?], ())))?;
        }
    }
    Ok((young, at_rest(&team, tasks).await?))
}

/// Starts a leader and a worker, looks at them once all tasks have their views, and ends them.
async fn at_rest(team: &Team, tasks: usize) -> Outcome<Footprint> {
    succeeds(team, &["up", "--detach"]).await?;
    leader::spawn(team, &[NAME.parse()?], "shell").await?;
    // Views are written in the order of the numbers.
    let last = team.dir().task_view(TaskId(tasks as u32));
    let shown = async {
        let mut watch = FileWatch::new(LOOK);
        while tasks > 0 && !last.exists() {
            watch.changed().await;
        }
    };
    tokio::time::timeout(SHOWN_WITHIN, shown).await.map_err(|_| format!("there is no {}", last.display()))?;
    let footprint = Footprint::take(team, 1, tasks)?;
    succeeds(team, &["down"]).await?;
    Ok(footprint)
}
