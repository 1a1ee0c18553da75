//! A `duress` with a target of one's own: `cargo run --example my_db -- run my-db`.
//!
//! The target is Redis, as somebody would write it who meets it for the first time: one server, and registers
//! that are read and written. What is here is all that there is to a target; faults, checkers, reports and the
//! command line come with it. Compare `duress init my-db`, which needs no Rust.

use async_trait::async_trait;
use duress_targets::obtain::{DebianPackage, Recipe};
use duress_targets::{
    Client, ClientError, Completion, Launch, Node, NodeStatus, OptionDoc, Registry, Server, Settings, Source,
    Target, TargetEntry, TargetError,
};
use duress_workloads::Invocation;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

const PORT: u16 = 6379;
/// A probe that takes longer has failed. Clients set no limits: the engine does.
const PROBE_WITHIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    duress::cli::main(Registry::builtin().with(my_db()))
}

/// What `duress list targets` shows, what plans are checked against, and how a target is made.
fn my_db() -> TargetEntry {
    let fsync = OptionDoc::new("fsync", "always", "when the log is flushed to disk: always, everysec, no");
    let options = vec![fsync.clone()];
    let make = move |settings: &Settings, _workload: &str| -> Result<Arc<dyn Target>, TargetError> {
        settings.only("my-db", [&fsync])?;
        let known = |word: &str| ["always", "everysec", "no"].contains(&word).then(|| word.to_owned());
        Ok(Arc::new(MyDb { fsync: settings.value(&fsync, "always, everysec or no", known)? }))
    };
    TargetEntry {
        name: "my-db".to_owned(),
        doc: "a single server with registers".to_owned(),
        workloads: vec!["register".to_owned()],
        options,
        default_nodes: 1,
        max_nodes: Some(1),
        ports: vec![PORT],
        tool: None,
        refuses: Vec::new(),
        declaration: None,
        make: Arc::new(make),
    }
}

/// The target, configured for one run.
struct MyDb {
    fsync: String,
}

/// Where the program comes from. `Source::Named` is for one that has to be there.
static RECIPE: Recipe = Recipe {
    server: "redis-server",
    version_args: &["--version"],
    version_prefix: "Redis server v=",
    env: &[],
    debian: Some(DebianPackage { name: "redis-tools", path: "usr/bin/redis-check-rdb" }),
    wheel: None,
    release: None,
};

impl Launch for MyDb {
    fn source(&self) -> Source<'_> {
        Source::Recipe(&RECIPE)
    }

    fn args(&self, _cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String> {
        let (bind, dir) = (node.addr.to_string(), data_dir.display().to_string());
        let options =
            [("bind", bind.as_str()), ("protected-mode", "no"), ("dir", &dir), ("appendonly", "yes")];
        let options = options.into_iter().chain([("appendfsync", self.fsync.as_str()), ("save", "")]);
        options.flat_map(|(name, value)| [format!("--{name}"), value.to_owned()]).collect()
    }
}

#[async_trait]
impl Target for MyDb {
    fn server(&self) -> Server<'_> {
        Server::Processes(self)
    }

    /// Opens no connection yet: the first operation does, and learns itself whether it is refused.
    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
        Ok(Box::new(MyClient { node: node.clone(), stream: None }))
    }

    async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
        let mut client = MyClient { node: node.clone(), stream: None };
        match tokio::time::timeout(PROBE_WITHIN, client.call("PING")).await {
            Ok(Ok(Some(pong))) if pong == "PONG" => Ok(()),
            Ok(Ok(other)) => Err(ClientError::new("protocol", format!("it answered {other:?}"))),
            Ok(Err(Completion::Fail(error) | Completion::Info(error))) => Err(error),
            Ok(Err(Completion::Ok(_))) | Err(_) => Err(ClientError::new("timeout", "no answer")),
        }
    }

    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        self.healthy(node).await?;
        Ok(NodeStatus { version: String::new(), leads: None, term: None })
    }
}

/// One attempt, one connection, one node.
struct MyClient {
    node: Node,
    stream: Option<BufStream<TcpStream>>,
}

#[async_trait]
impl Client for MyClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        let (key, asked) = (&invocation.value[0], &invocation.value[1]);
        let done = match (invocation.f.as_str(), asked) {
            ("read", _) => self.call(&format!("GET r{key}")).await.and_then(|held| {
                let held = held.map(|held| held.parse::<i64>()).transpose();
                held.map(|held| json!([key, held])).map_err(|e| not_understood(e.to_string()))
            }),
            ("write", new) => self.call(&format!("SET r{key} {new}")).await.map(|_| invocation.value.clone()),
            // It certainly does not happen: nothing is sent.
            (f, _) => Err(Completion::Fail(ClientError::new("unsupported", f.to_owned()))),
        };
        done.map_or_else(|ended| ended, |value: Value| Completion::Ok(value))
    }
}

/// Whatever that was, nobody knows what it stands for.
fn not_understood(why: String) -> Completion {
    Completion::Info(ClientError::new("protocol", why))
}

impl MyClient {
    /// Sends a command, once. `Err` says how the operation ended instead.
    async fn call(&mut self, command: &str) -> Result<Option<String>, Completion> {
        // Without a connection nothing is sent: that is a failure, and certain.
        let refused =
            |e: std::io::Error| Completion::Fail(ClientError::new(ClientError::REFUSED, e.to_string()));
        // From the first byte on, nobody knows.
        let broke = |e: std::io::Error| Completion::Info(ClientError::new("disconnected", e.to_string()));
        // It is put back when the reply is complete, so that none is taken for that of another command.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufStream::new(TcpStream::connect((self.node.addr, PORT)).await.map_err(refused)?),
        };
        stream.write_all(format!("{command}\r\n").as_bytes()).await.map_err(broke)?;
        stream.flush().await.map_err(broke)?;
        let mut line = String::new();
        if stream.read_line(&mut line).await.map_err(broke)? == 0 {
            return Err(Completion::Info(ClientError::new("disconnected", "closed before the reply")));
        }
        let reply = match line.trim_end().split_at_checked(1) {
            Some(("+", text)) => Some(text.to_owned()),
            Some(("$", "-1")) => None,
            Some(("$", length)) => {
                let length = length.parse::<usize>().map_err(|e| not_understood(e.to_string()))?;
                let mut text = vec![0; length + 2];
                stream.read_exact(&mut text).await.map_err(broke)?;
                Some(String::from_utf8_lossy(&text).trim_end().to_owned())
            }
            // Redis says these instead of doing anything.
            Some(("-", e)) if e.starts_with("LOADING") || e.starts_with("MISCONF") => {
                return Err(Completion::Fail(ClientError::new("refused-it", e)));
            }
            _ => return Err(Completion::Info(ClientError::new("error", line))),
        };
        self.stream = Some(stream);
        Ok(reply)
    }
}
