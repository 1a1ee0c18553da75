//! How wrong the clocks of nodes were, as the probes of faults read them back, and as the faults
//! meant them to go on from there.

use crate::artifact::FaultWindow;

/// Nanoseconds that a clock which stands still loses in a second, in millionths.
const FREEZE_PPM: i64 = -1_000_000;

/// Which of a node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time of day.
    Wall,
    /// By which programs measure how long something takes.
    Monotonic,
}

/// A clock of a node, while a fault skewed it. Nanoseconds; ahead is positive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skewed {
    pub(crate) node: String,
    pub(crate) clock: Clock,
    /// When it was read.
    pub(crate) from: u64,
    /// When it was to be set right; absent if the run ended first.
    pub(crate) to: Option<u64>,
    /// What the probe read.
    pub(crate) read: i64,
    /// What it read once the clock was set right, and when.
    pub(crate) righted: Option<(u64, i64)>,
    /// By how much the fault makes it go wrong, in millionths of the time that passes.
    pub(crate) drift_ppm: i64,
    /// It jumps between right and this, again and again.
    pub(crate) strobe: Option<i64>,
}

/// Of every fault of clocks that took effect, in their order.
pub(crate) fn clocks(faults: &[FaultWindow]) -> Vec<Skewed> {
    let of_clocks = |w: &&FaultWindow| w.kind.starts_with("clock-") || w.kind.starts_with("monotonic-");
    faults.iter().filter(of_clocks).flat_map(of_one).collect()
}

fn of_one(window: &FaultWindow) -> Vec<Skewed> {
    let (Some(from), Some(seen)) = (window.in_effect, window.evidence.first()) else { return Vec::new() };
    let after = window.healed.zip(window.evidence.get(1)).map(|(at, told)| (at, readings(told)));
    let both = window.description.ends_with(", and the wall clock");
    let moves = |clock| both || (clock == Clock::Monotonic) == window.kind.starts_with("monotonic-");
    let (drift, strobe) = intended(window);
    let skewed = |(node, clock, read): (String, Clock, i64)| Skewed {
        righted: after.as_ref().and_then(|(at, told)| {
            let same = told.iter().find(|(name, which, _)| *name == node && *which == clock);
            Some((*at, same?.2))
        }),
        clock,
        from,
        to: window.heal,
        read,
        drift_ppm: drift,
        strobe,
        node,
    };
    readings(seen).into_iter().filter(|(_, clock, _)| moves(*clock)).map(skewed).collect()
}

/// Out of the words of the fault: `clock-drift +500 ppm of n3`, `clock-strobe +1 s every 200 ms of n3`.
fn intended(window: &FaultWindow) -> (i64, Option<i64>) {
    let words: Vec<&str> = window.description.split(' ').collect();
    match (window.kind.rsplit('-').next(), &words[..]) {
        (Some("freeze"), _) => (FREEZE_PPM, None),
        (Some("drift"), [_, ppm, "ppm", ..]) => (ppm.parse().unwrap_or(0), None),
        (Some("strobe"), [_, size, unit, ..]) => (0, signed(size, unit)),
        _ => (0, None),
    }
}

/// Out of the words of a probe: `n3: wall clock +1 s, monotonic -2 ms, 2 processes; n4: wall clock right`.
/// What reads otherwise tells of no clock.
fn readings(told: &str) -> Vec<(String, Clock, i64)> {
    let mut readings = Vec::new();
    for node in told.split("; ") {
        let Some((name, told)) = node.split_once(": wall clock ") else { continue };
        let mut parts = told.split(", ");
        let size = |text: &str| match text.split_once(' ') {
            None if text == "right" => Some(0),
            None => None,
            Some((size, unit)) => signed(size, unit),
        };
        let Some(wall) = parts.next().and_then(size) else { continue };
        // Only a monotonic clock that is wrong is told.
        let monotonic = parts.next().and_then(|part| size(part.strip_prefix("monotonic ")?)).unwrap_or(0);
        readings.push((name.to_owned(), Clock::Wall, wall));
        readings.push((name.to_owned(), Clock::Monotonic, monotonic));
    }
    readings
}

fn signed(size: &str, unit: &str) -> Option<i64> {
    let unit = match unit {
        "s" => 1e9,
        "ms" => 1e6,
        "µs" => 1e3,
        _ => return None,
    };
    let ns = size.parse::<f64>().ok().filter(|size| size.is_finite())? * unit;
    Some(ns as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kind: &str, description: &str, evidence: &[&str]) -> FaultWindow {
        FaultWindow {
            id: 1,
            kind: kind.to_owned(),
            description: description.to_owned(),
            nodes: Vec::new(),
            start: 1,
            in_effect: Some(2),
            heal: Some(3),
            healed: Some(4),
            evidence: evidence.iter().map(ToString::to_string).collect(),
            skipped: false,
            cut: Vec::new(),
        }
    }

    #[test]
    fn what_the_probes_say_is_read() {
        let told = ["n1: wall clock +1 s, 1 process; n2 has no process; n3: wall clock -0.25 s, 2 processes"];
        let jump = clocks(&[window("clock-jump", "clock-jump +1 s of n1 n3", &told)]);
        let read: Vec<_> = jump.iter().map(|s| (s.node.as_str(), s.clock, s.read)).collect();
        assert_eq!(read, [("n1", Clock::Wall, 1_000_000_000), ("n3", Clock::Wall, -250_000_000)]);
        let told = ["n1: wall clock right, monotonic +1.5 ms, 1 process", "n1: wall clock right, 1 process"];
        let drift = clocks(&[window("monotonic-drift", "monotonic-drift +500 ppm of n1", &told)]);
        assert_eq!((drift.len(), drift[0].read, drift[0].drift_ppm), (1, 1_500_000, 500));
        assert_eq!(drift[0].righted, Some((4, 0)));
        let both = window("monotonic-freeze", "monotonic-freeze n1, and the wall clock", &told);
        assert_eq!(clocks(&[both]).iter().map(|s| s.drift_ppm).collect::<Vec<_>>(), [FREEZE_PPM; 2]);
        let strobe = window("clock-strobe", "clock-strobe -3 ms every 50 ms of n1", &told);
        assert_eq!(clocks(&[strobe])[0].strobe, Some(-3_000_000));
    }

    #[test]
    fn other_words_tell_of_no_clock() {
        for told in
            ["", "; ", "n1: wall clock ", "n1: wall clock NaN s", "n1: wall clock +1 h", "wall clock +1 s"]
        {
            assert_eq!(clocks(&[window("clock-jump", "clock-jump", &[told])]), [], "{told}");
        }
        assert_eq!(clocks(&[window("kill", "kill n1", &["n1: wall clock +1 s"])]), []);
    }
}
