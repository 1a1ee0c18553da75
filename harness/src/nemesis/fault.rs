//! What a fault is: a kind, its victims, and when. The format of a schedule file.
//!
//! Everything is concrete when a schedule is made, but for `leader` and `follower`: who leads is only
//! known when the fault strikes.

use super::grudge::{self, Grudge};
use super::lifecycle::Act;
use super::trigger::Trigger;
use crate::engine::ClientFault;
use crate::env::clock::{Clocks, Skew};
use crate::env::cut::Cut;
use crate::env::data::OtherData;
use crate::env::disk::{Damage, Keep, Misdeed};
use crate::env::packet::Behavior;
use crate::env::{Stop, Whom};
use serde::{Deserialize, Serialize};

/// One entry of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// Milliseconds after the start of the run.
    #[serde(rename = "at", with = "super::length")]
    pub at_ms: u64,
    /// Milliseconds until it is healed.
    #[serde(rename = "for", with = "super::length")]
    pub for_ms: u64,
    /// What it waits for, before it strikes; its length counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Trigger>,
    /// What. Fields that are none of its own are refused there.
    #[serde(flatten)]
    pub fault: Fault,
}

impl PlannedFault {
    /// When it is over at the latest: milliseconds after the start of the run.
    pub fn end_ms(&self) -> u64 {
        let within_ms = self.on.as_ref().map_or(0, |trigger| trigger.within_ms);
        self.at_ms.saturating_add(within_ms).saturating_add(self.for_ms)
    }

    /// Shortens it so that it is over by then; what it waits for may take half of that.
    pub fn end_by(&mut self, end_ms: u64) {
        let mut left = end_ms.saturating_sub(self.at_ms);
        if let Some(trigger) = &mut self.on {
            trigger.within_ms = trigger.within_ms.min(left / 2);
            left -= trigger.within_ms;
        }
        self.for_ms = self.for_ms.min(left);
    }

    /// Does it need packets, or clients with an address, or processes?
    pub fn needs_real_servers(&self) -> bool {
        let real_things = match &self.fault {
            Fault::Packet { .. }
            | Fault::CpuStarve { .. }
            | Fault::StartWith { .. }
            | Fault::Lifecycle { .. }
            | Fault::Oom { .. } => true,
            Fault::Partition { shape: Shape::Clients(_) | Shape::Everybody(_), .. } => true,
            Fault::Partition { cut, .. } => !cut.is_plain(),
            _ => false,
        };
        real_things || self.fault.needs_a_disk() || self.on.as_ref().is_some_and(Trigger::needs_processes)
    }

    /// When its victims are back at the latest, as far as can be planned.
    pub fn settled_ms(&self) -> u64 {
        let settles_ms = if let Fault::Lifecycle { act, .. } = &self.fault { act.settles_ms() } else { 0 };
        self.end_ms().saturating_add(settles_ms)
    }

    /// Are both in force at some time?
    pub fn overlaps(&self, other: &Self) -> bool {
        self.at_ms < other.settled_ms() && other.at_ms < self.settled_ms()
    }

    /// Do both end or stop processes of the same node at some time, or hit the same clients, or ask the
    /// same node for something that an operator would not ask for at once? The second would find
    /// nothing to break. Nor does one that begins to skew the clocks of a node while
    /// the other keeps it ended.
    pub fn meets(&self, other: &Self) -> bool {
        let same = match (self.fault.named(), other.fault.named()) {
            (Some(ours), Some(theirs)) => ours.iter().any(|name| theirs.contains(name)),
            (None, None) => true,
            // Whoever leads then may be anybody, as far as is known before they strike; a clock is
            // skewed of most of them all the same.
            _ => !self.fault.needs_clocks() && !other.fault.needs_clocks(),
        };
        let client = |fault: &Fault| matches!(fault, Fault::Client { .. });
        let clients = client(&self.fault) && client(&other.fault) && self.overlaps(other);
        let act = |fault: &Fault| matches!(fault, Fault::Lifecycle { act, .. } if !act.is_bearable());
        let acts = act(&self.fault) && act(&other.fault) && self.overlaps(other);
        let surely = self.fault.named().is_some() == other.fault.named().is_some();
        let ended = |one: &Self, other: &Self| act(&one.fault) && other.fault.ends_or_stops();
        let ended = self.overlaps(other) && (ended(self, other) || ended(other, self));
        let both = self.fault.ends_or_stops() && other.fault.ends_or_stops() && self.overlaps(other);
        same && (clients
            || acts
            || surely && ended
            || both
            || self.finds_ended(other)
            || other.finds_ended(self))
    }

