//! A queue: first in, first out.

use super::super::persist::{Chain, Element};
use super::super::{Anomaly, Case, Refusal, listed};
use super::{Container, ContainerOp, Discipline, FirstOut, Words, anomaly, not_empty, returned};
use std::hash::{Hash, Hasher};

/// A queue of JSON values: first in, first out.
pub type Queue = Container<Fifo>;

/// First in, first out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fifo;

/// What stands in a queue.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Since it was last empty.
    entered: Chain,
    /// How many of these have left.
    left: usize,
}

impl Discipline for Fifo {
    type State = Line;

    const WORDS: Words =
        Words { a: "a queue", noun: "queue", put: ("enqueue", "enqueued"), take: ("dequeue", "dequeued") };

    const FIRST_OUT: Option<FirstOut> = Some(FirstOut::Oldest);

    fn put(line: &Line, element: &Element) -> Line {
        Line { entered: line.entered.with(element.clone()), left: line.left }
    }

    fn took(line: &Line, element: &Element) -> Result<Line, Refusal> {
        match line.head() {
            Some(head) if head == element => Ok(line.behind()),
            Some(head) => Err(returned(element, head.to_string())),
            None => Err(returned(element, "nothing")),
        }
    }

    fn take(line: &Line) -> Line {
        line.behind()
    }

    fn found_empty(line: &Line) -> Result<Line, Refusal> {
        line.head().map_or_else(|| Ok(line.clone()), |head| Err(not_empty(head)))
    }

    fn show(line: &Line) -> String {
        let mut elements: Vec<&Element> = line.entered.back_to(line.left).collect();
        elements.reverse();
        listed("[", elements.into_iter(), "]")
    }

    fn out_of_order(case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
        anomaly::overtaken(case)
    }
}

impl Line {
    fn head(&self) -> Option<&Element> {
        self.entered.get(self.left)
    }

    /// The same without its head.
    fn behind(&self) -> Self {
        if self.left + 1 >= self.entered.len() {
            return Self::default();
        }
        Self { entered: self.entered.clone(), left: self.left + 1 }
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.entered.same_from(self.left, &other.entered, other.left)
    }
}

impl Eq for Line {}

impl Hash for Line {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.entered.digest_from(self.left));
    }
}
