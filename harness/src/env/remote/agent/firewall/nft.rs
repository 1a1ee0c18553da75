//! Rules of nftables, in a table of our own. All of them change in one transaction.
//!
//! Which connections began when is known by what is seen of them: the first segment of one of TCP since a
//! cut, and of UDP every pair of ports from the beginning of the run on. What began after a cut is kept in
//! a set of that cut's; the kernel's own tracking would have to be on before, and it takes those that it
//! meets in their middle for new.

use super::super::line::line_here;
use super::{MAGIC, magic, tools};
use crate::env::cut::{Connections, Cut};
use crate::env::remote::wire::{Rule, Side};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Connections that are known at a time, in each set; those beyond count as old.
const MOST_KNOWN: u32 = 65_535;

/// A table of rules.
#[derive(Default)]
pub(super) struct Table {
    name: String,
    /// There has been a change.
    used: bool,
    /// Whose connections are to be known by when they began.
    known: Vec<IpAddr>,
    /// The sets of those that began after a cut.
    sets: BTreeSet<String>,
}

impl Table {
    pub(super) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn set(&mut self, rules: &[Rule]) -> Result<(), String> {
        // A host without nftables has nothing to be removed.
        if rules.is_empty() && !self.used {
            return Ok(());
        }
        self.used = true;
        let Script { text, sets } = Script::new(&self.name, rules, &self.known, &self.sets);
        nft(&["-f", "-"], &text)?;
        self.sets = sets;
        Ok(())
    }

    pub(super) fn know(&mut self, peers: Vec<IpAddr>) -> Result<(), String> {
        self.known = peers;
        self.used = true;
        self.set(&[])
    }

