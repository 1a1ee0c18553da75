//! What befalls a call, by the faults that are in force.

use crate::env::disk::{Failing, Misdeed, Operation, looks_like};
use duress_workloads::Rng;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::time::Duration;

/// The faults in force, by their numbers, and what they did.
#[derive(Default)]
pub(super) struct Misdeeds(BTreeMap<u32, Active>);

struct Active {
    how: Misdeed,
    /// Calls that were of the kind it befalls.
    calls: u64,
    /// Calls that it befell.
    hits: u64,
    rng: Rng,
}

/// A call of the kernel.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) bytes: usize,
    /// It is a server's own read: where the kernel fills its page cache, half is the end of the file.
    pub(super) may_be_short: bool,
}

impl Call {
    pub(super) fn new(operation: Operation, bytes: usize) -> Self {
        Self { operation, bytes, may_be_short: false }
    }
}

/// What befalls one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// It fails.
    pub(super) error: Option<Errno>,
    /// It takes so much longer.
    pub(super) delay: Duration,
    /// It gives half.
    pub(super) short: bool,
    /// A bit is flipped: which, counted from anywhere.
    pub(super) flip: Option<u64>,
}

impl Fate {
    /// Was the server given something wrong?
    pub(super) fn harms(&self) -> bool {
        self.error.is_some() || self.short || self.flip.is_some()
    }
}

impl Misdeeds {
    /// Begins. Does nothing when it has begun.
    pub(super) fn begin(&mut self, fault: u32, how: &Misdeed) {
        self.0.entry(fault).or_insert_with(|| Active {
            how: how.clone(),
            calls: 0,
            hits: 0,
            rng: Rng::new(u64::from(fault)).split(how.kind()),
        });
    }

    /// Ends; how many calls did it befall?
    pub(super) fn end(&mut self, fault: u32) -> u64 {
        self.0.remove(&fault).map_or(0, |active| active.hits)
    }

    pub(super) fn end_all(&mut self) {
        self.0.clear();
    }

    pub(super) fn hits(&self, fault: u32) -> u64 {
        self.0.get(&fault).map_or(0, |active| active.hits)
    }

    pub(super) fn lies(&self) -> bool {
        self.0.values().any(|active| active.how == Misdeed::Lie)
    }

    pub(super) fn full(&self) -> bool {
        let full = |how: &Misdeed| matches!(how, Misdeed::Error { error: Failing::Enospc, .. });
        self.0.values().any(|active| full(&active.how))
    }

    /// What befalls a call.
    pub(super) fn fate(&mut self, call: Call, path: impl Fn() -> Option<String>) -> Fate {
        let mut fate = Fate::default();
        for active in self.0.values_mut().filter(|active| active.how.befalls(call.operation)) {
            let enough = match active.how {
                Misdeed::ShortRead { .. } => call.may_be_short && call.bytes > 1,
                Misdeed::BitFlip { .. } => call.bytes > 0,
                _ => true,
            };
            if !enough || !active.strikes(&path) {
                continue;
            }
            active.hits += 1;
            match active.how {
                Misdeed::Lie => {}
                Misdeed::Error { error, .. } => {
                    fate.error = Some(match error {
                        Failing::Eio => Errno::EIO,
                        Failing::Enospc => Errno::ENOSPC,
                    });
                }
                Misdeed::Slow { ms, .. } => fate.delay += Duration::from_millis(ms.into()),
                Misdeed::ShortRead { .. } => fate.short = true,
                Misdeed::BitFlip { .. } => fate.flip = Some(active.rng.bits()),
            }
        }
        fate
    }
}

impl Active {
    /// Is it this call's turn?
    fn strikes(&mut self, path: impl Fn() -> Option<String>) -> bool {
        let Some(calls) = self.how.calls() else { return true };
        // Only then: it takes a walk through the whole tree.
        if calls.files != "*" && !path().is_some_and(|path| looks_like(&path, &calls.files)) {
            return false;
        }
        self.calls += 1;
        match calls.nth {
            Some(nth) => self.calls == nth,
            None => self.rng.below(100) < u64::from(calls.percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::disk::Calls;

    #[test]
    fn calls_are_chosen_by_kind_path_number_and_chance() {
        let none = || None;
        let mut misdeeds = Misdeeds::default();
        let calls = Calls { on: Operation::Fsync, files: "*.wal".into(), nth: Some(3), ..Calls::default() };
        misdeeds.begin(1, &Misdeed::Error { error: Failing::Eio, calls });
        let failed: Vec<bool> = (0..5)
            .flat_map(|_| {
                let other = misdeeds.fate(Call::new(Operation::Fsync, 0), || Some("db".into()));
                let write = misdeeds.fate(Call::new(Operation::Write, 9), || Some("0.wal".into()));
                assert_eq!((other, write), (Fate::default(), Fate::default()));
                [misdeeds
                    .fate(Call::new(Operation::Fsync, 0), || Some("member/0.wal".into()))
                    .error
                    .is_some()]
            })
            .collect();
        assert_eq!(failed, [false, false, true, false, false]);
        assert_eq!((misdeeds.hits(1), misdeeds.end(1), misdeeds.end(1)), (1, 1, 0));

        let calls = Calls { percent: 30, ..Calls::default() };
        misdeeds.begin(2, &Misdeed::Slow { ms: 7, calls });
        let slow =
            (0..1_000).filter(|_| misdeeds.fate(Call::new(Operation::Read, 1), none).delay.as_millis() == 7);
        let slow = slow.count();
        assert!((200..400).contains(&slow), "{slow} of 1000 at 30 %");
        misdeeds.begin(3, &Misdeed::Error { error: Failing::Enospc, calls: Calls::default() });
        assert_eq!(misdeeds.fate(Call::new(Operation::Fsync, 0), none).error, None, "fsync needs no room");
        assert_eq!(misdeeds.fate(Call::new(Operation::Write, 1), none).error, Some(Errno::ENOSPC));
        assert!(misdeeds.full() && !misdeeds.lies());
        misdeeds.end_all();
        assert_eq!(misdeeds.fate(Call::new(Operation::Write, 1), none), Fate::default());
    }
}
