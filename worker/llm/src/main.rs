//! The program `teamster-llm`: a small agent for people who have a key or a model server, and nothing else. The worker
//! starts it and speaks the lines of the scripted agent with it (`worker/src/driver/script.rs`).
//!
//! The program is not part of the worker, since what speaks with model servers is ten times as large as a worker, which
//! lives by the dozen.

mod agent;
mod args;
mod compaction;
mod confined;
mod conversation;
mod fault;
mod limits;
mod model;
mod news;
mod orders;
mod shell;
mod tools;

use std::process::ExitCode;

use clap::Parser;
use teamster_worker::driver::script::ScriptOrder;

use crate::agent::LlmAgent;
use crate::args::LlmArgs;
use crate::orders::{AgentOrders, IdleOrder};

fn main() -> ExitCode {
    let args = LlmArgs::parse();
    // Refused only if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("cannot begin: {error}")),
    };
    let ended = runtime.block_on(live(args));
    // A thread may still wait for a line on the standard input.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => refuse(&reason),
    }
}

fn refuse(reason: &str) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::FAILURE
}

/// Serves orders until there are no more.
async fn live(args: LlmArgs) -> Result<(), String> {
    let mut orders = AgentOrders::from_stdin();
    let Some(ScriptOrder::Start { session, copy_of, identity }) = orders.first().await else {
        return Err("the first line is to be an order to start, as a worker of teamster gives it\nlet one start it: teamster spawn NAME --agent llm --model PROVIDER/MODEL".to_owned());
    };
    let mut agent = LlmAgent::begin(args, session, copy_of, identity)?;
    loop {
        match orders.next_idle().await {
            IdleOrder::Prompt { id, text } => agent.take_turn(&mut orders, id, text).await?,
            IdleOrder::Closed => return Ok(()),
        }
    }
}
