//! Hosts reached by ssh, as a file names them: `[ssh]`.

use super::ssh::SshTransport;
use super::transport::Transport;
use crate::env::EnvError;
use crate::env::place::refused;
use crate::failure::Failure;
use duress_targets::Node;
use duress_targets::hosts::Ssh;
use std::path::Path;
use std::time::Duration;

/// A host that heals itself sooner would do so whenever this machine is busy for a moment.
const LEAST_DEAD_MAN: Duration = Duration::from_secs(1);

/// A table of hosts that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// What it says.
    pub ssh: Ssh,
}

impl Hosts {
    /// Of the table in a file with this text.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn new(ssh: Ssh, (path, _text): (&Path, &str)) -> Result<Self, Failure> {
        match nonsense(&ssh) {
            None => Ok(Self { ssh }),
            Some((why, fix)) => Err(refused(path, None, why, fix)),
        }
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
        let all = SshTransport::all(&self.ssh).into_iter().take(nodes);
        all.map(|transport| Box::new(transport) as Box<dyn Transport>).collect()
    }

    /// The nodes of a cluster on the first so many hosts.
    ///
    /// # Errors
    /// When a host's address cannot be found.
    pub fn nodes(&self, count: usize) -> Result<Vec<Node>, EnvError> {
        super::addresses(&self.transports(count))
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
    }

    #[test]
    fn what_cannot_be_is_said_with_its_line() {
        for (text, why) in [
            ("[ssh]\nhosts = []\n", "no hosts"),
            ("[ssh]\nhosts = [\"a\"]\nport = \"x\"\n", "line 3"),
            ("[ssh]\n\nhosst = [\"a\"]\n", "line 3: unknown field `hosst`"),
            ("[ssh]\nhosts = [\"a\"]\ndir = \"here\"\n", "absolute"),
            ("[ssh]\nhosts = [\"a\"]\ndead-man = \"10ms\"\n", "too short"),
            ("", "ssh"),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
