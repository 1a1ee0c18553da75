//! The operations on a container by number: which element each of them is about.

use crate::model::{ContainerOp, Element, FirstOut};
use rustc_hash::FxHashMap;

/// What one class of operations does to a container. Elements by number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    /// Puts this in.
    Put(u32),
    /// This came out.
    Took(u32),
    /// Something may have come out.
    Take,
    /// Finds it empty.
    Empty,
}

/// All classes of one key.
pub(in crate::linear) struct Contents {
    pub(super) first_out: FirstOut,
    /// What is in it at first.
    pub(super) initial: Vec<u32>,
    by_class: Vec<Does>,
    /// By element: how many are smaller. Only where the smallest comes out.
    ranks: Vec<u32>,
    elements: usize,
}

impl Contents {
    /// Of so many classes. `None` when some class is no operation of a container.
    pub(in crate::linear) fn new(
        (first_out, initial): (FirstOut, &[Element]),
        classes: usize,
        op: &dyn Fn(usize) -> Option<ContainerOp>,
    ) -> Option<Self> {
        let mut known: FxHashMap<Element, u32> = FxHashMap::default();
        let mut number = |element: &Element| {
            let next = known.len();
            let next = u32::try_from(next).expect("no more elements than operations");
            *known.entry(element.clone()).or_insert(next)
        };
        let initial = initial.iter().map(&mut number).collect();
        let by_class = (0..classes)
            .map(|class| {
                Some(match op(class)? {
                    ContainerOp::Put(element) => Does::Put(number(&element)),
                    ContainerOp::Took(element) => Does::Took(number(&element)),
                    ContainerOp::Take => Does::Take,
                    ContainerOp::Empty => Does::Empty,
                })
            })
            .collect::<Option<Vec<Does>>>()?;
        let elements = known.len();
        let ranks = if first_out == FirstOut::Smallest { ranks(known) } else { Vec::new() };
        Some(Self { first_out, initial, by_class, ranks, elements })
    }

    pub(super) fn of(&self, class: u32) -> Does {
        self.by_class[class as usize]
    }

    pub(super) fn rank(&self, element: u32) -> u32 {
        self.ranks.get(element as usize).copied().unwrap_or_default()
    }

    /// How many elements there are; numbers are below it.
    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    pub(in crate::linear) fn bytes(&self) -> usize {
        self.by_class.capacity() * size_of::<Does>() + (self.ranks.capacity() + self.initial.capacity()) * 4
    }
}

fn ranks(known: FxHashMap<Element, u32>) -> Vec<u32> {
    let mut ranks = vec![0; known.len()];
    let mut sorted: Vec<(Element, u32)> = known.into_iter().collect();
    sorted.sort_unstable();
    for (rank, (_, element)) in (0..).zip(sorted) {
        ranks[element as usize] = rank;
    }
    ranks
}
