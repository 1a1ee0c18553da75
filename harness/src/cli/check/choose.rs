//! Which model is a history checked against, when none was named? The one that fits, if it is
//! certain: a wrong guess would accuse a system of what it never promised.

use crate::failure::Failure;
use duress_checkers::history::Format;
use duress_checkers::model::{ModelEntry, models};
use duress_checkers::{Call, History, Keys, Kind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::mem::{Discriminant, discriminant};

/// Functions named in an error.
const SHOWN: usize = 8;

/// Characters of a reason; it may quote a value of any size.
const CLIPPED: usize = 100;

/// What may be taken, among several models with the same functions, when no other can read the
/// values; and the function without which nothing tells what it is. The others look too much like
/// something else: a lock's token may be just a number, a pair need not be a version.
const CERTAIN: [(&str, &str); 4] =
    [("register", "write"), ("set", "add"), ("counter", "add"), ("map", "txn")];

/// The only model that fits.
///
/// # Errors
/// With those that do, when several or none.
pub(super) fn choose(
    path: &str,
    format: Format,
    history: &History,
    keys: Keys,
) -> Result<&'static ModelEntry, Failure> {
    if format == Format::EtcdReport {
        return named("etcd").ok_or_else(|| unknown(path, "etcd"));
    }
    let fs: BTreeSet<&str> = history.calls().map(|call| call.invoke.f.as_str()).collect();
    let knows = |entry: &&ModelEntry| fs.iter().all(|f| entry.fs.contains(f));
    let all: Vec<&ModelEntry> = models().iter().filter(knows).collect();
    let shown = fs.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match all.as_slice() {
        [] => return Err(unknown(path, &shown)),
        [one] => return Ok(one),
        _ => {}
    }
    let mut fitting: Vec<&ModelEntry> = Vec::new();
    let mut unfit: Vec<String> = Vec::new();
    for entry in all {
        match (entry.make)(None, keys).and_then(|checker| checker.fits(history)) {
            Ok(()) => fitting.push(entry),
            Err(why) => unfit.push(format!("{}: {}", entry.name, clipped(&why))),
        }
    }
    let certain = |one: &ModelEntry| {
        CERTAIN.iter().any(|(name, f)| *name == one.name && fs.contains(f))
            && (one.name != "register" || reads_what_is_written(history))
    };
    match fitting.as_slice() {
        [] => Err(no_model(path, history, &shown, &unfit)),
        [one] if certain(one) => Ok(one),
        [one] => Err(Failure::usage(
            path,
            format!(
                "only a {} has its functions ({shown}) and could read its values, but they may mean something else",
                one.name
            ),
            format!("if it is one, say so with --model {}", one.name),
        )),
        // Reads of versions are pairs, and nobody writes these: what is left is a register either way.
        [register, versioned]
            if (register.name, versioned.name) == ("register", "versioned-register") && certain(register) =>
        {
            Ok(register)
        }
        candidates => Err(Failure::usage(
            path,
            format!("its functions ({shown}) do not tell what it is"),
            format!("say with --model which it is:{}", list(candidates)),
        )),
    }
}

fn named(name: &str) -> Option<&'static ModelEntry> {
    models().iter().find(|entry| entry.name == name)
}

fn unknown(path: &str, shown: &str) -> Failure {
    let known: Vec<&str> = models().iter().map(|entry| entry.name).collect();
    Failure::usage(
        path,
        format!("no model knows all of its functions ({shown})"),
        format!("there are {}; `duress list models` says what they know", known.join(", ")),
    )
}

fn no_model(path: &str, history: &History, shown: &str, unfit: &[String]) -> Failure {
    if appends(history) {
        return Failure::usage(
            path,
            "its transactions append to lists, for which there is no model here",
            "give it to a checker that searches for cycles, such as Elle; transactions that read and write whole values are judged here",
        );
    }
    Failure::usage(
        path,
        format!("no model that knows its functions ({shown}) can read its values ({})", unfit.join("; ")),
        "`duress list models` says what they expect; --model names one, --keys says whether values are [key, value]",
    )
}

fn clipped(why: &str) -> String {
    let mut chars = why.chars();
    let head: String = chars.by_ref().take(CLIPPED).collect();
    if chars.next().is_some() { format!("{head}…") } else { head }
}

/// One line for each.
fn list(candidates: &[&ModelEntry]) -> String {
    candidates.iter().map(|entry| format!("\n  {:<18} {}", entry.name, entry.doc)).collect()
}

/// Are there `["append", key, value]` in transactions?
fn appends(history: &History) -> bool {
    let append = |micro: &Value| micro.get(0).is_some_and(|f| f == "append");
    history.calls().any(|call| call.invoke.value.as_array().is_some_and(|micros| micros.iter().any(append)))
}

/// Is everything that was read of a kind that was written? A list that is read where numbers are
/// written is no register, but something that collects them.
fn reads_what_is_written(history: &History) -> bool {
    let keyed = history.calls().any(|call| call.invoke.f == "read" && asks_for_key(&call.invoke.value));
    let inner = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([_, inner]) if keyed => discriminant(inner),
        _ => discriminant(value),
    };
    let mut written: Vec<Discriminant<Value>> = vec![discriminant(&Value::Null)];
    let mut read: Vec<Discriminant<Value>> = Vec::new();
    for Call { invoke, completion } in history.calls() {
        let to = if invoke.f == "write" { &mut written } else { &mut read };
        let value = match invoke.f.as_str() {
            "write" => Some(&invoke.value),
            "read" => completion.filter(|done| done.kind == Kind::Ok).map(|done| &done.value),
            _ => None,
        };
        if let Some(kind) = value.map(inner)
            && !to.contains(&kind)
        {
            to.push(kind);
        }
    }
    read.iter().all(|kind| written.contains(kind))
}

/// `[key, null]`.
fn asks_for_key(value: &Value) -> bool {
    matches!(value.as_array().map(Vec::as_slice), Some([_, Value::Null]))
}
