//! By which addresses the ends of links know each other. A host may have some of IPv4 and some of IPv6: its
//! links are cut for all of them, and proven by one of each.
//!
//! Not here: what is done to links, and who sends the datagrams (`links`).

use super::RemoteNode;
use crate::env::Link;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The ways over all links of a cluster.
#[derive(Default)]
pub(super) struct Ways {
    /// For each node, the addresses that it has, and nobody else.
    nodes: Vec<Vec<IpAddr>>,
    /// For each node, and each machine with clients, the ways between them.
    clients: Vec<Vec<Vec<Way>>>,
    /// Links between nodes that have a second way, and the address at its end.
    second: BTreeMap<Link, IpAddr>,
}

/// A way between a machine with clients and a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The node's address.
    pub(super) node: IpAddr,
    /// From where the node sees those clients come.
    pub(super) clients: IpAddr,
}

impl Ways {
    pub(super) fn new(
        nodes: &[RemoteNode],
        clients: Vec<Vec<Vec<Way>>>,
        second: BTreeMap<Link, IpAddr>,
    ) -> Self {
        let all: Vec<Vec<IpAddr>> = nodes.iter().map(all_of).collect();
        let seen: BTreeSet<IpAddr> = clients.iter().flatten().flatten().map(|way| way.clients).collect();
        let own = nodes.iter().zip(&all).enumerate().map(|(at, (node, own))| {
            let has_it = |address: &IpAddr| {
                let other = |(other, of): (usize, &Vec<IpAddr>)| other != at && of.contains(address);
                all.iter().enumerate().any(other)
            };
            // Bridges of container engines, say, have the same address on every host.
            let is_own = |address: &&IpAddr| !seen.contains(*address) && !has_it(address);
            let others = own[1..].iter().filter(is_own).copied();
            [node.node.addr].into_iter().chain(others).collect()
        });
        Self { nodes: own.collect(), clients, second }
    }

    /// By which packets of a node are known.
    pub(super) fn of_node(&self, node: usize) -> &[IpAddr] {
        &self.nodes[node]
    }

    /// By which packets of clients are known on a node.
    pub(super) fn of_clients(&self, node: usize) -> BTreeSet<IpAddr> {
        self.clients[node].iter().flatten().map(|way| way.clients).collect()
    }

    /// Those between a node and each machine with clients.
    pub(super) fn to_clients(&self, node: usize) -> &[Vec<Way>] {
        &self.clients[node]
    }

    /// The addresses of a node by which another one reaches it, one of each family.
    pub(super) fn between(&self, nodes: &[RemoteNode], link: Link) -> Vec<IpAddr> {
        let second = self.second.get(&link).copied();
        [nodes[link.1].node.addr].into_iter().chain(second).collect()
    }
}

/// A node's address of the other family.
pub(super) fn second_of(node: &RemoteNode) -> Option<IpAddr> {
    all_of(node).into_iter().find(|address| address.is_ipv4() != node.node.addr.is_ipv4())
}

/// Its address as others were told, and those that it has besides.
fn all_of(node: &RemoteNode) -> Vec<IpAddr> {
    let more = node.agent.addresses.iter().copied().filter(|address| *address != node.node.addr);
    [node.node.addr].into_iter().chain(more).collect()
}
