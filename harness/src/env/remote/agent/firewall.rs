//! Links that are cut, by rules of nftables in a table of our own: nobody else's rules are looked at or
//! touched. All of them change in one transaction.
//!
//! What comes from a peer is dropped when it has arrived: a sender whose own host forbids it would be
//! told. Only what goes to the clients is dropped where it is sent, since their host is not ours to
//! change; TCP keeps that to itself. ARP is not seen here, and IPv6's neighbour discovery passes: a cut
//! is silence, not a host that has gone.

use super::rules::Script;
use crate::env::cut::{Connections, Cut};
use crate::env::remote::wire::{Rule, Side};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Attempts to remove a table.
const REMOVALS: u32 = 10;
/// Between two of them.
const REMOVAL_POLL: Duration = Duration::from_millis(50);
/// Then there are no rules.
const NOT_INSTALLED: &str = "nftables is not installed (nft)";

/// A table of rules.
pub(in crate::env) struct Firewall {
    table: String,
    /// One change at a time.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// There has been a change.
    used: bool,
    /// Whose connections are to be known by when they began.
    known: Vec<IpAddr>,
    /// The sets of those that began after a cut.
    sets: BTreeSet<String>,
}

impl Firewall {
    pub(in crate::env) fn new(table: String) -> Self {
        Self { table, state: Mutex::default() }
    }

    /// Replaces all rules.
    pub(in crate::env) fn set(&self, rules: &[Rule]) -> Result<(), String> {
        let mut state = self.state();
        // A host without nftables has nothing to be removed.
        if rules.is_empty() && !state.used {
            return Ok(());
        }
        self.change(&mut state, rules)
    }

    /// Knows from now on which connections with these began when. None has been cut yet.
    pub(super) fn know(&self, peers: Vec<IpAddr>) -> Result<(), String> {
        let mut state = self.state();
        state.known = peers;
        self.change(&mut state, &[])
    }

    fn change(&self, state: &mut State, rules: &[Rule]) -> Result<(), String> {
        state.used = true;
        let Script { text, sets } = Script::new(&self.table, rules, &state.known, &state.sets);
        nft(&["-f", "-"], &text)?;
        state.sets = sets;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes them, and what they counted.
    pub(super) fn remove(&self) {
        let _state = self.state();
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
        if !self.state().used {
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

/// The tables of rules in the network of the calling thread, whoever made them; none without nftables.
pub(in crate::env) fn tables() -> Result<Vec<String>, String> {
    match nft(&["list", "tables", "inet"], "") {
        Err(why) if why == NOT_INSTALLED => Ok(Vec::new()),
        told => Ok(told?.lines().filter_map(|line| line.rsplit(' ').next().map(str::to_owned)).collect()),
    }
}

/// Tries such rules, in a table that goes again at once.
pub(super) fn try_out(table: &str, cut: Cut) -> Result<(), String> {
    let peer = IpAddr::from([192, 0, 2, 1]);
    let rule = Rule { fault: 0, side: Side::From, peer, cut };
    let known = if cut.connections == Connections::All { &[][..] } else { &[peer] };
    let tried = nft(&["-f", "-"], &Script::new(table, &[rule], known, &BTreeSet::new()).text);
    remove(table);
    tried.map(drop)
}

/// What it printed.
pub(super) fn nft(args: &[&str], script: &str) -> Result<String, String> {
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
