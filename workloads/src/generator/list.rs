//! Operations from a list, each handed out once, to whoever asks first.

use super::{Context, Generator, Invocation, Next};

/// See [`list`].
#[derive(Clone, Debug)]
pub struct List<I>(I);

/// Hands out what an iterator yields, in its order. Endless lists are iterators too.
pub fn list<I>(items: I) -> List<std::iter::Fuse<I::IntoIter>>
where
    I: IntoIterator<Item = Invocation>,
{
    List(items.into_iter().fuse())
}

/// Hands out one operation, once.
pub fn once(op: Invocation) -> List<std::iter::Fuse<std::iter::Once<Invocation>>> {
    list(std::iter::once(op))
}

/// Hands out the same operation without end.
pub fn repeat(op: Invocation) -> List<std::iter::Fuse<std::iter::Repeat<Invocation>>> {
    list(std::iter::repeat(op))
}

impl<I: Iterator<Item = Invocation> + Send> Generator for List<I> {
    fn next(&mut self, _: &Context) -> Next {
        self.0.next().map_or(Next::Done, Next::Op)
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::*;

    #[test]
    fn every_item_once_in_order_then_done() {
        let trace = Simulation::perfect(2).run(&mut list(["a", "b", "c"].map(op)));
        assert_eq!(trace.to_string(), "0@0 a, 1@0 b, 0@10 c");
        assert_eq!(Simulation::perfect(3).run(&mut once(op("a"))).to_string(), "0@0 a");
        assert_eq!(Simulation::perfect(3).run(&mut list([])).to_string(), "");
    }

    #[test]
    fn repeat_and_closures_do_not_end() {
        let mut repeated = repeat(op("a"));
        let mut closure = |cx: &Context| Invocation::new("t", cx.thread);
        for thread in 0..100 {
            let cx = Context { time: 0, thread, n_threads: 100, n_busy: thread };
            assert_eq!(repeated.next(&cx), Next::Op(op("a")));
            assert_eq!(Generator::next(&mut closure, &cx), Next::Op(Invocation::new("t", thread)));
        }
    }
}
