//! Hosts reached by ssh, as a file names them: `[ssh]`.

use super::ssh::SshTransport;
use super::transport::Transport;
use crate::env::EnvError;
use crate::env::place::refused;
use crate::failure::Failure;
use duress_targets::Node;
use duress_targets::hosts::{Load, Ssh, SshHost};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// A host that heals itself sooner would do so whenever this machine is busy for a moment.
const LEAST_DEAD_MAN: Duration = Duration::from_secs(1);

/// A table of hosts that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// What it says.
    pub ssh: Ssh,
    /// The machines from which clients work, if not from this one.
    pub load: Option<Ssh>,
    /// Where each host stands: `hosts.toml:3`.
    places: Vec<String>,
}

/// Where the hosts stand in a file.
#[derive(Deserialize)]
struct Standing {
    ssh: HostsStanding,
}

#[derive(Deserialize)]
struct HostsStanding {
    hosts: Vec<Spanned<IgnoredAny>>,
}

impl Hosts {
    /// Of the table in a file with this text.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn new(ssh: Ssh, load: Option<&Load>, (path, text): (&Path, &str)) -> Result<Self, Failure> {
        if let Some((why, fix)) = nonsense(&ssh) {
            return Err(refused(path, None, why, fix));
        }
        let load = load.map(|load| load.like(&ssh));
        if let Some((why, fix)) = load.as_ref().and_then(nonsense) {
            return Err(refused(path, None, format!("[load]: {why}"), fix));
        }
        // It has been read before.
        let standing = toml::from_str::<Standing>(text).map(|file| file.ssh.hosts).unwrap_or_default();
        let line = |host: &Spanned<IgnoredAny>| 1 + text[..host.span().start].matches('\n').count();
        let lines: Vec<usize> = standing.iter().map(line).collect();
        for (at, host) in ssh.hosts.iter().enumerate() {
            if ssh.hosts[..at].iter().any(|other| whose(other) == whose(host)) {
                let why = format!("`{}` is there twice", whose(host).0);
                let fix = "name a host for each node: all of them use the same ports";
                return Err(refused(path, lines.get(at).copied(), why, fix));
            }
        }
        let places = lines.iter().map(|line| format!("{}:{line}", path.display())).collect();
        Ok(Self { ssh, load, places })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.ssh.hosts.len()
    }

    /// Are there none? Never: a table without hosts makes no sense.
    pub const fn is_empty(&self) -> bool {
        self.ssh.hosts.is_empty()
    }

    /// Ways to the first so many hosts.
    pub fn transports(&self, nodes: usize) -> Vec<Box<dyn Transport>> {
        let all = SshTransport::all(&self.ssh, &self.places).into_iter().take(nodes);
        all.map(|transport| Box::new(transport) as Box<dyn Transport>).collect()
    }

    /// Ways to the machines from which clients work; none when that is this one.
    pub fn load(&self) -> Vec<Box<dyn Transport>> {
        let all = self.load.as_ref().map(SshTransport::load).unwrap_or_default();
        all.into_iter().map(|transport| Box::new(transport) as Box<dyn Transport>).collect()
    }

    /// The nodes of a cluster on the first so many hosts.
    ///
    /// # Errors
    /// When a host's address cannot be found, or two have the same.
    pub fn nodes(&self, count: usize) -> Result<Vec<Node>, EnvError> {
        let nodes = super::addresses(&self.transports(count))?;
        for (at, node) in nodes.iter().enumerate() {
            if let Some(other) = nodes[..at].iter().position(|other| other.addr == node.addr) {
                return Err(EnvError::Unable {
                    what: format!("use {} ({})", whose(&self.ssh.hosts[at]).0, self.places[at]),
                    why: format!("it has the address of {}, {}", whose(&self.ssh.hosts[other]).0, node.addr),
                    fix: "name a host for each node: all of them use the same ports".to_owned(),
                });
            }
        }
        Ok(nodes)
    }
}