    /// Packets that such counters have counted.
    pub(super) fn counted(&self, of: impl Fn(&str) -> bool) -> Result<u64, String> {
        if !self.used {
            return Ok(0);
        }
        let told = match nft(&["-j", "list", "counters", "table", "inet", &self.name], "") {
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

/// Removes a table, if there is one.
pub(super) fn remove(table: &str) -> Result<(), String> {
    if !tools::has("nft") {
        return Ok(());
    }
    // So that there is one to delete: to delete one that is not there is an error.
    nft(&["-f", "-"], &format!("add table inet {table}\ndelete table inet {table}\n")).map(drop)
}

/// The tables of rules in the network of the calling thread, whoever made them; none without nftables.
pub(in crate::env) fn tables() -> Result<Vec<String>, String> {
    if !tools::has("nft") {
        return Ok(Vec::new());
    }
    let told = nft(&["list", "tables", "inet"], "")?;
    Ok(told.lines().filter_map(|line| line.rsplit(' ').next().map(str::to_owned)).collect())
}

/// What it printed.
pub(in super::super) fn nft(args: &[&str], script: &str) -> Result<String, String> {
    tools::run("nft", args, script)
}

/// A transaction that replaces all rules.
struct Script {
    text: String,
    /// The sets of what began after a cut, which are there then.
    sets: BTreeSet<String>,
}

impl Script {
    /// Counters outlive the rules: what a fault took is asked for when it is mended. `known` are those
    /// whose connections are to be known, `sets` those of the last time.
    fn new(table: &str, rules: &[Rule], known: &[IpAddr], sets: &BTreeSet<String>) -> Self {
        let mut text = format!("add table inet {table}\n");
        let mut chain = |name: &str, hook: &str, priority: &str| {
            let _ = writeln!(
                text,
                "add chain inet {table} {name} {{ type filter hook {hook} priority {priority}; policy accept; }}\n\
                 flush chain inet {table} {name}"
            );
        };
        for Way { hook, .. } in WAYS {
            chain(hook, hook, "raw");
            if !known.is_empty() {
                chain(&format!("know_{hook}"), hook, "-310");
            }
        }
        let mut script = Self { text, sets: BTreeSet::new() };
        for rule in rules {
            script.know_what_begins(table, rule);
        }
        script.know_all(table, known);
        for gone in sets.difference(&script.sets) {
            let _ = writeln!(script.text, "delete set inet {table} {gone}");
        }
        for rule in rules {
            script.cut(table, rule);
        }
        script
    }

    /// Notes what begins after this cut.
    fn know_what_begins(&mut self, table: &str, rule: &Rule) {
        if rule.cut.connections == Connections::All {
            return;
        }
        let (set, family) = (set_of(rule), family(rule.peer));
        let text = &mut self.text;
        let _ = writeln!(
            text,
            "add set inet {table} {set} {{ type inet_proto . inet_service . inet_service; size {MOST_KNOWN}; \
             flags dynamic; }}"
        );
        for way in WAYS {
            let Way { hook, address, there, here } = way;
            let peer = format!("add rule inet {table} know_{hook} {family} {address} {}", rule.peer);
            let add = format!("add @{set} {{ meta l4proto . th {there} . th {here} }}");
            let _ = writeln!(text, "{peer} tcp flags & (syn|ack) == syn {add}");
            let known = known_set(rule.peer);
            let _ = writeln!(
                text,
                "add set inet {table} {known}\n\
                 {peer} {family} {address} . udp {there} . udp {here} != @{} {add}",
                name_of_known(rule.peer)
            );
        }
        self.sets.insert(set);
    }

    /// Notes every pair of ports of UDP. Behind the rules for which it would be known already.
    fn know_all(&mut self, table: &str, peers: &[IpAddr]) {
        for &peer in peers {
            let (family, name) = (family(peer), name_of_known(peer));
            let _ = writeln!(self.text, "add set inet {table} {}", known_set(peer));
            for Way { hook, address, there, here } in WAYS {
                let _ = writeln!(
                    self.text,
                    "add rule inet {table} know_{hook} {family} {address} {peer} meta l4proto udp \
                     add @{name} {{ {family} {address} . udp {there} . udp {here} }}"
                );
            }
        }
    }

    fn cut(&mut self, table: &str, rule: &Rule) {
        let text = &mut self.text;
        let (fault, cut) = (rule.fault, rule.cut);
        let Way { hook, address, there, here } = &WAYS[usize::from(rule.side == Side::To)];
        let family = family(rule.peer);
        let peer = format!("add rule inet {table} {hook} {family} {address} {}", rule.peer);
        let _ = writeln!(text, "add counter inet {table} f{fault}\nadd counter inet {table} p{fault}");
        // Not a link of the cluster: by this line the agent is told to end the cut.
        if let Some((_, theirs, ours)) = line_here().filter(|(from, ..)| *from == rule.peer) {
            let _ = writeln!(text, "{peer} tcp {there} {theirs} tcp {here} {ours} accept");
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
        let magic = magic();
        let ways: &[&str] = if cut.port.is_some() { &["sport", "dport"] } else { &[""] };
        let began = match cut.connections {
            Connections::All => String::new(),
            Connections::New | Connections::Established => {
                let is = if cut.connections == Connections::New { "" } else { "!= " };
                let set = set_of(rule);
                format!(" meta l4proto {{ tcp, udp }} meta l4proto . th {there} . th {here} {is}@{set}")
            }
        };
        for way in ways {
            let port = cut.port.map(|port| format!(" meta l4proto {{ tcp, udp }} th {way} {port}"));
            let of = format!("{}{began}", port.unwrap_or_default());
            let verdicts = verdicts(&cut);
            let (_, last) = verdicts[verdicts.len() - 1];
            let probe = format!("{of} meta l4proto udp @th,{},{} 0x{magic}", 8 * MAGIC, 8 * MAGIC);
            let _ = writeln!(text, "{peer}{probe} counter name p{fault} {last}");
            for (protocol, verdict) in verdicts {
                let _ = writeln!(text, "{peer}{of}{protocol} counter name f{fault} {verdict}");
            }
        }
    }
}

/// What becomes of what: what has no verdict of its own has the last one.
fn verdicts(cut: &Cut) -> &'static [(&'static str, &'static str)] {
    if cut.reject {
        &[(" meta l4proto tcp", "reject with tcp reset"), ("", "reject")]
    } else {
        &[("", "drop")]
    }
}

/// Where packets are seen, and which of their ends is the peer's.
struct Way {
    hook: &'static str,
    address: &'static str,
    there: &'static str,
    here: &'static str,
}

/// From a peer, and to it.
const WAYS: [Way; 2] = [
    Way { hook: "input", address: "saddr", there: "sport", here: "dport" },
    Way { hook: "output", address: "daddr", there: "dport", here: "sport" },
];

fn family(peer: IpAddr) -> &'static str {
    if peer.is_ipv4() { "ip" } else { "ip6" }
}

fn name_of_known(peer: IpAddr) -> &'static str {
    if peer.is_ipv4() { "known4" } else { "known6" }
}

fn known_set(peer: IpAddr) -> String {
    let kind = if peer.is_ipv4() { "ipv4_addr" } else { "ipv6_addr" };
    let name = name_of_known(peer);
    format!("{name} {{ type {kind} . inet_service . inet_service; size {MOST_KNOWN}; flags dynamic; }}")
}

/// The set of what began with a peer after a cut.
fn set_of(rule: &Rule) -> String {
    let peer: String = rule.peer.to_string().replace(['.', ':'], "_");
    format!("new{}_{peer}", rule.fault)
}
