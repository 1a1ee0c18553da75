//! Where the nodes are, as a file says: `--on hosts.toml`.
//!
//! A target's own file may have the same table; it is given as a value then.

use super::ssh::SshTransport;
use super::transport::Transport;
use crate::failure::Failure;
use duress_targets::hosts::Ssh;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// Largest file.
const MAX_BYTES: u64 = 1 << 20;
/// A host that heals itself sooner would do so whenever this machine is busy for a moment.
const LEAST_DEAD_MAN: Duration = Duration::from_secs(1);

/// Where the nodes are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Place {
    /// On hosts reached by ssh.
    pub ssh: Ssh,
}

impl Place {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or says something that cannot be; with its name and the line.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::File { path: path.to_owned(), what: "read", source };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        let refused =
            |at: String, why: String, fix: &str| Err(Failure::usage(format!("--on {at}"), why, fix));
        if length > MAX_BYTES {
            let why = format!("it has {length} bytes, and {MAX_BYTES} are allowed");
            return refused(path.display().to_string(), why, "give the file with the [ssh] table");
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        match toml::from_str::<Self>(&text) {
            Ok(place) => match place.nonsense() {
                None => Ok(place),
                Some((why, fix)) => refused(path.display().to_string(), why.to_owned(), fix),
            },
            Err(error) => {
                let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
                let at = format!("{}, line {line}", path.display());
                let fix = "it takes [ssh] with hosts = [\"db1\", \"db2\", …]; see the README";
                refused(at, error.message().trim().to_owned(), fix)
            }
        }
    }

    /// Why it makes no sense, if it does not, and what would.
    pub fn nonsense(&self) -> Option<(&'static str, &'static str)> {
        let Ssh { hosts, dir, consent, dead_man, .. } = &self.ssh;
        if hosts.is_empty() {
            return Some(("there are no hosts", "give one per node: hosts = [\"db1\", \"db2\", \"db3\"]"));
        }
        if !dir.is_absolute() || !consent.is_absolute() {
            return Some(("dir and consent are files on the hosts", "give them as absolute paths"));
        }
        let short = *dead_man < LEAST_DEAD_MAN;
        short.then_some(("dead-man is too short", "use 1s or more; 15s is usual"))
    }

    /// Ways to the first so many hosts.
    pub fn transports(&self, nodes: usize) -> Vec<Box<dyn Transport>> {
        let all = SshTransport::all(&self.ssh).into_iter().take(nodes);
        all.map(|transport| Box::new(transport) as Box<dyn Transport>).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Place, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Place::read(file.path()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn hosts_are_names_or_tables() {
        let text =
            "[ssh]\nhosts = [\"db1\", { host = \"db2\", port = 2222, jump = \"gate\" }]\ndead-man = \"5s\"\n";
        let place = read(text).expect("a place");
        assert_eq!((place.ssh.hosts.len(), place.ssh.dead_man), (2, Duration::from_secs(5)));
        assert_eq!(place.transports(9).len(), 2);
        assert_eq!(place.transports(1)[0].host(), "db1");
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
