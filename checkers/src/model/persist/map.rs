//! A sorted map: a treap whose ranks are digests of its keys.
//!
//! Two maps with the same entries have the same shape, however they came about, so comparing
//! them stops at whatever they share. (Seidel & Aragon 1996.)

use super::digest;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A sorted map. A clone costs nothing; a change copies a path.
#[derive(Debug)]
pub(crate) struct Map<K, V>(Option<Arc<Node<K, V>>>);

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    value: V,
    rank: u64,
    left: Map<K, V>,
    right: Map<K, V>,
    len: usize,
    /// Sum over all entries.
    digest: u64,
}

impl<K: Ord + Hash + Clone, V: Eq + Hash + Clone> Map<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.len)
    }

    /// What a version of it holds that it does not share with the one that it was made from, roughly:
    /// a path, which is twice as long as in a tree that is balanced.
    pub(crate) fn path_bytes(&self) -> usize {
        2 * (usize::BITS - self.len().leading_zeros()) as usize * Self::NODE_BYTES
    }

    /// What it holds if it shares nothing.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * Self::NODE_BYTES
    }

    /// With the two counts that are kept with it.
    const NODE_BYTES: usize = size_of::<Node<K, V>>() + 2 * size_of::<usize>();

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let mut at = self;
        while let Some(node) = &at.0 {
            at = match key.cmp(&node.key) {
                Ordering::Equal => return Some(&node.value),
                Ordering::Less => &node.left,
                Ordering::Greater => &node.right,
            };
        }
        None
    }

    /// The smallest key.
    pub(crate) fn first(&self) -> Option<&K> {
        self.iter().next().map(|(key, _)| key)
    }

    /// Sorted by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut path = Vec::new();
        let mut below = self;
        std::iter::from_fn(move || {
            while let Some(node) = &below.0 {
                path.push(node);
                below = &node.left;
            }
            let node = path.pop()?;
            below = &node.right;
            Some((&node.key, &node.value))
        })
    }

    /// With `key` at `value`.
    pub(crate) fn with(&self, key: K, value: V) -> Self {
        let rank = digest(&key);
        self.insert(key, value, rank)
    }

    fn insert(&self, key: K, value: V, rank: u64) -> Self {
        let Some(node) = &self.0 else { return Self::node(key, value, rank, Self(None), Self(None)) };
        if key != node.key && (rank, &key) > (node.rank, &node.key) {
            let (left, right) = self.split(&key);
            return Self::node(key, value, rank, left, right);
        }
        match key.cmp(&node.key) {
            Ordering::Equal if value == node.value => self.clone(),
            Ordering::Equal => Self::node(key, value, rank, node.left.clone(), node.right.clone()),
            Ordering::Less => node.between(node.left.insert(key, value, rank), node.right.clone()),
            Ordering::Greater => node.between(node.left.clone(), node.right.insert(key, value, rank)),
        }
    }

    /// Without `key`.
    pub(crate) fn without(&self, key: &K) -> Self {
        let Some(node) = &self.0 else { return Self(None) };
        match key.cmp(&node.key) {
            Ordering::Equal => node.left.join(&node.right),
            Ordering::Less => node.between(node.left.without(key), node.right.clone()),
            Ordering::Greater => node.between(node.left.clone(), node.right.without(key)),
        }
    }

    /// What is before `key`, which is not in it, and what is after.
    fn split(&self, key: &K) -> (Self, Self) {
        let Some(node) = &self.0 else { return (Self(None), Self(None)) };
        if *key < node.key {
            let (before, after) = node.left.split(key);
            (before, node.between(after, node.right.clone()))
        } else {
            let (before, after) = node.right.split(key);
            (node.between(node.left.clone(), before), after)
        }
    }

    /// Both; everything in `self` is before everything in `after`.
    fn join(&self, after: &Self) -> Self {
        match (&self.0, &after.0) {
            (None, _) => after.clone(),
            (_, None) => self.clone(),
            (Some(a), Some(b)) if (a.rank, &a.key) > (b.rank, &b.key) => {
                a.between(a.left.clone(), a.right.join(after))
            }
            (_, Some(b)) => b.between(self.join(&b.left), b.right.clone()),
        }
    }

    fn node(key: K, value: V, rank: u64, left: Self, right: Self) -> Self {
        let sum = |part: &Self| part.0.as_ref().map_or(0, |node| node.digest);
        let digest = digest(&(&key, &value)).wrapping_add(sum(&left)).wrapping_add(sum(&right));
        let len = left.len() + right.len() + 1;
        Self(Some(Arc::new(Node { key, value, rank, left, right, len, digest })))
    }
}

