//! How many operations, and how long they took, of late: what the live view needs of them and no more.
//!
//! Both forget by the clock, so that what is shown is never older than it says.

use std::collections::VecDeque;
use std::time::Duration;

/// The resolution of rates, in milliseconds.
const TICK_MS: u128 = 250;
const TICKS_PER_SECOND: u64 = 4;
/// Seconds that a rate remembers.
pub(super) const SECONDS: usize = 16;
/// … and the one that is not over yet.
const TICKS: usize = (SECONDS + 1) * TICKS_PER_SECOND as usize;

/// Operations per second, for each of the last [`SECONDS`] seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    /// The number of the last tick in `counts`.
    now: u64,
    counts: VecDeque<u64>,
}

impl Rate {
    /// One more, now.
    pub(super) fn add(&mut self, now: Duration) {
        self.advance(now);
        if let Some(last) = self.counts.back_mut() {
            *last += 1;
        }
    }

    /// Of the last second, as far as whole ticks go.
    pub(super) fn per_second(&mut self, now: Duration) -> u64 {
        self.over(now).take(TICKS_PER_SECOND as usize).sum()
    }

    /// Each of the last seconds of the clock that are over, the latest at the end.
    pub(super) fn seconds(&mut self, now: Duration) -> Vec<u64> {
        let begun = now.as_millis() % 1_000 / TICK_MS;
        let over: Vec<u64> = self.over(now).skip(usize::try_from(begun).unwrap_or(0)).collect();
        let mut seconds: Vec<u64> =
            over.chunks_exact(TICKS_PER_SECOND as usize).map(|ticks| ticks.iter().sum()).collect();
        seconds.reverse();
        seconds
    }

    /// Ticks that are over, the latest first.
    fn over(&mut self, now: Duration) -> impl Iterator<Item = u64> {
        self.advance(now);
        self.counts.iter().rev().skip(1).copied()
    }

    fn advance(&mut self, now: Duration) {
        let tick = u64::try_from(now.as_millis() / TICK_MS).unwrap_or(u64::MAX);
        if self.counts.is_empty() {
            self.now = tick;
            self.counts.push_back(0);
        }
        let passed = tick.saturating_sub(self.now).min(TICKS as u64);
        self.now = self.now.max(tick);
        (0..passed).for_each(|_| self.counts.push_back(0));
        self.counts.drain(..self.counts.len().saturating_sub(TICKS));
    }
}

/// Seconds of which latencies are remembered, the one that is not over included.
const SLICES: usize = 5;
/// Buckets to a doubling: what is read off is wrong by one part in 64 at most.
const PER_OCTAVE: u64 = 32;
/// Doublings of a microsecond: more than an hour.
const OCTAVES: u64 = 32;

/// Latencies of the last five seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    slices: VecDeque<Slice>,
}

#[derive(Clone, Debug)]
struct Slice {
    second: u64,
    counts: Vec<u32>,
    max: Duration,
}

/// What is read off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantiles {
    pub(super) p50: Duration,
    pub(super) p95: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

impl Latencies {
    /// One more, now.
    pub(super) fn add(&mut self, now: Duration, latency: Duration) {
        self.forget(now);
        if self.slices.back().is_none_or(|slice| slice.second < now.as_secs()) {
            let counts = vec![0; bucket(Duration::MAX) + 1];
            self.slices.push_back(Slice { second: now.as_secs(), counts, max: Duration::ZERO });
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.counts[bucket(latency)] += 1;
            slice.max = slice.max.max(latency);
        }
    }

    /// `None` when there were none.
    pub(super) fn quantiles(&mut self, now: Duration) -> Option<Quantiles> {
        self.forget(now);
        let of = |bucket: usize| self.slices.iter().map(|slice| u64::from(slice.counts[bucket])).sum::<u64>();
        let counts: Vec<u64> = (0..=bucket(Duration::MAX)).map(of).collect();
        let total: u64 = counts.iter().sum();
        let max = self.slices.iter().map(|slice| slice.max).max()?;
        let quantile = |percent: u64| {
            // The first with so many before it and in it.
            let mut left = (total * percent).div_ceil(100).max(1);
            let at = counts.iter().position(|count| {
                left = left.saturating_sub(*count);
                left == 0
            });
            at.map_or(max, middle).min(max)
        };
        Some(Quantiles { p50: quantile(50), p95: quantile(95), p99: quantile(99), max })
    }

    fn forget(&mut self, now: Duration) {
        let first = (now.as_secs() + 1).saturating_sub(SLICES as u64);
        while self.slices.front().is_some_and(|slice| slice.second < first) {
            self.slices.pop_front();
        }
    }
}

/// Whole microseconds as they are, up to [`PER_OCTAVE`]; then so many buckets for each doubling.
fn bucket(latency: Duration) -> usize {
    let most = (PER_OCTAVE << (OCTAVES - 1)) - 1;
    let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).min(most);
    let octave = u64::from(us.max(PER_OCTAVE).ilog2() - PER_OCTAVE.ilog2());
    (octave * PER_OCTAVE + (us >> octave)) as usize
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    if bucket < 2 * PER_OCTAVE {
        return Duration::from_micros(bucket);
    }
    let octave = bucket / PER_OCTAVE - 1;
    let low = (bucket - octave * PER_OCTAVE) << octave;
    Duration::from_micros(low + (1 << octave) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn rates_are_of_the_last_second_and_forget_after_sixteen() {
        let mut rate = Rate::default();
        (0..100).for_each(|n| rate.add(ms(n * 10)));
        assert_eq!(rate.per_second(ms(1_000)), 100);
        assert_eq!(rate.per_second(ms(1_500)), 50);
        for now in [3_000, 3_999] {
            assert_eq!(rate.seconds(ms(now)), [100, 0, 0], "at {now} ms");
        }
        assert_eq!(rate.seconds(ms(16_999)).iter().sum::<u64>(), 100);
        assert_eq!(rate.seconds(ms(17_000)), [0; SECONDS]);
        // A clock that is read twice by two threads may seem to go back.
        rate.add(ms(16_900));
        assert_eq!(rate.seconds(ms(9_000_000)), [0; SECONDS]);
    }

    #[test]
    fn quantiles_are_near_what_was_put_in() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles(ms(0)), None);
        (1..=1_000).for_each(|n| latencies.add(ms(n), ms(n)));
        let read = latencies.quantiles(ms(2_000)).expect("there were some");
        for (quantile, exact) in [(read.p50, 500), (read.p95, 950), (read.p99, 990)] {
            let error = quantile.abs_diff(ms(exact));
            assert!(error * 50 < ms(exact), "{quantile:?} for {exact} ms");
        }
        assert_eq!(read.max, ms(1_000));
        assert_eq!(latencies.quantiles(ms(7_000)), None);
    }

    #[test]
    fn every_latency_has_a_bucket_and_is_in_it() {
        for us in (0..100_000).chain((0..60).map(|n| 1 << n)).chain([u64::MAX]) {
            let latency = Duration::from_micros(us);
            let at = bucket(latency);
            assert!(at <= bucket(Duration::MAX));
            assert_eq!(bucket(middle(at)), at, "{us} us");
        }
    }
}
