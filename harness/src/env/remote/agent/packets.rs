//! What befalls packets on their way from this host to other nodes: rules of our own mark what is sent to
//! them, a route by that mark leads it over a detour, and the local switch decides over it there.
//!
//! The mark comes with a rule and not with an address: what a host that looks closely (`rp_filter`) makes
//! of the others' answers stays as it is. Chain, rule and route are named after the agent's table. Should
//! this process be killed, interface and route go with it by the kernel's doing, and the host's own routes
//! count again before anybody removes the rest.

use super::firewall::{self, Tool, nft};
use super::line::line_here;
use super::tools;
use crate::env::local::Detour;
use crate::env::packet::{Behavior, Effects, Traffic};
use crate::env::remote::wire::Mistreatment;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Before the host's own rules of routing.
const PRIORITY: &str = "100";
/// Times that a rule is removed: no agent makes more than one.
const MOST_RULES: u32 = 4;
/// Numbers of routing tables above those that others use by name.
const FIRST_TABLE: u32 = 0x4000_0000;
/// For trying out: nobody has it (RFC 5737).
const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// What is done to packets.
pub(super) struct Packets {
    names: Names,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    detour: Option<Detour>,
    /// Who is reached by it now.
    reached: BTreeSet<Ipv4Addr>,
}

/// By what an agent's things are known.
#[derive(Clone)]
struct Names {
    /// The table of rules, and the interface.
    table: String,
    /// What is to take the detour has this mark.
    there: u32,
    /// What comes from it has this one.
    past: u32,
    /// Number of the routing table.
    routes: u32,
}

impl Names {
    /// All of them by the table's name, which ends in a number.
    fn of(table: &str) -> Self {
        let digits = table.rsplit('_').next().unwrap_or_default();
        let number = u32::from_str_radix(digits, 16).unwrap_or_default();
        // Neither is zero, which means none.
        let there = number | 3;
        Self { table: table.to_owned(), there, past: there - 1, routes: FIRST_TABLE | (number >> 2) }
    }
}

impl Packets {
    pub(super) fn new(table: &str) -> Self {
        Self { names: Names::of(table), state: Mutex::default() }
    }

    /// Replaces what befalls packets. `peers` are all that it can ever be asked for.
    pub(super) fn set(&self, peers: &[IpAddr], behaviors: &[Mistreatment]) -> Result<(), String> {
        let mut state = self.state();
        if behaviors.is_empty() && state.detour.is_none() {
            return Ok(());
        }
        if state.detour.is_none() {
            let peers: Vec<Ipv4Addr> = peers.iter().map(|&peer| v4(peer)).collect::<Result<_, _>>()?;
            state.detour = Some(self.names.begin(&peers)?);
        }
        let State { detour: Some(detour), reached } = &mut *state else {
            unreachable!("it has just been made")
        };
        let asked = behaviors.iter().map(|one| Ok((one.fault, v4(one.peer)?, one.behavior.clone())));
        let asked: Vec<(u32, Ipv4Addr, Behavior)> = asked.collect::<Result<_, String>>()?;
        // First here: what waits goes on before anything overtakes it by the way that is free again.
        detour.set(&asked).map_err(|error| error.to_string())?;
        let to: BTreeSet<Ipv4Addr> = asked.iter().map(|(_, peer, _)| *peer).collect();
        if to != *reached {
            nft(&["-f", "-"], &self.names.script(&to))?;
            *reached = to;
        }
        Ok(())
    }

    /// What has to be on a packet to this host that nothing may befall.
    pub(super) fn way_past(&self, to: IpAddr) -> Option<u32> {
        let IpAddr::V4(to) = to else { return None };
        self.state().reached.contains(&to).then_some(self.names.past)
    }

    /// Packets that a fault took so far.
    pub(super) fn taken(&self, fault: u32) -> u64 {
        self.state().detour.as_ref().map_or(0, |detour| detour.taken(fault))
    }

    /// What befell packets to a host so far.
    pub(super) fn traffic(&self, to: IpAddr) -> Result<Traffic, String> {
        match &self.state().detour {
            Some(detour) => detour.traffic(v4(to)?).map_err(|error| error.to_string()),
            None => Ok(Traffic::default()),
        }
    }

    /// What befell a probe that has just been sent; `None` if it did not come by.
    pub(super) fn fate(&self, to: IpAddr, nonce: u64) -> Result<Option<Effects>, String> {
        match &self.state().detour {
            Some(detour) => detour.fate(v4(to)?, nonce).map_err(|error| error.to_string()),
            None => Ok(None),
        }
    }

    /// Takes the way there away; to be called when its rules are gone.
    pub(super) fn end(&self) {
        if self.state().detour.take().is_some() {
            remove(&self.names.table);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    /// Makes the way there; nothing is sent on it yet.
    fn begin(&self, peers: &[Ipv4Addr]) -> Result<Detour, String> {
        let detour =
            Detour::begin(&self.table, self.past, peers).map_err(|error| format!("a detour: {error}"))?;
        let (mark, routes) = (self.there.to_string(), self.routes.to_string());
        for peer in peers {
            ip(&["route", "replace", &peer.to_string(), "dev", &self.table, "table", &routes])?;
        }
        remove(&self.table);
        ip(&["rule", "add", "fwmark", &mark, "lookup", &routes, "priority", PRIORITY])?;
        Ok(detour)
    }

    /// The transaction that sends what goes to these on the detour, and nothing else.
    fn script(&self, to: &BTreeSet<Ipv4Addr>) -> String {
        let Self { table, there, past, .. } = self;
        let mut text = format!(
            "add table inet {table}\n\
             add chain inet {table} detour {{ type route hook output priority mangle; policy accept; }}\n\
             flush chain inet {table} detour\n\
             add rule inet {table} detour meta mark {past} accept\n"
        );
        for to in to {
            // Where whoever speaks to this agent is on one of the hosts: the line to it is none of the links.
            if let Some((_, theirs, ours)) = line_here().filter(|(from, ..)| from == to) {
                text += &format!(
                    "add rule inet {table} detour ip daddr {to} tcp dport {theirs} tcp sport {ours} accept\n"
                );
            }
            text += &format!("add rule inet {table} detour ip daddr {to} meta mark set {there}\n");
        }
        text
    }
}

/// Removes the rule that leads away what has the mark. Does nothing where there is none.
pub(super) fn remove(table: &str) {
    let names = Names::of(table);
    let (mark, routes) = (names.there.to_string(), names.routes.to_string());
    for _ in 0..MOST_RULES {
        if ip(&["rule", "del", "fwmark", &mark, "lookup", &routes, "priority", PRIORITY]).is_err() {
            return;
        }
    }
}

/// Makes all of it, for packets to nobody, and removes it again.
pub(super) fn try_out(table: &str) -> Result<(), String> {
    let names = Names::of(table);
    let tried = names
        .begin(&[NOBODY])
        .and_then(|_detour| nft(&["-f", "-"], &names.script(&[NOBODY].into())).map(drop));
    firewall::remove(Tool::Nft, table);
    remove(table);
    tried
}

fn v4(peer: IpAddr) -> Result<Ipv4Addr, String> {
    match peer.to_canonical() {
        IpAddr::V4(peer) => Ok(peer),
        IpAddr::V6(peer) => Err(format!("{peer} is none of IPv4's addresses")),
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    tools::run("ip", &[&["-4"], args].concat(), "").map(drop)
}
