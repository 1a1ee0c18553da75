//! Links that are cut, by rules of our own: a table of nftables, or chains of iptables where a host has no
//! nftables. Nobody else's rules are looked at or touched.
//!
//! What comes from a peer is dropped when it has arrived: a sender whose own host forbids it would be
//! told. Only what goes to the clients is dropped where it is sent, since their host is not ours to
//! change; TCP keeps that to itself. ARP is not seen here, and IPv6's neighbour discovery passes: a cut
//! is silence, not a host that has gone.

mod iptables;
mod nft;

pub(super) use nft::nft;
pub(in crate::env) use nft::tables;

use super::tools;
use crate::env::cut::{Connections, Cut};
use crate::env::local::probe_payload;
use crate::env::remote::wire::{Rule, Side};
use iptables::Chains;
use nft::Table;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes by which a probe is known.
const MAGIC: usize = 8;
/// Attempts to remove what is ours: one may fail on a busy host.
const REMOVALS: u32 = 10;
/// Between two of them.
const REMOVAL_POLL: Duration = Duration::from_millis(50);
/// For trying out: nobody has them (RFC 5737, RFC 3849).
const NOBODY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Rules of ours.
pub(in crate::env) struct Firewall {
    /// One change at a time.
    rules: Mutex<Rules>,
}

enum Rules {
    Nft(Table),
    Iptables(Chains),
}

/// What rules are made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::env) enum Tool {
    #[default]
    Nft,
    Iptables,
}

impl Tool {
    /// What this host has. Where it has neither, nftables is what it lacks.
    pub(super) fn here() -> Self {
        if !tools::has("nft") && tools::has(iptables::PROGRAM) { Self::Iptables } else { Self::Nft }
    }
}

impl Firewall {
    /// With a name that nobody else's rules have.
    pub(in crate::env) fn new(tool: Tool, name: String) -> Self {
        let rules = match tool {
            Tool::Nft => Rules::Nft(Table::new(name)),
            Tool::Iptables => Rules::Iptables(Chains::new(name)),
        };
        Self { rules: Mutex::new(rules) }
    }

    /// Replaces all rules.
    pub(in crate::env) fn set(&self, rules: &[Rule]) -> Result<(), String> {
        match &mut *self.rules() {
            Rules::Nft(table) => table.set(rules),
            Rules::Iptables(chains) => chains.set(rules),
        }
    }

    /// Knows from now on which connections with these began when. None has been cut yet.
    pub(super) fn know(&self, peers: Vec<IpAddr>) -> Result<(), String> {
        match &mut *self.rules() {
            Rules::Nft(table) => table.know(peers),
            Rules::Iptables(_) => Err(iptables::NO_CONNECTIONS.to_owned()),
        }
    }

    /// Removes them, and what they counted.
    pub(super) fn remove(&self) {
        match &*self.rules() {
            Rules::Nft(table) => remove(Tool::Nft, table.name()),
            Rules::Iptables(chains) => remove(Tool::Iptables, chains.name()),
        };
    }

    /// Packets that a fault kept from crossing, probes not counted.
    pub(in crate::env) fn taken(&self, fault: u32) -> Result<u64, String> {
        self.counted(|name| name == format!("f{fault}"))
    }

    /// Probes that any fault kept from crossing.
    pub(in crate::env) fn probes_taken(&self) -> Result<u64, String> {
        self.counted(|name| name.starts_with('p'))
    }

    fn counted(&self, of: impl Fn(&str) -> bool) -> Result<u64, String> {
        match &*self.rules() {
            Rules::Nft(table) => table.counted(of),
            Rules::Iptables(chains) => chains.counted(of),
        }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the rules of this name; are they gone? Does nothing when there are none, or nothing to make them with.
pub(in crate::env) fn remove(tool: Tool, name: &str) -> bool {
    (0..REMOVALS).any(|_| {
        let removed = match tool {
            Tool::Nft => nft::remove(name),
            Tool::Iptables => iptables::remove(name),
        };
        if removed.is_err() {
            std::thread::sleep(REMOVAL_POLL);
        }
        removed.is_ok()
    })
}

/// Tries such rules, under a name that goes again at once.
pub(super) fn try_out(tool: Tool, name: &str, cut: Cut) -> Result<(), String> {
    // Where there is no IPv6, nothing comes that way. Networks are the threads' own.
    let has_v6 = fs::read_to_string("/proc/thread-self/net/if_inet6").is_ok_and(|all| !all.is_empty());
    let peers = NOBODY.into_iter().filter(|peer| peer.is_ipv4() || has_v6);
    let rules: Vec<Rule> = peers.map(|peer| Rule { fault: 0, side: Side::From, peer, cut }).collect();
    let firewall = Firewall::new(tool, name.to_owned());
    let known = match cut.connections {
        Connections::All => Ok(()),
        _ => firewall.know(rules.iter().map(|rule| rule.peer).collect()),
    };
    let tried = known.and_then(|()| firewall.set(&rules));
    firewall.remove();
    tried
}

/// By what a probe begins, in hexadecimal.
fn magic() -> String {
    probe_payload(0)[..MAGIC].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
