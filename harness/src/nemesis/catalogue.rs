//! The kinds of faults that `--faults` knows, and how one of each is drawn.
//!
//! Not here: when they strike, and how many at once; see [`super::schedule`].

use super::fault::{Fault, PlannedFault, Shape, Victims};
use super::lifecycle::Act;
use super::trigger::{Happening, Trigger};
use crate::engine::ClientFault;
use crate::env::Whom;
use crate::env::clock::{Clocks, Skew};
use crate::env::cut::{Connections, Cut};
use crate::env::data::OtherData;
use crate::env::disk::{Calls, Damage, Failing, Keep, Layer, Misdeed, Operation};
use crate::env::packet::{Behavior, Distribution};
use crate::env::trap::{Call, Moment};
use crate::failure::Failure;
use duress_workloads::Rng;

/// A kind of fault as given to `--faults`: the single source for `duress list faults`.
pub struct FaultEntry {
    /// As given to `--faults`.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// Fewest nodes that it makes sense for.
    pub min_nodes: usize,
    /// It is none if it leaves a majority alone.
    pub takes_majority: bool,
    /// It is about one of the ports that servers listen on.
    pub needs_ports: bool,
    /// Only a file system of our own can do it.
    pub needs_own_disk: bool,
    pub(super) make: fn(&mut Draw<'_>) -> Fault,
    /// What it waits for.
    awaits: Option<fn(&mut Draw<'_>, &Fault) -> Happening>,
    rhythm: Rhythm,
}

/// What happens between the beginning and the end of a planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rhythm {
    /// It is in force.
    Steady,
    /// It is in force again and again: so many milliseconds, and so many not.
    Pulses { on_ms: u64, off_ms: u64 },
    /// One victim after the other: each for so many milliseconds, and so many for it to recover.
    Rolling { on_ms: u64, off_ms: u64 },
    /// The same, and never again.
    Once { on_ms: u64, off_ms: u64 },
}

/// All kinds.
pub const FAULTS: [FaultEntry; 71] = [
    entry(
        "kill",
        "SIGKILL to every process of one or more nodes, or of the leader; restarted on the same data",
        1,
        |draw| kill(draw.victims()),
    ),
    entry("terminate", "SIGTERM instead, with a grace period", 1, |draw| terminate(draw.victims())),
    entry(
        "pause",
        "SIGSTOP to every process of one or more nodes, or of the leader; SIGCONT later",
        1,
        |draw| Fault::Pause { nodes: draw.victims() },
    ),
    entry("cpu-starve", "one or more nodes, or the leader, get 2 to 20 % of the time", 1, |draw| {
        Fault::CpuStarve { nodes: draw.victims(), percent: draw.pick(&[2, 5, 20]) }
    }),
    entry("crash-loop", "one node is killed again and again, soon after it came up", 1, |draw| {
        kill(draw.one())
    })
    .in_rhythm(Rhythm::Pulses { on_ms: 200, off_ms: 800 }),
    entry("blips", "one node is paused again and again, for a moment each", 1, |draw| Fault::Pause {
        nodes: draw.one(),
    })
    .in_rhythm(Rhythm::Pulses { on_ms: 150, off_ms: 350 }),
    entry("rolling-restart", "all nodes are terminated and restarted, one after the other", 2, |draw| {
        terminate(Victims::Named(draw.shuffled()))
    })
    .in_rhythm(Rhythm::Rolling { on_ms: 300, off_ms: 1_500 }),
    entry("restart-all", "all nodes are killed at once", 1, |draw| kill(Victims::Named(draw.names.to_vec())))
        .taking_the_majority(),
    entry(
        "kill-at-sync",
        "SIGKILL to one node just before or just after one of its next fsyncs",
        1,
        |draw| kill(draw.one()),
    )
    .on(|draw, fault| {
        let node = fault.named().unwrap_or_default().first().copied().cloned().unwrap_or_default();
        let moment = if draw.rng.below(2) == 0 { Moment::Before } else { Moment::After };
        Happening::Call { node, call: Call::Sync, nth: 1 + draw.rng.below(20), moment }
    }),
    entry("partition", "cuts links between nodes, in any of the shapes below", 2, |draw| {
        draw.any_of("partition-")
    }),
    entry("partition-one", "one random node against the rest", 2, |draw| {
        partition(Shape::Isolate(draw.one()))
    }),
    entry("partition-leader", "the leader against the rest", 2, |_| {
        partition(Shape::Isolate(Victims::Leader))
    }),
    entry("partition-halves", "a bare majority against the rest", 2, |draw| {
        let minority = draw.names.len().saturating_sub(1) / 2;
        partition(draw.split(minority.max(1)))
    }),
    entry("partition-minority", "a random minority against the rest", 3, |draw| {
        let size = 1 + draw.rng.index(draw.names.len().saturating_sub(1) / 2);
        partition(draw.split(size))
    }),
    entry("partition-ring", "majorities ring: everyone hears a majority, nobody the same one", 4, |draw| {
        partition(Shape::MajoritiesRing(draw.shuffled()))
    }),
    entry("partition-bridge", "two halves that one node still connects", 3, |draw| {
        partition(Shape::Bridge(draw.shuffled()))
    }),
    entry("partition-one-way", "one node hears nobody, or nobody hears it", 2, |draw| {
        let victim = draw.one_or_leader();
        partition(if draw.rng.below(2) == 0 { Shape::Deaf(victim) } else { Shape::Mute(victim) })
    }),
    entry("cut-clients", "clients do not reach one node, which still reaches the others", 1, |draw| {
        let victim = draw.one_or_leader();
        partition(Shape::Clients(victim))
    }),
    entry(
        "cut-all",
        "neither clients nor the other nodes reach one node, as if its cable was pulled",
        1,
        |draw| partition(Shape::Everybody(draw.one_or_leader())),
    ),
    entry(
        "cut-reject",
        "the same, but who sends something is told: connections are reset, and new ones refused",
        1,
        |draw| cut(Shape::Everybody(draw.one_or_leader()), Cut { reject: true, ..Cut::default() }),
    ),
    entry("cut-port", "one port of one node is cut, for nodes and clients; others are not", 1, |draw| {
        let shape = Shape::Everybody(draw.one_or_leader());
        let port = draw.ports.get(draw.rng.index(draw.ports.len().max(1))).copied();
        cut(shape, Cut { port, ..Cut::default() })
    })
    .about_a_port(),
    entry(
        "cut-established",
        "connections of one node with nodes and clients stand still for ever; new ones work",
        1,
        |draw| {
            let connections = Connections::Established;
            cut(Shape::Everybody(draw.one_or_leader()), Cut { connections, ..Cut::default() })
        },
    ),
    entry(
        "cut-new",
        "one node can make no new connections, nor others to it; those that it has work",
        1,
        |draw| {
            let connections = Connections::New;
            cut(Shape::Everybody(draw.one_or_leader()), Cut { connections, ..Cut::default() })
        },
    ),
    entry("cut-flap", "one node is cut off from the others again and again, for a moment each", 2, |draw| {
        partition(Shape::Isolate(draw.one()))
    })
    .in_rhythm(Rhythm::Pulses { on_ms: 500, off_ms: 1_500 }),
    entry(
        "packet",
        "mistreats packets of one or more nodes, or of the leader: any of the kinds below but the silent one",
        1,
        |draw| draw.any_of("packet-"),
    ),
    entry("packet-delay", "packets come later, with jitter", 1, |draw| {
        let ms = draw.pick(&[10, 50, 200]);
        let distribution = [Distribution::Uniform, Distribution::Normal, Distribution::Tail];
        let distribution = distribution[draw.rng.index(distribution.len())];
        draw.packet(Behavior::Delay { ms, jitter_ms: ms / 2, distribution })
    }),
    entry("packet-loss", "packets are lost, each for itself or many in a row", 1, |draw| {
        let (percent, burst) = (draw.pick(&[5, 20, 50]), draw.pick(&[1, 8]));
        draw.packet(Behavior::Loss { percent, burst })
    }),
    entry("packet-duplicate", "packets arrive twice", 1, |draw| {
        let percent = draw.pick(&[10, 50]);
        draw.packet(Behavior::Duplicate { percent })
    }),
    entry("packet-reorder", "packets are overtaken by later ones", 1, |draw| {
        let (percent, ms) = (draw.pick(&[10, 30]), draw.pick(&[5, 50]));
        draw.packet(Behavior::Reorder { percent, ms })
    }),
    entry("packet-corrupt", "a bit of a packet is flipped; checksums detect it", 1, |draw| {
        let percent = draw.pick(&[5, 20]);
        draw.packet(Behavior::Corrupt { percent, silent: false })
    }),
    entry("packet-rate", "links are slow, and their queues short", 1, |draw| {
        let kbit = draw.pick(&[256, 1_000, 8_000]);
        draw.packet(Behavior::Rate { kbit, queue_kib: 64 })
    }),
    entry("packet-hold", "packets are kept, and all arrive when it ends", 1, |draw| {
        draw.packet(Behavior::Hold)
    }),
    entry("packet-flap", "links are cut and mended several times a second", 1, |draw| {
        let (up_ms, down_ms) = (draw.pick(&[50, 200]), draw.pick(&[50, 200]));
        draw.packet(Behavior::Flap { up_ms, down_ms })
    }),
    entry(
        SILENT,
        "a bit of a packet is flipped, and checksums agree: no server has to survive that",
        1,
        |draw| draw.packet(Behavior::Corrupt { percent: 1, silent: true }),
    ),
    entry(
        "client-kill",
        "connections of half the clients of one or more nodes are closed in the middle of operations",
        1,
        |draw| draw.clients(ClientFault::Kill),
    ),
    entry(
        "client-pause",
        "half the clients of one or more nodes stand still in the middle of an operation, and go on later",
        1,
        |draw| draw.clients(ClientFault::Pause),
    ),
    entry(
        "client-churn",
        "half the clients of one or more nodes connect anew for each operation",
        1,
        |draw| draw.clients(ClientFault::Churn),
    ),
    entry(
        "clock",
        "skews the wall clocks of one or more nodes, or of the leader, in any of the ways below",
        1,
        |draw| draw.any_of("clock-"),
    ),
    entry("clock-jump", "wall clocks are ahead or behind, by 100 ms to an hour", 1, |draw| {
        let ms = draw.signed(&[100, 1_000, 60_000, 3_600_000]);
        draw.clock(Clocks::Wall, Skew::Jump { ms })
    }),
    entry("clock-drift", "wall clocks run fast or slow, by 500 ppm to half", 1, |draw| {
        let ppm = draw.drift();
        draw.clock(Clocks::Wall, Skew::Drift { ppm })
    }),
    entry("clock-strobe", "wall clocks jump there and back, many times a second", 1, |draw| {
        let (ms, period_ms) = (draw.signed(&[10, 1_000, 60_000]), draw.pick(&[1, 10, 100]));
        draw.clock(Clocks::Wall, Skew::Strobe { ms, period_ms })
    }),
    entry("clock-freeze", "wall clocks stand still", 1, |draw| draw.clock(Clocks::Wall, Skew::Freeze)),
    entry(
        "monotonic-jump",
        "clocks that never go back leap ahead, by 1 s to an hour; or all do, as if a machine was suspended",
        1,
        |draw| {
            let ms = i64::from(draw.pick(&[1_000, 60_000, 3_600_000]));
            draw.monotonic(Skew::Jump { ms })
        },
    ),
    entry(
        "monotonic-drift",
        "clocks that never go back, or all, run fast or slow: so do timeouts",
        1,
        |draw| {
            let ppm = draw.drift();
            draw.monotonic(Skew::Drift { ppm })
        },
    ),
    entry("monotonic-freeze", "clocks that never go back, or all, stand still: no timeout ends", 1, |draw| {
        draw.monotonic(Skew::Freeze)
    }),
    entry(
        "disk",
        "breaks disks in the ways below that a server has to survive: power failure, EIO, ENOSPC, slowness",
        1,
        |draw| draw.any_of("disk-"),
    ),
    entry("disk-power-failure", "kill, and what was not fsynced is lost, wholly or in part", 1, |draw| {
        let nodes = draw.victims();
        draw.power_failure(nodes)
    }),
    entry("disk-power-failure-all", "the same of all nodes at once", 1, |draw| {
        draw.power_failure(Victims::Named(draw.names.to_vec()))
    })
    .taking_the_majority(),
    entry(
        "disk-eio",
        "writes or fsyncs fail with EIO; a server that ends is restarted afterwards",
        1,
        |draw| {
            let on = [Operation::Write, Operation::Fsync][draw.rng.index(2)];
            let percent = draw.pick(&[50, 100]);
            draw.disk(Misdeed::Error {
                error: Failing::Eio,
                calls: Calls { on, percent, ..Calls::default() },
            })
        },
    )
    .on_own_disks(),
    entry("disk-enospc", "the disk is full: writes fail with ENOSPC; restarted as above", 1, |draw| {
        let calls = Calls { on: Operation::Write, ..Calls::default() };
        draw.disk(Misdeed::Error { error: Failing::Enospc, calls })
    })
    .on_own_disks(),
    entry("disk-slow", "fsyncs take longer", 1, |draw| {
        let calls = Calls { on: Operation::Fsync, ..Calls::default() };
        let ms = draw.pick(&[5, 20, 100, 500]);
        draw.disk(Misdeed::Slow { ms, calls })
    })
    .on_own_disks(),
    entry("disk-lies", "fsync does nothing, and says that it did: shows with a power failure", 1, |draw| {
        draw.disk(Misdeed::Lie)
    })
    .on_own_disks(),
    entry("disk-short-read", "nodes are restarted, and reads give half of what they asked for", 1, |draw| {
        let calls = Calls { on: Operation::Read, percent: draw.pick(&[50, 100]), ..Calls::default() };
        draw.disk(Misdeed::ShortRead { calls })
    })
    .on_own_disks(),
    entry("disk-bit-flip", "a bit of what is written is flipped: no server has to survive that", 1, |draw| {
        let calls = Calls { on: Operation::Write, percent: draw.pick(&[1, 10]), ..Calls::default() };
        draw.disk(Misdeed::BitFlip { calls })
    })
    .on_own_disks(),
    entry(
        "disk-corrupt",
        "one node is killed, and its files damaged before it is started again: bits, ends, stretches, or all \
         of them older",
        1,
        |draw| draw.corruption(),
    )
    .on_own_disks(),
    entry(
        "start-wiped",
        "one node is killed, and started again without its data: a quorum may have counted on it",
        1,
        |draw| draw.other_data(OtherData::Wiped),
    ),
    entry(
        "start-older",
        "one node is killed, and started again on what it had a moment before: no server has to survive that",
        1,
        |draw| draw.other_data(OtherData::Older),
    ),
    entry(
        "start-swapped",
        "two nodes are killed, and started again on each other's data: no server has to survive that",
        5,
        |draw| draw.other_data(OtherData::Swapped),
    ),
    entry(
        "lifecycle",
        "what operators do, in any of the ways below; for clusters that can do it",
        1,
        |draw| draw.any(|entry| LIFECYCLE.contains(&entry.name)),
    ),
    entry(
        "member-remove",
        "one node, or the leader, is removed from the cluster, and later added again without data",
        2,
        |draw| draw.one_or_leader_to(Act::MemberRemove),
    ),
    entry(
        "member-replace",
        "one node, or the leader, is removed from the cluster, and added again without data at once",
        2,
        |draw| draw.one_or_leader_to(Act::MemberReplace),
    ),
    entry("leader-transfer", "the leader hands over to another node", 2, |_| Fault::Lifecycle {
        nodes: Victims::Leader,
        act: Act::LeaderTransfer,
    }),
    entry(
        "defragment",
        "history is compacted, and the storage of one or more nodes, or of the leader, written anew",
        1,
        |draw| Fault::Lifecycle { nodes: draw.victims(), act: Act::Defragment },
    ),
    entry("compact", "history before the present is thrown away", 1, |draw| {
        draw.one_or_leader_to(Act::Compact)
    }),
    entry(
        "upgrade",
        "all nodes are ended in order and started again with the version of --upgrade-to, one after the \
         other, once",
        1,
        |draw| Fault::Lifecycle { nodes: Victims::Named(draw.shuffled()), act: Act::Upgrade },
    )
    .in_rhythm(Rhythm::Once { on_ms: 1_000, off_ms: 1_500 }),
    entry(
        "upgrade-and-back",
        "one or more nodes, or the leader, run the version of --upgrade-to for a while",
        1,
        |draw| Fault::Lifecycle { nodes: draw.victims(), act: Act::UpgradeAndBack },
    ),
    entry(
        "kill-main",
        "SIGKILL to the servers alone: processes that they had started go on until the restart",
        1,
        |draw| Fault::Kill { nodes: draw.victims(), whom: Whom::Main },
    ),
    entry(
        "terminate-main",
        "SIGTERM to the servers alone, with a grace period; otherwise the same",
        1,
        |draw| Fault::Terminate { nodes: draw.victims(), whom: Whom::Main },
    ),
    entry(
        "start-older-all",
        "all nodes are killed, and started again on what they had at one moment before, as from a backup: \
         what was acknowledged since is lost",
        1,
        |draw| Fault::StartWith { nodes: Victims::Named(draw.names.to_vec()), data: OtherData::Older },
    )
    .taking_the_majority(),
    entry(
        "snapshot-restore",
        "clients are held, and all nodes started again as a new cluster on what a snapshot of one holds: nothing \
         may be lost",
        1,
        |draw| Fault::Lifecycle {
            nodes: Victims::Named(draw.names.to_vec()),
            act: Act::SnapshotRestore,
        },
    )
    .taking_the_majority(),
    entry(
        "oom",
        "one or more nodes, or the leader, run out of memory: the kernel kills them; restarted on the same data",
        1,
        |draw| Fault::Oom { nodes: draw.victims() },
    ),
];

/// The group of what operators do.
const LIFECYCLE: [&str; 5] = ["member-remove", "member-replace", "leader-transfer", "defragment", "compact"];

const fn entry(
    name: &'static str,
    doc: &'static str,
    min_nodes: usize,
    make: fn(&mut Draw<'_>) -> Fault,
) -> FaultEntry {
    FaultEntry {
        name,
        doc,
        min_nodes,
        takes_majority: false,
        needs_ports: false,
        needs_own_disk: false,
        make,
        awaits: None,
        rhythm: Rhythm::Steady,
    }
}

impl FaultEntry {
    const fn in_rhythm(mut self, rhythm: Rhythm) -> Self {
        self.rhythm = rhythm;
        self
    }

    const fn on(mut self, awaits: fn(&mut Draw<'_>, &Fault) -> Happening) -> Self {
        self.awaits = Some(awaits);
        self
    }

    const fn about_a_port(mut self) -> Self {
        self.needs_ports = true;
        self
    }

    const fn on_own_disks(mut self) -> Self {
        self.needs_own_disk = true;
        self
    }

    const fn taking_the_majority(mut self) -> Self {
        self.takes_majority = true;
        self
    }

    /// Is there one of this kind at most?
    pub(super) fn is_unique(&self) -> bool {
        matches!(self.rhythm, Rhythm::Once { .. })
    }

    /// One of this kind, in this time. What it waits for may take half of it.
    pub(super) fn draw(&self, at_ms: u64, for_ms: u64, draw: &mut Draw<'_>) -> PlannedFault {
        let fault = (self.make)(draw);
        let within_ms = for_ms / 2;
        let on = self.awaits.map(|awaits| Trigger { within_ms, event: awaits(draw, &fault) });
        let for_ms = if on.is_some() { for_ms - within_ms } else { for_ms };
        PlannedFault { at_ms, for_ms, on, fault }
    }

    /// The faults that a planned one of this kind is made of, by time. A rolling restart takes as long
    /// as it takes.
    pub(super) fn pieces(&self, whole: PlannedFault) -> Vec<PlannedFault> {
        let (on_ms, off_ms) = match self.rhythm {
            Rhythm::Steady => return vec![whole],
            Rhythm::Pulses { on_ms, off_ms }
            | Rhythm::Rolling { on_ms, off_ms }
            | Rhythm::Once { on_ms, off_ms } => (on_ms, off_ms),
        };
        let piece = |n: u64, fault| PlannedFault {
            at_ms: whole.at_ms + n * (on_ms + off_ms),
            for_ms: on_ms,
            on: None,
            fault,
        };
        match (&whole.fault, self.rhythm) {
            (Fault::Terminate { nodes: Victims::Named(names), .. }, Rhythm::Rolling { .. }) => {
                (0..).zip(names).map(|(n, name)| piece(n, terminate(Victims::one(name)))).collect()
            }
            (Fault::Lifecycle { nodes: Victims::Named(names), act }, Rhythm::Once { .. }) => (0..)
                .zip(names)
                .map(|(n, name)| piece(n, Fault::Lifecycle { nodes: Victims::one(name), act: *act }))
                .collect(),
            (fault, _) => {
                let pulses = (whole.for_ms / (on_ms + off_ms)).max(1);
                (0..pulses).map(|n| piece(n, fault.clone())).collect()
            }
        }
    }
}

const SILENT: &str = "packet-corrupt-silent";

/// Never drawn for a group: no server has to survive them, or they need what slows down the others.
const ASKED_FOR_ONLY: [&str; 5] = [SILENT, "disk-lies", "disk-short-read", "disk-bit-flip", "disk-corrupt"];

/// Faults asked for by default, where there are nodes enough.
pub const DEFAULT_FAULTS: [&str; 3] = ["kill", "pause", "partition"];

/// Those of [`DEFAULT_FAULTS`] that so many nodes can have.
pub fn default_faults(nodes: usize) -> Vec<String> {
    let can_have = |entry: &&FaultEntry| DEFAULT_FAULTS.contains(&entry.name) && entry.min_nodes <= nodes;
    FAULTS.iter().filter(can_have).map(|entry| entry.name.to_owned()).collect()
}

/// The entry of a name.
///
/// # Errors
/// When there is none.
pub fn find(name: &str) -> Result<&'static FaultEntry, Failure> {
    FAULTS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = FAULTS.iter().map(|entry| entry.name).collect();
        Failure::usage(
            format!("--faults {name}"),
            "there is no such fault",
            format!("choose from {} (or `none`)", known.join(", ")),
        )
    })
}