    fn finds_ended(&self, other: &Self) -> bool {
        let stops = matches!(other.fault, Fault::Pause { .. } | Fault::CpuStarve { .. });
        let ends = other.fault.ends_or_stops() && !stops;
        ends && self.fault.needs_clocks() && (other.at_ms..other.settled_ms()).contains(&self.at_ms)
    }
}

/// Something that breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// SIGKILL to every process of the node; started again on the same data when healed.
    Kill {
        /// Who.
        nodes: Victims,
        /// All of their processes, or the servers alone.
        #[serde(default, skip_serializing_if = "Whom::is_tree")]
        whom: Whom,
    },
    /// SIGTERM to the server; then, or after the grace period, as `kill`.
    Terminate {
        /// Who.
        nodes: Victims,
        /// As in `kill`.
        #[serde(default, skip_serializing_if = "Whom::is_tree")]
        whom: Whom,
    },
    /// SIGSTOP to every process of the node; SIGCONT when healed.
    Pause {
        /// Who.
        nodes: Victims,
    },
    /// All processes of the node get little of the time.
    CpuStarve {
        /// Who.
        nodes: Victims,
        /// So many percent, 1 to 99.
        percent: u32,
    },
    /// Cuts links.
    Partition {
        /// Which.
        shape: Shape,
        /// For what, and whether silently.
        #[serde(default, skip_serializing_if = "Cut::is_plain")]
        cut: Cut,
    },
    /// Mistreats the packets between these nodes and all others, both ways; in a cluster of one node,
    /// those between it and the clients.
    Packet {
        /// Who.
        nodes: Victims,
        /// How.
        behavior: Behavior,
    },
    /// Hits half of the clients of these nodes.
    Client {
        /// Whose.
        nodes: Victims,
        /// How.
        what: ClientFault,
    },
    /// Skews the clocks of all processes of the node.
    Clock {
        /// Who.
        nodes: Victims,
        /// Which clocks.
        #[serde(default)]
        clocks: Clocks,
        /// How.
        skew: Skew,
    },
    /// The nodes' disks do something wrong.
    Disk {
        /// Who.
        nodes: Victims,
        /// What.
        misdeed: Misdeed,
    },
    /// As `kill`; and the nodes' disks lose what was not fsynced.
    DiskPowerFailure {
        /// Who.
        nodes: Victims,
        /// What is left all the same.
        keep: Keep,
        /// Decides what that is.
        seed: u64,
    },
    /// As `kill`; and files are damaged before the nodes are started again.
    DiskCorrupt {
        /// Who.
        nodes: Victims,
        /// How.
        damage: Damage,
        /// Decides where.
        seed: u64,
    },
    /// As `kill`; and the nodes find other data than their own when they are started again.
    StartWith {
        /// Who.
        nodes: Victims,
        /// Which.
        data: OtherData,
    },
    /// The cluster is changed by its own means.
    Lifecycle {
        /// Whom it concerns.
        nodes: Victims,
        /// How.
        act: Act,
    },
    /// The nodes' memory runs out: the kernel ends all of their processes. Started again on the same
    /// data when healed.
    Oom {
        /// Who.
        nodes: Victims,
    },
}

/// Nodes by name, or by what they are at the moment: `"leader"`, `"n1"` or `["n1", "n2"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Words", into = "Words")]
pub enum Victims {
    /// Whoever leads when the fault strikes.
    Leader,
    /// One that does not lead then: the next after the leader.
    Follower,
    /// By name.
    Named(Vec<String>),
}

/// How victims are written.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "nodes are a name, `leader`, `follower`, or a list of names")]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl From<Words> for Victims {
    fn from(words: Words) -> Self {
        match words {
            Words::One(word) if word == LEADER => Self::Leader,
            Words::One(word) if word == FOLLOWER => Self::Follower,
            Words::One(name) => Self::one(&name),
            Words::Many(names) => Self::Named(names),
        }
    }
}

