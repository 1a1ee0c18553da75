//! What may have been meant by a word that nobody knows, such as a name with a slip of the finger in it.

/// Words that are offered one by one when none is close. More of them are a wall, and not an answer.
const FEW: usize = 12;

/// Most letters that a slip puts in, takes out or replaces. Two that are exchanged count as two.
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
    let close = known.iter().map(|other| (distance(word, other), *other)).min();
    // Most letters are right.
    let is_slip = |(distance, _): &(usize, &str)| *distance <= SLIP && 2 * distance <= word.len();
    if let Some((_, meant)) = close.filter(is_slip) {
        return Some(meant);
    }
    let mut begun = known.iter().filter(|other| word.len() >= BEGINNING && other.starts_with(word));
    begun.next().copied().filter(|_| begun.next().is_none())
}

/// Levenshtein's: letters that are to be put in, taken out or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
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
