//! A well-mixed hash: what ranks and sums of hashes need, and the table's own hash does not give.

use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// 64 bits of which each depends on all of `what`.
pub(crate) fn digest(what: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    what.hash(&mut hasher);
    // The finalizer of SplitMix64 (Steele, Lea & Flood 2014).
    let mut x = hasher.finish().wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
