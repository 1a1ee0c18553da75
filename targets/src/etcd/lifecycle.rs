//! etcd's members, its leader and its store, as an operator sees them.

use super::gateway::Gateway;
use super::launch::{self, State};
use super::message::{Bytes, Int64, Ranged};
use super::{Etcd, in_time_of, probe};
use crate::lifecycle::{Compacted, Lifecycle, Member, Storage};
use crate::outcome::Failure;
use crate::{ClientError, Node};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// How long a change of the cluster may take to be agreed on: etcd's own limit is 7 s, and leaves
/// open what became of it. Stores of ours are written anew in milliseconds.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(8);

#[async_trait]
impl Lifecycle for Etcd {
    async fn members(&self, asked: &Node) -> Result<Vec<Member>, ClientError> {
        let Listed { members } = probe(asked, "/v3/cluster/member/list", &json!({})).await?;
        members.into_iter().map(Peer::member).collect()
    }

    async fn remove(&self, asked: &Node, member: u64) -> Result<(), ClientError> {
        change(asked, "/v3/cluster/member/remove", &json!({ "ID": Int64(member) })).await
    }

    async fn add(&self, asked: &Node, node: &Node) -> Result<(), ClientError> {
        let peer = launch::url(node, launch::PEER_PORT);
        change(asked, "/v3/cluster/member/add", &json!({ "peerURLs": [peer], "isLearner": true })).await
    }

    async fn promote(&self, asked: &Node, member: u64) -> Result<(), ClientError> {
        change(asked, "/v3/cluster/member/promote", &json!({ "ID": Int64(member) })).await
    }

    async fn transfer(&self, leader: &Node, to: u64) -> Result<(), ClientError> {
        change(leader, "/v3/maintenance/transfer-leadership", &json!({ "targetID": Int64(to) })).await
    }

    async fn compact(&self, asked: &Node) -> Result<Compacted, ClientError> {
        let Kept { header, .. } = probe(asked, "/v3/maintenance/status", &json!({})).await?;
        let revision = header.revision.0;
        let body = json!({ "revision": header.revision, "physical": true });
        change(asked, "/v3/kv/compaction", &body).await?;
        let earlier = json!({ "key": "AA==", "revision": Int64(revision.saturating_sub(1)) });
        let refused = probe::<Ranged>(asked, "/v3/kv/range", &earlier).await.err();
        // Revision 0 would be the present.
        let seen = revision > 1 && refused.is_some_and(|error| error.message.contains(COMPACTED));
        Ok(Compacted { revision, seen })
    }

    async fn storage(&self, node: &Node) -> Result<Storage, ClientError> {
        let Kept { size, used, .. } = probe(node, "/v3/maintenance/status", &json!({})).await?;
        Ok(Storage { bytes: size.0, used: used.0 })
    }

    async fn defragment(&self, node: &Node) -> Result<(), ClientError> {
        change(node, "/v3/maintenance/defragment", &json!({})).await
    }

    async fn cluster(&self, asked: &Node) -> Result<u64, ClientError> {
        let Kept { header, .. } = probe(asked, "/v3/maintenance/status", &json!({})).await?;
        Ok(header.cluster.0)
    }

    async fn snapshot(&self, asked: &Node) -> Result<Vec<u8>, ClientError> {
        let gateway = Gateway::new(asked.addr)?;
        let nothing = json!({});
        let parts = gateway.post_lines::<Part>("/v3/maintenance/snapshot", &nothing, MAX_SNAPSHOT);
        let parts = in_time_of(CHANGE_TIMEOUT, parts).await?;
        Ok(parts.into_iter().flat_map(|part| part.result.blob.0).collect())
    }

    fn restore_args(
        &self,
        cluster: &[Node],
        node: &Node,
        token: &str,
        snapshot: &Path,
        data_dir: &Path,
    ) -> Vec<String> {
        let options = [
            ("name", node.name.clone()),
            ("data-dir", data_dir.display().to_string()),
            ("initial-advertise-peer-urls", launch::url(node, launch::PEER_PORT)),
            ("initial-cluster", launch::members(cluster)),
            ("initial-cluster-token", token.to_owned()),
        ];
        let words = ["snapshot".to_owned(), "restore".to_owned(), snapshot.display().to_string()];
        words.into_iter().chain(options.map(|(flag, value)| format!("--{flag}={value}"))).collect()
    }

