//! How a member is started.

use super::gateway::CLIENT_PORT;
use super::settings::Config;
use crate::{Launch, Node, Source};
use std::net::SocketAddr;
use std::path::Path;

/// Where members talk to each other.
pub(super) const PEER_PORT: u16 = 2380;

/// etcd 3.4 on ARM ends at once, even when only asked for its version, unless it is told
/// that this is meant. Newer ones and other processors do not care.
pub(super) const ENV: &[(&str, &str)] =
    if cfg!(target_arch = "aarch64") { &[("ETCD_UNSUPPORTED_ARCH", "arm64")] } else { &[] };

impl Launch for Config {
    fn source(&self) -> Source<'_> {
        Source::Recipe(&super::RECIPE)
    }

    fn args(&self, cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String> {
        args(self, (cluster, State::New), node, data_dir)
    }

    fn env(&self) -> Vec<(String, String)> {
        ENV.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// What a member without data finds.
#[derive(Clone, Copy)]
pub(super) enum State {
    /// All begin together.
    New,
    /// A cluster that has added it.
    Existing,
}

/// The same for the first start and for every later one: once there is data, etcd ignores
/// everything that speaks of the initial cluster.
pub(super) fn args(
    config: &Config,
    (cluster, state): (&[Node], State),
    node: &Node,
    data_dir: &Path,
) -> Vec<String> {
    let state = match state {
        State::New => "new",
        State::Existing => "existing",
    };
    let client = url(node, CLIENT_PORT);
    let peer = url(node, PEER_PORT);
    [
        ("name", node.name.clone()),
        ("data-dir", data_dir.display().to_string()),
        ("listen-client-urls", client.clone()),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer),
        ("initial-cluster", members(cluster)),
        ("initial-cluster-state", state.to_owned()),
        // One word for all runs will do: no two clusters share a network.
        ("initial-cluster-token", "duress".to_owned()),
        ("heartbeat-interval", config.heartbeat_ms.to_string()),
        ("election-timeout", config.election_ms.to_string()),
        ("snapshot-count", config.snapshot_count.to_string()),
        // 3.4 would log in its old format; 3.5 knows no other logger.
        ("logger", "zap".to_owned()),
        ("log-outputs", "stderr".to_owned()),
        ("log-level", "info".to_owned()),
    ]
    .into_iter()
    .map(|(flag, value)| format!("--{flag}={value}"))
    .collect()
}

/// Who belongs to a cluster that begins.
pub(super) fn members(cluster: &[Node]) -> String {
    let member = |node: &Node| format!("{}={}", node.name, url(node, PEER_PORT));
    cluster.iter().map(member).collect::<Vec<_>>().join(",")
}

pub(super) fn url(node: &Node, port: u16) -> String {
    format!("http://{}", SocketAddr::new(node.addr, port))
}
