//! A priority queue: the smallest comes out first.

use super::super::persist::Element;
use super::super::{Anomaly, Case, Refusal, listed};
use super::counts::Counts;
use super::{Container, ContainerOp, Discipline, FirstOut, Words, anomaly, not_empty, returned};
use serde_json::Value;

/// A priority queue of whole numbers: the smallest comes out first.
///
/// Nothing but whole numbers: of two elements with equal priority and different contents either
/// may come out, and a sequential specification with one outcome cannot say that.
pub type PriorityQueue = Container<SmallestFirst>;

/// The smallest comes out first.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmallestFirst;

impl Discipline for SmallestFirst {
    type State = Heap;

    const WORDS: Words = Words {
        a: "a priority queue",
        noun: "priority queue",
        put: ("insert", "inserted"),
        take: ("delete-min", "took the smallest,"),
    };

    const FIRST_OUT: Option<FirstOut> = Some(FirstOut::Smallest);

    fn admits(element: &Value) -> Result<(), String> {
        if element.is_i64() || element.is_u64() {
            return Ok(());
        }
        Err(format!("a priority queue holds whole numbers, not {element}"))
    }

    fn put(heap: &Heap, element: &Element) -> Heap {
        Heap(heap.0.with(element))
    }

    fn took(heap: &Heap, element: &Element) -> Result<Heap, Refusal> {
        match heap.0.first() {
            Some(smallest) if smallest == element => Ok(Self::take(heap)),
            Some(smallest) => Err(returned(element, smallest.to_string())),
            None => Err(returned(element, "nothing")),
        }
    }

    fn take(heap: &Heap) -> Heap {
        heap.0.first().and_then(|smallest| heap.0.without(smallest)).map_or_else(|| heap.clone(), Heap)
    }

    fn found_empty(heap: &Heap) -> Result<Heap, Refusal> {
        heap.0.first().map_or_else(|| Ok(heap.clone()), |smallest| Err(not_empty(smallest)))
    }

    fn show(heap: &Heap) -> String {
        listed("{", heap.0.iter(), "}")
    }

    fn out_of_order(case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
        anomaly::smaller_was_there(case)
    }
}

/// What is in a priority queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Heap(Counts);
