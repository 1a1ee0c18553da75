//! How a directed link treats the packets that cross it.
//!
//! Not here: who does it (the environment), and on which links and when (the nemesis).

use super::Link;
use super::cut::Cut;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is asked of links. One that is absent is perfect.
pub type Policies = BTreeMap<Link, Policy>;

/// What is asked of one directed link, by fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What one of these is for does not cross.
    pub cuts: BTreeMap<u32, Cut>,
    /// What befalls what crosses, one after the other.
    pub behaviors: BTreeMap<u32, Behavior>,
}

impl Policy {
    /// One cut, and nothing else.
    pub fn cut(fault: u32, cut: Cut) -> Self {
        Self { cuts: [(fault, cut)].into(), ..Self::default() }
    }

    /// One behavior, and nothing else.
    pub fn mistreat(fault: u32, behavior: Behavior) -> Self {
        Self { behaviors: [(fault, behavior)].into(), ..Self::default() }
    }
}

/// What befalls packets. The kinds are those of Jepsen's `packet` nemesis and of Linux' netem.
///
/// Chances are in percent, each packet for itself unless it says otherwise. A link keeps the order
/// of its packets but where `reorder` is asked for: over TCP, jitter that overtakes is loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Behavior {
    /// Every packet comes later.
    Delay {
        /// By so many milliseconds.
        ms: u32,
        /// More or less so many milliseconds, at most `ms`.
        #[serde(default)]
        jitter_ms: u32,
        /// How the jitter is distributed.
        #[serde(default)]
        distribution: Distribution,
    },
    /// Packets are lost.
    Loss {
        /// So many in a hundred.
        percent: u32,
        /// So many in a row, in the mean (Gilbert 1960); 1: each for itself.
        #[serde(default = "one")]
        burst: u32,
    },
    /// Packets arrive twice.
    Duplicate {
        /// So many in a hundred.
        percent: u32,
    },
    /// Packets are held back, so that later ones overtake them.
    Reorder {
        /// So many in a hundred.
        percent: u32,
        /// By so many milliseconds.
        ms: u32,
    },
    /// A bit of a packet is flipped.
    Corrupt {
        /// So many in a hundred.
        percent: u32,
        /// Checksums agree with the damage, so that it reaches the server; otherwise the receiving
        /// host sees it and drops the packet.
        #[serde(default)]
        silent: bool,
    },
    /// The link is slow: packets wait for those before them.
    Rate {
        /// Kilobits per second.
        kbit: u32,
        /// How much may wait, in KiB; what comes on top is lost.
        queue_kib: u32,
    },
    /// Nothing crosses while it lasts; afterwards everything does, in order.
    Hold,
    /// The link is cut and mended, again and again.
    Flap {
        /// Milliseconds that it works, first.
        up_ms: u32,
        /// Milliseconds that it does not, then.
        down_ms: u32,
    },
}

fn one() -> u32 {
    1
}

/// Above these, a link counts as not connecting: consensus protocols have heartbeats of about 100 ms
/// and elections of about a second, and TCP crawls when one packet in three is lost.
const MOST_PATIENT_MS: u32 = 100;
const MOST_LOSS: u32 = 30;

/// Packets after which something with a chance of one percent has happened: it fails to once in a
/// million times.
const CERTAIN: u32 = 1_400;

/// Above the mean by so many times the jitter comes one in a million of those with a tail.
const FARTHEST: u32 = 14;

/// How jitter is distributed around the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Everything between is as likely.
    #[default]
    Uniform,
    /// A bell of which `jitter_ms` is the standard deviation.
    Normal,
    /// Most are early, and a few are very late: `jitter_ms` is the mean of an exponential tail.
    Tail,
}

/// What a link did to one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Dropped, since the link was cut at the time.
    pub dropped: bool,
    /// Likewise, and its sender got an answer that says so.
    pub refused: bool,
    /// Lost by chance, or for want of room in a slow link's queue.
    pub lost: bool,
    /// It waited.
    pub delayed: bool,
    /// It crossed twice.
    pub duplicated: bool,
    /// It was held back behind later ones.
    pub reordered: bool,
    /// A bit was flipped.
    pub corrupted: bool,
    /// It waits until the link lets go.
    pub held: bool,
}

/// What a directed link did to packets so far; probes are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Handed on, be it later or damaged.
    pub passed: u64,
    /// As in [`Effects`], each.
    pub dropped: u64,
    /// As in [`Effects`].
    pub lost: u64,
    /// As in [`Effects`].
    pub delayed: u64,
    /// As in [`Effects`].
    pub duplicated: u64,
    /// As in [`Effects`].
    pub reordered: u64,
    /// As in [`Effects`].
    pub corrupted: u64,
    /// As in [`Effects`].
    pub held: u64,
}

impl Behavior {
    /// Is this what it does?
    pub fn shows(&self, effects: Effects) -> bool {
        match self {
            Self::Delay { .. } => effects.delayed,
            Self::Rate { .. } => effects.delayed || effects.lost,
            Self::Loss { .. } => effects.lost,
            Self::Duplicate { .. } => effects.duplicated,
            Self::Reorder { .. } => effects.reordered,
            Self::Corrupt { .. } => effects.corrupted,
            Self::Hold => effects.held,
            Self::Flap { .. } => effects.dropped,
        }
    }

    /// To how many packets it happened, and the word for that.
    pub fn count(&self, traffic: &Traffic) -> (u64, &'static str) {
        match self {
            Self::Delay { .. } | Self::Rate { .. } => (traffic.delayed, "delayed"),
            Self::Loss { .. } => (traffic.lost, "lost"),
            Self::Duplicate { .. } => (traffic.duplicated, "duplicated"),
            Self::Reorder { .. } => (traffic.reordered, "held back"),
            Self::Corrupt { .. } => (traffic.corrupted, "corrupted"),
            Self::Hold => (traffic.held, "held"),
            Self::Flap { .. } => (traffic.dropped, "dropped"),
        }
    }

