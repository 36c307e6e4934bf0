//! Lines to the peer: whatever came before, the next call is answered, and every answer is one line of JSON.

use std::cell::RefCell;

use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::Value;
use teamster_protocol::model::agent::Permission;
use teamster_protocol::model::receipt::{ReceiptState, TextId};
use teamster_protocol::model::task::TaskWork;
use teamster_protocol::wire::api::{
    AbortAnswer, PromptAnswer, ProtocolHello, SteerAnswer, SteerHaste, WorkerApiClient, WorkerApiServer, WorkerPhase,
    WorkerStatus, WorkerWelcome, code,
};
use teamster_protocol::wire::peer::Peer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// The id of the call that follows the input, and what it asks to be given back.
const LAST_CALL: &[u8] = br#"
{"jsonrpc":"2.0","id":"after-all-that","method":"ping","params":[7]}
"#;

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime of one thread")
    );
}

pub(super) fn run(bytes: &[u8]) {
    let said = RUNTIME.with_borrow(|runtime| runtime.block_on(talk(bytes)));
    let mut answers = Vec::new();
    for line in said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        answers.push(serde_json::from_slice::<Value>(line).expect("a line that is written is JSON"));
    }
    let ours = |answer: &&Value| answer["id"] == "after-all-that" && answer["result"] == 7;
    assert!(answers.iter().any(|answer| ours(&answer)), "the call after the input was not answered");
}

/// Sends the input and one call more to a worker that has a call of its own open; gives all that it says.
async fn talk(bytes: &[u8]) -> Vec<u8> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(theirs);
    let peer = Peer::start(read, write, Toy.into_rpc());
    let (mut read, mut write) = tokio::io::split(ours);
    let sending = async {
        for bytes in [bytes, LAST_CALL] {
            write.write_all(bytes).await.expect("the peer reads until it is told that nothing follows");
        }
        write.shutdown().await.expect("a stream in memory can be closed");
    };
    let mut said = Vec::new();
    let hearing = read.read_to_end(&mut said);
    // An answer among the bytes may be for this call; else it fails when the stream ends.
    let asking = WorkerApiClient::status(&peer);
    let (_, heard, _) = tokio::join!(sending, hearing, asking);
    heard.expect("a stream in memory can be read");
    said
}

/// Answers everything at once.
struct Toy;

fn refused() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code::REFUSED, "no", None::<()>)
}

#[async_trait]
impl WorkerApiServer for Toy {
    async fn initialize(&self, _: ProtocolHello) -> RpcResult<WorkerWelcome> {
        Err(refused())
    }

    async fn prompt(&self, work: TaskWork) -> RpcResult<PromptAnswer> {
        let turn = work.text().len() as u64;
        Ok(PromptAnswer { turn, text: TextId::prompt_of(turn) })
    }

    async fn steer(&self, text: String, _: Option<SteerHaste>) -> RpcResult<SteerAnswer> {
        if text.is_empty() {
            Err(refused())
        } else {
            Ok(SteerAnswer { text: TextId::prompt_of(1), state: ReceiptState::Accepted, haste: None })
        }
    }

    async fn abort(&self, _: String) -> RpcResult<AbortAnswer> {
        Ok(AbortAnswer { turn: 1, task: None })
    }

    async fn permit(&self, question: u64, _: Permission) -> RpcResult<()> {
        if question == 0 { Err(refused()) } else { Ok(()) }
    }

    async fn status(&self) -> RpcResult<WorkerStatus> {
        Ok(WorkerStatus { phase: WorkerPhase::Idle, unread: 0, seq: 0 })
    }

    fn ping(&self, nonce: u64) -> RpcResult<u64> {
        Ok(nonce)
    }

    async fn notices(&self, pending: PendingSubscriptionSink, since: u64) -> SubscriptionResult {
        if since > 1_000 {
            pending.reject(refused()).await
        } else {
            drop(pending.accept().await?)
        }
        Ok(())
    }
}
