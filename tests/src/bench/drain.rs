//! A thousand tasks that cost nothing, by eight workers: what Teamster itself costs, beside `xargs`.

use std::time::{Duration, Instant};

use teamster_protocol::model::board::AutoClaim;
use teamster_protocol::model::id::TaskId;
use teamster_protocol::model::task::TaskStatus;
use teamster_protocol::team::Team;
use teamster_protocol::wire::api::WorkerApiClient;

use super::Outcome;
use super::place::{Place, free_tasks};
use super::raw;
use super::samples::Samples;
use super::table::{Must, Row, Unit};
use super::worker::{Worker, block_on, within};

const WORKERS: u32 = 8;
const TASKS: u32 = 1_000;
const ROUNDS: usize = 5;
/// How exactly the end is seen.
const LOOK: Duration = Duration::from_millis(5);
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

pub(super) fn rows(place: &Place) -> Outcome<Vec<Row>> {
    let mut team = place.team("drain")?;
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    block_on(async {
        let mut workers = Vec::new();
        for nth in 0..WORKERS {
            let name = place.enroll(&mut team, &format!("member-{nth}"), AutoClaim::On)?;
            let worker = Worker::start(place, team.dir(), &name).await?;
            // The leader listens to each.
            let mut notices = within(worker.peer.notices(0)).await??;
            tokio::spawn(async move { while notices.next().await.is_some() {} });
            workers.push(worker);
        }
        for _ in 0..ROUNDS {
            for worker in &workers {
                worker.idle().await?;
            }
            raw::xargs(TASKS, &mut bare)?;
            let begin = Instant::now();
            let tasks = team.add_tasks(|_| free_tasks(TASKS, "true"))?;
            drained(&mut team, &tasks, begin).await?;
            ours.push(begin.elapsed());
        }
        for worker in workers {
            worker.kill().await?;
        }
        Ok(())
    })?;
    Ok(vec![Row {
        what: "1,000 `true` tasks, 8 workers",
        figure: ours.p50(),
        limit: bare.p50(),
        limit_is: "xargs -n1 -P8 sh -c true",
        unit: Unit::Seconds,
        must: Must::TimesLimit(2.0),
        note: format!(
            "median of {ROUNDS} in turns; from adding the tasks until all are completed and synced, seen every {} ms",
            LOOK.as_millis()
        ),
    }])
}

/// Waits until all are completed; they complete about in order, so the first that is not is looked at.
async fn drained(team: &mut Team, tasks: &[TaskId], begin: Instant) -> Outcome<()> {
    let mut rest = tasks;
    while let [next, after @ ..] = rest {
        match &team.board().task(*next)?.status {
            TaskStatus::Completed { .. } => rest = after,
            TaskStatus::Failed { .. } | TaskStatus::Cancelled => {
                return Err(format!("task {next} was not completed").into());
            }
            TaskStatus::Pending { .. } | TaskStatus::InProgress { .. } if begin.elapsed() > DRAINED_WITHIN => {
                return Err(format!("{} tasks are left after {DRAINED_WITHIN:?}", rest.len()).into());
            }
            TaskStatus::Pending { .. } | TaskStatus::InProgress { .. } => {
                tokio::time::sleep(LOOK).await;
                team.refresh(|_| ())?;
            }
        }
    }
    Ok(())
}
