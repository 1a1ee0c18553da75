//! Which model is a history checked against, when none was named? The one that fits, if only one
//! does: a wrong guess would accuse a system of what it never promised.

use crate::failure::Failure;
use duress_checkers::model::{ModelEntry, models};
use duress_checkers::{Call, History, Kind};
use serde_json::Value;
use std::collections::BTreeSet;

/// Functions named in an error.
const SHOWN: usize = 8;

/// The only model that fits.
///
/// # Errors
/// With those that do, when several or none.
pub(super) fn choose(path: &str, history: &History) -> Result<&'static ModelEntry, Failure> {
    let fs: BTreeSet<&str> = history.calls().map(|call| call.invoke.f.as_str()).collect();
    let fits: Vec<&ModelEntry> =
        models().iter().filter(|entry| fs.iter().all(|f| entry.fs.contains(f))).collect();
    let shown = fs.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match fits.as_slice() {
        [] => {
            let known: Vec<&str> = models().iter().map(|entry| entry.name).collect();
            Err(Failure::usage(
                path,
                format!("no model knows all of its functions ({shown})"),
                format!("there are {}; `duress list models` says what they know", known.join(", ")),
            ))
        }
        [one] => Ok(one),
        [one, rest @ ..] if is_register(one, rest, &fs, history) => Ok(one),
        several => {
            let names: Vec<&str> = several.iter().map(|entry| entry.name).collect();
            Err(Failure::usage(
                path,
                format!("several models have its functions ({shown})"),
                format!("say which it is with --model: {}", names.join(", ")),
            ))
        }
    }
}

/// Besides the register, only the versioned one has all of the functions, and nothing looks like
/// versions.
fn is_register(one: &ModelEntry, rest: &[&ModelEntry], fs: &BTreeSet<&str>, history: &History) -> bool {
    one.name == "register"
        && rest.iter().all(|entry| entry.name == "versioned-register")
        // Whatever is only read may be anything.
        && fs.contains("write")
        && !history.calls().any(|call| looks_versioned(&call))
}

/// Was a read answered with `[version, value]`? Where `[key, null]` was asked, the answer's key
/// is no version.
fn looks_versioned(call: &Call<'_>) -> bool {
    let Some(done) = call.completion.filter(|done| done.kind == Kind::Ok && done.f == "read") else {
        return false;
    };
    let pair = |value: &'_ Value| match value.as_array().map(Vec::as_slice) {
        Some([first, second]) => Some((first.clone(), second.clone())),
        _ => None,
    };
    let answer = match (pair(&call.invoke.value), pair(&done.value)) {
        (Some((key, Value::Null)), Some((also, answer))) if key == also => answer,
        _ => done.value.clone(),
    };
    pair(&answer).is_some_and(|(version, _)| version.is_u64())
}
