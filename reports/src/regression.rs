//! A finding as a test in Rust: the few operations that prove it, and what a checker has to say.
//!
//! It is text to be copied. Its history is a raw string, so every operation is read the way a file is.

use crate::conclusion::{Placed, Proof};
use duress_checkers::History;

/// Longest history that is worth copying, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// The test; `None` when it would be too long to copy.
pub(crate) fn test(placed: &Placed, proof: &Proof, history: &History) -> Option<String> {
    let lines = proof.lines(history);
    if lines.len() > MAX_BYTES {
        return None;
    }
    let fence = fence(&lines);
    let initial = match &proof.model.initial {
        None => "None".to_owned(),
        Some(value) => {
            let text = value.to_string();
            let fence = self::fence(&text);
            format!("Some(serde_json::from_str(r{fence}\"{text}\"{fence}).unwrap())")
        }
    };
    let keys = if proof.keyed { "Keyed" } else { "Single" };
    Some(format!(
        r#"#[test]
fn {name}() {{
    use duress_checkers::history::{{ReadOptions, read}};
    use duress_checkers::{{Budget, Keys, Valid, model::NamedModel}};

    let history = r{fence}"
{lines}"{fence};
    let history = read(history.as_bytes(), &ReadOptions::default()).unwrap().history;
    let model = NamedModel {{ name: {model:?}.to_owned(), initial: {initial} }};
    let verdict = model.checker(Keys::{keys}).unwrap().check(&history, &Budget::default());
    assert_eq!(verdict.valid, Valid::Violation);
    assert_eq!(verdict.findings[0].anomaly, {anomaly:?});
}}
"#,
        name = name(&placed.title),
        model = proof.model.name,
        anomaly = placed.anomaly,
    ))
}

/// As many `#` as it takes to quote a text.
fn fence(text: &str) -> String {
    let longest = text.split('"').skip(1).map(|rest| rest.chars().take_while(|c| *c == '#').count()).max();
    "#".repeat(longest.map_or(1, |longest| longest + 1))
}

/// Longest name of a test.
const MAX_NAME: usize = 60;

/// `stale_read_on_key_17`.
fn name(title: &str) -> String {
    let plain: String = title.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let words: Vec<String> = plain.split_whitespace().map(str::to_lowercase).collect();
    let mut name = words.join("_");
    name.truncate(MAX_NAME);
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("finding_{name}") }
}
