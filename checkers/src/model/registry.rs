//! Every model by name, as a checker: what `duress check --model` offers.

use super::persist::Element;
use super::{
    Bag, Container, Counter, Discipline, Etcd, FencedLock, FetchAdd, KeyValue, Log, Model, Mutex,
    PriorityQueue, Queue, ReentrantMutex, Register, Semaphore, Set, Stack, Text, VersionedRegister,
};
use crate::{Checker, Keys, Linearizable};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A model as it is asked for by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedModel {
    /// [`ModelEntry::name`].
    pub name: String,
    /// What it holds at first, where that is not the usual value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Value>,
}

impl NamedModel {
    pub(super) fn new(name: &str, initial: Option<Value>) -> Option<Self> {
        Some(Self { name: name.to_owned(), initial })
    }

    /// Of a model that begins with these elements, and usually with none.
    pub(super) fn holding(name: &str, elements: &[Element]) -> Option<Self> {
        let list = || elements.iter().map(|element| element.value().clone()).collect();
        Self::new(name, (!elements.is_empty()).then(|| Value::Array(list())))
    }

    /// A checker for it.
    ///
    /// # Errors
    /// When there is no such model, or it cannot begin like this; in words.
    pub fn checker(&self, keys: Keys) -> Made {
        let entry = models().iter().find(|entry| entry.name == self.name);
        let entry = entry.ok_or_else(|| format!("there is no model {}", self.name))?;
        (entry.make)(self.initial.clone(), keys)
    }
}

/// A model that can be asked for by name.
#[derive(Clone, Copy, Debug)]
pub struct ModelEntry {
    /// As in `cas-register`.
    pub name: &'static str,
    /// What it is and which functions it knows, in one line.
    pub doc: &'static str,
    /// The functions it knows.
    pub fs: &'static [&'static str],
    /// A checker for it. The first argument is the initial value, if it is not the usual one.
    ///
    /// # Errors
    /// In words, when that is no initial value of this model.
    pub make: fn(Option<Value>, Keys) -> Made,
}

/// A checker, or what is wrong with the initial value.
pub type Made = Result<Box<dyn Checker>, String>;

/// All models, the most used first.
pub fn models() -> &'static [ModelEntry] {
    &MODELS
}

/// A static, so that a crate that asks for models does not compile the checkers behind them again.
static MODELS: [ModelEntry; 17] = [
    ModelEntry {
        name: "register",
        doc: "a register: read, write, cas [old, new]",
        fs: &["read", "write", "cas"],
        make: |initial, keys| made(Register { initial: initial.unwrap_or_default() }, keys),
    },
    ModelEntry {
        name: "versioned-register",
        doc: "a register with versions: read → [version, value], write, cas [old version, value]",
        fs: &["read", "write", "cas"],
        make: |initial, keys| made(VersionedRegister { initial: initial.unwrap_or_default() }, keys),
    },
    ModelEntry {
        name: "map",
        doc: r#"keys and values: txn of ["r", key, null] and ["w", key, value]; the initial value is every key's"#,
        fs: &["txn"],
        make: |initial, keys| made(KeyValue { initial: initial.unwrap_or_default() }, keys),
    },
    ModelEntry {
        name: "text",
        doc: "a string: get, put, append",
        fs: &["get", "put", "append"],
        make: |initial, keys| match initial {
            None | Some(Value::Null) => made(Text::default(), keys),
            Some(Value::String(initial)) => made(Text { initial }, keys),
            Some(other) => Err(format!("the initial value has to be a string, not {other}")),
        },
    },
    ModelEntry {
        name: "set",
        doc: "a set: add, remove, contains [element, null], read; the initial value is a list",
        fs: &["add", "remove", "contains", "read"],
        make: |initial, keys| made(Set { initial: elements(initial)? }, keys),
    },
    ModelEntry {
        name: "counter",
        doc: "a counter: add, read",
        fs: &["add", "read"],
        make: |initial, keys| made(Counter { initial: number(initial, 0)? }, keys),
    },
    ModelEntry {
        name: "fetch-add",
        doc: "a counter whose additions answer: fetch-add [n, null], read",
        fs: &["fetch-add", "read"],
        make: |initial, keys| made(FetchAdd { initial: number(initial, 0)? }, keys),
    },
    ModelEntry {
        name: "queue",
        doc: "first in, first out: enqueue, dequeue; the initial value is a list",
        fs: &["enqueue", "dequeue"],
        make: |initial, keys| container(Queue::default(), initial, keys),
    },
    ModelEntry {
        name: "bag",
        doc: "an unordered queue: enqueue, dequeue; the initial value is a list",
        fs: &["enqueue", "dequeue"],
        make: |initial, keys| container(Bag::default(), initial, keys),
    },
    ModelEntry {
        name: "stack",
        doc: "last in, first out: push, pop; the initial value is a list",
        fs: &["push", "pop"],
        make: |initial, keys| container(Stack::default(), initial, keys),
    },
    ModelEntry {
        name: "priority-queue",
        doc: "the smallest number first: insert, delete-min; the initial value is a list",
        fs: &["insert", "delete-min"],
        make: |initial, keys| container(PriorityQueue::default(), initial, keys),
    },
    ModelEntry {
        name: "log",
        doc: "append-only: append, read [index, null], read null; the initial value is a list",
        fs: &["append", "read"],
        make: |initial, keys| made(Log { initial: elements(initial)? }, keys),
    },
    ModelEntry {
        name: "mutex",
        doc: "a mutex that anybody may release: acquire, release",
        fs: &["acquire", "release"],
        make: |initial, keys| none(initial).and_then(|()| made(Mutex, keys)),
    },
    ModelEntry {
        name: "reentrant-mutex",
        doc: "a mutex that its owner may acquire again: acquire, release; the initial value limits how often",
        fs: &["acquire", "release"],
        make: |initial, keys| {
            let limit = number(initial, u32::MAX.into())?;
            let limit = u32::try_from(limit).map_err(|_| format!("{limit} is no number of times"))?;
            made(ReentrantMutex { limit }, keys)
        },
    },
    ModelEntry {
        name: "fenced-lock",
        doc: "a lock with owners and increasing tokens: acquire → token, release",
        fs: &["acquire", "release"],
        make: |initial, keys| none(initial).and_then(|()| made(FencedLock, keys)),
    },
    ModelEntry {
        name: "semaphore",
        doc: "acquire n, release n; the initial value is the number of permits, usually 1",
        fs: &["acquire", "release"],
        make: |initial, keys| {
            let permits = number(initial, 1)?;
            let permits = u32::try_from(permits).map_err(|_| format!("{permits} is no number of permits"))?;
            made(Semaphore { permits }, keys)
        },
    },
    ModelEntry {
        name: "etcd",
        doc: "a whole store of etcd, as its robustness tests report it: range, txn, leases, every answer with its revision",
        fs: &["range", "txn", "leaseGrant", "leaseRevoke", "compact", "defragment"],
        make: |initial, keys| match initial {
            None => made(Etcd::default(), keys),
            Some(Value::Array(list)) if list.is_empty() => made(Etcd::default(), keys),
            Some(other) => Err(format!("a store is empty at first, `[]`, and cannot hold {other}")),
        },
    },
];

