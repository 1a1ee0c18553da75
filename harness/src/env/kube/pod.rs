//! What the API server says of a StatefulSet and its pods, as far as it matters here.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Its owner's consent, as an annotation of the StatefulSet: not of the pods, since to change their template
/// would start all of them anew.
pub(super) const CONSENT: &str = "duress.dev/may-break";
/// What it has to say.
pub(super) const AGREED: &str = "true";
/// The phase of a pod that a kubelet has ended, for lack of room or because its machine goes down.
const FAILED: &str = "Failed";
/// How the names of our containers begin.
pub(super) const OURS: &str = "duress-";

/// A StatefulSet.
#[derive(Debug, Deserialize)]
pub(super) struct StatefulSet {
    pub(super) metadata: Metadata,
    pub(super) spec: SetSpec,
}

/// What it is to have.
#[derive(Debug, Deserialize)]
pub(super) struct SetSpec {
    #[serde(default = "one")]
    pub(super) replicas: usize,
    #[serde(default)]
    pub(super) ordinals: Ordinals,
}

/// Where its pods' numbers begin.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Ordinals {
    #[serde(default)]
    pub(super) start: usize,
}

const fn one() -> usize {
    1
}

/// What every object has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) uid: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) owner_references: Vec<Owner>,
    /// Since when somebody wants it gone.
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// Who made an object.
#[derive(Debug, Deserialize)]
pub(super) struct Owner {
    pub(super) uid: String,
}

/// A pod.
#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: PodSpec,
    #[serde(default)]
    pub(super) status: PodStatus,
}

/// What it is to be.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) containers: Vec<Container>,
    #[serde(default)]
    pub(super) host_network: bool,
}

/// One container of it.
#[derive(Debug, Deserialize)]
pub(super) struct Container {
    pub(super) name: String,
}

/// What it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    reason: String,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Option<IpAddr>,
    #[serde(default)]
    pub(super) container_statuses: Vec<ContainerStatus>,
    #[serde(default)]
    pub(super) ephemeral_container_statuses: Vec<ContainerStatus>,
}

/// What a container does, as the kubelet has last said.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    /// `containerd://0123…`
    #[serde(rename = "containerID", default)]
    container_id: String,
    #[serde(default)]
    pub(super) state: State,
    #[serde(default)]
    pub(super) last_state: State,
}

/// One of these.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct State {
    pub(super) running: Option<serde_json::Value>,
    pub(super) waiting: Option<Waiting>,
    pub(super) terminated: Option<Terminated>,
}

/// Why it does not run yet.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Waiting {
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) message: String,
}

/// How it ended.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Terminated {
    pub(super) exit_code: i64,
    #[serde(default)]
    reason: String,
    #[serde(rename = "containerID", default)]
    container_id: String,
}

/// How a server's container ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As the kubelet says it.
    Status(String),
    /// With its pod, and why that went: it says nothing of the server.
    WithPod(String),
}

impl Pod {
    /// How the container of this name and identity has ended, in the pod with this one, once it is known.
    pub(super) fn end_of(&self, uid: &str, container: &str, id: &str) -> Option<End> {
        if self.metadata.uid != uid {
            return Some(End::WithPod("somebody has replaced it".to_owned()));
        }
        let status = self.container(container)?.end_of(id)?;
        Some(match self.leaves() {
            Some(why) => End::WithPod(why),
            None => End::Status(status),
        })
    }

    /// Why all of it goes, if it does: pods of a StatefulSet do not fail by what their containers do.
    fn leaves(&self) -> Option<String> {
        match &self.status {
            _ if self.metadata.deletion_timestamp.is_some() => Some("somebody deletes it".to_owned()),
            PodStatus { phase, reason, .. } if phase == FAILED => Some(format!(
                "its machine has given it up: {}",
                if reason.is_empty() { FAILED } else { reason }
            )),
            _ => None,
        }
    }

