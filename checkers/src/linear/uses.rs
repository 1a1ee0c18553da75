//! How many optional operations of each class a configuration has used, by number.
//!
//! A vector of counts would be as long as the number of classes, which is in the thousands
//! after a bad run, while a configuration uses a handful. So the non-zero counts are kept,
//! once each.

use rustc_hash::FxHashMap;

/// Nothing used.
pub(super) const NONE: u32 = 0;

/// Class and count, by class.
type Counts = Box<[(u32, u32)]>;

/// The use counts met so far.
pub(super) struct Uses {
    ids: FxHashMap<Counts, u32>,
    counts: Vec<Counts>,
    /// What became of a number when one more of a class was used.
    after: FxHashMap<(u32, u32), u32>,
    bytes: usize,
}

impl Uses {
    pub(super) fn new() -> Self {
        let nothing = Counts::default();
        Self {
            ids: FxHashMap::from_iter([(nothing.clone(), NONE)]),
            counts: vec![nothing],
            after: FxHashMap::default(),
            bytes: 0,
        }
    }

    /// How many of `class` are used.
    pub(super) fn count(&self, uses: u32, class: u32) -> u32 {
        let counts = &self.counts[uses as usize];
        counts.binary_search_by_key(&class, |&(c, _)| c).map_or(0, |at| counts[at].1)
    }

    /// One more of `class`.
    pub(super) fn plus(&mut self, uses: u32, class: u32) -> u32 {
        if let Some(&id) = self.after.get(&(uses, class)) {
            return id;
        }
        let id = self.plus_new(uses, class);
        self.after.insert((uses, class), id);
        id
    }

    fn plus_new(&mut self, uses: u32, class: u32) -> u32 {
        let mut counts = self.counts[uses as usize].to_vec();
        match counts.binary_search_by_key(&class, |&(c, _)| c) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (class, 1)),
        }
        let counts = counts.into_boxed_slice();
        if let Some(&id) = self.ids.get(&counts) {
            return id;
        }
        let id = u32::try_from(self.counts.len()).expect("memory ends before 2^32 use counts");
        self.bytes += 2 * (size_of_val(&*counts) + 2 * size_of::<Counts>());
        self.counts.push(counts.clone());
        self.ids.insert(counts, id);
        id
    }

    /// What comparing with these takes, in steps.
    pub(super) fn work(&self, uses: u32) -> u64 {
        1 + self.counts[uses as usize].len() as u64 / 4
    }

    /// Does `a` use no more of anything than `b`?
    pub(super) fn at_most(&self, a: u32, b: u32) -> bool {
        if a == b || a == NONE {
            return true;
        }
        let (a, b) = (&self.counts[a as usize], &self.counts[b as usize]);
        a.len() <= b.len() && {
            let mut rest = b.iter();
            a.iter().all(|&(class, n)| rest.any(|&(c, m)| c == class && n <= m))
        }
    }

    pub(super) fn bytes(&self) -> usize {
        // One control byte per bucket, and an eighth of the buckets stays empty.
        self.bytes + self.after.capacity() * 8 / 7 * (size_of::<((u32, u32), u32)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_compare_class_by_class() {
        let mut uses = Uses::new();
        let one = uses.plus(NONE, 7);
        let two = uses.plus(one, 7);
        let mixed = uses.plus(one, 3);
        assert_eq!((uses.count(two, 7), uses.count(two, 3), uses.count(mixed, 3)), (2, 0, 1));
        assert!(uses.at_most(NONE, one) && uses.at_most(one, two) && uses.at_most(one, mixed));
        assert!(!uses.at_most(two, mixed) && !uses.at_most(mixed, two) && !uses.at_most(one, NONE));
        let other_way = uses.plus(NONE, 3);
        assert_eq!(uses.plus(other_way, 7), mixed);
    }
}