/// Draws victims.
pub(super) struct Draw<'a> {
    pub(super) rng: Rng,
    pub(super) names: &'a [String],
    pub(super) ports: &'a [u16],
    pub(super) disks: Layer,
}

impl Draw<'_> {
    fn one(&mut self) -> Victims {
        let at = self.rng.index(self.names.len());
        Victims::one(&self.names[at])
    }

    fn one_or_leader(&mut self) -> Victims {
        if self.rng.below(2) == 0 { Victims::Leader } else { self.one() }
    }

    /// The leader, or up to a minority of nodes; the budget may take some of them out again.
    fn victims(&mut self) -> Victims {
        if self.rng.below(3) == 0 {
            return Victims::Leader;
        }
        let most = (self.names.len().saturating_sub(1) / 2).max(1);
        let n = 1 + self.rng.index(most);
        Victims::Named(self.shuffled().into_iter().take(n).collect())
    }

    /// One of the kinds whose names begin like this.
    fn any_of(&mut self, group: &str) -> Fault {
        self.any(|entry| entry.name.starts_with(group))
    }

    /// One of these kinds.
    fn any(&mut self, belongs: impl Fn(&FaultEntry) -> bool) -> Fault {
        let fits = |entry: &&FaultEntry| {
            belongs(entry)
                && !ASKED_FOR_ONLY.contains(&entry.name)
                && !entry.takes_majority
                && (self.disks == Layer::Own || !entry.needs_own_disk)
                && entry.min_nodes <= self.names.len()
        };
        let fit: Vec<&FaultEntry> = FAULTS.iter().filter(fits).collect();
        let at = self.rng.index(fit.len());
        (fit[at].make)(self)
    }

    fn packet(&mut self, behavior: Behavior) -> Fault {
        Fault::Packet { nodes: self.victims(), behavior }
    }

    fn clients(&mut self, what: ClientFault) -> Fault {
        Fault::Client { nodes: self.victims(), what }
    }

    fn clock(&mut self, clocks: Clocks, skew: Skew) -> Fault {
        Fault::Clock { nodes: self.victims(), clocks, skew }
    }

    fn monotonic(&mut self, skew: Skew) -> Fault {
        let clocks = if self.rng.below(2) == 0 { Clocks::Monotonic } else { Clocks::Both };
        self.clock(clocks, skew)
    }

    fn drift(&mut self) -> i32 {
        i32::try_from(self.signed(&[500, 50_000, 500_000])).expect("half of a million")
    }

    /// One of these, there or back.
    fn signed(&mut self, from: &[u32]) -> i64 {
        let size = i64::from(self.pick(from));
        if self.rng.below(2) == 0 { size } else { -size }
    }

    fn disk(&mut self, misdeed: Misdeed) -> Fault {
        Fault::Disk { nodes: self.victims(), misdeed }
    }

    fn power_failure(&mut self, nodes: Victims) -> Fault {
        let keep = match self.disks {
            Layer::Own => {
                [Keep::None, Keep::Random { percent: 50 }, Keep::Torn { percent: 50 }][self.rng.index(3)]
            }
            Layer::Ext4 => Keep::None,
        };
        Fault::DiskPowerFailure { nodes, keep, seed: self.seed() }
    }

    fn corruption(&mut self) -> Fault {
        let files = "*".to_owned();
        let damage = match self.rng.below(4) {
            0 => Damage::BitFlips { files, count: self.pick(&[1, 20]) },
            1 => Damage::Truncate { files, percent: self.pick(&[50, 90]) },
            2 => Damage::Zero { files, kib: self.pick(&[4, 64]) },
            _ => Damage::Rollback,
        };
        Fault::DiskCorrupt { nodes: self.one(), damage, seed: self.seed() }
    }

    fn other_data(&mut self, data: OtherData) -> Fault {
        let victims = if data == OtherData::Swapped { 2 } else { 1 };
        Fault::StartWith { nodes: Victims::Named(self.shuffled().into_iter().take(victims).collect()), data }
    }

    fn one_or_leader_to(&mut self, act: Act) -> Fault {
        Fault::Lifecycle { nodes: self.one_or_leader(), act }
    }

    /// Short enough to be typed.
    fn seed(&mut self) -> u64 {
        self.rng.bits() >> 32
    }

    fn pick(&mut self, from: &[u32]) -> u32 {
        from[self.rng.index(from.len())]
    }

    fn shuffled(&mut self) -> Vec<String> {
        let mut names = self.names.to_vec();
        self.rng.shuffle(&mut names);
        names
    }

    fn split(&mut self, first: usize) -> Shape {
        let mut names = self.shuffled();
        let mut rest = names.split_off(first.min(names.len()));
        names.sort();
        rest.sort();
        Shape::Groups(vec![names, rest])
    }
}

fn kill(nodes: Victims) -> Fault {
    Fault::Kill { nodes, whom: Whom::Tree }
}

fn terminate(nodes: Victims) -> Fault {
    Fault::Terminate { nodes, whom: Whom::Tree }
}

fn partition(shape: Shape) -> Fault {
    cut(shape, Cut::default())
}

fn cut(shape: Shape, cut: Cut) -> Fault {
    Fault::Partition { shape, cut }
}