    /// Does a node whose links do this still count as connected? Not if what it sends may not arrive
    /// for longer than any time-out.
    pub fn connects(&self) -> bool {
        match *self {
            Self::Delay { ms, .. } | Self::Reorder { ms, .. } => ms <= MOST_PATIENT_MS,
            Self::Loss { percent, .. } | Self::Corrupt { percent, silent: false } => percent <= MOST_LOSS,
            Self::Duplicate { .. } => true,
            Self::Corrupt { silent: true, .. } | Self::Rate { .. } | Self::Hold | Self::Flap { .. } => false,
        }
    }

    /// The word for it in journals and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "packet-delay",
            Self::Loss { .. } => "packet-loss",
            Self::Duplicate { .. } => "packet-duplicate",
            Self::Reorder { .. } => "packet-reorder",
            Self::Corrupt { silent: false, .. } => "packet-corrupt",
            Self::Corrupt { silent: true, .. } => "packet-corrupt-silent",
            Self::Rate { .. } => "packet-rate",
            Self::Hold => "packet-hold",
            Self::Flap { .. } => "packet-flap",
        }
    }

    /// The chance that it befalls a packet, in percent; 100 where it is none.
    pub fn percent(&self) -> u32 {
        match *self {
            Self::Loss { percent, burst } => (percent / burst.max(1)).max(1),
            Self::Duplicate { percent } | Self::Reorder { percent, .. } | Self::Corrupt { percent, .. } => {
                percent
            }
            Self::Delay { .. } | Self::Rate { .. } | Self::Hold | Self::Flap { .. } => 100,
        }
    }

    /// So many packets, and it has befallen one: it fails to once in a million times.
    pub fn certain_within(&self) -> u32 {
        CERTAIN.div_ceil(self.percent())
    }

    /// For how long it is up and down, where it is both by turns: then chance decides nothing, but the time.
    pub fn turns(&self) -> Duration {
        match *self {
            Self::Flap { up_ms, down_ms } => Duration::from_millis((up_ms + down_ms).into()),
            _ => Duration::ZERO,
        }
    }

    /// How much later than others the packets that it befalls come at least, and at most if nothing else
    /// befalls them.
    pub fn lateness(&self) -> (Duration, Duration) {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        match *self {
            Self::Delay { ms: mean, jitter_ms, distribution: Distribution::Uniform } => {
                (ms(mean - jitter_ms), ms(mean.saturating_add(jitter_ms)))
            }
            Self::Delay { ms: mean, jitter_ms, .. } => {
                (Duration::ZERO, ms(mean.saturating_add(jitter_ms.saturating_mul(FARTHEST))))
            }
            Self::Reorder { ms: late, .. } => (ms(late), ms(late)),
            Self::Rate { kbit, queue_kib } => {
                (Duration::ZERO, ms(queue_kib.saturating_mul(8_192) / kbit.max(1)))
            }
            _ => (Duration::ZERO, Duration::ZERO),
        }
    }

    /// Why it makes no sense, if it does not.
    pub fn nonsense(&self) -> Option<&'static str> {
        let percent = |percent: u32| (!(1..=100).contains(&percent)).then_some("a percentage is 1 to 100");
        match *self {
            Self::Delay { ms: 0, .. } => Some("a delay of 0 ms is none"),
            Self::Delay { ms, jitter_ms, .. } => (jitter_ms > ms).then_some("jitter is at most the delay"),
            Self::Loss { burst: 0, .. } => Some("a burst is 1 packet or more"),
            Self::Reorder { ms: 0, .. } => Some("held back by 0 ms, nothing is overtaken"),
            Self::Loss { percent: n, .. }
            | Self::Duplicate { percent: n }
            | Self::Reorder { percent: n, .. }
            | Self::Corrupt { percent: n, .. } => percent(n),
            Self::Rate { kbit, queue_kib } => {
                (kbit == 0 || queue_kib < 2).then_some("a link has 1 kbit/s and a queue of 2 KiB or more")
            }
            Self::Flap { up_ms, down_ms } => {
                (up_ms == 0 || down_ms == 0).then_some("a flapping link is up and down for a while each")
            }
            Self::Hold => None,
        }
    }

    /// With its victims: `packet-delay 50 ± 20 ms of n3`.
    pub fn told(&self, who: &str) -> String {
        let kind = self.kind();
        match self {
            Self::Delay { ms, jitter_ms: 0, .. } => format!("{kind} {ms} ms of {who}"),
            Self::Delay { ms, jitter_ms, distribution } => {
                let how = match distribution {
                    Distribution::Uniform => "uniform",
                    Distribution::Normal => "normal",
                    Distribution::Tail => "with a tail",
                };
                format!("{kind} {ms} ± {jitter_ms} ms ({how}) of {who}")
            }
            Self::Loss { percent, burst: 1 }
            | Self::Duplicate { percent }
            | Self::Corrupt { percent, .. } => {
                format!("{kind} {percent} % of {who}")
            }
            Self::Loss { percent, burst } => format!("{kind} {percent} % of {who}, {burst} in a row"),
            Self::Reorder { percent, ms } => format!("{kind} {percent} % of {who} by {ms} ms"),
            Self::Rate { kbit, queue_kib } => format!("{kind} {kbit} kbit/s of {who}, queue {queue_kib} KiB"),
            Self::Hold => format!("{kind} {who}"),
            Self::Flap { up_ms, down_ms } => format!("{kind} {who}, {up_ms} ms up, {down_ms} ms down"),
        }
    }
}
