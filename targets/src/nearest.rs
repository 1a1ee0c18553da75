//! What may have been meant by a word that nobody knows, such as a name with a slip of the finger in it.

use strsim::osa_distance;

/// Words that are offered one by one when none is close. More of them are a wall, and not an answer.
const FEW: usize = 12;

/// Most times that a slip puts a letter in, takes one out, replaces one, or exchanges two beside each other.
const SLIP: usize = 2;

/// Fewest letters that are enough to begin a word with.
const BEGINNING: usize = 3;

/// What to do about `word`, where one of `known` is expected: the one that may have been meant, or a choice
/// of few. `all` says where there is a list of many: "`duress list faults`".
pub fn choose(word: &str, known: &[&str], all: &str) -> String {
    match nearest(word, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.len() <= FEW => format!("choose from {}", known.join(", ")),
        None => format!("choose from {all}"),
    }
}

/// The one that may have been meant: a slip away, or the only one that begins so.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = known.iter().map(|other| (osa_distance(word, other), *other)).min();
    // Most letters are right.
    let is_slip = |(distance, _): &(usize, &str)| *distance <= SLIP && 2 * distance <= word.chars().count();
    if let Some((_, meant)) = close.filter(is_slip) {
        return Some(meant);
    }
    let mut begun = known.iter().filter(|other| word.len() >= BEGINNING && other.starts_with(word));
    begun.next().copied().filter(|_| begun.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_and_a_beginning_are_understood_and_nothing_is_made_up() {
        let known = ["kill", "partition", "partition-one", "member-remove", "member-replace", "oom"];
        for (word, meant) in [
            ("kil", Some("kill")),
            ("partitoin", Some("partition")),
            ("partition-oen", Some("partition-one")),
            ("member-rem", Some("member-remove")),
            // Two begin so.
            ("member", None),
            ("k", None),
            ("omo", Some("oom")),
            ("meteor", None),
            ("all", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
        assert_eq!(choose("meteor", &known[..2], "the list"), "choose from kill, partition");
        assert_eq!(choose("meteor", &["x"; FEW + 1], "the list"), "choose from the list");
    }
}
