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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_a_list_says() {
        const PLACES: usize = 12;
        for step in [1, 5, 7, 11] {
            let (mut skip, mut left) = (Skip::new(PLACES), [true; PLACES]);
            for n in 0..PLACES {
                for at in 0..PLACES {
                    assert_eq!(skip.next(at), (at..PLACES).find(|&place| left[place]));
                }
                skip.remove(n * step % PLACES);
                left[n * step % PLACES] = false;
            }
            assert!((0..PLACES).all(|at| skip.next(at).is_none()));
        }
    }
}
