//! Both APIs as they go over the wire: a real connection to a server that answers what an example says, and that
//! keeps what it was asked after the program's own types have read it.

use std::sync::{Arc, Mutex};

use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Methods, PendingSubscriptionSink};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::id::MemberName;
use teamster_protocol::model::notice::Notice;
use teamster_protocol::model::shutdown::WhenBusy;
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::{
    AbortAnswer, EndedMember, LeaderApiServer, LeaderInfo, PassedVia, PromptAnswer, ProtocolHello, SpawnRequest,
    SpawnedMember, SteerAnswer, SteerHaste, SteerPassed, StoppedTurn, WorkerApiServer, WorkerStatus, WorkerWelcome,
};
use teamster_protocol::wire::peer::Peer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// Which of the two APIs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Api {
    Worker,
    Leader,
}

/// What the server is to answer, and what it was asked.
#[derive(Debug, Clone, Default)]
struct Script {
    answer: Value,
    notices: Vec<Value>,
    asked: Arc<Mutex<Option<Value>>>,
}

/// What came over the wire.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The parameters as the server understood them; nothing if no method of ours took the call.
    pub(crate) asked: Option<Value>,
    /// The lines that came back.
    pub(crate) lines: Vec<Value>,
}

impl Api {
    /// The names of all methods.
    pub(crate) fn methods(self) -> Vec<String> {
        let methods = self.serve(Script::default());
        methods.method_names().map(str::to_owned).collect()
    }

    fn serve(self, script: Script) -> Methods {
        match self {
            Api::Worker => WorkerApiServer::into_rpc(script).into(),
            Api::Leader => LeaderApiServer::into_rpc(script).into(),
        }
    }

    /// Sends a line to a server that is to answer as the example does.
    pub(crate) async fn call(self, line: &str, expected: &[Value]) -> Heard {
        let notices = expected.iter().skip(1).map(|notice| notice["params"]["result"].clone()).collect();
        let answer = expected.first().cloned().unwrap_or_default();
        let script = Script { answer, notices, asked: Arc::default() };
        let asked = Arc::clone(&script.asked);
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (read, write) = tokio::io::split(theirs);
        let peer = Peer::start(read, write, self.serve(script));
        let lines = exchange(ours, line, expected.len()).await;
        drop(peer);
        let asked = asked.lock().expect("no holder panics").take();
        Heard { asked, lines }
    }
}

async fn exchange(stream: DuplexStream, line: &str, answers: usize) -> Vec<Value> {
    let (read, mut write) = tokio::io::split(stream);
    write.write_all(format!("{line}\n").as_bytes()).await.expect("the other side reads");
    let mut answered = BufReader::new(read).lines();
    let mut lines = Vec::new();
    while lines.len() < answers {
        let line = answered.next_line().await.expect("the stream is whole").expect("it answers before it ends");
        lines.push(serde_json::from_str(&line).expect("an answer is JSON"));
    }
    lines
}

impl Script {
    fn asked(&self, params: impl Serialize) {
        let params = serde_json::to_value(params).expect("parameters are plain data");
        *self.asked.lock().expect("no holder panics") = Some(params);
    }

    fn answer<T: DeserializeOwned>(&self, params: impl Serialize) -> RpcResult<T> {
        self.asked(params);
        if let Some(error) = self.answer.get("error") {
            let error: ErrorObjectOwned = serde_json::from_value(error.clone()).expect("an example of an error");
            return Err(error);
        }
        let result = self.answer["result"].clone();
        Ok(serde_json::from_value(result.clone()).unwrap_or_else(|error| panic!("{result}: {error}")))
    }

    async fn notify<T: Serialize + DeserializeOwned>(
        &self,
        pending: PendingSubscriptionSink,
        params: impl Serialize,
    ) -> SubscriptionResult {
        self.asked(params);
        let sink = pending.accept().await?;
        for notice in &self.notices {
            let notice: T = serde_json::from_value(notice.clone())?;
            sink.send(to_raw_value(&notice)?).await?;
        }
        sink.closed().await;
        Ok(())
    }
}

#[async_trait]
impl WorkerApiServer for Script {
    async fn initialize(&self, hello: ProtocolHello) -> RpcResult<WorkerWelcome> {
        self.answer((hello,))
    }

    async fn prompt(&self, work: TaskWork) -> RpcResult<PromptAnswer> {
        self.answer((work,))
    }

    async fn steer(&self, text: String, haste: Option<SteerHaste>) -> RpcResult<SteerAnswer> {
        match haste {
            Some(haste) => self.answer((text, haste)),
            None => self.answer((text,)),
        }
    }

    async fn abort(&self, reason: String) -> RpcResult<AbortAnswer> {
        self.answer((reason,))
    }

    async fn permit(&self, question: u64, answer: Permission) -> RpcResult<()> {
        self.answer((question, answer))
    }

    async fn status(&self) -> RpcResult<WorkerStatus> {
        self.answer(json!([]))
    }

    fn ping(&self, nonce: u64) -> RpcResult<u64> {
        self.answer((nonce,))
    }

    async fn notices(&self, pending: PendingSubscriptionSink, since: u64) -> SubscriptionResult {
        self.notify::<Notice>(pending, (since,)).await
    }
}

#[async_trait]
impl LeaderApiServer for Script {
    async fn hello(&self, hello: ProtocolHello) -> RpcResult<LeaderInfo> {
        self.answer((hello,))
    }

    async fn spawn(&self, request: SpawnRequest) -> RpcResult<SpawnedMember> {
        self.answer((request,))
    }

    async fn send(&self, name: MemberName, work: TaskWork) -> RpcResult<PromptAnswer> {
        self.answer((name, work))
    }

    async fn wake(&self, name: MemberName) -> RpcResult<Option<SpawnedMember>> {
        self.answer((name,))
    }

    async fn permit(&self, name: MemberName, question: u64, answer: Permission) -> RpcResult<PassedVia> {
        self.answer((name, question, answer))
    }

    async fn steer(&self, name: MemberName, text: String, _: Option<SteerHaste>) -> RpcResult<SteerPassed> {
        self.answer((name, text))
    }

    async fn stop(&self, name: MemberName, reason: String) -> RpcResult<StoppedTurn> {
        self.answer((name, reason))
    }

    async fn shutdown(
        &self,
        name: Option<MemberName>,
        reason: String,
        when_busy: WhenBusy,
    ) -> RpcResult<Vec<EndedMember>> {
        self.answer((name, reason, when_busy))
    }

    async fn kill(&self, name: MemberName) -> RpcResult<EndedMember> {
        self.answer((name,))
    }

    async fn down(&self, force: bool) -> RpcResult<Vec<EndedMember>> {
        self.answer((force,))
    }

    async fn hand_over(&self) -> RpcResult<()> {
        self.answer(json!([]))
    }
}
