//! A generator of its own for every thread, or for every process.

use super::{Context, Generator, Next};
use duress_checkers::{Kind, Op};
use std::collections::BTreeMap;

/// See [`each_thread`] and [`each_process`].
pub struct Each<M, G> {
    make: M,
    own: BTreeMap<usize, G>,
    renew_after_info: bool,
}

/// Every thread gets the generator that `make` returns for its number, and that generator
/// sees this one thread only, as thread 0 of 1.
pub fn each_thread<M: FnMut(usize) -> G, G>(make: M) -> Each<M, G> {
    Each { make, own: BTreeMap::new(), renew_after_info: false }
}

/// Like [`each_thread`], but begins anew with every process: an operation that ends in `info`
/// retires its process, and the thread goes on as a new one, with a new connection. For what
/// has to be done first on every connection.
pub fn each_process<M: FnMut(usize) -> G, G>(make: M) -> Each<M, G> {
    Each { make, own: BTreeMap::new(), renew_after_info: true }
}

impl<M: FnMut(usize) -> G + Send, G: Generator> Generator for Each<M, G> {
    fn next(&mut self, cx: &Context) -> Next {
        self.own.entry(cx.thread).or_insert_with(|| (self.make)(cx.thread)).next(&alone(cx, 0))
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        if self.renew_after_info && op.kind == Kind::Info {
            self.own.remove(&cx.thread);
        } else if let Some(own) = self.own.get_mut(&cx.thread) {
            own.update(&alone(cx, usize::from(op.kind == Kind::Invoke)), op);
        }
    }
}

fn alone(cx: &Context, n_busy: usize) -> Context {
    Context { thread: 0, n_threads: 1, n_busy, ..*cx }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, Invocation, list, phases};
    use super::*;

    #[test]
    fn every_thread_its_own() {
        let mut own =
            each_thread(|thread| list([Invocation::new("a", thread), Invocation::new("b", thread)]));
        assert_eq!(Simulation::perfect(2).run(&mut own).to_string(), "0@0 a 0, 1@0 a 1, 0@10 b 0, 1@10 b 1");
    }

    #[test]
    fn a_barrier_inside_concerns_one_thread() {
        let mut own = each_thread(|thread| {
            phases(vec![list(vec![op("a"); 1 + thread]).boxed(), list([op("b")]).boxed()])
        });
        assert_eq!(Simulation::perfect(2).run(&mut own).to_string(), "0@0 a, 1@0 a, 0@10 b, 1@10 a, 1@20 b");
    }

    #[test]
    fn every_process_its_own() {
        let per = |renew_after_info| Each {
            make: |_| list(["open", "work"].map(op)),
            own: BTreeMap::new(),
            renew_after_info,
        };
        let run = |renew| Simulation::crashing(1).run(&mut per(renew).limit(3)).to_string();
        assert_eq!(run(false), "0@0 open, 0@10 work");
        assert_eq!(run(true), "0@0 open, 0@10 open, 0@20 open");
    }
}
