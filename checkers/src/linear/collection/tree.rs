//! Questions about a range of places: the smallest key in it, the first place that nothing covers.

/// No key.
pub(super) const ABSENT: i64 = i64::MAX;

/// Keys at places, of which some are absent.
pub(super) struct Smallest {
    /// As in a heap: each node has the smaller of its two children, the leaves are the second half.
    nodes: Vec<(i64, u32)>,
}

impl Smallest {
    pub(super) fn new(keys: impl ExactSizeIterator<Item = i64>) -> Self {
        let len = keys.len();
        let mut nodes = vec![(ABSENT, 0); 2 * len];
        for (place, key) in (0..).zip(keys) {
            nodes[len + place as usize] = (key, place);
        }
        for node in (1..len).rev() {
            nodes[node] = nodes[2 * node].min(nodes[2 * node + 1]);
        }
        Self { nodes }
    }

    pub(super) fn set(&mut self, place: usize, key: i64) {
        let mut node = self.nodes.len() / 2 + place;
        self.nodes[node].0 = key;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
        }
    }

    /// The smallest key from `from` up to, not including, `to`, and its place.
    pub(super) fn within(&self, from: usize, to: usize) -> Option<(i64, usize)> {
        let half = self.nodes.len() / 2;
        let (mut left, mut right) = (half + from, half + to);
        let mut best = (ABSENT, 0);
        while left < right {
            if left % 2 == 1 {
                best = best.min(self.nodes[left]);
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                best = best.min(self.nodes[right]);
            }
            left /= 2;
            right /= 2;
        }
        (best.0 != ABSENT).then_some((best.0, best.1 as usize))
    }
}

/// How often each place is covered.
pub(super) struct Coverage {
    /// The least of all places below a node, less what covers a node above it wholly; leaves are the
    /// second half, whose length is a power of two.
    least: Vec<i32>,
}

impl Coverage {
    /// Places from 0 with these numbers.
    pub(super) fn new(numbers: &[i32]) -> Self {
        let half = numbers.len().next_power_of_two();
        // Places that are none are never free.
        let mut least = vec![i32::MAX / 2; 2 * half];
        least[half..half + numbers.len()].copy_from_slice(numbers);
        for node in (1..half).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        // From here on a node has the difference to the node above.
        for node in (2..2 * half).rev() {
            least[node] -= least[node / 2];
        }
        Self { least }
    }

    /// Takes one away from all places from `from` up to, not including, `to`.
    pub(super) fn uncover(&mut self, from: usize, to: usize) {
        let half = self.least.len() / 2;
        let (mut left, mut right) = (half + from, half + to);
        let (first, last) = (left, right - 1);
        while left < right {
            if left % 2 == 1 {
                self.least[left] -= 1;
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                self.least[right] -= 1;
            }
            left /= 2;
            right /= 2;
        }
        self.level(first);
        self.level(last);
    }

    /// Makes differences above a leaf right again: the smaller of two is zero.
    fn level(&mut self, leaf: usize) {
        let mut node = leaf;
        while node > 1 {
            let least = self.least[node].min(self.least[node ^ 1]);
            self.least[node] -= least;
            self.least[node ^ 1] -= least;
            node /= 2;
            self.least[node] += least;
        }
    }

    /// The first place from `from` up to, not including, `to` that nothing covers.
    pub(super) fn first_free(&self, from: usize, to: usize) -> Option<usize> {
        let half = self.least.len() / 2;
        if from >= to {
            return None;
        }
        // Up from the leaf until something to the right can be free, then down again.
        let covers = |node: usize| {
            let (mut node, mut sum) = (node, 0);
            while node >= 1 {
                sum += self.least[node];
                node /= 2;
            }
            sum
        };
        let mut node = half + from;
        let mut number = covers(node);
        loop {
            if number == 0 {
                break;
            }
            // The next subtree to the right: after the last right child.
            while node % 2 == 1 {
                number -= self.least[node];
                node /= 2;
                if node <= 1 {
                    return None;
                }
            }
            number += self.least[node + 1] - self.least[node];
            node += 1;
            let begins = (node << (half.ilog2() - node.ilog2())) - half;
            if begins >= to {
                return None;
            }
        }
        while node < half {
            node *= 2;
            if self.least[node] != 0 {
                node += 1;
            }
        }
        Some(node - half).filter(|&place| place < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn they_say_what_a_list_says(
            keys in prop::collection::vec(0..5_i64, 1..40),
            steps in prop::collection::vec((any::<bool>(), 0..40_usize, 0..40_usize, 0..6_i64), 1..60),
        ) {
            let len = keys.len();
            let mut keys = keys;
            let mut numbers: Vec<i32> = keys.iter().map(|&key| i32::try_from(key).expect("small")).collect();
            let mut smallest = Smallest::new(keys.iter().copied());
            let mut coverage = Coverage::new(&numbers);
            for (change, one, other, key) in steps {
                let (from, to) = ((one % len).min(other % len), (one % len).max(other % len) + 1);
                if change {
                    keys[from] = if key == 5 { ABSENT } else { key };
                    smallest.set(from, keys[from]);
                    if numbers[from..to].iter().all(|&number| number > 0) {
                        numbers[from..to].iter_mut().for_each(|number| *number -= 1);
                        coverage.uncover(from, to);
                    }
                }
                let least = (from..to).map(|at| (keys[at], at)).min().filter(|&(key, _)| key != ABSENT);
                prop_assert_eq!(smallest.within(from, to), least);
                prop_assert_eq!(coverage.first_free(from, to), (from..to).find(|&at| numbers[at] == 0));
            }
        }
    }
}
