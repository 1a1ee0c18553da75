//! Seeded random numbers that stay the same from version to version.
//!
//! Streams are split by label, so that drawing one more value for the clients cannot move a
//! fault. Only ChaCha itself, a published cipher, comes from a library: seeding, ranges and
//! distributions are computed here in whole numbers, since libraries change their algorithms
//! between versions and a seed has to mean the same run next year, on every machine.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: u64,
    chacha: ChaCha8Rng,
}

/// Exponential draws are cut off at this many times their mean; the chance is below 1e-27.
const EXPONENTIAL_MAX: u64 = 64;

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut key = [0; 32];
        for word in key.chunks_exact_mut(8) {
            word.copy_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        Self { seed, chacha: ChaCha8Rng::from_seed(key) }
    }

    /// An independent stream, determined by this one's seed and the label alone: not by what
    /// has been drawn from this one.
    pub fn split(&self, label: &str) -> Self {
        // FNV-1a: stable and short. The mixing between keeps `split(a).split(b)` apart from
        // `split(b).split(a)` and from every single label.
        let hash = label
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let mut state = self.seed;
        Self::new(split_mix(&mut state) ^ hash)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.chacha.next_u64()
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // Multiply-shift (Lemire 2019) without the rejection step: the bias is below n / 2^64.
        high_word(u128::from(self.bits()) * u128::from(n))
    }

    /// A position in a list of `n`; 0 when it is empty.
    pub fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap_or(0)
    }

    /// A number in `low..high`; `low` when that is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// The time to the next arrival of a Poisson process, when arrivals are `mean` apart.
    ///
    /// Von Neumann's method (1951): it only compares uniform numbers. A logarithm would be
    /// shorter, but its last bit differs between platforms.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        for whole in 0..EXPONENTIAL_MAX {
            let first = self.bits();
            let (mut last, mut falling) = (first, 1_u64);
            loop {
                let next = self.bits();
                if next >= last {
                    break;
                }
                (last, falling) = (next, falling + 1);
            }
            if falling % 2 == 1 {
                let fraction = high_word(u128::from(first) * u128::from(mean));
                return mean.saturating_mul(whole).saturating_add(fraction);
            }
        }
        mean.saturating_mul(EXPONENTIAL_MAX)
    }

    /// A position in `weights`, each as likely as its share; 0 when they sum to 0.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut draw = self.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if draw < *weight {
                return at;
            }
            draw -= weight;
        }
        0
    }

    /// Puts a list in random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn high_word(product: u128) -> u64 {
    u64::try_from(product >> 64).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Rng;
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, prop_assert_ne, proptest};

    fn first(mut rng: Rng) -> [u64; 3] {
        [rng.bits(), rng.bits(), rng.bits()]
    }

    /// The words come from a ChaCha8 and SplitMix64 written anew in another language.
    /// A change here changes what every recorded seed means: `CHANGELOG.md` has to say so.
    #[test]
    fn values_stay_the_same_from_version_to_version() {
        assert_eq!(first(Rng::new(0)), [0xbf94_d133_2d8e_e5e8, 0x3a73_8775_a6da_5a01, 0x3d46_ff10_c143_ee06]);
        assert_eq!(
            first(Rng::new(42)),
            [0x3115_9ef9_87c9_1afc, 0x1755_9844_b416_9001, 0xf7d0_afbf_9ad9_a69f]
        );
        assert_eq!(
            first(Rng::new(u64::MAX)),
            [0x167f_ca9c_60ef_8644, 0xf792_fa24_f2f8_3696, 0x71e8_f282_dbcb_e0b1]
        );
        assert_eq!(
            first(Rng::new(42).split("values")),
            [0x4717_42a1_fd87_ed32, 0x232c_0676_2db6_785d, 0xc650_223e_2fd4_b567]
        );
        assert_eq!(
            first(Rng::new(42).split("faults")),
            [0xbb28_bc55_4f3c_53c7, 0x30f9_04c3_c20b_66a0, 0xa20b_94c7_7d9a_5ac0]
        );
        assert_eq!(
            first(Rng::new(42).split("faults").split("n1")),
            [0x6b47_edfd_c86c_6700, 0x46f6_355c_b00a_0d5f, 0x5c44_9126_3b95_2ba8]
        );
        let mut rng = Rng::new(7);
        let drawn = (rng.below(1_000), rng.between(10, 20), rng.index(5), rng.exponential(1_000_000));
        assert_eq!(drawn, (400, 17, 2, 67065));
        let mut cards: Vec<u8> = (0..8).collect();
        rng.shuffle(&mut cards);
        assert_eq!(cards, [3, 2, 0, 5, 7, 6, 4, 1]);
        assert_eq!((0..8).map(|_| rng.weighted(&[1, 0, 3])).collect::<Vec<_>>(), [2, 2, 2, 2, 0, 0, 2, 0]);
    }

    #[test]
    fn empty_ranges_do_not_panic() {
        let mut rng = Rng::new(0);
        assert_eq!((rng.below(0), rng.index(0), rng.between(9, 9), rng.between(9, 3)), (0, 0, 9, 9));
        assert_eq!((rng.weighted(&[]), rng.weighted(&[0, 0]), rng.exponential(0)), (0, 0, 0));
        rng.shuffle::<u8>(&mut []);
    }

    #[test]
    fn exponential_draws_have_the_right_shape() {
        let mut rng = Rng::new(5);
        let (n, mean) = (100_000_u32, 1_000_000_u64);
        let draws: Vec<u64> = (0..n).map(|_| rng.exponential(mean)).collect();
        let average = draws.iter().sum::<u64>() / u64::from(n);
        // Four standard deviations of the average: 1.3 %.
        assert!((987_000..1_013_000).contains(&average), "{average}");
        for (times, expected) in [(1_u64, 0.367_879), (2, 0.135_335), (4, 0.018_316)] {
            let beyond = draws.iter().filter(|draw| **draw > times * mean).count();
            let share = f64::from(u32::try_from(beyond).unwrap()) / f64::from(n);
            assert!((share - expected).abs() < 0.007, "{share} beyond {times} means, not {expected}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn draws_stay_in_their_range(seed: u64, n in 1..u64::MAX, low: u64, len in 1..100_usize) {
            let mut rng = Rng::new(seed);
            prop_assert!(rng.below(n) < n);
            prop_assert!(rng.index(len) < len);
            let high = low.saturating_add(n);
            prop_assert!((low..=high).contains(&rng.between(low, high)));
            let mut items: Vec<usize> = (0..len).collect();
            rng.shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..len).collect::<Vec<_>>());
        }

        #[test]
        fn a_split_depends_on_seed_and_label_alone(seed: u64, drawn in 0..9_usize, a in "[a-z]{0,9}", b in "[a-z]{0,9}") {
            let mut used = Rng::new(seed);
            for _ in 0..drawn {
                used.bits();
            }
            prop_assert_eq!(first(used.split(&a)), first(Rng::new(seed).split(&a)));
            prop_assert_ne!(first(used.split(&a)), first(Rng::new(seed)));
            prop_assert_ne!(first(used.split(&a)), first(Rng::new(seed.wrapping_add(1)).split(&a)));
            if a != b {
                prop_assert_ne!(first(used.split(&a)), first(used.split(&b)));
                prop_assert_ne!(first(used.split(&a).split(&b)), first(used.split(&b).split(&a)));
            }
        }
    }
}
