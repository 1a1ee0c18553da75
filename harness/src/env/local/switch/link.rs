//! One directed link: what it does to frames, and what it has counted.

use super::damage::Damage;
use super::flows::Epoch;
use crate::env::Link;
use crate::env::cut::{Connections, Cut};
use crate::env::packet::{Behavior, Distribution, Effects, Policies, Policy, Traffic};
use duress_workloads::Rng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Draws that a normal distribution is made of: their sum has a standard deviation of one.
const NORMAL_DRAWS: usize = 12;

/// Resolution of chances and distributions.
const UNIT: u64 = 1 << 20;

/// A link's policy, and where it stands.
pub(super) struct State {
    /// Each with its fault, and since when it is in force.
    cuts: Vec<(u32, Cut, Epoch)>,
    /// Each with its fault.
    behaviors: Vec<(u32, Behavior)>,
    /// When these came into force.
    since: Instant,
    rng: Rng,
    /// Per behavior: a burst of losses is under way.
    bursts: Vec<bool>,
    /// Until when a slow link is busy with what was sent before.
    busy_until: Instant,
    /// When the last frame that keeps the order is due.
    last_due: Instant,
}

/// What of a frame decides over it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject {
    pub(super) bytes: usize,
    /// Source and destination.
    pub(super) ports: Option<(u16, u16)>,
    /// When its connection began.
    pub(super) begun: Epoch,
}

