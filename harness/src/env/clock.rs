//! How the clocks of a node run wrong.
//!
//! Not here: who makes them (the environment), and whose and when (the nemesis). Wall clocks are
//! `CLOCK_REALTIME` and its kin; monotonic ones `CLOCK_MONOTONIC`, `CLOCK_BOOTTIME` and theirs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What skews a node's clocks at one time, by fault. Skews add up.
pub type Skews = BTreeMap<u32, (Clocks, Skew)>;

/// Which clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clocks {
    /// Those that tell the time of day.
    #[default]
    Wall,
    /// Those that never go back, by which programs measure how long something takes.
    Monotonic,
    /// All of them together, as when a machine was suspended.
    Both,
}

/// What a clock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Skew {
    /// It is ahead, or behind.
    Jump {
        /// By so many milliseconds; behind when negative.
        ms: i64,
    },
    /// It runs fast, or slow.
    Drift {
        /// By so many microseconds a second; slow when negative.
        ppm: i32,
    },
    /// It jumps there and back, again and again.
    Strobe {
        /// By so many milliseconds; behind when negative.
        ms: i64,
        /// Milliseconds that it is wrong, and then right.
        period_ms: u32,
    },
    /// It stands still.
    Freeze,
}

/// What a node's clocks show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Nanoseconds that its wall clock is ahead.
    pub wall_ns: i64,
    /// Nanoseconds that its monotonic clock is ahead.
    pub monotonic_ns: i64,
    /// They would show something else without the fault in question, if there is one.
    pub shows: bool,
    /// How many processes of the node ask these clocks.
    pub processes: usize,
    /// How many ask others.
    pub strays: usize,
}

/// The longest jump: years are enough to outlive any lease or certificate.
const MOST_MS: i64 = 10 * 366 * 24 * 3_600_000;
/// The slowest drift: every clock does that, and no server notices.
const LEAST_PPM: u32 = 10;
/// The fastest one.
const MOST_PPM: u32 = 500_000;
/// The longest period of a strobe.
const MOST_PERIOD_MS: u32 = 60_000;

impl Clocks {
    /// Is it one of these that programs rely on not going back?
    pub fn monotonic(self) -> bool {
        matches!(self, Self::Monotonic | Self::Both)
    }

    /// Is the time of day among them?
    pub fn wall(self) -> bool {
        matches!(self, Self::Wall | Self::Both)
    }
}

impl Skew {
    /// The word for it in journals and tables.
    pub fn kind(self, clocks: Clocks) -> &'static str {
        match (self, clocks.monotonic()) {
            (Self::Jump { .. }, false) => "clock-jump",
            (Self::Drift { .. }, false) => "clock-drift",
            (Self::Strobe { .. }, false) => "clock-strobe",
            (Self::Freeze, false) => "clock-freeze",
            (Self::Jump { .. }, true) => "monotonic-jump",
            (Self::Drift { .. }, true) => "monotonic-drift",
            (Self::Strobe { .. }, true) => "monotonic-strobe",
            (Self::Freeze, true) => "monotonic-freeze",
        }
    }

    /// Why it makes no sense, if it does not.
    pub fn nonsense(self, clocks: Clocks) -> Option<&'static str> {
        let far = |ms: i64| ms.unsigned_abs() > MOST_MS.unsigned_abs();
        match self {
            Self::Jump { ms: 0 } | Self::Strobe { ms: 0, .. } => Some("a jump by 0 ms is none"),
            Self::Jump { ms } | Self::Strobe { ms, .. } if far(ms) => Some("clocks jump ten years at most"),
            Self::Jump { ms } if ms < 0 && clocks.monotonic() => {
                Some("a monotonic clock goes back on no machine")
            }
            Self::Strobe { .. } if clocks.monotonic() => Some("a monotonic clock goes back on no machine"),
            Self::Strobe { period_ms, .. } if !(1..=MOST_PERIOD_MS).contains(&period_ms) => {
                Some("a period is 1 ms to a minute")
            }
            Self::Drift { ppm } if !(LEAST_PPM..=MOST_PPM).contains(&ppm.unsigned_abs()) => {
                Some("a drift is 10 to 500000 ppm, fast or slow")
            }
            _ => None,
        }
    }

    /// With its victims: `clock-jump +1 s of n3`.
    pub fn told(self, clocks: Clocks, who: &str) -> String {
        let kind = self.kind(clocks);
        let also = if clocks == Clocks::Both { ", and the wall clock" } else { "" };
        let what = match self {
            Self::Jump { ms } => format!("{kind} {} of {who}", signed(ms * 1_000_000)),
            Self::Drift { ppm } => format!("{kind} {ppm:+} ppm of {who}"),
            Self::Strobe { ms, period_ms } => {
                format!("{kind} {} every {period_ms} ms of {who}", signed(ms * 1_000_000))
            }
            Self::Freeze => format!("{kind} {who}"),
        };
        what + also
    }
}

/// A skew in nanoseconds, as far as one cares: `+1 s`, `-0.25 s`, `+1.2 ms`, `0`.
pub fn signed(ns: i64) -> String {
    let size = ns.unsigned_abs() as f64;
    let (size, unit) = match size {
        0.0 => return "0".to_owned(),
        _ if size < 1e6 => (size / 1e3, "µs"),
        _ if size < 1e8 => (size / 1e6, "ms"),
        _ => (size / 1e9, "s"),
    };
    // Three digits behind the point, without those that say nothing.
    let digits = format!("{size:.3}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{}{digits} {unit}", if ns < 0 { '-' } else { '+' })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skews_are_told_as_one_says_them() {
        let told = |ns| signed(ns);
        assert_eq!(told(1_000_000_000), "+1 s");
        assert_eq!(told(-250_000_000), "-0.25 s");
        assert_eq!(told(1_234_567), "+1.235 ms");
        assert_eq!(told(-900), "-0.9 µs");
        assert_eq!(told(0), "0");
        let jump = Skew::Jump { ms: -3_600_000 };
        assert_eq!(jump.told(Clocks::Wall, "n2 n3"), "clock-jump -3600 s of n2 n3");
    }

    #[test]
    fn what_no_clock_does_is_refused() {
        for (clocks, skew) in [
            (Clocks::Wall, Skew::Jump { ms: 0 }),
            (Clocks::Wall, Skew::Jump { ms: i64::MIN }),
            (Clocks::Wall, Skew::Drift { ppm: 0 }),
            (Clocks::Wall, Skew::Drift { ppm: i32::MIN }),
            (Clocks::Wall, Skew::Strobe { ms: 1, period_ms: 0 }),
            (Clocks::Monotonic, Skew::Jump { ms: -1 }),
            (Clocks::Both, Skew::Strobe { ms: 1, period_ms: 1 }),
        ] {
            assert!(skew.nonsense(clocks).is_some(), "{skew:?} of {clocks:?}");
        }
        assert_eq!(Skew::Jump { ms: -1 }.nonsense(Clocks::Wall), None);
        assert_eq!(Skew::Freeze.nonsense(Clocks::Both), None);
    }
}
