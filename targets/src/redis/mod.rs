//! Redis: one server, whose data is in memory and, as its settings say, in a log on disk.
//!
//! [`client`] does one operation, [`connection`] one request and says what its failure means,
//! [`resp`] is the protocol, [`launch`] says how the server is started, [`settings`] what a user can
//! turn. Not here: replication, sentinels, clusters.

mod client;
mod connection;
mod launch;
mod resp;
mod settings;

use crate::obtain::{DebianPackage, Recipe};
use crate::outcome::Failure;
use crate::{Client, ClientError, Node, NodeStatus, Server, Target, TargetEntry};
use async_trait::async_trait;
use client::RedisClient;
use connection::Connection;
use resp::Reply;
use settings::Config;
use std::sync::Arc;
use std::time::Duration;

/// Redis in the registry.
pub(crate) fn entry() -> TargetEntry {
    TargetEntry {
        name: "redis".to_owned(),
        doc: "Redis, a single server with an append-only file".to_owned(),
        workloads: client::workloads(),
        options: settings::OPTIONS.map(Clone::clone).into(),
        default_nodes: 1,
        max_nodes: Some(1),
        ports: vec![connection::PORT],
        tool: None,
        refuses: Vec::new(),
        declaration: None,
        make: Arc::new(|settings, workload| Ok(Arc::new(Redis { config: Config::new(settings, workload)? }))),
    }
}

pub(crate) static RECIPE: Recipe = Recipe {
    server: "redis-server",
    version_args: &["--version"],
    version_prefix: "Redis server v=",
    env: &[],
    // One program that goes by several names; the package `redis-server` has only a link to it.
    debian: Some(DebianPackage { name: "redis-tools", path: "usr/bin/redis-check-rdb" }),
    wheel: None,
    release: None,
};

/// How long a server may take to say how it is. A healthy one takes less than a millisecond.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

struct Redis {
    config: Config,
}

#[async_trait]
impl Target for Redis {
    fn server(&self) -> Server<'_> {
        Server::Processes(&self.config)
    }

    /// Opens no connection yet: the first operation does, and so learns itself whether it was
    /// refused.
    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
        Ok(Box::new(RedisClient::new(node.addr, self.config.objects)))
    }

    /// `PING` is refused while the server reads its data, and when it cannot write its log.
    async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
        match probe(node, &["PING"]).await? {
            Reply::Simple(pong) if pong == "PONG" => Ok(()),
            other => Err(Failure::protocol(format!("asked PING, it answered {other:?}")).error),
        }
    }

    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        let info = match probe(node, &["INFO"]).await? {
            Reply::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
            other => return Err(Failure::protocol(format!("asked INFO, it answered {other:?}")).error),
        };
        let version = field(&info, "redis_version")
            .ok_or_else(|| Failure::protocol("its INFO has no redis_version").error)?
            .to_owned();
        Ok(NodeStatus { version, leads: Some(field(&info, "role") == Some("master")), term: None })
    }
}

/// A line `name:value` of `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

/// One request on a connection of its own.
async fn probe(node: &Node, command: &[&str]) -> Result<Reply, ClientError> {
    let mut connection = Connection::to(node.addr);
    match tokio::time::timeout(PROBE_TIMEOUT, connection.call(command)).await {
        Ok(answer) => answer.map_err(|failure| failure.error),
        Err(_) => Err(ClientError::new("timeout", format!("no answer within {PROBE_TIMEOUT:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\n# Replication\r\nrole:master\r\nrole2:x\r\n";
        assert_eq!(field(info, "redis_version"), Some("7.0.15"));
        assert_eq!(field(info, "role"), Some("master"));
        assert_eq!(field(info, "redis"), None);
    }
}
