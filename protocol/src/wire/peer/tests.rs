//! Two peers, or a peer and a raw stream, talk as a user of the protocol would see it.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;
use jsonrpsee::core::client::{ClientT, Error};
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{PendingSubscriptionSink, rpc_params};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::Semaphore;

use crate::model::limits::sizes::{CALLS_IN_FLIGHT_MAX, MESSAGE_LINE_BYTES_MAX, NOTICES_QUEUED_MAX};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[rpc(client, server)]
trait Toy {
    #[method(name = "add")]
    fn add(&self, left: u64, right: u64) -> RpcResult<u64>;
    #[method(name = "enqueue")]
    async fn enqueue(&self, number: u64) -> RpcResult<()>;
    #[method(name = "hold")]
    async fn hold(&self) -> RpcResult<String>;
    #[method(name = "panic")]
    fn panic(&self) -> RpcResult<()>;
    #[method(name = "big")]
    fn big(&self, bytes: usize) -> RpcResult<String>;
    #[subscription(name = "count" => "counted", unsubscribe = "uncount", item = u64)]
    async fn count(&self, upto: u64) -> SubscriptionResult;
}

struct World {
    queue: mpsc::Sender<u64>,
    gate: Semaphore,
    held: AtomicUsize,
    sent: AtomicUsize,
    ended: Notify,
}

#[derive(Clone)]
struct ToyServed(Arc<World>);

#[async_trait]
impl ToyServer for ToyServed {
    fn add(&self, left: u64, right: u64) -> RpcResult<u64> {
        Ok(left + right)
    }
    async fn enqueue(&self, number: u64) -> RpcResult<()> {
        self.0.queue.send(number).await.unwrap();
        Ok(())
    }
    async fn hold(&self) -> RpcResult<String> {
        self.0.held.fetch_add(1, Ordering::SeqCst);
        self.0.gate.acquire().await.unwrap().forget();
        Ok("let go".to_owned())
    }
    fn panic(&self) -> RpcResult<()> {
        panic!("as asked")
    }
    fn big(&self, bytes: usize) -> RpcResult<String> {
        Ok("x".repeat(bytes))
    }
    /// Ends at `upto`, or with an error as soon as the subscriber does not keep up.
    async fn count(&self, pending: PendingSubscriptionSink, upto: u64) -> SubscriptionResult {
        let mut sink = pending.accept().await?;
        for number in 0..upto {
            let json = serde_json::value::to_raw_value(&number)?;
            let sent = sink.try_send(json);
            self.0.sent.fetch_add(1, Ordering::SeqCst);
            if sent.is_err() {
                self.0.ended.notify_one();
                return Err("too slow".into());
            }
            if number % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
        sink.closed().await;
        self.0.ended.notify_one();
        Ok(())
    }
}

fn toy() -> (ToyServed, mpsc::Receiver<u64>) {
    let (queue, queued) = mpsc::channel(2000);
    let world = World {
        queue,
        gate: Semaphore::new(0),
        held: AtomicUsize::new(0),
        sent: AtomicUsize::new(0),
        ended: Notify::new(),
    };
    (ToyServed(Arc::new(world)), queued)
}

/// Two peers that both serve the toy, over memory.
fn pair() -> (Peer, Peer, ToyServed, mpsc::Receiver<u64>) {
    let (left, right) = tokio::io::duplex(64 * 1024);
    let (toy, queued) = toy();
    let (read, write) = tokio::io::split(left);
    let left = Peer::start(read, write, toy.clone().into_rpc());
    let (read, write) = tokio::io::split(right);
    let right = Peer::start(read, write, toy.clone().into_rpc());
    (left, right, toy, queued)
}

/// A bare stream to a peer that serves the toy.
struct Raw {
    write: WriteHalf<DuplexStream>,
    read: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
}

fn raw() -> (Raw, Peer, ToyServed) {
    raw_with_buffer(64 * 1024)
}

fn raw_with_buffer(bytes: usize) -> (Raw, Peer, ToyServed) {
    let (ours, theirs) = tokio::io::duplex(bytes);
    let (toy, _) = toy();
    let (read, write) = tokio::io::split(theirs);
    let peer = Peer::start(read, write, toy.clone().into_rpc());
    let (read, write) = tokio::io::split(ours);
    (Raw { write, read: BufReader::new(read).lines() }, peer, toy)
}

impl Raw {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.write.write_all(bytes.as_ref()).await.unwrap();
        self.write.write_all(b"\n").await.unwrap();
    }