impl<K: Ord + Hash + Clone, V: Eq + Hash + Clone> Node<K, V> {
    /// The same entry between other parts.
    fn between(&self, left: Map<K, V>, right: Map<K, V>) -> Map<K, V> {
        Map::node(self.key.clone(), self.value.clone(), self.rank, left, right)
    }
}

impl<K: Ord + Hash + Clone, V: Eq + Hash + Clone> FromIterator<(K, V)> for Map<K, V> {
    /// Of equal keys the last one counts. In one go, which takes a tenth of the time of one by one.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut sorted: Vec<(K, V)> = entries.into_iter().collect();
        sorted.reverse();
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        sorted.dedup_by(|later, first| later.0 == first.0);
        Self::from_sorted(sorted)
    }
}

/// An entry that is not yet part of a map, and the positions of what is below it.
struct Loose<K, V> {
    entry: Option<(K, V)>,
    rank: u64,
    left: Option<usize>,
    right: Option<usize>,
}

impl<K: Ord + Hash + Clone, V: Eq + Hash + Clone> Map<K, V> {
    fn from_sorted(sorted: Vec<(K, V)>) -> Self {
        let mut all: Vec<Loose<K, V>> = Vec::with_capacity(sorted.len());
        // From the top down along the right edge.
        let mut edge: Vec<usize> = Vec::new();
        for (at, entry) in sorted.into_iter().enumerate() {
            let rank = digest(&entry.0);
            let mut left = None;
            // Of equal ranks the greater key is on top, and this one is the greatest so far.
            while let Some(last) = edge.pop_if(|last| all[*last].rank <= rank) {
                left = Some(last);
            }
            if let Some(&above) = edge.last() {
                all[above].right = Some(at);
            }
            edge.push(at);
            all.push(Loose { entry: Some(entry), rank, left, right: None });
        }
        Self::join_loose(&mut all, edge.first().copied())
    }

    /// As deep as the map is, which is a logarithm.
    fn join_loose(all: &mut [Loose<K, V>], top: Option<usize>) -> Self {
        let Some(top) = top else { return Self(None) };
        let (left, right, rank) = (all[top].left, all[top].right, all[top].rank);
        let (left, right) = (Self::join_loose(all, left), Self::join_loose(all, right));
        let Some((key, value)) = all[top].entry.take() else { return Self(None) };
        Self::node(key, value, rank, left, right)
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K, V> Clone for Map<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq, V: Eq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                Arc::ptr_eq(a, b)
                    || (a.digest == b.digest
                        && a.len == b.len
                        && a.key == b.key
                        && a.value == b.value
                        && a.left == b.left
                        && a.right == b.right)
            }
            _ => false,
        }
    }
}

impl<K: Eq, V: Eq> Eq for Map<K, V> {}

impl<K, V> Hash for Map<K, V> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.as_ref().map_or(0, |node| node.digest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_sorted_map_and_its_shape_is_its_contents(
            steps in prop::collection::vec((0..40_u32, 0..3_u8, any::<bool>()), 0..200),
        ) {
            let mut map: Map<u32, u8> = Map::default();
            let mut plain = BTreeMap::new();
            for (key, value, puts) in steps {
                let before = (map.clone(), plain.clone());
                if puts {
                    map = map.with(key, value);
                    plain.insert(key, value);
                } else {
                    map = map.without(&key);
                    plain.remove(&key);
                }
                prop_assert!(before.0.iter().eq(before.1.iter()), "an old version changed");
                prop_assert_eq!(before.0 == map, before.1 == plain);
            }
            prop_assert!(map.iter().eq(plain.iter()));
            prop_assert_eq!((map.len(), map.first()), (plain.len(), plain.keys().next()));
            prop_assert!((0..40).all(|key| map.get(&key) == plain.get(&key)));
            let twice = plain.iter().chain(plain.iter().rev());
            let again: Map<u32, u8> = twice.map(|(&key, &value)| (key, value)).collect();
            prop_assert_eq!((&again, digest(&again)), (&map, digest(&map)));
        }
    }
}
