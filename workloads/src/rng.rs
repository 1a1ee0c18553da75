//! Seeded random numbers that stay the same from version to version.
//!
//! Streams are split by label, so that drawing one more value for the clients cannot move a
//! fault. Ranges are computed here rather than by a library, since libraries change their
//! algorithms between versions and a seed has to mean the same run next year.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: u64,
    chacha: ChaCha8Rng,
}

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, chacha: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// An independent stream, determined by this one's seed and the label alone.
    pub fn split(&self, label: &str) -> Self {
        // FNV-1a: stable and short; ChaCha does the mixing.
        let hash = label
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self::new(self.seed.rotate_left(17) ^ hash)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.chacha.next_u64()
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // Multiply-shift (Lemire 2019) without the rejection step: the bias is below n / 2^64.
        u64::try_from((u128::from(self.bits()) * u128::from(n)) >> 64).unwrap_or(0)
    }

    /// A position in a list of `n`; 0 when it is empty.
    pub fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap_or(0)
    }

    /// A number in `low..high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// Puts a list in random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}
