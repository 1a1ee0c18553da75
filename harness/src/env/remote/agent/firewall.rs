//! Links that are cut, by rules of nftables in a table of our own: nobody else's rules are looked at or
//! touched. All of them change in one transaction.
//!
//! What comes from a peer is dropped when it has arrived: a sender whose own host forbids it would be
//! told. Only what goes to the clients is dropped where it is sent, since their host is not ours to
//! change; TCP keeps that to itself. ARP is not seen here, and IPv6's neighbour discovery passes: a cut
//! is silence, not a host that has gone.

use crate::env::cut::{Connections, Cut};
use crate::env::local::probe_payload;
use crate::env::remote::capability::{Ability, Capability};
use crate::env::remote::ssh::LINE;
use crate::env::remote::wire::{Rule, Side};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes by which a probe is known, and where in a datagram they are.
const MAGIC: usize = 8;
/// Attempts to remove a table.
const REMOVALS: u32 = 10;
/// Between two of them.
const REMOVAL_POLL: Duration = Duration::from_millis(50);
/// Then there are no rules.
const NOT_INSTALLED: &str = "nftables is not installed (nft)";

/// A table of rules.
pub(in crate::env) struct Firewall {
    table: String,
    /// One change at a time; there has been one.
    used: Mutex<bool>,
}

impl Firewall {
    pub(in crate::env) fn new(table: String) -> Self {
        Self { table, used: Mutex::default() }
    }

    /// Replaces all rules.
    pub(in crate::env) fn set(&self, rules: &[Rule]) -> Result<(), String> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // A host without nftables has nothing to be removed.
        if rules.is_empty() && !*used {
            return Ok(());
        }
        *used = true;
        nft(&["-f", "-"], &script(&self.table, rules)?).map(drop)
    }

    /// Removes them, and what they counted.
    pub(super) fn remove(&self) {
        let _used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        remove(&self.table);
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
        if !*self.used.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(0);
        }
        let told = match nft(&["-j", "list", "counters", "table", "inet", &self.table], "") {
            // Nothing has been cut yet.
            Err(why) if why.contains("No such file") => return Ok(0),
            told => told?,
        };
        let told: serde_json::Value = serde_json::from_str(&told).map_err(|error| error.to_string())?;
        let counters = told["nftables"].as_array().into_iter().flatten().map(|entry| &entry["counter"]);
        let counters = counters.filter(|counter| counter["name"].as_str().is_some_and(&of));
        Ok(counters.filter_map(|counter| counter["packets"].as_u64()).sum())
    }
}

/// Removes a table. Does nothing when there is none, or no nftables. One attempt may fail on a busy host.
pub(in crate::env) fn remove(table: &str) {
    // So that there is one to delete: to delete one that is not there is an error.
    let script = format!("add table inet {table}\ndelete table inet {table}\n");
    for _ in 0..REMOVALS {
        match nft(&["-f", "-"], &script) {
            Err(why) if why != NOT_INSTALLED => std::thread::sleep(REMOVAL_POLL),
            _ => return,
        }
    }
}

/// Tries both kinds of rules, in a table that goes again at once.
pub(in crate::env) fn capabilities(table: &str) -> [Capability; 2] {
    let peer = IpAddr::from([192, 0, 2, 1]);
    [(Ability::Cuts, false), (Ability::Rejects, true)].map(|(name, reject)| {
        let rule = Rule { fault: 0, side: Side::From, peer, cut: Cut { reject, ..Cut::default() } };
        let missing = script(table, &[rule]).and_then(|script| nft(&["-f", "-"], &script)).err();
        remove(table);
        Capability { name, missing }
    })
}

/// The transaction. Counters outlive the rules: what a fault took is asked for when it is mended.
fn script(table: &str, rules: &[Rule]) -> Result<String, String> {
    let mut text = format!("add table inet {table}\n");
    for hook in ["input", "output"] {
        let _ = writeln!(
            text,
            "add chain inet {table} {hook} {{ type filter hook {hook} priority raw; policy accept; }}\n\
             flush chain inet {table} {hook}"
        );
    }
    for rule in rules {
        let (fault, cut) = (rule.fault, rule.cut);
        if cut.connections != Connections::All {
            return Err("rules do not know when a connection began".to_owned());
        }
        let (hook, end) = match rule.side {
            Side::From => ("input", "saddr"),
            Side::To => ("output", "daddr"),
        };
        let family = if rule.peer.is_ipv4() { "ip" } else { "ip6" };
        let peer = format!("add rule inet {table} {hook} {family} {end} {}", rule.peer);
        let _ = writeln!(text, "add counter inet {table} f{fault}\nadd counter inet {table} p{fault}");
        // Not a link of the cluster: by this line the agent is told to end the cut.
        if let Some((_, theirs, ours)) = line_here().filter(|(from, ..)| *from == rule.peer) {
            let (from, to) = if rule.side == Side::From { (theirs, ours) } else { (ours, theirs) };
            let _ = writeln!(text, "{peer} tcp sport {from} tcp dport {to} accept");
        }
        if rule.peer.is_ipv6() {
            let _ = writeln!(
                text,
                "{peer} icmpv6 type {{ nd-router-solicit, nd-router-advert, nd-neighbor-solicit, \
                 nd-neighbor-advert, nd-redirect }} accept"
            );
        }
        if cut.reject {
            // What the other end says to a refused one: that is how it is told.
            let _ = writeln!(text, "{peer} tcp flags & rst == rst accept");
            let unreachable = if rule.peer.is_ipv4() { "icmp" } else { "icmpv6" };
            let _ = writeln!(text, "{peer} {unreachable} type destination-unreachable accept");
        }
        let magic = probe_payload(0)[..MAGIC].iter().fold(String::from("0x"), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let ways: &[&str] = if cut.port.is_some() { &["sport", "dport"] } else { &[""] };
        for way in ways {
            let port = cut.port.map(|port| format!(" meta l4proto {{ tcp, udp }} th {way} {port}"));
            let port = port.unwrap_or_default();
            let verdicts: &[(&str, &str)] = if cut.reject {
                &[(" meta l4proto tcp", "reject with tcp reset"), ("", "reject")]
            } else {
                &[("", "drop")]
            };
            let (_, last) = verdicts[verdicts.len() - 1];
            let probe = format!("{port} meta l4proto udp @th,{},{} {magic}", 8 * MAGIC, 8 * MAGIC);
            let _ = writeln!(text, "{peer}{probe} counter name p{fault} {last}");
            for (of, verdict) in verdicts {
                let _ = writeln!(text, "{peer}{port}{of} counter name f{fault} {verdict}");
            }
        }
    }
    Ok(text)
}

/// The connection by which this agent was started, if that was one of ssh: from where, from which port there, to
/// which port here.
fn line_here() -> Option<(IpAddr, u16, u16)> {
    let told = std::env::var(LINE).ok()?;
    let parts: Vec<&str> = told.split_whitespace().collect();
    let [from, theirs, _, ours] = parts[..] else { return None };
    Some((from.parse::<IpAddr>().ok()?.to_canonical(), theirs.parse().ok()?, ours.parse().ok()?))
}

/// What it printed.
fn nft(args: &[&str], script: &str) -> Result<String, String> {
    let mut command = Command::new("nft");
    // Who becomes root by sudo may not have it on the path.
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(args).env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => NOT_INSTALLED.to_owned(),
        _ => format!("nft: {error}"),
    })?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes()).map_err(|error| format!("nft: {error}"))?;
    }
    let output = child.wait_with_output().map_err(|error| format!("nft: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("nft: {}", said.lines().next().unwrap_or("it failed and did not say why")))
}
