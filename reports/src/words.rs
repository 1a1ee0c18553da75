//! How numbers, times and foreign text are put into words. Every printer uses these, so that
//! the page, the terminal and the files agree to the last digit.

use duress_checkers::Counterexample;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Longest foreign text that a report repeats, in characters; `verdict.json` has all of it.
const LONGEST: usize = 2_000;

/// A copy in which every foreign text is fit to be shown: control and bidirectional
/// characters are spelled out and long texts are cut. Done once for a whole model, since
/// a call per field would one day be forgotten.
pub(crate) fn presentable<T: Serialize + DeserializeOwned + Clone>(model: &T) -> T {
    let Ok(mut value) = serde_json::to_value(model) else { unreachable!("our models are JSON") };
    spell(&mut value);
    match serde_json::from_value(value) {
        Ok(clean) => clean,
        Err(e) => unreachable!("our models are read as they are written: {e}"),
    }
}

fn spell(value: &mut Value) {
    match value {
        Value::String(text) => *text = visible(text, LONGEST),
        Value::Array(items) => items.iter_mut().for_each(spell),
        Value::Object(fields) => {
            let spelled = std::mem::take(fields).into_iter().map(|(name, mut value)| {
                spell(&mut value);
                (visible(&name, LONGEST), value)
            });
            *fields = spelled.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Foreign text with nothing in it that acts on a reader: `\u{202e}` instead of the character.
pub(crate) fn visible(text: &str, longest: usize) -> String {
    let mut out = String::with_capacity(text.len().min(longest * 4));
    let total = text.chars().count();
    if total <= longest {
        text.chars().for_each(|c| spell_char(c, &mut out));
        return out;
    }
    let half = longest / 2;
    text.chars().take(half).for_each(|c| spell_char(c, &mut out));
    out.push_str(&format!(" …{} characters… ", count((total - 2 * half) as u64)));
    text.chars().skip(total - half).for_each(|c| spell_char(c, &mut out));
    out
}

fn spell_char(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        c if acts(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c => out.push(c),
    }
}

/// Does it do something instead of showing something?
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{61c}' | '\u{ad}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Cut to a number of characters, for labels in figures.
pub(crate) fn short(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// `100,442`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 key`, `3 keys`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A moment of the run: `94.604 s`.
pub(crate) fn at(ns: u64) -> String {
    format!("{} s", at_bare(ns))
}

/// The same without its unit.
pub(crate) fn at_bare(ns: u64) -> String {
    let ms = ns.saturating_add(500_000) / 1_000_000;
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// How long something took, to three digits: `0.42 ms`, `373 ms`, `1.51 s`, `12.3 s`.
pub(crate) fn span(ns: u64) -> String {
    match ns {
        0 => "0 ms".to_owned(),
        1..10_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        10_000_000..100_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        // Up to where rounding would print `1000 ms`.
        100_000_000..999_500_000 => format!("{:.0} ms", ns as f64 / 1e6),
        999_500_000..10_000_000_000 => format!("{:.2} s", ns as f64 / 1e9),
        10_000_000_000..600_000_000_000 => format!("{:.1} s", ns as f64 / 1e9),
        _ => format!("{} min {} s", ns / (60 * SECOND), ns / SECOND % 60),
    }
}

/// The same for milliseconds as `verdict.json` carries them.
pub(crate) fn span_ms(ms: f64) -> String {
    span((ms.max(0.0) * 1e6) as u64)
}

/// `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// How much stands behind a counterexample.
pub(crate) fn checked(example: &Counterexample) -> String {
    format!(
        "Checked: {} on this key; the first {} cannot be linearized. {} shown, {} in the core.",
        counted(example.n_calls as u64, "operation", "operations"),
        count(example.n_prefix as u64),
        count(example.ops.len() as u64),
        count(example.core.len() as u64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let counts: Vec<_> = [0, 7, 999, 1000, 100_442, 1_234_567].into_iter().map(count).collect();
        assert_eq!(counts, ["0", "7", "999", "1,000", "100,442", "1,234,567"]);
        let spans: Vec<_> = [
            0,
            420_000,
            3_400_000,
            99_900_000,
            373_000_000,
            999_600_000,
            1_510_000_000,
            12_300_000_000,
            605 * SECOND,
        ]
        .into_iter()
        .map(span)
        .collect();
        assert_eq!(
            spans,
            ["0 ms", "0.42 ms", "3.40 ms", "99.9 ms", "373 ms", "1.00 s", "1.51 s", "12.3 s", "10 min 5 s"]
        );
        assert_eq!(at(94_603_999_999), "94.604 s");
    }

    #[test]
    fn foreign_text_cannot_act() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\nd", 100), r"a\u{1b}[31mb\u{202e}c\nd");
        let long = visible(&"x".repeat(1_000_000), 10);
        assert_eq!(long, "xxxxx …999,990 characters… xxxxx");
    }

    #[test]
    fn lists_end_in_and() {
        let all = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!([list(&all[..1]), list(&all[..2]), list(&all)], ["a", "a and b", "a, b and c"]);
    }
}