    fn joining_args(&self, cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String> {
        launch::args(&self.config, (cluster, State::Existing), node, data_dir)
    }
}

/// Most bytes of an answer that is a snapshot: what runs write has a few megabytes.
const MAX_SNAPSHOT: usize = 256 << 20;

/// A line of that answer.
#[derive(Deserialize)]
struct Part {
    result: Blob,
}

#[derive(Deserialize)]
struct Blob {
    #[serde(default)]
    blob: Bytes,
}

/// The end of etcd's `ErrCompacted`.
const COMPACTED: &str = "required revision has been compacted";

async fn change(asked: &Node, path: &str, body: &Value) -> Result<(), ClientError> {
    let gateway = Gateway::new(asked.addr)?;
    in_time_of(CHANGE_TIMEOUT, gateway.post::<Value>(path, body)).await.map(drop)
}

#[derive(Deserialize)]
struct Listed {
    members: Vec<Peer>,
}

#[derive(Deserialize)]
struct Peer {
    #[serde(rename = "ID")]
    id: Int64,
    #[serde(rename = "peerURLs")]
    peers: Vec<String>,
    #[serde(default, rename = "isLearner")]
    learner: bool,
}

impl Peer {
    fn member(self) -> Result<Member, ClientError> {
        let addr = self.peers.first().and_then(|url| host(url)).ok_or_else(|| {
            Failure::protocol(format!("member {} has no address: {:?}", self.id.0, self.peers)).error
        })?;
        Ok(Member { id: self.id.0, addr, learner: self.learner })
    }
}

/// The address in a URL of ours.
fn host(url: &str) -> Option<IpAddr> {
    let (address, _port) = url.strip_prefix("http://")?.rsplit_once(':')?;
    address.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// What a member says of its store.
#[derive(Deserialize)]
struct Kept {
    header: At,
    #[serde(rename = "dbSize")]
    size: Int64,
    #[serde(rename = "dbSizeInUse")]
    used: Int64,
}

#[derive(Deserialize)]
struct At {
    revision: Int64,
    #[serde(rename = "cluster_id")]
    cluster: Int64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As etcd 3.4.23 sends one: in parts, of which the last is empty.
    #[test]
    fn a_snapshot_comes_in_parts() {
        let lines = ["{\"result\":{\"remaining_bytes\":\"3\",\"blob\":\"AAH/\"}}", "{\"result\":{}}"];
        let parts = lines.map(|line| serde_json::from_str::<Part>(line).expect("a part").result.blob.0);
        assert_eq!(parts, [vec![0, 1, 255], vec![]]);
        let broken = "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"no\"}}";
        assert!(serde_json::from_str::<Part>(broken).is_err(), "half of a snapshot is none");
    }

    /// As etcd 3.4.23 lists a learner that has not been started yet, and a member.
    #[test]
    fn members_are_told_by_their_addresses() {
        let text = r#"{"header":{"cluster_id":"8358039226464411648","member_id":"11063945272831327982","raft_term":"4"},
            "members":[{"ID":"4583287190179367833","peerURLs":["http://10.0.0.3:2380"],"isLearner":true},
            {"ID":"11063945272831327982","name":"a","peerURLs":["http://[fd00::1]:2380"],"clientURLs":["http://10.0.0.1:2379"]}]}"#;
        let listed: Listed = serde_json::from_str(text).expect("a list");
        let members: Vec<Member> =
            listed.members.into_iter().map(|peer| peer.member().expect("an address")).collect();
        let expected = |id, addr: &str, learner| Member { id, addr: addr.parse().expect("one"), learner };
        assert_eq!(
            members,
            [
                expected(4583287190179367833, "10.0.0.3", true),
                expected(11063945272831327982, "fd00::1", false)
            ]
        );
        for url in ["", "http://", "http://n1:2380", "10.0.0.3:2380", "http://10.0.0.3"] {
            assert_eq!(host(url), None, "{url}");
        }
    }
}
