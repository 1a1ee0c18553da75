//! A history boiled down to the few bytes per call that all measurements need, in one pass.

use crate::words;
use duress_checkers::history::class::PRECONDITION;
use duress_checkers::{History, Kind, Process};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Classes of errors told apart; what comes later is counted as `other`. Errors that carry
/// an id in front would otherwise make a class each.
const MAX_CLASSES: usize = 40;
/// Functions, and nodes, told apart; what comes later is counted as `other`.
const MAX_NAMES: usize = 4_096;
/// Longest name of a class, in characters.
const MAX_CLASS_CHARS: usize = 60;
/// Longest sample of an error, in characters.
const MAX_SAMPLE_CHARS: usize = 300;

/// One call of a client. Times are nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// When it was invoked.
    pub(crate) invoked: u64,
    /// When it completed, in whatever way; `None` when the history ends first.
    pub(crate) completed: Option<u64>,
    /// Whose it is.
    pub(crate) process: u32,
    /// Position in [`Calls::fs`].
    pub(crate) f: u16,
    /// Position in [`Calls::nodes`].
    pub(crate) node: Option<u16>,
    /// Position in [`Calls::classes`], unless it is ok.
    pub(crate) class: u16,
    /// How it ended: never `Invoke`.
    pub(crate) kind: Kind,
    /// A `fail` that the workload expects: an answer like any other, not an error.
    pub(crate) expected: bool,
}

impl Row {
    /// Nanoseconds from invocation to completion.
    pub(crate) fn latency(&self) -> Option<u64> {
        self.completed.map(|t| t.saturating_sub(self.invoked))
    }

    /// When an `ok` came back.
    pub(crate) fn succeeded(&self) -> Option<u64> {
        self.completed.filter(|_| self.kind == Kind::Ok)
    }

    /// When the system answered, be it that a comparison failed.
    pub(crate) fn answered(&self) -> Option<u64> {
        self.completed.filter(|_| self.kind == Kind::Ok || self.expected)
    }

    /// How it ended, for figures of how the system fares: expected failures are answers.
    pub(crate) fn shown(&self) -> Kind {
        if self.expected { Kind::Ok } else { self.kind }
    }
}

/// A class of errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    /// The text before the first `: `.
    pub(crate) name: String,
    /// The first error of it, whole.
    pub(crate) sample: String,
}

/// All calls of the clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    /// By invocation.
    pub(crate) rows: Vec<Row>,
    /// Functions, in order of appearance.
    pub(crate) fs: Vec<String>,
    /// Nodes, in order of their names, fit to be shown.
    pub(crate) nodes: Vec<String>,
    /// Errors.
    pub(crate) classes: Vec<Class>,
    /// First invocation.
    pub(crate) start: u64,
    /// Last event of a client.
    pub(crate) end: u64,
    /// Distinct keys; `None` when the workload is not keyed.
    pub(crate) keys: Option<u64>,
}

impl Calls {
    pub(crate) fn new(history: &History) -> Self {
        let mut names = Names::default();
        let mut keys = Keys::default();
        let mut calls = Self { start: u64::MAX, ..Self::default() };
        calls.rows.reserve(history.len() / 2);
        for call in history.calls() {
            let op = call.invoke;
            let completion = call.completion;
            let kind = call.kind();
            keys.see(&op.value);
            calls.start = calls.start.min(op.time);
            calls.end = calls.end.max(completion.map_or(op.time, |c| c.time));
            let node = completion.and_then(|c| c.node.as_deref()).or(op.node.as_deref());
            let class = match kind {
                Kind::Ok => 0,
                _ => names.class(completion.map(|c| c.error.as_deref())),
            };
            calls.rows.push(Row {
                invoked: op.time,
                completed: completion.map(|c| c.time),
                process: match op.process {
                    Process::Client(id) => u32::try_from(id).unwrap_or(u32::MAX),
                    Process::Nemesis => u32::MAX,
                },
                f: intern(&mut names.fs, &op.f),
                node: node.map(|n| intern(&mut names.nodes, n)),
                class,
                kind,
                expected: kind == Kind::Fail && names.classes[class as usize].name == PRECONDITION,
            });
        }
        calls.start = calls.start.min(calls.end);
        calls.keys = keys.distinct();
        calls.fs = names.fs;
        calls.classes = names.classes;
        calls.sort_nodes(&names.nodes);
        calls
    }

    /// Nodes by name, whatever order they answered in.
    fn sort_nodes(&mut self, nodes: &[String]) {
        let mut order: Vec<u16> = (0..).take(nodes.len()).collect();
        order.sort_by(|a, b| by_number(&nodes[*a as usize]).cmp(&by_number(&nodes[*b as usize])));
        let mut place = vec![0; nodes.len()];
        for (at, old) in (0..).zip(&order) {
            place[*old as usize] = at;
        }
        for row in &mut self.rows {
            row.node = row.node.map(|n| place[n as usize]);
        }
        // They go into figures straight from here.
        self.nodes = order.iter().map(|n| words::presentable(&nodes[*n as usize])).collect();
    }
}

/// `n2` before `n10`.
fn by_number(name: &str) -> (String, u64, &str) {
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (word.to_owned(), name[word.len()..].parse().unwrap_or(u64::MAX), name)
}

/// Few distinct names, many look-ups: a linear search beats hashing.
fn intern(names: &mut Vec<String>, name: &str) -> u16 {
    let at = names.iter().position(|n| n == name).unwrap_or_else(|| {
        if names.len() <= MAX_NAMES {
            names.push(if names.len() < MAX_NAMES { name } else { "other" }.to_owned());
        }
        names.len() - 1
    });
    position(at)
}

/// Of one of a few names.
fn position(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

#[derive(Default)]
struct Names {
    fs: Vec<String>,
    nodes: Vec<String>,
    classes: Vec<Class>,
    by_class: HashMap<String, u16>,
}

impl Names {
    /// `completion` is `None` when nothing came back at all.
    fn class(&mut self, completion: Option<Option<&str>>) -> u16 {
        let text = match completion {
            None => "never returned",
            Some(None) => "no reason given",
            Some(Some(text)) => text,
        };
        let head = text.split_once(": ").map_or(text, |(head, _)| head);
        let name: String = head.chars().take(MAX_CLASS_CHARS).collect();
        if let Some(at) = self.by_class.get(&name) {
            return *at;
        }
        let name = if self.classes.len() < MAX_CLASSES { name } else { "other".to_owned() };
        if let Some(at) = self.by_class.get(&name) {
            return *at;
        }
        let at = position(self.classes.len());
        let sample = text.chars().take(MAX_SAMPLE_CHARS).collect();
        self.classes.push(Class { name: name.clone(), sample });
        self.by_class.insert(name, at);
        at
    }
}

/// Counts keys, as long as every value seen is a pair of a key and something.
#[derive(Default)]
struct Keys {
    numbers: HashSet<i64>,
    others: HashSet<String>,
    unkeyed: bool,
}

impl Keys {
    fn see(&mut self, value: &Value) {
        match value.as_array().map(Vec::as_slice) {
            Some([Value::Number(n), _]) if n.as_i64().is_some() => {
                self.numbers.extend(n.as_i64());
            }
            Some([key, _]) => {
                self.others.insert(key.to_string());
            }
            _ => self.unkeyed = true,
        }
    }

    fn distinct(&self) -> Option<u64> {
        let distinct = (self.numbers.len() + self.others.len()) as u64;
        (!self.unkeyed && distinct > 0).then_some(distinct)
    }
}
