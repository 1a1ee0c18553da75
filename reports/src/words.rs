//! How numbers, times and foreign text are put into words. Every printer uses these, and the
//! checkers' sentences too, so that all of them agree to the last digit.

use crate::conclusion::Outcome;
use duress_checkers::Counterexample;
pub(crate) use duress_checkers::words::{at, at_bare, count, counted, span};
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

/// Foreign text with nothing in it that acts on a reader or a terminal: `\u{202e}` instead of the
/// character. Of a text of more than `longest` characters, the middle is left out.
pub fn visible(text: &str, longest: usize) -> String {
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

/// Text of several lines with nothing in it that acts, uncut: what is copied has to be whole.
pub(crate) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' { out.push('\n') } else { spell_char(c, &mut out) }
    }
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

/// JSON in which no string holds anything that acts on who prints it, be it a terminal or a log that is
/// read for commands: `\u202e` instead of the character. It reads as the same.
pub fn inert_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Lines between values are broken by newlines; within strings there are none.
        if c != '\n' && acts(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    // To the runner of GitHub a command, wherever it stands.
    out.replace("##[", "##\\u005b")
}

/// Cut to a number of characters, for labels in figures.
pub(crate) fn short(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
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

/// The answer at a glance, where a line begins with it.
pub(crate) fn shout(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "PASS",
        Outcome::Violation => "FAIL",
        Outcome::Known => "KNOWN",
        Outcome::Unknown => "UNKNOWN",
        Outcome::Inconclusive => "INCONCLUSIVE",
        Outcome::Crash => "CRASH",
        Outcome::Infrastructure => "ERROR",
    }
}

/// Lines of an argument that are shown in any case, its last ones.
const LAST_LINES: usize = 8;

/// An argument in two parts: what leads to its end, empty where it is short, and its end.
pub(crate) fn argument(example: &Counterexample) -> (&[String], &[String]) {
    let lines = &example.argument;
    let over = lines.len().saturating_sub(LAST_LINES);
    // One or two lines are shorter than saying that they are missing.
    lines.split_at(if over <= 2 { 0 } else { over })
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
    fn foreign_text_cannot_act() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\nd", 100), r"a\u{1b}[31mb\u{202e}c\nd");
        let long = visible(&"x".repeat(1_000_000), 10);
        assert_eq!(long, "xxxxx …999,990 characters… xxxxx");
    }

    #[test]
    fn json_that_does_not_act_reads_as_the_same() {
        let hostile = "a\u{9b}31m\u{202e}\u{e0001}\u{7f}##[x\u{1b}\n";
        let json = serde_json::to_string_pretty(&[hostile]).expect("a list");
        let inert = inert_json(&json);
        assert!(inert.is_ascii() && !inert.contains("##["), "{inert}");
        let read: [String; 1] = serde_json::from_str(&inert).expect("still JSON");
        assert_eq!(read, [hostile]);
    }

    #[test]
    fn lists_end_in_and() {
        let all = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!([list(&all[..1]), list(&all[..2]), list(&all)], ["a", "a and b", "a, b and c"]);
    }
}
