//! Hosts reached by the system's `ssh`: with the user's own configuration, keys, agent and jump hosts.
//!
//! One connection per host, for the whole run. No master is left behind for others, and one that the
//! user has already is used.

use super::transport::{Transport, quote};
use crate::env::EnvError;
use duress_targets::hosts::{Ssh, SshHost, SshTable};
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What every connection has: nobody is there to be asked, and one that is dead is noticed.
const OPTIONS: [&str; 5] = [
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ControlMaster=no",
];

/// The variable in which sshd tells the ends of a connection: address and port there, address and port here.
pub(super) const LINE: &str = "SSH_CONNECTION";

/// The way to one host.
pub struct SshTransport {
    common: Ssh,
    host: SshTable,
    /// Where it is named: `hosts.toml:3`.
    place: String,
    /// It is to be broken, so somebody has to agree.
    asks: bool,
}

impl SshTransport {
    /// Of all hosts, in the order of the nodes, each with where it is named.
    pub fn all(ssh: &Ssh, places: &[String]) -> Vec<Self> {
        let hosts = ssh.hosts.iter().zip(places);
        hosts.map(|(host, place)| Self::new(ssh, host, place.clone(), true)).collect()
    }

    /// Of machines that nobody breaks: clients work from there.
    pub fn load(ssh: &Ssh) -> Vec<Self> {
        ssh.hosts.iter().map(|host| Self::new(ssh, host, "[load]".to_owned(), false)).collect()
    }

    fn new(ssh: &Ssh, host: &SshHost, place: String, asks: bool) -> Self {
        let host = match host {
            SshHost::Table(table) => table.clone(),
            SshHost::Name(name) => {
                SshTable { host: name.clone(), address: None, user: None, port: None, jump: None }
            }
        };
        Self { common: ssh.clone(), host, place, asks }
    }

    /// `ssh` with everything but what is to be done there.
    fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-T", "-a", "-x"]);
        if let Some(config) = &self.common.config {
            command.arg("-F").arg(config);
        }
        if let Some(identity) = &self.common.identity {
            command.arg("-i").arg(identity);
        }
        // The first of several counts.
        for option in self.common.options.iter().map(String::as_str).chain(OPTIONS) {
            command.args(["-o", option]);
        }
        if let Some(port) = self.host.port.or(self.common.port) {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = self.host.user.as_ref().or(self.common.user.as_ref()) {
            command.args(["-l", user]);
        }
        if let Some(jump) = &self.host.jump {
            command.args(["-J", jump]);
        }
        command
    }

    /// What ssh makes of the host's name, by its configuration.
    fn host_name(&self) -> Option<String> {
        let output = self.command().args(["-G", "--", &self.host.host]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix("hostname ")).map(str::to_owned)
    }
}

impl Transport for SshTransport {
    fn host(&self) -> &str {
        &self.host.host
    }

    fn address(&self) -> Result<IpAddr, EnvError> {
        if let Some(address) = self.host.address {
            return Ok(address);
        }
        let name = self.host_name().unwrap_or_else(|| self.host.host.clone());
        let found = (name.as_str(), 0).to_socket_addrs();
        let address = found.map_err(|error| error.to_string()).and_then(|mut found| {
            found.next().map(|found| found.ip()).ok_or_else(|| "it has no address".to_owned())
        });
        address.map_err(|why| EnvError::Unable {
            what: format!("find the address of {}", self.host.host),
            why,
            fix: format!("give it in {}: {{ host = \"{}\", address = \"…\" }}", self.place, self.host.host),
        })
    }

    fn shell(&self, script: &str) -> io::Result<Child> {
        let shell = format!("sh -c {}", quote(script));
        let shell = match &self.common.become_root {
            // Who becomes root forgets by which line one has come; cuts have to spare it.
            Some(prefix) => format!("{prefix} env {LINE}=\"${LINE}\" {shell}"),
            None => shell,
        };
        let mut command = self.command();
        command.args(["--", &self.host.host, &shell]);
        // Ctrl-C is for Duress, which needs its agents to end the run in order.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    fn dir(&self) -> &Path {
        &self.common.dir
    }

    fn consent(&self) -> Option<&Path> {
        self.asks.then_some(&*self.common.consent)
    }

    fn remedy(&self) -> String {
        let user = self.host.user.as_ref().or(self.common.user.as_ref());
        let who = user.map_or_else(|| self.host.host.clone(), |user| format!("{user}@{}", self.host.host));
        format!("`ssh {who} true` has to work without a question; see {}", self.place)
    }
}