impl From<Victims> for Words {
    fn from(victims: Victims) -> Self {
        match victims {
            Victims::Leader => Self::One(LEADER.to_owned()),
            Victims::Follower => Self::One(FOLLOWER.to_owned()),
            Victims::Named(names) => Self::Many(names),
        }
    }
}

const LEADER: &str = "leader";
const FOLLOWER: &str = "follower";

/// The shape of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Groups that do not hear each other.
    Groups(Vec<Vec<String>>),
    /// One node against the rest.
    Isolate(Victims),
    /// One node hears nobody.
    Deaf(Victims),
    /// Nobody hears one node.
    Mute(Victims),
    /// Clients do not reach one node, and it does not reach them; the other nodes do.
    Clients(Victims),
    /// Two halves; the node in the middle of the list hears both.
    Bridge(Vec<String>),
    /// Each hears a majority, nobody the same one; the list is the ring.
    MajoritiesRing(Vec<String>),
    /// Neither clients nor the other nodes reach one node, and it does not reach them.
    Everybody(Victims),
}

impl Fault {
    /// The word for it in journals and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill { whom: Whom::Tree, .. } => "kill",
            Self::Kill { whom: Whom::Main, .. } => "kill-main",
            Self::Terminate { whom: Whom::Tree, .. } => "terminate",
            Self::Terminate { whom: Whom::Main, .. } => "terminate-main",
            Self::Pause { .. } => "pause",
            Self::CpuStarve { .. } => "cpu-starve",
            Self::Partition { cut, .. } => cut.kind(),
            Self::Packet { behavior, .. } => behavior.kind(),
            Self::Client { what, .. } => what.kind(),
            Self::Clock { clocks, skew, .. } => skew.kind(*clocks),
            Self::Disk { misdeed, .. } => misdeed.kind(),
            Self::DiskPowerFailure { .. } => "disk-power-failure",
            Self::DiskCorrupt { .. } => "disk-corrupt",
            Self::StartWith { data, .. } => data.kind(),
            Self::Lifecycle { act, .. } => act.kind(),
            Self::Oom { .. } => "oom",
        }
    }

    /// The nodes that it names; `None` for one that is known only when it strikes.
    pub fn named(&self) -> Option<Vec<&String>> {
        match self {
            Self::Kill { nodes, .. }
            | Self::Terminate { nodes, .. }
            | Self::Pause { nodes }
            | Self::CpuStarve { nodes, .. }
            | Self::Packet { nodes, .. }
            | Self::Client { nodes, .. }
            | Self::Clock { nodes, .. }
            | Self::Disk { nodes, .. }
            | Self::DiskPowerFailure { nodes, .. }
            | Self::DiskCorrupt { nodes, .. }
            | Self::StartWith { nodes, .. }
            | Self::Lifecycle { nodes, .. }
            | Self::Oom { nodes } => nodes.named(),
            Self::Partition { shape, .. } => match shape {
                Shape::Groups(groups) => Some(groups.iter().flatten().collect()),
                Shape::Isolate(nodes)
                | Shape::Deaf(nodes)
                | Shape::Mute(nodes)
                | Shape::Clients(nodes)
                | Shape::Everybody(nodes) => nodes.named(),
                Shape::Bridge(order) | Shape::MajoritiesRing(order) => Some(order.iter().collect()),
            },
        }
    }
}

impl Fault {
    /// Has it no victims, or no link to cut, whoever leads?
    pub fn breaks_nothing(&self, names: &[String]) -> bool {
        if self.named().is_some_and(|named| named.is_empty()) {
            return true;
        }
        match self.resolve(names, 0).action {
            Action::Stop(nodes, ..)
            | Action::Pause(nodes)
            | Action::Starve(nodes, _)
            | Action::Clients(nodes, _)
            | Action::Clock(nodes, ..) => nodes.is_empty(),
            Action::Cut(links, _) | Action::Packet(links, _) => links.is_empty(),
            Action::Disk(nodes, _) | Action::PowerFailure(nodes, ..) | Action::Corrupt(nodes, ..) => {
                nodes.is_empty()
            }
            // One alone would swap with itself.
            Action::StartWith(nodes, OtherData::Swapped) => nodes.len() < 2,
            Action::StartWith(nodes, _) => nodes.is_empty(),
            Action::Oom(nodes) => nodes.is_empty(),
            // A part of the cluster would be restored into another one.
            Action::Lifecycle(nodes, act) if act.restores() => nodes.len() < names.len(),
            Action::Lifecycle(nodes, act) => nodes.is_empty() || names.len() < act.min_nodes(),
        }
    }

