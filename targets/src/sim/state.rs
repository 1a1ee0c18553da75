//! The servers and the network between them, as one state machine.
//!
//! Nothing runs in the background: whoever looks at the state first brings it up to the
//! present with [`State::advance`].

use super::command::{Command, Held};
use crate::Completion;
use duress_workloads::Rng;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// Nodes greet each other this often; one that has fallen behind catches up at a greeting.
const HEARTBEAT: Duration = Duration::from_millis(50);
/// Without a leader that reaches a majority for this long, another is elected.
const ELECTION_TIMEOUT: Duration = Duration::from_millis(150);

/// What is wrong with the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// A node answers reads from its own copy, even when it has been cut off.
    StaleRead,
    /// A leader does not notice that it has lost its majority. It goes on to acknowledge
    /// writes, which are gone when it comes back.
    LostWrite,
    /// Nothing.
    None,
}

impl Bug {
    /// From its name on the command line.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "stale-read" => Some(Self::StaleRead),
            "lost-write" => Some(Self::LostWrite),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// What a node's server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It runs.
    Running,
    /// It stands still, and will go on as if nothing had been.
    Paused,
    /// It has not been started, or was killed. Its copy of the data is kept.
    Stopped,
}

/// A directed link, by the positions of its nodes.
pub(super) type Link = (usize, usize);

/// A server.
pub(super) struct Replica {
    pub(super) state: NodeState,
    /// Counts starts: connections to an earlier one are broken.
    pub(super) incarnation: u64,
    /// The term of the last leader that it heard of.
    pub(super) term: u64,
    copy: HashMap<u64, u64>,
    /// Entries of the log that are in the copy.
    applied: usize,
    behind_since: Option<Instant>,
    /// Writes that it acknowledged on its own authority, with [`Bug::LostWrite`].
    own: HashMap<u64, u64>,
}

/// Everything.
pub(super) struct State {
    bug: Bug,
    rng: Rng,
    pub(super) nodes: Vec<Replica>,
    cuts: BTreeSet<Link>,
    pub(super) dropped: BTreeMap<Link, u64>,
    /// Writes that a majority has, in the order in which they took effect.
    log: Vec<(u64, u64)>,
    /// What the log amounts to.
    values: HashMap<u64, u64>,
    leader: Option<usize>,
    term: u64,
    leaderless_since: Option<Instant>,
    last_heartbeat: Instant,
    /// Writes whose clients gave up waiting, and that take effect as soon as somebody leads.
    in_doubt: Vec<Command>,
}

impl State {
    pub(super) fn new(n_nodes: usize, bug: Bug, rng: Rng, now: Instant) -> Self {
        let replica = || Replica {
            state: NodeState::Stopped,
            incarnation: 0,
            term: 0,
            copy: HashMap::new(),
            applied: 0,
            behind_since: None,
            own: HashMap::new(),
        };
        Self {
            bug,
            rng,
            nodes: (0..n_nodes).map(|_| replica()).collect(),
            cuts: BTreeSet::new(),
            dropped: BTreeMap::new(),
            log: Vec::new(),
            values: HashMap::new(),
            leader: None,
            term: 0,
            leaderless_since: None,
            last_heartbeat: now,
            in_doubt: Vec::new(),
        }
    }

    /// Serves a command that arrived at a running node; `None` when it cannot be served now.
    pub(super) fn serve(&mut self, node: usize, command: Command) -> Option<Completion> {
        if self.bug == Bug::StaleRead && matches!(command, Command::Read { .. }) {
            let held = self.nodes[node].copy.get(&command.key()).copied();
            return Some(command.answer(held));
        }
        if let Some(leader) = self.leader_of(node) {
            return Some(self.commit(leader, command));
        }
        if let Some(leader) = self.leader {
            self.drop_if_cut((node, leader), 1);
        }
        // Reads do ask a majority, even with this bug: it is about writes.
        if self.bug == Bug::LostWrite && !matches!(command, Command::Read { .. }) {
            return self.commit_alone(node, command);
        }
        None
    }

    /// A client gives up waiting. A write may still be on its way to whoever leads next.
    pub(super) fn give_up(&mut self, command: Command) {
        if !matches!(command, Command::Read { .. }) && self.rng.below(2) == 0 {
            self.in_doubt.push(command);
        }
    }

    /// Brings everything up to the present.
    pub(super) fn advance(&mut self, now: Instant) {
        self.greet(now);
        self.elect(now);
        let Some(leader) = self.leader.filter(|leader| self.reaches_a_majority(*leader)) else { return };
        for node in 0..self.nodes.len() {
            self.follow(node, leader, now);
        }
        for command in std::mem::take(&mut self.in_doubt) {
            self.commit(leader, command);
        }
    }

    /// Links from or to nodes that do not exist are left out.
    pub(super) fn set_cuts(&mut self, cuts: &BTreeSet<Link>) {
        let n = self.nodes.len();
        self.cuts = cuts.iter().copied().filter(|(from, to)| *from < n && *to < n && from != to).collect();
    }

