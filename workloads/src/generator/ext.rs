//! The combinators as methods, so that a generator reads in the order in which it acts.

use super::{
    Arrivals, Concat, ConcurrencyLimit, Filter, Generator, Invocation, Limit, Map, OnThreads, Phases,
    ProcessLimit, Stagger, TimeLimit, UntilOk, concat, list, phases,
};

/// Methods of every generator. Times are in nanoseconds.
pub trait GeneratorExt: Generator + Sized + 'static {
    /// At most `n` operations.
    fn limit(self, n: u64) -> Limit<Self> {
        Limit::new(self, n)
    }

    /// At most one operation.
    fn once(self) -> Limit<Self> {
        self.limit(1)
    }

    /// Operations for this long, from the first question on. At the end nothing more is
    /// handed out; what is in flight goes on.
    fn time_limit(self, duration: u64) -> TimeLimit<Self> {
        TimeLimit::new(self, duration)
    }

    /// Operations `mean` apart on average, over all threads together. A delay of up to 20 ms
    /// is made up for, a longer one is not.
    fn stagger(self, mean: u64, arrivals: Arrivals) -> Stagger<Self> {
        Stagger::new(self, mean, arrivals)
    }

    /// Operations exactly `interval` apart: [`GeneratorExt::stagger`] without chance.
    fn delay(self, interval: u64) -> Stagger<Self> {
        self.stagger(interval, Arrivals::Fixed)
    }

    /// Changes every operation.
    fn map<F: FnMut(Invocation) -> Invocation + Send>(self, change: F) -> Map<Self, F> {
        Map::new(self, change)
    }

    /// Renames every operation's function.
    fn f_map<F: FnMut(&str) -> String + Send>(
        self,
        mut rename: F,
    ) -> Map<Self, impl FnMut(Invocation) -> Invocation + Send> {
        self.map(move |op| Invocation { f: rename(&op.f), ..op })
    }

    /// Throws away what the predicate refuses.
    fn filter<P: FnMut(&Invocation) -> bool + Send>(self, accepts: P) -> Filter<Self, P> {
        Filter::new(self, accepts)
    }

    /// First this, then the other; each thread goes on by itself.
    fn then(self, other: impl GeneratorExt) -> Concat {
        concat(vec![self.boxed(), other.boxed()])
    }

    /// Begins when nothing is in flight and every thread has got here.
    fn synchronize(self) -> Phases {
        phases(vec![list([]).boxed(), self.boxed()])
    }

    /// For the threads that the predicate accepts, which it sees numbered from 0.
    fn on_threads<P: Fn(usize) -> bool + Send>(self, contains: P) -> OnThreads<Self, P> {
        OnThreads::new(self, contains)
    }

    /// Ends when one of its operations ends in `ok`.
    fn until_ok(self) -> UntilOk<Self> {
        UntilOk::new(self)
    }

    /// At most `max` of its operations in flight.
    fn concurrency_limit(self, max: usize) -> ConcurrencyLimit<Self> {
        ConcurrencyLimit::new(self, max)
    }

    /// Ends as soon as more than `max` processes could have been given an operation: one per
    /// thread, and one more for every operation that ended in `info`.
    fn process_limit(self, max: usize) -> ProcessLimit<Self> {
        ProcessLimit::new(self, max)
    }

    /// On the heap, for lists of generators.
    fn boxed(self) -> Box<dyn Generator> {
        Box::new(self)
    }
}

impl<G: Generator + 'static> GeneratorExt for G {}
