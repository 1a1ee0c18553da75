//! A bag, or unordered queue: anything that is in it may come out.
//!
//! When somebody took something and nobody knows what, it may have been any element. A state says
//! so without a branch for each: it keeps the elements in the order in which they came, with a
//! *gap* after which something unknown had been taken from what stood before. A gap is only ever
//! needed to explain that the bag was found empty: then each element that is still there must
//! have left through a gap behind it.

use super::super::persist::Element;
use super::super::{Refusal, listed};
use super::{Container, Discipline, Words, not_empty, returned};
use std::sync::Arc;

/// A bag of JSON values, also called an unordered queue: anything that is in it may come out.
pub type Bag = Container<Unordered>;

/// Anything that is in it may come out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unordered;

/// What is in a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bagged {
    /// Elements that no gap follows, sorted.
    fresh: Arc<Vec<Element>>,
    /// Elements in front of gaps, and how many gaps follow each group; the oldest group first.
    gapped: Arc<Vec<(Vec<Element>, usize)>>,
}

impl Discipline for Unordered {
    type State = Bagged;

    const WORDS: Words =
        Words { a: "a bag", noun: "bag", put: ("enqueue", "enqueued"), take: ("dequeue", "dequeued") };

    fn put(bag: &Bagged, element: &Element) -> Bagged {
        let mut bag = bag.clone();
        insert(Arc::make_mut(&mut bag.fresh), element);
        bag
    }

    /// Of equal elements the youngest: for an older one there are more gaps to have left through.
    fn took(bag: &Bagged, element: &Element) -> Result<Bagged, Refusal> {
        let mut bag = bag.clone();
        if let Ok(at) = bag.fresh.binary_search(element) {
            Arc::make_mut(&mut bag.fresh).remove(at);
            return Ok(bag);
        }
        let place = bag
            .gapped
            .iter()
            .enumerate()
            .rev()
            .find_map(|(group, (elements, _))| Some((group, elements.binary_search(element).ok()?)));
        let Some((group, at)) = place else { return Err(returned(element, Self::show(&bag))) };
        let gapped = Arc::make_mut(&mut bag.gapped);
        gapped[group].0.remove(at);
        normalize(gapped);
        Ok(bag)
    }

    fn take(bag: &Bagged) -> Bagged {
        let mut bag = bag.clone();
        let gapped = Arc::make_mut(&mut bag.gapped);
        gapped.push((std::mem::take(&mut bag.fresh).to_vec(), 1));
        normalize(gapped);
        bag
    }

    fn found_empty(bag: &Bagged) -> Result<Bagged, Refusal> {
        let through_gaps =
            bag.gapped.iter().fold(0, |left, (elements, gaps)| (left + elements.len()).saturating_sub(*gaps));
        if through_gaps + bag.fresh.len() == 0 {
            Ok(Bagged::default())
        } else {
            Err(not_empty(&Self::show(bag)))
        }
    }

    fn show(bag: &Bagged) -> String {
        let gapped = bag.gapped.iter().flat_map(|(elements, gaps)| {
            let gaps = std::iter::repeat_n("(one of these taken)".to_owned(), *gaps);
            elements.iter().map(ToString::to_string).chain(gaps)
        });
        listed("{", gapped.chain(bag.fresh.iter().map(ToString::to_string)), "}")
    }
}

fn insert(sorted: &mut Vec<Element>, element: &Element) {
    let at = sorted.partition_point(|other| other < element);
    sorted.insert(at, element.clone());
}

/// Makes states that can do the same equal: drops gaps through which nothing can have left, and
/// joins those between which nothing came.
fn normalize(gapped: &mut Vec<(Vec<Element>, usize)>) {
    let mut kept: Vec<(Vec<Element>, usize)> = Vec::with_capacity(gapped.len());
    // Elements so far that have not left through a gap so far, if as many as possible did.
    let mut remaining = 0;
    for (elements, gaps) in gapped.drain(..) {
        remaining += elements.len();
        let used = gaps.min(remaining);
        remaining -= used;
        match kept.last_mut() {
            Some((_, more)) if elements.is_empty() => *more += used,
            None if elements.is_empty() => {}
            _ => kept.push((elements, used)),
        }
    }
    *gapped = kept;
}