    pub(super) fn is_cut(&self, link: Link) -> bool {
        self.cuts.contains(&link)
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].state = NodeState::Stopped;
        self.nodes[node].own.clear();
    }

    pub(super) fn start(&mut self, node: usize) {
        if self.nodes[node].state == NodeState::Stopped {
            self.nodes[node].state = NodeState::Running;
            self.nodes[node].incarnation += 1;
        }
    }

    /// Does the node itself think that it leads?
    pub(super) fn thinks_it_leads(&self, node: usize) -> bool {
        self.leader == Some(node) || (self.bug == Bug::LostWrite && self.leads_alone(node) == Some(node))
    }

    /// The leader, if the node reaches it and it reaches a majority.
    pub(super) fn leader_of(&self, node: usize) -> Option<usize> {
        self.leader.filter(|leader| self.linked(node, *leader) && self.reaches_a_majority(*leader))
    }

    /// Takes effect, here and now, on the leader and on whoever it reaches and is up to date.
    fn commit(&mut self, leader: usize, command: Command) -> Completion {
        let held: Held = self.values.get(&command.key()).copied();
        if let Some(value) = command.effect(held) {
            let at = self.log.len();
            self.log.push((command.key(), value));
            self.values.insert(command.key(), value);
            for node in 0..self.nodes.len() {
                self.drop_if_cut((leader, node), 1);
                if self.linked(leader, node) && self.nodes[node].applied == at {
                    self.catch_up(node);
                }
            }
        }
        command.answer(held)
    }

    /// The bug: takes effect on a node that no majority follows.
    fn commit_alone(&mut self, node: usize, command: Command) -> Option<Completion> {
        let leader = self.leads_alone(node)?;
        let replica = &mut self.nodes[leader];
        let key = command.key();
        let held = replica.own.get(&key).or_else(|| replica.copy.get(&key)).copied();
        if let Some(value) = command.effect(held) {
            replica.own.insert(key, value);
        }
        Some(command.answer(held))
    }

    /// Who leads the nodes that, with this one, are cut off from the majority.
    fn leads_alone(&self, node: usize) -> Option<usize> {
        let first = (0..self.nodes.len()).find(|other| self.linked(node, *other))?;
        (!self.reaches_a_majority(first)).then_some(first)
    }

    /// Every running node greets every other; here it only counts what does not get through.
    fn greet(&mut self, now: Instant) {
        let beats = (now - self.last_heartbeat).as_millis() / HEARTBEAT.as_millis();
        let beats = u32::try_from(beats).unwrap_or(u32::MAX);
        if beats == 0 {
            return;
        }
        self.last_heartbeat += HEARTBEAT * beats;
        for link in self.cuts.clone() {
            if self.is_running(link.0) {
                self.drop_if_cut(link, u64::from(beats));
            }
        }
    }

    fn elect(&mut self, now: Instant) {
        if self.leader.is_some_and(|leader| self.reaches_a_majority(leader)) {
            self.leaderless_since = None;
            return;
        }
        let since = *self.leaderless_since.get_or_insert(now);
        let candidates: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.reaches_a_majority(*node)).collect();
        if now - since < ELECTION_TIMEOUT || candidates.is_empty() {
            return;
        }
        let elected = candidates[self.rng.index(candidates.len())];
        self.term += 1;
        self.leader = Some(elected);
        self.leaderless_since = None;
        // The majority that elects it knows every committed write, and tells.
        self.catch_up(elected);
    }

    /// Hears from the leader, or does not.
    fn follow(&mut self, node: usize, leader: usize, now: Instant) {
        if !self.linked(node, leader) {
            self.nodes[node].behind_since = None;
            return;
        }
        let (term, n_entries) = (self.term, self.log.len());
        let replica = &mut self.nodes[node];
        replica.term = term;
        replica.own.clear();
        if replica.applied == n_entries {
            replica.behind_since = None;
        } else if now - *replica.behind_since.get_or_insert(now) >= HEARTBEAT {
            self.catch_up(node);
        }
    }

    fn catch_up(&mut self, node: usize) {
        let replica = &mut self.nodes[node];
        replica.copy.extend(self.log[replica.applied..].iter().copied());
        replica.applied = self.log.len();
        replica.behind_since = None;
    }

    fn reaches_a_majority(&self, node: usize) -> bool {
        (0..self.nodes.len()).filter(|other| self.linked(node, *other)).count() > self.nodes.len() / 2
    }

    /// Do both run, and reach each other in both directions?
    fn linked(&self, a: usize, b: usize) -> bool {
        self.is_running(a) && self.is_running(b) && !self.is_cut((a, b)) && !self.is_cut((b, a))
    }

    fn is_running(&self, node: usize) -> bool {
        self.nodes[node].state == NodeState::Running
    }

    fn drop_if_cut(&mut self, link: Link, messages: u64) {
        if self.is_cut(link) {
            *self.dropped.entry(link).or_default() += messages;
        }
    }
}
