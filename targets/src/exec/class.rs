//! The words by which a program's errors are counted: it makes them up, so there may be any number of them.

use crate::ClientError;
use duress_checkers::history::class::{PANIC, PRECONDITION, PROTOCOL};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What is kept of all programs together; every further word is counted as [`OTHER`].
const MAX_CLASSES: usize = 48;
/// A longer word is a sentence.
const MAX_CHARS: usize = 32;
/// What has no word of its own.
pub(super) const OTHER: &str = "error";
/// Words that mean something to us: they are always known.
const OURS: [&str; 5] = [PRECONDITION, ClientError::REFUSED, ClientError::UNSTARTED, PROTOCOL, PANIC];

static CLASSES: Mutex<Classes> = Mutex::new(Classes(BTreeSet::new()));

/// The words there are.
struct Classes(BTreeSet<&'static str>);

impl Classes {
    fn known(&mut self, word: &str) -> &'static str {
        if let Some(class) = self.0.get(word).or_else(|| OURS.iter().find(|ours| **ours == word)) {
            return class;
        }
        if !is_class(word) || self.0.len() >= MAX_CLASSES {
            return OTHER;
        }
        let class: &'static str = Box::leak(word.into());
        self.0.insert(class);
        class
    }
}

/// Is this a word to count by: `refused`, `leader-changed`, `not_found`, `40001`?
pub(super) fn is_class(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    !text.is_empty() && text.len() <= MAX_CHARS && text.chars().all(fits)
}

/// The word, for as long as the process lives: the memory that this takes is bounded.
pub(crate) fn known(word: &str) -> &'static str {
    CLASSES.lock().unwrap_or_else(PoisonError::into_inner).known(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_up_to_a_number() {
        let mut classes = Classes(BTreeSet::new());
        assert_eq!(classes.known("leader-changed"), "leader-changed");
        for sentence in ["", "a b", "a: b", "ü", &"x".repeat(MAX_CHARS + 1)] {
            assert_eq!(classes.known(sentence), OTHER, "{sentence:?}");
        }
        let many = (0..2 * MAX_CLASSES).map(|n| classes.known(&format!("made-up-{n}")));
        assert!(many.collect::<BTreeSet<_>>().len() <= MAX_CLASSES);
        for word in ["leader-changed", PRECONDITION, ClientError::REFUSED] {
            assert_eq!(classes.known(word), word);
        }
        assert_eq!(classes.known("one-more"), OTHER);
    }
}
