//! The few of many things that are enough to fail: Zeller's `ddmin`.
//!
//! "Simplifying and Isolating Failure-Inducing Input" (Zeller and Hildebrandt, TSE 2002). Not here: what
//! the things are, and how one learns whether some of them fail.

/// Some of `items`, in their order, which fail and of which no single one can be left out: not the fewest
/// there are, but none too many. `fails` is asked about parts of `items`, never about all and never about
/// none, and each part only once unless a smaller one was taken meanwhile. Items that fail together are
/// taken for granted: whoever asks knows it.
///
/// Takes n² questions at the most, and n log n where few items matter.
///
/// # Errors
/// What `fails` answers with; the search ends there.
///
/// ```
/// use duress_checkers::ddmin;
/// let fails = |some: &[u32]| Ok::<_, ()>(some.contains(&3) && some.contains(&7));
/// assert_eq!(ddmin(&[1, 2, 3, 4, 5, 6, 7, 8], fails), Ok(vec![3, 7]));
/// ```
pub fn ddmin<T: Clone, E>(items: &[T], mut fails: impl FnMut(&[T]) -> Result<bool, E>) -> Result<Vec<T>, E> {
    let mut left = items.to_vec();
    let mut parts = 2;
    while left.len() > 1 {
        let size = left.len().div_ceil(parts);
        let chunks: Vec<Vec<T>> = left.chunks(size).map(<[T]>::to_vec).collect();
        let mut smaller = None;
        for chunk in &chunks {
            if fails(chunk)? {
                smaller = Some((chunk.clone(), 2));
                break;
            }
        }
        // With two parts, what is left without the one is the other.
        if smaller.is_none() && chunks.len() > 2 {
            for at in 0..chunks.len() {
                let others = chunks.iter().enumerate().filter(|(other, _)| *other != at);
                let rest: Vec<T> = others.flat_map(|(_, chunk)| chunk.clone()).collect();
                if fails(&rest)? {
                    smaller = Some((rest, (chunks.len() - 1).max(2)));
                    break;
                }
            }
        }
        match smaller {
            Some((taken, next)) => {
                left = taken;
                parts = next;
            }
            None if size == 1 => break,
            None => parts = (2 * parts).min(left.len()),
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::ddmin;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    proptest! {
        #[test]
        fn exactly_what_is_needed_is_left(
            n in 1usize..60,
            needed in proptest::collection::btree_set(0usize..60, 1..6),
        ) {
            let needed: BTreeSet<usize> = needed.into_iter().map(|item| item % n).collect();
            let items: Vec<usize> = (0..n).collect();
            let mut asked = 0;
            let left = ddmin(&items, |some: &[usize]| {
                asked += 1;
                assert!(!some.is_empty() && some.len() < n);
                Ok::<_, Infallible>(needed.iter().all(|item| some.contains(item)))
            });
            let Ok(left) = left;
            prop_assert_eq!(left, needed.into_iter().collect::<Vec<_>>());
            prop_assert!(asked <= n * n + n);
        }

        /// Any oracle, also one where more need not fail: nothing that is left can be left out alone.
        #[test]
        fn no_single_one_can_be_left_out(n in 2usize..16, seed in any::<u64>()) {
            let all: Vec<usize> = (0..n).collect();
            let fails = |some: &[usize]| {
                let bits = some.iter().fold(0u64, |bits, item| bits | 1 << item);
                let mixed = (bits ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
                some.len() == n || mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 62 == 0
            };
            let Ok(left) = ddmin(&all, |some: &[usize]| Ok::<_, Infallible>(fails(some)));
            prop_assert!(fails(&left));
            for at in 0..left.len() {
                let mut fewer = left.clone();
                fewer.remove(at);
                prop_assert!(fewer.is_empty() || !fails(&fewer));
            }
        }
    }

    #[test]
    fn an_error_ends_it() {
        assert_eq!(ddmin(&[1, 2, 3], |_| Err("enough")), Err("enough"));
        assert_eq!(ddmin(&[1], |_: &[u8]| Err("not asked")), Ok(vec![1]));
    }
}