    async fn line(&mut self) -> Value {
        let line = within(self.read.next_line()).await.unwrap().expect("the peer closed");
        serde_json::from_str(&line).unwrap()
    }

    async fn ask(&mut self, line: impl AsRef<[u8]>) -> Value {
        self.send(line).await;
        self.line().await
    }

    async fn assert_lives(&mut self) {
        let sum = r#"{"jsonrpc":"2.0","id":"alive","method":"add","params":[1,2]}"#;
        let answer = self.ask(sum).await;
        assert_eq!(answer, json!({"jsonrpc":"2.0","id":"alive","result":3}));
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it took too long")
}

fn refused(error: Error) -> ErrorObjectOwned {
    match error {
        Error::Call(error) => error,
        error => panic!("not a refusal: {error}"),
    }
}

#[tokio::test]
async fn both_sides_call_at_once() {
    let (left, right, ..) = pair();
    let calls = join_all((0..60).map(async |n| {
        let (here, there) = tokio::join!(left.add(n, 1), right.add(n, 2));
        (here.unwrap(), there.unwrap())
    }));
    let expected: Vec<_> = (0..60).map(|n| (n + 1, n + 2)).collect();
    assert_eq!(within(calls).await, expected);
}

#[tokio::test]
async fn a_subscription_delivers_and_ends() {
    let (left, _right, toy, _) = pair();
    let mut counted = within(left.count(100)).await.unwrap();
    for expected in 0..100 {
        assert_eq!(within(counted.next()).await.unwrap().unwrap(), expected);
    }
    within(counted.unsubscribe()).await.unwrap();
    within(toy.0.ended.notified()).await;
    assert_eq!(within(left.add(1, 1)).await.unwrap(), 2);
}

#[tokio::test]
async fn enqueuing_keeps_the_order_of_arrival() {
    let (left, _right, _, mut queued) = pair();
    for number in 0..1000 {
        left.notification("enqueue", rpc_params![number]).await.unwrap();
    }
    for expected in 0..1000 {
        assert_eq!(within(queued.recv()).await, Some(expected));
    }
}

#[tokio::test]
async fn garbage_and_unknown_answers_hurt_nothing() {
    let (mut raw, _peer, _) = raw();
    raw.assert_lives().await;
    let code = |answer: &Value| (answer["error"]["code"].clone(), answer["id"].clone());
    assert_eq!(code(&raw.ask("garbage").await), (json!(-32700), Value::Null));
    assert_eq!(code(&raw.ask(b"\"\xff\"").await), (json!(-32700), Value::Null));
    assert_eq!(code(&raw.ask("{\"id\":1}").await), (json!(-32600), json!(1)));
    assert_eq!(code(&raw.ask("3").await), (json!(-32600), Value::Null));
    assert_eq!(code(&raw.ask("[]").await), (json!(-32600), Value::Null));
    let wrong_version = r#"{"jsonrpc":"1.0","id":4,"method":"add","params":[1,2]}"#;
    assert_eq!(code(&raw.ask(wrong_version).await), (json!(-32600), json!(4)));
    for unknown in [r#"{"jsonrpc":"2.0","id":99,"result":1}"#, r#"{"jsonrpc":"2.0","id":"0","error":null,"result":1}"#]
    {
        raw.send(unknown).await;
    }
    raw.assert_lives().await;
}

#[tokio::test]
async fn errors_name_what_was_wrong() {
    let (left, _right, ..) = pair();
    let left = &left;
    let unknown = refused(left.request::<u64, _>("subtract", rpc_params![1]).await.unwrap_err());
    assert_eq!((unknown.code(), unknown.message()), (-32601, "method not found: \"subtract\""));
    let wrong = refused(left.request::<u64, _>("add", rpc_params!["one"]).await.unwrap_err());
    assert_eq!(wrong.code(), -32602);
    let panicked = refused(left.panic().await.unwrap_err());
    assert_eq!(panicked.code(), -32603);
    let long = refused(left.big(MESSAGE_LINE_BYTES_MAX).await.unwrap_err());
    assert_eq!(long.code(), -32008);
    assert_eq!(left.add(1, 1).await.unwrap(), 2);
}

#[tokio::test]
async fn a_notice_gets_no_answer_not_even_an_error() {
    let (mut raw, _peer, _) = raw();
    raw.send(r#"{"jsonrpc":"2.0","method":"add","params":[1,2]}"#).await;
    raw.send(r#"{"jsonrpc":"2.0","method":"add","params":["x"]}"#).await;
    raw.send(r#"{"jsonrpc":"2.0","method":"nonsense"}"#).await;
    raw.send(r#"{"jsonrpc":"2.0","method":"panic"}"#).await;
    raw.send(r#"{"jsonrpc":"2.0","method":"count","params":[1]}"#).await;
    raw.assert_lives().await;
}

#[tokio::test]
async fn an_oversized_line_is_answered_and_skipped() {
    let (mut raw, _peer, _) = raw();
    let mut line = br#"{"jsonrpc":"2.0","id":5,"method":"add","params":[""#.to_vec();
    line.resize(9 * 1024 * 1024, b'x');
    let answer = raw.ask(line).await;
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(OVERSIZED_CODE), &json!(5)));
    let answer = raw.ask(vec![b'['; 9 * 1024 * 1024]).await;
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(OVERSIZED_CODE), &Value::Null));
    raw.assert_lives().await;
}

#[tokio::test]
async fn an_oversized_request_is_refused_before_it_is_sent() {
    let (left, _right, ..) = pair();
    let text = "x".repeat(MESSAGE_LINE_BYTES_MAX);
    let error = left.request::<u64, _>("add", rpc_params![text.as_str()]).await.unwrap_err();
    assert!(error.to_string().contains("cannot call add: the request has"), "{error}");
    let error = left.notification("add", rpc_params![text.as_str()]).await.unwrap_err();
    assert!(matches!(error, Error::Transport(_)), "{error}");
    assert_eq!(left.add(1, 1).await.unwrap(), 2);
}

#[tokio::test]
async fn deep_nesting_costs_nothing() {
    let (mut raw, _peer, _) = raw();
    for deep in ["[".repeat(1 << 20), "{\"a\":".repeat(1 << 18)] {
        assert_eq!(raw.ask(&deep).await["error"]["code"], json!(-32700));
    }
    let params = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"add","params":{params}}}"#);
    assert_eq!(raw.ask(call).await["error"]["code"], json!(-32602));
    raw.assert_lives().await;
}

#[tokio::test]
async fn one_call_too_many_is_refused_while_answers_still_arrive() {
    let (mut raw, peer, toy) = raw();
    for id in 0..CALLS_IN_FLIGHT_MAX {
        raw.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"hold"}}"#)).await;
    }
    let busy = raw.ask(r#"{"jsonrpc":"2.0","id":64,"method":"hold"}"#).await;
    assert_eq!((&busy["error"]["code"], &busy["id"]), (&json!(BUSY_CODE), &json!(64)));

    let caller = peer.clone();
    let call = tokio::spawn(async move { caller.add(1, 2).await });
    let asked = raw.line().await;
    assert_eq!(asked["method"], "add");
    raw.send(json!({"jsonrpc":"2.0","id":asked["id"],"result":3}).to_string()).await;
    assert_eq!(within(call).await.unwrap().unwrap(), 3);

    assert_eq!(toy.0.held.load(Ordering::SeqCst), CALLS_IN_FLIGHT_MAX);
    toy.0.gate.add_permits(CALLS_IN_FLIGHT_MAX);
    for _ in 0..CALLS_IN_FLIGHT_MAX {
        assert_eq!(raw.line().await["result"], "let go");
    }
    raw.assert_lives().await;
}

