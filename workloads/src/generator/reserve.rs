//! Shares the threads out among generators.

use super::on_threads::Group;
use super::{Context, Generator, Next};
use duress_checkers::Op;

/// See [`reserve`].
pub struct Reserve {
    parts: Vec<(Group<Range>, Box<dyn Generator>)>,
}

type Range = Box<dyn Fn(usize) -> bool + Send>;

/// The first generator gets the first so many threads, the next one the following, and
/// `rest` those that are left. Each sees only its own threads, numbered from 0.
pub fn reserve(shares: Vec<(usize, Box<dyn Generator>)>, rest: Box<dyn Generator>) -> Reserve {
    let mut first = 0_usize;
    let mut parts = Vec::new();
    for (n, share) in shares.into_iter().chain([(usize::MAX, rest)]) {
        let threads = first..first.saturating_add(n);
        first = threads.end;
        let contains: Range = Box::new(move |thread| threads.contains(&thread));
        parts.push((Group::new(contains), share));
    }
    Reserve { parts }
}

impl Generator for Reserve {
    fn next(&mut self, cx: &Context) -> Next {
        let own = self.parts.iter_mut().find_map(|(group, part)| Some((group.narrow(cx)?, part)));
        own.map_or(Next::Done, |(cx, part)| part.next(&cx))
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        for (group, part) in &mut self.parts {
            if let Some(cx) = group.observe(cx, op) {
                part.update(&cx, op);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, Invocation, repeat};
    use super::*;

    #[test]
    fn every_thread_belongs_to_one_share() {
        let who = |name: &'static str| (move |cx: &Context| Invocation::new(name, cx.thread)).boxed();
        let mut shared = reserve(vec![(2, who("a")), (0, who("never")), (1, who("b"))], who("c")).limit(5);
        assert_eq!(
            Simulation::perfect(5).run(&mut shared).to_string(),
            "0@0 a 0, 1@0 a 1, 2@0 b 0, 3@0 c 0, 4@0 c 1"
        );
    }

    #[test]
    fn a_share_that_ends_leaves_its_threads_idle() {
        let mut shared =
            reserve(vec![(1, repeat(op("a")).limit(1).boxed())], repeat(op("b")).limit(2).boxed());
        assert_eq!(Simulation::perfect(2).run(&mut shared).to_string(), "0@0 a, 1@0 b, 1@10 b");
    }
}
