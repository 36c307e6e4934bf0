//! The orders of the worker, taken while the model is asked, while a tool runs, and between turns.

use std::collections::VecDeque;

use teamster_protocol::model::agent::{Permission, QuestionId};
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_worker::driver::script::ScriptOrder;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use crate::news::tell_receipt;

/// The orders that come, and those of the running turn that wait for their moment.
#[derive(Debug)]
pub(crate) struct AgentOrders {
    incoming: mpsc::UnboundedReceiver<ScriptOrder>,
    /// Texts for the next call of the model.
    steers: VecDeque<(TextId, String)>,
}

/// The order that ends a wait between turns.
#[derive(Debug)]
pub(crate) enum IdleOrder {
    Prompt { id: TextId, text: String },
    Closed,
}

/// The turn is to end before its time: the worker wants that, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TurnBreak;

impl AgentOrders {
    /// Takes the lines of the standard input. One that is no order ends it: nothing that follows could be trusted.
    pub(crate) fn from_stdin() -> AgentOrders {
        let (send, incoming) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(tokio::io::stdin()).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str(&line) {
                    Ok(order) => drop(send.send(order)),
                    Err(error) => {
                        eprintln!("error: a line that is no order: {error}");
                        return;
                    }
                }
            }
        });
        AgentOrders { incoming, steers: VecDeque::new() }
    }

    #[cfg(test)]
    pub(crate) fn of(incoming: mpsc::UnboundedReceiver<ScriptOrder>) -> AgentOrders {
        AgentOrders { incoming, steers: VecDeque::new() }
    }

    /// The first order; nothing if there is none.
    pub(crate) async fn first(&mut self) -> Option<ScriptOrder> {
        self.incoming.recv().await
    }

    /// Waits for a prompt. What was meant for a turn comes too late.
    pub(crate) async fn next_idle(&mut self) -> IdleOrder {
        loop {
            match self.incoming.recv().await {
                Some(ScriptOrder::Prompt { id, text }) => return IdleOrder::Prompt { id, text },
                Some(ScriptOrder::Steer { id, .. }) => tell_lost(id, "the turn had ended"),
                Some(ScriptOrder::Start { .. } | ScriptOrder::Permit { .. } | ScriptOrder::Abort {}) => {}
                None => return IdleOrder::Closed,
            }
        }
    }

    /// Does the work, and keeps what is said meanwhile. An abort drops the work.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, TurnBreak> {
        tokio::select! {
            biased;
            stop = self.broken() => Err(stop),
            done = work => Ok(done),
        }
    }

    /// Waits until the turn is to end, and keeps what is said meanwhile. May be dropped while it waits.
    pub(crate) async fn broken(&mut self) -> TurnBreak {
        loop {
            match self.next_answer().await {
                // Its question was taken back.
                Ok(_) => {}
                Err(stop) => return stop,
            }
        }
    }

    /// Waits for the answer to a question.
    pub(crate) async fn answer_to(&mut self, asked: &QuestionId) -> Result<Permission, TurnBreak> {
        loop {
            let (question, answer) = self.next_answer().await?;
            if question == *asked {
                return Ok(answer);
            }
        }
    }

    /// The texts for the model that came in this turn, oldest first.
    pub(crate) fn take_steers(&mut self) -> Vec<(TextId, String)> {
        self.steers.drain(..).collect()
    }

    /// Whether texts wait for the model.
    pub(crate) fn has_steers(&self) -> bool {
        !self.steers.is_empty()
    }

    /// The turn is over: what waits for the model reaches it no more.
    pub(crate) fn lose_steers(&mut self, why: &str) {
        for (id, _) in self.take_steers() {
            tell_lost(id, why);
        }
    }

    async fn next_answer(&mut self) -> Result<(QuestionId, Permission), TurnBreak> {
        loop {
            match self.incoming.recv().await {
                Some(ScriptOrder::Steer { id, text }) => {
                    tell_receipt(id, ReceiptState::Queued);
                    self.steers.push_back((id, text));
                }
                Some(ScriptOrder::Permit { question, answer }) => return Ok((question, answer)),
                Some(ScriptOrder::Prompt { id, .. }) => tell_lost(id, "a turn runs"),
                Some(ScriptOrder::Start { .. }) => {}
                Some(ScriptOrder::Abort {}) | None => return Err(TurnBreak),
            }
        }
    }
}

fn tell_lost(text: TextId, why: &str) {
    tell_receipt(text, ReceiptState::Lost { reason: why.to_owned() });
}
