//! A priority queue: the smallest comes out first.

use super::super::persist::{Element, Map};
use super::super::{Anomaly, Case, Refusal, listed};
use super::{Container, ContainerOp, Discipline, Words, anomaly, not_empty, returned};
use serde_json::Value;

/// A priority queue of whole numbers: the smallest comes out first.
///
/// Nothing but whole numbers: of two elements with equal priority and different contents either
/// may come out, and a sequential specification with one outcome cannot say that.
pub type PriorityQueue = Container<SmallestFirst>;

/// The smallest comes out first.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmallestFirst;

/// How often each element is there.
type Counts = Map<Element, u32>;

impl Discipline for SmallestFirst {
    type State = Heap;

    const WORDS: Words = Words {
        a: "a priority queue",
        noun: "priority queue",
        put: ("insert", "inserted"),
        take: ("delete-min", "took the smallest,"),
    };

    fn admits(element: &Value) -> Result<(), String> {
        if element.is_i64() || element.is_u64() {
            return Ok(());
        }
        Err(format!("a priority queue holds whole numbers, not {element}"))
    }

    fn put(heap: &Heap, element: &Element) -> Heap {
        let count = heap.0.get(element).map_or(1, |count| count + 1);
        Heap(heap.0.with(element.clone(), count))
    }

    fn took(heap: &Heap, element: &Element) -> Result<Heap, Refusal> {
        match heap.0.first() {
            Some(smallest) if smallest == element => Ok(Self::take(heap)),
            Some(smallest) => Err(returned(element, smallest.to_string())),
            None => Err(returned(element, "nothing")),
        }
    }

    fn take(heap: &Heap) -> Heap {
        let Some(smallest) = heap.0.first() else { return heap.clone() };
        Heap(match heap.0.get(smallest) {
            Some(&count) if count > 1 => heap.0.with(smallest.clone(), count - 1),
            _ => heap.0.without(smallest),
        })
    }

    fn found_empty(heap: &Heap) -> Result<Heap, Refusal> {
        heap.0.first().map_or_else(|| Ok(heap.clone()), |smallest| Err(not_empty(smallest)))
    }

    fn show(heap: &Heap) -> String {
        let each = heap.0.iter().flat_map(|(element, &count)| std::iter::repeat_n(element, count as usize));
        listed("{", each, "}")
    }

    fn out_of_order(case: &Case<'_, ContainerOp>) -> Option<Anomaly> {
        anomaly::smaller_was_there(case)
    }
}

/// What is in a priority queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Heap(Counts);
