//! Which of the open operations have taken effect: one bit per slot.
//!
//! A slot is reused as soon as its operation returned, so the width is the concurrency and not
//! the length of the history. One and two machine words cover nearly everything; [`Wide`] has
//! no limit.

use std::hash::{Hash, Hasher};

/// A set of slots.
pub(super) trait Mask: Clone + Eq + Hash {
    /// The empty set over `slots` slots.
    fn empty(slots: usize) -> Self;
    /// Is `slot` in it?
    fn has(&self, slot: u32) -> bool;
    /// Adds `slot`, which is not in it.
    fn set(&mut self, slot: u32);
    /// Takes out `slot`, which is in it.
    fn clear(&mut self, slot: u32);
    /// Bytes it owns elsewhere.
    fn heap_bytes(&self) -> usize {
        0
    }
}

macro_rules! word_mask {
    ($word:ty) => {
        impl Mask for $word {
            fn empty(slots: usize) -> Self {
                debug_assert!(slots <= <$word>::BITS as usize);
                0
            }
            fn has(&self, slot: u32) -> bool {
                self >> slot & 1 == 1
            }
            fn set(&mut self, slot: u32) {
                *self |= 1 << slot;
            }
            fn clear(&mut self, slot: u32) {
                *self &= !(1 << slot);
            }
        }
    };
}

/// Evaluates an expression with the narrowest mask type for so many slots.
macro_rules! by_width {
    ($slots:expr, $mask:ident => $body:expr) => {
        match $slots {
            0..=64 => {
                type $mask = u64;
                $body
            }
            65..=128 => {
                type $mask = u128;
                $body
            }
            _ => {
                type $mask = crate::linear::mask::Wide;
                $body
            }
        }
    };
}
pub(super) use by_width;

word_mask!(u64);
word_mask!(u128);

/// Any number of slots. Its hash is kept up to date bit by bit, equality looks at every word.
#[derive(Clone)]
pub(super) struct Wide {
    hash: u64,
    words: Box<[u64]>,
}

impl Mask for Wide {
    fn empty(slots: usize) -> Self {
        Self { hash: 0, words: vec![0; slots.div_ceil(64)].into_boxed_slice() }
    }

    fn has(&self, slot: u32) -> bool {
        self.words[slot as usize / 64].has(slot % 64)
    }

    fn set(&mut self, slot: u32) {
        self.words[slot as usize / 64].set(slot % 64);
        self.hash ^= scatter(slot);
    }

    fn clear(&mut self, slot: u32) {
        self.words[slot as usize / 64].clear(slot % 64);
        self.hash ^= scatter(slot);
    }

    fn heap_bytes(&self) -> usize {
        self.words.len() * 8
    }
}

impl PartialEq for Wide {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.words == other.words
    }
}

impl Eq for Wide {}

impl Hash for Wide {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A fixed random-looking word per slot (the finaliser of `SplitMix64`).
fn scatter(slot: u32) -> u64 {
    let mut x = (u64::from(slot) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustc_hash::FxBuildHasher;
    use std::hash::BuildHasher;

    fn walk<K: Mask>(slots: u32) {
        let mut mask = K::empty(slots as usize);
        for slot in 0..slots {
            assert!(!mask.has(slot));
            mask.set(slot);
        }
        for slot in (0..slots).step_by(2) {
            mask.clear(slot);
        }
        let expected: Vec<bool> = (0..slots).map(|slot| slot % 2 == 1).collect();
        assert_eq!((0..slots).map(|slot| mask.has(slot)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_width_is_a_set() {
        walk::<u64>(64);
        walk::<u128>(128);
        walk::<Wide>(1000);
    }

    #[test]
    fn the_running_hash_depends_on_the_set_and_not_on_its_history() {
        let (mut a, mut b) = (Wide::empty(300), Wide::empty(300));
        a.set(7);
        a.set(299);
        b.set(299);
        b.set(130);
        b.set(7);
        b.clear(130);
        assert!(a == b && a.hash == b.hash);
        b.clear(7);
        assert!(a != b);
    }

    #[test]
    fn the_words_per_slot_are_those_of_splitmix64() {
        // The first numbers it gives for the seed 0, as published.
        assert_eq!([scatter(0), scatter(1)], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn sets_whose_hashes_collide_are_told_apart() {
        // Of 65 words of 64 bits some cancel each other out. By lowest bit: a word, and whose sum it is.
        let mut by_lowest: Vec<Option<(u64, u128)>> = vec![None; 64];
        let cancelled = (0..65).find_map(|slot| {
            let (mut word, mut slots) = (scatter(slot), 1_u128 << slot);
            while word != 0 {
                let known = &mut by_lowest[word.trailing_zeros() as usize];
                let Some((other, others)) = *known else {
                    *known = Some((word, slots));
                    return None;
                };
                word ^= other;
                slots ^= others;
            }
            Some(slots)
        });
        let cancelled = cancelled.expect("more words than bits");
        let mut mask = Wide::empty(65);
        (0..65).filter(|slot| cancelled >> slot & 1 == 1).for_each(|slot| mask.set(slot));
        let (empty, mut full) = (Wide::empty(65), Wide::empty(65));
        full.set(3);
        assert!(FxBuildHasher.hash_one(&full) != FxBuildHasher.hash_one(&empty));
        assert!(mask.hash == empty.hash && mask.words != empty.words && mask != empty);
        assert_eq!(mask.heap_bytes(), 16);
        assert_eq!((u64::empty(64).heap_bytes(), Wide::empty(64).heap_bytes()), (0, 8));
    }
}