/// What becomes of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Treatment {
    pub(super) effects: Effects,
    /// When it is due; absent: now.
    pub(super) due: Option<Instant>,
    pub(super) damage: Option<Damage>,
    /// Its sender is to be told that it does not arrive.
    pub(super) refused: bool,
    /// The fault that keeps it from arriving, and how.
    pub(super) taker: Option<(u32, &'static str)>,
    /// Faults that did something else to it, and what.
    pub(super) by: Vec<(u32, &'static str)>,
}

impl Treatment {
    /// `delayed by F3, duplicated by F4`; absent where nothing happened.
    pub(super) fn told(&self) -> Option<String> {
        let one = |(fault, what): &(u32, &str)| format!("{what} by F{fault}");
        match &self.taker {
            Some(taker) => Some(one(taker)),
            None if self.by.is_empty() => None,
            None => Some(self.by.iter().map(one).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl State {
    fn new(link: Link, now: Instant) -> Self {
        Self {
            cuts: Vec::new(),
            behaviors: Vec::new(),
            since: now,
            // What befalls which packet depends on when it comes; a seed of the run's own would
            // promise more than it could keep.
            rng: Rng::new(0).split(&format!("{}->{}", link.0, link.1)),
            bursts: Vec::new(),
            busy_until: now,
            last_due: now,
        }
    }

    fn set(&mut self, policy: &Policy, (now, epoch): (Instant, Epoch)) {
        let before = std::mem::take(&mut self.cuts);
        self.cuts.extend(policy.cuts.iter().map(|(&fault, &cut)| {
            let same = before.iter().find(|(known, same, _)| (*known, *same) == (fault, cut));
            (fault, cut, same.map_or(epoch, |(_, _, since)| *since))
        }));
        let same = self.behaviors.iter().map(|(fault, behavior)| (fault, behavior)).eq(&policy.behaviors);
        if !same {
            self.behaviors =
                policy.behaviors.iter().map(|(fault, behavior)| (*fault, behavior.clone())).collect();
            self.bursts = vec![false; self.behaviors.len()];
            self.since = now;
            if !self.delays() {
                (self.busy_until, self.last_due) = (now, now);
            }
        }
    }

    /// The first fault whose cut is for this frame, and whether it refuses.
    pub(super) fn cut(&self, subject: &Subject) -> Option<(u32, bool)> {
        let is_for = |(_, cut, since): &&(u32, Cut, Epoch)| {
            let port = cut.port.is_none_or(|port| subject.ports.is_some_and(|(a, b)| a == port || b == port));
            port && match cut.connections {
                Connections::All => true,
                Connections::Established => subject.begun < *since,
                Connections::New => subject.begun >= *since,
            }
        };
        self.cuts.iter().find(is_for).map(|(fault, cut, _)| (*fault, cut.reject))
    }

    /// May frames of this link wait?
    pub(super) fn delays(&self) -> bool {
        let waits = |(_, behavior): &(u32, Behavior)| {
            matches!(behavior, Behavior::Delay { .. } | Behavior::Reorder { .. } | Behavior::Rate { .. })
        };
        self.behaviors.iter().any(waits)
    }

    pub(super) fn holds(&self) -> bool {
        self.behaviors.iter().any(|(_, behavior)| *behavior == Behavior::Hold)
    }

    /// Decides over one frame. One that is dropped is asked about all the same: what else befalls its link
    /// has to show to a probe.
    pub(super) fn judge(&mut self, now: Instant, subject: &Subject) -> Treatment {
        let mut treatment = Treatment::default();
        if let Some((fault, refused)) = self.cut(subject) {
            treatment.effects.dropped = true;
            treatment.refused = refused;
            treatment.taker = Some((fault, if refused { "refused" } else { "dropped" }));
        }
        let mut wait = Wait::default();
        for at in 0..self.behaviors.len() {
            let (before, damage) = (treatment.effects, treatment.damage);
            self.befall(at, (now, subject.bytes), &mut treatment, &mut wait);
            let after = treatment.effects;
            let (fault, behavior) = &self.behaviors[at];
            if after.lost != before.lost {
                treatment.taker.get_or_insert((*fault, "lost"));
            } else if after.dropped != before.dropped {
                treatment.taker = Some((*fault, "dropped"));
            } else if after != before || treatment.damage != damage {
                treatment.by.push((*fault, behavior.count(&Traffic::default()).1));
            }
        }
        if treatment.effects.reordered {
            treatment.due = Some(now + wait.in_order + wait.late);
        } else if self.last_due > now || !wait.in_order.is_zero() {
            // A link keeps its order, also when it has just become faster.
            self.last_due = self.last_due.max(now + wait.in_order);
            treatment.due = Some(self.last_due);
        }
        treatment
    }

    /// What one behavior does to one frame of so many bytes.
    fn befall(
        &mut self,
        at: usize,
        (now, bytes): (Instant, usize),
        treatment: &mut Treatment,
        wait: &mut Wait,
    ) {
        let effects = &mut treatment.effects;
        match self.behaviors[at].1 {
            Behavior::Delay { ms, jitter_ms, distribution } => {
                wait.in_order += jittered(&mut self.rng, ms, jitter_ms, distribution);
                effects.delayed = true;
            }
            Behavior::Loss { percent, burst } => {
                self.bursts[at] = loses(&mut self.rng, self.bursts[at], percent, burst);
                effects.lost |= self.bursts[at];
            }
            Behavior::Duplicate { percent } => effects.duplicated |= chance(&mut self.rng, percent),
            Behavior::Reorder { percent, ms } => {
                if chance(&mut self.rng, percent) {
                    effects.reordered = true;
                    wait.late += millis(ms);
                }
            }
            Behavior::Corrupt { percent, silent } => {
                if chance(&mut self.rng, percent) {
                    treatment.damage = Some(Damage { silent, place: self.rng.bits() });
                }
            }
            Behavior::Rate { kbit, queue_kib } => {
                let begin = self.busy_until.max(now);
                let takes = |bytes: u64| Duration::from_micros(bytes * 8_000 / u64::from(kbit));
                if begin - now > takes(u64::from(queue_kib) << 10) {
                    effects.lost = true;
                } else if !effects.lost && !effects.dropped {
                    self.busy_until = begin + takes(bytes as u64);
                    wait.in_order += self.busy_until - now;
                    effects.delayed = true;
                }
            }
            Behavior::Hold => effects.held = true,
            Behavior::Flap { up_ms, down_ms } => {
                let phase = (now - self.since).as_millis() % u128::from(up_ms + down_ms);
                effects.dropped |= phase >= u128::from(up_ms);
            }
        }
    }
}

/// How long a frame waits: with those behind it, and by itself.
#[derive(Default)]
struct Wait {
    in_order: Duration,
    late: Duration,
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.below(100 * UNIT) < u64::from(percent) * UNIT
}

/// Gilbert's two states: a burst ends with a chance of one in its mean length, and begins as often
/// as the share of lost packets asks for.
fn loses(rng: &mut Rng, in_burst: bool, percent: u32, burst: u32) -> bool {
    if burst <= 1 || percent >= 100 {
        return chance(rng, percent);
    }
    let burst = u64::from(burst);
    if in_burst {
        return rng.below(burst) > 0;
    }
    let (lost, kept) = (u64::from(percent), u64::from(100 - percent));
    rng.below(kept * burst * UNIT) < lost * UNIT
}

fn jittered(rng: &mut Rng, ms: u32, jitter_ms: u32, distribution: Distribution) -> Duration {
    let (mean, jitter) = (u64::from(ms) * 1_000, u64::from(jitter_ms) * 1_000);
    let micros = match distribution {
        Distribution::Uniform => mean - jitter + rng.below(2 * jitter + 1),
        Distribution::Normal => {
            let sum: u64 = (0..NORMAL_DRAWS).map(|_| rng.below(UNIT)).sum();
            let sixfold = UNIT * (NORMAL_DRAWS as u64) / 2;
            (mean + sum * jitter / UNIT).saturating_sub(sixfold * jitter / UNIT)
        }
        Distribution::Tail => mean - jitter + rng.exponential(jitter.max(1)),
    };
    Duration::from_micros(micros)
}

/// One value per directed link among `ports` ports.
pub(super) struct PerLink<T> {
    ports: usize,
    values: Vec<T>,
}

impl<T> PerLink<T> {
    pub(super) fn get(&self, link: Link) -> &T {
        &self.values[self.position(link)]
    }

    pub(super) fn get_mut(&mut self, link: Link) -> &mut T {
        let position = self.position(link);
        &mut self.values[position]
    }

    fn make(ports: usize, value: impl Fn(Link) -> T) -> Self {
        let links = (0..ports * ports).map(|at| (at / ports, at % ports));
        Self { ports, values: links.map(value).collect() }
    }

    fn position(&self, (from, to): Link) -> usize {
        assert!(from < self.ports && to < self.ports, "link {from}->{to} among {} ports", self.ports);
        from * self.ports + to
    }
}

impl PerLink<State> {
    /// Perfect links.
    pub(super) fn perfect(ports: usize, now: Instant) -> Self {
        Self::make(ports, |link| State::new(link, now))
    }

    /// Replaces all policies.
    pub(super) fn set(&mut self, policies: &Policies, at: (Instant, Epoch)) {
        let none = Policy::default();
        for position in 0..self.values.len() {
            let policy = policies.get(&(position / self.ports, position % self.ports));
            self.values[position].set(policy.unwrap_or(&none), at);
        }
    }
}

/// Frames that each fault kept from crossing so far, probes not counted. Written by the switch's thread
/// alone.
#[derive(Debug, Default)]
pub(super) struct Taken(Mutex<BTreeMap<u32, u64>>);

impl Taken {
    pub(super) fn add(&self, fault: u32) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
    }

    pub(super) fn by(&self, fault: u32) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&fault).copied().unwrap_or_default()
    }
}

/// Frames of one directed link so far. Written by the switch's thread alone.
#[derive(Debug, Default)]
pub(super) struct Counter {
    passed: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
    delayed: AtomicU64,
    duplicated: AtomicU64,
    reordered: AtomicU64,
    corrupted: AtomicU64,
    held: AtomicU64,
    overrun: AtomicU64,
}

impl Counter {
    /// A frame that was judged.
    pub(super) fn add(&self, effects: Effects) {
        let stays = effects.dropped || effects.lost;
        for (happened, count) in [
            (!stays, &self.passed),
            (effects.dropped, &self.dropped),
            (effects.lost && !effects.dropped, &self.lost),
            (effects.delayed && !stays, &self.delayed),
            (effects.duplicated && !stays, &self.duplicated),
            (effects.reordered && !stays, &self.reordered),
            (effects.corrupted && !stays, &self.corrupted),
            (effects.held && !stays, &self.held),
        ] {
            if happened {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A frame that had passed, and was dropped while it waited, since the link was cut.
    pub(super) fn drop_waiting(&self) {
        self.passed.fetch_sub(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame that should have passed, but there was no room for it.
    pub(super) fn add_overrun(&self) {
        self.overrun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn traffic(&self) -> Traffic {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            passed: read(&self.passed),
            dropped: read(&self.dropped),
            lost: read(&self.lost),
            delayed: read(&self.delayed),
            duplicated: read(&self.duplicated),
            reordered: read(&self.reordered),
            corrupted: read(&self.corrupted),
            held: read(&self.held),
        }
    }
}

impl PerLink<Counter> {
    pub(super) fn zero(ports: usize) -> Self {
        Self::make(ports, |_| Counter::default())
    }

    /// Frames lost for want of room, over all links.
    pub(super) fn overruns(&self) -> u64 {
        self.values.iter().map(|counter| counter.overrun.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: u32 = 100_000;

    const FRAME: Subject = Subject { bytes: 1_000, ports: None, begun: 0 };

    fn treated(behaviors: &[Behavior], frames: u32, gap: Duration) -> Vec<(Instant, Treatment)> {
        let start = Instant::now();
        let mut state = State::new((0, 1), start);
        state.set(
            &Policy { behaviors: (1..).zip(behaviors.to_vec()).collect(), ..Policy::default() },
            (start, 1),
        );
        (0..frames)
            .map(|n| {
                let now = start + gap * n;
                (now, state.judge(now, &FRAME))
            })
            .collect()
    }

    fn share(of: &[(Instant, Treatment)], what: fn(&Effects) -> bool) -> f64 {
        of.iter().filter(|(_, treatment)| what(&treatment.effects)).count() as f64 / of.len() as f64
    }

    #[test]
    fn a_cut_is_directed_and_everything_else_is_perfect() {
        let now = Instant::now();
        let mut links = PerLink::perfect(3, now);
        links.set(&Policies::from([((0, 2), Policy::cut(7, Cut::default()))]), (now, 1));
        for from in 0..3 {
            for to in 0..3 {
                let treatment = links.get_mut((from, to)).judge(now, &FRAME);
                let cut = (from, to) == (0, 2);
                assert_eq!(treatment.effects.dropped, cut, "{from}->{to}");
                assert_eq!(treatment.told(), cut.then(|| "dropped by F7".to_owned()));
                assert!(treatment.due.is_none() && treatment.damage.is_none());
            }
        }
    }

    #[test]
    fn shares_are_what_was_asked_for() {
        let gap = Duration::from_micros(1);
        for burst in [1, 5, 20] {
            let all = treated(&[Behavior::Loss { percent: 20, burst }], FRAMES, gap);
            let lost = share(&all, |effects| effects.lost);
            assert!((0.18..0.22).contains(&lost), "{lost} in bursts of {burst}");
            let begun = all.windows(2).filter(|pair| !pair[0].1.effects.lost && pair[1].1.effects.lost);
            let mean = lost * f64::from(FRAMES) / begun.count() as f64;
            let expected = if burst == 1 { 1.25 } else { f64::from(burst) };
            assert!((expected * 0.9..expected * 1.1).contains(&mean), "{mean} in a row, not {expected}");
        }
        let all = treated(&[Behavior::Duplicate { percent: 3 }], FRAMES, gap);
        assert!((0.025..0.035).contains(&share(&all, |effects| effects.duplicated)));
        let all = treated(&[Behavior::Corrupt { percent: 50, silent: true }], FRAMES, gap);
        let damaged = all.iter().filter(|(_, treatment)| treatment.damage.is_some()).count();
        assert!((45_000..55_000).contains(&damaged), "{damaged}");
    }

    #[test]
    fn delays_have_the_mean_and_the_spread_that_were_asked_for_and_keep_the_order() {
        // Far enough apart that the order moves nothing.
        let gap = Duration::from_secs(2);
        for (distribution, deviation) in
            [(Distribution::Uniform, 11.5), (Distribution::Normal, 20.0), (Distribution::Tail, 20.0)]
        {
            let delay = Behavior::Delay { ms: 100, jitter_ms: 20, distribution };
            let all = treated(std::slice::from_ref(&delay), 20_000, gap);
            let waits: Vec<f64> = all
                .iter()
                .map(|(now, treatment)| (treatment.due.expect("delayed") - *now).as_secs_f64() * 1e3)
                .collect();
            let mean = waits.iter().sum::<f64>() / waits.len() as f64;
            let variance = waits.iter().map(|wait| (wait - mean).powi(2)).sum::<f64>() / waits.len() as f64;
            assert!((98.0..102.0).contains(&mean), "{distribution:?}: mean {mean}");
            let measured = variance.sqrt();
            assert!((deviation * 0.9..deviation * 1.1).contains(&measured), "{distribution:?}: {measured}");
            // Close together, jitter may not overtake.
            let close = treated(&[delay], 20_000, Duration::from_micros(50));
            assert!(close.is_sorted_by_key(|(_, treatment)| treatment.due));
        }
        // Also where some are not delayed at all.
        let wide = Behavior::Delay { ms: 20, jitter_ms: 20, distribution: Distribution::Normal };
        let close = treated(&[wide], 20_000, Duration::from_micros(50));
        assert!(close.is_sorted_by_key(|(now, treatment)| treatment.due.unwrap_or(*now)));
    }

    #[test]
    fn held_back_frames_are_overtaken_and_others_are_not_delayed() {
        let all = treated(&[Behavior::Reorder { percent: 10, ms: 5 }], FRAMES, Duration::from_millis(1));
        for (now, treatment) in &all {
            let expected = treatment.effects.reordered.then(|| *now + Duration::from_millis(5));
            assert_eq!(treatment.due, expected);
        }
        assert!((0.09..0.11).contains(&share(&all, |effects| effects.reordered)));
    }

    #[test]
    fn a_slow_link_passes_what_it_can_and_its_queue_is_bounded() {
        // 1,000 bytes every millisecond are 8,000 kbit/s: twice what the link can do.
        let slow = Behavior::Rate { kbit: 4_000, queue_kib: 64 };
        let all = treated(&[slow], 10_000, Duration::from_millis(1));
        let lost = share(&all, |effects| effects.lost);
        assert!((0.48..0.52).contains(&lost), "{lost}");
        let longest = all.iter().filter_map(|(now, treatment)| Some(treatment.due? - *now)).max();
        // 64 KiB at 4 Mbit/s are 131 ms, and one frame of 2 ms.
        assert!(longest.is_some_and(|wait| wait.as_millis() <= 134), "{longest:?}");
    }

    #[test]
    fn a_flapping_link_works_first() {
        let all = treated(&[Behavior::Flap { up_ms: 30, down_ms: 10 }], 400, Duration::from_millis(1));
        for (n, (_, treatment)) in all.iter().enumerate() {
            assert_eq!(treatment.effects.dropped, n % 40 >= 30, "after {n} ms");
        }
    }

    #[test]
    fn what_changes_for_other_links_moves_nothing_here() {
        let now = Instant::now();
        let flap = Policy::mistreat(1, Behavior::Flap { up_ms: 30, down_ms: 10 });
        let mut links = PerLink::perfect(2, now);
        links.set(&Policies::from([((0, 1), flap.clone())]), (now, 1));
        let cut = Policy::cut(2, Cut::default());
        links.set(&Policies::from([((0, 1), flap), ((1, 0), cut)]), (now + Duration::from_millis(20), 2));
        let phase = |ms| now + Duration::from_millis(ms);
        assert!(!links.get_mut((0, 1)).judge(phase(29), &FRAME).effects.dropped);
        assert!(links.get_mut((0, 1)).judge(phase(31), &FRAME).effects.dropped);
    }

    #[test]
    fn a_cut_is_for_its_port_and_for_its_connections() {
        use Connections::{All, Established, New};
        let now = Instant::now();
        for (port, connections, expected) in [
            (None, Established, [true, false, true]),
            (None, New, [false, true, false]),
            (Some(2380), All, [true, true, false]),
            (Some(2380), Established, [true, false, false]),
            (Some(9), All, [false, false, true]),
        ] {
            let mut state = State::new((0, 1), now);
            let cut = Policy::cut(3, Cut { port, connections, reject: false });
            state.set(&cut, (now, 5));
            // Also when something else has changed meanwhile.
            state.set(&cut, (now, 9));
            let old = Subject { bytes: 60, ports: Some((40_000, 2380)), begun: 4 };
            let new = Subject { ports: Some((2380, 40_001)), begun: 5, ..old };
            let other = Subject { ports: Some((40_000, 9)), ..old };
            let dropped = [old, new, other].map(|subject| state.judge(now, &subject).effects.dropped);
            assert_eq!(dropped, expected, "{port:?} {connections:?}");
        }
    }

    #[test]
    fn the_first_fault_that_takes_a_frame_is_named() {
        let now = Instant::now();
        let mut state = State::new((0, 1), now);
        let (lost, late) = (Behavior::Loss { percent: 100, burst: 1 }, Behavior::Hold);
        let mut policy = Policy { behaviors: [(4, late), (5, lost)].into(), ..Policy::default() };
        state.set(&policy, (now, 1));
        assert_eq!(state.judge(now, &FRAME).told().as_deref(), Some("lost by F5"));
        policy.cuts.insert(6, Cut { reject: true, ..Cut::default() });
        state.set(&policy, (now, 2));
        let treatment = state.judge(now, &FRAME);
        assert_eq!(treatment.told().as_deref(), Some("refused by F6"));
        assert!(treatment.refused && treatment.effects.held, "a probe still sees what else is asked for");
        policy = Policy { behaviors: policy.behaviors.into_iter().take(1).collect(), ..Policy::default() };
        state.set(&policy, (now, 3));
        assert_eq!(state.judge(now, &FRAME).told().as_deref(), Some("held by F4"));
    }
}
