//! All kinds of faults, one entry each, and what is drawn for it.
//!
//! Not here: what an entry is made of, and the groups; see [`super`].

use super::{FaultEntry, LIFECYCLE, Rhythm, SILENT, cut, entry, kill, partition, terminate};
use crate::engine::ClientFault;
use crate::env::Whom;
use crate::env::clock::{Clocks, Skew};
use crate::env::cut::{Connections, Cut};
use crate::env::data::OtherData;
use crate::env::disk::{Calls, Failing, Misdeed, Operation};
use crate::env::packet::{Behavior, Distribution};
use crate::env::trap::{Call, Moment};
use crate::nemesis::fault::{Fault, Shape, Victims};
use crate::nemesis::lifecycle::Act;
use crate::nemesis::trigger::Happening;

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
