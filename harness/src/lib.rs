//! Duress: runs a real cluster under faults, and says whether what its clients saw was allowed.
//!
//! The binary `duress` is [`cli::main`]. Reading order: [`plan`] (what was asked), [`run`] (one
//! run from end to end), [`engine`] (clients), [`nemesis`] (faults), [`env`](mod@env) (hosts).
//!
//! # A target of one's own
//!
//! A system can be declared in a file, without Rust: `duress init`, and `targets/docs/own-cluster.md`. A program
//! that brings its own target is a `duress` with one target more; `harness/examples/my_db.rs` is one of 150
//! lines. It has three parts, all of them from `duress_targets`: a `Launch` says how a server is started, a
//! `Target` how a node is reached and asked how it is, and a `Client` does one operation, once, and says
//! whether it happened, certainly did not, or who knows:
//!
//! ```no_run
//! use duress_targets::{Client, ClientError, Completion, Launch, Node, NodeStatus, Registry, Server};
//! use duress_targets::{Settings, Source, Target, TargetEntry, TargetError};
//! use duress_workloads::Invocation;
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! struct MyDb;
//!
//! impl Launch for MyDb {
//!     fn source(&self) -> Source<'_> {
//!         Source::Named { program: Path::new("my-db-server"), place: "my-db" }
//!     }
//!
//!     fn args(&self, cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String> {
//!         let peers: Vec<String> = cluster.iter().map(|peer| format!("{}:7001", peer.addr)).collect();
//!         vec![
//!             format!("--listen={}:7000", node.addr),
//!             format!("--peers={}", peers.join(",")),
//!             format!("--data={}", data_dir.display()),
//!         ]
//!     }
//! }
//!
//! #[async_trait::async_trait]
//! impl Target for MyDb {
//!     fn server(&self) -> Server<'_> {
//!         Server::Processes(self)
//!     }
//!
//!     async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
//!         Ok(Box::new(MyClient { node: node.clone() }))
//!     }
//!
//!     async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
//!         tokio::net::TcpStream::connect((node.addr, 7000))
//!             .await
//!             .map(drop)
//!             .map_err(|error| ClientError::new(ClientError::REFUSED, error.to_string()))
//!     }
//!
//!     async fn status(&self, _node: &Node) -> Result<NodeStatus, ClientError> {
//!         Ok(NodeStatus { version: String::new(), leads: None, term: None })
//!     }
//! }
//!
//! struct MyClient {
//!     node: Node,
//! }
//!
//! #[async_trait::async_trait]
//! impl Client for MyClient {
//!     async fn invoke(&mut self, invocation: &Invocation) -> Completion {
//!         // Send it to `self.node`, once. In doubt: `Completion::Info`.
//!         let why = format!("{} of {} at {}", invocation.f, invocation.value, self.node.name);
//!         Completion::Fail(ClientError::new("unsupported", why))
//!     }
//! }
//!
//! fn my_db() -> TargetEntry {
//!     TargetEntry {
//!         name: "my-db".to_owned(),
//!         doc: "what we build".to_owned(),
//!         workloads: vec!["register".to_owned()],
//!         options: Vec::new(),
//!         default_nodes: 3,
//!         max_nodes: None,
//!         ports: vec![7000, 7001],
//!         tool: None,
//!         refuses: Vec::new(),
//!         declaration: None,
//!         make: Arc::new(|settings: &Settings, _workload: &str| -> Result<Arc<dyn Target>, TargetError> {
//!             settings.only("my-db", [])?;
//!             Ok(Arc::new(MyDb))
//!         }),
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     duress::cli::main(Registry::builtin().with(my_db()))
//! }
//! ```

pub mod checking;
pub mod cli;
pub mod conformance;
mod data_archive;
pub mod engine;
pub mod env;
pub mod event;
pub mod failure;
pub mod index;
pub mod known;
pub mod machine;
pub mod nemesis;
pub mod observing;
pub mod plan;
pub mod retention;
pub mod run;
pub mod serve;
pub mod soak;
pub mod store;
pub mod sweep;
pub mod triage;
pub mod trial;
pub mod watching;