    /// Does it end processes, or stop them? A server that cannot work with its disk ends.
    fn ends_or_stops(&self) -> bool {
        match self {
            Self::Kill { .. }
            | Self::Terminate { .. }
            | Self::Pause { .. }
            | Self::CpuStarve { .. }
            | Self::DiskPowerFailure { .. }
            | Self::DiskCorrupt { .. }
            | Self::StartWith { .. }
            | Self::Oom { .. } => true,
            Self::Lifecycle { act, .. } => act.changes_members() || act.changes_version() || act.restores(),
            Self::Disk { misdeed, .. } => !misdeed.is_bearable(),
            Self::Partition { .. } | Self::Packet { .. } | Self::Client { .. } | Self::Clock { .. } => false,
        }
    }

    /// Does it change who is a member of the cluster?
    pub fn changes_members(&self) -> bool {
        matches!(self, Self::Lifecycle { act, .. } if act.changes_members())
    }

    /// May it take as long to begin as it is to last?
    pub fn begins_slowly(&self) -> bool {
        let restores = matches!(self, Self::Lifecycle { act, .. } if act.restores());
        self.changes_members() || restores || matches!(self, Self::StartWith { data: OtherData::Older, .. })
    }

    /// Does it leave data behind that nobody should have to work with?
    pub fn spoils_data(&self) -> bool {
        matches!(self, Self::DiskCorrupt { .. } | Self::StartWith { .. })
    }

    /// Does it need nodes with clocks of their own?
    pub fn needs_clocks(&self) -> bool {
        matches!(self, Self::Clock { .. })
    }

    /// Does it need nodes whose memory can be limited?
    pub fn needs_limited_memory(&self) -> bool {
        matches!(self, Self::Oom { .. })
    }

    /// Does it need disks that can be told to go wrong?
    pub fn needs_a_disk(&self) -> bool {
        matches!(self, Self::Disk { .. } | Self::DiskPowerFailure { .. } | Self::DiskCorrupt { .. })
    }

    /// Why an ext4 cannot do it, if it needs a disk and that is none for it.
    pub fn beyond_ext4(&self) -> Option<&'static str> {
        match self {
            Self::DiskPowerFailure { keep: Keep::None, .. } => None,
            Self::DiskPowerFailure { .. } => Some(
                "which unsynced pages are kept is for ext4 to say: of them it takes `keep = \"none\"` only",
            ),
            _ if self.needs_a_disk() => {
                Some("only the disks of Duress' own can do that: an ext4 does no wrong")
            }
            _ => None,
        }
    }

    /// Does it need reads that go past the page cache?
    pub fn needs_direct_reads(&self) -> bool {
        matches!(self, Self::Disk { misdeed, .. } if misdeed.needs_direct_reads())
    }

    /// Is it one that no server has to survive? Then one that does not come back shows nothing.
    pub fn may_ruin(&self) -> bool {
        match self {
            Self::Packet { behavior, .. } => matches!(behavior, Behavior::Corrupt { silent: true, .. }),
            Self::Disk { misdeed, .. } => misdeed.may_ruin(),
            Self::DiskCorrupt { .. } | Self::StartWith { .. } => true,
            Self::Kill { .. }
            | Self::Terminate { .. }
            | Self::Pause { .. }
            | Self::CpuStarve { .. }
            | Self::Partition { .. }
            | Self::Client { .. }
            | Self::Clock { .. }
            | Self::DiskPowerFailure { .. }
            | Self::Lifecycle { .. }
            | Self::Oom { .. } => false,
        }
    }

    /// Why it makes no sense, if it does not.
    pub fn nonsense(&self) -> Option<&'static str> {
        match self {
            Self::CpuStarve { percent, .. } if !(1..=99).contains(percent) => {
                Some("a starved node gets 1 to 99 percent of the time")
            }
            Self::Packet { behavior, .. } => behavior.nonsense(),
            Self::Partition { cut, .. } => cut.nonsense(),
            Self::Clock { clocks, skew, .. } => skew.nonsense(*clocks),
            Self::Disk { misdeed, .. } => misdeed.nonsense(),
            Self::DiskPowerFailure { keep, .. } => keep.nonsense(),
            Self::DiskCorrupt { damage, .. } => damage.nonsense(),
            _ => None,
        }
    }
}

