//! A bag, or unordered queue: anything that is in it may come out.
//!
//! When somebody took something and nobody knows what, it may have been any element. No branch is
//! needed for each: such a call is never over, so it can be placed as late as one likes, and until
//! the bag is found empty an element more does no harm. So it counts right before that only, and
//! anywhere else it might as well not have happened.

use super::super::persist::Element;
use super::super::{Refusal, listed};
use super::counts::Counts;
use super::{Container, Discipline, FirstOut, Words, not_empty, returned};

/// A bag of JSON values, also called an unordered queue: anything that is in it may come out.
pub type Bag = Container<Unordered>;

/// Anything that is in it may come out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unordered;

/// What is in a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bagged {
    elements: Counts,
    /// How many of them have just been taken, nobody knows which.
    taken: usize,
}

impl Discipline for Unordered {
    type State = Bagged;

    const WORDS: Words =
        Words { a: "a bag", noun: "bag", put: ("enqueue", "enqueued"), take: ("dequeue", "dequeued") };

    const FIRST_OUT: Option<FirstOut> = Some(FirstOut::Any);

    fn put(bag: &Bagged, element: &Element) -> Bagged {
        Bagged { elements: bag.elements.with(element), taken: 0 }
    }

    fn took(bag: &Bagged, element: &Element) -> Result<Bagged, Refusal> {
        match bag.elements.without(element) {
            Some(elements) => Ok(Bagged { elements, taken: 0 }),
            None => Err(returned(element, Self::show(bag))),
        }
    }

    fn take(bag: &Bagged) -> Bagged {
        Bagged { elements: bag.elements.clone(), taken: bag.elements.len().min(bag.taken + 1) }
    }

    fn found_empty(bag: &Bagged) -> Result<Bagged, Refusal> {
        if bag.taken == bag.elements.len() { Ok(Bagged::default()) } else { Err(not_empty(&Self::show(bag))) }
    }

    fn show(bag: &Bagged) -> String {
        let all = listed("{", bag.elements.iter(), "}");
        if bag.taken == 0 { all } else { format!("{all} less {} unknown", bag.taken) }
    }
}
