//! A node's clocks: memory that all of its processes share with this one, with the code that tells
//! them the time and what that code adds to it.
//!
//! Since it is shared, one store changes the clocks of all processes of a node at once: of those that
//! are stopped and of those that are being born as well. Processes can only read it.

#![expect(unsafe_code, reason = "memory that other processes read while it is written")]

use super::code::code;
use crate::env::clock::{Clocks, Skew, Skews};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

// ---- where what stands, for the code ----

/// The code has one memory page, what it reads the next one.
pub(super) const PAGE: usize = 4096;
/// Bytes of code and what it reads.
pub(super) const LENGTH: usize = 2 * PAGE;
/// One byte for each clock, by the kernel's number: 0 for one that is left alone, else one more than
/// the place of its family.
pub(super) const FAMILY_OF: usize = 8;
/// Eight bytes for each clock: nanoseconds that it is ahead of the first one of its family.
pub(super) const DELTAS: usize = 32;
/// Two blocks, of which the last bit of the number of changes says which is valid.
pub(super) const BLOCKS: usize = 256;
/// Bytes of a term: from, until, offset, rate, period.
pub(super) const TERM: usize = 40;
/// Bytes of a family in a block: how many terms, and they.
pub(super) const FAMILY: usize = 8 + MOST_TERMS * TERM;
/// Wall and monotonic.
pub(super) const FAMILIES: usize = 2;
/// Bytes of a block.
pub(super) const BLOCK: usize = FAMILIES * FAMILY;

/// Most faults on the clocks of one node at a time, and one term for what stays of former ones.
const MOST_TERMS: usize = 16;

/// Clocks of a family, the one first by which its skews are timed.
const KIN: [&[libc::clockid_t]; FAMILIES] = [
    &[libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE, libc::CLOCK_REALTIME_ALARM, libc::CLOCK_TAI],
    &[
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_MONOTONIC_COARSE,
        libc::CLOCK_MONOTONIC_RAW,
        libc::CLOCK_BOOTTIME,
        libc::CLOCK_BOOTTIME_ALARM,
    ],
];

/// Those of them that tick every few milliseconds, with the time of the first.
const COARSE: [libc::clockid_t; 2] = [libc::CLOCK_REALTIME_COARSE, libc::CLOCK_MONOTONIC_COARSE];

/// Changes are announced so long before they happen, so that whoever reads before and after they
/// were written gets times that follow one another.
const NOTICE: Duration = Duration::from_millis(5);

/// How often a change is announced again that was written too late.
const ANNOUNCEMENTS: usize = 100;

/// A family of clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// The time of day.
    Wall,
    /// Time that never goes back.
    Monotonic,
}

/// What a fault adds to a clock, as a function of true time; nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// Nothing before.
    from: i64,
    /// It stays as it is then.
    until: i64,
    offset: i64,
    /// Of the time since `from`, in units of 2⁻³².
    rate: i64,
    /// It is there for so long, and then not; 0 for always.
    period: i64,
}

/// A node's clocks.
pub(super) struct Page {
    file: File,
    memory: NonNull<u8>,
    state: Mutex<State>,
}

// SAFETY: the memory belongs to the page; it is written under the lock only.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

#[derive(Default)]
struct State {
    skews: Skews,
    terms: [BTreeMap<u32, Term>; FAMILIES],
    /// What stays of faults on the monotonic clocks, which must never go back.
    remains: i64,
    changes: i64,
}