#[tokio::test]
async fn the_end_of_the_stream_fails_calls_and_ends_subscriptions() {
    let (left, right, toy, _) = pair();
    let mut counted = within(left.count(1)).await.unwrap();
    assert_eq!(within(counted.next()).await.unwrap().unwrap(), 0);
    let holding = left.clone();
    let call = tokio::spawn(async move { holding.hold().await });
    within(async {
        while toy.0.held.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(right.close()).await;
    assert!(matches!(within(right.closed()).await, PeerClosed::Local));
    assert!(matches!(within(left.closed()).await, PeerClosed::Eof));
    assert!(matches!(within(left.closed()).await, PeerClosed::Eof));
    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::RestartNeeded(_)), "{error}");
    assert!(matches!(left.add(1, 1).await, Err(Error::RestartNeeded(_))));
    assert!(within(counted.next()).await.is_none());
    within(toy.0.ended.notified()).await;
}

#[tokio::test]
async fn answers_are_written_after_the_other_side_has_finished_speaking() {
    let (mut raw, peer, _) = raw();
    raw.send(r#"{"jsonrpc":"2.0","id":1,"method":"add","params":[1,2]}"#).await;
    raw.write.shutdown().await.unwrap();
    assert!(matches!(within(peer.closed()).await, PeerClosed::Eof));
    within(peer.close()).await;
    assert_eq!(raw.line().await["result"], 3);
    assert!(within(raw.read.next_line()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_call_without_an_answer_times_out_alone() {
    let (_raw, peer, _) = raw();
    let hasty = peer.with_request_timeout(Duration::from_millis(1));
    assert!(matches!(within(hasty.add(1, 1)).await, Err(Error::RequestTimeout)));
    assert!(matches!(within(hasty.count(1)).await, Err(Error::RequestTimeout)));
    assert!(peer.handle.shared.pending.take(&jsonrpsee::types::Id::Number(0)).is_none());
}

#[tokio::test]
async fn a_slow_subscriber_loses_its_subscription_and_nothing_else() {
    let (mut raw, _peer, toy) = raw_with_buffer(1024);
    let subscribed = raw.ask(r#"{"jsonrpc":"2.0","id":1,"method":"count","params":[1000000]}"#).await;
    assert!(subscribed["result"].is_u64(), "{subscribed}");
    within(toy.0.ended.notified()).await;
    let sent = toy.0.sent.load(Ordering::SeqCst);
    assert!(sent < 5 * NOTICES_QUEUED_MAX, "{sent} notices were taken from the producer");
    let last = loop {
        let notice = raw.line().await;
        if notice["params"].get("error").is_some() {
            break notice;
        }
    };
    assert_eq!(last["params"]["error"], "too slow");
    raw.assert_lives().await;
}

#[tokio::test]
async fn malformed_answers_fail_their_call_and_nothing_else() {
    let (mut raw, peer, _) = raw();
    let caller = peer.clone();
    let call = tokio::spawn(async move { caller.add(1, 2).await });
    let id = raw.line().await["id"].clone();
    raw.send(json!({"jsonrpc":"2.0","id":id,"error":"no object"}).to_string()).await;
    assert!(within(call).await.unwrap().unwrap_err().to_string().contains("cannot use the answer to add"));

    let subscriber = peer.clone();
    let call = tokio::spawn(async move { subscriber.count(2).await.map(drop) });
    let id = raw.line().await["id"].clone();
    raw.send(json!({"jsonrpc":"2.0","id":id,"error":"no object"}).to_string()).await;
    assert!(within(call).await.unwrap().is_err());

    let subscriber = peer.clone();
    let call = tokio::spawn(async move { subscriber.count(2).await });
    let id = raw.line().await["id"].clone();
    raw.send(json!({"jsonrpc":"2.0","id":id,"result":"s","error":null}).to_string()).await;
    raw.send(r#"{"jsonrpc":"2.0","method":"counted","params":{"subscription":"s","result":7}}"#).await;
    let mut counted = within(call).await.unwrap().unwrap();
    assert_eq!(within(counted.next()).await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn peers_talk_over_pipes() {
    let (to_left, from_right) = (tokio::net::unix::pipe::pipe().unwrap(), tokio::net::unix::pipe::pipe().unwrap());
    let (served, _queued) = toy();
    let left = Peer::start(to_left.1, from_right.0, served.clone().into_rpc());
    let right = Peer::start(from_right.1, to_left.0, served.into_rpc());
    let (here, there) = within(async { tokio::join!(left.add(1, 2), right.add(3, 4)) }).await;
    assert_eq!((here.unwrap(), there.unwrap()), (3, 7));
    assert_eq!(within(left.big(1 << 20)).await.unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn peers_talk_over_a_socket_at_a_long_path_that_replaces_a_dead_one() {
    let root = tempfile::tempdir().unwrap();
    let mut path = root.path().to_owned();
    for _ in 0..4 {
        path.push("a-directory-whose-name-is-quite-long-indeed");
    }
    std::fs::create_dir_all(&path).unwrap();
    path.push("leader.sock");
    assert!(path.as_os_str().len() > 107);
    drop(socket::listen(&path).unwrap());
    assert!(matches!(socket::connect(&path).await, Err(socket::SocketError::Connect { .. })));

    let listener = socket::listen(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    let (theirs, ours) = within(async { tokio::join!(listener.accept(), socket::connect(&path)) }).await;
    let (served, _queued) = toy();
    let (read, write) = theirs.unwrap().into_split();
    let _server = Peer::start(read, write, served.into_rpc());
    let (read, write) = ours.unwrap().into_split();
    let client = Peer::start(read, write, Methods::new());
    assert_eq!(within(client.add(1, 2)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("precious");
    std::fs::write(&path, "text").unwrap();
    assert!(matches!(socket::listen(&path), Err(socket::SocketError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
}

/// Bytes that come close to being messages, and bytes that do not.
fn hostile_line() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(vec![
        r#""jsonrpc":"2.0""#,
        r#""jsonrpc":2"#,
        r#""id":0"#,
        r#""id":"0""#,
        r#""id":null"#,
        r#""id":-1"#,
        r#""id":{}"#,
        r#""method":"add""#,
        r#""method":"count""#,
        r#""method":"uncount""#,
        r#""method":"counted""#,
        r#""method":7"#,
        r#""params":[1,2]"#,
        r#""params":{"subscription":1,"result":2}"#,
        r#""params":{"subscription":"1","error":2}"#,
        r#""params":null"#,
        r#""result":null"#,
        r#""result":[1]"#,
        r#""error":null"#,
        r#""error":{"code":1,"message":"m"}"#,
        r#""error":[]"#,
        r#""extensions":1"#,
        r#""x":"\ud800""#,
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(field, 0..6).prop_map(|fields| {
            let mut line = String::new();
            write!(line, "{{{}}}", fields.join(",")).unwrap();
            line.into_bytes()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_ends_the_connection(lines in prop::collection::vec(hostile_line(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut raw, peer, _) = raw();
            // A subscription, so that jsonrpsee's client has something to lose.
            let subscriber = peer.clone();
            let call = tokio::spawn(async move { subscriber.count(1).await });
            let asked = raw.line().await;
            raw.send(json!({"jsonrpc":"2.0","id":asked["id"],"result":"sub"}).to_string()).await;
            let mut counted = within(call).await.unwrap().unwrap();
            for line in &lines {
                raw.send(line).await;
            }
            raw.send(r#"{"jsonrpc":"2.0","id":"last","method":"add","params":[1,2]}"#).await;
            while raw.line().await["id"] != "last" {}
            raw.send(r#"{"jsonrpc":"2.0","method":"counted","params":{"subscription":"sub","result":7}}"#).await;
            assert_eq!(within(counted.next()).await.unwrap().unwrap(), 7);
        });
    }
}