impl Victims {
    /// One node.
    pub fn one(name: &str) -> Self {
        Self::Named(vec![name.to_owned()])
    }

    fn named(&self) -> Option<Vec<&String>> {
        match self {
            Self::Leader | Self::Follower => None,
            Self::Named(names) => Some(names.iter().collect()),
        }
    }
}

/// A fault whose victims are known, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// In words: `isolate the leader n3`.
    pub description: String,
    /// What to do.
    pub action: Action,
    /// Nodes that lose contact or stop, by position.
    pub disrupted: Vec<usize>,
}

/// What to do, by position of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// End these.
    Stop(Vec<usize>, Stop, Whom),
    /// Stop these where they stand.
    Pause(Vec<usize>),
    /// Give these so many percent of the time.
    Starve(Vec<usize>, u32),
    /// Cut these links.
    Cut(Grudge, Cut),
    /// Mistreat what crosses these links.
    Packet(Grudge, Behavior),
    /// Hit clients of these.
    Clients(Vec<usize>, ClientFault),
    /// Skew the clocks of these.
    Clock(Vec<usize>, Clocks, Skew),
    /// Let the disks of these do wrong.
    Disk(Vec<usize>, Misdeed),
    /// End these, and let their disks lose what was not fsynced.
    PowerFailure(Vec<usize>, Keep, u64),
    /// End these, and damage their files.
    Corrupt(Vec<usize>, Damage, u64),
    /// End these, and give them other data.
    StartWith(Vec<usize>, OtherData),
    /// Do this to these.
    Lifecycle(Vec<usize>, Act),
    /// Let the memory of these run out.
    Oom(Vec<usize>),
}

impl Fault {
    /// Fills in the leader, and turns names into positions. `name` finds the position of a
    /// name; names were checked when the schedule was made.
    pub fn resolve(&self, names: &[String], leader: usize) -> Resolved {
        let at = |name: &String| names.iter().position(|n| n == name).unwrap_or(0);
        let who = |victims: &Victims| match victims {
            Victims::Leader => (vec![leader], format!("the leader {}", names[leader])),
            Victims::Follower if names.len() < 2 => (Vec::new(), "no follower".to_owned()),
            Victims::Follower => {
                let next = (leader + 1) % names.len();
                (vec![next], format!("the follower {}", names[next]))
            }
            Victims::Named(list) => (list.iter().map(at).collect(), list.join(" ")),
        };
        let n = names.len();
        match self {
            Self::Kill { nodes, whom } => ended("kill", who(nodes), Stop::Kill, *whom),
            Self::Terminate { nodes, whom } => ended("terminate", who(nodes), Stop::Terminate, *whom),
            Self::Pause { nodes } => {
                let (nodes, words) = who(nodes);
                resolved(format!("pause {words}"), Action::Pause(nodes.clone()), nodes)
            }
            Self::CpuStarve { nodes, percent } => {
                let (nodes, words) = who(nodes);
                resolved(
                    format!("starve {words}: {percent} % of the time"),
                    Action::Starve(nodes.clone(), *percent),
                    nodes,
                )
            }
            Self::Packet { nodes, behavior } => {
                let (nodes, words) = who(nodes);
                let links = nodes.iter().flat_map(|&node| grudge::others(node, n)).collect();
                resolved(behavior.told(&words), Action::Packet(links, behavior.clone()), nodes)
            }
            Self::Client { nodes, what } => {
                let (nodes, words) = who(nodes);
                let description = format!("{} at {words}", what.kind());
                resolved(description, Action::Clients(nodes, *what), Vec::new())
            }
            Self::Clock { nodes, clocks, skew } => {
                let (nodes, words) = who(nodes);
                resolved(skew.told(*clocks, &words), Action::Clock(nodes.clone(), *clocks, *skew), nodes)
            }
            Self::Disk { nodes, misdeed } => {
                let (nodes, words) = who(nodes);
                resolved(misdeed.told(&words), Action::Disk(nodes.clone(), misdeed.clone()), nodes)
            }
            Self::DiskPowerFailure { nodes, keep, seed } => {
                let (nodes, words) = who(nodes);
                resolved(keep.told(&words), Action::PowerFailure(nodes.clone(), *keep, *seed), nodes)
            }
            Self::DiskCorrupt { nodes, damage, seed } => {
                let (nodes, words) = who(nodes);
                resolved(damage.told(&words), Action::Corrupt(nodes.clone(), damage.clone(), *seed), nodes)
            }
            Self::StartWith { nodes, data } => {
                let (nodes, words) = who(nodes);
                resolved(data.told(&words), Action::StartWith(nodes.clone(), *data), nodes)
            }
            Self::Lifecycle { nodes, act } => {
                let (nodes, words) = who(nodes);
                let disrupted = if act.is_bearable() { Vec::new() } else { nodes.clone() };
                resolved(act.told(&words), Action::Lifecycle(nodes, *act), disrupted)
            }
            Self::Oom { nodes } => {
                let (nodes, words) = who(nodes);
                resolved(format!("oom of {words}"), Action::Oom(nodes.clone()), nodes)
            }
            Self::Partition { shape, cut } => shape.resolve(cut, n, (&at, &who)),
        }
    }
}