impl Page {
    /// Clocks that are right.
    pub(super) fn create() -> io::Result<Self> {
        let writable = File::from(memfd_create(c"duress-clock", MFdFlags::MFD_CLOEXEC)?);
        writable.set_len(LENGTH as u64)?;
        // SAFETY: a new mapping, of the length that the file has.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                LENGTH,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                writable.as_raw_fd(),
                0,
            )
        };
        let memory = match NonNull::new(memory.cast::<u8>()) {
            Some(memory) if memory.as_ptr().cast() != libc::MAP_FAILED => memory,
            _ => return Err(io::Error::last_os_error()),
        };
        // What processes get, they cannot make writable again.
        let file = OpenOptions::new().read(true).open(format!("/proc/self/fd/{}", writable.as_raw_fd()))?;
        let page = Self { file, memory, state: Mutex::default() };
        let code = code();
        assert!(code.len() <= PAGE, "the code has a page for itself");
        // SAFETY: it fits, as was asserted, and nobody else has the memory yet.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), memory.as_ptr(), code.len()) };
        for (family, clocks) in (1..).zip(KIN) {
            for &clock in clocks {
                let number = usize::try_from(clock).expect("the kernel counts these clocks from 0");
                // SAFETY: within the second page; nobody else has the memory yet.
                unsafe { memory.add(PAGE + FAMILY_OF + number).write(family) };
                page.store(DELTAS + 8 * number, ahead(clock, clocks[0])?);
            }
        }
        Ok(page)
    }

    /// Replaces what skews the clocks; it is in force when this returns. Faults that are in force
    /// already are left as they are. A wall clock is right again when nothing skews it; a monotonic
    /// one runs on from where it is.
    pub(super) fn set(&self, skews: &Skews) -> Result<(), String> {
        if skews.len() >= MOST_TERMS {
            return Err(format!("more than {} faults at once on its clocks", MOST_TERMS - 1));
        }
        let mut state = self.lock();
        if state.skews == *skews {
            return Ok(());
        }
        self.announce(&mut state, skews)?;
        std::thread::sleep(NOTICE);
        // Over by now: what they have come to stays.
        let ended: Vec<u32> =
            state.terms[1].keys().copied().filter(|fault| !skews.contains_key(fault)).collect();
        for fault in ended {
            let term = state.terms[1].remove(&fault);
            state.remains += term.map_or(0, |term| term.at(term.until));
        }
        self.publish(&mut state);
        state.skews.clone_from(skews);
        Ok(())
    }

    /// Forgets what stays of former faults. Only while no process has these clocks.
    pub(super) fn begin_anew(&self) {
        let mut state = self.lock();
        state.remains = 0;
        self.publish(&mut state);
    }

    /// Makes changes for a moment that is to come, and again when they were written too late for it.
    fn announce(&self, state: &mut State, skews: &Skews) -> Result<(), String> {
        let before = state.terms.clone();
        for _ in 0..ANNOUNCEMENTS {
            let notice = NOTICE.as_nanos() as i64;
            let at = [Family::Wall, Family::Monotonic].map(|family| family.now() + notice);
            state.terms.clone_from(&before);
            state.terms[0].retain(|fault, _| skews.contains_key(fault));
            for (_, term) in state.terms[1].iter_mut().filter(|(fault, _)| !skews.contains_key(fault)) {
                term.until = at[1];
            }
            for (&fault, &(clocks, skew)) in skews {
                for (family, of_it) in [clocks.wall(), clocks.monotonic()].into_iter().enumerate() {
                    if of_it {
                        state.terms[family].entry(fault).or_insert_with(|| Term::new(skew, at[family]));
                    }
                }
            }
            self.publish(state);
            if Family::Monotonic.now() < at[1] {
                return Ok(());
            }
        }
        Err("this machine is too busy to set clocks at a given time".into())
    }

    /// What the clocks of a family are to add at a true time, and what they would without a fault.
    pub(super) fn expected(&self, family: Family, true_ns: i64, without: Option<u32>) -> (i64, i64) {
        let state = self.lock();
        let remains = if family == Family::Monotonic { state.remains } else { 0 };
        let terms = &state.terms[family as usize];
        let all = remains + terms.values().map(|term| term.at(true_ns)).sum::<i64>();
        let own = without.and_then(|fault| terms.get(&fault)).map_or(0, |term| term.at(true_ns));
        (all, all - own)
    }

    /// What is in force.
    pub(super) fn skews(&self) -> Skews {
        self.lock().skews.clone()
    }

    /// What identifies a mapping of it: the inode of its file.
    pub(super) fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the block that nobody reads, and makes it the valid one.
    fn publish(&self, state: &mut State) {
        let next = state.changes + 1;
        let block = BLOCKS + BLOCK * usize::from(next % 2 == 1);
        for (family, terms) in state.terms.iter().enumerate() {
            let remains = (family == Family::Monotonic as usize).then_some(Term::constant(state.remains));
            let mut at = block + family * FAMILY + 8;
            for term in terms.values().copied().chain(remains) {
                for value in [term.from, term.until, term.offset, term.rate, term.period] {
                    self.store(at, value);
                    at += 8;
                }
            }
            self.store(block + family * FAMILY, ((at - block - family * FAMILY - 8) / TERM) as i64);
        }
        self.store(0, next);
        state.changes = next;
    }

    /// What was stored before is seen by whoever sees this.
    fn store(&self, at: usize, value: i64) {
        assert!(at.is_multiple_of(8) && at + 8 <= PAGE, "within the second page");
        // SAFETY: aligned and within the mapping, as was asserted, which lives as long as `self`.
        let slot = unsafe { AtomicI64::from_ptr(self.memory.add(PAGE + at).cast::<i64>().as_ptr()) };
        slot.store(value, Ordering::Release);
    }
}

