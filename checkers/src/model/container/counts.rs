//! Elements, sorted, and how often each is there.

use super::super::persist::{Element, Map};

/// A multiset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Counts {
    each: Map<Element, u32>,
    len: usize,
}

impl Counts {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The smallest.
    pub(super) fn first(&self) -> Option<&Element> {
        self.each.first()
    }

    /// With one more of `element`.
    pub(super) fn with(&self, element: &Element) -> Self {
        let count = self.each.get(element).map_or(1, |count| count + 1);
        Self { each: self.each.with(element.clone(), count), len: self.len + 1 }
    }

    /// With one less of `element`, if it is there.
    pub(super) fn without(&self, element: &Element) -> Option<Self> {
        let each = match self.each.get(element)? {
            1 => self.each.without(element),
            count => self.each.with(element.clone(), count - 1),
        };
        Some(Self { each, len: self.len - 1 })
    }

    /// Each as often as it is there.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Element> {
        self.each.iter().flat_map(|(element, &count)| std::iter::repeat_n(element, count as usize))
    }
}