/// Finds the position of a name, and of victims with the words for them.
type Lookup<'a> = (&'a dyn Fn(&String) -> usize, &'a dyn Fn(&Victims) -> (Vec<usize>, String));

impl Shape {
    fn resolve(&self, cut: &Cut, n: usize, (at, who): Lookup<'_>) -> Resolved {
        let done = |words: String, links: Grudge, disrupted: Vec<usize>| {
            resolved(format!("{words}{}", cut.told()), Action::Cut(links, *cut), disrupted)
        };
        let one = |victims, verb: &str, links: &dyn Fn(usize) -> Grudge| {
            let (nodes, words) = who(victims);
            done(format!("{verb} {words}"), nodes.iter().flat_map(|&node| links(node)).collect(), nodes)
        };
        match self {
            Self::Isolate(victims) => one(victims, "isolate", &|node| grudge::isolate(node, n)),
            Self::Deaf(victims) => one(victims, "deafen", &|node| grudge::one_way(node, n, true)),
            Self::Mute(victims) => one(victims, "mute", &|node| grudge::one_way(node, n, false)),
            Self::Clients(victims) => one(victims, "cut clients off from", &|node| grudge::clients(node, n)),
            Self::Everybody(victims) => {
                one(victims, "cut everybody off from", &|node| grudge::everybody(node, n))
            }
            Self::Groups(groups) => {
                let indexed: Vec<Vec<usize>> =
                    groups.iter().map(|group| group.iter().map(at).collect()).collect();
                let largest = indexed.iter().map(Vec::len).max().unwrap_or(0);
                let majority = indexed.iter().position(|group| group.len() == largest);
                let minority = indexed.iter().enumerate().filter(|(i, _)| Some(*i) != majority);
                let disrupted = minority.flat_map(|(_, group)| group.clone()).collect();
                let words: Vec<String> = groups.iter().map(|group| group.join(" ")).collect();
                done(format!("partition {}", words.join(" | ")), grudge::groups(&indexed), disrupted)
            }
            Self::Bridge(order) => {
                let nodes: Vec<usize> = order.iter().map(at).collect();
                let words = format!("bridge over {} ({})", order[order.len() / 2], order.join(" "));
                done(words, grudge::bridge(&nodes), Vec::new())
            }
            Self::MajoritiesRing(order) => {
                let nodes: Vec<usize> = order.iter().map(at).collect();
                let words = format!("majorities ring {}", order.join(" "));
                done(words, grudge::majorities_ring(&nodes), Vec::new())
            }
        }
    }
}

fn ended(verb: &str, (nodes, words): (Vec<usize>, String), how: Stop, whom: Whom) -> Resolved {
    let words = if whom.is_tree() { words } else { format!("the server alone of {words}") };
    resolved(format!("{verb} {words}"), Action::Stop(nodes.clone(), how, whom), nodes)
}

fn resolved(description: String, action: Action, disrupted: Vec<usize>) -> Resolved {
    Resolved { description, action, disrupted }
}