    /// The container of this name.
    pub(super) fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.status.container_statuses.iter().find(|status| status.name == name)
    }

    /// The ephemeral container of this name.
    pub(super) fn ephemeral(&self, name: &str) -> Option<&ContainerStatus> {
        self.status.ephemeral_container_statuses.iter().find(|status| status.name == name)
    }

    /// One of ours that still runs: of another run.
    pub(super) fn occupant(&self) -> Option<&str> {
        let mut ours = self.status.ephemeral_container_statuses.iter();
        ours.find(|status| status.name.starts_with(OURS) && status.is_running()).map(|s| &*s.name)
    }
}

impl ContainerStatus {
    pub(super) const fn is_running(&self) -> bool {
        self.state.running.is_some()
    }

    /// Its identity, which is another one when it is started again; empty when it has none.
    pub(super) fn id(&self) -> &str {
        bare(&self.container_id)
    }

    /// How the one with this identity has ended, once the kubelet has said so.
    fn end_of(&self, id: &str) -> Option<String> {
        let ends = [&self.state.terminated, &self.last_state.terminated];
        let end = ends.into_iter().flatten().find(|end| bare(&end.container_id) == id);
        match end {
            Some(Terminated { exit_code, reason, .. }) if reason.is_empty() => {
                Some(format!("exit status: {exit_code}"))
            }
            Some(Terminated { exit_code, reason, .. }) => {
                Some(format!("exit status: {exit_code} ({reason})"))
            }
            // There is another one: how this one ended is not kept for long.
            None if !self.id().is_empty() && self.id() != id => Some("exit status: unknown".to_owned()),
            None => None,
        }
    }
}

/// Without the name of the engine.
fn bare(id: &str) -> &str {
    id.rsplit_once("://").map_or(id, |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(text: &str) -> ContainerStatus {
        serde_json::from_str(text).expect("as the API server says it")
    }

    #[test]
    fn an_end_is_that_of_the_container_that_is_asked_about() {
        let runs = status(r#"{"name":"db","containerID":"containerd://a1","state":{"running":{}}}"#);
        assert_eq!((runs.id(), runs.is_running(), runs.end_of("a1")), ("a1", true, None));
        let again = status(
            r#"{"name":"db","containerID":"containerd://b2","state":{"running":{"startedAt":"x"}},
                "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","containerID":"containerd://a1"}}}"#,
        );
        assert_eq!(again.end_of("a1").as_deref(), Some("exit status: 137 (OOMKilled)"));
        assert_eq!(again.end_of("b2"), None);
        assert_eq!(again.end_of("00").as_deref(), Some("exit status: unknown"));
        let waits = status(
            r#"{"name":"db","containerID":"containerd://b2","state":{"waiting":{"reason":"CrashLoopBackOff"}},
                "lastState":{"terminated":{"exitCode":2,"containerID":"containerd://b2"}}}"#,
        );
        assert_eq!(waits.end_of("b2").as_deref(), Some("exit status: 2"));
    }

    #[test]
    fn a_server_that_ends_with_its_pod_has_not_crashed() {
        let ended = json!({ "exitCode": 0, "reason": "Completed", "containerID": "containerd://a1" });
        let pod = |metadata: serde_json::Value, status: serde_json::Value| {
            let mut status = status;
            status["containerStatuses"] =
                json!([{ "name": "db", "containerID": "containerd://a1", "state": { "terminated": ended } }]);
            let pod = json!({ "metadata": metadata, "spec": { "containers": [] }, "status": status });
            serde_json::from_value::<Pod>(pod).expect("as the API server says it").end_of("u1", "db", "a1")
        };
        let with_pod = |why: &str| Some(End::WithPod(why.to_owned()));
        let by_itself = Some(End::Status("exit status: 0 (Completed)".to_owned()));
        assert_eq!(pod(json!({ "uid": "u1" }), json!({ "phase": "Running" })), by_itself);
        let deleted = json!({ "uid": "u1", "deletionTimestamp": "2026-01-01T00:00:00Z" });
        assert_eq!(pod(deleted, json!({ "phase": "Running" })), with_pod("somebody deletes it"));
        let evicted = json!({ "phase": "Failed", "reason": "Evicted" });
        assert_eq!(pod(json!({ "uid": "u1" }), evicted), with_pod("its machine has given it up: Evicted"));
        assert_eq!(pod(json!({ "uid": "u2" }), json!({})), with_pod("somebody has replaced it"));
    }
}