impl AsFd for Page {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        let _ = unsafe { libc::munmap(self.memory.as_ptr().cast(), LENGTH) };
    }
}

impl Family {
    /// The clock by which its skews are timed.
    pub(super) fn clock(self) -> libc::clockid_t {
        KIN[self as usize][0]
    }

    fn now(self) -> i64 {
        read(self.clock()).unwrap_or(0)
    }

    /// Is it among these?
    pub(super) fn is_of(self, clocks: Clocks) -> bool {
        match self {
            Self::Wall => clocks.wall(),
            Self::Monotonic => clocks.monotonic(),
        }
    }
}

impl Term {
    fn new(skew: Skew, from: i64) -> Self {
        let (offset, rate, period) = match skew {
            Skew::Jump { ms } => (ms * 1_000_000, 0, 0),
            Skew::Drift { ppm } => (0, (i64::from(ppm) << 32) / 1_000_000, 0),
            Skew::Strobe { ms, period_ms } => (ms * 1_000_000, 0, i64::from(period_ms) * 1_000_000),
            // As slow as can be.
            Skew::Freeze => (0, -1 << 32, 0),
        };
        Self { from, until: i64::MAX, offset, rate, period }
    }

    fn constant(offset: i64) -> Self {
        Self { from: 0, until: i64::MAX, offset, rate: 0, period: 0 }
    }

    /// As the code works it out.
    fn at(self, true_ns: i64) -> i64 {
        let since = true_ns.min(self.until) - self.from;
        if since < 0 || (self.period > 0 && since / self.period % 2 == 1) {
            return 0;
        }
        // Periodic ones have no rate.
        let grown = (i128::from(since) * i128::from(self.rate)) >> 32;
        self.offset + i64::try_from(grown).expect("a rate is at most one")
    }
}

/// Nanoseconds.
fn read(clock: libc::clockid_t) -> io::Result<i64> {
    Ok(clock_gettime(ClockId::from_raw(clock))?.num_nanoseconds())
}

/// By how much a clock is ahead of the first of its family.
fn ahead(clock: libc::clockid_t, first: libc::clockid_t) -> io::Result<i64> {
    if clock == first || COARSE.contains(&clock) {
        return Ok(0);
    }
    // A kernel without one of them gives nobody its time.
    let Ok(time) = read(clock) else { return Ok(0) };
    Ok(time - read(first)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_grow_stop_and_alternate() {
        let drift = Term { until: 3_000, ..Term::new(Skew::Drift { ppm: 500_000 }, 1_000) };
        assert_eq!([0, 1_000, 2_000, 3_000, 9_000].map(|at| drift.at(at)), [0, 0, 500, 1_000, 1_000]);
        let frozen = Term::new(Skew::Freeze, 1_000);
        assert_eq!([999, 1_000, 1_001, 9_000].map(|at| at + frozen.at(at)), [999, 1_000, 1_000, 1_000]);
        let strobe = Term::new(Skew::Strobe { ms: -1, period_ms: 1 }, 0);
        let ms = 1_000_000;
        assert_eq!([0, ms - 1, ms, 2 * ms - 1, 2 * ms].map(|at| strobe.at(at)), [-ms, -ms, 0, 0, -ms]);
    }

    #[test]
    fn monotonic_clocks_keep_what_they_have_and_wall_clocks_do_not() {
        let page = Page::create().unwrap();
        let both = |skew| (Clocks::Both, skew);
        page.set(&Skews::from([(1, both(Skew::Jump { ms: 7 })), (2, both(Skew::Jump { ms: 1_000 }))]))
            .unwrap();
        let at = |family: Family| page.expected(family, family.now(), Some(1)).0;
        assert_eq!([at(Family::Wall), at(Family::Monotonic)], [1_007_000_000; 2]);
        page.set(&Skews::from([(2, both(Skew::Jump { ms: 1_000 }))])).unwrap();
        assert_eq!([at(Family::Wall), at(Family::Monotonic)], [1_000_000_000, 1_007_000_000]);
        page.set(&Skews::new()).unwrap();
        assert_eq!([at(Family::Wall), at(Family::Monotonic)], [0, 1_007_000_000]);
        page.begin_anew();
        assert_eq!([at(Family::Wall), at(Family::Monotonic)], [0, 0]);
    }
}
