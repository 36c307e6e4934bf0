//! Agents that speak in lines, each as a real process that is started twice: a shell that says what Claude Code or pi says.
//! There is one test, since a driver takes over all children of its process.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use teamster_protocol::model::agent::options::{AgentLaunch, LaunchCommand};
use teamster_protocol::model::agent::preset::DriverKind;
use teamster_protocol::model::agent::{AgentExit, ApprovalPolicy, SessionBegin, SessionId, TurnEnd};
use teamster_protocol::model::receipt::TextId;
use teamster_protocol::model::task::TaskWork;
use teamster_worker::driver::catalog::{AgentSetup, start_driver};
use teamster_worker::driver::{AgentNews, AgentPrompt, SessionOrigin};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Claude Code without any conversation on its disk.
const CLAUDE: &str = r#"
case "$*" in *--resume*)
    echo '{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found"]}'
    exit 1
esac
read -r greeting
echo '{"type":"control_response","response":{"subtype":"success","request_id":"t1","response":{}}}'
read -r prompt
uuid=${prompt#*'"uuid":"'}
uuid=${uuid%%'"'*}
echo '{"type":"system","subtype":"status","status":"requesting","user_message_uuids":["'$uuid'"]}'
echo '{"type":"stream_event","event":{"type":"message_start","message":{}},"parent_tool_use_id":null}'
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","user_message_uuids":["'$uuid'"]}'
read -r end
"#;

/// pi without any conversation on its disk.
const PI: &str = r#"
case "$*" in *--session*)
    echo "No session found" >&2
    exit 1
esac
read -r mode
read -r greeting
echo '{"id":"t2","type":"response","command":"get_state","success":true,"data":{"sessionId":"01a2","messageCount":0}}'
read -r end
"#;

fn launch(driver: DriverKind, script: &str) -> AgentLaunch {
    AgentLaunch {
        driver,
        command: LaunchCommand::Words(["sh", "-c", script, "agent"].map(str::to_owned).to_vec()),
        args: Vec::new(),
        env: BTreeMap::new(),
        model: None,
        effort: None,
        approval: ApprovalPolicy::Ask,
    }
}

async fn next(news: &mut mpsc::Receiver<AgentNews>) -> AgentNews {
    timeout(Duration::from_secs(60), news.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_agent_whose_conversation_is_gone_begins_a_new_one() {
    claude_begins_a_new_one().await;
    pi_begins_a_new_one_and_says_so().await;
}

async fn pi_begins_a_new_one_and_says_so() {
    let setup = AgentSetup {
        workspace: "/".into(),
        env: Vec::new(),
        origin: SessionOrigin::Earlier(SessionId("0190".to_owned())),
        identity: None,
    };
    let (mut pi, mut news) = start_driver(launch(DriverKind::Pi, PI), setup).unwrap();
    let why = "session 0190 can not be gone on with: the agent ended: exit status 1".to_owned();
    assert_eq!(next(&mut news).await, AgentNews::SessionLost { why });
    assert_eq!(next(&mut news).await, AgentNews::Ready { session: None });
    pi.close();
    assert_eq!(next(&mut news).await, AgentNews::Exited(AgentExit::Closed));
}

async fn claude_begins_a_new_one() {
    let old = SessionId("cccccccc-0000-4000-8000-000000000000".to_owned());
    let setup = AgentSetup {
        workspace: "/".into(),
        env: Vec::new(),
        origin: SessionOrigin::Earlier(old.clone()),
        identity: None,
    };
    let (mut claude, mut news) = start_driver(launch(DriverKind::Claude, CLAUDE), setup).unwrap();
    let AgentNews::SessionLost { why } = next(&mut news).await else { panic!("it says so first") };
    assert!(why.starts_with(&format!("session {old} can not be gone on with: ")), "{why}");
    assert_eq!(next(&mut news).await, AgentNews::Ready { session: None });

    claude
        .prompt(AgentPrompt { id: TextId::prompt_of(1), work: TaskWork::Prompt("go".into()), env: Vec::new() })
        .unwrap();
    let session = loop {
        match next(&mut news).await {
            AgentNews::Session(session) => break session,
            AgentNews::Receipt { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(session.begun, SessionBegin::Fresh);
    assert_ne!(session.id, old);
    let ended = loop {
        match next(&mut news).await {
            AgentNews::TurnEnded { end, result } => break (end, result),
            AgentNews::Receipt { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ended, (TurnEnd::Completed, "done".to_owned()));
    claude.close();
    assert_eq!(next(&mut news).await, AgentNews::Exited(AgentExit::Closed));
}
