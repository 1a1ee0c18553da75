//! Rules of iptables, where there is no nftables: chains of our own, each reached by one rule before those
//! that others have in `INPUT` and `OUTPUT`. Those of a family of addresses change in one transaction.
//!
//! What a fault takes goes through a chain of that fault's, which stays: counters outlive the rules, as with
//! nftables. When a connection began nobody knows here: `recent` remembers addresses without ports, and the
//! kernel's own tracking would have to be on before.

use super::super::line::line_here;
use super::{MAGIC, magic, tools};
use crate::env::cut::Connections;
use crate::env::remote::wire::{Rule, Side};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// What changes IPv4's rules.
pub(super) const PROGRAM: &str = Family::V4.restore();

/// What cannot be had with it.
pub(super) const NO_CONNECTIONS: &str =
    "nftables is not installed (nft), and rules of iptables do not know when a connection began";

/// How long one waits for others that change rules, seconds.
const LOCK_WITHIN: &str = "5";

/// What keeps IPv6 going: its router's and its neighbours' discovery.
const DISCOVERY: std::ops::RangeInclusive<u8> = 133..=137;

/// All chains of ours.
#[derive(Default)]
pub(super) struct Chains {
    name: String,
    /// Where they are, and of which faults.
    made: BTreeMap<Family, BTreeSet<u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

impl Family {
    const ALL: [Self; 2] = [Self::V4, Self::V6];

    const fn of(peer: IpAddr) -> Self {
        if peer.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    const fn restore(self) -> &'static str {
        match self {
            Self::V4 => "iptables-restore",
            Self::V6 => "ip6tables-restore",
        }
    }

    const fn save(self) -> &'static str {
        match self {
            Self::V4 => "iptables-save",
            Self::V6 => "ip6tables-save",
        }
    }

    /// Where in a packet the payload of a datagram begins, without options.
    const fn payload(self) -> usize {
        match self {
            Self::V4 => 20 + 8,
            Self::V6 => 40 + 8,
        }
    }

    const fn unreachable(self) -> &'static str {
        match self {
            Self::V4 => "-p icmp --icmp-type destination-unreachable",
            Self::V6 => "-p icmpv6 --icmpv6-type destination-unreachable",
        }
    }

    /// One transaction, which leaves alone what it does not name.
    fn change(self, script: &str) -> Result<(), String> {
        tools::run(self.restore(), &["--noflush", "-w", LOCK_WITHIN], script).map(drop)
    }
}

impl Chains {
    pub(super) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn set(&mut self, rules: &[Rule]) -> Result<(), String> {
        if rules.iter().any(|rule| rule.cut.connections != Connections::All) {
            return Err(NO_CONNECTIONS.to_owned());
        }
        for family in Family::ALL {
            let rules: Vec<&Rule> = rules.iter().filter(|rule| Family::of(rule.peer) == family).collect();
            if rules.is_empty() && !self.made.contains_key(&family) {
                continue;
            }
            family.change(&script(&self.name, family, &rules, self.made.get(&family)))?;
            self.made.entry(family).or_default().extend(rules.iter().map(|rule| rule.fault));
        }
        Ok(())
    }

    /// Packets that came to such chains, and went no further.
    pub(super) fn counted(&self, of: impl Fn(&str) -> bool) -> Result<u64, String> {
        let mut sum = 0;
        for family in self.made.keys() {
            let saved = tools::run(family.save(), &["-c", "-t", "filter"], "")?;
            sum += counted(&saved, &self.name, &of);
        }
        Ok(sum)
    }
}

/// Of what `iptables-save -c` prints: `[packets:bytes] -A chain …`
fn counted(saved: &str, name: &str, of: impl Fn(&str) -> bool) -> u64 {
    let counts = saved.lines().filter_map(|line| {
        let (packets, rest) = line.strip_prefix('[')?.split_once(':')?;
        let chain = rest.split_once(" -A ")?.1.split(' ').next()?;
        let is_asked_for = of(chain.strip_prefix(name)?.strip_prefix('_')?);
        packets.parse::<u64>().ok().filter(|_| is_asked_for)
    });
    counts.sum()
}

/// A transaction that replaces all rules of a family. Chains of faults that have been `made` keep what they
/// counted: to name one here would empty it.
fn script(name: &str, family: Family, rules: &[&Rule], made: Option<&BTreeSet<u32>>) -> String {
    let mut text = format!("*filter\n:{name}_in - [0:0]\n:{name}_out - [0:0]\n");
    if made.is_none() {
        let _ = writeln!(text, "-I INPUT -j {name}_in\n-I OUTPUT -j {name}_out");
    }
    let faults: BTreeMap<u32, bool> = rules.iter().map(|rule| (rule.fault, rule.cut.reject)).collect();
    for (fault, reject) in faults.into_iter().filter(|(fault, _)| !made.is_some_and(|m| m.contains(fault))) {
        for chain in ["f", "p"] {
            let _ = writeln!(text, ":{name}_{chain}{fault} - [0:0]");
            let verdicts: &[&str] = match reject {
                true => &["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"],
                false => &["-j DROP"],
            };
            for verdict in verdicts {
                let _ = writeln!(text, "-A {name}_{chain}{fault} {verdict}");
            }
        }
    }
    for rule in rules {
        cut(&mut text, name, family, rule);
    }
    text + "COMMIT\n"
}

