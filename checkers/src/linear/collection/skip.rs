//! Which places are left when some are removed: the next one in a step or two.

/// Places from 0, less those that were removed.
pub(super) struct Skip {
    /// Each place points to itself, or if it is removed to some later one; one more at the end.
    next: Vec<u32>,
}

impl Skip {
    pub(super) fn new(places: usize) -> Self {
        let places = u32::try_from(places).expect("a history has fewer than 2^32 operations");
        Self { next: (0..=places).collect() }
    }

    /// The first place left that is not before `at`.
    pub(super) fn next(&mut self, at: usize) -> Option<usize> {
        let mut found = at;
        while self.next[found] as usize != found {
            // Halves the way for whoever comes next.
            self.next[found] = self.next[self.next[found] as usize];
            found = self.next[found] as usize;
        }
        (found + 1 < self.next.len()).then_some(found)
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.next[at] += 1;
    }
}
