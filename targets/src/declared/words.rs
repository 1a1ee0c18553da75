//! A command as words: a list, or one text that is split as a shell does it, without running one.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// What only a shell understands.
const OF_SHELLS: [&str; 10] = ["|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1"];

/// The program and its arguments, before they are filled in; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Command;
        impl<'de> Visitor<'de> for Command {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command: a text, or a list of words")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Words, E> {
                split(text).and_then(checked).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                checked(words).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Command)
    }
}

fn checked(words: Vec<String>) -> Result<Words, String> {
    match words.first() {
        Some(program) if !program.is_empty() => Ok(Words(words)),
        _ => Err("the command is empty; write the program and its arguments".to_owned()),
    }
}

/// Quotes and backslashes mean what they mean to a POSIX shell, and white space within braces separates
/// nothing.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut depth) = (Vec::new(), None::<String>, 0_usize);
    let mut chars = text.chars().peekable();
    let mut plain = true;
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                plain = false;
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(format!("the quote {c} is not closed; close it")),
                        Some(end) if end == c => break,
                        Some('\\')
                            if c == '"' && chars.peek().is_some_and(|next| "\"\\$`".contains(*next)) =>
                        {
                            word.extend(chars.next());
                        }
                        Some(other) => word.push(other),
                    }
                }
            }
            '\\' => {
                plain = false;
                word.get_or_insert_default().extend(chars.next());
            }
            c if c.is_whitespace() && depth == 0 => {
                finish(&mut words, &mut word, plain)?;
                plain = true;
            }
            c => {
                depth = match c {
                    '{' => depth + 1,
                    '}' => depth.saturating_sub(1),
                    _ => depth,
                };
                word.get_or_insert_default().push(c);
            }
        }
    }
    finish(&mut words, &mut word, plain)?;
    Ok(words)
}

fn finish(words: &mut Vec<String>, word: &mut Option<String>, plain: bool) -> Result<(), String> {
    let Some(word) = word.take() else { return Ok(()) };
    if plain && OF_SHELLS.contains(&word.as_str()) {
        return Err(format!("`{word}` needs a shell, and none is run; write [\"sh\", \"-c\", \"…\"]"));
    }
    words.push(word);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_those_of_a_shell() {
        for (text, words) in [
            ("a  b\tc\n", vec!["a", "b", "c"]),
            ("--name='a b' \"c \\\" d\" e\\ f ''", vec!["--name=a b", "c \" d", "e f", ""]),
            ("--join {each peers:{address}:1 x} y", vec!["--join", "{each peers:{address}:1 x}", "y"]),
            ("'|' \\;", vec!["|", ";"]),
            ("", vec![]),
        ] {
            assert_eq!(split(text).expect("words"), words, "{text}");
        }
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        assert!(split("a 'b").expect_err("open").contains("not closed"));
        for text in ["a | b", "a && b", "a 2>&1", "a > b"] {
            assert!(split(text).expect_err(text).contains("needs a shell"), "{text}");
        }
    }
}
