//! The model server that follows the script in a prompt, `tests/rig/fakemodel.py`: started for a test or a trial on a port of
//! its own, asked what it was asked, and ended with the value.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::trial::Outcome;

/// The server ends by itself after this time, also where nobody ends it.
const SECONDS_MAX: &str = "3600";

/// The longest wait for one answer to [`ModelServer::ask`].
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A model server that runs.
#[derive(Debug)]
pub struct ModelServer {
    child: Child,
    port: u16,
}

/// The file of this name beside the model server.
pub fn rig_file(name: &str) -> String {
    format!("{}/rig/{name}", env!("CARGO_MANIFEST_DIR"))
}

impl ModelServer {
    /// Starts a server. Each request is a line in `model.jsonl` of the folder.
    pub fn start(logs: &Path) -> Outcome<ModelServer> {
        fs::create_dir_all(logs)?;
        let mut python = Command::new("python3");
        python.arg(rig_file("fakemodel.py")).args(["--max-life", SECONDS_MAX, "--log"]).arg(logs.join("model.jsonl"));
        python.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = python.spawn()?;
        let mut said = String::new();
        let mut server = match child.stdout.take() {
            Some(out) => {
                BufReader::new(out).read_line(&mut said)?;
                ModelServer { child, port: 0 }
            }
            None => return Err("the standard output of the model server is not piped".into()),
        };
        let ready: Value = serde_json::from_str(&said).map_err(|_| format!("the model server said {said:?}"))?;
        let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        server.port = port.ok_or_else(|| format!("the model server names no port: {said}"))?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends one request, a POST where there is a body. Returns the status and the answer.
    pub fn ask(&self, path: &str, body: Option<&Value>) -> Outcome<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: model\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + &body).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        let (_, text) = answer.split_once("\r\n\r\n").ok_or("an answer without a body")?;
        Ok((status.ok_or("an answer without a status")?, serde_json::from_str(text)?))
    }

    /// The requests of agents that came after this number, and that are over.
    pub fn requests(&self, after: u64) -> Outcome<Vec<Value>> {
        let (_, log) = self.ask(&format!("/__rig/log?since={after}"), None)?;
        Ok(log["log"].as_array().cloned().unwrap_or_default())
    }

    /// The number of the last request that is over.
    pub fn last_request(&self) -> Outcome<u64> {
        Ok(self.requests(0)?.iter().filter_map(|request| request["seq"].as_u64()).max().unwrap_or(0))
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        let ended: io::Result<()> = self.child.kill().and_then(|()| self.child.wait().map(drop));
        if let Err(error) = ended {
            eprintln!("the model server could not be ended: {error}");
        }
    }
}
