//! Where the nodes of a cluster can be when this machine does not make them: hosts reached by ssh, containers
//! of an engine, pods reached by kubectl. Data only, as it stands in a file: how one gets there is the harness'
//! business.

use serde::{Deserialize, Deserializer};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Hosts reached by ssh, one per node, with the user's own configuration, keys and agent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ssh {
    /// In the order of the nodes.
    pub hosts: Vec<SshHost>,
    /// Who logs in, where a host does not say.
    pub user: Option<String>,
    /// The port, where a host does not say.
    pub port: Option<u16>,
    /// A file of ssh's configuration instead of the user's own.
    pub config: Option<PathBuf>,
    /// The private key.
    pub identity: Option<PathBuf>,
    /// Further options of ssh: `StrictHostKeyChecking=no`.
    #[serde(default)]
    pub options: Vec<String>,
    /// How one becomes root there: `sudo -n`. Not at all when absent.
    pub become_root: Option<String>,
    /// Where the agent and the servers' data go.
    #[serde(default = "remote_dir")]
    pub dir: PathBuf,
    /// A file that has to exist on each host before anything is done to it: its owner's consent.
    #[serde(default = "consent")]
    pub consent: PathBuf,
    /// After so long without a word from here a host heals itself.
    #[serde(default = "dead_man", deserialize_with = "duration")]
    pub dead_man: Duration,
}

/// Machines from which clients work, reached by ssh. What is absent is as it is for the nodes' hosts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// Clients are spread over them.
    pub hosts: Vec<SshHost>,
    /// As in [`Ssh`], and so for the following.
    pub user: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// A file of ssh's configuration.
    pub config: Option<PathBuf>,
    /// The private key.
    pub identity: Option<PathBuf>,
    /// Further options of ssh.
    pub options: Option<Vec<String>>,
    /// Where the agent goes.
    pub dir: Option<PathBuf>,
    /// After so long without a word the clients of a machine end.
    #[serde(default, deserialize_with = "some_duration")]
    pub dead_man: Option<Duration>,
}

impl Load {
    /// With all that it takes from the nodes' hosts. Nothing is broken there, so nobody has to become root.
    #[must_use]
    pub fn like(&self, nodes: &Ssh) -> Ssh {
        let own = self.clone();
        Ssh {
            hosts: own.hosts,
            user: own.user.or_else(|| nodes.user.clone()),
            port: own.port.or(nodes.port),
            config: own.config.or_else(|| nodes.config.clone()),
            identity: own.identity.or_else(|| nodes.identity.clone()),
            options: own.options.unwrap_or_else(|| nodes.options.clone()),
            become_root: None,
            dir: own.dir.unwrap_or_else(|| nodes.dir.clone()),
            consent: nodes.consent.clone(),
            dead_man: own.dead_man.unwrap_or(nodes.dead_man),
        }
    }
}

/// One host: `db1.example`, or more about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a host is a name, or a table with `host`")]
pub enum SshHost {
    /// As ssh is told it.
    Name(String),
    /// With what differs from the others.
    Table(SshTable),
}

/// What is particular about one host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SshTable {
    /// As ssh is told it.
    pub host: String,
    /// By which the nodes and clients reach it; looked up there when absent.
    pub address: Option<IpAddr>,
    /// Who logs in.
    pub user: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The host in between.
    pub jump: Option<String>,
}

/// Containers that an engine on this machine runs, one per node. That they are named here is their owner's
/// consent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Docker {
    /// Names or ids, in the order of the nodes; or a project's `services`.
    #[serde(default)]
    pub containers: Vec<String>,
    /// A project of compose, by its name.
    pub project: Option<String>,
    /// Services of it: all of their containers, in this order.
    #[serde(default)]
    pub services: Vec<String>,
    /// Whose containers.
    #[serde(default)]
    pub engine: Engine,
    /// The network on which nodes and clients reach them; may be absent where there is only one.
    pub network: Option<String>,
}

/// Who runs containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// `docker`
    #[default]
    Docker,
    /// `podman`
    Podman,
}

/// Pods of a StatefulSet, one per node, reached by the user's own `kubectl`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kube {
    /// Its name.
    pub statefulset: String,
    /// The namespace; kubectl's own when absent.
    pub namespace: Option<String>,
    /// The context of the kubeconfig; kubectl's own when absent.
    pub context: Option<String>,
    /// The server's container; the first of a pod when absent.
    pub container: Option<String>,
    /// The image of the agents' containers: with a shell, coreutils, `nft` and this machine's C library.
    pub image: String,
    /// The program.
    #[serde(default = "kubectl")]
    pub kubectl: PathBuf,
    /// Where the agent goes in its own containers.
    #[serde(default = "agent_dir")]
    pub dir: PathBuf,
    /// After so long without a word from here a pod heals itself.
    #[serde(default = "dead_man", deserialize_with = "duration")]
    pub dead_man: Duration,
}

fn kubectl() -> PathBuf {
    "kubectl".into()
}

fn agent_dir() -> PathBuf {
    "/tmp/duress".into()
}

fn remote_dir() -> PathBuf {
    "/var/tmp/duress".into()
}

fn consent() -> PathBuf {
    "/etc/duress-may-break-this-host".into()
}

fn dead_man() -> Duration {
    Duration::from_secs(15)
}

/// `15s`, `1m 30s`.
fn duration<'de, D: Deserializer<'de>>(text: D) -> Result<Duration, D::Error> {
    crate::problem::length(&String::deserialize(text)?).map_err(serde::de::Error::custom)
}

fn some_duration<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Duration>, D::Error> {
    duration(text).map(Some)
}
