//! Numbers for things that are kept elsewhere: equal things get equal numbers.
//!
//! A hash map would own a second copy of each thing; with a million different values that copy is
//! most of what a check holds. Here a thing costs about 16 bytes, wherever it lies.

/// Slots before anything is in the table; a power of two.
const FIRST_SLOTS: usize = 16;

const FREE: u32 = u32::MAX;

/// A table from hashes to numbers, counted from 0.
pub(super) struct Numbers {
    /// Half of a hash, and a number or `FREE`. Never more than three quarters full.
    slots: Vec<(u32, u32)>,
    len: u32,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self { slots: vec![(0, FREE); FIRST_SLOTS], len: 0 }
    }

    /// The number of the thing with this hash for which `is` says yes, or the next free one.
    pub(super) fn number(&mut self, hash: u64, mut is: impl FnMut(u32) -> bool) -> u32 {
        if self.slots.len() * 3 / 4 <= self.len as usize {
            self.grow();
        }
        let tag = hash as u32;
        let mask = self.slots.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let (other, number) = self.slots[at];
            if number == FREE {
                self.slots[at] = (tag, self.len);
                self.len += 1;
                return self.len - 1;
            }
            if other == tag && is(number) {
                return number;
            }
            at = (at + 1) & mask;
        }
    }

    /// Looks where things with these hashes would be, for nothing but having been there: the next look
    /// is faster, and one after the other waits less.
    pub(super) fn touch<'a>(hashes: impl Iterator<Item = (&'a Self, u64)>) {
        let tag =
            |(numbers, hash): (&Self, u64)| numbers.slots[hash as u32 as usize & (numbers.slots.len() - 1)].0;
        std::hint::black_box(hashes.map(tag).fold(0, |one, other| one ^ other));
    }

    /// How many numbers were given out.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(u32, u32)>()
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![(0, FREE); old.len() * 2];
        let mask = self.slots.len() - 1;
        for (tag, number) in old.into_iter().filter(|&(_, number)| number != FREE) {
            let mut at = tag as usize & mask;
            while self.slots[at].1 != FREE {
                at = (at + 1) & mask;
            }
            self.slots[at] = (tag, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_things_get_equal_numbers_even_where_hashes_collide() {
        let mut numbers = Numbers::new();
        let mut kept: Vec<u64> = Vec::new();
        for round in 0..2 {
            for thing in 0..1_000_u64 {
                // Seven things share each hash.
                let hash = thing / 7;
                let number = numbers.number(hash, |number| kept[number as usize] == thing);
                if round == 0 {
                    assert_eq!(number as usize, kept.len());
                    kept.push(thing);
                }
                assert_eq!(kept[number as usize], thing);
            }
        }
        assert_eq!(numbers.len(), 1_000);
    }
}