/// By what one tells hosts from each other before anybody has looked them up.
fn whose(host: &SshHost) -> (&str, Option<IpAddr>) {
    match host {
        SshHost::Name(name) => (name, None),
        SshHost::Table(table) => (&table.host, table.address),
    }
}

/// Why a table makes no sense, if it does not, and what would.
fn nonsense(ssh: &Ssh) -> Option<(&'static str, &'static str)> {
    let Ssh { hosts, dir, consent, dead_man, .. } = ssh;
    if hosts.is_empty() {
        return Some(("there are no hosts", "give one per node: hosts = [\"db1\", \"db2\", \"db3\"]"));
    }
    if !dir.is_absolute() || !consent.is_absolute() {
        return Some(("dir and consent are files on the hosts", "give them as absolute paths"));
    }
    let short = *dead_man < LEAST_DEAD_MAN;
    short.then_some(("dead-man is too short", "use 1s or more; 15s is usual"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::place::Place;

    fn read(text: &str) -> Result<Hosts, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        match Place::read(file.path()) {
            Ok(Place::Ssh(hosts)) => Ok(*hosts),
            Ok(place) => unreachable!("it says {place:?}"),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn hosts_are_names_or_tables() {
        let text =
            "[ssh]\nhosts = [\"db1\", { host = \"db2\", port = 2222, jump = \"gate\" }]\ndead-man = \"5s\"\n";
        let hosts = read(text).expect("hosts");
        assert_eq!((hosts.len(), hosts.ssh.dead_man), (2, Duration::from_secs(5)));
        assert_eq!(hosts.transports(9).len(), 2);
        assert_eq!(hosts.transports(1)[0].host(), "db1");
        assert!(hosts.places.iter().all(|place| place.ends_with(":2")), "{:?}", hosts.places);
    }

    #[test]
    fn what_load_machines_do_not_say_is_as_for_the_nodes() {
        let text = "[ssh]\nhosts = [\"db1\"]\nuser = \"root\"\nport = 2222\nbecome-root = \"sudo -n\"\n\
                    [load]\nhosts = [\"gen1\", \"gen2\"]\nuser = \"me\"\n";
        let hosts = read(text).expect("hosts");
        let load = hosts.load.clone().expect("load machines");
        assert_eq!((load.user.as_deref(), load.port, load.become_root), (Some("me"), Some(2222), None));
        let ways = hosts.load();
        assert_eq!(ways.iter().map(|way| way.host()).collect::<Vec<_>>(), ["gen1", "gen2"]);
        // Nothing is broken there.
        assert!(ways[0].consent().is_none() && hosts.transports(1)[0].consent().is_some());
    }

    #[test]
    fn what_cannot_be_is_said_with_its_line() {
        for (text, why) in [
            ("[ssh]\nhosts = []\n", "no hosts"),
            ("[ssh]\nhosts = [\"a\"]\nport = \"x\"\n", "line 3"),
            ("[ssh]\n\nhosst = [\"a\"]\n", "line 3: unknown key `hosst` in [ssh]; did you mean `hosts`?"),
            ("[ssh]\nhosts = [\"a\"]\ndir = \"here\"\n", "absolute"),
            ("[ssh]\nhosts = [\"a\"]\ndead-man = \"10ms\"\n", "too short"),
            ("[ssh]\nhosts = [\n  \"a\",\n  { host = \"a\", port = 23 },\n]\n", "line 4: `a` is there twice"),
            ("", "ssh"),
            ("[load]\nhosts = [\"a\"]\n", "nodes that are hosts of their own"),
            ("[ssh]\nhosts = [\"a\"]\n[load]\nhosts = []\n", "[load]: there are no hosts"),
            (
                "[ssh]\nhosts = [\"a\"]\n[load]\nconsent = \"/x\"\nhosts = [\"b\"]\n",
                "line 4: unknown key `consent` in [load]",
            ),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