fn cut(text: &mut String, name: &str, family: Family, rule: &Rule) {
    let Rule { fault, peer, cut, .. } = rule;
    let (peer, there, here) = match rule.side {
        Side::From => (format!("-A {name}_in -s {peer}"), "--sport", "--dport"),
        Side::To => (format!("-A {name}_out -d {peer}"), "--dport", "--sport"),
    };
    // Not a link of the cluster: by this line the agent is told to end the cut.
    if let Some((_, theirs, ours)) = line_here().filter(|(from, ..)| *from == rule.peer) {
        let _ = writeln!(text, "{peer} -p tcp {there} {theirs} {here} {ours} -j RETURN");
    }
    if family == Family::V6 {
        for kind in DISCOVERY {
            let _ = writeln!(text, "{peer} -p icmpv6 --icmpv6-type {kind} -j RETURN");
        }
    }
    if cut.reject {
        // What the other end says to a refused one: that is how it is told.
        let _ = writeln!(text, "{peer} -p tcp --tcp-flags RST RST -j RETURN");
        let _ = writeln!(text, "{peer} {} -j RETURN", family.unreachable());
    }
    let of = |protocol: &str| match cut.port {
        Some(port) => ["--sport", "--dport"].map(|way| format!(" -p {protocol} {way} {port}")).to_vec(),
        None if protocol == "udp" => vec![" -p udp".to_owned()],
        None => vec![String::new()],
    };
    let (from, magic) = (family.payload(), magic());
    for udp in of("udp") {
        let begins =
            format!("-m string --algo bm --hex-string \"|{magic}|\" --from {from} --to {}", from + MAGIC);
        let _ = writeln!(text, "{peer}{udp} {begins} -j {name}_p{fault}");
    }
    let protocols: &[&str] = if cut.port.is_some() { &["tcp", "udp"] } else { &["all"] };
    for what in protocols.iter().flat_map(|protocol| of(protocol)) {
        let _ = writeln!(text, "{peer}{what} -j {name}_f{fault}");
    }
}

/// Removes all chains of this name, and what leads to them.
pub(super) fn remove(name: &str) -> Result<(), String> {
    for family in Family::ALL.into_iter().filter(|family| tools::has(family.restore())) {
        // Where the kernel does not know the table, nothing is in it.
        let Ok(saved) = tools::run(family.save(), &["-t", "filter"], "") else { continue };
        if let Some(script) = removal(&saved, name) {
            family.change(&script)?;
        }
    }
    Ok(())
}

/// The transaction that does it; none where there is nothing of that name.
fn removal(saved: &str, name: &str) -> Option<String> {
    let (chain, target) = (format!("{name}_"), format!(" -j {name}_"));
    let chains: Vec<&str> = saved
        .lines()
        .filter_map(|line| line.strip_prefix(':')?.split(' ').next())
        .filter(|found| found.starts_with(&chain))
        .collect();
    let mut text = String::from("*filter\n");
    let rules = saved.lines().filter_map(|line| line.strip_prefix("-A "));
    for rule in rules.filter(|rule| !rule.starts_with(&chain) && rule.contains(&target)) {
        let _ = writeln!(text, "-D {rule}");
    }
    // All are empty before any goes: they lead to each other.
    for found in &chains {
        let _ = writeln!(text, "-F {found}");
    }
    for found in &chains {
        let _ = writeln!(text, "-X {found}");
    }
    (!chains.is_empty()).then(|| text + "COMMIT\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::cut::Cut;

    const SAVED: &str = "*filter
:INPUT ACCEPT [5:300]
:DOCKER - [0:0]
:duress_ab_in - [0:0]
:duress_ab_f3 - [0:0]
:duress_ab_f30 - [0:0]
:duress_ab_p3 - [0:0]
:duress_abc_in - [0:0]
[7:1] -A INPUT -j duress_ab_in
[7:1] -A INPUT -j duress_abc_in
[1:1] -A INPUT -s 192.0.2.9/32 -j DOCKER
[1:1] -A duress_ab_in -s 192.0.2.1/32 -j duress_ab_f3
[2:120] -A duress_ab_f3 -p tcp -j REJECT --reject-with tcp-reset
[3:180] -A duress_ab_f3 -j REJECT --reject-with icmp-port-unreachable
[40:180] -A duress_ab_f30 -j DROP
[5:180] -A duress_ab_p3 -j DROP
COMMIT
";

    fn uncounted() -> String {
        let lines = SAVED
            .lines()
            .map(|line| line.split_once("] -A").map_or(line, |_| line.split_once(' ').expect("two").1));
        lines.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn only_what_is_ours_is_removed() {
        let told = removal(&uncounted(), "duress_ab").expect("a script");
        assert_eq!(
            told,
            "*filter\n-D INPUT -j duress_ab_in\n-F duress_ab_in\n-F duress_ab_f3\n-F duress_ab_f30\n\
             -F duress_ab_p3\n-X duress_ab_in\n-X duress_ab_f3\n-X duress_ab_f30\n-X duress_ab_p3\nCOMMIT\n"
        );
        assert_eq!(removal(&uncounted(), "duress_cd"), None);
    }

    #[test]
    fn a_fault_has_what_its_own_chain_counted() {
        let of = |asked: &'static str| counted(SAVED, "duress_ab", move |name| name == asked);
        assert_eq!([of("f3"), of("f30"), of("p3"), of("f4")], [5, 40, 5, 0]);
    }

    #[test]
    fn a_chain_that_counts_is_not_emptied_by_the_next_change() {
        let rule = |fault| Rule { fault, side: Side::From, peer: [192, 0, 2, 1].into(), cut: Cut::default() };
        let (first, second) = (rule(1), rule(2));
        let begun = script("x", Family::V4, &[&first], None);
        assert!(begun.contains("-I INPUT -j x_in\n") && begun.contains(":x_f1 "), "{begun}");
        let next = script("x", Family::V4, &[&first, &second], Some(&[1].into()));
        assert!(!next.contains("-I ") && !next.contains(":x_f1 ") && next.contains(":x_f2 "), "{next}");
        assert!(next.contains("-A x_in -s 192.0.2.1 -j x_f1\n"), "{next}");
    }
}
