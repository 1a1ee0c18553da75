//! A list that grows and shrinks at its end.
//!
//! Every item knows the one before it, and one further back, so that any position is found in
//! a logarithm of steps (Myers 1983). The digest of a prefix is kept with its last item: whether
//! two long lists differ is seen without walking them.

use super::{Element, digest};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Odd, so that multiplying loses nothing.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A list. A clone costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    item: Element,
    before: Chain,
    further: Chain,
    len: usize,
    /// Of everything up to and with this.
    digest: u64,
}

impl Chain {
    /// What a list holds that it does not share with the one that it was made from, roughly.
    pub(crate) const LINK_BYTES: usize = size_of::<Link>() + 2 * size_of::<usize>();

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.len)
    }

    pub(crate) fn last(&self) -> Option<&Element> {
        self.0.as_ref().map(|link| &link.item)
    }

    /// With `item` at its end.
    pub(crate) fn with(&self, item: Element) -> Self {
        // Strides double as long as the last two were equal.
        let further = match &self.0 {
            Some(last) if last.len - last.further.len() == last.further.len() - last.further.stride_end() => {
                last.further.0.as_ref().map(|link| link.further.clone()).unwrap_or_default()
            }
            _ => self.clone(),
        };
        let digest = self.digest().wrapping_mul(BASE).wrapping_add(digest(&item));
        Self(Some(Arc::new(Link { item, before: self.clone(), further, len: self.len() + 1, digest })))
    }

    /// Where the stride from the last item ends.
    fn stride_end(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.further.len())
    }

    /// Without its last item.
    pub(crate) fn shorter(&self) -> Self {
        self.0.as_ref().map(|link| link.before.clone()).unwrap_or_default()
    }

    /// The item at a position from 0.
    pub(crate) fn get(&self, at: usize) -> Option<&Element> {
        if at < self.len() { self.prefix(at + 1).last() } else { None }
    }

    /// The first `len` items, of which there are as many.
    fn prefix(&self, len: usize) -> &Self {
        let mut at = self;
        while let Some(link) = at.0.as_ref().filter(|link| link.len > len) {
            at = if link.further.len() >= len { &link.further } else { &link.before };
        }
        at
    }

    /// From position `from` to the end, the last item first.
    pub(crate) fn back_to(&self, from: usize) -> impl Iterator<Item = &Element> {
        let mut at = self;
        std::iter::from_fn(move || {
            let link = at.0.as_ref().filter(|link| link.len > from)?;
            at = &link.before;
            Some(&link.item)
        })
    }

    fn digest(&self) -> u64 {
        self.0.as_ref().map_or(0, |link| link.digest)
    }

    /// A digest of what follows the first `from` items.
    pub(crate) fn digest_from(&self, from: usize) -> u64 {
        let before = self.prefix(from).digest();
        let len = u32::try_from(self.len() - from).expect("a history has fewer than 2^32 operations");
        let shift = BASE.wrapping_pow(len);
        self.digest().wrapping_sub(before.wrapping_mul(shift))
    }

    /// Is what follows the first `from` items of this what follows the first `other_from` of `other`?
    pub(crate) fn same_from(&self, from: usize, other: &Self, other_from: usize) -> bool {
        if self.len() - from != other.len() - other_from {
            return false;
        }
        let (mut a, mut b) = (self, other);
        while let (Some(x), Some(y)) = (&a.0, &b.0) {
            if a.len() == from || (Arc::ptr_eq(x, y) && from == other_from) {
                return true;
            }
            if x.item != y.item {
                return false;
            }
            (a, b) = (&x.before, &y.before);
        }
        true
    }
}

impl FromIterator<Element> for Chain {
    fn from_iter<I: IntoIterator<Item = Element>>(items: I) -> Self {
        items.into_iter().fold(Self::default(), |chain, item| chain.with(item))
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest() && self.same_from(0, other, 0)
    }
}

impl Eq for Chain {}

impl Hash for Chain {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.digest());
    }
}

impl Drop for Link {
    /// One after the other: a long list must not use up the stack.
    fn drop(&mut self) {
        // While what is before lives, `further` is not the last to point where it points.
        self.further.0 = None;
        let mut next = self.before.0.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            link.further.0 = None;
            next = link.before.0.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn item(n: u64) -> Element {
        Element::from(&json!(n))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_list(steps in prop::collection::vec((0..3_u64, 0..4_u8), 0..150), from in any::<prop::sample::Index>()) {
            let mut chain = Chain::default();
            let mut plain: Vec<Element> = Vec::new();
            for (value, step) in steps {
                if step == 0 {
                    chain = chain.shorter();
                    plain.pop();
                } else {
                    chain = chain.with(item(value));
                    plain.push(item(value));
                }
            }
            prop_assert_eq!((chain.len(), chain.last()), (plain.len(), plain.last()));
            prop_assert!((0..plain.len() + 2).all(|at| chain.get(at) == plain.get(at)));
            let from = from.index(plain.len() + 1);
            prop_assert!(chain.back_to(from).eq(plain[from..].iter().rev()));
            let tail: Chain = plain[from..].iter().cloned().collect();
            prop_assert_eq!(chain.digest_from(from), tail.digest());
            prop_assert!(chain.same_from(from, &tail, 0));
            prop_assert_eq!(chain == tail, plain[..] == plain[from..]);
            let other = tail.with(item(9)).with(item(9));
            prop_assert!(!chain.same_from(from, &other, 0) && !other.same_from(0, &chain, from));
        }
    }

    #[test]
    fn a_long_list_goes_away_without_the_stack() {
        let chain: Chain = (0..300_000).map(item).collect();
        assert_eq!(chain.get(123_456), Some(&item(123_456)));
        drop(chain);
    }
}