fn made<M: Model + 'static>(model: M, keys: Keys) -> Made {
    Ok(Box::new(Linearizable::new(model, keys)))
}

fn container<D: Discipline>(empty: Container<D>, initial: Option<Value>, keys: Keys) -> Made {
    let initial = elements(initial)?;
    if initial.iter().any(|element| element.value().is_null()) {
        return Err("null is no element: a container answers with it when it is empty".to_owned());
    }
    initial.iter().try_for_each(|element| D::admits(element.value()))?;
    made(Container { initial, ..empty }, keys)
}

fn elements(initial: Option<Value>) -> Result<Vec<Element>, String> {
    match initial {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list.iter().map(Element::from).collect()),
        Some(other) => Err(format!("the initial value has to be a list, not {other}")),
    }
}

fn number(initial: Option<Value>, usual: i64) -> Result<i64, String> {
    match initial {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => {
            value.as_i64().ok_or_else(|| format!("the initial value has to be a whole number, not {value}"))
        }
    }
}

fn none(initial: Option<Value>) -> Result<(), String> {
    match initial {
        None | Some(Value::Null) => Ok(()),
        Some(value) => Err(format!("a lock is free at first and takes no initial value such as {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_model_knows_its_name() {
        let fits = |model: Option<NamedModel>| model.is_some_and(|it| it.checker(Keys::Single).is_ok());
        assert!(fits(Register { initial: 7.into() }.named()) && fits(Etcd::default().named()));
        assert!(fits(Queue { initial: vec![Element::from(&3.into())], ..Queue::default() }.named()));
        assert!(fits(ReentrantMutex { limit: 2 }.named()) && fits(Semaphore { permits: 3 }.named()));
        let named = PriorityQueue::default().named().map(|it| it.name);
        assert_eq!(named.as_deref(), Some("priority-queue"));
    }

    #[test]
    fn every_name_is_one_model_and_wrong_initial_values_are_refused() {
        let names: std::collections::BTreeSet<&str> = models().iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), models().len());
        for entry in models() {
            assert!((entry.make)(None, Keys::Single).is_ok(), "{}", entry.name);
            let takes_anything = ["register", "versioned-register", "map"].contains(&entry.name);
            let made = (entry.make)(Some(json!({"no": "start"})), Keys::Single);
            assert_eq!(made.is_ok(), takes_anything, "{}", entry.name);
        }
    }
}
